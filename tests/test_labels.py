"""Tables of votes to labels: what is measured, what is null, what is refused."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import random_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import trees

from gz2tree import GZ2, GZ2_KAGGLE, Answer, DecisionTree, InputError, Labels, Question, read_labels
from gz2tree.config.choices import Kind
from gz2tree.labelling.labeltable import read_fractions
from gz2tree.labels import CUMULATIVE
from gz2tree.probabilities import cumulative_of
from gz2tree.tables.files import write_table

KINDS = ["count", "weight", "fraction", "weighted_fraction", "debiased"]
TREES = [GZ2, GZ2_KAGGLE]
SUFFIXES = [".csv", ".csv.gz", ".parquet", ".fits"]
IDS = ["0042", "9007199254740993", "9007199254740992", "587739505552785605", "7"]
HERE = logging.getLogger("gz2tree").name


def slow_labels(tree: DecisionTree, votes: np.ndarray) -> np.ndarray:
    """Normalise within each question, then multiply down: galaxy by galaxy, from the definition."""
    labels = np.full(votes.shape, np.nan)
    for galaxy, row in enumerate(votes.tolist()):
        of_answer: dict[str, float] = {}
        position = 0
        for question in tree.questions:
            places = range(position, position + len(question))
            position += len(question)
            leading = [of_answer[parent] for parent in question.asked_after]
            reach = sum(leading) if leading else 1.0
            total = sum(row[place] for place in places)
            for place, answer in zip(places, question.answers, strict=True):
                value = float("nan")  # reached, and nobody voted: not measured
                if reach == 0:
                    value = 0.0
                elif total > 0:
                    value = min(reach, 1.0) * (row[place] / total)
                of_answer[answer.name] = labels[galaxy, place] = value
    return labels


def random_votes(n: int, tree: DecisionTree = GZ2, seed: int = 0) -> np.ndarray:
    """Numbers in [0, 1] that sum to nothing in particular, many zeros, some questions without."""
    rng = np.random.default_rng(seed)
    votes = rng.random((n, len(tree))) * (rng.random((n, len(tree))) > 0.4)
    for answers in tree.slices:
        votes[rng.random(n) < 0.15, answers] = 0
    return votes


def catalogue(votes: np.ndarray, kind: str, id_column: str = "dr7objid") -> pd.DataFrame:
    columns = [f"{stem}_{kind}" for stem in GZ2.catalogue_columns]
    table = pd.DataFrame(votes, columns=columns)
    table.insert(0, id_column, [f"5877{number:014}" for number in range(len(votes))])
    return table


def votes_for(**share: float) -> np.ndarray:
    """One galaxy's votes by the answers' numbers; nobody gave the other answers."""
    votes = np.zeros((1, len(GZ2)))
    for number, value in share.items():
        votes[0, [answer.name[:3] for answer in GZ2.answers].index(number)] = value
    return votes


def save(table: pd.DataFrame, folder: Path, suffix: str = ".csv") -> Path:
    write_table(table, folder / f"labels{suffix}")
    return folder / f"labels{suffix}"


def kaggle_table(n: int = 5, seed: int = 0) -> pd.DataFrame:
    table = pd.DataFrame(random_labels(IDS[:n], seed=seed).cumulative, columns=GZ2_KAGGLE.columns)
    table.insert(0, "GalaxyID", IDS[:n])
    return table


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


# Kaggle tables


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_kaggle_table_is_read_as_it_is(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    table = kaggle_table()
    labels = read_labels(save(table, tmp_path, suffix))
    np.testing.assert_array_equal(labels.cumulative, table[list(GZ2_KAGGLE.columns)].to_numpy())
    assert labels.ids.tolist() == IDS
    assert (labels.kind, labels.tree, labels.counts) == (CUMULATIVE, GZ2_KAGGLE, None)
    assert labels.measured.all()
    assert not warnings_in(caplog)


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    table = kaggle_table()
    shuffled = table[np.random.default_rng(0).permutation(table.columns)]
    expected = read_labels(save(table, tmp_path))
    given = read_labels(save(shuffled, tmp_path))
    np.testing.assert_array_equal(given.cumulative, expected.cumulative)


@pytest.mark.parametrize("kind", KINDS)
def test_kind_does_not_apply_to_a_kaggle_table(tmp_path: Path, kind: Any) -> None:
    assert read_labels(save(kaggle_table(), tmp_path), kind=kind).kind == CUMULATIVE


def test_missing_columns_are_not_measured_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = ["Class3.1", "Class3.2", "Class11.6"]
    table = kaggle_table()
    labels = read_labels(save(table.drop(columns=missing), tmp_path))
    lacks = np.isin(GZ2_KAGGLE.columns, missing)
    assert np.isnan(labels.cumulative[:, lacks]).all()
    assert labels.measured[:, ~lacks].all()
    (warning,) = warnings_in(caplog)
    assert warning.endswith(f"3 of 37 answers are not measured: {', '.join(missing)}")


def test_missing_columns_of_another_tree_are_named_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = DecisionTree("toy", [Question("shape", ["smooth", "disk"]), Question("odd", ["yes"])])
    table = pd.DataFrame({"id": ["1"], "shape_smooth": [0.25], "shape_disk": [0.75]})
    labels = read_labels(save(table, tmp_path), tree)
    np.testing.assert_array_equal(labels.cumulative, [[0.25, 0.75, np.nan]])
    (warning,) = warnings_in(caplog)
    assert warning.endswith("1 of 3 answers are not measured: odd_yes")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_cell_is_not_measured(tmp_path: Path, suffix: str) -> None:
    table = kaggle_table()
    table.loc[1, ["Class3.1", "Class3.2"]] = np.nan
    labels = read_labels(save(table, tmp_path, suffix))
    expected = table[list(GZ2_KAGGLE.columns)].notna().to_numpy()
    np.testing.assert_array_equal(labels.measured, expected)
    np.testing.assert_array_equal(labels.cumulative, table[list(GZ2_KAGGLE.columns)].to_numpy())


# catalogues


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
@pytest.mark.parametrize("kind", KINDS)
def test_catalogue_is_normalised_then_multiplied_down(
    tmp_path: Path, kind: Any, tree: DecisionTree
) -> None:
    votes = random_votes(80)
    if kind == "count":
        votes = np.floor(votes * 20)
    others = [catalogue(random_votes(80, seed=9), other) for other in KINDS if other != kind]
    table = pd.concat(
        [catalogue(votes, kind), *(o.drop(columns="dr7objid") for o in others)], axis=1
    )
    labels = read_labels(save(table, tmp_path, ".parquet"), tree, kind)
    expected = slow_labels(tree, votes)
    np.testing.assert_allclose(labels.cumulative, expected, rtol=1e-14, atol=0)
    np.testing.assert_array_equal(labels.null, expected == 0)
    assert np.isnan(expected).any()
    assert (expected == 0).any()
    assert labels.ids.tolist() == table["dr7objid"].tolist()
    assert (labels.kind, labels.tree) == (kind, tree)


@given(tree=trees(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_multiplied_down_any_tree(tree: DecisionTree, seed: int) -> None:
    votes = random_votes(8, tree, seed)
    conditional = votes.copy()
    for answers in tree.slices:
        total = votes[:, answers].sum(-1, keepdims=True)
        conditional[:, answers] = np.where(
            total > 0, votes[:, answers] / np.maximum(total, 1e-9), np.nan
        )
    given = cumulative_of(tree, conditional)
    np.testing.assert_allclose(given, slow_labels(tree, votes), rtol=1e-13, atol=0)


def cells(labels: Labels) -> dict[str, float]:
    """Labels of the first galaxy by the answers' numbers."""
    return {
        answer.name[:3]: float(value)
        for answer, value in zip(labels.tree.answers, labels.cumulative[0], strict=True)
    }


def test_bar_hangs_below_not_edge_on(tmp_path: Path) -> None:
    votes = votes_for(a01=0.2, a02=0.8, a04=0.9, a05=0.1, a06=1, a15=1)
    given = cells(read_labels(save(catalogue(votes, "debiased"), tmp_path), GZ2))
    assert given["a06"] == pytest.approx(0.08, rel=1e-12)


def test_question_that_is_not_reached_is_zero(tmp_path: Path) -> None:
    """A smooth galaxy: nobody was asked of its disk, so no votes there is no lack of them."""
    votes = votes_for(a01=1, a17=1, a15=1)
    labels = read_labels(save(catalogue(votes, "fraction"), tmp_path), GZ2, "fraction")
    assert {name for name, value in cells(labels).items() if value == 1} == {"a01", "a15", "a17"}
    assert labels.measured.all()
    # Asked and not answered so: two answers each of questions 1 and 7, one of question 6.
    assert labels.voteless_null.sum() == 5
    assert labels.structural_null.sum() == 37 - 3 - 5


def test_votes_below_a_question_that_is_not_reached_do_not_count(tmp_path: Path) -> None:
    votes = votes_for(a01=1, a17=1, a15=1, a04=0.5, a06=1, a19=1)
    given = cells(read_labels(save(catalogue(votes, "debiased"), tmp_path), GZ2))
    assert [given[name] for name in ("a04", "a06", "a19")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("without", "not_measured"),
    [
        ("t10_arms_winding", {"t10_arms_winding"}),
        ("t04_spiral", {"t04_spiral", "t10_arms_winding", "t11_arms_number"}),
        ("t06_odd", {"t06_odd", "t08_odd_feature"}),
        ("t01_smooth_or_features", {question.name for question in GZ2.questions}),
    ],
)
def test_reached_without_votes_is_not_measured_nor_what_follows(
    tmp_path: Path, without: str, not_measured: set[str]
) -> None:
    votes = np.ones((1, len(GZ2)))
    counts = votes * 3
    number = [question.name for question in GZ2.questions].index(without)
    votes[:, GZ2.slices[number]] = 0
    table = catalogue(votes, "fraction").join(catalogue(counts, "count").drop(columns="dr7objid"))
    labels = read_labels(save(table, tmp_path), GZ2, "fraction")
    for question, answers in zip(GZ2.questions, GZ2.slices, strict=True):
        measured = labels.measured[0, answers]
        assert measured.any() == measured.all() == (question.name not in not_measured)
    assert labels.counts is not None
    np.testing.assert_array_equal(labels.counts, counts)


def test_kaggles_tree_asks_everyone_of_oddities(tmp_path: Path) -> None:
    """Of a galaxy that one in four thinks a star, Galaxy Zoo 2 asks three in four."""
    path = save(
        catalogue(votes_for(a01=0.75, a03=0.25, a16=1, a14=0.4, a15=0.6), "debiased"), tmp_path
    )
    assert cells(read_labels(path, GZ2))["a14"] == pytest.approx(0.3)
    assert cells(read_labels(path, GZ2_KAGGLE))["a14"] == pytest.approx(0.4)


def test_kaggle_table_read_under_the_volunteers_tree(tmp_path: Path) -> None:
    """The same conditional probabilities, with "anything odd?" asked of fewer."""
    table = kaggle_table()
    labels = read_labels(save(table, tmp_path), GZ2)
    assert (labels.tree, labels.kind) == (GZ2, CUMULATIVE)
    expected = table[list(GZ2_KAGGLE.columns)].to_numpy(copy=True)
    asked = (table["Class1.1"] + table["Class1.2"]).to_numpy()
    odd = np.array([column.startswith(("Class6.", "Class8.")) for column in GZ2_KAGGLE.columns])
    expected[:, odd] *= asked[:, None]
    np.testing.assert_allclose(labels.cumulative, expected, rtol=0, atol=1e-15)


def rough_table() -> pd.DataFrame:
    """A galaxy that was hardly asked, whose sums are off by half of what they may be off by."""
    values = dict.fromkeys(GZ2.columns, 0.0)
    row = {"a01_smooth": 0.005, "a03_star_or_artifact": 0.995, "a14_yes": 0.010, "a15_no": 0.004}
    row |= {"a16_completely_round": 0.005, "a20_lens_or_arc": 0.010}
    values |= {GZ2.columns[GZ2.answer_position(name)]: value for name, value in row.items()}
    return pd.DataFrame([{"GalaxyID": "1"} | values])


def test_sums_that_are_off_make_no_label_above_1() -> None:
    labels = read_labels(rough_table(), GZ2_KAGGLE)
    of = {a.name: v for a, v in zip(GZ2_KAGGLE.answers, labels.cumulative[0], strict=True)}
    assert of["a14_yes"] == pytest.approx(10 / 14)
    assert of["a15_no"] == pytest.approx(4 / 14)
    assert of["a20_lens_or_arc"] == pytest.approx(10 / 14)
    assert of["a01_smooth"] == of["a16_completely_round"] == 0.005


def test_sums_that_are_off_make_no_fraction_above_1() -> None:
    conditional = read_fractions(rough_table(), GZ2).conditional
    assert np.nanmax(conditional) <= 1
    odd = conditional[0, GZ2.slices[5]]
    np.testing.assert_allclose(odd, [10 / 14, 4 / 14])


def test_a_question_that_is_tabulated_in_part_makes_no_label_above_1() -> None:
    no_odd = GZ2.columns[GZ2.answer_position("a15_no")]
    labels = read_labels(rough_table().drop(columns=no_odd), GZ2_KAGGLE)
    of = {a.name: v for a, v in zip(GZ2_KAGGLE.answers, labels.cumulative[0], strict=True)}
    assert of["a14_yes"] == 1
    assert np.isnan(of["a15_no"])


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_what_is_not_measured_is_so_under_either_tree(tmp_path: Path, tree: DecisionTree) -> None:
    """Also where its question was not reached, so that the label could only be 0."""
    smooth = dict.fromkeys(GZ2_KAGGLE.columns, 0.0) | {"Class1.1": 1.0, "Class6.2": 1.0}
    smooth |= {"Class7.2": 1.0, "Class2.1": np.nan}
    table = pd.DataFrame({"GalaxyID": ["1"]} | smooth).drop(columns=["Class3.1", "Class3.2"])
    labels = read_labels(save(table, tmp_path), tree)
    not_measured = np.array(GZ2_KAGGLE.columns)[~labels.measured[0]]
    assert not_measured.tolist() == ["Class2.1", "Class3.1", "Class3.2"]


def test_predictions_written_for_the_volunteers_tree_can_be_labels(tmp_path: Path) -> None:
    table = pd.DataFrame(random_labels(IDS, GZ2).cumulative, columns=GZ2.columns)
    table.insert(0, "id", IDS)
    labels = read_labels(save(table, tmp_path), GZ2)
    np.testing.assert_array_equal(labels.cumulative, table[list(GZ2.columns)].to_numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_incomplete_kind_is_refused(tmp_path: Path, kind: Any) -> None:
    table = catalogue(random_votes(3), kind)
    stem = "t08_odd_feature_a38_dust_lane"
    path = save(table.drop(columns=f"{stem}_{kind}"), tmp_path)
    with pytest.raises(InputError, match=rf"labels\.csv: kind '{kind}' is incomplete: 1 .*{stem}_"):
        read_labels(path, GZ2, kind)


def test_kind_the_catalogue_lacks_is_refused_naming_those_it_has(tmp_path: Path) -> None:
    table = catalogue(random_votes(3), "fraction")
    path = save(table.join(catalogue(random_votes(3), "count").drop(columns="dr7objid")), tmp_path)
    with pytest.raises(
        InputError,
        match=r"found neither; it has the kinds count, fraction, as in t01\w+: add --kind count$",
    ):
        read_labels(path, GZ2, "debiased")


def test_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"kind: expected one of count, .*, found 'votes'"):
        read_labels(save(kaggle_table(), tmp_path), kind="votes")  # type: ignore[arg-type]


def test_table_without_labels_is_refused(tmp_path: Path) -> None:
    path = save(pd.DataFrame({"GalaxyID": ["1"], "redshift": [0.1]}), tmp_path)
    with pytest.raises(InputError, match=r"of GZ2_KAGGLE, Class1\.1, … or t01_.*_debiased, …"):
        read_labels(path)


@pytest.mark.parametrize("naming", ["kaggle", "catalogue"])
def test_table_of_another_tree_is_refused(tmp_path: Path, naming: Any) -> None:
    toy = DecisionTree("toy", [Question("shape", ["smooth", "disk"])])
    table = pd.DataFrame(random_labels(IDS, GZ2).cumulative)
    table.columns = GZ2.kaggle_columns if naming == "kaggle" else GZ2.catalogue_columns
    with pytest.raises(
        InputError, match=r"expected columns of toy, shape_smooth, … or shape_smooth_debiased"
    ):
        read_labels(save(table.assign(id=IDS), tmp_path), toy)


def test_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv: expected rows of labels, found none"):
        read_labels(save(kaggle_table()[:0], tmp_path))


# ids


def catalogue_with_ids(**columns: list[str]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    table = catalogue(random_votes(n), "debiased").drop(columns="dr7objid")
    return table.assign(**columns)


NAMES = {
    "id_str": ["a1", "a2", "a3"],
    "objid": ["9007199254740993", "9007199254740992", "3"],
    "dr7objid": ["587739505552785605", "587739505552785604", "587739505552785603"],
    "asset_id": ["011", "012", "013"],
}


@pytest.mark.parametrize(
    ("images", "used", "matches"),
    [
        (["013", "unknown"], "asset_id", 1),
        (["587739505552785605", "587739505552785604"], "dr7objid", 2),
        (["9007199254740993"], "objid", 1),  # and not its neighbour, the same float
        (["a1", "a2", "a3", "a4"], "id_str", 3),
        (["a1", "a2", "012"], "id_str", 2),  # a number may be that of another galaxy by accident
        (["a1", "012"], "asset_id", 1),  # of those that match alike the likeliest
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_id_column_that_matches_most_images_is_used_and_said(
    tmp_path: Path,
    images: list[str],
    used: str,
    matches: int,
    suffix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = save(catalogue_with_ids(**NAMES), tmp_path, suffix)
    with caplog.at_level(logging.INFO, HERE):
        labels = read_labels(path, GZ2, image_ids=images)
    assert labels.ids.tolist() == NAMES[used]
    assert f"ids from column {used}; {matches} of 3 match an image" in caplog.text
    few = matches < 0.5 * min(3, len(images))  # perhaps by accident: worth a warning
    assert (caplog.records[-1].levelno == logging.WARNING) == few


def test_galaxy_id_goes_before_all_others(tmp_path: Path) -> None:
    path = save(catalogue_with_ids(**NAMES, GalaxyID=["1", "2", "3"]), tmp_path)
    assert read_labels(path, GZ2, image_ids=["2"]).ids.tolist() == ["1", "2", "3"]
    with pytest.raises(InputError, match=r"column GalaxyID has e\.g\. 1, 2, images .* 011"):
        read_labels(path, GZ2, image_ids=["011"])


def test_id_column_may_be_named(tmp_path: Path) -> None:
    path = save(catalogue_with_ids(**NAMES, name=["x", "y", "z"]), tmp_path)
    assert read_labels(path, GZ2, id_column="name", image_ids=["z"]).ids.tolist() == ["x", "y", "z"]
    with pytest.raises(InputError, match=r"no id matches an image: column name"):
        read_labels(path, GZ2, id_column="name", image_ids=["011"])
    with pytest.raises(InputError, match=r"no id column 'asset'; did you mean asset_id\?"):
        read_labels(path, GZ2, id_column="asset")


def test_no_id_column_is_refused(tmp_path: Path) -> None:
    path = save(catalogue_with_ids(name=["x"]), tmp_path)
    with pytest.raises(InputError, match=r"expected an id column \(GalaxyID, .*--id-column"):
        read_labels(path, GZ2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_repeated_id_is_refused(tmp_path: Path, suffix: str) -> None:
    path = save(kaggle_table().assign(GalaxyID=["007", "7", "007", "70", "8"]), tmp_path, suffix)
    with pytest.raises(InputError, match=r"expected each id once, found 1 repeated: 007$"):
        read_labels(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_id_is_refused(tmp_path: Path, suffix: str) -> None:
    table = kaggle_table()
    table["GalaxyID"] = ["1", "" if suffix == ".fits" else None, "3", "4", "5"]
    path = save(table, tmp_path, suffix)
    with pytest.raises(InputError, match=r"column GalaxyID, row 2: expected an id, found none"):
        read_labels(path)


# rows that are refused


BAD_CELLS = [
    ("?", r"expected a number from 0 to 1, found '\?'"),
    ("inf", "expected a number from 0 to 1, found inf"),
    ("-inf", "expected a number from 0 to 1, found -inf"),
    ("-0.001", r"expected a number from 0 to 1, found -0\.001"),
    ("1.001", r"expected a number from 0 to 1, found 1\.001"),
]


@pytest.mark.parametrize(("value", "message"), BAD_CELLS, ids=[value for value, _ in BAD_CELLS])
def test_cell_that_is_no_probability_is_refused(tmp_path: Path, value: str, message: str) -> None:
    tables = {
        "Class8.3": (kaggle_table(), GZ2_KAGGLE),
        "t08_odd_feature_a21_disturbed_debiased": (catalogue(random_votes(5), "debiased"), GZ2),
    }
    for column, (table, tree) in tables.items():
        galaxy = table.iloc[3, 0]
        table[column] = table[column].astype(object)
        table.loc[3, column] = value
        path = save(table, tmp_path)
        where = rf"labels\.csv: row 4 \(id {galaxy}\): column {column}: "
        with pytest.raises(InputError, match=rf"{where}{message}; --allow-bad-rows drops"):
            read_labels(path, tree)


@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
@pytest.mark.parametrize("value", [np.inf, -0.5, 1.5])
def test_number_that_is_no_probability_is_refused(
    tmp_path: Path, suffix: str, value: float
) -> None:
    table = kaggle_table()
    table.loc[2, "Class1.1"] = value
    path = save(table, tmp_path, suffix)
    with pytest.raises(InputError, match=rf"row 3 .*: column Class1\.1: .*, found {value};"):
        read_labels(path)


@pytest.mark.parametrize("value", [np.inf, -1.0])
@pytest.mark.parametrize("kind", ["count", "fraction"])
def test_impossible_vote_count_is_refused(tmp_path: Path, kind: Any, value: float) -> None:
    """Whether the labels are made from the counts, or these only tell of the votes' noise."""
    counts = np.floor(random_votes(3) * 9)
    counts[1, 0] = value
    table = catalogue(random_votes(3), "fraction")
    path = save(table.join(catalogue(counts, "count").drop(columns="dr7objid")), tmp_path)
    with pytest.raises(
        InputError, match=rf"row 2 .*a01_smooth_count: expected a finite .* {value};"
    ):
        read_labels(path, GZ2, kind)


def test_counts_may_exceed_one(tmp_path: Path) -> None:
    path = save(catalogue(votes_for(a01=30, a17=29, a15=1e6), "weight"), tmp_path)
    assert cells(read_labels(path, GZ2, "weight"))["a17"] == 1


@pytest.mark.parametrize(
    ("column", "question"),
    [
        ("Class1.1", "t01_smooth_or_features"),
        ("Class6.2", "t06_odd"),
        ("Class11.6", "t11_arms_number"),
    ],
)
@pytest.mark.parametrize("off_by", [0.0099, 0.0101])
def test_sums_may_be_off_by_a_hundredth(
    tmp_path: Path, column: str, question: str, off_by: float
) -> None:
    table = kaggle_table()
    row = int(table[column].between(0.02, 0.98).to_numpy().argmax())
    # One answer has nothing below it, so no other question's sum changes.
    leaf = {"Class1.1": "Class1.3"}.get(column, column)
    table.loc[row, leaf] += off_by if table.loc[row, leaf] < 0.5 else -off_by
    path = save(table, tmp_path)
    if off_by < 0.01:
        assert len(read_labels(path)) == len(table)
    else:
        where = rf"row {row + 1} \(id {IDS[row]}\): question {question}"
        expected = (
            rf"{where}: expected answers that sum to its reach \d\.\d{{4}}, found \d\.\d{{4}}"
        )
        with pytest.raises(InputError, match=expected):
            read_labels(path)


def test_sums_are_checked_only_where_all_is_measured(tmp_path: Path) -> None:
    table = kaggle_table().drop(columns=["Class7.3", "Class2.1"])
    assert len(read_labels(save(table, tmp_path))) == len(table)


def test_bad_rows_may_be_dropped_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = kaggle_table()
    good = read_labels(save(table, tmp_path)).take([0, 2])
    table["Class9.1"] = table["Class9.1"].astype(object)
    table.loc[1, "Class9.1"] = "many"
    table.loc[3, "Class1.1"] = np.inf
    table.loc[4, ["Class6.1", "Class6.2"]] = 0.3
    path = save(table, tmp_path)
    with pytest.raises(
        InputError, match=r"row 2 .* found 'many' \(3 such rows\); --allow-bad-rows"
    ):
        read_labels(path)
    labels = read_labels(path, allow_bad_rows=True)
    assert labels.ids.tolist() == good.ids.tolist()
    # A column with a word in it is read as text, of which older pandas round the last bit.
    np.testing.assert_allclose(labels.cumulative, good.cumulative, rtol=1e-15, atol=0)
    (warning,) = warnings_in(caplog)
    assert warning.startswith("3 of 5 rows dropped; ")
    assert f"row 2 (id {IDS[1]}): column Class9.1" in warning


def test_dropping_every_row_is_refused(tmp_path: Path) -> None:
    path = save(kaggle_table().assign(**{"Class1.1": 2.0}), tmp_path)
    with pytest.raises(InputError, match=r"row 1 .*all 5 rows are bad"):
        read_labels(path, allow_bad_rows=True)


def test_bad_row_does_not_repeat_an_id_once_dropped(tmp_path: Path) -> None:
    table = kaggle_table().assign(GalaxyID=["1", "2", "3", "4", "1"])
    table.loc[4, "Class1.1"] = -1
    labels = read_labels(save(table, tmp_path), allow_bad_rows=True)
    assert labels.ids.tolist() == ["1", "2", "3", "4"]


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
@pytest.mark.parametrize(
    ("column", "nearest"),
    [("Class7.9", r"Class7\.\d"), ("Class12.1", r"Class\d+\.1"), ("Class1.0", r"Class\d+\.\d")],
)
def test_answer_that_the_tree_lacks_is_refused(
    tmp_path: Path, tree: DecisionTree, column: str, nearest: str
) -> None:
    path = save(kaggle_table().assign(**{column: 0.0}), tmp_path)
    with pytest.raises(
        InputError, match=rf"column {column}: .* no such answer; the nearest is {nearest}$"
    ):
        read_labels(path, tree)


# null labels


def test_masks_of_null_labels() -> None:
    tree = DecisionTree(
        "toy",
        [
            Question("shape", ["smooth", "disk"]),
            Question("edge", ["yes", "no"], ["disk"]),
            Question("bar", ["bar", "none"], ["no"]),
        ],
    )
    nan = np.nan
    cumulative = np.array(
        [
            [0.5, 0.5, 0.0, 0.5, 0.5, 0.0],  # nobody says edge-on, nobody says no bar
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # nobody is asked of disks
            [0.2, 0.8, nan, nan, 0.0, 0.4],  # whether question 3 was reached is not known
            [0.0, 1.0, 0.5, 0.5, nan, nan],
        ]
    )
    labels = Labels(np.array(list("abcd"), dtype=object), cumulative, tree, CUMULATIVE)
    n, s, v, x = "null", "structural", "voteless", ""
    sorts = [[x, x, v, x, x, v], [x, v, s, s, s, s], [x, x, x, x, n, x], [v, x, x, x, x, x]]
    expected = np.array(sorts)
    np.testing.assert_array_equal(labels.null, expected != x)
    np.testing.assert_array_equal(labels.structural_null, expected == s)
    np.testing.assert_array_equal(labels.voteless_null, expected == v)
    np.testing.assert_array_equal(labels.measured, ~np.isnan(cumulative))
    np.testing.assert_array_equal(
        labels.reach, [[1, 0.5, 0.5], [1, 0, 0], [1, 0.8, nan], [1, 1, 0.5]]
    )


@pytest.mark.parametrize("rows", [[3, 0], np.array([3, 0]), np.arange(5) % 3 == 0, [], slice(1, 3)])
def test_take_keeps_rows_together(rows: Any) -> None:
    labels = random_labels(IDS)
    counts = np.arange(labels.cumulative.size, dtype=float).reshape(labels.cumulative.shape)
    labels = Labels(labels.ids, labels.cumulative, labels.tree, "count", counts)
    _ = labels.null, labels.reach  # cached, and not to be handed on
    rows = np.arange(5)[rows]
    taken = labels.take(rows)
    assert taken.ids.tolist() == [IDS[row] for row in rows]
    assert len(taken) == len(rows)
    for name in ("cumulative", "counts", "null", "structural_null", "reach"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(labels, name)[rows])
    assert (taken.tree, taken.kind) == (labels.tree, labels.kind)


# the real tables


def largest_violation(labels: Labels) -> float:
    sums = [labels.cumulative[:, answers].sum(-1) for answers in labels.tree.slices]
    return float(np.nanmax(np.abs(np.stack(sums, -1) - labels.reach)))


def test_real_kaggle_table(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = shared / "data" / "kaggle_gz2"
    images = [path.stem for path in (folder / "images").iterdir()]
    labels = read_labels(folder / "solutions_17_columns.csv", image_ids=images)
    assert len(labels) == 4000
    assert set(labels.ids) == set(images)
    measured = [c for c, m in zip(GZ2_KAGGLE.columns, labels.measured.T, strict=True) if m.all()]
    assert len(measured) == 17
    assert {column.split(".")[0] for column in measured} == {f"Class{n}" for n in (1, 2, 6, 7, 8)}
    assert labels.measured.sum() == 17 * 4000
    assert largest_violation(labels) < 1e-5
    (warning,) = warnings_in(caplog)
    assert "20 of 37 answers are not measured: Class3.1, " in warning


def test_real_full_rows_obey_the_tree(shared: Path) -> None:
    labels = read_labels(shared / "data" / "kaggle_gz2" / "five_full_rows.csv")
    assert labels.cumulative.shape == (5, 37)
    assert largest_violation(labels) < 1e-6
    assert labels.measured.all()


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
@pytest.mark.parametrize("kind", ["debiased", "weighted_fraction"])
def test_real_hart_catalogue(
    shared: Path, kind: Any, tree: DecisionTree, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shared / "data" / "gz2_hart16"
    images = [path.stem for path in (folder / "images").iterdir()]
    path = folder / "gz2_hart16_sample.csv"
    with caplog.at_level(logging.INFO, HERE):
        labels = read_labels(path, tree, kind, image_ids=images)
    assert "ids from column asset_id; 500 of 500 match an image" in caplog.text
    assert largest_violation(labels) < 1e-12
    table = pd.read_csv(path)
    votes = table[[f"{stem}_{kind}" for stem in tree.catalogue_columns]].to_numpy()
    np.testing.assert_allclose(labels.cumulative, slow_labels(tree, votes), rtol=1e-14, atol=0)
    assert labels.ids.tolist() == table["asset_id"].astype(str).tolist()


def test_real_hart_catalogue_lacks_most_fractions(shared: Path) -> None:
    path = shared / "data" / "gz2_hart16" / "gz2_hart16_sample.csv"
    with pytest.raises(InputError, match=r"kind 'fraction' is incomplete: 35 of 37 .*a03_star"):
        read_labels(path, GZ2, "fraction")


def test_real_stripe82_catalogue(shared: Path) -> None:
    path = shared / "data" / "gz2_willett13_stripe82" / "table5.csv.gz"
    of_kind: dict[str, Labels] = {kind: read_labels(path, GZ2, kind) for kind in KINDS}  # type: ignore[arg-type]
    for labels in of_kind.values():
        assert len(labels) == 19761
        assert largest_violation(labels) < 1e-12
        assert labels.counts is not None
        np.testing.assert_array_equal(labels.counts, of_kind["count"].counts)
    assert all(len(galaxy) > 16 for galaxy in of_kind["count"].ids)
    np.testing.assert_array_equal(of_kind["count"].cumulative, of_kind["weight"].cumulative)
    counts = of_kind["count"].counts
    assert counts is not None
    some = np.random.default_rng(0).choice(19761, 500, replace=False)
    expected = slow_labels(GZ2, counts[some])
    np.testing.assert_allclose(of_kind["count"].cumulative[some], expected, rtol=1e-14, atol=0)


# samples put together


class TestOnlyConditional:
    def test_other_questions_are_not_measured(self) -> None:
        labels = random_labels(list("abcdef"))
        deep = labels.only_conditional({"Class3", "Class10"})
        kept = np.zeros(37, dtype=bool)
        for question in (2, 9):
            kept[GZ2_KAGGLE.slices[question]] = True
        np.testing.assert_array_equal(deep.measured, np.tile(kept, (6, 1)))
        np.testing.assert_array_equal(deep.cumulative[:, kept], labels.cumulative[:, kept])

    def test_reach_is_still_that_of_the_votes(self) -> None:
        labels = random_labels(list("abcdef"))
        deep = labels.only_conditional({"Class3", "Class10"}).take([4, 1])
        np.testing.assert_array_equal(deep.reach[:, [2, 9]], labels.reach[[4, 1]][:, [2, 9]])
        assert np.isnan(deep.reach[:, [3, 4, 8]]).all()
        null = deep.null[:, GZ2_KAGGLE.slices[2]]
        unreached = labels.reach[[4, 1], 2] == 0
        np.testing.assert_array_equal(
            deep.structural_null[:, GZ2_KAGGLE.slices[2]], null & unreached[:, None]
        )

    def test_unknown_question_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"expected some of Class1, .*, found Class12"):
            random_labels(["a"]).only_conditional({"Class3", "Class12"})

    def test_digest_tells_it_from_labels_that_are_not_measured(self) -> None:
        deep = random_labels(["a", "b"]).only_conditional({"Class3"})
        assert deep.digest() != dataclasses.replace(deep, given_reach=None).digest()
        assert deep.digest() != dataclasses.replace(deep, ids=deep.ids[::-1]).digest()

    def test_digest_tells_votes_apart_that_make_the_same_shares(self) -> None:
        labels = random_labels(["a", "b"])
        counts = np.round(20 * np.nan_to_num(labels.cumulative))
        given = [labels, *(dataclasses.replace(labels, counts=n * counts) for n in (1, 2))]
        assert len({each.digest() for each in given}) == 3


def test_nothing_may_be_taken() -> None:
    assert len(random_labels(["a", "b"]).take([])) == 0


class TestMeans:
    def test_mean_conditional_times_mean_reach_is_mean_cumulative(self) -> None:
        labels = random_labels([str(n) for n in range(200)])
        question_of = list(GZ2_KAGGLE.question_of)
        again = labels.mean_conditional() * labels.reach.mean(0)[question_of]
        np.testing.assert_allclose(again, labels.mean_cumulative(), atol=1e-12)

    def test_unmeasured_questions_are_undecided(self) -> None:
        labels = random_labels(list("abc")).only_conditional({"Class4"})
        assert (labels.mean_cumulative()[:3] == 0.5).all()
        assert labels.mean_conditional()[:3].tolist() == pytest.approx([1 / 3] * 3)


def test_joined_labels_stand_one_after_another() -> None:
    one, other = random_labels(["a", "b"]), random_labels(["b", "c"], seed=1)
    joined = Labels.join(one, other.only_conditional({"Class3"}))
    assert joined.ids.tolist() == ["a", "b", "b", "c"]
    np.testing.assert_array_equal(joined.cumulative[:2], one.cumulative)
    assert joined.given_reach is not None
    assert np.isnan(joined.given_reach[:2]).all()
    np.testing.assert_array_equal(joined.reach[2:, 2], other.reach[:, 2])
    assert Labels.join(one, other).given_reach is None


def test_counts_are_joined_if_all_have_them(tmp_path: Path) -> None:
    votes = save(catalogue(random_votes(3), "count"), tmp_path)
    counted = read_labels(votes, GZ2, "count")
    both = Labels.join(counted, counted)
    assert both.counts is not None
    assert both.counts.shape == (6, 37)
    assert Labels.join(counted, random_labels(["a"], GZ2)).counts is None


def test_mean_conditional_of_questions_that_few_are_asked() -> None:
    tree = DecisionTree(
        "toy",
        [
            Question("disc", ["yes", "no"]),
            Question("bar", ["bar", "none"], asked_after=["yes"]),
            Question("ring", ["ring", "gap"], asked_after=["none"]),
        ],
    )
    cumulative = np.array(
        [[0.2, 0.8, 0.2, 0.0, 0.0, 0.0], [0.1, 0.9, 0.025, 0.075, np.nan, np.nan]]
    )
    mean = Labels(np.array(["a", "b"], object), cumulative, tree, None).mean_conditional()
    np.testing.assert_allclose(mean, [0.15, 0.85, 0.75, 0.25, 0.5, 0.5])


@pytest.mark.parametrize("kind", ["count", "weight"])
def test_fractions_of_numbers_of_votes_are_shares(tmp_path: Path, kind: Kind) -> None:
    votes = np.random.default_rng(0).integers(0, 9, (20, len(GZ2))).astype(float)
    shares = np.full_like(votes, np.nan)  # of nobody asked
    votes[0, GZ2.slices[1]] = 0
    for answers in GZ2.slices:
        asked = votes[:, answers].sum(-1) > 0
        shares[asked, answers] = (votes[:, answers].T / votes[:, answers].sum(-1).clip(1)).T[asked]
    path = save(catalogue(votes, kind), tmp_path)
    np.testing.assert_array_equal(read_fractions(path, GZ2, kind).conditional, shares)
    path = save(catalogue(np.nan_to_num(shares), "fraction"), tmp_path)
    np.testing.assert_array_equal(read_fractions(path, GZ2, "fraction").conditional, shares)


# predictions into which votes were carried


def votes_and_predictions() -> pd.DataFrame:
    votes = np.random.default_rng(0).integers(1, 9, (5, len(GZ2))).astype(float)
    fractions, counts = catalogue(votes, "fraction"), catalogue(votes, "count")
    for answers in GZ2.slices:
        fractions.iloc[:, [1 + n for n in range(answers.start, answers.stop)]] = votes[
            :, answers
        ] / votes[:, answers].sum(-1, keepdims=True)
    predicted = kaggle_table().drop(columns="GalaxyID")
    return pd.concat([fractions, counts.drop(columns="dr7objid"), predicted], axis=1)


def test_votes_are_the_labels_of_a_table_that_holds_predictions_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = votes_and_predictions()
    alone = both.drop(columns=list(GZ2_KAGGLE.columns))
    labels = read_labels(both, GZ2_KAGGLE, "fraction")
    assert labels.kind == "fraction"
    expected = read_labels(alone, GZ2_KAGGLE, "fraction").cumulative
    np.testing.assert_array_equal(labels.cumulative, expected)
    (warning,) = warnings_in(caplog)
    assert "holds cumulative probabilities as well" in warning


def test_predictions_are_read_if_they_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    both = votes_and_predictions()
    labels = read_labels(both, GZ2_KAGGLE, "fraction", predicted=True)
    assert labels.kind == CUMULATIVE
    np.testing.assert_array_equal(labels.cumulative, both[list(GZ2_KAGGLE.columns)])
    (warning,) = warnings_in(caplog)
    assert "it holds the kinds count, fraction as well" in warning
    # That nobody counted predictions does not keep them out of samples.
    assert read_fractions(both, GZ2_KAGGLE, predicted=True).votes is None
    assert read_fractions(both, GZ2_KAGGLE, "fraction").votes is not None


def test_labels_that_may_be_predictions_are_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    labels = read_labels(votes_and_predictions(), GZ2_KAGGLE, "debiased")
    assert labels.kind == CUMULATIVE
    assert "its cumulative probabilities are read, as predictions are" in warnings_in(caplog)[0]


def test_labels_of_two_trees_of_one_name_are_told_apart() -> None:
    trees = [DecisionTree("own", [Question("shape", ["smooth", last])]) for last in ("disk", "odd")]
    several = [
        Labels(np.array(["1"], object), np.array([[0.5, 0.5]]), tree, CUMULATIVE) for tree in trees
    ]
    message = "one tree, found question 'shape': answer 2: 'disk' and 'odd'"
    with pytest.raises(InputError, match=message):
        Labels.join(*several)


# what makes labels


BAD_LABELS = {
    "fewer answers": (
        {"cumulative": np.zeros((1, 3))},
        r"cumulative of shape \(2, 37\), .* \(1, 3\)",
    ),
    "more votes": ({"counts": np.zeros((3, 37))}, r"counts of shape \(2, 37\), .* \(3, 37\)"),
    "reach of answers": ({"given_reach": np.ones((2, 37))}, r"given_reach of shape \(2, 11\)"),
    "numbers for ids": ({"ids": np.array([7, 8], object)}, r"ids that are strings, found 7 \(2 of"),
    "ids in rows": ({"ids": np.array([["a"], ["b"]], object)}, r"ids of shape \(2,\)"),
}


@pytest.mark.parametrize("bad", BAD_LABELS)
def test_arrays_that_do_not_fit_are_refused(bad: str) -> None:
    parts, message = BAD_LABELS[bad]
    labels = random_labels(["a", "b"])
    with pytest.raises(InputError, match=message):
        dataclasses.replace(labels, **parts)


def test_labels_can_be_compared_and_kept_in_sets() -> None:
    labels = random_labels(["a", "b"])
    assert labels == labels
    assert labels != labels.take([0, 1])  # two tables, whatever they hold
    assert len({labels, labels.take([0])}) == 2


def test_nothing_to_join_is_refused() -> None:
    with pytest.raises(InputError, match="join: expected labels to put together, found none"):
        Labels.join()


def test_joined_labels_have_the_kinds_of_all() -> None:
    one, two, three = (
        dataclasses.replace(random_labels([kind]), kind=kind)
        for kind in ("debiased", "fraction", "debiased")
    )
    joined = Labels.join(Labels.join(one, two), three)
    assert joined.kinds == ("debiased", "fraction")
    assert joined.kind == "debiased, fraction"


def test_digest_is_of_tree_and_kind_as_well() -> None:
    labels = random_labels(["a", "b"])
    others = [
        dataclasses.replace(labels, kind="fraction"),
        dataclasses.replace(labels, tree=GZ2),
        dataclasses.replace(labels, counts=np.ones((2, 37))),
        dataclasses.replace(labels, given_reach=np.ones((2, 11))),
        labels.take([1, 0]),
    ]
    assert labels.digest() == random_labels(["a", "b"]).digest()
    assert len({labels.digest(), *(other.digest() for other in others)}) == 6


@pytest.mark.parametrize("kind", ["debiased", "count"])
def test_question_whose_columns_are_empty_is_not_measured(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a parent is 0 an empty cell would be a label of 0, and the only label there is."""
    table = pd.DataFrame(1.0, index=range(4), columns=list(GZ2.kind_columns(kind)))
    table.insert(0, "id", list("abcd"))
    table.loc[0, GZ2.kind_columns(kind)[1]] = 0.0  # no features or disk: never asked
    for number in (2, 3):  # bar? spiral?
        table[list(GZ2.kind_columns(kind)[GZ2.slices[number]])] = np.nan
    labels = read_labels(table, GZ2, kind)
    measured = {GZ2.question_of[n] + 1 for n in np.flatnonzero(labels.measured.any(0))}
    assert measured == {1, 2, 5, 6, 7, 8, 9}  # arms are asked after spiral
    assert "4 of 37 answers are not measured, as their columns are empty" in caplog.text


# a tree of one's own, whose answers have columns of their own names

OWN_TREE = DecisionTree(
    "shells",
    [
        Question("type", [Answer("stream", column="LSB_yes"), Answer("none", column="LSB_no")]),
        Question(
            "number",
            [Answer("one", column="shells_1"), Answer("more", column="No. of shells: 2+")],
            ["stream"],
        ),
    ],
)
OWN_VOTES = pd.DataFrame(
    {
        "id": ["a", "b"],
        "LSB_yes": [16, 5],
        "LSB_no": [4, 15],
        "shells_1": [12, 5],
        "No. of shells: 2+": [4, 0],
    }
)
OWN_LABELS = [[0.8, 0.2, 0.6, 0.2], [0.25, 0.75, 0.25, 0.0]]


def counted(tree: DecisionTree) -> DecisionTree:
    return DecisionTree(tree.name, tree.questions, kinds={"count": ""})


@pytest.mark.parametrize("tree", [OWN_TREE, counted(OWN_TREE)], ids=["undeclared", "declared"])
def test_columns_without_an_ending_are_of_the_kind_that_is_said(tree: DecisionTree) -> None:
    labels = read_labels(OWN_VOTES, tree, "count")
    assert labels.kind == "count"
    np.testing.assert_allclose(labels.cumulative, OWN_LABELS)
    np.testing.assert_array_equal(labels.counts, OWN_VOTES.drop(columns="id"))


def test_fractions_without_an_ending_are_of_the_kind_that_is_said() -> None:
    shares = OWN_VOTES.assign(LSB_yes=[0.8, 0.25], LSB_no=[0.2, 0.75])
    shares = shares.assign(**{"shells_1": [0.75, 1.0], "No. of shells: 2+": [0.25, 0.0]})
    labels = read_labels(shares, OWN_TREE, "fraction")
    assert (labels.kind, labels.counts) == ("fraction", None)
    np.testing.assert_allclose(labels.cumulative, OWN_LABELS)


def test_cumulative_probabilities_make_the_same_labels_as_whichever_kind_is_said() -> None:
    table = pd.DataFrame(OWN_LABELS, columns=list(OWN_TREE.columns)).assign(id=["a", "b"])
    for kind in (None, "count", "fraction"):
        np.testing.assert_allclose(read_labels(table, OWN_TREE, kind).cumulative, OWN_LABELS)


def test_votes_taken_for_probabilities_are_refused_saying_what_to_do() -> None:
    with pytest.raises(InputError, match=r"found 16\.0 \(read as a cumulative .* --kind count\)"):
        read_labels(OWN_VOTES, OWN_TREE)
    with pytest.raises(InputError, match=r'`kinds: \{count: ""\}` in the tree'):
        read_labels(OWN_VOTES, OWN_TREE, predicted=True)


@pytest.mark.parametrize("tree", [OWN_TREE, counted(OWN_TREE)], ids=["undeclared", "declared"])
def test_misspelt_column_of_a_kind_that_is_said_is_named(tree: DecisionTree) -> None:
    table = OWN_VOTES.rename(columns={"shells_1": "shels_1"})
    with pytest.raises(
        InputError, match=r"kind 'count' is incomplete: 1 .*: shells_1; did you mean shels_1\?"
    ):
        read_labels(table, tree, "count")


def test_a_kind_that_bare_columns_are_not_of_is_refused() -> None:
    with pytest.raises(InputError, match=r"it has the kinds count, as in LSB_yes: add --kind"):
        read_labels(OWN_VOTES, counted(OWN_TREE), "fraction")


def test_questions_without_columns_of_a_kind_are_not_measured(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = OWN_VOTES.drop(columns=["shells_1", "No. of shells: 2+"])
    table.columns = ["id", "LSB_yes_count", "LSB_no_count"]
    labels = read_labels(table.assign(shels_1_count=0), OWN_TREE, "count")
    np.testing.assert_allclose(labels.cumulative[:, :2], [row[:2] for row in OWN_LABELS])
    assert np.isnan(labels.cumulative[:, 2:]).all()
    (warning,) = warnings_in(caplog)
    assert "of kind 'count' are not measured: number; did you mean shels_1_count?" in warning


def test_table_with_other_columns_is_told_how_to_name_them() -> None:
    table = OWN_VOTES.rename(columns={"LSB_yes": "a", "LSB_no": "b", "shells_1": "c"})
    with pytest.raises(InputError, match=r"the table has id, a, b and 2 more\. .*`column:`"):
        read_labels(table.drop(columns="No. of shells: 2+").assign(d=0), OWN_TREE, "count")


def test_what_could_be_either_of_two_columns_is_neither() -> None:
    answers = [Answer("up", column="a+"), Answer("down", column="a-"), "else"]
    tree = DecisionTree("own", [Question("which", answers)])
    table = pd.DataFrame({"id": ["1"], "a_": [0.5], "which_else": [0.5]})
    assert read_labels(table, tree).measured.tolist() == [[False, False, True]]


def test_labels_are_shown_in_one_line() -> None:
    labels = read_labels(OWN_VOTES, OWN_TREE, "count")
    assert repr(labels) == "<Labels: 2 galaxies, shells, count>"
