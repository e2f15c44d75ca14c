"""Error and mean answer in bins of a quantity: against plain loops, and for known dependences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from conftest import random_labels
from hypothesis import given
from hypothesis import strategies as st

from gz2tree import GZ2_KAGGLE, InputError, Labels
from gz2tree.science.binned import binned_text, bootstrap_rmse, evaluate_by, quantile_bins

COLUMNS = [
    "low", "high", "n", "rmse", "rmse_low", "rmse_high", "null_rmse",
    "predicted", "predicted_error", "voted", "voted_error",
]  # fmt: skip


def sample(n: int = 90, seed: int = 0) -> tuple[pd.DataFrame, Labels, np.ndarray]:
    """Labels with holes, predictions in another order, and a quantity that is not known of all."""
    rng = np.random.default_rng(seed)
    labels = random_labels([f"0{number}" for number in range(n)], seed=seed)
    labels.cumulative[rng.random(labels.cumulative.shape) < 0.1] = np.nan
    predicted = np.nan_to_num(labels.cumulative + rng.normal(0, 0.1, labels.cumulative.shape))
    table = pd.DataFrame(predicted.clip(0, 1), columns=list(GZ2_KAGGLE.columns))
    table.insert(0, "GalaxyID", labels.ids)
    quantity = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    return table.sample(frac=1, random_state=seed), labels, quantity


@pytest.mark.parametrize("answer", [None, "merger"])
def test_figures_are_those_of_plain_loops(answer: str | None) -> None:
    predictions, labels, quantity = sample()
    binned = evaluate_by(predictions, labels, quantity, answer, n_bins=4)
    assert list(binned.columns) == COLUMNS
    place = 0 if answer is None else GZ2_KAGGLE.columns.index("Class8.6")
    of_galaxy = predictions.set_index("GalaxyID").to_numpy()
    row_of = {galaxy: row for row, galaxy in enumerate(predictions["GalaxyID"])}
    usable = sorted(
        (value, number)
        for number, value in enumerate(quantity)
        if not math.isnan(value) and not math.isnan(labels.cumulative[number, place])
    )
    assert binned["n"].sum() == len(usable)
    assert binned["n"].max() - binned["n"].min() <= 1
    for _, figures in binned.iterrows():
        inside, usable = usable[: int(figures["n"])], usable[int(figures["n"]) :]
        pairs = [
            (of_galaxy[row_of[labels.ids[number]]][column], labels.cumulative[number][column])
            for _, number in inside
            for column in range(len(GZ2_KAGGLE))
        ]
        errors = [(p - v) ** 2 for p, v in pairs if not math.isnan(v)]
        null = [(p - v) ** 2 for p, v in pairs if v == 0]
        assert (figures["low"], figures["high"]) == (inside[0][0], inside[-1][0])
        assert figures["rmse"] == pytest.approx(math.sqrt(sum(errors) / len(errors)))
        assert figures["null_rmse"] == pytest.approx(math.sqrt(sum(null) / len(null)))
        assert figures["rmse_low"] < figures["rmse"] < figures["rmse_high"]
        for name, values in (
            ("predicted", [of_galaxy[row_of[labels.ids[n]]][place] for _, n in inside]),
            ("voted", [labels.cumulative[n][place] for _, n in inside]),
        ):
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
            assert figures[name] == pytest.approx(mean)
            assert figures[f"{name}_error"] == pytest.approx(math.sqrt(variance / len(values)))


def test_error_that_grows_with_the_quantity_is_seen() -> None:
    rng = np.random.default_rng(1)
    labels = random_labels([str(number) for number in range(400)])
    quantity = np.arange(400.0)
    noise = rng.normal(size=labels.cumulative.shape) * quantity[:, None] / 2000
    predictions = pd.DataFrame((labels.cumulative + noise).clip(0, 1), columns=GZ2_KAGGLE.columns)
    predictions.insert(0, "GalaxyID", labels.ids)
    binned = evaluate_by(predictions, labels, quantity, n_bins=4)
    assert binned["rmse"].is_monotonic_increasing
    assert (binned["rmse_low"].to_numpy()[1:] > binned["rmse_high"].to_numpy()[:-1]).all()
    assert binned.equals(evaluate_by(predictions, labels, quantity, n_bins=4)), "seeded"


@given(
    st.lists(st.integers(-3, 3) | st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.integers(1, 9),
)
def test_bins_are_ordered_whole_and_equal_where_values_differ(
    values: list[float], n_bins: int
) -> None:
    bins = quantile_bins(np.array(values, dtype=float), n_bins)
    assert sorted(set(bins)) == list(range(bins.max() + 1))
    assert bins.max() < n_bins
    by_value = sorted(zip(values, bins, strict=True))
    assert [number for _, number in by_value] == sorted(bins)
    assert len({(float(value), number) for value, number in by_value}) == len({*map(float, values)})
    if len(set(values)) == len(values) >= n_bins:
        counts = np.bincount(bins, minlength=n_bins)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_flag_makes_two_bins(share: float) -> None:
    values = (np.arange(100) < 100 * share).astype(float)
    assert (quantile_bins(values, 5) == values).all()


def test_interval_holds_the_true_value_as_often_as_it_says() -> None:
    """Of 200 samples whose true RMSE is 1, some 95 % have it within their interval."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        low, high = bootstrap_rmse(rng.normal(size=(80, 3)) ** 2, 200, rng)
        inside += low <= 1 <= high
    assert 178 <= inside <= 199


def test_one_galaxy_a_bin_has_no_standard_error() -> None:
    predictions, labels, _ = sample(2)
    labels.cumulative[:, 0] = 0.5
    binned = evaluate_by(predictions, labels, [1.0, 2.0], n_bins=2)
    assert binned["n"].tolist() == [1, 1]
    assert binned["voted_error"].isna().all()
    text = binned_text(binned, "petroR50", GZ2_KAGGLE, "Class1.1")
    assert "petroR50" in text
    assert "'smooth' (Smooth, or features/disk? Class1.1)" in text
    assert "nan" not in text


def test_refused() -> None:
    predictions, labels, quantity = sample()
    with pytest.raises(InputError, match="expected 90 values"):
        evaluate_by(predictions, labels, quantity[:3])
    with pytest.raises(InputError, match=r"quantity and Class1\.1 are measured, found none"):
        evaluate_by(predictions, labels, np.full(90, np.nan))
    with pytest.raises(InputError, match="did you mean merger"):
        evaluate_by(predictions, labels, quantity, "mergr")
