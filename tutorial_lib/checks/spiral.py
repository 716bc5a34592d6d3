"""Checks of notebook 06."""

import torch
from torch import Generator

from tutorial_lib import data, metrics

from .verdict import Function, check, need, number_check
from .weighted_sum import VARIANCE, Term, constants, weighted_sum


@number_check(
    0.041,
    within=0.008,
    mistakes={
        "That is about the value for 10 000 points.": 0.083,
        "It does not shrink like 1/n. How does the scatter of a count grow with it?": 0.021,
    },
    right="Half: the scatter of a count grows like the root of the count.",
)
def tv_of_40000(answer):
    """The total variation of 40 000 honest points of the spiral, which is 0.038 to 0.045."""


@check("With the true v, it leads back to the clean point.")
def x0_from_v(answer):
    """my_x0(schedule, xt, t, v): the x0 that belongs to x[t] and v."""

    def terms(s, t):
        _, _, a, _, _ = constants(s, t)
        signal, noise = a**0.5, (1 - a) ** 0.5
        xt = {
            VARIANCE: a,
            "gets the factor that leads to the noise, not to x0": noise,
            "is divided by a factor, as if v were the noise": 1 / signal,
        }
        added = "is added. Put the definitions of x[t] and v in: the noise must cancel"
        v = {VARIANCE: a - 1, added: noise}
        return [Term("x[t]", signal, xt), Term("v", -noise, v)]

    weighted_sum(answer, terms, [60, 1, 120])


@check("Points of the right shape, new ones in every call, from one and the same law.")
def own_data(answer):
    """my_data(n): n new points of the plane, (n, 2)."""
    my, n = Function(answer), 4000
    my.tensor(5, shape=(5, 2))
    x, y = my.tensor(n, shape=(n, 2)), my.tensor(n, shape=(n, 2))
    need(not torch.equal(x, y), f"{my.name} returns the same points in every call.")
    spread = x.double().std(0)
    need(bool((spread > 0).all()), "One of the coordinates does not vary.")
    need(len(x.unique(dim=0)) > n / 2, "Most points are repeated: give them some width.")
    # Of two honest samples, fewer than one pair in a million is this far apart.
    apart = metrics.sliced_wasserstein(x / spread, y / spread)
    need(apart < 0.15, f"Two calls give different shapes: they are {apart:.2f} apart (SWD).")


@check("Both clouds are counted in the same cells, as shares, and outside counts, too.")
def total_variation(answer):
    """my_total_variation(x, y), on 40 x 40 cells over -2.2..2.2 and one more for the rest."""
    my, g = Function(answer), Generator().manual_seed(0)
    x = torch.randn(2000, 2, generator=g).clamp(-2, 2)
    my.gives(0, x, x, otherwise="A cloud and itself get {}, not 0.")
    corners = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])  # so that both have the same range
    lost = my.number(torch.cat([corners, 0.1 * x - 1]), torch.cat([corners, 0.1 * x + 1]))
    need(
        abs(lost) > 0.5,
        f"Two clouds with hardly a cell in common get {lost:.3g}. What becomes of the differences "
        "before they are added up?",
    )
    shrunk = "A cloud and the same at half the size get nearly 0: compare the edges of the cells."
    need(abs(my.number(x, 0.5 * x)) > 0.1, shrunk)
    left, right = 0.1 * x - 1, 0.1 * x + 1
    need(
        abs(my.number(left, right) - 2) > 0.05,
        "Two clouds far apart get 2: every misplaced point counts twice.",
    )
    apart = "Two clouds far apart get {}, but all points differ: 1."
    my.gives(1, left, right, within=0.05, otherwise=apart)
    twice = "A cloud and the same with each point twice get {}, not 0."
    my.gives(0, x, torch.cat([x, x]), otherwise=twice)
    _cells(my, x)
    y = data.spiral(3000, generator=g)
    for scale in (1, 0.5, 1.3):  # the last reaches beyond the grid
        right = metrics.total_variation(scale * x, y)
        wrong = f"Two clouds get {{}}, but 40 x 40 cells over -2.2..2.2 give {right:.3f}."
        my.gives(right, scale * x, y, within=0.01, otherwise=wrong)


def _cells(my: Function, x: torch.Tensor) -> None:
    """40 x 40 of them over -2.2..2.2, whatever the points are, and one for all beyond."""
    my.gives(1, x, x + 9, otherwise="If y lies beyond the grid, this gives {}, not 1.")
    middle = torch.linspace(-2.145, 1.045, 30)
    cells = torch.cartesian_prod(middle, middle)
    same = (
        "Two clouds that fill the same cells get {}, not 0. Each of 40 x 40 cells over -2.2..2.2 "
        "is 0.11 wide, whatever the points are."
    )
    my.gives(0, cells - 0.05, cells + 0.05, otherwise=same)
    sides = "What lies beyond the grid on different sides is in one cell, too."
    my.gives(0, x - 9, x + 9, otherwise=sides)
