"""What holds for every public function: for any schedule, shape, precision and timestep."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, SEEDS, mixtures, no_global_random_numbers, schedules
from trainers import seeded

import tutorial_lib as lib
from tutorial_lib import (
    DataDenoiser,
    Denoiser,
    ExactDenoiser,
    Mixture,
    Standardizer,
    Trainer,
    VDenoiser,
    forward,
    metrics,
    oracle,
    sampling,
)
from tutorial_lib.loss import NoiseLoss


class Case:
    """Arguments that fit together, drawn by hypothesis."""

    def __init__(self, draw):
        self.schedule = draw(schedules())
        self.n, self.n_dim = draw(st.integers(1, 8)), draw(st.integers(1, 4))
        self.dtype, seed = draw(DTYPES), draw(SEEDS)
        steps, g = self.schedule.n_steps, seeded(seed)
        self.x, self.y, self.z = torch.randn(3, self.n, self.n_dim, generator=g, dtype=self.dtype)
        self.one = draw(st.integers(1, steps))
        rows = torch.randint(1, steps + 1, (self.n,), generator=g)
        self.t = rows if draw(st.booleans()) else self.one
        self.mixture = draw(mixtures(self.n_dim))
        self.data = torch.randn(6, self.n_dim, generator=g, dtype=self.dtype)
        self.scaler = Standardizer.fit(torch.randn(9, self.n_dim, generator=g, dtype=self.dtype))
        size = (self.n_dim, steps, 5), (self.n_dim, self.schedule, 5)
        self.plain = Denoiser(*size[0], frequencies=(1, 3), generator=g).to(self.dtype)
        self.v = VDenoiser(*size[1], generator=g).to(self.dtype)
        self.labelled = VDenoiser(*size[1], n_classes=3, generator=g).to(self.dtype)
        self.exact = ExactDenoiser(self.mixture, self.schedule)
        self.from_data = DataDenoiser(self.data, self.schedule)
        self.trainer = Trainer(self.plain, self.x, self.schedule, batch_size=4, generator=seeded(1))

    def rows(self, rows):
        """The same case for some of the rows only."""
        part = copy.copy(self)
        for name in ("x", "y", "z"):
            setattr(part, name, getattr(self, name)[rows])
        part.t = self.t if isinstance(self.t, int) else self.t[rows]
        return part

    def tensors(self):
        parts = [self.x, self.y, self.z, self.data, self.schedule.beta, self.scaler.mean]
        parts += [self.scaler.std, self.mixture.weight, self.mixture.mean, self.mixture.std]
        parts += [torch.as_tensor(self.t), *self.plain.parameters(), *self.v.parameters()]
        return [part.detach().clone() for part in parts]


CASES = st.composite(lambda draw: Case(draw))()

# Functions of each row by itself, which keep its shape and precision.
BY_ROW = {
    forward.diffuse: lambda c: lib.diffuse(c.schedule, c.x, c.t, c.y),
    forward.diffuse_step: lambda c: lib.diffuse_step(c.schedule, c.x, c.t, c.y),
    forward.predict_x0: lambda c: lib.predict_x0(c.schedule, c.x, c.t, c.y),
    forward.predict_eps: lambda c: lib.predict_eps(c.schedule, c.x, c.t, c.y),
    forward.score_from_eps: lambda c: lib.score_from_eps(c.schedule, c.t, c.y),
    sampling.reverse_step: lambda c: sampling.reverse_step(
        c.schedule, c.x, c.one, c.y, c.z, c.schedule.sigma[c.one]
    ),
    sampling.ddim_step: lambda c: sampling.ddim_step(c.schedule, c.x, c.one, c.one // 2, c.y),
    Standardizer.transform: lambda c: c.scaler.transform(c.x),
    Standardizer.inverse: lambda c: c.scaler.inverse(c.x),
    Denoiser.forward: lambda c: c.plain(c.x, c.t),
    Denoiser.output: lambda c: c.v.output(c.x, c.t),
    VDenoiser.forward: lambda c: c.v(c.x, c.t),
    lib.Guided.forward: lambda c: lib.Guided(c.labelled, 1, 0.5)(c.x, c.t),
    ExactDenoiser.__call__: lambda c: c.exact(c.x, c.t),
    DataDenoiser.__call__: lambda c: c.from_data(c.x, c.t),
}
# Functions of each row by itself that give one number or one row of numbers for it.
DENSITIES = {
    Mixture.density: lambda c: c.mixture.density(c.x),
    Mixture.component_log_density: lambda c: c.mixture.component_log_density(c.x),
    metrics.nearest_distances: lambda c: metrics.nearest_distances(c.x, c.data),
    lib.ramp_density: lambda c: lib.ramp_density(c.x[:, :1]),
    lib.spiral_density: lambda c: lib.spiral_density(torch.cat([c.x, c.y], 1)[:, :2]),
}
# Functions that draw random numbers.
RANDOM = {
    lib.gaussian_mixture: lambda c, g: lib.gaussian_mixture(c.n, generator=g),
    lib.ramp: lambda c, g: lib.ramp(c.n, generator=g),
    lib.spiral: lambda c, g: lib.spiral(c.n, generator=g),
    Mixture.sample: lambda c, g: c.mixture.sample(c.n, generator=g),
    Denoiser: lambda c, g: Denoiser(2, 5, 3, generator=g).layers[0].weight.detach(),
    VDenoiser: lambda c, g: VDenoiser(2, c.schedule, 3, generator=g).layers[0].weight.detach(),
    sampling.sample: lambda c, g: lib.sample(c.exact, c.schedule, c.n, generator=g),
    sampling.sample_ddim: lambda c, g: lib.sample_ddim(c.exact, c.schedule, c.n, 1, generator=g),
    oracle.denoising_loss: lambda c, g: torch.tensor(
        oracle.denoising_loss(c.exact, c.schedule, c.data, c.one, generator=g)
    ),
    Trainer.run: lambda c, g: trained(c, g),
    sampling.reverse_chain: lambda c, g: last(
        sampling.reverse_chain(c.exact, c.schedule, c.x, generator=g)
    ),
    NoiseLoss.draw_t_and_eps: lambda c, g: NoiseLoss(c.schedule).draw_t_and_eps(c.x, g)[1],
    NoiseLoss.__call__: lambda c, g: NoiseLoss(c.schedule)(c.plain, c.x, generator=g).detach(),
}


def trained(case, generator):
    trainer = Trainer(copy.deepcopy(case.plain), case.x, case.schedule, generator=generator)
    return torch.tensor([step.loss for step in trainer.run(steps=2)])


def last(states):
    return list(states)[-1][1]


def named(table):
    return pytest.mark.parametrize(
        "call", table.values(), ids=[function.__qualname__ for function in table]
    )


@named(BY_ROW | DENSITIES)
@given(case=CASES)
def test_arguments_and_global_random_numbers_are_left_alone(call, case):
    before = case.tensors()
    with no_global_random_numbers():
        call(case)
    assert all(map(torch.equal, before, case.tensors()))


@named(RANDOM)
@given(case=CASES, seed=SEEDS)
def test_a_generator_is_all_the_chance_there_is(call, case, seed):
    before = case.tensors()
    with no_global_random_numbers():
        one = call(case, seeded(seed))
    assert torch.equal(call(case, seeded(seed)), one)
    assert not torch.equal(call(case, seeded(seed + 1)), one)
    assert one.isfinite().all()
    assert all(map(torch.equal, before, case.tensors()))


@named(BY_ROW)
@given(case=CASES)
def test_shape_and_precision_are_kept(call, case):
    answer = call(case)
    assert answer.shape == case.x.shape and answer.dtype == case.dtype
    assert answer.isfinite().all()


@named(BY_ROW | DENSITIES)
@given(case=CASES, seed=SEEDS)
def test_no_row_knows_of_another(call, case, seed):
    order = torch.randperm(case.n, generator=seeded(seed))
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if case.dtype == torch.float32 else {}
    whole = call(case).detach()
    torch.testing.assert_close(call(case.rows(order)).detach(), whole[order], **tolerance)
    half = slice(0, (case.n + 1) // 2)
    torch.testing.assert_close(call(case.rows(half)).detach(), whole[half], **tolerance)


def in_precision(case, dtype):
    """The same case, all of its numbers in one precision."""
    other = copy.copy(case)
    for name in ("x", "y", "z", "data"):
        setattr(other, name, getattr(case, name).to(dtype))
    for name in ("plain", "v", "labelled"):
        setattr(other, name, copy.deepcopy(getattr(case, name)).to(dtype))
    other.scaler = Standardizer(case.scaler.mean.to(dtype), case.scaler.std.to(dtype))
    other.from_data = DataDenoiser(other.data, case.schedule)
    return other


@named(BY_ROW)
@given(case=CASES)
def test_float32_and_float64_give_the_same_answer(call, case):
    """Where the two would differ, some step of the float32 way has lost its digits."""
    single, double = (in_precision(case, dtype) for dtype in (torch.float32, torch.float64))
    exact = call(double).detach()
    scale = exact.abs().max().item() + 1
    torch.testing.assert_close(call(single).detach().double(), exact, rtol=1e-3, atol=1e-4 * scale)


@given(CASES)
def test_training_and_sampling_keep_to_the_network_s_precision(case):
    t, eps = NoiseLoss(case.schedule).draw_t_and_eps(case.x, seeded())
    assert eps.dtype == case.dtype and t.dtype == torch.int64
    assert next(case.trainer.run(steps=1)).loss > 0
    network = case.trainer.denoiser
    assert lib.sample(network, case.schedule, 3, generator=seeded()).dtype == case.dtype
    assert lib.sample_ddim(network, case.schedule, 3, 2, generator=seeded()).dtype == case.dtype
