"""Checks of the few things that would go wrong silently.

A check stands here only if without it a result would be wrong and nothing would be raised; what
Python or PyTorch refuses by itself is left to them. Each error says what was given and what is
allowed.
"""

import operator
import reprlib

import torch
from torch import Tensor


def brief(values) -> str:
    """`values` in a few words, however many numbers they are, for an error's message."""
    return reprlib.repr(values.tolist() if isinstance(values, Tensor) else values)


def check_same_shape(**tensors: Tensor) -> None:
    """Raise ValueError unless all have one shape: (n, 1) with (n,) would broadcast to (n, n)."""
    if len({x.shape for x in tensors.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in tensors.items())
        raise ValueError(f"{' and '.join(tensors)} must have the same shape, got {shapes}")


def check_points(n_dim: int | None = None, **points: Tensor) -> None:
    """Raise ValueError unless each is (n, n_dim) with n >= 1; any n_dim will do for None."""
    for name, x in points.items():
        if x.ndim != 2 or len(x) == 0 or n_dim not in (None, x.shape[1]):
            wanted = f"(n, {'n_dim' if n_dim is None else n_dim})"
            raise ValueError(f"{name} must have shape {wanted}, got shape {tuple(x.shape)}")


def check_finite(**tensors: Tensor) -> None:
    """Raise ValueError if one holds a NaN or an infinity."""
    for name, x in tensors.items():
        if bad := int((~x.isfinite()).sum()):
            raise ValueError(f"{name} must be finite, got {bad} NaN or infinite values")


def check_index(name: str, value, n: int, first: int, last: int) -> int | Tensor:
    """Return `value` as an int or as an (n,) int64 tensor, every entry in first..last.

    As an index, a tensor of bytes or booleans would be taken for a mask, and -1 for the last entry.
    Raises TypeError if it is not integer, ValueError if it is out of range or of another shape.
    """
    if isinstance(value, Tensor) and value.ndim:
        if value.dtype.is_floating_point or value.dtype.is_complex or value.dtype == torch.bool:
            raise TypeError(
                f"{name} must be an int or a tensor of integers, got one of {value.dtype}"
            )
        if value.shape != (n,):
            raise ValueError(f"{name} must have shape ({n},), got shape {tuple(value.shape)}")
        value = value.long()
        low, high = value.aminmax()
    else:
        low = high = value = int(operator.index(value))
    if low < first or high > last:
        wrong = int(low if low < first else high)
        raise ValueError(f"{name} must lie in {first}..{last}, got {wrong}")
    return value


def check_same_schedule(denoiser, schedule) -> None:
    """Raise ValueError if the denoiser, as far as it tells, was made for another schedule.

    With another one it would take the noise for more or less than it is.
    """
    n_steps = getattr(denoiser, "n_steps", schedule.n_steps)
    beta = getattr(denoiser, "schedule", schedule).beta
    if n_steps != schedule.n_steps or not torch.equal(beta.cpu(), schedule.beta.cpu()):
        raise ValueError(
            f"schedule must be the one that the denoiser was made for, with {n_steps} steps; "
            f"got one of {schedule.n_steps} steps with other betas"
        )
