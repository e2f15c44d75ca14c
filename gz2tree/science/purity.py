"""How pure and how complete a flag is, against the votes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError
from gz2tree.labelling.matching import align
from gz2tree.labels import Labels


def purity_completeness(
    predictions: pd.DataFrame,
    labels: Labels,
    answer: str,
    voted: float = 0.4,
    *,
    thresholds: ArrayLike | None = None,
) -> pd.DataFrame:
    """Purity and completeness of a flag against the votes, for all thresholds.

    A galaxy truly is what the flag says if its voted cumulative probability is at least `voted`.

    Parameters
    ----------
    predictions : DataFrame
        As `gz2tree.predict` returns it.
    labels : Labels
        Galaxies of which this answer is not measured are left out.
    answer : str
        As `DecisionTree.find_answer` knows it.
    voted : float, in (0, 1]
    thresholds : array_like, shape (m,), optional
        Predicted cumulative probabilities; by default every one that is predicted.

    Returns
    -------
    curve : DataFrame, one row for each threshold, in ascending order
        ``threshold``; ``purity``: share of the flagged galaxies that truly are; ``completeness``:
        share of those that truly are that is flagged; ``n_flagged``. NaN where a share is one of
        no galaxies.

    Raises
    ------
    InputError
        As in `gz2tree.evaluate`; an answer that is unknown, ambiguous or nowhere measured.
    """
    predicted, labels = align(predictions, labels)
    position = labels.tree.find_answer(answer)
    measured = labels.measured[:, position]
    if not measured.any():
        raise InputError(f"answer {answer!r}: expected votes to compare with, found none")
    scores = predicted[measured, position]
    order = np.argsort(scores)
    scores, true = scores[order], labels.cumulative[measured, position][order] >= voted
    chosen = np.unique(scores if thresholds is None else np.asarray(thresholds, dtype=np.float64))
    first = np.searchsorted(scores, chosen)  # all from here on are flagged
    n_flagged = len(scores) - first
    true_flagged = np.append(np.cumsum(true[::-1])[::-1], 0)[first]
    return pd.DataFrame(
        {
            "threshold": chosen,
            "purity": _share(true_flagged, n_flagged),
            "completeness": _share(true_flagged, np.full(len(chosen), true.sum())),
            "n_flagged": n_flagged,
        }
    )


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
