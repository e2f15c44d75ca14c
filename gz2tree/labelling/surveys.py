"""Several surveys at once: their trees side by side in one, their labels within it.

One network then has one backbone and the heads of all trees. A batch may mix galaxies of all
surveys: what a galaxy was not asked is not measured, and losses leave it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gz2tree.errors import InputError
from gz2tree.labels import Labels
from gz2tree.questions import Answer, Question
from gz2tree.tree import DecisionTree


def join_trees(name: str, trees: Sequence[DecisionTree]) -> DecisionTree:
    """Put trees side by side.

    Parameters
    ----------
    name : str
    trees : sequence of DecisionTree
        Of different names, which come before the names of their questions, answers and columns.

    Returns
    -------
    joined : DecisionTree
        The first questions of every tree are asked of everyone.

    Raises
    ------
    InputError
        No trees, or two of one name.

    Examples
    --------
    >>> from gz2tree import GZ2, GZ2_KAGGLE
    >>> both = join_trees("both", [GZ2, GZ2_KAGGLE])
    >>> both
    <DecisionTree both: 22 questions, 74 answers>
    >>> both.columns[37]
    'GZ2_KAGGLE_t01_smooth_or_features_a01_smooth'
    """
    names = [tree.name for tree in trees]
    if len(set(names)) < len(names) or not names:
        raise InputError(f"join: expected trees of different names, found {names}")
    return DecisionTree(name, [question for tree in trees for question in _prefixed(tree)])


def labels_within(joined: DecisionTree, labels: Labels) -> Labels:
    """Take labels of one survey to the joined tree; what others ask is not measured.

    Parameters
    ----------
    joined : DecisionTree
        Made by `join_trees`.
    labels : Labels
        Of one of its trees.

    Raises
    ------
    InputError
        Labels of another tree.
    """
    own = _prefixed(labels.tree)
    if own[0] not in joined.questions:
        raise InputError(
            f"tree {joined.name}: expected one joined from {labels.tree.name}, found no question "
            f"{own[0].name!r}"
        )
    first = joined.questions.index(own[0])
    answers = slice(joined.slices[first].start, joined.slices[first].start + len(labels.tree))
    questions = slice(first, first + len(own))
    if joined.questions[questions] != tuple(own):
        raise InputError(f"tree {joined.name}: its part {labels.tree.name} is another tree")

    def spread(values: NDArray[np.float64], where: slice, width: int) -> NDArray[np.float64]:
        wide = np.full((len(labels), width), np.nan)
        wide[:, where] = values
        return wide

    counts, given, n = labels.counts, labels.given_reach, len(joined)
    return replace(
        labels,
        tree=joined,
        cumulative=spread(labels.cumulative, answers, n),
        counts=None if counts is None else spread(counts, answers, n),
        given_reach=None if given is None else spread(given, questions, len(joined.questions)),
    )


def _prefixed(tree: DecisionTree) -> list[Question]:
    return [
        Question(
            f"{tree.name}_{question.name}",
            [
                Answer(f"{tree.name}_{answer.name}", answer.label, f"{tree.name}_{column}")
                for answer, column in zip(
                    question.answers, tree.catalogue_columns[answers], strict=True
                )
            ],
            [f"{tree.name}_{parent}" for parent in question.asked_after],
            question.label,
        )
        for question, answers in zip(tree.questions, tree.slices, strict=True)
    ]
