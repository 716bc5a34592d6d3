"""What all checks share: verdicts, and answers that are safe to examine."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Generator, Tensor

from tutorial_lib.data import Standardizer, two_modes
from tutorial_lib.oracle import ExactDenoiser
from tutorial_lib.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(n_steps=200, beta_min=1e-4, beta_max=0.2)
# For answers that take their constants from the notebook, not from the schedule they are given.
OTHER = NoiseSchedule.linear(n_steps=20, beta_min=0.01, beta_max=0.6)
TRUTH = two_modes().standardized(Standardizer(torch.tensor([0.2]), torch.tensor([0.5])))
EXACT = ExactDenoiser(TRUTH, SCHEDULE)


@dataclass(frozen=True)
class Verdict:
    """passed: whether the answer is right. text: what is right, or what is wrong."""

    passed: bool
    text: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return self.text


class Wrong(Exception):
    """What is wrong with an answer, in words for its author."""


def need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Wrong(otherwise)


def check(right: str) -> Callable:
    """Turn a function that raises `Wrong` into a check; `right` is the verdict if it does not."""

    def decorate(examine: Callable) -> Callable:
        @functools.wraps(examine)
        def verdict(*answers) -> Verdict:
            try:
                missing = not answers or any(answer is None or answer is ... for answer in answers)
                need(not missing, "Nothing to check yet: put your answer in the cell above.")
                examine(*answers)
            except Wrong as wrong:
                return Verdict(False, str(wrong))
            except Exception as error:  # an answer like nothing that was thought of
                return Verdict(False, f"This answer cannot be checked: {_first_line(error)}.")
            return Verdict(True, f"Right. {right}")

        return verdict

    return decorate


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}".rstrip(".: ")


def _show(value) -> str:
    """An argument as its reader could type it, if it is short enough for that."""
    if isinstance(value, Tensor):
        if value.numel() > 6:
            return f"<tensor {tuple(value.shape)}>"
        exact = value.double() if value.is_floating_point() else value  # 0.6 is 0.60000002 else
        return f"torch.tensor({np.round(exact.numpy(), 4).tolist()})"
    if isinstance(value, NoiseSchedule):
        return "schedule" if value is SCHEDULE else f"<schedule of {value.n_steps} steps>"
    if isinstance(value, Generator):
        return "torch.Generator()"
    if isinstance(value, int | float):
        return repr(value)
    return getattr(value, "__name__", f"<{type(value).__name__}>")


class Function:
    """A learner's function, safe to call: every fault becomes a `Wrong` that shows the call."""

    def __init__(self, answer):
        kind = type(answer).__name__
        need(callable(answer), f"This must be a function, not a {kind}. Give it without brackets.")
        self.answer, self.name = answer, getattr(answer, "__name__", "your function")

    def _text(self, arguments: tuple) -> str:
        return f"{self.name}({', '.join(map(_show, arguments))})"

    def __call__(self, *arguments):
        given = [value.clone() if isinstance(value, Tensor) else value for value in arguments]
        try:
            value = self.answer(*given)
        except Wrong:  # from a network or a model of ours, which the function has called
            raise
        except Exception as error:
            raise Wrong(f"{self._text(arguments)} raised {_first_line(error)}.") from None
        need(value is not None and value is not ..., f"{self.name} returns nothing yet.")
        for before, after in zip(arguments, given):
            need(
                not isinstance(before, Tensor) or torch.equal(before, after),
                f"{self.name} changes a tensor that it is given. Its caller may still need the old "
                "values: make a new tensor (operators such as += alter the old one).",
            )
        return value

    def tensor(self, *arguments, shape: tuple[int, ...]) -> Tensor:
        """The call's value in float32, if it is a floating-point tensor of this shape, no NaN."""
        value, call = self(*arguments), self._text(arguments)
        need(isinstance(value, Tensor), f"{call} returns a {type(value).__name__}, not a tensor.")
        found = tuple(value.shape)
        crossed = found != shape and found == (shape[0], shape[0]) != (1, 1)
        hint = " A column met a row: look at the shape of each factor." if crossed else ""
        need(found == shape, f"{call} returns shape {found} where {shape} should come out.{hint}")
        need(value.dtype.is_floating_point, f"{call} returns {value.dtype}, not decimal numbers.")
        need(bool(value.isfinite().all()), f"{call} returns NaN or infinite values.")
        return value.detach().float()

    def same_tensor(self, *arguments, shape: tuple[int, ...]) -> Tensor:
        """As `tensor`, if a second call gives the same."""
        value = self.tensor(*arguments, shape=shape)
        same = "gives two answers to one question: use the noise that it is given, draw none."
        need(torch.equal(value, self.tensor(*arguments, shape=shape)), f"{self.name} {same}")
        return value

    def number(self, *arguments) -> float:
        return number(self(*arguments), f"{self.name} returns")


def number(answer, subject: str = "This is") -> float:
    if isinstance(answer, Tensor | np.ndarray | np.generic) and math.prod(answer.shape) == 1:
        answer = answer.item()
    shape = f" of shape {tuple(answer.shape)}" if hasattr(answer, "shape") else ""
    wrong = f"{subject} a {type(answer).__name__}{shape}; one number is expected."
    need(isinstance(answer, Real) and not isinstance(answer, bool), wrong)
    need(math.isfinite(answer), f"{subject} {answer}; a finite number is expected.")
    return float(answer)
