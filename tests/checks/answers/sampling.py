"""Answers to the exercises of notebook 05."""

import torch

import tutorial_lib as lib
from tutorial_lib.checks.setting import SCHEDULE


def linear(beta_max, n_steps=50):
    return lib.NoiseSchedule.linear(n_steps, 1e-4, beta_max)


def share(s, t):
    return s.beta[t] / (1 - s.alpha_bar[t]).sqrt()


def undo(s, t):
    return s.alpha[t] ** -0.5


def reverse_step(s, xt, t, eps_hat, z):
    mean = (xt - share(s, t) * eps_hat) * undo(s, t)
    return mean + s.sigma[t] * z if t > 1 else mean


def back_with(share=share, undo=undo, sigma=lambda s, t: (t > 1) * s.sigma[t]):
    """A step with a factor of choice: for x[t], for the noise within, for the fresh noise."""
    return lambda s, x, t, eps, z: (
        undo(s, t) * x - 1 / s.alpha[t].sqrt() * share(s, t) * eps + sigma(s, t) * z
    )


def in_float64(s, xt, t, eps_hat, z):
    beta = s.beta.double()[t]
    a = (1 - s.beta.double()).cumprod(0)[t]
    fresh = beta.sqrt() * z if t != 1 else 0 * z
    return (xt - beta * eps_hat / (1 - a).sqrt()) / (1 - beta).sqrt() + fresh


def normal(x, generator):
    return torch.randn(x.shape, generator=generator)


def uniform(x, generator):
    return (torch.rand(x.shape, generator=generator) - 0.5) * 12**0.5


def antithetic(x, generator):
    z = torch.randn(-(-len(x) // 2), x.shape[1], generator=generator)
    return torch.cat([z, -z])[: len(x)]


def loop(
    draw=normal,
    start=normal,
    size=lambda s, t: s.sigma[t],
    times=lambda T: range(T, 0, -1),
    ask=0,
    own=None,
    step=None,
):
    """A sampler, with a fault of choice."""

    @torch.no_grad()
    def my_sample(denoiser, s, n, generator):
        x = start(torch.empty(n, denoiser.n_dim), generator)
        s = own or s
        for t in times(s.n_steps):
            eps_hat = denoiser(x, t + ask)
            if step:
                x = step(s, x, t, eps_hat, draw(x, generator))
                continue
            x = (x - share(s, t) * eps_hat) * undo(s, t)
            x = x + size(s, t) * draw(x, generator) if t > 1 else x
        return x

    return my_sample


sample = loop()


def in_place(denoiser, s, n, generator, start=1.0):
    """Alters its own points, keeps gradients, and asks with a t for each row."""
    x = torch.tensor(start, requires_grad=True) * torch.randn(
        n, denoiser.n_dim, generator=generator
    )
    for t in range(s.n_steps, 0, -1):
        x -= share(s, t) * denoiser(x, torch.full((n,), t))
        x /= s.alpha[t].sqrt()
        x += (t > 1) * s.sigma[t] * torch.randn(x.shape, generator=generator)
    return x


def all_noise_at_once(denoiser, s, n, generator):
    z = torch.randn(s.n_steps + 1, n, denoiser.n_dim, generator=generator)
    x = z[0]
    for t in reversed(range(1, s.n_steps + 1)):
        x = reverse_step(s, x, t, denoiser(x, t), z[t])
    return x.double()


def clipped(s, x, t, eps_hat, z):
    """As for images, the clean point is kept within -1..1; but these data reach further."""
    a, before = s.alpha_bar[t], s.alpha_bar[t - 1]
    x0 = ((x - (1 - a).sqrt() * eps_hat) / a.sqrt()).clamp(-1, 1)
    mean = (before.sqrt() * s.beta[t] * x0 + s.alpha[t].sqrt() * (1 - before) * x) / (1 - a)
    return mean + (t > 1) * s.sigma[t] * z


def shrunk(s, x, t, eps_hat, z):
    """Loses a little of the clean point in each step but the last."""
    x0 = (x - (1 - s.alpha_bar[t]).sqrt() * eps_hat) / s.alpha_bar[t].sqrt()
    return reverse_step(s, x, t, eps_hat, z) - (t > 1) * 0.08 * x0


def one_noise_for_all_steps(denoiser, s, n, generator):
    z = torch.randn(n, denoiser.n_dim, generator=generator)
    return loop(draw=lambda x, _: z, start=normal)(denoiser, s, n, generator)


def ddim(eta):
    """Song et al. 2021, eq. 12 and 16: eta = 0 has no fresh noise, eta = 1 the posterior's."""

    def step(s, x, t, eps_hat, z):
        a, before = s.alpha_bar[t], s.alpha_bar[t - 1]
        sigma = eta * ((1 - before) / (1 - a) * s.beta[t]).sqrt()
        x0 = (x - (1 - a).sqrt() * eps_hat) / a.sqrt()
        return before.sqrt() * x0 + (1 - before - sigma**2).sqrt() * eps_hat + sigma * z

    return loop(step=step)


def changes_schedule(s, xt, t, eps_hat, z):
    beta = s.beta[t]
    mean = (xt - share(s, t) * eps_hat) * undo(s, t)
    return mean + (t > 1) * beta.sqrt_() * z


def errors(step=None, model=None):
    """Step and model error from four distances, with a fault of choice."""

    def my_errors(draw, denoiser, exact, reference):
        far = lib.metrics.wasserstein
        ours, best = draw(denoiser), draw(exact)
        found = {
            "step": far(best, reference),
            "model": far(ours, best),
            "total": far(ours, reference),
            "left over": far(ours, reference) - far(best, reference),
            "difference": abs(far(ours, reference) - far(best, reference)),
            "means": float((ours.mean() - best.mean()).abs()),
        }
        return found[step or "step"], found[model or "model"]

    return my_errors


def short_errors(draw, denoiser, exact, reference):
    pairs = (draw(exact), reference), (draw(denoiser), draw(exact))
    return [torch.tensor(lib.metrics.wasserstein(*pair)) for pair in pairs]


def through_x0(index):
    """The step by eq. 7 of Ho et al. 2020; its sqrt(alpha_bar[t - 1]) is taken at an index.

    Float32 rounds it at t = 1.
    """

    def step(s, xt, t, eps_hat, z):
        a, before = s.alpha_bar[t], s.alpha_bar[t - 1]
        x0 = (xt - (1 - a).sqrt() * eps_hat) / a.sqrt()
        by_x0 = s.alpha_bar[index(t)].sqrt() * s.beta[t] / (1 - a)
        by_xt = s.alpha[t].sqrt() * (1 - before) / (1 - a)
        return by_x0 * x0 + by_xt * xt + (t > 1) * s.sigma[t] * z

    return step


RIGHT = {
    "first_step_back": [0.894, 0.9],
    "sample": [
        sample,
        in_place,
        all_noise_at_once,
        loop(step=through_x0(lambda t: t - 1)),
        loop(size=lambda s, t: s.sigma_posterior[t]),
        ddim(0),
        ddim(0.5),
        ddim(1),
        lambda d, s, n, g: sample(d, s, n, g.manual_seed(g.initial_seed() + 1)),
        lambda d, s, n, g: sample(d, s, n, g.manual_seed(g.initial_seed() + 2)),
    ],
    "whose_error": [errors(), short_errors],
    "short_schedule": [linear(0.2), linear(0.18), linear(0.3), linear(0.4)],
    "reverse_step": [
        reverse_step,
        through_x0(lambda t: t - 1),
        in_float64,
        back_with(),
        lambda s, xt, t, eps_hat, z: (
            torch.addcmul(xt, eps_hat, share(s, t), value=-1).div(s.alpha[t].sqrt())
            + z.mul(min(t - 1, 1)) * s.beta[t].pow(0.5)
        ),
    ],
}
WRONG = {
    "first_step_back": [
        (0.8, "What undoes"),
        (1.118, "no noise out"),
        (0, "only a small share"),
        (1, "by what had it been shrunk"),
    ],
    "sample": [
        (loop(times=lambda T: range(19, 0, -1)), "asked 19 times, first at t = 19"),
        (loop(times=lambda T: range(T, 1, -1)), "last at t = 2"),
        (loop(times=lambda T: range(1, T + 1)), "first at t = 1 and last at t = 20"),
        (loop(times=lambda T: range(T, 10, -1)), "asked 10 times"),
        (loop(ask=-1), "raised ValueError: t must"),
        (
            loop(step=lambda s, x, t, e, z: reverse_step(s, x, t, e, z) + 0.1 * (t < 2) * z),
            "last step",
        ),
        (loop(own=SCHEDULE, times=lambda T: range(20, 0, -1)), "one of the schedule that is given"),
        (loop(start=lambda x, g: torch.zeros(x.shape)), "must be pure noise"),
        (lambda *arguments: in_place(*arguments, start=0.0), "must be pure noise"),
        (loop(start=lambda x, g: torch.rand(x.shape, generator=g)), "must be pure noise"),
        (loop(start=lambda x, g: 3 + 0 * normal(x, g)), "must be pure noise"),
        (loop(start=lambda x, g: 0.9**0.5 * normal(x, g)), "The start must be pure noise"),
        (loop(start=lambda x, g: 0.97 * normal(x, g)), "Their variance is 0.94, not 1"),
        (loop(start=antithetic), "The start is no independent noise"),
        (loop(size=lambda s, t: s.beta[t]), "but the schedule's sigma is"),
        (loop(size=lambda s, t: s.sigma[t - 1]), "At t = 8 the fresh noise has a standard"),
        (loop(size=lambda s, t: 0 * s.sigma[t]), "At t = 8 the fresh noise has a standard"),
        (loop(size=lambda s, t: (t > 5) * s.sigma[t]), "At t = 5 the fresh noise has a standard"),
        (loop(size=lambda s, t: (t > 10) * s.sigma[t]), "At t = 8 the fresh noise has a standard"),
        (
            loop(step=lambda s, x, t, e, z: reverse_step(s, x, t, 0.9 * e if t > 1 else e, z)),
            "the fresh noise is right, but what becomes of x[t]",
        ),
        (loop(step=clipped), "the fresh noise is right, but what becomes of x[t]"),
        (loop(step=shrunk), "the fresh noise is right, but what becomes of x[t]"),
        (loop(draw=uniform, start=normal), "The fresh noise must be standard normal"),
        (loop(draw=antithetic, start=normal), "The fresh noise is no independent noise"),
        (loop(lambda x, g: normal(x[:, :1], g).expand(x.shape), normal), "no independent noise"),
        (loop(lambda x, g: normal(x[:1], g).expand(x.shape), normal), "the fresh noise"),
        (one_noise_for_all_steps, "At t = 7 the fresh noise has a standard deviation"),
        (lambda d, s, n, g: lib.sample(d, s, n), "draw all noise from it"),
        (lambda d, s, n, g: sample(d, s, n, torch.Generator()), "Another seed"),
        (lambda d, s, n, g: torch.randn(n, d.n_dim, generator=g), "never asks"),
        (lambda d, s, n, g: sample(d, s, n, g)[:, :1], "(3, 1) where (3, 2)"),
        (loop(step=changes_schedule), "changes the schedule that it is given"),
    ],
    "whose_error": [
        (errors("model", "step"), "no other, and how far are they off?"),
        (errors(step="total"), "Which samples have a step error and no other"),
        (errors(model="total"), "The network is perfect, and the steps are large"),
        (errors(model="left over"), "make opposite errors, so that the samples are perfect"),
        (errors(model="means"), "make opposite errors, so that the samples are perfect"),
        (errors(model="difference"), "Neither is perfect"),
        (lambda *given: sum(errors()(*given)), "must return two numbers"),
        (lambda *given: (*errors()(*given)[:1], "0.1"), "returns a str"),
    ],
    "short_schedule": [
        (linear(0.2, n_steps=200), "200 steps; 50"),
        (linear(0.02), "0.6 of the data's variance"),
        (linear(0.1), "of the data's variance"),
        (linear(0.165), "0.013 of the data's variance"),
        (linear(0.5), "larger than they need be"),
        (linear(0.9), "larger than they need be"),
        (0.2, "must be a NoiseSchedule"),
    ],
    "reverse_step": [
        (back_with(sigma=lambda s, t: s.sigma[t]), "is still added, and no later step removes it"),
        (lambda *a: reverse_step(*a) + 0.1 * (a[2] == 1) * a[4], "noise counts too much"),
        (back_with(sigma=lambda s, t: s.beta[t]), "the fresh noise is scaled by a variance"),
        (
            back_with(sigma=lambda s, t: s.sigma[t - 1]),
            "fresh noise is scaled by the value for t - 1",
        ),
        (back_with(sigma=lambda s, t: s.sigma_posterior[t]), "the fresh noise counts too little"),
        (back_with(sigma=lambda s, t: 0), "the fresh noise is missing"),
        (back_with(share=lambda s, t: -share(s, t)), "must be taken out"),
        (back_with(share=lambda s, t: 1), "taken out whole"),
        (back_with(share=lambda s, t: s.beta[t] / (1 - s.alpha[t]).sqrt()), "alpha_bar belongs"),
        (back_with(undo=lambda s, t: s.alpha[t].sqrt()), "x[t] is shrunk once more"),
        (back_with(undo=lambda s, t: 1), "x[t] stays as it is"),
        (back_with(undo=lambda s, t: s.alpha_bar[t] ** -0.5), "x[t] is scaled as in a jump"),
        (
            back_with(undo=lambda s, t: s.alpha[t - 1] ** -0.5),
            "x[t] is scaled by the value for t - 1",
        ),
        (through_x0(lambda t: t), "At t = 60, x[t] comes out too small"),
        (lambda *arguments: reverse_step(*arguments).clamp(-3, 3), "is anything cut off"),
        (
            lambda s, x, t, e, z: reverse_step(s, x, t, e, 0 * z if 3 <= t <= 5 else z),
            "At t = 3, the fresh noise is missing",
        ),
        (lambda s, *arguments: reverse_step(SCHEDULE, *arguments), "With another schedule"),
        (changes_schedule, "changes the schedule that it is given"),
    ],
}
