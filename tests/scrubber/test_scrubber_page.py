"""The scrubber in a saved page, opened from disk; no server, no kernel, no network."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from hostile import TEXTS
from nbconvert import HTMLExporter
from scrubbing import Scrubber, pages_in, rgb

from tutorial_lib import scrubber as lib
from tutorial_lib.palette import KINDS, ROLES
from tutorial_lib.scrubber.player import fragment, specify
from tutorial_lib.scrubber.texts import plain_text

RNG = np.random.default_rng(5)
SAMPLES = 0.3 + 0.5 * RNG.normal(size=(41, 3000))
CURVE = np.exp(-0.5 * ((np.linspace(-3, 3, 121) - 0.3) / 0.5) ** 2) / (0.5 * np.sqrt(2 * np.pi))
PATH = np.cumsum(0.2 * RNG.normal(size=(41, 120, 2)), 0)
PANELS = {
    "bars": lib.bars(SAMPLES, curve=np.linspace(0.5, 1, 41)[:, None] * CURVE),
    "curves": lib.curves({"a": np.sin(np.linspace(0, 6, 50) + np.arange(41)[:, None]), "b": CURVE}),
    "points": lib.points(PATH, trails=5, arrows=RNG.normal(size=(41, 9, 4)), labels=["walkers"]),
    "classes": lib.points(PATH, color=np.arange(120) % 10, labels=[str(k) for k in range(10)]),
    "density": lib.density(np.repeat(PATH, 4, 1) + 0.1 * RNG.normal(size=(41, 480, 2)), bins=30),
    "images": lib.images(RNG.random((41, 6, 8, 8)), columns=3),
}


def output(*panels, **options):
    return fragment(panels, specify(panels, **options))


@pytest.fixture
def show(chromium, tmp_path):
    """Opens page fragments as a file."""
    with pages_in(chromium, tmp_path) as opened:

        def shown(body, **options):
            page = opened(body, **options)
            page.wait_for_selector(".scrubber input")
            return page

        yield shown


@pytest.mark.parametrize("kind", PANELS)
def test_every_kind_changes_with_the_slider(show, kind):
    page = show(output(PANELS[kind]))
    scrubber = Scrubber(page.locator(".scrubber"))
    seen = {scrubber.pixels()}
    for key in ("ArrowRight", "PageUp", "End"):
        scrubber.press(key)
        seen.add(scrubber.pixels())
    assert len(seen) == 4


@pytest.mark.parametrize("kind", PANELS)
def test_the_browser_unpacks_every_number(show, kind):
    scrubber = Scrubber(show(output(PANELS[kind])).locator(".scrubber"))
    for name, track in PANELS[kind].tracks.items():
        for frame in (0, 1, 40):
            track_js = f"player.panels[0].tracks.{name}"
            found = scrubber.read(f"Array.from({track_js}.row({frame}), {track_js}.value)")
            wanted = np.clip(PANELS[kind].at(frame)[name], track.lo, track.hi).ravel()
            np.testing.assert_allclose(found, wanted, atol=0.51 * track.step)


@pytest.mark.parametrize(("scheme", "gain"), [("light", 1), ("dark", 1.3)])
def test_the_canvas_shows_the_colours_of_the_roles(show, scheme, gain):
    page = show(output(PANELS["bars"], PANELS["classes"]), color_scheme=scheme)
    scrubber = Scrubber(page.locator(".scrubber"))
    count = """(panel, wanted) => {
      const { data } = player.panels[panel].context.getImageData(0, 0, 900, 900);
      let number = 0;
      for (let i = 0; i < data.length; i += 4)
        number += wanted.every((value, c) => Math.abs(data[i + c] - value) < 50);
      return number;
    }"""
    for panel, colors, least in [
        (0, [ROLES["data"]], 3000),
        (0, [ROLES["truth"]], 200),
        (1, KINDS, 5),
    ]:
        for color in colors:
            wanted = [min(255, gain * part) for part in rgb(color)]
            assert scrubber.read(f"({count})({panel}, {wanted})") >= least, color


def test_two_panels_share_a_slider(show):
    page = show(output(PANELS["bars"], PANELS["density"]))
    scrubber = Scrubber(page.locator(".scrubber"))
    before = [scrubber.pixels(0), scrubber.pixels(1)]
    scrubber.press("End")
    assert scrubber.pixels(0) != before[0]
    assert scrubber.pixels(1) != before[1]


def test_exported_notebook_works_with_the_network_cut(show):
    data = {"text/html": output(PANELS["bars"], title="exported")}
    cell = nbformat.v4.new_code_cell("scrub()")
    cell.outputs = [nbformat.v4.new_output("display_data", data)] * 2
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    page = show(page)
    page.wait_for_function("document.querySelectorAll('.scrubber').length === 2")
    one, two = (Scrubber(page.locator(".scrubber").nth(k)) for k in range(2))
    before = one.pixels()
    one.press("ArrowRight", "ArrowRight")
    assert (one.t, two.t) == (2, 0)
    assert one.pixels() != before
    two.press("End")
    assert (one.t, two.t) == (2, 40)


def test_showing_a_copy_later_leaves_the_first_as_it_is(show):
    page = show(output(PANELS["bars"]))
    one = Scrubber(page.locator(".scrubber"))
    one.press("ArrowRight", "ArrowRight")
    page.evaluate(
        """() => {
          const copy = document.createElement('div'), script = document.createElement('script');
          copy.innerHTML = `<div data-scrubber="${ROOT.dataset.scrubber}"></div>`;
          script.textContent = document.querySelector('script').textContent;
          copy.append(script);
          document.body.append(copy);
        }""".replace("ROOT", "document.querySelector('.scrubber')")
    )
    page.wait_for_function("document.querySelectorAll('.scrubber').length === 2")
    two = Scrubber(page.locator(".scrubber").nth(1))
    two.press("End")
    assert (Scrubber(page.locator(".scrubber").nth(0)).t, two.t) == (2, 40)


def test_no_text_does_anything_but_be_shown(show):
    def scrubber(given):
        panel = lib.bars(SAMPLES[:3], title=given, label=given, x_label=given)
        return output(panel, name=given, title=given, describe=[given] * 3)

    page = show("".join(map(scrubber, TEXTS.values())))
    page.wait_for_function(f"document.querySelectorAll('.scrubber').length === {len(TEXTS)}")
    for k, given in enumerate(TEXTS.values()):
        found = Scrubber(page.locator(".scrubber").nth(k))
        found.press("End")
        title = found.root.locator(".scrubber-title")
        wanted = plain_text(given)
        assert {element.text_content() for element in title.all()} == {wanted}
        assert found.read("player.spec.texts[0]") == wanted
        shown = found.root.evaluate(
            "e => [...new Set([...e.querySelectorAll('*')].map(c => c.tagName))]"
        )
        assert set(shown).isdisjoint({"SCRIPT", "IMG", "IFRAME", "B", "A", "LINK"})
    assert page.evaluate("window.hacked") is None


def test_names_and_text_for_those_who_cannot_see_it(show):
    page = show(output(PANELS["bars"], title="a name"))
    group = page.get_by_role("group", name="a name")
    scrubber = Scrubber(group)
    slider = group.get_by_role("slider", name="t")
    scrubber.press("ArrowRight", "ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "t = 2"
    for role, name in [
        ("button", "Play"),
        ("button", "one frame back"),
        ("button", "one frame forward"),
        ("combobox", "speed"),
        ("checkbox", "loop"),
        ("img", "a name"),
    ]:
        assert group.get_by_role(role, name=name, exact=True).count() == 1, name
    text = group.locator(".scrubber-text")
    assert text.inner_text() == "mean 0.31, standard deviation 0.50"
    assert text.get_attribute("aria-live") == "polite"
    scrubber.play.click()
    assert text.get_attribute("aria-live") == "off"
    assert group.get_by_role("button", name="Pause", exact=True).count() == 1


def test_focus_is_visible_on_every_control(show):
    page = show(output(PANELS["bars"]))
    page.wait_for_function("document.querySelector('.scrubber').scrubber.spec")
    for _ in range(6):
        page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        assert page.evaluate(f"{style}.outlineStyle") == "solid"
        assert page.evaluate("document.activeElement.dataset.lmSuppressShortcuts") == "true"


def test_step_buttons_and_touch(show):
    page = show(output(PANELS["bars"]), width=380, has_touch=True)
    scrubber = Scrubber(page.locator(".scrubber"))
    page.get_by_label("one frame forward").tap()
    assert scrubber.frame == 1
    page.get_by_label("one frame back").tap()
    assert scrubber.frame == 0
    box = scrubber.slider.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert abs(scrubber.frame - 20) <= 1


@pytest.mark.parametrize("kind", PANELS)
@pytest.mark.parametrize("width", [320, 380, 900])
def test_fits_the_width(show, kind, width):
    page = show(output(PANELS[kind], title="a title"), width=width)
    Scrubber(page.locator(".scrubber"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_moves_when_the_numbers_change(show):
    t, texts = np.arange(41) * 250, ["the same"] * 41
    page = show(output(lib.bars(SAMPLES), t=t, name="count", describe=texts), width=380)
    scrubber = Scrubber(page.locator(".scrubber"))
    heights = []
    for key in ("Home", "ArrowRight", "End"):
        scrubber.press(key)
        heights.append(scrubber.read("root.offsetHeight"))
    assert len(set(heights)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_stands_out_in_both_themes(show, scheme):
    page = show(output(PANELS["curves"]), color_scheme=scheme)
    scrubber = Scrubber(page.locator(".scrubber"))
    assert scrubber.read("player.panels[0].dark") is (scheme == "dark")
    before = scrubber.pixels()
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    page.wait_for_timeout(100)
    assert scrubber.pixels() != before


def test_reduced_motion_plays_slower_and_never_by_itself(show):
    page = show(output(PANELS["bars"]), reduced_motion="reduce")
    scrubber = Scrubber(page.locator(".scrubber"))
    page.wait_for_timeout(300)
    assert scrubber.frame == 0
    began = page.evaluate("performance.now()")
    scrubber.play.click()
    scrubber.wait_for("player.frame >= 4")
    assert page.evaluate("performance.now()") - began >= 4 / 5 * 1000  # 5 frames a second, not 40


def test_sharp_on_a_dense_screen(show):
    page = show(output(PANELS["bars"]), device_scale_factor=2)
    scrubber = Scrubber(page.locator(".scrubber"))
    assert scrubber.read("player.panels[0].canvas.width / player.panels[0].canvas.clientWidth") == 2


def test_density_shows_the_first_axis_to_the_right_and_the_second_upwards(show):
    values = np.zeros((2, 10, 10))
    values[:, 8, 1] = 1  # right, low
    page = show(output(lib.density(values)))
    scrubber = Scrubber(page.locator(".scrubber"))
    read = """(x, y) => {
      const { canvas, box } = player.panels[0], context = canvas.getContext('2d');
      const at = [box.left + x * box.width, box.top + y * box.height];
      return [...context.getImageData(...at, 1, 1).data]
    }"""
    assert scrubber.read(f"({read})(0.85, 0.85)")[:3] == [253, 231, 37]
    assert scrubber.read(f"({read})(0.15, 0.15)")[:3] == [68, 1, 84]


FAR = {
    "a constant": {},
    "limits": {"limits": (2e15, 2e15 + 1)},
    "limits that no number divides": {"limits": (1e16, 1e16 + 2)},
    "y_limits": {"y_limits": (4e15 - 0.5, 4e15 + 0.5)},
}


@pytest.mark.parametrize("limits", FAR.values(), ids=FAR.keys())
def test_limits_far_from_zero_do_not_stop_the_page(show, limits):
    page = show(output(lib.curves({"a": np.full((3, 4), 4e15)}, **limits)))
    scrubber = Scrubber(page.locator(".scrubber"))
    scrubber.press("End")
    assert scrubber.frame == 2


def test_ticks_are_all_the_round_numbers_within_the_limits(show):
    page = show(output(PANELS["curves"]))
    source = (Path(lib.__file__).with_name("scrubber.js")).read_text("utf-8")
    ticks = re.search(r"^function ticks.*?^}", source, re.DOTALL | re.MULTILINE)[0]
    for limits, count, wanted in [
        ((-3, 3), 6, [-3, -2, -1, 0, 1, 2, 3]),
        ((-2.5, 2.5), 10, np.arange(-5, 6) / 2),
        ((0, 1.06), 7, np.arange(6) / 5),
        ((0.1, 0.3), 0.5, [0.2]),
        ((1e-100, 3e-100), 2, [1e-100, 2e-100, 3e-100]),
    ]:
        found = page.evaluate(
            f"() => {{ {ticks}\nreturn ticks({limits[0]}, {limits[1]}, {count}) }}"
        )
        np.testing.assert_allclose(found, wanted, atol=1e-9 * limits[1])
