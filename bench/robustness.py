"""Do the notebooks' assertions hold with other seeds, threads, processors and versions?

    .venv/bin/python bench/robustness.py --seeds 0 1 2 3 4 --threads 1 2
    .venv/bin/python bench/robustness.py --capability default --python oldest/bin/python

Runs the code cells of each notebook as a script, every `manual_seed(k)` shifted, and says which
assertions failed and which held by the least: 0 % is just held, 100 % is as clearly as can be.
`--capability` is PyTorch's ATEN_CPU_CAPABILITY; `--log` keeps what the cells printed.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


class Claims(ast.NodeTransformer):
    """`assert a < b` becomes `assert claim(a, b, ...)`, which notes by how much it holds.

    So does `torch.allclose` in a cell, and `not torch.allclose`; the library's own calls of it
    claim nothing.
    """

    inside = False

    def visit_Assert(self, node):
        self.inside = True
        self.generic_visit(node)
        self.inside = False
        return node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and ast.unparse(node.operand).startswith("close_("):
            node = node.operand
            node.func.id = "apart_"
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if ast.unparse(node.func) == "torch.allclose":
            node.func = ast.copy_location(ast.Name("close_", ast.Load()), node.func)
        return node

    def visit_Compare(self, node):
        one = len(node.ops) == 1 and isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt)
        if not (self.inside and one):
            return node
        less, more = node.left, node.comparators[-1]
        if isinstance(node.ops[0], ast.Gt):
            less, more = more, less
        call = ast.parse(f"claim_(less, more, {ast.unparse(node)!r})", mode="eval").body
        call.args[:2] = less, more
        return ast.copy_location(call, node)


def run_cells(path: Path, shift: int, times: int) -> dict:
    """Run one notebook in this process: the margins of its claims, and the first error.

    times: how often each cell is run before the next one.
    """
    margins = {}

    def claim(less, more, text):
        plain = [v.detach() if hasattr(v, "detach") else v for v in (less, more)]
        low, high = (np.asarray(value, dtype=float) for value in plain)
        margins[text] = min(margins.get(text, 1), float(((high - low) / abs(high)).min()))
        return less <= more  # of a table's columns, an answer for each row

    def used(a, b, rtol=1e-5, atol=1e-8):
        text = f"close to {atol:g} + {rtol:g} |b|, shape {tuple(a.shape)}"
        return ((a - b).abs() / (atol + rtol * b.abs())).max(), text

    def close(*pair, **tolerance):
        share, text = used(*pair, **tolerance)
        return claim(share, 1, f"all {text}")

    def apart(*pair, **tolerance):
        share, text = used(*pair, **tolerance)
        return claim(1, share, f"not all {text}")

    cells = [c for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
    cells = [c for c in cells if "remove-cell" not in c["metadata"].get("tags", [])]  # installs
    # With a stroke behind, so that no cell's own name is the same.
    names = {"__name__": "notebook", "claim_": claim, "close_": close, "apart_": apart}
    for number, cell in enumerate(cells, 1):
        seeded = re.sub(
            r"manual_seed\((\d+)\)",
            lambda match: f"manual_seed({int(match[1]) + shift})",
            "".join(cell["source"]),
        )
        tree = ast.fix_missing_locations(Claims().visit(ast.parse(seeded)))
        try:
            for _ in range(times):
                exec(compile(tree, f"{path.stem}[{number}]", "exec"), names)
        except Exception as error:
            return {"margins": margins, "error": f"[{number}] {error!r}", "cell": seeded}
    return {"margins": margins}


def run_apart(path: Path, seed: int, threads: int, options) -> tuple[dict, str]:
    """What `run_cells` finds in a process and a folder of its own, and what the cells printed."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "MPLBACKEND": "agg",
    }
    if options.capability:
        environment["ATEN_CPU_CAPABILITY"] = options.capability
    # The scratch folder would be where a relative path starts. Links stay: they are a venv's.
    python = os.path.abspath(options.python) if os.sep in options.python else options.python
    command = [python, __file__, f"--times={options.times}"]
    command += ["--one", str(path), str(seed)]
    with tempfile.TemporaryDirectory() as scratch:
        run = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True)
    printed, _, last = run.stdout.rstrip().rpartition("\n")
    result = json.loads(last) if run.returncode == 0 else {"error": run.stderr, "margins": {}}
    return result, printed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as 02_forward_diffusion; all if none")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--capability", default="")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--times", type=int, default=1, help="run each cell as often in a row")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        result = run_cells(Path(options.one[0]), 1000 * int(options.one[1]), options.times)
        print("\n" + json.dumps(result))
        return
    stems = [Path(name).stem for name in options.names] or ["0*"]
    paths = sorted(path for stem in stems for path in (ROOT / "notebooks").glob(f"{stem}.ipynb"))
    if not paths:
        parser.error(f"no notebook has a name like {', '.join(stems)}")
    runs = failed = 0
    for seed, threads, path in product(options.seeds, options.threads, paths):
        start = time.perf_counter()
        result, printed = run_apart(path, seed, threads, options)
        if options.log:
            options.log.mkdir(exist_ok=True)
            log = options.log / f"{path.stem}-seed{seed}-threads{threads}.txt"
            log.write_text(f"{printed}\n{json.dumps(result, indent=1)}", "utf-8")
        runs, failed = runs + 1, failed + ("error" in result)
        closest, margin = min(
            result["margins"].items(), key=lambda claim: claim[1], default=("none", 1)
        )
        print(
            f"{path.stem:22} seed {seed} threads {threads} "
            f"{time.perf_counter() - start:5.0f} s  {result.get('error', 'all held')}  "
            f"closest {margin:.0%}: {closest}",
            flush=True,
        )
    print(f"{runs} runs, {failed} with a failed assertion")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
