"""One galaxy in words: each branch of its tree, and why a probability is 0 or not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from gz2tree.errors import InputError
from gz2tree.probabilities import conditional_of, reach_of
from gz2tree.science.samples import answers_before
from gz2tree.tree import DecisionTree
from gz2tree.treetext import answer_name, tree_lines

_SHOWN = 0.001
_EVERYONE = 1 - 1e-6


@dataclass(frozen=True)
class Told:
    """What is known of a galaxy's numbers besides the numbers.

    Parameters
    ----------
    predicted : bool, optional
        Whether they were predicted (True) or voted (False); None where that is not known.
    gate : float, in [0, 1], optional
        The gate of the prediction, 0 for none; None where that is not known.
    of_questions : mapping of int to str
        What else is to be said of a question, by its number.
    of_answers : mapping of int to str
        Why an answer is not measured, by its position.
    """

    predicted: bool | None = None
    gate: float | None = None
    of_questions: Mapping[int, str] = field(default_factory=dict)
    of_answers: Mapping[int, str] = field(default_factory=dict)

    @property
    def zero(self) -> str:
        """Why an answer is exactly 0 although its question is asked; after a number 0."""
        if self.predicted is None:
            return ": voted 0, or below a gate"
        if not self.predicted:
            return ": nobody chose it"
        if self.gate is None:
            return ": predicted 0, or below a gate"
        return f": below the gate of {self.gate:g}" if self.gate else ": predicted 0"

    @property
    def asked(self) -> str:
        """How to say that a question is asked."""
        return "would be asked of" if self.predicted else "asked of"


def explain(cumulative: ArrayLike, tree: DecisionTree, told: Told = Told()) -> Iterator[str]:
    r"""Say of each branch of one galaxy how probable it is, and why if it is 0 or not measured.

    Parameters
    ----------
    cumulative : array_like of float, shape (n_answers,), in [0, 1]
        Predicted or voted; NaN where not measured.
    tree : DecisionTree
    told : Told
        Whether it was predicted, and with which gate: only then can a zero be explained.

    Yields
    ------
    line : str
        A question with the share of people who are asked it; or an answer with its column, its
        cumulative probability and, where not everyone is asked, the conditional one.

    Raises
    ------
    InputError
        Another number of answers.

    Examples
    --------
    >>> from gz2tree import DecisionTree, Question
    >>> tree = DecisionTree("bars", [
    ...     Question("disc", ["yes", "no"]), Question("bar", ["bar", "none"], asked_after=["yes"])])
    >>> print(*explain([0.0, 1.0, 0.0, 0.0], tree, Told(predicted=True, gate=0.01)), sep="\n")
    1. disc?  asked of everyone
       ├─ yes [disc_yes]  0: below the gate of 0.01
       │  2. bar?  never asked, as 'yes' is 0
       │     ├─ bar [bar_bar]  0
       │     └─ none [bar_none]  0
       └─ no [disc_no]  1.000
    """
    numbers = _Numbers(cumulative, tree, told)
    yield from tree_lines(tree, numbers.of_question, numbers.of_answer)


def explain_answer(
    cumulative: ArrayLike, tree: DecisionTree, answer: int, told: Told = Told()
) -> str:
    """Say in one line how the probability of an answer comes about.

    Parameters
    ----------
    cumulative, tree, told
        As of `explain`.
    answer : int
        Its position; see `gz2tree.DecisionTree.find_answer`.

    Returns
    -------
    line : str
        The answer's cumulative probability, then the answers that lead to it, each with its
        conditional probability: their product is the cumulative one.

    Raises
    ------
    InputError
        Another number of answers.

    Examples
    --------
    >>> from gz2tree import DecisionTree, Question
    >>> tree = DecisionTree("bars", [
    ...     Question("disc", ["yes", "no"]), Question("bar", ["bar", "none"], asked_after=["yes"])])
    >>> explain_answer([0.5, 0.5, 0.1, 0.4], tree, 2)
    'bar [bar_bar] = 0.100: yes 0.500 -> bar 0.200 of those'
    >>> explain_answer([0.0, 1.0, 0.0, 0.0], tree, 2, Told(predicted=False))
    "bar [bar_bar] = 0: yes 0: nobody chose it -> 'bar?' is never asked"
    """
    return _Numbers(cumulative, tree, told).chain(answer)


class _Numbers:
    """One galaxy's numbers, and what is said of each; parameters as of `explain`."""

    def __init__(self, cumulative: ArrayLike, tree: DecisionTree, told: Told) -> None:
        self.values = np.asarray(cumulative, np.float64)  # (n_answers,)
        if self.values.shape != (len(tree),):
            raise InputError(
                f"explain: expected the {len(tree)} answers of {tree.name}, found "
                f"{self.values.size}"
            )
        self.tree, self.told = tree, told
        self.reach: list[float] = reach_of(tree, self.values).tolist()
        self.conditional: list[float] = conditional_of(tree, self.values).tolist()

    def of_question(self, number: int) -> str:
        """Say of whom a question is asked, and what else there is to be said of it."""
        more = self.told.of_questions.get(number, "")
        return f"  {self.asked(number)}{'; ' if more else ''}{more}"

    def asked(self, number: int) -> str:
        """Say of whom a question is asked, and why of nobody."""
        reach, parents = self.reach[number], self.tree.parents[number]
        if np.isnan(reach):
            unknown = [p for p in parents if np.isnan(self.values[p])]
            return f"not measured whether it was asked, as {self._names(unknown)} not measured"
        if reach == 0:
            return f"never asked, as {self._names(parents)} 0"
        everyone = reach > _EVERYONE
        said = "asked of" if everyone else self.told.asked
        return f"{said} {'everyone' if everyone else _share(reach)}"

    def _names(self, answers: list[int] | tuple[int, ...]) -> str:
        named = " and ".join(f"'{answer_name(self.tree, answer)}'" for answer in answers)
        return f"{named} {'is' if len(answers) == 1 else 'are'}"

    def of_answer(self, position: int) -> str:
        """Name an answer's column, and say how probable it is."""
        value, reach = float(self.values[position]), self.reach[self.tree.question_of[position]]
        said = f" [{self.tree.columns[position]}]  {self._value(position)}"
        if value > 0 and reach <= _EVERYONE:
            said += f" ({_share(self.conditional[position])} of those asked)"
        return said

    def _value(self, position: int) -> str:
        """Say an answer's cumulative probability, or why it is 0 or not known."""
        value = float(self.values[position])
        if np.isnan(value):
            why = self.told.of_answers.get(position, "")
            return f"not measured{': ' if why else ''}{why}"
        if value > 0:
            return _share(value)
        return f"0{self.told.zero if self.reach[self.tree.question_of[position]] != 0 else ''}"

    def chain(self, answer: int) -> str:
        """Say how the probability of an answer comes about."""
        value = float(self.values[answer])
        result = "not measured" if np.isnan(value) else _share(value) if value else "0"
        number = self.tree.question_of[answer]
        way = [*answers_before(self.tree, number)][::-1]
        steps = list(self._steps([*way, answer]))
        if value > 0 and not self.tree.parents[number]:
            steps = [f"'{self.tree.questions[number].label}' is asked of everyone"]
        return (
            f"{answer_name(self.tree, answer)} [{self.tree.columns[answer]}] = {result}: "
            f"{' -> '.join(steps)}"
        )

    def _steps(self, way: list[int]) -> Iterator[str]:
        """Say each answer on the way down, as far as it can be followed."""
        for position in way:
            number = self.tree.question_of[position]
            reach, value = self.reach[number], float(self.values[position])
            first = position == way[0]
            if np.isnan(reach) or reach == 0 or (first and self.tree.parents[number]):
                never = "is " if reach == 0 else ""
                why = "never asked" if reach == 0 and not first else self.asked(number)
                yield f"'{self.tree.questions[number].label}' {never}{why}"
            if np.isnan(reach) or reach == 0:
                return
            name = answer_name(self.tree, position)
            if not value > 0:
                known = value == 0 or position in self.told.of_answers
                more = "" if known else self.told.of_questions.get(number, "")
                yield f"{name} {self._value(position)}{': ' if more else ''}{more}"
                if value != 0:
                    return
            else:
                share = _share(self.conditional[position])
                yield f"{name} {share}{' of those' if reach <= _EVERYONE else ''}"


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
