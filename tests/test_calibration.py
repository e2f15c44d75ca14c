"""Temperatures and strengths: what they do, that they are found again, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SmallSky
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import trees
from test_cli import run
from test_uncertainty import CHAIN, TWO_PARENTS, beliefs_of

from gz2tree import DecisionGraph, DecisionTree, GalaxyTreeNet, InputError, Labels, load_model
from gz2tree.commands.calibrating import fit_calibration
from gz2tree.science.coverage import vote_coverage
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes.calibration import Calibration, tempered
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet


@settings(max_examples=20, deadline=None)
@given(trees(), st.integers(0, 2**31))
def test_temperature_divides_logits(tree: DecisionTree, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 3, (4, len(tree))))
    temperature = torch.tensor(rng.uniform(0.2, 4, len(tree.questions)))
    graph = DecisionGraph(tree)
    expected = graph.conditional(logits / temperature[list(tree.question_of)])
    given_ = tempered(graph, graph.conditional(logits), temperature)
    torch.testing.assert_close(given_, expected)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 3.0, 50.0])
def test_exact_zeros_stay_and_gradients_are_finite(temperature: float) -> None:
    graph = DecisionGraph(GZ2_KAGGLE)
    conditional = graph.conditional(torch.randn(3, 37, generator=torch.Generator().manual_seed(0)))
    conditional[:, 1:3] = 0.0
    conditional[:, 0] = 1.0
    conditional.requires_grad_()
    hot = tempered(graph, conditional, torch.full((11,), temperature))
    hot.square().sum().backward()
    assert (hot[:, 1:3] == 0).all()
    assert (hot[:, 0] == 1).all()
    assert conditional.grad is not None
    assert conditional.grad.isfinite().all()
    sums = torch.stack([hot[:, answers].sum(-1) for answers in GZ2_KAGGLE.slices])
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_declaration_survives_json_and_others_are_refused() -> None:
    calibration = Calibration((0.5, 1.0, 2.0), (1.0, 2.0, 3.0))
    text = json.dumps(calibration.to_dict(TWO_PARENTS))
    assert Calibration.from_dict(json.loads(text), TWO_PARENTS) == calibration
    with pytest.raises(InputError, match="expected a number for each question"):
        Calibration.from_dict({"temperature": {"a": 1.0}}, TWO_PARENTS)
    with pytest.raises(InputError, match="expected a temperature above 0, found 0"):
        Calibration((0.0, 1.0, 1.0))


def labels_of(beliefs: TreeDirichlet, people: int = 30) -> Labels:
    counts = beliefs.sample_votes(people, 1, np.random.default_rng(0))[0].astype(float)
    cumulative = counts / people
    ids = np.array([f"g{n}" for n in range(len(counts))], dtype=object)
    return Labels(ids, cumulative, beliefs.tree, "count", counts)


def test_what_distorts_predictions_is_found_again() -> None:
    """2,000 galaxies: temperatures within 10 %, strengths within 20 %, coverage within 2 points."""
    truth = beliefs_of(TWO_PARENTS, 2000, 5, (3.0, 40.0))
    labels = labels_of(truth)
    graph = DecisionGraph(TWO_PARENTS)
    wrong = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    factors = torch.tensor([4.0, 0.25, 1.0], dtype=torch.float64)
    conditional = tempered(graph, torch.tensor(truth.conditional), wrong)
    strength = torch.tensor(truth.strength) * factors
    calibration = fit_calibration(graph, conditional, strength, labels)
    assert calibration.strength is not None
    np.testing.assert_allclose(calibration.temperature, 1 / wrong, rtol=0.1)
    np.testing.assert_allclose(calibration.strength, 1 / factors, rtol=0.2)
    mended = calibration.strengthen(strength, conditional)
    assert mended is not None
    after = TreeDirichlet(
        TWO_PARENTS, calibration.temper(graph, conditional).numpy(), mended.numpy()
    )
    before = TreeDirichlet(TWO_PARENTS, conditional.numpy(), strength.numpy())
    tables = [vote_coverage(Mixture([b]), labels.counts) for b in (before, after)]
    misses = [np.abs(table["coverage_80"].iloc[:2] - 0.8).max() for table in tables]
    assert misses[0] > 0.05
    assert misses[1] < 0.02
    assert (tables[1]["log_likelihood"] > tables[0]["log_likelihood"] - 1e-3).all()


def test_network_without_strengths_gets_one_for_each_question() -> None:
    truth = beliefs_of(TWO_PARENTS, 2000, 6, (8.0, 8.001))
    graph = DecisionGraph(TWO_PARENTS)
    conditional = torch.tensor(truth.conditional)
    calibration = fit_calibration(graph, conditional, None, labels_of(truth))
    assert calibration.strength is not None
    np.testing.assert_allclose(calibration.strength, 8.0, rtol=0.25)


def test_fractions_give_temperatures_alone_and_questions_not_asked_stay() -> None:
    truth = beliefs_of(TWO_PARENTS, 3000, 7, (50.0, 60.0))
    labels = labels_of(truth)
    cumulative = labels.cumulative.copy()
    cumulative[:, TWO_PARENTS.slices[2]] = np.nan
    fractions = Labels(labels.ids, cumulative, TWO_PARENTS, "debiased")
    graph = DecisionGraph(TWO_PARENTS)
    hot = torch.tensor([2.0, 1.0, 3.0], dtype=torch.float64)
    conditional = tempered(graph, torch.tensor(truth.conditional), hot)
    calibration = fit_calibration(graph, conditional, None, fractions)
    assert calibration.strength is None
    np.testing.assert_allclose(calibration.temperature[:2], [0.5, 1.0], rtol=0.1)
    assert calibration.temperature[2] == pytest.approx(1.0)


# the commands


@pytest.fixture(scope="module")
def sky(small_sky: SmallSky, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A catalogue of votes for the small sky, and a run of a Dirichlet network on it."""
    folder = tmp_path_factory.mktemp("votes")
    beliefs = beliefs_of(GZ2_KAGGLE, len(small_sky.labels), 9)
    counts = beliefs.sample_votes(40, 1, np.random.default_rng(1))[0]
    table = pd.DataFrame(counts, columns=[f"{c}_count" for c in GZ2_KAGGLE.catalogue_columns])
    total = table.to_numpy().sum(-1, keepdims=True)
    for position, stem in enumerate(GZ2_KAGGLE.catalogue_columns):
        table[f"{stem}_debiased"] = (counts[:, position, None] / total)[:, 0]
    table.insert(0, "id", small_sky.labels.ids)
    table.to_csv(folder / "votes.csv", index=False)
    code = run(
        "train", "--labels", folder / "votes.csv", "--images", small_sky.store, "--out",
        folder / "run", "--kind", "count", "--loss", "dirichlet_multinomial", "--backbone",
        "resnet10t", "--pretrained", "false", "--epochs", 1, "--batch-size", 8,
        "--valid-fraction", 0.4,
    )  # fmt: skip
    assert code == 0
    return folder / "votes.csv", folder / "run"


def test_calibrate_stores_what_it_found(
    sky: tuple[Path, Path], small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, trained = sky
    data = ("--labels", table, "--images", small_sky.store, "--kind", "count")
    out = tmp_path / "calibrated"
    assert run("calibrate", "--model", trained, *data, "--part", "valid", "--out", out) == 0
    said = capsys.readouterr().out
    assert "votes before calibration" in said
    assert "coverage_80" in said
    model = load_model(out)
    assert isinstance(model, GalaxyTreeNet)
    assert model.calibration is not None
    assert model.calibration.strength is not None
    untouched = load_model(trained)
    assert isinstance(untouched, GalaxyTreeNet)
    assert untouched.calibration is None
    assert run("calibrate", "--model", trained, *data, "--part", "valid") == 0
    again = load_model(trained)
    assert isinstance(again, GalaxyTreeNet)
    assert again.calibration == model.calibration
    figures = tmp_path / "e.json"
    assert run("evaluate", "--model", trained, *data, "--part", "valid", "--json", figures) == 0
    votes = json.loads(figures.read_text())["votes"]
    assert votes["all"]["coverage_80"] == pytest.approx(0.8, abs=0.1)


def test_debiased_labels_are_not_taken_for_votes(
    sky: tuple[Path, Path], small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--labels", sky[0], "--images", small_sky.store, "--kind", "debiased")
    more = ("--model", sky[1], *data, "--part", "valid")
    assert run("calibrate", *more, "--out", tmp_path / "c") == 0
    assert "--kind count calibrates on the votes" in capsys.readouterr().err
    model = load_model(tmp_path / "c")
    assert isinstance(model, GalaxyTreeNet)
    assert model.calibration is not None
    assert model.calibration.strength is None
    assert run("evaluate", *more) == 0
    assert "votes within" not in capsys.readouterr().out


def test_model_in_the_box_is_not_overwritten(
    sky: tuple[Path, Path], small_sky: SmallSky, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--labels", sky[0], "--images", small_sky.store, "--kind", "count")
    assert run("calibrate", *data) == 2
    assert "name a folder with --out" in capsys.readouterr().err


def test_catalogue_of_uncertainty(
    sky: tuple[Path, Path], small_sky: SmallSky, tmp_path: Path
) -> None:
    trained = sky[1]
    common = ("predict", "--images", small_sky.store, "--columns", "uncertainty", "--level", 0.5)
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    plain = tmp_path / "plain.parquet"
    assert run(*common, "--model", trained, "--out", one) == 0
    assert run(*common, "--model", trained, "--model", trained, "--out", two) == 0
    assert run("predict", "--images", small_sky.store, "--model", trained, "--out", plain) == 0
    alone, twice, expected = (pd.read_parquet(path) for path in (one, two, plain))
    for column in GZ2_KAGGLE.columns:
        np.testing.assert_allclose(alone[column], expected[column], atol=1e-6)
        assert (alone[f"{column}_low"] <= alone[f"{column}_high"]).all()
        assert (alone[f"{column}_sd"] > 0).all()
        np.testing.assert_allclose(twice[f"{column}_sd"], alone[f"{column}_sd"], rtol=1e-5)
        assert (twice[f"{column}_sd_models"] < 1e-6).all()  # one model twice: no spread
    parts = [f"{question}_information" for question in GZ2_KAGGLE.question_columns]
    np.testing.assert_allclose(alone[parts].sum(axis=1), alone["information"], rtol=1e-5)
    assert (alone["information"] > 0).all()
    assert (twice["information_models"] < 1e-6).all()
    assert "information_models" not in alone


def test_network_that_leaves_nothing_open_is_refused(
    tmp_path: Path, small_sky: SmallSky, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.parquet"
    common = ("predict", "--images", small_sky.store, "--out", out)
    assert run(*common, "--columns", "uncertainty") == 2
    assert "expected a network that gives strengths" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("calibration", [((1.0,),), ((1.0,) * 3, (2.0,) * 4)])
def test_a_network_refuses_a_calibration_of_another_number_of_questions(
    calibration: tuple[tuple[float, ...], ...],
) -> None:
    with pytest.raises(InputError, match=r"for each of the 3 questions of .*, found [14]"):
        GalaxyTreeNet("resnet10t", CHAIN, pretrained=False, calibration=Calibration(*calibration))
