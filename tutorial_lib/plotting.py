"""The figures' one style, and a colour for each role.

What a colour stands for is the same in every notebook: TRUTH what is known exactly, DATA points
drawn from it, MODEL what a network has learned or made, OTHER a rival, CHANCE what luck alone would
give. Ordered values take `shades`, and what has no role is black.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import torch
from IPython.display import Image, display
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tutorial_lib.palette import ROLES

TRUTH, DATA, MODEL = ROLES["truth"], ROLES["data"], ROLES["model"]
OTHER, CHANCE = ROLES["other"], ROLES["chance"]

STYLE = {
    "axes.prop_cycle": plt.cycler(color=["black"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "axes3d.grid": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,  # inches: panels of images do not touch
    "font.size": 11,  # 15 pixels, about the size of the text around the figure
    "legend.frameon": False,
    "lines.linewidth": 2,
}


@contextmanager
def figure(
    columns=1, rows=1, *, alt: str, height: float = 3.2, projection: str | None = None, **options
) -> Iterator:
    """`with figure(...) as axes:` draws a figure 9 inches wide and shows it as a PNG at the end.

    axes: one Axes, or the array of rows x columns that `plt.subplots` gives, to which further
    options (sharex, sharey) are passed on. height: of each row, in inches. alt: what is to be seen,
    for those who cannot. The style is the series' own, whatever Matplotlib was set to before.
    """
    with plt.style.context(STYLE, after_reset=True):
        fig = plt.figure(figsize=(9, height * rows))
        axes = fig.subplots(rows, columns, subplot_kw={"projection": projection}, **options)
        try:
            yield axes
            _add_legends(fig.axes)
            pixels = io.BytesIO()
            fig.savefig(pixels, format="png", dpi=100)
        finally:
            plt.close(fig)
    # A palette of 256 colours makes the committed notebooks a third of the size.
    png = io.BytesIO()
    PIL.Image.open(pixels).convert("RGB").quantize(256).save(png, format="png", optimize=True)
    display(Image(png.getvalue(), alt=alt))


def _add_legends(axes: list[Axes]) -> None:
    """A legend where there are two or more names, once for panels that share them."""
    seen = []
    for ax in axes:
        names = ax.get_legend_handles_labels()[1]
        if len(names) > 1 and names not in seen and ax.get_legend() is None:
            ax.legend()
            seen.append(names)


def shades(n: int) -> np.ndarray:
    """n colours (n, 4) for ordered values, from dark to light, each with 3 : 1 on white or more."""
    return plt.get_cmap("viridis")(np.linspace(0, 0.6, n))


def chance_band(ax: Axes, upper: float) -> None:
    """Shade the distances from 0 to `upper`, which 95 % of honest samples do not exceed."""
    ax.axhspan(0, upper, color=CHANCE, alpha=0.25, linewidth=0, zorder=0, label="chance (95 %)")


def histogram(
    ax: Axes,
    x: ArrayLike,
    role: str = "data",
    *,
    exact: ArrayLike | None = None,
    limits: tuple[float, float] = (-3, 3),
    bins: int = 80,
    outline: bool = False,
    label: str = "sample",
    **labels,
) -> None:
    """Draw a histogram of x, (n,) or (n, 1), as a density on `bins` equal bins over `limits`.

    exact: (m,) values of a density on m equally spaced points over `limits`, drawn as a line.
    outline: steps only, to lay one histogram over another. labels: title, xlabel, for `ax.set`.
    """
    x = _array(x).ravel()
    count, edges = np.histogram(x, bins=bins, range=limits)
    density = count / len(x) / np.diff(edges)  # a share of all points, also of those outside
    color = ROLES[role]
    face = "none" if outline else (color, 0.4)
    ax.stairs(density, edges, fill=True, facecolor=face, edgecolor=color, lw=1.2, label=label)
    if exact is not None:
        ax.plot(np.linspace(*limits, len(exact)), _array(exact), color=TRUTH, label="exact")
    ax.set(**{"xlim": limits, "ylim": (0, None), "xlabel": "x", "ylabel": "density"} | labels)


def density_map(
    ax: Axes, x: ArrayLike, *, limit: float = 2.2, bins=80, top: float | None = None, title=""
) -> None:
    """Draw a 2D density over +-limit on both axes in viridis: points (n, 2), or values (m, m).

    values[i, j] belong to the i-th x1 and the j-th x2. top: the density that gets the brightest
    colour; give the same to panels that are compared.
    """
    x = _array(x)
    if x.shape[1] == 2:
        x, _ = _count(x, limit, bins)
    extent = (-limit, limit, -limit, limit)
    ax.imshow(x.T, origin="lower", extent=extent, vmin=0, vmax=top, cmap="viridis")
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title)


def histogram_3d(
    ax: Axes, x: ArrayLike, *, limit: float = 2.2, top: float | None = None, title=""
) -> None:
    """Draw points (n, 2) as 30 x 30 towers on a 3D `ax`, whose height is `top`, too."""
    density, edges = _count(_array(x), limit, bins=30)
    left, front = np.meshgrid(edges[:-1], edges[:-1], indexing="ij")  # (30, 30)
    full = density > 0
    height = density[full]
    top = height.max() if top is None else top
    width = edges[1] - edges[0]
    color = plt.get_cmap("viridis")(height / top)
    ax.bar3d(left[full], front[full], 0, width, width, height, color=color, shade=True)
    ax.view_init(elev=50, azim=-110)
    ax.set_box_aspect((1, 1, 0.5), zoom=0.9)
    ax.locator_params(nbins=3)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="density", zlim=(0, top), title=title)


def _count(x: np.ndarray, limit: float, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Densities (bins, bins) of points (n, 2), all of which count; the edges of the cells."""
    edges = np.linspace(-limit, limit, bins + 1)
    count = np.histogram2d(*x.T, bins=(edges, edges))[0]
    return count / len(x) / (edges[1] - edges[0]) ** 2, edges


def training_graph(ax: Axes) -> None:
    """Draw how one training example flows: (x0, eps, t) -> xt -> network -> eps_hat -> loss."""
    jump = r"$\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\varepsilon$"
    boxes = {  # name: column, row, text
        "eps": (0, 2, "noise $\\varepsilon$"),
        "x0": (0, 1, "data $x_0$"),
        "t": (0, 0, "step $t$ in 1..T"),
        "jump": (2.6, 1, f"diffuse\n{jump}"),
        "time": (2.6, 0, "scaled time\n$(t-1)/(T-1)-\\frac{1}{2}$"),
        "network": (5.7, 1, "network\n2 → 128 → 128 → 128 → 1\nlinear, ReLU"),
        "loss": (8.7, 1, "loss\n$(\\hat\\varepsilon-\\varepsilon)^2$"),
    }
    arrows = dict.fromkeys(["eps jump", "x0 jump", "t jump", "t time", "time network"], "")
    arrows |= {"jump network": "$x_t$", "network loss": "$\\hat\\varepsilon$"}
    arrows["eps loss"] = "the same $\\varepsilon$ is the target"
    drawn = {}
    for name, (x, y, text) in boxes.items():
        color = {"x0": DATA, "network": MODEL}.get(name, "black")
        frame = {"boxstyle": "round,pad=0.6", "facecolor": "white", "edgecolor": color, "lw": 2}
        drawn[name] = ax.text(x, y, text, ha="center", va="center", bbox=frame)
    for arrow, text in arrows.items():
        start, end = arrow.split()
        (x1, y1), (x2, y2) = boxes[start][:2], boxes[end][:2]
        ends = {"patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()}
        bend = "angle,angleA=0,angleB=90,rad=12" if arrow == "eps loss" else "arc3"
        style = {"arrowstyle": "-|>", "mutation_scale": 15, "fc": "black", "connectionstyle": bend}
        ax.annotate("", (x2, y2), (x1, y1), arrowprops=style | ends)
        ax.text((x1 + x2) / 2, y1 + 0.1, text, ha="center")
    ax.set(xlim=(-0.9, 9.4), ylim=(-0.5, 2.4))
    ax.axis("off")


def images(ax: Axes, x: ArrayLike, *, columns: int = 10, title: str = "") -> None:
    """Draw square images x (n, pixels), 0 white to 1 black; n must be a multiple of `columns`."""
    x = np.round(8 * _array(x))  # nine greys look the same and take half the space
    side = int(x.shape[1] ** 0.5)
    grid = x.reshape(-1, columns, side, side).swapaxes(1, 2).reshape(-1, columns * side)
    ax.imshow(grid, cmap="gray_r", vmin=0, vmax=8, interpolation="nearest")
    ax.set_title(title)
    ax.axis("off")


def _array(x: ArrayLike) -> np.ndarray:
    """x in float64: NumPy knows neither gradients nor bfloat16."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().double()
    return np.asarray(x, dtype=float)
