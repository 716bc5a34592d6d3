"""The noise schedule: how much noise each of the T steps adds."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tutorial_lib._arguments import integer, number


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The constants of the diffusion process (Ho et al. 2020, section 2).

    beta: (T+1,) variance of the noise that step t adds, with beta[0] = 0 (clean data) and
    beta[1..T] strictly between 0 and 1. Every array has T+1 entries and is indexed by t itself,
    so that `schedule.alpha_bar[t]` is the paper's quantity of that name. All are float32.
    """

    beta: Tensor

    def __post_init__(self):
        beta = torch.as_tensor(self.beta).float()
        if beta.ndim != 1 or len(beta) < 3:
            raise ValueError(
                f"beta must have shape (T+1,) with T >= 2, got shape {tuple(beta.shape)}"
            )
        if beta[0] != 0:
            raise ValueError(f"beta[0] must be 0 (clean data), got {float(beta[0])}")
        alpha = 1 - beta[1:]  # a beta below 6e-8 is lost here: float32 has 1 - beta = 1
        if not ((alpha > 0) & (alpha < 1)).all():
            raise ValueError(
                "beta[1..T] must lie strictly between 0 and 1, as must 1 - beta in float32; "
                f"got values from {float(beta[1:].min())} to {float(beta[1:].max())}"
            )
        object.__setattr__(self, "beta", beta)

    @classmethod
    def linear(
        cls, n_steps: int = 200, beta_min: float = 1e-4, beta_max: float = 0.2
    ) -> "NoiseSchedule":
        """beta rises linearly from beta_min at t = 1 to beta_max at t = T = n_steps.

        Raises ValueError unless n_steps >= 2 and 0 < beta_min <= beta_max < 1.
        """
        integer("n_steps", n_steps, 2)
        number("beta_min", beta_min), number("beta_max", beta_max)
        if not 0 < beta_min <= beta_max < 1:
            raise ValueError(
                "beta_min and beta_max must satisfy 0 < beta_min <= beta_max < 1, "
                f"got {beta_min} and {beta_max}"
            )
        beta = torch.linspace(beta_min, beta_max, n_steps, dtype=torch.float64)
        return cls(torch.cat([torch.zeros(1, dtype=torch.float64), beta]))

    @property
    def n_steps(self) -> int:
        """T, the number of steps."""
        return len(self.beta) - 1

    @cached_property
    def alpha(self) -> Tensor:
        """1 - beta."""
        return 1 - self.beta

    @cached_property
    def alpha_bar(self) -> Tensor:
        """The product alpha[1] ... alpha[t]: the share of x0's variance left at t (eq. 4)."""
        return self._product().float().to(self.beta.device)

    @cached_property
    def sigma(self) -> Tensor:
        """sqrt(beta): the noise that one reverse step adds (section 3.2, first choice)."""
        return self.beta.sqrt()

    @cached_property
    def sigma_posterior(self) -> Tensor:
        """The standard deviation of x[t-1] given x[t] and x0 (eq. 7; second choice); 0 at t = 1."""
        alpha_bar = self._product()
        variance = torch.zeros_like(alpha_bar)
        variance[1:] = (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:]) * self.beta[1:].cpu()
        return variance.sqrt().float().to(self.beta.device)

    def _product(self) -> Tensor:
        # Of hundreds of factors: so in float64, which not every GPU has.
        return (1 - self.beta.cpu().double()).cumprod(0)

    def to(self, device) -> "NoiseSchedule":
        """The same schedule with its arrays on `device`."""
        return NoiseSchedule(self.beta.to(device))
