"""What a catalogue says of a galaxy: columns, rows, and where they come from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from gz2tree.config import Columns
from gz2tree.errors import InputError
from gz2tree.flags import Flag
from gz2tree.graph import DecisionGraph
from gz2tree.model import GalaxyTreeNet
from gz2tree.network import GalaxyNet
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__

_log = logging.getLogger("gz2tree")


class CatalogueForm:
    """What a catalogue says of each galaxy.

    Parameters
    ----------
    model : GalaxyTreeNet or FlatNet
    columns, flags
        As in `predict_to_file`.

    Raises
    ------
    InputError
        ``conditional`` or ``reach`` of a flat network.
    """

    def __init__(self, model: GalaxyNet, columns: Columns, flags: Sequence[Flag] = ()) -> None:
        if columns != "cumulative" and not isinstance(model, GalaxyTreeNet):
            raise InputError(
                f"columns: a {type(model).__name__} has no {columns} probabilities, only a "
                "GalaxyTreeNet has"
            )
        self.model, self.tree = model, model.tree
        self.columns, self.flags = columns, flags
        self.graph = DecisionGraph(model.tree)  # on the CPU, as the predictions are

    def piece(self, ids: NDArray[np.object_], cumulative: Tensor) -> pd.DataFrame:
        """Rows of a catalogue.

        Parameters
        ----------
        ids : array of str, shape (N,)
        cumulative : Tensor, shape (N, n_answers), in [0, 1]

        Returns
        -------
        rows : DataFrame, of N rows
        """
        values = cumulative
        if self.columns == "conditional":
            values = self.graph.condition(cumulative)
        elif self.columns == "reach":
            values = self.graph.reach(cumulative)
        piece = pd.DataFrame(values.numpy(), columns=column_names(self.tree, self.columns))
        piece.insert(0, self.tree.id_column, ids)
        for flag in self.flags:
            piece[flag.column] = flag.of(cumulative.numpy())
        return piece


def column_names(tree: DecisionTree, columns: Columns) -> list[str]:
    """Names of the probability columns of a catalogue."""
    if columns == "cumulative":
        return list(tree.columns)
    stems = tree.columns if columns == "conditional" else tree.question_columns
    return [f"{stem}_{columns}" for stem in stems]


def provenance_of(model: GalaxyNet) -> dict[str, str]:
    """Say what a catalogue was predicted with: network, tree, kind of label, version."""
    return {
        "model": f"{type(model).__name__} {model.backbone_name}",
        "tree": model.tree.name,
        "kind": model.kind or "untrained",
        "version": __version__,
    }


def log_flags(
    flags: Sequence[Flag], flagged: Mapping[str, int], n: int, tree: DecisionTree
) -> None:
    """Log how many of n galaxies have each flag."""
    for flag in flags:
        _log.info(
            "%s: %s of %s galaxies, %s at least %g",
            flag.column, f"{flagged[flag.column]:,}", f"{n:,}",
            tree.columns[flag.answer], flag.threshold,
        )  # fmt: skip
