"""The site's pages in browsers, opened from disk without a network."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from scrubbing import Scrubber, listen

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = [f"notebooks/{path.stem}" for path in sorted(FOLDER.glob("0*.ipynb"))]
OWN = ("file:", "data:", "blob:file:", "blob:null")
SET = "(n => n('.math') === n('mjx-container'))(all => document.querySelectorAll(all).length)"


@pytest.fixture(params=["chromium", "firefox"])
def browser(request):
    return request.getfixturevalue(request.param)


@contextmanager
def shown(browser, site, name, width=1200, **options):
    """A page; what it asks for must be on this machine, and the console must be clean."""
    viewport = {"width": width, "height": 800}
    with browser.new_context(viewport=viewport, **options) as context:
        page, urls = context.new_page(), []
        page.on("request", lambda request: urls.append(request.url))
        errors = listen(page)
        page.goto((site / name).as_uri())
        page.wait_for_function(SET)
        page.evaluate("document.fonts.ready.then(() => 0)")
        yield page
        assert not errors
        assert not [url for url in urls if not url.startswith(OWN)]


@pytest.mark.parametrize(
    ("browser", "name"),
    [
        *(("chromium", name) for name in ["index", *NOTEBOOKS]),
        *(("firefox", name) for name in ["index", NOTEBOOKS[1]]),
    ],
    indirect=["browser"],
)
def test_page_works_from_disk(browser, site, name):
    with shown(browser, site, f"{name}.html") as page:
        for scrubber in page.locator("[data-scrubber]").all():
            Scrubber(scrubber).check()
        assert not page.locator("mjx-merror").count()
        assert "error" not in page.evaluate("[...document.fonts].map(font => font.status)")
        strips = page.locator("img[alt*=' frames from ']")
        assert not [strip for strip in strips.all() if strip.is_visible()]


@pytest.mark.parametrize("width", [390, 320])
def test_pages_fit_a_phone(chromium, site, width):
    wide = []
    for name in ["index", "TEACHING", "reference", *NOTEBOOKS]:
        with shown(chromium, site, f"{name}.html", width) as page:
            for scrubber in page.locator("[data-scrubber]").all():
                Scrubber(scrubber)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(name)
    assert not wide


def test_search_finds(browser, site):
    with shown(browser, site, "index.html") as page:
        page.keyboard.press("Control+k")
        page.keyboard.type("Wasserstein")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=Wasserstein*")
        page.get_by_role("link", name="1. Toy data").last.click()
        page.wait_for_url("**/01_toy_data.html*")


def test_scrubbers_follow_the_dark_switch(chromium, site):
    with shown(chromium, site, f"{NOTEBOOKS[1]}.html", color_scheme="light") as page:
        scrubber = Scrubber(page.locator("[data-scrubber]").first)
        light = scrubber.pixels()
        assert not scrubber.read("player.panels[0].dark")
        page.get_by_role("button", name="Color mode").first.click()
        page.get_by_text("Dark", exact=True).first.click()
        scrubber.wait_for("player.panels[0].dark")
        assert scrubber.pixels() != light
