"""Features of images, written, read and compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, SmallSky
from hypothesis import given
from hypothesis import strategies as st

from gz2tree import CutoutStore, GalaxyTreeNet, InputError, PredictOptions
from gz2tree.cli import main
from gz2tree.embedding import embed_to_file, nearest, read_features


@pytest.fixture(scope="module")
def model() -> GalaxyTreeNet:
    torch.manual_seed(0)
    return GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL).eval()


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_features_are_those_of_the_network(
    ending: str, model: GalaxyTreeNet, small_sky: SmallSky, tmp_path: Path
) -> None:
    store = CutoutStore(small_sky.store)
    options = PredictOptions(batch_size=16, precision="32")
    out = tmp_path / f"features.{ending}"
    assert embed_to_file(model, store, out, options, progress=False) == len(store)
    ids, features = read_features(out)
    np.testing.assert_array_equal(ids, store.ids)
    images = torch.from_numpy(np.array(store.array)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = model.features(images).numpy()
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


def test_command(model: GalaxyTreeNet, small_sky: SmallSky, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    command = ["embed", "--model", tmp_path / "model", "--images", small_sky.store,
               "--out", tmp_path / "features.parquet", "--views", 8]  # fmt: skip
    assert main(list(map(str, command))) == 0
    table = pd.read_parquet(tmp_path / "features.parquet")
    assert table.shape == (40, 1 + model.head_hidden_size)
    assert table["feature_0000"].dtype == np.float32


def test_other_tables_are_refused(small_sky: SmallSky) -> None:
    with pytest.raises(InputError, match=r"expected columns id, feature_0000, .*found GalaxyID"):
        read_features(small_sky.table)


@given(st.integers(2, 12), st.integers(1, 15), st.integers(0, 10**6))
def test_nearest_against_sorted_angles(n: int, wanted: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(n, 4))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    angles = {other: np.arccos(np.clip(unit[0] @ unit[other], -1, 1)) for other in range(1, n)}
    expected = sorted(angles, key=lambda other: angles[other])[:wanted]
    assert nearest(features, of=0, n=wanted).tolist() == expected
