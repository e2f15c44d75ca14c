"""The words of the tree in numbers: cumulative, reach, conditional, and sums by question.

Of answers on the last axis of arrays, in the order of the tree. The layer of the network,
`gz2tree.graph.DecisionGraph`, computes the same with tensors that have gradients; this module is
for tables, and loads no torch.

NaN is what is not known. It makes unknown what is computed from it, with one exception: what
follows from an answer that is exactly 0 is 0, since nobody was asked.

Examples
--------
A disk of 0.8, barred or not by halves, and a bar asked of disks alone:

>>> from gz2tree.questions import Question
>>> from gz2tree.tree import DecisionTree
>>> tree = DecisionTree("bars", [
...     Question("shape", ["smooth", "disk"]), Question("bar", ["bar", "none"], ["disk"])])
>>> cumulative = cumulative_of(tree, np.array([0.2, 0.8, 0.5, 0.5]))
>>> cumulative
array([0.2, 0.8, 0.4, 0.4])
>>> reach_of(tree, cumulative)
array([1. , 0.8])
>>> conditional_of(tree, cumulative)
array([0.2, 0.8, 0.5, 0.5])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gz2tree.tree import DecisionTree

Floats = NDArray[np.float64]


def cumulative_of(tree: DecisionTree, conditional: NDArray[Any]) -> Floats:
    """Multiply conditional probabilities down the tree.

    Parameters
    ----------
    tree : DecisionTree
    conditional : array, shape (..., n_answers), in [0, 1]
        NaN where a question got no votes.

    Returns
    -------
    cumulative : array of float64, shape (..., n_answers), in [0, 1]
        0 where a question is not reached, whatever its conditional probabilities. NaN where a
        question was reached without being measured, and in all that follows from it.
    """
    cumulative = np.empty(conditional.shape)
    # A question comes after those that lead to it, so their answers are there already.
    for number, answers in enumerate(tree.slices):
        reach = _reach(tree, cumulative, number)[..., None]  # (..., 1)
        product = reach * conditional[..., answers]  # (..., k)
        cumulative[..., answers] = np.where(reach == 0, 0.0, product)
    return cumulative


def reach_of(tree: DecisionTree, cumulative: Floats) -> Floats:
    """Probability that each question was asked.

    Parameters
    ----------
    tree : DecisionTree
    cumulative : array, shape (..., n_answers), in [0, 1]

    Returns
    -------
    reach : array of float64, shape (..., n_questions), in [0, 1]
        The sum of the answers that lead to a question, 1 if everyone is asked it; NaN if any of
        those answers is. What rounding adds beyond 1 is cut off.
    """
    return np.stack([_reach(tree, cumulative, n) for n in range(len(tree.questions))], -1)


def conditional_of(tree: DecisionTree, cumulative: Floats, reach: Floats | None = None) -> Floats:
    """Recover conditional from cumulative probabilities; the inverse of `cumulative_of`.

    Parameters
    ----------
    tree : DecisionTree
    cumulative : array, shape (..., n_answers), in [0, 1]
    reach : array, shape (..., n_questions), in [0, 1], optional
        Of the questions, where it is known otherwise than from `cumulative`.

    Returns
    -------
    conditional : array of float64, shape (..., n_answers), at least 0
        NaN in questions that are not reached, or of unknown (NaN) reach. Above 1 where an answer
        exceeds the reach of its question, as those of a flat network may.
    """
    reach = reach_of(tree, cumulative) if reach is None else reach
    asked = by_answer(tree, reach)  # (..., n_answers)
    unknown = np.full(cumulative.shape, np.nan)
    return np.divide(cumulative, asked, out=unknown, where=asked > 0)


def sum_by_question(tree: DecisionTree, values: NDArray[Any]) -> NDArray[Any]:
    """Sum over the answers of each question: of counts, how many votes it got.

    Parameters
    ----------
    tree : DecisionTree
    values : array, shape (..., n_answers)

    Returns
    -------
    total : array of that type, shape (..., n_questions)
        NaN if any answer of the question is.
    """
    return np.add.reduceat(values, [answers.start for answers in tree.slices], -1)


def by_answer(tree: DecisionTree, of_question: NDArray[Any]) -> NDArray[Any]:
    """Give each answer what its question has: (..., n_questions) -> (..., n_answers)."""
    return of_question[..., list(tree.question_of)]


def share_of_question(tree: DecisionTree, values: NDArray[Any]) -> Floats:
    """Divide by the sum over the question: of counts, the vote fractions.

    Parameters
    ----------
    tree : DecisionTree
    values : array, shape (..., n_answers), at least 0

    Returns
    -------
    share : array of float64, shape (..., n_answers), in [0, 1]
        NaN where the sum is 0, as nobody was asked, or unknown (NaN).
    """
    total = by_answer(tree, sum_by_question(tree, values))  # (..., n_answers)
    unknown = np.full(values.shape, np.nan)
    return np.divide(values, total, out=unknown, where=total > 0)


def _reach(tree: DecisionTree, cumulative: Floats, number: int) -> Floats:
    """Reach of one question; (..., n_answers) -> (...)."""
    parents = list(tree.parents[number])
    if not parents:
        return np.ones(cumulative.shape[:-1])
    return np.minimum(cumulative[..., parents].sum(-1), 1.0)
