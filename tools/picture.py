"""Make the README's picture: a trained network turns noise into data. `python tools/picture.py`"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.animation import FuncAnimation, PillowWriter

import tutorial_lib as lib
from tutorial_lib import plotting

PICTURE = Path(__file__).resolve().parent.parent / ".github" / "denoising.gif"
AGAIN = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"  # the order to start all over


def main() -> None:
    g = torch.Generator().manual_seed(0)
    data = lib.gaussian_mixture(10_000, generator=g)
    scaler = lib.Standardizer.fit(data)
    truth, schedule = lib.two_modes().standardized(scaler), lib.NoiseSchedule.linear()
    network = lib.Denoiser(1, 200, generator=g)
    trainer = lib.Trainer(network, scaler.transform(data), schedule, generator=g)
    trainer.train(steps=2_000)
    path = lib.sample(trainer.denoiser, schedule, 10_000, trajectory=True, generator=g)
    grid = torch.linspace(-3, 3, 201)[:, None]

    plt.style.use(["default", plotting.STYLE])
    figure, ax = plt.subplots(figsize=(7, 3))

    def draw(t: int) -> None:
        ax.clear()
        density = truth.diffused(schedule.alpha_bar[t]).density(grid)
        title = f"t = {t}"
        plotting.histogram(ax, path[t], "model", exact=density, label="generated", title=title)
        ax.set_ylim(0, 0.8)
        ax.legend(loc="upper left")

    # Noise fades slowly and the humps part fast, so fewer frames at first; the end is held.
    times = [*range(200, 80, -8), *range(80, -1, -2), *[0] * 15]
    FuncAnimation(figure, draw, times).save(PICTURE, PillowWriter(fps=12), dpi=80)
    plt.close(figure)
    # It plays once: what moves for more than five seconds would need a way to stop it (WCAG 2.2.2).
    PICTURE.write_bytes(PICTURE.read_bytes().replace(AGAIN, b""))


if __name__ == "__main__":
    main()
