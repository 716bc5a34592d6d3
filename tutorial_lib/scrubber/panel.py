"""A panel: one description of what is drawn, which the browser and the film strip both follow.

A panel has a frame (limits, labels, shape) and layers (bars, a line, dots, arrows, cells, pixels),
each with its colours. `scrubber.js` draws the layers of every frame, `strip.py` those of a few.
"""

from dataclasses import dataclass

import numpy as np

from ..palette import ROLES
from .encode import Track
from .texts import plain_text


@dataclass(frozen=True)
class Panel:
    """A picture that changes with t.

    spec: how it is drawn, as JSON. tracks: its numbers by name. texts: one for each frame, or one.
    """

    spec: dict
    tracks: dict[str, Track]
    texts: list[str]

    @property
    def n_frames(self) -> int:
        return max(len(track.values) for track in self.tracks.values())

    def at(self, frame: int) -> dict[str, np.ndarray]:
        """The values of all tracks in one frame; constant tracks have only one."""
        return {
            name: track.values[frame if len(track.values) > 1 else 0]
            for name, track in self.tracks.items()
        }


def make_spec(layers, title, limits, y_limits, x_label, y_label, aspect=None) -> dict:
    """How a panel is drawn. limits, y_limits: the ends [low, high] of its axes, or None.

    aspect: height over width, or None where any will do.
    """
    texts = {"title": title, "x_label": x_label, "y_label": y_label}
    frame = {"limits": limits, "y_limits": y_limits, "aspect": aspect}
    return {name: plain_text(text) for name, text in texts.items()} | frame | {"layers": layers}


def make_layer(mark: str, colors: list[str], labels=(), **style) -> dict:
    """One thing drawn in a panel: `mark` says how, and the legend names `colors` by `labels`."""
    legend = [[plain_text(label), colors[k]] for k, label in enumerate(labels)]
    return {"mark": mark, "colors": colors, "legend": legend, **style}


def color_of(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"role is {role!r}; allowed: {', '.join(ROLES)}")
    return ROLES[role]


def read_numbers(name: str, given, *shapes: str) -> np.ndarray:
    """`given` as a float64 array of one of the `shapes`, such as "(F, n, 2)", and finite.

    In a shape a letter that stands twice means one size. A ValueError says what is not so.
    """
    array = np.asarray(given, dtype=float)
    if not any(fits(array.shape, shape) for shape in shapes):
        raise ValueError(f"{name} has the shape {array.shape}; allowed: {' or '.join(shapes)}")
    if not -np.inf < array.min() <= array.max() < np.inf:  # nor is NaN
        raise ValueError(f"{name} holds NaN or infinite values; allowed: finite numbers")
    return array


def fits(shape: tuple[int, ...], allowed: str) -> bool:
    axes, sizes = allowed.strip("(,)").split(", "), {}
    return len(axes) == len(shape) and all(
        sizes.setdefault(axis, int(axis) if axis.isdigit() else size) == size
        for axis, size in zip(axes, shape)
    )


def read_limits(name: str, given) -> list[float]:
    low, high = (float(end) for end in given)
    if not low < high:
        raise ValueError(f"{name} is {given!r}; allowed: a pair (low, high) with low < high")
    return [low, high]


def check_frames(arrays: dict[str, np.ndarray]) -> None:
    """Every array (F, ...) has the same F, or is constant (1, ...)."""
    counts = {name: len(array) for name, array in arrays.items() if len(array) > 1}
    if len(set(counts.values())) > 1:
        given = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ValueError(f"different numbers of frames: {given}; allowed: the same F everywhere")
