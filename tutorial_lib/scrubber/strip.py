"""The film strip: a few frames as an ordinary image, for readers whose page runs no scripts."""

import io

import numpy as np

from .graphs import draw_bars, draw_line, draw_rule, line_style
from .panel import Panel
from .squares import draw_arrows, draw_cells, draw_dots, draw_pixels

DRAW = {
    "bars": draw_bars,
    "line": draw_line,
    "rule": draw_rule,
    "dots": draw_dots,
    "arrows": draw_arrows,
    "cells": draw_cells,
    "pixels": draw_pixels,
}
WIDTH, DPI, LARGEST = 8.0, 100, 60_000  # inches, dots per inch, bytes
MARGIN, GAP, ABOVE, BELOW, LEGEND = 0.66, 0.12, 0.28, 0.46, 0.26  # inches
SIZE = 10  # points, which makes 14 pixels, as on the page


def film_strip(panels: list[Panel], spec: dict) -> bytes:
    """A PNG of at most 60 kB: the frames `spec["strip"]`, one row per panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cell = (WIDTH - MARGIN) / len(spec["strip"])
    aspects = [panel.spec["aspect"] or 0.7 for panel in panels]
    widths = [min(cell - GAP, WIDTH / aspect) for aspect in aspects]
    heights = [round(aspect * width, 2) for aspect, width in zip(aspects, widths)]
    below = [
        (BELOW if panel.spec["x_label"] else GAP) + LEGEND * (len(legend_of(panel)) > 1)
        for panel in panels
    ]
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
    ax.set_title(name_of(spec, frame), fontsize=SIZE, pad=3, parse_math=False)
    # Without the outermost ticks, whose numbers would touch those of the next picture.
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], prune="both"))
    ax.tick_params(labelsize=SIZE - 1, length=2, pad=1, left=column == 0, labelleft=column == 0)


def name_of(spec, frame):
    """Where a frame is on the slider, or on both: "t = 26"."""
    second, place = spec["second"], frame % len(spec["t"])
    first = f"{spec['name']} = {spec['t'][place]:.6g}"
    if second is None:
        return first
    return f"{first}, {second['name']} = {second['values'][frame // len(spec['t'])]:.6g}"


def draw_names(figure, panel, bottom, height):
    """A row's title and axes, beside and below it, and its legend where it tells things apart."""
    whole, style = figure.get_size_inches(), {"parse_math": False, "va": "center", "ha": "center"}
    side = "\n".join(filter(None, [panel.spec["title"], panel.spec["y_label"]]))
    at_side = np.array([0.15, bottom + height / 2]) / whole
    longest = max(map(len, side.splitlines()), default=1)
    size = min(SIZE, 130 * height / longest)  # in points: letters are half as wide as they are high
    figure.text(*at_side, side, rotation=90, fontsize=size, **style)
    under = np.array([MARGIN + (WIDTH - MARGIN - GAP) / 2, bottom - 0.32]) / whole
    figure.text(*under, panel.spec["x_label"], fontsize=SIZE, **style)
    entries = legend_of(panel)
    if len(entries) > 1:
        handles, names = zip(*entries)
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, (bottom - BELOW + 0.06) / whole[1])}
        look = {"ncols": len(names), "fontsize": SIZE, "frameon": False, "columnspacing": 1.4}
        figure.legend(handles, [name.replace("$", r"\$") for name in names], **place, **look)


def legend_of(panel):
    """Pairs of a sample and a name."""
    from matplotlib.lines import Line2D

    entries = []
    for layer in panel.spec["layers"]:
        style = {"marker": "o" if layer["mark"] == "dots" else "s", "linestyle": ""}
        if layer["mark"] in ("line", "rule"):
            style = {"linestyle": line_style(layer)}
        entries += [(Line2D([], [], color=color, **style), name) for name, color in layer["legend"]]
    return entries


def whiten(image):
    """The ground of the page, the brightest colour, as pure as it was before."""
    palette = np.reshape(image.getpalette(), (-1, 3))
    palette[palette.sum(1).argmax()] = 255
    image.putpalette(palette.ravel().tolist())


def small_png(pixels):
    """A PNG with as many colours as fit, else at half the size, without a date or a version."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    for n_colours in (32, 16, 4):
        buffer = io.BytesIO()
        reduced = image.quantize(n_colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        whiten(reduced)
        reduced.save(buffer, "png", optimize=True)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    return small_png(np.asarray(image.reduce(2)))
