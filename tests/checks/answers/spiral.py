"""Answers to the exercises of notebook 06."""

import math

import numpy as np
import torch

import tutorial_lib as lib
from tutorial_lib import metrics
from tutorial_lib.checks.setting import SCHEDULE

EDGES = np.linspace(-2.2, 2.2, 41)


def rings(n):
    angle, radius = torch.rand(n) * 2 * math.pi, 1 + torch.randint(2, (n,)) + 0.1 * torch.randn(n)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def own(points):
    return lambda n: points(torch.rand(n, 2))


def of_v(signal, noise):
    """A sum with these factors, in units of the right ones."""

    def my_x0(s, xt, t, v):
        a = s.alpha_bar[t]
        return signal * a.sqrt() * xt - noise * (1 - a).sqrt() * v

    return my_x0


x0_from_v = of_v(1, 1)


def by_way_of_the_noise(s, xt, t, v):
    a = s.alpha_bar[t].double()
    eps = a.sqrt() * v + (1 - a).sqrt() * xt
    return (xt - (1 - a).sqrt() * eps) / a.sqrt()


def in_cells(edges=EDGES, clamp=math.inf, outside=True):
    """The total variation, on cells of choice."""

    def my_total_variation(x, y):
        x, y = (np.clip(np.asarray(v), -clamp, clamp) for v in (x, y))
        p, q = (np.histogram2d(*v.T, bins=edges)[0] / len(v) for v in (x, y))
        return (np.abs(p - q).sum() + outside * abs(p.sum() - q.sum())) / 2

    return my_total_variation


total_variation = in_cells((EDGES, EDGES))


def with_torch(x, y):
    def shares(z):
        inside = torch.histogramdd(z, bins=[40, 40], range=[-2.2, 2.2] * 2).hist / len(z)
        return torch.cat([inside.ravel(), 1 - inside.sum().view(1)])

    return (shares(x) - shares(y)).abs().sum() / 2


def what_both_have(x, y):
    """1 minus the common share, each cell's number as one index."""

    def shares(z):
        k = ((z + 2.2) / 0.11).floor().long()
        cell = torch.where((z.abs() < 2.2).all(1), 40 * k[:, 0] + k[:, 1], 1600)
        return cell.bincount(minlength=1601) / len(z)

    return 1 - float(torch.minimum(shares(x), shares(y)).sum())


def counts(x, y):
    p, q = (np.histogram2d(*np.asarray(v).T, bins=(EDGES, EDGES))[0] for v in (x, y))
    return np.abs(p - q).sum() / 2 / len(x)


def joint_range(x, y):
    z = np.concatenate([x, y])
    edges = np.linspace(z.min(), z.max(), 41)
    return in_cells((edges, edges))(x, y)


WIDE = np.concatenate([[-1e9], EDGES, [1e9]])
RIGHT = {
    "tv_of_40000": [np.float64(0.041)],
    "x0_from_v": [
        x0_from_v,
        lambda s, xt, t, v: (
            torch.lerp(0 * xt, xt, s.alpha_bar[t].sqrt()) - (1 - s.alpha_bar[t]) ** 0.5 * v
        ),
        lambda s, xt, t, v: x0_from_v(s, xt.double(), t, v),
        lambda s, xt, t, v: (
            (s.alpha_bar[t] / (1 - s.alpha_bar[t])).sqrt().atan().sin() * xt
            - (1 - s.alpha_bar[t]).sqrt() * v
        ),
        lambda s, xt, t, v: xt * s.alpha_bar[t] ** 0.5 + v * -((1 - s.alpha_bar[t]) ** 0.5),
    ],
    "own_data": [
        rings,
        own(lambda u: u),
        lambda n: torch.randn(n, 2).double() * torch.tensor([100.0, 0.01]),
        lambda n: torch.randint(4, (n, 2)) + 0.9 * torch.rand(n, 2),
        lambda n: lib.spiral(n),
    ],
    "total_variation": [total_variation, with_torch, what_both_have, metrics.total_variation],
}
WRONG = {
    "tv_of_40000": [(0.083, "10 000 points"), (0.0207, "1/n"), (0.3, "too large")],
    "x0_from_v": [
        (of_v(1, -1), "v is added. Put the definitions"),
        (of_v(1, 0), "v counts too little"),
        (lambda s, xt, t, v: lib.predict_x0(s, xt, t, v), "as if v were the noise"),
        (
            lambda s, xt, t, v: s.alpha_bar[t] * xt - (1 - s.alpha_bar[t]).sqrt() * v,
            "x[t] is scaled by",
        ),
        (
            lambda s, xt, t, v: s.alpha_bar[t].sqrt() * xt - (1 - s.alpha_bar[t]) * v,
            "v is scaled by",
        ),
        (
            lambda s, xt, t, v: (1 - s.alpha_bar[t]).sqrt() * xt + s.alpha_bar[t].sqrt() * v,
            "the factor that leads to the noise",
        ),
        (lambda s, xt, t, v: x0_from_v(SCHEDULE, xt, t, v), "With another schedule"),
        (lambda *arguments: x0_from_v(*arguments).clamp(-3, 3), "is anything cut off"),
        (lambda s, xt, t, v: x0_from_v(s, xt, t, v) * (t not in (3, 4)), "At t = 3, x[t] counts"),
    ],
    "own_data": [
        (own(lambda u: u[:, :1]), "where (5, 2)"),
        (lambda n: torch.rand(n, 3), "returns shape (5, 3) where (5, 2) should come out."),
        (lambda n: torch.rand(n, n), "A column met a row"),
        (lambda n: lib.spiral_lattice(n), "the same points"),
        (own(lambda u: u * torch.tensor([1.0, 0.0])), "does not vary"),
        (own(lambda u: u.round()), "repeated"),
        (own(lambda u: u[torch.randint(len(u) * 2 // 5, (len(u),))]), "repeated"),
        (own(lambda u: u * torch.rand(1, 2) + torch.rand(1, 2)), "different shapes"),
    ],
    "total_variation": [
        (in_cells(40, outside=False), "compare the edges"),
        (lambda x, y: 2 * total_variation(x, y), "counts twice"),
        (counts, "each point twice"),
        (lambda x, y: total_variation(x, y) + 0.5, "A cloud and itself"),
        (in_cells((EDGES, EDGES), outside=False), "beyond the grid"),
        (lambda x, y: 0.0 * total_variation(x, y), "hardly a cell in common"),
        (joint_range, "fill the same cells"),
        (in_cells((np.linspace(-2.2, 2.2, 40),) * 2), "fill the same cells"),
        (in_cells((np.linspace(-2, 2, 41),) * 2), "fill the same cells"),
        (in_cells((EDGES, EDGES), clamp=2.19), "beyond the grid on different sides"),
        (in_cells((WIDE, WIDE)), "beyond the grid on different sides"),
        (in_cells((np.linspace(-2.2, 2.2, 21),) * 2), "40 x 40 cells"),
        (lambda x, y: metrics.total_variation(x, y, bins=20), "40 x 40 cells"),
        (metrics.sliced_wasserstein, "all points differ"),
        (lambda x, y: total_variation(x.mul_(1), y.clamp_(-1, 1)), "changes a tensor"),
    ],
}
