"""Verdicts on random numbers.

Every seed is fixed, so no test flickers. A rate says how often an honest sample from another
random stream would fail: below 1e-6 for five standard errors, 1e-7 for a p-value.
"""

import numpy as np
from scipy import stats


def assert_mean(values, expected: float, errors: float = 5) -> None:
    """The mean of independent `values` lies within `errors` standard errors of `expected`."""
    values = np.asarray(values, dtype=np.float64).ravel()
    error = values.std(ddof=1) / len(values) ** 0.5
    assert abs(values.mean() - expected) < errors * error, (values.mean(), expected, error)


def assert_law(values, cdf) -> None:
    """Independent `values` follow the law with distribution function `cdf` (Kolmogorov-Smirnov)."""
    assert stats.kstest(np.asarray(values, dtype=np.float64).ravel(), cdf).pvalue > 1e-7


def assert_shares(counts, shares) -> None:
    """Counts of independent draws agree with the `shares` expected (chi-square).

    Cells that expect fewer than 20 draws are taken together.
    """
    counts, shares = (np.ravel(np.asarray(v, dtype=np.float64)) for v in (counts, shares))
    expected = shares / shares.sum() * counts.sum()
    few = expected < 20
    if expected[few].sum() > 0:
        counts = np.append(counts[~few], counts[few].sum())
        expected = np.append(expected[~few], expected[few].sum())
    else:
        assert counts[few].sum() == 0
        counts, expected = counts[~few], expected[~few]
    assert stats.chisquare(counts, expected).pvalue > 1e-7


def mixture_cdf(mixture, column: int = 0):
    """The distribution function of one coordinate of a `Mixture`, from scipy's normal law."""
    weight, mean, std = (v.numpy() for v in (mixture.weight, mixture.mean, mixture.std))
    return lambda x: stats.norm.cdf(np.expand_dims(x, -1), mean[:, column], std[:, column]) @ weight
