"""Checks of notebook 02."""

import math

import torch
from torch import Generator

from .setting import SCHEDULE, ends_in_noise
from .verdict import check, need, number_check
from .weighted_sum import JUMP, SHIFTED, UNSCALED, VARIANCE, Term, constants, weighted_sum

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


@check("It shrinks and adds noise so that the variance stays 1, at every t.")
def diffuse_step(answer):
    """my_diffuse_step(schedule, x_prev, t, eps), one step of the chain."""

    def terms(s, t):
        beta, alpha, a, alpha_before, _ = constants(s, t)
        x = {VARIANCE: alpha, SHIFTED: alpha_before**0.5, JUMP: a**0.5, UNSCALED: 1}
        shifted = (1 - alpha_before) ** 0.5
        eps = {VARIANCE: beta, SHIFTED: shifted, JUMP: (1 - a) ** 0.5, UNSCALED: 1}
        return [Term("x[t-1]", alpha**0.5, x), Term("the noise", beta**0.5, eps)]

    weighted_sum(answer, terms, [60, 1, 200])
