"""The playground: its walks are those of `flow`, and a drawing can be shared by its address."""

import math

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from scrubbing import pages_in

from tutorial_lib import Mixture, flow
from tutorial_lib.oracle import ExactVelocity
from tutorial_lib.palette import ROLES

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
STILL = "playground.state.done && !playground.state.playing"


@pytest.fixture(scope="module")
def source(request):
    return (request.config.rootpath / "docs" / "playground.html").read_text("utf-8")


@pytest.fixture
def show(chromium, tmp_path, source):
    """Opens the playground from disk, offline, at an address; motion is reduced."""
    with pages_in(chromium, tmp_path) as opened:

        def shown(address="", **options):
            page = opened(source, address, reduced_motion="reduce", **options)
            page.wait_for_function(STILL)
            return page

        yield shown


def drawing(page):
    """The drawn points, (n, 2)."""
    return torch.tensor(page.evaluate("playground.state.points"), dtype=torch.float64).view(-1, 2)


def test_an_address_holds_the_drawing(show):
    page = show()
    page.select_option("#example", "two moons")
    page.wait_for_function("location.hash.length > 400")
    again = show(page.evaluate("location.hash"))
    assert len(drawing(page)) > 100 and torch.equal(drawing(page), drawing(again))

    # two letters a coordinate: 12 bits over -2.5..2.5
    corners = show("#d=AAAA____")
    assert torch.allclose(drawing(corners), torch.tensor([[-2.5] * 2, [2.5] * 2]).double())


@pytest.mark.parametrize("path", ["circle", "line"])
@pytest.mark.parametrize("width", [0, 0.15])
@pytest.mark.parametrize("calls", [1, 5, 20, 50])
@pytest.mark.parametrize("example", ["spiral", "chessboard", "three points"])
@pytest.mark.parametrize("noise", [False, True])
def test_every_step_is_that_of_the_library(show, example, calls, width, path, noise):
    page = show(f"#n={calls}&w={width}&p={path}" + "&z=1" * noise)
    page.select_option("#example", example)
    page.wait_for_function(STILL)
    points = drawing(page)
    states = page.evaluate("playground.state.states.map((x) => Array.from(x))")
    states = torch.tensor(states, dtype=torch.float64).view(-1, 1000, 2)
    assert len(states) == calls + 1

    spread = [[width, width]] * len(points)
    law = Mixture([1 / len(points)] * len(points), points.tolist(), spread) if width else points
    velocity, curve = ExactVelocity(law, getattr(flow, path)), getattr(flow, path)
    for k in range(calls, 0, -1):
        x, u, to = states[calls - k], k / calls, (k - 1) / calls
        v = velocity(x, u)
        if not noise:
            wanted = x - v / calls
        else:
            z = page.evaluate(f"Array.from(playground.normals(2000, {1 + k}))")
            wanted = chain_step(
                curve, x, v, u, to, torch.tensor(z, dtype=torch.float64).view(-1, 2)
            )
        assert torch.allclose(states[calls - k + 1], wanted, atol=1e-9)


def chain_step(path, x, v, u, to, z):
    """A draw from q(x[to] | x[u], x0) with the means of x0 and eps, which x and v give, put in."""
    one = torch.ones(1, dtype=torch.float64)
    a, b, da, db = (value.item() for value in path.at(u, one))
    a_to, b_to, *_ = (value.item() for value in path.at(to, one))
    x0 = (db * x - b * v) / (a * db - da * b)
    eps = (a * v - da * x) / (a * db - da * b)
    fresh = b_to * math.sqrt(max(0, 1 - (a * b_to / (a_to * b)) ** 2))
    return a_to * x0 + math.sqrt(b_to**2 - fresh**2) * eps + fresh * z


def test_the_noise_is_standard_normal_and_always_the_same(show):
    start = [torch.tensor(show().evaluate("Array.from(playground.START)")) for _ in range(2)]
    assert torch.equal(*start)
    assert abs(start[0].mean()) < 0.07 and abs(start[0].std() - 1) < 0.05  # 3 standard errors


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_a_line_is_drawn_by_mouse_or_finger(show, touch):
    page = show(has_touch=touch)
    box = page.locator("#square").bounding_box()
    ends = [
        (box["x"] + share * box["width"], box["y"] + 0.5 * box["height"]) for share in (0.2, 0.8)
    ]
    if touch:
        send = page.context.new_cdp_session(page).send
        for kind, places in {"touchStart": ends[:1], "touchMove": ends[1:], "touchEnd": []}.items():
            at = [{"x": x, "y": y} for x, y in places]
            send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    else:
        page.mouse.move(*ends[0])
        page.mouse.down()
        page.mouse.move(*ends[1])
        page.mouse.up()
    page.wait_for_function(STILL)
    points = drawing(page)
    assert torch.allclose(points[0], torch.tensor([-1.5, 0.0]).double(), atol=0.03)
    assert points[-1, 0] > 1.4 and points[:, 1].abs().max() < 0.03
    assert points[:, 0].diff().max() < 0.1  # no gaps

    page.click("#undo")
    assert not len(drawing(page))


def test_a_line_is_drawn_by_keys(show):
    page = show()
    page.focus("#square")
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    points = drawing(page)
    assert points[0].tolist() == pytest.approx([0, 0], abs=1e-3)
    assert points[-1].tolist() == pytest.approx([0.5, 0], abs=1e-3)


def test_width_0_copies_and_width_does_not(show):
    page = show("#w=0&n=200")
    page.select_option("#example", "three points")
    page.wait_for_function(STILL)
    assert page.inner_text("#read") == (
        "3 points drawn. 1000 of 1000 walks end on one of them: copies."
    )
    page.fill("#width", "0.5")
    page.wait_for_function(STILL)
    assert int(page.inner_text("#read").split()[3]) < 10


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("#d=" + "AAAA" * 501, "more than 500 points"),
        ("#d=" + "A" * 1_000_000, "more than 500 points"),
        ("#d=AAA", "no drawing that this page can read"),
        ("#d=AAA<", "no drawing that this page can read"),
        ("#d=%3Cscript%3Ehacked=1%3C/script%3E", "no drawing that this page can read"),
        ("#d=%E0%A4%A", "no drawing that this page can read"),
        ("#w=1e9&n=-5&p=__proto__", ""),
        ("#w=<img src=x onerror=hacked=1>&n=NaN", ""),
    ],
)
def test_a_hostile_address_is_refused_in_words(show, address, words):
    page = show(address)
    assert words in page.inner_text("#say")
    assert not len(drawing(page)) and page.evaluate("typeof hacked") == "undefined"
    settings = page.evaluate("playground.settings()")
    assert (settings["width"], settings["calls"], settings["path"]) == (0, 200, "circle")


def test_more_points_than_fit_are_refused_in_words(show):
    page = show("#d=" + "gggg" * 500)
    page.click("#square")
    assert "500 points are the most" in page.inner_text("#say")
    assert len(drawing(page)) == 500


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 320)])
def test_it_is_accessible_and_fits(show, scheme, width):
    page = show(color_scheme=scheme, width=width)
    page.select_option("#example", "spiral")
    assert not Axe().run(page, options=RULES).response["violations"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_colours_are_the_palettes_and_the_page_is_small(source):
    assert f"--truth: {ROLES['truth']}; --data: {ROLES['data']}" in source
    assert len(source.encode()) < 40_000
    assert "http" not in source.replace("https://github.com/", "")  # nothing is fetched
