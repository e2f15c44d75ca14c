"""A decision tree, drawn in lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gz2tree.tree import DecisionTree


def answer_name(tree: DecisionTree, position: int) -> str:
    """Name an answer for people: its label, behind its question where another is called the same.

    Examples
    --------
    >>> from gz2tree import GZ2
    >>> answer_name(GZ2, GZ2.find_answer("a06_bar")), answer_name(GZ2, GZ2.find_answer("a05_no"))
    ('bar', 'Edge-on disk? no')
    """
    label = tree.answers[position].label
    if sum(answer.label == label for answer in tree.answers) == 1:
        return label
    return f"{tree.questions[tree.question_of[position]].label} {label}"


def tree_lines(
    tree: DecisionTree,
    of_question: Callable[[int], str] | None = None,
    of_answer: Callable[[int], str] | None = None,
) -> Iterator[str]:
    """Draw a tree; a question of several parents is drawn under the first of them.

    Parameters
    ----------
    tree : DecisionTree
    of_question, of_answer : function of int to str, optional
        What is said behind a question, by its number, and an answer, by its position; nothing and
        its column by default.

    Yields
    ------
    line : str
    """
    below: dict[int | None, list[int]] = {}
    for number, parents in enumerate(tree.parents):
        below.setdefault(parents[0] if parents else None, []).append(number)

    def question_lines(number: int, indent: str) -> Iterator[str]:
        question = tree.questions[number]
        others = [tree.answers[p].label for p in tree.parents[number][1:]]
        also = f" (also after: {', '.join(others)})" if others else ""
        said = of_question(number) if of_question else ""
        yield f"{indent}{number + 1}. {question.label}{also}{said}"
        answers = range(tree.slices[number].start, tree.slices[number].stop)
        for position in answers:
            last = position == answers[-1]
            branch = "└─ " if last else "├─ "
            said = of_answer(position) if of_answer else f"  [{tree.columns[position]}]"
            yield f"{indent}   {branch}{tree.answers[position].label}{said}"
            for child in below.get(position, ()):
                yield from question_lines(child, indent + ("      " if last else "   │  "))

    for number in below[None]:
        yield from question_lines(number, "")
