"""Calibration after training: a temperature and a strength for each question.

A temperature T makes the conditional answers of a question p ** (1 / T), divided by their sum: the
softmax of logits divided by T (Guo et al. 2017, ICML, section 4.2), whatever the activation. Above
1 it draws them together, below 1 apart; the order of the answers stays. A strength factor
multiplies the concentrations of the question's Dirichlet; of a network that gives none, it is the
strength itself, the same for all galaxies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.tree import DecisionTree

_FLOOR = 1e-30
"""Probabilities and sums below this count as 0, of which there is no logarithm and no share."""


@dataclass(frozen=True)
class Calibration:
    """What was fitted on galaxies that did not train the network.

    Parameters
    ----------
    temperature : tuple of float, above 0, one for each question
    strength : tuple of float, above 0, one for each question, optional
        Factors of the network's strengths, or the strengths of a network without; none if no
        votes were counted to fit them on.

    Raises
    ------
    InputError
        A number that is not above 0.
    """

    temperature: tuple[float, ...]
    strength: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name, values in (("temperature", self.temperature), ("strength", self.strength)):
            wrong = [value for value in values or () if not 0 < value < float("inf")]
            if wrong:
                raise InputError(f"calibration: expected a {name} above 0, found {wrong[0]}")

    def check_fits(self, tree: DecisionTree) -> None:
        """Refuse a tree of another number of questions.

        Raises
        ------
        InputError
        """
        for name, values in (("temperature", self.temperature), ("strength", self.strength)):
            if values is not None and len(values) != len(tree.questions):
                raise InputError(
                    f"calibration: expected a {name} for each of the {len(tree.questions)} "
                    f"questions of {tree.name}, found {len(values)}"
                )

    def temper(self, graph: DecisionGraph, conditional: Tensor) -> Tensor:
        """Apply the temperatures to conditional answers; (..., n_answers) -> the same shape."""
        return tempered(graph, conditional, conditional.new_tensor(self.temperature))

    def strengthen(self, strength: Tensor | None, like: Tensor) -> Tensor | None:
        """Apply the factors to strengths.

        Parameters
        ----------
        strength : Tensor, shape (..., n_questions), optional
            None of a network that gives none.
        like : Tensor, shape (..., n_answers)
            Answers of the same galaxies.

        Returns
        -------
        strength : Tensor, shape (..., n_questions), or None
        """
        if self.strength is None:
            return strength
        factor = like.new_tensor(self.strength)
        if strength is None:
            return factor.expand(*like.shape[:-1], len(self.strength))
        return strength * factor

    def to_dict(self, tree: DecisionTree) -> dict[str, Any]:
        """Return the numbers by the columns of the questions, as JSON values."""
        named = {"temperature": dict(zip(tree.question_columns, self.temperature, strict=True))}
        if self.strength is not None:
            named["strength"] = dict(zip(tree.question_columns, self.strength, strict=True))
        return named

    @classmethod
    def from_dict(cls, named: dict[str, Any], tree: DecisionTree) -> Self:
        """Read the result of `to_dict`.

        Raises
        ------
        InputError
            A question is missing, or another one is there.
        """
        try:
            tables = [named["temperature"], named.get("strength")]
            if any(t is not None and set(t) != set(tree.question_columns) for t in tables):
                raise KeyError("one number for each question")
            temperature, strength = (
                None if table is None else tuple(float(table[q]) for q in tree.question_columns)
                for table in tables
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"calibration: expected a number for each question of {tree.name}: {error!r}"
            ) from error
        return cls(temperature or (), strength)


def tempered(graph: DecisionGraph, conditional: Tensor, temperature: Tensor) -> Tensor:
    """Conditional answers p ** (1 / T), divided by their question's sum.

    Parameters
    ----------
    graph : DecisionGraph
    conditional : Tensor, shape (..., n_answers), in [0, 1]
    temperature : Tensor, shape (n_questions,), above 0

    Returns
    -------
    tempered : Tensor, shape (..., n_answers), in [0, 1]
        Exactly 0 where `conditional` is.
    """
    power = (1 / temperature).index_select(-1, graph.question_of)  # (n_answers,)
    # The logarithm of exactly 0 would put NaN into the gradient of all answers.
    possible = conditional > _FLOOR  # (..., n_answers), as all that follows
    log = torch.where(possible, conditional, 1.0).log() * power
    # Relative to the question's highest, so that low temperatures do not underflow.
    highest = _highest(graph, torch.where(possible, log, -torch.inf))
    raised = torch.where(possible, (log - highest).exp(), 0.0)
    total = graph.sum_by_question(raised).clamp(min=_FLOOR)  # (..., n_questions)
    return raised / total.index_select(-1, graph.question_of)


def _highest(graph: DecisionGraph, log: Tensor) -> Tensor:
    """Highest value of each answer's question; (..., n_answers), no gradient."""
    of_questions = [log[..., answers] for answers in graph.tree.slices]  # (..., k) each
    highest = [of.amax(-1, keepdim=True).expand_as(of) for of in of_questions]
    return torch.cat(highest, -1).clamp(min=-1e30).detach()
