"""Networks and training runs on disk.

A file is written beside its final place and moved there when it is whole: whatever happens, there
is the old file or the new one. Reading one runs nothing that is in it.
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

FilePath = str | os.PathLike[str]


def save_denoiser(path: FilePath, denoiser: Denoiser) -> None:
    """Write a `Denoiser` or a `VDenoiser`: its weights, and the arguments that make it anew.

    Raises OSError if the file cannot be written, ValueError for weights that are not finite or a
    network that is not as its class makes it, RuntimeError for weights that its class has not. A
    file that was there before then stays as it was.
    """
    names = ("n_dim", "n_hidden", "frequencies", "n_classes", "n_steps")
    content = {"class": type(denoiser).__name__, "weights": denoiser.state_dict()}
    content["arguments"] = {name: getattr(denoiser, name) for name in names}
    if isinstance(denoiser, VDenoiser):
        content["beta"] = denoiser.schedule.beta
    check_finite(**content["weights"])
    anew = _made(content)
    if type(anew) is not type(denoiser) or repr(anew) != repr(denoiser):
        raise ValueError(f"denoiser must be as its class makes it, {anew}, got {denoiser}")
    anew.load_state_dict(content["weights"], assign=True)  # if not here, it would fail on loading
    _write(path, content)


def load_denoiser(path: FilePath) -> Denoiser:
    """The network that `save_denoiser` wrote, on the CPU.

    Raises OSError if the file cannot be read, ValueError if it is damaged or of another kind.
    """
    content = _read(path)
    try:
        denoiser = _made(content)
        if type(denoiser).__name__ != content["class"]:
            raise ValueError(f"it holds a {content['class']}")
        denoiser.load_state_dict(content["weights"], assign=True)
    except Exception as error:  # whatever a strange file brings about
        raise ValueError(f"{path} holds no denoiser of this library: {error!r}") from error
    return denoiser.to(next(denoiser.parameters()).dtype)


def _made(content: dict) -> Denoiser:
    """A network without weights: on "meta", so that no file can ask for memory."""
    arguments = dict(content["arguments"])
    kind = Denoiser
    if content["class"] == "VDenoiser":
        kind, arguments["schedule"] = VDenoiser, NoiseSchedule(content["beta"])
        del arguments["n_steps"]
    with torch.device("meta"):
        return kind(**arguments)


def save_trainer(path: FilePath, trainer: Trainer) -> None:
    """Write all that a training run goes on from: weights and their mean, Adam's moments, the
    losses, and the state of the trainer's generator, if it has one. Raises as `save_denoiser` does.
    """
    check_finite(**trainer.network.state_dict())
    _write(path, {"run": _run(trainer), "state": trainer.state()})


def resume_trainer(path: FilePath, trainer: Trainer) -> None:
    """Put `trainer` where the one that `save_trainer` wrote was.

    Make it as that one was made: the same network, schedule, averaging and device of the
    generator. With the same data and options it goes on as if it had never stopped, bit for bit.
    Raises as `load_denoiser` does, also if the file is of another training; `trainer` then stays
    as it was.
    """
    content, here = _read(path), _run(trainer)
    there = content.get("run", {})
    for name in here:
        if there.get(name) != here[name]:
            raise ValueError(f"{path} is of another training: {name} is not the one here")
    try:
        copy.deepcopy(trainer).load_state(content["state"])  # what does not fit, changes a copy
    except Exception as error:
        raise ValueError(f"{path} holds no whole training: {error!r}") from error
    with interrupts_held():
        trainer.load_state(content["state"])


def _run(trainer: Trainer) -> dict:
    """What two runs must have in common for one to go on from where the other was."""
    schedule = getattr(trainer.objective, "schedule", None)
    generator = trainer.generator
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
        raise ValueError(f"{path} is damaged, at {damaged}, or no checkpoint of this library")
    return content
