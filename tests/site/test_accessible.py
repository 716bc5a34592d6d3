"""No page of the site breaks a rule of WCAG 2, level A or AA, that axe can check."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from scrubbing import Scrubber

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}

ALL = r"."
ONE_OF_EACH_KIND = r"index|search|reference|TEACHING|02_"  # colours and width are theirs all
CALM = {"offline": True, "reduced_motion": "reduce"}  # no colour is caught on its way
FORMULAS = {"exclude": [["mjx-container"]]}  # MathJax's own matter, and most of a page's elements


@pytest.mark.parametrize(
    ("width", "scheme", "names"), [(1440, "light", ALL), (390, "dark", ONE_OF_EACH_KIND)]
)
def test_pages_are_accessible(chromium, site, width, scheme, names):
    viewport, broken = {"width": width, "height": 900}, []
    with chromium.new_context(viewport=viewport, color_scheme=scheme, **CALM) as context:
        page = context.new_page()
        for file in (file for file in sorted(site.rglob("*.html")) if re.match(names, file.name)):
            page.goto(file.as_uri())
            page.wait_for_function("document.fonts.status === 'loaded'")
            page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
            for scrubber in page.locator("[data-scrubber]").all():
                Scrubber(scrubber)  # waits for it
            for rule in Axe().run(page, FORMULAS, RULES).response["violations"]:
                broken += [(file.name, rule["id"], *node["target"]) for node in rule["nodes"]]
    assert not broken
