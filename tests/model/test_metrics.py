"""Distances against closed forms, and the noise band against the chance that it promises."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import sqrtm
from trainers import seeded

from tutorial_lib import two_modes
from tutorial_lib.metrics import (
    frechet_distance,
    nearest_distances,
    noise_band,
    sliced_wasserstein,
    total_variation,
    wasserstein,
)

NORMAL = np.random.default_rng(0).standard_normal(1000)
PLANE = np.random.default_rng(1).standard_normal((200, 2))


def test_columns_tensors_and_flat_arrays_are_the_same_sample():
    x = two_modes().sample(9)
    assert wasserstein(x, NORMAL) == wasserstein(x.numpy()[:, 0], NORMAL[:, None])


@pytest.mark.parametrize(
    "x, y, distance",
    [
        ([[0.5, 0.5]], [[0.5, 0.5]], 0),
        ([[0.5, 0.5]], [[0.5, -0.5]], 1),
        ([[0.5, 0.5], [0.5, -0.5]], [[0.5, 0.5]] * 3 + [[-0.5, 0.5]], 0.5),
        ([[5.0, 0.5]], [[0.5, -7.0]], 0),  # both outside: the same cell
        ([[5.0, 0.5], [0.5, 0.5]], [[0.5, 0.5]], 0.5),
    ],
)
def test_total_variation_by_hand_on_four_cells(x, y, distance):
    assert total_variation(x, y, bins=2, limit=1) == pytest.approx(distance)


def test_the_band_of_a_mean_is_that_of_the_normal_law():
    rng, repeats = np.random.default_rng(2), 4000
    band = noise_band(
        lambda x, y: abs(x.mean() - y.mean()), rng.standard_normal, np.zeros(1), 25, repeats=repeats
    )
    law = stats.halfnorm(scale=1 / 5)
    assert band.distances.shape == (repeats,)
    for value, share in [(band.median, 0.5), (band.upper, 0.95)]:
        error = (share * (1 - share) / repeats) ** 0.5 / law.pdf(law.ppf(share))
        assert abs(value - law.ppf(share)) < 5 * error


def test_of_honest_samples_19_in_20_lie_inside_the_band_and_shifted_ones_outside(
    mixture, generator
):
    def draw(n):
        return mixture.sample(n, generator=generator)

    n, reference = 10_000, mixture.quantiles(10_000)
    band = noise_band(wasserstein, draw, reference, n)
    outside = sum(wasserstein(draw(n), reference) > band.upper for _ in range(200))
    # The 190th of 200 distances is exceeded by a beta-binomial number of 200 more.
    low, high = stats.betabinom(200, 11, 190).ppf([1e-7, 1 - 1e-7])
    assert low <= outside <= high
    # A shift of 0.05 moves the mean by 5 standard errors: fewer than 1 in 100 stay inside.
    rejected = sum(wasserstein(draw(n) + 0.05, reference) > band.upper for _ in range(100))
    assert rejected >= stats.binom(100, 0.99).ppf(1e-7)


def test_frechet_distance_is_the_formula():
    g = seeded()
    x, y = (
        torch.randn(500, 4, generator=g) @ torch.randn(4, 4, generator=g),
        torch.randn(300, 4, generator=g),
    )
    a, b = torch.cov(x.T).double().numpy(), torch.cov(y.T).double().numpy()
    expected = (
        float((x.mean(0) - y.mean(0)).square().sum()) + (a + b - 2 * sqrtm(a @ b).real).trace()
    )
    assert math.isclose(frechet_distance(x, y), expected, rel_tol=1e-4)


def test_frechet_distance_of_known_gaussians():
    x = torch.randn(1000, 3, generator=seeded())
    assert 0 <= frechet_distance(x, x) < 1e-9
    few = 100 * torch.randn(20, 300, generator=seeded())  # their covariances are singular
    assert abs(frechet_distance(few, few)) < 1e-6
    assert math.isclose(frechet_distance(x, x + 2), 12, rel_tol=1e-5)
    centred = x - x.mean(0)
    spread = float(x.var(0).sum())
    assert math.isclose(frechet_distance(centred, 3 * centred), 4 * spread, rel_tol=1e-4)


def test_nearest_distances():
    x, reference = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 1.0], [9.0, 9.0]])
    for other in (reference, reference.double()):  # two precisions are no obstacle
        found = nearest_distances(x, other)
        assert found.tolist() == pytest.approx([1, math.sqrt(18)])
    assert nearest_distances([[0, 0]], [[0.0, 0.5]]).tolist() == [0.5]  # not cut to ints


def test_nearest_distances_are_right_far_from_zero_and_0_for_copies():
    row = 1000 + torch.arange(40)[:, None] * 0.01
    assert np.allclose(nearest_distances(row[:30] + 0.005, row), 0.005, atol=1e-4)
    assert nearest_distances(row, row).max() < 1e-6


@pytest.mark.parametrize(
    "form", [torch.Tensor.bfloat16, torch.Tensor.requires_grad_, torch.Tensor.tolist]
)
def test_distances_take_numbers_in_any_form(form):
    x, y = torch.tensor([[0.0], [1.0], [3.0]]), torch.zeros(3, 1)
    assert wasserstein(form(x), y) == pytest.approx(4 / 3)
    assert nearest_distances(form(x), y).tolist() == [0, 1, 3]


def test_directions_are_taken_one_by_one():
    """All at once, 50 of 50 000 points would be 40 MB."""
    x = np.zeros((50_000, 2))
    tracemalloc.start()
    sliced_wasserstein(x, x, n_directions=50)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < 10


ONE, TWO = r" must have shape \(n, 1\), got", r" must have shape \(n, 2\), got"
FINITE = " must be finite, got 1 NaN or infinite"


@pytest.mark.parametrize(
    "distance, fits, x, message",
    [
        (wasserstein, NORMAL, [], ONE),
        (wasserstein, NORMAL, [[1.0, 2.0]], ONE),
        (wasserstein, NORMAL, np.zeros((2, 2, 2)), ONE),
        (wasserstein, NORMAL, [np.nan], FINITE),
        (wasserstein, NORMAL, [np.inf, 0.0], FINITE),
        *(
            (distance, PLANE, x, message)
            for distance in (sliced_wasserstein, total_variation)
            for x, message in [
                (NORMAL, TWO),
                (np.zeros((3, 1)), TWO),
                (np.zeros((0, 2)), TWO),
                ([[0.0, np.nan]], FINITE),
            ]
        ),
        (frechet_distance, PLANE, NORMAL, r" must have shape \(n, n_dim\), got"),
        (frechet_distance, PLANE, [[0.0, np.nan], [1.0, 2.0]], FINITE),
    ],
)
def test_what_is_no_sample_is_refused(distance, fits, x, message):
    for pair, name in [((x, fits), "x"), ((fits, x), "y")]:
        with pytest.raises(ValueError, match=f"^{name}{message}"):
            distance(*pair)


@pytest.mark.parametrize("grid", [{"bins": 0}, {"limit": 0}, {"limit": -1}, {"limit": np.nan}])
def test_a_grid_has_a_cell(grid):
    with pytest.raises(ValueError, match="bins and limit must be above 0, got"):
        total_variation(PLANE, PLANE + 1, **grid)
