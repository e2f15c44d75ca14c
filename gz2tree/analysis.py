"""How answers go together, and how far predictions can be trusted: arithmetic on labels alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.config.choices import Probability
from gz2tree.errors import InputError
from gz2tree.labels import Labels

Array = NDArray[np.float64]

_LARGEST_DIFFERENCE = 0.1
_STANDARD_ERRORS = 2.0
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Observation:
    """A correlation that somebody reports.

    Parameters
    ----------
    first, second : str
        The answers, by name.
    coefficient : float, in [-1, 1], optional
        Pearson's; None if only its sign is stated.
    source : str
    """

    first: str
    second: str
    coefficient: float | None = None
    source: str = "student paper"


PAPER_OBSERVATIONS = (
    Observation("a01_smooth", "a03_star_or_artifact", 0.28),
    Observation("a18_cigar_shaped", "a04_yes", 0.5),
    Observation("a21_disturbed", "a22_irregular"),
    Observation("a24_merger", "a23_other"),
    Observation("a25_rounded", "a26_boxy", 0.57),
    Observation("a28_tight", "a29_medium"),
    Observation("a29_medium", "a30_loose"),
    Observation("a33_3", "a34_4"),
)
"""What the student paper says of its correlation matrix: raw ones, of cumulative answers, positive
where it gives no number."""


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
    values, weights = _values_and_weights(labels, what)
    return _over_pairs(labels, values, weights, _weighted_pearson)


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
    values, weights = _values_and_weights(labels, what)
    return _over_pairs(labels, values, weights, lambda x, y, weight: float(len(x)))


def check_observations(
    labels: Labels, sample: str, observations: Sequence[Observation] = PAPER_OBSERVATIONS
) -> pd.DataFrame:
    """Look for reported correlations in a sample.

    Parameters
    ----------
    labels : Labels
    sample : str
        What to call it.
    observations : sequence of Observation

    Returns
    -------
    comparison : DataFrame, one row for each observation of which the sample measures both answers
        ``first``, ``second``, ``reported`` (NaN: only its sign, which is positive), ``sample``,
        ``cumulative``, ``n``, ``conditional``, ``n_conditional``, ``agrees`` and ``source``. The
        cumulative coefficient agrees if it lies within 0.1 of the one reported; with a reported
        sign, if it is positive by two standard errors of an uncorrelated sample, 1 / sqrt(n).
    """
    tree = labels.tree
    kinds = get_args(Probability)
    measured = {what: correlations(labels, what).to_numpy() for what in kinds}
    counts = {what: pair_counts(labels, what).to_numpy() for what in kinds}
    rows = []
    names = {*(answer.name for answer in tree.answers), *tree.columns, *tree.kaggle_columns}
    for observation in observations:
        if not {observation.first, observation.second} <= names:
            continue
        first, second = map(tree.answer_position, (observation.first, observation.second))
        found = measured["cumulative"][first, second]
        n = int(counts["cumulative"][first, second])
        if np.isnan(found):
            continue
        reported = np.nan if observation.coefficient is None else observation.coefficient
        agrees = (
            found * np.sqrt(n) > _STANDARD_ERRORS
            if observation.coefficient is None
            else abs(found - reported) <= _LARGEST_DIFFERENCE
        )
        rows.append(
            {
                "first": tree.columns[first],
                "second": tree.columns[second],
                "reported": reported,
                "sample": sample,
                "cumulative": found,
                "n": n,
                "conditional": measured["conditional"][first, second],
                "n_conditional": int(counts["conditional"][first, second]),
                "agrees": bool(agrees),
                "source": observation.source,
            }
        )
    return pd.DataFrame(rows)


def calibration_curve(
    predicted: ArrayLike, voted: ArrayLike, weight: ArrayLike, n_bins: int = 10
) -> pd.DataFrame:
    """Compare mean prediction and mean vote in bins of the prediction.

    Parameters
    ----------
    predicted, voted : array_like of any one shape, in [0, 1]
    weight : array_like of the same shape, at least 0
        Cells of weight 0 do not count.
    n_bins : int
        Of equal width, as in `gz2tree.evaluation.expected_calibration_error`.

    Returns
    -------
    curve : DataFrame, one row for each bin that is not empty
        ``low`` and ``high`` of the bin; ``predicted`` and ``voted``, weighted means;
        ``voted_error``, the standard error of the latter; ``n`` cells and their ``weight``.
    """
    x, y, w = (np.asarray(a, dtype=np.float64).ravel() for a in (predicted, voted, weight))
    x, y, w = x[w > 0], y[w > 0], w[w > 0]
    of_bin = np.minimum((x * n_bins).astype(int), n_bins - 1)
    rows = []
    for number in np.unique(of_bin):
        inside = of_bin == number
        share = w[inside] / w[inside].sum()
        mean = float(share @ y[inside])
        rows.append(
            {
                "low": number / n_bins,
                "high": (number + 1) / n_bins,
                "predicted": float(share @ x[inside]),
                "voted": mean,
                "voted_error": float(np.sqrt(share**2 @ (y[inside] - mean) ** 2)),
                "n": int(inside.sum()),
                "weight": float(w[inside].sum()),
            }
        )
    return pd.DataFrame(rows)


def _values_and_weights(labels: Labels, what: Probability) -> tuple[Array, Array]:
    """Probabilities, NaN where unknown, and the weight of the galaxy in each question."""
    if what not in get_args(Probability):
        raise InputError(
            f"what: expected one of {', '.join(get_args(Probability))}, found {what!r}"
        )
    if what == "cumulative":
        return labels.cumulative, np.ones((len(labels), len(labels.tree.questions)))
    reach = np.nan_to_num(labels.reach)  # (n, n_questions); 0 where unknown: not counted
    asked = reach[:, list(labels.tree.question_of)]  # (n, n_answers)
    unknown = np.full_like(labels.cumulative, np.nan)
    return np.divide(labels.cumulative, asked, out=unknown, where=asked > 0), reach


def _over_pairs(
    labels: Labels,
    values: Array,
    weights: Array,
    figure: Callable[[Array, Array, Array], float],
) -> pd.DataFrame:
    """Make the symmetric matrix of a figure of two answers' values and their weights."""
    tree = labels.tree
    matrix = np.empty((len(tree), len(tree)))
    for first in range(len(tree)):
        for second in range(first, len(tree)):
            x, y = values[:, first], values[:, second]
            weight = weights[:, [tree.question_of[first], tree.question_of[second]]].min(1)
            known = ~np.isnan(x) & ~np.isnan(y) & (weight > 0)
            matrix[first, second] = figure(x[known], y[known], weight[known])
            matrix[second, first] = matrix[first, second]
    return pd.DataFrame(matrix, index=list(tree.columns), columns=list(tree.columns))


def _weighted_pearson(x: Array, y: Array, weight: Array) -> float:
    # Quotients that should be equal differ by rounding.
    if len(x) < 2 or any(np.ptp(v) <= _ROUNDING * np.abs(v).max() for v in (x, y)):
        return float("nan")
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    variances = (weight @ x**2) * (weight @ y**2)
    return float(np.clip((weight @ (x * y)) / np.sqrt(variances), -1.0, 1.0))
