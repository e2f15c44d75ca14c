"""From a table of votes to labels: cumulative probabilities, what was measured, and the counts."""

from __future__ import annotations

import difflib
import hashlib
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from gz2tree import galaxydatasets
from gz2tree.config import Kind
from gz2tree.errors import InputError, first_few
from gz2tree.graph import DecisionGraph
from gz2tree.tables import TableSource, read_table, table_columns, table_source
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2, GZ2_KAGGLE
from gz2tree.votes import log_disagreement

if TYPE_CHECKING:
    from astropy.table import Table

CUMULATIVE = "cumulative"
"""The kind of labels that were tabulated as cumulative probabilities, as Kaggle's are."""

# The last is a file, whose name without its ending is the id.
_ID_COLUMNS = (
    "GalaxyID", "asset_id", "dr7objid", "objid", "id_str", "iauname", "zooniverse_id", "id",
    "file_loc",
)  # fmt: skip
_SUM_TOLERANCE = 0.01
_KAGGLE_SHAPE = re.compile(r"Class\d+\.\d+\Z")
_log = logging.getLogger("gz2tree")


@dataclass(frozen=True)
class Labels:
    """What volunteers said of some galaxies.

    Parameters
    ----------
    ids : array of str, shape (n,)
    cumulative : array of float64, shape (n, n_answers), in [0, 1]
        Cumulative probabilities; NaN where not measured.
    tree : DecisionTree
    kind : str
        What they were made from: a kind of the GZ2 catalogue, or ``"cumulative"``.
    counts : array of float64, shape (n, n_answers), optional
        Votes, where the table has them.
    given_reach : array of float64, shape (n, n_questions), optional
        For training: reach of the questions of which only the conditional answers count, NaN for
        the others; see `only_conditional`.
    """

    ids: NDArray[np.object_]
    cumulative: NDArray[np.float64]
    tree: DecisionTree
    kind: str
    counts: NDArray[np.float64] | None = None
    given_reach: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """Which cells are measured; shape (n, n_answers)."""
        return ~np.isnan(self.cumulative)

    @cached_property
    def reach(self) -> NDArray[np.float64]:
        """Probability that each question was asked; shape (n, n_questions), NaN if unknown."""
        reach = DecisionGraph(self.tree).reach(torch.from_numpy(self.cumulative)).numpy()
        if self.given_reach is None:
            return reach
        return np.where(np.isnan(self.given_reach), reach, self.given_reach)

    @cached_property
    def null(self) -> NDArray[np.bool_]:
        """Null labels: measured and exactly 0; shape (n, n_answers)."""
        return self.cumulative == 0

    @cached_property
    def structural_null(self) -> NDArray[np.bool_]:
        """Null labels of questions that were not reached; shape (n, n_answers)."""
        return self.null & (self._reach_of_answer == 0)

    @cached_property
    def voteless_null(self) -> NDArray[np.bool_]:
        """Null labels of questions that were reached; shape (n, n_answers)."""
        return self.null & (self._reach_of_answer > 0)

    @property
    def _reach_of_answer(self) -> NDArray[np.float64]:
        return self.reach[:, list(self.tree.question_of)]

    def digest(self) -> str:
        """SHA-256 of ids and labels, in hexadecimal: the same for the same data."""
        text = "\n".join(self.ids).encode() + self.cumulative.tobytes()
        if self.given_reach is not None:
            text += self.given_reach.tobytes()
        return hashlib.sha256(text).hexdigest()

    def take(self, rows: ArrayLike) -> Labels:
        """Return the labels of some rows, by position or by mask."""
        rows = np.asarray(rows)
        counts = None if self.counts is None else self.counts[rows]
        given = None if self.given_reach is None else self.given_reach[rows]
        return replace(
            self,
            ids=self.ids[rows],
            cumulative=self.cumulative[rows],
            counts=counts,
            given_reach=given,
        )

    def mean_cumulative(self) -> NDArray[np.float64]:
        """Mean of every answer over the galaxies that have it measured; 1/2 where none has."""
        n = self.measured.sum(0)
        return np.where(n > 0, np.nansum(self.cumulative, 0) / np.maximum(n, 1), 0.5)

    def mean_conditional(self) -> NDArray[np.float64]:
        """Mean conditional answers, weighted by reach; equal ones where nobody was asked."""
        total = np.nansum(self.cumulative, 0)
        mean = np.empty(len(self.tree))
        for answers in self.tree.slices:
            of_question = total[answers].sum()
            equal = 1 / len(total[answers])
            mean[answers] = total[answers] / of_question if of_question > 0 else equal
        return mean

    @classmethod
    def join(cls, *several: Labels) -> Labels:
        """Put several samples of one tree together; counts are kept if all have them.

        Raises
        ------
        InputError
            Samples of different trees.
        """
        tree = several[0].tree
        for labels in several:
            if labels.tree != tree:
                raise InputError(
                    f"join: expected labels of one tree, found {tree.name} and {labels.tree.name}"
                )
        own = np.nan  # the reach of a sample that has none given
        given = [
            labels.given_reach
            if labels.given_reach is not None
            else np.full((len(labels), len(tree.questions)), own)
            for labels in several
        ]
        counts = [labels.counts for labels in several if labels.counts is not None]
        return cls(
            np.concatenate([labels.ids for labels in several]),
            np.concatenate([labels.cumulative for labels in several]),
            tree,
            ", ".join(dict.fromkeys(labels.kind for labels in several)),
            np.concatenate(counts) if len(counts) == len(several) else None,
            np.concatenate(given) if any(s.given_reach is not None for s in several) else None,
        )

    def only_conditional(self, questions: Collection[str]) -> Labels:
        """Keep some questions, and of them only what was answered where they were asked.

        For galaxies whose answers further up are debiased otherwise than those of the other
        training galaxies. A tree network is then trained on reach x its conditional
        probability, the reach being that of the votes: weighted by reach, and without a say in
        the questions before. A flat network is trained on the cumulative answers.

        Parameters
        ----------
        questions : collection of str
            Their columns, for example ``{"Class3", "Class4"}``.

        Returns
        -------
        labels : Labels
            With NaN in all other questions.

        Raises
        ------
        InputError
            A question that the tree has not.
        """
        unknown = sorted(set(questions) - set(self.tree.question_columns))
        if unknown:
            raise InputError(
                f"questions: expected some of {', '.join(self.tree.question_columns)}, "
                f"found {first_few(unknown)}"
            )
        kept = np.isin(self.tree.question_columns, list(questions))
        of_answer = kept[list(self.tree.question_of)]
        return replace(
            self,
            cumulative=np.where(of_answer, self.cumulative, np.nan),
            counts=None if self.counts is None else np.where(of_answer, self.counts, np.nan),
            given_reach=np.where(kept, self.reach, np.nan),
        )


def multiply_down(tree: DecisionTree, conditional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative probabilities of conditional ones that were not all measured.

    Parameters
    ----------
    tree : DecisionTree
    conditional : array, shape (n, n_answers)
        NaN where a question got no votes.

    Returns
    -------
    cumulative : array of float64, shape (n, n_answers)
        0 where a question is not reached, whatever its conditional probabilities. NaN where a
        question was reached without being measured, and in all that follows from it.
    """
    graph = DecisionGraph(tree)
    given = torch.from_numpy(np.asarray(conditional, dtype=np.float64))
    reachable = graph.reach(graph.cumulative(given.nan_to_num(1.0))) > 0  # (n, n_questions)
    asked = reachable.index_select(-1, graph.question_of)  # (n, n_answers)
    return graph.cumulative(torch.where(asked, given, 0.0)).numpy()


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
    path = table_source(path)
    if kind not in get_args(Kind):
        raise InputError(f"kind: expected one of {', '.join(get_args(Kind))}, found {kind!r}")
    header = table_columns(path)
    id_columns = id_candidates(path, header, id_column)
    of_answers = galaxydatasets.columns_of(tree, kind, header)
    named = [column for column in of_answers or () if column is not None]
    written_in = None if named else _tree_of_table(header, tree, kind)
    if written_in is not None:
        _refuse_unknown_answers(path, header, written_in)
        columns = [column for column in written_in.columns if column in header]
    else:
        columns = named or _catalogue_columns(path, header, tree, kind)
    counted = list(tree.kind_columns("count"))
    if written_in is not None and set(counted) & set(columns):
        counted = []  # the same names, of cumulative probabilities
    if not set(counted) <= set(header):
        counted = []
    wanted = list(dict.fromkeys([*id_columns, *columns, *counted]))
    table = read_table(path, wanted, ids=id_columns)
    if table.empty:
        raise InputError(f"{path}: expected rows of labels, found none")
    names_of_files(table)
    ids = _choose_ids(path, table, id_columns, image_ids)

    highest = np.inf if written_in is None and kind in ("count", "weight") else 1.0
    values, bad = _numbers(table, columns, highest)
    if of_answers is not None:  # of some questions there may be none
        there = np.full((len(table), len(tree)), np.nan)
        there[:, [column is not None for column in of_answers]] = values
        values = there
    if written_in is not None:
        cumulative, broken = _from_cumulative(values, columns, written_in, tree)
    else:
        cumulative, broken = multiply_down(tree, _normalise(tree, values)), {}
    counts, miscounted = _numbers(table, counted, np.inf) if counted else (None, {})
    if counts is not None:
        log_disagreement(str(path), tree, counts)
    bad = miscounted | broken | bad
    labels = Labels(ids, cumulative, tree, kind if written_in is None else CUMULATIVE, counts)
    labels = _without_bad_rows(path, labels, bad, allow_bad_rows)
    _refuse_duplicates(path, labels.ids)
    return labels


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
            "name it with --id-column"
        )
    return known[:1] if known[0] == "GalaxyID" else known


def names_of_files(table: pd.DataFrame) -> None:
    """Make ids of a column of files, if there is one: their names without the ending."""
    if "file_loc" in table:
        table["file_loc"] = [
            Path(file).stem if isinstance(file, str) else file for file in table["file_loc"]
        ]


def _choose_ids(
    path: TableSource, table: pd.DataFrame, candidates: list[str], image_ids: Collection[str] | None
) -> NDArray[np.object_]:
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
    return table[chosen].to_numpy(dtype=object)


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
    values: NDArray[np.float64],
    columns: Sequence[str],
    written_in: DecisionTree,
    tree: DecisionTree,
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Cumulative probabilities under `tree`, and the rows whose sums break `written_in`."""
    cumulative = np.full((len(values), len(written_in)), np.nan)
    cumulative[:, [written_in.columns.index(column) for column in columns]] = values
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


def _refuse_duplicates(path: TableSource, ids: NDArray[np.object_]) -> None:
    twice = pd.Index(ids)[pd.Index(ids).duplicated()]
    if len(twice):
        raise InputError(
            f"{path}: expected each id once, found {len(twice)} repeated: "
            f"{first_few(list(twice.unique()))}"
        )
