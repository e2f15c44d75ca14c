"""The galaxies of a report: predictions and votes side by side, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree.errors import InputError, first_few
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.tree import DecisionTree

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Galaxies:
    """Galaxies of which something was predicted, and what volunteers said of them.

    Parameters
    ----------
    ids : array of str, shape (n,)
    predicted : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative probabilities.
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
        """Take the galaxies of a catalogue; with labels, those that have both.

        Parameters
        ----------
        predictions : DataFrame
            The id column and the columns of the tree, cumulative.
        tree : DecisionTree
        labels : Labels, optional

        Raises
        ------
        InputError
            Ids used twice, or values that are not probabilities.
        """
        ids = predictions[tree.id_column].astype(str)
        if ids.duplicated().any():
            twice = first_few(list(ids[ids.duplicated()]))
            raise InputError(f"predictions: expected each id once, found {twice} repeated")
        predicted = predictions[list(tree.columns)].to_numpy(dtype=np.float64, copy=True)
        wrong = np.argwhere(~((predicted >= 0) & (predicted <= 1)))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"predictions: id {ids.iloc[row]}, column {tree.columns[column]}: expected a "
                f"probability, found {predicted[row, column]}"
            )
        galaxies = cls(ids.to_numpy(dtype=object), predicted, tree)
        if labels is None:
            return galaxies
        rows = pd.Index(labels.ids).get_indexer(pd.Index(ids))
        both = rows >= 0
        return cls(galaxies.ids[both], predicted[both], tree, labels.take(rows[both]))

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
        reach = DecisionGraph(self.tree).reach(torch.from_numpy(self.predicted)).numpy()
        sums = [self.predicted[:, answers].sum(-1) for answers in self.tree.slices]
        return float(np.abs(np.stack(sums, -1) - reach).max())


def _root_mean_square(values: Array, cells: NDArray[np.bool_]) -> Array:
    """Over the chosen cells of each row; NaN where there are none."""
    n = cells.sum(-1)
    total = np.square(values).sum(-1, where=cells)
    return np.where(n > 0, np.sqrt(total / np.maximum(n, 1)), np.nan)
