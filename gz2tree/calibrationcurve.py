"""How far predictions can be believed: mean prediction against mean vote, in bins."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


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
        Of equal width.

    Returns
    -------
    curve : DataFrame, one row for each bin that is not empty
        ``low`` and ``high`` of the bin; ``predicted`` and ``voted``, weighted means;
        ``voted_error``, the standard error of the latter; ``n`` cells and their ``weight``.
    """
    x, y, w = (np.asarray(a, dtype=np.float64).ravel() for a in (predicted, voted, weight))
    x, y, w = x[w > 0], y[w > 0], w[w > 0]
    of_bin = np.minimum((x * n_bins).astype(int), n_bins - 1)  # (cells,)
    n = np.bincount(of_bin, minlength=n_bins)  # (n_bins,)
    filled = np.flatnonzero(n)  # (bins,)
    total = np.bincount(of_bin, w, n_bins)
    means = [np.bincount(of_bin, w * v, n_bins) / np.where(n > 0, total, 1.0) for v in (x, y)]
    scatter = np.bincount(of_bin, np.square(w * (y - means[1][of_bin])), n_bins)
    return pd.DataFrame(
        {
            "low": filled / n_bins,
            "high": (filled + 1) / n_bins,
            "predicted": means[0][filled],
            "voted": means[1][filled],
            "voted_error": np.sqrt(scatter[filled]) / total[filled],
            "n": n[filled],
            "weight": total[filled],
        }
    )


def calibration_error(curve: pd.DataFrame) -> float:
    """Mean distance, over bins of the prediction, between mean prediction and mean vote.

    The expected calibration error of Guo et al. 2017 (ICML, equation 3), with shares of votes in
    place of classes.

    Parameters
    ----------
    curve : DataFrame
        As `calibration_curve` returns it.

    Returns
    -------
    error : float, in [0, 1]; NaN if all weights are 0
    """
    total = float(curve["weight"].sum())
    gaps = curve["weight"] * (curve["predicted"] - curve["voted"]).abs()
    return float(gaps.sum()) / total if total else math.nan
