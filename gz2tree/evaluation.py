"""Predictions against labels: pure arithmetic on two tables, no network is run here.

A null label is a cumulative probability of exactly 0: *structural* if its question was not reached,
*voteless* if it was, and nobody chose the answer. They fail for different reasons and are reported
apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.calibrationcurve import calibration_curve, calibration_error
from gz2tree.labelling.matching import align
from gz2tree.labels import Labels
from gz2tree.probabilities import by_answer, conditional_of, reach_of, sum_by_question
from gz2tree.scores import Report
from gz2tree.tree import DecisionTree
from gz2tree.votes.counts import vote_variance

Array = NDArray[np.float64]


def evaluate(predictions: pd.DataFrame, labels: Labels) -> Report:
    """Compare a catalogue of predictions with labels.

    Parameters
    ----------
    predictions : DataFrame
        The id column and the columns of the labels' tree, cumulative.
    labels : Labels
        Galaxies without a prediction are counted and left out.

    Returns
    -------
    report : Report

    Raises
    ------
    InputError
        Columns that are missing, ids used twice, values that are not probabilities, or no galaxy
        in both.

    Examples
    --------
    >>> from gz2tree.questions import Question
    >>> from gz2tree.tree import DecisionTree
    >>> tree = DecisionTree("toy", [Question("shape", ["smooth", "disk"])])
    >>> ids = np.array(["7", "8"], dtype=object)
    >>> labels = Labels(ids, np.array([[0.2, 0.8], [1.0, 0.0]]), tree, "cumulative")
    >>> predictions = pd.DataFrame(
    ...     {"id": ids, "shape_smooth": [0.3, 0.9], "shape_disk": [0.7, 0.1]})
    >>> report = evaluate(predictions, labels)
    >>> round(report.rmse, 3), round(report.null_rmse, 3), round(report.mean_baseline_rmse, 3)
    (0.1, 0.1, 0.4)
    """
    predicted, labels = align(predictions, labels)
    tree = labels.tree
    means = np.array([_mean(column[~np.isnan(column)]) for column in labels.cumulative.T])
    cells = _Cells(
        labels,
        predicted,
        np.square(predicted - labels.cumulative),
        np.square(means - labels.cumulative),
        vote_variance(tree, labels.cumulative, labels.counts),
        *conditional_answers(predicted, labels),
    )
    violation = _violation(predicted, labels)  # (n_questions,)
    per_question = {
        name: cells.figures(answers) | {"max_parent_violation": float(violation[number])}
        for number, (name, answers) in enumerate(
            zip(tree.question_columns, tree.slices, strict=True)
        )
    }
    per_answer = {
        column: cells.figures(slice(n, n + 1))
        | {
            "mean_label": means[n],
            "mean_prediction": _mean(predicted[labels.measured[:, n], n]),
        }
        for n, column in enumerate(tree.columns)
    }
    overall: dict[str, Any] = cells.figures(slice(None))
    return Report(
        n=len(labels),
        max_parent_violation=float(np.fmax.reduce(violation)),
        per_question=per_question,
        per_answer=per_answer,
        **overall,
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    """What figures are means of; arrays of shape (n, n_answers), NaN where not measured."""

    labels: Labels
    predicted: Array
    square: Array
    baseline: Array  # squared error of each answer's mean
    noise: Array
    conditional: Array
    voted: Array
    weight: Array

    def figures(self, answers: slice) -> dict[str, float]:
        """Figures over some of the answers."""
        labels = self.labels
        ours, voted = self.conditional[:, answers], self.voted[:, answers]
        asked, measured = self.weight[:, answers], labels.measured[:, answers]

        def rmse_where(cells: NDArray[np.bool_]) -> float:
            return math.sqrt(_mean(self.square[:, answers][cells[:, answers]]))

        return {
            "n_cells": int(measured.sum()),
            "rmse": rmse_where(labels.measured),
            "null_rmse": rmse_where(labels.null),
            "structural_null_rmse": rmse_where(labels.structural_null),
            "voteless_null_rmse": rmse_where(labels.voteless_null),
            "nonnull_rmse": rmse_where(labels.measured & ~labels.null),
            "mean_baseline_rmse": math.sqrt(_mean(self.baseline[:, answers][measured])),
            "vote_noise_rmse": math.sqrt(_mean(self.noise[:, answers][measured])),
            "conditional_rmse": math.sqrt(
                _ratio((asked * np.square(ours - voted)).sum(), asked.sum())
            ),
            "calibration_error": calibration_error(calibration_curve(ours, voted, asked)),
            "exact_zero_share": _mean(self.predicted[:, answers][measured] == 0),
            "null_share": _mean(labels.null[:, answers][measured]),
        }


def conditional_answers(predicted: Array, labels: Labels) -> tuple[Array, Array, Array]:
    """Conditional probabilities, predicted and voted, and the reach by which they weigh.

    An answer predicted not to be reachable counts as predicted with probability 0. A flat network
    or a rounded label may imply a conditional probability above 1, which counts as 1.

    Parameters
    ----------
    predicted : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative, in the order of the labels; see `gz2tree.labelling.matching.align`.
    labels : Labels, n galaxies

    Returns
    -------
    predicted, voted : array of float64, shape (n, n_answers), in [0, 1]
    weight : array of float64, shape (n, n_answers), in [0, 1]
        The labels' reach; 0 where not measured.
    """
    voted = labels.conditional
    ours = np.nan_to_num(conditional_of(labels.tree, predicted), nan=0.0).clip(0, 1)
    weight = np.where(np.isnan(voted), 0.0, by_answer(labels.tree, labels.reach))
    return ours, np.nan_to_num(voted).clip(0, 1), weight


def parent_violation(tree: DecisionTree, cumulative: Array) -> Array:
    """How far a question's answers are from summing to its reach; at least 0.

    Parameters
    ----------
    tree : DecisionTree
    cumulative : array of float64, shape (n, n_answers), in [0, 1]

    Returns
    -------
    violation : array of float64, shape (n, n_questions)
    """
    return np.abs(sum_by_question(tree, cumulative) - reach_of(tree, cumulative))


def _violation(predicted: Array, labels: Labels) -> Array:
    """Largest violation in each question; NaN if none of its answers is measured.

    A network was hardly trained on a question that the labels do not measure: what a flat one says
    of it is no argument against it.
    """
    measured = [labels.measured[:, answers].any() for answers in labels.tree.slices]
    return np.where(measured, parent_violation(labels.tree, predicted).max(0), np.nan)


def _mean(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return float(known.mean()) if known.size else math.nan


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan
