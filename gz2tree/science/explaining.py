"""One galaxy in words: each branch of its tree, and why a probability is 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from gz2tree.errors import InputError
from gz2tree.probabilities import conditional_of, reach_of
from gz2tree.tree import DecisionTree
from gz2tree.treetext import tree_lines

_SHOWN = 0.001


def explain(cumulative: ArrayLike, tree: DecisionTree) -> Iterator[str]:
    r"""Say of each branch of one galaxy how probable it is, and why if it is exactly 0.

    Parameters
    ----------
    cumulative : array_like of float, shape (n_answers,), in [0, 1]
        Predicted or voted; NaN where not measured.
    tree : DecisionTree

    Yields
    ------
    line : str
        A question with the share of people who are asked it, or an answer with its cumulative
        probability and, where not everyone is asked, the conditional one.

    Raises
    ------
    InputError
        Another number of answers.

    Examples
    --------
    >>> from gz2tree import DecisionTree, Question
    >>> tree = DecisionTree("bars", [
    ...     Question("disc", ["yes", "no"]), Question("bar", ["bar", "none"], asked_after=["yes"])])
    >>> print(*explain([0.0, 1.0, 0.0, 0.0], tree), sep="\n")
    1. disc?  asked of everyone
       ├─ yes  0: nobody
       │  2. bar?  never asked, as 'yes' is 0
       │     ├─ bar  0
       │     └─ none  0
       └─ no  1.000
    """
    values = np.asarray(cumulative, np.float64)
    if values.shape != (len(tree),):
        raise InputError(
            f"explain: expected the {len(tree)} answers of {tree.name}, found {values.size}"
        )
    reach, conditional = reach_of(tree, values), conditional_of(tree, values)

    def of_question(number: int) -> str:
        if np.isnan(reach[number]):
            return "  not measured whether it was asked"
        if reach[number] == 0:
            parents = [tree.answers[parent].label for parent in tree.parents[number]]
            said = " and ".join(f"'{label}'" for label in parents)
            return f"  never asked, as {said} {'is' if len(parents) == 1 else 'are'} 0"
        return f"  asked of {'everyone' if reach[number] > 1 - 1e-6 else _share(reach[number])}"

    def of_answer(position: int) -> str:
        value, asked = float(values[position]), reach[tree.question_of[position]]
        if np.isnan(value):
            return "  not measured"
        if value == 0:
            return "  0" if asked == 0 else "  0: nobody"
        of_those = f" ({_share(conditional[position])} of those asked)" if asked < 1 - 1e-6 else ""
        return f"  {_share(value)}{of_those}"

    yield from tree_lines(tree, of_question, of_answer)


def _share(value: float) -> str:
    """Three decimals; 0 is kept for what is exactly 0."""
    return f"{value:.3f}" if value >= _SHOWN else f"{value:.0e}"


def most_probable_path(tree: DecisionTree, cumulative: ArrayLike) -> list[tuple[int, float]]:
    """Follow the most probable answer of every question that is then asked.

    Parameters
    ----------
    tree : DecisionTree
    cumulative : array_like, shape (n_answers,), in [0, 1]
        Of one galaxy. Questions with NaN among their answers are left out.

    Returns
    -------
    path : list of (int, float)
        Positions of the answers and their conditional probabilities, in the order of the tree.
        Questions asked side by side give an answer each.
    """
    values = np.asarray(cumulative, dtype=np.float64)
    given: set[int] = set()
    path = []
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        total = values[answers].sum()
        if total > 0 and (not parents or given.intersection(parents)):
            best = answers.start + int(values[answers].argmax())
            given.add(best)
            path.append((best, float(values[best] / total)))
    return path
