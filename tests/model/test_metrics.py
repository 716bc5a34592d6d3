"""Distances against closed forms, and the noise band against the chance that it promises."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tutorial_lib import two_modes
from tutorial_lib.metrics import noise_band, sliced_wasserstein, total_variation, wasserstein

NORMAL = np.random.default_rng(0).standard_normal(1000)
PLANE = np.random.default_rng(1).standard_normal((200, 2))


@given(st.floats(-5, 5))
def test_a_shifted_sample_is_as_far_as_the_shift(shift):
    assert wasserstein(NORMAL + shift, NORMAL) == pytest.approx(abs(shift), abs=1e-12)


@given(st.floats(0, 5))
def test_a_scaled_sample_is_as_far_as_the_scale_moves_it(scale):
    moved = abs(scale - 1) * np.abs(NORMAL).mean()
    assert wasserstein(scale * NORMAL, NORMAL) == pytest.approx(moved, abs=1e-12)


def test_wasserstein_of_unequal_sizes_is_the_area_between_the_cdfs():
    assert wasserstein([0.0, 1.0], [0.0, 0.0, 3.0]) == pytest.approx(1 / 6 + 2 / 3)
    assert wasserstein(NORMAL, NORMAL[::-1]) == 0


def test_columns_tensors_and_flat_arrays_are_the_same_sample():
    x = two_modes().sample(9)
    assert wasserstein(x, NORMAL) == wasserstein(x.numpy()[:, 0], NORMAL[:, None])


@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(1, 64))
def test_a_shift_in_the_plane_is_averaged_over_directions(dx, dy, n_directions):
    angle = math.pi * np.arange(n_directions) / n_directions
    expected = np.abs(dx * np.cos(angle) + dy * np.sin(angle)).mean()
    distance = sliced_wasserstein(PLANE + np.array([dx, dy]), PLANE, n_directions=n_directions)
    assert distance == pytest.approx(expected, abs=1e-12)


def test_many_directions_give_two_over_pi_of_the_shift():
    assert sliced_wasserstein(PLANE + np.array([3, 4]), PLANE) == pytest.approx(
        5 * 2 / math.pi, rel=1e-3
    )


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


def test_total_variation_defaults_are_40_bins_over_2_2():
    step = 4.4 / 40
    inside = [[2.2 - 0.01, 0.0]]
    assert total_variation(inside, [[2.2 - step + 0.001, 0.01]]) == 0  # same cell
    assert total_variation(inside, [[2.2 - step - 0.001, 0.01]]) == 1  # the next one
    assert total_variation(inside, [[2.2 + 0.01, 0.0]]) == 1  # outside


@pytest.mark.parametrize("distance", [sliced_wasserstein, total_variation])
def test_distances_are_symmetric_and_0_to_oneself(distance):
    other = PLANE[:77] + 0.3
    assert distance(PLANE, PLANE) == 0
    assert (
        distance(PLANE, other) == pytest.approx(distance(other, PLANE))
        and distance(PLANE, other) > 0
    )


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


def test_draw_is_asked_for_n_points_repeats_times():
    asked = []
    band = noise_band(
        lambda x, y: x + y, lambda n: asked.append(n) or len(asked), 100, 7, repeats=20
    )
    assert asked == [7] * 20
    assert band.distances.tolist() == list(range(101, 121))
    assert (band.median, band.upper) == (110.5, pytest.approx(119.05))


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


@pytest.mark.parametrize("x", [[], [[1.0, 2.0]], np.zeros((2, 2, 2)), [np.nan], [np.inf, 0.0]])
def test_wasserstein_refuses_what_is_no_1d_sample(x):
    for pair, name in [((x, NORMAL), "x"), ((NORMAL, x), "y")]:
        with pytest.raises(ValueError, match=f"^{name} must"):
            wasserstein(*pair)


@pytest.mark.parametrize("distance", [sliced_wasserstein, total_variation])
@pytest.mark.parametrize("x", [NORMAL, np.zeros((3, 1)), np.zeros((0, 2)), [[0.0, np.nan]]])
def test_distances_in_the_plane_refuse_what_is_no_2d_sample(distance, x):
    for pair, name in [((x, PLANE), "x"), ((PLANE, x), "y")]:
        with pytest.raises(ValueError, match=f"^{name} must"):
            distance(*pair)


@pytest.mark.parametrize("value, error", [(0, ValueError), (2.0, TypeError)])
def test_counts_must_be_positive_integers(value, error):
    with pytest.raises(error, match="bins must be"):
        total_variation(PLANE, PLANE, bins=value)
    with pytest.raises(error, match="n_directions must be"):
        sliced_wasserstein(PLANE, PLANE, n_directions=value)
    with pytest.raises(error, match=r"^n must be"):
        noise_band(wasserstein, np.zeros, NORMAL, value)
    with pytest.raises(error, match="repeats must be"):
        noise_band(wasserstein, np.zeros, NORMAL, 5, repeats=value)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_limit_must_be_positive(limit):
    with pytest.raises(ValueError, match="limit must be positive"):
        total_variation(PLANE, PLANE, limit=limit)
