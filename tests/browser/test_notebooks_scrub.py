"""The notebooks' own scrubbers: run each notebook in JupyterLab and scrub every one of them."""

import json
import re
from pathlib import Path

import pytest
from scrubbing import Scrubber

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"


def scrubs(path):
    """Whether a code cell of the notebook makes a scrubber."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.search(r"\bscrubber\.(scrub|widget)\(", code)


NOTEBOOKS = [path for path in sorted(FOLDER.glob("*.ipynb")) if scrubs(path)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_scrubber_of_the_notebook_scrubs(lab, path):
    lab.open(path)
    lab.run_all()
    found = lab.scrubbers()
    assert found.count() > 0
    for k in range(found.count()):
        Scrubber(found.nth(k)).check()
    assert not lab.complaints()
