"""The scrubber as an instrument: two sliders, track, plot, addresses, one figure and not two."""

import base64
import html

import numpy as np
import pytest
from scrubbing import Scrubber, pages_in

from tutorial_lib import scrubber as lib
from tutorial_lib.scrubber.player import fragment, specify
from tutorial_lib.scrubber.strip import film_strip

RNG = np.random.default_rng(5)
F = 21
T = np.arange(F) * 10  # 0, 10, ..., 200
WIDTHS = [0.2, 0.5, 1.0, 2.0]
SAMPLES = RNG.normal(size=(len(WIDTHS), F, 900)) * (1 + np.arange(F)[:, None] / 20)
BARS = lib.bars(SAMPLES[1], bins=30, limits=(-4, 4))
STACK = lib.stack([lib.bars(w * s, bins=30, limits=(-4, 4)) for w, s in zip(WIDTHS, SAMPLES)])
CLOUD = RNG.normal(size=(F, 50, 2))
TRAVEL = np.where(np.arange(F) <= 10, np.arange(F), 10 + 9 * (np.arange(F) - 10.0))  # slow, fast


def output(*panels, **options):
    """What a page holds of a figure: the player and the strip."""
    spec = specify(panels, **options)
    png = base64.b64encode(film_strip(panels, spec)).decode()
    image = f'<img alt="{html.escape(spec["caption"])}" src="data:image/png;base64,{png}">'
    return f"<div>{fragment(panels, spec)}</div><div>{image}</div>"


@pytest.fixture(params=["chromium", "firefox"])
def browser(request):
    return request.getfixturevalue(request.param)


# What Playwright cannot ask of Firefox: fingers, small screens, print, forced colours.
in_chromium = pytest.mark.parametrize("browser", ["chromium"], indirect=True)


@pytest.fixture
def show(browser, tmp_path):
    """Opens figures as a file and returns the first one's scrubber."""
    with pages_in(browser, tmp_path) as opened:
        yield lambda *page, **options: Scrubber(opened(*page, **options).locator(".scrubber").first)


def shown_heights(scrubber):
    """The bars that are drawn now, unpacked in the browser."""
    index = "player.choice * player.spec.t.length + player.frame"
    bars = "player.panels[0].tracks.bars"
    return scrubber.read(f"Array.from({bars}.row({index}), {bars}.value)")


# ---- two sliders ---------------------------------------------------------------------------------


def test_each_slider_has_its_name_its_keys_and_its_numbers(show):
    texts = [[f"width {w}, t {t}" for t in T] for w in WIDTHS]
    options = {"second": ("width", WIDTHS), "start": (50, 0.5), "describe": texts}
    scrubber = show(output(STACK, t=T, **options))
    first, second = (
        scrubber.root.get_by_role("slider", name=name, exact=True) for name in ("t", "width")
    )
    text, reading = scrubber.root.locator(".scrubber-text"), scrubber.root.locator(".scrubber-t")
    assert reading.inner_text() == "t = 50, width = 0.5"
    for press, t, width in [
        (lambda: second.press("ArrowRight"), 50, 1),
        (lambda: first.press("ArrowLeft"), 40, 1),
        (lambda: second.press("End"), 40, 2),
        (lambda: first.press("End"), 200, 2),
        (lambda: second.press("Home"), 200, 0.2),
    ]:
        press()
        assert reading.inner_text() == f"t = {t}, width = {width:g}"
        assert text.inner_text() == f"width {WIDTHS[WIDTHS.index(width)]}, t {t}"
        assert first.get_attribute("aria-valuetext") == f"t = {t}"
        assert second.get_attribute("aria-valuetext") == f"width = {width:g}"
        row = WIDTHS[WIDTHS.index(width)] * SAMPLES[WIDTHS.index(width), t // 10]
        heights = np.histogram(row, 30, (-4, 4))[0] / (900 * 8 / 30)
        track = STACK.tracks["bars"]
        np.testing.assert_allclose(shown_heights(scrubber), heights, atol=0.51 * track.step)


def test_a_curve_that_differs_between_choices_but_not_in_t_is_its_own_choices(show):
    """One constant line for each choice, beside bars that move: frames are counted alike."""
    panels = [lib.bars(SAMPLES[k], curve=np.full(9, 0.1 * k)) for k in range(4)]
    stacked = lib.stack(panels)
    for choice in range(4):
        assert stacked.at(choice * F + 7)["curve"] == pytest.approx(0.1 * choice)
    same = lib.stack([lib.bars(s, curve=np.ones(9)) for s in SAMPLES])
    assert len(same.tracks["curve"].values) == 1


# ---- the track -----------------------------------------------------------------------------------


def test_the_slider_gives_travel_as_it_is_told_and_keys_go_frame_by_frame(show):
    scrubber = show(output(BARS, t=T, travel=TRAVEL))
    box = scrubber.slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    for share, t in [(0.5, 140), (0.1, 100), (0.05, 50), (1, 200)]:
        inside = box["width"] - 18  # the thumb's centre goes from half of it to half of it
        scrubber.page.mouse.click(box["x"] + 9 + share * inside, middle)
        assert abs(scrubber.t - t) <= 10
    scrubber.press("Home", "ArrowRight", "ArrowRight")
    assert scrubber.t == 20


def test_play_goes_evenly_along_the_track(show):
    """Ten frames on a tenth of it are passed in a tenth of the time, so that some are skipped."""
    scrubber = show(output(BARS, t=T, travel=TRAVEL))
    scrubber.read("window.seen = []")
    scrubber.read(
        "player.panels[0].draw = new Proxy(player.panels[0].draw, { apply(f, panel, given) "
        "{ seen.push([performance.now(), given[1]]); return Reflect.apply(f, panel, given) } })"
    )
    scrubber.play.click()
    scrubber.wait_for("player.frame === 20 && !player.playing")
    seen = np.array(scrubber.page.evaluate("seen"))
    at = {int(frame): when for when, frame in seen[::-1]}  # when each was first shown
    assert {11, 12, 13, 14, 15, 16, 17, 18, 19, 20} <= at.keys()
    early, late = at[11] - seen[0, 0], at[20] - at[11]
    assert early < 0.5 * late  # 19 % of the track, against 81 %


def test_ends_and_curve_say_what_they_are(show):
    w1 = np.linspace(0.5, 0.01, F)
    options = {"ends": ("noise", "data"), "curve": ("W1 to the truth", w1), "band": 0.02}
    scrubber = show("<script>" + WRITTEN + "</script>" + output(BARS, t=T[::-1], **options))
    scrubber.press("ArrowRight")
    written = {*scrubber.page.evaluate("[...written]")}
    assert {"noise, t = 200", "data, t = 0", "W1 to the truth; grey: by chance"} <= written
    dot = """(t) => { const canvas = root.querySelector('.scrubber-track canvas');
      const ratio = devicePixelRatio, x = canvas.clientWidth * t, context = canvas.getContext('2d');
      const { data } = context.getImageData(0, 15 * ratio, canvas.width, 40 * ratio);
      const rows = [];
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 2] > 150 && data[i] < 60 && data[i + 3] > 200)
          rows.push(Math.floor(i / 4 / canvas.width));
      return rows.reduce((a, b) => a + b) / rows.length }"""
    scrubber.press("End")
    assert scrubber.read(f"({dot})(1)") > 15  # the blue line falls with W1, and its dot with it


WRITTEN = """window.written = new Set();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
  written.add(text);
  return write.call(this, text, ...at);
};"""


@pytest.mark.parametrize("width", [390, 900])
def test_plot_and_track_have_one_width(show, width):
    scrubber = show(output(BARS, t=T), width=width)
    box = scrubber.slider.bounding_box()
    canvas = scrubber.canvas.bounding_box()
    plot = scrubber.read("player.panels[0].box")
    thumb = scrubber.read("parseFloat(getComputedStyle(root).getPropertyValue('--scrubber-thumb'))")
    assert box["x"] + thumb / 2 == pytest.approx(canvas["x"] + plot["left"], abs=1)
    assert box["width"] - thumb == pytest.approx(plot["width"], abs=2)


def test_slider_and_plots_stay_together_on_a_scaled_page(show):
    scaled = "<div style='transform: scale(0.6); transform-origin: 0 0; width: 700px'>"
    scrubber = show(scaled + output(BARS, BARS, t=T) + "</div>", width=1200)
    slider, first = scrubber.slider.bounding_box(), scrubber.canvas.first.bounding_box()
    last, plot = scrubber.canvas.nth(1).bounding_box(), scrubber.read("player.panels[1].box")
    thumb = scrubber.read("parseFloat(getComputedStyle(root).getPropertyValue('--scrubber-thumb'))")
    left, right = first["x"] + 0.6 * plot["left"], last["x"] + 0.6 * (plot["left"] + plot["width"])
    assert slider["x"] + 0.6 * thumb / 2 == pytest.approx(left, abs=2)
    assert slider["x"] + slider["width"] - 0.6 * thumb / 2 == pytest.approx(right, abs=2)


# ---- the plot ------------------------------------------------------------------------------------


def middle_of(scrubber, across=0.5, up=0.5):
    canvas, plot = scrubber.canvas.first.bounding_box(), scrubber.read("player.panels[0].box")
    x = canvas["x"] + plot["left"] + across * plot["width"]
    return x, canvas["y"] + plot["top"] + (1 - up) * plot["height"], plot["width"]


def test_a_drag_on_the_plot_scrubs_as_far_as_it_goes(show):
    scrubber = show(output(BARS, t=T))
    x, y, width = middle_of(scrubber, 0.1)
    mouse = scrubber.page.mouse
    mouse.move(x, y)
    mouse.down()
    assert scrubber.t == 0  # to touch it is no drag
    mouse.move(x + 0.5 * width, y, steps=5)
    assert scrubber.t == 100
    mouse.move(x + 0.25 * width, y)
    assert scrubber.t == 50
    mouse.up()
    mouse.move(x + 0.8 * width, y)
    assert scrubber.t == 50


def test_arrow_keys_go_on_from_where_the_plot_was_clicked(show):
    scrubber = show(output(BARS, t=T))
    x, y, _ = middle_of(scrubber)
    scrubber.page.mouse.click(x, y)
    scrubber.page.keyboard.press("ArrowRight")
    assert scrubber.t == T[1]


@in_chromium
def test_a_finger_scrubs_the_plot(show):
    scrubber = show(output(BARS, t=T), has_touch=True, is_mobile=True, width=390)
    x, y, width = middle_of(scrubber, 0.1)
    touch = scrubber.page.context.new_cdp_session(scrubber.page)
    for kind, at in [("touchStart", 0), ("touchMove", 0.2), ("touchMove", 0.5)]:
        points = [{"x": x + at * width, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert abs(scrubber.t - 100) <= 20  # the first few pixels decide that it is no scroll


def test_the_pointer_reads_the_values_under_it(show):
    line = np.linspace(0.1, 0.3, 50)
    panel = lib.bars(SAMPLES[0], bins=30, limits=(-4, 4), curve=line, label="points")
    scrubber = show("<script>" + WRITTEN + "</script>" + output(panel, t=T))
    scrubber.press("ArrowRight")
    x, y, _ = middle_of(scrubber, across=0.55)  # bin 16, x = 0.4
    scrubber.page.evaluate("written.clear()")
    scrubber.page.mouse.move(x, y)
    written = {*scrubber.page.evaluate("[...written]")}
    [x_read] = [float(text[4:]) for text in written if text.startswith("x = ")]
    assert x_read == pytest.approx(0.4, abs=0.02)  # a pixel is 0.01
    height = np.histogram(SAMPLES[0, 1], 30, (-4, 4))[0][16] / (900 * 8 / 30)
    read = {text.split(": ")[0]: float(text.split(": ")[1]) for text in written if ": " in text}
    assert read["points"] == pytest.approx(height, abs=0.01)
    assert read["exact"] == pytest.approx(0.1 + 0.2 * 0.55, abs=0.002)
    scrubber.page.evaluate("written.clear()")
    scrubber.page.mouse.move(2, 2)
    assert not [t for t in scrubber.page.evaluate("[...written]") if t.startswith("x = ")]


def test_the_first_frame_stays_as_an_outline(show):
    narrow = np.linspace(-0.2, 0.2, 900)
    samples = np.stack([narrow, narrow + 3, narrow + 3])
    scrubber = show(output(lib.bars(samples, bins=8, limits=(-4, 4)), t=[0, 1, 2]))
    count = """(() => { const { context, x, box } = player.panels[0], panel = player.panels[0];
      const ratio = devicePixelRatio, left = panel.x(-1.5) * ratio, right = panel.x(1.5) * ratio;
      const { data } = context.getImageData(left, (box.top + 5) * ratio, right - left, 100 * ratio);
      let dark = 0;
      for (let i = 0; i < data.length; i += 4) dark += data[i + 3] > 60 && data[i + 1] < 100;
      return dark })()"""
    scrubber.press("ArrowRight")
    assert scrubber.read(count) > 30
    assert "t = 0" in scrubber.root.locator(".scrubber-legend").inner_text()


def test_trails_fade(show):
    """One point that goes right, a unit a frame: the older the stretch, the paler."""
    path = np.stack([np.linspace(-2, 2, 9), np.zeros(9)], 1)[:, None]
    scrubber = show(output(lib.points(path, trails=8)))
    scrubber.press("End")
    alphas = scrubber.read("""[0, 2, 4, 6].map((k) => { const panel = player.panels[0];
      const x = Math.round((panel.x(-1.75 + k / 2)) * devicePixelRatio);
      const y = Math.round((panel.y(0)) * devicePixelRatio);
      const { data } = panel.context.getImageData(x, y - 2, 1, 4);
      return Math.max(...[3, 7, 11, 15].map((at) => data[at])) })""")
    assert alphas == sorted(alphas)
    assert alphas[-1] > 2 * alphas[0] > 0


# ---- addresses -----------------------------------------------------------------------------------


def test_an_address_opens_at_its_t_and_a_new_one_goes_there(show):
    scrubber = show(output(BARS, t=T), "#t=26")
    scrubber.wait_for("player.t === 30")  # the nearest
    scrubber.page.evaluate("location.hash = 't=120'")
    scrubber.wait_for("player.t === 120")


def test_an_address_moves_both_sliders(show):
    scrubber = show(output(STACK, t=T, second=("width", WIDTHS)), "#width=1.9&t=90")
    scrubber.wait_for("player.t === 90 && player.choice === 3")


@pytest.mark.parametrize("address", ["#t=", "#t=<script>", "#t=1e999", "#t=NaN", "#%", "#a&t", "#"])
def test_an_address_that_names_no_place_changes_nothing(show, address):
    scrubber = show(output(BARS, t=T, start=50), address)
    scrubber.press("ArrowRight")
    assert scrubber.t == 60


# ---- one figure, not two -------------------------------------------------------------------------


@in_chromium
def test_the_strip_is_hidden_while_the_player_runs_and_printed_in_its_place(show):
    scrubber = show(output(BARS, t=T, title="a <b> & 'c'"))
    strip = scrubber.page.locator("img")
    scrubber.page.wait_for_function("!document.querySelector('img').checkVisibility()")
    assert scrubber.root.is_visible()
    scrubber.page.emulate_media(media="print")
    assert strip.is_visible()
    assert not scrubber.root.is_visible()


def test_a_strip_that_comes_later_is_hidden_and_other_pictures_stay(show):
    spec = specify([BARS], T)
    other = "<p>words<img alt='another' width=9 height=9></p>"
    scrubber = show(other + f"<div>{fragment([BARS], spec)}</div>")
    scrubber.page.evaluate(
        """alt => { const image = document.createElement('img');
             Object.assign(image, { alt, width: 9, height: 9 }); document.body.append(image) }""",
        spec["caption"],
    )
    hidden = "[...document.images].map((image) => image.checkVisibility())"
    scrubber.page.wait_for_function(f"!{hidden}.at(-1)")
    assert scrubber.page.evaluate(hidden) == [True, False]


def test_each_copy_of_a_figure_hides_a_strip_of_its_own_though_it_comes_late(show):
    figure = output(BARS, t=T)
    scrubber = show(
        figure + figure.split("<div><img")[0]
    )  # the second one's strip is not there yet
    hidden = "[...document.images].every((image) => !image.checkVisibility())"
    scrubber.page.wait_for_function(hidden)
    scrubber.page.wait_for_function("document.querySelectorAll('.scrubber').length === 2")
    scrubber.page.wait_for_timeout(300)
    scrubber.page.evaluate("document.body.append(document.images[0].cloneNode())")
    scrubber.page.wait_for_function(f"document.images.length === 2 && {hidden}")


@in_chromium
def test_without_scripts_the_strip_stays(browser, tmp_path):
    file = tmp_path / "static.html"
    file.write_text(output(BARS, t=T), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("img").wait_for()
    assert "Interactive figure" in page.inner_text("body")
    context.close()


# ---- fingers, small screens, other colours -------------------------------------------------------


@in_chromium
def test_controls_are_large_enough_for_fingers(show):
    second = {"second": ("width", WIDTHS)}
    scrubber = show(output(STACK, t=T, **second), width=390, has_touch=True, is_mobile=True)
    for control in scrubber.root.locator("button, select, label, input[type=range]").all():
        box = control.bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 44


@in_chromium
def test_two_panels_and_their_controls_fit_a_phone(show):
    cloud = np.repeat(CLOUD, 4, 1)
    panels = lib.points(CLOUD, title="points"), lib.density(cloud, bins=20, title="density")
    texts = [f"TV {k / 100:.3f}, by chance up to 0.087" for k in range(F)]
    curve = ("TV", np.linspace(0.5, 0.1, F))
    options = {"t": T, "title": "noise to data", "describe": texts, "curve": curve, "band": 0.087}
    scrubber = show(
        output(*panels, **options), width=390, height=844, has_touch=True, is_mobile=True
    )
    assert scrubber.root.bounding_box()["height"] <= 844
    assert scrubber.page.evaluate("document.documentElement.scrollWidth") <= 390


@in_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_thumb_is_seen_in_forced_colours(show, scheme):
    scrubber = show(output(BARS, t=T), forced_colors="active", color_scheme=scheme)
    at = scrubber.slider.bounding_box()
    before = scrubber.page.screenshot(clip=at)
    scrubber.root.locator("canvas").last.evaluate(
        "canvas => { canvas.style.visibility = 'hidden' }"
    )
    scrubber.slider.evaluate("slider => { slider.value = 0.5 }")
    assert scrubber.page.screenshot(clip=at) != before
