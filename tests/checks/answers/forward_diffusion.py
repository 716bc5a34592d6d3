"""Answers to the exercises of notebook 02."""

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


def fresh(s, t):
    return s.beta[t] ** 0.5


def diffuse(s, x0, t, eps):
    a = s.alpha_bar[t].view(-1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def diffuse_step(s, x, t, eps):
    return s.alpha[t].sqrt() * x + s.beta[t].sqrt() * eps


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


def changes_x(s, x, t, eps):
    x *= s.alpha[t].sqrt()
    return x + s.beta[t].sqrt() * eps


def changes_schedule(s, x, t, eps):
    alpha, beta = s.alpha[t], s.beta[t]
    beta **= 0.5
    return alpha.sqrt() * x + beta * eps


def changes_alpha_bar(s, x0, t, eps):
    a = s.alpha_bar[t].view(-1, 1)
    spread = (1 - a).sqrt()
    return a.sqrt_() * x0 + spread * eps


def uniform_step(s, x, t, eps):
    return diffuse_step(s, x, t, torch.rand(x.shape) * 12**0.5 - 3**0.5)


RIGHT = {
    "variance_at_37": [torch.tensor(2.52), 2.5],
    "thousand_steps": [linear(1000, 1e-4, 0.04)],
    "diffuse": [diffuse, by_matrix, step_by_step, row_by_row, by_angle],
    "diffuse_step": [
        diffuse_step,
        lambda s, x, t, eps: torch.lerp(x * 0, x, shrink(s, t)) + fresh(s, t) * eps,
        lambda s, x, t, eps: x.mul(s.alpha[t] ** 0.5).addcmul(eps, s.sigma[t]),
        lambda s, x, t, eps: (1 - s.beta.double()[t]).sqrt() * x + s.beta.double()[t].sqrt() * eps,
        lambda s, x, t, eps: torch.stack([x, eps], -1) @ torch.stack([shrink(s, t), fresh(s, t)]),
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
    "diffuse_step": [
        (sum_of(shrink, lambda s, t: s.beta[t]), "the noise is scaled by a variance"),
        (sum_of(lambda s, t: s.alpha[t], fresh), "x[t-1] is scaled by a variance"),
        (sum_of(lambda s, t: shrink(s, t - 1), fresh), "x[t-1] is scaled by the value for t - 1"),
        (sum_of(shrink, lambda s, t: fresh(s, t - 1)), "noise is scaled by the value for t - 1"),
        (sum_of(signal, fresh), "x[t-1] is scaled as in a jump"),
        (sum_of(shrink, noise), "noise is scaled as in a jump"),
        (sum_of(lambda s, t: 1, fresh), "x[t-1] is not scaled"),
        (sum_of(shrink, lambda s, t: 1), "noise is not scaled"),
        (sum_of(shrink, lambda s, t: -fresh(s, t)), "with the wrong sign"),
        (uniform_step, "two answers"),
        (clamped(diffuse_step), "is anything cut off"),
        (without_noise(diffuse_step), "At t = 3, the noise counts too little"),
        (lambda s, x, t, eps: diffuse_step(SCHEDULE, x, t, eps), "With another schedule"),
        (lambda s, x, t, eps: diffuse_step(s, x, t, eps.flip(0)), "every point treated by itself"),
        (changes_schedule, "changes the schedule that it is given"),
        (changes_x, "changes a tensor that it is given"),
    ],
}
