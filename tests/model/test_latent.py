"""The autoencoder and the judge of digits."""

import copy
import math

import numpy as np
import pytest
import torch
from trainers import seeded, weights

import tutorial_lib as lib
from tutorial_lib import Digits, Trainer, latent, metrics


@pytest.fixture(scope="module")
def data():
    return lib.digits()


def test_the_autoencoder_learns_to_give_back_what_went_in(data):
    train, held_out = data
    autoencoder = latent.Autoencoder(16, generator=seeded())

    def error():
        back = autoencoder.decode(autoencoder.encode(held_out.image[:200]))
        return float((back - held_out.image[:200]).square().sum(1).mean())

    variance = float(train.image.var(0).sum())  # the error of answering with the mean image
    trainer = Trainer(
        autoencoder,
        train.image,
        latent.reconstruction_loss,
        batch_size=128,
        learning_rate=lambda k: 2e-3 * (1 - (k - 1) / 300),
        average=False,
        generator=seeded(1),
    )
    trainer.train(steps=300)
    assert trainer.losses[-1] < 0.5 * trainer.losses[0]
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
    found = latent.reconstruction_loss(autoencoder, image, generator=seeded()).item()
    assert math.isclose(found, right, rel_tol=1e-9)


def test_the_classifier_learns_from_images_moved_by_up_to_a_pixel(data):
    classifier, (image, label) = latent.Classifier(generator=seeded()), data[0].take(1)
    moves = set()
    for seed in range(30):
        found = latent.classification_loss(classifier, image, label, generator=seeded(seed))
        moves.add(move := tuple(torch.randint(-1, 2, (2,), generator=seeded(seed)).tolist()))
        moved = torch.tensor(np.roll(image.view(-1, 28, 28).numpy(), move, axis=(1, 2)))
        share = classifier(moved.flatten(1)).softmax(1)
        assert torch.isclose(found, -share[range(10), label].log().mean(), rtol=1e-4)
    assert len(moves) == 9


def test_the_trainer_does_what_a_plain_loop_does(data):
    """Rows, labels, loss, rate, Adam: 20 steps, bit for bit."""
    (image, label), made, g = data[0], latent.Classifier(generator=seeded()), seeded(1)

    def rate(k):
        return 2e-3 * (1 - (k - 1) / 20)

    plain, losses = copy.deepcopy(made), []
    adam = torch.optim.Adam(plain.parameters(), fused=True)
    for k in range(1, 21):
        adam.param_groups[0]["lr"] = rate(k)
        rows = torch.randint(len(image), (64,), generator=g)
        loss = latent.classification_loss(plain, image[rows], label[rows], generator=g)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    options = {"label": label, "batch_size": 64, "learning_rate": rate, "generator": seeded(1)}
    trainer = Trainer(made, image, latent.classification_loss, **options)
    trainer.train(steps=20)
    assert trainer.losses == losses
    assert torch.equal(weights(made), weights(plain))


def test_the_judge_tells_digits_noise_and_copies_apart(data):
    train, held_out = data
    judge = latent.Judge(train, held_out, steps=250, generator=seeded())
    real, copies = judge(*held_out), judge(*train)
    assert real.accuracy > 0.9 and copies.accuracy > 0.9
    distances = torch.cdist(held_out.image.double(), train.image.double()).amin(1)
    assert math.isclose(real.nearest, np.quantile(distances, 0.05), rel_tol=1e-4)
    assert copies.nearest < 1e-2 < real.nearest  # cdist rounds
    # Each of 200 of a class has itself in one of the two sets; the other 100 are like new ones.
    assert judge(*train.take(200)).copies == 1 and real.copies == 0
    assert abs(copies.copies - 2.5 / 3) < 4 * (0.25 * 1000) ** 0.5 / 3000
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
    # Of the digits that the judge weighs, half of the new ones are nearer to each half.
    halves = [Digits(part.image[k::2], part.label[k::2]) for part in data for k in (0, 1)]
    fair = latent.Judge(halves[0], halves[1], steps=1, generator=seeded())
    new = fair(held_out.image, held_out.label).copies
    assert abs(new - 0.5) < 4 * 0.5 / len(held_out.image) ** 0.5
    with pytest.raises(ValueError, match="label and rows must have the same shape, got label"):
        judge(train.image, held_out.label)
