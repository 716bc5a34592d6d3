"""pip, conda and Binder install the same things, and the files say what is tested."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.address import FILES, address, replace_address

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
LAB = [Requirement(line) for line in EXTRAS["lab"]]
DIRECT = [*BASE, *(Requirement(line) for lines in EXTRAS.values() for line in lines)]

ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "matplotlib": "matplotlib-base",  # conda's `matplotlib` adds Qt, hundreds of MB for no use here
}
PYTHON = "python=3.11"  # the one form of pin that repo2docker understands


def test_binder_takes_the_same_environment():
    root, binder = ROOT / "environment.yml", ROOT / "binder" / "environment.yml"
    assert root.read_bytes() == binder.read_bytes()


def test_environment_pins_the_lowest_python_that_the_package_allows():
    assert ENVIRONMENT["dependencies"].count(PYTHON) == 1
    assert PROJECT["requires-python"] == ">=" + PYTHON.partition("=")[2]


def test_environment_has_no_pip_section():
    assert all(isinstance(line, str) for line in ENVIRONMENT["dependencies"])


def test_environment_says_what_pyproject_says():
    lines = [line for line in ENVIRONMENT["dependencies"] if not line.startswith("python=")]
    conda = {spec.name: spec.specifier for spec in map(Requirement, lines)}
    pip = {CONDA_NAMES.get(spec.name, spec.name): spec.specifier for spec in [*BASE, *LAB]}
    for_post_build = conda.keys() - pip.keys()
    assert for_post_build == {"pip", "setuptools"}
    assert {name: conda.get(name) for name in pip} == pip


@pytest.mark.parametrize("requirement", BASE, ids=lambda requirement: requirement.name)
def test_base_dependency_has_both_bounds(requirement):
    assert {">=", "<"} == {spec.operator for spec in requirement.specifier}


def test_constraints_pin_exactly():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    # A local tag such as +cpu would exclude every other build of the same version.
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    versions = {canonicalize_name(name): version for name, _, version in map(_split, pins)}
    for requirement in DIRECT:
        version = versions[canonicalize_name(requirement.name)]
        assert Version(version) in requirement.specifier, f"{requirement}, pinned to {version}"


def test_pins_run_on_the_oldest_python():
    oldest = PYTHON.partition("=")[2] + ".0"  # 3.11.0: Debian 12 has 3.11.2
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for pin in pins:
        with suppress(PackageNotFoundError):  # for other systems than this
            wanted = metadata(pin.partition("==")[0]).get("Requires-Python", "")
            assert SpecifierSet(wanted).contains(oldest), f"{pin} needs Python {wanted}"


def _split(pin: str) -> tuple[str, str, str]:
    return pin.partition("==")


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binder_scripts_run_and_stop_at_errors(name):
    script = ROOT / "binder" / name
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limit", "threads"), [("1.0", "1"), ("2", "2"), ("0.5", "1"), ("3.9", "3")]
)
def test_binder_start_passes_on_the_cores_and_the_command(limit, threads):
    assert (ROOT / "binder" / "start").read_text(encoding="utf-8").endswith('\nexec "$@"\n')
    command = [ROOT / "binder" / "start", "bash", "-c", 'echo "$OMP_NUM_THREADS $1"', "_", "a b"]
    run = subprocess.run(
        command, env=os.environ | {"CPU_LIMIT": limit}, capture_output=True, text=True, check=True
    )
    assert run.stdout == f"{threads} a b\n"


def test_repo2docker_takes_binders_environment():
    pytest.importorskip("repo2docker", reason="repo2docker is not installed")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said = run.stdout + run.stderr
    assert "Building conda environment for python=3.11" in said
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in said
    assert "RUN ./binder/postBuild" in said
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in said


def test_workflow_does_what_ci_does():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert f'python-version: "{PYTHON.partition("=")[2]}"' in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_links_name_this_repository():
    """One place rules: the address in pyproject.toml."""
    owner, name = address(ROOT).split("/")
    links = 0
    for path in (path for pattern in FILES for path in ROOT.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        services = r"(?:mybinder\.org/v2/gh|colab\.research\.google\.com/github)/([\w.-]+/[\w.-]+)"
        for found in re.findall(services, text):
            links += 1
            assert found == f"{owner}/{name}", path.name
        for found in re.findall(r"https://([\w.-]+\.github\.io/[\w.-]+)", text):
            links += 1
            assert found == f"{owner}.github.io/{name}", path.name
        # Other people's repositories may be cited; under our own name only ours may.
        for found in re.findall(rf"github(?:\.com)?/([\w.-]+)/{name}\b", text):
            assert found == owner, path.name
    assert links, "no link to Binder, Colab or the pages anywhere"


def test_one_command_sets_another_address(tmp_path):
    for path in (path for pattern in FILES for path in ROOT.glob(pattern)):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    old, new = address(ROOT), "ada/diffusion.course"
    changed = {path.name for path in replace_address(tmp_path, new)}
    assert {"README.md", "TEACHING.md", "CITATION.cff", "pyproject.toml"} <= changed
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} <= changed
    assert address(tmp_path) == new
    pages = old.replace("/", ".github.io/")
    texts = {path.name: path.read_text() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert [name for name, text in texts.items() if old in text or pages in text] == []
    assert "https://ada.github.io/diffusion.course/" in texts["README.md"]
    with pytest.raises(ValueError, match="owner/name"):
        replace_address(tmp_path, "https://github.com/ada/diffusion")


def test_scripts_keep_their_line_ends():
    """With the line ends of Windows, bash does not read them."""
    attributes = (ROOT / ".gitattributes").read_text(encoding="utf-8").split("\n")
    for script in (".ci/run", "binder/postBuild", "binder/start"):
        assert f"{script} text eol=lf" in attributes
        assert b"\r" not in (ROOT / script).read_bytes()


@pytest.mark.slow
def test_a_notebook_needs_the_wheel_alone(tmp_path):
    """As on Colab: the package from a wheel, the notebook in a folder with nothing beside it."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels, package, folder = (tmp_path / name for name in ("wheels", "package", "folder"))
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    source = shutil.copytree(
        ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(".*", "_site")
    )
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", wheels, source], check=True)
    wheel = next(wheels.glob("*.whl"))
    subprocess.run([*pip, "install", *options, "--target", package, wheel], check=True)
    shutil.rmtree(source)
    notebook = nbformat.read(ROOT / "notebooks" / "02_forward_diffusion.ipynb", as_version=4)
    where = nbformat.v4.new_code_cell("print(lib.__file__)")
    notebook.cells.append(where)
    folder.mkdir()
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, timeout=300)
    client.execute(env=os.environ | {"PYTHONPATH": str(package)})
    assert where.outputs[0].text.startswith(str(package))
