"""The questions and the exercises as a learner meets them in JupyterLab."""

import re
from pathlib import Path

from playwright.sync_api import expect

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def test_answers_open_one_by_one_with_their_formulas(lab):
    page = lab.open(FOLDER / "02_forward_diffusion.ipynb")
    choices = page.locator(".jp-Notebook details", has_not_text="What you will learn")
    expect(choices).to_have_count(4)
    right = choices.filter(has_text="about 25")
    explanation = right.get_by_text("Right: at")
    expect(explanation).to_be_hidden()
    right.locator("summary").click()
    expect(explanation).to_be_visible()
    expect(right.locator("mjx-container").first).to_be_visible()
    assert sum(choice.get_attribute("open") is not None for choice in choices.all()) == 1


def test_solutions_are_folded_and_a_check_answers(lab):
    page = lab.open(FOLDER / "02_forward_diffusion.ipynb")
    lab.run_all()
    tags = [cell["metadata"].get("tags", []) for cell in lab.content()["cells"]]
    cells = page.locator(".jp-Notebook .jp-Cell")
    for k in (k for k, tag in enumerate(tags) if "solution" in tag):
        page.evaluate("k => jupyterapp.shell.currentWidget.content.scrollToItem(k)", k)
        assert cells.nth(k).inner_text().strip() == "# Solution"
        expect(cells.nth(k - 1)).to_contain_text(re.compile("yet"))
    assert not lab.complaints()
