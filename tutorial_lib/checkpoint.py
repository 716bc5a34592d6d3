"""Networks and training runs on disk.

A file is written beside its final place and moved there when it is whole, so that a crash leaves
the old file or the new one, never half of one. Reading a file runs nothing that is in it. All four
functions raise OSError if a file cannot be written or read, and ValueError if weights are not
finite, or a file is damaged or of another kind. Then nothing has been changed.
"""

import copy
import io
import os
import uuid
import zipfile
from pathlib import Path

import torch

from tutorial_lib._interrupts import interrupts_held
from tutorial_lib._silent import check_finite
from tutorial_lib.network import Denoiser, VDenoiser
from tutorial_lib.schedule import NoiseSchedule
from tutorial_lib.training import Trainer

CLASSES = {"Denoiser": Denoiser, "VDenoiser": VDenoiser}
ARGUMENTS = "n_dim", "n_steps", "n_hidden", "frequencies", "n_classes"
FilePath = str | os.PathLike[str]


def save_denoiser(path: FilePath, denoiser: Denoiser) -> None:
    """Write a `Denoiser` or a `VDenoiser`: its weights, and the arguments that make it anew."""
    content = {"class": type(denoiser).__name__, "weights": denoiser.state_dict()}
    content["arguments"] = {name: getattr(denoiser, name) for name in ARGUMENTS}
    if isinstance(denoiser, VDenoiser):
        content["beta"] = denoiser.schedule.beta
    check_finite(**content["weights"])
    known = type(denoiser) in CLASSES.values()
    if not known or repr(_made(content)) != repr(denoiser):
        raise ValueError(f"denoiser must be as its class makes it, got {denoiser}")
    _made(content).load_state_dict(content["weights"], assign=True)  # as it will be loaded
    _write(path, content)


def load_denoiser(path: FilePath) -> Denoiser:
    """The network that `save_denoiser` wrote, on the CPU."""
    content = _read(path)
    try:
        denoiser = _made(content)
        denoiser.load_state_dict(content["weights"], assign=True)
    except Exception as error:  # whatever a strange file brings about
        raise ValueError(f"{path} holds no denoiser of this library: {error!r}") from error
    return denoiser.to(next(denoiser.parameters()).dtype)


def _made(content: dict) -> Denoiser:
    """A network without weights: on "meta", so that no file can ask for memory."""
    arguments = dict(content["arguments"])
    if "beta" in content:
        del arguments["n_steps"]
        arguments["schedule"] = NoiseSchedule(content["beta"])
    with torch.device("meta"):
        return CLASSES[content["class"]](**arguments)


def save_trainer(path: FilePath, trainer: Trainer) -> None:
    """Write all that a training run goes on from, see `Trainer.state`."""
    check_finite(**trainer.network.state_dict())
    _write(path, {"kind": _kind(trainer), "state": trainer.state()})


def resume_trainer(path: FilePath, trainer: Trainer) -> None:
    """Put `trainer` where the one that `save_trainer` wrote was.

    Make it as that one was made: the same network, schedule, averaging and device of the
    generator. With the same data and options, and a generator of its own, it goes on as if it had
    never stopped, bit for bit.
    """
    content = _read(path)
    for name, here in _kind(trainer).items():
        if content.get("kind", {}).get(name) != here:
            raise ValueError(f"{path} is of another training: {name} is not as in this one")
    try:
        copy.deepcopy(trainer).load_state(content["state"])  # what does not fit, fails on a copy
    except Exception as error:
        raise ValueError(f"{path} holds no whole training: {error!r}") from error
    with interrupts_held():
        trainer.load_state(content["state"])


def _kind(trainer: Trainer) -> dict:
    """What two runs must have in common for one to go on from where the other was."""
    schedule, generator = getattr(trainer.objective, "schedule", None), trainer.generator
    return {
        "network": repr(trainer.network),
        "precision": str(next(trainer.network.parameters()).dtype),
        "schedule": schedule and schedule.beta.tolist(),
        "average": trainer.running_mean is not None,
        "generator": generator and generator.device.type,
    }


def _write(path: FilePath, content: dict) -> None:
    whole = io.BytesIO()
    torch.save(content, whole)
    temporary = Path(path).with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(whole.getvalue())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: FilePath) -> dict:
    content = Path(path).read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()  # torch.load does not compare the checksums
        content = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a strange file brings about
        raise ValueError(f"{path} is no checkpoint of this library: {error!r}") from error
    if damaged or not isinstance(content, dict):
        raise ValueError(f"{path} is damaged, or no checkpoint of this library")
    return content
