"""Panels over an x axis: bars (a histogram per frame) and curves."""

import numpy as np

from ..palette import color_of
from .panel import Panel, make_layer, make_spec, read_limits
from .texts import plain_text
from .tracks import Track, read_numbers

DASHES = [[], [7, 4], [7, 3, 2, 3], [2, 3], [12, 4]]  # pixels drawn, left out, drawn, ...


# ---- bars ----------------------------------------------------------------------------------------
def bars(
    samples,
    *,
    bins: int = 80,
    limits=(-3, 3),
    curve=None,
    role="data",
    label="samples",
    title="",
    x_label="x",
    y_limits=None,
) -> Panel:
    """A histogram of `samples` per frame, as a density over `limits`, with an exact `curve`.

    samples: (F, n) or (F, n, 1), or a sequence of F arrays, which may then differ in length.
    curve: density values (G,) or (F, G) on G equally spaced points over `limits`.
    role: what the samples are, such as "data" or "model"; it gives their colour.

    Bars are count / (n * width): what lies outside `limits` is missing from the picture, not shared
    out among the bars. All frames share one y scale.
    """
    rows, limits = read_rows(samples), read_limits("limits", limits)
    heights = histograms(rows, bins, limits)  # (F, bins)
    # half of one of 192 levels is half a pixel
    tracks = {"bars": Track(heights, 0.0, float(heights.max()) or 1.0, levels=192)}
    layers = [make_layer("bars", [color_of(role)], [label], ghost=len(rows) > 1)]
    if curve is not None:
        curve = read_lines("curve", curve)
        if curve.min() < 0:
            raise ValueError(f"curve goes down to {curve.min():g}; allowed: densities, from 0 up")
        tracks["curve"] = Track(thinned(curve, 128), 0.0, float(curve.max()) or 1.0)
        layers.append(line_layer("curve", "exact", "truth", [], halo=True))
    top = 1.06 * max(track.hi for track in tracks.values())
    shown = [0.0, top] if y_limits is None else read_limits("y_limits", y_limits)
    spec = make_spec(layers, title, limits, shown, x_label, "density")
    texts = [f"mean {row.mean():z.2f}, standard deviation {row.std():.2f}" for row in rows]
    return Panel(spec, tracks, texts)


def read_rows(samples) -> list[np.ndarray]:
    """One flat array per frame."""
    if not isinstance(samples, (list, tuple)):
        samples = read_numbers("samples", samples, "(F, n)", "(F, n, 1)")
    return [
        read_numbers(f"samples[{k}]", row, "(n,)", "(n, 1)").ravel()
        for k, row in enumerate(samples)
    ]


def histograms(rows, bins, limits):
    """One density histogram per row, normalised by all of the row's values."""
    width = (limits[1] - limits[0]) / bins
    return np.stack([np.histogram(row, bins, limits)[0] / (len(row) * width) for row in rows])


def draw_bars(ax, layer, now, spec):
    edges = np.linspace(*spec["limits"], len(now["bars"]) + 1)
    ax.stairs(now["bars"], edges, fill=True, color=layer["colors"][0])


# ---- curves --------------------------------------------------------------------------------------
def curves(
    y: dict,
    *,
    limits=(-3, 3),
    y_limits=None,
    roles=("model", "truth", "other", "data", "chance"),
    rule=None,
    title="",
    x_label="x",
    y_label="",
) -> Panel:
    """Lines on equally spaced points over `limits`: `y` maps up to five labels to (G,) or (F, G).

    roles: what each line is, in the order of `y`, which gives its colour.
    rule: (label, x) of a vertical line, x a number or (F,).
    """
    limits = read_limits("limits", limits)
    lines = [read_lines(f"y[{label!r}]", line) for label, line in y.items()]
    lo, hi = min(line.min() for line in lines), max(line.max() for line in lines)
    shown = margins(lo, hi) if y_limits is None else read_limits("y_limits", y_limits)
    lo, hi = clipped(shown, lo, hi)
    tracks = {
        f"line{k}": Track(thinned(line), lo, hi, levels=1024)  # some four levels a pixel
        for k, line in enumerate(lines)
    }
    layers = [line_layer(f"line{k}", name, roles[k], DASHES[k]) for k, name in enumerate(y)]
    layers[0]["ghost"] = all(
        len(line) > 1 for line in lines
    )  # else a line at rest is there already
    if rule is not None:
        x = read_numbers("rule", np.atleast_1d(rule[1]), "(F,)")
        tracks["rule"] = Track(x[:, None], *limits, levels=2048)
        layers.append(make_layer("rule", [color_of("chance")], [rule[0]], dash=DASHES[1]))
    spec = make_spec(layers, title, limits, shown, x_label, y_label)
    return Panel(spec, tracks, describe_curves([*map(plain_text, y)], lines, limits))


def margins(lo, hi):
    """Limits a twentieth beyond the values."""
    pad = 0.05 * (hi - lo) or max(0.5, 0.05 * abs(hi))
    return [float(lo - pad), float(hi + pad)]


def clipped(shown, lo, hi):
    """The range worth storing: the values' own, but not far beyond what is shown."""
    pad = 0.25 * (shown[1] - shown[0])
    lo, hi = max(float(lo), shown[0] - pad), min(float(hi), shown[1] + pad)
    return (lo, hi) if lo < hi else (shown[0], shown[1])


def describe_curves(labels, lines, limits):
    """The largest gap between the first two lines, or the first one's range."""
    (first, *rest), frames = lines, max(len(line) for line in lines)
    if not rest or rest[0].shape[1] != first.shape[1]:
        return [f"{labels[0]} between {row.min():.2f} and {row.max():.2f}" for row in first]
    x = np.linspace(*limits, first.shape[1])
    gap = np.broadcast_to(np.abs(first - rest[0]), (frames, len(x)))
    head = f"largest gap between {labels[0]} and {labels[1]}"
    return [f"{head}: {row.max():.3f} at {x[row.argmax()]:.2f}" for row in gap]


# ---- lines, in both ------------------------------------------------------------------------------
def read_lines(name, given):
    """Lines (F, G), or (1, G) where nothing changes, of at least two points."""
    lines = read_numbers(name, given, "(G,)", "(F, G)")
    if lines.shape[-1] < 2:
        raise ValueError(f"{name} is a line of one point; allowed: at least two")
    return np.atleast_2d(lines)


def thinned(lines, most=160):
    """Lines (F, G) on at most `most` points, a point every four pixels, peaks and dips kept."""
    n = lines.shape[1]
    if n <= most:
        return lines
    at = np.linspace(0, n - 1, most)
    k = np.minimum(at.astype(int), n - 2)
    thin = lines[:, k] * (1 - (at - k)) + lines[:, k + 1] * (at - k)
    slope = np.sign(np.diff(lines, axis=1))
    for turn, keep in (
        (slope[:, :-1] > slope[:, 1:], np.maximum),
        (slope[:, :-1] < slope[:, 1:], np.minimum),
    ):
        frames, points = np.nonzero(turn)
        near = np.rint((points + 1) * (most - 1) / (n - 1)).astype(int)
        keep.at(thin, (frames, near), lines[frames, points + 1])
    return thin


def line_layer(track, label, role, dash, halo=False):
    """halo: a rim that keeps the line apart from bars below it."""
    style = {"track": track, "dash": dash, "halo": halo, "ghost": False}
    return make_layer("line", [color_of(role)], [label], **style)


def draw_line(ax, layer, now, spec):
    line = now[layer["track"]]
    x = np.linspace(*spec["limits"], len(line))
    ax.plot(x, line, color=layer["colors"][0], linestyle=line_style(layer), linewidth=1)


def draw_rule(ax, layer, now, spec):
    ax.axvline(now["rule"][0], color=layer["colors"][0], linestyle=line_style(layer), linewidth=1)


def line_style(layer):
    """The dashes of the browser's wider line, for matplotlib."""
    return (0, [0.6 * length for length in layer["dash"]]) if layer["dash"] else "-"
