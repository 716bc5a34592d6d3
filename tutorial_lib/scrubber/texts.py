"""Texts as a canvas can show them: Unicode in place of TeX, and nothing that no font shows."""

import re
import unicodedata

ACCENTS = {"bar": "\u0304", "hat": "\u0302", "tilde": "\u0303"}  # they stand after their letter
SUBSCRIPT = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
SUPERSCRIPT = str.maketrans("0123456789+-=()nT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿᵀ")

# Control characters, halves of characters, and marks that turn the direction of the words after.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def plain_text(given: str) -> str:
    """`given` without TeX: "$x_t$" becomes xₜ. Characters that no font shows become spaces."""
    return re.sub(r"\$([^$]+)\$", lambda match: without_tex(match[1]), UNSEEN.sub(" ", given))


def without_tex(formula: str) -> str:
    """Greek letters, accents, indices and powers as Unicode; of the rest, no backslash or brace."""
    formula = re.sub(r"\\([a-zA-Z]+) ?", lambda match: sign(match[1]), formula)
    formula = re.sub(f"([{''.join(ACCENTS.values())}]){{?(.)}}?", r"\2\1", formula)
    for mark, shifted in ((r"_", SUBSCRIPT), (r"\^", SUPERSCRIPT)):
        parts = re.split(mark + r"(\{[^}]*\}|.)", formula)
        parts[1::2] = [part.strip("{}").translate(shifted) for part in parts[1::2]]
        formula = "".join(parts)
    return re.sub(r"[{}]", "", formula)


def sign(command: str) -> str:
    """A Greek letter or an accent; any other command by its name."""
    letter = command.removeprefix("var").replace("ambda", "amda")  # as Unicode has it
    kind = "SMALL" if letter.islower() else "CAPITAL"
    try:
        return ACCENTS.get(command) or unicodedata.lookup(f"GREEK {kind} LETTER {letter}")
    except KeyError:
        return command
