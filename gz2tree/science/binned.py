"""How error and mean answer depend on a quantity of the galaxies: scores in quantile bins.

Whether small or faint galaxies are called smooth more often, and are predicted worse.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.labelling.matching import align
from gz2tree.labels import Labels
from gz2tree.scores import score_text
from gz2tree.tree import DecisionTree

Array = NDArray[np.float64]


def evaluate_by(
    predictions: pd.DataFrame,
    labels: Labels,
    quantity: ArrayLike,
    answer: str | None = None,
    n_bins: int = 5,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare predictions with labels in bins of a quantity.

    Parameters
    ----------
    predictions : DataFrame
        As `gz2tree.predict` returns it.
    labels : Labels
    quantity : array_like, shape (n,)
        Of the galaxies of `labels`; NaN where not measured.
    answer : str, optional
        Of which the mean probability is taken, as `DecisionTree.find_answer` knows it; the first
        answer of the first question by default.
    n_bins : int, at least 1
        Of equal numbers of galaxies; galaxies of the same value stay together, so that there may
        be fewer and unequal ones.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    binned : DataFrame, one row for each bin, in ascending order
        ``low``, ``high``: smallest and largest value in the bin. ``n``: galaxies; those of which
        quantity or answer is not measured are in no bin. ``rmse``, ``null_rmse``: over all
        measured labels of the bin, and over those that are exactly 0. ``rmse_low``,
        ``rmse_high``: 95 % percentile interval of ``rmse``, galaxies drawn with replacement (Efron
        & Tibshirani 1993, chapter 13). ``predicted``, ``voted``: mean cumulative probability of
        the answer. ``predicted_error``, ``voted_error``: standard errors of these means. NaN
        where a score rests on no label.

    Raises
    ------
    InputError
        As in `gz2tree.evaluate`; a quantity of another length, or measured of no galaxy whose
        answer is; an unknown answer.
    """
    values = np.asarray(quantity, dtype=np.float64)
    if values.shape != (len(labels),):
        raise InputError(f"quantity: expected {len(labels)} values, found {values.shape}")
    tree = labels.tree
    position = 0 if answer is None else tree.find_answer(answer)
    known = ~np.isnan(values) & labels.measured[:, position]
    if not known.any():
        raise InputError(
            f"expected galaxies of which the quantity and {tree.columns[position]} are measured, "
            "found none"
        )
    value_of = dict(zip(labels.ids[known], values[known], strict=True))
    predicted, labels = align(predictions, labels.take(known))
    values = np.array([value_of[galaxy] for galaxy in labels.ids])
    bins = quantile_bins(values, n_bins)
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(bins.max() + 1):
        inside = bins == number
        of_bin = labels.take(inside)
        square = np.square(predicted[inside] - of_bin.cumulative)  # NaN where not measured
        low, high = bootstrap_rmse(square, n_resamples, rng)
        rows.append(
            {
                "low": values[inside].min(),
                "high": values[inside].max(),
                "n": len(of_bin),
                "rmse": _rmse(square[of_bin.measured]),
                "rmse_low": low,
                "rmse_high": high,
                "null_rmse": _rmse(square[of_bin.null]),
                **_mean_and_error("predicted", predicted[inside, position]),
                **_mean_and_error("voted", of_bin.cumulative[:, position]),
            }
        )
    return pd.DataFrame(rows)


def binned_text(binned: pd.DataFrame, quantity: str, tree: DecisionTree, answer: str) -> str:
    """Lay out the result of `evaluate_by` as a table for people.

    Parameters
    ----------
    binned : DataFrame
    quantity : str
        Its name.
    tree : DecisionTree
    answer : str
        As `DecisionTree.find_answer` knows it.
    """
    position = tree.find_answer(answer)
    label, question = tree.answers[position].label, tree.questions[tree.question_of[position]].label
    shown = [
        {
            quantity: f"{row['low']:.4g} to {row['high']:.4g}",
            "n": f"{row['n']:,.0f}",
            "RMSE": f"{row['rmse']:.4f}",
            "95 %": f"{row['rmse_low']:.4f} to {row['rmse_high']:.4f}",
            "null": score_text(row["null_rmse"]),
            "predicted": _with_error(row["predicted"], row["predicted_error"]),
            "voted": _with_error(row["voted"], row["voted_error"]),
        }
        for _, row in binned.iterrows()
    ]
    title = (
        f"By {quantity}: RMSE of all measured answers; mean probability of {label!r} "
        f"({question} {tree.columns[position]}), ± standard error"
    )
    return f"{title}\n{pd.DataFrame(shown).to_string(index=False)}"


def quantile_bins(values: Array, n_bins: int) -> NDArray[np.int64]:
    """Find the bin into which each value falls: numbers from 0, without gaps.

    Parameters
    ----------
    values : array, shape (n,)
    n_bins : int, at least 1
        Each value falls where the middle of its equals lies in the sorted order.

    Examples
    --------
    >>> quantile_bins(np.array([5.0, 1.0, 2.0, 9.0]), 2)
    array([1, 0, 0, 1])
    >>> quantile_bins(np.array([1.0, 0.0, 1.0, 1.0]), 3)
    array([1, 0, 1, 1])
    """
    _, value_of, counts = np.unique(values, return_inverse=True, return_counts=True)
    twice_the_middle = 2 * np.cumsum(counts) - counts  # whole numbers do not round
    of_value = twice_the_middle * n_bins // (2 * len(values))
    return np.unique(of_value, return_inverse=True)[1][value_of]


def bootstrap_rmse(
    square: Array, n_resamples: int, rng: np.random.Generator, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a root mean square, rows drawn with replacement.

    Parameters
    ----------
    square : array, shape (n, m)
        Squared errors; NaN where not measured. The cells of a row stay together.
    n_resamples : int
    rng : Generator
    level : float, in (0, 1)
    """
    total, cells = np.nansum(square, axis=1), (~np.isnan(square)).sum(1)
    drawn = np.empty(n_resamples)
    for number in range(n_resamples):
        rows = rng.integers(len(square), size=len(square))
        drawn[number] = np.sqrt(total[rows].sum() / cells[rows].sum())
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _rmse(square: Array) -> float:
    return float(np.sqrt(square.mean())) if square.size else float("nan")


def _with_error(mean: float, error: float) -> str:
    return f"{mean:.4f}" if np.isnan(error) else f"{mean:.4f} ± {error:.4f}"


def _mean_and_error(name: str, values: Array) -> dict[str, float]:
    n = len(values)
    error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {name: float(values.mean()), f"{name}_error": error}
