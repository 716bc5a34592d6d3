"""Figures: the numbers in them, their colours and their style. How they look is judged by eye."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tutorial_lib import palette, plotting

CLOUD = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
POINTS = torch.cat([torch.full((500, 2), 9.0), CLOUD])  # half in sight


def axes(**options):
    return Figure().add_subplot(**options)


def test_a_histogram_counts_the_points_that_are_not_in_sight():
    ax = axes()
    plotting.histogram(ax, POINTS[:, 0], limits=(-3, 3), bins=40)
    shown = ax.patches[0].get_data()
    assert np.sum(shown.values * np.diff(shown.edges)) == pytest.approx(0.5)


def test_an_exact_density_lies_over_the_limits_of_its_histogram():
    ax = axes()
    plotting.histogram(ax, POINTS[:, 0], exact=[0, 1, 0], limits=(-3, 5))
    assert ax.lines[0].get_xydata().tolist() == [[-3, 0], [1, 1], [5, 0]]
    assert ax.get_xlim() == (-3, 5)


def test_a_density_map_counts_the_points_that_are_not_in_sight():
    ax = axes()
    plotting.density_map(ax, POINTS, limit=2.2, bins=40)
    shown = ax.images[0].get_array()
    assert shown.sum() * (4.4 / 40) ** 2 == pytest.approx(0.5)


def test_a_density_map_has_x1_to_the_right_and_x2_upwards():
    ax = axes()
    plotting.density_map(ax, [[1.5, -1.5]], limit=2, bins=4)
    assert ax.images[0].origin == "lower"
    assert np.argwhere(ax.images[0].get_array()).tolist() == [[0, 3]]  # row x2, column x1


def test_the_volume_of_a_3d_histogram_is_the_share_in_sight(monkeypatch):
    ax, bars = axes(projection="3d"), []
    monkeypatch.setattr(ax, "bar3d", lambda *sizes, **style: bars.append(sizes))
    plotting.histogram_3d(ax, POINTS, limit=2.2)
    [(_, _, bottom, width, depth, height)] = bars
    assert bottom == 0 and (width * depth * height).sum() == pytest.approx(0.5)


def test_the_next_image_is_to_the_right_and_after_a_row_below():
    ax = axes()
    plotting.images(ax, np.eye(4), columns=2)  # the k-th image has its k-th pixel black
    black = np.argwhere(np.asarray(ax.images[0].get_array()))
    assert black.tolist() == [[0, 0], [0, 3], [3, 0], [3, 3]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_any_precision_and_with_gradients_are_drawn(dtype):
    points = CLOUD.to(dtype).requires_grad_()
    plotting.histogram(axes(), points[:, 0], exact=points[:, 1])
    plotting.density_map(axes(), points)
    plotting.histogram_3d(axes(projection="3d"), points)
    plotting.images(axes(), points[:40].view(10, 8).repeat(1, 2))


def luminance(color):
    """As WCAG 2.2 defines it for contrasts."""
    c = np.array(to_rgb(color))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("color", [*palette.ROLES.values(), *palette.KINDS, *plotting.shades(6)])
def test_every_colour_has_a_contrast_of_3_to_1_on_white(color):
    assert 1.05 / (luminance(color) + 0.05) >= 3


def test_shades_grow_lighter():
    assert np.all(np.diff([luminance(color) for color in plotting.shades(6)]) > 0)


def drawn(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", shown.append)
    with plotting.figure(alt="two lines") as ax:
        plotting.histogram(ax, POINTS[:, 0], "model", exact=[0, 1, 0], title="points")
    return shown[0]


def test_a_figure_looks_the_same_whatever_the_style_around_it(monkeypatch):
    ours = drawn(monkeypatch)
    with plt.rc_context(), plt.style.context("dark_background"):
        plt.rcParams.update({"text.usetex": True, "font.size": 30, "savefig.dpi": 300})
        leaked = drawn(monkeypatch)
        assert plt.rcParams["font.size"] == 30  # what was set stays set
    assert leaked.data == ours.data


def test_a_figure_carries_its_alternative_text(monkeypatch):
    assert drawn(monkeypatch)._repr_mimebundle_()[1]["image/png"]["alt"] == "two lines"
