"""From a table of votes or predictions to labels, or to the fractions as they are tabulated."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.config.choices import Kind
from gz2tree.config.labels import DEFAULT_KIND
from gz2tree.errors import InputError
from gz2tree.labelling.labelcolumns import NUMBERS_OF_VOTES, TabulatedLabels, read_columns
from gz2tree.labels import CUMULATIVE, Labels
from gz2tree.probabilities import (
    by_answer,
    cumulative_of,
    reach_of,
    share_of_question,
    sum_by_question,
)
from gz2tree.tables.idcolumns import refuse_duplicates
from gz2tree.tables.opened import TableSource
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes.counts import log_disagreement

if TYPE_CHECKING:
    from astropy.table import Table

_SUM_TOLERANCE = 0.01
_log = logging.getLogger("gz2tree")


def read_labels(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind | None = None,
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
        CSV, gzipped CSV, Parquet, FITS, VOTable or ECSV, or a table in memory. Either cumulative
        probabilities in columns named as `tree` or Kaggle names them (``Class1.1`` …; some may be
        missing: they are not measured), or a catalogue with columns
        ``t01_smooth_or_features_a01_smooth_<kind>``; or, of the trees that come with the package, a
        catalogue named as galaxy-datasets names its own. Which of these is read of a table that
        holds several, `gz2tree.labelling.layout.layout_of` says. All these names may be spelled as
        TOPCAT wants them, with ``_`` for hyphens and dots.
    tree : DecisionTree
        The tree under which the labels are read.
    kind : str, optional
        Which columns of a catalogue to use, ``"debiased"`` by default. Its fractions are
        conditional: they are normalised within each question, then multiplied down the tree.
        Cumulative tables have no kinds. Columns without the ending of a kind are cumulative
        probabilities, unless a kind is given and the table has nothing else of it. Questions that
        have no columns of the kind at all are not measured.
    id_column : str, optional
        By default ``GalaxyID``, else that of ``asset_id``, ``dr7objid``, ``objid``, ``id_str``,
        ``iauname``, ``zooniverse_id``, ``id`` and ``file_loc`` (a path, of which the file's name
        counts) of which most values are among `image_ids`; the first of them in this order if
        several match alike, or if there are no `image_ids`.
    image_ids : collection of str, optional
        Ids of the images at hand, by which the id column is chosen.
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
        A table without labels or ids of the tree, an incomplete kind, an answer the tree lacks, ids
        used twice, and rows with text, infinite numbers, or values outside [0, 1] (of counts:
        negative ones). Of cumulative probabilities also rows in which a question's answers sum to
        more or less than its reach by over 0.01; the sums of a catalogue's fractions are not
        looked at, as they are divided by them.

    Examples
    --------
    >>> import pandas as pd
    >>> from gz2tree import DecisionTree, Question
    >>> tree = DecisionTree("toy", [
    ...     Question("shape", ["smooth", "disk"]), Question("bar", ["bar", "none"], ["disk"])])
    >>> votes = pd.DataFrame({"id": ["7"], "shape_smooth_count": [4], "shape_disk_count": [16],
    ...                       "bar_bar_count": [12], "bar_none_count": [4]})
    >>> read_labels(votes, tree, "count").cumulative.round(2).tolist()
    [[0.2, 0.8, 0.6, 0.2]]
    """
    given = read_columns(path, tree, kind, id_column, image_ids, predicted=predicted)
    cumulative, broken = checked_cumulative(given, tree)
    if given.written_in is None:
        cumulative = _without_unmeasured(tree, cumulative, given.values)
    if given.counts is not None:
        log_disagreement(str(given.source), tree, given.counts)
    bad = given.miscounted | broken | given.bad
    labelled_as = kind or DEFAULT_KIND if given.written_in is None else CUMULATIVE
    labels = Labels(given.ids, cumulative, tree, labelled_as, given.counts)
    labels = _without_bad_rows(given.source, labels, bad, allow_bad_rows)
    refuse_duplicates(given.source, labels.ids)
    return labels


@dataclass(frozen=True, eq=False)
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
    kind: Kind | None = None,
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
        As of `read_labels`; but what a question's answers sum to is not looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> from gz2tree import DecisionTree, Question
    >>> tree = DecisionTree("toy", [Question("shape", ["smooth", "disk"])])
    >>> votes = pd.DataFrame({"id": ["7"], "shape_smooth_count": [4], "shape_disk_count": [16]})
    >>> fractions = read_fractions(votes, tree, "count")
    >>> fractions.conditional.tolist(), fractions.votes.tolist()
    ([[0.2, 0.8]], [[20.0]])
    """
    given = read_columns(path, tree, kind, id_column, None, predicted=predicted)
    bad = given.miscounted | given.bad
    if bad:
        row = min(bad)
        raise InputError(f"{given.source}: row {row + 1} (id {given.ids[row]}): {bad[row]}")
    refuse_duplicates(given.source, given.ids)
    if given.written_in is not None:
        conditional = _conditional_of_rough(given.written_in, given.values)
        return Fractions(given.ids, conditional, given.there)
    votes = None if given.counts is None else sum_by_question(tree, given.counts)
    if kind in NUMBERS_OF_VOTES:
        shares = share_of_question(tree, given.values)
        return Fractions(given.ids, shares, given.there, votes, kind)
    known = by_answer(tree, sum_by_question(tree, given.values) > 0)  # (n, n_answers)
    fractions = np.where(known, given.values, np.nan)
    return Fractions(given.ids, fractions, given.there, votes, kind or DEFAULT_KIND)


def checked_cumulative(
    given: TabulatedLabels, tree: DecisionTree
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Cumulative probabilities of what a table holds, and the rows whose sums break the tree.

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
    return cumulative_of(tree, share_of_question(tree, given.values)), {}


def _from_cumulative(
    cumulative: NDArray[np.float64], written_in: DecisionTree, tree: DecisionTree
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Cumulative probabilities under `tree`, and the rows whose sums break `written_in`."""
    reach = reach_of(written_in, cumulative)  # (n, n_questions)
    total = sum_by_question(written_in, cumulative)  # (n, n_questions)
    broken: dict[int, str] = {}
    for number, row in np.argwhere((np.abs(total - reach) > _SUM_TOLERANCE).T):
        broken.setdefault(
            int(row),
            f"question {written_in.questions[number].name}: expected answers that sum to its "
            f"reach {reach[row, number]:.4f}, found {total[row, number]:.4f}",
        )
    if written_in == tree:
        return cumulative, broken
    of_tree = cumulative_of(tree, _conditional_of_rough(written_in, cumulative))
    return np.where(np.isnan(cumulative), np.nan, of_tree), broken


def _without_unmeasured(
    tree: DecisionTree, cumulative: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Make NaN what is 0 as nobody was asked, of questions that nobody was ever asked.

    Those are the questions without a value in any row, and those asked after one of them: the few
    rows in which they could be told to be 0 would say that they are never anything else.
    """
    measured = np.asarray(~np.isnan(values).all(0))  # (n_answers,)
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        measured[answers] = measured[answers].any() and measured[list(parents)].all()
    return np.where(measured, cumulative, np.nan)


def _conditional_of_rough(
    tree: DecisionTree, cumulative: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Conditional probabilities of cumulative ones that sum to their reach only roughly.

    Divided by the reach, which may be as small as what the sums are off by, they would exceed 1.
    """
    total = sum_by_question(tree, cumulative)  # (n, n_questions), NaN where a column is missing
    # Without all columns of a question its sum is not known: the reach stands for it.
    reach = reach_of(tree, cumulative)
    at_least = np.maximum(reach, sum_by_question(tree, np.nan_to_num(cumulative)))
    whole = by_answer(tree, np.where(np.isnan(total), at_least, total))  # (n, n_answers)
    return np.divide(cumulative, whole, out=np.full_like(cumulative, np.nan), where=whole > 0)


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
