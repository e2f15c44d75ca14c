"""Galaxies of one table found in another: labels with images, predictions with labels.

Those that are not are counted, named and left out.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError, first_few
from gz2tree.labels import Labels
from gz2tree.positions import positions_of
from gz2tree.tables.idcolumns import refuse_duplicates
from gz2tree.tree import DecisionTree

Array = NDArray[np.float64]

_log = logging.getLogger("gz2tree")


def which_have(ids: ArrayLike, others: ArrayLike, *, galaxies: str, what: str) -> NDArray[np.bool_]:
    """Find the galaxies that something else has as well; the others are counted in a warning.

    Parameters
    ----------
    ids, others : array_like of str, shapes (n,) and (m,)
    galaxies, what : str
        What `ids` and `others` belong to, for people: ``"labelled"`` galaxies, an ``"image"``.

    Returns
    -------
    have : array of bool, shape (n,)

    Raises
    ------
    InputError
        None of them.

    Examples
    --------
    >>> which_have(["1", "2"], ["2", "1", "0"], galaxies="labelled", what="image")
    array([ True,  True])
    """
    wanted, found = np.asarray(ids, dtype=str), np.asarray(others, dtype=str)
    have: NDArray[Any] = np.isin(wanted, found)
    if not have.any():
        raise InputError(
            f"no {galaxies} galaxy has a matching {what}: expected e.g. "
            f"{first_few(list(wanted[:2]))}, found {what}s of e.g. {first_few(list(found[:2]))}"
        )
    if not have.all():
        _log.warning(
            "%d of %d %s galaxies have no %s and are left out: %s",
            (~have).sum(), len(have), galaxies, what, first_few(list(wanted[~have])),
        )  # fmt: skip
    return have


def align(predictions: pd.DataFrame, labels: Labels) -> tuple[Array, Labels]:
    """Bring predictions into the order of the labels; labels without one are left out.

    Parameters
    ----------
    predictions, labels
        As in `gz2tree.evaluate`.

    Returns
    -------
    predicted : array of float64, shape (n, n_answers), in [0, 1]
        NaN where nothing is predicted, of answers that a network was trained without.
    labels : Labels, of n galaxies
        There not measured either: it is nothing to compare with.

    Raises
    ------
    InputError
        As in `gz2tree.evaluate`.
    """
    ids, predicted = read_catalogue(predictions, labels.tree)
    have = which_have(labels.ids, ids, galaxies="labelled", what="prediction")
    rows = positions_of(ids, labels.ids[have], "predictions")
    labels, predicted = labels.take(have), predicted[rows]
    unknown = np.isnan(predicted)
    if unknown.any():
        compared = np.where(unknown, np.nan, labels.cumulative)
        labels = replace(labels, cumulative=compared)
    return predicted, labels


def read_catalogue(predictions: pd.DataFrame, tree: DecisionTree) -> tuple[pd.Index, Array]:
    """Take ids and probabilities out of a catalogue, if they are what they should be.

    Parameters
    ----------
    predictions : DataFrame
        The id column and the columns of the tree, cumulative.
    tree : DecisionTree

    Returns
    -------
    ids : Index of str, length n
    predicted : array of float64, shape (n, n_answers), in [0, 1]
        NaN in answers that are empty throughout but for zeros, as those are that a network was
        trained without.

    Raises
    ------
    InputError
        Columns that are missing, ids used twice, or values that are not probabilities.
    """
    missing = [c for c in (tree.id_column, *tree.columns) if c not in predictions]
    if missing:
        raise InputError(f"predictions: expected column {first_few(missing)}, found none")
    ids = pd.Index(predictions[tree.id_column].astype(str))
    refuse_duplicates("predictions", ids)
    predicted = predictions[list(tree.columns)].to_numpy(dtype=np.float64, copy=True)
    empty = np.isnan(predicted) & ~(predicted > 0).any(0)
    wrong = np.argwhere(~((predicted >= 0) & (predicted <= 1)) & ~empty)
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"predictions: id {ids[row]}, column {tree.columns[column]}: expected a probability, "
            f"found {predicted[row, column]}"
        )
    return ids, predicted
