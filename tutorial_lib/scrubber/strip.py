"""The film strip: a few frames as an ordinary image, for readers whose page runs no scripts."""

import io

import numpy as np

from .graphs import draw_bars, draw_line, line_style
from .panel import Panel
from .squares import draw_arrows, draw_cells, draw_dots, draw_pixels

DRAW = {
    "bars": draw_bars,
    "line": draw_line,
    "dots": draw_dots,
    "arrows": draw_arrows,
    "cells": draw_cells,
    "pixels": draw_pixels,
}
WIDTH, DPI, LARGEST = 8.0, 100, 60_000  # inches, dots per inch, bytes
MARGIN, GAP, ABOVE, BELOW, LEGEND = 0.56, 0.12, 0.26, 0.36, 0.22  # inches


def film_strip(panels: list[Panel], spec: dict) -> bytes:
    """A PNG of at most 60 kB: the frames `spec["strip"]`, one row per panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cell = (WIDTH - MARGIN) / len(spec["strip"])
    aspects = [panel.spec["aspect"] or 0.7 for panel in panels]
    widths = [min(cell - GAP, WIDTH / aspect) for aspect in aspects]
    heights = [round(aspect * width, 2) for aspect, width in zip(aspects, widths)]
    below = [BELOW + LEGEND * (len(legend_of(panel)) > 1) for panel in panels]
    figure = Figure(figsize=(WIDTH, sum(heights) + ABOVE * len(panels) + sum(below)), dpi=DPI)
    canvas, bottom = FigureCanvasAgg(figure), figure.get_figheight()
    for panel, width, height, under in zip(panels, widths, heights, below):
        bottom -= ABOVE + height
        for column in range(len(spec["strip"])):
            left = MARGIN + column * cell + (cell - GAP - width) / 2
            draw_frame(figure, (left, bottom, width, height), panel, spec, column)
        draw_names(figure, panel, bottom, height)
        bottom -= under
    canvas.draw()
    return small_png(np.asarray(canvas.buffer_rgba())[..., :3])


def draw_frame(figure, box, panel, spec, column):
    """One picture of the strip. box: left, bottom, width and height in inches."""
    from matplotlib.ticker import MaxNLocator

    frame, whole = spec["strip"][column], np.tile(figure.get_size_inches(), 2)
    pixels = np.maximum(np.round(np.array(box) * DPI), 1)  # sharp frames, smaller files
    ax = figure.add_axes(pixels / DPI / whole)
    for layer in panel.spec["layers"]:
        DRAW[layer["mark"]](ax, layer, panel.at(frame), panel.spec)
    if panel.spec["limits"]:
        ax.set(xlim=panel.spec["limits"], ylim=panel.spec["y_limits"])
    title = f"{spec['name']} = {spec['t'][frame]:.6g}"
    ax.set_title(title, fontsize=9, pad=3, parse_math=False)
    # Without the outermost ticks, whose numbers would touch those of the next picture.
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], prune="both"))
    ax.tick_params(labelsize=7, length=2, pad=1, left=column == 0, labelleft=column == 0)


def draw_names(figure, panel, bottom, height):
    """A row's title and axes, beside and below it, and its legend where it tells things apart."""
    whole, style = figure.get_size_inches(), {"parse_math": False, "va": "center", "ha": "center"}
    side = filter(None, [panel.spec["title"][:24], panel.spec["y_label"]])
    at_side = np.array([0.15, bottom + height / 2]) / whole
    figure.text(*at_side, "\n".join(side), rotation=90, fontsize=8, **style)
    under = np.array([MARGIN + (WIDTH - MARGIN - GAP) / 2, bottom - 0.24]) / whole
    figure.text(*under, panel.spec["x_label"], fontsize=8, **style)
    entries = legend_of(panel)
    if len(entries) > 1:
        handles, names = zip(*entries)
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, (bottom - BELOW + 0.06) / whole[1])}
        look = {"ncols": len(names), "fontsize": 8, "frameon": False, "columnspacing": 1.4}
        figure.legend(handles, [name.replace("$", r"\$") for name in names], **place, **look)


def legend_of(panel):
    """Pairs of a sample and a name."""
    from matplotlib.lines import Line2D

    entries = []
    for layer in panel.spec["layers"]:
        style = {"marker": "o" if layer["mark"] == "dots" else "s", "linestyle": ""}
        if layer["mark"] == "line":
            style = {"linestyle": line_style(layer)}
        entries += [(Line2D([], [], color=color, **style), name) for name, color in layer["legend"]]
    return entries


def small_png(pixels):
    """A PNG with as many colours as fit, else at half the size, without a date or a version."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    for n_colours in (32, 16, 4):
        buffer = io.BytesIO()
        reduced = image.quantize(n_colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        reduced.save(buffer, "png", optimize=True)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    return small_png(np.asarray(image.reduce(2)))
