"""Write the notebooks without their solutions into student/: `make student`.

The stubs to fill in and the checks below them stay; outputs are cleared.
"""

import shutil
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

ROOT = Path(__file__).resolve().parent.parent


def copy_without_solutions(notebook):
    remove = TagRemovePreprocessor(remove_cell_tags={"solution"}, enabled=True)
    for step in (remove, ClearOutputPreprocessor(enabled=True)):
        notebook, _ = step.preprocess(notebook, {})
    return notebook


def main(folder):
    """Replace `folder` by the student copies. It must stand beside notebooks/, for the links."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for path in sorted((ROOT / "notebooks").glob("0*.ipynb")):
        notebook = copy_without_solutions(nbformat.read(path, as_version=4))
        nbformat.write(notebook, folder / path.name)
    print(f"{folder}: {len(list(folder.iterdir()))} notebooks without solutions")


if __name__ == "__main__":
    main(ROOT / "student")
