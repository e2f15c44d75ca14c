"""Which columns of a table hold labels, of which tree, and the numbers in them."""

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
from numpy.typing import NDArray

from gz2tree.config.choices import Kind
from gz2tree.errors import InputError, first_few, shown
from gz2tree.labelling import galaxydatasets
from gz2tree.labelling.whichtree import conditional_columns, likeness
from gz2tree.labels import multiply_down
from gz2tree.tables.columnnotes import recognised
from gz2tree.tables.files import TableSource, read_table, table_columns, table_source
from gz2tree.tables.idcolumns import choose_id_column, id_candidates, names_of_files
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2, GZ2_KAGGLE

if TYPE_CHECKING:
    from astropy.table import Table

_KAGGLE_SHAPE = re.compile(r"Class\d+\.\d+\Z")
NUMBERS_OF_VOTES = ("count", "weight")
"""Kinds of label that are no shares of a question's votes, but how many there are."""

_log = logging.getLogger("gz2tree")


@dataclass(frozen=True)
class TabulatedLabels:
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


def read_columns(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree,
    kind: Kind,
    id_column: str | None,
    image_ids: Collection[str] | None,
    *,
    predicted: bool,
) -> TabulatedLabels:
    """Read a table's labels as it holds them; parameters and refusals as of `read_labels`."""
    source = table_source(path)
    if kind not in get_args(Kind):
        raise InputError(f"kind: expected one of {', '.join(get_args(Kind))}, found {kind!r}")
    conditional = conditional_columns(tree)
    known = (*tree.columns, *tree.kaggle_columns, *conditional)
    header = recognised(table_columns(source), known)
    id_columns = id_candidates(source, header, id_column)
    written_in, of_answers = _columns_of_answers(source, header, tree, kind, predicted)
    rebuilt = of_answers == conditional
    of_predictions = written_in is not None and image_ids is None and id_column is None
    if of_predictions and header[0] == tree.id_column:
        id_columns = header[:1]  # others may have been carried, with gaps
    there = np.array([column is not None for column in of_answers])
    columns = [column for column in of_answers if column is not None]
    of_votes = galaxydatasets.columns_of(tree, "count", header) or tree.kind_columns("count")
    counted = [column for column in of_votes if column is not None]
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
    highest = np.inf if written_in is None and kind in NUMBERS_OF_VOTES else 1.0
    found, bad = _numbers(table, columns, highest)
    if rebuilt:  # NaN is what was not asked there, and no gap
        found = multiply_down(tree, found)
    elif written_in is not None:
        _warn_of_gaps(source, np.isnan(found), bad)
    values = _where_there_are(there, found)
    counts: NDArray[np.float64] | None = None
    miscounted: dict[int, str] = {}
    if counted:
        votes, miscounted = _numbers(table, counted, np.inf)
        counts = _where_there_are(np.array([column is not None for column in of_votes]), votes)
    return TabulatedLabels(source, ids, values, there, written_in, bad, counts, miscounted)


def _where_there_are(there: NDArray[np.bool_], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of all answers, NaN of those without a column; (n, n_answers)."""
    values = np.full((len(found), len(there)), np.nan)
    values[:, there] = found
    return values


def _warn_of_gaps(source: TableSource, gaps: NDArray[np.bool_], bad: Collection[int]) -> None:
    """Count the rows that lack values, where every row of such a table is expected to have them."""
    rows = [row for row in np.flatnonzero(gaps.any(-1)) if row not in bad]
    if rows:
        lacking = "lacks values, which is" if len(rows) == 1 else "lack values, the first of them"
        _log.warning(
            "%s: %d of %d rows %s row %d; what is lacking counts as not measured",
            source, len(rows), len(gaps), lacking, rows[0] + 1,
        )  # fmt: skip


def _columns_of_answers(
    source: TableSource, header: Sequence[str], tree: DecisionTree, kind: Kind, predicted: bool
) -> tuple[DecisionTree | None, Sequence[str | None]]:
    """Which column to read of each answer, and of which tree if it is a cumulative probability.

    A catalogue of predictions may hold votes as well, carried along from a table of the user's.
    """
    voted = _voted(header, tree, kind)
    written_in = _tree_of_table(header, tree, kind)
    if written_in is None:
        conditional = conditional_columns(tree)
        if not voted and set(conditional) <= set(header):
            return tree, conditional
        return None, voted or _catalogue_columns(source, header, tree, kind)
    if voted and not predicted:
        _log.warning(
            "%s holds cumulative probabilities as well, as predictions are; its kind %r is read",
            source, kind,
        )  # fmt: skip
        return None, voted
    of_probabilities = set(written_in.columns)
    kinds = [k for k in get_args(Kind) if set(_voted(header, tree, k)) - {None} - of_probabilities]
    if kinds:
        _log.warning(
            "%s: its cumulative probabilities are read, as predictions are; it holds the kinds %s "
            "as well", source, ", ".join(kinds),
        )  # fmt: skip
    _refuse_unknown_answers(source, header, written_in)
    return written_in, [column if column in header else None for column in written_in.columns]


def _voted(header: Sequence[str], tree: DecisionTree, kind: Kind) -> Sequence[str | None]:
    """Columns of a catalogue that has all of a kind; none of another."""
    columns = galaxydatasets.columns_of(tree, kind, header)
    if any(columns or ()):
        return columns or ()
    return tree.kind_columns(kind) if set(tree.kind_columns(kind)) <= set(header) else ()


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
        hint = f"it has the kinds {', '.join(kinds)}"
        if not kinds:
            hint = likeness(header, tree) or "--tree names another tree"
            hint += f"; there are the columns {first_few(list(map(shown, header)))}"
        raise InputError(
            f"{path}: expected columns of {tree.name}, {tree.columns[0]}, … or {columns[0]}, …, "
            f"found neither; {hint}"
        )
    if missing:
        raise InputError(
            f"{path}: kind {kind!r} is incomplete: {len(missing)} of {len(columns)} columns are "
            f"missing: {first_few(missing)}"
        )
    return columns


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
