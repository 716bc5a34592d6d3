"""Checks of functions that have properties, where there is no single formula."""

import math

import numpy as np
import torch
from scipy.stats import kstest
from torch import Generator, Tensor

from tutorial_lib import metrics
from tutorial_lib.data import Mixture, Standardizer, spiral
from tutorial_lib.oracle import DataDenoiser, ExactDenoiser

from .answers import EXACT, OTHER, SCHEDULE, TRUTH, Function, check, need, number


@check("The density adds up to 1, and the points follow it.")
def own_density(draw, density):
    """my_draw(n) -> (n, 1) points between -10 and 10; my_density(x), x (m, 1) -> (m,)."""
    draw, density, n = Function(draw), Function(density), 10_000
    draw.tensor(5, shape=(5, 1))
    x = draw.tensor(n, shape=(n, 1)).double()
    need(bool(x.abs().max() < 10), "Some points lie beyond -10 or 10: choose narrower tails.")
    other = draw.tensor(n, shape=(n, 1)).double()
    need(not torch.equal(x, other), f"{draw.name} returns the same points in every call.")
    grid = torch.linspace(-10, 10, 20_001)[:, None]
    p = density.tensor(grid, shape=(20_001,)).double()
    need(bool((p >= 0).all()), "The density is negative somewhere between -10 and 10.")
    total = float(p.sum() / 1000)
    need(
        abs(total - 1) < 0.01,
        f"A density adds up to 1. From -10 to 10, in steps of 0.001, this gives {total:.3f}.",
    )
    cdf = (p.cumsum(0) - p / 2) / p.sum()
    test = kstest(x[:, 0], lambda v: np.interp(v, grid[:, 0], cdf))
    need(
        test.pvalue > 1e-6,  # how often an honest answer fails
        f"Points and density disagree, most of all near x = {test.statistic_location:.2f}. Draw "
        "the histogram and the density in one figure.",
    )


@check("The model is judged by data that it has not seen, and a copy gets no bonus.")
def judge(answer):
    """my_judge(generate, data): the distance of generate(training data) to data held out."""
    my, data = Function(answer), TRUTH.sample(1000, generator=Generator().manual_seed(0))
    seen = []

    def copycat(training):
        seen.append(training)
        return training.clone()

    copy = my.number(copycat, data)
    need(bool(seen), f"{my.name} never calls generate, so no model is judged.")
    training = seen[0]
    rows = isinstance(training, Tensor) and training.ndim == 2 and 0 < training.numel()
    need(rows and bool(torch.isin(training, data).all()), "generate must get some rows of data.")
    held_out = data[~torch.isin(data[:, 0], training)]
    need(len(held_out) > 0, "The model learns from all data, so none is left to judge it by.")
    rest = my.number(lambda training: data[~torch.isin(data[:, 0], training)], data)
    need(
        copy > 1.2 * rest,  # both are as near to a mixture of the two
        "A model that hands back its training data gets too good a mark: what is it compared with?",
    )
    shifted = my.number(lambda training: training + 1, data)
    need(abs(shifted - 1) < 0.3, f"A model that is off by 1 everywhere gets {shifted:.2f}, not 1.")


@check("It averages over all points, weighted by how likely each became x[t].")
def data_denoiser(answer):
    """my_eps(data, schedule, xt, t), the best noise estimate for a finite set of points."""
    my, t = Function(answer), 30
    a, xt = SCHEDULE.alpha_bar[t], torch.tensor([[-0.3], [0.5], [1.1]])

    def noise(origin):
        return (xt - a.sqrt() * origin) / (1 - a).sqrt()

    def near(found, right):
        return torch.allclose(found, right, atol=0.02)

    one = my.tensor(torch.tensor([[0.6]]), SCHEDULE, xt, t, shape=(3, 1))
    is_x0 = near(one, torch.full((3, 1), 0.6))
    need(not is_x0, "That is the mean of x0. Asked is the noise that belongs to it.")
    need(
        near(one, noise(0.6)),
        "If all data are the one point 0.6, the noise is known exactly, and this is not it. How "
        "does the noise follow from x[t] and its origin? Do the weights add up to 1?",
    )
    data = torch.tensor([[-1.4], [-0.5], [0.6], [0.7], [1.3]])
    found = my.tensor(data, SCHEDULE, xt, t, shape=(3, 1))
    undiffused = ((xt - data.T).square() / (-2 * (1 - a))).softmax(1) @ data
    nearest = data[(xt - a.sqrt() * data.T).square().argmin(1)]
    mistakes = {
        "The weights compare x[t] with the clean points. Where has the jump to t carried them, "
        "apart from the noise?": undiffused,
        "It uses the nearest point alone, but all are possible.": nearest,
        "All points count the same, wherever x[t] is.": data.mean(),
    }
    for hint, origin in mistakes.items():
        need(not near(found, noise(origin)), hint)
    need(
        near(found, DataDenoiser(data, SCHEDULE)(xt, t)),
        "With five points, the average is off. Do the weights have the right width, and add up to "
        "1 for each row of x[t]?",
    )
    need(
        near(my.tensor(data, OTHER, xt, 7, shape=(3, 1)), DataDenoiser(data, OTHER)(xt, 7)),
        "At another t of another schedule it is off: do all constants come from the schedule that "
        "is given?",
    )
    plane, x = torch.tensor([[-1.0, 0.5], [0.6, -0.4]]), torch.tensor([[-0.5, 0.8]])
    found = my.tensor(plane, SCHEDULE, x, t, shape=(1, 2))
    right = DataDenoiser(plane, SCHEDULE)(x, t)
    need(near(found, right), "With two coordinates it is off: how far are two points apart?")


@check("Each point gets the features of its own t, and no two steps look alike.")
def time_features(answer):
    """my_features(t): t (n,) in 1..200 -> (n, 4), row by row."""
    my = Function(answer)

    def ask(t):
        n, found = len(t), tuple(getattr(my(t), "shape", ()))
        turned = f"For n = {n}, the shape is {found}: time runs along the wrong axis."
        need(found != (4, n), turned)
        return my.tensor(t, shape=(n, 4))

    mixed = torch.tensor([1, 60, 200, 60, 7])
    alone = torch.cat([ask(mixed[[k]]) for k in range(5)])
    need(
        torch.allclose(ask(mixed), alone, atol=1e-5),
        "A row changes with the other points' t. The time of a point must not depend on its "
        "neighbours in the batch: look at which axis is which.",
    )
    every = ask(torch.arange(1, 201))
    largest = float(every.abs().max())
    need(largest <= 10, f"Features as large as {largest:.0f} drown x[t]: bring them near -1..1.")
    need(float(torch.pdist(every.double()).min()) > 1e-4, "Two steps have the same features.")


@check("Every t of 1..200 is drawn, and 5 to 30 three times as often as the rest.")
def draw_timesteps(answer):
    """my_timesteps(n, generator): (n,) int64 in 1..200, each of 5..30 three times as often."""
    my, n = Function(answer), 50_000

    def ask(n, seed):
        t = my(n, Generator().manual_seed(seed))
        whole = isinstance(t, Tensor) and not (t.is_floating_point() or t.is_complex())
        need(whole, f"{my.name} must return a tensor of whole numbers.")
        found = tuple(t.shape)
        need(found == (n,), f"{my.name}({n}, generator) returns shape {found}, not ({n},).")
        return t.long()

    ask(4, 0)
    t = ask(n, 0)
    low, high = int(t.min()), int(t.max())
    need(low >= 1, f"t = {low} is drawn. At t = 0 there is no noise, and nothing to learn.")
    need(high <= 200, f"t = {high} is drawn, but the last step is 200.")
    need(torch.equal(t, ask(n, 0)), "The same generator gives two results: draw from it alone.")
    need(not torch.equal(t, ask(n, 1)), "Another seed gives the same t: is anything drawn?")
    count = t.bincount(minlength=201).double()
    need(bool((count[1:] > 0).all()), f"t = {int(count[1:].argmin()) + 1} is never drawn.")
    often, rest = count[5:31], torch.cat([count[1:5], count[31:]])
    ratio = float(often.mean() / rest.mean())
    # The ratio has a standard error of 0.03, and a count one of 14 or 25, far from these limits.
    need(abs(ratio - 3) < 0.2, f"5..30 come {ratio:.1f} times as often as the others, not 3 times.")
    clear = bool(often.min() > 400 > rest.max())
    need(clear, "Not all of 5..30, and only those, come more often: look at both ends.")


@check("The average takes the first weights whole, forgets them in time, and smooths.")
def running_mean(answer):
    """my_update(mean, latest, step): the new mean of the weights; step = 1, 2, ..."""
    my = Function(answer)

    def run(start, latest):
        mean = torch.tensor([start])
        for step, value in enumerate(latest, 1):
            mean = my.tensor(mean, torch.tensor([value]), step, shape=(1,))
        return float(mean)

    kept = run(1.0, [0.0] * 300)
    need(
        abs(kept) < 0.05,
        f"After 300 steps, {kept:.0%} of the mean is still its start, the untrained weights: it "
        "has not caught up. How much should the latest count while step is small?",
    )
    five = run(0.0, [5.0] * 10)
    need(abs(five - 5) < 0.01, f"If all weights are 5, the mean must be 5, and it is {five:.3g}.")
    left = abs(run(0.0, [1.0, -1.0] * 500))
    need(left < 0.3, f"Weights that jump between 1 and -1 leave {left:.2f}: that is no average.")
    old = run(0.0, [1.0] * 500 + [0.0] * 500)
    need(old < 0.1, f"After 1000 steps, {old:.0%} of the mean come from the first 500 steps.")


@check("A perfect network gets 0, one that always answers 0 gets 1, and gradients flow.")
def denoising_loss(answer):
    """my_loss(network, xt, t, eps): the mean squared error, a tensor that has a gradient."""
    my, t, g = Function(answer), torch.arange(400) % 200 + 1, Generator().manual_seed(0)
    for n_dim in (1, 2):
        _check_loss(my, *torch.randn(2, 400, n_dim, generator=g), t)


def _check_loss(my: Function, noisy: Tensor, eps: Tensor, steps: Tensor) -> None:
    weight = torch.ones((), requires_grad=True)

    def answering(share):
        def network(xt, t):
            asked = torch.equal(xt, noisy) and torch.equal(t, steps)
            need(asked, "The network must be asked for xt and t, in this order.")
            return share * weight * eps

        return network

    loss, silent, double = (my(answering(share), noisy, steps, eps) for share in (1, 0, 2))
    shape = tuple(getattr(loss, "shape", ()))
    need(shape == (), f"The loss has shape {shape}, but it must be one number, the mean.")
    loss, silent = (number(found, f"{my.name} returns") for found in (loss, silent))
    need(
        abs(loss) < 1e-6,
        f"A perfect network gets a loss of {loss:.2f}, not 0: look at the two things that are "
        "subtracted, and at their shapes.",
    )
    right = float(eps.square().mean())
    need(
        math.isclose(silent, right, rel_tol=1e-3),
        f"A network that always answers 0 gets {silent:.4g}. The mean square of eps is "
        f"{right:.4g}.",
    )
    flows = isinstance(double, Tensor) and double.requires_grad
    gradient = torch.autograd.grad(double, weight, allow_unused=True)[0] if flows else None
    need(
        gradient is not None and math.isclose(gradient, 4 * right, rel_tol=1e-3),
        "The value is right, but its gradient does not lead back to the network's weights: return "
        "the mean as the tensor it is, neither copied nor detached.",
    )


@check("It asks for every step once, from T down to 1, and its samples follow the truth.")
def sample(answer):
    """my_sample(denoiser, schedule, n, generator): (n, denoiser.n_dim), for any schedule."""
    my = Function(answer)
    denoiser, calls = _watched(DataDenoiser(torch.tensor([[0.7, 0.7]]), OTHER))
    z = my.tensor(denoiser, OTHER, 3, Generator().manual_seed(0), shape=(3, 2))
    need(bool(calls), f"{my.name} never asks the denoiser.")
    asked = [t for _, t in calls]
    order = f"asked {len(asked)} times, first at t = {asked[0]} and last at t = {asked[-1]}"
    right = asked == list(range(20, 0, -1))
    need(right, f"With T = 20, the denoiser must be asked at t = 20, 19, ..., 1. It is {order}.")
    need(
        torch.allclose(z, torch.tensor(0.7), atol=0.01),
        "All data lie at one point, and the denoiser knows it, yet the samples miss it. Look at "
        "the last step, at what a step takes out, and whether every constant is one of the "
        "schedule that is given.",
    )
    z = my.tensor(EXACT, SCHEDULE, 4000, Generator().manual_seed(0), shape=(4000, 1))
    distance, width = metrics.wasserstein(z, TRUTH.quantiles(4000)), float(z.std())
    need(
        distance < 0.08,  # chance: 0.03 in 5 of 100 cases, this in fewer than one of a million
        f"With the exact denoiser, W1 to the truth is {distance:.2f} and the spread {width:.2f} "
        "instead of 1: look at the start, and at the fresh noise.",
    )
    cloud = Mixture(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2))
    denoiser, calls = _watched(ExactDenoiser(cloud, OTHER))

    def ask(seed):
        return my.tensor(denoiser, OTHER, 2000, Generator().manual_seed(seed), shape=(2000, 2))

    z = ask(0)
    start = kstest(calls[0][0].flatten(), "norm")  # an honest start fails once in a million
    need(start.pvalue > 1e-6, "The start must be pure noise: standard normal numbers.")
    together = float(z.T.corrcoef()[0, 1])
    need(
        abs(together) < 0.2,  # chance: 0.02
        f"The two coordinates of a sample have a correlation of {together:.2f}, those of the data "
        "have none. Does each coordinate get fresh noise of its own?",
    )
    need(torch.equal(z, ask(0)), "The same generator gives two results: draw all noise from it.")
    need(not torch.equal(z, ask(1)), "Another seed gives the same points: draw from generator.")


def _watched(exact):
    """A denoiser that answers like `exact`, and the list of its calls: the points and t."""
    calls = []

    def denoiser(xt, t):
        calls.append((xt.detach().clone(), int(torch.as_tensor(t).max())))
        return exact(xt, t)

    denoiser.n_dim, denoiser.n_steps = exact.n_dim, exact.n_steps
    return denoiser, calls


@check("Points of the right shape, new ones in every call, from one and the same law.")
def own_data(answer):
    """my_data(n): n new points of the plane, (n, 2)."""
    my, n = Function(answer), 4000
    my.tensor(5, shape=(5, 2))
    x, y = my.tensor(n, shape=(n, 2)), my.tensor(n, shape=(n, 2))
    need(not torch.equal(x, y), f"{my.name} returns the same points in every call.")
    spread = x.double().std(0)
    need(bool((spread > 0).all()), "One of the coordinates does not vary.")
    need(len(x.unique(dim=0)) > n / 2, "Most points are repeated: give them some width.")
    # Of two honest samples, fewer than one pair in a million is this far apart.
    apart = metrics.sliced_wasserstein(x / spread, y / spread)
    need(apart < 0.15, f"Two calls give different shapes: they are {apart:.2f} apart (SWD).")


@check("Both clouds are counted in the same cells, as shares, and outside counts, too.")
def total_variation(answer):
    """my_total_variation(x, y), on 40 x 40 cells over -2.2..2.2 and one more for the rest."""
    my, g = Function(answer), Generator().manual_seed(0)
    x = torch.randn(2000, 2, generator=g).clamp(-2, 2)
    same = my.number(x, x)
    need(abs(same) < 1e-6, f"A cloud and itself get {same:.2f}, not 0.")
    corners = torch.tensor([[-2.0, -2.0], [2.0, 2.0]])  # so that both have the same range
    left, right = torch.cat([corners, 0.1 * x - 1]), torch.cat([corners, 0.1 * x + 1])
    lost = my.number(left, right)
    need(
        abs(lost) > 0.5,
        f"Two clouds with hardly a cell in common get {lost:.3g}. What becomes of the differences "
        "before they are added up?",
    )
    shrunk = "A cloud and the same at half the size get nearly 0: compare the edges of the cells."
    need(abs(my.number(x, 0.5 * x)) > 0.1, shrunk)
    apart = my.number(0.1 * x - 1, 0.1 * x + 1)
    need(abs(apart - 2) > 0.05, "Two clouds far apart get 2: every misplaced point counts twice.")
    need(abs(apart - 1) < 0.05, f"Two clouds far apart get {apart:.3g}, but all points differ: 1.")
    twice = my.number(x, torch.cat([x, x]))
    need(abs(twice) < 1e-6, f"A cloud and the same with each point twice get {twice:.3g}, not 0.")
    beyond = my.number(x, x + 9)
    need(abs(beyond - 1) < 1e-3, f"If y lies beyond the grid, this gives {beyond:.2f}, not 1.")
    middle = torch.linspace(-2.145, 1.045, 30)
    cells = torch.cartesian_prod(middle, middle)
    within = my.number(cells - 0.05, cells + 0.05)
    need(
        abs(within) < 1e-6,
        f"Two clouds that fill the same cells get {within:.3f}, not 0. Each of 40 x 40 cells over "
        "-2.2..2.2 is 0.11 wide, whatever the points are.",
    )
    sides = my.number(x - 9, x + 9)
    need(abs(sides) < 1e-6, "What lies beyond the grid on different sides is in one cell, too.")
    y = spiral(3000, generator=g)
    for scale in (1, 0.5, 1.3):  # the last reaches beyond the grid
        found, right = my.number(scale * x, y), metrics.total_variation(scale * x, y)
        wrong = f"Two clouds get {found:.3f}, but 40 x 40 cells over -2.2..2.2 give {right:.3f}."
        need(abs(found - right) < 0.01, wrong)


@check("The ends are the two noises, and everything between is standard normal, too.")
def mix(answer):
    """my_mix(a, b, share): noise on the way from a to b, all of (n, k); share in 0..1."""
    my, g = Function(answer), Generator().manual_seed(0)
    a, b = torch.randn(2, 5000, 8, generator=g)
    for share, end, name in ((0.0, a, "a"), (1.0, b, "b")):
        found = my.tensor(a, b, share, shape=(5000, 8))
        need(torch.allclose(found, end, atol=1e-3), f"At share = {share} it must be {name}.")
    for share in (0.25, 0.5, 0.75):
        found = my.same_tensor(a, b, share, shape=(5000, 8))
        var, mean = float(found.var()), float(found.mean())
        need(
            abs(var - 1) < 0.05,  # 40 000 numbers: honest noise is this far off once in 10^11
            f"Half-way noise must still be noise: at share = {share} its variance is {var:.2f}. "
            "Variances of independent numbers add: what do the two factors do to them?",
        )
        need(abs(mean) < 0.05, f"At share = {share} the mean is {mean:.2f}, not 0.")
        both = [float((found * end).mean()) for end in (a, b)]
        need(min(both) > 0.2, f"At share = {share} one of the two has no part in it.")
        still = f"At share = {share} some numbers are still a's or b's: all must be on the way."
        need(not bool(((found == a) | (found == b)).any()), still)
    need(both[1] > both[0], "At share = 0.75 there must be more of b than of a.")


@check("It undoes the standardisation, then decodes.")
def decoded(answer):
    """my_decode(autoencoder, scaler, z0): images (n, 784) from standardised latents (n, k)."""
    my = Function(answer)
    z0 = torch.tensor([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]])
    scaler = Standardizer(torch.tensor([3.0, -2.0]), torch.tensor([4.0, 0.5]))

    class Autoencoder:
        """In place of a trained one: what it decodes, in 0..1, can be read off."""

        def decode(self, z):
            return torch.cat([0.1 * z, 0.2 * z], dim=1).sigmoid()

        def encode(self, image):
            return 10 * image[:, :2].logit()

    autoencoder = Autoencoder()
    found = my.tensor(autoencoder, scaler, z0, shape=(3, 4))
    mistakes = {
        "The decoder gets standardised latents. In which units did it learn to decode?": z0,
        "It standardises once more; that must be undone.": scaler.transform(z0),
        "It scales, and does not shift.": z0 * scaler.std,
        "It shifts, and does not scale.": z0 + scaler.mean,
        "Scale first, then shift: transform did it the other way round.": (z0 + scaler.mean)
        * scaler.std,
    }
    for hint, wrong in mistakes.items():
        need(not torch.allclose(found, autoencoder.decode(wrong)), hint)
    right = autoencoder.decode(scaler.inverse(z0))
    need(torch.allclose(found, right), "These are not the images of these latents.")


@check("The gap between the means, squared, plus that between the spreads.")
def frechet(answer):
    """my_frechet(x, y) for one dimension: (n, 1) and (m, 1) -> a number."""
    my, g = Function(answer), Generator().manual_seed(0)
    x = torch.randn(2000, 1, generator=g)
    same = my.number(x, x.clone())
    need(abs(same) < 1e-4, f"Between a sample and itself it is {same:.3g}, not 0.")
    moved = my.number(x, x + 3)
    root = "The gap between the means must be squared. Is a square missing, or a root too much?"
    need(not math.isclose(moved, 3, rel_tol=0.01), root)
    hint = f"Two equal shapes, 3 apart, get {moved:.3g}. What is left of (3) if C1 = C2?"
    need(math.isclose(moved, 9, rel_tol=0.01), hint)
    wider, y = my.number(x, 3 * (x - x.mean()) + x.mean()), float(x.var())
    need(
        not math.isclose(wider, (8 * y) ** 2, rel_tol=0.02),
        "It compares variances. Put numbers C1 and C2 into (3): what is their sum minus twice the "
        "root of their product?",
    )
    hint = f"A sample and the same three times as wide get {wider:.3g}, and {4 * y:.3g} is right."
    need(math.isclose(wider, 4 * y, rel_tol=0.01), hint)
    both = my.number(x[:500], 2 * x[500:] + 1)
    right = metrics.frechet_distance(x[:500], 2 * x[500:] + 1)
    need(abs(both - right) < 0.01, "With means and spreads that both differ, it is off.")
