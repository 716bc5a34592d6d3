"""A panel: one description of what is drawn, which the browser and the film strip both follow.

A panel has a frame (limits, labels, shape) and layers (bars, a line, dots, arrows, cells, pixels),
each with its colours. `scrubber.js` draws the layers of every frame, `strip.py` those of a few.
"""

from dataclasses import dataclass

import numpy as np

from .texts import plain_text
from .tracks import Track


@dataclass
class Panel:
    """A picture that changes with t.

    spec: how it is drawn, as JSON. tracks: its numbers by name. texts: one for each frame, or one.
    """

    spec: dict
    tracks: dict[str, Track]
    texts: list[str]

    def __post_init__(self):
        counts = {name: len(track.values) for name, track in self.tracks.items()}
        self.n_frames = count_frames(counts)

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


def read_limits(name: str, given) -> list[float]:
    low, high = (float(end) for end in given)
    if not low < high:
        raise ValueError(f"{name} is {given!r}; allowed: a pair (low, high) with low < high")
    return [low, high]


def count_frames(counts: dict[str, int]) -> int:
    """The number of frames of things that move together; what has one frame is constant."""
    if len(set(counts.values()) - {1}) > 1:
        given = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ValueError(f"different numbers of frames: {given}; allowed: the same F, or 1")
    return max(counts.values())
