"""The exact answers: the best possible networks, and the loss that no network can get below.

The mean squared error of any prediction is least for the conditional mean, so the best denoiser
is eps*(xt, t) = E[eps | xt], and the best velocity of a flow E[v | x]. For a Gaussian mixture and
for a finite set of points they have closed forms, callables that can stand in for a network.
"""

import torch
from torch import Generator, Tensor

from tutorial_lib._random import draw, first_weight
from tutorial_lib._silent import check_points, check_same_shape
from tutorial_lib.data import Mixture
from tutorial_lib.forward import diffuse
from tutorial_lib.schedule import NoiseSchedule


class ExactDenoiser:
    """eps*(xt, t) for data that follow a known `mixture` (in standardised units)."""

    def __init__(self, mixture: Mixture, schedule: NoiseSchedule):
        self.mixture, self.schedule = mixture, schedule
        self.n_dim, self.n_steps = mixture.n_dim, schedule.n_steps

    def marginal(self, t: int) -> Mixture:
        """q(x[t]), the law of the diffused data, for an int t in 0..T."""
        return self.mixture.diffused(self.schedule.at(t, self.mixture.mean, first=0)[2])

    def posterior(self, xt: float, t: int) -> Mixture:
        """q(x0 | xt): what one noisy value of 1D data says about where it came from; t in 1..T.

        Each component's prior N(mean, std^2) meets the likelihood of xt; the product is Gaussian
        again, and the weights become the components' shares of the density at xt.
        """
        _, _, alpha_bar = self.schedule.at(t, self.mixture.mean)
        marginal, alpha_bar = self.marginal(t), alpha_bar.double()
        share = marginal.component_log_density(torch.tensor([[float(xt)]])).softmax(1)[0]
        gain = alpha_bar.sqrt() * self.mixture.std.square() / marginal.std.square()
        mean = self.mixture.mean + gain * (xt - marginal.mean)
        std = self.mixture.std * (1 - alpha_bar).sqrt() / marginal.std
        return Mixture(share, mean, std)

    def __call__(self, xt: Tensor, t: int | Tensor) -> Tensor:
        """eps* (n, n_dim) for xt (n, n_dim) and t, an int or (n,) integers, in 1..T.

        eps* = -sqrt(1 - alpha_bar) grad log q(xt) (Tweedie's formula), a weighted mean over the
        components. The score is used rather than E[x0 | xt], whose difference from xt cancels
        at small t.
        """
        check_points(self.n_dim, xt=xt)
        x = xt.double()[:, None]  # (n, 1, n_dim), against k components
        _, _, alpha_bar = self.schedule.at(t, x)
        alpha_bar = alpha_bar.double()
        variance = alpha_bar * self.mixture.std.square() + 1 - alpha_bar
        offset = x - alpha_bar.sqrt() * self.mixture.mean
        log_share = -0.5 * (offset.square() / variance + variance.log()).sum(-1)
        share = (log_share + self.mixture.weight.log()).softmax(1)[..., None]
        return ((1 - alpha_bar).sqrt() * share * offset / variance).sum(1).to(xt)


class DataDenoiser:
    """eps*(xt, t) for data that are exactly the given `data` (n_data, n_dim), each equally likely.

    E[x0 | xt] is the mean of the points, weighted by how likely each is to have become xt. Rows of
    xt are compared with all points a few at a time, so memory stays at a few times 512 MB.
    """

    def __init__(self, data: Tensor, schedule: NoiseSchedule):
        check_points(data=data)
        self.data, self.schedule = data, schedule
        self.n_dim, self.n_steps = data.shape[1], schedule.n_steps

    def __call__(self, xt: Tensor, t: int | Tensor) -> Tensor:
        """eps* (n, n_dim) for xt (n, n_dim) and t, an int or (n,) integers, in 1..T."""
        check_points(self.n_dim, xt=xt)
        _, _, alpha_bar = self.schedule.at(t, xt)
        # In float64: the two parts of log_weight are large where the data are far from 0.
        alpha_bar = alpha_bar.to(xt.device, torch.float64).expand(len(xt), 1)
        chunk = max(1, min(512, 2**26 // len(self.data)))
        parts = zip(xt.double().split(chunk), alpha_bar.split(chunk))
        return torch.cat([self._part(x, ab) for x, ab in parts]).to(xt)

    def _part(self, xt: Tensor, alpha_bar: Tensor) -> Tensor:
        data = self.data.to(xt)
        # log of N(xt; sqrt(alpha_bar) x0, 1 - alpha_bar), less what all points have in common
        signal = alpha_bar.sqrt() * xt @ data.T  # (rows, n_data)
        log_weight = (signal - 0.5 * alpha_bar * data.square().sum(1)) / (1 - alpha_bar)
        mean = log_weight.softmax(1) @ data
        return (xt - alpha_bar.sqrt() * mean) / (1 - alpha_bar).sqrt()


class ExactVelocity:
    """E[v | x] on a path of `flow`, for data that follow a `Mixture` or are (n_data, n_dim) points.

    Points, each equally likely, are components of no width: for them u must be above 0.
    """

    def __init__(self, law: Mixture | Tensor, path):
        if isinstance(law, Tensor):
            check_points(law=law)
            self.mean, self.std = law.double(), torch.zeros_like(law, dtype=torch.float64)
            self.log_weight = self.std[:, 0]
        else:
            self.mean, self.std, self.log_weight = law.mean, law.std, law.weight.log()
        self.n_dim, self.path = self.mean.shape[1], path

    def __call__(self, x: Tensor, u: float | Tensor) -> Tensor:
        """The mean velocity (n, n_dim) for x (n, n_dim) and u, a number or (n,), in 0..1."""
        check_points(self.n_dim, x=x)
        u = torch.as_tensor(u, dtype=torch.float64, device=x.device).expand(len(x))
        chunk = max(1, 2**22 // self.mean.numel())  # rows at a time, 32 MB for each quantity
        return torch.cat([*map(self._part, x.double().split(chunk), u.split(chunk))]).to(x)

    def _part(self, x: Tensor, u: Tensor) -> Tensor:
        x = x[:, None]  # (rows, 1, n_dim), against k components
        a, b, da, db = self.path.at(u, x)
        variance = (a * self.std).square() + b.square()
        offset = x - a * self.mean
        log_share = self.log_weight - 0.5 * (offset.square() / variance + variance.log()).sum(-1)
        # A component stays Gaussian: its centre moves, and what is off it grows as its width does.
        growth = (a * da * self.std.square() + b * db) / variance
        return (log_share.softmax(1)[..., None] * (da * self.mean + growth * offset)).sum(1)


def _quadrature(exact: ExactDenoiser, t: int) -> tuple[Tensor, Tensor]:
    """Points (m, 1) and weights (m,) float64 for integrals over q(x[t]), which must be 1D."""
    marginal = exact.marginal(t)
    z = torch.linspace(-8, 8, 2001, dtype=torch.float64)[:, None]
    share = torch.exp(-0.5 * z.square())
    x = marginal.mean[:, 0] + marginal.std[:, 0] * z  # each component on a grid of its own
    return x.view(-1, 1), (share / share.sum() * marginal.weight).flatten()


def optimal_loss(exact: ExactDenoiser, t: int) -> float:
    """The least mean squared error that any noise prediction can have at step t (1D, quadrature).

    E(eps - eps*)^2 = E Var(eps | xt) = 1 - E(eps*)^2, since eps has variance 1 and the error of a
    conditional mean is uncorrelated with it. 1 means that xt tells nothing about the noise.
    """
    x, weight = _quadrature(exact, t)
    return 1 - float(weight @ exact(x, t).square()[:, 0])


def excess_loss(denoiser, exact: ExactDenoiser, t: int) -> float:
    """E(eps_hat - eps*)^2 at step t: what `denoiser` loses above `optimal_loss` (1D, quadrature).

    denoiser: any callable (xt, t) -> eps_hat on points (n, 1), float32 if it has no weights.
    """
    x, weight = _quadrature(exact, t)
    with torch.no_grad():
        eps_hat = denoiser(x.to(first_weight(denoiser, x.float())), t).to(x)
    check_same_shape(x=x, eps_hat=eps_hat)
    return float(weight @ (eps_hat - exact(x, t)).square()[:, 0])


def denoising_loss(
    denoiser, schedule: NoiseSchedule, x0: Tensor, t: int, *, generator: Generator | None = None
) -> tuple[float, float]:
    """The loss of `denoiser` at step t by Monte Carlo, one noise per row of x0: mean, its error.

    x0: (n, n_dim), n >= 2, fresh data in standardised units. t: an int in 1..T. The second number
    is the standard error of the mean.
    """
    x0 = x0.to(first_weight(denoiser, x0))
    eps = draw(torch.randn, x0.shape, device=x0.device, generator=generator).to(x0)
    with torch.no_grad():
        eps_hat = denoiser(diffuse(schedule, x0, t, eps), t)
    check_same_shape(eps=eps, eps_hat=eps_hat)
    squared = (eps_hat - eps).double().square().mean(1)
    return float(squared.mean()), float(squared.std() / len(squared) ** 0.5)
