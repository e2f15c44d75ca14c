"""Which columns of a table hold what: the ids, the answers, the votes, and of which tree."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from gz2tree.config.choices import Kind
from gz2tree.errors import InputError, first_few
from gz2tree.labelling import galaxydatasets
from gz2tree.tables.columnnotes import recognised
from gz2tree.tables.idcolumns import id_candidates
from gz2tree.tables.opened import TableSource
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2, GZ2_KAGGLE

_KAGGLE_SHAPE = re.compile(r"Class\d+\.\d+\Z")
_log = logging.getLogger("gz2tree")


@dataclass(frozen=True)
class Layout:
    """Which columns of a table are read, and what they are.

    Parameters
    ----------
    id_columns : tuple of str
        Columns that may hold the ids, the likeliest first.
    answers : tuple of (str or None), length n_answers
        The column of each answer of the tree; None where the table has none.
    votes : tuple of (str or None), length n_answers
        The columns of the votes that each answer got; empty if the table has no votes, or not of
        all answers that are counted.
    written_in : DecisionTree, optional
        The tree of which the answers are cumulative probabilities; None where they are a kind of
        label of a survey's catalogue.
    """

    id_columns: tuple[str, ...]
    answers: tuple[str | None, ...]
    votes: tuple[str | None, ...]
    written_in: DecisionTree | None


def layout_of(
    source: TableSource,
    header: Sequence[str],
    tree: DecisionTree,
    kind: Kind,
    id_column: str | None,
    *,
    any_ids: bool,
    predicted: bool,
) -> Layout:
    """Find out which columns of a table are read.

    A table may hold labels in several ways. Of these the first that it has is read:

    1. with `predicted`: cumulative probabilities, under the columns of `tree`, or, if `tree` is
       one of Galaxy Zoo 2, under Kaggle's or those of GZ2. Some may be missing.
    2. `kind`, named as galaxy-datasets names its columns, complete but for the questions that
       galaxy-datasets leaves out;
    3. `kind`, named as the survey's own catalogue does, complete;
    4. cumulative probabilities, as above.

    What else it has of these is said in a warning. A kind that is incomplete is refused where there
    is nothing else. Some surveys name their counts as this package names cumulative probabilities,
    without an ending: of their tables `kind` is read wherever it is complete, also with
    `predicted`.

    Votes are counts, as in 2 or 3; columns that are read as cumulative probabilities are none.

    Ids are in the column that is named, else in those of `gz2tree.tables.idcolumns.id_candidates`;
    but in the first column of a catalogue of predictions, if that is called as `tree` calls it and
    there are no images to choose by.

    Parameters
    ----------
    source : TableSource
        Named in messages.
    header : sequence of str
        The table's columns, as `known_columns` calls them.
    tree, kind, id_column, predicted
        As of `gz2tree.read_labels`.
    any_ids : bool
        Whether there are no images by which to choose the column of ids.

    Raises
    ------
    InputError
        No such columns, an incomplete kind, or answers that the tree lacks.
    """
    id_columns = id_candidates(source, header, id_column)
    written_in, answers = _answers(source, header, tree, kind, predicted)
    if written_in is not None and any_ids and id_column is None and header[0] == tree.id_column:
        id_columns = [tree.id_column]  # others may have been carried along, with gaps
    votes = _complete(header, tree, "count")
    if written_in is not None and set(votes) & set(answers) - {None}:
        votes = ()  # the same names, of cumulative probabilities
    return Layout(tuple(id_columns), tuple(answers), tuple(votes), written_in)


def known_columns(header: Sequence[str], tree: DecisionTree) -> list[str]:
    """Call columns as `tree` or galaxy-datasets call them, where TOPCAT has spelled them anew."""
    known = [*tree.columns, *tree.kaggle_columns]
    for kind in get_args(Kind):
        known += tree.kind_columns(kind)
        known += galaxydatasets.possible_columns(tree, kind)
    return recognised(header, dict.fromkeys(known))


def _answers(
    source: TableSource, header: Sequence[str], tree: DecisionTree, kind: Kind, predicted: bool
) -> tuple[DecisionTree | None, Sequence[str | None]]:
    """Find the column of each answer, and the tree of those that are cumulative probabilities."""
    voted = _complete(header, tree, kind)
    written_in = _tree_of_table(header, tree, kind)
    if written_in is None:
        return None, voted or _catalogue_columns(source, header, tree, kind)
    if voted and not predicted:
        _log.warning(
            "%s holds cumulative probabilities as well, as predictions are; its kind %r is read",
            source, kind,
        )  # fmt: skip
        return None, voted
    of_probabilities = set(written_in.columns)
    kinds = [
        k for k in get_args(Kind) if set(_complete(header, tree, k)) - {None} - of_probabilities
    ]
    if kinds:
        _log.warning(
            "%s: its cumulative probabilities are read, as predictions are; it holds the kinds %s "
            "as well", source, ", ".join(kinds),
        )  # fmt: skip
    _refuse_unknown_answers(source, header, written_in)
    return written_in, [column if column in header else None for column in written_in.columns]


def _complete(header: Sequence[str], tree: DecisionTree, kind: Kind) -> Sequence[str | None]:
    """Columns of a kind in a catalogue that has all of them; nothing if it has not."""
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
        hint = f"it has the kinds {', '.join(kinds)}" if kinds else "--tree names another tree"
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
