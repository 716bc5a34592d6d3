"""The figures' one style. NumPy arrays (or CPU tensors) in, drawn on the given Axes.

Colours are Okabe and Ito's, which readers with any colour vision can tell apart; densities are
in viridis.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike

SAMPLE, EXACT, MODEL, OTHER, GREY = "#56B4E9", "#D55E00", "#0072B2", "#009E73", "#707070"
CYCLE = [MODEL, EXACT, OTHER, "#CC79A7", "#E69F00", GREY]

_STYLE = {
    "figure.facecolor": "white",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=CYCLE),
    "axes3d.grid": False,
    "legend.frameon": False,
    "lines.linewidth": 2,
}


@contextmanager
def figure(
    columns: int = 1,
    rows: int = 1,
    *,
    alt: str,
    height: float = 3.2,
    projection: str | None = None,
    **options,
) -> Iterator:
    """`with figure(...) as axes:` draws a figure 9 inches wide and shows it as a PNG at the end.

    axes: one Axes, or the array of rows x columns that `plt.subplots` gives, to which further
    options (sharex, sharey) are passed on. height: of each row, in inches. alt: the alternative
    text, which says what is to be seen, for those who cannot see it.
    """
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(9, height * rows),
            layout="constrained",
            subplot_kw={"projection": projection},
            **options,
        )
        try:
            yield axes
            _legends(figure)
            pixels, png = io.BytesIO(), io.BytesIO()
            figure.savefig(pixels, format="png", dpi=100)
        finally:
            plt.close(figure)
    # A palette of 256 colours makes the committed notebooks a third of the size.
    PIL.Image.open(pixels).convert("RGB").quantize(256).save(png, format="png", optimize=True)
    display(Image(png.getvalue(), alt=alt))


def _legends(figure: Figure) -> None:
    """A legend where there are two or more names, once for panels that share them."""
    seen = []
    for ax in figure.axes:
        names = ax.get_legend_handles_labels()[1]
        if len(names) > 1 and names not in seen and ax.get_legend() is None:
            ax.legend()
            seen.append(names)


def histogram(
    ax: Axes,
    x: ArrayLike,
    *,
    limits: tuple[float, float] = (-3, 3),
    bins: int = 80,
    exact: ArrayLike | None = None,
    label: str = "sample",
    color: str = SAMPLE,
    outline: bool = False,
    x_label: str = "x",
    title: str = "",
) -> None:
    """Draw a histogram of x, (n,) or (n, 1), as a density on `bins` equal bins over `limits`.

    exact: (m,) values of a density on m equally spaced points over `limits`, drawn as a line.
    outline: draw steps instead of filled bars, to lay one histogram over another.
    """
    x = np.asarray(x).ravel()
    count, edges = np.histogram(x, bins=bins, range=limits)
    density = count / len(x) / np.diff(edges)  # a share of all points, also of those outside
    ax.stairs(density, edges, fill=not outline, color=color, label=label, linewidth=1.8)
    if exact is not None:
        line(ax, np.linspace(*limits, len(exact)), {"exact": exact}, color=EXACT)
    ax.set(xlim=limits, xlabel=x_label, ylabel="density", title=title)
    ax.set_ylim(bottom=0)


def line(
    ax: Axes, x: ArrayLike, y: Mapping[str, ArrayLike], *, band: float | None = None, **style
) -> None:
    """Draw the curves y, {label: (m,)}, over x (m,). band: shade 0..band, named as chance."""
    for label, values in y.items():
        ax.plot(x, np.asarray(values), label=label, **style)
    if band is not None:
        ax.axhspan(0, band, color=GREY, alpha=0.2, label="chance (95 %)", zorder=0)


def density_map(
    ax: Axes,
    x: ArrayLike,
    *,
    limit: float = 2.2,
    bins: int = 80,
    top: float | None = None,
    title="",
) -> None:
    """Draw a 2D density over +-limit on both axes in viridis: points (n, 2), or values (m, m).

    values[i, j] belong to the i-th x1 and the j-th x2. top: the density that gets the brightest
    colour; give the same to panels that are compared.
    """
    x = np.asarray(x)
    if x.shape[1] == 2:
        x, _ = _density(x, limit, bins)
    extent = (-limit, limit, -limit, limit)
    ax.imshow(x.T, origin="lower", extent=extent, vmin=0, vmax=top, cmap="viridis")
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=title)


def _density(x: np.ndarray, limit: float, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Densities (bins, bins) of points (n, 2), and the edges of the cells, the same on both axes.

    All points count, also those that are not in sight.
    """
    edges = np.linspace(-limit, limit, bins + 1)
    count = np.histogram2d(*x.T, bins=(edges, edges))[0]
    return count / len(x) / (edges[1] - edges[0]) ** 2, edges


def histogram_3d(
    ax: Axes,
    x: ArrayLike,
    *,
    limit: float = 2.2,
    bins: int = 30,
    top: float | None = None,
    title="",
) -> None:
    """Draw points (n, 2) as a 3D histogram; `ax` must have the 3D projection.

    top: as in `density_map`; it is also the height of the vertical axis.
    """
    density, edges = _density(np.asarray(x), limit, bins)
    width = edges[1] - edges[0]
    left, front = (corner.ravel() for corner in np.meshgrid(edges[:-1], edges[:-1], indexing="ij"))
    full = density.ravel() > 0
    height = density.ravel()[full]
    top = height.max() if top is None else top
    colors = plt.get_cmap("viridis")(height / top)
    ax.bar3d(left[full], front[full], 0, width, width, height, color=colors, shade=True)
    ax.view_init(elev=55, azim=-120)
    ax.set_box_aspect((1, 1, 0.5), zoom=0.95)
    ax.zaxis.set_major_locator(plt.MaxNLocator(3))
    ax.zaxis.labelpad = 4
    ax.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="density", zlim=(0, top), title=title)


def heat_map(
    ax: Axes, values: ArrayLike, *, limits: tuple[float, float], n_steps: int, top: float, title=""
) -> None:
    """Draw values (T, m) over x (m equally spaced points in `limits`) and t = 1..T.

    Blue is negative, red positive; +-top gets the strongest colours. A colour bar is added.
    """
    extent = (1, n_steps, *limits)
    image = ax.imshow(
        np.asarray(values).T,
        origin="lower",
        extent=extent,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-top,
        vmax=top,
    )
    ax.set(xlabel="t", ylabel="$x_t$", title=title)
    ax.figure.colorbar(image, ax=ax, label=r"$\varepsilon$")


def training_graph(ax: Axes, n_dim: int, n_hidden: int) -> None:
    """Draw how one training example flows: (x0, eps, t) -> xt -> network -> eps_hat -> loss."""
    boxes = {
        "eps": (0.8, 3, r"$\varepsilon$" + "\nnoise"),
        "x0": (0.8, 1.8, "$x_0$\ndata"),
        "t": (0.8, 0.6, "$t$\nstep 1..T"),
        "diffuse": (
            3.2,
            2.4,
            "diffuse\n" + r"$\sqrt{\bar\alpha_t}x_0+\sqrt{1-\bar\alpha_t}\varepsilon$",
        ),
        "time": (3.2, 0.6, "scaled time\n" + r"$(t-1)/(T-1)-\frac{1}{2}$"),
        "network": (
            6.2,
            1.5,
            f"network\n{n_dim + 1} → {n_hidden} → {n_hidden} → {n_hidden} → {n_dim}\nlinear, ReLU",
        ),
        "loss": (8.9, 1.5, "loss\n" + r"$(\hat\varepsilon-\varepsilon)^2$"),
    }
    width = {"diffuse": 2.3, "time": 2.1, "network": 2.3}
    for name, (x, y, text) in boxes.items():
        w, h = width.get(name, 1.2), 0.95
        color = EXACT if name == "loss" else MODEL if name == "network" else GREY
        ax.add_patch(
            FancyBboxPatch(
                (x - w / 2, y - h / 2), w, h, boxstyle="round,pad=0.02", fc="white", ec=color, lw=2
            )
        )
        ax.text(x, y, text, ha="center", va="center", fontsize=11)

    def arrow(start, end, label="", bend=0.0):
        style = f"arc3,rad={bend}"
        ax.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=15,
                connectionstyle=style,
                color="black",
            )
        )
        ax.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.14, label, ha="center")

    arrow((1.4, 3.0), (2.05, 2.6))
    arrow((1.4, 1.9), (2.05, 2.25))
    arrow((1.4, 0.85), (2.4, 1.92))
    arrow((1.4, 0.6), (2.15, 0.6))
    arrow((4.35, 2.3), (5.05, 1.8), "$x_t$")
    arrow((4.25, 0.7), (5.05, 1.2))
    arrow((7.35, 1.5), (8.3, 1.5), r"$\hat\varepsilon$")
    arrow((1.4, 3.2), (8.9, 2.0), bend=-0.25)
    ax.text(5.0, 2.95, r"the same $\varepsilon$ is the target", ha="center", color=GREY)
    ax.set(xlim=(0, 9.7), ylim=(0, 3.7))
    ax.axis("off")


def images(ax: Axes, x: ArrayLike, *, columns: int = 10, title: str = "") -> None:
    """Draw square grey images x (n, pixels), 0 white to 1 black, as a grid without gaps.

    n must be a multiple of `columns`.
    """
    x = np.asarray(x)
    side = int(x.shape[1] ** 0.5)
    grid = x.reshape(-1, columns, side, side).swapaxes(1, 2).reshape(-1, columns * side)
    grid = np.round(8 * grid)  # nine greys look the same and take half the space
    ax.imshow(grid, cmap="gray_r", vmin=0, vmax=8, interpolation="nearest")
    ax.set_title(title)
    ax.axis("off")
