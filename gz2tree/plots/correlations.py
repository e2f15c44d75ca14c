"""How answers go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gz2tree.errors import InputError
from gz2tree.plots.style import answer_names
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_correlations(
    axes: Axes,
    coefficients: pd.DataFrame,
    counts: pd.DataFrame,
    tree: DecisionTree,
    title: str,
    question: int | None = None,
) -> Axes:
    """Show correlation coefficients as a matrix, with their numbers.

    Parameters
    ----------
    axes : Axes
    coefficients, counts : DataFrame, shape (n_answers, n_answers)
        As `gz2tree.analysis.correlations` and `pair_counts` return them. Answers of which nothing
        is known are left out.
    tree : DecisionTree
    title : str
    question : int, optional
        Position of the question whose block is shown; all of them by default.

    Returns
    -------
    axes : Axes

    Raises
    ------
    InputError
        Nothing is known of any of the answers.
    """
    known = coefficients.notna().to_numpy().any(0)
    if question is not None:
        known &= np.array(tree.question_of) == question
    shown = np.flatnonzero(known)
    if not len(shown):
        raise InputError("correlations: expected answers that are measured and vary, found none")
    matrix = coefficients.to_numpy()[np.ix_(shown, shown)]
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    size = min(9.0, 3.2 + 60 / len(shown))
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(
                column, row, _short(value), ha="center", va="center", fontsize=size, color=colour
            )
    names = answer_names(tree)
    size += 1
    axes.set_xticks(range(len(shown)), [names[n] for n in shown], rotation=90, fontsize=size)
    axes.set_yticks(range(len(shown)), [names[n] for n in shown], fontsize=size)
    for place in range(1, len(shown)):
        if tree.question_of[shown[place]] != tree.question_of[shown[place - 1]]:
            axes.axhline(place - 0.5, color="black", linewidth=0.8)
            axes.axvline(place - 0.5, color="black", linewidth=0.8)
    behind = counts.to_numpy()[np.ix_(shown, shown)][~np.isnan(matrix)]
    few, many = f"{behind.min():,.0f}", f"{behind.max():,.0f}"
    axes.set_title(f"{title} (n = {few if few == many else f'{few} to {many}'} galaxies)")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.7)
    bar.set_label("correlation coefficient (Pearson)")
    return axes


def _short(value: float) -> str:
    """Two decimals without the 0 before them, as in .28 and −.05."""
    text = f"{abs(value):.2f}".removeprefix("0")
    return f"−{text}" if value < 0 and text != ".00" else text
