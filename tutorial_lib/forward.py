"""The forward process: adding noise, in one jump or step by step, and undoing known noise.

In all of these x0, xt and eps have one shape, (n, n_dim), and t is an int or (n,) integers in 1..T
(`diffuse` takes 0, too). Another t, or shapes that differ, raise ValueError or TypeError.
"""

from torch import Tensor

from tutorial_lib._silent import brief
from tutorial_lib.schedule import NoiseSchedule


def diffuse(schedule: NoiseSchedule, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """x[t] from x[0] in one jump (Ho et al. 2020, eq. 4): signal and noise, (n, n_dim).

    x0: data in standardised units. eps: standard normal noise. t in 0..T, where 0 returns x0.
    """
    _, _, alpha_bar = schedule.at(t, x0, eps=eps, first=0)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps


def diffuse_step(schedule: NoiseSchedule, x_prev: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """x[t] from x[t-1]: one step of the chain (eq. 2)."""
    beta, alpha, _ = schedule.at(t, x_prev, eps=eps)
    return alpha.sqrt() * x_prev + beta.sqrt() * eps


def predict_x0(schedule: NoiseSchedule, xt: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """The x0 for which `diffuse(schedule, x0, t, eps)` is xt (eq. 4 solved for x0).

    Near T almost nothing of x0 is left in xt, and the answer divides by sqrt(alpha_bar[t]): an
    error in eps comes out much larger. Raises ValueError where alpha_bar[t] is 0 in float32.
    """
    _, _, alpha_bar = schedule.at(t, xt, eps=eps)
    if (alpha_bar == 0).any():
        raise ValueError(f"t must lie where alpha_bar[t] is above 0 in float32, got {brief(t)}")
    return (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()


def predict_eps(schedule: NoiseSchedule, xt: Tensor, t: int | Tensor, x0: Tensor) -> Tensor:
    """The eps for which `diffuse(schedule, x0, t, eps)` is xt (eq. 4 solved for eps)."""
    _, _, alpha_bar = schedule.at(t, xt, x0=x0)
    return (xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def score_from_eps(schedule: NoiseSchedule, t: int | Tensor, eps: Tensor) -> Tensor:
    """The score, grad log q(x[t]), that a noise prediction stands for: -eps / sqrt(1 - alpha_bar).

    (Song & Ermon 2019; Ho et al. 2020, section 3.2.)
    """
    _, _, alpha_bar = schedule.at(t, eps)
    return -eps / (1 - alpha_bar).sqrt()
