"""The forward process: adding noise, in one jump or step by step, and undoing known noise."""

from torch import Tensor

from tutorial_lib._arguments import a_schedule, same_shape, timesteps
from tutorial_lib.schedule import NoiseSchedule


def at(values: Tensor, t: int | Tensor, x: Tensor) -> Tensor:
    """values[t], shaped so that it multiplies the rows of x: a number, or (n, 1) for t of (n,)."""
    return values[t] if isinstance(t, int) else values[t].view(-1, *[1] * (x.ndim - 1))


def diffuse(schedule: NoiseSchedule, x0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """x[t] from x[0] in one jump (Ho et al. 2020, eq. 4).

    x0: (n, n_dim), data in standardised units. eps: the same shape, standard normal noise.
    t: an int or (n,) int64 in 0..T; t = 0 returns x0. Raises ValueError for a t out of range or
    shapes that differ, TypeError for a t that is not integer.
    """
    same_shape("x0", x0, "eps", eps)
    t = timesteps(t, len(x0), 0, a_schedule(schedule).n_steps)
    alpha_bar = at(schedule.alpha_bar, t, x0)
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps


def diffuse_step(schedule: NoiseSchedule, x_prev: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """x[t] from x[t-1]: one step of the chain (eq. 2).

    x_prev, eps: (n, n_dim). t: an int or (n,) int64 in 1..T. Raises as `diffuse` does.
    """
    same_shape("x_prev", x_prev, "eps", eps)
    t = timesteps(t, len(x_prev), 1, a_schedule(schedule).n_steps)
    beta = at(schedule.beta, t, x_prev)
    return (1 - beta).sqrt() * x_prev + beta.sqrt() * eps


def predict_x0(schedule: NoiseSchedule, xt: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    """The x0 for which `diffuse(schedule, x0, t, eps)` is xt (eq. 4 solved for x0).

    xt, eps: (n, n_dim). t: an int or (n,) int64 in 1..T. Near T almost nothing of x0 is left in
    xt, and the answer divides by sqrt(alpha_bar[t]): an error in eps comes out much larger. Where
    alpha_bar[t] is 0 in float32 nothing is left: that raises ValueError.
    """
    same_shape("xt", xt, "eps", eps)
    t = timesteps(t, len(xt), 1, a_schedule(schedule).n_steps)
    alpha_bar = at(schedule.alpha_bar, t, xt)
    if (alpha_bar == 0).any():
        raise ValueError(f"t must lie where alpha_bar[t] is above 0 in float32, got {t}")
    return (xt - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()


def predict_eps(schedule: NoiseSchedule, xt: Tensor, t: int | Tensor, x0: Tensor) -> Tensor:
    """The eps for which `diffuse(schedule, x0, t, eps)` is xt (eq. 4 solved for eps).

    xt, x0: (n, n_dim). t: an int or (n,) int64 in 1..T.
    """
    same_shape("xt", xt, "x0", x0)
    t = timesteps(t, len(xt), 1, a_schedule(schedule).n_steps)
    alpha_bar = at(schedule.alpha_bar, t, xt)
    return (xt - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def score_from_eps(schedule: NoiseSchedule, t: int | Tensor, eps: Tensor) -> Tensor:
    """The score, grad log q(x[t]), that a noise prediction stands for: -eps / sqrt(1 - alpha_bar).

    eps: (n, n_dim), t in 1..T (Song & Ermon 2019; Ho et al. 2020, section 3.2).
    """
    t = timesteps(t, len(eps), 1, a_schedule(schedule).n_steps)
    return -eps / (1 - at(schedule.alpha_bar, t, eps)).sqrt()
