"""Predictions against votes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.calibrationcurve import calibration_error
from gz2tree.errors import InputError
from gz2tree.labels import Labels
from gz2tree.plots.style import COLOURS, answer_title, counts_above, panels, question_names, style
from gz2tree.splits import sample_rows
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gz2tree.scores import Report

# Null labels stand to the left of 0, where their number can be seen: (place, marker, colour).
_VOTELESS = (-0.05, "v", COLOURS[1])
_STRUCTURAL = (-0.10, "x", COLOURS[4])


def plot_null_rmse(axes: Axes, reports: Mapping[str, Report], tree: DecisionTree) -> Axes:
    """Compare the error on null labels, question by question.

    Parameters
    ----------
    axes : Axes
    reports : mapping of str to Report
        Reports on the same labels, by the name of the model.
    tree : DecisionTree
        That of the labels.

    Returns
    -------
    axes : Axes
        Bars for the questions that have null labels.
    """
    first = next(iter(reports.values()))
    names = dict(zip(tree.question_columns, question_names(tree), strict=True))
    questions = [column for column in names if np.isfinite(first.per_question[column]["null_rmse"])]
    place = np.arange(len(questions))
    width = 0.8 / len(reports)
    for number, (name, report) in enumerate(reports.items()):
        heights = [report.per_question[question]["null_rmse"] for question in questions]
        label = f"{name} (all: {report.null_rmse:.4f})"
        offset = (number - (len(reports) - 1) / 2) * width
        axes.bar(place + offset, heights, width, label=label, color=COLOURS[number % len(COLOURS)])
    numbers = [tree.question_columns.index(question) + 1 for question in questions]
    words = [f"{n}. {names[question]}" for n, question in zip(numbers, questions, strict=True)]
    axes.set_xticks(place, words, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_ylabel("RMSE on null labels (probability)")
    axes.set_title(f"Labels of exactly 0, by question ({first.n:,} galaxies)", fontsize=9)
    axes.legend(fontsize=8)
    return axes


def plot_scatter(axes: Axes, predicted: NDArray[np.float64], labels: Labels, answer: int) -> Axes:
    """Show predicted against voted probabilities of an answer, its null labels apart.

    Parameters
    ----------
    axes : Axes
    predicted : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative, in the order of the labels; see `gz2tree.labelling.matching.align`.
    labels : Labels, n galaxies
    answer : int
        Its position.

    Returns
    -------
    axes : Axes
        Null labels left of 0: those of galaxies that were asked the question, and further left
        those of galaxies that were not.
    """
    x, y = labels.cumulative[:, answer], predicted[:, answer]
    measured = labels.measured[:, answer]
    shown = measured & ~labels.null[:, answer]
    axes.axvspan(-0.14, -0.02, color="0.93", linewidth=0)
    axes.axline((0, 0), (1, 1), color="0.5", linewidth=0.8)
    dots: dict[str, Any] = {"s": 5, "alpha": 0.4, "linewidths": 0.6}
    axes.scatter(x[shown], y[shown], color=COLOURS[0], **dots, edgecolors="none", label="voted")
    for nulls, (place, marker, colour), label in (
        (labels.voteless_null, _VOTELESS, "null: asked, no votes"),
        (labels.structural_null, _STRUCTURAL, "null: not asked"),
    ):
        cells = nulls[:, answer]
        axes.scatter(
            np.full(cells.sum(), place), y[cells], color=colour, marker=marker, **dots, label=label
        )
    square = np.square(y - x)[measured]
    rmse = np.sqrt(square.mean()) if len(square) else np.nan
    axes.text(
        0.05, 0.97, f"n = {measured.sum():,}\nRMSE {rmse:.3f}", transform=axes.transAxes,
        fontsize=6, va="top", bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
    )  # fmt: skip
    axes.set_xlim(-0.14, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("voted probability")
    axes.set_ylabel("predicted probability")
    axes.set_title(answer_title(labels.tree, answer), fontsize=8)
    return axes


def draw_scatter(
    figure: Figure,
    predicted: NDArray[np.float64],
    labels: Labels,
    n: int = 1000,
    seed: int = 0,
    columns: int = 6,
) -> Figure:
    """Show predicted against voted probabilities of every measured answer.

    Parameters
    ----------
    figure : Figure
        Empty.
    predicted, labels
        As in `plot_scatter`.
    n : int
        Galaxies shown, chosen at random; all of them if there are no more.
    seed : int
    columns : int

    Returns
    -------
    figure : Figure

    Raises
    ------
    InputError
        Nothing is measured of the galaxies.
    """
    chosen = sample_rows(len(labels), n, seed)
    predicted, labels = predicted[chosen], labels.take(chosen)
    answers = np.flatnonzero(labels.measured.any(0))
    if not len(answers):
        raise InputError("scatter: expected answers that are measured, found none")
    for axes, answer in zip(panels(figure, len(answers), columns), answers, strict=False):
        axes.set_axis_on()
        plot_scatter(axes, predicted, labels, int(answer))
        question = labels.tree.questions[labels.tree.question_of[answer]].label
        axes.set_title(f"{question}\n{labels.tree.answers[answer].label}", fontsize=7)
        axes.set(xlabel="", ylabel="", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.tick_params(labelsize=6)
    figure.supxlabel("voted cumulative probability")
    figure.supylabel("predicted cumulative probability")
    handles, names = axes.get_legend_handles_labels()
    legend = figure.legend(handles, names, loc="outside upper right", ncols=3, markerscale=3)
    for handle in legend.legend_handles:
        handle.set_alpha(1.0)  # type: ignore[union-attr]
    figure.suptitle(f"{len(labels):,} galaxies", x=0.02, ha="left")
    return figure


def plot_agreement(axes: Axes, predicted: NDArray[np.float64], labels: Labels) -> Axes:
    """Count pairs of predicted and voted probabilities, over the answers that somebody chose.

    Parameters
    ----------
    axes : Axes
    predicted, labels
        As in `plot_scatter`. Null labels are left out: `plot_null_rmse` shows them.

    Returns
    -------
    axes : Axes
        Hexagons, their colours on a logarithmic scale.
    """
    shown = labels.measured & ~labels.null
    axes.axline((0, 0), (1, 1), color="0.5", linewidth=0.8)
    pairs = axes.hexbin(
        labels.cumulative[shown], predicted[shown], gridsize=30, extent=(0, 1, 0, 1), bins="log",
        mincnt=1, cmap="cividis", linewidths=0.15, edgecolors="0.6",
    )  # fmt: skip
    axes.figure.colorbar(pairs, ax=axes, label="answers")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("voted cumulative probability")
    axes.set_ylabel("predicted cumulative probability")
    axes.set_title(f"{shown.sum():,} answers with votes, {len(labels):,} galaxies", fontsize=9)
    return axes


def plot_calibration(axes: Axes, curves: Mapping[str, pd.DataFrame], title: str) -> Axes:
    """Show mean vote against mean prediction: on the diagonal if predictions can be believed.

    Parameters
    ----------
    axes : Axes
    curves : mapping of str to DataFrame
        By the name of the model: as `gz2tree.calibrationcurve.calibration_curve` returns them.
    title : str

    Returns
    -------
    axes : Axes
        The numbers of predictions in the bins (of the first model) above it.
    """
    axes.axline((0, 0), (1, 1), color="0.5", linewidth=0.8)
    for number, (name, curve) in enumerate(curves.items()):
        error = calibration_error(curve)
        axes.errorbar(
            curve["predicted"], curve["voted"], curve["voted_error"], **style(number),
            markersize=4, linewidth=1.2, capsize=2,
            label=f"{name} (calibration error {error:.3f}, n = {curve['n'].sum():,})",
        )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel("mean predicted probability")
    axes.set_ylabel("mean voted probability")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left")
    first = next(iter(curves.values()))
    above = counts_above(axes, first["low"], first["high"] - first["low"], first["n"])
    above.set_title(title, fontsize=9)
    return axes
