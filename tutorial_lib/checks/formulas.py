"""Checks of formulas that are weighted sums, such as "root of alpha_bar times x0 plus ..."."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator

from tutorial_lib.schedule import NoiseSchedule

from .answers import OTHER, SCHEDULE, Function, check, need


class Term(NamedTuple):
    """One part of a sum at some t: its name, its factor, and the factors of known mistakes."""

    name: str
    factor: float
    mistakes: dict[str, float]


def _constants(s: NoiseSchedule, t: int) -> tuple[float, float, float, float, float]:
    """beta, alpha and alpha_bar at t, then alpha and alpha_bar at t - 1."""
    values = s.beta[t], s.alpha[t], s.alpha_bar[t], s.alpha[t - 1], s.alpha_bar[t - 1]
    return tuple(map(float, values))


Terms = Callable[[NoiseSchedule, int], list[Term]]


def _weighted_sum(answer, terms: Terms, times: Sequence[int]) -> Function:
    """Check a function (schedule, first part, t, other parts...): right factors, nothing else."""
    my = Function(answer)
    for t in times:
        parts = terms(SCHEDULE, t)
        for term in parts:
            first, *others = [torch.full((2, 1), float(part is term)) for part in parts]
            found = my.same_tensor(SCHEDULE, first, t, *others, shape=(2, 1))
            _compare(float(found[0]), term, t)
    wrong = {
        SCHEDULE: "Each part is right alone, but not with five different points of two "
        "coordinates: is every point treated by itself, and are the parts added?",
        OTHER: "With another schedule it is off: does every constant come from the schedule that "
        "is given?",
    }
    g = Generator().manual_seed(0)
    for schedule, hint in wrong.items():
        t = schedule.n_steps // 2
        parts = terms(schedule, t)
        first, *others = inputs = torch.randn(len(parts), 5, 2, generator=g)
        total = sum(term.factor * part for term, part in zip(parts, inputs))
        found = my.tensor(schedule, first, t, *others, shape=(5, 2))
        need(torch.allclose(found, total, atol=1e-3), hint)
    return my


def _compare(found: float, term: Term, t: int) -> None:
    # More exact than the schedule's next value is far: 5e-4 of alpha's root. But at t = 1 float32
    # knows 1 - alpha_bar only to 6e-4.
    exact = 1e-3 if t == 1 else 1e-4

    def near(factor):
        return math.isclose(found, factor, rel_tol=exact, abs_tol=1e-5)

    if near(term.factor):
        return
    for mistake, factor in term.mistakes.items():
        need(not near(factor), f"At t = {t}, {term.name} {mistake}.")
    how = "too much" if abs(found) > abs(term.factor) else "too little"
    how = "with the wrong sign" if found * term.factor < 0 else how
    need(False, f"At t = {t}, {term.name} counts {how}: a 1 becomes {found:.4g}.")


VARIANCE = "is scaled by a variance, but points are scaled by standard deviations"
SHIFTED = "is scaled by the value for t - 1, but the schedule's arrays are indexed by t itself"
JUMP = "is scaled as in a jump between 0 and t, but this is one step"
UNSCALED = "is not scaled, so the variance does not stay 1"


@check("Signal and noise have their sizes at every t, and each row gets its own t.")
def diffuse(answer):
    """my_diffuse(schedule, x0, t, eps), for an int t and for t of shape (n,)."""

    def terms(s, t):
        _, alpha, a, _, a_before = _constants(s, t)
        step = "is scaled as in one step, but this is a jump from 0 to t"
        x0 = {VARIANCE: a, SHIFTED: a_before**0.5, step: alpha**0.5, UNSCALED: 1}
        rest = "is scaled by 1 minus a root, but the two variances must add up to 1"
        eps = {VARIANCE: 1 - a, SHIFTED: (1 - a_before) ** 0.5, rest: 1 - a**0.5, UNSCALED: 1}
        return [Term("x0", a**0.5, x0), Term("the noise", (1 - a) ** 0.5, eps)]

    my = _weighted_sum(answer, terms, [60, 1, 200])
    t = torch.tensor([1, 60, 200])
    column = torch.tensor([[1.0], [-1.0], [0.5]]), torch.tensor([[0.3], [2.0], [-1.0]])
    for x, eps in (column, [part * torch.tensor([1.0, -0.5]) for part in column]):
        rows = my.tensor(SCHEDULE, x, t, eps, shape=tuple(x.shape))
        one = 1, x.shape[1]
        alone = [my.tensor(SCHEDULE, x[[k]], int(t[k]), eps[[k]], shape=one) for k in range(3)]
        need(
            torch.allclose(rows, torch.cat(alone), atol=1e-5),
            "It is right for one t. With a t for each row, the rows differ from those computed "
            "alone: does every row get the factor of its own t?",
        )


@check("It shrinks and adds noise so that the variance stays 1, at every t.")
def diffuse_step(answer):
    """my_diffuse_step(schedule, x_prev, t, eps), one step of the chain."""

    def terms(s, t):
        beta, alpha, a, alpha_before, _ = _constants(s, t)
        x = {VARIANCE: alpha, SHIFTED: alpha_before**0.5, JUMP: a**0.5, UNSCALED: 1}
        shifted = (1 - alpha_before) ** 0.5
        eps = {VARIANCE: beta, SHIFTED: shifted, JUMP: (1 - a) ** 0.5, UNSCALED: 1}
        return [Term("x[t-1]", alpha**0.5, x), Term("the noise", beta**0.5, eps)]

    _weighted_sum(answer, terms, [60, 1, 200])


@check("It takes the right share of the noise out, and adds fresh noise except at t = 1.")
def reverse_step(answer):
    """my_reverse_step(schedule, xt, t, eps_hat, z), one step of the sampler."""

    def terms(s, t):
        beta, alpha, a, alpha_before, _ = _constants(s, t)
        undo = alpha**-0.5
        share = -undo * beta / (1 - a) ** 0.5
        xt = {
            "is shrunk once more, where the shrinking must be undone": alpha**0.5,
            "stays as it is, but the step's shrinking must be undone": 1,
            SHIFTED: alpha_before**-0.5,
            JUMP: a**-0.5,
        }
        eps_hat = {
            "is added, but it must be taken out": -share,
            "is taken out whole, but a step takes out a small share": -undo,
            "is taken out with alpha where alpha_bar belongs": -undo * beta**0.5,
        }
        fresh = beta**0.5
        shifted = (1 - alpha_before) ** 0.5
        z = {VARIANCE: beta, SHIFTED: shifted, "is missing, and only the last step goes without": 0}
        if t == 1:
            fresh, z = 0, {"is still added, and no later step removes it": fresh}
        return [
            Term("x[t]", undo, xt),
            Term("the estimated noise", share, eps_hat),
            Term("the fresh noise", fresh, z),
        ]

    _weighted_sum(answer, terms, [60, 1, 2, 200])


@check("With the true v, it leads back to the clean point.")
def x0_from_v(answer):
    """my_x0(schedule, xt, t, v): the x0 that belongs to x[t] and v."""

    def terms(s, t):
        _, _, a, _, _ = _constants(s, t)
        signal, noise = a**0.5, (1 - a) ** 0.5
        xt = {
            VARIANCE: a,
            "gets the factor that leads to the noise, not to x0": noise,
            "is divided by a factor, as if v were the noise": 1 / signal,
        }
        added = "is added. Put the definitions of x[t] and v in: the noise must cancel"
        v = {VARIANCE: a - 1, added: noise}
        return [Term("x[t]", signal, xt), Term("v", -noise, v)]

    _weighted_sum(answer, terms, [60, 1, 120])
