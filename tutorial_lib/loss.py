"""The loss of a denoiser: draw timesteps and noise, predict the noise, take the squared error."""

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from tutorial_lib._random import draw
from tutorial_lib._silent import check_finite, check_same_shape
from tutorial_lib.forward import diffuse
from tutorial_lib.schedule import NoiseSchedule


class NoiseLoss:
    """The mean squared error of the predicted noise (Ho et al. 2020, algorithm 1, line 5).

    t_weight: (T+1,), how often each t is drawn, relative to the others, entry 0 left aside, and in
    every batch alike: one from each n-th of the range (Kingma et al. 2021, appendix I.1, do so with
    one random shift for all). Where not given, each of 1..T is as likely as any other. With labels,
    one row in ten is shown without its own, so that the network knows both cases (Ho & Salimans
    2022, algorithm 1). Raises ValueError where t_weight does not fit.
    """

    def __init__(self, schedule: NoiseSchedule, t_weight: Tensor | None = None):
        self.schedule = schedule
        self.shares = None if t_weight is None else _summed_shares(t_weight, schedule)

    def draw(self, x0: Tensor, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """For rows x0 (n, n_dim): timesteps (n,) in 1..T, and standard normal noise like x0."""
        n, there = len(x0), {"device": x0.device, "generator": generator}
        if self.shares is None:
            t = draw(torch.randint, 1, self.schedule.n_steps + 1, (n,), **there)
        else:  # where n numbers, a random one in each n-th of 0..1, fall among the summed shares
            u = (torch.arange(n, device=x0.device) + draw(torch.rand, n, **there)) / n
            t = torch.searchsorted(self.shares, u.clamp(max=1 - 1e-7), right=True)
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
        t, eps = self.draw(x0, generator)
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
    check_finite(t_weight=weight)
    high = weight[1:].max()
    if weight[1:].min() < 0 or high == 0:
        raise ValueError(f"t_weight[1..T] must be >= 0 with a positive sum, got {weight[1:]}")
    summed = torch.cat([weight[:1] * 0, weight[1:] / high]).cumsum(0)
    return (summed / summed[-1]).float().to(schedule.beta.device)
