"""What diffusion in a latent space needs besides diffusion: an autoencoder and a judge."""

from typing import NamedTuple

import torch
from sklearn.decomposition import PCA
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from tutorial_lib._random import draw
from tutorial_lib._silent import check_same_shape
from tutorial_lib.digits import N_CLASSES, SIDE, Digits
from tutorial_lib.metrics import frechet_distance, nearest_distances
from tutorial_lib.network import draw_weights
from tutorial_lib.training import Trainer


class Autoencoder(nn.Module):
    """Digits (n, 784) to n_latent numbers and back, with two convolutions on each side.

    `encode` and `decode` are for use once it is trained, and keep no gradients.
    `generator` makes the initial weights reproducible; without it PyTorch's global one is used.
    """

    def __init__(self, n_latent: int, *, generator: Generator | None = None):
        super().__init__()
        self.n_latent = n_latent
        with torch.device("meta"):  # the weights are drawn below, once
            self.encoder = nn.Sequential(
                nn.Unflatten(1, (1, SIDE, SIDE)),
                nn.Conv2d(1, 16, 4, stride=2, padding=1),  # 28 x 28 to 14 x 14
                nn.ReLU(),
                nn.Conv2d(16, 32, 4, stride=2, padding=1),  # to 7 x 7
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(32 * 7 * 7, n_latent),
            )
            self.decoder = nn.Sequential(
                nn.Linear(n_latent, 32 * 7 * 7),
                nn.ReLU(),
                nn.Unflatten(1, (32, 7, 7)),
                nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
                nn.Flatten(),
            )
        draw_weights(self, generator)

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """Latents (n, n_latent) of images (n, 784)."""
        return torch.cat([self.encoder(rows) for rows in image.split(500)])  # in less memory

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Images (n, 784) in 0..1 from latents (n, n_latent)."""
        return self.decoder(z).sigmoid()


def reconstruction_loss(
    autoencoder: Autoencoder, image: Tensor, *, generator: Generator | None = None
) -> Tensor:
    """How badly the images (n, 784) come back, the latents being shaken on the way: a number.

    The binary cross-entropy summed over pixels. The latents get noise of standard deviation 0.2,
    which makes the decoder treat neighbours alike, and a small price on their squares keeps them
    from growing until the noise no longer counts.
    """
    z = autoencoder.encoder(image)
    shaken = z + 0.2 * draw(torch.randn, z.shape, device=z.device, generator=generator)
    pixels = binary_cross_entropy_with_logits(autoencoder.decoder(shaken), image, reduction="sum")
    return (pixels + 1e-3 * z.square().sum()) / len(image)


class Classifier(nn.Sequential):
    """Digits (n, 784) to ten logits, by two convolutions and one linear layer."""

    def __init__(self, *, generator: Generator | None = None):
        with torch.device("meta"):
            super().__init__(
                nn.Unflatten(1, (1, SIDE, SIDE)),
                nn.Conv2d(1, 16, 5, stride=2, padding=2),
                nn.ReLU(),
                nn.Conv2d(16, 32, 5, stride=2, padding=2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(32 * 7 * 7, N_CLASSES),
            )
        draw_weights(self, generator)


def classification_loss(
    classifier: Classifier, image: Tensor, label: Tensor, *, generator: Generator | None = None
) -> Tensor:
    """The cross-entropy for images (n, 784), all moved by up to a pixel each way: a number."""
    shift = draw(torch.randint, -1, 2, (2,), device=image.device, generator=generator).tolist()
    moved = image.view(-1, SIDE, SIDE).roll(shift, (1, 2)).flatten(1)
    return cross_entropy(classifier(moved), label)


class Marks(NamedTuple):
    """What a judge says of images.

    accuracy: the share that the classifier takes for what they are meant to be. sure: the share
    for which it is more than 90 % sure of its answer. frechet: the Fréchet distance from the
    training images. copies: the share nearer to the training images than to as many held-out
    ones; of new images, a half. nearest: the distance to the nearest training image that one
    image in twenty falls below.
    """

    accuracy: float
    sure: float
    frechet: float
    copies: float
    nearest: float


class Judge:
    """Marks images by digits that the generator has not seen, and by those that it has.

    The classifier learns from `held_out`. `train` are the generator's own digits. The Fréchet
    distance is taken in the space of their first 32 principal components, and is blind to the rest.
    """

    def __init__(
        self,
        train: Digits,
        held_out: Digits,
        *,
        steps: int = 400,
        generator: Generator | None = None,
    ):
        each = min(
            int(part.label.bincount(minlength=N_CLASSES).min()) for part in (train, held_out)
        )
        self.train, self.seen = train.image, train.take(each).image
        self.unseen = held_out.take(each).image
        self.classifier = Classifier(generator=generator)
        trainer = Trainer(
            self.classifier,
            held_out.image,
            classification_loss,
            label=held_out.label,
            batch_size=128,
            learning_rate=lambda k: 2e-3 * (1 - (k - 1) / steps),
            average=False,
            generator=generator,
        )
        trainer.train(steps=steps, name="the judge")
        self.pca = PCA(32, random_state=0).fit(train.image.numpy())
        self.components = self.pca.transform(train.image.numpy())

    @torch.no_grad()
    def __call__(self, image: Tensor, label: Tensor) -> Marks:
        """image: (n, 784) in 0..1. label: (n,) int64, what each is meant to be."""
        check_same_shape(label=label, rows=image[:, 0])
        weight = next(self.classifier.parameters())
        logits = torch.cat([self.classifier(rows) for rows in image.to(weight).split(250)])
        share, answer = logits.softmax(1).max(1)
        copies = nearest_distances(image, self.seen) < nearest_distances(image, self.unseen)
        return Marks(
            float((answer == label).float().mean()),
            float((share > 0.9).float().mean()),
            frechet_distance(self.pca.transform(image.numpy()), self.components),
            float(copies.float().mean()),
            float(nearest_distances(image, self.train).quantile(0.05)),
        )
