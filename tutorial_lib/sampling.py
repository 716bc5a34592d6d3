"""Sampling: from pure noise back to data, one learned step at a time."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Generator, Tensor

from tutorial_lib._random import draw, pure_noise
from tutorial_lib._silent import check_finite, check_same_schedule, check_same_shape
from tutorial_lib.schedule import NoiseSchedule

Denoise = Callable[[Tensor, int], Tensor]
States = Iterator[tuple[int, Tensor]]


def reverse_step(
    schedule: NoiseSchedule, xt: Tensor, t: int, eps_hat: Tensor, z: Tensor, sigma_t: float
) -> Tensor:
    """x[t-1] from x[t] (Ho et al. 2020, algorithm 2, line 4); no noise is added at t = 1.

    xt, eps_hat (the predicted noise), z (standard normal): (n, n_dim). t: an int in 1..T.
    sigma_t: a number, how much of z to add. Raises ValueError for a t or shapes that do not fit.
    """
    beta, alpha, alpha_bar = schedule.at(t, xt, eps_hat=eps_hat, z=z)
    mean = (xt - beta / (1 - alpha_bar).sqrt() * eps_hat) / alpha.sqrt()
    return mean + float(sigma_t) * z if t > 1 else mean


@torch.no_grad()
def reverse_chain(
    denoiser: Denoise,
    schedule: NoiseSchedule,
    x: Tensor,
    *,
    sigma: Tensor | None = None,
    generator: Generator | None = None,
) -> States:
    """The chain run backwards (Ho et al. 2020, algorithm 2): (t, x[t]) for t = T, T-1, ..., 0.

    denoiser: any callable (xt, t) -> eps_hat. x: (n, n_dim), the noise to start from, where the
    denoiser is. sigma: (T+1,), the noise that each step adds; schedule.sigma where not given,
    schedule.sigma_posterior is the paper's other choice. Raises ValueError for a denoiser that says
    it was made for another schedule, and for a sigma that is not (T+1,) and finite.
    """
    check_same_schedule(denoiser, schedule)
    sigma = schedule.sigma if sigma is None else torch.as_tensor(sigma)
    check_same_shape(sigma=sigma, beta=schedule.beta)
    check_finite(sigma=sigma)
    sigma, schedule = sigma.tolist(), schedule.to(x.device)
    yield schedule.n_steps, x
    for t in range(schedule.n_steps, 0, -1):
        # Drawn at t = 1, too, where it is not used: so every step draws the same.
        z = draw(torch.randn, x.shape, device=x.device, generator=generator).to(x.dtype)
        x = reverse_step(schedule, x, t, denoiser(x, t), z, sigma[t])
        yield t - 1, x


def ddim_step(schedule: NoiseSchedule, xt: Tensor, t: int, s: int, eps_hat: Tensor) -> Tensor:
    """x[s] from x[t], s < t, without fresh noise (Song et al. 2021, eq. 12 with sigma = 0).

    Take the predicted noise out, shrink to what is left at s, put that much noise back. (The
    paper writes alpha for our alpha_bar.) xt, eps_hat: (n, n_dim). t, s: ints with
    0 <= s < t <= T. Raises ValueError otherwise.
    """
    _, _, alpha_bar_t = schedule.at(t, xt, eps_hat=eps_hat)
    # alpha_bar[t] / alpha_bar[s], from its factors: near T both are tiny.
    ratio = schedule.alpha[s + 1 : t + 1].prod()
    if not 0 <= s < t or ratio == 0:
        raise ValueError(
            f"s must lie in 0..{t - 1}, and so near t = {t} that signal is left, got {s}"
        )
    noise_t, noise_s = (1 - alpha_bar_t).sqrt(), (1 - schedule.alpha_bar[s]).sqrt()
    return (xt - noise_t * eps_hat) / ratio.sqrt() + noise_s * eps_hat


@torch.no_grad()
def ddim_chain(denoiser: Denoise, schedule: NoiseSchedule, x: Tensor, n_steps: int) -> States:
    """As `reverse_chain`, but in `n_steps` even jumps without fresh noise, 1 <= n_steps <= T."""
    check_same_schedule(denoiser, schedule)
    if not 1 <= n_steps <= schedule.n_steps:
        raise ValueError(f"n_steps must lie in 1..{schedule.n_steps}, got {n_steps}")
    schedule = schedule.to(x.device)
    stops = torch.linspace(schedule.n_steps, 0, n_steps + 1, dtype=torch.float64).round().int()
    yield schedule.n_steps, x
    for t, s in pairwise(stops.tolist()):
        x = ddim_step(schedule, x, t, s, denoiser(x, t))
        yield s, x


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
    """Draw n points by `reverse_chain`, starting from pure noise at t = T.

    denoiser, sigma: see `reverse_chain`. n_dim: needed if the denoiser has no attribute n_dim.

    Returns (n, n_dim) in standardised units, as the training data. With `trajectory` all states
    (T+1, n, n_dim), indexed by t: [T] is the noise at the start, [0] the sample. Raises ValueError
    where sigma or the schedule does not fit.
    """
    start = pure_noise(denoiser, n, n_dim, generator, like=schedule.beta)
    states = reverse_chain(denoiser, schedule, start, sigma=sigma, generator=generator)
    return _collect(states, start, schedule.n_steps) if trajectory else _last(states)


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
    """Draw n points by `ddim_chain`; all randomness is in the start (Song et al. 2021).

    The arguments are those of `sample`, and n_steps, the number of jumps. With `trajectory` the
    states are (n_steps+1, n, n_dim), [n_steps] the noise and [0] the sample.
    """
    start = pure_noise(denoiser, n, n_dim, generator, like=schedule.beta)
    states = ddim_chain(denoiser, schedule, start, n_steps)
    return _collect(states, start, n_steps) if trajectory else _last(states)


def _last(states: States) -> Tensor:
    _, x = deque(states, maxlen=1).pop()
    return x


def _collect(states: States, start: Tensor, n_steps: int) -> Tensor:
    """All states, (n_steps+1, n, n_dim), the first one last."""
    # In one block: kept one by one between the network's large temporaries, they would fragment
    # the heap until it is a hundred times their size.
    path = start.new_empty(n_steps + 1, *start.shape)
    for k, (_, x) in enumerate(states):
        path[n_steps - k] = x
    return path
