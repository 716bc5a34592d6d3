"""Checks of notebook 04."""

import itertools
import math

import numpy as np
import torch
from torch import Generator, Tensor

from tutorial_lib.network import Denoiser
from tutorial_lib.oracle import excess_loss
from tutorial_lib.schedule import NoiseSchedule

from .setting import EXACT, SCHEDULE, TRUTH
from .verdict import Function, check, need, number, number_check


@number_check(
    float(SCHEDULE.alpha_bar[1:].mean()),
    within=0.005,
    mistakes={
        "That is the floor of the two humps, of which a point can tell more.": 0.173,
        "Even the best denoiser has a loss: it does not know the noise for sure.": 0,
        "1 is the loss of one that always answers 0.": 1,
    },
    right="For a Gaussian, the best straight line is the best of all.",
)
def gaussian_floor(answer):
    """The loss floor, averaged over t, for data from one Gaussian of variance 1."""


@check("Every t of 1..200 is drawn, by luck alone, and 5 to 30 three times as often as the rest.")
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
    _right_shares(t.bincount(minlength=201)[1:].double())
    _by_luck(t)


def _right_shares(count: Tensor) -> None:
    """count: (200,) how often t = 1..200 were drawn."""
    need(bool((count > 0).all()), f"t = {int(count.argmin()) + 1} is never drawn.")
    often, rest = count[4:30], torch.cat([count[:4], count[30:]])
    together = float(often.sum() / count.sum())
    need(
        together < 0.7,
        f"5..30 make up {together:.0%} of all draws. Three times as often is meant for each single "
        "t: 26 of them come three times as often as each of the 174 others.",
    )
    ratio = float(often.mean() / rest.mean())
    # The ratio has a standard error of 0.03, and a count one of 14 or 25, far from these limits.
    need(abs(ratio - 3) < 0.2, f"5..30 come {ratio:.1f} times as often as the others, not 3 times.")
    clear = bool(often.min() > 400 > rest.max())
    need(clear, "Not all of 5..30, and only those, come more often: look at both ends.")


def _by_luck(t: Tensor) -> None:
    """Whether one draw tells nothing of the next, and the counts scatter as luck has it."""
    neighbours = float(torch.stack([t[:-1], t[1:]]).double().corrcoef()[0, 1])
    need(
        abs(neighbours) < 0.03,  # of luck: 0.0045
        f"Two draws in a row have a correlation of {neighbours:.2f}: each must be drawn by itself.",
    )
    expected = torch.ones(201, dtype=torch.double)
    expected[0], expected[5:31] = 0, 3
    expected *= len(t) / expected.sum()
    count = t.bincount(minlength=201)
    scatter = float(((count - expected)[1:].square() / expected[1:]).mean())
    need(
        0.55 < scatter < 1.6,  # of luck: 1, with a standard error of 0.1
        f"How often each t comes scatters {'less' if scatter < 1 else 'more'} than luck would have "
        "it: each t must be drawn by itself, whatever was drawn before.",
    )


@check("The average takes the first weights whole, forgets them in time, and smooths.")
def running_mean(answer):
    """my_update(mean, latest, step): the new mean of the weights; step = 1, 2, ..."""
    my = Function(answer)
    my.tensor(torch.zeros(2, 3), torch.ones(2, 3), 1, shape=(2, 3))
    jumps = (-1.0) ** torch.arange(1001)
    unit = torch.eye(1001)  # the weights of step k are 1 at place k and 0 elsewhere
    mean = unit[0]
    for step in range(1, 1001):
        # so place k of the mean is the share of step k in it, and place 0 that of the start
        mean = my.tensor(mean, unit[step], step, shape=(1001,))
        _legal_shares(mean, step)
        left = float(abs(mean @ jumps))
        if step >= 300:
            jump = f"Weights that jump between 1 and -1 leave {left:.2f} at step {step}"
            need(left < 0.3, f"{jump}: that is no average.")
    old = float(mean[1:501].sum())
    need(old < 0.1, f"After 1000 steps, {old:.0%} of the mean comes from the first 500 steps.")


def _legal_shares(share: Tensor, step: int) -> None:
    """The mean consists of what it was told, in shares that add up to 1. share: (1001,)."""
    kept, five = float(share[0]), 5 * float(share.sum())
    need(
        abs(kept) < 1e-3,
        f"After step {step}, {kept:.0%} of the mean is still its start, the untrained weights. The "
        "first weights must be taken whole: how much should the latest count at step 1?",
    )
    need(
        abs(five - 5) < 0.01,
        f"If all weights are 5, the mean must be 5, and at step {step} it is {five:.3g}.",
    )
    least = float(share.min())
    need(least > -1e-3, f"At step {step}, some weights have a share of {least:.2f} in the mean.")


@check("The loop trains: every t, fresh points and noise, and one step down for each loss.")
def training_loop(answer):
    """my_train(network, x0, schedule, steps, generator): the losses; the network is trained.

    Each step takes random rows of x0, a t of 1..T for each, and fresh noise, all from `generator`.
    """
    my, steps = Function(answer), 20

    def run() -> tuple[_Probe, list[float]]:
        probe = _Probe(steps)
        found = my(probe, probe.x0, probe.schedule, steps, Generator().manual_seed(0))
        found = found.tolist() if isinstance(found, Tensor | np.ndarray) else found
        several = isinstance(found, list | tuple) and len(found) == steps
        need(several, f"{my.name} must return the losses, one for each of the {steps} steps.")
        return probe, [number(loss, "A loss is") for loss in found]

    probe, losses = run()
    _asked_well(probe)
    _steps_down(probe)
    _right_losses(probe, losses)
    need(losses == run()[1], "The same generator gives other losses: draw all from it alone.")
    network = Denoiser(1, 200, 32, generator=Generator().manual_seed(0))
    x0 = TRUTH.sample(2_000, generator=Generator().manual_seed(1))
    my(network, x0, SCHEDULE, 300, Generator().manual_seed(2))
    excess = sum(excess_loss(network, EXACT, t) for t in range(3, 201, 4)) / 50
    need(
        excess < 0.05,
        f"After 300 steps on the two humps, the excess is {excess:.2g}. That of the best straight "
        "line is 0.02. Is the learning rate far from 0.003, or the batch small?",
    )


@check("The loss is the mean of squared errors, for points, times and noise that are drawn anew.")
def denoising_loss(answer):
    """my_loss(network, x0, schedule, generator): the loss of a fresh batch, with its gradient."""
    my, steps = Function(answer), 20

    def run() -> tuple[_Probe, list[float]]:
        probe, g = _Probe(steps), Generator().manual_seed(0)
        losses = [my(probe, probe.x0, probe.schedule, g) for _ in range(steps)]
        flows = all(isinstance(loss, Tensor) and loss.requires_grad for loss in losses)
        numbers = [number(loss, f"{my.name} returns") for loss in losses]
        need(flows, "The loss has no gradient: return the tensor itself, not its value.")
        return probe, numbers

    probe, losses = run()
    _asked_well(probe)
    _right_losses(probe, losses)
    need(losses == run()[1], "The same generator gives other losses: draw all from it alone.")


class _Probe(torch.nn.Module):
    """A network that knows the noise in xt, answers `weight` times it, and takes notes.

    Its data are 50 values so far apart, and its ten steps so mild, that xt tells value and noise.
    """

    schedule = NoiseSchedule.linear(10, 0.01, 0.1)
    x0 = 20.0 * torch.arange(50.0).repeat_interleave(40)[:, None]  # (2000, 1)

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.n_dim, self.n_steps = steps, 1, 10
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.weights, self.t, self.value, self.eps = [], [], [], []  # at each step
        self.gradient, self.summed = [], []  # of each backward pass, and what .grad is then
        self.weight.register_hook(lambda gradient: self.gradient.append(gradient.clone()))
        self.weight.register_post_accumulate_grad_hook(lambda w: self.summed.append(w.grad.clone()))

    def forward(self, xt, t):
        need(len(self.t) < self.steps, f"It does not stop after {self.steps} steps, when told to.")
        points = isinstance(xt, Tensor) and xt.ndim == 2 and xt.shape[1] == 1
        need(points, "The network must be asked for xt, of shape (n, 1), and t, in this order.")
        several = isinstance(t, Tensor) and t.numel() > 1
        need(several, "One t serves the whole batch: each row needs a t of its own.")
        need(t.shape == (len(xt),), f"t has shape {tuple(t.shape)}, not ({len(xt)},).")
        need(not t.is_floating_point(), "t must be whole numbers.")
        low, high = int(t.min()), int(t.max())
        need(low >= 1, f"t = {low} is drawn. At t = 0 there is no noise, and nothing to learn.")
        need(high <= 10, f"t = {high} is drawn, but this schedule has ten steps.")
        alpha_bar = self.schedule.alpha_bar[t.long()][:, None]
        value = (xt.detach() / alpha_bar.sqrt() / 20).round().clamp(0, 49)
        eps = (xt.detach() - alpha_bar.sqrt() * 20 * value) / (1 - alpha_bar).sqrt()
        self.weights.append(float(self.weight))
        for notes, new in (self.t, t.clone()), (self.value, value), (self.eps, eps):
            notes.append(new)
        return self.weight * eps


def _asked_well(probe: _Probe) -> None:
    """Every t, row and noise of the run is drawn as it should be."""
    asked = len(probe.t)
    need(asked == probe.steps, f"In {probe.steps} steps the network is asked {asked} times.")
    alike = "One t serves the whole batch: each row needs a t of its own."
    need(all(len(batch.unique()) > 1 for batch in probe.t), alike)
    alike = "All rows of a batch get the same noise: each row needs its own."
    need(all(float(batch.std()) > 0.1 for batch in probe.eps), alike)
    for k in range(1, asked):
        for name, notes in ("noise", probe.eps), ("t", probe.t), ("points", probe.value):
            new, old = notes[k].float(), notes[k - 1].float()
            again = new.shape == old.shape and torch.allclose(new, old, atol=0.02)
            need(not again, f"Steps {k} and {k + 1} have the same {name}: what is drawn anew?")
    t, value, eps = map(torch.cat, (probe.t, probe.value, probe.eps))
    mean, std = float(eps.mean()), float(eps.std())
    need(
        abs(mean) < 0.15 and abs(std - 1) < 0.15,
        f"The noise in xt has mean {mean:.2f} and standard deviation {std:.2f} if the network is "
        "told the truth about t. Is the noise standard normal, and is it the same t?",
    )
    for now in range(1, 11):
        need(bool((t == now).any()), f"t = {now} is never drawn; the last step here is 10.")
    need(len(value.unique()) == 50, "Some rows of x0 are never used: draw from all of them.")


def _right_losses(probe: _Probe, losses: list[float]) -> None:
    """Each loss is the mean squared error of its step."""
    for k, (loss, weight, eps) in enumerate(zip(losses, probe.weights, probe.eps), 1):
        error = weight * eps - eps
        right = float(error.square().mean())
        if math.isclose(loss, right, rel_tol=0.01, abs_tol=1e-4):
            continue
        need(
            not math.isclose(loss, float((weight * eps - eps.T).square().mean()), rel_tol=0.01),
            "In the loss every answer is compared with every noise: a column meets a row, and the "
            "difference is a table. Look at both shapes.",
        )
        need(
            not math.isclose(loss, float(error.mean().square()), rel_tol=0.01, abs_tol=1e-6),
            "Errors of opposite sign cancel in this loss. Which must come first, mean or square?",
        )
        need(
            False,
            f"The loss of step {k} is {loss:.3g}. The mean square of answer minus noise, for the "
            f"noise that is in xt, is {right:.3g}.",
        )


def _steps_down(probe: _Probe) -> None:
    """Each step moves the weight, by its own gradient alone."""
    need(len(probe.gradient) > 0, "No gradient reaches the weights: is there a backward pass?")
    weights = [*probe.weights, float(probe.weight)]
    for k, (before, after) in enumerate(itertools.pairwise(weights), 1):
        moved = f"Step {k} leaves the weights as they were: who changes them, and which ones?"
        need(before != after, moved)
    for own, summed in zip(probe.gradient, probe.summed):
        need(
            torch.allclose(own, summed, rtol=1e-3),
            "The gradients of earlier steps are still there, and each new one is added to them: "
            "set them to zero once a step.",
        )
