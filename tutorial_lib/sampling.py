"""Sampling: from pure noise back to data, one learned step at a time."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from tutorial_lib._arguments import (
    a_schedule,
    finite,
    fits,
    integer,
    same_schedule,
    same_shape,
    timestep,
)
from tutorial_lib._random import draw
from tutorial_lib.schedule import NoiseSchedule

Denoise = Callable[[Tensor, int], Tensor]


def reverse_step(
    schedule: NoiseSchedule, xt: Tensor, t: int, eps_hat: Tensor, z: Tensor, sigma: Tensor
) -> Tensor:
    """x[t-1] from x[t] (Ho et al. 2020, algorithm 2, line 4); no noise is added at t = 1.

    xt, eps_hat (the predicted noise), z (standard normal): (n, n_dim). t: an int in 1..T.
    sigma: (T+1,), how much of z to add at each step. Raises ValueError or TypeError where they do
    not fit.
    """
    same_shape("xt", xt, "the predicted noise", eps_hat)
    same_shape("xt", xt, "z", z)
    same_shape("sigma", sigma, "schedule.beta", a_schedule(schedule).beta)
    t = timestep(t, 1, schedule.n_steps)
    beta, alpha, alpha_bar = schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t]
    mean = (xt - beta / (1 - alpha_bar).sqrt() * eps_hat) / alpha.sqrt()
    return mean + sigma[t] * z if t > 1 else mean


def ddim_step(schedule: NoiseSchedule, xt: Tensor, t: int, s: int, eps_hat: Tensor) -> Tensor:
    """x[s] from x[t], s < t, without fresh noise (Song et al. 2021, eq. 12 with sigma = 0).

    Take the predicted noise out, shrink to what is left at s, put that much noise back.
    xt, eps_hat: (n, n_dim). t, s: ints with 0 <= s < t <= T. Raises ValueError or TypeError
    otherwise.
    """
    same_shape("xt", xt, "the predicted noise", eps_hat)
    t = timestep(t, 1, a_schedule(schedule).n_steps)
    if integer("s", s, 0) >= t:
        raise ValueError(f"s must be less than t = {t}, got {s}")
    # alpha_bar[t] / alpha_bar[s], from its factors: near T both are tiny.
    ratio = schedule.alpha[s + 1 : t + 1].prod()
    if ratio == 0:
        raise ValueError(
            f"alpha_bar[{t}] / alpha_bar[{s}] must be above 0 in float32: "
            "make smaller jumps, or a schedule that adds less noise"
        )
    noise_t, noise_s = (1 - schedule.alpha_bar[t]).sqrt(), (1 - schedule.alpha_bar[s]).sqrt()
    return (xt - noise_t * eps_hat) / ratio.sqrt() + noise_s * eps_hat


def sample(
    denoiser: Denoise,
    schedule: NoiseSchedule,
    n: int,
    *,
    n_dim: int | None = None,
    sigma: Tensor | None = None,
    trajectory: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Draw n points by running the chain backwards from t = T (Ho et al. 2020, algorithm 2).

    denoiser: any callable (xt, t) -> eps_hat on a tensor (n, n_dim) and an int t. n_dim: needed
    where the denoiser has no attribute of that name. sigma: (T+1,), the noise added at each step;
    schedule.sigma where not given, schedule.sigma_posterior is the paper's other choice.

    Returns (n, n_dim), or with `trajectory` all states (T+1, n, n_dim), indexed by t: [T] is the
    noise at the start, [0] the sample. Raises ValueError or TypeError where an argument does not
    fit.
    """
    same_schedule(denoiser, schedule)
    sigma = schedule.sigma if sigma is None else torch.as_tensor(sigma)
    same_shape("sigma", finite("sigma", sigma), "schedule.beta", schedule.beta)

    start = _start(denoiser, schedule, n, n_dim, generator, schedule.n_steps * trajectory)
    schedule, sigma = schedule.to(start.device), sigma.to(start.device)

    def step(xt: Tensor, t: int) -> Tensor:
        z = draw(torch.randn, xt.shape, device=xt.device, generator=generator).to(xt.dtype)
        return reverse_step(schedule, xt, t, denoiser(xt, t), z, sigma)

    return _run(step, start, range(schedule.n_steps, 0, -1), trajectory)


def sample_ddim(
    denoiser: Denoise,
    schedule: NoiseSchedule,
    n: int,
    n_steps: int,
    *,
    n_dim: int | None = None,
    trajectory: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Draw n points in `n_steps` deterministic jumps, 1 <= n_steps <= T (Song et al. 2021).

    The arguments are those of `sample`; all randomness is in the start. With `trajectory` the
    states are (n_steps+1, n, n_dim), [n_steps] the noise and [0] the sample.
    """
    same_schedule(denoiser, schedule)
    if integer("n_steps", n_steps, 1) > schedule.n_steps:
        raise ValueError(f"n_steps must be at most T = {schedule.n_steps}, got {n_steps}")
    stops = (
        torch.linspace(schedule.n_steps, 0, n_steps + 1, dtype=torch.float64).round().int().tolist()
    )
    next_stop = dict(pairwise(stops))
    start = _start(denoiser, schedule, n, n_dim, generator, n_steps * trajectory)
    schedule = schedule.to(start.device)

    def step(xt: Tensor, t: int) -> Tensor:
        return ddim_step(schedule, xt, t, next_stop[t], denoiser(xt, t))

    return _run(step, start, stops[:-1], trajectory)


def _start(
    denoiser: Denoise, schedule: NoiseSchedule, n: int, n_dim: int | None, generator, more: int
) -> Tensor:
    """The start of every sampler, (n, n_dim) standard normal, once the arguments are checked.

    more: how many states of that size are to be kept beside it.
    """
    integer("n", n, 1)
    known = getattr(denoiser, "n_dim", None)
    if n_dim is None and known is None:
        raise ValueError("n_dim must be given, because this denoiser has no attribute n_dim")
    if n_dim is not None and known not in (None, n_dim):
        raise ValueError(f"n_dim must be the denoiser's, {known}, got {n_dim}")
    shape = n, integer("n_dim", known if n_dim is None else n_dim, 1)
    fits("n", n, n * shape[1] * (1 + more))
    weights = next(denoiser.parameters(), None) if isinstance(denoiser, nn.Module) else None
    like = schedule.beta if weights is None else weights
    return draw(torch.randn, shape, device=like.device, generator=generator).to(like.dtype)


@torch.no_grad()
def _run(step: Denoise, x: Tensor, times: Sequence[int], trajectory: bool) -> Tensor:
    # One block for all states: kept one by one between the network's large temporaries, they
    # would fragment the heap until it is a hundred times their size.
    states = x.new_empty(len(times) + 1, *x.shape) if trajectory else None
    for k, t in enumerate(times):
        if trajectory:
            states[len(times) - k] = x
        x = step(x, t)
    if trajectory:
        states[0] = x
    return states if trajectory else x
