"""What a scrubber shows: functions that turn arrays into a `Panel`, one picture per frame."""

from dataclasses import dataclass

import numpy as np

from .arguments import interval, listed, numbers, positive, same_frames, text, whole
from .encode import Track


@dataclass(frozen=True)
class Panel:
    """A picture that changes with t: its numbers (`tracks`), how to draw them, a text per frame."""

    kind: str
    tracks: dict
    options: dict
    texts: list

    @property
    def n_frames(self):
        return max(len(track.values) for track in self.tracks.values())


# ---- helpers -------------------------------------------------------------------------------------


def plain(value, digits=2):
    """A number as text, without a minus before zero."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def with_time(array, ndim):
    """Adds the time axis that a constant array lacks."""
    return array[None] if array.ndim == ndim - 1 else array


def coarser(lines, most=160):
    """Lines (F, G) on at most `most` points, a point every four pixels."""
    if lines.shape[1] <= most:
        return lines
    at = np.linspace(0, lines.shape[1] - 1, most)
    k = np.minimum(at.astype(int), lines.shape[1] - 2)
    return lines[:, k] * (1 - (at - k)) + lines[:, k + 1] * (at - k)


# ---- bars ----------------------------------------------------------------------------------------


def bars(
    samples,
    *,
    bins=80,
    limits=(-3, 3),
    curve=None,
    label="samples",
    curve_label="exact",
    title="",
    x_label="x",
    y_label="density",
    y_limits=None,
):
    """A histogram of `samples` per frame, as a density over `limits`, with an optional `curve`.

    samples: (F, n) or (F, n, 1), or a sequence of F arrays, which may then differ in length.
    curve: density values (G,) or (F, G) on G equally spaced points over `limits`.

    Bars are count / (n * width): what lies outside `limits` is missing from the picture, not shared
    out among the bars. All frames share one y scale.
    """
    rows = sample_rows(samples)
    bins, limits = whole("bins", bins, 2), interval("limits", limits)
    heights = histograms(rows, bins, limits)
    tracks = {"bars": Track(heights, 0.0, float(heights.max()) or 1.0)}
    if curve is not None:
        curve = with_time(numbers("curve", curve, ("(G,)", "(F, G)")), 2)
        if curve.min() < 0 or curve.shape[1] < 2:
            raise ValueError("curve must be a density: at least two values, none negative")
        same_frames(samples=heights, curve=curve)
        tracks["curve"] = Track(coarser(curve), 0.0, float(curve.max()) or 1.0, levels=512)
    top = 1.06 * max(track.hi for track in tracks.values())
    options = {
        "limits": limits,
        "y_limits": interval("y_limits", y_limits) if y_limits is not None else [0.0, top],
        "title": text("title", title),
        "x_label": text("x_label", x_label),
        "y_label": text("y_label", y_label),
        "labels": [text("label", label), text("curve_label", curve_label)][: len(tracks)],
    }
    return Panel("bars", tracks, options, describe_samples(rows, heights, limits))


def sample_rows(samples):
    """One flat array per frame."""
    if not isinstance(samples, (list, tuple)):
        samples = numbers("samples", samples, ("(F, n)", "(F, n, 1)"))
        if samples.ndim == 3 and samples.shape[2] != 1:
            raise ValueError(f"samples has the shape {samples.shape}; allowed: (F, n) or (F, n, 1)")
    if len(samples) == 0:
        raise ValueError("samples is empty; allowed: (F, n), (F, n, 1) or a sequence of F arrays")
    rows = [numbers(f"samples[{k}]", row, ("(n,)", "(n, 1)")) for k, row in enumerate(samples)]
    if not all(row.shape[1:] in [(), (1,)] for row in rows):
        raise ValueError("samples has rows of several columns; allowed: (n,) or (n, 1) per frame")
    return [row.ravel() for row in rows]


def histograms(rows, bins, limits):
    """One density histogram per row, normalised by all of the row's values."""
    width = (limits[1] - limits[0]) / bins
    return np.stack([np.histogram(row, bins, limits)[0] / (len(row) * width) for row in rows])


def count_modes(heights, width, std, n):
    """Peaks of each row of `heights` (F, bins), smoothed as much as n samples require."""
    bandwidth = np.maximum(0.9 * std * n**-0.2, 1.5 * width)  # Silverman's rule
    offset = (np.arange(heights.shape[1])[:, None] - np.arange(heights.shape[1])) * width
    counts = []
    for row, reach in zip(heights, bandwidth):
        kernel = np.exp(-0.5 * (offset / reach) ** 2)
        smooth = kernel @ row / kernel.sum(1)
        counts.append(peaks(smooth, 0.05 * smooth.max()))
    return counts


def peaks(row, prominence):
    """How many times `row` rises by more than `prominence` and falls by as much again."""
    count, rising, low, high = 0, True, 0.0, 0.0
    for value in [*row.tolist(), 0.0]:
        low, high = min(low, value), max(high, value)
        if rising and value < high - prominence:
            count, rising, low = count + 1, False, value
        elif not rising and value > low + prominence:
            rising, high = True, value
    return count


def describe_samples(rows, heights, limits):
    mean = np.array([row.mean(dtype=float) for row in rows])
    std = np.array([row.std(dtype=float) for row in rows])
    n = np.array([len(row) for row in rows])
    modes = count_modes(heights, (limits[1] - limits[0]) / heights.shape[1], std, n)
    return [
        f"mean {plain(m)}, standard deviation {s:.2f}, {k} mode{'s' * (k != 1)}"
        for m, s, k in zip(mean, std, modes)
    ]


# ---- curves --------------------------------------------------------------------------------------


def curves(y, *, limits=(-3, 3), y_limits=None, labels=None, title="", x_label="x", y_label=""):
    """Lines on equally spaced points over `limits`: `y` maps a label to values (G,) or (F, G).

    `y` may also be a sequence of such arrays, named by `labels`. The first is drawn blue and solid,
    the second vermillion and dashed.
    """
    lines, limits = named_lines(y, labels), interval("limits", limits)
    lo, hi = min(line.min() for line in lines.values()), max(line.max() for line in lines.values())
    shown = interval("y_limits", y_limits) if y_limits is not None else margins(lo, hi)
    lo, hi = clipped(shown, lo, hi)
    tracks = {
        f"line{k}": Track(coarser(line), lo, hi, levels=2048)  # 5 levels a pixel
        for k, line in enumerate(lines.values())
    }
    options = {
        "limits": limits,
        "y_limits": shown,
        "title": text("title", title),
        "x_label": text("x_label", x_label),
        "y_label": text("y_label", y_label),
        "labels": list(lines),
    }
    return Panel("curves", tracks, options, describe_curves(lines, limits))


def named_lines(y, labels):
    """A dict of arrays (F, G) or (1, G), from such a mapping or from a sequence and its labels."""
    if hasattr(y, "items"):
        if labels is not None:
            raise ValueError("labels is given, but y has names of its own; allowed: one of the two")
        labels, y = y.keys(), y.values()
    y = list(y)
    labels = (
        [f"curve {k + 1}" for k in range(len(y))] if labels is None else listed("labels", labels)
    )
    if len(labels) != len(y):
        raise ValueError(
            f"labels has {len(labels)} entries; allowed: one for each of the {len(y)} curves"
        )
    if not 1 <= len(y) <= 5:
        raise ValueError(f"y has {len(y)} curves; allowed: 1 to 5")
    lines = {
        text("a label of y", name): with_time(numbers(f"y[{name!r}]", line, ("(G,)", "(F, G)")), 2)
        for name, line in zip(labels, y)
    }
    if len(lines) < len(y):
        raise ValueError(f"labels has a name twice: {labels}; allowed: one name for one curve")
    if min(line.shape[1] for line in lines.values()) < 2:
        raise ValueError("y has a curve of one point; allowed: at least two")
    same_frames(**{f"y[{name!r}]": line for name, line in lines.items()})
    return lines


def margins(lo, hi, share=0.05):
    pad = share * (hi - lo) or max(0.5, share * abs(hi))
    return [float(lo - pad), float(hi + pad)]


def clipped(shown, lo, hi):
    """The range worth storing: the values' own, but not far beyond what is shown."""
    pad = 0.25 * (shown[1] - shown[0])
    lo, hi = max(float(lo), shown[0] - pad), min(float(hi), shown[1] + pad)
    return (lo, hi) if lo < hi else (shown[0], shown[1])


def describe_curves(lines, limits):
    (name, first), *rest = lines.items()
    frames = max(len(line) for line in lines.values())
    if not rest or rest[0][1].shape[1] != first.shape[1]:
        return [
            f"{name} between {row.min():.2f} and {row.max():.2f}"
            for row in np.broadcast_to(first, (frames, first.shape[1]))
        ]
    gap = np.broadcast_to(np.abs(first - rest[0][1]), (frames, first.shape[1]))
    x = np.linspace(*limits, first.shape[1])
    return [
        f"largest gap between {name} and {rest[0][0]}: {row.max():.3f} at {x[row.argmax()]:.2f}"
        for row in gap
    ]


# ---- points --------------------------------------------------------------------------------------


def points(
    xy,
    *,
    limits=(-2.5, 2.5),
    trails=0,
    arrows=None,
    color=None,
    title="",
    labels=(),
    x_label="x₁",
    y_label="x₂",
):
    """Points `xy` (F, n, 2) that move in a square of `limits`.

    trails: how many past frames are drawn behind each point. arrows: (F, m, 4) or (m, 4), each x, y
    of its foot and dx, dy of its reach. color: (n,) classes 0..9, named by `labels` in the legend;
    without `color` there may be one label.
    """
    xy, limits = numbers("xy", xy, ("(F, n, 2)",)), interval("limits", limits)
    if xy.shape[2] != 2:
        raise ValueError(f"xy has the shape {xy.shape}; allowed: (F, n, 2)")
    pad = 0.1 * (limits[1] - limits[0])  # a point that leaves the picture is kept just outside
    levels = 1024 if xy.size < 120_000 else 256
    tracks = {"xy": Track(xy, limits[0] - pad, limits[1] + pad, levels)}
    if arrows is not None:
        tracks |= arrow_tracks(arrows, xy, limits[0] - pad, limits[1] + pad)
    labels = [labels] if isinstance(labels, str) else list(labels)
    if len(labels) > (1 if color is None else 10):
        raise ValueError(
            f"labels has {len(labels)} entries; allowed: one for each class of `color` (0..9), "
            "or a single one without `color`"
        )
    if color is not None:
        tracks["color"] = Track(classes(color, xy.shape[1])[None], 0.0, 255.0)
    options = {
        "limits": limits,
        "y_limits": limits,
        "title": text("title", title),
        "trails": whole("trails", trails, 0),
        "labels": [text("labels", label) for label in labels],
        "x_label": text("x_label", x_label),
        "y_label": text("y_label", y_label),
    }
    return Panel("points", tracks, options, describe_points(xy, limits))


def arrow_tracks(arrows, xy, lo, hi):
    arrows = with_time(numbers("arrows", arrows, ("(m, 4)", "(F, m, 4)")), 3)
    if arrows.shape[2] != 4:
        raise ValueError(f"arrows has the shape {arrows.shape}; allowed: (F, m, 4) or (m, 4)")
    same_frames(xy=xy, arrows=arrows)
    reach = float(np.abs(arrows[..., 2:]).max()) or 1.0
    by = Track(arrows[..., 2:], -reach, reach, 255)  # an odd number of levels, so that 0 is one
    return {"feet": Track(arrows[..., :2], lo, hi, 1024), "reach": by}


def classes(color, n):
    color = numbers("color", color, ("(n,)",))
    if len(color) != n or not np.isin(color, range(10)).all():
        raise ValueError(
            f"color has {len(color)} values from {color.min():g} to {color.max():g}; "
            f"allowed: a class 0..9 for each of the {n} points"
        )
    return color


def describe_points(xy, limits):
    mean, std = xy.mean(1, dtype=float), xy.std(1, dtype=float)
    outside = ((xy < limits[0]) | (xy > limits[1])).any(2).sum(1)
    return [
        f"mean ({plain(m[0])}, {plain(m[1])}), standard deviation ({s[0]:.2f}, {s[1]:.2f})"
        + (f", {k} of {xy.shape[1]} points outside the picture" if k else "")
        for m, s, k in zip(mean, std, outside)
    ]


# ---- density -------------------------------------------------------------------------------------


def density(
    values,
    *,
    limits=(-2.5, 2.5),
    bins=64,
    top=None,
    title="",
    label="density",
    x_label="x₁",
    y_label="x₂",
):
    """A density in the plane, in viridis: points (F, n, 2), counted here, or values (F, m, m).

    As in `plotting.density_map` and `np.histogram2d`, values[f, i, j] belong to the i-th x1 and the
    j-th x2. `top` is the value of the brightest colour, by default the largest of all frames.
    """
    values = numbers("values", values, ("(F, n, 2)", "(F, m, m)"))
    limits = interval("limits", limits)
    if values.shape[2] == 2:
        values = square_histograms(values, whole("bins", bins, 2), limits)
    if min(values.shape[1:]) < 2 or values.min() < 0:
        raise ValueError(
            f"values has the shape {values.shape} and a minimum of {values.min():g}; "
            "allowed: densities (F, m, m), none negative, or points (F, n, 2)"
        )
    texts = describe_density(values, limits)
    top = float(values.max()) or 1.0 if top is None else positive("top", top)
    tracks = {"cells": Track(values, 0.0, top, 256 if values.size < 300_000 else 64)}
    options = {
        "limits": limits,
        "y_limits": limits,
        "title": text("title", title),
        "top": top,
        "labels": [f"{text('label', label)}, 0 to {top:.3g}"],
        "x_label": text("x_label", x_label),
        "y_label": text("y_label", y_label),
    }
    return Panel("density", tracks, options, texts)


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
        mass = np.cumsum(np.sort(frame, axis=None)[::-1], dtype=float)
        half = (np.searchsorted(mass, mass[-1] / 2) + 1) / frame.size
        texts.append(
            f"peak {frame.max():.3g} at ({plain(x)}, {plain(y)}), "
            f"half of the mass on {100 * half:.2g} % of the area"
        )
    return texts


# ---- images --------------------------------------------------------------------------------------


def images(frames, *, columns=None, title=""):
    """A grid of k grey images per frame: `frames` (F, k, H, W) in [0, 1], 0 black and 1 white."""
    frames = numbers("frames", frames, ("(F, k, H, W)",))
    if frames.min() < 0 or frames.max() > 1:
        raise ValueError(
            f"frames lies in [{frames.min():.3g}, {frames.max():.3g}]; allowed: [0, 1]"
        )
    k = frames.shape[1]
    columns = int(np.ceil(np.sqrt(k))) if columns is None else min(whole("columns", columns, 1), k)
    tracks = {"pixels": Track(frames, 0.0, 1.0, 64 if frames.size < 200_000 else 16)}
    texts = [f"mean brightness {frame.mean():.2f}, contrast {frame.std():.2f}" for frame in frames]
    return Panel("images", tracks, {"title": text("title", title), "columns": columns}, texts)
