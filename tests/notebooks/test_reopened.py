"""The notebooks as they are met again: reopened in Notebook 7."""

from pathlib import Path

from scrubbing import Scrubber

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


def test_it_scrubs_in_notebook_7(lab):
    lab.open(FOLDER / "03_network.ipynb", at="notebooks")
    found = lab.scrubbers()
    assert found.count() > 0
    for k in range(found.count()):
        Scrubber(found.nth(k)).check()
