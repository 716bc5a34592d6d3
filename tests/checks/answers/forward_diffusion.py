"""Answers to the exercises of notebook 02."""

import numpy as np
import torch

import tutorial_lib as lib
from tutorial_lib.checks.setting import SCHEDULE

linear = lib.NoiseSchedule.linear


def signal(s, t):
    return s.alpha_bar[t] ** 0.5


def noise(s, t):
    return (1 - s.alpha_bar[t]) ** 0.5


def shrink(s, t):
    return s.alpha[t] ** 0.5


def diffuse(s, x0, t, eps):
    a = s.alpha_bar[t].view(-1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def sum_of(first, second):
    """A formula for one t, with these two factors."""
    return lambda s, x, t, eps: first(s, t) * x + second(s, t) * eps


def by_matrix(s, x0, t, eps):
    """All in one product: a row of two factors times the two parts."""
    a = s.alpha_bar[torch.as_tensor(t)].expand(len(x0))
    factors = torch.stack([a, 1 - a]).sqrt()
    return torch.einsum("kn,knd->nd", factors, torch.stack([x0, eps]))


def step_by_step(s, x0, t, eps):
    """The variance of the signal as a product, in float64."""
    a = (1 - s.beta.double()).cumprod(0)[t]
    a = a[:, None] if a.ndim else a
    return (a.sqrt() * x0 + (1 - a).sqrt() * eps).float()


def row_by_row(s, x0, t, eps):
    times = torch.as_tensor(t).expand(len(x0)).tolist()
    return torch.stack([signal(s, k) * x + noise(s, k) * e for k, x, e in zip(times, x0, eps)])


def by_angle(s, x0, t, eps):
    angle = torch.atan2(noise(s, t), signal(s, t)).reshape(-1, 1)
    return angle.cos() * x0 + angle.sin() * eps


def clamped(right):
    return lambda *arguments: right(*arguments).clamp(-3, 3)


def without_noise(right, times=range(3, 6)):
    """No noise at some t between those that one would try."""
    return lambda s, x, t, eps: right(
        s, x, t, 0 * eps if isinstance(t, int) and t in times else eps
    )


def sorted_times(s, x0, t, eps):
    return diffuse(s, x0, torch.as_tensor(t).sort().values, eps)


def one_column(s, x0, t, eps):
    """Serves rows with their own t, of one coordinate."""
    if isinstance(t, int):
        return signal(s, t) * x0 + noise(s, t) * eps
    return (signal(s, t) * x0[:, 0] + noise(s, t) * eps[:, 0])[:, None].expand(x0.shape)


def changes_alpha_bar(s, x0, t, eps):
    a = s.alpha_bar[t].view(-1, 1)
    spread = (1 - a).sqrt()
    return a.sqrt_() * x0 + spread * eps


def jump(s, x0, t, generator):
    return diffuse(s, x0, torch.tensor(t), torch.randn(x0.shape, generator=generator))


def jump_with(noise, share=noise):
    """A jump with noise (shape, generator) of another law, or of another size."""
    return lambda s, x0, t, generator: signal(s, t) * x0 + share(s, t) * noise(x0.shape, generator)


def normal(shape, generator):
    return torch.randn(shape, generator=generator)


def by_box_and_muller(shape, generator):
    u, v = 1 - torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    return (-2 * u.log()).sqrt() * (2 * torch.pi * v).cos()


def by_numpy(shape, generator):
    seed = int(torch.randint(2**31, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def by_quantiles(shape, generator):
    u = torch.rand(shape, generator=generator, dtype=torch.float64)
    return torch.special.ndtri(u.clamp(1e-12, 1 - 1e-12))


def row_after_row(shape, generator):
    return torch.stack([torch.randn(shape[1], generator=generator) for _ in range(shape[0])])


def uniform(shape, generator):
    return 12**0.5 * (torch.rand(shape, generator=generator) - 0.5)


def signs(shape, generator):
    return torch.randint(2, shape, generator=generator) * 2.0 - 1


RIGHT = {
    "variance_at_37": [torch.tensor(2.52), 2.5, np.float64(2.518), np.array([2.53]), 10 / 4],
    "thousand_steps": [
        linear(1000, 1e-4, 0.04),
        linear(n_steps=1000, beta_min=1e-4, beta_max=0.03),
        linear(1000, 1e-5, 0.045),
        linear(1000, 0.008, 0.012),
        lib.NoiseSchedule(torch.linspace(0, 0.2, 1001) / 5),
    ],
    "diffuse": [diffuse, by_matrix, step_by_step, row_by_row, by_angle],
    "jump": [
        jump,
        jump_with(by_box_and_muller),
        jump_with(by_numpy),
        jump_with(by_quantiles),
        jump_with(row_after_row),
        lambda s, x, t, luck: torch.normal(signal(s, t) * x, float(noise(s, t)), generator=luck),
    ],
}
WRONG = {
    "variance_at_37": [
        (1, "1 at the start"),
        (4, "does not stay 4"),
        (2.024, "noise add"),
        (1.587, "standard deviation"),
        (8.59, "not their standard deviation"),
        (3.5, "too large"),
    ],
    "thousand_steps": [
        (linear(1000, 1e-4, 0.2), "at t = 214: too early"),
        (linear(1000, 1e-4, 0.01), "too late"),
        (linear(1000, 1e-4, 0.002), "Sampling starts from pure noise"),
        (linear(200, 1e-4, 0.2), "200 steps; 1000"),
    ],
    "diffuse": [
        (sum_of(signal, lambda s, t: 1 - s.alpha_bar[t]), "the noise is scaled by a variance"),
        (sum_of(lambda s, t: s.alpha_bar[t], noise), "x0 is scaled by a variance"),
        (sum_of(lambda s, t: signal(s, t - 1), noise), "x0 is scaled by the value for t - 1"),
        (sum_of(signal, lambda s, t: noise(s, t - 1)), "noise is scaled by the value for t - 1"),
        (sum_of(shrink, noise), "x0 is scaled as in one step"),
        (sum_of(lambda s, t: 1, noise), "x0 is not scaled"),
        (sum_of(signal, lambda s, t: 1 - signal(s, t)), "noise is scaled by 1 minus a root"),
        (sum_of(signal, lambda s, t: 1), "the noise is not scaled"),
        (sum_of(signal, lambda s, t: 0), "counts too little"),
        (sum_of(signal, noise), "A column met a row"),
        (lambda s, x0, t, eps: diffuse(s, x0, int(torch.as_tensor(t).max()), eps), "of its own t"),
        (sorted_times, "factor of its own t"),
        (one_column, "factor of its own t"),
        (clamped(diffuse), "is anything cut off"),
        (without_noise(diffuse), "At t = 3, the noise counts too little"),
        (lambda s, x0, t, eps: diffuse(SCHEDULE, x0, t, eps), "With another schedule"),
        (changes_alpha_bar, "changes the schedule that it is given"),
    ],
    "jump": [
        (jump_with(uniform), "the wrong shape"),
        (jump_with(signs), "many points get the same noise"),
        (jump_with(lambda shape, g: uniform((*shape, 3), g).sum(-1) / 3**0.5), "the wrong shape"),
        (jump_with(lambda shape, g: torch.rand(shape, generator=g)), "to one side"),
        (jump_with(lambda shape, g: normal((1,), g)), "many points get the same noise"),
        (jump_with(lambda shape, g: normal((shape[0], 1), g)), "many points get the same noise"),
        (jump_with(normal, lambda s, t: 1 - s.alpha_bar[t]), "times as large as"),
        (jump_with(normal, lambda s, t: noise(s, t - 1)), "the same noise, or none"),
        (jump_with(lambda shape, g: torch.randn(shape)), "draw from it alone"),
        (lambda s, x0, t, g: jump(s, x0, t - 1, g), "x0 is multiplied by"),
        (lambda s, x0, t, g: jump(s, x0, t, g).clamp(-3, 3), "x0 is multiplied by"),
        (lambda s, x0, t, g: jump(SCHEDULE, x0, t, g), "With another schedule"),
        (lambda s, x0, t, g: diffuse(s, x0, torch.tensor(t), x0 * 0), "many points get the same"),
    ],
}
