"""Checks of notebook 02."""

import math

import torch
from scipy.stats import kstest
from torch import Generator

from .setting import OTHER, SCHEDULE, ends_in_noise
from .verdict import Function, check, need, number_check
from .weighted_sum import SHIFTED, UNSCALED, VARIANCE, Term, constants, weighted_sum

LEFT_AT_37 = float(SCHEDULE.alpha_bar[37])


@number_check(
    3 * LEFT_AT_37 + 1,
    within=0.03,
    mistakes={
        "The variance stays 1 only if it is 1 at the start.": 1,
        "The variance does not stay 4: the data are shrunk, and noise comes in.": 4,
        "That is the signal's part alone. Which variance does the noise add?": 4 * LEFT_AT_37,
        "4 is the variance of the data, not their standard deviation.": 15 * LEFT_AT_37 + 1,
        "That is the standard deviation.": math.sqrt(3 * LEFT_AT_37 + 1),
    },
    right="Signal and noise add up, and 1 is kept only by data of variance 1.",
)
def variance_at_37(answer):
    """The variance of x[37] if x0 has variance 4."""


@check("1000 steps, pure noise at the end, and half of the way spent on the data.")
def thousand_steps(answer):
    """A schedule of 1000 steps, with alpha_bar below 1/100 from about half-way on."""
    t = int((ends_in_noise(answer, 1000).alpha_bar < 0.01).nonzero()[0])
    when = "early" if t < 500 else "late"
    need(400 <= t <= 600, f"alpha_bar falls below 1/100 at t = {t}: too {when}, half-way is 500.")


@check("Signal and noise have their sizes at every t, and each row gets its own t.")
def diffuse(answer):
    """my_diffuse(schedule, x0, t, eps), for an int t and for t of shape (n,)."""

    def terms(s, t):
        _, alpha, a, _, a_before = constants(s, t)
        step = "is scaled as in one step, but this is a jump from 0 to t"
        x0 = {VARIANCE: a, SHIFTED: a_before**0.5, step: alpha**0.5, UNSCALED: 1}
        rest = "is scaled by 1 minus a root, but the two variances must add up to 1"
        eps = {VARIANCE: 1 - a, SHIFTED: (1 - a_before) ** 0.5, rest: 1 - a**0.5, UNSCALED: 1}
        return [Term("x0", a**0.5, x0), Term("the noise", (1 - a) ** 0.5, eps)]

    my, g = weighted_sum(answer, terms, [60, 1, 200]), Generator().manual_seed(0)
    t = torch.cat([torch.tensor([200, 1, 60, 1]), torch.randperm(200, generator=g) + 1])
    for n_dim in (1, 2):
        x0, eps = torch.randn(2, len(t), n_dim, generator=g)
        rows = my.tensor(SCHEDULE, x0, t, eps, shape=(len(t), n_dim))
        a = SCHEDULE.alpha_bar[t][:, None]
        need(
            torch.allclose(rows, a.sqrt() * x0 + (1 - a).sqrt() * eps, atol=1e-4),
            "It is right for one t. With a t for each row, the rows differ from those computed "
            "alone: does every row get the factor of its own t?",
        )


@check("The mean, the spread and the shape of x[t] are right, and each point has its own noise.")
def jump(answer):
    """my_jump(schedule, x0, t, generator): equation (2), with noise from the generator."""
    my, n = Function(answer), 20_000
    seed = 0
    for schedule, t in [(SCHEDULE, 60), (SCHEDULE, 1), (SCHEDULE, 200), (OTHER, 10)]:
        seed += 1
        signal, spread = (float(a) ** 0.5 for a in _shares(schedule, t))
        at = f"At t = {t}" if schedule is SCHEDULE else "With another schedule"

        def run(start, seed=seed, schedule=schedule, t=t):
            x0 = torch.full((n, 2), start)
            return my.tensor(schedule, x0, t, Generator().manual_seed(seed), shape=(n, 2)).double()

        noise = run(0.0)
        need(
            torch.equal(noise, run(0.0)),
            f"{my.name} gives other points for a generator with the same seed: draw from it alone.",
        )
        factor = float((run(30.0) - noise).mean()) / 30  # far from 0, where nothing is cut off
        need(
            math.isclose(factor, signal, rel_tol=1e-2, abs_tol=1e-3),
            f"{at}, x0 is multiplied by {factor:.3g}, which is not its factor in equation (2).",
        )
        _need_normal(noise / spread, at)


def _shares(schedule, t: int) -> tuple[float, float]:
    """Of signal and noise in the variance at t."""
    return float(schedule.alpha_bar[t]), float(1 - schedule.alpha_bar[t])


def _need_normal(eps: torch.Tensor, at: str) -> None:
    """eps (n, 2) is standard normal, and every entry by itself."""
    flat = eps.flatten()
    need(len(flat.unique()) > len(flat) / 2, f"{at}, many points get the same noise, or none.")
    need(abs(float(flat.mean())) < 0.03, f"{at}, the noise moves all points to one side.")
    std = float(flat.std())
    need(
        abs(std - 1) < 0.03,
        f"{at}, the noise is {std:.2g} times as large as equation (2) wants it.",
    )
    together = float(torch.corrcoef(eps.T)[0, 1])
    need(abs(together) < 0.05, f"{at}, the noise of the two coordinates is not independent.")
    need(
        kstest(flat, "norm").pvalue > 1e-6,  # how often honest noise fails
        f"{at}, the noise has the right mean and spread, and the wrong shape: draw its histogram.",
    )
