"""Checks of notebook 01."""

import functools

import numpy as np
import torch
from scipy.stats import ks_2samp, kstest
from torch import Generator

from tutorial_lib.metrics import wasserstein

from .setting import TRUTH
from .verdict import Function, Wrong, check, need, number, number_check


@number_check(
    0.01,
    within=0.0025,
    mistakes={
        "That is about the band of 10 000 points.": 0.02,
        "It does not shrink like 1/n: look at the slope in the figure.": 0.005,
    },
    right="Four times the points, half the band.",
)
def band_of_40000(answer):
    """The upper end of the 1D noise band for 40 000 points, which is 0.0095 to 0.011."""


@check("In about 19 of 20 draws, such a shift sticks out of the noise band.")
def smallest_shift(answer):
    """The shift that W1 finds in 19 of 20 draws of 10 000 points: 0.03, accepted 0.026 to 0.035."""
    found = number(answer)
    need(found > 0, "A shift is found to the left as well as to the right: give its size.")
    need(
        found >= 0.0259,
        "Such a shift stays inside the noise band in more than one draw of twenty: count over some "
        "hundreds of draws.",
    )
    need(found <= 0.0351, "That is found in nearly every draw: a smaller one is in 19 of 20, too.")


@check("The density adds up to 1, and the points follow it.")
def own_density(draw, density):
    """my_draw(n) -> (n, 1) points between -10 and 10; my_density(x), x (m, 1) -> (m,)."""
    draw, density, n = Function(arrays_too(draw)), Function(arrays_too(density)), 10_000
    draw.tensor(5, shape=(5, 1))
    x, other = (draw.tensor(n, shape=(n, 1)).double() for _ in range(2))
    need(bool(x.abs().max() < 10), "Some points lie beyond -10 or 10: choose narrower tails.")
    need(not torch.equal(x, other), f"{draw.name} returns the same points in every call.")
    grid = torch.linspace(-10, 10, 20_001)[:, None]
    p = density.tensor(grid, shape=(20_001,)).double()
    need(bool((p >= 0).all()), "The density is negative somewhere between -10 and 10.")
    total = float(p.sum() / 1000)
    wrong = f"A density adds up to 1. From -10 to 10, in steps of 0.001, this gives {total:.3f}."
    need(abs(total - 1) < 0.01, wrong)
    cdf = (p.cumsum(0) - p / 2) / p.sum()
    test = kstest(x[:, 0], lambda v: np.interp(v, grid[:, 0], cdf))
    need(
        test.pvalue > 1e-6,  # how often an honest answer fails
        f"Points and density disagree, most of all near x = {test.statistic_location:.2f}. Draw "
        "the histogram and the density in one figure.",
    )


def arrays_too(answer):
    """An answer whose value may be a NumPy array where a tensor is expected."""
    if not callable(answer):
        return answer

    @functools.wraps(answer)
    def with_tensors(*arguments):
        value = answer(*arguments)
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    return with_tensors


@check("Every distance has a draw of its own, and together they tell what chance gives.")
def honest_distances(answer):
    """my_distances(n, repeats): W1 of `repeats` samples of n points to the truth, one for each."""
    n, repeats = 100, 300
    found = _numbers(Function(answer), n, repeats)
    different = len({*found})
    need(
        different > 1,
        f"All {repeats} distances are the same number. Where does the luck of each draw come from?",
    )
    need(
        different > 0.9 * repeats,
        f"Only {different} of the {repeats} distances are different, so some draws are one draw.",
    )
    g, reference = Generator().manual_seed(0), TRUTH.quantiles(2000)
    chance = [wasserstein(TRUTH.sample(n, generator=g), reference) for _ in range(repeats)]
    ratio = float(np.median(found) / np.median(chance))
    need(
        0.78 < ratio < 1.28,
        f"With n = {n}, half of your distances are below {np.median(found):.2g}, which is too "
        f"{'large' if ratio > 1 else 'small'}: has each draw n fresh points, and what is it "
        "compared with?",
    )
    need(
        ks_2samp(found, chance).pvalue > 1e-6,  # how often an honest answer fails
        "The distances scatter too much or too little: does each come from one fresh draw?",
    )


def _numbers(my: Function, *arguments: int) -> np.ndarray:
    """What an answer returns, a sequence of as many numbers as the last argument says."""
    value, repeats = my(*arguments), arguments[-1]
    try:
        found = np.array([float(one) for one in value])
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise Wrong(f"{my.name} returns a {kind}; {repeats} distances are expected.") from None
    need(len(found) == repeats, f"{my.name} returns {len(found)} numbers, not {repeats} distances.")
    need(bool(np.isfinite(found).all()), f"{my.name} returns NaN or infinite distances.")
    return found
