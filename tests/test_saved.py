"""What earlier versions saved is read by this one, and says the same; see make_saved.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from make_saved import OPTIONS, SAVED, answers

from gz2tree import DecisionTree, Question, __version__, load_model
from gz2tree.cli import build_parser
from gz2tree.cli.parsing import with_underscores
from gz2tree.networks.finetuning import adapt
from gz2tree.networks.saved import shown_name

VERSIONS = sorted(folder for folder in SAVED.iterdir() if folder.is_dir())


def test_this_version_has_saved_something() -> None:
    assert __version__ in [folder.name for folder in VERSIONS]


@pytest.mark.parametrize("saved", VERSIONS, ids=lambda folder: folder.name)
def test_models_say_what_they_said(saved: Path) -> None:
    model = load_model(saved / "model")
    expected = json.loads((saved / "expected.json").read_text())
    for name, values in answers(model).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-3, atol=1e-5)
    assert model.known_galaxies.n_galaxies == model.training_record["n_train"]


@pytest.mark.parametrize("saved", VERSIONS, ids=lambda folder: folder.name)
def test_models_can_be_finetuned(saved: Path) -> None:
    rings = DecisionTree("rings", [Question("ring", ["ringed", "ringless"])])
    assert adapt(load_model(saved / "model"), rings).tree == rings


@pytest.mark.parametrize("saved", VERSIONS, ids=lambda folder: folder.name)
def test_files_of_options_are_understood(saved: Path) -> None:
    options, now = (
        build_parser(given).parse_args(given).train
        for arguments in (["--config", str(saved / "train.yaml")], OPTIONS)
        for given in [["train", *map(with_underscores, arguments)]]
    )
    assert options.epochs == now.epochs == 7
    assert options.augment.zoom == now.augment.zoom == 0.1
    assert options.model == now.model
    assert options.test_fraction == now.test_fraction == 0.25


def test_a_model_is_shown_by_the_name_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its whole name if there is a dot in it, and a name if it is the folder one is in."""
    folder = tmp_path / "lr.001"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert shown_name(".") == shown_name(folder) == "lr.001"
    (folder / "catalogue.csv").touch()
    assert shown_name("catalogue.csv") == "catalogue"
    assert shown_name("default") == "default"
