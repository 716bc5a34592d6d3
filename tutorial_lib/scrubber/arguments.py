"""Checks of what the user gave: an error that says what was given and what is allowed."""

import re
import unicodedata

import numpy as np

ACCENTS = {"bar": "\u0304", "hat": "\u0302", "tilde": "\u0303"}  # they stand after their letter
SUBSCRIPT = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
SUPERSCRIPT = str.maketrans("0123456789+-=()nT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿᵀ")
LARGEST, SMALLEST = 1e100, 1e-100  # their squares are still numbers

# Control characters, halves of characters, and marks that turn the direction of the words after.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def numbers(name, given, shapes):
    """`given` as a float64 array with as many dimensions as one of `shapes`, such as "(F, n)"."""
    try:
        array = np.asarray(given)
    except (RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"{name} cannot be read as an array ({error}); allowed: numbers of shape "
            f"{' or '.join(shapes)}; detach tensors first"
        ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} has the dtype {array.dtype}; allowed: numbers of shape {' or '.join(shapes)}"
        )
    if array.ndim not in [len(shape.split(", ")) for shape in shapes] or array.size == 0:
        raise ValueError(
            f"{name} has the shape {array.shape}; allowed: {' or '.join(shapes)}, none of them 0"
        )
    array = array.astype(float, copy=False)
    if not -LARGEST <= array.min() <= array.max() <= LARGEST:  # nor is NaN
        raise ValueError(
            f"{name} holds NaN or infinite values or some beyond {LARGEST:g}; "
            f"allowed: numbers from -{LARGEST:g} to {LARGEST:g}"
        )
    return array


def interval(name, given):
    try:
        lo, hi = (float(end) for end in given)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {given!r}; allowed: a pair of numbers (low, high)") from error
    if not SMALLEST <= hi - lo <= LARGEST:
        raise ValueError(
            f"{name} is {given!r}; allowed: a pair (low, high) with low < high, "
            f"from {SMALLEST:g} to {LARGEST:g} apart"
        )
    return [lo, hi]


def whole(name, given, least, most=1000):
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)):
        raise TypeError(f"{name} is {given!r}; allowed: a whole number from {least} to {most}")
    if not least <= given <= most:
        raise ValueError(f"{name} is {given}; allowed: a whole number from {least} to {most}")
    return int(given)


def positive(name, given, most=np.inf):
    if isinstance(given, bool) or not isinstance(given, (int, float, np.number)):
        raise TypeError(f"{name} is {given!r}; allowed: a number above 0")
    if not 0 < given <= most or given == np.inf:
        limit = "finite" if most == np.inf else f"at most {most}"
        raise ValueError(f"{name} is {given}; allowed: a number above 0, {limit}")
    return float(given)


def listed(name, given):
    """`given` as a list; a single text is not taken letter by letter."""
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise TypeError(f"{name} is {given!r}; allowed: a sequence of texts")
    return list(given)


def text(name, given):
    """`given` as text without TeX, for a canvas sets no formulas: "$x_t$" becomes xₜ.

    Characters that no font shows become spaces.
    """
    if not isinstance(given, str):
        raise TypeError(f"{name} is {given!r}; allowed: text")
    return re.sub(r"\$([^$]+)\$", lambda match: without_tex(match[1]), UNSEEN.sub(" ", given))


def without_tex(formula):
    """Greek letters, accents, indices and powers as Unicode; of the rest, no backslash or brace."""
    formula = re.sub(r"\\([a-zA-Z]+) ?", lambda match: sign(match[1]), formula)
    formula = re.sub(f"([{''.join(ACCENTS.values())}]){{?(.)}}?", r"\2\1", formula)
    for mark, shifted in ((r"_", SUBSCRIPT), (r"\^", SUPERSCRIPT)):
        parts = re.split(mark + r"(\{[^}]*\}|.)", formula)
        parts[1::2] = [part.strip("{}").translate(shifted) for part in parts[1::2]]
        formula = "".join(parts)
    return re.sub(r"[{}]", "", formula)


def sign(command):
    """A Greek letter or an accent; any other command by its name."""
    letter = command.removeprefix("var").replace("ambda", "amda")  # as Unicode has it
    kind = "SMALL" if letter.islower() else "CAPITAL"
    try:
        return ACCENTS.get(command) or unicodedata.lookup(f"GREEK {kind} LETTER {letter}")
    except KeyError:
        return command


def same_frames(**arrays):
    """Every array has F frames or is constant (one frame)."""
    counts = {
        name: len(array) for name, array in arrays.items() if array is not None and len(array) > 1
    }
    if len(set(counts.values())) > 1:
        raise ValueError(
            "different numbers of frames: "
            + ", ".join(f"{k} has {v}" for k, v in counts.items())
            + "; allowed: the same number F everywhere"
        )
