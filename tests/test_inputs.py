"""What commands are given: a run found by its name, options that would do nothing refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SMALL, Run, SmallSky

from gz2tree import FlatNet
from gz2tree.commands import models, preparing
from gz2tree.images.given import GivenImages
from gz2tree.runs.run import RunDirectory


@pytest.fixture
def trained(tmp_path: Path) -> RunDirectory:
    """A run directory with a model in it."""
    run = RunDirectory.open(tmp_path / "run", {}, resume=False)
    FlatNet("resnet10t", pretrained=False, cutouts=SMALL).save_pretrained(run.model)
    return run


def test_a_run_is_found_by_its_name_and_by_its_models(trained: RunDirectory) -> None:
    for name in (trained.path, trained.model):
        found = models.find_run(str(name))
        assert found is not None
        assert found.path.resolve() == trained.path.resolve()
        assert models.find_model(str(name))[1] is not None
    FlatNet("resnet10t", pretrained=False, cutouts=SMALL).save_pretrained(trained.path / "other")
    for name in ("default", str(trained.path / "other"), str(trained.path.parent)):
        assert models.find_run(name) is None


def test_a_model_is_stored_in_its_run_without_being_loaded_again(
    trained: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = models.find_model(str(trained.path))
    monkeypatch.setattr(models, "load_model", None)
    model.kind = "count"
    assert models.store_model(model, str(trained.path), None) == trained.model
    monkeypatch.undo()
    assert models.find_model(str(trained.path))[0].kind == "count"


def test_whether_images_are_a_store_is_known_without_listing_them(
    small_sky: SmallSky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gz2tree.store.ImageFiles", None)
    for images in (small_sky.images, small_sky.store):
        cutouts = preparing.wanted_cutouts(images, 40, 32, GivenImages())
        assert cutouts is not None
        assert (cutouts.crop, cutouts.size) == (40, 32)


@pytest.mark.parametrize("command", ["embed", "typical"])
def test_a_gate_of_features_is_refused(
    command: str, run: Run, small_sky: SmallSky, tmp_path: Path
) -> None:
    out = tmp_path / ("f.csv" if command == "embed" else "model")
    said = run(command, "--images", small_sky.images, "--out", out, "--gate", 0.1)
    said.refused("gate: expected none: features are no probabilities, found 0.1")
    assert not out.exists()


def test_a_model_beside_predictions_is_refused(run: Run, tmp_path: Path) -> None:
    given = ("--predictions", tmp_path / "p.csv", "--model", "default")
    message = "expected a model or predictions, found both --model and --predictions"
    run("plot", "scatter", "--out", tmp_path / "f.png", *given).refused(message)
    more = ("--images", tmp_path, "--out", tmp_path / "page")
    run("report", "--predictions", tmp_path / "p.csv", "--model", "default", *more).refused(message)


def test_options_that_do_not_apply_to_a_network_are_refused(
    run: Run, small_sky: SmallSky, tmp_path: Path
) -> None:
    train = ("train", "--labels", small_sky.table, "--images", small_sky.store)
    said = run(*train, "--out", tmp_path / "r", "--model", "flat", "--pooling", "attention")
    said.refused("pooling: expected none with model flat, on which it has no effect")
    assert not (tmp_path / "r").exists()
