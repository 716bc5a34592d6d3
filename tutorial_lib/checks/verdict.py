"""What all checks share: verdicts, and answers that are safe to examine.

A check looks at one property of an answer after the other, and raises `Wrong` at the first that
does not hold. `check` turns that into a `Verdict`, and `number_check` makes a whole check of a
question whose answer is a number.
"""

import copy
import functools
import html
import inspect
import math
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Generator, Tensor

from tutorial_lib.data import Standardizer
from tutorial_lib.palette import ROLES
from tutorial_lib.schedule import NoiseSchedule

# For each notebook, which of its checks hold. It lists all of them: `check` enters each here.
HOLDS: dict[str, dict[str, bool]] = defaultdict(dict)
# A sign in the palette's green, orange or grey, and what a screen reader says for it.
SIGNS = {
    "right": ("✓", ROLES["data"], "right"),
    "wrong": ("→", ROLES["truth"], "not right yet"),
    "missing": ("○", ROLES["chance"], "no answer yet"),
}
# What a function could alter.
NAMES = {NoiseSchedule: "the schedule", Standardizer: "the scaler", Tensor: "a tensor"}


@dataclass(frozen=True)
class Verdict:
    """What a check says: true if the answer is right, and shown as a sign and a sentence or two.

    kind: one of SIGNS. text: what is right, or what is wrong. notebook, check: whose verdict it is.
    """

    kind: str
    text: str
    notebook: str
    check: str

    @property
    def passed(self) -> bool:
        return self.kind == "right"

    def __bool__(self) -> bool:
        return self.passed

    def _count(self) -> str:
        # A verdict counts when it is shown. So a solution, whose verdict is only asserted, does
        # not count for the learner.
        checks = HOLDS[self.notebook]
        checks[self.check] = self.passed
        return f"{sum(checks.values())} of {len(checks)} checks hold so far."

    def __repr__(self) -> str:
        return f"{SIGNS[self.kind][0]} {self.text} {self._count()}"

    def _repr_html_(self) -> str:
        sign, color, spoken = SIGNS[self.kind]
        return (
            f'<div style="border-left: 4px solid {color}; padding: 2px 10px">'
            f'<b role="img" aria-label="{spoken}" style="color: {color}">{sign}</b>'
            f' {html.escape(self.text)} <span style="opacity: 0.8">{self._count()}</span></div>'
        )


class Wrong(Exception):
    """What is wrong with an answer, in words for its author."""


class Missing(Wrong):
    """There is no answer yet."""


def need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Wrong(otherwise)


def check(right: str) -> Callable:
    """Turn a function that raises `Wrong` into a check; `right` is the verdict if it does not."""

    def decorate(examine: Callable) -> Callable:
        notebook, name = examine.__module__, examine.__name__
        HOLDS[notebook][name] = False

        @functools.wraps(examine)
        def verdict(*answers) -> Verdict:
            try:
                if not answers or any(map(is_missing, answers)):
                    raise Missing("Nothing to check yet: put your answer in the cell above.")
                with _float32(), warnings.catch_warnings(action="ignore"):
                    examine(*answers)
            except Wrong as wrong:
                kind = "missing" if isinstance(wrong, Missing) else "wrong"
                return Verdict(kind, str(wrong), notebook, name)
            except Exception as error:  # an answer like nothing that was thought of
                text = f"This answer cannot be checked: {_first_line(error)}."
                return Verdict("wrong", text, notebook, name)
            return Verdict("right", f"Right. {right}", notebook, name)

        return verdict

    return decorate


def number_check(value: float, *, within: float, mistakes: dict[str, float], right: str):
    """Turn a question, a function without a body, into a check of its answer, which is `value`.

    mistakes: how one comes to some other numbers. within: how far off an answer may be.
    """

    def decorate(question: Callable) -> Callable:
        @functools.wraps(question)
        def examine(answer):
            found = number(answer)
            if abs(found - value) <= within:
                return
            for hint, mistake in mistakes.items():
                need(abs(found - mistake) > within, hint)
            raise Wrong(f"{found:.4g} is too {'large' if found > value else 'small'}.")

        return check(right)(examine)

    return decorate


@contextmanager
def _float32():
    """PyTorch's own precision, for whoever has chosen another one in the notebook."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def is_missing(answer) -> bool:
    return answer is None or answer is ...


def number(answer, subject: str = "This is") -> float:
    """The one number that an answer is."""
    if isinstance(answer, Tensor | np.ndarray | np.generic) and math.prod(answer.shape) == 1:
        answer = answer.item()
    shape = f" of shape {tuple(answer.shape)}" if hasattr(answer, "shape") else ""
    wrong = f"{subject} a {type(answer).__name__}{shape}; one number is expected."
    need(isinstance(answer, Real) and not isinstance(answer, bool), wrong)
    need(math.isfinite(answer), f"{subject} {answer}; a finite number is expected.")
    return float(answer)


class Function:
    """A learner's function, safe to call: every fault becomes a `Wrong` that shows the call.

    It gets copies of what it could alter, and an answer that alters them is told so.
    """

    def __init__(self, answer):
        kind = type(answer).__name__
        need(callable(answer), f"This must be a function, not a {kind}. Give it without brackets.")
        self.answer = answer
        self.name = _short(getattr(answer, "__name__", "your function"), 40)

    def __call__(self, *arguments):
        given = list(map(_copy, arguments))
        try:
            value = self.answer(*given)
        except Wrong:  # from a network or a model of ours, which the function has called
            raise
        except Exception as error:
            raise Wrong(f"{self._call(arguments)} raised {self._what_and_where(error)}.") from None
        if is_missing(value):
            raise Missing(f"{self.name} returns nothing yet.")
        for before, after in zip(arguments, given):
            need(
                all(map(torch.equal, _parts(before), _parts(after))),
                f"{self.name} changes {NAMES.get(type(before))} that it is given, which others may "
                "still need: make a new tensor (+= and **= alter the old one).",
            )
        return value

    def tensor(self, *arguments, shape: tuple[int, ...], if_nan: str = "") -> Tensor:
        """The call's value in float32, if it is a floating-point tensor of this shape, no NaN."""
        value, call = self(*arguments), self._call(arguments)
        need(isinstance(value, Tensor), f"{call} returns a {type(value).__name__}, not a tensor.")
        found = tuple(value.shape)
        crossed = found != shape and found == (shape[0], shape[0]) != (1, 1)
        hint = " A column met a row: look at the shape of each factor." if crossed else ""
        need(found == shape, f"{call} returns shape {found} where {shape} should come out.{hint}")
        need(value.dtype.is_floating_point, f"{call} returns {value.dtype}, not decimal numbers.")
        need(bool(value.isfinite().all()), f"{call} returns NaN or infinite values.{if_nan}")
        return value.detach().float()

    def same_tensor(self, *arguments, shape: tuple[int, ...]) -> Tensor:
        """As `tensor`, if a second call gives the same."""
        value = self.tensor(*arguments, shape=shape)
        same = "gives two answers to one question: use the noise that it is given, draw none."
        need(torch.equal(value, self.tensor(*arguments, shape=shape)), f"{self.name} {same}")
        return value

    def number(self, *arguments) -> float:
        return number(self(*arguments), f"{self.name} returns")

    def gives(self, right: float, *arguments, within: float = 1e-4, otherwise: str) -> None:
        """`otherwise` says what is wrong if another number comes out, which is the {} in it."""
        found = self.number(*arguments)
        need(abs(found - right) < within, otherwise.format(f"{found:.3g}"))

    def _call(self, arguments: tuple) -> str:
        return _short(f"{self.name}({', '.join(map(_show, arguments))})", 100)

    def _what_and_where(self, error: Exception) -> str:
        """The error, and the line of the answer that it comes from, if it comes from one."""
        code = getattr(inspect.unwrap(self.answer), "__code__", None)
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if code and frame.filename == code.co_filename]
        where = f', in line {own[-1].lineno}, "{_short(own[-1].line, 40)}"' if own else ""
        return _first_line(error) + where


def _copy(value):
    """What a function gets in place of something that it could alter."""
    if isinstance(value, Tensor):
        return value.clone()
    return copy.deepcopy(value) if type(value) in NAMES else value


def _parts(value) -> list[Tensor]:
    """The tensors of an argument that a function could alter."""
    if isinstance(value, NoiseSchedule):
        return [value.beta, value.alpha, value.alpha_bar, value.sigma, value.sigma_posterior]
    if isinstance(value, Standardizer):
        return [value.mean, value.std]
    return [value] if isinstance(value, Tensor) else []


def _show(value) -> str:
    """An argument as its reader could type it, if it is short enough for that."""
    if isinstance(value, Tensor):
        if value.numel() > 6:
            return f"<tensor {tuple(value.shape)}>"
        exact = value.double() if value.is_floating_point() else value  # 0.6 is 0.60000002 else
        return f"torch.tensor({np.round(exact.numpy(), 4).tolist()})"
    if isinstance(value, NoiseSchedule):
        return "schedule" if value.n_steps == 200 else f"<schedule of {value.n_steps} steps>"
    if isinstance(value, Generator):
        return "torch.Generator()"
    if isinstance(value, int | float):
        return repr(value)
    return getattr(value, "__name__", f"<{type(value).__name__}>")


def _first_line(error: Exception) -> str:
    line = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return _short(line.rstrip(".: "), 110)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
