"""Answers that a model was trained without: left empty, and nobody downstream believes them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, Run, SmallSky
from torch import nn

from gz2tree import GZ2_KAGGLE, CutoutStore, GalaxyTreeNet, InputError, PredictOptions, predict
from gz2tree.catalogues.catalogue import CatalogueColumns
from gz2tree.commands.sources import Sources, tree_values
from gz2tree.config import CatalogueOptions, LabelOptions
from gz2tree.networks.predictor import Prediction
from gz2tree.networks.untrained import untrained_text, without_untrained
from gz2tree.prediction import predict_to_file
from gz2tree.tables.wholetables import read_whole

HERE = PredictOptions(workers=0, precision="32", device="cpu", batch_size=16)
KEPT = PredictOptions(workers=0, precision="32", device="cpu", keep_untrained=True)
UNTRAINED = [3, 4, 5, 9, 10, 11]
EMPTY = [
    column for number in UNTRAINED for column in GZ2_KAGGLE.columns[GZ2_KAGGLE.slices[number - 1]]
]
TRAINED = [column for column in GZ2_KAGGLE.columns if column not in EMPTY]


def half_trained(trained: list[str] = TRAINED) -> GalaxyTreeNet:
    """A network as Kaggle's first columns alone would leave it."""
    torch.manual_seed(0)
    record = {"answers": trained}
    network = GalaxyTreeNet(
        "resnet10t", pretrained=False, cutouts=SMALL, kind="debiased", training=record
    )
    for name, parameter in network.named_parameters():
        if name.startswith("heads."):
            nn.init.normal_(parameter)
    return network.eval()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("half") / "model"
    half_trained().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def catalogue(small_sky: SmallSky, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("half") / "catalogue.csv"
    predict_to_file(half_trained(), CutoutStore(small_sky.store), out, HERE, progress=False)
    return out


def test_untrained_answers_are_empty_and_the_others_as_they_were(
    small_sky: SmallSky, caplog: pytest.LogCaptureFixture
) -> None:
    store = CutoutStore(small_sky.store)
    with caplog.at_level(logging.WARNING):
        given = predict(half_trained(), store, HERE, progress=False)
    (message,) = {record.message for record in caplog.records}
    assert "questions 3, 4, 5, 9, 10, 11 measured" in message
    assert "left empty" in message
    assert "Class3.1" not in message
    caplog.clear()
    kept = predict(half_trained(), store, KEPT, progress=False)
    assert "is kept" in caplog.text
    assert given[EMPTY].isna().all(axis=None)
    assert kept.notna().all(axis=None)
    np.testing.assert_allclose(given[TRAINED], kept[TRAINED], rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits"])
def test_file_says_what_became_of_them(small_sky: SmallSky, tmp_path: Path, suffix: str) -> None:
    for name, options in {"empty": HERE, "kept": KEPT}.items():
        out = tmp_path / f"{name}{suffix}"
        store = CutoutStore(small_sky.store)
        predict_to_file(half_trained(), store, out, options, progress=False)
        read = read_whole(out)
        said = {key.lower(): text for key, text in read.metadata.items()}
        if suffix != ".csv":
            assert said["untrained"] == f"questions 3, 4, 5, 9, 10, 11: {name}"
        values = read.frame.set_axis(["id", *GZ2_KAGGLE.columns], axis=1)
        empty = np.isnan(values.iloc[:, 1:].astype(np.float64).to_numpy()).all(0)
        expected = [name == "empty" and column in EMPTY for column in GZ2_KAGGLE.columns]
        assert empty.tolist() == expected


def test_question_after_an_untrained_one_has_no_reach(small_sky: SmallSky, tmp_path: Path) -> None:
    """Of "spiral?" nothing is known, so not who is asked for arms, though arms were trained."""
    trained = [c for c in GZ2_KAGGLE.columns if not c.startswith(("Class4.", "Class3."))]
    store, tables = CutoutStore(small_sky.store), {}
    for columns in ("reach", "conditional"):
        out = tmp_path / f"{columns}.csv"
        catalogue = CatalogueOptions(columns)  # type: ignore[arg-type]
        predict_to_file(half_trained(trained), store, out, HERE, catalogue, progress=False)
        tables[columns] = pd.read_csv(out)
    reach = tables["reach"].iloc[:, 1:].isna()
    assert reach.to_numpy().any(0).nonzero()[0].tolist() == [9, 10]
    assert reach.iloc[:, [9, 10]].all(axis=None)
    unknown = tables["conditional"].iloc[:, 1:].isna().all()
    questions = {GZ2_KAGGLE.question_of[n] + 1 for n in np.flatnonzero(unknown)}
    assert questions == {3, 4, 10, 11}


def test_nobody_is_asked_an_untrained_question_after_an_answer_of_0() -> None:
    cumulative = torch.full((2, len(GZ2_KAGGLE)), 0.1)
    cumulative[0, 1] = 0.0  # no features or disk: nobody is asked whether it is edge-on
    cumulative[0, 3:] = 0.0
    known = without_untrained([half_trained()], cumulative)
    assert (known[0, 3:] == 0).all()
    assert known[1].isnan().tolist() == [column in EMPTY for column in GZ2_KAGGLE.columns]


def test_one_network_without_a_question_spoils_it_for_several(small_sky: SmallSky) -> None:
    models = [half_trained(), half_trained(list(GZ2_KAGGLE.columns))]
    given = predict(models, CutoutStore(small_sky.store), HERE, progress=False)
    assert given[EMPTY].isna().all(axis=None)
    assert given[TRAINED].notna().all(axis=None)


def test_uncertainty_of_untrained_questions_is_left_open() -> None:
    models = [half_trained(), half_trained()]
    columns = CatalogueColumns(models, HERE, CatalogueOptions("uncertainty"))
    answers = torch.full((3, len(GZ2_KAGGLE)), 0.2)
    rows = columns.rows(np.array(list("abc"), object), [Prediction(answers)] * 2)
    of = {column: rows.filter(regex=f"^{column}(_|$)") for column in GZ2_KAGGLE.columns}
    assert all(of[column].isna().all(axis=None) for column in EMPTY)
    assert all(of[column].notna().all(axis=None) for column in TRAINED)
    information = rows.filter(regex="_information$")
    assert (information.isna().all() == [n in UNTRAINED for n in range(1, 12)]).all()
    np.testing.assert_allclose(rows["information"], information.sum(axis=1), atol=1e-5)


def test_flag_of_an_untrained_answer_is_refused() -> None:
    with pytest.raises(InputError, match="flag_spiral: no galaxy that trained the model had"):
        CatalogueColumns([half_trained()], HERE, CatalogueOptions(flags=("spiral=0.4",)))
    CatalogueColumns([half_trained()], KEPT, CatalogueOptions(flags=("spiral=0.4",)))


def test_text_names_single_answers_and_few_questions() -> None:
    untrained = np.isin(GZ2_KAGGLE.columns, ["Class3.1", "Class3.2", "Class7.1"])
    assert (
        untrained_text(GZ2_KAGGLE, untrained) == "question 3 ('Bar feature?') and answer Class7.1"
    )


class TestCommands:
    def test_predict_and_keep(
        self, run: Run, model: Path, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        given = ("predict", "--model", model, "--images", small_sky.store, "--workers", 0)
        run(*given, "--out", tmp_path / "a.csv").handled("left empty")
        assert pd.read_csv(tmp_path / "a.csv")[EMPTY].isna().all(axis=None)
        run(*given, "--out", tmp_path / "b.csv", "--keep-untrained").handled("is kept")
        assert pd.read_csv(tmp_path / "b.csv").notna().all(axis=None)
        run(*given, "--out", tmp_path / "shards").handled("left empty")
        assert (
            pd.concat(map(pd.read_parquet, (tmp_path / "shards").rglob("*.parquet")))[EMPTY]
            .isna()
            .all(axis=None)
        )

    def test_evaluate_leaves_them_out(
        self, run: Run, model: Path, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        out = tmp_path / "scores.json"
        said = run(
            "evaluate", "--model", model, "--labels", small_sky.table,
            "--images", small_sky.store, "--json", out,
        )  # fmt: skip
        said.handled("left empty")
        scores = json.loads(out.read_text())
        assert scores["n_cells"] == 40 * len(TRAINED)
        assert scores["per_answer"]["Class3.1"]["rmse"] is None
        assert scores["max_parent_violation"] < 1e-5

    @pytest.mark.parametrize("of", ["model", "predictions"])
    def test_report(
        self, run: Run, model: Path, catalogue: Path, small_sky: SmallSky, tmp_path: Path, of: str
    ) -> None:
        given = ("--model", model) if of == "model" else ("--predictions", catalogue)
        for labels in ([], ["--labels", small_sky.table]):
            out = tmp_path / f"report{len(labels)}"
            said = run("report", *given, "--images", small_sky.images, *labels, "--out", out)
            said.handled()
            data = json.loads(
                (out / "data" / "galaxies.js").read_text().split("=", 1)[1].rstrip(";\n")
            )
            empty = [set(column) == {None} for column in data["predicted"]]
            assert empty == [column in EMPTY for column in GZ2_KAGGLE.columns]

    @pytest.mark.parametrize("figure", ["tree", "scatter", "calibration", "agreement", "null"])
    def test_plot(
        self, run: Run, catalogue: Path, small_sky: SmallSky, tmp_path: Path, figure: str
    ) -> None:
        out = tmp_path / "figure.png"
        given = ("--predictions", catalogue, "--labels", small_sky.table, "--out", out)
        run("plot", figure, *given).handled()

    @pytest.mark.parametrize("options", [HERE, KEPT], ids=["empty", "kept"])
    def test_figures_show_what_is_predicted(
        self, model: Path, small_sky: SmallSky, options: PredictOptions
    ) -> None:
        sources = Sources(LabelOptions(), options, images=small_sky.store, models=(str(model),))
        tree, values, _, _ = tree_values(sources, None)
        unknown = [c for c, value in zip(tree.columns, values, strict=True) if np.isnan(value)]
        assert unknown == ([] if options.keep_untrained else EMPTY)

    @pytest.mark.parametrize("figure", ["tree", "galaxies"])
    def test_plot_of_galaxies(
        self, run: Run, catalogue: Path, small_sky: SmallSky, tmp_path: Path, figure: str
    ) -> None:
        given = ("--predictions", catalogue, "--images", small_sky.store)
        one = ("--galaxy", small_sky.labels.ids[0])
        run("plot", figure, *given, *one, "--out", tmp_path / "figure.png").handled()

    def test_explain_says_so(self, run: Run, catalogue: Path, small_sky: SmallSky) -> None:
        said = run("explain", catalogue, "--galaxy", small_sky.labels.ids[0])
        said.handled()
        bar = next(line for line in said.out.splitlines() if "bar" in line and "?" not in line)
        assert "not measured" in bar

    def test_select_and_classes_refuse(self, run: Run, catalogue: Path, tmp_path: Path) -> None:
        run("select", catalogue, "--sample", "spiral").refused("found none measured")
        run("select", catalogue, "--sample", "tight").refused("found none measured")
        run("select", catalogue, "--sample", "smooth").handled()
        run("classes", catalogue, "--out", tmp_path / "c.csv").refused("answers of all questions")
