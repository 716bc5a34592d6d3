"""Toy distributions whose densities are known, and the standardisation of data."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from tutorial_lib._silent import brief, check_points


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Shift and scale each column to mean 0 and standard deviation 1.

    mean, std: (n_dim,) of the data that it was fitted on, in the units of that data. Raises
    ValueError unless they are finite, of one shape, and std above 0.
    """

    mean: Tensor
    std: Tensor

    def __post_init__(self):
        one_shape = self.mean.shape == self.std.shape
        finite = self.mean.isfinite().all() and self.std.isfinite().all()
        if not (one_shape and self.mean.ndim == 1 and finite and (self.std > 0).all()):
            given = f"mean {brief(self.mean)}, std {brief(self.std)}"
            raise ValueError(f"mean and std must be (n_dim,), finite, std positive, got {given}")

    @classmethod
    def fit(cls, x: Tensor) -> "Standardizer":
        """Measure mean and standard deviation (n - 1 in the denominator) of each column of x.

        x: (n, n_dim). Raises ValueError if x is not finite or a column does not vary.
        """
        # By its range: where the mean is rounded, the standard deviation of a constant is not 0.
        spread = x.amax(0) - x.amin(0)
        if not (spread > 0).all():
            raise ValueError(f"every column of x must be finite and vary, got {brief(spread)}")
        return cls(x.mean(0), x.std(0))

    def transform(self, x: Tensor) -> Tensor:
        """Data (n, n_dim) to standardised units."""
        check_points(len(self.mean), x=x)
        return (x - self.mean) / self.std

    def inverse(self, z: Tensor) -> Tensor:
        """Standardised values (n, n_dim) back to the units of the data."""
        check_points(len(self.mean), z=z)
        return z * self.std + self.mean


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of k Gaussians, each with independent coordinates.

    weight: (k,), sums to 1. mean, std: (k, n_dim), std > 0. Tensors or lists; kept in float64.
    Other values raise ValueError, other shapes that or IndexError.
    """

    weight: Tensor
    mean: Tensor
    std: Tensor

    def __post_init__(self):
        for name in ("weight", "mean", "std"):
            value = torch.as_tensor(getattr(self, name), dtype=torch.float64)
            object.__setattr__(self, name, value)
        shapes = self.weight.shape == self.mean[:, 0].shape and self.std.shape == self.mean.shape
        finite = self.mean.isfinite().all() and self.std.isfinite().all()
        shares = (self.weight >= 0).all() and math.isclose(self.weight.sum(), 1, abs_tol=1e-6)
        if not (shapes and finite and shares and (self.std > 0).all()):
            wanted = "weight (k,), >= 0, of sum 1, finite mean (k, n_dim), and std > 0 like it"
            given = f"{brief(self.weight)}, {brief(self.mean)}, {brief(self.std)}"
            raise ValueError(f"a mixture must have {wanted}, got {given}")

    @property
    def n_dim(self) -> int:
        return self.mean.shape[1]

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """n independent points, (n, n_dim) float32: pick a component, then add its noise."""
        u = torch.rand(n, generator=generator, dtype=torch.float32)
        share = self.weight.cumsum(0) / self.weight.sum()  # of 1, if they sum to a little less
        component = torch.bucketize(u, share[:-1].float(), right=True)
        noise = torch.randn(n, self.n_dim, generator=generator, dtype=torch.float32)
        return self.mean.float()[component] + self.std.float()[component] * noise

    def component_log_density(self, x: Tensor) -> Tensor:
        """log(weight_k N(x; mean_k, std_k^2)) at the points x (n, n_dim): (n, k) float64."""
        check_points(self.n_dim, x=x)
        z = (x.double()[:, None] - self.mean) / self.std  # (n, k, n_dim)
        log_normal = -0.5 * z.square() - self.std.log() - 0.5 * math.log(2 * math.pi)
        return log_normal.sum(-1) + self.weight.log()

    def density(self, x: Tensor) -> Tensor:
        """The density at the points x (n, n_dim): (n,) float64."""
        return self.component_log_density(x).logsumexp(1).exp()

    def quantiles(self, m: int) -> Tensor:
        """m points (m, 1) float32 that stand for a 1D mixture without any luck of the draw.

        They cut the distribution into m equal shares, each point in the middle of its share.
        Raises ValueError for more than one dimension.
        """
        (mean,), (std,) = self.mean.unbind(1), self.std.unbind(1)
        share = (torch.arange(m, dtype=torch.float64) + 0.5) / m
        z = torch.linspace(-8, 8, 20_001, dtype=torch.float64)[:, None]
        x = (mean + std * z).flatten().sort().values[:, None]
        cdf = torch.special.ndtr((x - mean) / std) @ self.weight
        return torch.from_numpy(np.interp(share, cdf, x[:, 0])).float()[:, None]

    def standardized(self, scaler: Standardizer) -> "Mixture":
        """The law of `scaler.transform(x)` when x has this law."""
        return Mixture(self.weight, scaler.transform(self.mean), self.std / scaler.std)

    def diffused(self, alpha_bar: Tensor | float) -> "Mixture":
        """The law of sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps when x0 has this law.

        alpha_bar: a number in 0..1, else ValueError. A scaled Gaussian plus Gaussian noise is
        Gaussian, so the mixture keeps its weights (Ho et al. 2020, eq. 4, for each component).
        """
        alpha_bar = float(alpha_bar)
        if not 0 <= alpha_bar <= 1:
            raise ValueError(f"alpha_bar must lie in 0..1, got {alpha_bar}")
        std = (alpha_bar * self.std.square() + 1 - alpha_bar).sqrt()
        return Mixture(self.weight, math.sqrt(alpha_bar) * self.mean, std)


def two_modes(weight: float = 0.3, std: float = 0.2) -> Mixture:
    """The series' 1D law: N(-1/2, std^2) with probability `weight`, else N(+1/2, std^2)."""
    return Mixture([weight, 1 - weight], [[-0.5], [0.5]], [[std], [std]])


def gaussian_mixture(
    n: int, *, weight: float = 0.3, std: float = 0.2, generator: Generator | None = None
) -> Tensor:
    """n points of `two_modes(weight, std)`: (n, 1) float32."""
    return two_modes(weight, std).sample(n, generator=generator)


def ramp(n: int, *, generator: Generator | None = None) -> Tensor:
    """n points of the ramp, the smaller of two uniform numbers: (n, 1) float32 in [0, 1]."""
    return torch.rand(n, 2, generator=generator, dtype=torch.float32).amin(1, keepdim=True)


def ramp_density(x: Tensor) -> Tensor:
    """The ramp's density, 2 (1 - x) on [0, 1] and 0 elsewhere, at the points x (n, 1): (n,)."""
    (x,) = x.unbind(1)
    return torch.where((x >= 0) & (x <= 1), 2 * (1 - x), 0.0)


def spiral(n: int, *, generator: Generator | None = None) -> Tensor:
    """n points of a spiral band of one and a half turns: (n, 2) float32, radius in [0.25, 1.05].

    With u, v uniform on [0, 1]: angle 3 pi u, radius 0.25 + 0.65 u + 0.15 v.
    """
    return _spiral(*torch.rand(2, n, generator=generator, dtype=torch.float32))


def spiral_lattice(n: int) -> Tensor:
    """n points (n, 2) float32 that stand for the spiral without any luck of the draw.

    u and v are not drawn but spread evenly over the unit square: v goes on by the golden ratio
    from one u to the next (a Kronecker lattice; Niederreiter 1992, chapter 5).
    """
    k = torch.arange(n, dtype=torch.float64)
    return _spiral((k + 0.5) / n, (k * (math.sqrt(5) - 1) / 2) % 1).float()


def _spiral(u: Tensor, v: Tensor) -> Tensor:
    angle = 3 * math.pi * u
    radius = 0.25 + 0.65 * u + 0.15 * v
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def spiral_density(x: Tensor) -> Tensor:
    """The spiral's density at the points x (n, 2): (n,).

    Change of variables: the map (u, v) -> (radius, angle) has Jacobian 0.15 * 3 pi, and the
    area element is radius d(radius) d(angle). A point can lie on the first or the second turn.
    """
    x1, x2 = x.unbind(1)
    radius, angle = x.norm(dim=1), torch.atan2(x2, x1) % (2 * math.pi)
    density = torch.zeros_like(radius)
    for turn in (0, 1):
        u = (angle + 2 * math.pi * turn) / (3 * math.pi)
        v = (radius - 0.25 - 0.65 * u) / 0.15
        on_band = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        density += torch.where(on_band, 1 / (0.45 * math.pi * radius), 0.0)
    return density
