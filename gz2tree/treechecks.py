"""What makes a list of questions a decision tree, and what is said where it is none."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from gz2tree.errors import did_you_mean
from gz2tree.questions import TreeError

if TYPE_CHECKING:
    from gz2tree.tree import DecisionTree


def check_names(tree: DecisionTree) -> None:
    """Refuse questions, answers and columns that are called alike.

    Raises
    ------
    TreeError
        The first name that is there twice.
    """
    declared: dict[str, str] = {}
    question_names = [question.name for question in tree.questions]
    for question in tree.questions:
        if question_names.count(question.name) > 1:
            raise TreeError(f"question {question.name!r} is declared twice")
        for answer in question.answers:
            if answer.name in declared:
                raise TreeError(
                    f"duplicate answer {answer.name!r}: in question {question.name!r} "
                    f"and already in {declared[answer.name]!r}"
                )
            declared[answer.name] = question.name
    for names in (tree.catalogue_columns, tree.kaggle_columns):
        for column in names:
            if names.count(column) > 1:
                raise TreeError(f"two answers would share the column {column!r}")


def check_parents(tree: DecisionTree) -> None:
    """Refuse parents that are unknown, declared later, named twice, or not exclusive.

    Raises
    ------
    TreeError
        The question and the answer, or the two answers, that it is wrongly asked after.
    """
    everywhere = {a.name: q.name for q in tree.questions for a in q.answers}
    seen: set[str] = set()
    for question in tree.questions:
        for parent in question.asked_after:
            if parent not in everywhere:
                raise TreeError(
                    f"question {question.name!r} is asked after {parent!r}, which is no answer of "
                    f"this tree{did_you_mean(parent, everywhere)}"
                )
            if parent not in seen:
                raise TreeError(
                    f"question {question.name!r} is asked after {parent!r} of question "
                    f"{everywhere[parent]!r}, which must be declared before it"
                )
            if question.asked_after.count(parent) > 1:
                raise TreeError(f"question {question.name!r} names parent {parent!r} twice")
        seen.update(a.name for a in question.answers)
    if any(len(parents) > 1 for parents in tree.parents):
        _check_exclusive(tree)


def _check_exclusive(tree: DecisionTree) -> None:
    """Refuse two parents of a question that can both be given of one galaxy.

    Two answers to different questions can if the later one's question has no parents, or if one of
    its parents can be given together with the earlier answer.
    """
    together: list[int] = []  # for each answer, those given of the same galaxies: bit n, answer n
    for number, question in enumerate(tree.questions):
        parents = tree.parents[number]
        for one, other in combinations(parents, 2):
            if together[one] >> other & 1:
                raise TreeError(
                    f"question {question.name!r} is asked after "
                    f"{tree.answers[one].name!r} and {tree.answers[other].name!r}, which can "
                    "both be given of one galaxy: their probabilities would not add"
                )
        before = 0 if parents else (1 << len(together)) - 1
        for parent in parents:
            before |= together[parent]
        first = len(together)
        together += [before | 1 << first + answer for answer in range(len(question))]
        own = (1 << len(question)) - 1 << first
        for earlier in range(first):
            if before >> earlier & 1:
                together[earlier] |= own
