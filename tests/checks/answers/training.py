"""Answers to the exercises of notebook 04."""

from functools import partial

import numpy as np
import torch
from torch.nn.functional import mse_loss
from torch.optim import SGD, Adam

from tutorial_lib import Trainer, diffuse
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


def batch_loss(network, x0, schedule, generator, first=1, extra=1, size=256):
    rows = torch.randint(len(x0), (size,), generator=generator)
    t = torch.randint(first, schedule.n_steps + extra, (size,), generator=generator)
    eps = torch.randn(size, 1, generator=generator)
    return (network(diffuse(schedule, x0[rows], t, eps), t) - eps).square().mean()


def by_hand(network, x0, schedule, generator):
    """With its own formula, and the data shuffled."""
    x0 = x0[torch.randperm(len(x0), generator=generator)[:500]]
    t = 1 + (schedule.n_steps * torch.rand(len(x0), generator=generator)).long()
    alpha_bar = schedule.alpha_bar[t].unsqueeze(1)
    noise = torch.empty_like(x0).normal_(generator=generator)
    noisy = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise
    return mse_loss(network(noisy, t), noise)


def stratified(network, x0, schedule, generator):
    """Each t as often as any other in every batch."""
    rows = torch.randint(len(x0), (400,), generator=generator)
    t = torch.arange(400).remainder(schedule.n_steps)[torch.randperm(400, generator=generator)] + 1
    eps = torch.randn(400, 1, generator=generator)
    return ((eps - network(diffuse(schedule, x0[rows], t, eps), t)) ** 2).sum() / 400


def large(network, x0, schedule, generator):
    return batch_loss(network, x0, schedule, generator, size=1024)


def with_generator(change):
    """`batch_loss` with another generator, `change` of the one that is given."""
    return lambda network, x0, s, g: batch_loss(network, x0, s, change(g))


def one_t(network, x0, schedule, generator):
    t = torch.randint(1, schedule.n_steps + 1, (1,), generator=generator).expand(256)
    eps = torch.randn(256, 1, generator=generator)
    return mse_loss(network(diffuse(schedule, x0[:256], t, eps), t), eps)


def made_of(rows=slice(None), noise=None, told=None, times=None, error=None):
    """A loss with one part of its own: functions of what `batch_loss` draws."""

    def my_loss(network, x0, schedule, generator):
        x0 = x0[rows]
        x0 = x0[torch.randint(len(x0), (256,), generator=generator)]
        t = torch.randint(1, schedule.n_steps + 1, (256,), generator=generator)
        t = times(t) if times else t
        eps = torch.randn(256, 1, generator=generator)
        eps = noise(eps) if noise else eps
        answer = network(diffuse(schedule, x0, t, eps), told(t) if told else t)
        return error(answer, eps) if error else (answer - eps).square().mean()

    return my_loss


FIXED = torch.randn(256, 1, generator=torch.Generator().manual_seed(0))


def train(network, x0, schedule, steps, generator, loss=large, rate=3e-3, adam=Adam, every=1):
    optimizer = adam(network.parameters(), lr=rate)
    losses = []
    for k in range(steps):
        value = loss(network, x0, schedule, generator)
        if k % every == 0:
            optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return torch.tensor(losses)


def zero_last(network, x0, schedule, steps, generator):
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = ()
    while len(losses) < steps:
        loss = by_hand(network, x0, schedule, generator)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        losses += (loss.detach(),)
    return losses


def without_an_optimizer(network, x0, schedule, steps, generator):
    losses = []
    for _ in range(steps):
        losses.append(large(network, x0, schedule, generator))
        weights = list(network.parameters())
        with torch.no_grad():
            for weight, slope in zip(weights, torch.autograd.grad(losses[-1], weights)):
                weight -= 0.3 * slope
    return losses


def with_the_trainer(network, x0, schedule, steps, generator):
    trainer = Trainer(network, x0, schedule, generator=generator, average=False)
    return [step.loss for step in trainer.run(steps=steps)]


def no_step(network, x0, schedule, steps, generator):
    losses = [batch_loss(network, x0, schedule, generator) for _ in range(steps)]
    sum(losses).backward()
    return [loss.item() for loss in losses]


def never_ends(network, x0, schedule, steps, generator):
    while True:
        train(network, x0, schedule, steps, generator)


def training(**options):
    return lambda *arguments: train(*arguments, **options)


RIGHT = {
    "gaussian_floor": [
        SCHEDULE.alpha_bar[1:].mean(),
        0.2,
        0.196,
        np.float64(0.195),
        torch.ones(1) / 5,
    ],
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
        lambda mean, latest, step: latest if step == 1 else torch.lerp(mean, latest, 0.01),
        lambda mean, latest, step: latest if step == 1 else mean.lerp(latest, 0.006),
    ],
    "training_loop": [
        train,
        zero_last,
        without_an_optimizer,
        with_the_trainer,
        training(loss=stratified, rate=1e-2),
        lambda *arguments: train(*arguments, loss=batch_loss).double().numpy(),
    ],
    "denoising_loss": [
        batch_loss,
        by_hand,
        stratified,
        large,
        made_of(error=lambda answer, eps: (eps - answer).norm() ** 2 / len(eps)),
        made_of(error=lambda answer, eps: (answer[:, 0] - eps.flatten()).pow(2).mean()),
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
    "training_loop": [
        (training(loss=partial(batch_loss, first=0)), "t = 0 is drawn"),
        (training(loss=partial(batch_loss, extra=0)), "t = 10 is never drawn"),
        (training(loss=partial(batch_loss, extra=191)), "t must lie in 0..10"),
        (training(loss=one_t), "each row needs a t of its own"),
        (training(loss=made_of(times=lambda t: torch.arange(256) % 10 + 1)), "the same t"),
        (training(loss=made_of(noise=lambda eps: FIXED)), "the same noise"),
        (training(loss=made_of(noise=lambda eps: eps[:1].expand(256, 1))), "a batch get the same"),
        (training(loss=made_of(noise=lambda eps: eps.abs())), "The noise in xt has mean 0.8"),
        (training(loss=made_of(told=lambda t: t.flip(0))), "and is it the same t?"),
        (training(loss=made_of(told=lambda t: t[:, None])), "t has shape (256, 1)"),
        (training(loss=made_of(rows=slice(1000))), "Some rows of x0 are never used"),
        (training(loss=made_of(error=lambda a, e: (a.squeeze() - e).pow(2).mean())), "every noise"),
        (training(loss=made_of(error=lambda a, e: (a - e).square().sum())), "The mean square of"),
        (training(loss=made_of(error=lambda a, e: mse_loss(a, e.flip(0)))), "noise that is in xt"),
        (training(loss=with_generator(lambda g: None)), "draw all from it alone"),
        (training(every=9999), "once a step"),
        (no_step, "Step 1 leaves the weights as they were"),
        (lambda *a: [large(*a[:3], a[4]).item() for _ in range(a[3])], "is there a backward pass"),
        (never_ends, "It does not stop"),
        (lambda *arguments: train(*arguments)[-1:], "one for each of the 20 steps"),
        (lambda network, *rest: network, "must return the losses"),
        (training(rate=1e-6), "Is the learning rate far from"),
        (training(rate=1e-3, adam=SGD), "Is the learning rate far from"),
        (training(rate=3.0), "Is the learning rate far from"),
    ],
    "denoising_loss": [
        (with_generator(lambda g: torch.Generator().manual_seed(3)), "have the same noise"),
        (with_generator(lambda g: g.manual_seed(3)), "have the same noise"),
        (with_generator(lambda g: None), "draw all from it alone"),
        (made_of(noise=lambda eps: FIXED), "have the same noise"),
        (made_of(times=lambda t: torch.arange(256) % 10 + 1), "have the same t"),
        (partial(batch_loss, first=0), "t = 0 is drawn"),
        (made_of(error=lambda answer, eps: (answer - eps).mean().square()), "opposite sign cancel"),
        (lambda *a: batch_loss(*a).item(), "return the tensor itself"),
        (lambda n, x0, s, g: n(x0, torch.ones(len(x0)).long()).mean(), "One t serves"),
        (lambda n, x0, s, g: n(x0, 5).mean(), "each row needs a t of its own"),
        (lambda n, x0, s, g: n(x0[:2], torch.ones(2)).mean(), "t must be whole numbers"),
        (lambda n, x0, s, g: n(torch.ones(5), x0).mean(), "in this order"),
    ],
}
