"""Checks of what is predicted or chosen: numbers, pairs of numbers, schedules."""

import math
from collections.abc import Sequence

import numpy as np
from torch import Generator, Tensor

from tutorial_lib import metrics
from tutorial_lib.oracle import ExactDenoiser
from tutorial_lib.sampling import sample
from tutorial_lib.schedule import NoiseSchedule

from .answers import EXACT, SCHEDULE, TRUTH, check, need, number


def _value(answer, right: float, tolerance: float, mistakes: dict[str, float]) -> None:
    """Compare with the right number; `mistakes` says how one comes to some of the others."""
    found = number(answer)
    if abs(found - right) <= tolerance:
        return
    for hint, wrong in mistakes.items():
        need(abs(found - wrong) > tolerance, hint)
    need(False, f"{found:.4g} is too {'large' if found > right else 'small'}.")


def _pair(answer, what: str) -> tuple[float, float]:
    pair = isinstance(answer, Sequence | Tensor | np.ndarray) and not isinstance(answer, str)
    need(pair and len(answer) == 2, f"Two numbers are expected: {what}.")
    missing = any(value is None or value is ... for value in answer)
    need(not missing, "Nothing to check yet: a number is missing.")
    return number(answer[0], "The first is"), number(answer[1], "The second is")


def _schedule(answer, n_steps: int) -> NoiseSchedule:
    wrong = f"This must be a NoiseSchedule, not a {type(answer).__name__}."
    need(isinstance(answer, NoiseSchedule), wrong)
    need(answer.n_steps == n_steps, f"It has {answer.n_steps} steps; {n_steps} are asked for.")
    end = float(answer.alpha_bar[-1])
    need(
        end < 0.01,
        f"At the last step, {end:.2g} of the data's variance is left. Sampling starts from pure "
        "noise, so the noise must get there.",
    )
    return answer


@check("Four times the points, half the band.")
def band_of_40000(answer):
    """The upper end of the 1D noise band for 40 000 points, which is 0.0095 to 0.011."""
    mistakes = {
        "That is about the band of 10 000 points.": 0.02,
        "It does not shrink like 1/n: look at the slope in the figure.": 0.005,
    }
    _value(answer, 0.01, 0.0025, mistakes)


@check("At about this size, a shift begins to stick out of the noise band.")
def smallest_shift(answer):
    """About the smallest shift of 10 000 points that W1 finds: 0.018 to 0.035, as rounded."""
    found = number(answer)
    need(found > 0, "A shift is found to the left as well as to the right: give its size.")
    need(found >= 0.0179, "Such a shift mostly stays inside the noise band: it could be chance.")
    need(found <= 0.0351, "That is found, and so are smaller ones: go nearer to the band's end.")


@check("Signal and noise add up, and 1 is kept only by data of variance 1.")
def variance_at_37(answer):
    """The variance of x[37] if x0 has variance 4."""
    a = float(SCHEDULE.alpha_bar[37])
    mistakes = {
        "The variance stays 1 only if it is 1 at the start.": 1,
        "The variance does not stay 4: the data are shrunk, and noise comes in.": 4,
        "That is the signal's part alone. Which variance does the noise add?": 4 * a,
        "4 is the variance of the data, not their standard deviation.": 15 * a + 1,
        "That is the standard deviation.": math.sqrt(3 * a + 1),
    }
    _value(answer, 3 * a + 1, 0.03, mistakes)


@check("1000 steps, pure noise at the end, and half of the way spent on the data.")
def thousand_steps(answer):
    """A schedule of 1000 steps, with alpha_bar below 1/100 from about half-way on."""
    t = int((_schedule(answer, 1000).alpha_bar < 0.01).nonzero()[0])
    when = "early" if t < 500 else "late"
    need(400 <= t <= 600, f"alpha_bar falls below 1/100 at t = {t}: too {when}, half-way is 500.")


@check("At the end everything is noise, and the point says nothing of its origin.")
def guess_at_200(answer):
    """The pair eps*(1.7, 200) and E[x0 | x[200] = 1.7], which are 1.7 and 0."""
    eps, x0 = _pair(answer, "the noise, then the origin")
    swapped = abs(eps) < 0.05 and abs(x0 - 1.7) < 0.05
    need(not swapped, "The right numbers, in the wrong order.")
    need(abs(eps - 1.7) < 0.05, "The noise: how much of the data is left in x[t] at t = 200?")
    need(abs(x0 - 0.6) > 0.05, "0.6 is a hump, but the best guess averages over both humps.")
    need(abs(x0) < 0.05, "The origin: if the point says nothing, what is the mean of all data?")


@check("The later the step, the less a point tells of its origin.")
def origin_at_1(answer):
    """The posterior's share of the right hump for x[t] = 1, at t = 30 and at t = 60."""
    pair = _pair(answer, "the shares at t = 30 and at t = 60")
    need(all(0 <= share <= 1 for share in pair), "A share lies between 0 and 1.")
    for t, share in zip((30, 60), pair):
        left, right = EXACT.posterior(1.0, t).weight.tolist()
        need(abs(share - left) > 0.02, f"At t = {t}, that is the share of the left hump.")
        prior = f"At t = {t}: 70 % is known without x[t]. What does x[t] = 1 add to it?"
        need(abs(share - 0.7) > 0.02, prior)
        too = "sure" if share > right else "unsure"
        need(abs(share - right) < 0.02, f"At t = {t}, {share:.2f} is too {too}.")


@check("For a Gaussian, the best straight line is the best of all.")
def gaussian_floor(answer):
    """The loss floor, averaged over t, for data from one Gaussian of variance 1."""
    mistakes = {
        "That is the floor of the two humps, of which a point can tell more.": 0.173,
        "Even the best denoiser has a loss: it does not know the noise for sure.": 0,
        "1 is the loss of one that always answers 0.": 1,
    }
    _value(answer, float(SCHEDULE.alpha_bar[1:].mean()), 0.005, mistakes)


@check("A fifth is taken out, the shrinking undone, and the fresh noise makes up the spread.")
def first_step_back(answer):
    """Where x[200] = 1 is on average after one reverse step, if all of it is noise."""
    beta = float(SCHEDULE.beta[200])
    mistakes = {
        "That is x[200] less the share of the noise. What undoes the step's shrinking?": 1 - beta,
        "That undoes the shrinking, but takes no noise out.": (1 - beta) ** -0.5,
        "A step takes out only a small share of the noise.": 0,
        "A step moves the point: a share of the noise goes. And by what had it been shrunk?": 1,
    }
    _value(answer, (1 - beta) ** 0.5, 0.02, mistakes)


@check("Pure noise at the end, and the steps are small enough to come back.")
def short_schedule(answer):
    """A schedule of 50 steps that ends in noise and samples well with the exact denoiser."""
    schedule = _schedule(answer, 50)
    exact, n = ExactDenoiser(TRUTH, schedule), 20_000
    z = sample(exact, schedule, n, generator=Generator().manual_seed(0))
    distance = metrics.wasserstein(z, TRUTH.quantiles(n))
    need(
        distance < 0.025,
        f"The end is pure noise, but with the exact denoiser W1 is {distance:.3f}: the steps are "
        "larger than they need be.",
    )


@check("Half: the scatter of a count grows like the root of the count.")
def tv_of_40000(answer):
    """The total variation of 40 000 honest points of the spiral, which is 0.038 to 0.045."""
    mistakes = {
        "That is about the value for 10 000 points.": 0.083,
        "It does not shrink like 1/n. How does the scatter of a count grow with it?": 0.021,
    }
    _value(answer, 0.041, 0.008, mistakes)


@check("32 latents, the time, and one input for each digit.")
def inputs_with_label(answer):
    """How many inputs the labelled network of notebook 07 has."""
    mistakes = {
        "The label is missing.": 33,
        "The time is missing.": 42,
        "Is the label one number? Then 4 would lie between 3 and 5, as if it were a mixture.": 34,
        "Those are the latents alone.": 32,
    }
    _value(answer, 43, 0.1, mistakes)
