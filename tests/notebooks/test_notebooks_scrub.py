"""The notebooks' own scrubbers: run each notebook in JupyterLab and scrub every one of them."""

import json
import re
from pathlib import Path

import pytest
from scrubbing import Scrubber

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def scrubs(path):
    """Whether a code cell of the notebook makes a scrubber."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.search(r"\bscrubber\.(scrub|widget)\(", code)


# To run these once more, in the browser, takes over a minute each. What they hold as committed is
# scrubbed in any case: on the pages of the site.
LONG = ["06_spiral_2d", "07_latent_diffusion"]
NOTEBOOKS = [
    pytest.param(path, marks=pytest.mark.slow if path.stem in LONG else (), id=path.stem)
    for path in sorted(FOLDER.glob("*.ipynb"))
    if scrubs(path)
]


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_scrubber_of_the_notebook_scrubs(lab, path):
    lab.open(path)
    lab.run_all()
    found = lab.scrubbers()
    assert found.count() > 0
    for k in range(found.count()):
        Scrubber(found.nth(k)).check()
    assert not lab.complaints()
