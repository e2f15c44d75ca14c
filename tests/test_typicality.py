"""How unlike the training galaxies an image is: against SciPy, its statistics, and as users ask."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, SmallSky, write_images
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import mahalanobis

from gz2tree import (
    CutoutStore,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    LabelledCutouts,
    PredictOptions,
    TrainConfig,
    fit,
    load_model,
)
from gz2tree.catalogues.catalogue import ATYPICAL, CatalogueColumns
from gz2tree.cli import main
from gz2tree.commands.typifying import fit_to_images
from gz2tree.config import CatalogueOptions
from gz2tree.networks.predictor import Embedder, Predictor
from gz2tree.networks.typicality import N_PROJECTED, Typicality, fit_typicality, signs
from gz2tree.prediction import predict_to_file
from gz2tree.store import prepare

CPU = torch.device("cpu")
HERE = PredictOptions(batch_size=16, workers=0, precision="32")


def galaxies(n: int, width: int = 80, seed: int = 0) -> torch.Tensor:
    """Correlated features that are not normal."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width, width))
    return torch.from_numpy(rng.gamma(2.0, size=(n, width)) @ mixing).float()


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def shrunk_slowly(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ledoit & Wolf (2004), equations of section 3.3, galaxy by galaxy."""
    n, p = z.shape
    x = z - z.mean(0)
    sample = sum(np.outer(row, row) for row in x) / n
    m = np.trace(sample) / p
    d2 = np.linalg.norm(sample - m * np.eye(p)) ** 2 / p
    b2 = sum(np.linalg.norm(np.outer(row, row) - sample) ** 2 / p for row in x) / n**2
    b2 = min(b2, d2)
    return np.asarray(b2 / d2 * m * np.eye(p) + (1 - b2 / d2) * sample)


class TestFit:
    @pytest.mark.parametrize("n", [30, 400])
    def test_distances_are_scipys(self, n: int) -> None:
        """Up to their unit; also of fewer galaxies than dimensions."""
        train, others = galaxies(n), galaxies(20, seed=1)
        z = train.double().numpy() @ signs(80)
        inverse = np.linalg.inv(shrunk_slowly(z))
        expected = np.array([
            mahalanobis(row, z.mean(0), inverse) for row in others.double().numpy() @ signs(80)
        ])  # fmt: skip
        ratio = fit_typicality([train]).score(others).numpy() / expected
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)

    def test_unit_is_the_distance_from_the_others(self) -> None:
        """With so many galaxies the shrinkage is that of the others: each is left out in truth."""
        train = galaxies(150, width=6)
        z = train.double().numpy() @ signs(6, N_PROJECTED)
        fitted = fit_typicality([train])
        inverse = np.linalg.inv(shrunk_slowly(z))
        unit = mahalanobis(z[0], z.mean(0), inverse) / fitted.score(train[:1]).item()
        distances = []
        for row in range(len(z)):
            rest = np.delete(z, row, axis=0)
            inverse = np.linalg.inv(shrunk_slowly(rest))
            distances.append(mahalanobis(z[row], rest.mean(0), inverse))
        assert np.quantile(distances, 0.99) / unit == pytest.approx(1, rel=0.01)
        assert np.median(distances) / unit == pytest.approx(fitted.median, rel=0.01)

    def test_one_in_a_hundred_new_galaxies_is_farther_than_1(self) -> None:
        fitted = fit_typicality([galaxies(3000)])
        score = fitted.score(galaxies(20_000, seed=1)).numpy()
        # Of 3000 galaxies the 99th percentile itself is known within a fifth.
        assert (score > 1).mean() == pytest.approx(0.01, abs=0.004)
        assert (score > fitted.median).mean() == pytest.approx(0.5, abs=0.03)
        assert (fitted.score(galaxies(50, seed=2) + 30) > 1).all()

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 59))
    def test_neither_order_nor_batches_matter(self, seed: int, cut: int) -> None:
        train, others = galaxies(60), galaxies(5, seed=1)
        order = torch.from_numpy(np.random.default_rng(seed).permutation(60))
        shuffled = train[order]
        expected = fit_typicality([train]).score(others)
        found = fit_typicality([shuffled[:cut], shuffled[cut:]]).score(others)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)

    def test_does_not_depend_on_the_scale_of_features(self) -> None:
        train, others = galaxies(60), galaxies(5, seed=1)
        expected = fit_typicality([train]).score(others)
        torch.testing.assert_close(
            fit_typicality([1000 * train]).score(1000 * others), expected, rtol=1e-4, atol=0
        )

    def test_galaxies_that_are_all_alike(self) -> None:
        score = fit_typicality([torch.ones(5, 8)]).score(torch.tensor([[1.0] * 8, [2.0] * 8]))
        assert score[0] < 1 < score[1]

    @pytest.mark.parametrize(
        ("batches", "said"),
        [
            ([], "found 0 galaxies"),
            ([torch.ones(1, 4)], "found 1 galaxies"),
            ([torch.tensor([[1.0, np.nan], [0, 1], [1, 1]])], "3 galaxies, 2 of them finite"),
        ],
    )
    def test_refusals(self, batches: list[torch.Tensor], said: str) -> None:
        with pytest.raises(InputError, match=said):
            fit_typicality(batches)


class TestSigns:
    def test_are_the_same_on_every_machine(self) -> None:
        assert (signs(4, 8) * 2 > 0).astype(int).tolist()[:2] == FIRST_SIGNS

    def test_keep_distances(self) -> None:
        """On average; within a fifth or so for 64 projections."""
        points = np.random.default_rng(0).standard_normal((200, 1024))
        projected = points @ signs(1024) * np.sqrt(1024 / N_PROJECTED)
        ratio = np.linalg.norm(projected[1:] - projected[:-1], axis=1) / np.linalg.norm(
            points[1:] - points[:-1], axis=1
        )
        assert ratio.mean() == pytest.approx(1, abs=0.02)
        assert ratio.std() < 0.15


FIRST_SIGNS = [[0, 1, 0, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0, 1, 0]]


class TestSaved:
    def test_round_trip_in_a_few_kilobytes(self) -> None:
        fitted = fit_typicality([galaxies(200, width=2048)])
        text = json.dumps(fitted.to_dict())
        assert len(text) < 13_000
        again = Typicality.from_dict(json.loads(text), 2048)
        others = galaxies(5, width=2048, seed=1)
        assert torch.equal(again.score(others), fitted.score(others))
        assert (again.n_galaxies, again.median) == (200, fitted.median)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"mean": None}, "incomplete or damaged"),
            ({"mean": "!"}, "incomplete or damaged"),
            ({"whitening": "AACAPw=="}, "incomplete or damaged"),
            ({"mean": "AADAfw=="}, "incomplete or damaged"),
            ({"n_features": 7}, "expected that of 8 features, found 7"),
        ],
    )
    def test_damaged(self, change: dict[str, Any], said: str) -> None:
        named = fit_typicality([galaxies(10, width=8)]).to_dict() | change
        with pytest.raises(InputError, match=said):
            Typicality.from_dict(named, 8)

    def test_values_that_are_not_finite(self) -> None:
        with pytest.raises(InputError, match="not finite"):
            Typicality(8, 9, np.full(2, np.nan, np.float32), np.eye(2, dtype=np.float32), 0.5)


@pytest.fixture(scope="module")
def models(small_sky: SmallSky, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model that was saved before there was such a thing, and the same with it."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    model = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL).eval()
    model.save_pretrained(folder / "older")
    config = json.loads((folder / "older" / "config.json").read_text())
    del config["typicality"]
    (folder / "older" / "config.json").write_text(json.dumps(config))
    command = ("typical", "--model", folder / "older", "--images", small_sky.store)
    assert run(*command, "--out", folder / "new") == 0
    return folder / "older", folder / "new"


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty images: noise as of the small sky, and three that are black."""
    folder = tmp_path_factory.mktemp("blank")
    write_images(folder, [str(n) for n in range(37)], seed=1)
    for n in range(3):
        Image.new("RGB", (40, 40)).save(folder / f"black{n}.png")
    return folder


class TestCommands:
    def test_typical_changes_nothing_else(
        self, models: tuple[Path, Path], small_sky: SmallSky
    ) -> None:
        older, new = (load_model(folder) for folder in models)
        assert older.typicality is None
        assert new.typicality is not None
        assert new.typicality.n_galaxies == 40
        for name, value in older.state_dict().items():
            assert torch.equal(value, new.state_dict()[name])
        assert {**new.config(), "typicality": None} == older.config()

    def test_in_place(self, models: tuple[Path, Path], small_sky: SmallSky, tmp_path: Path) -> None:
        older = load_model(models[0])
        older.save_pretrained(tmp_path / "m")
        weights = (tmp_path / "m" / "model.safetensors").read_bytes()
        assert run("typical", "--model", tmp_path / "m", "--images", small_sky.store) == 0
        assert (tmp_path / "m" / "model.safetensors").read_bytes() == weights
        found, expected = load_model(tmp_path / "m").typicality, load_model(models[1]).typicality
        assert found is not None
        assert expected is not None
        assert found.to_dict() == expected.to_dict()

    def test_predict_writes_the_column_and_warns(
        self,
        models: tuple[Path, Path],
        blank: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        common = ("predict", "--model", models[1], "--images", blank, "--out")
        assert run(*common, tmp_path / "plain.parquet") == 0
        assert "unlike" not in capsys.readouterr().err
        out = tmp_path / "cat.parquet"
        assert run(*common, out, "--columns", "conditional", "atypical") == 0
        said = capsys.readouterr().err
        assert "of 40 images are unlike the galaxies that trained the model" in said
        assert "where 0 would be expected" in said
        table = pd.read_parquet(out).set_index("GalaxyID")
        assert table.columns[-1] == ATYPICAL
        assert table.columns[0] == "Class1.1_conditional"
        assert table[ATYPICAL].dtype == np.float32
        dark = table.index.str.startswith("black")
        assert (table.loc[dark, ATYPICAL] > 1).all()
        assert table.loc[~dark, ATYPICAL].max() < table.loc[dark, ATYPICAL].min()
        alone = tmp_path / "alone.csv"
        assert run(*common, alone, "--columns", "atypical") == 0
        columns = pd.read_parquet(tmp_path / "plain.parquet").columns
        assert pd.read_csv(alone).columns.tolist() == [*columns, ATYPICAL]

    def test_shards_say_the_same(
        self,
        models: tuple[Path, Path],
        blank: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        common = ("predict", "--model", models[1], "--images", blank, "--columns", "atypical")
        assert run(*common, "--out", tmp_path / "one.parquet") == 0
        one = capsys.readouterr().err
        shards = ("--workers", 0, "--galaxies-per-shard", 16)
        assert run(*common, "--out", tmp_path / "many", *shards) == 0
        many = capsys.readouterr().err
        for said in (one, many):
            assert [line for line in said.splitlines() if "trained the model" in line]
        warned = [[w for w in said.splitlines() if "warning: " in w] for said in (one, many)]
        assert warned[0] == warned[1]
        tables = [pd.read_parquet(tmp_path / name) for name in ("one.parquet", "many")]
        scores = [table.set_index("GalaxyID")[ATYPICAL].sort_index() for table in tables]
        pd.testing.assert_series_equal(*scores, rtol=1e-4)
        assert run(*common[:-1], "cumulative", "--out", tmp_path / "many", *shards) == 2
        assert "atypical" in capsys.readouterr().err

    def test_galaxies_like_those_of_the_training_are_no_reason_to_warn(
        self,
        models: tuple[Path, Path],
        small_sky: SmallSky,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        common = ("predict", "--model", models[1], "--images", small_sky.store)
        assert run(*common, "--out", tmp_path / "c.csv", "--columns", "atypical") == 0
        assert "trained the model" not in capsys.readouterr().err

    def test_older_model_is_refused(
        self,
        models: tuple[Path, Path],
        small_sky: SmallSky,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        common = ("predict", "--images", small_sky.store, "--out", tmp_path / "x.csv")
        both = ("--model", models[1], "--model", models[0])
        assert run(*common, *both, "--columns", "atypical") == 2
        assert "gz2tree typical fits that" in capsys.readouterr().err
        assert run(*common, "--model", models[1], "--columns", "reach", "conditional") == 2
        assert "expected one of cumulative, conditional" in capsys.readouterr().err
        assert not (tmp_path / "x.csv").exists()

    def test_model_in_the_box_is_not_overwritten(
        self, small_sky: SmallSky, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("typical", "--images", small_sky.store) == 2
        assert "name a folder with --out" in capsys.readouterr().err

    def test_several_views_are_refused(
        self,
        models: tuple[Path, Path],
        small_sky: SmallSky,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        common = ("typical", "--model", models[0], "--images", small_sky.store, "--views", 8)
        assert run(*common) == 2
        assert "expected one view, found 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("far", "above", "n", "said"),
    [
        (1, 1, 1, ["1 of 1 images are unlike"]),
        (12, 400, 800, []),
        (20, 400, 800, ["20 of 800 images are unlike"]),
        (1_100, 50_000, 100_000, []),  # more than chance has it, but not by much
        (8, 800, 800, ["800 of 800 images are farther"]),
        (8, 600, 800, []),
        (0, 3, 3, []),
        (40, 700, 800, ["40 of 800 images are unlike", "700 of 800 images are farther"]),
    ],
)
def test_warnings_are_of_many(
    far: int,
    above: int,
    n: int,
    said: list[str],
    models: tuple[Path, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    columns = CatalogueColumns(
        [load_model(models[1])], PredictOptions(), CatalogueOptions(atypical=True)
    )
    score = np.full(n, columns.median / 2)
    score[:above] = (columns.median + 1) / 2
    score[:far] = 1.5
    counts = columns.counts(pd.DataFrame({ATYPICAL: score}))
    with caplog.at_level(logging.WARNING, logger="gz2tree"):
        columns.log(counts, n)
    assert len(caplog.messages) == len(said)
    for message, expected in zip(caplog.messages, said, strict=True):
        assert message.replace(",", "").startswith(expected)


def test_score_is_that_of_the_features_in_one_look(
    models: tuple[Path, Path], small_sky: SmallSky
) -> None:
    """Also of several views: the first is judged by. And the answers are as without."""
    model = load_model(models[1])
    cutouts = torch.from_numpy(np.array(CutoutStore(small_sky.store).array))
    features = Embedder(model, CPU, HERE)(cutouts)
    expected = model.known_galaxies.score(features)
    for views in (1, 8):
        options = PredictOptions(views=views, precision="32")  # type: ignore[arg-type]
        said = Predictor(model, CPU, options, atypical=True)(cutouts)
        torch.testing.assert_close(said.atypical, expected, rtol=1e-4, atol=1e-5)
        without = Predictor(model, CPU, options)(cutouts)
        assert torch.equal(said.cumulative, without.cumulative)
        assert without.atypical is None


def test_several_networks_are_averaged(
    models: tuple[Path, Path], small_sky: SmallSky, tmp_path: Path
) -> None:
    store = CutoutStore(small_sky.store)
    one = load_model(models[1])
    torch.manual_seed(1)
    other = FlatNet("resnet10t", pretrained=False, cutouts=SMALL).eval()
    other.typicality = fit_to_images(other, store, np.arange(40), HERE, progress=False)
    scores = []
    for number, these in enumerate(([one], [other], [one, other])):
        out = tmp_path / f"{number}.parquet"
        predict_to_file(these, store, out, HERE, CatalogueOptions(atypical=True), progress=False)
        scores.append(pd.read_parquet(out)[ATYPICAL].to_numpy())
    np.testing.assert_allclose(scores[2], (scores[0] + scores[1]) / 2, rtol=1e-5)


def test_training_fits_its_own_galaxies(
    small_galaxies: LabelledCutouts, small_sky: SmallSky, tmp_path: Path
) -> None:
    """Those of the training part, with the weights of the best epoch."""
    model = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)
    config = TrainConfig(epochs=1, batch_size=8, precision="32")
    train, valid = small_galaxies.take(range(24)), small_galaxies.take(range(24, 40))
    fit(model, train, valid, config, out=tmp_path / "run", progress=False)
    saved = load_model(tmp_path / "run")
    assert saved.typicality is not None
    assert model.typicality is not None
    assert model.typicality.to_dict() == saved.typicality.to_dict()
    store = CutoutStore(small_sky.store)
    rows = store.rows(train.labels.ids)
    expected = fit_to_images(saved, store, rows, HERE, progress=False)
    features = Embedder(saved, CPU, HERE)(torch.from_numpy(np.array(store.array)))
    torch.testing.assert_close(
        saved.typicality.score(features), expected.score(features), rtol=1e-3, atol=1e-4
    )


def test_command_takes_the_training_part_of_a_run(
    small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("train", "--labels", small_sky.table, "--images", small_sky.store, "--out")
    few = ("--backbone", "resnet10t", "--pretrained", "false", "--epochs", 1, "--batch-size", 8,
           "--test-fraction", 0.5)  # fmt: skip
    assert run(*command, tmp_path / "run", *few) == 0
    capsys.readouterr()
    before = load_model(tmp_path / "run").known_galaxies
    common = ("typical", "--model", tmp_path / "run", "--images")
    assert run(*common, small_sky.store) == 0
    assert f"fitted on {before.n_galaxies} galaxies" in capsys.readouterr().out
    strangers = write_images(tmp_path / "others", ["x", "y"])
    prepare(strangers, tmp_path / "store", SMALL, workers=0, progress=False)
    assert run(*common, tmp_path / "store") == 2
    assert "expected images of galaxies that trained the model" in capsys.readouterr().err


def test_features_of_few_directions_can_be_fitted() -> None:
    """Covariance of which no inverse exists, as of images that differ in brightness alone."""
    brightness = torch.linspace(0, 1, 64)[:, None]
    direction = torch.arange(1.0, 97.0)[None, :]
    fitted = fit_typicality([brightness * direction])
    score = fitted.score(brightness * direction)
    assert score.isfinite().all()
    assert score.max() < 2
    assert fitted.score(-3 * direction) > 2
