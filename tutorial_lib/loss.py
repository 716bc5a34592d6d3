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
    the network learns both cases (Ho & Salimans 2022, algorithm 1). Raises ValueError where
    t_weight has another shape, is negative or not finite, or is zero everywhere.
    """

    def __init__(self, schedule: NoiseSchedule, t_weight: Tensor | None = None):
        self.schedule = schedule
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
        check_same_shape(eps=eps, eps_hat=eps_hat)
        return mse_loss(eps_hat, eps)


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
