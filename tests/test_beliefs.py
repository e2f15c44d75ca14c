"""Several networks together: means, spread apart from what each leaves open, refusals."""

from __future__ import annotations

from dataclasses import replace
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
    DecisionTree,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    PredictOptions,
    predict,
)
from gz2tree.catalogues.sharded_prediction import predict_to_folder
from gz2tree.catalogues.uncertainty import mixture_of
from gz2tree.config import CatalogueOptions, ShardOptions
from gz2tree.networks.predictor import Prediction
from gz2tree.prediction import predict_batches, predict_to_file
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
    catalogue = CatalogueOptions("uncertainty", **more)  # type: ignore[arg-type]
    predict_to_file(models, store, path, options, catalogue, progress=False)  # type: ignore[arg-type]
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


def test_gate_leaves_the_uncertainty_of_the_networks_as_it_is(
    store: CutoutStore, tmp_path: Path
) -> None:
    """Answers are those of a gated prediction; how uncertain they are, is not gated."""
    model, gated = net(0, dirichlet=True), replace(HERE, gate=0.1)
    flags = ("smooth=0.2",)
    table = uncertain(model, store, tmp_path / "x.parquet", options=gated, flags=flags)
    plain = predict(model, store, gated, progress=False)
    answers = list(GZ2_KAGGLE.columns)
    pd.testing.assert_frame_equal(table[answers], plain[answers])
    assert (plain[answers] == 0).to_numpy().any()
    assert (table["flag_smooth"] == (plain["Class1.1"] >= 0.2)).all()
    ungated = uncertain(model, store, tmp_path / "ungated.parquet")
    rest = [column for column in ungated if column not in answers]
    pd.testing.assert_frame_equal(table[rest], ungated[rest])


def test_strengths_are_averaged_over_views(store: CutoutStore) -> None:
    model = net(0, dirichlet=True)
    single, many = (
        [of_batch.strength for _, (of_batch,) in predict_batches([model], store, options)]
        for options in (HERE, replace(HERE, views=8))
    )
    assert single[0] is not None
    assert many[0] is not None
    assert not torch.equal(single[0], many[0])


@pytest.mark.parametrize("tree", [GZ2, GZ2_KAGGLE], ids=lambda tree: tree.name)
def test_gate_is_kept_by_the_mean_of_several_models(
    tree: DecisionTree, store: CutoutStore, tmp_path: Path
) -> None:
    """And the sums of the tree hold afterwards; in Python, in a table and in shards."""
    models, gate = [net(0, tree=tree), net(1, tree=tree)], 0.1
    options = replace(HERE, gate=gate)
    gated = predict(models, store, options, progress=False)
    values = gated[list(tree.columns)].to_numpy()
    whole = predict(models, store, HERE, progress=False)
    ungated = whole[list(tree.columns)].to_numpy(copy=True)
    assert (ungated > 0).all()
    each = [predict(m, store, options, progress=False)[list(tree.columns)] for m in models]
    assert ((np.mean(each, 0) > 0) & (np.mean(each, 0) < gate)).any()  # why it has to come last
    best = np.zeros_like(values, dtype=bool)
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        of_question = ungated[:, answers]
        best[:, answers] = of_question == of_question.max(1, keepdims=True)
        reach = values[:, list(parents)].sum(1) if parents else 1.0
        np.testing.assert_allclose(values[:, answers].sum(1), reach, rtol=0, atol=1e-6)
    # A question that is reached keeps its most probable answer, however improbable.
    assert (values[(ungated < gate) & ~best] == 0).all()
    expected = DecisionGraph(tree).gate(torch.from_numpy(ungated), gate).numpy()
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)
    predict_to_file(models, store, tmp_path / "x.parquet", options, progress=False)
    shards = ShardOptions(accelerator="cpu")
    in_shards = replace(options, device=None)
    predict_to_folder(models, [store.path], tmp_path / "x", in_shards, shards, progress=False)
    for written in (tmp_path / "x.parquet", tmp_path / "x"):
        pd.testing.assert_frame_equal(pd.read_parquet(written), gated, rtol=0, atol=1e-6)


def test_gate_of_a_mean_with_a_flat_network_is_a_threshold(store: CutoutStore) -> None:
    models = [net(0), FlatNet("resnet10t", pretrained=False, cutouts=SMALL).eval()]
    columns = list(GZ2_KAGGLE.columns)
    ungated = predict(models, store, HERE, progress=False)[columns].to_numpy()
    gated = predict(models, store, replace(HERE, gate=0.3), progress=False)[columns].to_numpy()
    assert 0 < (ungated < 0.3).mean() < 1
    np.testing.assert_array_equal(gated, np.where(ungated < 0.3, 0, ungated))


def test_mixture_has_the_means_of_the_networks() -> None:
    graph = DecisionGraph(GZ2)
    cumulative = graph(torch.randn(5, 37, generator=torch.Generator().manual_seed(0)))
    mixture = mixture_of(
        graph, [Prediction(cumulative, torch.full((5, 11), 9.0)), Prediction(cumulative)]
    )
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
