"""Curves against a quantity of galaxies, or a threshold: purity, errors, fractions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gz2tree.plots.style import COLOURS, counts_above, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_purity_completeness(
    axes: Axes, curve: pd.DataFrame, title: str, threshold: float | None = None
) -> Axes:
    """Show purity and completeness of a flag against its threshold.

    Parameters
    ----------
    axes : Axes
    curve : DataFrame
        ``threshold``; ``purity`` and ``completeness``, shares in [0, 1], NaN where not known;
        ``n_flagged``, galaxies at or above the threshold.
    title : str
        Which flag, and who is held to be one.
    threshold : float, optional
        One to be marked, with what it comes to.

    Returns
    -------
    axes : Axes
        The numbers of flagged galaxies above it.
    """
    curve = curve.sort_values("threshold")
    at = curve["threshold"]
    for number, (column, dashes) in enumerate((("purity", "-"), ("completeness", "--"))):
        axes.step(at, curve[column], dashes, where="pre", color=COLOURS[number], label=column)
    axes.set_xlabel("threshold of the predicted probability")
    axes.set_ylabel("share of galaxies")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    # A galaxy is flagged up to its own probability: the numbers are steps down at thresholds.
    widths = np.diff(at, prepend=0.0)
    above = counts_above(axes, (at - widths).to_numpy(), widths, curve["n_flagged"])
    above.set_ylabel("n flagged", fontsize=7)
    above.set_title(title, fontsize=9)
    if threshold is not None and (at >= threshold).any():
        row = curve[at >= threshold].iloc[0]
        text = f"at {threshold:g}: {row['n_flagged']:.0f} flagged"
        axes.axvline(threshold, color="0.4", linewidth=0.8, linestyle=":", label=text)
    axes.legend(fontsize=8)
    return axes


def plot_by(axes: Axes, binned: pd.DataFrame, column_name: str, answer_name: str) -> Axes:
    """Show error and mean answer against a quantity, in bins of it.

    Parameters
    ----------
    axes : Axes
    binned : DataFrame, one row for each bin
        ``low`` and ``high`` of the quantity; ``n`` galaxies; ``rmse`` with its interval
        ``rmse_low`` to ``rmse_high``; ``predicted`` and ``voted``, mean probabilities of one
        answer, with their standard errors ``predicted_error`` and ``voted_error``.
    column_name : str
        The quantity, with its unit.
    answer_name : str
        Whose means are shown.

    Returns
    -------
    axes : Axes
        The number of galaxies in each bin above it.
    """
    middle = (binned["low"] + binned["high"]) / 2
    error = np.stack([binned["rmse"] - binned["rmse_low"], binned["rmse_high"] - binned["rmse"]])
    bars: dict[str, Any] = {"capsize": 2, "markersize": 4, "linewidth": 1.2}
    axes.errorbar(
        middle,
        binned["rmse"],
        error,
        **bars,
        **style(0),
        label="RMSE, all measured answers (95 %)",
    )
    for number, column in enumerate(("predicted", "voted"), 1):
        errors = binned[f"{column}_error"]
        label = f"mean {column}: {answer_name} (± standard error)"
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


def plot_fractions(axes: Axes, table: pd.DataFrame) -> Axes:
    """Compare the fraction of galaxies that are something among samples, against a quantity.

    Parameters
    ----------
    axes : Axes
    table : DataFrame, a row for each bin of each sample
        ``sample``, its name; ``at``, the quantity; ``n`` galaxies; ``fraction``, and the ends
        ``low`` and ``high`` of its interval.

    Returns
    -------
    axes : Axes
        A curve for each sample, its number of galaxies in the legend.
    """
    for number, (name, rows) in enumerate(table.groupby("sample", sort=False)):
        errors = np.stack([rows["fraction"] - rows["low"], rows["high"] - rows["fraction"]])
        look: dict[str, Any] = style(number) | {"label": f"{name} (n = {rows['n'].sum():,})"}
        axes.errorbar(rows["at"], rows["fraction"], errors, capsize=3, **look)
    axes.legend(fontsize=8)
    return axes
