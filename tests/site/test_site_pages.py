"""The site's pages in a browser, opened from disk without a network."""

from pathlib import Path

import pytest
from scrubbing import Scrubber, listen

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = ["index", *(path.stem for path in sorted(FOLDER.glob("0*.ipynb")))]


@pytest.fixture
def show(chromium, site):
    """Opens a page; what it asks for must be on this machine, and the console must be clean."""
    contexts, errors, urls = [], [], []

    def opened(name, width=1200):
        viewport = {"width": width, "height": 800}
        contexts.append(chromium.new_context(viewport=viewport, offline=True))
        page = contexts[-1].new_page()
        page.on("request", lambda request: urls.append(request.url))
        errors.append(listen(page))
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate("document.fonts.ready.then(() => 0)")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not [error for page in errors for error in page]
    assert not [
        url for url in urls if not url.startswith(("file:", "data:", "blob:file:", "blob:null"))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_page_works_from_disk(show, name):
    page = show(name)
    found = page.locator("[data-scrubber]")
    for k in range(found.count()):
        Scrubber(found.nth(k)).check()
    if page.locator("math").count():
        assert page.evaluate("[...document.fonts].map(font => font.status)") == ["loaded"]


@pytest.mark.parametrize("name", NAMES)
def test_page_fits_a_phone(show, name):
    page = show(name, width=390)
    found = page.locator("[data-scrubber]")
    for k in range(found.count()):
        Scrubber(found.nth(k))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
