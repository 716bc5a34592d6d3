"""Answers to the exercises of notebook 03."""

import math

import numpy as np
import torch

import tutorial_lib as lib
from tutorial_lib.checks.setting import SCHEDULE


def noise_to(origin, s, xt, t):
    a = s.alpha_bar[t]
    return (xt - a.sqrt() * origin) / (1 - a).sqrt()


def squares(data, s, xt, t):
    """(n, m): how far each point is from where each of the data has been carried."""
    return torch.cdist(xt, s.alpha_bar[t].sqrt() * data).square()


def data_denoiser(data, s, xt, t):
    weight = (squares(data, s, xt, t) / (-2 * (1 - s.alpha_bar[t]))).softmax(1)
    return noise_to(weight @ data, s, xt, t)


def less_the_largest(data, s, xt, t):
    log = squares(data, s, xt, t) / (-2 * (1 - s.alpha_bar[t]))
    weight = (log - log.amax(1, keepdim=True)).exp()
    return noise_to(weight @ data / weight.sum(1, keepdim=True), s, xt, t)


def row_by_row(data, s, xt, t):
    return torch.cat([data_denoiser(data, s, x[None], t) for x in xt])


def mean_of_noises(data, s, xt, t):
    """No detour by x0: the noises that lead from each point to xt, averaged."""
    weight = (squares(data, s, xt, t) / (-2 * (1 - s.alpha_bar[t]))).softmax(1)
    each = noise_to(data, s, xt[:, None], t)  # (n, m, n_dim)
    return (weight[..., None] * each).sum(1)


def score(data, s, xt, t):
    """By Tweedie's formula, with autograd."""
    x = xt.double().requires_grad_()
    with torch.enable_grad():
        log = (squares(data.double(), s, x, t) / (-2 * (1 - s.alpha_bar[t]))).logsumexp(1)
        slope = torch.autograd.grad(log.sum(), x)[0]
    return -(1 - s.alpha_bar[t]).sqrt() * slope


def plain_exponentials(data, s, xt, t):
    weight = (squares(data, s, xt, t) / (-2 * (1 - s.alpha_bar[t]))).exp()
    return noise_to(weight @ data / weight.sum(1, keepdim=True), s, xt, t)


def propped_up(data, s, xt, t):
    """No NaN, but far from all data the answer is made up."""
    weight = (squares(data, s, xt, t) / (-2 * (1 - s.alpha_bar[t]))).exp()
    return noise_to(weight @ data / (weight.sum(1, keepdim=True) + 1e-12), s, xt, t)


def undiffused(data, s, xt, t):
    weight = (torch.cdist(xt, data).square() / (-2 * (1 - s.alpha_bar[t]))).softmax(1)
    return noise_to(weight @ data, s, xt, t)


def pooled(data, s, xt, t):
    """Normalises the weights over the wrong axis."""
    a = s.alpha_bar[t]
    weight = ((xt @ data.T * a.sqrt() - a * data.square().sum(1) / 2) / (1 - a)).exp()
    return noise_to(weight @ data / weight.sum(), s, xt, t)


def nearest(data, s, xt, t):
    return noise_to(data[squares(data, s, xt, t).argmin(1)], s, xt, t)


def wide(data, s, xt, t):
    """Forgets the variance in the weights."""
    return noise_to((-squares(data, s, xt, t)).softmax(1) @ data, s, xt, t)


def first_axis(data, s, xt, t):
    """Measures distances along the first coordinate alone."""
    distance = squares(data[:, :1], s, xt[:, :1], t)
    return noise_to((distance / (-2 * (1 - s.alpha_bar[t]))).softmax(1) @ data, s, xt, t)


def waves(*frequencies):
    def my_features(t):
        k = t[:, None] * torch.tensor(frequencies)
        return torch.cat([k.sin(), k.cos()], dim=1)

    return my_features


time_features = waves(0.01, 0.1)


def interleaved(t):
    k = torch.outer(t.double(), torch.tensor([0.02, 0.005], dtype=torch.double))
    return torch.stack([k.cos(), k.sin()], dim=2).flatten(1)


def with_numpy(t):
    k = np.asarray(t)[:, None] * 2 * math.pi / np.array([200.0, 800.0])
    return torch.from_numpy(np.hstack([np.sin(k), np.cos(k)]))


def along_the_batch(t):
    k = t * torch.tensor([[0.01], [0.1]])
    return torch.cat([k.sin(), k.cos()]).reshape(len(t), 4)


RIGHT = {
    "guess_at_200": [(1.7, 0), np.array([1.7, 0.01])],
    "origin_at_1": [[0.996, 0.873], (1, 0.87)],
    "data_denoiser": [data_denoiser, less_the_largest, row_by_row, mean_of_noises, score],
    "time_features": [
        time_features,
        interleaved,
        with_numpy,
        waves(1.0, 1e-4),  # of Ho et al. 2020 for four features
        lambda t: torch.stack([f(k * t) for k in (0.03, 0.007) for f in (torch.sin, torch.cos)], 1),
    ],
}
WRONG = {
    "guess_at_200": [
        ((0, 1.7), "wrong order"),
        ((1.7, 0.6), "averages over both"),
        ((0, 0), "how much of the data"),
        ((1.7, 1.7), "mean of all data"),
    ],
    "origin_at_1": [
        ((0.873, 0.996), "wrong order"),
        ((0.004, 0.127), "left hump"),
        ((0.996, 0.127), "At t = 60, that is the share of the left hump"),
        ((0.996, 0.7), "What does x[t] = 1 add"),
        ((99.6, 87.3), "between 0 and 1"),
        ((1.1, 0.87), "between 0 and 1"),
        ((0.996, 0.99), "At t = 60, 0.99 is too sure"),
        ((0.9, 0.87), "At t = 30, 0.90 is too unsure"),
    ],
    "data_denoiser": [
        (undiffused, "compare x[t] with the clean"),
        (
            lambda data, s, xt, t: lib.predict_x0(s, xt, t, data_denoiser(data, s, xt, t)),
            "x0. Asked",
        ),
        (nearest, "nearest point alone"),
        (wide, "right width"),
        (pooled, "add up to 1"),
        (plain_exponentials, "only how they compare counts"),
        (propped_up, "At t = 1, it is off for x[t] = 3"),
        (
            lambda data, s, xt, t: data_denoiser(data, SCHEDULE, xt, 30),
            "constants come from the one given",
        ),
        (first_axis, "With two coordinates"),
        (
            lambda data, s, xt, t: data_denoiser(data.unique(dim=0), s, xt, t),
            "With six points, two of them the same",
        ),
        (lambda data, s, xt, t: data_denoiser(data, s, xt.clamp(-3, 3), t), "x[t] = 3 or -4"),
        (
            lambda data, s, xt, t: noise_to(data.mean(0, keepdim=True) + 0 * xt, s, xt, t),
            "All points count the same",
        ),
        (lambda data, s, xt, t: data_denoiser(data.mul_(0.5), s, xt, t), "changes a tensor"),
    ],
    "time_features": [
        (along_the_batch, "look at which axis"),
        (lambda t: (t[:, None] / 200).expand(-1, 4), "says nothing new"),
        (lambda t: t[:, None] / torch.tensor([200.0, 100.0, 50.0, 400.0]), "says nothing new"),
        (waves(0.01, 0.01), "says nothing new"),
        (waves(0.01, 0.0), "the same at every t"),
        (lambda t: t[:, None].float().expand(-1, 4), "as large as 200"),
        (lambda t: -t[:, None].float().expand(-1, 4), "as large as 200"),
        (lambda t: time_features(t).T, "wrong axis"),
        (lambda t: time_features(100 * (t / 100).round()), "the same features"),
        (lambda t: t[:, None].expand(-1, 4) / t.max(), "other points' t"),
        (lambda t: t[:, None].expand(-1, 4), "returns torch.int64, not decimal numbers"),
        (lambda t: time_features(t)[:, 0], "where (1, 4)"),
        (lambda t: time_features(t)[:, :2], "returns shape (1, 2) where (1, 4)"),
    ],
}
