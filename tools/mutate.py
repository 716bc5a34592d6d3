"""Break a module one place at a time and see whether its tests notice.

    nice .venv/bin/python tools/mutate.py schedule forward checks.formulas

Each mutant is imported in place of the module in a forked process, which runs the module's own
tests up to the first failure: first those that have the name of the changed function in theirs, as
they are the likeliest to fail. Printed are the survivors, as the line before and after, and how
many mutants were made and killed. Messages, annotations and texts are left alone. Needs Linux or
macOS.
"""

import argparse
import ast
import copy
import gc
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
# Beside the tests that are named after a module, and after them.
MORE_TESTS = {
    "schedule": ["witnesses", "forward"],
    "forward": ["witnesses"],
    "sampling": ["too_large", "witnesses"],
    "oracle": ["loss_floor", "too_large", "witnesses"],
    "metrics": ["too_large", "witnesses", "latent"],
    "network": ["too_large", "latent"],
    "training": ["too_large", "latent"],
    "data": ["mixture", "too_large", "witnesses"],
    "_random": ["training", "sampling_calls", "network"],
    "_arguments": [
        *("schedule", "forward", "sampling_calls", "network", "training_bad_input"),
        *("too_large", "training_faults"),
    ],
}
# They start Python anew, which does not import the mutant.
WITHOUT = "not real_interrupts and not are_killed and not more_memory"
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Add, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
UNUSED = "anyio", "benchmark", "cacheprovider", "nbval", "unraisableexception"  # seconds each
PLAIN = ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Return, ast.Delete


def variants(node: ast.AST):
    """What may stand in the place of `node`."""

    def changed(**fields):
        other = copy.copy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return other

    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            yield changed(ops=[*node.ops[:k], SWAPS[type(op)](), *node.ops[k + 1 :]])
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
        yield changed(op=SWAPS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield changed(test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield changed(value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield changed(value=node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield changed(value=2 * node.value + (not node.value))
    elif isinstance(node, ast.Call):
        for k in range(len(node.keywords)):
            yield changed(keywords=node.keywords[:k] + node.keywords[k + 1 :])
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
    elif isinstance(node, ast.FunctionDef):
        for k in range(len(node.decorator_list)):
            yield changed(decorator_list=node.decorator_list[:k] + node.decorator_list[k + 1 :])
    if isinstance(node, PLAIN) and not is_text(node):
        yield ast.Pass()


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def places(node: ast.AST, path: tuple = ()):
    """All nodes that may be changed, with the way to each."""
    yield path, node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or isinstance(node, ast.JoinedStr):
            continue
        if isinstance(node, ast.Raise):
            continue
        for k, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield from places(child, (*path, (name, k)))


def mutants(source: str):
    """Whole modules, each with one change, with what it is in and the line before and after."""
    tree = ast.parse(source)
    for path, node in places(tree):
        for variant in variants(node):
            other = copy.deepcopy(tree)
            parent = other
            for name, k in path[:-1]:
                parent = getattr(parent, name) if k is None else getattr(parent, name)[k]
            name, k = path[-1]
            variant = ast.copy_location(variant, node)
            if k is None:
                setattr(parent, name, variant)
            else:
                getattr(parent, name)[k] = variant
            place = getattr(tree.body[path[0][1]], "name", None)  # of a function or a class
            what = f"{node.lineno}: {brief(node)}  ->  {brief(variant)}"
            yield place, what, ast.unparse(ast.fix_missing_locations(other))


def brief(node: ast.AST) -> str:
    lines = ast.unparse(node).splitlines()
    return lines[0][:100] + (" ..." if len(lines) > 1 else "")


class Mutant(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports `source` under the name of the module that it was made from."""

    def __init__(self, name: str, source: str):
        self.name, self.source = name, source

    def find_spec(self, name, path, target=None):
        if name == self.name:
            return importlib.util.spec_from_loader(name, self)

    def get_filename(self, name):
        return f"<mutant of {name}>"

    def get_data(self, path):
        return self.source.encode()


class Quick:
    """Examples that fail need not be made small."""

    def pytest_configure(self):
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.get_profile("tests"), phases=[Phase.generate])
        settings.load_profile("mutants")


def run(
    tests: list[str], limit: float, mutant: Mutant | None = None, named: str = "test"
) -> tuple[str, float]:
    """ "passed", "failed" or "too slow", and the seconds it took, in a process of its own.

    Only the tests with `named` in their names are run; if there are none, that is "passed".
    """
    start = time.monotonic()
    if (child := os.fork()) == 0:
        os.setpgid(0, 0)  # so that what it starts can be ended with it
        import pytest

        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        if mutant:
            sys.meta_path.insert(0, mutant)
        chosen = f"{named} and {WITHOUT}"
        options = ["-x", "-q", "--tb=no", "-k", chosen, *(f"-pno:{plugin}" for plugin in UNUSED)]
        gc.disable()  # for so short a life
        code = pytest.main([*options, *tests], plugins=[Quick()])
        os._exit(code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED))
    while time.monotonic() - start < limit:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return ("failed" if status else "passed"), time.monotonic() - start
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too slow", time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="+", help="such as schedule, checks.formulas")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only each K-th mutant")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(TESTS)]
    os.chdir(ROOT)
    if not options.list:  # what takes long to import is imported once
        import diffusers
        import hypothesis.strategies
        import scipy.optimize
        import scipy.stats
        import sklearn.mixture
        import torch

        torch.set_num_threads(1)
        _ = diffusers.DDPMScheduler, diffusers.DDIMScheduler, hypothesis, scipy, sklearn
    survived = 0
    for module in options.modules:
        first = module.strip("_").partition(".")[0]  # a package has the tests of its name
        source = (ROOT / "tutorial_lib" / f"{module.replace('.', '/')}.py").read_text("utf-8")
        own = sorted(path.name for path in TESTS.glob(f"test_{first}*.py"))
        more = [f"test_{name}.py" for name in MORE_TESTS.get(module, [])]
        tests = [f"tests/{name}" for name in dict.fromkeys(own + more)]
        assert tests, f"no tests are known for {module}"
        made = list(mutants(source))[:: options.every]
        if options.list:
            print(*(what for _, what, _ in made), sep="\n")
            continue
        outcome, seconds = run(tests, 600)
        assert outcome == "passed", f"the tests of {module} fail as it is"
        print(f"{module}: {len(made)} mutants, {seconds:.0f} s for all tests", flush=True)
        outcomes = []
        for place, what, mutated in made:
            mutant = Mutant(f"tutorial_lib.{module}", mutated)
            for named in dict.fromkeys([place or "test", "test"]):
                outcome, _ = run(tests, 5 * seconds + 20, mutant, named)
                if outcome != "passed":
                    break
            outcomes.append(outcome)
            if outcomes[-1] != "failed":
                print(f"  {outcomes[-1]}  {module}:{what}", flush=True)
        alive = outcomes.count("passed")
        print(f"{module}: made {len(made)}, killed {len(made) - alive}, surviving {alive}")
        survived += alive
    sys.exit(survived > 0)


if __name__ == "__main__":
    main()
