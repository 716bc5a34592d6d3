"""Checks of notebook 07."""

import math

import torch
from torch import Generator

from tutorial_lib import metrics
from tutorial_lib.data import Standardizer

from .verdict import Function, check, need, number_check


@number_check(
    43,
    within=0.1,
    mistakes={
        "The label is missing.": 33,
        "The time is missing.": 42,
        "Is the label one number? Then 4 would lie between 3 and 5, as if it were a mixture.": 34,
        "Those are the latents alone.": 32,
    },
    right="32 latents, the time, and one input for each digit.",
)
def inputs_with_label(answer):
    """How many inputs the labelled network of notebook 07 has."""


@check("The ends are the two noises, and everything between is standard normal, too.")
def mix(answer):
    """my_mix(a, b, share): noise on the way from a to b, all of (n, k); share in 0..1."""
    my, g = Function(answer), Generator().manual_seed(0)
    a, b = torch.randn(2, 5000, 8, generator=g)
    for share, end, name in ((0.0, a, "a"), (1.0, b, "b")):
        found = my.tensor(a, b, share, shape=(5000, 8))
        need(torch.allclose(found, end, atol=1e-3), f"At share = {share} it must be {name}.")
    for share in (0.25, 0.5, 0.75):
        found = my.same_tensor(a, b, share, shape=(5000, 8))
        var, mean = float(found.var()), float(found.mean())
        need(
            abs(var - 1) < 0.05,  # 40 000 numbers: honest noise is this far off once in 10^11
            f"Half-way noise must still be noise: at share = {share} its variance is {var:.2f}. "
            "Variances of independent numbers add: what do the two factors do to them?",
        )
        need(abs(mean) < 0.05, f"At share = {share} the mean is {mean:.2f}, not 0.")
        both = [float((found * end).mean()) for end in (a, b)]
        need(min(both) > 0.2, f"At share = {share} one of the two has no part in it.")
        still = f"At share = {share} some numbers are still a's or b's: all must be on the way."
        need(not bool(((found == a) | (found == b)).any()), still)
    need(both[1] > both[0], "At share = 0.75 there must be more of b than of a.")


@check("It undoes the standardisation, then decodes.")
def decoded(answer):
    """my_decode(autoencoder, scaler, x0): images (n, 784) from standardised latents (n, k)."""
    z0 = torch.tensor([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]])
    scaler = Standardizer(torch.tensor([3.0, -2.0]), torch.tensor([4.0, 0.5]))
    found = Function(answer).tensor(_Autoencoder(), scaler, z0, shape=(3, 4))
    mistakes = {
        "The decoder gets standardised latents. In which units did it learn to decode?": z0,
        "It standardises once more; that must be undone.": scaler.transform(z0),
        "It is undone twice. Once is enough.": scaler.inverse(scaler.inverse(z0)),
        "It scales, and does not shift.": z0 * scaler.std,
        "It shifts, and does not scale.": z0 + scaler.mean,
        "Scale first, then shift: transform did it the other way round.": scaler.std
        * (z0 + scaler.mean),
    }
    for hint, wrong in mistakes.items():
        need(not torch.allclose(found, _Autoencoder().decode(wrong)), hint)
    right = _Autoencoder().decode(scaler.inverse(z0))
    other = "The decoder gave other images. What must be done to the latents, and nothing else?"
    need(torch.allclose(found, right), other)


class _Autoencoder:
    """In place of a trained one: what it decodes, in 0..1, can be read off."""

    def decode(self, z):
        return torch.cat([0.1 * z, 0.2 * z], dim=1).sigmoid()

    def encode(self, image):
        return 10 * image[:, :2].logit()


@check("The gap between the means, squared, plus that between the spreads.")
def frechet(answer):
    """my_frechet(x, y) for one dimension: (n, 1) and (m, 1) -> a number."""
    my, x = Function(answer), torch.randn(2000, 1, generator=Generator().manual_seed(0))
    my.gives(0, x, x.clone(), otherwise="Between a sample and itself it is {}, not 0.")
    root = "The gap between the means must be squared. Is a square missing, or a root too much?"
    need(not math.isclose(my.number(x, x + 3), 3, rel_tol=0.01), root)
    equal = "Two equal shapes, 3 apart, get {}. What is left of (3) if C1 = C2?"
    my.gives(9, x, x + 3, within=0.09, otherwise=equal)
    wide, y = 3 * (x - x.mean()) + x.mean(), float(x.var())
    need(
        not math.isclose(my.number(x, wide), (8 * y) ** 2, rel_tol=0.02),
        "It compares variances. Put numbers C1 and C2 into (3): what is their sum minus twice the "
        "root of their product?",
    )
    wider = f"A sample and the same three times as wide get {{}}, and {4 * y:.3g} is right."
    my.gives(4 * y, x, wide, within=0.04 * y, otherwise=wider)
    both, other = x[:500], 2 * x[500:] + 1
    off = (
        "With means and spreads that both differ, it is off. Which part of (3) is about the means "
        "alone, which about the spreads alone, and how are the two put together?"
    )
    my.gives(metrics.frechet_distance(both, other), both, other, within=0.01, otherwise=off)
