"""From data to noise along a path, and back by following the velocity.

A path takes each data point x0 to a noise eps of its own while u goes from 0 to 1:

    x = a x0 + b eps,        v = dx/du = a' x0 + b' eps.

Many paths cross at one x. Points that follow their mean velocity there, E[v | x], have the paths'
law at every u (Lipman et al. 2023, theorem 1), so noise that follows it back becomes data. Points
are (n, n_dim) here, u is a number or (n,) in 0..1, and v the change of x per unit of u.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tutorial_lib._random import draw, pure_noise
from tutorial_lib._silent import check_same_shape
from tutorial_lib.loss import steadier
from tutorial_lib.network import MLP


@dataclass(frozen=True)
class Path:
    """coefficients: the function of u that gives a, b and their derivatives a', b'."""

    name: str
    coefficients: Callable[[Tensor], tuple[Tensor, ...]] = field(repr=False)

    def at(self, u: float | Tensor, x: Tensor, **like: Tensor) -> tuple[Tensor, ...]:
        """a, b, a', b' for the rows of x; ValueError for a u outside 0..1, a shape unlike x's."""
        check_same_shape(x=x, **like)
        u = torch.as_tensor(u, dtype=x.dtype, device=x.device)
        if not ((u >= 0) & (u <= 1)).all():
            raise ValueError(f"u must lie in 0..1, got values from {u.min():g} to {u.max():g}")
        return self.coefficients(u.view(-1, *[1] * (x.ndim - 1)))

    def position(self, x0: Tensor, eps: Tensor, u: float | Tensor) -> Tensor:
        """x, where the path from x0 to eps is at u."""
        a, b, _, _ = self.at(u, x0, eps=eps)
        return a * x0 + b * eps

    def velocity(self, x0: Tensor, eps: Tensor, u: float | Tensor) -> Tensor:
        """v, how fast the path from x0 to eps moves at u."""
        _, _, da, db = self.at(u, x0, eps=eps)
        return da * x0 + db * eps

    def __call__(
        self, network: Callable, x0: Tensor, *, n_references: int = 1, generator=None
    ) -> Tensor:
        """The loss to train on: squared error of v, one u in each n-th of 0..1 for n rows x0.

        n_references: above 1, v is that of a mean over as many rows, see `loss.steadier`.
        """
        if getattr(network, "path", self) != self:
            raise ValueError(f"the path must be the network's, {network.path}, got {self}")
        n, there = len(x0), {"device": x0.device, "generator": generator}
        u = (torch.arange(n, device=x0.device) + draw(torch.rand, n, **there)) / n
        eps = draw(torch.randn, x0.shape, **there).to(x0)
        a, b, da, db = self.at(u, x0)
        v_hat = network(a * x0 + b * eps, u)
        if n_references > 1:
            x0, eps = steadier(x0, eps, a, b, n_references)
        v = da * x0 + db * eps
        check_same_shape(v=v, v_hat=v_hat)
        return nn.functional.mse_loss(v_hat, v)


def _quarter_turn(u: Tensor) -> tuple[Tensor, ...]:
    cos, sin = (math.pi / 2 * u).cos(), (math.pi / 2 * u).sin()
    return cos, sin, -math.pi / 2 * sin, math.pi / 2 * cos


# Diffusion is the circle, with alpha_bar = a^2; its velocity is pi/2 times the v of `VDenoiser`.
circle = Path("circle", _quarter_turn)
line = Path("line", lambda u: (1 - u, u, -torch.ones_like(u), torch.ones_like(u)))


class Velocity(MLP):
    """A network (x, u) -> v, told a quarter of log(b / a) for u; other arguments: see `MLP`."""

    def __init__(self, n_dim: int, n_hidden: int = 128, *, path: Path, **options):
        super().__init__(n_dim, n_hidden, 1, **options)
        self.path = path

    def extra_repr(self) -> str:
        return f"path={self.path}, frequencies={self.frequencies}"

    def forward(self, x: Tensor, u: float | Tensor) -> Tensor:
        a, b, _, _ = self.path.at(u, x)
        log_noise = (b.clamp(min=1e-4) / a.clamp(min=1e-4)).log()  # finite at both ends
        return self.through_layers(x, log_noise.expand(len(x), 1) / 4)


@torch.no_grad()
def sample(
    velocity: Callable, n: int, calls: int, *, order=1, n_dim=None, trajectory=False, generator=None
) -> Tensor:
    """n points (n, n_dim): noise walked back from u = 1 to 0, in calls / order even steps.

    velocity: any callable (x, u) -> v; n_dim is for one without. order: 1 takes v where a step
    starts (Euler), 2 in its middle, for two calls; ValueError where calls make no whole steps.
    trajectory: return all states, (steps + 1, n, n_dim), where [k] is at u = k / steps.
    """
    steps, left = divmod(calls, order)
    if order not in (1, 2) or steps < 1 or left:
        raise ValueError(f"order must be 1 or 2 and divide calls, got {order=} and {calls=}")
    x = pure_noise(velocity, n, n_dim, generator, like=torch.empty(0))
    states = [x]
    for k in range(steps, 0, -1):
        v = velocity(x, k / steps)
        if order == 2:
            v = velocity(x - v / (2 * steps), (k - 0.5) / steps)
        check_same_shape(x=x, v=v)
        x = x - v / steps
        states = [x, *states] if trajectory else [x]
    return torch.stack(states) if trajectory else x
