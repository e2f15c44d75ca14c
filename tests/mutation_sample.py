"""Mutate the arithmetic and its rooms, and see whether the tests notice.

``python tests/mutation_sample.py --n 300 --out mutation.json`` draws a seeded sample of mutmut's
mutants of `MODULES` and runs, for each, the tests of its module, those of the rest after them. A
mutant's tests run in a forked child of a process that has imported torch already, so that most
mutants take seconds. Survivors are printed with their diffs. Needs a system with fork, and the
extra ``reliability``. Not part of CI.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from hypothesis import Phase, settings
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import Mutation, MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "gz2tree"
# Each module, and what was taken out of it, with the tests most likely to notice first.
MODULES = {
    "tree": ("test_tree", "test_treefile", "test_graph"),
    "questions": ("test_tree", "test_treefile"),
    "treechecks": ("test_tree", "test_treefile"),
    "treefields": ("test_treefile", "test_tree"),
    "graph": ("test_graph", "test_labels", "test_evaluation"),
    "jumps": ("test_graph", "test_labels"),
    "activations": ("test_graph", "test_properties"),
    "labels": ("test_labels", "test_evaluation"),
    "losses": ("test_losses",),
    "evaluation": ("test_evaluation",),
    "scores": ("test_evaluation",),
}
# Of the compiler and the exporter: a minute of what the eager tests see in a second.
SLOW = "not compiled and not onnx and not exported and not operations_do_not_grow"
KILLED, SURVIVED, TIMED_OUT, BROKEN = "killed", "survived", "timed out", "broken"


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    module: str
    number: int
    line: int
    source: str
    diff: str


@dataclass(frozen=True)
class Outcome:
    """What the tests said of a mutant."""

    module: str
    number: int
    line: int
    outcome: str
    seconds: float
    diff: str


class Mutations(MutationVisitor):
    """mutmut's, of properties and other decorated functions as well.

    mutmut leaves those out because it calls mutants through a trampoline; here the whole module is
    replaced.
    """

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)


@dataclass(frozen=True)
class Mutable:
    """A module and all that can be changed in it."""

    module: str
    original: str
    parsed: cst.Module
    mutations: list[Mutation]

    @classmethod
    def read(cls, module: str) -> Mutable:
        """Find the mutations; the wording of messages, which is no behaviour, is left alone."""
        original = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
        visitor = Mutations(mutation_operators, IgnoredCode(set(), set(), set()))
        parsed = MetadataWrapper(cst.parse_module(original)).visit(visitor)
        kept = [m for m in visitor.mutations if not isinstance(m.original_node, cst.BaseString)]
        return cls(module, original, parsed, kept)

    def mutant(self, number: int) -> Mutant | None:
        """Apply a mutation; None if the result does not compile or means the same."""
        mutation = self.mutations[number]
        source = self.parsed.deep_replace(mutation.original_node, mutation.mutated_node).code
        try:
            if _meaning(source) == _meaning(self.original):
                return None
        except SyntaxError:
            return None
        old, new = self.original.splitlines(), source.splitlines()
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))
        line = int(lines[2].split()[1].split(",")[0].removeprefix("-"))
        return Mutant(self.module, number, line, source, "\n".join(lines[3:]))


def draw(mutables: Sequence[Mutable], n: int, seed: int) -> Iterator[Mutant]:
    """Draw n mutants, every mutation of every module as likely as any other."""
    places = [(m, number) for m in mutables for number in range(len(m.mutations))]
    random.Random(seed).shuffle(places)
    made = (m.mutant(number) for m, number in places)
    return islice((mutant for mutant in made if mutant is not None), n)


def _meaning(source: str) -> str:
    """The syntax tree without annotations, which nothing evaluates."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


class OneMutated(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module of the package from other source."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__(f"gz2tree.{mutant.module}", str(PACKAGE / f"{mutant.module}.py"))
        self.source = mutant.source

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        """Find the one module, and no other."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, name: str) -> Any:
        """Compile the mutant, past all caches."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


class FewExamples:
    """A plugin of pytest: few examples, always the same, and none made smaller."""

    def __init__(self, examples: int) -> None:
        self.examples = examples

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Replace the settings that tests declare."""
        for item in items:
            test = getattr(item, "obj", None)
            declared = getattr(test, "_hypothesis_internal_use_settings", None)
            if declared is not None:
                examples = min(self.examples, declared.max_examples)
                test._hypothesis_internal_use_settings = settings(
                    declared, max_examples=examples, derandomize=True, database=None,
                    phases=[Phase.explicit, Phase.generate],
                )  # fmt: skip


def import_what_tests_import() -> None:
    """Import the package and what it needs, and forget the package, which a child imports anew."""
    for module in ("gz2tree.training", "gz2tree.plots", "gz2tree.commands.predicting", "entmax"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    for name in [name for name in sys.modules if name.split(".")[0] == "gz2tree"]:
        del sys.modules[name]


def run_tests(tests: Sequence[str], mutant: Mutant | None, examples: int) -> int:
    """Run tests until one fails, in this process; pytest's exit code."""
    if mutant is not None:
        sys.meta_path.insert(0, OneMutated(mutant))
    options = [
        "-x", "-q", "-p", "no:cacheprovider", "-k", SLOW, "--rootdir", str(TESTS.parent),
        "-W", "ignore::pytest.PytestAssertRewriteWarning",  # hypothesis is imported already
        "-W", "ignore:Overwriting",  # and the package a second time: timm has its backbones
    ]  # fmt: skip
    files = [str(TESTS / f"{name}.py") for name in tests]
    return int(pytest.main([*options, *files], plugins=[FewExamples(examples)]))


def in_a_child(mutant: Mutant | None, tests: Sequence[str], examples: int, limit: float) -> int:
    """Exit code of pytest in a forked child; -1 if it had to be stopped after `limit` seconds."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setpgid(0, 0)
            silence = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(silence, stream)
            code = run_tests(tests, mutant, examples)
        finally:
            os._exit(code)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def judge(mutant: Mutant, arguments: argparse.Namespace) -> Outcome:
    """Run a mutant's tests."""
    began = time.monotonic()
    code = in_a_child(mutant, MODULES[mutant.module], arguments.examples, arguments.timeout)
    # 1: a test failed; 2 and 4: the tests could not even be imported; others: the child crashed.
    outcome = {0: SURVIVED, -1: TIMED_OUT, 5: BROKEN}.get(code, KILLED)
    seconds = round(time.monotonic() - began, 2)
    return Outcome(mutant.module, mutant.number, mutant.line, outcome, seconds, mutant.diff)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--n", type=int, default=300, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=150.0, help="seconds for one mutant")
    parser.add_argument("--examples", type=int, default=15, help="of hypothesis, for one test")
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--out", type=Path, default=Path("mutation.json"))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, run, print the survivors and write all outcomes as JSON after each mutant."""
    arguments = parse(argv)
    mutables = [Mutable.read(module) for module in arguments.modules]
    import_what_tests_import()
    for module in arguments.modules:  # else every mutant would count as killed
        began = time.monotonic()
        code = in_a_child(None, MODULES[module], arguments.examples, arguments.timeout)
        print(f"{module}: unchanged, its tests take {time.monotonic() - began:.1f} s", flush=True)
        if code:
            sys.exit(f"{module}: its tests fail without any mutation (pytest's exit code {code})")
    outcomes = []
    for mutant in draw(mutables, arguments.n, arguments.seed):
        outcomes.append(judge(mutant, arguments))
        last = outcomes[-1]
        print(f"{len(outcomes)}/{arguments.n} {last.module}.py:{last.line} {last.outcome} "
              f"({last.seconds} s)", flush=True)  # fmt: skip
        if last.outcome == SURVIVED:
            print(last.diff, flush=True)
        counts = Counter(outcome.outcome for outcome in outcomes)
        caught = (counts[KILLED] + counts[TIMED_OUT]) / len(outcomes)
        result = {
            "seed": arguments.seed,
            "drawn_from": sum(len(m.mutations) for m in mutables),
            "counts": dict(counts),
            "caught": round(caught, 4),
            "outcomes": [asdict(outcome) for outcome in outcomes],
        }
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{caught:.1%} of {len(outcomes)} mutants caught: {dict(counts)}")


if __name__ == "__main__":
    main()
