"""A table's labels as it holds them: ids, numbers, and what is wrong with its rows."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.config.choices import Kind, check_choice
from gz2tree.errors import InputError, first_few
from gz2tree.labelling.layout import known_columns, layout_of
from gz2tree.probabilities import cumulative_of
from gz2tree.tables.files import read_table
from gz2tree.tables.idcolumns import choose_id_column, names_of_files
from gz2tree.tables.opened import TableSource, table_source
from gz2tree.tree import DecisionTree
from gz2tree.treenames import check_is_tree

if TYPE_CHECKING:
    from astropy.table import Table

NUMBERS_OF_VOTES = ("count", "weight")
"""Kinds of label that are no shares of a question's votes, but how many there are."""

_log = logging.getLogger("gz2tree")


@dataclass(frozen=True)
class TabulatedLabels:
    """What a table holds of each answer, and what is wrong with its rows.

    Parameters
    ----------
    source : TableSource
        Named in messages.
    ids : array of str, shape (n,)
    values : array of float64, shape (n, n_answers)
        Cumulative probabilities of the tree `written_in`, or values of one kind where that is None.
        NaN where there is none, or one out of range.
    there : array of bool, shape (n_answers,)
        Which answers have a column; not where all columns of the question are empty throughout.
    written_in : DecisionTree, optional
    bad : dict of int to str
        What is wrong with the values, by row.
    counts : array of float64, shape (n, n_answers), optional
        Votes, where the table has them.
    miscounted : dict of int to str
        What is wrong with the votes, by row.
    """

    source: TableSource
    ids: NDArray[np.object_]
    values: NDArray[np.float64]
    there: NDArray[np.bool_]
    written_in: DecisionTree | None
    bad: dict[int, str]
    counts: NDArray[np.float64] | None
    miscounted: dict[int, str]


def read_columns(
    path: str | Path | pd.DataFrame | Table,
    tree: DecisionTree,
    kind: Kind | None,
    id_column: str | None,
    image_ids: Collection[str] | None,
    *,
    predicted: bool,
) -> TabulatedLabels:
    """Read a table's labels as it holds them; parameters and refusals as of `read_labels`."""
    source = table_source(path)
    check_is_tree(tree)
    if kind is not None:
        check_choice("kind", kind, Kind)
    layout = layout_of(
        source, known_columns(source.columns, tree), tree, kind, id_column,
        any_ids=image_ids is None, predicted=predicted,
    )  # fmt: skip
    given = [column for column in (*layout.answers, *layout.votes) if column is not None]
    id_columns = list(layout.id_columns)
    table = read_table(source, list(dict.fromkeys([*id_columns, *given])), ids=id_columns)
    if table.empty:
        raise InputError(f"{source}: expected rows of labels, found none")
    names_of_files(table)
    ids = table[choose_id_column(source, table, id_columns, image_ids)].to_numpy(dtype=object)
    there = np.array([column is not None for column in layout.answers])
    numbers_of_votes = layout.written_in is None and kind in NUMBERS_OF_VOTES
    highest = np.inf if numbers_of_votes else 1.0
    values, bad = _numbers(table, layout.answers, highest, _read_as(layout.written_in, predicted))
    there &= ~_empty_questions(source, tree, values, there)
    if layout.rebuilt:  # NaN is what was not asked there, and no gap
        values = cumulative_of(tree, values)
    elif layout.written_in is not None:
        _warn_of_gaps(source, np.isnan(values[:, there]), bad)
    counts: NDArray[np.float64] | None = None
    miscounted: dict[int, str] = {}
    if layout.votes:
        counts, miscounted = _numbers(table, layout.votes, np.inf)
    return TabulatedLabels(source, ids, values, there, layout.written_in, bad, counts, miscounted)


def _empty_questions(
    source: TableSource, tree: DecisionTree, values: NDArray[np.float64], there: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which answers are of a question without a value in any row, (n_answers,); said in the log."""
    empty = np.zeros(len(tree), dtype=bool)
    for answers in tree.slices:
        empty[answers] = there[answers].any() and np.isnan(values[:, answers]).all()
    if empty.any():
        _log.warning(
            "%s: %d of %d answers are not measured, as their columns are empty: %s",
            source, empty.sum(), len(tree), first_few(np.array(tree.columns)[empty].tolist()),
        )  # fmt: skip
    return empty


def _warn_of_gaps(source: TableSource, gaps: NDArray[np.bool_], bad: Collection[int]) -> None:
    """Count the rows that lack values, where every row of such a table is expected to have them."""
    rows = [row for row in np.flatnonzero(gaps.any(-1)) if row not in bad]
    if rows:
        lacking = "lacks values, which is" if len(rows) == 1 else "lack values, the first of them"
        _log.warning(
            "%s: %d of %d rows %s row %d; what is lacking counts as not measured",
            source, len(rows), len(gaps), lacking, rows[0] + 1,
        )  # fmt: skip


def _read_as(written_in: DecisionTree | None, predicted: bool) -> str:
    """Say what numbers above 1 were taken for, where their columns' names do not tell."""
    if written_in is None or written_in.naming == "kaggle":
        return ""
    mend = 'declare `kinds: {count: ""}` in the tree and give' if predicted else "give"
    return f" (read as a cumulative probability; if these are votes, {mend} --kind count)"


def _numbers(
    table: pd.DataFrame, columns: Sequence[str | None], highest: float, above: str = ""
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Values of the columns, (n, n_answers), and what is wrong in rows with values out of range.

    Those are NaN, as are all values of answers without a column. What is said of numbers above the
    highest besides is `above`.
    """
    values = np.full((len(table), len(columns)), np.nan)
    bad: dict[int, str] = {}
    for place, column in enumerate(columns):
        if column is None:
            continue
        given = table[column]
        numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        text = np.isnan(numbers) & given.notna().to_numpy()
        outside = np.isinf(numbers) | (numbers < 0) | (numbers > highest)
        for row in np.flatnonzero(text | outside):
            expected = "a number from 0 to 1" if highest == 1.0 else "a finite number from 0"
            found = repr(given.iloc[row]) if text[row] else numbers[row]
            more = above if numbers[row] > highest else ""
            bad.setdefault(int(row), f"column {column}: expected {expected}, found {found}{more}")
        values[:, place] = np.where(outside, np.nan, numbers)
    return values, bad
