"""Losses against NumPy, and what they make of cells that were not measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.special import xlog1py, xlogy
from torch import Tensor

from gz2tree.config.choices import Activation, CountLoss, FractionLoss, LossName
from gz2tree.graph import DecisionGraph
from gz2tree.losses import LOSSES
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes.likelihoods import COUNT_LOSSES


def numpy_squared_error(p: np.ndarray, t: np.ndarray) -> float:
    return float(np.nanmean((p - t) ** 2))


ORACLES: dict[FractionLoss, Callable[[np.ndarray, np.ndarray], float]] = {
    "squared_error": numpy_squared_error,
    "root_squared_error": lambda p, t: numpy_squared_error(p, t) ** 0.5,
    "cross_entropy": lambda p, t: float(np.nanmean(-xlogy(t, p))),
    "binary_cross_entropy": lambda p, t: float(np.nanmean(-xlogy(t, p) - xlog1py(1 - t, -p))),
}

every_loss = pytest.mark.parametrize("name", get_args(FractionLoss))


def batch(missing: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Predictions and targets, a share of which was not measured."""
    rng = np.random.default_rng(0)
    predicted, target = rng.uniform(0.01, 0.99, (2, 6, 37))
    target[rng.random((6, 37)) < 0.2] = 0.0
    target[rng.random((6, 37)) < missing] = np.nan
    return torch.tensor(predicted, dtype=dtype), torch.tensor(target, dtype=dtype)


def gradient(name: FractionLoss, predicted: Tensor, target: Tensor) -> Tensor:
    predicted = predicted.detach().requires_grad_()
    LOSSES[name](predicted, target).backward()
    assert predicted.grad is not None
    return predicted.grad


def test_every_loss_of_the_options_exists() -> None:
    assert set(LOSSES) == set(get_args(FractionLoss)) == set(ORACLES)
    assert set(COUNT_LOSSES) == set(get_args(CountLoss))
    assert {*LOSSES, *COUNT_LOSSES} == set(get_args(LossName))


@every_loss
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_loss_is_the_mean_over_measured_cells(name: FractionLoss, missing: float) -> None:
    predicted, target = batch(missing)
    expected = ORACLES[name](predicted.numpy(), target.numpy())
    assert LOSSES[name](predicted, target).item() == pytest.approx(expected, rel=1e-14)


@every_loss
def test_gradient_is_numerically_right(name: FractionLoss) -> None:
    predicted, target = batch(0.4)
    assert torch.autograd.gradcheck(lambda p: LOSSES[name](p, target), predicted.requires_grad_())


@every_loss
def test_cells_that_were_not_measured_contribute_exactly_nothing(name: FractionLoss) -> None:
    predicted, target = batch(0.4)
    missing = target.isnan()
    loss, slope = LOSSES[name](predicted, target), gradient(name, predicted, target)
    assert (slope[missing] == 0).all()
    alternatives = name == "cross_entropy"  # an answer that nobody gave counts for nothing
    assert (slope[~missing & ~((target == 0) & alternatives)] != 0).all()
    for other in (0.0, 0.5, 1.0):
        changed = predicted.masked_fill(missing, other)
        assert torch.equal(LOSSES[name](changed, target), loss)
        assert torch.equal(gradient(name, changed, target), slope)


@every_loss
def test_batch_without_a_measured_cell_is_zero(name: FractionLoss) -> None:
    predicted, target = batch(1.0)
    assert LOSSES[name](predicted, target).item() == 0
    assert (gradient(name, predicted, target) == 0).all()


@every_loss
def test_perfect_exact_predictions_cost_nothing(name: FractionLoss) -> None:
    target = torch.tensor([[0.0, 1.0, torch.nan]])
    predicted = torch.tensor([[0.0, 1.0, 0.5]])
    assert LOSSES[name](predicted, target).item() == 0
    assert (gradient(name, predicted, target) == 0).all()


@every_loss
@pytest.mark.parametrize("error", [1e-3, 1e-6, 1e-12])
def test_small_errors_are_not_lost(name: FractionLoss, error: float) -> None:
    zero = torch.zeros(1, 2, dtype=torch.float64)
    wrong = torch.tensor([[error, 0.0]], dtype=torch.float64)
    predicted, target = (1 - wrong, 1 - zero) if name == "cross_entropy" else (wrong, zero)
    expected = ORACLES[name](predicted.numpy(), target.numpy())
    assert LOSSES[name](predicted, target).item() == pytest.approx(
        expected,
        rel=1e-3 if name == "cross_entropy" else 1e-9,  # 1 - 1e-12 is rounded
    )
    assert gradient(name, predicted, target)[0, 0].abs() > 0


@every_loss
def test_exactly_wrong_predictions_are_finite(name: FractionLoss) -> None:
    predicted, target = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.3]])
    assert LOSSES[name](predicted, target).isfinite()
    slope = gradient(name, predicted, target)
    assert slope.isfinite().all()
    assert slope.sign().tolist() == [[-1, 0 if name == "cross_entropy" else 1, -1]]


@every_loss
@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
def test_saturated_logits_of_a_tree_are_finite(
    name: FractionLoss, activation: Activation, size: float
) -> None:
    if activation in ("entmax15", "sparsemax"):
        pytest.importorskip("entmax")
    graph = DecisionGraph(GZ2_KAGGLE, activation)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(64, 37, generator=generator).sign()
    logits = (size * signs).requires_grad_()
    # Targets that the prediction makes impossible, on purpose: those of other galaxies.
    target = graph(size * signs.roll(1, 0)).detach()
    target[torch.rand(target.shape, generator=generator) < 0.2] = torch.nan
    cumulative = graph(logits)
    if size > 1:
        assert (cumulative == 0).any()
        assert (cumulative == 1).any()
    loss = LOSSES[name](cumulative, target)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@every_loss
def test_targets_take_the_precision_of_the_predictions(name: FractionLoss) -> None:
    predicted, target = batch(0.4, torch.float32)
    assert LOSSES[name](predicted, target.double()).dtype == torch.float32
    expected = ORACLES[name](predicted.double().numpy(), target.double().numpy())
    assert LOSSES[name](predicted, target).item() == pytest.approx(expected, rel=1e-6)
