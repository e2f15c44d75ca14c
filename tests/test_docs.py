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


def run_block(step: Block, folder: Path) -> str:
    """Run a block as a reader would, and return what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = ["bash", "-euc"] if step.language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*shell, step.text],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{step.text}\n{done.stderr}"
    return done.stdout


def wording(text: str) -> list[str]:
    """Lines without their digits, which differ between machines, and without alignment."""
    lines = [re.sub(r"\d[\d.,e-]*", "0", line) for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines]


def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    steps = blocks(DOCS / "tutorial.md")
    assert {step.language for step in steps} == {"sh", "python", "text"}
    said = {"sh": "", "python": ""}
    latest = ""
    for step in steps:
        if step.language == "text":
            missing = set(wording(step.text)) - set(wording(latest))
            assert not missing, latest
        else:
            latest = run_block(step, tmp_path)
            said[step.language] += latest
    rmse, of_the_mean = (
        float(re.search(rf"^{line} +(\S+)$", said["sh"], re.MULTILINE)[1])
        for line in ("RMSE", "RMSE of predicting the mean")
    )
    assert rmse < 0.9 * of_the_mean, "the tutorial's network has learnt something"
    assert float(said["python"].split()[-1]) < 1e-5
    assert (tmp_path / "report" / "index.html").is_file()


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    """On a small sky, and with a small network in place of the pretrained ResNet50."""
    (block,) = [b for b in blocks(ROOT / "README.md") if b.language == "python"]
    run_block(Block("sh", "gz2tree simulate sky --n 40 --size 256 --seed 0"), tmp_path)
    (tmp_path / "sky" / "images").rename(tmp_path / "IMAGES")
    (tmp_path / "sky" / "labels.csv").rename(tmp_path / "TABLE.csv")
    network, config = '"resnet10t", pretrained=False', "gz2tree.TrainConfig(epochs=1, batch_size=8)"
    text = block.text.replace('"resnet50"', network).replace("out=", f"config={config}, out=")
    said = run_block(Block("python", text), tmp_path)
    assert "8 galaxies" in said
    assert (tmp_path / "RUN" / "model" / "config.json").is_file()


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


def test_every_central_name_is_on_the_page_of_the_reference() -> None:
    page = (DOCS / "api.md").read_text()
    assert [
        n for n in gz2tree.__all__ if not re.search(rf"\.{n}\b", page) and n != "__version__"
    ] == []


def test_parameters_of_the_central_names_are_documented_in_order() -> None:
    """By numpydoc's own rules: none missing (PR01), unknown (PR02) or out of order (PR03)."""
    validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the extra docs")
    named = [getattr(gz2tree, name) for name in gz2tree.__all__]
    wrong = [
        (each.__name__, message)
        for each in named
        if callable(each)
        for code, message in validate.validate(f"{each.__module__}.{each.__qualname__}")["errors"]
        if code in ("PR01", "PR02", "PR03")
    ]
    assert wrong == []


SHOWN_WITH = {
    "CutoutStore": "LabelledCutouts",
    "Cuts": "select",
    "Fractions": "read_fractions",
    "Report": "evaluate",
    "TreeError": "InputError",
    "prepare": "LabelledCutouts",
}
"""Central names whose use another one's example shows."""


def test_every_central_name_has_an_example() -> None:
    named = [getattr(gz2tree, name) for name in gz2tree.__all__]
    shown = {each.__name__: each.__doc__ for each in named if callable(each)}
    without = {name for name, text in shown.items() if ">>> " not in (text or "")}
    assert without == set(SHOWN_WITH)
    assert not without & set(SHOWN_WITH.values())


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
