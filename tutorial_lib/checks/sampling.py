"""Checks of notebook 05."""

import torch
from scipy.stats import chi2, kstest, wasserstein_distance
from torch import Generator, Tensor

from tutorial_lib import metrics
from tutorial_lib.data import Mixture
from tutorial_lib.oracle import DataDenoiser, ExactDenoiser
from tutorial_lib.schedule import NoiseSchedule

from .setting import EXACT, OTHER, SCHEDULE, TRUTH, ends_in_noise
from .verdict import Function, check, need, number, number_check
from .weighted_sum import JUMP, SHIFTED, VARIANCE, Term, constants, weighted_sum

# Eight steps that differ much, so that each can be told from its neighbours.
STEEP = NoiseSchedule.linear(n_steps=8, beta_min=0.02, beta_max=0.8)
TWO_CLOUDS = Mixture([0.5, 0.5], [[-1.0, 1.5], [1.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]])


@number_check(
    0.8**0.5,
    within=0.02,
    mistakes={
        "That is x[200] less the share of the noise. What undoes the step's shrinking?": 0.8,
        "That undoes the shrinking, but takes no noise out.": 0.8**-0.5,
        "A step takes out only a small share of the noise.": 0,
        "A step moves the point: a share of the noise goes. And by what had it been shrunk?": 1,
    },
    right="A fifth is taken out, the shrinking undone, and the fresh noise makes up the spread.",
)
def first_step_back(answer):
    """Where x[200] = 1 is on average after one reverse step, if all of it is noise."""


@check("It asks for every step once, from T down to 1, and its samples follow the truth.")
def sample(answer):
    """my_sample(denoiser, schedule, n, generator): (n, denoiser.n_dim), for any schedule."""
    my = Function(answer)
    _order(my)
    _each_step(my)
    exact, clouds = _watched(EXACT)[0], _watched(ExactDenoiser(TWO_CLOUDS, STEEP))[0]
    z = my.tensor(exact, SCHEDULE, 4000, Generator().manual_seed(0), shape=(4000, 1))
    distance, width = metrics.wasserstein(z, TRUTH.quantiles(4000)), float(z.std())
    need(
        distance < 0.08,  # chance: 0.03 in 5 of 100 cases, this in fewer than one of a million
        f"With the exact denoiser, W1 to the truth is {distance:.2f} and the spread {width:.2f} "
        "instead of 1: look at the start, and at the fresh noise.",
    )
    one, same, other = (
        my.tensor(clouds, STEEP, 10, Generator().manual_seed(seed), shape=(10, 2))
        for seed in (0, 0, 1)
    )
    need(torch.equal(one, same), "The same generator gives two results: draw all noise from it.")
    need(not torch.equal(one, other), "Another seed gives the same points: draw from generator.")


def _order(my: Function) -> None:
    """Whether the denoiser is asked at T, T - 1, ..., 1, and the last answer is followed."""
    denoiser, calls = _watched(DataDenoiser(torch.tensor([[0.7, 0.7]]), OTHER))
    z = my.tensor(denoiser, OTHER, 3, Generator().manual_seed(0), shape=(3, 2))
    need(bool(calls), f"{my.name} never asks the denoiser.")
    asked = [t for _, t, _ in calls]
    order = f"asked {len(asked)} times, first at t = {asked[0]} and last at t = {asked[-1]}"
    right = asked == list(range(20, 0, -1))
    need(right, f"With T = 20, the denoiser must be asked at t = 20, 19, ..., 1. It is {order}.")
    need(
        torch.allclose(z, torch.tensor(0.7), atol=0.01),
        "All data lie at one point, and the denoiser knows it, yet the samples miss it. Look at "
        "the last step, at what a step takes out, and whether every constant is one of the "
        "schedule that is given.",
    )


def _each_step(my: Function) -> None:
    """Whether start and fresh noise are as they should be. The limits: one failure in a million."""
    denoiser, calls = _watched(ExactDenoiser(TWO_CLOUDS, STEEP))
    z = my.tensor(denoiser, STEEP, 20_000, Generator().manual_seed(0), shape=(20_000, 2))
    start, pure = calls[0][0].double(), "The start must be pure noise: standard normal numbers."
    need(kstest(start.flatten(), "norm").pvalue > 1e-6, pure)
    need(abs(float(start.var()) - 1) < 0.04, f"{pure} Their variance is {start.var():.2f}, not 1.")
    _independent(start[None], "The start")
    states = [*(x for x, _, _ in calls[1:]), z]
    steps = [_fresh_noise(*call, after) for call, after in zip(calls[:-1], states)]
    noise = torch.stack([noise for noise in steps if noise is not None] or [start])
    normal = kstest(noise.flatten(), "norm").pvalue > 1e-6
    need(normal, "The fresh noise must be standard normal, times a factor: which numbers are it?")
    _independent(noise, "The fresh noise")


def _fresh_noise(x: Tensor, t: int, eps_hat: Tensor, after: Tensor) -> Tensor | None:
    """What a step from x[t] has added, scaled to variance 1; None if it has added nothing.

    Every right step leads to sqrt(alpha_bar[t-1]) x0_hat + k eps_hat + sigma z, with x0_hat the
    clean point that eps_hat points to, and k^2 + sigma^2 = 1 - alpha_bar[t-1]: DDIM with sigma = 0,
    algorithm 2 with the posterior's sigma, and all between them (Song et al. 2021, eq. 12).
    Algorithm 2 with sigma = sqrt(beta) adds a little more.
    """
    beta, _, a, _, before = constants(STEEP, t)
    eps_hat, x0_hat = eps_hat.double(), (x - (1 - a) ** 0.5 * eps_hat).double() / a**0.5
    rest = after.double() - before**0.5 * x0_hat
    k = float((rest * eps_hat).sum() / eps_hat.square().sum())
    rest -= k * eps_hat
    sigma, more = float(rest.std()), beta - beta * (1 - before) / (1 - a)
    added = k**2 + sigma**2 - (1 - before)
    margin = 0.07 * beta  # of luck: 0.012
    kept = float((rest * x0_hat).sum() / x0_hat.square().sum())
    right = -margin < added < more + margin and abs(kept) < 0.05
    need(
        right or abs(sigma / beta**0.5 - 1) < 0.03,
        f"At t = {t} the fresh noise has a standard deviation of {sigma:.2f}, but the schedule's "
        f"sigma is {beta**0.5:.2f}.",
    )
    need(right, f"At t = {t} the fresh noise is right, but what becomes of x[t] and its estimate?")
    return rest / sigma if sigma > 1e-3 else None


def _independent(noise: Tensor, what: str) -> None:
    """Whether no number has to do with another. noise: (steps, n, 2), of mean 0 and variance 1."""
    together = float((noise[..., 0] * noise[..., 1]).mean())
    means = noise.mean(1).square() * noise.shape[1]  # of luck: 1 each, if all points differ
    luck = chi2.cdf(float(means.sum()), means.numel())
    need(
        abs(together) < 0.04 and 1e-6 < luck < 1 - 1e-6,
        f"{what} is no independent noise: each coordinate of each point needs numbers of its own.",
    )


def _watched(exact):
    """A denoiser that answers like `exact` and gives nothing else of it away; and its calls.

    A call is the points, t, and the answer.
    """
    calls = []

    def denoiser(xt, t):
        eps_hat = exact(xt, t).detach()
        calls.append((xt.detach().clone(), int(torch.as_tensor(t).max()), eps_hat.clone()))
        return eps_hat

    denoiser.n_dim, denoiser.n_steps = exact.n_dim, exact.n_steps
    return denoiser, calls


@check("The exact denoiser shows the sampler's error, and the same sampler shows the network's.")
def whose_error(answer):
    """my_errors(draw, denoiser, exact, reference): W1 due to the steps, W1 due to the network.

    draw(denoiser) gives points (n, 1), from the same start each time.
    """
    my, reference = Function(answer), TRUTH.quantiles(500)

    def draw(denoiser):
        return denoiser(reference, 1)

    def shrinks(xt, t):  # with this sampler, as DDIM does with few steps
        return 0.8 * xt

    def moves(xt, t):
        return xt + 0.3 * (xt > 0)

    def agrees(xt, t):
        return 1.0 * xt

    def right(denoiser, exact):
        samples = draw(denoiser), draw(exact)
        return metrics.wasserstein(samples[1], reference), metrics.wasserstein(*samples)

    cases = {
        "The network is perfect, and the steps are large": (shrinks, shrinks),
        "The steps are perfect, and the network is not": (moves, agrees),
        "Network and steps make opposite errors, so that the samples are perfect": (
            agrees,
            shrinks,
        ),
        "Neither is perfect": (moves, shrinks),
    }
    for case, networks in cases.items():
        found = my(draw, *networks, reference)
        pair = isinstance(found, tuple | list) and len(found) == 2
        need(pair, f"{my.name} must return two numbers: the step error, then the model error.")
        step, model = (number(value, f"{my.name} returns") for value in found)
        right_step, right_model = right(*networks)
        what = (
            f"{case}. {my.name} finds a step error of {step:.2f} and a model error of {model:.2f}."
        )
        need(
            abs(step - right_step) < 1e-3,
            f"{what} Which samples have a step error and no other, and how far are they off?",
        )
        need(
            abs(model - right_model) < 1e-3,
            f"{what} Which two samples differ by nothing but the network?",
        )


@check("Pure noise at the end, and the steps are small enough to come back.")
def short_schedule(answer):
    """A schedule of 50 steps that ends in noise and samples well with the exact denoiser."""
    distance = _distance_without_luck(ends_in_noise(answer, 50))
    need(
        distance < 0.025,
        f"The end is pure noise, but with the exact denoiser W1 is {distance:.3f}: the steps are "
        "larger than they need be.",
    )


def _distance_without_luck(schedule: NoiseSchedule) -> float:
    """W1 to the truth of endlessly many samples: here the whole law goes back, on a grid."""
    x = torch.linspace(-5, 5, 501, dtype=torch.float64)[:, None]
    law = (-x[:, 0].square() / 2).softmax(0)
    exact = ExactDenoiser(TRUTH, schedule)
    for t in range(schedule.n_steps, 0, -1):
        beta, alpha, a, _, _ = constants(schedule, t)
        mean = (x - beta / (1 - a) ** 0.5 * exact(x, t)) / alpha**0.5
        if t > 1:  # column j: where the fresh noise carries what comes from place j
            law = ((x - mean.T).square() / (-2 * beta)).softmax(0) @ law
    return wasserstein_distance(mean[:, 0], TRUTH.quantiles(20_000)[:, 0], law)


@check("It takes the right share of the noise out, and adds fresh noise except at t = 1.")
def reverse_step(answer):
    """my_reverse_step(schedule, xt, t, eps_hat, z), one step of the sampler."""

    def terms(s, t):
        beta, alpha, a, alpha_before, before = constants(s, t)
        undo = alpha**-0.5
        share = -undo * beta / (1 - a) ** 0.5
        stay = alpha**0.5 * (1 - before) / (1 - a)
        xt = {
            "is shrunk once more, where the shrinking must be undone": alpha**0.5,
            "stays as it is, but the step's shrinking must be undone": 1,
            SHIFTED: alpha_before**-0.5,
            JUMP: a**-0.5,
            "comes out too small: which factor of the guess of x0 belongs to t - 1": (
                beta / (1 - a) + stay
            ),
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

    weighted_sum(answer, terms, [60, 1, 2, 200])
