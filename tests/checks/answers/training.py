"""Answers to the exercises of notebook 04."""

import torch
from torch.nn.functional import mse_loss

from tutorial_lib.checks.setting import SCHEDULE


def timesteps(n, generator, low=5, high=30, times=3.0):
    weight = torch.ones(201)
    weight[0], weight[low : high + 1] = 0, times
    return weight.multinomial(n, replacement=True, generator=generator)


# Each t as often as it counts: 5..30 three times, the others once.
LIST = torch.cat([torch.arange(1, 201), torch.arange(5, 31), torch.arange(5, 31)])


def from_a_list(n, generator):
    return LIST[torch.randint(len(LIST), (n,), generator=generator)]


def by_shares(n, generator):
    """Draw from the distribution function."""
    cdf = torch.bincount(LIST, minlength=201).double().cumsum(0) / len(LIST)
    u = torch.rand(n, generator=generator, dtype=torch.double)
    return torch.searchsorted(cdf, u, right=True).clamp(max=200)


def by_rejection(n, generator):
    t = torch.randint(1, 201, (8 * n + 100,), generator=generator)
    keep = torch.rand(len(t), generator=generator) < torch.where((t > 4) & (t < 31), 1.0, 1 / 3)
    return t[keep][:n]


def in_two_parts(n, generator):
    """The extra share of 5..30, and all steps alike."""
    extra = torch.rand(n, generator=generator) < 52 / 252
    few = torch.randint(5, 31, (n,), generator=generator)
    return torch.where(extra, few, torch.randint(1, 201, (n,), generator=generator)).int()


def group(n, generator):
    """Three times in four from 5..30."""
    often = torch.rand(n, generator=generator) < 0.75
    few = torch.randint(5, 31, (n,), generator=generator)
    return torch.where(often, few, torch.randint(1, 201, (n,), generator=generator))


def cycle(order):
    def my_timesteps(n, generator):
        start = torch.randint(len(LIST), (1,), generator=generator)
        return order[(start + torch.arange(n)) % len(LIST)]

    return my_timesteps


SHUFFLED = LIST[torch.randperm(len(LIST), generator=torch.Generator().manual_seed(0))]


def running_mean(mean, latest, step, power=9):
    return mean.lerp(latest, min(1, power / (step + power - 1)))


def weighted(weight):
    return lambda mean, latest, step: mean + weight(step) * (latest - mean)


def loss(network, xt, t, eps):
    return (network(xt, t) - eps).square().mean()


RIGHT = {
    "gaussian_floor": [SCHEDULE.alpha_bar[1:].mean(), 0.2],
    "draw_timesteps": [timesteps, from_a_list, by_shares, by_rejection, in_two_parts],
    "running_mean": [
        running_mean,
        weighted(lambda step: max(1 / step, 0.01)),
        weighted(lambda step: max(1 / step, 0.1)),
        weighted(lambda step: 1 - min(0.99, (step - 1) / (step + 9))),
        lambda mean, latest, step: running_mean(mean, latest, step, power=5),
        lambda mean, latest, step: running_mean(mean, latest, step, power=17),
        lambda mean, latest, step: (mean * (step - 1) + 8 * latest) / (step + 7),
        lambda mean, latest, step: latest if step == 1 else 0.97 * mean + 0.03 * latest,
    ],
    "denoising_loss": [
        loss,
        lambda network, xt, t, eps: ((network(xt=xt, t=t) - eps) ** 2).mean(),
        lambda network, xt, t, eps: mse_loss(network(xt, t), eps),
        lambda network, xt, t, eps: (eps - network(xt, t)).norm() ** 2 / eps.numel(),
        lambda network, xt, t, eps: (network(xt, t) - eps).double().pow(2).sum() / xt.numel(),
    ],
}
WRONG = {
    "gaussian_floor": [(0.173, "two humps"), (0, "does not know"), (1.0, "always answers 0")],
    "draw_timesteps": [
        (lambda n, g: timesteps(n, g) - 1, "t = 0"),
        (lambda n, g: timesteps(n, g) + 1, "201 is drawn"),
        (lambda n, g: torch.randint(1, 201, (n,), generator=g), "1.0 times as often"),
        (lambda n, g: timesteps(n, g, high=29), "look at both ends"),
        (lambda n, g: timesteps(n, g, high=31), "look at both ends"),
        (lambda n, g: timesteps(n, g, low=4), "look at both ends"),
        (lambda n, g: timesteps(n, g, low=6), "look at both ends"),
        (lambda n, g: timesteps(n, g).clamp(min=2), "t = 1 is never drawn"),
        (lambda n, g: timesteps(n, g).clamp(max=199), "t = 200 is never drawn"),
        (lambda n, g: timesteps(n, g, times=2.0), "2.0 times as often"),
        (lambda n, g: torch.randint(5, 31, (n,), generator=g), "never drawn"),
        (group, "5..30 make up 78% of all draws"),
        (lambda n, g: timesteps(n, g).repeat_interleave(2)[:n], "Two draws in a row"),
        (lambda n, g: timesteps(n, g).sort().values, "Two draws in a row"),
        (cycle(LIST.sort().values), "Two draws in a row"),
        (cycle(SHUFFLED), "scatters less"),
        (lambda n, g: timesteps(-(-n // 2), g).repeat(2)[:n], "scatters more"),
        (lambda n, g: 1.0 * timesteps(n, g), "whole numbers"),
        (lambda n, g: timesteps(n, g)[:, None], "returns shape (4, 1), not (4,)"),
        (lambda n, g: timesteps(n, None), "draw from it alone"),
        (lambda n, g: timesteps(n, torch.Generator()), "is anything drawn"),
    ],
    "running_mean": [
        (weighted(lambda step: 0.001), "After step 1, 100% of the mean is still its start"),
        (weighted(lambda step: 1 - min(0.999, (1 + step) / (10 + step))), "18% of the mean"),
        (weighted(lambda step: max(4 / (step + 4), 0.02)), "20% of the mean"),
        (lambda mean, latest, step: latest, "that is no average"),
        (weighted(lambda step: 1 / step if step <= 500 else 1 / (step - 500)), "no average"),
        (weighted(lambda step: 1 / step), "50% of the mean comes from the first 500 steps"),
        (weighted(lambda step: max(1 / step, 0.002)), "of the mean comes from the first 500"),
        (lambda mean, latest, step: mean + latest, "100% of the mean"),
        (
            lambda mean, latest, step: latest if step == 1 else 0.9 * mean + 0.2 * latest,
            "at step 2 it is 5.5",
        ),
        (
            lambda mean, latest, step: latest if step == 1 else 1.1 * mean - 0.1 * latest,
            "have a share of -0.10",
        ),
        (lambda mean, latest, step: mean.lerp_(latest, 1 / step), "changes a tensor"),
    ],
    "denoising_loss": [
        (lambda n, xt, t, eps: (n(xt, t)[:, 0] - eps).square().mean(), "and at their shapes"),
        (lambda n, xt, t, eps: (n(xt, t) - eps).square().sum(), "The mean square of eps"),
        (lambda n, xt, t, eps: (n(xt, t) - eps).abs().mean(), "The mean square of eps"),
        (lambda n, xt, t, eps: loss(n, xt, t, eps).item(), "neither copied nor detached"),
        (lambda n, xt, t, eps: loss(n, xt, t, eps).detach().requires_grad_(), "neither copied"),
        (
            lambda n, xt, t, eps: torch.tensor(loss(n, xt, t, eps).item(), requires_grad=True),
            "neither copied",
        ),
        (
            lambda n, xt, t, eps: loss(lambda *a: n(*a).data.requires_grad_(), xt, t, eps),
            "neither copied",
        ),
        (lambda n, xt, t, eps: (n(xt, t) + eps).square().mean(), "things that are subtracted"),
        (lambda n, xt, t, eps: 2 * (found := loss(n, xt, t, eps)) - found.detach(), "neither"),
        (lambda n, xt, t, eps: (n(xt, t) - eps).square(), "must be one number"),
        (lambda n, xt, t, eps: (n(t, xt) - eps).square().mean(), "in this order"),
        (lambda n, xt, t, eps: (n(eps, t) - eps).square().mean(), "asked for xt and t"),
        (lambda n, xt, t, eps: (n(xt, t - 1) - eps).square().mean(), "asked for xt and t"),
        (lambda n, xt, t, eps: (n(xt, t) - xt).square().mean(), "A perfect network"),
        (lambda n, xt, t, eps: n(xt, t).sub_(eps.mul_(2)).square().mean(), "changes a tensor"),
    ],
}
