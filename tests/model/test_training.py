"""Training: what is drawn, what a step does, what comes of it, and when it stops."""

import math
from types import SimpleNamespace

import pytest
import torch
from chance import assert_law, assert_shares
from scipy import stats
from trainers import make, same, seeded, weights

from tutorial_lib import (
    DataDenoiser,
    Denoiser,
    ExactDenoiser,
    Guided,
    NoiseSchedule,
    Trainer,
    VDenoiser,
    diffuse,
    sample,
)
from tutorial_lib.loss import NoiseLoss, steadier
from tutorial_lib.oracle import excess_loss

# ---- the loss of a denoiser ----------------------------------------------------------------------


def drawn(n: int, n_steps: int = 7, t_weight=None, seed: int = 0):
    """t and eps for n rows of zeros."""
    loss = NoiseLoss(NoiseSchedule.linear(n_steps), t_weight)
    return loss.draw_t_and_eps(torch.zeros(n, 1), seeded(seed))


@pytest.mark.parametrize(
    "t_weight, shares", [(None, [1, 1, 1, 1]), ([9.0, 1, 0, 3, 0.5], [1, 0, 3, 0.5])]
)
def test_t_is_drawn_evenly_from_1_to_T_or_as_often_as_its_weight_says(t_weight, shares):
    t, _ = drawn(70_000, 4, t_weight)  # 0 is clean data: never drawn
    assert t.dtype == torch.int64 and t.min() == 1
    assert_shares(t.bincount(minlength=5)[1:], shares)


def test_every_batch_holds_each_t_as_often_as_its_weight_says_give_or_take_one():
    weight = torch.arange(8.0)
    counts = [drawn(16, 7, weight, seed)[0].bincount(minlength=8) for seed in range(20)]
    counts = torch.stack(counts)
    assert (counts - 16 * weight / 28).abs().max() < 2
    assert (counts != counts[0]).any()


@pytest.mark.parametrize("n", [1, 1000])
@pytest.mark.parametrize("u, end, t", [(0.0, 0, 3), (1 - 2**-24, -1, 6)])
def test_even_the_extreme_random_numbers_give_a_t_that_has_weight(u, end, t, n, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), u))
    assert drawn(n, 7, torch.tensor([1.0, 0, 0, 1, 1, 1, 1, 0]))[0][end] == t


def test_the_noise_is_standard_normal_and_knows_nothing_of_t():
    t, eps = drawn(50_000)
    assert eps.shape == (50_000, 1)
    assert_law(eps, stats.norm.cdf)
    correlation = torch.corrcoef(torch.stack([t.double(), eps[:, 0].double()]))[0, 1]
    assert abs(correlation) < 5 / 50_000**0.5


def test_the_loss_is_the_mean_squared_error_of_the_predicted_noise(schedule, denoiser):
    loss, x0 = NoiseLoss(schedule), torch.randn(50, 1, generator=seeded(1))
    t, eps = loss.draw_t_and_eps(x0, seeded())
    error = denoiser(diffuse(schedule, x0, t, eps), t) - eps
    assert torch.equal(loss(denoiser, x0, generator=seeded()), error.square().mean())


def test_a_tenth_of_the_labels_is_withheld_and_the_rest_belongs_to_its_row():
    label, seen = torch.arange(3).repeat(10_000), []

    def network(xt, t, shown):
        seen.append(shown)
        return xt

    NoiseLoss(NoiseSchedule.linear())(network, torch.zeros(30_000, 1), label, generator=seeded())
    known = seen[0] >= 0
    assert torch.equal(seen[0][known], label[known]) and (seen[0][~known] == -1).all()
    share = float((~known).float().mean())  # 30 000 coins: 0.1 +- 0.0017
    assert abs(share - 0.1) < 0.0085


# ---- steadier targets ----------------------------------------------------------------------------


def noisy(n: int, n_dim: int, schedule, t=None):
    """n rows of data, their noise, a and b, t and xt; the extremes of t are among them."""
    x0, eps = torch.randn(2, n, n_dim, generator=seeded(1))
    if t is None:
        t = torch.randint(1, schedule.n_steps + 1, (n,), generator=seeded(2))
        t[:2] = torch.tensor([1, schedule.n_steps])
    a, b = schedule.alpha_bar[t].sqrt(), (1 - schedule.alpha_bar[t]).sqrt()
    return x0, eps, a.view(-1, 1), b.view(-1, 1), t, diffuse(schedule, x0, t, eps)


@pytest.mark.parametrize("n_dim", [1, 3])
def test_with_all_data_as_references_the_target_is_the_exact_answer(n_dim, schedule):
    x0, eps, a, b, t, xt = noisy(200, n_dim, schedule)
    origin, noise = steadier(x0, eps, a, b, 200)
    exact = DataDenoiser(x0, schedule)(xt, t)
    assert torch.allclose(noise, exact, atol=1e-4)
    assert torch.allclose(a * origin + b * noise, xt, atol=1e-5)  # x stays what it is
    options = {"network": DataDenoiser(x0, schedule), "x0": x0, "generator": seeded()}
    assert NoiseLoss(schedule, n_references=200)(**options) < 1e-8
    assert NoiseLoss(schedule)(**options) > 0.01


def test_with_one_reference_the_target_is_the_plain_one(schedule):
    x0, eps, a, b, *_ = noisy(20, 2, schedule)
    for plain, steady in zip((x0, eps), steadier(x0, eps, a, b, 1)):
        assert torch.equal(plain, steady)


@pytest.mark.parametrize("t", [5, 20, 60])
def test_few_references_leave_the_mean_at_each_x_as_it_was(t, mixture, exact, schedule):
    """The error of the target is smaller than the plain one's, and knows nothing of x."""
    n = 100_000
    _, eps, a, b, *_ = noisy(n, 1, schedule, torch.full((n,), t))
    x0 = mixture.sample(n, generator=seeded())
    xt = diffuse(schedule, x0, t, eps)
    answer = exact(xt, t)
    _, noise = steadier(x0, eps, a, b, 4)
    error = noise - answer
    assert error.square().mean() < 0.8 * (eps - answer).square().mean()
    for h in (torch.ones_like(xt), xt, xt.square(), (4 * xt).sin(), answer):
        # Rows of a group share their references: so a group's mean is one observation.
        mean_of_group = (h * error).view(4, -1).mean(0)
        assert abs(mean_of_group.mean()) < 5 * mean_of_group.std() / len(mean_of_group) ** 0.5


def test_steadier_targets_draw_what_the_plain_ones_do_and_refuse_labels(schedule):
    seen, x0 = [], torch.randn(32, 2, generator=seeded(1))

    def network(xt, t, *_):
        seen.append((xt, t))
        return torch.zeros_like(xt)

    losses = [NoiseLoss(schedule, None, k)(network, x0, generator=seeded()) for k in (1, 8, 32)]
    assert losses[0] > losses[1] > losses[2]
    for xt, t in seen[1:]:
        assert torch.equal(xt, seen[0][0]) and torch.equal(t, seen[0][1])
    with pytest.raises(RuntimeError):  # in words of torch: 32 rows are no groups of 5
        NoiseLoss(schedule, n_references=5)(network, x0, generator=seeded())
    labels = torch.zeros(32, dtype=torch.int64)
    with pytest.raises(ValueError, match="n_references must be 1 where there are labels"):
        NoiseLoss(schedule, n_references=8)(network, x0, labels, generator=seeded())


# ---- a step, and a run ---------------------------------------------------------------------------


def keep_rows(network, *rows, generator):
    """A loss function that only keeps what it is given."""
    network.seen = rows
    return network.weight.sum()


def test_a_step_draws_rows_evenly_with_the_label_of_each():
    layer, x0 = torch.nn.Linear(1, 1), torch.randn(50, 1, generator=seeded())
    options = {"label": torch.arange(50), "batch_size": 50_000, "generator": seeded(1)}
    next(Trainer(layer, x0, keep_rows, **options).run(steps=1))
    rows, label = layer.seen
    assert torch.equal(rows, x0[label])
    assert_shares(label.bincount(), torch.ones(50))


@pytest.mark.parametrize("label", [2, [2] * 5, torch.tensor(2), torch.full((5,), 2)])
def test_one_label_is_that_of_every_row(label):
    layer = torch.nn.Linear(1, 1)
    next(Trainer(layer, torch.zeros(5, 1), keep_rows, label=label).run(steps=1))
    assert layer.seen[1].unique().tolist() == [2]


def test_least_squares_by_a_loss_of_ones_own_reach_the_closed_form():
    """Without noise in y the mean over all rows is reached by each batch of them."""
    x = torch.randn(200, 3, generator=seeded())
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3

    def squared_error(network, x, row, *, generator):
        return (network(x)[:, 0] - y[row]).square().mean()

    layer = torch.nn.Linear(3, 1)
    options = {"learning_rate": lambda k: 0.1 / (1 + k / 50), "generator": seeded(1)}
    trainer = Trainer(layer, x, squared_error, label=torch.arange(200), batch_size=64, **options)
    trainer.train(steps=600)
    design = torch.cat([x, torch.ones(200, 1)], dim=1).double()
    closed_form = torch.linalg.lstsq(design, y.double()[:, None]).solution[:, 0]
    for network in (layer, trainer.denoiser):
        assert torch.allclose(weights(network).double(), closed_form, atol=1e-3)


def test_steps_are_counted_from_1_over_the_trainers_life():
    trainer = make()
    first, second = list(trainer.run(steps=3)), list(trainer.run(steps=2))
    assert [step.index for step in first + second] == [1, 2, 3, 4, 5]
    assert [step.loss for step in first + second] == trainer.losses


@pytest.mark.parametrize("average", [True, False])
def test_a_run_that_its_caller_leaves_can_be_continued(average):
    one, two = make(average=average), make(average=average)
    list(one.run(steps=7))
    for step in two.run(steps=100):
        if step.index == 3:
            break
    list(two.run(steps=4))
    assert same(one, two)


def test_clearing_the_list_of_losses_restarts_nothing():
    one, two = make(), make()
    list(one.run(steps=7))
    list(two.run(steps=3))
    two.losses.clear()
    assert [step.index for step in two.run(steps=4)] == [4, 5, 6, 7]
    assert torch.equal(weights(one.denoiser), weights(two.denoiser))


def test_train_that_makes_no_step_says_nothing(capsys):
    make().train(steps=0)
    assert "loss" not in capsys.readouterr().out


def test_a_budget_of_seconds_starts_steps_until_it_is_spent(monkeypatch):
    trainer, now = make(), [100.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("tutorial_lib.training.time", clock)
    trainer.network.register_forward_pre_hook(lambda *_: now.__setitem__(0, now[0] + 1))
    assert len(list(trainer.run(seconds=3.5))) == 4
    assert len(list(trainer.run(seconds=2))) == 2


@pytest.mark.parametrize(
    "budget, steps",
    [({"steps": 0}, 0), ({"steps": -1}, 0), ({"steps": 2.5}, 3)]
    + [({"seconds": seconds}, 1) for seconds in (0, -1, 1e-12)],
)
def test_a_budget_that_is_spent_at_once_makes_no_step_or_one(budget, steps):
    assert len(list(make().run(**budget))) == steps


# ---- train: the same with a line of text ---------------------------------------------------------


def test_train_makes_the_steps_and_leaves_one_line(capfd):
    trainer, twin = make(), make()
    assert trainer.train(steps=150, name="two humps") is None
    list(twin.run(steps=150))
    assert same(trainer, twin)
    out, err = capfd.readouterr()
    mean = sum(trainer.losses[-100:]) / 100
    *bars, last = out.replace("\r", "\n").strip().split("\n")
    assert last == f"two humps: 150 steps, loss {mean:.3g}"
    assert all(not bar.strip() or bar.startswith("two humps: ") for bar in bars)
    assert "\n" not in out[:-1] and out.endswith("\n") and err == ""


def test_train_takes_seconds_and_goes_on_from_where_it_was(capsys):
    trainer = make()
    trainer.train(seconds=1e-9)
    trainer.train(steps=2)
    lines = capsys.readouterr().out.replace("\r", "\n").splitlines()
    assert [line for line in lines if "steps" in line] == [
        f"training: 1 steps, loss {trainer.losses[0]:.3g}",
        f"training: 3 steps, loss {sum(trainer.losses[1:]) / 2:.3g}",
    ]


# ---- the rate and the average of the weights -----------------------------------------------------


def test_the_rate_given_is_the_rate_used():
    for rate, moved in ((0.02, 0.02), (0, 0)):  # Adam's first step is the rate itself
        trainer = make(learning_rate=rate)
        before = weights(trainer.network)
        list(trainer.run(steps=1))
        step = (weights(trainer.network) - before).abs().max().item()
        assert step == pytest.approx(moved, rel=0.01)


def test_the_average_weighs_the_iterates_as_polynomial_decay_says():
    trainer, iterates = make(learning_rate=0.02), []
    for _ in trainer.run(steps=12):
        iterates.append(weights(trainer.network))
    mean = torch.zeros_like(iterates[0])
    for k, iterate in enumerate(iterates, start=1):
        share = (8 + 1) / (8 + k)
        for j in range(k + 1, 13):
            share *= 1 - (8 + 1) / (8 + j)
        mean += share * iterate
    assert torch.allclose(weights(trainer.denoiser), mean, atol=1e-6)
    assert not torch.allclose(mean, iterates[-1], atol=1e-3)


def test_without_averaging_the_network_itself_is_the_denoiser():
    trainer = make(average=False)
    assert trainer.denoiser is trainer.network
    assert trainer.running_mean is None
    assert make().denoiser is not make().network


def test_what_a_network_counts_beside_its_weights_is_in_the_averaged_one():
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(1), torch.nn.Linear(1, 1))
    x0 = torch.randn(50, 1, generator=seeded())
    trainer = Trainer(network, x0, lambda net, x, generator: net(x).square().mean())
    list(trainer.run(steps=5))
    ours, latest = (dict(net.named_buffers()) for net in (trainer.denoiser, network))
    assert ours["0.num_batches_tracked"] == 5
    assert all(torch.equal(ours[name], latest[name]) for name in ours)


def test_an_averaged_network_can_be_trained_on():
    """It is not frozen: a second training starts where the average of the first stopped."""
    first = make()
    list(first.run(steps=5))
    second = Trainer(first.denoiser, first.data[0], NoiseSchedule.linear(20), generator=seeded())
    before = weights(first.denoiser)
    list(second.run(steps=5))
    assert second.network is first.denoiser
    assert (weights(first.denoiser) != before).any()


def test_a_trained_network_beats_the_best_linear_predictor(mixture, schedule):
    exact, times = ExactDenoiser(mixture, schedule), range(1, 201, 6)
    x0 = mixture.sample(5000, generator=seeded())
    trainer = Trainer(
        Denoiser(1, 200, 32, generator=seeded()),
        x0,
        schedule,
        batch_size=512,
        learning_rate=1e-2,
        generator=seeded(),
    )

    def excess(denoiser):
        return sum(excess_loss(denoiser, exact, t) for t in times) / len(times)

    linear = excess(lambda x, t: (1 - schedule.alpha_bar[t]).sqrt() * x)
    untrained = excess(trainer.denoiser)
    list(trainer.run(steps=300))
    assert excess(trainer.denoiser) < linear / 2 < untrained / 10


def test_each_class_gets_its_own_points(schedule):
    """Two classes at -1 and +1: asked for one, the sampler gives that one (false alarms: none)."""
    label = torch.randint(2, (4000,), generator=seeded())
    x0 = (2.0 * label - 1)[:, None] + 0.1 * torch.randn(4000, 1, generator=seeded(1))
    network = VDenoiser(1, schedule, 32, n_classes=2, generator=seeded(2))
    trainer = Trainer(network, x0, schedule, label=label, generator=seeded(3))
    trainer.train(steps=300)
    for k, mode in enumerate((-1, 1)):
        eps_hat = Guided(trainer.denoiser, k)
        x = sample(eps_hat, schedule, 500, generator=seeded(4))
        assert (x.sign() == mode).float().mean() > 0.95
        assert abs(float(x.mean()) - mode) < 0.15
    each = torch.arange(2400) % 2  # a label for each point, of more points than pass together
    x = sample(Guided(trainer.denoiser, each), schedule, 2400, generator=seeded(5))
    assert (x[:, 0].sign() == 2 * each - 1).float().mean() > 0.95


def test_defaults_are_those_of_the_series():
    trainer = Trainer(Denoiser(1, 20, 4), torch.zeros(5, 1), NoiseSchedule.linear(20))
    assert (trainer.batch_size, trainer.learning_rate) == (1024, 3e-3)
    assert trainer.running_mean is not None and trainer.objective.summed_shares is None


# ---- what is refused, and where a run stops ------------------------------------------------------

X0, SHORT = torch.zeros(5, 1), NoiseSchedule.linear(20)
ANY, OTHER = {}, NoiseSchedule.linear(20, beta_max=0.3)


@pytest.mark.parametrize(
    "network, x0, objective, option, error, message",
    [
        (Denoiser(1, 20, 4), X0 + math.nan, SHORT, ANY, ValueError, "x0 must be finite, got 5"),
        (Denoiser(1, 20, 4), X0.double() + 1e300, SHORT, ANY, ValueError, "x0 must be finite"),
        (Denoiser(1, 21, 4), X0, SHORT, ANY, ValueError, "schedule must be .* with 21 steps; got"),
        (VDenoiser(1, OTHER, 4), X0, SHORT, ANY, ValueError, "schedule must be the one that"),
        (Denoiser(1, 20, 4).half(), X0, SHORT, ANY, TypeError, "float32 or float64, got .*float16"),
        (
            torch.nn.Linear(1, 1),
            X0,
            keep_rows,
            {"t_weight": torch.ones(21)},
            ValueError,
            "t_weight is for a NoiseSchedule as objective",
        ),
    ],
)
def test_what_could_not_be_trained_rightly_is_refused(
    network, x0, objective, option, error, message
):
    with pytest.raises(error, match=message):
        Trainer(network, x0, objective, **option)


@pytest.mark.parametrize(
    "t_weight, message",
    [
        (torch.ones(20), r"t_weight and beta must have the same shape, got t_weight \(20,\), beta"),
        ([1.0] * 20, "t_weight and beta must have the same shape"),
        (-torch.ones(21), r"t_weight\[1\.\.T\] must be >= 0 and finite, some above 0"),
        ([0, -1.0] + [1.0] * 19, r"t_weight\[1\.\.T\] must be >= 0 and finite, some above 0"),
        (torch.eye(21)[0], r"t_weight\[1\.\.T\] must be >= 0 and finite, some above 0"),
        (torch.ones(21) / 0, r"t_weight\[1\.\.T\] must be >= 0 and finite"),
    ],
)
def test_weights_of_t_that_are_no_shares_are_refused(t_weight, message):
    with pytest.raises(ValueError, match=message):
        Trainer(Denoiser(1, 20, 4), X0, SHORT, t_weight=t_weight)


def test_a_prediction_of_another_shape_is_refused():
    class Flat(Denoiser):
        def forward(self, xt, t):
            return super().forward(xt, t)[:, 0]

    with pytest.raises(ValueError, match="eps and eps_hat must have the same shape, got eps"):
        list(Trainer(Flat(1, 20, 4), X0, SHORT).run(steps=1))


@pytest.mark.parametrize("budget", [{}, {"steps": 5, "seconds": 1}])
def test_a_run_has_one_budget(budget):
    for call in (lambda: next(make().run(**budget)), lambda: make().train(**budget)):
        with pytest.raises(ValueError, match="give one of steps and seconds, got steps="):
            call()


@pytest.mark.parametrize("rate", [-1e-9, float("nan"), float("inf")])
def test_a_learning_rate_that_turns_bad_is_named_and_no_step_made(rate):
    trainer = make(learning_rate=lambda step: 1e-2 if step < 3 else rate)
    list(trainer.run(steps=2))
    before = weights(trainer.network)
    with pytest.raises(ValueError, match=f"learning_rate must be .*, got {rate} at step 3"):
        list(trainer.run(steps=1))
    assert torch.equal(weights(trainer.network), before) and len(trainer.losses) == 2


def test_training_that_diverges_stops_before_the_weights_are_touched():
    trainer, seen = make(learning_rate=lambda index: 1e-3 if index < 5 else 1e30), []
    with pytest.raises(FloatingPointError, match=r"the loss is (inf|nan) at step \d: training"):
        for _ in trainer.run(steps=20):
            seen.append(weights(trainer.network))
    assert torch.equal(weights(trainer.network), seen[-1])
    assert len(trainer.losses) == len(seen) and torch.tensor(trainer.losses).isfinite().all()
