"""Figures: one function each, from data and an Axes to the Axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.prediction import most_probable_path
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gz2tree.evaluation import Report

# Okabe & Ito 2008: told apart by colour-blind people, and in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def plot_galaxy(
    axes: Axes, cutout: NDArray[np.uint8], tree: DecisionTree, cumulative: ArrayLike, title: str
) -> Axes:
    """Show a galaxy and its most probable path through the tree.

    Parameters
    ----------
    axes : Axes
    cutout : array of uint8, shape (H, W, 3)
    tree : DecisionTree
    cumulative : array_like, shape (n_answers,), in [0, 1]
    title : str

    Returns
    -------
    axes : Axes
    """
    axes.imshow(cutout)
    axes.set_axis_off()
    axes.set_title(title, fontsize=8)
    lines = []
    for answer, share in most_probable_path(tree, cumulative):
        question = tree.questions[tree.question_of[answer]]
        lines.append(f"{question.label} {tree.answers[answer].label}  {share:.2f}")
    axes.text(
        0.0,
        -0.03,
        "\n".join(lines),
        transform=axes.transAxes,
        fontsize=5.5,
        va="top",
        linespacing=1.3,
    )
    return axes


def plot_null_rmse(axes: Axes, reports: Mapping[str, Report]) -> Axes:
    """Compare the error on null labels, question by question.

    Parameters
    ----------
    axes : Axes
    reports : mapping of str to Report
        Reports on the same labels, by the name of the model.

    Returns
    -------
    axes : Axes
    """
    questions = list(next(iter(reports.values())).per_question)
    place = np.arange(len(questions))
    width = 0.8 / len(reports)
    for number, (name, report) in enumerate(reports.items()):
        heights = [report.per_question[question]["null_rmse"] for question in questions]
        label = f"{name} (all: {report.null_rmse:.4f})"
        offset = (number - (len(reports) - 1) / 2) * width
        axes.bar(place + offset, heights, width, label=label, color=COLOURS[number % len(COLOURS)])
    n = next(iter(reports.values())).n
    axes.set_xticks(place, questions, rotation=45, ha="right")
    axes.set_ylabel("RMSE on null labels (probability)")
    axes.set_title(f"Labels of exactly 0, by question ({n:,} galaxies)", fontsize=9)
    axes.legend(fontsize=8)
    return axes
