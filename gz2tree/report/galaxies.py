"""The galaxies of a report: predictions and votes side by side, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.catalogues.flags import Flag
from gz2tree.errors import InputError
from gz2tree.evaluation import parent_violation
from gz2tree.labelling.matching import align, read_catalogue
from gz2tree.labels import Labels
from gz2tree.tree import DecisionTree

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Flagged:
    """How many galaxies a flag chose.

    Parameters
    ----------
    answer : int
        Its position.
    threshold : float, in (0, 1]
        Cumulative probability from which on a galaxy is flagged.
    n, n_of : int
        Galaxies flagged by what was predicted, and those it chose from.
    n_compared, n_both, n_votes : int, optional
        Galaxies among the flagged of which the answer is measured; how many of them volunteers
        flag too; how many volunteers flag in all. None if it is measured of no galaxy at all.
    """

    answer: int
    threshold: float
    n: int
    n_of: int
    n_compared: int | None = None
    n_both: int | None = None
    n_votes: int | None = None


@dataclass(frozen=True)
class Galaxies:
    """Galaxies of which something was predicted, and what volunteers said of them.

    Parameters
    ----------
    ids : array of str, shape (n,)
    predicted : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative probabilities; NaN of answers that the network was trained without.
    tree : DecisionTree
    labels : Labels, optional
        Of the same galaxies in the same order.
    """

    ids: NDArray[np.object_]
    predicted: Array
    tree: DecisionTree
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, predictions: pd.DataFrame, tree: DecisionTree, labels: Labels | None) -> Galaxies:
        """Take the galaxies of a catalogue; with labels, those that have both, in their order.

        Parameters
        ----------
        predictions : DataFrame
            The id column and the columns of the tree, cumulative.
        tree : DecisionTree
        labels : Labels, optional

        Raises
        ------
        InputError
            As in `gz2tree.evaluate`.
        """
        if labels is not None:
            predicted, labels = align(predictions, labels)
            return cls(labels.ids, predicted, tree, labels)
        ids, predicted = read_catalogue(predictions, tree)
        return cls(ids.to_numpy(dtype=object), predicted, tree)

    def take(self, rows: NDArray[np.bool_]) -> Galaxies:
        """Return some of them, by mask."""
        labels = None if self.labels is None else self.labels.take(rows)
        return Galaxies(self.ids[rows], self.predicted[rows], self.tree, labels)

    def flagged(self, flag: Flag) -> tuple[Galaxies, Flagged]:
        """Choose the galaxies that are flagged, and count them.

        Raises
        ------
        InputError
            None is.
        """
        chosen = flag.of(self.predicted)
        if np.isnan(self.predicted[:, flag.answer]).all():
            raise InputError(f"{flag.column}: expected predictions of this answer, found none")
        if not chosen.any():
            raise InputError(
                f"{flag.column}: expected a galaxy of at least {flag.threshold:g}, found at most "
                f"{np.nanmax(self.predicted[:, flag.answer]):.3f}"
            )
        counted = Flagged(flag.answer, flag.threshold, int(chosen.sum()), len(self))
        if self.labels is not None and self.labels.measured[:, flag.answer].any():
            votes = flag.of(self.labels.cumulative)  # not where not measured
            counted = replace(
                counted,
                n_compared=int((chosen & self.labels.measured[:, flag.answer]).sum()),
                n_both=int((chosen & votes).sum()),
                n_votes=int(votes.sum()),
            )
        return self.take(chosen), counted

    @cached_property
    def difference(self) -> Array:
        """Predicted minus voted; shape (n, n_answers), NaN where not measured."""
        if self.labels is None:
            return np.full_like(self.predicted, np.nan)
        return self.predicted - self.labels.cumulative

    @cached_property
    def rmse(self) -> Array:
        """Error of each galaxy over its measured labels; shape (n,), NaN if it has none."""
        return _root_mean_square(self.difference, ~np.isnan(self.difference))

    @cached_property
    def null_rmse(self) -> Array:
        """Error of each galaxy over its labels of exactly 0; shape (n,), NaN if it has none."""
        cells = np.zeros_like(self.difference, bool) if self.labels is None else self.labels.null
        return _root_mean_square(self.difference, cells)

    @cached_property
    def disagreement(self) -> Array:
        """Largest absolute difference from the votes; shape (n,), NaN if nothing is measured."""
        return np.fmax.reduce(np.abs(self.difference), axis=1)

    @cached_property
    def max_parent_violation(self) -> float:
        """Largest difference between a question's predicted answers and its predicted reach."""
        violation = parent_violation(self.tree, self.predicted)  # NaN where nothing is predicted
        return float(np.fmax.reduce(violation, axis=None))


def _root_mean_square(values: Array, cells: NDArray[np.bool_]) -> Array:
    """Over the chosen cells of each row; NaN where there are none."""
    n = cells.sum(-1)
    total = np.square(values).sum(-1, where=cells)
    return np.where(n > 0, np.sqrt(total / np.maximum(n, 1)), np.nan)
