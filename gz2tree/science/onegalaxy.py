"""Galaxies of a table in words: what was read of them, and why their numbers are what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.config.choices import Kind
from gz2tree.config.samples import SAMPLES
from gz2tree.errors import InputError, first_few
from gz2tree.labelling.labelcolumns import NUMBERS_OF_VOTES, TabulatedLabels, read_columns
from gz2tree.labelling.labeltable import checked_cumulative
from gz2tree.labelling.whichtree import tree_of_columns
from gz2tree.science.explaining import Told, explain, explain_answer
from gz2tree.tables.opened import TableFile, TableInMemory, TableSource, table_source
from gz2tree.tables.wholetables import read_metadata, read_whole
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from astropy.table import Table

_UNSAID = (
    "0: the table does not say whether these are votes or predictions, or which gate was used (a "
    "CSV file cannot). A vote is 0 where nobody chose the answer. A prediction without a gate is "
    "never exactly 0, under softmax and normalised sigmoids. If you know the gate, say --gate."
)
_SUM_SHOWN = 0.0005


def explain_galaxies(
    catalogue: str | Path | pd.DataFrame | Table,
    galaxies: str | Sequence[str],
    answers: Sequence[str] = (),
    *,
    tree: DecisionTree | None = None,
    kind: Kind = "debiased",
    id_column: str | None = None,
    gate: float | None = None,
) -> str:
    """Say of galaxies of a table how probable each answer is, and why if it is 0 or not measured.

    Parameters
    ----------
    catalogue : str, Path, DataFrame or astropy Table
        Predictions, cumulative or conditional, or votes.
    galaxies : str or sequence of str
        Ids.
    answers : sequence of str
        As `gz2tree.DecisionTree.find_answer` knows them, or samples, as in `SAMPLES`: how these
        come about, a line each. The
        whole tree of each galaxy by default.
    tree : DecisionTree, optional
        By default that whose columns the table has.
    kind, id_column
        As of `gz2tree.read_labels`.
    gate : float, in [0, 1], optional
        That the table was predicted with, 0 for none, if the table cannot say so, as a CSV file
        cannot.

    Returns
    -------
    text : str
        What was read, then lines as of `gz2tree.science.explaining.explain`.

    Raises
    ------
    InputError
        A galaxy that is not in the table, or twice; an answer that the tree has not; and what
        `gz2tree.read_labels` refuses of a table as a whole. A row that it would refuse is
        explained, and what is wrong with it is said.

    Examples
    --------
    >>> import pandas as pd
    >>> from gz2tree import DecisionTree, Question
    >>> bars = DecisionTree("bars", [
    ...     Question("disc", ["yes", "no"]), Question("bar", ["bar", "none"], asked_after=["yes"])])
    >>> table = pd.DataFrame({"id": ["7"], "disc_yes": [0.5], "disc_no": [0.5],
    ...                       "bar_bar": [0.1], "bar_none": [0.4]})
    >>> print(explain_galaxies(table, "7", ["bar"], tree=bars, gate=0))
    7: predicted, no gate; tree bars
    bar [bar_bar] = 0.100: yes 0.500 -> bar 0.200 of those
    """
    source = table_source(catalogue)
    tree = tree or tree_of_columns(source.columns)
    wanted = [tree.find_answer(SAMPLES.get(name, name)) for name in answers]
    given = read_columns(catalogue, tree, kind, id_column, None, predicted=True)
    said = read_metadata(source) if isinstance(source, TableFile) else {}
    lines: list[str] = []
    for galaxy in [galaxies] if isinstance(galaxies, str) else galaxies:
        row = _row_of(given, galaxy.strip(), id_column)
        lines += _lines(_only(given, row), row, tree, kind, wanted, said, gate)
    return "\n".join(lines)


def _row_of(given: TabulatedLabels, galaxy: str, id_column: str | None) -> int:
    """Find the one row of a galaxy; blanks around ids do not matter."""
    ids = np.array([str(each).strip() for each in given.ids])
    rows = np.flatnonzero(ids == galaxy)
    if len(rows) == 1:
        return int(rows[0])
    if len(rows):
        raise InputError(
            f"{given.source}: expected galaxy {galaxy!r} once, found it in rows "
            f"{first_few([row + 1 for row in rows])}"
        )
    others = [c for c in _columns_with(given.source, galaxy) if c != id_column]
    hint = f"; column {others[0]} has it: --id-column {others[0]}" if others else ""
    raise InputError(
        f"{given.source}: expected galaxy {galaxy!r}, found {len(ids):,} others: "
        f"{first_few(ids.tolist())}{hint}"
    )


def _columns_with(source: TableSource, galaxy: str) -> Iterator[str]:
    """Columns of a table of which a cell says what a galaxy's id says."""
    frame = source.table if isinstance(source, TableInMemory) else read_whole(source).frame
    for name, column in frame.items():
        digits_are_kept = not pd.api.types.is_float_dtype(column)
        if digits_are_kept and column.astype(str).str.strip().eq(galaxy).any():
            yield str(name)


def _only(given: TabulatedLabels, row: int) -> TabulatedLabels:
    """Keep one row of a table, as the first."""
    return replace(
        given,
        ids=given.ids[[row]],
        values=given.values[[row]],
        bad={0: given.bad[row]} if row in given.bad else {},
        counts=None,
        miscounted={},
    )


def _lines(
    given: TabulatedLabels,
    row: int,
    tree: DecisionTree,
    kind: Kind,
    answers: Sequence[int],
    said: dict[str, str],
    gate: float | None,
) -> Iterator[str]:
    """Say what there is to say of one galaxy."""
    cumulative, broken = checked_cumulative(given, tree)
    values = cumulative[0]
    told = _told(given, tree, kind, values, said, gate)
    yield f"{str(given.ids[0]).strip()}: {_what(given, kind, told, said)}; tree {tree.name}"
    for text in [*given.bad.values(), *broken.values()]:
        yield f"row {row + 1} is refused where labels are read: {text}"
    if answers:
        yield from (explain_answer(values, tree, answer, told) for answer in answers)
    else:
        whom = "volunteers who would be asked" if told.predicted else "volunteers who were asked"
        yield f"Shares of all volunteers (cumulative); in brackets, of the {whom} (conditional)"
        yield from explain(values, tree, told)
    looked_at = values[list(answers)] if answers else values
    if told.predicted is None and (looked_at == 0).any():
        yield _UNSAID
    if told.gate:
        yield (
            f"predicted with --gate {told.gate:g}: answers below it are 0, and so is all that "
            "follows from them; but a question that is still asked keeps its most probable answer, "
            "and the shares of those asked are of the answers that are left"
        )


def _what(given: TabulatedLabels, kind: Kind, told: Told, said: dict[str, str]) -> str:
    """Say what was read."""
    if told.predicted:
        by = said.get("weights") or said.get("model", "")
        gate = f"gate {told.gate:g}" if told.gate else "no gate"
        return f"predicted{' by ' if by else ''}{by}, {gate}"
    if given.written_in is not None:
        return "cumulative probabilities; the table does not say whether voted or predicted"
    if kind in NUMBERS_OF_VOTES:
        return f"votes, kind {kind}, divided by their sum in each question and multiplied down"
    return (
        f"{kind.replace('_', ' ')} fractions of votes, divided by their sum in each question where "
        "that is not 1, and multiplied down"
    )


def _told(
    given: TabulatedLabels,
    tree: DecisionTree,
    kind: Kind,
    cumulative: NDArray[np.float64],
    said: dict[str, str],
    gate: float | None,
) -> Told:
    """Tell where a galaxy's numbers come from, and why some are not known."""
    if given.written_in is None:
        predicted: bool | None = False
        gate = None
    else:
        gate = float(said["gate"]) if gate is None and "gate" in said else gate
        predicted = None if gate is None else True
    of_answers = {
        position: _why_not_known(given, position)
        for position in np.flatnonzero(np.isnan(given.values[0])).tolist()
    }
    of_questions = {}
    if given.written_in is None:
        for number, answers in enumerate(tree.slices):
            total = float(given.values[0, answers].sum())
            if total == 0 and np.isnan(cumulative[answers]).any():
                parents = tree.parents[number]
                lead = sum(cumulative[parent] for parent in parents)
                leads = f"{lead:.3f} lead here" if parents else "everyone is asked"
                if not np.isnan(lead):
                    of_questions[number] = (
                        f"the table has 0 for every answer although {leads}: counted as not "
                        "measured"
                    )
            elif abs(total - 1) > _SUM_SHOWN and total > 0 and kind not in NUMBERS_OF_VOTES:
                of_questions[number] = f"its answers in the table were divided by {total:.3f}"
    return Told(predicted, gate, of_questions, of_answers)


def _why_not_known(given: TabulatedLabels, position: int) -> str:
    if not given.there[position]:
        return "the table has no column of it, or an empty one"
    return "its cell is refused" if given.bad else "its cell is empty"
