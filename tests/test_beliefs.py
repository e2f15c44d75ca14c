"""Several networks together: means, spread apart from what each leaves open, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import SMALL, SmallSky
from torch import nn

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutOptions,
    CutoutStore,
    DecisionGraph,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    PredictOptions,
    predict,
)
from gz2tree.catalogues.flags import read_flags
from gz2tree.prediction import predict_batches, predict_to_file
from gz2tree.votes.beliefs import mixture_of
from gz2tree.votes.calibration import Calibration

HERE = PredictOptions(workers=0, precision="32", device="cpu", batch_size=7)


def net(seed: int, **options: object) -> GalaxyTreeNet:
    torch.manual_seed(seed)
    model = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL, **options)  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        if name.startswith(("heads.", "strengths.")):
            nn.init.normal_(parameter)
    return model.eval()


@pytest.fixture
def store(small_sky: SmallSky) -> CutoutStore:
    return CutoutStore(small_sky.store)


def uncertain(models: object, store: CutoutStore, path: Path, **more: object) -> pd.DataFrame:
    options = more.pop("options", HERE)
    predict_to_file(
        models, store, path, options, columns="uncertainty", progress=False, **more  # type: ignore[arg-type]
    )  # fmt: skip
    return pd.read_parquet(path)


def test_several_models_predict_their_mean(store: CutoutStore) -> None:
    models = [net(0), net(1), FlatNet("resnet10t", pretrained=False, cutouts=SMALL).eval()]
    each = [predict(m, store, HERE, progress=False) for m in models]
    together = predict(models, store, HERE, progress=False)
    columns = list(GZ2_KAGGLE.columns)
    np.testing.assert_allclose(together[columns], np.mean([e[columns] for e in each], 0), atol=1e-6)
    pd.testing.assert_series_equal(together["GalaxyID"], each[0]["GalaxyID"])


def test_spread_between_models_is_apart(store: CutoutStore, tmp_path: Path) -> None:
    models = [net(seed, dirichlet=True) for seed in range(3)]
    each = [uncertain(m, store, tmp_path / "one.parquet") for m in models]
    together = uncertain(models, store, tmp_path / "all.parquet", level=0.5)
    for column in GZ2_KAGGLE.columns:
        means = np.array([e[column] for e in each])
        within = np.mean([e[f"{column}_sd"] ** 2 for e in each], 0)
        np.testing.assert_allclose(together[column], means.mean(0), atol=1e-6)
        between = together[f"{column}_sd_models"]
        np.testing.assert_allclose(between, means.std(0), atol=1e-6)
        np.testing.assert_allclose(together[f"{column}_sd"] ** 2, within + between**2, atol=1e-6)
    assert (together["information_models"] <= together["information"] + 1e-6).all()
    assert (together["information_models"] > 0).all()
    metadata = pq.read_schema(tmp_path / "all.parquet").metadata
    assert metadata[b"level"] == b"0.5"


def test_models_without_strengths_differ_by_their_spread_alone(
    store: CutoutStore, tmp_path: Path
) -> None:
    table = uncertain([net(0), net(1)], store, tmp_path / "x.parquet")
    for column in GZ2_KAGGLE.columns:
        np.testing.assert_allclose(table[f"{column}_sd"], table[f"{column}_sd_models"], atol=1e-6)
    np.testing.assert_allclose(table["information"], table["information_models"], atol=1e-5)


def test_calibration_gives_strengths_to_a_network_without(
    store: CutoutStore, tmp_path: Path
) -> None:
    numbers = tuple(float(n) for n in range(2, 13))
    model = net(0, calibration=Calibration((1.0,) * 11, numbers))
    table = uncertain(model, store, tmp_path / "x.parquet")
    p = table["Class1.1"].to_numpy(np.float64)
    np.testing.assert_allclose(table["Class1.1_sd"], np.sqrt(p * (1 - p) / 3), rtol=1e-4)


def test_views_are_averaged_and_the_gate_is_kept(store: CutoutStore, tmp_path: Path) -> None:
    model = net(0, dirichlet=True)
    options = PredictOptions(
        views=8, gate=0.1, workers=0, precision="32", device="cpu", batch_size=7
    )
    flags = read_flags(["smooth=0.2"], GZ2_KAGGLE)
    table = uncertain(model, store, tmp_path / "x.parquet", options=options, flags=flags)
    plain = predict(model, store, options, progress=False)
    gone = 0
    for column in GZ2_KAGGLE.columns:
        np.testing.assert_allclose(table[column], plain[column], atol=1e-6)
        zero = plain[column] == 0
        gone += zero.sum()
        assert (table.loc[zero, [f"{column}_sd", f"{column}_high"]] == 0).to_numpy().all()
    assert gone
    assert (table["flag_smooth"] == (plain["Class1.1"] >= 0.2)).all()
    single = [outputs[0][1] for _, outputs in predict_batches([model], store, HERE, progress=False)]
    many = [
        outputs[0][1] for _, outputs in predict_batches([model], store, options, progress=False)
    ]
    assert single[0] is not None
    assert many[0] is not None
    assert not torch.equal(single[0], many[0])


def test_mixture_has_the_means_of_the_networks() -> None:
    graph = DecisionGraph(GZ2)
    cumulative = graph(torch.randn(5, 37, generator=torch.Generator().manual_seed(0)))
    mixture = mixture_of(graph, [(cumulative, torch.full((5, 11), 9.0)), (cumulative, None)])
    np.testing.assert_allclose(mixture.mean, cumulative, atol=1e-6)
    assert (mixture.members[1].variance < 1e-12).all()


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], "expected a model to predict with, found none"),
        ([0, GalaxyTreeNet("resnet10t", GZ2, pretrained=False, cutouts=SMALL)], "one tree, found"),
        (
            [0, GalaxyTreeNet("resnet10t", pretrained=False, cutouts=CutoutOptions(40, 16))],
            "one crop and size of cutouts, found",
        ),
    ],
)
def test_models_that_cannot_predict_together_are_refused(
    others: list[object], said: str, store: CutoutStore
) -> None:
    models = [net(0) if other == 0 else other for other in others]
    with pytest.raises(InputError, match=said):
        predict(models, store, HERE, progress=False)  # type: ignore[arg-type]


def test_flat_network_leaves_nothing_open(store: CutoutStore, tmp_path: Path) -> None:
    flat = FlatNet("resnet10t", pretrained=False, cutouts=SMALL)
    with pytest.raises(InputError, match="this FlatNet has no uncertainty"):
        uncertain([net(0, dirichlet=True), flat], store, tmp_path / "x.parquet")


def test_impossible_level_leaves_no_file(store: CutoutStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="level: expected a probability"):
        uncertain(net(0, dirichlet=True), store, tmp_path / "x.parquet", level=1.5)
    assert not list(tmp_path.iterdir())
