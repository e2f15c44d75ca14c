"""The tutorial runs as it stands; every page can be reached; links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from bad_input_table import PAGE, TESTS, cases_in

import gz2tree
from gz2tree.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), flags=re.M | re.S)
    return [Block(*block) for block in found]


def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    steps = blocks(DOCS / "tutorial.md")
    assert {step.language for step in steps} == {"sh", "python"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = {"sh": "", "python": ""}
    for step in steps:
        shell = ["bash", "-euc"] if step.language == "sh" else [sys.executable, "-c"]
        done = subprocess.run(
            [*shell, step.text],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{step.text}\n{done.stderr}"
        said[step.language] += done.stdout
    assert "largest violation of the tree" in said["sh"]
    assert float(said["python"].split()[-1]) < 1e-5
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_is_in_a_table_of_contents(page: Path) -> None:
    """As Sphinx would warn; here without building."""
    if page.name == "index.md":
        return
    tables = [
        (other.parent / entry.strip()).with_suffix(".md")
        for other in PAGES
        for table in re.findall(r"```\{toctree\}\n(.*?)```", other.read_text(), flags=re.S)
        for entry in table.splitlines()
        if entry.strip() and not entry.startswith(":")
    ]
    assert page in tables


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem
)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [t.split("#")[0] for t in targets if not re.match(r"https?:|#", t)]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert not missing


def test_modules_of_the_central_names_are_in_the_reference() -> None:
    documented = set()
    for page in (DOCS / "api").glob("*.md"):
        documented |= set(re.findall(r"automodule:: (gz2tree\.\w+)", page.read_text()))
    central = {name: getattr(gz2tree, name) for name in gz2tree.__all__}
    homes = {name: getattr(value, "__module__", None) for name, value in central.items()}
    rooms = {home for home in homes.values() if home} - {"builtins"}
    # Of a package whose rooms are documented as its own, the package is on the page.
    assert {room for room in rooms if room.rpartition(".")[0] not in documented} <= documented


def test_every_example_is_shown_as_it_stands() -> None:
    shown = set(re.findall(r"literalinclude\} \.\./examples/(\w+)\.py", _all_pages()))
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == shown


def _all_pages() -> str:
    return "\n".join(page.read_text() for page in PAGES)


def test_the_help_of_every_command_is_shown() -> None:
    shown = re.findall(r"^## (\w+)$", (ROOT / "docs" / "command_line.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(COMMANDS)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == gz2tree.__version__


def test_the_table_of_bad_input_names_each_of_its_tests() -> None:
    """Where it does not: ``python tests/bad_input_table.py`` writes it anew."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *TESTS], cwd=ROOT, capture_output=True, text=True, check=True)
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    named = cases_in(PAGE.read_text("utf-8"))
    assert len(named) >= 60
    assert sorted(named) == sorted(tests)
