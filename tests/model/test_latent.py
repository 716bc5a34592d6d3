"""Labels, guidance, the autoencoder and the judge of digits."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from trainers import seeded

import tutorial_lib as lib
from tutorial_lib import Denoiser, NoiseSchedule, Trainer, VDenoiser, latent, metrics

SCHEDULE = NoiseSchedule.linear(n_steps=200)


# ---- labels --------------------------------------------------------------------------------------


def labelled(**options):
    return VDenoiser(2, SCHEDULE, 16, n_classes=3, generator=seeded(), **options)


def test_a_label_changes_the_answer_and_its_forms_agree():
    network, xt = labelled(), torch.randn(4, 2, generator=seeded(1))
    with torch.no_grad():
        by_int = [network(xt, 9, k) for k in range(3)]
        mixed = network(xt, 9, torch.tensor([0, 1, 2, -1]))
        unknown = network(xt, 9)
    assert not torch.allclose(by_int[0], by_int[1])
    for row, other in enumerate([*by_int, unknown]):
        assert torch.allclose(mixed[row], other[row], atol=1e-6)
    assert torch.equal(unknown, network(xt, 9, -1))


def test_without_classes_the_network_is_what_it_was():
    plain = Denoiser(2, 200, 16, generator=seeded())
    assert plain.layers[0].weight.shape == (16, 3)
    with pytest.raises(ValueError, match="label must be left out"):
        plain(torch.zeros(1, 2), 1, 0)


@pytest.mark.parametrize("label", [3, -2, torch.tensor([0, 3]), torch.tensor([-2, 0])])
def test_a_label_out_of_range_is_an_error(label):
    with pytest.raises(ValueError, match=r"label must lie in -1\.\.2"):
        labelled()(torch.zeros(2, 2), 1, label)


def test_labels_of_another_kind_or_length_are_errors():
    with pytest.raises(TypeError, match="label must be an int or an int64 tensor"):
        labelled()(torch.zeros(2, 2), 1, torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"label must be an int or have shape \(2,\)"):
        labelled()(torch.zeros(2, 2), 1, torch.tensor([0]))
    x0 = torch.randn(5, 2, generator=seeded())
    for label, message in (([0, 1, 2, 3, 0], "got 3"), ([0, -1, 0, 0, 0], "got -1")):
        with pytest.raises(ValueError, match=message):
            Trainer(labelled(), x0, SCHEDULE, label=torch.tensor(label))
    no_attribute = Denoiser(2, 200)
    del no_attribute.n_classes
    for denoiser in (Denoiser(2, 200), no_attribute):
        with pytest.raises(ValueError, match="label must be left out"):
            Trainer(denoiser, x0, SCHEDULE, label=torch.zeros(5).long())


def test_one_label_is_that_of_every_row():
    x0 = torch.randn(5, 2, generator=seeded())
    one, each = (Trainer(labelled(), x0, SCHEDULE, label=label) for label in (2, [2] * 5))
    assert one.label.tolist() == each.label.tolist() == [2] * 5


def test_a_tenth_of_the_labels_is_withheld_and_the_rest_belongs_to_its_row():
    label = torch.arange(3).repeat(20)
    x0 = torch.stack([label.float(), -label.float()], dim=1)
    trainer = Trainer(labelled(), x0, SCHEDULE, label=label, batch_size=40_000, generator=seeded())
    rows, _, _, given = trainer.batch()
    known = given >= 0
    assert torch.equal(rows[known, 0].long(), given[known])
    share = float((~known).float().mean())  # 40 000 coins: 0.1 +- 0.0015
    assert abs(share - 0.1) < 0.0075


def test_each_class_gets_its_own_points():
    """Two classes at -1 and +1: asked for one, the sampler gives that one (false alarms: none)."""
    label = torch.randint(2, (4000,), generator=seeded())
    x0 = (2.0 * label - 1)[:, None] + 0.1 * torch.randn(4000, 1, generator=seeded(1))
    network = VDenoiser(1, SCHEDULE, 32, n_classes=2, generator=seeded(2))
    trainer = Trainer(network, x0, SCHEDULE, label=label, generator=seeded(3))
    for _ in trainer.run(steps=300):
        pass
    for k, mode in enumerate((-1, 1)):
        eps_hat = lib.Guided(trainer.denoiser, k)
        x = lib.sample(eps_hat, SCHEDULE, 500, generator=seeded(4))
        assert (x.sign() == mode).float().mean() > 0.95
        assert abs(float(x.mean()) - mode) < 0.15
    each = torch.arange(2400) % 2  # a label for each point, of more points than pass together
    x = lib.sample(lib.Guided(trainer.denoiser, each), SCHEDULE, 2400, generator=seeded(5))
    assert (x[:, 0].sign() == 2 * each - 1).float().mean() > 0.95


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_guidance_is_equation_6(weight):
    network, xt = labelled(), torch.randn(4, 2, generator=seeded(1))
    with torch.no_grad():
        found = lib.Guided(network, 2, weight)(xt, 50)
        expected = (1 + weight) * network(xt, 50, 2) - weight * network(xt, 50)
    assert torch.allclose(found, expected, atol=1e-6)


def test_guidance_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="n_classes > 0"):
        lib.Guided(Denoiser(2, 200), 0)
    for weight in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match="weight must be finite"):
            lib.Guided(labelled(), 0, weight)


def test_a_guided_denoiser_is_checked_like_any_other():
    eps_hat = lib.Guided(labelled(), 0)
    for other in (NoiseSchedule.linear(n_steps=20), NoiseSchedule.linear(beta_max=0.1)):
        with pytest.raises(ValueError, match="schedule"):
            lib.sample(eps_hat, other, 3)
    with pytest.raises(ValueError, match="n_dim must be the denoiser's, 2, got 3"):
        lib.sample(eps_hat, SCHEDULE, 3, n_dim=3)


# ---- distances -----------------------------------------------------------------------------------


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
    assert math.isclose(metrics.frechet_distance(x, y), expected, rel_tol=1e-4)


def test_frechet_distance_of_known_gaussians():
    x = torch.randn(1000, 3, generator=seeded())
    assert abs(metrics.frechet_distance(x, x)) < 1e-9
    few = 100 * torch.randn(20, 300, generator=seeded())  # their covariances are singular
    assert abs(metrics.frechet_distance(few, few)) < 1e-6
    assert math.isclose(metrics.frechet_distance(x, x + 2), 12, rel_tol=1e-5)
    centred = x - x.mean(0)
    spread = float(x.var(0).sum())
    assert math.isclose(metrics.frechet_distance(centred, 3 * centred), 4 * spread, rel_tol=1e-4)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.zeros(5, 2), torch.zeros(5, 3)),
        (torch.zeros(5), torch.zeros(5)),
        (torch.zeros(1, 2), torch.zeros(5, 2)),
        (torch.full((5, 2), math.nan), torch.zeros(5, 2)),
    ],
)
def test_frechet_distance_refuses_what_does_not_fit(x, y):
    with pytest.raises(ValueError, match="x and y must"):
        metrics.frechet_distance(x, y)


def test_frechet_distance_of_two_points_each_in_any_form():
    x, y = [[0.0], [2.0]], torch.tensor([[1], [3]], dtype=torch.int8)  # one variance, means 1 apart
    assert metrics.frechet_distance(x, y) == pytest.approx(1)


def test_nearest_distances():
    x, reference = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 1.0], [9.0, 9.0]])
    for other in (reference, reference.double()):  # two precisions are no obstacle
        found = metrics.nearest_distances(x, other)
        assert found.tolist() == pytest.approx([1, math.sqrt(18)])
    assert metrics.nearest_distances([[0, 0]], [[0.0, 0.5]]).tolist() == [0.5]  # not cut to ints
    for other in (reference[:, :1], reference[:0], reference[0]):
        with pytest.raises(ValueError, match="x and reference must"):
            metrics.nearest_distances(x, other)


def test_the_label_goes_in_as_1_for_its_class_and_0_for_the_others():
    network, seen = labelled(), []
    network.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, -3:]))
    network(torch.zeros(4, 2), 1, torch.tensor([2, 0, -1, 1]))
    network(torch.zeros(1, 2), 1)
    assert torch.cat(seen).tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]]


@torch.no_grad()
def test_guidance_goes_beyond_the_answer_with_the_label_by_its_weight():
    network, xt = labelled(), torch.randn(4, 2, generator=seeded(1))
    with_label, without = network(xt, 9, 2), network(xt, 9)
    assert torch.equal(lib.Guided(network, 2)(xt, 9), with_label)
    for weight in (0.5, 1):
        expected = with_label + weight * (with_label - without)
        assert torch.allclose(lib.Guided(network, 2, weight)(xt, 9), expected, atol=1e-6)


def test_data_to_fit_must_be_of_equal_length():
    image, label = torch.zeros(20, 784), torch.zeros(50).long()
    for data in ((image, label), (label, image)):
        with pytest.raises(ValueError, match=r"equal length >= 1, got lengths \[20, 50\]"):
            latent.fit(torch.nn.Linear(1, 1), torch.nn.functional.mse_loss, *data, steps=1)
    with pytest.raises(ValueError, match=r"equal length >= 1, got lengths \[0\]"):
        latent.fit(torch.nn.Linear(1, 1), torch.nn.functional.mse_loss, image[:0], steps=1)


def test_only_a_denoiser_with_classes_can_be_guided():
    for denoiser in (Denoiser(2, 200), lib.DataDenoiser(torch.zeros(3, 2), SCHEDULE)):
        with pytest.raises(ValueError, match="denoiser must have classes"):
            lib.Guided(denoiser, 0)
    with pytest.raises(TypeError, match="weight must be a number"):
        lib.Guided(labelled(), 0, "3")


# ---- autoencoder and judge -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return lib.digits()


def test_networks_are_reproducible_and_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    for make in (
        lambda g: latent.Autoencoder(8, generator=g),
        lambda g: latent.Classifier(generator=g),
    ):
        first, second, other = make(seeded(0)), make(seeded(0)), make(seeded(1))
        for a, b, c in zip(first.parameters(), second.parameters(), other.parameters()):
            assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_are_drawn_as_pytorch_draws_them():
    """The law of nn.Linear and nn.Conv2d: uniform, of variance 1 / (3 n_in)."""
    for layer in latent.Autoencoder(32, generator=seeded()).modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear | torch.nn.ConvTranspose2d):
            fan_in = torch.nn.init._calculate_fan_in_and_fan_out(layer.weight)[0]
            assert layer.weight.abs().max() <= fan_in**-0.5
            if layer.weight.numel() > 1000:
                assert math.isclose(
                    float(layer.weight.detach().var()), 1 / (3 * fan_in), rel_tol=0.1
                )


def test_the_autoencoder_learns_to_give_back_what_went_in(data):
    train, held_out = data
    autoencoder = latent.Autoencoder(16, generator=seeded())

    def error():
        back = autoencoder.decode(autoencoder.encode(held_out.image[:200]))
        return float((back - held_out.image[:200]).square().sum(1).mean())

    variance = float(train.image.var(0).sum())  # the error of answering with the mean image
    run = latent.fit(
        autoencoder, latent.reconstruction_loss, train.image, steps=300, generator=seeded(1)
    )
    losses = list(run)
    assert len(losses) == 300 and losses[-1] < 0.5 * losses[0]
    assert error() < 0.6 * variance
    assert not autoencoder.encode(held_out.image[:2]).requires_grad


def test_the_reconstruction_loss_is_what_it_says():
    """In terms of the images that come back, not of their logits; with latents of some size."""
    g = seeded(1)
    autoencoder = latent.Autoencoder(1, generator=g).double()
    image = torch.rand(5, 784, generator=g, dtype=torch.float64)
    autoencoder.encoder[-1].weight.data *= 300
    z, noise = autoencoder.encode(image), torch.randn(5, 1, generator=seeded())
    share = autoencoder.decode(z + 0.2 * noise)
    assert not share.requires_grad
    pixels = image * share.log() + (1 - image) * (1 - share).log()
    right = (0.001 * z.square().sum() - pixels.sum()) / 5
    found = latent.reconstruction_loss(autoencoder, image, seeded()).item()
    assert math.isclose(found, right, rel_tol=1e-9)


def test_the_classifier_learns_from_images_moved_by_up_to_a_pixel(data):
    classifier, (image, label) = latent.Classifier(generator=seeded()), data[0].take(1)
    moves = set()
    for seed in range(30):
        found = latent.classification_loss(classifier, image, label, seeded(seed))
        moves.add(move := tuple(torch.randint(-1, 2, (2,), generator=seeded(seed)).tolist()))
        moved = torch.tensor(np.roll(image.view(-1, 28, 28).numpy(), move, axis=(1, 2)))
        share = classifier(moved.flatten(1)).softmax(1)
        assert torch.isclose(found, -share[range(10), label].log().mean(), rtol=1e-4)
    assert len(moves) == 9


def test_fit_lowers_its_rate_in_a_straight_line():
    """Adam moves a weight whose gradient is always the same by just the rate."""
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.zero_()

    def loss(network, rows, generator):
        return network.weight.sum()

    losses = [*latent.fit(layer, loss, torch.zeros(1), steps=4, learning_rate=0.1)]
    assert losses == pytest.approx([0, -0.1, -0.175, -0.225])
    assert layer.weight.item() == pytest.approx(-0.25)
    assert {type(value) for value in losses} == {float}


def test_the_judge_tells_digits_noise_and_copies_apart(data):
    train, held_out = data
    judge = latent.Judge(train, held_out, steps=250, generator=seeded())
    real, copies = judge(*held_out), judge(*train)
    assert real.accuracy > 0.9 and copies.accuracy > 0.9
    nearest = metrics.nearest_distances(held_out.image, train.image)
    assert math.isclose(real.nearest, np.median(nearest), rel_tol=1e-6)
    assert copies.nearest < 1e-2 < real.nearest  # cdist rounds
    assert copies.frechet < 1e-3 < real.frechet < 1
    pixels = (train.image - train.image.mean(0)).double()
    directions = torch.linalg.eigh(pixels.T @ pixels).eigenvectors[:, -32:]
    known, new = ((part.image.double() @ directions).numpy() for part in data)
    exact = metrics.frechet_distance(new, known)
    assert math.isclose(real.frechet, exact, rel_tol=0.005)  # scikit-learn finds them by chance
    share = judge.classifier(held_out.image).softmax(1).amax(1)
    assert math.isclose(real.sure, float((share > 0.9).float().mean()), abs_tol=1e-6)
    wrong = judge(held_out.image, (held_out.label + 1) % 10)
    assert wrong.accuracy < 0.1 and wrong.sure == real.sure
    noise = judge(torch.rand(500, 784, generator=seeded()), torch.zeros(500).long())
    assert noise.frechet > 50 * real.frechet and noise.nearest > 2 * real.nearest
    with pytest.raises(ValueError, match="label"):
        judge(train.image, held_out.label)
    with pytest.raises(ValueError, match=r"image must have shape \(n, 784\)"):
        judge(train.image[:, :10], train.label)


def test_the_judge_is_reproducible(data):
    small = [part.take(20) for part in data]
    first, second = (latent.Judge(*small, steps=2, generator=seeded()) for _ in range(2))
    assert first(*data[1]) == second(*data[1])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"steps": 1, "batch_size": 0}, "batch_size must be at least 1"),
        ({"steps": 1, "learning_rate": 0}, "learning_rate must be"),
        ({"steps": 1, "batch_size": 2**24}, "batch_size = 1.68e.07 asks for"),
    ],
)
def test_fit_refuses_bad_numbers_before_any_work(data, bad, message):
    autoencoder = latent.Autoencoder(2, generator=seeded())
    with pytest.raises(ValueError, match=message):
        latent.fit(autoencoder, latent.reconstruction_loss, data[0].image, **bad)


def test_images_and_latents_of_other_sizes_are_errors():
    autoencoder = latent.Autoencoder(2, generator=seeded())
    with pytest.raises(ValueError, match=r"image must have shape \(n, 784\)"):
        autoencoder.encode(torch.zeros(3, 28))
    with pytest.raises(ValueError, match=r"z must have shape \(n, 2\)"):
        autoencoder.decode(torch.zeros(3, 3))


def test_a_loss_that_is_not_finite_stops_the_fit_before_the_step(data):
    autoencoder = latent.Autoencoder(2, generator=seeded())
    image = torch.full((4, 784), float("nan"))
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
        list(latent.fit(autoencoder, latent.reconstruction_loss, image, steps=2))
    assert all(weight.isfinite().all() for weight in autoencoder.parameters())


def test_frechet_distance_is_never_below_0():
    x = torch.randn(50, 20, generator=seeded())
    assert all(
        metrics.frechet_distance(scale * x, scale * x) >= 0 for scale in (0.1, 1.0, 7.0, 1e3)
    )
