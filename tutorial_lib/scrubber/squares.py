"""Panels whose pictures keep their shape: points and a density in the plane, and images."""

import numpy as np

from ..palette import KINDS, RAMP, color_of
from .panel import Panel, make_layer, make_spec, read_limits
from .tracks import Track, read_numbers


# ---- points --------------------------------------------------------------------------------------
def points(
    xy,
    *,
    limits=(-2.5, 2.5),
    trails: int = 0,
    arrows=None,
    arrows_label="arrows",
    role="model",
    color=None,
    labels=(),
    title="",
    x_label="x₁",
    y_label="x₂",
) -> Panel:
    """Points `xy` (F, n, 2) that move in a square of `limits`.

    trails: how many past frames are drawn behind each point. arrows: (F, m, 4) or (m, 4), each x, y
    of its foot and dx, dy of its reach. role: what the points are, which gives their one colour, or
    color: (n,) classes 0..9, each with a colour of its own. labels: names for the legend.
    """
    xy, limits = read_numbers("xy", xy, "(F, n, 2)"), read_limits("limits", limits)
    pad = 0.1 * (limits[1] - limits[0])  # a point that leaves the picture is kept just outside
    lo, hi = limits[0] - pad, limits[1] + pad
    tracks = {"xy": Track(xy, lo, hi, levels=1024 if xy.size < 120_000 else 256)}
    colors = [color_of(role)]
    if color is not None:
        tracks["color"] = Track(read_classes(color, xy.shape[1])[None], 0.0, 255.0)
        colors = KINDS
    layers = [make_layer("dots", colors, labels, trails=int(trails))]
    if arrows is not None:
        arrows = read_numbers("arrows", arrows, "(m, 4)", "(F, m, 4)")
        arrows = arrows.reshape(-1, *arrows.shape[-2:])
        reach = float(np.abs(arrows[..., 2:]).max()) or 1.0
        tracks["feet"] = Track(arrows[..., :2], lo, hi, levels=1024)
        # an odd number of levels, so that 0 is one
        tracks["reach"] = Track(arrows[..., 2:], -reach, reach, levels=255)
        layers.append(make_layer("arrows", [color_of("chance")], [arrows_label]))
    spec = make_spec(layers, title, limits, limits, x_label, y_label, aspect=1.0)
    return Panel(spec, tracks, describe_points(xy, limits))


def read_classes(color, n):
    color = read_numbers("color", color, "(n,)")
    if len(color) != n or not np.isin(color, range(10)).all():
        raise ValueError(
            f"color has {len(color)} values from {color.min():g} to {color.max():g}; "
            f"allowed: a class 0..9 for each of the {n} points"
        )
    return color


def describe_points(xy, limits):
    mean, std = xy.mean(1), xy.std(1)
    outside = ((xy < limits[0]) | (xy > limits[1])).any(2).sum(1)
    return [
        f"mean ({m[0]:z.2f}, {m[1]:z.2f}), "
        f"standard deviation ({s[0]:.2f}, {s[1]:.2f})"
        + (f", {k} of {xy.shape[1]} points outside the picture" if k else "")
        for m, s, k in zip(mean, std, outside)
    ]


def draw_dots(ax, layer, now, spec):
    kinds = now.get("color", np.zeros(len(now["xy"])))
    colors = [layer["colors"][int(kind)] for kind in kinds]
    size = 2 if len(colors) > 600 else 5
    ax.scatter(*now["xy"].T, s=size, c=colors, linewidths=0)


def draw_arrows(ax, layer, now, spec):
    style = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.006}
    ax.quiver(*now["feet"].T, *now["reach"].T, color=layer["colors"][0], **style)


# ---- density -------------------------------------------------------------------------------------
def density(values, *, limits=(-2.5, 2.5), bins: int = 64, top=None, title="") -> Panel:
    """A density in the plane, as a ramp of colours, over a square of `limits`.

    values: points (F, n, 2), counted here in bins x bins cells, or densities (F, m, m). As in
    `np.histogram2d`, values[f, i, j] belong to the i-th x1 and the j-th x2.
    top: the value of the brightest colour, by default the largest of all frames.
    """
    values = read_numbers("values", values, "(F, n, 2)", "(F, m, m)")
    limits = read_limits("limits", limits)
    if values.shape[2] == 2:
        values = square_histograms(values, bins, limits)
    if values.min() < 0:
        raise ValueError(f"values go down to {values.min():g}; allowed: densities, from 0 up")
    top = float(values.max() or 1.0) if top is None else read_limits("(0, top)", (0, top))[1]
    tracks = {"cells": Track(values, 0.0, top, levels=256 if values.size < 300_000 else 64)}
    layer = make_layer("cells", RAMP, [f"density, 0 to {top:.3g}"], top=top)
    spec = make_spec([layer], title, limits, limits, "x₁", "x₂", aspect=1.0)
    return Panel(spec, tracks, describe_density(values, limits))


def square_histograms(points, bins, limits):
    """Densities (F, bins, bins) of points (F, n, 2), normalised by all n."""
    cell = ((limits[1] - limits[0]) / bins) ** 2
    counts = np.empty((len(points), bins, bins))
    for k, frame in enumerate(points):  # ten times as fast as np.histogram2d
        place = (frame - limits[0]) * (bins / (limits[1] - limits[0]))
        i, j = np.minimum(place[((place >= 0) & (place <= bins)).all(1)].astype(int), bins - 1).T
        counts[k] = np.bincount(i * bins + j, minlength=bins**2).reshape(bins, bins)
    return counts / (points.shape[1] * cell)


def describe_density(values, limits):
    """Where the peak is, and which share of the area holds half of the mass."""
    texts, width = [], (limits[1] - limits[0]) / np.array(values.shape[1:])
    for frame in values:
        if not frame.any():
            texts.append("nothing in the picture")
            continue
        i, j = np.unravel_index(frame.argmax(), frame.shape)
        x, y = limits[0] + width * (np.array([i, j]) + 0.5)
        mass = np.cumsum(np.sort(frame, axis=None)[::-1])
        half = (np.searchsorted(mass, mass[-1] / 2) + 1) / frame.size
        texts.append(
            f"peak {frame.max():.3g} at ({x:z.2f}, {y:z.2f}), "
            f"half of the mass on {100 * half:.2g} % of the area"
        )
    return texts


def draw_cells(ax, layer, now, spec):
    from matplotlib.colors import LinearSegmentedColormap

    ax.imshow(
        now["cells"].T,
        origin="lower",
        extent=(*spec["limits"], *spec["limits"]),
        vmin=0,
        vmax=layer["top"],
        cmap=LinearSegmentedColormap.from_list("ramp", layer["colors"]),
        interpolation="nearest",
    )


# ---- images --------------------------------------------------------------------------------------
def images(frames, *, columns: int | None = None, title="") -> Panel:
    """A grid of k grey images per frame: `frames` (F, k, H, W) in [0, 1], 0 black and 1 white."""
    frames = read_numbers("frames", frames, "(F, k, H, W)")
    if frames.min() < 0 or frames.max() > 1:
        given = f"frames go from {frames.min():.3g} to {frames.max():.3g}"
        raise ValueError(f"{given}; allowed: from 0 to 1")
    _, k, height, width = frames.shape
    columns = min(int(np.ceil(np.sqrt(k))) if columns is None else columns, k)
    rows = len(range(0, k, columns))
    aspect = (rows * (height + 1) - 1) / (columns * (width + 1) - 1)  # with gaps of one pixel
    layer = make_layer("pixels", [], columns=columns)
    tracks = {"pixels": Track(frames, 0.0, 1.0, levels=64 if frames.size < 200_000 else 16)}
    texts = [f"mean brightness {frame.mean():.2f}, contrast {frame.std():.2f}" for frame in frames]
    return Panel(make_spec([layer], title, None, None, "", "", aspect), tracks, texts)


def draw_pixels(ax, layer, now, spec):
    picture = grid(now["pixels"], layer["columns"])
    ax.imshow(picture, vmin=0, vmax=1, cmap="gray", interpolation="nearest", aspect="auto")
    ax.set_axis_off()


def grid(pixels, columns):
    """(k, H, W) images as one picture, `columns` in a row; gaps and missing ones are white."""
    k, height, width = pixels.shape
    rows = -(-k // columns)
    apart = np.pad(pixels, ((0, rows * columns - k), (0, 1), (0, 1)), constant_values=1)
    apart = apart.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return apart.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]
