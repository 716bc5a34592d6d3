"""Checkpoints: damaged, foreign and hostile files, and places where nothing can be written."""

import copy
import errno
import io
import json
import os
import pickle
import random
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from trainers import make, seeded

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, VDenoiser, checkpoint

SCHEDULE = NoiseSchedule.linear(20)


def everything(trainer) -> list:
    """All that resuming could change."""
    modules = trainer.network.state_dict(), trainer.denoiser.state_dict()
    return [
        list(trainer.losses),
        trainer.generator.get_state().tolist(),
        *({name: value.tolist() for name, value in module.items()} for module in modules),
        copy.deepcopy(trainer.optimizer.state_dict()["state"]).__repr__(),
    ]


@pytest.fixture(scope="module")
def trainer():
    trainer = make(n_hidden=3)
    list(trainer.run(steps=2))
    return trainer


@pytest.fixture(scope="module")
def files(tmp_path_factory, trainer) -> dict[str, Path]:
    """One whole file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    paths = {kind: folder / kind for kind in ("denoiser", "trainer")}
    denoiser = VDenoiser(1, SCHEDULE, 3, frequencies=(2,), generator=seeded())
    checkpoint.save_denoiser(paths["denoiser"], denoiser)
    checkpoint.save_trainer(paths["trainer"], trainer)
    return paths


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
def test_a_whole_file_opens(kind, files, trainer, tmp_path):
    assert opened(kind, tmp_path / "x", files[kind].read_bytes(), trainer) is None


@both
def test_a_file_cut_off_anywhere_is_refused(kind, files, trainer, tmp_path):
    content = files[kind].read_bytes()
    for length in [*range(0, 64), *range(64, len(content), 23), len(content) - 1]:
        assert opened(kind, tmp_path / "cut", content[:length], trainer), length
    assert opened(kind, tmp_path / "longer", content + b"\0", trainer)


def flipped(content: bytes, bit: int) -> bytes:
    content = bytearray(content)
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


@both
def test_a_flipped_bit_is_noticed(kind, files, trainer, tmp_path):
    content, rng = files[kind].read_bytes(), random.Random(0)
    for bit in rng.sample(range(8 * len(content)), 400):
        assert opened(kind, tmp_path / "flipped", flipped(content, bit), trainer), bit


@pytest.mark.slow
@both
def test_a_flipped_bit_in_every_byte_and_every_cut_are_noticed(kind, files, trainer, tmp_path):
    content, rng = files[kind].read_bytes(), random.Random(1)
    for byte in range(len(content)):
        bit = 8 * byte + rng.randrange(8)
        assert opened(kind, tmp_path / "flipped", flipped(content, bit), trainer), bit
        assert opened(kind, tmp_path / "cut", content[:byte], trainer), byte


def forged(content: bytes, change) -> bytes:
    """The file after change(settings, tensors), with a checksum that fits."""
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    settings, tensors = json.loads(metadata["settings"]), load(content)
    change(settings, tensors)
    text = json.dumps(settings)
    return save(tensors, {"settings": text, "sha256": checkpoint._digest(text, tensors)})


FIRST = {"denoiser": "layers.0.weight", "trainer": "network.layers.0.weight"}
NONE, NAN, INF = torch.zeros(0), float("nan"), float("inf")
EITHER = {
    "a later version": (lambda s, t, n: s.update(version=3), "format 3; allowed: 2"),
    "an earlier version": (lambda s, t, n: s.update(version=1), "format 1; allowed: 2"),
    "no version": (lambda s, t, n: s.pop("version"), "no checkpoint"),
    "a tensor missing": (lambda s, t, n: t.pop(n), "weight'] are missing, [] too many"),
    "a tensor too many": (lambda s, t, n: t.update(evil=NONE), "['evil'] too many"),
    "no tensors": (lambda s, t, n: t.clear(), "are missing"),
    "another shape": (lambda s, t, n: t.update({n: t[n][:2].clone()}), "must be of"),
    "another order": (lambda s, t, n: t.update({n: t[n].T.contiguous()}), "must be of"),
    "a half": (lambda s, t, n: t.update({n: t[n].half()}), "torch.float16"),
    "a double": (lambda s, t, n: t.update({n: t[n].double()}), "torch.float64"),
    "an integer": (lambda s, t, n: t.update({n: t[n].int()}), "torch.int32"),
    "a NaN": (lambda s, t, n: t[n].view(-1)[0].fill_(NAN), "must be finite, got 1"),
    "an infinity": (lambda s, t, n: t[n].view(-1)[1].fill_(-INF), "must be finite, got 1"),
}


@both
@pytest.mark.parametrize("fault", EITHER)
def test_a_file_made_to_deceive_is_refused(fault, kind, files, trainer, tmp_path):
    change, message = EITHER[fault]
    content = forged(files[kind].read_bytes(), lambda s, t: change(s, t, FIRST[kind]))
    error = opened(kind, tmp_path / "forged", content, trainer)
    assert error and message in error, error


HUGE = 10**12
ARGUMENTS = {
    "another class": {"class": "Module"},
    "a function's name": {"class": "os.system"},
    "no name at all": {"class": ["Denoiser"]},
    "another dtype": {"dtype": "torch.load"},
    "arguments that are a list": {"arguments": [1, 2]},
    **{
        f"{name} = {str(value)[:20]}": {"arguments": {name: value}}
        for name, value in [
            ("n_hidden", HUGE),
            ("n_hidden", 10**30),
            ("n_hidden", 4),
            ("n_hidden", -1),
            ("n_hidden", 2.0),
            ("n_hidden", True),
            ("n_dim", HUGE),
            ("n_dim", None),
            ("frequencies", [NAN]),
            ("frequencies", [INF]),
            ("frequencies", "12"),
            ("frequencies", [1] * 1000),
            ("schedule", [0, NAN, 0.1]),
            ("schedule", [0, 2, 0.1]),
            ("schedule", []),
            ("schedule", "a"),
            ("schedule", [[0, 0.1, 0.1]]),
            ("generator", 0),
            ("forward", "os.system"),
        ]
    },
}


@pytest.mark.parametrize("fault", ARGUMENTS)
def test_arguments_that_make_no_such_network_are_refused(fault, files, trainer, tmp_path):
    def change(settings, _):
        for key, value in ARGUMENTS[fault].items():
            together = key == "arguments" and isinstance(value, dict)
            settings[key] = settings[key] | value if together else value

    content = forged(files["denoiser"].read_bytes(), change)
    assert opened("denoiser", tmp_path / "forged", content, trainer)


def test_no_file_makes_the_loader_take_more_memory_than_the_file(files, trainer, tmp_path):
    """Half a gigabyte of weights, in a file of a few kilobytes."""

    def change(settings, _):
        settings["arguments"]["n_hidden"] = 8_000

    (tmp_path / "huge").write_bytes(forged(files["denoiser"].read_bytes(), change))
    code = f"""
import resource
from tutorial_lib import checkpoint
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    checkpoint.load_denoiser({str(tmp_path / "huge")!r})
except ValueError as error:
    print(error, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 50_000)"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "must be of ((8000," in run.stdout and run.stdout.endswith("True\n")


TRAINING = {
    "other losses": (lambda s, t: t.update(losses=t["losses"].float()), "losses must be of"),
    "a table of losses": (lambda s, t: t.update(losses=t["losses"][None]), "losses must be of"),
    "a loss of NaN": (lambda s, t: t["losses"].fill_(NAN), "losses must be finite"),
    "no losses": (lambda s, t: t.pop("losses"), "['losses'] are missing"),
    "a state of zeros": (lambda s, t: t["generator"].zero_(), "no state of a generator"),
    "a short state": (lambda s, t: t.update(generator=t["generator"][:9].clone()), "must be of"),
    "another schedule": (lambda s, t: s["schedule"].reverse(), "schedule is ["),
    "no schedule": (lambda s, t: s.pop("schedule"), "schedule is None"),
    "no average": (lambda s, t: s.update(average=False), "average is False, here True"),
    "another device": (lambda s, t: s.update(generator="cuda"), "generator is 'cuda', here 'cpu'"),
    "another class": (lambda s, t: s.update({"class": "VDenoiser"}), "class is 'VDenoiser'"),
    "another width": (lambda s, t: s["arguments"].update(n_hidden=4), "arguments is {'frequencies"),
}


@pytest.mark.parametrize("fault", TRAINING)
def test_a_training_run_that_is_not_this_one_is_refused(fault, files, trainer, tmp_path):
    change, message = TRAINING[fault]
    content = forged(files["trainer"].read_bytes(), change)
    error = opened("trainer", tmp_path / "forged", content, trainer)
    assert error and message in error, error


def test_the_two_kinds_of_file_are_not_taken_for_each_other(files, trainer, tmp_path):
    assert opened("denoiser", tmp_path / "a", files["trainer"].read_bytes(), trainer)
    assert opened("trainer", tmp_path / "b", files["denoiser"].read_bytes(), trainer)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def pickled(path: Path) -> list[bytes]:
    """Files that would make a folder at `path`, if they were loaded as pickles."""
    zipped = io.BytesIO()
    torch.save(Evil(path), zipped)
    return [pickle.dumps(Evil(path)), zipped.getvalue()]


def headed(header: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if size is None else size) + header


FOREIGN = {
    "nothing": b"",
    "zeros": bytes(100),
    "noise": random.Random(0).randbytes(5000),
    "text": b"weights: [1, 2, 3]\n" * 9,
    "a header of 9 exabytes": headed(b"{}", 2**63 - 1),
    "a header of 16 exabytes": headed(b"{}", 2**64 - 1),
    "a header of 100 MB": headed(b"{" + b" " * 50, 100_000_001),
    "an empty header": headed(b"{}"),
    "a header that is no JSON": headed(b"{'a': 1}"),
    "a header of other bytes": headed(b'{"\xff": 1}'),
    "a deep header": headed(b"[" * 100_000),
    "deep settings": headed(
        json.dumps({"__metadata__": {"settings": "[" * 100_000, "sha256": ""}}).encode()
    ),
    "settings with a long number": headed(
        json.dumps({"__metadata__": {"settings": "9" * 5000, "sha256": ""}}).encode()
    ),
    "no settings": headed(b'{"__metadata__": {}}'),
    "a tensor of 4 exabytes": headed(
        b'{"a": {"dtype": "F32", "shape": [1152921504606846976], "data_offsets": [0, 0]}}'
    ),
    "a tensor outside": headed(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'),
    "a tensor before": headed(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}'),
    "two tensors in one": headed(
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},'
        b' "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}0000'
    ),
}


@both
@pytest.mark.parametrize("fault", FOREIGN)
def test_a_foreign_file_is_refused(fault, kind, trainer, tmp_path):
    assert opened(kind, tmp_path / "foreign", FOREIGN[fault], trainer)


@both
def test_a_pickle_is_refused_and_not_run(kind, trainer, tmp_path):
    for content in pickled(tmp_path / "made"):
        assert opened(kind, tmp_path / "pickle", content, trainer)
    assert not (tmp_path / "made").exists()
    pickle.loads(pickled(tmp_path / "made")[0])  # it would have run
    assert (tmp_path / "made").exists()


# ---- reading and writing where one cannot --------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "error"),
    [("none", FileNotFoundError), (".", IsADirectoryError), ("file/x", NotADirectoryError)],
)
def test_a_place_without_a_file_is_named(place, error, trainer, tmp_path):
    (tmp_path / "file").touch()
    for load_it in (checkpoint.load_denoiser, lambda p: checkpoint.resume_trainer(p, trainer)):
        with pytest.raises(error, match=str(tmp_path)):
            load_it(tmp_path / place)


@pytest.mark.parametrize(
    ("place", "error"),
    [("none/x", FileNotFoundError), (".", OSError), ("file/x", NotADirectoryError)],
)
def test_a_place_that_takes_no_file_is_named(place, error, trainer, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(error, match=str(tmp_path / place)):
        checkpoint.save_trainer(tmp_path / place, trainer)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def old(tmp_path) -> Path:
    """A file from earlier, which a failed attempt to write leaves as it was."""
    checkpoint.save_denoiser(tmp_path / "old", Denoiser(1, 20, 4, generator=seeded()))
    content = (tmp_path / "old").read_bytes()
    yield tmp_path / "old"
    assert (tmp_path / "old").read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_is_reported(old, trainer):
    """The system's limit on the size of a file stops the write as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=f"too large.*{old}"):
            checkpoint.save_trainer(old, trainer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_of_the_disk_is_reported(number, call, old, trainer, monkeypatch):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=f"{os.strerror(number)}: '{old}'") as caught:
        checkpoint.save_trainer(old, trainer)
    assert caught.value.errno == number


def test_a_folder_that_is_read_only_is_reported(old, trainer):
    old.parent.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # to whom no folder is read-only
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match=f"denied: '{old}'"):
            checkpoint.save_trainer(old, trainer)
    finally:
        os.seteuid(user)
        old.parent.chmod(0o755)


def test_a_file_without_permission_is_reported(old, trainer):
    old.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match=f"denied: '{old}'"):
            checkpoint.load_denoiser(old)
    finally:
        os.seteuid(user)
        old.chmod(0o644)


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_network_gone_wrong_does_not_replace_a_good_one(value, old):
    denoiser = Denoiser(1, 20, 4, generator=seeded())
    denoiser.layers[2].bias.data[1] = value
    with pytest.raises(ValueError, match=r"layers\.2\.bias must be finite, got 1"):
        checkpoint.save_denoiser(old, denoiser)


def test_only_networks_that_can_be_made_anew_are_saved(old):
    class Other(Denoiser):
        pass

    for network in (Other(1, 20, 4), torch.nn.Linear(1, 1)):
        with pytest.raises(TypeError, match="must be a Denoiser or a VDenoiser, got a"):
            checkpoint.save_denoiser(old, network)


class Linear(torch.nn.Linear):
    pass


def tie(network):
    network.layers[4].weight = network.layers[2].weight


def widen(network):
    network.layers[2], network.layers[4] = torch.nn.Linear(20, 30), torch.nn.Linear(30, 20)


def another_schedule(network):
    network.schedule = NoiseSchedule.linear(20, 0.001)


MODIFIED = {
    "another activation": (
        lambda n: n.layers.__setitem__(1, torch.nn.SiLU()),
        "layers.1 must be torch.nn.modules.activation.ReLU(inplace=True), as VDenoiser makes it, "
        "got torch.nn.modules.activation.SiLU()",
    ),
    "a kind of layer with the old name": (
        lambda n: n.layers.__setitem__(2, Linear(20, 20)),
        "layers.2 must be torch.nn.modules.linear.Linear(in_features=20, ",
    ),
    "a layer more": (
        lambda n: n.layers.append(torch.nn.Dropout(0.1)),
        "layers.7 must be left out, as VDenoiser makes it, got torch.nn.modules.dropout.Dropout",
    ),
    "a layer less": (lambda n: n.layers.__delitem__(6), "got nothing"),
    "no layers": (lambda n: setattr(n, "layers", torch.nn.Identity()), "layers must be"),
    "wider layers": (widen, "out_features=20, bias=True), as VDenoiser makes it, got"),
    "a wider matrix": (
        lambda n: setattr(n.layers[0].weight, "data", torch.ones(20, 3)),
        "layers.0.weight must be of ((20, 2), torch.float32), got ((20, 3), torch.float32)",
    ),
    "another width": (lambda n: setattr(n, "n_hidden", 9), "out_features=9, bias=True), as"),
    "no bias": (lambda n: setattr(n.layers[2], "bias", None), "out_features=20, bias=False)"),
    "no matrix": (
        lambda n: setattr(n.layers[2], "weight", None),
        "['layers.2.weight'] are missing",
    ),
    "a parameter more": (
        lambda n: setattr(n, "gain", torch.nn.Parameter(torch.ones(1))),
        "['gain'] too many",
    ),
    "a layer in double precision": (
        lambda n: n.layers[2].double(),
        "layers.2.bias must be of ((20,), torch.float32), got ((20,), torch.float64)",
    ),
    "the others in double precision": (
        lambda n: (n.double(), n.layers[2].float()),
        "layers.2.bias must be of ((20,), torch.float64), got ((20,), torch.float32)",
    ),
    "another schedule": (another_schedule, "alpha_bar must follow from the schedule, got other"),
    "coarser constants": (lambda n: n.half().float(), "alpha_bar must follow from the schedule"),
    "tied weights": (tie, "layers.4.weight must have memory of its own, got that of "),
}


@pytest.mark.parametrize("change", MODIFIED)
def test_a_network_that_its_class_would_not_bring_back_is_not_saved(change, old):
    network = VDenoiser(1, SCHEDULE, 20, generator=seeded())
    modify, message = MODIFIED[change]
    modify(network)
    with pytest.raises(ValueError) as error:
        checkpoint.save_denoiser(old, network)
    assert message in str(error.value)
    if "memory" not in message:
        assert str(error.value).startswith("denoiser")


@pytest.mark.parametrize("part", ["network", "average"])
@pytest.mark.parametrize("change", MODIFIED)
def test_a_training_run_of_such_a_network_is_not_saved(change, part, old):
    network = VDenoiser(1, SCHEDULE, 20, generator=seeded())
    trainer = Trainer(network, torch.randn(9, 1, generator=seeded()), SCHEDULE)
    modify, message = MODIFIED[change]
    modify(getattr(trainer, part))
    with pytest.raises(ValueError) as error:
        checkpoint.save_trainer(old, trainer)
    assert message in str(error.value)
    assert part in str(error.value)


@pytest.mark.parametrize("change", ["another activation", "tied weights"])
def test_a_training_run_of_a_network_modified_before_it_began_is_not_saved(change, old):
    network = VDenoiser(1, SCHEDULE, 20, generator=seeded())
    modify, message = MODIFIED[change]
    modify(network)
    trainer = Trainer(network, torch.randn(9, 1, generator=seeded()), SCHEDULE)
    list(trainer.run(steps=2))
    with pytest.raises(ValueError) as error:
        checkpoint.save_trainer(old, trainer)
    assert message in str(error.value)


def test_an_average_in_another_precision_than_the_network_is_not_saved(old):
    trainer = make()
    trainer.network.double()
    with pytest.raises(ValueError, match=r"trainer\.average must be made like the network"):
        checkpoint.save_trainer(old, trainer)


def test_nothing_is_resumed_into_a_modified_network(tmp_path):
    twin = make()
    checkpoint.save_trainer(tmp_path / "run", twin)
    twin.network.layers[1] = torch.nn.SiLU()
    before = everything(twin)
    with pytest.raises(ValueError, match=r"trainer\.network\.layers\.1 must be .*ReLU"):
        checkpoint.resume_trainer(tmp_path / "run", twin)
    assert everything(twin) == before


@pytest.mark.parametrize("call", [checkpoint.save_trainer, checkpoint.resume_trainer])
def test_a_network_is_not_taken_for_a_trainer(call, old):
    for given in (Denoiser(1, 20, 4), None):
        name = type(given).__name__
        with pytest.raises(TypeError, match=f"trainer must be a Trainer, got a {name}"):
            call(old, given)


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda t: t.losses.clear(), "got 0 where Adam has made 3"),
        (lambda t: t.losses.pop(), "got 2 where Adam has made 3"),
        (lambda t: t.losses.append(1.0), "got 4 where Adam has made 3"),
        (lambda t: t.optimizer.state.clear(), "got 3 where Adam has made 0"),
        (
            lambda t: t.optimizer.state[t.network.layers[0].bias]["step"].fill_(1),
            "got 3 where Adam has made 1 or 3",
        ),
    ],
)
def test_losses_that_are_not_one_for_each_step_are_not_saved(change, counts, old):
    trainer = make()
    list(trainer.run(steps=3))
    change(trainer)
    with pytest.raises(ValueError, match=f"trainer.losses must be one for each step, {counts}"):
        checkpoint.save_trainer(old, trainer)


def test_an_interrupt_while_writing_leaves_the_old_file(old, trainer, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save_trainer(old, trainer)
    finally:
        signal.signal(signal.SIGINT, before)


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
    paths = [str(root), str(root / "tests" / "helpers")]
    code = WRITER.format(paths=paths, path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_file_that_others_write_all_the_time_is_always_whole_even_when_they_are_killed(tmp_path):
    path, twin = tmp_path / "shared", make(n_hidden=64)
    writers = [writer(path), writer(path)]  # two notebooks in one folder
    try:
        while not path.exists():
            time.sleep(0.01)
        for _ in range(100):
            checkpoint.resume_trainer(path, twin)
    finally:
        for process in writers:
            process.kill()
            process.wait()
            process.stdout.close()
    checkpoint.resume_trainer(path, twin)
    list(twin.run(steps=1))
