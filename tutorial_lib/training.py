"""Training: draw rows of data, make their loss small with Adam, keep an average of the weights."""

import copy
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from tqdm import tqdm

from tutorial_lib._interrupts import interrupts_held
from tutorial_lib._random import draw
from tutorial_lib._silent import check_finite, check_index, check_same_schedule
from tutorial_lib.loss import NoiseLoss
from tutorial_lib.schedule import NoiseSchedule


class RunningMean:
    """Keeps a second network, `network`, whose weights are a mean over the steps of the first.

    About the last tenth of the steps counts most: polynomial-decay averaging (Shamir & Zhang 2013,
    section 4, with eta = 8).
    """

    def __init__(self, latest: nn.Module):
        self.network = copy.deepcopy(latest)
        # Listed here, because walking through a network takes longer than a small step.
        self._pairs = list(zip(self.network.parameters(), latest.parameters()))
        self._buffers = list(zip(self.network.buffers(), latest.buffers()))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights after step 1, 2, ...; step 1 replaces the untrained ones whole."""
        for mean, latest in self._pairs:
            mean.lerp_(latest, 9 / (step + 8))
        for ours, latest in self._buffers:
            ours.copy_(latest)


class Step(NamedTuple):
    """One training step. index: 1, 2, ... over the trainer's life. loss: its batch's mean."""

    index: int
    loss: float


class Trainer:
    """Trains a network on random rows of data with Adam (Ho et al. 2020, algorithm 1).

    network: trained in place, on its own device, in float32 or float64. x0: (n, ...), the data; for
    a denoiser (n, n_dim), in standardised units. objective: what training makes small. A
    NoiseSchedule means the error of the predicted noise, `NoiseLoss`; any other objective is a
    function loss(network, rows, generator=generator) that returns a tensor without dimensions,
    or, with labels, loss(network, rows, labels, generator=generator).

    batch_size: how many rows a step takes. learning_rate: a number, or a function of the step's
    index 1, 2, ... t_weight: how often each t is drawn, see `NoiseLoss`. average: whether to keep a
    running mean of the weights. label: the class of each row, an int or (n,) integers. generator:
    the source of every random number.

    Raises ValueError or TypeError where data, labels or t_weight are not as described, and where a
    denoiser was made for another schedule.
    """

    def __init__(
        self,
        network: nn.Module,
        x0: Tensor,
        objective: NoiseSchedule | Callable[..., Tensor],
        *,
        batch_size: int = 1024,
        learning_rate: float | Callable[[int], float] = 3e-3,
        t_weight: Tensor | None = None,
        average: bool = True,
        label: int | Tensor | None = None,
        generator: Generator | None = None,
    ):
        rate = 0.0 if callable(learning_rate) else learning_rate  # Adam refuses one below 0
        self.optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
        weights = next(network.parameters())
        if weights.dtype not in (torch.float32, torch.float64):  # Adam's steps vanish in others
            raise TypeError(f"network must be in float32 or float64, got {weights.dtype}")
        x0 = x0.detach().to(weights)
        check_finite(x0=x0)  # float64 may be too large for float32
        if isinstance(objective, NoiseSchedule):
            objective = NoiseLoss(objective.to(x0.device), t_weight)
        elif t_weight is not None:
            raise ValueError("t_weight is for a NoiseSchedule as objective, got another objective")
        if isinstance(objective, NoiseLoss):
            check_same_schedule(network, objective.schedule)
            if label is not None:
                label = check_index("label", label, len(x0), 0, network.n_classes - 1)
        self.data = [x0]
        if label is not None:
            self.data.append(torch.as_tensor(label, device=x0.device).expand(len(x0)))
        self.network, self.objective = network, objective
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.running_mean = RunningMean(network) if average else None
        self.generator = generator
        self.steps_made = 0
        self.losses: list[float] = []

    @property
    def denoiser(self) -> nn.Module:
        """The network to sample from: averaged weights if averaging is on."""
        return self.running_mean.network if self.running_mean else self.network

    def train(self, *, steps: int | None = None, seconds: float | None = None, name="training"):
        """Train now, as long as `run` would, and show a bar in text.

        One line stays: the name, the number of steps so far, the mean of the last hundred losses.
        """
        before = self.steps_made

        def loss() -> str:
            last = self.losses[before - self.steps_made :][-100:]
            return f"loss {sum(last) / len(last):.3g}"

        try:
            with tqdm(desc=name, total=steps, leave=False, file=sys.stdout) as bar:
                for _ in self.run(steps=steps, seconds=seconds):
                    if bar.update():
                        bar.set_postfix_str(loss())
        finally:
            if self.steps_made > before:
                print(f"{name}: {self.steps_made} steps, {loss()}")

    def run(self, *, steps: int | None = None, seconds: float | None = None) -> Iterator[Step]:
        """For watching: an iterator that makes one step each time a loop asks for the next.

        Without a loop nothing happens; `train` needs none. Give exactly one of `steps` and
        `seconds`; of the latter at least one step is made. Stop at any time (break, interrupt, end
        of budget): `denoiser` is usable, and the next `run` goes on from there. An interrupt waits
        until the step under way is whole. Raises FloatingPointError for a loss that is not finite,
        ValueError for a learning rate that is negative or not finite, before the weights change.
        """
        if (steps is None) == (seconds is None):
            raise ValueError(f"give one of steps and seconds, got {steps=} and {seconds=}")
        start = time.perf_counter()
        for done in itertools.count():
            if steps is not None and done >= steps:
                return
            if seconds is not None and done and not time.perf_counter() - start < seconds:
                return
            with interrupts_held():
                loss = self._step()
            yield Step(self.steps_made, loss)

    def state(self) -> dict:
        """A copy of all that training goes on from: weights, moments, losses, generator."""
        mean, generator = self.running_mean, self.generator
        return copy.deepcopy(
            {
                "network": self.network.state_dict(),
                "mean": mean and mean.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "steps_made": self.steps_made,
                "losses": self.losses,
                "generator": generator and generator.get_state(),
            }
        )

    def load_state(self, state: dict) -> None:
        """Go on from the `state` of a trainer that was made like this one; ValueError if not."""
        if (self.running_mean is None) != (state["mean"] is None):
            raise ValueError("average must be as in the trainer of which this is the state")
        self.network.load_state_dict(state["network"])
        if self.running_mean:
            self.running_mean.network.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps_made = state["steps_made"]
        self.losses[:] = state["losses"]
        if self.generator:
            self.generator.set_state(state["generator"])

    def _step(self) -> float:
        index, x0 = self.steps_made + 1, self.data[0]
        rate = self.learning_rate(index) if callable(self.learning_rate) else self.learning_rate
        if not 0 <= rate < math.inf:
            raise ValueError(f"learning_rate must be 0 or more, got {rate} at step {index}")
        there = {"device": x0.device, "generator": self.generator}
        rows = draw(torch.randint, len(x0), (self.batch_size,), **there)
        batch = [part[rows] for part in self.data]
        loss = self.objective(self.network, *batch, generator=self.generator)
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss is {value} at step {index}: training has diverged")
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.running_mean:
            self.running_mean.update(index)
        self.losses.append(value)
        self.steps_made = index
        return value
