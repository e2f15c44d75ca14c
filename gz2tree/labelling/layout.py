"""Which columns of a table hold what: the ids, the answers, the votes, and of which tree."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from gz2tree.config.choices import Kind
from gz2tree.config.labels import DEFAULT_KIND
from gz2tree.errors import InputError, did_you_mean, first_few
from gz2tree.labelling import galaxydatasets
from gz2tree.labelling.whichtree import conditional_columns, likeness
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
    rebuilt : bool
        Whether the answers are conditional probabilities, as ``gz2tree predict --columns
        conditional`` writes them, of which the cumulative ones are to be rebuilt.
    """

    id_columns: tuple[str, ...]
    answers: tuple[str | None, ...]
    votes: tuple[str | None, ...]
    written_in: DecisionTree | None
    rebuilt: bool = False


def layout_of(
    source: TableSource,
    header: Sequence[str],
    tree: DecisionTree,
    kind: Kind | None,
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
    3. `kind`, named as the survey's own catalogue does;
    4. `kind`, if it was said and `tree` gives no kind an empty ending, under the catalogue's
       columns without any ending. Whoever says a kind means it; and should these be cumulative
       probabilities after all, the same labels are made of them, since whatever is read as a kind
       is divided by what its question sums to and multiplied down the tree.
    5. cumulative probabilities, as in 1;
    6. conditional probabilities, as ``gz2tree predict --columns conditional`` writes them.

    What else it has of these is said in a warning. Whole questions of a kind may be missing where
    the kind was said, or where there is nothing else: they are not measured, which is said in a
    warning. A question of which only some columns are there is refused. Nobody has to say
    ``debiased``, but then it is read in 3 only if it is complete, or if there is nothing else.

    Some surveys name their counts as this package names cumulative probabilities, without an
    ending, and `tree` gives ``count`` an empty ending: of their tables `kind` is read if it is
    that one and was said, or is complete, also with `predicted`.

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
        As of `gz2tree.read_labels`. No `kind`: none was said.
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
    if written_in is None and kind == "count":
        votes = answers
    else:
        votes = _whole_questions(header, tree, "count")
        if set(votes) & set(answers) - {None}:
            votes = ()  # the same names, of cumulative probabilities
    rebuilt = list(answers) == conditional_columns(tree)
    return Layout(tuple(id_columns), tuple(answers), tuple(votes), written_in, rebuilt)


def known_columns(header: Sequence[str], tree: DecisionTree) -> list[str]:
    """Call columns as `tree` or galaxy-datasets call them, where TOPCAT has spelled them anew."""
    known = [*tree.columns, *tree.catalogue_columns, *tree.kaggle_columns]
    known += conditional_columns(tree)
    for kind in get_args(Kind):
        known += tree.kind_columns(kind)
        known += galaxydatasets.possible_columns(tree, kind)
    return recognised(header, dict.fromkeys(known))


def _answers(
    source: TableSource,
    header: Sequence[str],
    tree: DecisionTree,
    said: Kind | None,
    predicted: bool,
) -> tuple[DecisionTree | None, Sequence[str | None]]:
    """Find the column of each answer, and the tree of those that are cumulative probabilities."""
    kind = said or DEFAULT_KIND
    written_in = _tree_of_table(header, tree, said)
    if written_in is None:
        voted = _complete(header, tree, kind)
        if not voted and set(conditional := conditional_columns(tree)) <= set(header):
            return tree, conditional
        return None, voted or _kind_columns(source, header, kind, tree.kind_columns(kind), tree)
    if not predicted:
        if voted := _said_columns(source, header, tree, said, written_in):
            return None, voted
        if voted := _complete(header, tree, kind):
            _warn_of_probabilities(source, kind)
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


def _said_columns(
    source: TableSource,
    header: Sequence[str],
    tree: DecisionTree,
    said: Kind | None,
    written_in: DecisionTree,
) -> Sequence[str | None]:
    """Columns of a kind that was said, where a table could be one of cumulative probabilities."""
    if said is None or _complete(header, tree, said):
        return ()  # nobody insists, or there is no doubt
    columns = tree.kind_columns(said)
    if any(column in header for column in columns):
        _warn_of_probabilities(source, said)
        return _kind_columns(source, header, said, columns, tree)
    if written_in.naming == "kaggle":
        return ()  # named as nothing but cumulative probabilities is
    if "" in tree.kinds.values():
        return _kind_columns(source, header, said, columns, tree)  # says which kinds there are
    return _kind_columns(source, header, said, tree.catalogue_columns, tree)


def _warn_of_probabilities(source: TableSource, kind: Kind) -> None:
    _log.warning(
        "%s holds cumulative probabilities as well, as predictions are; its kind %r is read",
        source, kind,
    )  # fmt: skip


def _complete(header: Sequence[str], tree: DecisionTree, kind: Kind) -> Sequence[str | None]:
    """Columns of a kind in a catalogue that has all of them; nothing if it has not."""
    columns = galaxydatasets.columns_of(tree, kind, header)
    if any(columns or ()):
        return columns or ()
    return tree.kind_columns(kind) if set(tree.kind_columns(kind)) <= set(header) else ()


def _whole_questions(header: Sequence[str], tree: DecisionTree, kind: Kind) -> Sequence[str | None]:
    """Columns of a kind, None for questions without any; nothing if a question has only some."""
    if complete := _complete(header, tree, kind):
        return complete
    columns = [column if column in header else None for column in tree.kind_columns(kind)]
    there = [{column is None for column in columns[answers]} for answers in tree.slices]
    return columns if {False} in there and all(len(of_one) == 1 for of_one in there) else ()


def _tree_of_table(
    header: Sequence[str], tree: DecisionTree, said: Kind | None
) -> DecisionTree | None:
    """Which tree a table of cumulative probabilities was made with; None if it holds none."""
    # Some catalogues name one kind, their counts, as our tables name cumulative probabilities.
    if said is not None and tree.kinds.get(said) == "":
        return None
    if "" in tree.kinds.values() and set(tree.kind_columns(said or DEFAULT_KIND)) <= set(header):
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
            "%s: %d of %d answers are not measured: %s%s",
            path, len(missing), len(tree), ", ".join(missing), _near(missing, header, tree.columns),
        )  # fmt: skip


def _kind_columns(
    path: TableSource, header: Sequence[str], kind: Kind, columns: Sequence[str], tree: DecisionTree
) -> list[str | None]:
    """Columns of a kind that need not be complete, None for questions that have none."""
    missing = [column for column in columns if column not in header]
    if len(missing) == len(columns):
        raise InputError(
            f"{path}: expected columns of {tree.name}, {tree.columns[0]}, … or {columns[0]}, …, "
            f"found neither; {_instead(header, tree)}"
        )
    whole = [answers for answers in tree.slices if set(columns[answers]) <= set(missing)]
    absent = {column for answers in whole for column in columns[answers]}
    partly = [column for column in missing if column not in absent]
    if partly:
        raise InputError(
            f"{path}: kind {kind!r} is incomplete: {len(missing)} of {len(columns)} columns are "
            f"missing: {first_few(partly)}{_near(partly, header, columns)}"
        )
    if absent:
        names = [tree.questions[tree.slices.index(answers)].name for answers in whole]
        _log.warning(
            "%s: questions without columns of kind %r are not measured: %s%s",
            path, kind, ", ".join(names), _near(missing, header, columns),
        )  # fmt: skip
    return [column if column in header else None for column in columns]


def _instead(header: Sequence[str], tree: DecisionTree) -> str:
    """Say what a table without the wanted columns has, and what to do about it."""
    of_kinds = {kind: _whole_questions(header, tree, kind) for kind in get_args(Kind)}
    for kind, columns in of_kinds.items():
        if there := next(filter(None, columns), None):
            kinds = ", ".join(kind for kind, columns in of_kinds.items() if any(columns))
            return f"it has the kinds {kinds}, as in {there}: add --kind {kind}"
    hint = likeness(header, tree)
    return (
        f"{hint}{'; ' if hint else ''}the table has {first_few(list(header))}. --tree names "
        "another tree or a tree file, in which `column:` gives the column of an answer and "
        "`kinds:` the ending of a kind"
    )


def _near(missing: Sequence[str], header: Sequence[str], known: Sequence[str]) -> str:
    """Name the column that the first of the missing ones may be misspelt as, for a message."""
    others = [column for column in header if column not in known]
    return next((hint for hint in (did_you_mean(m, others) for m in missing) if hint), "")
