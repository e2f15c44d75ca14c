"""Write the tables of docs/bad_input.md, from what the tests' commands said.

Run after a change of such a test: ``python tests/bad_input_table.py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SAID = "said"
"""Under this name a test's properties hold what its commands said: command, exit code, errors."""
TESTS = ("tests/test_bad_input.py", "tests/test_bad_runs.py")
BEGIN, END = "<!-- cases of bad input -->\n", "<!-- end of the cases -->\n"
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "bad_input.md"
_HEAD = "| what is handed in | command | what becomes of it | test |\n| --- | --- | --- | --- |\n"
_LONGEST = 130


class Case(NamedTuple):
    """One test: its id, the command it is about, and the outcome."""

    test: str
    command: str
    outcome: str

    @property
    def handed_in(self) -> str:
        """What is handed in, in the test's words."""
        name, _, parameters = self.test.rpartition("::")[2].removesuffix("]").partition("[")
        words = name.removeprefix("test_").replace("_", " ")
        if not parameters:
            return words
        plain = words in ("among good ones", "refused", "handled", "before data")
        return parameters if plain else f"{words}: {parameters}"

    def row(self) -> str:
        """Row of the table."""
        test = f"`{self.test.rpartition('::')[2]}`"
        return f"| {_escaped(self.handed_in)} | `{self.command}` | {self.outcome} | {test} |\n"


def cases_in(page: str) -> list[str]:
    """Ids of the tests that the tables of a page name."""
    tables = page.partition(BEGIN)[2].partition(END)[0]
    found = []
    for table in tables.split("\n## ")[1:]:
        place = re.search(r"`(tests/\S+)`", table)
        assert place is not None
        rows = re.findall(r"\| `([^`]+)` \|$", table, flags=re.M)
        found += [f"{place[1]}::{test}" for test in rows]
    return found


class Collected:
    """Notes the ids of tests that are collected, and what commands said in those that pass."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.cases: list[Case] = []
        self.failed: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the ids."""
        self.ids = [item.nodeid for item in session.items]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what was said."""
        if report.when == "call":
            said = [value for name, value in report.user_properties if name == SAID]
            if said and report.passed:
                self.cases.append(_case(report.nodeid, said))
            else:
                self.failed.append(report.nodeid)


def _case(test: str, said: list[tuple[list[str], int, str]]) -> Case:
    """A test is about the command that was refused, else the one that warned, else the last."""
    told: list[tuple[int, str, str]] = []
    for (command,), code, err in said:
        if code == 2:
            told.append((2, command, f"refused: {_line(err, 'error: ')}"))
        elif code == 0:
            warning = _line(err, "warning: ")
            told.append((1, command, f"handled: {warning}") if warning else (0, command, "handled"))
    _, command, outcome = max(reversed(told), key=lambda one: one[0])
    return Case(test, command, outcome)


def _line(err: str, beginning: str) -> str:
    """The last line with this beginning, without folders, shortened."""
    lines = [line for line in err.splitlines() if line.startswith(beginning)]
    if not lines:
        return ""
    text = re.sub(r"(?:/[^\s/:,;()']+)+/", "", lines[-1].removeprefix(beginning))
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} …"
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")


def tables(cases: list[Case]) -> Iterator[str]:
    """One table for each class of tests."""
    places = dict.fromkeys(case.test.rpartition("::")[0] for case in cases)
    for place in places:
        rows = [case.row() for case in cases if case.test.rpartition("::")[0] == place]
        title = place.rpartition("::Test")[2]
        yield f"## {title}\n\n{len(rows)} cases, in `{place}`:\n\n{_HEAD}{''.join(rows)}\n"


def write_tables() -> int:
    """Run the tests and write the tables; nothing is written if a test fails or is skipped."""
    collected = Collected()
    pytest.main(["-q", "-p", "no:cacheprovider", *TESTS], plugins=[collected])
    if collected.failed or len(collected.cases) != len(collected.ids):
        print("not written: failed, skipped or silent:", *collected.failed, sep="\n  ")
        return 1
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    written = f"{len(collected.cases)} cases.\n\n{''.join(tables(collected.cases))}"
    PAGE.write_text(f"{before}{BEGIN}\n{written}{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(write_tables())
