"""Where the questions and answers of a tree go on the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gz2tree.tree import DecisionTree

_GAP = 0.5


@dataclass(frozen=True)
class TreeLayout:
    """Places of questions and answers: depth to the right, rows of text downwards.

    Parameters
    ----------
    level : tuple of int, length n_questions
        Depth of each question.
    header : tuple of float, length n_questions
        Row of each question's own words.
    question : tuple of float, length n_questions
        Row of the point where its branches part.
    answer : tuple of float, length n_answers
        Row of each answer.
    height : float
        Rows in all.
    """

    level: tuple[int, ...]
    header: tuple[float, ...]
    question: tuple[float, ...]
    answer: tuple[float, ...]
    height: float


def layout_tree(tree: DecisionTree) -> TreeLayout:
    """Lay out a tree so that no two answers share a row of a level.

    Within a level, questions stand in the order of the answers that lead to them, so that
    branches cross as little as may be; free space is shared out evenly between them.

    Parameters
    ----------
    tree : DecisionTree

    Returns
    -------
    layout : TreeLayout
    """
    rows = [len(question) + 1 for question in tree.questions]  # a header and the answers
    height = max(sum(rows[number] for number in level) + _GAP * len(level) for level in tree.levels)
    level_of, header = [0] * len(rows), [0.0] * len(rows)
    middle, answer = [0.0] * len(rows), [0.0] * len(tree)

    def wanted(number: int) -> float:
        parents = [answer[parent] for parent in tree.parents[number]]
        return float(np.mean(parents)) if parents else 0.0

    for depth, level in enumerate(tree.levels):
        space = (height - sum(rows[number] for number in level)) / len(level)
        top = space / 2
        for number in sorted(level, key=wanted):  # stable: side by side in the tree's order
            level_of[number], header[number] = depth, top + 0.5
            for place, position in enumerate(range(*tree.slices[number].indices(len(tree)))):
                answer[position] = top + 1.5 + place
            middle[number] = top + 1 + len(tree.questions[number]) / 2
            top += rows[number] + space
    return TreeLayout(tuple(level_of), tuple(header), tuple(middle), tuple(answer), height)
