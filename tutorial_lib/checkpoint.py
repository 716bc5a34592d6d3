"""Networks and training runs on disk, as safetensors: numbers and a little JSON, nothing that runs.

A file is written beside its final place and moved there when it is whole: whatever happens, there
is the old file or the new one. It is checked as a whole before anything is changed by it.
"""

import hashlib
import inspect
import json
import os
import reprlib
import uuid
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from tutorial_lib._arguments import PRECISIONS, finite, precision
from tutorial_lib.network import Denoiser, VDenoiser
from tutorial_lib.schedule import NoiseSchedule
from tutorial_lib.training import Trainer, interrupts_held

VERSION = 2  # in 1, a VDenoiser took t as a Denoiser does
CLASSES = {"Denoiser": Denoiser, "VDenoiser": VDenoiser}
DTYPES = {str(dtype): dtype for dtype in PRECISIONS}
FilePath = str | os.PathLike[str]


def save_denoiser(path: FilePath, denoiser: Denoiser) -> None:
    """Write a network and what it takes to make it anew: its class and its arguments.

    Raises OSError if the file cannot be written, ValueError if a weight is not finite or if the
    network was changed in more than its weights, which its class and arguments would not bring
    back, TypeError for another kind of network. A file that was there before then stays as it was.
    """
    _write(path, _settings("denoiser", denoiser), denoiser.state_dict())


def load_denoiser(path: FilePath) -> Denoiser:
    """The network that `save_denoiser` wrote, on the CPU.

    Raises OSError if the file cannot be read, ValueError if anything in it is not as it should be.
    """
    settings, tensors = _read(path)
    try:
        arguments = settings["arguments"]
        if "schedule" in arguments:
            arguments["schedule"] = NoiseSchedule(arguments["schedule"])
        with torch.device("meta"):  # shapes alone, so that no file can ask for memory
            denoiser = CLASSES[settings["class"]](**arguments).to(DTYPES[settings["dtype"]])
    except Exception as error:  # whatever a hostile file brings about
        raise ValueError(f"{path} does not say how to make its network: {error!r}") from error
    _check(path, tensors, denoiser.state_dict())
    denoiser.load_state_dict(tensors, assign=True)
    return denoiser


def save_trainer(path: FilePath, trainer: Trainer) -> None:
    """Write all that a training run goes on from.

    These are the weights and their average, Adam's moments, the losses, and the generator's state
    where the trainer has a generator. Raises as `save_denoiser` does, also ValueError if the
    losses are not one for each step.
    """
    settings = _trainer_settings(trainer)
    steps = {int(moments["step"]) for moments in trainer.optimizer.state.values()} or {0}
    if steps != {len(trainer.losses)}:
        raise ValueError(
            "trainer.losses must be one for each step, "
            f"got {len(trainer.losses)} where Adam has made {' or '.join(map(str, sorted(steps)))}"
        )
    _write(path, settings, _state(trainer))


def resume_trainer(path: FilePath, trainer: Trainer) -> None:
    """Put `trainer` where the one that `save_trainer` wrote was.

    Make it as that one was made: the same network, schedule, averaging and device of the
    generator. With the same data and options it goes on as if it had never stopped, bit for bit.
    Raises as `load_denoiser` does, also if the file is of another training; `trainer` then stays
    as it was.
    """
    here = json.loads(_json(_trainer_settings(trainer)))
    settings, tensors = _read(path)
    for name, ours in here.items():
        if settings.get(name) != ours:
            theirs, ours = reprlib.repr(settings.get(name)), reprlib.repr(ours)
            raise ValueError(f"{path} is of another training: {name} is {theirs}, here {ours}")
    expected = _state(trainer)
    if "losses" in tensors:  # as many as there are
        expected["losses"] = tensors["losses"].double().flatten()
    _check(path, tensors, expected)
    with interrupts_held():
        if trainer.generator is not None:
            try:
                trainer.generator.set_state(tensors["generator"])
            except RuntimeError as error:
                raise ValueError(f"{path} holds no state of a generator: {error}") from error
        _restore(trainer, tensors)  # which cannot fail


def _restore(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    trainer.losses[:] = tensors["losses"].tolist()
    for part in ("network", "average"):
        if (module := getattr(trainer, part)) is not None:
            state = {name: tensors[f"{part}.{name}"] for name in module.state_dict()}
            module.load_state_dict(state)
    moments = {}
    for number, (name, _) in enumerate(trainer.network.named_parameters()):
        moments[number] = {key: tensors[f"{key}.{name}"] for key in ("exp_avg", "exp_avg_sq")}
        moments[number]["step"] = torch.tensor(float(len(trainer.losses)))
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _settings(label: str, denoiser: Denoiser) -> dict:
    """What makes the network, apart from its weights: JSON, but for a schedule."""
    kind = type(denoiser)
    if CLASSES.get(kind.__name__) is not kind:
        raise TypeError(f"{label} must be a {' or a '.join(CLASSES)}, got a {kind.__name__}")
    names = inspect.signature(kind).parameters.keys() - {"generator"}
    arguments = {name: getattr(denoiser, name) for name in sorted(names)}
    with torch.device("meta"):
        anew = kind(**arguments)
    _check_modules(label, denoiser, anew)
    dtype = precision(denoiser)
    _check_tensors(label, _tensors(denoiser), _tensors(anew.to(dtype)))
    for name, buffer in anew.named_buffers():  # no file holds these
        if not torch.equal(denoiser.get_buffer(name).cpu(), buffer.cpu()):
            raise ValueError(f"{label}.{name} must follow from the schedule, got other numbers")
    return {
        "version": VERSION,
        "class": kind.__name__,
        "arguments": arguments,
        "dtype": str(dtype),
    }


def _modules(network: nn.Module) -> dict[str, str]:
    """The kind and the options of each module."""
    return {
        name: f"{type(module).__module__}.{type(module).__qualname__}({module.extra_repr()})"
        for name, module in network.named_modules(remove_duplicate=False)
    }


def _check_modules(label: str, denoiser: Denoiser, anew: Denoiser) -> None:
    """Raise ValueError unless the modules are of the same names, kinds and options."""
    given, wanted = _modules(denoiser), _modules(anew)
    for name in sorted(given | wanted):
        if given.get(name) != wanted.get(name):
            raise ValueError(
                f"{label}.{name} must be {wanted.get(name, 'left out')}, "
                f"as {type(anew).__name__} makes it, got {given.get(name, 'nothing')}"
            )


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers, also those that no file holds."""
    return network.state_dict() | dict(network.named_buffers())


def _trainer_settings(trainer: Trainer) -> dict:
    if not isinstance(trainer, Trainer):
        raise TypeError(f"trainer must be a Trainer, got a {type(trainer).__name__}")
    settings = _settings("trainer.network", trainer.network)
    if trainer.average is not None:
        average = _settings("trainer.average", trainer.average)
        if _json(average) != _json(settings):
            ours, wanted = reprlib.repr(average), reprlib.repr(settings)
            raise ValueError(f"trainer.average must be made like the network, {wanted}, got {ours}")
    return settings | {
        "schedule": trainer.schedule,
        "average": trainer.average is not None,
        "generator": None if trainer.generator is None else trainer.generator.device.type,
    }


def _state(trainer: Trainer) -> dict[str, Tensor]:
    """The numbers of a training run, which are always of the same names and shapes."""
    state = {"losses": torch.tensor(trainer.losses, dtype=torch.float64)}
    for part in ("network", "average"):
        if (module := getattr(trainer, part)) is not None:
            state |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
    for name, parameter in trainer.network.named_parameters():
        moments = trainer.optimizer.state.get(parameter, {})  # none before the first step
        for key in ("exp_avg", "exp_avg_sq"):
            state[f"{key}.{name}"] = moments.get(key, torch.zeros_like(parameter))
    if trainer.generator is not None:
        state["generator"] = trainer.generator.get_state()
    return state


def _json(settings: dict) -> str:
    return json.dumps(settings, default=lambda schedule: schedule.beta.tolist())


def _digest(settings: str, tensors: dict[str, Tensor]) -> str:
    """A checksum of everything in a file: safetensors has none of its own."""
    digest = hashlib.sha256(settings.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_apart(tensors: dict[str, Tensor]) -> None:
    """Raise ValueError if two tensors are one, as tied weights are: a file would part them."""
    owner = {}
    for name, tensor in tensors.items():
        if (first := owner.setdefault(tensor.data_ptr(), name)) != name:
            raise ValueError(
                f"{name} must have memory of its own, got that of {first}: "
                "tied weights cannot be saved"
            )


def _write(path: FilePath, settings: dict, tensors: dict[str, Tensor]) -> None:
    _check_apart(tensors)
    tensors = {name: finite(name, value.cpu()) for name, value in tensors.items()}
    text = _json(settings)
    content = save(tensors, {"settings": text, "sha256": _digest(text, tensors)})
    temporary = Path(path).parent / f".{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        with suppress(OSError):  # gone if all went well; not there if it could not be made
            temporary.unlink()


def _read(path: FilePath) -> tuple[dict, dict[str, Tensor]]:
    """The settings and tensors of a file, if they are whole."""
    content = Path(path).read_bytes()
    try:
        tensors = load(content)  # also checks the header, which begins with its length
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        text, written = (header["__metadata__"][key] for key in ("settings", "sha256"))
        settings = json.loads(text)
        version, found = settings["version"], _digest(text, tensors)
    except Exception as error:  # whatever a hostile file brings about
        raise ValueError(f"{path} is no checkpoint of this library: {error!r}") from error
    if version != VERSION:
        raise ValueError(f"{path} is of format {version!r}; allowed: {VERSION}")
    if found != written:
        raise ValueError(f"{path} is damaged: its checksum does not fit its content")
    return settings, tensors


def _check(path: FilePath, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise ValueError unless names, shapes and dtypes are those expected and all is finite."""
    _check_tensors(path, tensors, expected)
    for name, tensor in sorted(tensors.items()):
        finite(f"{path}: {name}", tensor)


def _check_tensors(
    label: FilePath, tensors: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    """Raise ValueError unless names, shapes and dtypes are those expected."""
    missing, extra = sorted(expected.keys() - tensors), sorted(tensors.keys() - expected)
    if missing or extra:
        raise ValueError(
            f"{label} must hold other tensors: {reprlib.repr(missing)} are missing, "
            f"{reprlib.repr(extra)} too many"
        )
    for name, tensor in sorted(tensors.items()):
        given, wanted = ((tuple(v.shape), v.dtype) for v in (tensor, expected[name]))
        if given != wanted:
            raise ValueError(f"{label}: {name} must be of {wanted}, got {given}")
