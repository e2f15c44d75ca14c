"""From a table of votes or predictions to labels, or to the fractions as they are tabulated."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree.config.choices import Kind
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.labelling.labelcolumns import NUMBERS_OF_VOTES, TabulatedLabels, read_columns
from gz2tree.labels import CUMULATIVE, Labels, multiply_down
from gz2tree.tables.files import TableSource
from gz2tree.tables.idcolumns import refuse_duplicates
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes.counts import asked, log_disagreement

if TYPE_CHECKING:
    from astropy.table import Table

_SUM_TOLERANCE = 0.01
_log = logging.getLogger("gz2tree")


def read_labels(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
    *,
    image_ids: Collection[str] | None = None,
    allow_bad_rows: bool = False,
    predicted: bool = False,
) -> Labels:
    """Read a Kaggle table or a Galaxy Zoo 2 catalogue.

    Parameters
    ----------
    path : str, Path, DataFrame or astropy Table
        CSV, gzipped CSV, Parquet or FITS, or a table in memory. Either cumulative probabilities in
        columns named as `tree` or Kaggle names them (``Class1.1`` …; some may be missing: they are
        not measured),
        or a catalogue with columns ``t01_smooth_or_features_a01_smooth_<kind>``; or, of the trees
        that are shipped, a catalogue named as galaxy-datasets names its own.
    tree : DecisionTree
        The tree under which the labels are read.
    kind : str
        Which columns of a catalogue to use. Its fractions are conditional: they are normalised
        within each question, then multiplied down the tree. Cumulative tables have no kinds.
    id_column : str, optional
        By default ``GalaxyID``, else the first of ``asset_id``, ``dr7objid``, ``objid``,
        ``id_str``, ``iauname``, ``zooniverse_id``, ``id`` and ``file_loc`` (a path, of which the
        file's name counts) whose values match `image_ids`.
    image_ids : collection of str, optional
        Ids of the images at hand, to choose the id column.
    allow_bad_rows : bool
        Drop and count rows that would otherwise be refused.
    predicted : bool
        What to read of a table that holds both cumulative probabilities and the columns of `kind`,
        as a catalogue of predictions does that votes were carried into: the former, not the latter.

    Returns
    -------
    labels : Labels

    Raises
    ------
    InputError
        A table without labels or ids of the tree, an incomplete kind, an answer the tree lacks,
        ids used twice, and rows with text, inf, values outside [0, 1] (negative counts), or with
        sums that break the tree by more than 0.01.
    """
    given = read_columns(path, tree, kind, id_column, image_ids, predicted=predicted)
    cumulative, broken = cumulative_of(given, tree)
    if given.counts is not None:
        log_disagreement(str(given.source), tree, given.counts)
    bad = given.miscounted | broken | given.bad
    labelled_as = kind if given.written_in is None else CUMULATIVE
    labels = Labels(given.ids, cumulative, tree, labelled_as, given.counts)
    labels = _without_bad_rows(given.source, labels, bad, allow_bad_rows)
    refuse_duplicates(given.source, labels.ids)
    return labels


@dataclass(frozen=True)
class Fractions:
    """Conditional fractions of some galaxies, as they are tabulated.

    Parameters
    ----------
    ids : array of str, shape (n,)
    conditional : array of float64, shape (n, n_answers), in [0, 1]
        NaN where a question was not asked or is not in the table. Debiased fractions need not sum
        to 1 within a question.
    tabulated : array of bool, shape (n_answers,)
        Which answers the table has a column of.
    votes : array of float64, shape (n, n_questions), optional
        Votes that each question got, where the table has counts; predictions have none.
    kind : str
        What they were made from: a kind of the GZ2 catalogue, or ``"cumulative"``.
    """

    ids: NDArray[np.object_]
    conditional: NDArray[np.float64]
    tabulated: NDArray[np.bool_]
    votes: NDArray[np.float64] | None = None
    kind: str = CUMULATIVE


def read_fractions(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
    *,
    predicted: bool = False,
) -> Fractions:
    """Read conditional fractions of a catalogue of votes or of predictions.

    Parameters
    ----------
    path, tree, kind, id_column, predicted
        As in `read_labels`.

    Returns
    -------
    fractions : Fractions

    Raises
    ------
    InputError
        As in `read_labels`, but sums that break the tree are not looked at.
    """
    given = read_columns(path, tree, kind, id_column, None, predicted=predicted)
    bad = given.miscounted | given.bad
    if bad:
        row = min(bad)
        raise InputError(f"{given.source}: row {row + 1} (id {given.ids[row]}): {bad[row]}")
    refuse_duplicates(given.source, given.ids)
    if given.written_in is not None:
        graph = DecisionGraph(given.written_in)
        conditional = graph.condition(torch.from_numpy(given.values)).numpy()
        return Fractions(given.ids, conditional, given.there)
    votes = None if given.counts is None else asked(tree, given.counts)
    if kind in NUMBERS_OF_VOTES:
        return Fractions(given.ids, _normalise(tree, given.values), given.there, votes, kind)
    known = (asked(tree, given.values) > 0)[:, list(tree.question_of)]
    return Fractions(given.ids, np.where(known, given.values, np.nan), given.there, votes, kind)


def cumulative_of(
    given: TabulatedLabels, tree: DecisionTree
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Cumulative probabilities of what a table holds.

    Parameters
    ----------
    given : TabulatedLabels
        As `gz2tree.labelling.labelcolumns.read_columns` gives it, of n rows.
    tree : DecisionTree

    Returns
    -------
    cumulative : array of float64, shape (n, n_answers)
        NaN where not measured.
    broken : dict of int to str
        By row, what is wrong where sums break the tree by more than 0.01.
    """
    if given.written_in is not None:
        return _from_cumulative(given.values, given.written_in, tree)
    return multiply_down(tree, _normalise(tree, given.values)), {}


def _from_cumulative(
    cumulative: NDArray[np.float64], written_in: DecisionTree, tree: DecisionTree
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Cumulative probabilities under `tree`, and the rows whose sums break `written_in`."""
    graph = DecisionGraph(written_in)
    reach = graph.reach(torch.from_numpy(cumulative)).numpy()  # (n, n_questions)
    broken: dict[int, str] = {}
    for number, answers in enumerate(written_in.slices):
        total = cumulative[:, answers].sum(-1)
        off = np.abs(total - reach[:, number]) > _SUM_TOLERANCE
        for row in np.flatnonzero(off):
            broken.setdefault(
                int(row),
                f"question {written_in.questions[number].name}: expected answers that sum to its "
                f"reach {reach[row, number]:.4f}, found {total[row]:.4f}",
            )
    if written_in == tree:
        return cumulative, broken
    conditional = graph.condition(torch.from_numpy(cumulative)).numpy()
    of_tree = multiply_down(tree, conditional)
    return np.where(np.isnan(cumulative), np.nan, of_tree), broken


def _normalise(tree: DecisionTree, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide by the question's sum; NaN where there is nothing to divide."""
    conditional = np.full_like(values, np.nan)
    for answers in tree.slices:
        total = values[:, answers].sum(-1, keepdims=True)
        np.divide(values[:, answers], total, out=conditional[:, answers], where=total > 0)
    return conditional


def _without_bad_rows(
    path: TableSource, labels: Labels, bad: dict[int, str], allow_bad_rows: bool
) -> Labels:
    if not bad:
        return labels
    rows = sorted(bad)
    what = f"{path}: row {rows[0] + 1} (id {labels.ids[rows[0]]}): {bad[rows[0]]}"
    if not allow_bad_rows:
        more = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
        raise InputError(f"{what}{more}; --allow-bad-rows drops them")
    if len(rows) == len(labels):
        raise InputError(f"{what}; all {len(rows)} rows are bad")
    _log.warning("%d of %d rows dropped; %s", len(rows), len(labels), what)
    return labels.take(np.setdiff1d(np.arange(len(labels)), rows))
