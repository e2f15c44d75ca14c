"""The report's folder: the same figures as an evaluation, text that stays text, and refusals."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import SmallSky, random_labels
from PIL import Image

from gz2tree import GZ2, GZ2_KAGGLE, CutoutStore, DecisionTree, InputError, Labels, evaluate
from gz2tree.catalogues.flags import read_flags
from gz2tree.cli import main
from gz2tree.commands.inputs import read_predictions
from gz2tree.report.galaxies import Galaxies
from gz2tree.report.page import UNIT, data_script, render, to_script, whole_numbers
from gz2tree.report.pictures import COLUMNS, write_sheets
from gz2tree.report.writing import check_free, write_report
from gz2tree.trees import TREES

HOSTILE = "</script><script>alert(1)</script>"


def catalogue(labels: Labels, seed: int = 1) -> pd.DataFrame:
    """Predictions for labelled galaxies, consistent with the tree."""
    other = random_labels(list(labels.ids), labels.tree, seed)
    table = pd.DataFrame(other.cumulative, columns=list(labels.tree.columns))
    table.insert(0, labels.tree.id_column, labels.ids)
    return table


def read_data(script: str) -> dict[str, Any]:
    return json.loads(script.removeprefix("window.gz2tree = ").removesuffix(";\n"))


@pytest.mark.parametrize("tree", [GZ2_KAGGLE, GZ2], ids=lambda tree: tree.name)
def test_errors_of_galaxies_add_up_to_those_of_an_evaluation(tree: DecisionTree) -> None:
    labels = random_labels([f"{n}" for n in range(30)], tree)
    labels.cumulative[3] = np.nan
    labels.cumulative[5, tree.slices[-1]] = np.nan
    predictions = catalogue(labels)
    galaxies, report = Galaxies.of(predictions, tree, labels), evaluate(predictions, labels)
    for errors, cells, expected in (
        (galaxies.rmse, labels.measured, report.rmse),
        (galaxies.null_rmse, labels.null, report.null_rmse),
    ):
        n = cells.sum(1)
        assert (np.isnan(errors) == (n == 0)).all()
        assert math.sqrt(np.nansum(errors**2 * n) / n.sum()) == pytest.approx(expected)
    gaps = [np.abs(p - v) for p, v in zip(galaxies.predicted, labels.cumulative, strict=True)]
    expected_gaps = [np.nanmax(g) if not np.isnan(g).all() else np.nan for g in gaps]
    np.testing.assert_allclose(galaxies.disagreement, expected_gaps)
    assert galaxies.max_parent_violation < 1e-9


def test_galaxies_are_those_with_predictions_and_labels() -> None:
    labels = random_labels(["a", "b", "c"])
    predictions = catalogue(labels).iloc[[2, 0]]
    galaxies = Galaxies.of(predictions, GZ2_KAGGLE, labels.take([0, 1]))
    assert galaxies.ids.tolist() == ["a"]
    np.testing.assert_array_equal(galaxies.labels.cumulative, labels.cumulative[:1])
    assert Galaxies.of(predictions, GZ2_KAGGLE, None).ids.tolist() == ["c", "a"]


def test_whole_numbers_keep_zeros_and_what_is_not_measured() -> None:
    values = np.array([0.0, 1e-9, 0.12344, 0.5, 1.0, np.nan])
    assert whole_numbers(values) == [0, 1, 1234, UNIT // 2, UNIT, None]


def test_data_hold_ids_as_text_and_columns_within_their_digits() -> None:
    ids = ["587739505552785605", "587739505552785604", "007", HOSTILE]
    labels = random_labels(ids)
    labels.cumulative[0, 4] = np.nan
    galaxies = Galaxies.of(catalogue(labels), GZ2_KAGGLE, labels)
    script = data_script(galaxies)
    assert "<" not in script
    data = read_data(script)
    assert data["ids"] == ids
    assert data["voted"][4][0] is None
    assert len(data["predicted"]) == len(data["voted"]) == len(GZ2_KAGGLE)
    np.testing.assert_allclose(
        np.array(data["predicted"]).T / UNIT, galaxies.predicted, atol=1 / UNIT
    )
    asked = [question["parents"] for question in data["questions"]]
    assert [tuple(parents) for parents in asked] == list(GZ2_KAGGLE.parents)


def test_script_is_json_without_markup() -> None:
    value = {"<b>": ["&", HOSTILE, "\u2028"]}
    assert json.loads(to_script(value)) == value
    assert not set("<>&\u2028") & set(to_script(value))


def test_page_escapes_file_names() -> None:
    galaxies = Galaxies.of(catalogue(random_labels(["1"])), GZ2_KAGGLE, None)
    page = render(galaxies, None, captions={}, made_from={"images": HOSTILE})
    assert HOSTILE not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page


def test_sheets_hold_every_cutout_in_its_place(small_sky: SmallSky, tmp_path: Path) -> None:
    store = CutoutStore(small_sky.store)
    ids = list(store.ids[::-1][:28])
    assert write_sheets(tmp_path, ids, store, progress=False) == 2
    side = store.options.size
    for number, galaxy in ((0, ids[0]), (7, ids[7]), (27, ids[27])):
        sheet = np.asarray(Image.open(tmp_path / f"{number // COLUMNS**2:05d}.jpg"), dtype=float)
        row, column = divmod(number % COLUMNS**2, COLUMNS)
        cut = sheet[row * side :, column * side :][:side, :side]
        expected = store.array[store.rows([galaxy])[0]].astype(float)
        # The pictures are noise, of which JPEG keeps what is coarse.
        correlation = np.corrcoef(cut.mean(-1).ravel(), expected.mean(-1).ravel())[0, 1]
        assert correlation > 0.7
    assert sheet.shape == (side, COLUMNS * side, 3)


def test_report_replaces_a_former_one_and_nothing_else(small_sky: SmallSky, tmp_path: Path) -> None:
    store, labels = CutoutStore(small_sky.store), small_sky.labels
    galaxies = Galaxies.of(catalogue(labels), GZ2_KAGGLE, None)
    out = tmp_path / "report"
    out.mkdir()
    write_report(out, galaxies, store, progress=False)
    (out / "left.txt").write_text("of the former one")
    write_report(out, galaxies, store, progress=False)
    assert not (out / "left.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    for place, said in (
        (tmp_path / "mine", "a former report; found notes.txt"),
        (tmp_path / "mine" / "notes.txt", "found a file"),
        (tmp_path / "no" / "report", "an existing folder"),
    ):
        with pytest.raises(InputError, match=said):
            check_free(place)


def test_failure_leaves_the_former_report(
    small_sky: SmallSky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    galaxies = Galaxies.of(catalogue(small_sky.labels), GZ2_KAGGLE, None)
    write_report(tmp_path / "r", galaxies, CutoutStore(small_sky.store), progress=False)
    monkeypatch.setattr("gz2tree.report.writing.render", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tmp_path / "r", galaxies, CutoutStore(small_sky.store), progress=False)
    assert (tmp_path / "r" / "index.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_command_reports_what_evaluate_says(
    small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = catalogue(small_sky.labels)
    predictions.to_csv(tmp_path / "p.csv", index=False)
    arguments = ["report", "--predictions", tmp_path / "p.csv", "--images", small_sky.store]
    out = tmp_path / "report"
    given = [*arguments, "--labels", small_sky.table, "--out", out]
    assert main([str(argument) for argument in given]) == 0
    record = json.loads((out / "report.json").read_text())
    expected = evaluate(predictions, small_sky.labels).to_dict()
    for name, value in expected.items():
        if not isinstance(value, dict):
            assert record[name] == pytest.approx(value), name
    for question, figures in expected["per_question"].items():
        assert record["per_question"][question] == pytest.approx(figures), question
    assert f"{expected['rmse']:.4f}" in (out / "index.html").read_text()
    assert str(tmp_path) not in (out / "index.html").read_text()
    assert len(list((out / "figures").iterdir())) == 6
    for more, said in (
        (["--model", "default"], "both --model and --predictions"),
        (["--part", "test"], "expected a model within its run directory"),
        (["--pixels", "0"], "pixels: expected at least 1"),
    ):
        assert main([str(argument) for argument in [*given, *more]]) == 2
        assert said in capsys.readouterr().err


def test_flagged_galaxies_are_counted_against_the_votes(
    small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, answer = small_sky.labels, GZ2_KAGGLE.find_answer("cigar-shaped")
    predictions = catalogue(labels)
    predicted = predictions["Class7.3"].to_numpy() >= 0.2
    voted = labels.cumulative[:, answer] >= 0.2
    both = int((predicted & voted).sum())
    assert 0 < both < predicted.sum() < 40
    unmeasured = labels.cumulative.copy()
    unmeasured[np.flatnonzero(predicted & voted)[0], answer] = np.nan
    for given, expected in (
        (None, [None, None, None]),
        (labels, [int(predicted.sum()), both, int(voted.sum())]),
        (
            replace(labels, cumulative=unmeasured),
            [int(predicted.sum()) - 1, both - 1, int(voted.sum()) - 1],
        ),
    ):
        galaxies = Galaxies.of(predictions, GZ2_KAGGLE, given)
        (flag,) = read_flags(["cigar-shaped=0.2"], GZ2_KAGGLE)
        shown, counted = galaxies.flagged(flag)
        assert shown.ids.tolist() == labels.ids[predicted].tolist()
        assert (counted.n, counted.n_of) == (predicted.sum(), 40)
        assert [counted.n_compared, counted.n_both, counted.n_votes] == expected

    predictions.to_csv(tmp_path / "p.csv", index=False)
    given = ["report", "--predictions", tmp_path / "p.csv", "--images", small_sky.store]
    given += ["--labels", small_sky.table, "--out", tmp_path / "report"]
    arguments = [str(argument) for argument in given]
    assert main([*arguments, "--flag", "Class7.3=0.2"]) == 0
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert record["n"] == record["flag"]["n"] == predicted.sum()
    assert record["flag"]["n_both"] == both
    assert record["gate"] == "not said by the table"
    page = " ".join((tmp_path / "report" / "index.html").read_text().split())
    assert f"volunteers flag {both} of the {predicted.sum()} that have votes" in page
    capsys.readouterr()
    for wrong, said in (
        ("Class7.3=1", "expected a galaxy of at least 1, found at most 0."),
        ("cigars=0.2", "has no such answer"),
        ("0.2", "expected ANSWER=THRESHOLD"),
    ):
        assert main([*arguments, "--flag", wrong]) == 2
        assert said in capsys.readouterr().err


def test_catalogue_of_no_known_tree_is_refused(tmp_path: Path) -> None:
    table = catalogue(random_labels(["587739505552785605"], GZ2))
    table.to_csv(tmp_path / "p.csv", index=False)
    predictions, tree = read_predictions(tmp_path / "p.csv", TREES.values())
    assert tree == GZ2
    assert predictions["id"].tolist() == ["587739505552785605"]
    table.drop(columns=GZ2.columns[5]).to_csv(tmp_path / "q.csv", index=False)
    with pytest.raises(InputError, match="expected a catalogue of cumulative predictions of tree"):
        read_predictions(tmp_path / "q.csv", TREES.values())
    conditional = table.add_suffix("_conditional").rename(columns={"id_conditional": "id"})
    conditional.to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InputError, match="predict again without --columns conditional"):
        read_predictions(tmp_path / "c.csv", TREES.values())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table: pd.concat([table, table]), "each id once, found"),
        (lambda table: table.replace({"Class1.1": {table["Class1.1"][0]: 1.5}}), "probability"),
    ],
)
def test_predictions_that_are_none_are_refused(spoil: Any, said: str) -> None:
    table = spoil(catalogue(random_labels(["1", "2"])))
    with pytest.raises(InputError, match=said):
        Galaxies.of(table, GZ2_KAGGLE, None)


def test_labels_that_measure_little_are_no_obstacle(small_sky: SmallSky, tmp_path: Path) -> None:
    few = small_sky.labels.cumulative.copy()
    few[:, GZ2_KAGGLE.slices[0].stop :] = np.nan
    labels = replace(small_sky.labels, cumulative=few)
    predictions = catalogue(labels)
    galaxies = Galaxies.of(predictions, GZ2_KAGGLE, labels)
    report = evaluate(predictions, labels)
    store = CutoutStore(small_sky.store)
    write_report(tmp_path / "r", galaxies, store, report, progress=False)
    assert "NaN" not in (tmp_path / "r" / "data" / "galaxies.js").read_text()
