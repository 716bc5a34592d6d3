"""Nothing that is read or run here fetches, starts a program, or unpacks objects that can act."""

import ast
import json
import re
from pathlib import Path

import bs4
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted((ROOT / "tutorial_lib").rglob("*.py"))
REACHING_OUT = {
    *("asyncio", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "ssl", "urllib"),
    *("ctypes", "multiprocessing", "pty", "subprocess", "webbrowser"),
    *("dill", "joblib", "marshal", "pickle", "shelve", "huggingface_hub", "torchvision"),
}
BUILT_IN = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
# These unpickle or fetch; with `weights_only` torch.load reads numbers and texts, and runs nothing.
UNPACKING = {("torch", "load"), ("hub", "load"), ("np", "load"), ("numpy", "load")}


def sources():
    for path in MODULES:
        yield path.name, path.read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            installs = "remove-cell" in cell["metadata"].get("tags", [])
            if cell["cell_type"] == "code" and not installs:
                yield f"{path.stem}[{number}]", "".join(cell["source"])


def deeds(source: str) -> set[str]:
    """The forbidden things that a source does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names]
            found |= {name for name in names if name.split(".")[0] in REACHING_OUT}
        if isinstance(node, ast.Call):
            called = node.func
            name = getattr(called, "id", None) or getattr(called, "attr", "")
            owner = getattr(called, "value", None)
            owner = getattr(owner, "id", None) or getattr(owner, "attr", "")
            harmless = any(
                word.arg == "weights_only" and getattr(word.value, "value", None) is True
                for word in node.keywords
            )
            acting = name in ("system", "popen") if owner else name in BUILT_IN
            if acting or ((owner, name) in UNPACKING and not harmless):
                found.add(f"{owner}.{name}")
    return found


def test_no_notebook_and_no_module_reaches_out_or_acts():
    checked = dict(sources())
    assert len(checked) > 50
    assert {where: deeds(source) for where, source in checked.items() if deeds(source)} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess",
        "from urllib.request import urlopen",
        "import os; os.system('ls')",
        "eval('1')",
        "torch.load('x')",
        "torch.load('x', weights_only=False)",
        "torch.hub.load('a', 'b')",
        "import pickle as p",
    ],
)
def test_the_check_would_notice(source):
    assert deeds(source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_can_be_read_without_trust(path):
    """Every figure that needs a script is followed by one that does not; nothing is loaded."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            assert not re.search(r"<(script|iframe|object|embed|link|style)|javascript:", text)
            remote = re.findall(r"(?:!\[[^\]]*\]\(|src=[\"'])(https?:[^\s\"')]+)", text)
            assert all("mybinder.org/badge" in address for address in remote), remote
        kinds = [set(output.get("data", {})) for output in cell.get("outputs", [])]
        for number, output in enumerate(cell.get("outputs", [])):
            page = bs4.BeautifulSoup(
                "".join(output.get("data", {}).get("text/html", "")), "html.parser"
            )
            assert [tag for tag in page.find_all(["img", "link", "iframe", "video"])] == []
            assert [tag for tag in page.find_all("script") if tag.has_attr("src")] == []
            if page.find("script"):
                assert "image/png" in kinds[number + 1]
