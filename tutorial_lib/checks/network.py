"""Checks of notebook 03."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.oracle import DataDenoiser

from .setting import EXACT, OTHER, SCHEDULE
from .verdict import Function, Missing, check, is_missing, need, number

POINTS = torch.tensor([[-1.4], [-0.5], [0.6], [0.6], [0.7], [1.3]], dtype=torch.float32)
AMONG = torch.tensor([[-0.3], [0.5], [1.1]], dtype=torch.float32)
FAR = torch.tensor([[3.0], [-4.0]], dtype=torch.float32)
PLANE = torch.tensor([[-1.0, 0.5], [0.6, -0.4], [-0.5, 0.8]], dtype=torch.float32)
# data, schedule, x[t], t, and what is wrong if the best noise estimate is not the answer
CASES = [
    (
        *(POINTS[2:3], SCHEDULE, AMONG, 30),
        "If all data are the one point 0.6, the noise is known exactly, and this is not it. How "
        "does the noise follow from x[t] and its origin? Do the weights add up to 1?",
    ),
    (
        *(POINTS, SCHEDULE, AMONG, 30),
        "With six points, two of them the same, the average is off. Do the weights have the right "
        "width, and add up to 1 for each row of x[t]?",
    ),
    (
        *(POINTS, OTHER, AMONG, 7),
        "At another t of another schedule it is off: do all constants come from the one given?",
    ),
    (
        *(PLANE[:2], SCHEDULE, PLANE[2:], 30),
        "With two coordinates it is off: how far are two points apart?",
    ),
]
HINT = "At t = {}, it is off for x[t] = 3 or -4."
CASES += [(POINTS, SCHEDULE, FAR, t, HINT.format(t)) for t in (1, 2, 5, 10, 60, 200)]


@check("At the end everything is noise, and the point says nothing of its origin.")
def guess_at_200(answer):
    """The pair eps*(1.7, 200) and E[x0 | x[200] = 1.7], which are 1.7 and 0."""
    eps, x0 = _pair(answer, "the noise, then the origin", right=(1.7, 0), within=0.05)
    need(abs(eps - 1.7) < 0.05, "The noise: how much of the data is left in x[t] at t = 200?")
    need(abs(x0 - 0.6) > 0.05, "0.6 is a hump, but the best guess averages over both humps.")
    need(abs(x0) < 0.05, "The origin: if the point says nothing, what is the mean of all data?")


@check("The later the step, the less a point tells of its origin.")
def origin_at_1(answer):
    """The posterior's share of the right hump for x[t] = 1, at t = 30 and at t = 60."""
    shares = [EXACT.posterior(1.0, t).weight.tolist() for t in (30, 60)]
    pair = _pair(
        answer,
        "the shares at t = 30 and at t = 60",
        right=tuple(right for _, right in shares),
        within=0.02,
    )
    need(all(0 <= share <= 1 for share in pair), "A share lies between 0 and 1.")
    for t, share, (left, right) in zip((30, 60), pair, shares):
        need(abs(share - left) > 0.02, f"At t = {t}, that is the share of the left hump.")
        prior = f"At t = {t}: 70 % is known without x[t]. What does x[t] = 1 add to it?"
        need(abs(share - 0.7) > 0.02, prior)
        too = "sure" if share > right else "unsure"
        need(abs(share - right) < 0.02, f"At t = {t}, {share:.2f} is too {too}.")


def _pair(answer, what: str, right: tuple[float, float], within: float) -> tuple[float, float]:
    pair = isinstance(answer, Sequence | Tensor | np.ndarray) and not isinstance(answer, str)
    need(pair and len(answer) == 2, f"Two numbers are expected: {what}.")
    if any(map(is_missing, answer)):
        raise Missing("Nothing to check yet: a number is missing.")
    found = number(answer[0], "The first is"), number(answer[1], "The second is")
    swapped = all(abs(a - b) < within for a, b in zip(found, reversed(right)))
    need(not swapped, f"The right numbers, in the wrong order. First {what}.")
    return found


@check("It averages over all points, weighted by how likely each became x[t].")
def data_denoiser(answer):
    """my_eps(data, schedule, xt, t), the best noise estimate for a finite set of points."""
    my = Function(answer)
    _mistakes(my)
    for data, schedule, xt, t, hint in CASES:
        underflow = " Far from all data every weight is 0 as a float: only how they compare counts."
        found = my.tensor(data, schedule, xt, t, shape=tuple(xt.shape), if_nan=underflow)
        # At t = 1, float32 knows 1 - alpha_bar only to 6e-4.
        right = DataDenoiser(data, schedule)(xt, t)
        need(torch.allclose(found, right, atol=0.02, rtol=2e-3), hint)


def _mistakes(my: Function) -> None:
    a, data, xt = SCHEDULE.alpha_bar[30], POINTS, AMONG
    found = my.tensor(data, SCHEDULE, xt, 30, shape=(3, 1))
    undiffused = ((xt - data.T).square() / (-2 * (1 - a))).softmax(1) @ data
    nearest = data[(xt - a.sqrt() * data.T).square().argmin(1)]
    mistakes = {
        "The weights compare x[t] with the clean points. Where has the jump to t carried them, "
        "apart from the noise?": undiffused,
        "It uses the nearest point alone, but all are possible.": nearest,
        "All points count the same, wherever x[t] is.": data.mean(),
    }
    for hint, origin in mistakes.items():
        noise = (xt - a.sqrt() * origin) / (1 - a).sqrt()
        need(not torch.allclose(found, noise, atol=0.02), hint)
    x0 = (xt - (1 - a).sqrt() * DataDenoiser(data, SCHEDULE)(xt, 30)) / a.sqrt()
    is_x0 = torch.allclose(found, x0, atol=0.02)
    need(not is_x0, "That is the mean of x0. Asked is the noise that belongs to it.")


@check("Each point gets the features of its own t, and no two steps look alike.")
def time_features(answer):
    """my_features(t): t (n,) in 1..200 -> (n, 4), row by row."""
    my = Function(answer)

    def ask(t):
        n, found = len(t), tuple(getattr(my(t), "shape", ()))
        turned = f"For n = {n}, the shape is {found}: time runs along the wrong axis."
        need(found != (4, n), turned)
        return my.tensor(t, shape=(n, 4))

    mixed = torch.tensor([1, 60, 200, 60, 7])
    alone = torch.cat([ask(mixed[[k]]) for k in range(5)])
    need(
        torch.allclose(ask(mixed), alone, atol=1e-5),
        "A row changes with the other points' t. The time of a point must not depend on its "
        "neighbours in the batch: look at which axis is which.",
    )
    every = ask(torch.arange(1, 201)).double()
    largest = float(every.abs().max())
    need(largest <= 10, f"Features as large as {largest:.0f} drown x[t]: bring them near -1..1.")
    need(float(torch.pdist(every).min()) > 1e-4, "Two steps have the same features.")
    vary = every.std(0)
    need(bool((vary > 1e-6).all()), "One of the four features is the same at every t.")
    # Columns of length 1: the smallest singular value is 0 if one of them is made of the others.
    columns = (every - every.mean(0)) / (vary * 199**0.5)
    need(
        float(torch.linalg.svdvals(columns)[-1]) > 1e-3,
        "One of the four features says nothing new: it follows from the others by scaling and "
        "adding. Which sines and cosines are they?",
    )
