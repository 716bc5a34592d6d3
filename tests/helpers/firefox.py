"""A Firefox for browser tests: Debian's own, which Playwright drives over WebDriver BiDi."""

import shutil

import pytest


@pytest.fixture(scope="session")
def firefox(playwright):
    """The browser; it reaches only this machine. Skips where there is none.

    It has Playwright's interface, but for `emulate_media` and a context's `color_scheme`,
    `reduced_motion` and `forced_colors`, which do nothing here, without a word.
    """
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("no Firefox")
    nowhere = {"server": "http://127.0.0.1:9", "bypass": "127.0.0.1"}
    browser = playwright.firefox.launch(channel="moz-firefox", executable_path=path, proxy=nowhere)
    yield browser
    browser.close()
