"""One galaxy in words."""

from __future__ import annotations

import os
import re
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

from gz2tree import GZ2, GZ2_KAGGLE, DecisionTree, Question, read_labels
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.science.explaining import Told, explain, explain_answer, most_probable_path
from gz2tree.science.onegalaxy import explain_galaxies
from gz2tree.tables.columnnotes import topcat_names
from gz2tree.tables.files import write_table
from gz2tree.treenames import find_tree

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
    assert "02: predicted, gate 0.01; tree GZ2_KAGGLE" in out
    assert "├─ features or disk [Class1.2]  0: below the gate of 0.01" in out
    assert "2. Edge-on disk?  never asked, as 'features or disk' is 0" in out
    assert "9. Shape of the edge-on bulge?  never asked, as 'Edge-on disk? yes' is 0" in out
    assert "3. Bar feature?  never asked, as 'Edge-on disk? no' is 0" in out
    assert "8. Which odd feature?  would be asked of 0.500" in out
    assert "keeps its most probable answer" in out
    assert "nobody" not in out


def test_of_a_table_that_cannot_say_it_claims_no_more(catalogue: Path, run: Run) -> None:
    said = run("explain", catalogue.with_suffix(".csv"), "--galaxy", "02")
    assert said.code == 0
    assert "the table does not say whether voted or predicted" in said.out
    assert "├─ features or disk [Class1.2]  0: voted 0, or below a gate" in said.out
    assert "A prediction without a gate is never exactly 0" in said.out
    told = run("explain", catalogue.with_suffix(".csv"), "--galaxy", "02", "--gate", "0.01")
    assert "features or disk [Class1.2]  0: below the gate of 0.01" in told.out


def test_an_answer_alone_of_several_galaxies(catalogue: Path, run: Run) -> None:
    said = run("explain", catalogue, "--galaxy", "1", "02", "--answer", "bar", "odd")
    assert said.code == 0
    lines = said.out.splitlines()
    values = random_labels(IDS).cumulative[0]
    disk, face_on, bar = (
        GZ2_KAGGLE.find_answer(name) for name in ("a02_features_or_disk", "a05_no", "a06_bar")
    )
    expected = (
        f"bar [Class3.1] = {values[bar]:.3f}: features or disk {values[disk]:.3f} -> "
        f"Edge-on disk? no {values[face_on] / values[disk]:.3f} of those -> "
        f"bar {values[bar] / values[face_on]:.3f} of those"
    )
    assert values[bar] > 0
    assert lines[1] == expected
    zero = next(line for line in lines[2:] if line.startswith("bar"))
    assert zero == (
        "bar [Class3.1] = 0: features or disk 0: below the gate of 0.01 -> 'Edge-on disk?' is "
        "never asked"
    )
    odd = [line for line in lines if line.startswith("Anything odd? yes [Class6.1] = ")]
    assert len(odd) == 2


def test_an_answer_that_several_lead_to() -> None:
    said = explain_answer([0.25, 0.5, 0.0, 0.5, 0.4, 0.1, 0.6, 0.15], TOY, 6)
    assert said == "ring [odd_ring] = 0.600: 'odd?' asked of 0.750 -> ring 0.800 of those"
    nobody = explain_answer([0.0] * 8, TOY, 6)
    assert nobody == "ring [odd_ring] = 0: 'odd?' is never asked, as 'smooth' and 'disk' are 0"


def test_conditional_probabilities_are_multiplied_down_again(catalogue: Path, run: Run) -> None:
    given = pd.read_csv(catalogue.with_suffix(".csv"), dtype={"GalaxyID": str})
    cumulative = torch.from_numpy(given[list(GZ2_KAGGLE.columns)].to_numpy())
    conditional = DecisionGraph(GZ2_KAGGLE).condition(cumulative).numpy()
    columns = [f"{column}_conditional" for column in GZ2_KAGGLE.columns]
    table = pd.DataFrame(conditional, columns=columns)
    table.insert(0, "GalaxyID", given["GalaxyID"])
    for suffix in (".csv", ".fits"):
        path = catalogue.with_name(f"conditional{suffix}")
        names = topcat_names(table.columns) if suffix == ".fits" else {}
        write_table(table.rename(columns=names), path, {})
        labels = read_labels(path, predicted=True)
        np.testing.assert_allclose(labels.cumulative, cumulative.numpy(), atol=1e-6)
        assert labels.kind == "cumulative"
        for galaxy in IDS:
            whole = run("explain", catalogue.with_suffix(".csv"), "--galaxy", galaxy).out
            assert run("explain", path, "--galaxy", galaxy).out == whole
        assert run("select", path, "--sample", "smooth").code == 0


def test_reach_without_answers_is_refused_with_what_to_do(catalogue: Path, run: Run) -> None:
    reach = pd.DataFrame(np.ones((3, 11)), columns=[f"Class{n}_reach" for n in range(1, 12)])
    path = catalogue.with_name("reach.csv")
    reach.assign(GalaxyID=IDS).to_csv(path, index=False)
    said = run("explain", path, "--galaxy", "1")
    said.refused("reach probabilities", "predict again without --columns reach")


def test_a_galaxy_that_is_not_there(catalogue: Path, run: Run) -> None:
    said = run("explain", catalogue, "--galaxy", "2")
    said.refused("expected galaxy '2', found 3 others: 1, 02, 587739505552785605")


def test_a_galaxy_under_another_column_of_ids(catalogue: Path, run: Run) -> None:
    table = pd.read_parquet(catalogue).assign(name=["a", "b ", "c"])
    table.to_parquet(catalogue)
    run("explain", catalogue, "--galaxy", "b").refused("column name has it: --id-column name")
    said = run("explain", catalogue, "--galaxy", " b", "--id-column", "name", "--answer", "bar")
    assert said.code == 0
    assert said.out.startswith("b: ")


def test_an_inconsistent_row_is_explained_and_said_to_be_one(catalogue: Path, run: Run) -> None:
    table = pd.read_csv(catalogue.with_suffix(".csv"), dtype={"GalaxyID": str})
    table.loc[2, "Class1.3"] += 0.2
    table.loc[1, "Class3.1"] = 1.5
    table.to_csv(catalogue.with_suffix(".csv"), index=False)
    said = run("explain", catalogue.with_suffix(".csv"), "--galaxy", IDS[2])
    assert said.code == 0
    assert "row 3 is refused where labels are read: question t01_smooth_or_features" in said.out
    assert "star or artifact [Class1.3]  " in said.out
    said = run("explain", catalogue.with_suffix(".csv"), "--galaxy", "02")
    assert "row 2 is refused where labels are read: column Class3.1: expected a number" in said.out
    assert "bar [Class3.1]  not measured: its cell is refused" in said.out


def votes_of(**answers: float) -> pd.DataFrame:
    """A table of debiased fractions of one galaxy; the answers not named are 0."""
    table = pd.DataFrame({"id": ["7"]})
    zeros = {f"{stem}_debiased": 0.0 for stem in GZ2.catalogue_columns}
    named = {
        f"{GZ2.catalogue_columns[GZ2.answer_position(n)]}_debiased": v for n, v in answers.items()
    }
    return table.assign(**zeros | named)


def test_of_votes_it_says_what_was_read_and_why_a_question_is_not_measured() -> None:
    table = votes_of(a01_smooth=0.616, a02_features_or_disk=0.051, a17_in_between=1.0, a15_no=1.0)
    said = explain_galaxies(table, "7", tree=GZ2_KAGGLE)
    assert "7: debiased fractions of votes, divided by their sum" in said
    assert "1. Smooth, or features/disk?  asked of everyone; its answers in the table" in said
    assert "were divided by 0.667" in said
    reason = "the table has 0 for every answer although 0.076 lead here: counted as not measured"
    assert f"2. Edge-on disk?  asked of 0.076; {reason}" in said
    assert "├─ completely round [Class7.1]  0: nobody chose it" in said
    assert "does not say" not in said
    chain = explain_galaxies(table, "7", ["bar"], tree=GZ2_KAGGLE)
    assert chain.endswith(f"Edge-on disk? no not measured: {reason}")


def test_cells_that_are_empty_and_columns_that_are_not_there() -> None:
    values = random_labels(["7", "8"]).cumulative
    table = pd.DataFrame(values, columns=list(GZ2_KAGGLE.columns)).assign(GalaxyID=["7", "8"])
    table.loc[0, ["Class3.1", "Class3.2"]] = np.nan
    said = explain_galaxies(table.drop(columns=["Class7.1", "Class7.2", "Class7.3"]), "7")
    assert "bar [Class3.1]  not measured: its cell is empty" in said
    assert "completely round [Class7.1]  not measured: the table has no column of it" in said


@pytest.mark.parametrize("name", ["GZ2", "GZ_DECALS_5", "GZ_CANDELS"])
def test_the_tree_is_that_whose_columns_the_table_has(name: str, tmp_path: Path, run: Run) -> None:
    tree = find_tree(name)
    labels = random_labels(["7"], tree)
    table = pd.DataFrame(labels.cumulative, columns=list(tree.columns)).assign(id="7")
    table.to_csv(tmp_path / "t.csv", index=False)
    said = run("explain", tmp_path / "t.csv", "--galaxy", "7")
    assert said.code == 0, said.err
    assert f"tree {name}" in said.out
    other = run("explain", tmp_path / "t.csv", "--galaxy", "7", "--tree", "GZ_UKIDSS")
    if name != "GZ2":
        other.refused(f"answers of another tree: --tree {name}")


def test_a_catalogue_of_another_tool_is_listed(tmp_path: Path, run: Run) -> None:
    (tmp_path / "t.csv").write_text("id,score,label\n7,0.5,spiral\n")
    run("explain", tmp_path / "t.csv", "--galaxy", "7").refused("the table has id, score, label")


def test_what_is_no_option_is_not_called_one(run: Run) -> None:
    run("explain").refused("required: CATALOGUE, --galaxy")


def test_a_terminal_without_branches_gets_them_in_ascii(catalogue: Path) -> None:
    command = [sys.executable, "-m", "gz2tree", "explain", str(catalogue), "--galaxy", "1"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True
    )
    assert b"|- smooth [Class1.1]" in done.stdout
    assert b"`- star or artifact" in done.stdout


def test_what_is_not_measured_is_no_zero() -> None:
    values = random_labels(["1"]).cumulative[0]
    values[GZ2_KAGGLE.find_answer("bar")] = np.nan
    values[GZ2_KAGGLE.find_answer("spiral")] = np.nan
    said = "\n".join(lines_of(GZ2_KAGGLE, values))
    assert "├─ bar [Class3.1]  not measured" in said
    unknown = "not measured whether it was asked, as 'spiral' is not measured"
    assert f"10. How tightly wound are the arms?  {unknown}" in said


def test_another_number_of_answers() -> None:
    with pytest.raises(InputError, match="expected the 37 answers of GZ2_KAGGLE, found 36"):
        lines_of(GZ2_KAGGLE, np.zeros(36))


@given(trees(), st.integers(0, 2**32 - 1), st.sampled_from([True, False, None]))
def test_every_zero_and_nothing_else_is_called_one(
    tree: DecisionTree, seed: int, predicted: bool | None
) -> None:
    values = random_labels(["1"], tree, seed).cumulative[0]
    lines = list(explain(values, tree, Told(predicted, gate=0.01 if predicted else None)))
    assert len(lines) == len(tree.questions) + len(tree)
    answers = [line for line in lines if "─ " in line]
    zeros = [line for line in answers if re.search(r"\]  0(:|$)", line)]
    assert len(zeros) == (values == 0).sum()
    reach = DecisionGraph(tree).reach(torch.from_numpy(values))
    assert sum("never asked" in line for line in lines) == int((reach == 0).sum())
    assert any("nobody" in line for line in zeros) <= (predicted is False)


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
