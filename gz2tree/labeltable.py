"""From a table of votes or predictions to labels, or to the fractions as they are tabulated."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree import galaxydatasets
from gz2tree.columnnotes import recognised
from gz2tree.config import Kind
from gz2tree.errors import InputError, first_few, shown
from gz2tree.graph import DecisionGraph
from gz2tree.labels import CUMULATIVE, Labels, multiply_down
from gz2tree.tables import TableSource, read_table, table_columns, table_source
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2, GZ2_KAGGLE
from gz2tree.votes import log_disagreement

if TYPE_CHECKING:
    from astropy.table import Table

# The last is a file, whose name without its ending is the id.
_ID_COLUMNS = (
    "GalaxyID", "asset_id", "dr7objid", "objid", "id_str", "iauname", "zooniverse_id", "id",
    "file_loc",
)  # fmt: skip
_SUM_TOLERANCE = 0.01
_KAGGLE_SHAPE = re.compile(r"Class\d+\.\d+\Z")
_log = logging.getLogger("gz2tree")


def read_labels(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
    *,
    image_ids: Collection[str] | None = None,
    allow_bad_rows: bool = False,
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
    given = _read(path, tree, kind, id_column, image_ids)
    if given.written_in is not None:
        cumulative, broken = _from_cumulative(given.values, given.written_in, tree)
    else:
        cumulative, broken = multiply_down(tree, _normalise(tree, given.values)), {}
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
        Votes that each question got, where the table has counts.
    """

    ids: NDArray[np.object_]
    conditional: NDArray[np.float64]
    tabulated: NDArray[np.bool_]
    votes: NDArray[np.float64] | None = None


def read_fractions(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
) -> Fractions:
    """Read conditional fractions of a catalogue of votes or of predictions.

    Parameters
    ----------
    path, tree, kind, id_column
        As in `read_labels`.

    Returns
    -------
    fractions : Fractions

    Raises
    ------
    InputError
        As in `read_labels`, but sums that break the tree are not looked at.
    """
    given = _read(path, tree, kind, id_column, None)
    bad = given.miscounted | given.bad
    if bad:
        row = min(bad)
        raise InputError(f"{given.source}: row {row + 1} (id {given.ids[row]}): {bad[row]}")
    refuse_duplicates(given.source, given.ids)
    votes = None
    if given.counts is not None:
        votes = np.stack([given.counts[:, answers].sum(-1) for answers in tree.slices], -1)
    if given.written_in is not None:
        graph = DecisionGraph(given.written_in)
        conditional = graph.condition(torch.from_numpy(given.values)).numpy()
        return Fractions(given.ids, conditional, given.there, votes)
    asked = [given.values[:, answers].sum(-1) > 0 for answers in tree.slices]
    known = np.stack(asked, -1)[:, list(tree.question_of)]
    return Fractions(given.ids, np.where(known, given.values, np.nan), given.there, votes)


@dataclass(frozen=True)
class _Tabulated:
    """What a table holds: values of all answers, and the rows with values out of range.

    Cumulative probabilities of the tree `written_in`, or fractions of one kind where that is None.
    """

    source: TableSource
    ids: NDArray[np.object_]
    values: NDArray[np.float64]
    there: NDArray[np.bool_]  # which answers have a column
    written_in: DecisionTree | None
    bad: dict[int, str]
    counts: NDArray[np.float64] | None
    miscounted: dict[int, str]


def _read(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree,
    kind: Kind,
    id_column: str | None,
    image_ids: Collection[str] | None,
) -> _Tabulated:
    source = table_source(path)
    if kind not in get_args(Kind):
        raise InputError(f"kind: expected one of {', '.join(get_args(Kind))}, found {kind!r}")
    header = recognised(table_columns(source), (*tree.columns, *tree.kaggle_columns))
    id_columns = id_candidates(source, header, id_column)
    of_answers: Sequence[str | None] | None = galaxydatasets.columns_of(tree, kind, header)
    written_in = None if any(of_answers or ()) else _tree_of_table(header, tree, kind)
    if written_in is not None:
        _refuse_unknown_answers(source, header, written_in)
        of_answers = [column if column in header else None for column in written_in.columns]
        if id_column is None and image_ids is None and header[0] == tree.id_column:
            id_columns = header[:1]  # of predictions; others may have been carried, with gaps
    elif not any(of_answers or ()):
        of_answers = _catalogue_columns(source, header, tree, kind)
    there = np.array([column is not None for column in of_answers or ()])
    columns = [column for column in of_answers or () if column is not None]
    counted = list(tree.kind_columns("count"))
    if written_in is not None and set(counted) & set(columns):
        counted = []  # the same names, of cumulative probabilities
    if not set(counted) <= set(header):
        counted = []
    wanted = list(dict.fromkeys([*id_columns, *columns, *counted]))
    table = read_table(source, wanted, ids=id_columns)
    if table.empty:
        raise InputError(f"{source}: expected rows of labels, found none")
    names_of_files(table)
    ids = table[choose_id_column(source, table, id_columns, image_ids)].to_numpy(dtype=object)
    highest = np.inf if written_in is None and kind in ("count", "weight") else 1.0
    found, bad = _numbers(table, columns, highest)
    if written_in is not None:
        _warn_of_gaps(source, np.isnan(found), bad)
    values = np.full((len(table), len(there)), np.nan)  # of some questions there may be none
    values[:, there] = found
    counts, miscounted = _numbers(table, counted, np.inf) if counted else (None, {})
    return _Tabulated(source, ids, values, there, written_in, bad, counts, miscounted)


def _warn_of_gaps(source: TableSource, gaps: NDArray[np.bool_], bad: Collection[int]) -> None:
    """Count the rows that lack values, where every row of such a table is expected to have them."""
    rows = [row for row in np.flatnonzero(gaps.any(-1)) if row not in bad]
    if rows:
        _log.warning(
            "%s: %d of %d rows lack values, as row %d does; these count as not measured",
            source, len(rows), len(gaps), rows[0] + 1,
        )  # fmt: skip


def _tree_of_table(header: Sequence[str], tree: DecisionTree, kind: Kind) -> DecisionTree | None:
    """Which tree a table of cumulative probabilities was made with; None if it holds none."""
    # Some catalogues name one kind, their counts, as our tables name cumulative probabilities.
    if "" in tree.kinds.values() and set(tree.kind_columns(kind)) <= set(header):
        return None
    if any(column in header for column in tree.columns):
        return tree
    if tree.catalogue_columns != GZ2.catalogue_columns:
        return None
    if any(map(_KAGGLE_SHAPE.match, header)):
        return GZ2_KAGGLE
    if any(column in header for column in GZ2.columns):
        return GZ2
    return None


def _refuse_unknown_answers(path: TableSource, header: Sequence[str], tree: DecisionTree) -> None:
    unknown = [c for c in header if _KAGGLE_SHAPE.match(c) and c not in tree.columns]
    if unknown and tree.naming == "kaggle":
        near = difflib.get_close_matches(unknown[0], tree.columns, n=1, cutoff=0.0)
        raise InputError(
            f"{path}: column {unknown[0]}: tree {tree.name} has no such answer; "
            f"the nearest is {near[0]}"
        )
    missing = [column for column in tree.columns if column not in header]
    if missing:
        _log.warning(
            "%s: %d of %d answers are not measured: %s",
            path, len(missing), len(tree), ", ".join(missing),
        )  # fmt: skip


def _catalogue_columns(
    path: TableSource, header: Sequence[str], tree: DecisionTree, kind: Kind
) -> list[str]:
    columns = list(tree.kind_columns(kind))
    missing = [column for column in columns if column not in header]
    if len(missing) == len(columns):
        kinds = [k for k in get_args(Kind) if tree.kind_columns(k)[0] in header]
        hint = f"; it has the kinds {', '.join(kinds)}" if kinds else ""
        raise InputError(
            f"{path}: expected columns {tree.columns[0]}, … or {columns[0]}, …, found neither{hint}"
        )
    if missing:
        raise InputError(
            f"{path}: kind {kind!r} is incomplete: {len(missing)} of {len(columns)} columns are "
            f"missing: {first_few(missing)}"
        )
    return columns


def id_candidates(path: TableSource, header: Sequence[str], id_column: str | None) -> list[str]:
    """Columns of a table that may hold the galaxies' ids, the likeliest first.

    Parameters
    ----------
    path : Path
        Named in errors.
    header : sequence of str
        The table's columns.
    id_column : str, optional
        The only candidate, where the user names one.

    Raises
    ------
    InputError
        No such column.
    """
    if id_column is not None:
        if id_column not in header:
            near = difflib.get_close_matches(id_column, header, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{path}: no id column {id_column!r}{hint}")
        return [id_column]
    known = [column for column in _ID_COLUMNS if column in header]
    if not known:
        raise InputError(
            f"{path}: expected an id column ({', '.join(_ID_COLUMNS)}), found none; "
            f"name it with --id-column. There are the columns {first_few(list(map(shown, header)))}"
        )
    return known[:1] if known[0] == "GalaxyID" else known


def names_of_files(table: pd.DataFrame) -> None:
    """Make ids of a column of files, if there is one: their names without the ending."""
    if "file_loc" in table:
        table["file_loc"] = [
            Path(file).stem if isinstance(file, str) else file for file in table["file_loc"]
        ]


def choose_id_column(
    path: TableSource, table: pd.DataFrame, candidates: list[str], image_ids: Collection[str] | None
) -> str:
    """Choose the column of ids: the first with names of images, where images are known.

    Parameters
    ----------
    path : Path
        Named in messages.
    table : DataFrame
        The candidates, as text.
    candidates : list of str
        As `id_candidates` gives them.
    image_ids : collection of str, optional

    Raises
    ------
    InputError
        No id is that of an image, or one is missing.
    """
    chosen = candidates[0]
    if image_ids is not None:
        images = set(image_ids)
        matches = {column: int(table[column].isin(images).sum()) for column in candidates}
        chosen = next((column for column in candidates if matches[column]), chosen)
        if not matches[chosen]:
            examples = list(table[chosen][:2])
            floats = all(str(example).endswith(".0") for example in examples)
            raise InputError(
                f"{path}: no id matches an image: column {chosen} has e.g. "
                f"{first_few(examples)}{' (floating-point numbers?)' if floats else ''}, images "
                f"are called e.g. {first_few(sorted(images)[:2])}"
            )
        # Small numbers are ids of other galaxies elsewhere: a few matches may be accidents.
        few = matches[chosen] < 0.5 * min(len(table), len(images))
        _log.log(
            logging.WARNING if few else logging.INFO,
            "%s: ids from column %s; %d of %d match an image (%d images)",
            path, chosen, matches[chosen], len(table), len(images),
        )  # fmt: skip
    missing = table.index[table[chosen].fillna("") == ""]
    if len(missing):
        raise InputError(
            f"{path}: column {chosen}, row {missing[0] + 1}: expected an id, found none"
        )
    return chosen


def _numbers(
    table: pd.DataFrame, columns: Sequence[str], highest: float
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Values of the columns, NaN if out of range; and what is wrong in the rows with such."""
    values = np.empty((len(table), len(columns)))
    bad: dict[int, str] = {}
    for place, column in enumerate(columns):
        given = table[column]
        numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        text = np.isnan(numbers) & given.notna().to_numpy()
        outside = np.isinf(numbers) | (numbers < 0) | (numbers > highest)
        for row in np.flatnonzero(text | outside):
            expected = "a number from 0 to 1" if highest == 1.0 else "a finite number from 0"
            found = repr(given.iloc[row]) if text[row] else numbers[row]
            bad.setdefault(int(row), f"column {column}: expected {expected}, found {found}")
        values[:, place] = np.where(outside, np.nan, numbers)
    return values, bad


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


def refuse_duplicates(path: TableSource, ids: NDArray[np.object_]) -> None:
    """Refuse ids that are used twice."""
    twice = pd.Index(ids)[pd.Index(ids).duplicated()]
    if len(twice):
        raise InputError(
            f"{path}: expected each id once, found {len(twice)} repeated: "
            f"{first_few(list(twice.unique()))}"
        )
