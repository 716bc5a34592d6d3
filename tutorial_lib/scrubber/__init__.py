"""Scrubbing through the timesteps of a figure, without a kernel.

    scrubber.scrub(scrubber.bars(samples), t=range(201))

`bars`, `curves`, `points`, `density` and `images` describe a picture per frame. `scrub` shows one
or two of them with a slider, as an output that needs nothing else; `widget` does so as a widget
that Python can drive, observe and refill.
"""

from .panels import bars, curves, density, images, points
from .player import scrub, widget

__all__ = ["bars", "curves", "density", "images", "points", "scrub", "widget"]
