"""The layers of `tutorial_lib`: imports point down only, and the numerical layers draw nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tutorial_lib"
LAYERS = {
    "_arguments": -2,  # checks of what callers pass in, used by all
    "_random": -1,  # draws on the right device
    "palette": -1,  # the colours of all figures
    "data": 0,
    "digits": 0,
    "schedule": 0,
    "forward": 1,
    "network": 1,
    "oracle": 1,
    "training": 2,
    "sampling": 2,
    "flow": 2,
    "metrics": 2,
    "latent": 2,
    "checkpoint": 2,
    "plotting": 3,
    "scrubber": 3,
    "checks": 3,
}
# (importer, imported): why an import within one layer is right
SAME_LAYER = {
    (
        "network",
        "forward",
    ): "a network that predicts v turns it into eps with the schedule's values",
    ("checkpoint", "training"): "it saves a training run and goes on from it",
    ("latent", "metrics"): "the judge of digits reports two of its distances",
    ("oracle", "forward"): "the exact denoiser converts between eps and x0 with forward's formulas",
}
DRAWING = {"matplotlib", "ipywidgets", "anywidget", "IPython"}


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if module_of(path) != "__init__"]
NUMERICAL = [path for path in FILES if LAYERS.get(module_of(path), 3) < 3]


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
            if base == ["tutorial_lib"]:  # `from tutorial_lib import data` names a module
                names |= {f"tutorial_lib.{alias.name}" for alias in node.names}
            else:
                names.add(".".join(base))
    return names


def siblings(path: Path) -> set[str]:
    """Other modules of the package that a file imports."""
    dotted = [name.split(".") for name in imports(path)]
    return {(*parts, "")[1] for parts in dotted if parts[0] == "tutorial_lib"} - {module_of(path)}


def test_every_module_has_a_layer():
    assert {module_of(path) for path in FILES} <= LAYERS.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    module = module_of(path)
    for other in siblings(path):
        assert other in LAYERS, f"{module} imports {other or 'the package itself'}: name a module"
        allowed = LAYERS[other] < LAYERS[module] or (module, other) in SAME_LAYER
        assert allowed, f"{module} (layer {LAYERS[module]}) imports {other} ({LAYERS[other]})"


@pytest.mark.parametrize("path", NUMERICAL, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_numerical_layers_draw_nothing(path):
    assert not {name.split(".")[0] for name in imports(path)} & DRAWING


def test_plotting_takes_nothing_but_the_colours():
    assert siblings(PACKAGE / "plotting.py") == {"palette"}


def test_importing_the_package_stays_light():
    code = "import sys, tutorial_lib; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "torch" in loaded
    assert not loaded & {*DRAWING, "scipy", "sklearn"}
