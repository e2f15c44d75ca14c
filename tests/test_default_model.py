"""The model in the box: there without a network, small, and sensible on galaxies."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SmallSky, write_images

from gz2tree import (
    GZ2_KAGGLE,
    CutoutStore,
    GalaxyTreeNet,
    PredictOptions,
    evaluate,
    load_model,
    predict,
)
from gz2tree.cli import main
from gz2tree.errors import InputError
from gz2tree.labelling.labeltable import read_labels
from gz2tree.model import seen_by
from gz2tree.networks.saved import DEFAULT_MODEL
from gz2tree.networks.seenimages import read_seen_images, short_hashes, write_seen_images
from gz2tree.simulate import simulate


def test_is_small_enough_for_a_package() -> None:
    assert sum(file.stat().st_size for file in DEFAULT_MODEL.iterdir()) <= 8_000_000


def test_knows_all_answers_and_how_it_was_made() -> None:
    model = GalaxyTreeNet.from_pretrained("default")
    assert model.tree == GZ2_KAGGLE
    assert model.untrained == []
    assert model.training_record["n_train"] > 4000
    assert model.known_galaxies.n_galaxies == model.training_record["n_train"]
    assert next(model.parameters()).dtype == torch.float32
    assert isinstance(load_model("default"), GalaxyTreeNet)


def test_needs_no_network(tmp_path: Path) -> None:
    """And no folder of that name can take its place."""
    (tmp_path / "default").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", "import gz2tree; gz2tree.GalaxyTreeNet.from_pretrained('default')"],
        cwd=tmp_path,
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_predict_without_a_model_uses_it(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", ["a", "b"], side=424)
    out = tmp_path / "cat.parquet"
    assert main(["predict", "--images", str(images), "--out", str(out)]) == 0
    catalogue = pd.read_parquet(out)
    assert list(catalogue.columns) == ["GalaxyID", *GZ2_KAGGLE.columns]
    model = GalaxyTreeNet.from_pretrained("default")
    ours = predict(model, images, progress=False)
    np.testing.assert_allclose(catalogue.iloc[:, 1:], ours.iloc[:, 1:], atol=1e-6)


def test_is_better_than_the_mean_on_simulated_galaxies(tmp_path: Path) -> None:
    """It never saw one, but they are made to look like real ones."""
    sky = simulate(tmp_path, 120, seed=3, workers=1, progress=False)
    labels = read_labels(sky / "labels.csv")
    report = evaluate(predict(load_model("default"), sky / "images", progress=False), labels)
    assert report.rmse < report.mean_baseline_rmse
    assert report.max_parent_violation < 1e-6


def test_knows_its_training_images() -> None:
    seen = read_seen_images(DEFAULT_MODEL)
    assert seen is not None
    assert len(seen) == load_model("default").training_record["n_train"]


def test_what_a_model_or_a_run_has_seen(small_sky: SmallSky, tmp_path: Path) -> None:
    hashes = CutoutStore(small_sky.store).hashes.tolist()
    assert not seen_by("default", hashes).any()
    write_seen_images(tmp_path, short_hashes(hashes[:3]))
    assert np.flatnonzero(seen_by(tmp_path, hashes)).tolist() == [0, 1, 2]
    shutil.copytree(small_sky.store, tmp_path / "run" / "cutouts")
    assert seen_by(tmp_path / "run", hashes).all()
    (tmp_path / "training_images.npy").write_bytes(b"none")
    with pytest.raises(InputError, match="damaged"):
        seen_by(tmp_path, hashes)


def test_refuses_to_be_scored_on_its_training_galaxies(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, table in (
        ("kaggle_gz2", "solutions_17_columns.csv"), ("gz2_hart16", "gz2_hart16_sample.csv"),
    ):  # fmt: skip
        folder, images = shared / "data" / name, tmp_path / name
        images.mkdir()
        for image in sorted((folder / "images").iterdir())[:40]:
            (images / image.name).symlink_to(image)
        assert main(["evaluate", "--labels", str(folder / table), "--images", str(images)]) == 2
        assert "40 of 40 labelled galaxies trained this model" in capsys.readouterr().err


def test_hits_real_galaxies(shared: Path) -> None:
    """It was trained on these; a wrong crop, stride or normalisation would show all the same."""
    folder = shared / "data" / "kaggle_gz2"
    images = folder / "images"
    ids = sorted(path.stem for path in images.iterdir())[:200]
    labels = read_labels(folder / "solutions_17_columns.csv")
    labels = labels.take(np.isin(labels.ids, ids))
    model = load_model("default")
    report = evaluate(predict(model, images, positions=range(200), progress=False), labels)
    assert report.rmse < 0.09


@pytest.mark.parametrize("views", [8, 16])
def test_views_make_little_difference(views: int, tmp_path: Path) -> None:
    sky = simulate(tmp_path, 30, seed=5, workers=1, progress=False)
    model = load_model("default")
    one, many = (
        predict(model, sky / "images", PredictOptions(views=v), progress=False)  # type: ignore[arg-type]
        for v in (1, views)
    )
    difference = one.iloc[:, 1:].to_numpy() - many.iloc[:, 1:].to_numpy()
    assert np.sqrt(np.mean(np.square(difference))) < 0.06
