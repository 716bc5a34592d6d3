"""The layers of `tutorial_lib`: imports point down only, and the numerical layers draw nothing."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tutorial_lib"
# From the bottom up. A module imports from the rows above its own, and from none of its own row.
ROWS = [
    "_silent _random _interrupts palette",
    "schedule data digits",
    "forward",
    "network oracle loss",
    "training sampling metrics flow",
    "latent checkpoint",
    "plotting scrubber checks",
]
LAYERS = {module: height for height, row in enumerate(ROWS) for module in row.split()}
ALONE = {"plotting": {"palette"}, "scrubber": {"palette"}}  # all that these may import
DRAWING = {"matplotlib", "ipywidgets", "anywidget", "IPython"}


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if module_of(path) != "__init__"]
NUMERICAL = [path for path in FILES if LAYERS.get(module_of(path), 0) < LAYERS["plotting"]]
FOLDERS = sorted({path.parent for path in FILES} - {PACKAGE})


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(PACKAGE)))


def imports(path: Path) -> set[str]:
    """Dotted names of all modules imported anywhere in a file, functions included."""
    names = set()
    package = ["tutorial_lib", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            if PACKAGE.joinpath(*base[1:]).is_dir() and base[0] == "tutorial_lib":
                names |= {".".join([*base, alias.name]) for alias in node.names}  # from folder
            else:
                names.add(".".join(base))
    return names


def siblings(path: Path) -> set[str]:
    """Other modules of the package that a file imports."""
    dotted = [name.split(".") for name in imports(path)]
    return {(*parts, "")[1] for parts in dotted if parts[0] == "tutorial_lib"} - {module_of(path)}


def test_every_module_has_a_layer():
    assert {module_of(path) for path in FILES} == LAYERS.keys()


@named(FILES)
def test_imports_point_down(path):
    module = module_of(path)
    for other in siblings(path):
        assert other in LAYERS, f"{module} imports {other or 'the package itself'}: name a module"
        assert LAYERS[other] < LAYERS[module], f"{module} imports {other}, which is not below it"
    assert siblings(path) <= ALONE.get(module, LAYERS.keys())


@named(FOLDERS)
def test_files_of_one_folder_do_not_import_in_circles(path):
    """Nor by way of the folder's `__init__`, which stands for every name that is no file."""
    prefix = ".".join(["tutorial_lib", *path.relative_to(PACKAGE).parts]) + "."
    files = {file.stem: imports(file) for file in path.glob("*.py")}
    graph = {}
    for stem, names in files.items():
        inside = {name.removeprefix(prefix).split(".")[0] for name in names if prefix in name}
        graph[stem] = {name if name in files else "__init__" for name in inside}
    TopologicalSorter(graph).prepare()  # raises CycleError, which tells the circle


@named(NUMERICAL)
def test_numerical_layers_draw_nothing(path):
    assert not {name.split(".")[0] for name in imports(path)} & DRAWING


def test_importing_the_package_stays_light():
    code = "import sys, tutorial_lib; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "torch" in loaded
    assert not loaded & {*DRAWING, "scipy", "sklearn"}
