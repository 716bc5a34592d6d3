"""Training: draw data, timesteps and noise; predict the noise; step down the squared error."""

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss

from tutorial_lib._arguments import (
    a_generator,
    finite,
    finite_loss,
    fits,
    integer,
    labels,
    points,
    positive,
    precision,
    same_schedule,
    same_shape,
)
from tutorial_lib._random import draw
from tutorial_lib.forward import diffuse
from tutorial_lib.schedule import NoiseSchedule


class Step(NamedTuple):
    """One training step. index: 1, 2, ... over the trainer's life. loss: its batch's mean."""

    index: int
    loss: float


class Trainer:
    """Trains `denoiser` on the rows of x0 with Adam (Ho et al. 2020, algorithm 1).

    denoiser: maps (xt, t) to eps_hat, with attributes n_dim and n_steps, in float32 or float64; it
    is trained in place. x0: (n, n_dim), finite, in standardised units. learning_rate: a number, or
    a function of the step's index (1, 2, ...) that is never negative. t_weight: (T+1,), how often
    each t is drawn, relative to the others, entry 0 left aside, and in every batch alike (one from
    each n-th of the range, as Kingma et al. 2021, appendix I.1, do with a random shift for all);
    each of 1..T as likely as any other where not given. average: keep a running mean of the
    weights, which weighs the last tenth or so of the steps most, and sample from that.
    label: an int or (n,) int64, the class of each row of x0, for a denoiser with classes; one row
    in ten is shown without it, so that the network knows both cases (Ho & Salimans 2022,
    algorithm 1). generator: source of every random number. All work is done where the denoiser is.

    Raises ValueError or TypeError where n_dim, schedule, x0, t_weight, label or a number does not
    fit.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        x0: Tensor,
        schedule: NoiseSchedule,
        *,
        batch_size: int = 1024,
        learning_rate: float | Callable[[int], float] = 3e-3,
        t_weight: Tensor | None = None,
        average: bool = True,
        label: int | Tensor | None = None,
        generator: Generator | None = None,
    ):
        points("x0", x0, denoiser.n_dim)
        same_schedule(denoiser, schedule)
        if not callable(learning_rate):
            positive("learning_rate", learning_rate)
        precision(denoiser)
        weights = next(denoiser.parameters())
        self.network, self.schedule = denoiser, schedule.to(weights.device)
        # Its device and its dtype: NumPy's data are float64, and may be too large for float32.
        self.x0 = finite("x0", x0.detach().to(weights))
        if label is not None:
            label, n_classes = torch.as_tensor(label), getattr(denoiser, "n_classes", 0)
            label = labels(label, len(x0), 0, n_classes, weights.device)
        self.label = label
        self.t_weight = None if t_weight is None else _t_weight(t_weight, self.schedule)
        self.batch_size = integer("batch_size", batch_size, 1)
        fits("batch_size", batch_size, batch_size * getattr(denoiser, "n_hidden", 1))
        self.learning_rate, self.generator = learning_rate, a_generator(generator)
        self.optimizer = torch.optim.Adam(denoiser.parameters(), fused=True)
        self.average = copy.deepcopy(denoiser).requires_grad_(False) if average else None
        modules = (self.average, denoiser) if average else ()
        self._pairs = list(zip(*(module.parameters() for module in modules)))  # slow, so but once
        self._buffers = list(zip(*(module.buffers() for module in modules)))
        self.losses: list[float] = []

    @property
    def denoiser(self) -> nn.Module:
        """The network to sample from: averaged weights if averaging is on."""
        return self.network if self.average is None else self.average

    def batch(self) -> tuple[Tensor, ...]:
        """A random batch: x0 (batch_size, n_dim), t (batch_size,) in 1..T, eps like x0.

        With labels, also those: (batch_size,), -1 where the label is withheld.
        """
        n, (n_data, n_dim) = self.batch_size, self.x0.shape
        there = {"device": self.x0.device, "generator": self.generator}
        rows = draw(torch.randint, n_data, (n,), **there)
        if self.t_weight is None:
            t = draw(torch.randint, 1, self.schedule.n_steps + 1, (n,), **there)
        else:  # where n numbers, a random one in each n-th of 0..1, fall among the summed weights
            share = (torch.arange(n, device=there["device"]) + draw(torch.rand, n, **there)) / n
            t = torch.searchsorted(self.t_weight, share.clamp(max=1 - 1e-7), right=True)
        batch = self.x0[rows], t, draw(torch.randn, n, n_dim, **there).to(self.x0.dtype)
        if self.label is None:
            return batch
        withheld = draw(torch.rand, n, **there) < 0.1
        return *batch, torch.where(withheld, -1, self.label[rows])

    def run(self, *, steps: int | None = None, seconds: float | None = None) -> Iterator[Step]:
        """Train for a number of steps or of seconds, yielding after each step.

        Give exactly one of `steps` (>= 1) and `seconds` (> 0); at least one step is made. Stop it
        at any time (break, interrupt, end of budget): `denoiser` is usable and the next `run`
        goes on from there. An interrupt waits until the step under way is whole. Raises
        FloatingPointError if a loss is not finite, ValueError if a learning rate is not, or falls
        below 0; the weights are then still those of the step before.
        """
        if (steps is None) == (seconds is None):
            raise ValueError(f"give one of steps and seconds, got {steps=} and {seconds=}")
        if steps is not None:
            integer("steps", steps, 1, size=False)
        else:
            positive("seconds", seconds)
        return self._run(steps, seconds)

    def _run(self, steps: int | None, seconds: float | None) -> Iterator[Step]:
        start, done = time.perf_counter(), 0
        while done < steps if steps else not done or time.perf_counter() - start < seconds:
            with interrupts_held():
                loss = self._step()
            done += 1
            yield Step(len(self.losses), loss)

    def _step(self) -> float:
        index = len(self.losses) + 1
        x0, t, eps, *label = self.batch()
        eps_hat = self.network(diffuse(self.schedule, x0, t, eps), t, *label)
        same_shape("eps", eps, "the denoiser's answer", eps_hat)
        loss = mse_loss(eps_hat, eps)
        value = finite_loss(loss.item(), index)
        rate = self.learning_rate(index) if callable(self.learning_rate) else self.learning_rate
        if not 0 <= rate < math.inf:
            raise ValueError(
                f"learning_rate must be at least 0 and finite, got {rate} at step {index}"
            )
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._update_average(9 / (index + 8))
        self.losses.append(value)
        return value

    @torch.no_grad()
    def _update_average(self, weight: float) -> None:
        # Polynomial-decay averaging (Shamir & Zhang 2013, section 4, with eta = 8). The first step
        # takes the weights whole, so the mean never has to catch up with its start.
        for mean, latest in self._pairs:
            mean.lerp_(latest, weight)
        for ours, latest in self._buffers:
            ours.copy_(latest)


def _t_weight(t_weight: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The summed shares of t = 0..T, float32, of which the last is 1 and the first 0."""
    weight = torch.as_tensor(t_weight, device="cpu").double()
    same_shape("t_weight", weight, "schedule.beta", schedule.beta)
    low, high = finite("t_weight", weight)[1:].aminmax()
    if low < 0 or high == 0:
        raise ValueError(
            "t_weight[1..T] must be >= 0 with a positive sum, "
            f"got values from {float(low)} to {float(high)}"
        )
    summed = torch.cat([weight[:1] * 0, weight[1:] / high]).cumsum(0)
    return (summed / summed[-1]).float().to(schedule.beta.device)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let Ctrl-C (or the notebook's stop button) wait until the block is done."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield  # interrupts go to the main thread, and not to Python if their handler is not its own
        return
    held = []
    signal.signal(signal.SIGINT, lambda *_: held.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)  # Python's own handler raises KeyboardInterrupt
