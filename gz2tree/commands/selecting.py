"""The commands ``select``, ``classes`` and ``explain``, of catalogues of votes or predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from gz2tree.config.choices import Kind
from gz2tree.errors import InputError, first_few
from gz2tree.labelling.labeltable import Fractions, read_fractions, read_labels
from gz2tree.science.classstrings import class_strings
from gz2tree.science.explaining import explain
from gz2tree.science.samples import SAMPLES, WELL_SAMPLED, Cuts, answers_before, select
from gz2tree.tables.columnnotes import ColumnNote
from gz2tree.tables.files import table_columns
from gz2tree.tables.tableformat import format_to_write
from gz2tree.tables.wholetables import read_whole
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE

CLASS_COLUMN = "class_string"


def read_preceding(texts: Sequence[str], tree: DecisionTree, sample: str) -> dict[str, float]:
    """Read cuts on the way to a question as they are typed.

    Parameters
    ----------
    texts : sequence of str
        ``ANSWER=FRACTION``, the answer as `DecisionTree.find_answer` knows it; they replace those
        of Willett et al. (2013), Table 3.
    tree : DecisionTree
    sample : str
        As of `gz2tree.science.samples.select`.

    Returns
    -------
    preceding : dict of str to float, as of `gz2tree.science.samples.Cuts`

    Raises
    ------
    InputError
        Another form, or an answer that is unknown, ambiguous or not on the way to the question.

    Examples
    --------
    >>> read_preceding(["spiral=0.5"], GZ2_KAGGLE, "tight")["a08_spiral"]
    0.5
    """
    preceding = dict(WELL_SAMPLED)
    question = tree.question_of[tree.find_answer(SAMPLES.get(sample, sample))]
    way = [tree.answers[position].name for position in answers_before(tree, question)]
    for text in texts:
        name, separator, number = text.rpartition("=")
        try:
            least = float(number)
        except ValueError:
            separator = ""
        if not separator:
            raise InputError(f"preceding: expected ANSWER=FRACTION, found {text!r}")
        answer = tree.answers[tree.find_answer(name.strip())].name
        if answer not in way:
            raise InputError(
                f"preceding: expected an answer that every galaxy of sample {sample!r} has had "
                f"({', '.join(way) or 'there is none'}), found {answer}"
            )
        preceding[answer] = least
    return preceding


def select_catalogue(
    catalogue: Path,
    sample: str,
    out: Path | None,
    *,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
    cuts: Cuts = Cuts(),
    preceding_kind: Kind | None = None,
    against: Path | None = None,
) -> None:
    """Select a clean sample of a catalogue of votes or predictions, and write its rows.

    Parameters
    ----------
    catalogue : Path
        All its columns are kept in the rows that are written.
    sample : str
        As of `gz2tree.science.samples.select`.
    out : Path, optional
        Without it the galaxies are only counted.
    tree, kind, id_column
        As of `gz2tree.read_labels`.
    cuts : Cuts
    preceding_kind : str, optional
        Kind of the fractions for the cuts on the way to the question, if it is another.
    against : Path, optional
        A catalogue of votes: how pure and how complete the sample is, by the same cuts on it.
    """
    if out is not None:
        format_to_write(out)
    tree.find_answer(SAMPLES.get(sample, sample))
    fractions, chosen = _selected(
        catalogue, tree, sample, kind, id_column, cuts, preceding_kind, predicted=True
    )
    print(f"{chosen.sum():,} of {len(chosen):,} galaxies are in the sample {sample!r}")
    if against is not None:
        if id_column not in table_columns(against):
            id_column = None
        votes, truly = _selected(
            against, tree, sample, kind, id_column, cuts, preceding_kind, predicted=False
        )
        print(_against(fractions, chosen, votes, truly, against))
    if out is not None:
        table = read_whole(catalogue)
        replace(table, frame=table.frame[chosen]).write(out)
        print(f"they are in {out}")


def _selected(
    catalogue: Path,
    tree: DecisionTree,
    sample: str,
    kind: Kind,
    id_column: str | None,
    cuts: Cuts,
    preceding_kind: Kind | None,
    *,
    predicted: bool,
) -> tuple[Fractions, NDArray[np.bool_]]:
    """Read a catalogue's fractions, and choose the galaxies that are in the sample."""
    fractions = read_fractions(catalogue, tree, kind, id_column, predicted=predicted)
    before = None
    if preceding_kind is not None:
        before = read_fractions(
            catalogue, tree, preceding_kind, id_column, predicted=predicted
        ).conditional
    chosen = select(
        fractions.conditional, tree, sample, cuts,
        votes=fractions.votes, preceding_fractions=before,
    )  # fmt: skip
    return fractions, chosen


def spell_catalogue(
    catalogue: Path,
    out: Path,
    *,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
) -> None:
    """Write a catalogue again with a column of class strings; parameters as `select_catalogue`."""
    format_to_write(out)
    fractions = read_fractions(catalogue, tree, kind, id_column, predicted=True)
    unmeasured = [
        column
        for column, answers in zip(tree.question_columns, tree.slices, strict=True)
        if not fractions.tabulated[answers].any()
    ]
    if unmeasured:
        raise InputError(
            f"{catalogue}: class strings: expected answers of all questions, found none of "
            f"{', '.join(unmeasured)}"
        )
    classes = class_strings(fractions.conditional, tree)
    table = read_whole(catalogue)
    if CLASS_COLUMN in table.frame:
        raise InputError(f"{catalogue}: expected no column {CLASS_COLUMN} yet, found one")
    note = {CLASS_COLUMN: ColumnNote("", "class string, as in the Galaxy Zoo 2 catalogue")}
    frame = table.frame.assign(**{CLASS_COLUMN: classes})
    replace(table, frame=frame, notes=table.notes | note).write(out)
    print(f"{pd.Series(classes).nunique():,} classes of {len(frame):,} galaxies in {out}")


def explain_galaxy(
    catalogue: Path,
    galaxy: str,
    *,
    tree: DecisionTree = GZ2_KAGGLE,
    kind: Kind = "debiased",
    id_column: str | None = None,
) -> None:
    """Print one galaxy's tree, as `gz2tree.science.explaining.explain` says it.

    Parameters
    ----------
    catalogue : Path
    galaxy : str
        Its id.
    tree, kind, id_column
        As of `gz2tree.read_labels`.

    Raises
    ------
    InputError
        The galaxy is not in the catalogue, and as `gz2tree.read_labels` raises.
    """
    labels = read_labels(catalogue, tree, kind, id_column, allow_bad_rows=True, predicted=True)
    row = pd.Index(labels.ids).get_indexer(pd.Index([galaxy]))[0]
    if row < 0:
        raise InputError(
            f"{catalogue}: expected galaxy {galaxy!r}, found {len(labels):,} other whole rows: "
            f"{first_few(labels.ids.tolist())}"
        )
    print(f"{galaxy}: shares of all who look at it, under {tree.name}")
    print(*explain(labels.cumulative[row], tree), sep="\n")
    if (labels.cumulative[row] == 0).any():
        said = {key.lower(): text for key, text in read_whole(catalogue).metadata.items()}
        gate = said.get("gate", "0")  # in FITS files keys are in capitals
        if gate != "0":
            print(f"predicted with --gate {gate}: less than that is 0, and so is what follows")


def _against(
    fractions: Fractions,
    chosen: NDArray[np.bool_],
    votes: Fractions,
    truly: NDArray[np.bool_],
    table: Path,
) -> str:
    """Say how pure and complete a sample is among the galaxies that both catalogues have."""
    place = pd.Index(votes.ids).get_indexer(pd.Index(fractions.ids))
    both = place >= 0
    if not both.any():
        raise InputError(f"{table}: expected votes on galaxies of the catalogue, found none")
    chosen, truly = chosen[both], truly[place[both]]
    right = int((chosen & truly).sum())
    shares = {"purity": int(chosen.sum()), "completeness": int(truly.sum())}
    said = [f"of {both.sum():,} galaxies with votes {truly.sum():,} are in it by these"]
    for name, of in shares.items():
        if of:
            low, high = stats.binomtest(right, of).proportion_ci(method="wilson")
            said.append(f"{name} {right / of:.2f} ({low:.2f} to {high:.2f})")
    return "; ".join(said)
