"""Regression: numbers to labels and back, and a network that learns one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gz2tree import (
    DecisionTree,
    GalaxyTreeNet,
    InputError,
    LabelledCutouts,
    Question,
    TrainConfig,
    fit,
    load_model,
    predict,
    prepare,
)
from gz2tree.labelling.regression import Quantity
from gz2tree.networks.finetuning import adapt

FINITE = st.floats(-1e6, 1e6)


@given(st.lists(FINITE, min_size=2, max_size=6, unique=True))
def test_values_come_back(values: list[float]) -> None:
    quantity = Quantity("x", min(values), max(values))
    labels = quantity.labels([str(n) for n in range(len(values))], values)
    table = pd.DataFrame(labels.cumulative, columns=list(quantity.tree.columns))
    np.testing.assert_allclose(quantity.values(table), values, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(labels.cumulative.sum(1), 1)
    assert Quantity.of(DecisionTree.from_dict(quantity.tree.to_dict())) == quantity


def test_what_is_not_measured_stays_so() -> None:
    labels = Quantity("x", 0, 1).labels(["a", "b"], [np.nan, 0.25])
    np.testing.assert_array_equal(labels.measured, [[False, False], [True, True]])


def test_refusals_name_the_offenders() -> None:
    with pytest.raises(InputError, match="expected a lower and a higher end, found 2 and 1"):
        Quantity("x", 2, 1)
    with pytest.raises(InputError, match=r"expected values from 0 to 1, found 3 \(b\)"):
        Quantity("x", 0, 1).labels(["a", "b"], [0.5, 3])
    with pytest.raises(InputError, match="as many values as ids, found 1 and 2"):
        Quantity("x", 0, 1).labels(["a", "b"], [0.5])
    with pytest.raises(InputError, match="expected a quantity"):
        Quantity.of(DecisionTree("rings", [Question("ring", ["yes", "no"])]))


def test_a_trained_network_learns_a_brightness(tmp_path: Path) -> None:
    """Down to a fifth of the spread, and the saved network still knows the range."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    magnitudes = rng.uniform(14.0, 18.0, 96)
    for number, magnitude in enumerate(magnitudes):
        level = 230 - 50 * (magnitude - 14)
        noisy = rng.normal(level, 8, (40, 40, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(images / f"{number:03}.png")
    store = prepare(images, tmp_path / "store", SMALL, progress=False)
    quantity = Quantity("r_magnitude", 13.5, 18.5)
    galaxies = LabelledCutouts(store, quantity.labels(store.ids, magnitudes))
    torch.manual_seed(0)
    model = adapt(GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL), quantity.tree)
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=3e-3)
    fit(model, galaxies.take(np.arange(72)), config=config, out=tmp_path / "run", progress=False)

    again = load_model(tmp_path / "run")
    found = Quantity.of(again.tree).values(predict(again, store, progress=False))
    error = np.sqrt(np.mean((found[72:] - magnitudes[72:]) ** 2))
    assert error < 0.2 * magnitudes.std() + 0.05


# refused


def test_a_tree_whose_labels_are_no_numbers_is_no_quantity() -> None:
    tree = DecisionTree("x", [Question("x", ["highest", "lowest"])])
    with pytest.raises(InputError, match="tree x: expected a quantity, whose answers' labels are"):
        Quantity.of(tree)


def test_predictions_of_something_else_are_refused() -> None:
    with pytest.raises(InputError, match="expected column x_highest, found 'id', 'y_highest'"):
        Quantity("x", 0, 1).values(pd.DataFrame({"id": ["1"], "y_highest": [0.5]}))


def test_ids_of_other_types_become_text() -> None:
    labels = Quantity("x", 0, 1).labels([2**53 + 1, 7], [0.5, 0.25])
    assert labels.ids.tolist() == ["9007199254740993", "7"]
    assert labels.digest() == Quantity("x", 0, 1).labels(labels.ids, [0.5, 0.25]).digest()
