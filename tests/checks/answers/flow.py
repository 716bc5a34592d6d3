"""Answers to the exercises of notebook 08."""

from itertools import pairwise

import torch

from tutorial_lib import flow


def heun_with(mean=0.5, trial=1, sign=1, later=1, from_trial=False, at=1.0):
    """Heun's method, with a fault of choice."""

    def my_heun(velocity, x, steps):
        for k in range(steps, 0, -1):
            first = velocity(x, k / steps)
            there = x - sign * trial * first / steps
            second = velocity(there, (k - at) / steps)
            start = there if from_trial else x
            x = start - sign * (mean * first + later * (1 - mean) * second) / steps
        return x

    return my_heun


heun = heun_with()


def with_times(velocity, x, steps):
    times = torch.linspace(1, 0, steps + 1)
    for u, s in pairwise(times):
        slope = velocity(x, u)
        x = x + (s - u) * (slope + velocity(x + (s - u) * slope, s)) / 2
    return x


def euler(velocity, x, steps):
    for k in range(steps, 0, -1):
        x = x - velocity(x, k / steps) / steps
    return x


def euler_with(times, scale=lambda steps: 1 / steps):
    def my_walk(velocity, x, steps):
        for u in times(steps):
            x = x - scale(steps) * velocity(x, u)
        return x

    return my_walk


def falling(steps):
    return torch.linspace(1, 0, steps + 1)[:-1]


def in_place(velocity, x, steps):
    for u in falling(steps):
        x -= velocity(x, u) / steps
    return x


def bow(u):
    return 1 - u**2, u, -2 * u, torch.ones_like(u)


def cosine(u):
    """The circle at another pace."""
    angle = torch.pi / 2 * u**2
    rate = torch.pi * u
    return angle.cos(), angle.sin(), -rate * angle.sin(), rate * angle.cos()


def half_a_circle(u):
    angle = torch.pi / 2 * u
    return 1 - u, angle.sin(), -torch.ones_like(u), torch.pi / 2 * angle.cos()


def slow(u):
    s = u * (2 - u)
    return 1 - s, s, 2 * u - 2, 2 - 2 * u


RIGHT = {
    "two_calls": [0.5, torch.tensor(0.503)],
    "heun": [
        heun,
        with_times,
        lambda v, x, steps: heun(lambda y, u: v(y, torch.full((len(y),), float(u))), x, steps),
    ],
    "own_path": [
        bow,
        lambda u: [1 - u, u.square(), 0 * u - 1, 2 * u + 1e-9],
        half_a_circle,
    ],
    "walk_back": [
        euler,
        euler_with(falling),
        lambda v, x, steps: euler(lambda y, u: v(y, torch.full((len(y),), float(u))), x, steps),
    ],
}
WRONG = {
    "two_calls": [
        (1, "what the circle gives"),
        (0, "starts half-way"),
        (0.25, "The first call halves it"),
        (0.7071, "That is the spread on the path"),
        (0.9, "too large"),
    ],
    "heun": [
        (euler, "asked for 8 times. It is 4"),
        (lambda v, x, steps: x, "asked for 8 times. It is 0"),
        (heun_with(at=0.5), "It is asked for at u = 1, 0.875"),
        (heun_with(at=0), "It is asked for at u = 1, 1, 0.75"),
        (lambda v, x, steps: heun(lambda y, u: v(y, 1 - u), x, steps), "at u = 0"),
        (heun_with(trial=0), "Euler's method"),
        (heun_with(mean=1.0), "Euler's method"),
        (heun_with(mean=0.0), "Only the second answer counts"),
        (heun_with(sign=-1), "Which way does the velocity point"),
        (lambda v, x, steps: heun(lambda y, u: 2 * v(y, u), x, steps), "Away from simple"),
        (heun_with(from_trial=True), "where the step on trial ended"),
        (lambda v, x, steps: heun(v, x, steps).clamp(-2, 2), "Away from simple velocities"),
        (lambda v, x, steps: heun(v, x[:, :1], steps), "where (3, 2)"),
    ],
    "own_path": [
        (lambda u: flow.circle.coefficients(u), "This is the circle"),
        (lambda u: flow.line.coefficients(u), "This is the line"),
        (lambda u: (u, 1 - u, u**0, -(u**0)), "Is it the data there"),
        (lambda u: (1 - u, 0.5 * u, -(u**0), 0.5 * u**0), "At u = 1, b is 0.5"),
        (lambda u: (1 - u**2, u, 2 * u, u**0), "but its derivative is given as"),
        (lambda u: (1 - u**2, u, -2 * u, u), "b changes at the rate 1"),
        (lambda u: (1 - u**2, u), "must return four tensors: a, b"),
        (lambda u: (1 - u**2, u, -2 * u, 1.0), "numbers are none"),
        (lambda u: (1 - u**2, u, -2 * u, u / u), "NaN or infinite"),
        (slow, "D = a b' - a' b is not above 0"),
        (cosine, "D = a b' - a' b is not above 0"),
        (0.5, "must be a function"),
    ],
    "walk_back": [
        (
            euler_with(lambda steps: torch.linspace(0, 1, steps + 1)[:-1]),
            "asks for the velocity at",
        ),
        (lambda v, x, steps: x, "never asks for the velocity"),
        (euler_with(lambda steps: torch.linspace(1, 0, steps)), "where each step starts"),
        (euler_with(lambda steps: [1.0] * steps), "asked for at u = 1, 1, 1, 1"),
        (euler_with(falling, lambda steps: -1 / steps), "the points end"),
        (euler_with(falling, lambda steps: torch.pi / 2 / steps), "the points end"),
        (lambda v, x, steps: euler(v, x, steps).clamp(-1, 1), "With two clouds it goes astray"),
        (lambda v, x, steps: flow.sample(v, len(x), steps, n_dim=2), "With two clouds"),
        (in_place, "changes a tensor that it is given"),
    ],
}
