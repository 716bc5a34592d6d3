"""Training: what is drawn, what a step does, and that a run can be cut anywhere and continued."""

from types import SimpleNamespace

import pytest
import torch
from chance import assert_law, assert_shares
from scipy import stats
from trainers import make, same, seeded, weights

from tutorial_lib import Denoiser, NoiseSchedule, Trainer, diffuse


def test_t_is_drawn_evenly_from_1_to_T():
    _, t, _ = make(n_steps=7, batch_size=70_000).batch()
    assert t.unique().tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert t.dtype == torch.int64
    assert_shares(t.bincount()[1:], torch.ones(7))


def test_t_is_drawn_as_often_as_its_weight_says():
    weight = torch.tensor([9.0, 1.0, 0.0, 3.0, 0.5])  # entry 0 is clean data: never drawn
    _, t, _ = make(n_steps=4, batch_size=70_000, t_weight=weight).batch()
    assert t.unique().tolist() == [1, 3, 4]
    assert t.dtype == torch.int64
    assert_shares(t.bincount()[1:], weight[1:])


def test_every_batch_holds_each_t_as_often_as_its_weight_says_give_or_take_one():
    weight, trainer = torch.arange(8.0), make(n_steps=7, t_weight=torch.arange(8.0))
    drawn = torch.stack([trainer.batch()[1].bincount(minlength=8) for _ in range(20)])
    assert (drawn - 16 * weight / 28).abs().max() < 2
    assert (drawn != drawn[0]).any()


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("u, end, t", [(0.0, 0, 3), (1 - 2**-24, -1, 6)])
def test_even_the_extreme_random_numbers_give_a_t_that_has_weight(
    u, end, t, batch_size, monkeypatch
):
    weight = torch.tensor([1.0, 0, 0, 1, 1, 1, 1, 0])
    trainer = make(n_steps=7, t_weight=weight, batch_size=batch_size)
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), u))
    assert trainer.batch()[1][end] == t


def test_rows_are_drawn_evenly_and_the_noise_is_standard_normal():
    trainer = make(batch_size=50_000)
    x0, _, eps = trainer.batch()
    values, counts = x0[:, 0].unique(return_counts=True)
    assert torch.equal(values, trainer.x0[:, 0].sort().values)
    assert_shares(counts, torch.ones(50))
    assert eps.shape == x0.shape
    assert_law(eps, stats.norm.cdf)


def test_rows_timesteps_and_noise_are_independent():
    x0, t, eps = (v.flatten().double() for v in make(batch_size=50_000).batch())
    correlation = torch.corrcoef(torch.stack([x0, t, eps]))
    assert (correlation - torch.eye(3)).abs().max() < 5 / 50_000**0.5


def test_the_loss_is_the_mean_squared_error_of_the_batch():
    trainer, twin = make(), make()
    x0, t, eps = twin.batch()
    error = twin.network(diffuse(twin.schedule, x0, t, eps), t) - eps
    step = next(trainer.run(steps=1))
    assert step.loss == pytest.approx(error.square().mean().item(), rel=1e-6)


def test_steps_are_counted_from_1_over_the_trainers_life():
    trainer = make()
    first, second = list(trainer.run(steps=3)), list(trainer.run(steps=2))
    assert [step.index for step in first + second] == [1, 2, 3, 4, 5]
    assert [step.loss for step in first + second] == trainer.losses


def test_one_seed_gives_one_run_and_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    one, two, other = make(), make(), make(generator=seeded(4))
    for trainer in (one, two, other):
        list(trainer.run(steps=5))
    assert same(one, two) and not same(one, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("average", [True, False])
def test_two_runs_are_one_longer_run(average):
    one, two = make(average=average), make(average=average)
    list(one.run(steps=30))
    list(two.run(steps=10))
    list(two.run(steps=20))
    assert same(one, two)


def test_a_run_that_its_caller_leaves_can_be_continued():
    one, two = make(), make()
    list(one.run(steps=7))
    for step in two.run(steps=100):
        if step.index == 3:
            break
    list(two.run(steps=4))
    assert same(one, two)


def test_the_data_are_left_alone():
    trainer = make()
    kept = trainer.x0.clone()
    list(trainer.run(steps=3))
    assert torch.equal(trainer.x0, kept)


def test_a_budget_of_seconds_starts_steps_until_it_is_spent(monkeypatch):
    trainer, now = make(), [100.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("tutorial_lib.training.time", clock)
    trainer.network.register_forward_pre_hook(lambda *_: now.__setitem__(0, now[0] + 1))
    assert len(list(trainer.run(seconds=3.5))) == 4
    assert len(list(trainer.run(seconds=2))) == 2


def test_a_run_may_be_as_long_as_its_caller_likes():
    assert next(make().run(steps=10**12)).index == 1


def test_however_small_a_budget_makes_a_step():
    assert len(list(make().run(seconds=1e-12))) == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_training_is_done_in_the_precision_of_the_network(weighted):
    network = Denoiser(1, 20, 4, generator=seeded()).double()
    weight = torch.ones(21) if weighted else None
    x0 = torch.randn(50, 1, generator=seeded())
    trainer = Trainer(network, x0, NoiseSchedule.linear(20), t_weight=weight, generator=seeded())
    assert next(trainer.run(steps=1)).loss > 0
    assert {v.dtype for v in trainer.batch()} == {torch.float64, torch.int64}
    assert {p.dtype for p in trainer.denoiser.parameters()} == {torch.float64}


@pytest.mark.parametrize("rate", [-1e-9, float("nan"), float("inf")])
def test_a_learning_rate_that_turns_bad_is_named_and_no_step_made(rate):
    trainer = make(learning_rate=lambda step: 1e-2 if step < 3 else rate)
    list(trainer.run(steps=2))
    before = weights(trainer.network)
    with pytest.raises(ValueError, match=f"learning_rate must be .*, got {rate} at step 3"):
        list(trainer.run(steps=1))
    assert torch.equal(weights(trainer.network), before) and len(trainer.losses) == 2


def test_a_learning_rate_of_0_changes_nothing():
    trainer = make(learning_rate=lambda step: 0)
    before = weights(trainer.network)
    list(trainer.run(steps=3))
    assert torch.equal(weights(trainer.network), before)


def test_what_a_network_counts_beside_its_weights_is_in_the_averaged_one():
    class Normed(torch.nn.Module):
        n_dim, n_steps = 1, 20

        def __init__(self):
            super().__init__()
            self.norm, self.layer = torch.nn.BatchNorm1d(1), torch.nn.Linear(1, 1)

        def forward(self, xt, t):
            return self.layer(self.norm(xt))

    x0 = torch.randn(50, 1, generator=seeded())
    trainer = Trainer(Normed(), x0, NoiseSchedule.linear(20), generator=seeded())
    list(trainer.run(steps=5))
    ours, latest = (dict(net.named_buffers()) for net in (trainer.denoiser, trainer.network))
    assert ours["norm.num_batches_tracked"] == 5
    assert all(torch.equal(ours[name], latest[name]) for name in ours)
