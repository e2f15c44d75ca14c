"""Where the questions and answers of a tree go on the page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gz2tree.tree import DecisionTree

_GAP = 0.5
_LINE = 0.75  # rows, of a line of a heading after the first

# Inches, of 9-point type: a letter, what a level has beside its words, the narrowest level.
_LETTER, _BRANCHES, _NARROW = 0.074, 0.9, 1.7
_ROW, _ROW_WITH_NUMBERS = 0.25, 0.36
_TITLE, _LEGEND = 0.45, 0.35


@dataclass(frozen=True)
class TreeLayout:
    """Places of questions and answers: depth to the right, rows of text downwards.

    Parameters
    ----------
    shown : tuple of int
        Positions of the questions that have a place, in the tree's order. The others, and their
        answers, have the level -1 and NaN for a row.
    level : tuple of int, length n_questions
        Depth of each question.
    heading : tuple of str, length n_questions
        Number and words of each question, in lines that fit into a level.
    header : tuple of float, length n_questions
        Row of the middle of each question's heading.
    question : tuple of float, length n_questions
        Row of the point where its branches part.
    answer : tuple of float, length n_answers
        Row of each answer.
    height : float
        Rows in all.
    level_width : float
        Inches that a level needs for its words in type of 9 points.
    """

    shown: tuple[int, ...]
    level: tuple[int, ...]
    heading: tuple[str, ...]
    header: tuple[float, ...]
    question: tuple[float, ...]
    answer: tuple[float, ...]
    height: float
    level_width: float

    def size(self, numbers: bool) -> tuple[float, float]:
        """Width and height, in inches, of a figure in which the words do not overlap.

        Parameters
        ----------
        numbers : bool
            Whether there is a line of numbers under each answer.
        """
        row = _ROW_WITH_NUMBERS if numbers else _ROW
        return self.level_width * self.n_levels, _TITLE + row * self.height + _LEGEND * numbers

    @property
    def n_levels(self) -> int:
        """Levels that hold a question."""
        return 1 + max(self.level)


def questions_reached(
    tree: DecisionTree, probabilities: Sequence[ArrayLike | None], least_reach: float
) -> tuple[int, ...]:
    """Choose the questions that are asked of enough galaxies.

    Parameters
    ----------
    tree : DecisionTree
    probabilities : sequence of array_like, shape (n_answers,), or None
        Cumulative: predicted, voted, or both.
    least_reach : float, in [0, 1]
        Reach that a question must have by any of them, and one of its answers be measured. 0
        keeps all questions, measured or not; so does a tree without probabilities.

    Returns
    -------
    shown : tuple of int
        In the tree's order; a question is there only if one that leads to it is.
    """
    given = [np.asarray(values, np.float64) for values in probabilities if values is not None]
    if least_reach == 0 or not given:
        return tuple(range(len(tree.questions)))
    shown: list[int] = []
    for level in tree.levels:  # from above: whether a question is there depends on those before
        for number in level:
            parents = list(tree.parents[number])
            led_to = not parents or any(tree.question_of[answer] in shown for answer in parents)
            reached = any(
                np.isfinite(values[tree.slices[number]]).any()
                and (not parents or np.nansum(values[parents]) >= least_reach)
                for values in given
            )
            if led_to and reached:
                shown.append(number)
    return tuple(sorted(shown))


def layout_tree(tree: DecisionTree, shown: Sequence[int] | None = None) -> TreeLayout:
    """Lay out a tree so that no two answers share a row of a level.

    Within a level, questions stand in the order of the answers that lead to them, so that
    branches cross as little as may be; free space is shared out evenly between them.

    Parameters
    ----------
    tree : DecisionTree
    shown : sequence of int, optional
        Positions of the questions that get a place; all by default.

    Returns
    -------
    layout : TreeLayout
    """
    chosen = tuple(range(len(tree.questions))) if shown is None else tuple(shown)
    labels = [answer.label for n in chosen for answer in tree.questions[n].answers]
    level_width = max(_NARROW, _BRANCHES + _LETTER * max(map(len, labels)))
    letters = int(level_width / (1.2 * _LETTER))  # of bold type
    heading = [
        textwrap.fill(f"{number}. {question.label}", letters)
        for number, question in enumerate(tree.questions, 1)
    ]
    above = [1 + _LINE * text.count("\n") for text in heading]
    rows = [top + len(question) for top, question in zip(above, tree.questions, strict=True)]
    levels = [[number for number in level if number in chosen] for level in tree.levels]
    height = max(sum(rows[number] for number in level) + _GAP * len(level) for level in levels)
    level_of, header = [-1] * len(rows), [np.nan] * len(rows)
    middle, answer = [np.nan] * len(rows), [np.nan] * len(tree)

    def wanted(number: int) -> float:
        parents = [answer[parent] for parent in tree.parents[number]]
        return float(np.nanmean(parents)) if parents else 0.0

    for depth, level in enumerate(levels):
        space = (height - sum(rows[number] for number in level)) / max(1, len(level))
        top = space / 2
        for number in sorted(level, key=wanted):  # stable: side by side in the tree's order
            level_of[number], header[number] = depth, top + above[number] / 2
            first = top + above[number]
            for place, position in enumerate(range(*tree.slices[number].indices(len(tree)))):
                answer[position] = first + 0.5 + place
            middle[number] = first + len(tree.questions[number]) / 2
            top += rows[number] + space
    return TreeLayout(
        chosen, tuple(level_of), tuple(heading), tuple(header), tuple(middle), tuple(answer),
        height, level_width,
    )  # fmt: skip
