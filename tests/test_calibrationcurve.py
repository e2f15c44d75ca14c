"""Predictions against votes in bins, against slow means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gz2tree.calibrationcurve import calibration_curve, calibration_error


def test_calibration_is_the_weighted_mean_of_each_bin() -> None:
    rng = np.random.default_rng(0)
    predicted, voted, weight = rng.random((3, 50, 4))
    predicted[0, 0], weight[1] = 1.0, 0.0
    curve = calibration_curve(predicted, voted, weight, n_bins=5)
    assert curve["n"].sum() == (weight > 0).sum()
    assert curve["weight"].sum() == pytest.approx(weight.sum())
    for row in curve.itertuples():
        upper = predicted <= row.high if row.high == 1 else predicted < row.high
        cells = (predicted >= row.low) & upper & (weight > 0)
        assert row.n == cells.sum()
        for name, values in (("predicted", predicted), ("voted", voted)):
            expected = np.average(values[cells], weights=weight[cells])
            assert getattr(row, name) == pytest.approx(expected)


def test_empty_bins_have_no_row() -> None:
    curve = calibration_curve([0.05, 0.95], [0.0, 1.0], [1.0, 1.0])
    assert list(curve["low"]) == [0.0, 0.9]
    assert list(curve["voted_error"]) == [0.0, 0.0]


def error_of(predicted: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    return calibration_error(calibration_curve(predicted, label, weight))


class TestCalibration:
    def test_error_is_the_shift_of_each_bin(self) -> None:
        """Predictions of two bins, too high in one and too low in the other."""
        predicted = np.array([0.12, 0.18, 0.55, 0.55])
        label = np.array([0.02, 0.08, 0.65, 0.85])
        weight = np.array([1.0, 1.0, 1.0, 0.0])
        error = error_of(predicted, label, weight)
        assert error == pytest.approx((0.1 + 0.1 + 0.1) / 3)

    def test_noise_within_a_bin_is_no_error(self) -> None:
        rng = np.random.default_rng(0)
        label = rng.binomial(1, 0.35, 100_000).astype(float)
        predicted = np.full(100_000, 0.35)
        assert error_of(predicted, label, np.ones(100_000)) < 0.01

    def test_probability_of_one_has_a_bin(self) -> None:
        one = np.ones(3)
        assert error_of(one, one, one) == 0

    def test_nothing_asked_is_no_figure(self) -> None:
        nothing = np.zeros(3)
        assert math.isnan(error_of(nothing, nothing, nothing))
