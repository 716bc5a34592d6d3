"""The self-checks: right answers pass, every known bug is rejected with a message of its own.

What is right is said by the library's functions, which other tests hold against independent truths.
"""

import inspect
import math

import numpy as np
import pytest
import torch
from torch import nn

import tutorial_lib as lib
from tutorial_lib import checks, metrics, sampling
from tutorial_lib.checks.answers import EXACT, SCHEDULE, TRUTH

S = SCHEDULE  # in these one-line wrong answers
ALL = {name: getattr(checks, name) for name in checks.__all__}


# ---- right answers -------------------------------------------------------------------------------


def reverse_step(s, xt, t, eps_hat, z):
    return sampling.reverse_step(s, xt, t, eps_hat, z, s.sigma)


def x0_from_v(s, xt, t, v):
    a = s.alpha_bar[t]
    return a.sqrt() * xt - (1 - a).sqrt() * v


def triangle(n):
    return torch.rand(n, 2).sum(1, keepdim=True) + 2


def triangle_density(x):
    return (1 - (x[:, 0] - 3).abs()).clamp(min=0)


def judge(generate, data):
    return metrics.wasserstein(generate(data[::2]), data[1::2])


def time_features(t):
    k = t[:, None] * torch.tensor([0.01, 0.1])
    return torch.cat([k.sin(), k.cos()], dim=1)


def weighted_timesteps(n, generator, low=5, high=30, times=3.0):
    weight = torch.ones(201)
    weight[0], weight[low : high + 1] = 0, times
    return weight.multinomial(n, replacement=True, generator=generator)


def running_mean(mean, latest, step, power=9):
    return mean.lerp(latest, min(1, power / (step + power - 1)))


def loss(network, xt, t, eps):
    return (network(xt, t) - eps).square().mean()


def sample(denoiser, schedule, n, generator):
    return lib.sample(denoiser, schedule, n, generator=generator)


def rings(n):
    angle, radius = torch.rand(n) * 2 * math.pi, 1 + torch.randint(2, (n,)) + 0.1 * torch.randn(n)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


RIGHT = {
    "band_of_40000": [0.0101],
    "data_denoiser": [lambda data, s, xt, t: lib.DataDenoiser(data, s)(xt, t)],
    "decoded": [lambda autoencoder, scaler, z0: autoencoder.decode(scaler.inverse(z0))],
    "denoising_loss": [loss],
    "diffuse": [lib.diffuse],
    "diffuse_step": [lib.diffuse_step],
    "draw_timesteps": [weighted_timesteps],
    "first_step_back": [0.894],
    "frechet": [lambda x, y: (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2],
    "gaussian_floor": [S.alpha_bar[1:].mean()],
    "guess_at_200": [(1.7, 0)],
    "inputs_with_label": [43],
    "judge": [judge],
    "mix": [lambda a, b, share: math.sqrt(1 - share) * a + math.sqrt(share) * b],
    "origin_at_1": [[0.996, 0.873]],
    "own_data": [rings],
    "own_density": [triangle, triangle_density],
    "reverse_step": [reverse_step],
    "running_mean": [running_mean],
    "sample": [sample],
    "short_schedule": [lib.NoiseSchedule.linear(50, 1e-4, 0.2)],
    "smallest_shift": [0.02],
    "thousand_steps": [lib.NoiseSchedule.linear(1000, 1e-4, 0.04)],
    "time_features": [time_features],
    "total_variation": [metrics.total_variation],
    "tv_of_40000": [np.float64(0.041)],
    "variance_at_37": [torch.tensor(2.52)],
    "x0_from_v": [x0_from_v],
}


def test_every_check_has_a_right_answer_and_says_what_it_takes():
    assert RIGHT.keys() == ALL.keys()
    assert all(check.__doc__ for check in ALL.values())


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes(name):
    verdict = ALL[name](*RIGHT[name])
    assert verdict and repr(verdict).startswith("Right. "), verdict


@pytest.mark.parametrize("seed", range(20))
def test_honest_luck_passes(seed):
    """Right answers that draw from PyTorch's own generator, which no check can fix."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        assert checks.own_density(triangle, triangle_density)
        assert checks.own_data(rings)


def test_a_right_answer_may_have_a_gradient():
    one = torch.ones((), requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert checks.own_density(triangle, lambda x: one * triangle_density(x))
    assert checks.sample(lambda *arguments: one * sample(*arguments))


def test_a_rounded_share_passes():
    assert checks.origin_at_1((1, 0.87))


@pytest.mark.parametrize("eta", [4, 8, 16])
def test_other_right_averages_pass(eta):
    assert checks.running_mean(lambda m, w, k: running_mean(m, w, k, eta + 1))
    assert checks.running_mean(lambda m, w, k: m.lerp(w, max(1 / k, 1 / (eta + 9))))


@pytest.mark.parametrize("seed", range(2))
def test_other_right_samplers_pass(seed):
    def shifted(denoiser, schedule, n, generator):
        generator.manual_seed(generator.initial_seed() + seed)
        return sample(denoiser, schedule, n, generator)

    def ddim(denoiser, schedule, n, generator):
        return lib.sample_ddim(denoiser, schedule, n, schedule.n_steps, generator=generator)

    assert checks.sample(shifted)
    assert checks.sample(ddim)


def in_place(denoiser, s, n, generator, start=1.0):
    """Alters its own points, keeps gradients, and asks with a t for each row."""
    x = torch.tensor(start, requires_grad=True) * torch.randn(
        n, denoiser.n_dim, generator=generator
    )
    for t in range(s.n_steps, 0, -1):
        x -= s.beta[t] / (1 - s.alpha_bar[t]).sqrt() * denoiser(x, torch.full((n,), t))
        x /= s.alpha[t].sqrt()
        x += (t > 1) * s.sigma[t] * torch.randn(x.shape, generator=generator)
    return x


def posterior_step(s, xt, t, eps_hat, z):
    """The reverse step's mean as in Ho et al. 2020, eq. 7; float32 rounds it at t = 1."""
    a, before = s.alpha_bar[t], s.alpha_bar[t - 1]
    x0 = lib.predict_x0(s, xt, t, eps_hat)
    mean = (before.sqrt() * s.beta[t] * x0 + s.alpha[t].sqrt() * (1 - before) * xt) / (1 - a)
    return mean + (t > 1) * s.sigma[t] * z


def by_keyword(network, xt, t, eps):
    return ((network(xt=xt, t=t) - eps) ** 2).mean()


def part_held_out(generate, data):
    return metrics.wasserstein(generate(data[:600]), data[800:])


def cells_with_numpy(x, y):
    edges = np.linspace(-2.2, 2.2, 41)
    p, q = (np.histogram2d(*np.asarray(v).T, bins=(edges, edges))[0] / len(v) for v in (x, y))
    return (np.abs(p - q).sum() + abs(p.sum() - q.sum())) / 2


OTHER_RIGHT = [
    ("denoising_loss", by_keyword),
    ("decoded", lambda e, scaler, z0: e.decode(scaler.inverse(z0)).clamp(0, 1)),
    ("first_step_back", 0.9),
    ("gaussian_floor", 0.2),
    ("judge", part_held_out),
    ("reverse_step", posterior_step),
    ("sample", in_place),
    ("smallest_shift", torch.tensor(0.035)),
    ("smallest_shift", torch.tensor(0.018)),
    ("total_variation", cells_with_numpy),
]


@pytest.mark.parametrize(("name", "answer"), OTHER_RIGHT)
def test_other_right_answers_pass(name, answer):
    assert ALL[name](answer), ALL[name](answer)


@pytest.mark.parametrize(
    "name",
    [
        *("data_denoiser", "decoded", "diffuse", "diffuse_step", "mix", "reverse_step"),
        *("running_mean", "sample", "time_features", "x0_from_v"),
    ],
)
def test_a_right_answer_may_be_in_float64(name):
    [right] = RIGHT[name]
    assert ALL[name](lambda *arguments: right(*arguments).double())


# ---- the bugs that this field is known for -------------------------------------------------------


def loop(first=None, last=0, sigma="sigma", noise_at_1=False, ask=0):
    """A sampler with a fault of choice."""

    @torch.no_grad()
    def my_sample(denoiser, s, n, generator):
        x = torch.randn(n, denoiser.n_dim, generator=generator)
        for t in range(first or s.n_steps, last, -1):
            eps_hat = denoiser(x, t + ask)
            z = torch.randn(x.shape, generator=generator)
            size = getattr(s, sigma)
            x = sampling.reverse_step(s, x, t, eps_hat, z, size)
            x = x + size[1] * z if noise_at_1 and t == 1 else x
        return x

    return my_sample


def uniform_step(s, x, t, eps):
    return s.alpha[t].sqrt() * x + s.beta[t].sqrt() * (torch.rand(x.shape) * 12**0.5 - 3**0.5)


def last_noise_step(s, xt, t, eps_hat, z):
    return sampling.reverse_step(s, xt, t, eps_hat, z, s.sigma) + (t == 1) * s.sigma[1] * z


def undiffused(data, s, xt, t):
    """Compares the noisy points with clean ones."""
    a = s.alpha_bar[t]
    weight = (torch.cdist(xt, data).square() / (-2 * (1 - a))).softmax(1)
    return (xt - a.sqrt() * (weight @ data)) / (1 - a).sqrt()


def along_the_batch(t):
    k = t * torch.tensor([[0.01], [0.1]])
    return torch.cat([k.sin(), k.cos()]).reshape(len(t), 4)


def own_bins(x, y):
    p, q = (np.histogram2d(*np.asarray(v).T, bins=40)[0] / len(v) for v in (x, y))
    return np.abs(p - q).sum() / 2


BUGS = {
    "t = 0 is drawn": ("draw_timesteps", lambda n, g: weighted_timesteps(n, g) - 1, "t = 0"),
    "t up to T + 1": ("draw_timesteps", lambda n, g: weighted_timesteps(n, g) + 1, "201 is drawn"),
    "T is never sampled from": ("sample", loop(first=19), "asked 19 times, first at t = 19"),
    "the last step is left out": ("sample", loop(last=1), "last at t = 2"),
    "t off by one in sampling": ("sample", loop(ask=-1), "t must lie in 1..20, got 0"),
    "the data are still there at T": (
        "short_schedule",
        lib.NoiseSchedule.linear(50, 1e-4, 0.02),
        "0.6 of the data's variance",
    ),
    "the data are still there after 1000": (
        "thousand_steps",
        lib.NoiseSchedule.linear(1000, 1e-4, 0.002),
        "Sampling starts from pure noise",
    ),
    "noise at the last step": ("reverse_step", last_noise_step, "no later step removes it"),
    "noise at the end of the chain": ("sample", loop(noise_at_1=True), "Look at the last step"),
    "beta for its root, forward": (
        "diffuse_step",
        lambda s, x, t, eps: s.alpha[t].sqrt() * x + s.beta[t] * eps,
        "the noise is scaled by a variance",
    ),
    "uniform noise": ("diffuse_step", uniform_step, "two answers"),
    "variances for standard deviations": (
        "diffuse",
        lambda s, x0, t, eps: s.alpha_bar[t] * x0 + (1 - s.alpha_bar[t]) * eps,
        "x0 is scaled by a variance",
    ),
    "beta for its root, backward": ("sample", loop(sigma="beta"), "look at the start, and at"),
    "beta for its root in a step": (
        "reverse_step",
        lambda s, xt, t, e, z: sampling.reverse_step(s, xt, t, e, z, s.beta),
        "the fresh noise is scaled by a variance",
    ),
    "column minus row": (
        "denoising_loss",
        lambda network, xt, t, eps: (network(xt, t)[:, 0] - eps).square().mean(),
        "and at their shapes",
    ),
    "column times row": (
        "diffuse",
        lambda s, x0, t, eps: s.alpha_bar[t].sqrt() * x0 + (1 - s.alpha_bar[t]).sqrt() * eps,
        "A column met a row",
    ),
    "time along the batch": ("time_features", along_the_batch, "look at which axis"),
    "an average that lags": (
        "running_mean",
        lambda mean, latest, step: mean.lerp(latest, 0.001),
        "74% of the mean is still its start",
    ),
    "truth from undiffused data": ("data_denoiser", undiffused, "compare x[t] with the clean"),
    "latents still standardised": (
        "decoded",
        lambda autoencoder, scaler, z0: autoencoder.decode(z0),
        "In which units",
    ),
    "different bins": ("total_variation", own_bins, "compare the edges"),
    "judged by training data": (
        "judge",
        lambda generate, data: metrics.wasserstein(generate(data[::2]), data[::2]),
        "hands back its training data",
    ),
}


@pytest.mark.parametrize("name", BUGS, ids=[f"{check}: {bug}" for bug, (check, *_) in BUGS.items()])
def test_a_known_bug_is_rejected_in_its_own_words(name):
    check, answer, phrase = BUGS[name]
    verdict = ALL[check](answer)
    assert not verdict
    assert phrase in verdict.text


def test_the_bugs_texts_differ():
    assert len({ALL[check](answer).text for check, answer, _ in BUGS.values()}) == len(BUGS)


# ---- other plausible mistakes --------------------------------------------------------------------


def pooled(data, s, xt, t):
    """Normalises the weights over the wrong axis."""
    a = s.alpha_bar[t]
    weight = ((xt @ data.T * a.sqrt() - a * data.square().sum(1) / 2) / (1 - a)).exp()
    return (xt - a.sqrt() * (weight @ data) / weight.sum()) / (1 - a).sqrt()


def mean_x0(data, s, xt, t):
    return lib.predict_x0(s, xt, t, lib.DataDenoiser(data, s)(xt, t))


def nearest(data, s, xt, t):
    origin = data[torch.cdist(xt, s.alpha_bar[t].sqrt() * data).argmin(1)]
    return lib.predict_eps(s, xt, t, origin)


def wide(data, s, xt, t):
    """Forgets the variance in the weights."""
    weight = (-torch.cdist(xt, s.alpha_bar[t].sqrt() * data).square()).softmax(1)
    return lib.predict_eps(s, xt, t, weight @ data)


def first_axis(data, s, xt, t):
    """Measures distances along the first coordinate alone."""
    a = s.alpha_bar[t]
    distance = torch.cdist(xt[:, :1], a.sqrt() * data[:, :1])
    return lib.predict_eps(s, xt, t, (distance.square() / (-2 * (1 - a))).softmax(1) @ data)


def counts(x, y):
    e = np.linspace(-2.2, 2.2, 41)
    p, q = (np.histogram2d(*np.asarray(v).T, bins=(e, e))[0] for v in (x, y))
    return np.abs(p - q).sum() / 2 / len(x)


def inside_only(x, y):
    e = np.linspace(-2.2, 2.2, 41)
    p, q = (np.histogram2d(*np.asarray(v).T, bins=(e, e))[0] / len(v) for v in (x, y))
    return np.abs(p - q).sum() / 2


def linear(*arguments):
    return lib.NoiseSchedule.linear(*arguments)


def step_with(signal, noise):
    return lambda s, x, t, eps: signal(s, t) * x + noise(s, t) * eps


def back_with(share, undo=lambda s, t: s.alpha[t] ** -0.5, sigma=lambda s, t: s.sigma[t]):
    return lambda s, x, t, eps, z: undo(s, t) * (x - share(s, t) * eps) + (t > 1) * sigma(s, t) * z


def right_share(s, t):
    return s.beta[t] / (1 - s.alpha_bar[t]).sqrt()


def of_v(signal, noise):
    return lambda s, xt, t, v: (
        signal * s.alpha_bar[t].sqrt() * xt + noise * (1 - s.alpha_bar[t]).sqrt() * v
    )


def from_the_notebook(data, s, xt, t):
    """Uses a constant of the notebook, in place of the schedule and of t."""
    return lib.DataDenoiser(data, S)(xt, 30)


def starting_from(start, fresh=lambda x, g: torch.randn(x.shape, generator=g)):
    """A sampler with another start, or with other fresh noise."""

    @torch.no_grad()
    def my_sample(denoiser, s, n, generator):
        x = start((n, denoiser.n_dim), generator)
        for t in range(s.n_steps, 0, -1):
            z = fresh(x, generator).expand(x.shape)
            x = sampling.reverse_step(s, x, t, denoiser(x, t), z, s.sigma)
        return x

    return my_sample


def normal(shape, generator):
    return torch.randn(shape, generator=generator)


@torch.no_grad()
def with_the_notebooks_schedule(denoiser, s, n, generator):
    x = torch.randn(n, denoiser.n_dim, generator=generator)
    for t in range(s.n_steps, 0, -1):
        z = torch.randn(x.shape, generator=generator)
        x = sampling.reverse_step(S, x, t, denoiser(x, t), z, S.sigma)
    return x


def in_cells(edges, clamp=math.inf, scale=1.0):
    """The total variation on other cells."""

    def my_tv(x, y):
        p, q = (
            np.histogram2d(*np.clip(scale * np.asarray(v), -clamp, clamp).T, bins=(edges, edges))[0]
            / len(v)
            for v in (x, y)
        )
        return (np.abs(p - q).sum() + abs(p.sum() - q.sum())) / 2

    return my_tv


def joint_range(x, y):
    z = np.concatenate([x, y])
    return in_cells(np.linspace(z.min(), z.max(), 41))(x, y)


def one_column(s, x0, t, eps):
    """Serves rows with their own t, of one coordinate."""
    a = s.alpha_bar[t]
    if isinstance(t, int):
        return a.sqrt() * x0 + (1 - a).sqrt() * eps
    return (a.sqrt() * x0[:, 0] + (1 - a).sqrt() * eps[:, 0])[:, None].expand(x0.shape)


def some_rows_of_b(a, b, share):
    k = round(share * len(a))
    return torch.cat([b[:k], a[k:]])


def noisy_mix(a, b, share):
    fresh = torch.randn(a.shape) * (2 * share * (1 - share)) ** 0.5
    return (1 - share) * a + share * b + fresh


def upwards(denoiser, s, n, generator):
    x = torch.randn(n, denoiser.n_dim, generator=generator)
    for t in range(1, s.n_steps + 1):
        z = torch.randn(x.shape, generator=generator)
        x = sampling.reverse_step(s, x, t, denoiser(x, t), z, s.sigma)
    return x


def own(x):
    return lambda n: x(torch.rand(n, 2))


WRONG = {
    "band_of_40000": [(0.02, "10 000 points"), (0.005, "1/n"), (0.08, "too large")],
    "data_denoiser": [
        (mean_x0, "Asked is the noise"),
        (nearest, "nearest point alone"),
        (wide, "right width"),
        (pooled, "Do the weights add up to 1"),
        (from_the_notebook, "come from the schedule that is given"),
        (first_axis, "With two coordinates"),
        (
            lambda data, s, xt, t: lib.predict_eps(s, xt, t, data.mean(0, keepdim=True) + 0 * xt),
            "All points count the same",
        ),
    ],
    "decoded": [
        (lambda e, scaler, z0: e.decode(scaler.transform(z0)), "once more"),
        (lambda e, scaler, z0: e.decode(z0 * scaler.std), "does not shift"),
        (lambda e, scaler, z0: e.decode(z0 + scaler.mean), "does not scale"),
        (lambda e, scaler, z0: e.decode((z0 + scaler.mean) * scaler.std), "Scale first"),
        (lambda e, scaler, z0: scaler.inverse(z0), "returns shape (3, 2)"),
        (lambda e, scaler, z0: 0 * e.decode(z0), "not the images"),
    ],
    "denoising_loss": [
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
    ],
    "diffuse": [
        (step_with(lambda s, t: s.alpha[t].sqrt(), lambda s, t: s.beta[t].sqrt()), "in one step"),
        (
            step_with(lambda s, t: s.alpha_bar[t].sqrt(), lambda s, t: 1 - s.alpha_bar[t].sqrt()),
            "1 minus a root",
        ),
        (step_with(lambda s, t: s.alpha_bar[t].sqrt(), lambda s, t: 1), "is not scaled"),
        (
            step_with(
                lambda s, t: s.alpha_bar[t - 1].sqrt(), lambda s, t: (1 - s.alpha_bar[t - 1]).sqrt()
            ),
            "indexed by t itself",
        ),
        (lambda s, x0, t, eps: lib.diffuse(s, x0, t, 0 * eps), "counts too little"),
        (
            lambda s, x0, t, eps: lib.diffuse(s, x0, int(torch.as_tensor(t).max()), eps),
            "factor of its own t",
        ),
        (one_column, "factor of its own t"),
        (lambda s, x0, t, eps: lib.diffuse(S, x0, t, eps), "With another schedule"),
    ],
    "diffuse_step": [
        (step_with(lambda s, t: 1, lambda s, t: s.beta[t].sqrt()), "is not scaled"),
        (
            step_with(lambda s, t: s.alpha_bar[t].sqrt(), lambda s, t: s.beta[t].sqrt()),
            "this is one step",
        ),
        (
            step_with(lambda s, t: s.alpha[t].sqrt(), lambda s, t: s.beta[t - 1].sqrt()),
            "indexed by t itself",
        ),
        (
            step_with(lambda s, t: s.alpha[t].sqrt(), lambda s, t: -s.beta[t].sqrt()),
            "with the wrong sign",
        ),
        (lambda s, x, t, eps: lib.diffuse_step(S, x, t, eps), "With another schedule"),
        (
            lambda s, x, t, eps: lib.diffuse_step(s, x, t, eps.flip(0)),
            "every point treated by itself",
        ),
    ],
    "draw_timesteps": [
        (lambda n, g: torch.randint(1, 201, (n,), generator=g), "1.0 times as often"),
        (lambda n, g: weighted_timesteps(n, g, high=29), "look at both ends"),
        (lambda n, g: weighted_timesteps(n, g, high=31), "look at both ends"),
        (lambda n, g: weighted_timesteps(n, g, low=4), "look at both ends"),
        (lambda n, g: weighted_timesteps(n, g, low=6), "look at both ends"),
        (lambda n, g: weighted_timesteps(n, g).clamp(min=2), "t = 1 is never drawn"),
        (lambda n, g: weighted_timesteps(n, g).clamp(max=199), "t = 200 is never drawn"),
        (lambda n, g: weighted_timesteps(n, g, times=2.0), "2.0 times as often"),
        (lambda n, g: torch.randint(5, 31, (n,), generator=g), "never drawn"),
        (lambda n, g: 1.0 * weighted_timesteps(n, g), "whole numbers"),
        (lambda n, g: weighted_timesteps(n, g)[:, None], "returns shape (4, 1), not (4,)"),
        (lambda n, g: weighted_timesteps(n, None), "draw from it alone"),
        (lambda n, g: weighted_timesteps(n, torch.Generator()), "is anything drawn"),
    ],
    "frechet": [
        (lambda x, y: (x.mean() - y.mean()) ** 2 + (x.var() - y.var()) ** 2, "compares variances"),
        (lambda x, y: (x.mean() - y.mean()).abs() + (x.std() - y.std()).abs(), "be squared"),
        (lambda x, y: math.hypot(x.mean() - y.mean(), x.std() - y.std()), "a root too much"),
        (lambda x, y: (x.std() - y.std()) ** 2, "3 apart"),
        (lambda x, y: (x.mean() - y.mean()) ** 2, "times as wide"),
        (lambda x, y: metrics.wasserstein(x, y) ** 2, "times as wide"),
        (lambda x, y: metrics.frechet_distance(x, y) + 0.01, "a sample and itself"),
        (
            lambda x, y: ((x.mean() - y.mean()).abs() + (x.std() - y.std()).abs()) ** 2,
            "both differ",
        ),
    ],
    "gaussian_floor": [(0.173, "two humps"), (0, "does not know"), (1.0, "always answers 0")],
    "guess_at_200": [
        ((0, 1.7), "wrong order"),
        ((1.7, 0.6), "averages over both"),
        ((0, 0), "how much of the data"),
        ((1.7, 1.7), "mean of all data"),
    ],
    "inputs_with_label": [
        (33, "label is missing"),
        (42, "time is missing"),
        (34, "one number"),
        (32, "latents alone"),
        (785, "too large"),
    ],
    "judge": [
        (lambda generate, data: metrics.wasserstein(generate(data), data), "from all data"),
        (lambda generate, data: metrics.wasserstein(data[::2], data[1::2]), "never calls generate"),
        (lambda generate, data: metrics.wasserstein(generate(data[:500]), data), "too good a mark"),
        (
            lambda generate, data: metrics.wasserstein(generate(data[:750]), data[250:]),
            "too good a mark",
        ),
        (lambda generate, data: 2 * judge(generate, data), "is off by 1 everywhere gets"),
        (lambda generate, data: judge(lambda x: generate(x + 1), data), "some rows of data"),
        (lambda generate, data: float(len(generate(data[:0]))), "some rows of data"),
        (lambda generate, data: judge(lambda x: generate(x[:, 0])[:, None], data), "some rows of"),
    ],
    "first_step_back": [
        (0.8, "What undoes"),
        (1.118, "no noise out"),
        (0, "only a small share"),
        (1, "by what had it been shrunk"),
    ],
    "mix": [
        (lambda a, b, share: (1 - share) * a + share * b, "its variance is 0.6"),
        (lambda a, b, share: share**0.5 * a + (1 - share) ** 0.5 * b, "it must be a"),
        (lambda a, b, share: a if share < 0.5 else b, "has no part"),
        (some_rows_of_b, "are still a's or b's"),
        (noisy_mix, "two answers"),
        (
            lambda a, b, share: torch.where(torch.rand(a.shape[1]) < share, b, a).flip(0),
            "it must be a",
        ),
        (lambda a, b, share: (1 - share) ** 0.5 * a + share**0.5 * b + share * (1 - share), "mean"),
        (
            lambda a, b, share: (
                0.8 * a + 0.6 * b if share == 0.75 else (1 - share) ** 0.5 * a + share**0.5 * b
            ),
            "more of b",
        ),
    ],
    "origin_at_1": [
        ((0.004, 0.127), "left hump"),
        ((0.996, 0.127), "At t = 60, that is the share of the left hump"),
        ((0.996, 0.7), "What does x[t] = 1 add"),
        ((99.6, 87.3), "between 0 and 1"),
        ((1.1, 0.87), "between 0 and 1"),
        ((0.996, 0.99), "At t = 60, 0.99 is too sure"),
    ],
    "own_data": [
        (own(lambda u: u[:, :1]), "where (5, 2)"),
        (lambda n: torch.rand(n, 3), "returns shape (5, 3) where (5, 2) should come out."),
        (lambda n: lib.spiral_lattice(n), "the same points"),
        (own(lambda u: u * torch.tensor([1.0, 0.0])), "does not vary"),
        (own(lambda u: u.round()), "repeated"),
        (own(lambda u: u[torch.randint(len(u) * 2 // 5, (len(u),))]), "repeated"),
        (own(lambda u: u * torch.rand(1, 2) + torch.rand(1, 2)), "different shapes"),
    ],
    "own_density": [
        ((triangle, lambda x: 2 * triangle_density(x)), "gives 2.000"),
        ((triangle, lambda x: triangle_density(x - 0.5)), "disagree, most of all near"),
        ((lambda n: triangle(n)[:, 0], triangle_density), "where (5, 1)"),
        ((triangle, lambda x: triangle_density(x)[:, None]), "where (20001,)"),
        ((lambda n: 5 * triangle(n), triangle_density), "narrower tails"),
        ((lambda n: -5 * triangle(n), triangle_density), "narrower tails"),
        ((triangle, lambda x: torch.cos(x[:, 0])), "negative"),
        ((lambda n: torch.linspace(2, 4, n)[:, None], triangle_density), "the same points"),
    ],
    "reverse_step": [
        (back_with(lambda s, t: -right_share(s, t)), "must be taken out"),
        (back_with(lambda s, t: 1), "taken out whole"),
        (back_with(lambda s, t: s.beta[t] / (1 - s.alpha[t]).sqrt()), "where alpha_bar belongs"),
        (back_with(right_share, undo=lambda s, t: s.alpha[t].sqrt()), "must be undone"),
        (back_with(right_share, sigma=lambda s, t: 0), "is missing"),
        (back_with(right_share, sigma=lambda s, t: s.sigma[t - 1]), "by the value for t - 1"),
        (back_with(right_share, lambda s, t: s.alpha[t - 1] ** -0.5), "by the value for t - 1"),
        (lambda s, *arguments: reverse_step(S, *arguments), "With another schedule"),
        (back_with(right_share, sigma=lambda s, t: s.sigma_posterior[t]), "too little"),
        (
            lambda *args: reverse_step(*args) + 0.1 * (args[2] == 1) * args[4],
            "noise counts too much",
        ),
    ],
    "running_mean": [
        (lambda mean, latest, step: latest, "that is no average"),
        (lambda mean, latest, step: mean.lerp(latest, 1 / step), "first 500 steps"),
        (lambda mean, latest, step: mean + latest, "100% of the mean"),
        (lambda mean, latest, step: 0.9 * mean + 0.2 * latest, "the mean must be 5"),
    ],
    "sample": [
        (upwards, "first at t = 1 and last at t = 20"),
        (loop(last=10), "asked 10 times"),
        (lambda d, s, n, g: lib.sample(d, s, n), "draw all noise from it"),
        (lambda d, s, n, g: sample(d, s, n, torch.Generator()), "Another seed"),
        (starting_from(lambda shape, g: torch.zeros(shape)), "must be pure noise"),
        (lambda *arguments: in_place(*arguments, start=0.0), "must be pure noise"),
        (starting_from(lambda shape, g: torch.rand(shape, generator=g)), "must be pure noise"),
        (starting_from(lambda shape, g: 3 + 0 * normal(shape, g)), "must be pure noise"),
        (starting_from(normal, lambda x, g: normal((len(x), 1), g)), "noise of its own"),
        (starting_from(normal, lambda x, g: normal((1, x.shape[1]), g)), "the fresh noise"),
        (with_the_notebooks_schedule, "one of the schedule that is given"),
        (lambda d, s, n, g: torch.randn(n, d.n_dim, generator=g), "never asks"),
        (lambda d, s, n, g: sample(d, s, n, g)[:, :1], "(3, 1) where (3, 2)"),
    ],
    "short_schedule": [
        (linear(200, 1e-4, 0.2), "200 steps; 50"),
        (linear(50, 1e-4, 0.9), "larger than they need be"),
        (0.2, "must be a NoiseSchedule"),
        (linear(50, 1e-4, 0.1), "of the data's variance"),
        (linear(50, 1e-4, 0.165), "0.013 of the data's variance"),
    ],
    "smallest_shift": [(0.05, "smaller ones"), (0.005, "could be chance"), (-0.02, "its size")],
    "thousand_steps": [
        (linear(1000, 1e-4, 0.2), "at t = 214: too early"),
        (linear(1000, 1e-4, 0.01), "too late"),
        (linear(200, 1e-4, 0.2), "200 steps; 1000"),
    ],
    "time_features": [
        (lambda t: t[:, None].float().expand(-1, 4), "as large as 200"),
        (lambda t: -t[:, None].float().expand(-1, 4), "as large as 200"),
        (lambda t: time_features(t).T, "wrong axis"),
        (lambda t: time_features(100 * (t / 100).round()), "the same features"),
        (lambda t: t[:, None].expand(-1, 4) / t.max(), "other points' t"),
        (lambda t: t[:, None].expand(-1, 4), "returns torch.int64, not decimal numbers"),
        (lambda t: time_features(t)[:, 0], "where (1, 4)"),
        (lambda t: time_features(t)[:, :2], "returns shape (1, 2) where (1, 4)"),
    ],
    "total_variation": [
        (lambda x, y: 2 * metrics.total_variation(x, y), "counts twice"),
        (counts, "each point twice"),
        (lambda x, y: metrics.total_variation(x, y) + 0.5, "A cloud and itself"),
        (inside_only, "beyond the grid"),
        (lambda x, y: 0.0 * cells_with_numpy(x, y), "hardly a cell in common"),
        (joint_range, "fill the same cells"),
        (in_cells(np.linspace(-2.2, 2.2, 40)), "fill the same cells"),
        (in_cells(np.linspace(-2, 2, 41)), "fill the same cells"),
        (in_cells(np.linspace(-2.2, 2.2, 41), clamp=2.19), "beyond the grid on different sides"),
        (
            in_cells(np.concatenate([[-1e9], np.linspace(-2.2, 2.2, 41), [1e9]])),
            "beyond the grid on different sides",
        ),
        (in_cells(np.linspace(-2.2, 2.2, 21)), "40 x 40 cells"),
        (lambda x, y: metrics.total_variation(x, y, bins=20), "40 x 40 cells"),
        (metrics.sliced_wasserstein, "all points differ"),
    ],
    "tv_of_40000": [(0.083, "10 000 points"), (0.0207, "1/n"), (0.3, "too large")],
    "variance_at_37": [
        (1, "1 at the start"),
        (4, "does not stay 4"),
        (2.024, "noise add"),
        (1.587, "standard deviation"),
        (8.59, "not their standard deviation"),
        (3.5, "too large"),
    ],
    "x0_from_v": [
        (of_v(1, 1), "the noise must cancel"),
        (lambda s, xt, t, v: lib.predict_x0(s, xt, t, v), "as if v were the noise"),
        (of_v(1, 0), "v counts too little"),
        (lambda s, xt, t, v: x0_from_v(S, xt, t, v), "With another schedule"),
        (
            lambda s, xt, t, v: (1 - s.alpha_bar[t]).sqrt() * xt + s.alpha_bar[t].sqrt() * v,
            "leads to the noise",
        ),
    ],
}
CASES = [(name, *case) for name, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(("name", "answer", "phrase"), CASES)
def test_a_plausible_mistake_is_rejected_usefully(name, answer, phrase):
    verdict = ALL[name](*(answer if name == "own_density" else [answer]))
    assert not verdict
    assert phrase in verdict.text


def test_every_check_is_tried_with_three_mistakes():
    assert WRONG.keys() == ALL.keys()
    assert min(map(len, WRONG.values())) >= 3


# What each formula multiplies its parts by, and what learners put in the place of one factor.
FACTORS = {
    "diffuse": (lambda s, t: s.alpha_bar[t] ** 0.5, lambda s, t: (1 - s.alpha_bar[t]) ** 0.5),
    "diffuse_step": (lambda s, t: s.alpha[t] ** 0.5, lambda s, t: s.beta[t] ** 0.5),
    "reverse_step": (
        lambda s, t: s.alpha[t] ** -0.5,
        lambda s, t: -(s.alpha[t] ** -0.5) * s.beta[t] / (1 - s.alpha_bar[t]) ** 0.5,
        lambda s, t: (t > 1) * s.beta[t] ** 0.5,
    ),
    "x0_from_v": (lambda s, t: s.alpha_bar[t] ** 0.5, lambda s, t: -((1 - s.alpha_bar[t]) ** 0.5)),
}
ONE_WRONG = [
    ("diffuse", 0, lambda s, t: s.alpha_bar[t], "x0 is scaled by a variance"),
    ("diffuse", 0, lambda s, t: s.alpha_bar[t - 1] ** 0.5, "x0 is scaled by the value for t - 1"),
    ("diffuse", 0, lambda s, t: s.alpha[t] ** 0.5, "x0 is scaled as in one step"),
    ("diffuse", 0, lambda s, t: 1, "x0 is not scaled"),
    ("diffuse", 1, lambda s, t: 1 - s.alpha_bar[t], "noise is scaled by a variance"),
    ("diffuse", 1, lambda s, t: (1 - s.alpha_bar[t - 1]) ** 0.5, "by the value for t - 1"),
    ("diffuse", 1, lambda s, t: 1 - s.alpha_bar[t] ** 0.5, "noise is scaled by 1 minus a root"),
    ("diffuse", 1, lambda s, t: 1, "noise is not scaled"),
    ("diffuse_step", 0, lambda s, t: s.alpha[t], "x[t-1] is scaled by a variance"),
    ("diffuse_step", 0, lambda s, t: s.alpha[t - 1] ** 0.5, "x[t-1] is scaled by the value for"),
    ("diffuse_step", 0, lambda s, t: s.alpha_bar[t] ** 0.5, "x[t-1] is scaled as in a jump"),
    ("diffuse_step", 0, lambda s, t: 1, "x[t-1] is not scaled"),
    ("diffuse_step", 1, lambda s, t: s.beta[t], "noise is scaled by a variance"),
    ("diffuse_step", 1, lambda s, t: s.beta[t - 1] ** 0.5, "noise is scaled by the value for"),
    ("diffuse_step", 1, lambda s, t: (1 - s.alpha_bar[t]) ** 0.5, "noise is scaled as in a jump"),
    ("diffuse_step", 1, lambda s, t: 1, "noise is not scaled"),
    ("reverse_step", 0, lambda s, t: s.alpha[t] ** 0.5, "is shrunk once more"),
    ("reverse_step", 0, lambda s, t: 1, "stays as it is"),
    ("reverse_step", 0, lambda s, t: s.alpha_bar[t] ** -0.5, "as in a jump"),
    ("reverse_step", 1, lambda s, t: -FACTORS["reverse_step"][1](s, t), "is added"),
    ("reverse_step", 1, lambda s, t: -(s.alpha[t] ** -0.5), "is taken out whole"),
    ("reverse_step", 1, lambda s, t: -((s.beta[t] / s.alpha[t]) ** 0.5), "with alpha where"),
    ("reverse_step", 2, lambda s, t: s.beta[t], "by a variance"),
    ("reverse_step", 2, lambda s, t: 0, "is missing"),
    ("reverse_step", 2, lambda s, t: s.beta[t] ** 0.5, "is still added"),
    ("x0_from_v", 0, lambda s, t: s.alpha_bar[t], "x[t] is scaled by a variance"),
    (
        "x0_from_v",
        0,
        lambda s, t: (1 - s.alpha_bar[t]) ** 0.5,
        "the factor that leads to the noise",
    ),
    ("x0_from_v", 0, lambda s, t: s.alpha_bar[t] ** -0.5, "as if v were the noise"),
    ("x0_from_v", 1, lambda s, t: s.alpha_bar[t] - 1, "v is scaled by a variance"),
    ("x0_from_v", 1, lambda s, t: (1 - s.alpha_bar[t]) ** 0.5, "v is added"),
]


def formula(name, part, factor, only_at=None):
    """The right sum, with this factor for one of its parts (at all t, or at one)."""

    def my_sum(s, first, t, *others):
        factors = [right(s, t) for right in FACTORS[name]]
        if only_at in (None, t):
            factors[part] = factor(s, t)
        return sum(f * x for f, x in zip(factors, (first, *others)))

    return my_sum


@pytest.mark.parametrize(("name", "part", "factor", "phrase"), ONE_WRONG)
def test_one_wrong_factor_is_named(name, part, factor, phrase):
    text = ALL[name](formula(name, part, factor)).text
    assert phrase in text
    assert text.startswith("At t = 1," if phrase == "is still added" else "At t = 60,")


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize(
    ("name", "t"),
    [
        *(("diffuse", 1), ("diffuse", 200), ("diffuse_step", 1), ("diffuse_step", 200)),
        *(("reverse_step", 1), ("reverse_step", 2), ("reverse_step", 200)),
        *(("x0_from_v", 1), ("x0_from_v", 120)),
    ],
)
def test_a_formula_is_tried_at_both_ends(name, t, part):
    text = ALL[name](formula(name, part, lambda s, t: 0.5, only_at=t)).text
    assert text.startswith(f"At t = {t},")


# ---- answers that are none -----------------------------------------------------------------------


def raises(*arguments):
    raise KeyError("x0\nand a second line")


def stub(*arguments): ...


def nans(*arguments):
    return torch.full((3, 1), math.nan)


def alters(s, x, t, eps):
    x *= s.alpha[t].sqrt()
    return x


NONSENSE = [None, ..., "text", True, [], {}, (1,), object(), math.nan, torch.zeros(2, 3), nn.ReLU()]
FUNCTIONS = [stub, raises, nans, lambda: 0, lambda *_: "text", lambda *_: [1], lambda *_: S, print]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("answer", [*NONSENSE, *FUNCTIONS])
def test_nonsense_gets_a_sentence(name, answer, capsys):
    verdict = ALL[name](*[answer] * len(RIGHT[name]))
    assert not verdict
    assert verdict.text.endswith((".", "?")) and "\n" not in verdict.text
    assert "cannot be checked" not in verdict.text, verdict


@pytest.mark.parametrize("name", ALL)
def test_no_verdict_gives_the_solution_or_is_long(name):
    texts = [str(ALL[name](*(a if name == "own_density" else [a]))) for a, _ in WRONG[name]]
    texts += [ALL[check](answer).text for check, answer, _ in BUGS.values() if check == name]
    assert max(map(len, texts)) < 300
    assert not any("sqrt" in text or "**" in text for text in texts)


@pytest.mark.parametrize("name", ALL)
def test_stubs_are_answered_politely(name):
    assert ALL[name]().text.startswith("Nothing to check yet")
    assert ALL[name](*[None] * len(RIGHT[name])).text.startswith("Nothing to check yet")
    if isinstance(RIGHT[name][0], list | tuple):
        assert ALL[name]((1.0, None)).text.startswith("Nothing to check yet")
    if callable(RIGHT[name][0]):
        verdict = ALL[name](*[stub] * len(RIGHT[name]))
        assert verdict.text == "stub returns nothing yet."


def test_an_exception_is_named_with_the_call_that_made_it():
    text = checks.diffuse_step(raises).text
    call = "raises(schedule, torch.tensor([[1.0], [1.0]]), 60, torch.tensor([[0.0], [0.0]]))"
    assert text == f"{call} raised KeyError: 'x0\\nand a second line'."
    assert "takes 0 positional arguments but 2 were given" in checks.judge(lambda: 0).text


def test_what_is_no_function_or_returns_no_tensor_is_named():
    assert checks.time_features(3).text.startswith("This must be a function, not a int.")
    text = checks.diffuse_step(lambda s, x, t, eps: "text").text
    assert text.startswith("<lambda>(schedule, torch.tensor([[1.0], [1.0]]), 60, torch.tensor(")
    assert text.endswith(" returns a str, not a tensor.")


class Odd:
    """An answer on which a check itself fails."""

    @property
    def shape(self):
        raise RuntimeError(" no shape.\nand a second line ")


def test_an_answer_that_a_check_fails_on_is_not_right():
    verdict = checks.band_of_40000(Odd())
    assert not verdict
    assert verdict.text == "This answer cannot be checked: RuntimeError: no shape."


def test_the_checks_are_about_the_series(schedule, mixture):
    x = torch.linspace(-3, 3, 7)[:, None]
    assert torch.equal(SCHEDULE.beta, schedule.beta)
    assert torch.allclose(TRUTH.density(x), mixture.density(x))


def test_a_column_met_a_row_where_n_by_n_numbers_come_out():
    hint = "A column met a row"
    assert hint in checks.own_data(lambda n: torch.rand(n, n)).text
    for wrong in (lambda t: time_features(t)[:, :1], lambda t: time_features(t)[:, :3]):
        assert hint not in checks.time_features(wrong).text


def test_altered_arguments_are_noticed():
    assert "changes a tensor that it is given" in checks.diffuse_step(alters).text


def test_nan_is_noticed():
    assert "NaN" in checks.data_denoiser(nans).text
    assert checks.band_of_40000(math.nan).text == "This is nan; a finite number is expected."


def test_an_interrupt_is_not_swallowed():
    def stopped(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.diffuse(stopped)


def test_checks_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    for name in ALL.keys() - {"own_data", "own_density"}:
        ALL[name](*RIGHT[name])
    assert torch.equal(before, torch.get_rng_state())


def test_numbers_in_the_docstrings():
    """The bands that the predictions are compared with."""
    g = torch.Generator().manual_seed(0)
    reference = TRUTH.quantiles(10_000)
    band = metrics.noise_band(
        metrics.wasserstein, lambda n: TRUTH.sample(n, generator=g), reference, 40_000
    )
    assert 0.0095 < band.upper < 0.011
    x = lib.spiral_lattice(10**6)
    scaler = lib.Standardizer.fit(x)
    band = metrics.noise_band(
        metrics.total_variation,
        lambda n: scaler.transform(lib.spiral(n, generator=g)),
        scaler.transform(x),
        40_000,
        repeats=20,
    )
    assert 0.038 < band.median < band.upper < 0.045
    assert EXACT.posterior(1.0, 30).weight[1] > 0.99
    assert inspect.signature(checks.judge).parameters.keys() == {"answer"}
