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
    """A picture that changes with t, and perhaps with a second quantity of `choices` values.

    spec: how it is drawn, as JSON. tracks: its numbers by name. texts: what they say. Both have one
    entry where nothing changes, else F, or choices * F, all frames of one choice after another.
    """

    spec: dict
    tracks: dict[str, Track]
    texts: list[str]
    choices: int = 1

    def __post_init__(self):
        counts = {name: len(track.values) for name, track in self.tracks.items()}
        self.n_frames = count_frames(counts) // self.choices

    def at(self, frame: int) -> dict[str, np.ndarray]:
        """The values of all tracks in one of the choices * F frames."""
        return {
            name: track.values[frame % len(track.values)] for name, track in self.tracks.items()
        }


def stack(panels) -> Panel:
    """One panel for two sliders: `panels`, one for each value of the second quantity.

    They are to differ in their numbers alone. The result shows them all on the same y scale.
    """
    first, *others = panels = list(panels)
    for panel in others:
        if panel.spec["layers"] != first.spec["layers"] or panel.n_frames != first.n_frames:
            raise ValueError("panels differ in layers or frames; allowed: one kind of figure")
    frames = first.n_frames
    tracks = {name: join([panel.tracks[name] for panel in panels], frames) for name in first.tracks}
    ends = [panel.spec["y_limits"] for panel in panels]
    y_limits = ends[0] and [min(low for low, _ in ends), max(high for _, high in ends)]
    texts = [text for panel in panels for text in (panel.texts * frames)[:frames]]
    return Panel(first.spec | {"y_limits": y_limits}, tracks, texts, len(panels))


def join(tracks: list[Track], frames: int) -> Track:
    """All frames of the first track, then all of the second, ..., or the one that they share."""
    first = tracks[0]
    if len(first.values) == 1 and all(np.array_equal(t.values, first.values) for t in tracks):
        return first
    rows = [np.broadcast_to(t.values, (frames, *first.values.shape[1:])) for t in tracks]
    lo, hi = min(track.lo for track in tracks), max(track.hi for track in tracks)
    return Track(
        np.concatenate(rows), lo, hi, min(first.levels, 512)
    )  # half a pixel; S times the frames


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
