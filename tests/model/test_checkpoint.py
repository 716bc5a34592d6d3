"""Checkpoints: what was saved comes back bit for bit, and a file is whole or changes nothing."""

import io
import json
import os
import pickle
import random
import resource
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trainers import make, same, seeded

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, VDenoiser, checkpoint

SCHEDULE = NoiseSchedule.linear(20)
MAKERS = {
    "plain": lambda: Denoiser(1, 20, 4, generator=seeded()),
    "waves": lambda: Denoiser(2, 20, 3, frequencies=2.5 ** np.arange(2), generator=seeded()),
    "v": lambda: VDenoiser(2, SCHEDULE, 5, frequencies=(0.1,), generator=seeded()),
    "labels": lambda: VDenoiser(1, SCHEDULE, 5, n_classes=3, generator=seeded()),
    "double": lambda: VDenoiser(1, SCHEDULE, 5, generator=seeded()).double(),
    "half": lambda: Denoiser(1, 20, 4, generator=seeded()).bfloat16(),
}


def everything(trainer: Trainer) -> str:
    """All that resuming may change."""
    return json.dumps(trainer.state(), default=torch.Tensor.tolist)


# ---- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("made", MAKERS.values(), ids=MAKERS.keys())
def test_a_denoiser_comes_back_with_its_class_arguments_weights_and_answers(made, tmp_path):
    one, path, state = made(), tmp_path / "two_humps.pt", torch.get_rng_state()
    checkpoint.save_denoiser(path, one)
    other = checkpoint.load_denoiser(str(path))
    assert torch.equal(torch.get_rng_state(), state)
    assert type(other) is type(one) and repr(other) == repr(one)
    xt = torch.randn(9, one.n_dim, generator=seeded()).to(one.layers[0].weight)
    for t in (1, 20):
        assert torch.equal(one(xt, t), other(xt, t))
    assert all(p.requires_grad and p.device.type == "cpu" for p in other.parameters())
    assert [p.name for p in tmp_path.iterdir()] == ["two_humps.pt"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


KINDS = st.sampled_from(["plain", "v", "labels", "double"])


@given(st.integers(0, 8), st.integers(0, 8), st.booleans(), st.booleans(), KINDS)
def test_a_resumed_run_equals_one_that_was_never_stopped(
    folder, before, after, average, weighted, kind
):
    def made():
        denoiser = MAKERS[kind]()
        x0 = torch.randn(50, denoiser.n_dim, generator=seeded(1))
        options = {"label": torch.arange(50) % 3} if kind == "labels" else {}
        options |= {"batch_size": 8, "average": average, "generator": seeded(3)}
        options |= {"t_weight": SCHEDULE.sigma if weighted else None}
        return Trainer(denoiser, x0, SCHEDULE, learning_rate=lambda k: 0.02 / k, **options)

    whole, first, second = made(), made(), made()
    list(whole.run(steps=before + after))
    list(first.run(steps=before))
    kept = everything(first)
    list(second.run(steps=5))  # whatever it was before, it is forgotten
    checkpoint.save_trainer(folder / "run.pt", first)
    checkpoint.resume_trainer(folder / "run.pt", second)
    assert everything(second) == everything(first) == kept
    list(second.run(steps=after))
    assert same(second, whole) and everything(second) == everything(whole)


# ---- damaged, foreign and hostile files ----------------------------------------------------------


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    trainer = make(n_hidden=3)
    list(trainer.run(steps=2))
    return trainer


@pytest.fixture(scope="module")
def files(tmp_path_factory, trainer) -> dict[str, bytes]:
    """What is in a whole file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    denoiser = VDenoiser(1, SCHEDULE, 3, frequencies=(2,), generator=seeded())
    checkpoint.save_denoiser(folder / "denoiser", denoiser)
    checkpoint.save_trainer(folder / "trainer", trainer)
    return {kind: (folder / kind).read_bytes() for kind in ("denoiser", "trainer")}


both = pytest.mark.parametrize("kind", ["denoiser", "trainer"])


def opened(kind: str, path: Path, content: bytes, trainer) -> str | None:
    """The error that comes of such a file; nothing may have changed then. None if all went well."""
    path.write_bytes(content)
    before = everything(trainer)
    try:
        if kind == "denoiser":
            checkpoint.load_denoiser(path)
        else:
            checkpoint.resume_trainer(path, trainer)
    except ValueError as error:
        assert everything(trainer) == before
        assert str(path) in str(error)
        return str(error)
    return None


@both
def test_a_file_cut_off_at_100_lengths_is_refused(kind, files, trainer, tmp_path):
    content = files[kind]
    assert opened(kind, tmp_path / "whole", content, trainer) is None
    for length in np.linspace(0, len(content) - 1, 100).astype(int):
        assert opened(kind, tmp_path / "cut", content[:length], trainer), length


@both
def test_a_flipped_bit_in_the_data_is_noticed(kind, files, trainer, tmp_path):
    content, rng = files[kind], random.Random(0)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            head = entry.header_offset  # of 30 bytes, a name and more, of lengths that it tells
            start = head + 30 + sum(struct.unpack_from("<HH", content, head + 26))
            for _ in range(10):
                damaged, place = bytearray(content), start + rng.randrange(entry.file_size)
                damaged[place] ^= 1 << rng.randrange(8)
                assert opened(kind, tmp_path / "flipped", bytes(damaged), trainer), place


def forged(content: bytes, change) -> bytes:
    """The same file after change(what is in it), whole in itself."""
    inside, new = torch.load(io.BytesIO(content), weights_only=True), io.BytesIO()
    change(inside)
    torch.save(inside, new)
    return new.getvalue()


FITS_NOTHING = {
    "denoiser": [
        lambda c: c.update({"class": "Module"}),
        lambda c: c["weights"].pop("layers.0.bias"),
        lambda c: c["weights"].update(more=torch.ones(1)),
        lambda c: c["weights"].update({"layers.0.bias": torch.ones(2)}),
        lambda c: c["arguments"].update(n_hidden=10**6),  # 4 TB of weights, if they were made
        lambda c: c["arguments"].update(forward="os.system"),
        lambda c: c.update(beta=torch.tensor([0, 2, 0.1])),
    ],
    "trainer": [
        lambda c: c.pop("state"),
        lambda c: c["state"].pop("losses"),
        lambda c: c["state"]["generator"].zero_(),
        lambda c: c["state"]["network"].pop("layers.0.bias"),
        lambda c: c["state"]["optimizer"].pop("state"),
        lambda c: c["kind"].pop("network"),
    ],
}
FOREIGN = [b"", bytes(100), random.Random(0).randbytes(5000), b"text", pickle.dumps({"class": "D"})]


@both
def test_a_file_that_fits_nothing_is_refused(kind, files, trainer, tmp_path):
    for change in FITS_NOTHING[kind]:
        assert opened(kind, tmp_path / "forged", forged(files[kind], change), trainer)
    for content in FOREIGN:
        assert "no checkpoint" in opened(kind, tmp_path / "foreign", content, trainer)
    other = files["trainer" if kind == "denoiser" else "denoiser"]
    assert opened(kind, tmp_path / "other", other, trainer)


class Evil:
    """Pickled, it is a call: of the function, when the pickle is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Custom:
    """A class of one's own, whose code runs when a pickle of it is read."""

    def __init__(self, path):
        self.path = path

    def __setstate__(self, state):
        os.mkdir(state["path"])


HOSTILE = {
    "os.system": lambda path: Evil(os.system, f"mkdir {path}"),
    "subprocess": lambda path: Evil(subprocess.check_call, ["mkdir", path]),
    "a class": Custom,
}


@both
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_in_it_is_run(name, kind, files, trainer, tmp_path):
    made = tmp_path / "made"
    evil = HOSTILE[name](str(made))
    for content in (
        pickle.dumps(evil),
        forged(files[kind], lambda c: c.update(evil=evil)),
        forged(files[kind], lambda c: c.update({key: evil for key in c})),
    ):
        assert opened(kind, tmp_path / "hostile", content, trainer)
    assert not made.exists()
    pickle.loads(pickle.dumps(evil))  # it would have run
    assert made.exists()


OTHERS = {
    "network": lambda: make(n_hidden=4),
    "schedule": lambda: make(schedule=NoiseSchedule.linear(20, beta_max=0.3)),
    "average": lambda: make(average=False),
    "generator": lambda: make(generator=None),
    "precision": lambda: Trainer(
        Denoiser(1, 20, 8).double(), torch.zeros(5, 1), SCHEDULE, generator=seeded()
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_of_another_training_is_refused(name, tmp_path):
    checkpoint.save_trainer(tmp_path / "run.pt", make())
    other = OTHERS[name]()
    before = everything(other)
    with pytest.raises(ValueError, match=f"of another training: {name} is not as in this one"):
        checkpoint.resume_trainer(tmp_path / "run.pt", other)
    assert everything(other) == before


# ---- what cannot be written leaves the old file --------------------------------------------------


@pytest.fixture
def old(tmp_path) -> Path:
    """A file from earlier, which a failed attempt to write leaves as it was."""
    path = tmp_path / "old.pt"
    checkpoint.save_denoiser(path, Denoiser(1, 20, 4, generator=seeded()))
    content = path.read_bytes()
    yield path
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["old.pt"]


def test_a_full_disk_is_reported(old, trainer):
    """The system's limit on the size of a file stops the write as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            checkpoint.save_trainer(old, trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_folder_that_is_read_only_is_reported(old, trainer):
    old.parent.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # to whom no folder is read-only
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match=str(old.parent)):
            checkpoint.save_trainer(old, trainer)
    finally:
        os.seteuid(user)
        old.parent.chmod(0o755)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_an_error_or_an_interrupt_while_writing_is_passed_on(
    call, error, old, trainer, monkeypatch
):
    monkeypatch.setattr(os, call, Mock(side_effect=error))
    with pytest.raises(type(error)):
        checkpoint.save_trainer(old, trainer)


def test_a_network_gone_wrong_does_not_replace_a_good_one(old):
    run = make()
    run.network.layers[2].bias.data[1] = torch.nan
    for call, what in ((checkpoint.save_denoiser, run.network), (checkpoint.save_trainer, run)):
        with pytest.raises(ValueError, match=r"layers\.2\.bias must be finite, got 1"):
            call(old, what)


class Other(Denoiser):
    """A class that the loader does not know."""


MODIFIED = [
    lambda network: network.layers.__setitem__(1, torch.nn.SiLU()),
    lambda network: network.layers.append(torch.nn.Dropout(0.1)),
    lambda network: setattr(network.layers[2], "bias", None),
    lambda network: setattr(network, "gain", torch.nn.Parameter(torch.ones(1))),
    lambda network: setattr(network, "__class__", Other),
]


@pytest.mark.parametrize("modify", MODIFIED)
def test_a_network_that_its_class_would_not_bring_back_is_not_saved(modify, old):
    network = Denoiser(1, 20, 4)
    modify(network)
    with pytest.raises((ValueError, RuntimeError), match=r"as its class makes it|Unexpected key"):
        checkpoint.save_denoiser(old, network)


WRITER = """
import sys; sys.path[:0] = {paths!r}
from trainers import make
from tutorial_lib import checkpoint
trainer = make(n_hidden=64)
print("ready", flush=True)
for step in trainer.run(steps=10**6):
    checkpoint.save_trainer({path!r}, trainer)
"""


def writer(path: Path) -> subprocess.Popen:
    root = Path(__file__).parents[2]
    code = WRITER.format(paths=[str(root), str(root / "tests" / "helpers")], path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_file_that_others_write_all_the_time_is_always_whole_even_when_they_are_killed(tmp_path):
    path, twin = tmp_path / "shared.pt", make(n_hidden=64)
    writers = [writer(path), writer(path)]  # two notebooks in one folder
    try:
        while not path.exists():
            time.sleep(0.01)
        for _ in range(20):
            checkpoint.resume_trainer(path, twin)
    finally:
        for process in writers:
            process.kill()
            process.wait()
            process.stdout.close()
    checkpoint.resume_trainer(path, twin)
    list(twin.run(steps=1))
