"""A decision tree, drawn in lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gz2tree.tree import DecisionTree


def tree_lines(tree: DecisionTree) -> Iterator[str]:
    """Draw a tree; a question of several parents is drawn under the first of them."""
    below: dict[int | None, list[int]] = {}
    for number, parents in enumerate(tree.parents):
        below.setdefault(parents[0] if parents else None, []).append(number)

    def question_lines(number: int, indent: str) -> Iterator[str]:
        question = tree.questions[number]
        others = [tree.answers[p].label for p in tree.parents[number][1:]]
        also = f" (also after: {', '.join(others)})" if others else ""
        yield f"{indent}{number + 1}. {question.label}{also}"
        answers = range(tree.slices[number].start, tree.slices[number].stop)
        for position in answers:
            last = position == answers[-1]
            branch = "└─ " if last else "├─ "
            label, column = tree.answers[position].label, tree.columns[position]
            yield f"{indent}   {branch}{label}  [{column}]"
            for child in below.get(position, ()):
                yield from question_lines(child, indent + ("      " if last else "   │  "))

    for number in below[None]:
        yield from question_lines(number, "")
