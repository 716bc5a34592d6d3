"""The film strip: five frames as an ordinary image, for readers whose page runs no scripts."""

import io

import numpy as np

# Okabe and Ito's colours, and two more; the same in scrubber.js.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]
COLOURS += ["#56B4E9", "#B8A600", "#707070", "#7A4B2A", "#000000"]
BAR, EXACT = "#56B4E9", "#D55E00"
STYLES = ["-", (0, (4, 2)), "-.", ":", (0, (7, 2))]
WIDTH, DPI, LARGEST = 8.0, 100, 60_000  # inches, dots per inch, bytes
MARGIN, GAP, ABOVE, BELOW, LEGEND = 0.56, 0.12, 0.26, 0.36, 0.22  # inches


def film_strip(panels, spec):
    """A PNG of at most 60 kB: the frames `spec["strip"]`, one row per panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = spec["strip"]
    cell = (WIDTH - MARGIN) / len(shown)
    widths = [min(cell - GAP, WIDTH / aspect(panel)) for panel in panels]
    heights = [round(aspect(panel) * width, 2) for panel, width in zip(panels, widths)]
    named = [panel.kind in ("bars", "curves") and len(panel.tracks) > 1 for panel in panels]
    below = [BELOW + LEGEND * has_names for has_names in named]
    tall = sum(heights) + ABOVE * len(heights) + sum(below)
    figure = Figure(figsize=(WIDTH, tall), dpi=DPI)
    canvas, bottom = FigureCanvasAgg(figure), figure.get_figheight()
    unit = np.array([WIDTH, figure.get_figheight()] * 2)
    for panel, width, height, under in zip(panels, widths, heights, below):
        bottom -= ABOVE + height
        for column, frame in enumerate(shown):
            left = MARGIN + column * cell + (cell - GAP - width) / 2
            box = np.round(np.array([left, bottom, width, height]) * DPI)
            ax = figure.add_axes(np.maximum(box, 1) / DPI / unit)  # sharp frames, smaller files
            DRAW[panel.kind](ax, panel, frame)
            title = f"{spec['name']} = {spec['t'][frame]:.6g}"
            ax.set_title(title, fontsize=9, pad=3, parse_math=False)
            first = column == 0
            # Without the outermost ticks, whose numbers would touch those of the next picture.
            ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], prune="both"))
            ax.tick_params(labelsize=7, length=2, pad=1, left=first, labelleft=first)
        handles, labels = ax.get_legend_handles_labels()
        if under > BELOW:
            place = {"loc": "upper center", "bbox_to_anchor": (0.5, (bottom - BELOW + 0.06) / tall)}
            names = [label.replace("$", r"\$") for label in labels]
            figure.legend(handles, names, ncols=len(names), fontsize=8, frameon=False, **place)
        style = {"parse_math": False, "va": "center", "ha": "center", "fontsize": 8}
        side = [panel.options["title"][:24], panel.options.get("y_label", "")]
        at_side = np.array([0.15, bottom + height / 2]) / unit[:2]
        figure.text(*at_side, "\n".join(filter(None, side)), rotation=90, **style)
        under_all = np.array([MARGIN + (WIDTH - MARGIN - GAP) / 2, bottom - 0.24]) / unit[:2]
        figure.text(*under_all, panel.options.get("x_label", ""), **style)
        bottom -= under
    canvas.draw()
    return small_png(np.asarray(canvas.buffer_rgba())[..., :3])


def aspect(panel):
    """Height over width of a panel's picture."""
    if panel.kind == "images":
        _, k, height, width = panel.tracks["pixels"].values.shape
        columns = panel.options["columns"]
        return -(-k // columns) * height / (columns * width)
    return 1.0 if panel.kind in ("points", "density") else 0.7


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


def at(panel, name, frame):
    """The values of a track in one frame; constant tracks have only one."""
    values = panel.tracks[name].values
    return values[frame if len(values) > 1 else 0]


def draw_bars(ax, panel, frame):
    limits, heights = panel.options["limits"], at(panel, "bars", frame)
    edges = np.linspace(*limits, len(heights) + 1)
    ax.stairs(heights, edges, fill=True, color=BAR, label=panel.options["labels"][0])
    if "curve" in panel.tracks:
        curve = at(panel, "curve", frame)
        label = panel.options["labels"][1]
        ax.plot(np.linspace(*limits, len(curve)), curve, color=EXACT, linewidth=1, label=label)
    ax.set(xlim=limits, ylim=panel.options["y_limits"])


def draw_curves(ax, panel, frame):
    limits = panel.options["limits"]
    for name, label, colour, style in zip(
        panel.tracks, panel.options["labels"], COLOURS, STYLES, strict=False
    ):
        line = at(panel, name, frame)
        x = np.linspace(*limits, len(line))
        ax.plot(x, line, color=colour, linestyle=style, linewidth=1, label=label)
    ax.set(xlim=limits, ylim=panel.options["y_limits"])


def draw_points(ax, panel, frame):
    xy = at(panel, "xy", frame)
    colours = COLOURS[0]
    if "color" in panel.tracks:
        colours = [COLOURS[int(k)] for k in at(panel, "color", frame)]
    ax.scatter(*xy.T, s=1.5, c=colours, linewidths=0)
    if "feet" in panel.tracks:
        feet, reach = at(panel, "feet", frame), at(panel, "reach", frame)
        ax.quiver(
            *feet.T, *reach.T, angles="xy", scale_units="xy", scale=1, color="#707070", width=0.006
        )
    ax.set(xlim=panel.options["limits"], ylim=panel.options["limits"])


def draw_density(ax, panel, frame):
    limits = panel.options["limits"]
    ax.imshow(
        at(panel, "cells", frame).T,
        origin="lower",
        extent=(*limits, *limits),
        vmin=0,
        vmax=panel.tracks["cells"].hi,
        cmap="viridis",
        interpolation="nearest",
    )


def draw_images(ax, panel, frame):
    ax.imshow(
        grid(at(panel, "pixels", frame), panel.options["columns"]),
        vmin=0,
        vmax=1,
        cmap="gray",
        interpolation="nearest",
        aspect="auto",
    )
    ax.set_axis_off()


def grid(pixels, columns):
    """(k, H, W) images as one picture, `columns` in a row; missing ones are white."""
    k, height, width = pixels.shape
    rows = -(-k // columns)
    full = np.concatenate([pixels, np.ones((rows * columns - k, height, width))])
    return (
        full.reshape(rows, columns, height, width)
        .swapaxes(1, 2)
        .reshape(rows * height, columns * width)
    )


DRAW = {
    "bars": draw_bars,
    "curves": draw_curves,
    "points": draw_points,
    "density": draw_density,
    "images": draw_images,
}
