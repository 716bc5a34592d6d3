"""Numbers: read from what the user gave, and packed into a few bytes for `scrubber.js`."""

import json
import struct
import zlib
from dataclasses import dataclass

import numpy as np


def read_numbers(name: str, given, *shapes: str) -> np.ndarray:
    """`given` as a float64 array of one of the `shapes`, such as "(F, n, 2)", and finite.

    In a shape a letter that stands twice means one size. A ValueError says what is not so.
    """
    if hasattr(given, "detach"):  # NumPy knows no gradients and no bfloat16
        given = given.detach().cpu().double()
    array = np.asarray(given, dtype=float)
    if not any(fits(array.shape, shape) for shape in shapes):
        raise ValueError(f"{name} has the shape {array.shape}; allowed: {' or '.join(shapes)}")
    if not -np.inf < array.min() <= array.max() < np.inf:  # nor is NaN
        raise ValueError(f"{name} holds NaN or infinite values; allowed: finite numbers")
    return array


def fits(shape: tuple[int, ...], allowed: str) -> bool:
    axes, sizes = allowed.strip("(,)").split(", "), {}
    return len(axes) == len(shape) and all(
        sizes.setdefault(axis, int(axis) if axis.isdigit() else size) == size
        for axis, size in zip(axes, shape)
    )


@dataclass(frozen=True)
class Track:
    """An array along time: values (F, ...), or (1, ...) where nothing changes, in lo..hi.

    It is stored as whole numbers 0..levels - 1: in 8 bits up to 256 levels, in 16 bits above.
    """

    values: np.ndarray
    lo: float
    hi: float
    levels: int = 256

    @property
    def step(self):
        """The value of one level; half of it is the largest rounding error."""
        return (self.hi - self.lo) / (self.levels - 1) or 1.0

    def quantise(self):
        levels = np.rint((np.clip(self.values, self.lo, self.hi) - self.lo) / self.step)
        return levels.astype(np.uint8 if self.levels <= 256 else np.uint16)


def difference(levels, axes):
    """Differences to the previous value along each axis, wrapping; the first value stays."""
    for axis in axes:
        zero = np.zeros_like(np.take(levels, [0], axis))
        levels = np.diff(levels, axis=axis, prepend=zero)
    return levels


def pack_track(track):
    """The header's entry and the bytes of one track, in differences where that is smaller."""
    levels = track.quantise()
    candidates = []
    for axes in ((), (0,), (0, levels.ndim - 1)):
        coded = np.ascontiguousarray(difference(levels, axes))
        # bytes of equal weight side by side: the high bytes are nearly all zero and vanish
        raw = coded.reshape(-1, 1).view(np.uint8).T.tobytes()
        candidates.append((len(zlib.compress(raw, 1)), axes, raw))
    _, axes, raw = min(candidates, key=lambda candidate: candidate[0])
    entry = {
        "shape": list(levels.shape),
        "bits": 8 * levels.itemsize,
        "lo": track.lo,
        "step": track.step,
        "diff": ["t", "x"][: len(axes)],
    }
    return entry, raw


def pack(spec, panels):
    """`spec` (any JSON) and the tracks of all panels as one deflated block.

    Layout: the header's length (4 bytes, little endian), the header (JSON), and the bytes of every
    track in the header's order.
    """
    blocks, entries = [], []
    for tracks in panels:
        packed = {name: pack_track(track) for name, track in tracks.items()}
        entries.append({name: entry for name, (entry, _) in packed.items()})
        blocks += [raw for _, raw in packed.values()]
    header = json.dumps(
        {**spec, "tracks": entries}, separators=(",", ":"), allow_nan=False
    ).encode()
    content = struct.pack("<I", len(header)) + header + b"".join(blocks)
    return zlib.compress(content, 9 if len(content) < 300_000 else 6)
