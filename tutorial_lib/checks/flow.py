"""Checks of notebook 08."""

import torch
from torch import Generator, Tensor

from tutorial_lib.data import Mixture
from tutorial_lib.flow import circle, line
from tutorial_lib.oracle import ExactVelocity

from .verdict import Function, check, need, number_check

TWO_CLOUDS = Mixture([0.5, 0.5], [[-1.0, 1.5], [1.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]])
PLACE = torch.tensor([[0.7, -0.4]])


@number_check(
    0.5,
    within=0.02,
    mistakes={
        "That is what the circle gives. On the line the velocity at u = 1 is not 0.": 1,
        "One call over the whole way leads there. But the second call starts half-way.": 0,
        "The first call halves it. And the second: half-way, is the noise in x larger than the "
        "data, on average?": 0.25,
        "That is the spread on the path at u = 1/2, but two calls lead to another place.": 0.5**0.5,
    },
    right="The first call halves every point, and half-way the mean velocity is 0.",
)
def two_calls(answer):
    """The spread of two Euler calls along the line, if the data are a standard normal cloud."""


@check("Two questions in each step, at its start and at its end, and their mean leads on.")
def heun(answer):
    """my_heun(velocity, x, steps): the points at u = 0, for points x of noise at u = 1."""
    my = Function(answer)
    asked = _asked(my, lambda x, u: 0 * x)
    need(len(asked) == 8, f"In 4 steps the velocity must be asked for 8 times. It is {len(asked)}.")
    _first_at_noise(my, asked)
    times = torch.tensor([0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1])
    need(
        torch.allclose(torch.tensor(asked).sort().values, times, atol=1e-4),
        "In 4 steps the velocity must be asked for at u = 1, 0.75, 0.5, 0.25 and 0, at the inner "
        f"ones twice. It is asked for at {_brief(asked)}.",
    )
    x, h = torch.tensor([[1.0], [-2.0]]), 0.25
    mistakes = {
        "Where the velocity is x, it comes out as with Euler's method. Is the second question "
        "asked where the first one leads, and does its answer count?": 1 - h,
        "The points move away from the data. Which way does the velocity point?": 1 + h + h**2 / 2,
        "Only the second answer counts, but it is the mean of both that leads on.": 1 - h + h**2,
        "The two answers are added, but it is their mean that leads on.": 1 - 2 * h + h**2,
        "The real step begins where the step on trial ended, but it must begin at its start.": (
            (1 - h) * (1 - h / 2) - h / 2
        ),
    }
    found = my.tensor(lambda x, u: x, x, 4, shape=(2, 1))
    for hint, factor in mistakes.items():
        need(not torch.allclose(found, factor**4 * x, atol=1e-4), hint)
    _same_walk(my, _heun, "Away from simple velocities it is not Heun's walk: look at each place.")


def _heun(velocity, x: Tensor, steps: int) -> Tensor:
    for k in range(steps, 0, -1):
        first = velocity(x, k / steps)
        x = x - (first + velocity(x - first / steps, (k - 1) / steps)) / (2 * steps)
    return x


@check("It leads from the data to the noise, and its derivatives are those of its factors.")
def own_path(answer):
    """my_coefficients(u): a, b, a' and b', four tensors like u."""
    my = Function(answer)
    u = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    a, b, da, db = values = _four(my, u)
    for name, found, ends in (("a", a, (1, 0)), ("b", b, (0, 1))):
        for place, value in zip((0, -1), ends):
            got, where = float(found[place]), float(u[place])
            at = f"At u = {where:g}, {name} is {got:.3g}"
            need(abs(got - value) < 1e-4, f"{at}. Is it the data there, or the noise?")
    h, inner = 1e-3, u[1:-1]
    above, below = _four(my, inner + h), _four(my, inner - h)
    for k, name in ((0, "a"), (1, "b")):
        slope, given = (above[k] - below[k]) / (2 * h), values[k + 2][1:-1]
        off = (slope - given).abs() > 1e-2 * (1 + slope.abs())
        if off.any():
            at = int(off.flatten().int().argmax())
            steep = f"{name} changes at the rate {slope[at].item():.3g}"
            raise_at = f"At u = {inner[at].item():.2f} {steep}, but its derivative is given as"
            need(False, f"{raise_at} {given[at].item():.3g}.")
    D = a * db - da * b
    need(
        bool((D > 0).all()),
        f"At u = {u[D.argmin()].item():.2f}, D = a b' - a' b is not above 0: there x and v do not "
        "tell data from noise.",
    )
    for path in (circle, line):
        same = torch.allclose(a, path.coefficients(u)[0], atol=1e-3)
        same = same and torch.allclose(b, path.coefficients(u)[1], atol=1e-3)
        need(not same, f"This is the {path.name}. Make one that is neither circle nor line.")


def _four(my: Function, u: Tensor) -> list[Tensor]:
    values = my(u)
    four = isinstance(values, tuple | list) and len(values) == 4
    need(four, f"{my.name} must return four tensors: a, b and their derivatives.")
    right = all(isinstance(v, Tensor) and v.shape == u.shape for v in values)
    need(right, f"{my.name} must return four tensors of the shape of u, numbers are none.")
    finite = all(bool(v.isfinite().all()) for v in values)
    need(finite, f"{my.name} returns NaN or infinite values for some u in 0..1.")
    return [v.detach().double() for v in values]


@check("It starts where the noise is, and asks at each place for the velocity of that place.")
def walk_back(answer):
    """my_walk(velocity, x, steps): the points at u = 0, for points x of noise at u = 1."""
    my = Function(answer)
    asked = _asked(my, lambda x, u: 0 * x)
    _first_at_noise(my, asked)
    need(
        len(asked) == 4 and torch.allclose(torch.tensor(asked), torch.arange(4, 0, -1) / 4),
        "In 4 steps the velocity must be asked for where each step starts. It is asked for at "
        f"{_brief(asked)}.",
    )
    g = Generator().manual_seed(0)
    x = torch.randn(50, 2, generator=g)
    z = my.tensor(ExactVelocity(PLACE, line), x, 5, shape=(50, 2))
    off = float((z - PLACE).norm(dim=1).mean())
    need(off < 0.01, f"All data lie in one place, but the points end {off:.2g} away from it.")
    _same_walk(
        my, _euler, "With two clouds it goes astray. What does a step do, and how large is it?"
    )


def _euler(velocity, x: Tensor, steps: int) -> Tensor:
    for k in range(steps, 0, -1):
        x = x - velocity(x, k / steps) / steps
    return x


def _asked(my: Function, velocity) -> list[float]:
    """Where on the path `velocity` is asked for, in a walk of four steps."""
    asked = []

    def watched(x, u):
        asked.append(float(torch.as_tensor(u).max()))
        return velocity(x, u)

    my.tensor(watched, torch.ones(3, 2), 4, shape=(3, 2))
    return asked


def _first_at_noise(my: Function, asked: list[float]) -> None:
    need(bool(asked), f"{my.name} never asks for the velocity.")
    need(
        abs(asked[0] - 1) < 1e-4,
        f"The walk starts at pure noise, but first asks for the velocity at u = {asked[0]:.2g}.",
    )


def _same_walk(my: Function, right, otherwise: str) -> None:
    """Whether `my` walks like `right` between two clouds, on both paths, in few steps and many."""
    x = torch.randn(50, 2, generator=Generator().manual_seed(1))
    for path in (circle, line):
        velocity = ExactVelocity(TWO_CLOUDS, path)
        for steps in (1, 7):
            z = my.tensor(velocity, x, steps, shape=(50, 2))
            need(torch.allclose(z, right(velocity, x, steps), atol=1e-3), otherwise)


def _brief(asked: list[float]) -> str:
    shown = ", ".join(f"{u:.3g}" for u in asked[:8])
    return f"u = {shown}" + (" ..." if len(asked) > 8 else "")
