"""How far a sample is from the truth, and how far chance alone would put it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import wasserstein_distance
from torch import Tensor

from tutorial_lib._arguments import fits, integer, positive


def wasserstein(x: ArrayLike, y: ArrayLike) -> float:
    """Wasserstein-1 distance between two 1D samples, (n, 1) or (n,) and (m, 1) or (m,).

    The mean distance that points must move to turn one histogram into the other; also the area
    between the two cumulative distribution functions. In the units of x.
    """
    return float(wasserstein_distance(_sample("x", x, 1)[:, 0], _sample("y", y, 1)[:, 0]))


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, *, n_directions: int = 64) -> float:
    """Mean of `wasserstein` over projections of two 2D samples, (n, 2) and (m, 2).

    The directions are equally spaced over half a turn (Bonneel et al. 2015, section 3).
    """
    x, y = _sample("x", x, 2), _sample("y", y, 2)
    angle = np.arange(integer("n_directions", n_directions, 1)) * math.pi / n_directions
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return float(np.mean([wasserstein_distance(x @ u, y @ u) for u in directions]))


def total_variation(x: ArrayLike, y: ArrayLike, *, bins: int = 40, limit: float = 2.2) -> float:
    """Half the summed difference of two 2D histograms on a bins x bins grid over +-limit.

    x: (n, 2), y: (m, 2). 0 for equal histograms, 1 for disjoint ones. Points outside the grid
    share one more cell.
    """
    positive("limit", limit)
    fits("bins", bins, integer("bins", bins, 1) ** 2)

    def shares(sample: np.ndarray) -> np.ndarray:
        edges = np.linspace(-limit, limit, bins + 1)
        inside = np.histogram2d(*sample.T, bins=(edges, edges))[0] / len(sample)
        return np.append(inside, 1 - inside.sum())

    return float(np.abs(shares(_sample("x", x, 2)) - shares(_sample("y", y, 2))).sum() / 2)


def frechet_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Squared Fréchet distance between Gaussians fitted to two samples, (n, d) and (m, d).

    |mean_x - mean_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), C the covariances (Dowson & Landau
    1982, eq. 4; with features of a network in place of x it is the FID of Heusel et al. 2017).
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"x and y must have shapes (n, d) and (m, d) with n, m >= 2, got {x.shape}, {y.shape}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    # With C = R'R, the trace of (C_x C_y)^(1/2) is the sum of the singular values of R_x R_y'.
    r_x, r_y = (np.linalg.qr(a - a.mean(0), mode="r") / (len(a) - 1) ** 0.5 for a in (x, y))
    traces = (r_x**2).sum() + (r_y**2).sum() - 2 * np.linalg.norm(r_x @ r_y.T, "nuc")
    # Rounded, equal samples would come out a little below 0.
    return max(0.0, float(((x.mean(0) - y.mean(0)) ** 2).sum() + traces))


def nearest_distances(x: ArrayLike, reference: ArrayLike) -> Tensor:
    """The Euclidean distance of each row of x (n, d) to the nearest of `reference` (m, d): (n,).

    By matrix products: in float32 the distance of a copy comes out as about 0.01, not 0.
    """
    x = torch.as_tensor(x)
    x = x if x.is_floating_point() else x.float()
    reference = torch.as_tensor(reference).to(x)
    fit = x.ndim == reference.ndim == 2 and x.shape[1] == reference.shape[1]
    if not (fit and len(reference)):
        raise ValueError(
            "x and reference must have shapes (n, d) and (m, d) with m >= 1, "
            f"got {tuple(x.shape)} and {tuple(reference.shape)}"
        )
    return torch.cat([torch.cdist(rows, reference).amin(1) for rows in x.split(1000)])


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
    integer("n", n, 1)
    draws = [distance(draw(n), reference) for _ in range(integer("repeats", repeats, 20))]
    return NoiseBand(float(np.median(draws)), float(np.quantile(draws, 0.95)), np.array(draws))


def _sample(name: str, x: ArrayLike, n_dim: int) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 and n_dim == 1 else x
    if x.ndim != 2 or x.shape[1] != n_dim or len(x) == 0:
        raise ValueError(f"{name} must have shape (n, {n_dim}), got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} must be finite")
    return x
