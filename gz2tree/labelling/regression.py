"""A number instead of a question: regression within a range, by the same networks.

A quantity between two ends is a question of two answers, "the one end" and "the other": its
expected value is the ends' mean, weighted by the answers' probabilities, and binary cross-entropy
of the weights has its least at that expected value. So training, prediction and saving know
nothing of it; the tree carries the range, in the wording of its two answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError, first_few, shown
from gz2tree.labels import CUMULATIVE, Labels
from gz2tree.questions import Answer, Question
from gz2tree.tree import DecisionTree

_ENDS = ("highest", "lowest")


@dataclass(frozen=True)
class Quantity:
    """A number that galaxies have, between two ends.

    Parameters
    ----------
    name : str
        Letters, digits and underscores.
    low, high : float
        The ends, in the quantity's own unit. Values outside them cannot be said, so choose them
        as wide as values may be.

    Raises
    ------
    InputError
        Ends that are no finite numbers in this order.

    Examples
    --------
    >>> colour = Quantity("u_minus_r", 0.5, 3.5)
    >>> labels = colour.labels(["1", "2"], [2.0, 3.5])
    >>> labels.cumulative
    array([[0.5, 0.5],
           [1. , 0. ]])
    >>> Quantity.of(colour.tree) == colour
    True
    """

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(
                f"quantity {self.name!r}: expected a lower and a higher end, "
                f"found {self.low} and {self.high}"
            )

    @cached_property
    def tree(self) -> DecisionTree:
        """The tree of this one question."""
        ends = (self.high, self.low)
        answers = [Answer(end, repr(float(at))) for end, at in zip(_ENDS, ends, strict=True)]
        return DecisionTree(self.name, [Question(self.name, answers)])

    @classmethod
    def of(cls, tree: DecisionTree) -> Quantity:
        """Find the quantity of a tree, that of a trained network for example.

        Raises
        ------
        InputError
            The tree is not that of a quantity: its answers are not the two ends, or their labels
            are no numbers.
        """
        if tuple(answer.name for answer in tree.answers) != _ENDS:
            raise InputError(
                f"tree {tree.name}: expected a quantity, the answers {' and '.join(_ENDS)}, "
                f"found {first_few([answer.name for answer in tree.answers])}"
            )
        labels = [answer.label for answer in tree.answers]
        try:
            high, low = map(float, labels)
        except ValueError as error:
            raise InputError(
                f"tree {tree.name}: expected a quantity, whose answers' labels are numbers, found "
                f"{' and '.join(map(shown, labels))}"
            ) from error
        return cls(tree.name, low, high)

    def labels(self, ids: ArrayLike, values: ArrayLike) -> Labels:
        """Make labels of measured values.

        Parameters
        ----------
        ids : array of str, shape (n,)
            Others, such as integers, become text.
        values : array of float, shape (n,), in [low, high]
            NaN where not measured.

        Raises
        ------
        InputError
            Values outside the range, or not as many as ids.
        """
        names = np.asarray(ids).astype(str).astype(object)
        given = np.asarray(values, np.float64)
        if given.shape != names.shape:
            raise InputError(
                f"quantity {self.name!r}: expected as many values as ids, "
                f"found {given.size} and {names.size}"
            )
        outside = ((given < self.low) | (given > self.high)).nonzero()[0]
        if len(outside):
            found = first_few([f"{given[n]:g} ({names[n]})" for n in outside])
            raise InputError(
                f"quantity {self.name!r}: expected values from {self.low} to {self.high}, "
                f"found {found}"
            )
        share = (given - self.low) / (self.high - self.low)
        return Labels(names, np.stack([share, 1 - share], 1), self.tree, CUMULATIVE)

    def values(self, predictions: pd.DataFrame) -> NDArray[np.float64]:
        """Read the expected values from a catalogue of predictions.

        Parameters
        ----------
        predictions : DataFrame, n rows
            With the column of the quantity's upper end, ``<name>_highest``.

        Returns
        -------
        values : array of float64, shape (n,), in [low, high]

        Raises
        ------
        InputError
            No such column: the catalogue is not of this quantity.
        """
        column = self.tree.columns[0]
        if column not in predictions:
            found = first_few(list(map(shown, predictions.columns)))
            raise InputError(f"predictions: expected column {column}, found {found}")
        share = predictions[column].to_numpy(np.float64)
        return self.low + (self.high - self.low) * share
