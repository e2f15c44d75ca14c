"""What is said of decision trees: one drawn in lines of text, and in what two differ."""

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
        What is said behind a question, by its number, and an answer, by its position. By default
        it is whether everyone is asked, and the answer's column.

    Yields
    ------
    line : str
    """
    below: dict[int | None, list[int]] = {}
    for number, parents in enumerate(tree.parents):
        below.setdefault(parents[0] if parents else None, []).append(number)
    # What is still to be drawn, the next at the end: (is it a question, which, its indent). A tree
    # may be deeper than functions may call each other.
    to_draw = [(True, number, "") for number in reversed(below[None])]
    while to_draw:
        is_question, which, indent = to_draw.pop()
        if is_question:
            others = [tree.answers[p].label for p in tree.parents[which][1:]]
            also = f" (also after: {', '.join(others)})" if others else ""
            if not tree.parents[which] and of_question is None:
                also = "  asked of everyone"
            said = of_question(which) if of_question else ""
            yield f"{indent}{which + 1}. {tree.questions[which].label}{also}{said}"
            answers = range(tree.slices[which].start, tree.slices[which].stop)
            to_draw += [(False, position, indent) for position in reversed(answers)]
        else:
            last = which + 1 == tree.slices[tree.question_of[which]].stop
            branch = "└─ " if last else "├─ "
            said = of_answer(which) if of_answer else f"  [{tree.columns[which]}]"
            yield f"{indent}   {branch}{tree.answers[which].label}{said}"
            deeper = indent + ("      " if last else "   │  ")
            to_draw += [(True, child, deeper) for child in reversed(below.get(which, []))]


def tree_difference(one: DecisionTree, other: DecisionTree) -> str:
    """Say in what two trees differ first, for messages; nothing of equal trees.

    Parameters
    ----------
    one, other : DecisionTree

    Returns
    -------
    difference : str
        Their names if those differ; else the first question or answer that does, what of it, and
        what it is in either tree, as in ``"question 'bar': label: 'Bar?' and 'Barred?'"``.
    """
    if one.name != other.name:
        return f"{one.name} and {other.name}"
    pairs = zip(one.questions, other.questions, strict=False)
    for number, (question, another) in enumerate(pairs, 1):
        if question.name != another.name:
            return f"question {number}: {question.name!r} and {another.name!r}"
        who = f"question {question.name!r}"
        for place, (a, b) in enumerate(zip(question.answers, another.answers, strict=False), 1):
            if a.name != b.name:
                return f"{who}: answer {place}: {a.name!r} and {b.name!r}"
            for field in ("label", "column"):
                if getattr(a, field) != getattr(b, field):
                    found = f"{getattr(a, field)!r} and {getattr(b, field)!r}"
                    return f"answer {a.name!r}: {field}: {found}"
        if len(question) != len(another):
            return f"{who}: {len(question)} and {len(another)} answers"
        if question.asked_after != another.asked_after:
            leading = [", ".join(q.asked_after) or "nothing" for q in (question, another)]
            return f"{who}: asked after {' and after '.join(leading)}"
        if question.label != another.label:
            return f"{who}: label: {question.label!r} and {another.label!r}"
    if len(one.questions) != len(other.questions):
        return f"{len(one.questions)} and {len(other.questions)} questions"
    for field in ("naming", "kinds"):
        if getattr(one, field) != getattr(other, field):
            return f"{field}: {getattr(one, field)!r} and {getattr(other, field)!r}"
    return ""
