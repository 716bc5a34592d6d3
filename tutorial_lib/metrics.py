"""How far a sample is from the truth, and how far chance alone would put it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import wasserstein_distance
from torch import Tensor

from tutorial_lib._silent import check_finite, check_points


def wasserstein(x: ArrayLike, y: ArrayLike) -> float:
    """Wasserstein-1 distance between two 1D samples, (n, 1) or (n,) and (m, 1) or (m,).

    The mean distance that points must move to turn one histogram into the other; also the area
    between the two cumulative distribution functions. In the units of x.
    """
    x, y = _columns(1, x=x, y=y)
    return float(wasserstein_distance(x[:, 0], y[:, 0]))


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, *, n_directions: int = 64) -> float:
    """Mean of `wasserstein` over projections of two 2D samples, (n, 2) and (m, 2).

    The directions are equally spaced over half a turn. Bonneel et al. 2015, section 3, take the
    mean of the squared W2 instead.
    """
    x, y = _columns(2, x=x, y=y)
    angle = np.arange(n_directions) * math.pi / n_directions
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return float(np.mean([wasserstein_distance(x @ u, y @ u) for u in directions]))


def total_variation(x: ArrayLike, y: ArrayLike, *, bins: int = 40, limit: float = 2.2) -> float:
    """Half the summed difference of two 2D histograms on a bins x bins grid over +-limit.

    x: (n, 2), y: (m, 2). 0 for equal histograms, 1 for disjoint ones. Points outside the grid
    share one more cell. Raises ValueError unless there is a cell inside.
    """
    if bins < 1 or not limit > 0:
        raise ValueError(f"bins and limit must be above 0, got {bins} and {limit}")

    def shares(sample: np.ndarray) -> np.ndarray:
        edges = np.linspace(-limit, limit, bins + 1)
        inside = np.histogram2d(*sample.T, bins=(edges, edges))[0] / len(sample)
        return np.append(inside, 1 - inside.sum())

    x, y = _columns(2, x=x, y=y)
    return float(np.abs(shares(x) - shares(y)).sum() / 2)


def frechet_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Squared Fréchet distance between Gaussians fitted to two samples, (n, d) and (m, d).

    |mean_x - mean_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), C the covariances (Dowson & Landau
    1982, eq. 4; with features of a network in place of x it is the FID of Heusel et al. 2017).
    """
    x, y = _columns(None, x=x, y=y)
    # With C = R'R, the trace of (C_x C_y)^(1/2) is the sum of the singular values of R_x R_y'.
    r_x, r_y = (np.linalg.qr(a - a.mean(0), mode="r") / (len(a) - 1) ** 0.5 for a in (x, y))
    traces = (r_x**2).sum() + (r_y**2).sum() - 2 * np.linalg.norm(r_x @ r_y.T, "nuc")
    # Rounded, equal samples would come out a little below 0.
    return max(0.0, float(((x.mean(0) - y.mean(0)) ** 2).sum() + traces))


def nearest_distances(x: ArrayLike, reference: ArrayLike) -> Tensor:
    """The Euclidean distance of each row of x (n, d) to the nearest of `reference` (m, d): (n,).

    By matrix products, which lose what is small beside the numbers themselves: so in float64, and
    from the middle of `reference`.
    """
    reference = torch.as_tensor(reference).detach().to(torch.float64, copy=True)
    middle = reference.mean(0)
    reference -= middle
    parts = torch.as_tensor(x).detach().split(250)  # few at a time: their pairs are many
    return torch.cat([torch.cdist(rows.double() - middle, reference).amin(1) for rows in parts])


class NoiseBand(NamedTuple):
    """The distances that chance alone gives. median and upper (the 95 % point), and all of them."""

    median: float
    upper: float
    distances: np.ndarray


def noise_band(
    distance: Callable[[ArrayLike, ArrayLike], float],
    draw: Callable[[int], ArrayLike],
    reference: ArrayLike,
    n: int,
    *,
    repeats: int = 200,
) -> NoiseBand:
    """The spread of `distance` between honest samples of n points and `reference`.

    draw(n) must return n fresh points of the truth. A sample whose distance to the same
    `reference` is below `upper` cannot be told from an honest one by this distance (at 5 %).
    """
    draws = [distance(draw(n), reference) for _ in range(repeats)]
    return NoiseBand(float(np.median(draws)), float(np.quantile(draws, 0.95)), np.array(draws))


def _columns(n_dim: int | None, **samples: ArrayLike) -> list[np.ndarray]:
    """Each as finite float64 (n, n_dim), of whatever type it comes; (n,) counts as a column."""
    tensors = {name: torch.as_tensor(x).detach().cpu().double() for name, x in samples.items()}
    if n_dim == 1:
        tensors = {name: x[:, None] if x.ndim == 1 else x for name, x in tensors.items()}
    check_points(n_dim, **tensors)
    check_finite(**tensors)
    return [x.numpy() for x in tensors.values()]
