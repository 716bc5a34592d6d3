"""Random numbers wherever the network is."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn


def draw(function: Callable, *arguments, device: torch.device, generator: Generator | None):
    """function(*arguments), such as torch.randn, on `device`.

    A generator draws on its own device, and the numbers are moved: so a CPU generator gives the
    same numbers to a network on a GPU as to one on the CPU.
    """
    source = device if generator is None else generator.device
    values: Tensor = function(*arguments, device=source, generator=generator)
    return values.to(device)


def first_weight(network: Callable, default: Tensor) -> Tensor:
    """A tensor with the network's dtype and device; `default` for what has no weights."""
    return next(network.parameters(), default) if isinstance(network, nn.Module) else default


def pure_noise(
    network: Callable, n: int, n_dim: int | None, generator: Generator | None, like: Tensor
) -> Tensor:
    """(n, n_dim) standard normal numbers, where the network's weights are and in their dtype.

    n_dim: the network's own, where it is None. like: stands for the weights of what has none.
    """
    if n_dim is None:
        n_dim = network.n_dim
    like = first_weight(network, like)
    return draw(torch.randn, n, n_dim, device=like.device, generator=generator).to(like.dtype)
