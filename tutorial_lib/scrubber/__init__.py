"""Scrubbing through the timesteps of a figure, without a kernel.

    scrubber.scrub(scrubber.bars(samples), t=range(201))

`bars`, `curves`, `points`, `density` and `images` describe a picture per frame. `scrub` shows them
with a slider, as an output that needs nothing else; `widget` does so as a widget that Python can
drive, observe and refill. All raise a ValueError for what would else be drawn wrongly without a
word: NaN, another shape, frames that do not match, a negative density, an unknown role.

Each module imports only from those before it: `texts`, `tracks`, `panel` (what all kinds share),
`graphs` and `squares` (the kinds), `strip`, `player`, `host`.
"""

from .graphs import bars, curves
from .panel import stack
from .player import scrub
from .squares import density, images, points

__all__ = ["bars", "curves", "density", "images", "points", "scrub", "stack", "widget"]


def widget(*panels, t=None, start=None):
    """The player of `scrub` as an anywidget, whose `t` can be set, observed and linked.

    t: (F,) values in the order from left to right. start: the one shown first.
    """
    from .host import ScrubberWidget  # here, for only a widget needs anywidget

    return ScrubberWidget(panels, t, start)
