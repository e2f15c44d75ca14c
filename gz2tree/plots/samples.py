"""How well samples come out: flagged galaxies, and error against a quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gz2tree.plots.style import COLOURS, counts_above, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_purity_completeness(axes: Axes, curve: pd.DataFrame) -> Axes:
    """Show purity and completeness of a flag against its threshold.

    Parameters
    ----------
    axes : Axes
    curve : DataFrame
        ``threshold``; ``purity`` and ``completeness``, shares in [0, 1], NaN where not known;
        ``n_flagged``, galaxies at or above the threshold.

    Returns
    -------
    axes : Axes
        The numbers of flagged galaxies above it.
    """
    curve = curve.sort_values("threshold")
    threshold = curve["threshold"]
    for number, (column, dashes) in enumerate((("purity", "-"), ("completeness", "--"))):
        axes.plot(threshold, curve[column], dashes, color=COLOURS[number], label=column)
    axes.set_xlabel("threshold of the predicted probability")
    axes.set_ylabel("share of galaxies")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    # A galaxy is flagged up to its own probability: the numbers are steps down at thresholds.
    widths = np.diff(threshold, append=threshold.iloc[-1])
    above = counts_above(axes, threshold.to_numpy(), widths, curve["n_flagged"])
    above.set_ylabel("n flagged", fontsize=7)
    above.set_title(f"Up to {curve['n_flagged'].max():,} galaxies flagged", fontsize=9)
    return axes


def plot_by(axes: Axes, binned: pd.DataFrame, column_name: str) -> Axes:
    """Show error and mean answer against a quantity.

    Parameters
    ----------
    axes : Axes
    binned : DataFrame, one row for each bin
        ``low`` and ``high`` of the quantity; ``n`` galaxies; ``rmse`` with its interval
        ``rmse_low`` to ``rmse_high``; ``predicted`` and ``voted``, mean probabilities of one
        answer, with their standard errors ``predicted_error`` and ``voted_error``.
    column_name : str
        The quantity, with its unit.

    Returns
    -------
    axes : Axes
        The number of galaxies in each bin above it.
    """
    middle = (binned["low"] + binned["high"]) / 2
    error = np.stack([binned["rmse"] - binned["rmse_low"], binned["rmse_high"] - binned["rmse"]])
    bars: dict[str, Any] = {"capsize": 2, "markersize": 4, "linewidth": 1.2}
    axes.errorbar(
        middle, binned["rmse"], error, **bars, **style(0), label="RMSE of all measured answers"
    )
    for number, column in enumerate(("predicted", "voted"), 1):
        errors = binned[f"{column}_error"]
        label = f"mean {column}, chosen answer (± standard error)"
        axes.errorbar(
            middle, binned[column], errors, **bars, **style(number), linestyle="--", label=label
        )
    axes.set_xlabel(column_name)
    axes.set_ylabel("probability")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    above = counts_above(axes, binned["low"], binned["high"] - binned["low"], binned["n"])
    above.set_title(f"{binned['n'].sum():,} galaxies", fontsize=9)
    return axes
