"""Checks of notebook 04."""

import math

import torch
from torch import Generator, Tensor

from .setting import SCHEDULE
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
        if step >= 100:
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


@check("A perfect network gets 0, one that always answers 0 gets 1, and gradients flow.")
def denoising_loss(answer):
    """my_loss(network, xt, t, eps): the mean squared error, a tensor that has a gradient."""
    my, t, g = Function(answer), torch.arange(400) % 200 + 1, Generator().manual_seed(0)
    for n_dim in (1, 2):
        _value_and_gradient(my, *torch.randn(2, 400, n_dim, generator=g), t)


def _value_and_gradient(my: Function, noisy: Tensor, eps: Tensor, steps: Tensor) -> None:
    weight = torch.ones((), requires_grad=True)

    perfect, silent, double = (
        my(_network(share * weight * eps, noisy, steps), noisy, steps, eps) for share in (1, 0, 2)
    )
    shape, right = tuple(getattr(perfect, "shape", ())), float(eps.square().mean())
    need(shape == (), f"The loss has shape {shape}, but it must be one number, the mean.")
    loss, of_silence = (number(found, f"{my.name} returns") for found in (perfect, silent))
    need(
        abs(loss) < 1e-6,
        f"A perfect network gets a loss of {loss:.2f}, not 0: look at the two things that are "
        "subtracted, and at their shapes.",
    )
    need(
        math.isclose(of_silence, right, rel_tol=1e-3),
        f"A network that always answers 0 gets {of_silence:.4g}. The mean square of eps is "
        f"{right:.4g}.",
    )
    flows = isinstance(double, Tensor) and double.requires_grad
    gradient = torch.autograd.grad(double, weight, allow_unused=True)[0] if flows else None
    need(
        gradient is not None and math.isclose(gradient, 4 * right, rel_tol=1e-3),
        "The value is right, but its gradient does not lead back to the network's weights: return "
        "the mean as the tensor it is, neither copied nor detached.",
    )


def _network(answer: Tensor, noisy: Tensor, steps: Tensor):
    """A network that has this answer, if it is asked what it should be asked."""

    def network(xt, t):
        asked = torch.equal(xt, noisy) and torch.equal(t, steps)
        need(asked, "The network must be asked for xt and t, in this order.")
        return answer

    return network
