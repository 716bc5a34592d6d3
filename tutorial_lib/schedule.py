"""The noise schedule: how much noise each of the T steps adds."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tutorial_lib._silent import brief, check_index, check_same_shape


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """The constants of the diffusion process (Ho et al. 2020, section 2).

    beta: (T+1,) variance of the noise that step t adds, with beta[0] = 0 (clean data) and
    beta[1..T] strictly between 0 and 1. Every array has T+1 entries and is indexed by t itself,
    so that `schedule.alpha_bar[t]` is the paper's quantity of that name. All are float32.
    """

    beta: Tensor

    def __post_init__(self):
        beta = torch.as_tensor(self.beta).detach().float().clone()
        alpha = 1 - beta[1:]  # in float32, where a beta below 6e-8 is lost
        if beta.ndim != 1 or len(beta) < 3 or beta[0] or not ((0 < alpha) & (alpha < 1)).all():
            wanted = "beta must be 0, then T >= 2 values between 0 and 1"
            raise ValueError(f"{wanted}, got {brief(beta)}")
        object.__setattr__(self, "beta", beta)

    @classmethod
    def linear(
        cls, n_steps: int = 200, beta_min: float = 1e-4, beta_max: float = 0.2
    ) -> "NoiseSchedule":
        """beta rises linearly from beta_min at t = 1 to beta_max at t = T = n_steps."""
        if beta_min > beta_max:
            raise ValueError(f"beta_max must be at least beta_min = {beta_min}, got {beta_max}")
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
    def angle(self) -> Tensor:
        """The angle whose squared cosine is alpha_bar: 0 at clean data, pi / 2 at pure noise.

        In equal steps of it the data turn into noise evenly (Salimans & Ho 2022, appendix D).
        """
        signal = self._product()
        return torch.atan2((1 - signal).sqrt(), signal.sqrt()).float().to(self.beta.device)

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

    def at(
        self, t: int | Tensor, x: Tensor, *, first: int = 1, **like: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """beta, alpha and alpha_bar at t, shaped to multiply the rows of x (n, ...).

        t: an int, for which they have no dimension, or (n,) integers, for which (n, 1, ...).
        Raises TypeError or ValueError for a t that is not integer, not in first..T or not (n,),
        and for tensors in `like` that have not the shape of x.
        """
        check_same_shape(x=x, **like)
        t = check_index("t", t, len(x), first, self.n_steps)
        if isinstance(t, Tensor):
            t = t.view(-1, *[1] * (x.ndim - 1))
        return self.beta[t], self.alpha[t], self.alpha_bar[t]

    def to(self, device) -> "NoiseSchedule":
        """The same schedule with its arrays on `device`."""
        return NoiseSchedule(self.beta.to(device))
