"""How answers go together: correlations, by arithmetic on labels alone."""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.config.choices import Probability
from gz2tree.errors import InputError
from gz2tree.labels import Labels

Array = NDArray[np.float64]

_ROUNDING = 1e-12


class Correlation(NamedTuple):
    """How two answers go together.

    Parameters
    ----------
    coefficient : float, in [-1, 1]
        NaN where one of them is not measured or does not vary.
    n : int
        Galaxies behind it.
    """

    coefficient: float
    n: int


def correlate(
    labels: Labels, first: int, second: int, what: Probability = "cumulative"
) -> Correlation:
    """Correlate two answers; see `correlations`.

    Parameters
    ----------
    labels : Labels
    first, second : int
        Positions of the answers in the tree.
    what : {"cumulative", "conditional"}

    Returns
    -------
    correlation : Correlation

    Raises
    ------
    InputError
        Another sort of probability.
    """
    return _correlate(labels, *_values_and_weights(labels, what), first, second)


def correlations(labels: Labels, what: Probability = "cumulative") -> pd.DataFrame:
    """Correlate every answer with every other.

    Cumulative answers mix in the tree: all that follows from one answer rises and falls with it.
    Conditional ones do not, but mean little where hardly anybody was asked, so galaxies weigh by
    the smaller reach of the two questions. That is the probability that both were asked of one
    volunteer if one question follows from the other or both from the same answer. Where a
    volunteer is asked only one of them (an edge-on disk's bulge, a face-on disk's bar), it stands
    for the smaller of the two groups who were.

    Parameters
    ----------
    labels : Labels, n galaxies
    what : {"cumulative", "conditional"}

    Returns
    -------
    coefficients : DataFrame, shape (n_answers, n_answers), in [-1, 1]
        Pearson's, over the galaxies that have both answers measured; conditional ones over those
        of which both questions were asked. NaN where an answer is not measured or does not vary.

    Raises
    ------
    InputError
        Another sort of probability.

    Notes
    -----
    Weighted: the weighted covariance by the root of the product of the weighted variances, about
    weighted means.
    """
    return _over_pairs(labels, what)[0]


def pair_counts(labels: Labels, what: Probability = "cumulative") -> pd.DataFrame:
    """Count the galaxies behind each coefficient of `correlations`.

    Parameters
    ----------
    labels, what
        As in `correlations`.

    Returns
    -------
    counts : DataFrame of float64, shape (n_answers, n_answers)
    """
    return _over_pairs(labels, what)[1]


def _values_and_weights(labels: Labels, what: Probability) -> tuple[Array, Array]:
    """Probabilities, NaN where unknown, and the weight of the galaxy in each question."""
    if what not in get_args(Probability):
        raise InputError(
            f"what: expected one of {', '.join(get_args(Probability))}, found {what!r}"
        )
    if what == "cumulative":
        return labels.cumulative, np.ones((len(labels), len(labels.tree.questions)))
    reach = np.nan_to_num(labels.reach)  # (n, n_questions); 0 where unknown: not counted
    return labels.conditional, reach


def _over_pairs(labels: Labels, what: Probability) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Symmetric matrices of coefficients, and of the numbers of galaxies behind them."""
    tree, values_and_weights = labels.tree, _values_and_weights(labels, what)
    found = np.empty((2, len(tree), len(tree)))
    for first in range(len(tree)):
        for second in range(first, len(tree)):
            pair = _correlate(labels, *values_and_weights, first, second)
            found[:, first, second] = found[:, second, first] = pair
    names = list(tree.columns)
    coefficients, counts = (pd.DataFrame(matrix, index=names, columns=names) for matrix in found)
    return coefficients, counts


def _correlate(
    labels: Labels, values: Array, weights: Array, first: int, second: int
) -> Correlation:
    of_question = labels.tree.question_of
    x, y = values[:, first], values[:, second]  # (n,)
    weight = weights[:, [of_question[first], of_question[second]]].min(1)
    known = ~np.isnan(x) & ~np.isnan(y) & (weight > 0)
    coefficient = _weighted_pearson(x[known], y[known], weight[known])
    return Correlation(coefficient, int(known.sum()))


def _weighted_pearson(x: Array, y: Array, weight: Array) -> float:
    # Quotients that should be equal differ by rounding.
    if len(x) < 2 or any(np.ptp(v) <= _ROUNDING * np.abs(v).max() for v in (x, y)):
        return float("nan")
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    variances = (weight @ x**2) * (weight @ y**2)
    return float(np.clip((weight @ (x * y)) / np.sqrt(variances), -1.0, 1.0))
