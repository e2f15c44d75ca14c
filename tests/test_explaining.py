"""One galaxy in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Run, random_labels
from hypothesis import given
from hypothesis import strategies as st
from strategies import trees

from gz2tree import GZ2_KAGGLE, DecisionTree, Question
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.science.explaining import explain, most_probable_path
from gz2tree.tables.files import write_table

IDS = ["1", "02", "587739505552785605"]


def lines_of(tree: DecisionTree, values: np.ndarray) -> list[str]:
    return list(explain(values, tree))


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """One galaxy is smooth for certain; the catalogue was gated."""
    labels = random_labels(IDS)
    logits = torch.zeros(1, len(GZ2_KAGGLE))
    logits[0, GZ2_KAGGLE.find_answer("smooth")] = 9
    graph = DecisionGraph(GZ2_KAGGLE)
    labels.cumulative[1] = graph.gate(graph(logits), 0.01)[0].numpy()
    table = pd.DataFrame(labels.cumulative, columns=list(GZ2_KAGGLE.columns))
    table.insert(0, "GalaxyID", IDS)
    for suffix in (".parquet", ".fits"):
        write_table(table, tmp_path / f"c{suffix}", {"gate": "0.01"})
    table.to_csv(tmp_path / "c.csv", index=False)
    return tmp_path / "c.parquet"


@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
def test_says_why_an_answer_is_zero(catalogue: Path, run: Run, suffix: str) -> None:
    said = run("explain", catalogue.with_suffix(suffix), "--galaxy", "02")
    assert said.code == 0
    out = said.out
    assert "├─ features or disk  0: nobody" in out
    assert "2. Edge-on disk?  never asked, as 'features or disk' is 0" in out
    assert "9. Shape of the edge-on bulge?  never asked, as 'yes' is 0" in out
    assert "3. Bar feature?  never asked, as 'no' is 0" in out
    assert "predicted with --gate 0.01: less than that is 0" in out


def test_of_votes_it_speaks_of_no_gate(catalogue: Path, run: Run) -> None:
    said = run("explain", catalogue.with_suffix(".csv"), "--galaxy", "02")
    assert said.code == 0
    assert "gate" not in said.out


def test_a_galaxy_that_is_not_there(catalogue: Path, run: Run) -> None:
    said = run("explain", catalogue, "--galaxy", "2")
    assert said.code == 2
    assert "expected galaxy '2', found 3 other whole rows: 1, 02, 587739505552785605" in said.err


def test_what_is_not_measured_is_no_zero() -> None:
    values = random_labels(["1"]).cumulative[0]
    values[GZ2_KAGGLE.find_answer("bar")] = np.nan
    values[GZ2_KAGGLE.find_answer("spiral")] = np.nan
    said = "\n".join(lines_of(GZ2_KAGGLE, values))
    assert "├─ bar  not measured" in said
    assert "10. How tightly wound are the arms?  not measured whether it was asked" in said


def test_another_number_of_answers() -> None:
    with pytest.raises(InputError, match="expected the 37 answers of GZ2_KAGGLE, found 36"):
        lines_of(GZ2_KAGGLE, np.zeros(36))


@given(trees(), st.integers(0, 2**32 - 1))
def test_every_zero_and_nothing_else_is_called_one(tree: DecisionTree, seed: int) -> None:
    values = random_labels(["1"], tree, seed).cumulative[0]
    lines = lines_of(tree, values)
    assert len(lines) == len(tree.questions) + len(tree)
    answers = [line for line in lines if "─ " in line]
    zeros = [line for line in answers if line.endswith(("  0", "  0: nobody"))]
    assert len(zeros) == (values == 0).sum()
    reach = DecisionGraph(tree).reach(torch.from_numpy(values))
    assert sum("never asked" in line for line in lines) == int((reach == 0).sum())


def test_who_reads_the_output_may_stop(catalogue: Path) -> None:
    """As head does: no message, no traceback."""
    command = [sys.executable, "-m", "gz2tree", "explain", str(catalogue), "--galaxy", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


# the most probable answers

TOY = DecisionTree(
    "toy",
    [
        Question("shape", ["smooth", "disk"]),
        Question("edge", ["yes", "no"], ["disk"]),
        Question("bar", ["bar", "none"], ["no"]),
        Question("odd", ["ring", "plain"], ["smooth", "disk"]),
    ],
)


@pytest.mark.parametrize(
    ("cumulative", "expected"),
    [
        # A disk seen face on, barred, and plain: an answer to every question.
        (
            [0.25, 0.75, 0.25, 0.5, 0.4, 0.1, 0.125, 0.875],
            {"disk": 0.75, "no": 2 / 3, "bar": 0.8, "plain": 0.875},
        ),
        # Edge on: not asked of a bar, however probable its answer.
        ([0.0, 1.0, 0.6, 0.4, 0.4, 0.0, 1.0, 0.0], {"disk": 1, "yes": 0.6, "ring": 1}),
        # Smooth, though the answers to the disk's questions are surer.
        ([0.51, 0.49, 0.0, 0.49, 0.49, 0.0, 0.0, 1.0], {"smooth": 0.51, "plain": 1}),
        # A question that nobody can answer ends the path.
        ([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.5], {"disk": 1, "no": 1, "ring": 0.5}),
    ],
)
def test_most_probable_path(cumulative: list[float], expected: dict[str, float]) -> None:
    path = most_probable_path(TOY, cumulative)
    assert [TOY.answers[answer].name for answer, _ in path] == list(expected)
    assert [share for _, share in path] == pytest.approx(list(expected.values()))


def test_most_probable_path_of_a_real_galaxy() -> None:
    """GalaxyID 100134 of Kaggle's table: a barred spiral with something odd."""
    cumulative = np.zeros(len(GZ2_KAGGLE))
    given = {
        "1.1": 0.022, "1.2": 0.977, "1.3": 0.001, "2.1": 0.022, "2.2": 0.955, "3.1": 0.313,
        "3.2": 0.642, "4.1": 0.546, "4.2": 0.409, "5.1": 0.16, "5.2": 0.761, "5.3": 0.034,
        "6.1": 0.611, "6.2": 0.389, "7.1": 0.011, "7.2": 0.011, "8.4": 0.45, "8.3": 0.064,
        "9.3": 0.022, "10.1": 0.207, "10.2": 0.152, "10.3": 0.187, "11.6": 0.328, "11.4": 0.082,
    }  # fmt: skip
    for name, value in given.items():
        cumulative[GZ2_KAGGLE.answer_position(f"Class{name}")] = value
    path = [
        GZ2_KAGGLE.columns[answer][5:] for answer, _ in most_probable_path(GZ2_KAGGLE, cumulative)
    ]
    assert path == ["1.2", "2.2", "3.2", "4.1", "5.2", "6.1", "8.4", "10.1", "11.6"]
