"""The loss of a denoiser: draw timesteps and noise, predict the noise, take the squared error."""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from tutorial_lib._random import draw
from tutorial_lib._silent import brief, check_same_shape
from tutorial_lib.forward import diffuse
from tutorial_lib.schedule import NoiseSchedule


class NoiseLoss:
    """The mean squared error of the predicted noise (Ho et al. 2020, algorithm 1, line 5).

    Each row gets a timestep and noise of its own. t_weight: (T+1,), how often each t is drawn,
    relative to the others; index 0 is not used. These draws are stratified: in every batch the
    count of each t is less than two away from what it should be (Kingma et al. 2021, appendix I.1,
    do the same with one random shift for all rows). Without it each of 1..T is as likely as any
    other, and drawn independently. With labels, one row in ten is shown without its own, so that
    the network learns both cases (Ho & Salimans 2022, algorithm 1). n_references: above 1, the
    noise to predict is a mean over as many rows, see `steadier`. Raises ValueError where t_weight
    has another shape, is negative or not finite, or is zero everywhere, and for labels where
    n_references is above 1.
    """

    def __init__(
        self, schedule: NoiseSchedule, t_weight: Tensor | None = None, n_references: int = 1
    ):
        self.schedule, self.n_references = schedule, n_references
        self.summed_shares = None if t_weight is None else _summed_shares(t_weight, schedule)

    def draw_t_and_eps(self, x0: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """For rows x0 (n, n_dim): timesteps (n,) in 1..T, and standard normal noise like x0."""
        n, there = len(x0), {"device": x0.device, "generator": generator}
        if self.summed_shares is None:
            t = draw(torch.randint, 1, self.schedule.n_steps + 1, (n,), **there)
        else:  # one random number in each n-th of 0..1; where it falls among the summed shares is t
            u = (torch.arange(n, device=x0.device) + draw(torch.rand, n, **there)) / n
            t = torch.searchsorted(self.summed_shares, u.clamp(max=1 - 1e-7), right=True)
        return t, draw(torch.randn, x0.shape, **there).to(x0.dtype)

    def __call__(
        self,
        network: nn.Module,
        x0: Tensor,
        label: Tensor | None = None,
        *,
        generator: Generator | None = None,
    ) -> Tensor:
        """The loss, a number, on the rows x0 (n, n_dim) and their labels (n,)."""
        t, eps = self.draw_t_and_eps(x0, generator)
        shown = []
        if label is not None:
            withheld = draw(torch.rand, len(x0), device=x0.device, generator=generator) < 0.1
            shown = [torch.where(withheld, -1, label)]
        eps_hat = network(diffuse(self.schedule, x0, t, eps), t, *shown)
        if self.n_references > 1:
            if label is not None:  # the mean would be over rows of all classes
                raise ValueError("n_references must be 1 where there are labels")
            _, _, alpha_bar = self.schedule.at(t, x0)
            signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
            _, eps = steadier(x0, eps, signal, noise, self.n_references)
        check_same_shape(eps=eps, eps_hat=eps_hat)
        return mse_loss(eps_hat, eps)


def steadier(
    x0: Tensor, eps: Tensor, a: Tensor, b: Tensor, n_references: int
) -> tuple[Tensor, Tensor]:
    """Less noisy x0 and eps, (n, n_dim), to predict from x = a x0 + b eps, which they leave as is.

    A stable target field (Xu, Tong & Jaakkola 2023, eq. 6). Rows are each other's references, in
    groups of n_references. Given x and its group, x0 may be any point of the group, each as likely
    as the noise that leads from it to x: their mean takes its place. It is a mean given more than x
    alone, so E[x0 | x], which a network learns, stays the same. a, b >= 0: (n, 1). The rows must be
    drawn independently; RuntimeError unless n_references divides n.
    """

    def grouped(z: Tensor) -> Tensor:  # (n_dim, groups, rows): of neighbours, alike in b, one each
        return z.T.reshape(z.shape[1], n_references, -1).transpose(1, 2).contiguous()

    ratio = a / b.clamp(min=1e-6)  # where b is 0, x is x0 itself, and 0 / 0 would be nothing
    parts = [grouped(z) for z in (x0, eps + ratio * x0, ratio)]
    chunk = max(1, 2**16 // n_references**2)  # few groups at a time: their pairs fit a CPU's cache
    means = []
    for points, x, scale in zip(*(part.split(chunk, dim=1) for part in parts)):
        noise = x[..., None] - scale[..., None] * points[:, :, None]  # from each point to each x
        share = noise.square_().sum(0).mul_(-0.5).softmax(-1)
        means.append((share @ points.movedim(0, 2)).movedim(2, 0))
    mean = torch.cat(means, dim=1).transpose(1, 2).reshape(x0.T.shape).T
    return mean, eps + ratio * (x0 - mean)


def _summed_shares(t_weight: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The summed shares of t = 0..T, float32, of which the first is 0 and the last 1."""
    weight = torch.as_tensor(t_weight, device="cpu").double()
    check_same_shape(t_weight=weight, beta=schedule.beta)
    weight = torch.cat([torch.zeros(1), weight[1:]])
    if not (weight.min() >= 0 and 0 < weight.max() < math.inf):
        raise ValueError(
            f"t_weight[1..T] must be >= 0 and finite, some above 0, got {brief(weight)}"
        )
    summed = (weight / weight.max()).cumsum(0)  # so that the sum of very large weights is finite
    return (summed / summed[-1]).float().to(schedule.beta.device)
