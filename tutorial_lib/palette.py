"""The colours of every figure, still or moving, by what they stand for.

The hues of the roles are Okabe and Ito's, which readers with any colour vision can tell apart; two
are darkened so that a line on white has a contrast of at least 3 : 1. So has every colour but the
ramp's, on white and on a page as dark as #111111.
"""

ROLES = {
    "truth": "#D55E00",  # what is known exactly: a density, a floor, the best denoiser
    "data": "#009E73",  # points drawn from the truth
    "model": "#0072B2",  # what a network has learned or made
    "other": "#A8508A",  # a rival, another method
    "chance": "#707070",  # what luck alone would give
}
# Ten kinds that have no order, such as the digits 0..9: with a legend. The last six were searched
# for: no two of the ten are closer than 11 in OKLab (times 100), or than 6 for colour-blind eyes.
KINDS = ["#0072B2", "#D55E00", "#009E73", "#A8508A", "#7890CC"]
KINDS += ["#8418FC", "#CC003C", "#CC789C", "#3C6C54", "#F030FC"]
# From nothing to much: 21 colours of matplotlib's viridis at equal distances.
RAMP = "440154 471365 482475 463480 414487 3b528b 355f8d 2f6c8e 2a788e 25848e 21918c".split()
RAMP += "1e9c89 22a884 2fb47c 44bf70 5ec962 7ad151 9bd93c bddf26 dfe318 fde725".split()
RAMP = [f"#{code}" for code in RAMP]


def color_of(role: str) -> str:
    """The colour of a role; a ValueError names those that there are."""
    if role not in ROLES:
        raise ValueError(f"role is {role!r}; allowed: {', '.join(ROLES)}")
    return ROLES[role]
