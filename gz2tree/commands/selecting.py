"""The commands ``select`` and ``classes``, of catalogues of votes or predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from gz2tree.config.choices import Kind
from gz2tree.errors import InputError
from gz2tree.labelling.labeltable import Fractions, read_fractions
from gz2tree.labelling.whichtree import tree_of_columns
from gz2tree.labels import CUMULATIVE
from gz2tree.science.classstrings import class_strings
from gz2tree.science.samples import (
    SAMPLES,
    WELL_SAMPLED,
    Cuts,
    Step,
    answers_before,
    funnel,
    select,
)
from gz2tree.tables.columnnotes import ColumnNote
from gz2tree.tables.files import table_columns
from gz2tree.tables.tableformat import format_to_write
from gz2tree.tables.wholetables import read_metadata, read_whole
from gz2tree.tree import DecisionTree
from gz2tree.treetext import answer_name

CLASS_COLUMN = "class_string"


def read_preceding(texts: Sequence[str], tree: DecisionTree, sample: str) -> dict[str, float]:
    """Read cuts on the way to a question as they are typed.

    Parameters
    ----------
    texts : sequence of str
        ``ANSWER=FRACTION``, the answer as `DecisionTree.find_answer` knows it, as a sample's name,
        or any part of its label that no other answer on the way has; they replace those of
        Willett et al. (2013), Table 3.
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
    >>> from gz2tree import GZ2_KAGGLE
    >>> read_preceding(["spiral=0.5"], GZ2_KAGGLE, "tight")["a08_spiral"]
    0.5
    >>> read_preceding(["features=0.2"], GZ2_KAGGLE, "barred")["a02_features_or_disk"]
    0.2
    """
    preceding = dict(WELL_SAMPLED)
    question = tree.question_of[tree.find_answer(SAMPLES.get(sample, sample))]
    way = list(answers_before(tree, question))
    for text in texts:
        name, separator, number = text.rpartition("=")
        try:
            least = float(number)
        except ValueError:
            separator = ""
        if not separator:
            raise InputError(f"preceding: expected ANSWER=FRACTION, found {text!r}")
        preceding[tree.answers[_on_the_way(name.strip(), way, tree, sample)].name] = least
    return preceding


def _on_the_way(name: str, way: Sequence[int], tree: DecisionTree, sample: str) -> int:
    """Find the answer on the way to a sample's question that people name so."""
    for part in (str.__eq__, str.__contains__):
        found = [p for p in way if part(tree.answers[p].label.casefold(), name.casefold())]
        if len(found) == 1:
            return found[0]
    answer = tree.find_answer(SAMPLES.get(name, name))
    if answer not in way:
        of_way = ", ".join(f"{tree.answers[p].name} ({answer_name(tree, p)})" for p in way)
        raise InputError(
            f"preceding: expected an answer that every galaxy of sample {sample!r} has had "
            f"({of_way or 'there is none'}), found {tree.answers[answer].name}"
        )
    return answer


def select_catalogue(
    catalogue: Path,
    sample: str,
    out: Path | None,
    *,
    tree: DecisionTree | None = None,
    kind: Kind = "debiased",
    id_column: str | None = None,
    threshold: float = 0.8,
    votes: int = 20,
    preceding: Sequence[str] = (),
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
    tree : DecisionTree, optional
        By default that whose columns the catalogue has.
    kind, id_column
        As of `gz2tree.read_labels`.
    threshold, votes
        As of `gz2tree.science.samples.Cuts`.
    preceding : sequence of str
        As of `read_preceding`.
    preceding_kind : str, optional
        Kind of the fractions for the cuts on the way to the question, if it is another.
    against : Path, optional
        A catalogue of votes: how pure and how complete the sample is, by the same cuts on it.
    """
    if out is not None:
        format_to_write(out)
    tree = tree or tree_of_columns(table_columns(catalogue))
    cuts = Cuts(threshold, votes, read_preceding(preceding, tree, sample))
    fractions, chosen, steps = _selected(
        catalogue, tree, sample, kind, id_column, cuts, preceding_kind, predicted=True
    )
    print(f"{chosen.sum():,} of {len(chosen):,} galaxies are in the sample {sample!r}")
    print(*_told_of(fractions, tree, sample, cuts, steps, preceding_kind), sep="\n")
    if against is not None:
        if id_column not in table_columns(against):
            id_column = None
        if "gate" in read_metadata(against):
            raise InputError(f"{against}: expected votes, found a catalogue of predictions")
        voted, truly, _ = _selected(
            against, tree, sample, kind, id_column, cuts, preceding_kind, predicted=False
        )
        if voted.kind == CUMULATIVE:
            print(f"{against} does not say whether it holds votes or predictions: taken for votes")
        print(_against(fractions, chosen, voted, truly, against))
    if out is not None:
        table = read_whole(catalogue)
        replace(table, frame=table.frame[chosen]).write(out)
        print(f"they are in {out}")


def _told_of(
    fractions: Fractions,
    tree: DecisionTree,
    sample: str,
    cuts: Cuts,
    steps: Sequence[Step],
    preceding_kind: Kind | None,
) -> list[str]:
    """Say how many galaxies each cut leaves, and which options had no effect."""
    said = []
    ended = False
    for step in steps:
        largest = ""
        if step.n == 0 and not ended:  # what follows has nothing to choose from
            found = "nothing measured" if np.isnan(step.largest) else f"largest {step.largest:.3g}"
            largest, ended = f" ({found}; try {step.option})", True
        said.append(f"{step.cut}: {step.n:,}{largest}")
    lines = [f"  {'; '.join(said)}"]
    answer = tree.find_answer(SAMPLES.get(sample, sample))
    unknown = int(np.isnan(fractions.conditional[:, answer]).sum())
    if unknown:
        question = tree.questions[tree.question_of[answer]].label
        lines.append(
            f"  of {unknown:,} galaxies {answer_name(tree, answer)!r} is not known: {question!r} "
            "is never asked, or not measured"
        )
    if fractions.votes is None and cuts.votes:
        lines.append(f"  no counts in this table: --votes {cuts.votes} not applied")
    if fractions.kind == CUMULATIVE and preceding_kind is not None:
        lines.append(f"  no kinds in this table: --preceding-kind {preceding_kind} not applied")
    return lines


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
) -> tuple[Fractions, NDArray[np.bool_], list[Step]]:
    """Read a catalogue's fractions, and choose the galaxies that are in the sample."""
    fractions = read_fractions(catalogue, tree, kind, id_column, predicted=predicted)
    before = None
    if preceding_kind is not None:
        before = read_fractions(
            catalogue, tree, preceding_kind, id_column, predicted=predicted
        ).conditional
    given = fractions.conditional, tree, sample, cuts
    chosen = select(*given, votes=fractions.votes, preceding_fractions=before)
    steps = funnel(*given, votes=fractions.votes, preceding_fractions=before)
    return fractions, chosen, steps


def spell_catalogue(
    catalogue: Path,
    out: Path,
    *,
    tree: DecisionTree | None = None,
    kind: Kind = "debiased",
    id_column: str | None = None,
) -> None:
    """Write a catalogue again with a column of class strings; parameters as `select_catalogue`."""
    format_to_write(out)
    tree = tree or tree_of_columns(table_columns(catalogue))
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
    said = [f"{truly.sum():,} of {both.sum():,} galaxies are in the sample by the votes"]
    for name, of in shares.items():
        if of:
            low, high = stats.binomtest(right, of).proportion_ci(method="wilson")
            said.append(f"{name} {right / of:.2f} ({low:.2f} to {high:.2f})")
    return "; ".join(said)
