"""Checks of notebook 01."""

import itertools

import numpy as np
import torch
from scipy.stats import kstest
from torch import Generator, Tensor

from .setting import TRUTH
from .verdict import Function, check, need, number, number_check


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


@check("At about this size, a shift begins to stick out of the noise band.")
def smallest_shift(answer):
    """About the smallest shift of 10 000 points that W1 finds: 0.018 to 0.035, as rounded."""
    found = number(answer)
    need(found > 0, "A shift is found to the left as well as to the right: give its size.")
    need(found >= 0.0179, "Such a shift mostly stays inside the noise band: it could be chance.")
    need(found <= 0.0351, "That is found, and so are smaller ones: go nearer to the band's end.")


@check("The density adds up to 1, and the points follow it.")
def own_density(draw, density):
    """my_draw(n) -> (n, 1) points between -10 and 10; my_density(x), x (m, 1) -> (m,)."""
    draw, density, n = Function(draw), Function(density), 10_000
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


@check("The model is judged by data that it has not seen, and by nothing else.")
def judge(answer):
    """my_judge(generate, data): the distance of generate(training data) to data held out."""
    my, data = Function(answer), TRUTH.sample(1000, generator=Generator().manual_seed(0))
    training = _training_rows(my, data)
    need(not training.all(), "The model learns from all data, so none is left to judge it by.")
    other_training, other_held_out = data + 3 * training, data + 3 * ~training
    before = _mean_of_reference(my, data)
    need(
        abs(_mean_of_reference(my, other_training) - before) < 1e-3,
        "With other training data and the same points of the model, the mark differs. So a model "
        "that hands back its training data gets too good a mark: what is it compared with?",
    )
    need(
        _mean_of_reference(my, other_held_out) > before + 0.3,
        "With other data held out, the mark stays the same: what is the model compared with? With "
        "real data there is no truth at hand.",
    )
    shifted = _mark(my, lambda training: training + 1, data)
    need(abs(shifted - 1) < 0.3, f"A model that is off by 1 everywhere gets {shifted:.2f}, not 1.")
    # What is between two places is as far from both together, wherever it is.
    both = [
        sum(_mark(my, _all_at(p), rows) for p in (-20.0, 20.0)) for rows in (data, other_training)
    ]
    need(
        abs(both[0] - both[1]) < 1,
        "The mark is not the distance of the model's points to the data held out: what is added to "
        "it, or taken off?",
    )


def _training_rows(my: Function, data: Tensor) -> Tensor:
    """Which rows of data (n, 1) the model gets to learn from: (n, 1) bool."""
    seen = []

    def copycat(training):
        seen.append(torch.as_tensor(training).clone())
        return training

    _mark(my, copycat, data)
    need(bool(seen), f"{my.name} never calls generate, so no model is judged.")
    rows = seen[0].ndim == 2 and 0 < seen[0].numel() and bool(torch.isin(seen[0], data).all())
    need(rows, "generate must get some rows of data.")
    return torch.isin(data, seen[0])


def _mean_of_reference(my: Function, data: Tensor) -> float:
    """The mean of what a model is compared with, whatever that is, read off two marks.

    Points to the left of everything are as far off as the mean is, and so are points to the right.
    If the data are split several times, later models stay on the left, so that only the first split
    counts.
    """
    left, right = (_mark(my, _all_at(place, -20.0), data) for place in (-20.0, 20.0))
    return (left - right) / 2


def _all_at(*places: float):
    """A model whose points all lie at one place; asked again, at the next, and then at the last."""
    rest = itertools.chain(places, itertools.repeat(places[-1]))
    return lambda training: torch.full((len(training), 1), next(rest))


def _mark(my: Function, generate, data: Tensor) -> float:
    """The mark, with the same luck in each call: the data may be split by luck."""
    state = np.random.get_state()  # noqa: NPY002 (what a learner may draw from)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            return my.number(generate, data)
        finally:
            np.random.set_state(state)  # noqa: NPY002
