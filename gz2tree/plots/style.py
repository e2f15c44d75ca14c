"""What the figures have in common: colours, lines, names of answers, numbers of galaxies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart by colour-blind people, and in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "x")
"""One for each colour, for print in grey."""


_FEW = 30  # bars that have room for an edge


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of some size, in inches, that is drawn without a window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def style(number: int) -> dict[str, Any]:
    """Colour and marker of the n-th of several curves."""
    place = number % len(COLOURS)
    return {"color": COLOURS[place], "marker": MARKERS[place]}


def answer_title(tree: DecisionTree, answer: int) -> str:
    """Question and answer in words."""
    return f"{tree.questions[tree.question_of[answer]].label} {tree.answers[answer].label}"


def question_names(tree: DecisionTree) -> list[str]:
    """Name each question, short enough for ticks."""
    return [re.sub(r"^t\d+_", "", question.name).replace("_", " ") for question in tree.questions]


def answer_names(tree: DecisionTree) -> list[str]:
    """Name each answer with its question, short enough for ticks."""
    questions = question_names(tree)
    return [
        f"{questions[number]}: {answer.label}"
        for answer, number in zip(tree.answers, tree.question_of, strict=True)
    ]


def panels(figure: Figure, n: int, columns: int) -> list[Axes]:
    """Make axes for n panels, row by row, and the empty ones at the end; all without frames.

    Raises
    ------
    InputError
        There is nothing to show.
    """
    if n == 0:
        raise InputError("figure: expected something to show, found nothing")
    columns = min(columns, n)
    grid = list(figure.subplots(-(-n // columns), columns, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    return grid


def counts_above(axes: Axes, left: ArrayLike, widths: ArrayLike, counts: ArrayLike) -> Axes:
    """Draw a histogram of numbers along the upper edge, on a logarithmic scale.

    Parameters
    ----------
    axes : Axes
    left, widths, counts : array_like, shape (n,)
        Of the bars. One without a width, of a bin that holds a single value, is drawn thin, with
        its middle there.

    Returns
    -------
    above : Axes
    """
    left, widths = np.asarray(left, np.float64), np.asarray(widths, np.float64)
    thin = 0.01 * (np.ptp(np.append(left, left + widths)) or 1.0)
    single = widths == 0
    left, widths = left - thin / 2 * single, widths + thin * single
    above = axes.inset_axes((0, 1.06, 1, 0.16))
    above.sharex(axes)
    edge = 0.5 if np.size(counts) <= _FEW else 0.0
    above.bar(left, counts, widths, align="edge", color="0.7", edgecolor="white", linewidth=edge)
    above.set_yscale("log")
    above.set_ylim(bottom=0.8)
    above.set_ylabel("n", fontsize=7)
    above.tick_params(labelsize=6, labelbottom=False)
    for side in ("top", "right"):
        above.spines[side].set_visible(False)
    return above
