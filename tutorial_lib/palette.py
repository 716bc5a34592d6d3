"""The colours of every figure, still or moving, by what they stand for.

The hues are Okabe and Ito's, which readers with any colour vision can tell apart; two are darkened
so that a line on white has a contrast of at least 3 : 1.
"""

ROLES = {
    "truth": "#D55E00",  # what is known exactly: a density, a floor, the best denoiser
    "data": "#009E73",  # points drawn from the truth
    "model": "#0072B2",  # what a network has learned or made
    "other": "#A8508A",  # a rival, another method
    "chance": "#707070",  # what luck alone would give
}
# Ten kinds that have no order, such as the digits 0..9: with a legend.
KINDS = ["#0072B2", "#D55E00", "#009E73", "#A8508A", "#B07A00"]
KINDS += ["#3A8FC7", "#8A7D00", "#707070", "#7A4B2A", "#000000"]
