"""Figures: the numbers in them. How they look is judged by eye."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tutorial_lib import plotting

POINTS = torch.cat([torch.full((500, 2), 9.0), torch.randn(500, 2).clamp(-2, 2)])  # half in sight


def test_a_density_map_counts_the_points_that_are_not_in_sight():
    ax = Figure().add_subplot()
    plotting.density_map(ax, POINTS, limit=2.2, bins=40)
    shown = ax.images[0].get_array()
    assert shown.sum() * (4.4 / 40) ** 2 == pytest.approx(0.5)


def test_a_density_map_has_x1_to_the_right_and_x2_upwards():
    ax = Figure().add_subplot()
    plotting.density_map(ax, [[1.5, -1.5]], limit=2, bins=4)
    assert ax.images[0].origin == "lower"
    assert np.argwhere(ax.images[0].get_array()).tolist() == [[0, 3]]  # row x2, column x1


def test_the_volume_of_a_3d_histogram_is_the_share_in_sight(monkeypatch):
    ax, bars = Figure().add_subplot(projection="3d"), []
    monkeypatch.setattr(ax, "bar3d", lambda *sizes, **style: bars.append(sizes))
    plotting.histogram_3d(ax, POINTS, limit=2.2, bins=10)
    [(_, _, bottom, width, depth, height)] = bars
    assert bottom == 0 and (width * depth * height).sum() == pytest.approx(0.5)
