"""Set the repository's address, and that of its pages: `make address REPOSITORY=owner/name`."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = "*.md", "*.cff", "*.toml", "docs/*.html", "notebooks/*.ipynb", ".github/workflows/*.yml"


def address(root: Path) -> str:
    """The owner/name that pyproject.toml gives."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/")


def replace_address(root: Path, new: str) -> list[Path]:
    """Write `new`, such as "ada/diffusion", wherever the old one stands; returns what changed."""
    if not re.fullmatch(r"[\w-]+/[\w.-]+", new):
        raise ValueError(f"the address must be owner/name, as on GitHub, got {new!r}")
    owner, name = map(re.escape, address(root).split("/"))
    owner_there, name_there = new.split("/")
    repository, pages = rf"\b{owner}/{name}\b", rf"\b{owner}\.github\.io/{name}\b"
    changed = []
    for path in sorted(path for pattern in FILES for path in root.glob(pattern)):
        before = path.read_text(encoding="utf-8")
        after = re.sub(pages, f"{owner_there}.github.io/{name_there}", before)
        after = re.sub(repository, new, after)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for changed in replace_address(ROOT, sys.argv[1]):
        print(changed.relative_to(ROOT))
