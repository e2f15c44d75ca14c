"""What makes a list of questions a decision tree, and what is said where it is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from gz2tree.errors import did_you_mean, first_few, shown
from gz2tree.questions import Question, TreeError, check_texts

if TYPE_CHECKING:
    from gz2tree.tree import DecisionTree


KINDS = ("count", "weight", "fraction", "weighted_fraction", "debiased")
"""Kinds of label that a catalogue may have; `gz2tree.config.choices.Kind` lists the same."""


def questions_of(tree: str, given: object) -> tuple[Question, ...]:
    """Take the questions of a tree, unless they are something else, such as dictionaries.

    Raises
    ------
    TreeError
        No sequence, or one of something else.
    """
    if isinstance(given, Sequence) and all(isinstance(question, Question) for question in given):
        return tuple(given)
    found = type(given).__name__
    if isinstance(given, Sequence) and not isinstance(given, str):
        found = shown(next(question for question in given if not isinstance(question, Question)))
    raise TreeError(
        f"tree {tree!r}: expected a list of Question, found {found}; DecisionTree.from_dict takes "
        "dictionaries, DecisionTree.from_file a tree file"
    )


def check_kinds(kinds: Mapping[str, str]) -> None:
    """Refuse endings that are no text, and kinds that nobody could ask for.

    Raises
    ------
    TreeError
        The first of them.
    """
    for kind, ending in kinds.items():
        check_texts("tree: kinds", kind=kind, **{f"ending of {shown(kind)}": ending})
        if kind not in KINDS:
            raise TreeError(
                f"tree: kinds: expected {', '.join(KINDS)}, found {shown(kind)}"
                f"{did_you_mean(kind, KINDS)}"
            )


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
            if declared.get(answer.name) == question.name:
                raise TreeError(f"question {question.name!r} has the answer {answer.name!r} twice")
            if answer.name in declared:
                raise TreeError(
                    f"duplicate answer {answer.name!r}: in question {question.name!r} and already "
                    f"in {declared[answer.name]!r}; names are unique in a tree: call it "
                    f"{question.name}_{answer.name} and give it label: {answer.label!r}"
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
    question_of = {answer.name: q for q in tree.questions for answer in q.answers}
    seen: set[str] = set()
    for question in tree.questions:
        who = f"question {question.name!r} is asked after"
        for parent in question.asked_after:
            if parent not in question_of:
                raise TreeError(
                    f"{who} {parent!r}, which is no answer of this tree{_instead(tree, parent)}"
                )
            if parent not in seen:
                _refuse_cycle(question, question_of)
                raise TreeError(
                    f"{who} {parent!r} of question {question_of[parent].name!r}, which must be "
                    "declared before it"
                )
            if question.asked_after.count(parent) > 1:
                raise TreeError(f"question {question.name!r} names parent {parent!r} twice")
        seen.update(a.name for a in question.answers)
    if any(len(parents) > 1 for parents in tree.parents):
        _check_exclusive(tree)


def _instead(tree: DecisionTree, parent: str) -> str:
    """Say which answer may have been meant by a name that is no answer's."""
    for question in tree.questions:
        if question.name == parent:
            named = first_few([answer.name for answer in question.answers])
            return f"; {parent!r} is a question: name the answer of it that leads here, of {named}"
    labelled = [a.name for a in tree.answers if a.label.casefold() == parent.casefold()]
    if labelled:
        return f"; {parent!r} is the label of {' and of '.join(map(repr, labelled))}"
    return did_you_mean(parent, (answer.name for answer in tree.answers))


def _refuse_cycle(question: Question, question_of: Mapping[str, Question]) -> None:
    """Refuse a question that is asked after an answer to itself, or to one that comes after it.

    Whoever is told only that a question is declared too late would move it for ever.
    """
    way_to = {question.name: question.name}  # for each question before it, from it to that one
    to_visit = [question]
    for later in to_visit:
        for parent in later.asked_after:
            before = question_of.get(parent)
            if before is question:
                if later is question:
                    raise TreeError(f"question {question.name!r} is asked after its own answer")
                raise TreeError(f"cycle: {question.name} -> {way_to[later.name]}")
            if before is not None and before.name not in way_to:
                # The way leads from what is asked first to what is asked after it.
                way_to[before.name] = f"{before.name} -> {way_to[later.name]}"
                to_visit.append(before)


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
                    "both be given of one galaxy: their probabilities would not add; ask it "
                    "twice, under two names"
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
