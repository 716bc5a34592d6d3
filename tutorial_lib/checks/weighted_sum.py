"""Formulas that are weighted sums, such as "root of alpha_bar times x0 plus ...".

Such a formula is examined part by part: where one part is 1 and the others are 0, the answer shows
the factor of that part, and a wrong factor may be one that a known mistake leads to.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator

from tutorial_lib.schedule import NoiseSchedule

from .setting import OTHER, SCHEDULE
from .verdict import Function, Wrong, need


class Term(NamedTuple):
    """One part of a sum at some t: its name, its factor, and the factors of known mistakes."""

    name: str
    factor: float
    mistakes: dict[str, float]


Terms = Callable[[NoiseSchedule, int], list[Term]]

VARIANCE = "is scaled by a variance, but points are scaled by standard deviations"
SHIFTED = "is scaled by the value for t - 1, but the schedule's arrays are indexed by t itself"
JUMP = "is scaled as in a jump between 0 and t, but this is one step"
UNSCALED = "is not scaled, so the variance does not stay 1"
# How a sum is tried as a whole: schedule, size of the parts, what is wrong if it is wrong there.
CASES = [
    (
        *(SCHEDULE, 1),
        "Each part is right alone, but not with five different points of two coordinates: is every "
        "point treated by itself, and are the parts added?",
    ),
    (SCHEDULE, 10, "Far from 0 it is off, but the formula holds there, too: is anything cut off?"),
    (OTHER, 1, "With another schedule it is off: do all constants come from the one given?"),
]


def constants(s: NoiseSchedule, t: int) -> tuple[float, float, float, float, float]:
    """beta, alpha and alpha_bar at t, then alpha and alpha_bar at t - 1."""
    values = s.beta[t], s.alpha[t], s.alpha_bar[t], s.alpha[t - 1], s.alpha_bar[t - 1]
    return tuple(map(float, values))


def weighted_sum(answer, terms: Terms, first: list[int], last: int = 200) -> Function:
    """Check a function (schedule, first part, t, other parts...): right factors, nothing else.

    It is tried at every t up to `last`, and at those of `first` before the others.
    """
    my = Function(answer)
    for t in [*first, *range(1, last + 1)]:
        parts = terms(SCHEDULE, t)
        for term in parts:
            x, *others = [torch.full((2, 1), float(part is term)) for part in parts]
            found = my.same_tensor(SCHEDULE, x, t, *others, shape=(2, 1))
            _compare(float(found[0]), term, t)
    g = Generator().manual_seed(0)
    for schedule, size, hint in CASES:
        t = schedule.n_steps // 2
        parts = terms(schedule, t)
        x, *others = inputs = size * torch.randn(len(parts), 5, 2, generator=g)
        total = sum(term.factor * part for term, part in zip(parts, inputs))
        found = my.tensor(schedule, x, t, *others, shape=(5, 2))
        need(torch.allclose(found, total, atol=1e-3 * size), hint)
    return my


def _compare(found: float, term: Term, t: int) -> None:
    # More exact than the schedule's next value is far: 5e-4 of alpha's root. But at the first few
    # t, float32 knows 1 - alpha_bar only to 6e-4.
    exact = 1e-3 if t < 5 else 1e-4

    def near(factor):
        return math.isclose(found, factor, rel_tol=exact, abs_tol=1e-5)

    if near(term.factor):
        return
    for mistake, factor in term.mistakes.items():
        need(not near(factor), f"At t = {t}, {term.name} {mistake}.")
    how = "too much" if abs(found) > abs(term.factor) else "too little"
    how = "with the wrong sign" if found * term.factor < 0 else how
    raise Wrong(f"At t = {t}, {term.name} counts {how}: a 1 becomes {found:.4g}.")
