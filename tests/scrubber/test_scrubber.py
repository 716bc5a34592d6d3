"""The scrubber's Python side: numbers, colours, bytes, sizes. Its neighbours have the rest."""

import ast
import base64
import graphlib
import hashlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scrubbing import blobs, rgb, unpack
from traitlets import TraitError

from tutorial_lib import palette, scrubber
from tutorial_lib.scrubber.player import caption, specify
from tutorial_lib.scrubber.strip import film_strip
from tutorial_lib.scrubber.texts import plain_text
from tutorial_lib.scrubber.tracks import Track, pack, pack_track

RNG = np.random.default_rng(0)
F = 12
SAMPLES = RNG.normal(size=(F, 500))
PATH = RNG.normal(size=(F, 30, 2))
LINE = np.ones((F, 9))
HOLE = np.where(np.arange(500) == 3, np.nan, SAMPLES)
BARS = scrubber.bars(SAMPLES)
OTHER = scrubber.bars(SAMPLES[:5])


@pytest.fixture
def shown(monkeypatch):
    """Calls `scrub` and returns its two outputs as the notebook would hold them."""

    def run(*panels, **options):
        outputs = []
        monkeypatch.setattr(
            "IPython.display.display",
            lambda data, raw, metadata=None: outputs.append((data, metadata)),
        )
        assert scrubber.scrub(*panels, **options) is None
        return outputs

    return run


def content(outputs):
    """The header and the arrays that the browser unpacks."""
    return unpack(blobs(outputs[0][0]["text/html"])[1])


# ---- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(F, 500), (F, 500, 1)])
def test_bars_are_numpys_histogram(shape, shown):
    _, [tracks] = content(shown(scrubber.bars(SAMPLES.reshape(shape), bins=30, limits=(-2, 2))))
    width = 4 / 30
    for row, bars in zip(SAMPLES, tracks["bars"]):
        expected = np.histogram(row, 30, (-2, 2))[0] / (500 * width)
        np.testing.assert_allclose(bars, expected, atol=0.51 * tracks["bars"].max() / 191)
    panel = scrubber.bars(SAMPLES, bins=30, limits=(-6, 6))
    density = [np.histogram(row, 30, (-6, 6), density=True)[0] for row in SAMPLES]
    np.testing.assert_allclose(panel.tracks["bars"].values, density)


def test_mass_outside_the_limits_is_not_shared_out():
    panel = scrubber.bars(np.array([[0.5, 0.5, 9.0, 9.0]] * 2), bins=4, limits=(0, 4))
    np.testing.assert_allclose(panel.tracks["bars"].values, [[0.5, 0, 0, 0]] * 2)


def test_frames_may_have_different_numbers_of_samples():
    rows = [RNG.normal(size=n).astype(np.float32) for n in (10, 100, 1000)]
    panel = scrubber.bars([rows[0], torch.tensor(rows[1])[:, None], rows[2]], bins=20)
    expected = np.histogram(rows[1], 20, (-3, 3))[0] / (100 * 0.3)
    np.testing.assert_allclose(panel.tracks["bars"].values[1], expected)


def test_tensors_are_taken():
    panel = scrubber.bars(torch.tensor(SAMPLES), curve=torch.ones(50))
    np.testing.assert_array_equal(
        panel.tracks["bars"].values, scrubber.bars(SAMPLES).tracks["bars"].values
    )
    assert panel.tracks["curve"].values.shape == (1, 50)


def test_points_are_counted_as_numpy_counts_them():
    edges = np.linspace(-2, 2, 11)
    panel = scrubber.density(PATH, bins=10, limits=(-2, 2))
    for frame, cells in zip(PATH, panel.tracks["cells"].values):
        counts, _, _ = np.histogram2d(*frame.T, bins=(edges, edges))
        np.testing.assert_allclose(cells, counts / (30 * 0.16))


def test_a_fine_curve_is_thinned_without_bending_it():
    x = np.linspace(-3, 3, 901)
    panel = scrubber.curves({"sine": np.sin(x)[None] * np.ones((2, 1))})
    line = panel.tracks["line0"].values
    assert line.shape == (2, 160)
    np.testing.assert_allclose(line[0], np.sin(np.linspace(-3, 3, 160)), atol=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 3e-5, 4e4])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "g"])
def test_every_precision_is_drawn_as_exactly_as_it_is(kind, scale, shown):
    line = np.linspace(-scale, scale, 50).astype(kind)
    _, [tracks] = content(shown(scrubber.curves({"a": np.stack([line] * 3)})))
    drawn = line.astype(float)  # numpy would compare in half precision, too
    np.testing.assert_allclose(tracks["line0"][0], drawn, atol=0.51 * 2 * scale / 1023)


def test_images_and_points_of_half_precision_are_exact_to_half_a_level(shown):
    image = RNG.random((3, 1, 4, 4)).astype(np.float16).astype(float)
    _, [tracks] = content(shown(scrubber.images(image.astype(np.float16))))
    np.testing.assert_allclose(tracks["pixels"], image, atol=0.5001 / 63)
    xy = (1e-4 * RNG.random((3, 9, 2))).astype(np.float16).astype(float)
    _, [tracks] = content(shown(scrubber.points(xy.astype(np.float16), limits=(0, 1e-4))))
    np.testing.assert_allclose(tracks["xy"], xy, atol=0.5001 * 1.2e-4 / 1023)


@pytest.mark.parametrize("value", [4e15, -4e15, 1e99])
def test_the_limits_around_a_constant_curve_grow_with_its_value(value):
    lo, hi = scrubber.curves({"a": np.full((3, 4), value)}).spec["y_limits"]
    assert hi - lo == pytest.approx(0.1 * abs(value))
    assert (lo + hi) / 2 == pytest.approx(value)


def test_the_limits_around_a_small_constant_curve_are_half_a_unit_away():
    for value in (0, 3):
        panel = scrubber.curves({"a": np.full((3, 4), value)})
        assert panel.spec["y_limits"] == [value - 0.5, value + 0.5]


@given(
    arrays(np.float64, (5, 3, 4), elements=st.floats(-2, 3, width=32)),
    st.sampled_from([16, 64, 256, 1024, 4096]),
)
def test_unpacked_values_are_within_half_a_level(values, levels):
    track = Track(values, -2.0, 3.0, levels)
    spec, [tracks] = unpack(pack({"t": [1]}, [{"a": track}]))
    assert spec["t"] == [1]
    np.testing.assert_allclose(tracks["a"], values, atol=0.5001 * 5 / (levels - 1))
    assert spec["tracks"][0]["a"]["bits"] == (8 if levels <= 256 else 16)


def test_frames_that_hardly_change_are_stored_as_differences():
    smooth = np.sin(np.linspace(0, 6, 100) + 0.01 * np.arange(50)[:, None])
    entry, _ = pack_track(Track(smooth, -1.0, 1.0, 4096))
    assert entry["diff"][0] == "t"
    noise = RNG.random((50, 100))
    entry, _ = pack_track(Track(noise, 0.0, 1.0, 16))
    assert entry["diff"] == []


# ---- texts ---------------------------------------------------------------------------------------


def test_texts_say_what_is_seen():
    assert scrubber.bars(np.full((2, 9), -0.001)).texts[0].startswith("mean 0.00, standard")
    line = scrubber.curves({"a": np.zeros((2, 7)), "b": [0, 0, 0, 0, 0, 0.25, 0]}).texts[0]
    assert line == "largest gap between a and b: 0.250 at 2.00"
    corner = [[0, 0, 3], [0, 0, 0], [0, 0, 0]]
    assert "2 of 3 points outside" in scrubber.points([[[0, 0], [9, 0], [0, -9]]] * 2).texts[0]
    assert "peak 3 at (-1.67, 1.67)" in scrubber.density([corner] * 2).texts[0]
    assert scrubber.density(np.zeros((2, 3, 3))).texts[0] == "nothing in the picture"
    even = scrubber.density(np.full((2, 64, 64), 0.1, dtype=np.float16)).texts[0]
    assert even.endswith("half of the mass on 50 % of the area")
    assert scrubber.images(np.ones((2, 1, 4, 4))).texts[0] == "mean brightness 1.00, contrast 0.00"


def test_describe_replaces_the_texts_and_two_panels_join_theirs(shown):
    panel = scrubber.bars(SAMPLES, title="left")
    lines = [f"line {k}" for k in range(F)]
    assert content(shown(panel, describe=lines))[0]["texts"] == lines
    two = content(shown(panel, scrubber.points(PATH, title="right")))[0]["texts"][0]
    assert re.match(r"left: mean .*; right: mean \(", two)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("$x_t$", "xₜ"),
        ("$x_0$ given $x_{t-1}$", "x₀ given xₜ₋₁"),
        (r"$\hat\varepsilon(x_t, t)$", "ε̂(xₜ, t)"),
        (r"$\bar\alpha_t$ or $\tilde{x}$", "α\u0304ₜ or x̃"),
        (r"$\theta, \lambda, \pi, \Delta x, \vartheta$", "θ, λ, π, Δx, θ"),
        (r"$\sqrt{2}$", "sqrt2"),
        (r"$\sigma^2$", "σ²"),
        ("from 5$ up", "from 5$ up"),
        ("x_t", "x_t"),
    ],
)
def test_formulas_become_plain_text(given, plain):
    assert plain_text(given) == plain


# ---- colours -------------------------------------------------------------------------------------


def colors(panel):
    return [layer["colors"] for layer in panel.spec["layers"]]


def test_colours_say_what_is_drawn():
    truth, data, model, other, chance = palette.ROLES.values()
    assert colors(scrubber.bars(SAMPLES, curve=LINE)) == [[data], [truth]]
    assert colors(scrubber.bars(SAMPLES, role="model")) == [[model]]
    assert colors(scrubber.curves({"learned": LINE, "exact": LINE})) == [[model], [truth]]
    roles = ("truth", "other")
    assert colors(scrubber.curves({"exact": LINE, "x": LINE}, roles=roles)) == [[truth], [other]]
    assert colors(scrubber.points(PATH, arrows=np.ones((5, 4)))) == [[model], [chance]]
    assert colors(scrubber.points(PATH, color=[0, 1, 9] * 10)) == [palette.KINDS]
    assert colors(scrubber.density(PATH)) == [palette.RAMP]


def test_browser_and_strip_have_no_colours_of_their_own():
    for file in Path(scrubber.__file__).parent.glob("*.[pj][ys]"):
        assert not re.search(r"#[0-9a-fA-F]{6}\b", file.read_text("utf-8")), file


def luminance(code):
    """Relative luminance, as WCAG defines it."""
    parts = np.array(rgb(code)) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("color", sorted({*palette.ROLES.values(), *palette.KINDS}))
def test_every_colour_stands_out_on_white_and_on_a_dark_page(color):
    assert 1.05 / (luminance(color) + 0.05) >= 3
    assert (luminance(color) + 0.05) / (luminance("#111111") + 0.05) >= 3


def test_the_ramp_is_viridis():
    wanted = 255 * matplotlib.colormaps["viridis"](np.linspace(0, 1, len(palette.RAMP)))[:, :3]
    np.testing.assert_allclose([rgb(color) for color in palette.RAMP], wanted, atol=2)


def test_the_strip_draws_in_the_same_colours():
    for role, color in palette.ROLES.items():
        panel = scrubber.bars(SAMPLES, role=role)
        png = film_strip([panel], specify([panel]))
        pixels = np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"))
        assert (np.abs(pixels.astype(int) - rgb(color)).max(-1) < 24).mean() > 0.02, role


def test_the_strips_ground_is_white_and_a_dark_density_stays_dark():
    cells = np.zeros((5, 40, 40))
    cells[:, 20, 20] = 1  # most of the strip has the ramp's darkest colour
    panel = scrubber.density(cells)
    image = PIL.Image.open(io.BytesIO(film_strip([panel], specify([panel])))).convert("RGB")
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((120, image.height // 3)) == tuple(rgb(palette.RAMP[0]))


# ---- what is shown -------------------------------------------------------------------------------


def test_the_same_figure_gives_the_same_bytes(shown):
    def once():
        panel = scrubber.bars(SAMPLES, curve=np.ones(50))
        return json.dumps(shown(panel, t=range(F), title="again"))

    assert once() == once()
    code = f"""
import hashlib, json, numpy as np, IPython.display
from tutorial_lib import scrubber
outputs = []
IPython.display.display = lambda data, raw, metadata=None: outputs.append((data, metadata))
samples = np.random.default_rng(0).normal(size=({F}, 500))
scrubber.scrub(scrubber.bars(samples, curve=np.ones(50)), t=range({F}), title="again")
print(hashlib.sha256(json.dumps(outputs).encode()).hexdigest())"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(once().encode()).hexdigest()


def test_other_content_has_another_identity(shown):
    identity = re.compile(r'data-scrubber="(\w+)"')
    pages = [
        shown(scrubber.bars(SAMPLES), title=title)[0][0]["text/html"] for title in ("one", "two")
    ]
    one, two = (identity.search(page)[1] for page in pages)
    assert one != two
    assert f'start("{one}"' in pages[0]  # the script looks for the element by it
    assert " id=" not in pages[0]  # shown twice, an id would be there twice


NASTY = "</script><script>alert(1)</script>\u2028\u2029\"'`${}<!-- <b>&"


def test_nothing_the_user_wrote_is_html_or_script(shown):
    panel = scrubber.points(PATH, title=NASTY, labels=[NASTY], x_label=NASTY)
    outputs = shown(panel, title=NASTY, name=NASTY, describe=[NASTY] * F)
    page = outputs[0][0]["text/html"]
    assert page.count("<script") == page.count("</script") == 1
    assert not re.search("<b>|<!--|\u2028|\u2029", page.split("<script>")[1])
    assert "<b>" not in page
    assert "&lt;/script&gt;" in page.split("<script>")[0]
    header, _ = content(outputs)
    assert header["title"] == header["name"] == header["texts"][0] == NASTY
    assert header["panels"][0]["layers"][0]["legend"][0][0] == NASTY


def test_a_page_without_scripts_has_words_and_no_controls(shown):
    page = shown(scrubber.bars(SAMPLES), title="noise")[0][0]["text/html"]
    rest = page.split("<script>")[0]
    assert "Interactive figure" in rest
    assert "noise. Five frames from t = 0 (mean" in rest
    assert not re.search("<(input|button|select|canvas|style)", page)


def test_the_strip_is_a_small_image_with_a_description(shown):
    data, metadata = shown(
        scrubber.bars(SAMPLES), t=np.arange(F)[::-1] * 10, title="noise", describe=["so"] * F
    )[1]
    alt = metadata["image/png"]["alt"]
    assert alt == "noise. Five frames from t = 110 (so) to t = 0 (so)."
    png = base64.b64decode(data["image/png"])
    assert PIL.Image.open(io.BytesIO(png)).width == 800
    assert b"tEXt" not in png
    assert b"tIME" not in png


def test_the_strip_shows_the_chosen_frames(shown):
    data, metadata = shown(scrubber.bars(SAMPLES), describe=["so"] * F, strip=[0, 2, 7])[1]
    assert metadata["image/png"]["alt"] == "Three frames from t = 0 (so) to t = 7 (so)."
    others = shown(scrubber.bars(SAMPLES), describe=["so"] * F, strip=[0, 3, 7])[1][0]
    assert others["image/png"] != data["image/png"]


PANELS = {
    "bars": lambda: scrubber.bars(SAMPLES),
    "curves": lambda: scrubber.curves({"a": RNG.normal(size=(F, 50)), "b": np.ones(40)}),
    "points": lambda: scrubber.points(PATH, trails=3, arrows=np.ones((5, 4))),
    "density": lambda: scrubber.density(RNG.random((F, 64, 64))),
    "images": lambda: scrubber.images(RNG.random((F, 25, 28, 28))),
}


SHAPES = {
    **{kind: (panel, None) for kind, panel in PANELS.items()},
    "a column of images": (lambda: scrubber.images(RNG.random((5, 100, 28, 28)), columns=1), None),
    "a line of pixels": (lambda: scrubber.images(np.zeros((3, 1, 400, 1))), None),
    "a hair": (lambda: scrubber.images(np.zeros((3, 1, 4000, 1))), None),
    "a flat line": (lambda: scrubber.images(np.zeros((3, 1, 1, 4000))), None),
    "one frame of noise": (lambda: scrubber.images(RNG.random((3, 100, 28, 28))), [0]),
    "two frames of noise": (lambda: scrubber.images(RNG.random((3, 100, 28, 28))), [0, 1]),
}


@pytest.mark.parametrize(("panel", "strip"), SHAPES.values(), ids=SHAPES.keys())
def test_every_strip_is_small_enough_whatever_the_shape(panel, strip):
    both = (panel(), panel())
    png = film_strip(both, specify(both, strip=strip))
    assert len(png) <= 60_000
    assert PIL.Image.open(io.BytesIO(png)).height <= 1800


def size(outputs):
    return len(json.dumps(outputs))


def test_one_dimension_adds_less_than_40_kb(shown):
    t = np.arange(200)
    share = np.exp(-t / 50)[:, None]
    x0 = np.where(RNG.random(10_000) < 0.3, -1.4, 0.6) + 0.4 * RNG.normal(size=10_000)
    samples = np.sqrt(share) * x0 + np.sqrt(1 - share) * RNG.normal(size=(200, 10_000))
    x, variance = np.linspace(-3, 3, 201), share * 0.16 + 1 - share
    curve = sum(
        w * np.exp(-0.5 * (x - m * np.sqrt(share)) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
        for w, m in [(0.3, -1.4), (0.7, 0.6)]
    )
    outputs = shown(scrubber.bars(samples, curve=curve), t=t, title="forward")
    assert size(outputs) <= 40_000


def test_two_dimensions_add_less_than_400_kb(shown):
    walk = np.cumsum(0.1 * RNG.normal(size=(201, 500, 2)), 0)
    assert size(shown(scrubber.points(walk, trails=10))) <= 400_000
    cloud = RNG.normal(size=(200, 5_000, 2))
    assert size(shown(scrubber.density(cloud, bins=64))) <= 400_000


def test_what_would_not_fit_in_a_notebook_is_refused(shown):
    with pytest.raises(ValueError, match=r"takes \d+ kB; allowed: 1000 kB; give fewer"):
        shown(scrubber.points(RNG.normal(size=(300, 2500, 2))))


def test_single_precision_finds_its_frames():
    spec = specify([BARS], torch.linspace(0, 1, F), start=3 / 11, strip=[1 / 11, 1])
    assert spec["start"] == 3 and spec["strip"] == [1, 11]


def test_a_t_of_many_digits_finds_its_frames():
    t = np.arange(-1, 1.05, 0.1)  # the one in the middle is -2e-16
    assert specify([scrubber.bars(RNG.normal(size=(21, 9)))], t, start=0)["start"] == 10


@pytest.mark.parametrize(
    ("t", "start"),
    [
        ([0, 1e-9, 2e-9], 1.4e-9),
        (np.geomspace(1e-9, 1e-7, 3), 1.4e-9),
        ([100_000, 100_001, 100_002], 100_000.4),
    ],
)
def test_what_lies_between_two_values_of_t_is_none_of_them(t, start):
    with pytest.raises(ValueError, match="start asks for "):
        specify([scrubber.bars(SAMPLES[:3])], t, start=start)


# ---- bad arguments -------------------------------------------------------------------------------


# What would otherwise give a wrong picture, or none, without a word.
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scrubber.bars(SAMPLES[0]), r"samples has the shape \(500,\); allowed: \(F, n\)"),
        (lambda: scrubber.bars(PATH), r"samples has the shape \(12, 30, 2\)"),
        (lambda: scrubber.bars(list(PATH)), r"samples\[0\] has the shape \(30, 2\)"),
        (lambda: scrubber.bars(HOLE), "samples holds NaN"),
        (lambda: scrubber.bars(SAMPLES, curve=LINE[:5]), "bars has 12, curve has 5"),
        (lambda: scrubber.bars(SAMPLES, curve=-LINE), "curve goes down to -1"),
        (lambda: scrubber.bars(SAMPLES, y_limits=(1, 0)), "y_limits is .* low < high"),
        (lambda: scrubber.bars(SAMPLES, role="made"), "role is 'made'; allowed: truth, data"),
        (lambda: scrubber.curves({"a": LINE, "b": LINE[0], "c": LINE[:3]}), "line2 has 3"),
        (lambda: scrubber.curves({"a": LINE[:, :1]}), "one point"),
        (lambda: scrubber.curves({"a": LINE}, limits=(3, -3)), "limits is .* low < high"),
        (lambda: scrubber.points(SAMPLES), r"xy has the shape .*\(F, n, 2\)"),
        (lambda: scrubber.points(PATH, limits=(1, np.nan)), "limits is .* low < high"),
        (lambda: scrubber.points(PATH, arrows=PATH), "arrows has the shape"),
        (lambda: scrubber.points(PATH, arrows=np.ones((5, 3, 4))), "xy has 12, feet has 5"),
        (lambda: scrubber.points(PATH, color=[1, 2]), "color has 2 values"),
        (lambda: scrubber.points(PATH, color=[10] * 30), "color.*0..9"),
        (lambda: scrubber.density(-np.ones((F, 4, 4))), "values go down to -1"),
        (lambda: scrubber.density(np.ones((F, 4, 1))), r"values has the shape .*\(F, m, m\)"),
        (lambda: scrubber.density(np.ones((F, 4, 4)), top=0), r"\(0, top\) is \(0, 0\)"),
        (lambda: scrubber.images(2 * np.ones((F, 3, 4, 4))), "frames go from 2 to 2; .* 0 to 1"),
        (lambda: scrubber.images(np.ones((F, 4, 4))), r"F, k, H, W"),
        (lambda: scrubber.scrub(BARS, OTHER), "panel 1 has 12, panel 2 has 5"),
        (lambda: scrubber.scrub(BARS, t=range(F + 1)), "t has 13 entries; allowed: 12"),
        (lambda: scrubber.scrub(BARS, t=[1, 1, *range(2, F)]), "t is not in order"),
        (lambda: scrubber.scrub(BARS, t=[*range(F - 1), np.inf]), "t holds NaN or inf"),
        (lambda: scrubber.scrub(BARS, describe=["a"]), "describe has 1 entries; allowed: 12"),
        (lambda: scrubber.scrub(BARS, strip=[0, F]), "strip asks for 12.*0 to 11"),
        (lambda: scrubber.widget(BARS, start=F), "start asks for 12; .* 0 to 11"),
    ],
)
def test_what_would_be_silently_wrong_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Two labels that look alike once they are plain text, and more labels than colours.
def test_no_curve_and_no_label_is_lost():
    panel = scrubber.curves({"$x$": LINE, "x": 2 * LINE})
    assert [layer["legend"][0][0] for layer in panel.spec["layers"]] == ["x", "x"]
    assert len(panel.tracks) == 2
    with pytest.raises(IndexError):
        scrubber.curves({str(k): LINE for k in range(6)})
    with pytest.raises(IndexError):
        scrubber.points(PATH, labels=["a", "b"])


@pytest.mark.parametrize(
    ("t", "kept"),
    [
        (np.arange(F)[::-1], list(range(F))[::-1]),
        (torch.arange(F), list(range(F))),
        (np.linspace(0, 1, F), np.linspace(0, 1, F).tolist()),
        (np.arange(F, dtype=np.longdouble) / 2, (np.arange(F) / 2).tolist()),
        (None, list(range(F))),
    ],
)
def test_t_stays_in_the_given_order(t, kept):
    spec = specify([BARS], t)
    assert spec["t"] == kept
    assert [type(value) for value in spec["t"]] == [type(value) for value in kept]


# ---- the widget ----------------------------------------------------------------------------------


def test_widget_takes_and_tells_t():
    widget = scrubber.widget(BARS, t=np.arange(F)[::-1] * 5, start=20)
    assert widget.t == 20
    told = []
    widget.observe(lambda change: told.append(change.new), "t")
    widget.t = 35
    widget.t = 41.9  # to the nearest frame
    assert told == [35, 40]
    assert type(widget.t) is int
    with pytest.raises(TraitError, match=r"t is 99; allowed: 0 to 55"):
        widget.t = 99


def test_refill_replaces_the_data_and_keeps_t():
    t = np.linspace(0, 1, F)
    widget = scrubber.widget(BARS, t=t, start=t[7])
    widget.refill(scrubber.bars(SAMPLES + 1))
    spec, [tracks] = unpack(widget._data)
    assert (widget.t, spec["start"], spec["t"]) == (t[7], 7, t.tolist())
    expected = scrubber.bars(SAMPLES + 1).tracks["bars"].values
    np.testing.assert_allclose(tracks["bars"], expected, atol=0.01)
    before = widget._data
    with pytest.raises(ValueError, match="t has 12 entries; allowed: 5"):
        widget.refill(OTHER)
    assert widget._data == before


def test_each_file_imports_only_from_those_before_it():
    files = Path(scrubber.__file__).parent.glob("*.py")
    imports = {
        file.stem: {
            node.module
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom) and node.level == 1
        }
        for file in files
    }
    graphlib.TopologicalSorter(imports).prepare()  # a circle raises CycleError
    named = re.findall(r"`(\w+)`", scrubber.__doc__.split("those before it:")[1])
    assert {*named, "__init__"} == imports.keys()
    for k, name in enumerate(named):
        assert imports[name] <= set(named[:k]), name


def test_importing_it_draws_and_hosts_nothing():
    code = "import sys; from tutorial_lib import scrubber; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "anywidget", "ipywidgets"} & set(run.stdout.split())


def test_formulas_in_labels_become_text_in_the_description_too():
    panel = scrubber.curves({"$x_t$ itself": np.zeros((2, 5)), "other": np.ones((2, 5))})
    assert [layer["legend"][0][0] for layer in panel.spec["layers"]] == ["xₜ itself", "other"]
    assert "xₜ itself" in panel.texts[0] and "$" not in panel.texts[0]


def test_a_t_with_many_digits_is_kept_and_shown_short():
    t = np.linspace(0, 1, F)
    widget = scrubber.widget(BARS, t=t, start=t[1])
    assert widget.t == t[1]
    assert "t = 0.0909091 (" in caption(specify([BARS], t, strip=[t[1]]))


@pytest.mark.parametrize("form", [torch.Tensor.bfloat16, torch.Tensor.requires_grad_])
def test_tensors_in_any_form_are_drawn(form):
    values = torch.tensor([[0.0, 0.5], [1.0, 0.25]])
    for make in (scrubber.bars, lambda y: scrubber.curves({"y": y})):
        panel, given = make(values.numpy()), make(form(values.clone()))
        for name, track in panel.tracks.items():
            assert np.array_equal(track.values, given.tracks[name].values)
