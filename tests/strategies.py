"""Hypothesis strategies shared by the tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from hypothesis import strategies as st

from gz2tree.questions import Question
from gz2tree.tree import DecisionTree

# Answers and parents of a question; the simplest, to which examples shrink, comes first.
SHAPES = list(product((2, 3, 1, 5), (1, 2, 0, 3)))
WIDE_SHAPES = list(product((2, 3, 1, *range(4, 13)), (1, 2, 0, 3, 4)))


def question(number: int, n_answers: int, asked_after: list[str]) -> Question:
    answers = [f"a{number}_{place}" for place in range(n_answers)]
    return Question(f"q{number}", answers, asked_after)


@st.composite
def questionnaires(draw: st.DrawFn, max_questions: int = 5) -> list[Question]:
    """Questions with any earlier answers for parents: no tree if two of them can both be given."""
    questions: list[Question] = []
    for number in range(draw(st.integers(1, max_questions))):
        earlier = [a.name for q in questions for a in q.answers]
        asked_after = st.lists(st.sampled_from(earlier), max_size=3, unique=True)
        parents = draw(asked_after) if earlier else []
        questions.append(question(number, draw(st.integers(1, 3)), parents))
    return questions


@st.composite
def trees(
    draw: st.DrawFn, max_questions: int = 8, shapes: Sequence[tuple[int, int]] = SHAPES
) -> DecisionTree:
    """Decision trees: several roots, questions of one answer and of several parents among them."""
    questions: list[Question] = []
    # For each answer, those that can be given of the same galaxy, itself included.
    together: dict[str, set[str]] = {}
    for number in range(draw(st.integers(1, max_questions))):
        n_answers, n_parents = draw(st.sampled_from(shapes)) if questions else (2, 0)
        parents: list[str] = []
        free = list(together)
        while free and len(parents) < n_parents:
            # Counted from the end, so that trees get deep.
            parents.append(free[-1 - draw(st.integers(0, len(free) - 1))])
            free = [answer for answer in free if answer not in together[parents[-1]]]
        questions.append(question(number, n_answers, parents))
        along = set().union(*(together[p] for p in parents)) if parents else set(together)
        for answer in questions[-1].answers:
            together[answer.name] = along | {answer.name}
            for other in along:
                together[other].add(answer.name)
    return DecisionTree("random", questions)
