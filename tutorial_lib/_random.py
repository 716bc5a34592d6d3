"""Random numbers wherever the network is."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor


def draw(function: Callable, *arguments, device: torch.device, generator: Generator | None):
    """function(*arguments), such as torch.randn, on `device`.

    A generator draws on its own device, and the numbers are moved: so a CPU generator gives the
    same numbers to a network on a GPU as to one on the CPU.
    """
    source = device if generator is None else generator.device
    values: Tensor = function(*arguments, device=source, generator=generator)
    return values.to(device)
