"""Losses between predicted and voted probabilities: pure functions.

Losses on votes are in `gz2tree.votes.likelihoods`. Every loss here has the same contract:

Parameters
----------
cumulative : Tensor, shape (N, n_answers), in [0, 1]
    Predicted cumulative probabilities.
target : Tensor, shape (N, n_answers), in [0, 1]
    Voted ones, NaN where not measured. Such a cell contributes exactly 0 to the loss and to its
    gradient.

Returns
-------
loss : Tensor, scalar
    A mean over the measured cells of the batch; 0 if there are none.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from gz2tree.config.choices import FractionLoss


def squared_error(cumulative: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return _mean_of_measured(lambda p, t: (p - t).square(), cumulative, target)


def root_squared_error(cumulative: Tensor, target: Tensor) -> Tensor:
    """Root of the mean squared error of a batch: Kaggle's score, and the student paper's loss.

    See docs/glossary.md for which paper that is.
    """
    mean = squared_error(cumulative, target)
    # The slope of the root is infinite at 0: a perfect batch would give NaN.
    wrong = mean > 0
    return torch.where(wrong, torch.where(wrong, mean, 1.0).sqrt(), 0.0)


def binary_cross_entropy(cumulative: Tensor, target: Tensor) -> Tensor:
    """Mean of -t log p - (1 - t) log(1 - p), every answer a yes or no of its own.

    Logarithms are cut off at -100, as in ``torch.nn.BCELoss``, so that probabilities of exactly 0
    and 1 give a finite loss and gradient.
    """
    return _mean_of_measured(
        lambda p, t: F.binary_cross_entropy(p, t, reduction="none"), cumulative, target
    )


def cross_entropy(cumulative: Tensor, target: Tensor) -> Tensor:
    """Mean of -t log p: answers of a question as alternatives, each question weighted by reach.

    With the reach of every question given by the votes, as `fit` does it, this is, up to a
    constant, the cross-entropy of the conditional answers weighted by reach. With the network's own
    reach it is biased: an answer counts for itself and again for each question after it. Only for
    networks whose answers sum to their reach: raising all sigmoids of a flat one would lower it.
    Answers that nobody gave cost nothing by themselves.
    """
    # As `binary_cross_entropy` of 1: finite, loss and gradient, where p is exactly 0.
    return _mean_of_measured(
        lambda p, t: t * F.binary_cross_entropy(p, torch.ones_like(p), reduction="none"),
        cumulative,
        target,
    )


LOSSES: dict[FractionLoss, Callable[..., Tensor]] = {
    "squared_error": squared_error,
    "root_squared_error": root_squared_error,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": cross_entropy,
}


def _mean_of_measured(
    cell: Callable[[Tensor, Tensor], Tensor], cumulative: Tensor, target: Tensor
) -> Tensor:
    measured = ~target.isnan()  # (N, n_answers)
    # Unmeasured cells are replaced before the loss: NaN times a mask of 0 is still NaN.
    losses = cell(cumulative, torch.where(measured, target, 0.0).to(cumulative.dtype))
    return torch.where(measured, losses, 0.0).sum() / measured.sum().clamp(min=1)
