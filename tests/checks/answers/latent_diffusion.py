"""Answers to the exercises of notebook 07."""

import math
from fractions import Fraction

import numpy as np
import torch

from tutorial_lib import metrics


def decoded(autoencoder, scaler, z0):
    return autoencoder.decode(z0 * scaler.std + scaler.mean)


def mix(a, b, share):
    return math.sqrt(1 - share) * a + math.sqrt(share) * b


def along_a_circle(a, b, share):
    angle = torch.tensor(share * math.pi / 2)
    return angle.cos() * a + angle.sin() * b


def some_rows_of_b(a, b, share):
    k = round(share * len(a))
    return torch.cat([b[:k], a[k:]])


def noisy_mix(a, b, share):
    fresh = torch.randn(a.shape) * (2 * share * (1 - share)) ** 0.5
    return (1 - share) * a + share * b + fresh


def rescaled(a, b, share):
    return ((1 - share) * a + share * b) / math.hypot(1 - share, share)


def frechet(x, y):
    return (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2


def by_variances(x, y):
    c1, c2 = np.var(x.numpy(), ddof=1), np.var(y.numpy(), ddof=1)
    return float((x.mean() - y.mean()) ** 2) + c1 + c2 - 2 * math.sqrt(c1 * c2)


def changes_scaler(autoencoder, scaler, z0):
    scaler.mean.div_(scaler.std)
    return autoencoder.decode((z0 + scaler.mean) * scaler.std)


RIGHT = {
    "inputs_with_label": [43, 43.0, np.int64(43), torch.tensor(43), Fraction(43)],
    "mix": [
        mix,
        along_a_circle,
        rescaled,
        lambda a, b, share: a.double() * (1 - share) ** 0.5 + b.double() * share**0.5,
        lambda a, b, share: torch.einsum(
            "k,knd->nd", torch.tensor([1 - share, share]).sqrt(), torch.stack([a, b])
        ),
    ],
    "frechet": [
        frechet,
        by_variances,
        metrics.frechet_distance,
        lambda x, y: torch.dist(*(torch.stack([z.mean(), z.std()]) for z in (x, y))) ** 2,
        lambda x, y: float(frechet(x.double(), y.double())),
    ],
    "decoded": [
        lambda autoencoder, scaler, z0: autoencoder.decode(scaler.inverse(z0)),
        decoded,
        lambda autoencoder, scaler, z0: decoded(autoencoder, scaler, z0).clamp(0, 1),
        lambda autoencoder, scaler, z0: torch.cat(
            [decoded(autoencoder, scaler, z) for z in z0.split(1)]
        ),
        lambda autoencoder, scaler, z0: decoded(autoencoder, scaler, z0.double()),
    ],
}
WRONG = {
    "inputs_with_label": [
        (33, "label is missing"),
        (42, "time is missing"),
        (34, "one number"),
        (32, "latents alone"),
        (785, "too large"),
    ],
    "mix": [
        (lambda a, b, share: (1 - share) * a + share * b, "its variance is 0.6"),
        (lambda a, b, share: mix(b, a, share), "it must be a"),
        (lambda a, b, share: a if share < 0.5 else b, "has no part"),
        (some_rows_of_b, "are still a's or b's"),
        (noisy_mix, "two answers"),
        (
            lambda a, b, share: torch.where(torch.rand(a.shape[1]) < share, b, a).flip(0),
            "it must be a",
        ),
        (lambda a, b, share: mix(a, b, share) + share * (1 - share), "mean"),
        (
            lambda a, b, share: 0.8 * a + 0.6 * b if share == 0.75 else mix(a, b, share),
            "more of b",
        ),
        (lambda a, b, share: a.mul_((1 - share) ** 0.5) + share**0.5 * b, "changes a tensor"),
    ],
    "frechet": [
        (lambda x, y: (x.mean() - y.mean()) ** 2 + (x.var() - y.var()) ** 2, "compares variances"),
        (lambda x, y: (x.mean() - y.mean()).abs() + (x.std() - y.std()).abs(), "be squared"),
        (lambda x, y: math.sqrt(frechet(x, y)), "a root too much"),
        (lambda x, y: (x.std() - y.std()) ** 2, "3 apart"),
        (lambda x, y: (x.mean() - y.mean()) ** 2, "times as wide"),
        (lambda x, y: metrics.wasserstein(x, y) ** 2, "times as wide"),
        (lambda x, y: frechet(x, y) + 0.01, "a sample and itself"),
        (
            lambda x, y: ((x.mean() - y.mean()).abs() + (x.std() - y.std()).abs()) ** 2,
            "both differ",
        ),
        (lambda x, y: frechet(x.sub_(1), y), "changes a tensor"),
    ],
    "decoded": [
        (lambda autoencoder, scaler, z0: autoencoder.decode(z0), "In which units"),
        (lambda e, scaler, z0: e.decode(scaler.transform(z0)), "once more"),
        (lambda e, scaler, z0: decoded(e, scaler, scaler.inverse(z0)), "undone twice"),
        (lambda e, scaler, z0: e.decode(z0 * scaler.std), "does not shift"),
        (lambda e, scaler, z0: e.decode(z0 + scaler.mean), "does not scale"),
        (lambda e, scaler, z0: e.decode((z0 + scaler.mean) * scaler.std), "Scale first"),
        (lambda e, scaler, z0: scaler.inverse(z0), "returns shape (3, 2)"),
        (lambda e, scaler, z0: 0 * e.decode(z0), "nothing else"),
        (changes_scaler, "changes the scaler that it is given"),
    ],
}
