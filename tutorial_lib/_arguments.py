"""Checks of arguments that several modules share: a clear error before any work is done."""

import math
import operator
from numbers import Real

import torch
from torch import Generator, Tensor, nn

PRECISIONS = torch.float32, torch.float64
MOST = 2**26  # numbers in one array: 256 MiB of float32


def _index(name: str, value, wanted: str) -> int:
    try:
        if isinstance(value, bool) or getattr(value, "dtype", None) == torch.bool:
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {wanted}, got {value!r}") from None


def integer(name: str, value, low: int, *, size: bool = True) -> int:
    """Return `value` as an int of at least `low`; the size of an array may be MOST at most.

    Raises TypeError if it is not an integer, ValueError if it is out of range.
    """
    value = _index(name, value, "an integer")
    if value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}")
    return fits(name, value, value) if size else value


def fits(name: str, value: int, count: int) -> int:
    """Return `value`; raise ValueError if it asks for an array of `count` numbers, and too many.

    The system would not refuse: it would end the process when the memory is gone.
    """
    if count > MOST:
        raise ValueError(
            f"{name} = {value:.3g} asks for an array of {count:.2g} numbers; allowed: {MOST:.2g}"
        )
    return value


def number(name: str, value: float) -> float:
    """Return `value`, a number; raise TypeError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return value


def positive(name: str, value: float) -> float:
    """Return `value`, a positive and finite number; raise TypeError or ValueError otherwise."""
    if not 0 < number(name, value) < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return value


def indices(name: str, value, n: int, first: int, last: int) -> int | Tensor:
    """Return `value` as an int or as an (n,) int64 tensor with every entry in first..last.

    Raises TypeError if it is not integer, ValueError if it is out of range or of another shape.
    """
    if isinstance(value, Tensor) and value.ndim > 0:
        if value.dtype.is_floating_point or value.dtype.is_complex or value.dtype == torch.bool:
            raise TypeError(
                f"{name} must be an int or an int64 tensor, got a tensor of {value.dtype}"
            )
        if value.shape != (n,) or n == 0:
            raise ValueError(
                f"{name} must be an int or have shape ({n},), got shape {tuple(value.shape)}"
            )
        value = value.long()
        low, high = (int(extreme) for extreme in value.aminmax())
    else:
        low = high = value = _index(name, value, f"an int or an int64 tensor of shape ({n},)")
    if low < first or high > last:
        wrong = low if low < first else high
        raise ValueError(f"{name} must lie in {first}..{last}, got {wrong}")
    return value


def labels(label, n: int, first: int, n_classes: int, device: torch.device) -> Tensor:
    """`indices` for the classes first..n_classes-1 of n rows, as an (n,) tensor on `device`."""
    if not n_classes:
        raise ValueError("label must be left out: this denoiser has n_classes = 0")
    label = indices("label", label, n, first, n_classes - 1)
    return torch.as_tensor(label, device=device).expand(n)


def timesteps(t, n: int, first: int, last: int) -> int | Tensor:
    """`indices` for t."""
    return indices("t", t, n, first, last)


def timestep(t, first: int, last: int) -> int:
    """Return t as an int in first..last; raise TypeError or ValueError otherwise."""
    return indices("t", _index("t", t, "an int"), 1, first, last)


def points(name: str, value, n_dim: int | None = None) -> Tensor:
    """Return `value` if it is a floating-point tensor of shape (n, n_dim) with n >= 1.

    Raises TypeError if it is not such a tensor, ValueError if its shape differs.
    """
    wanted = f"(n, {'n_dim' if n_dim is None else n_dim})"
    if not isinstance(value, Tensor) or not value.dtype.is_floating_point:
        kind = f"tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a floating-point tensor of shape {wanted}, got a {kind}")
    if value.ndim != 2 or min(value.shape) < 1 or n_dim not in (None, value.shape[1]):
        raise ValueError(f"{name} must have shape {wanted}, got shape {tuple(value.shape)}")
    return value


def same_shape(name: str, value: Tensor, like: str, model: Tensor) -> None:
    """Raise ValueError unless the two have one shape, TypeError unless both are tensors.

    (n, 1) with (n,) would broadcast to (n, n) without a word: the best-known bug of such code.
    """
    for label, given in ((name, value), (like, model)):
        if not isinstance(given, Tensor):
            raise TypeError(f"{label} must be a tensor, got a {type(given).__name__}")
    if value.shape != model.shape:
        raise ValueError(
            f"{name} and {like} must have the same shape, "
            f"got {tuple(value.shape)} and {tuple(model.shape)}"
        )


def precision(denoiser: nn.Module) -> torch.dtype:
    """The dtype of the network's weights; raise TypeError unless it is one of PRECISIONS."""
    dtype = getattr(next(denoiser.parameters(), None), "dtype", None)
    if dtype not in PRECISIONS:
        raise TypeError(f"denoiser must be in {' or '.join(map(str, PRECISIONS))}, got {dtype}")
    return dtype


def a_schedule(schedule):
    """Return `schedule`; raise TypeError for anything else, such as a number of steps."""
    if not hasattr(schedule, "alpha_bar"):
        raise TypeError(f"schedule must be a NoiseSchedule, got {schedule!r}")
    return schedule


def a_generator(generator) -> Generator | None:
    """Return `generator`; raise TypeError for anything else, such as a seed."""
    if not isinstance(generator, Generator | None):
        raise TypeError(
            "generator must be a torch.Generator or None, "
            f"got {generator!r}; for a seed: torch.Generator().manual_seed(seed)"
        )
    return generator


def same_schedule(denoiser, schedule) -> None:
    """Raise ValueError if the denoiser, as far as it tells, was made for another schedule.

    With another one it would take the noise for more or less than it is, and nothing would fail.
    """
    a_schedule(schedule)
    n_steps = getattr(denoiser, "n_steps", schedule.n_steps)
    if n_steps != schedule.n_steps:
        raise ValueError(
            f"denoiser and schedule must have the same number of steps, "
            f"got {n_steps} and {schedule.n_steps}"
        )
    if not torch.equal(getattr(denoiser, "schedule", schedule).beta.cpu(), schedule.beta.cpu()):
        raise ValueError("schedule must be the one that the denoiser was made for; beta differs")


def finite(name: str, value: Tensor) -> Tensor:
    """Return `value`; raise ValueError if it holds a NaN or an infinity."""
    bad = int((~value.isfinite()).sum())
    if bad:
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite values")
    return value


def finite_loss(loss: float, step: int) -> float:
    """Return `loss`; raise FloatingPointError if it is a NaN or an infinity."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} at step {step}: training has diverged; "
            "start anew with a new network and a smaller learning_rate"
        )
    return loss
