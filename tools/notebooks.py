"""Execute the notebooks from clean kernels and write them back without noise: `make notebooks`.

Each runs in a throw-away copy of notebooks/ (without the notebooks), so that none can lean on a
file that another one left. A notebook that fails stops the run and is left as it was.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

try:
    import resource
except ImportError:  # on Windows
    resource = None

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}
FOLDED = {"solution", "hide-input"}  # tags of code cells whose code is shown only when asked for


def chosen(names: list[str]) -> list[Path]:
    """The notebooks of these names, such as 02_forward_diffusion; all if there are none."""
    there = {path.stem: path for path in sorted(FOLDER.glob("0*.ipynb"))}
    unknown = [name for name in names if Path(name).stem not in there]
    if unknown:
        sys.exit(f"There is no notebook {', '.join(unknown)}. There are: {' '.join(there)}")
    return [there[Path(name).stem] for name in names] or [*there.values()]


def is_noise(output: NotebookNode) -> bool:
    """Progress bars and warnings, and widgets, which show an error without their kernel."""
    return output.get("name") == "stderr" or WIDGET_VIEW in output.get("data", {})


def clean(notebook: NotebookNode) -> None:
    """Remove in place all that differs from run to run or from machine to machine.

    Of a cell's metadata only its tags are kept, and they say which code JupyterLab folds.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for key in cell.metadata.keys() - {"tags"}:
            del cell.metadata[key]
        if cell.cell_type == "code":
            if FOLDED & {*cell.metadata.get("tags", [])}:
                cell.metadata["jupyter"] = {"source_hidden": True}
            cell.outputs = [output for output in cell.outputs if not is_noise(output)]


def execute(notebook: NotebookNode) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "notebooks"
        shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("*.ipynb", ".*"))
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": str(copy)}},
            coalesce_streams=True,  # one entry per cell, however the kernel split what was printed
            extra_arguments=["--log-level=ERROR"],  # no advice on transports between our lines
        )
        client.execute()


def remake(path: Path) -> str:
    """Execute, clean and write one notebook. It gets a process of its own, whose largest child is
    then this notebook's kernel: so the system knows its peak memory."""
    start = time.perf_counter()
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    execute(notebook)
    clean(notebook)
    after = nbformat.writes(notebook) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8")
    seconds = time.perf_counter() - start
    written = "written" if after != before else "unchanged"
    return f"{path.stem:24}{seconds:7.1f} s {peak_memory():>9}   {written}"


def peak_memory() -> str:
    """Of this process's largest child, where the system tells."""
    if resource is None:
        return ""
    unit = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # bytes there, KiB elsewhere
    return f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as 02_forward_diffusion; all if none")
    names = parser.parse_args().names
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # see the Makefile
    os.environ.setdefault("OMP_NUM_THREADS", "2")  # the same figures on two cores as on twenty
    for path in chosen(names):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            print(process.submit(remake, path).result(), flush=True)


if __name__ == "__main__":
    main()
