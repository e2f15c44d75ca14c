"""What a catalogue says of a galaxy: columns, rows, and where they come from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from gz2tree.catalogues.flags import Flag, read_flags
from gz2tree.catalogues.uncertainty import (
    OF_ANSWERS,
    OF_GALAXY,
    OF_QUESTIONS,
    check_uncertain,
    mixture_of,
    uncertainty_columns,
)
from gz2tree.config import CatalogueOptions, PredictOptions
from gz2tree.config.choices import Columns
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Prediction, mean_answers
from gz2tree.networks.typicality import TAIL
from gz2tree.networks.untrained import unknown_questions, untrained_answers, untrained_text
from gz2tree.tables.columnnotes import ColumnNote, topcat_names
from gz2tree.tables.usertable import UserTable
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__

ATYPICAL = "atypical"
_ABOVE_MEDIAN = "atypical, above the median"
_CHANCE = 0.02  # more comes about by chance in fewer catalogues than these
_MANY = 1.5  # times as many atypical galaxies as expected
_SHIFTED = 0.8  # share above the training galaxies' median; another sample's was 0.6

_log = logging.getLogger("gz2tree")


class CatalogueColumns:
    """The columns of a catalogue, and its rows.

    Parameters
    ----------
    models : sequence of GalaxyTreeNet or FlatNet
        That predict together: of one tree, and one crop and size of cutouts.
    options : PredictOptions
        Its gate is that of the mean; the rest is told in the provenance.
    catalogue : CatalogueOptions
        The table it may name is added by `add_table`.

    Attributes
    ----------
    tree : DecisionTree
    wanted : CatalogueOptions
    flags : list of Flag
    unknown : array of bool, shape (n_questions,)
        Questions of which nothing is said, as the networks were trained without them.
    provenance : dict of str to str
        What the catalogue is predicted with: networks, tree, kind of label, version, views.
    predicted : list of str
        Names of the columns without those of a table.
    notes : dict of str to ColumnNote
        What each column is, in words.
    table : UserTable or None
        Whose columns are carried; see `add_table`.

    Raises
    ------
    InputError
        ``conditional`` or ``reach`` of a flat network; ``uncertainty`` of one network that gives no
        strengths; ``atypical`` of a network that holds nothing of its training galaxies; flags
        that cannot be read, see `gz2tree.catalogues.flags.read_flags`, or are of an answer that a
        network was trained without.
    """

    def __init__(
        self,
        models: Sequence[GalaxyNet],
        options: PredictOptions,
        catalogue: CatalogueOptions = CatalogueOptions(),
    ) -> None:
        columns = catalogue.columns
        if columns == "uncertainty":
            check_uncertain(models)
        for model in models:
            if columns != "cumulative" and not model.is_tree:
                raise InputError(
                    f"columns: this {type(model).__name__} has no {columns} probabilities, only a "
                    "tree has, whose answers sum to the reach of their question"
                )
        known = [model.known_galaxies for model in models] if catalogue.atypical else []
        self.tree, self.wanted = models[0].tree, catalogue
        self.flags = read_flags(catalogue.flags, self.tree)
        self.median = np.mean([each.median for each in known]) if known else np.nan
        self.graph = DecisionGraph(self.tree)  # on the CPU, as the predictions are
        self.models, self.options = list(models), options
        self.provenance = {
            "model": ", ".join(f"{type(m).__name__} {m.backbone_name}" for m in models),
            "tree": self.tree.name,
            "kind": ", ".join(dict.fromkeys(m.kind or "untrained" for m in models)),
            "creator": "gz2tree",
            "version": __version__,
            "views": str(options.views),
            "gate": f"{options.gate:g}",
        }
        untrained = untrained_answers(models)
        if untrained.any():
            became = "kept" if options.keep_untrained else "empty"
            self.provenance["untrained"] = f"{untrained_text(self.tree, untrained)}: {became}"
        if options.keep_untrained:
            untrained[:] = False
        _refuse_flags(self.flags, untrained, self.tree)
        self.unknown = np.zeros(len(self.tree.questions), bool)
        if untrained.any():
            self.unknown = unknown_questions(models)
        if catalogue.model_names:
            self.provenance["weights"] = catalogue.model_names
        if columns == "uncertainty":
            self.provenance["level"] = f"{catalogue.level:g}"
        if known:
            self.provenance[ATYPICAL] = ", ".join(f"{each.n_galaxies} galaxies" for each in known)
        self.table: UserTable | None = None
        self.predicted = list(self.empty().columns)
        described = describe_columns(self.tree, self.flags, catalogue.level)
        self.notes = {column: described[column] for column in self.predicted}

    def add_table(self, table: UserTable) -> None:
        """Carry the columns of the user's table, before those that are predicted.

        Raises
        ------
        InputError
            Columns of it that are called as predicted ones are, here or for TOPCAT.
        """
        spelled = topcat_names(self.predicted)
        table.refuse_clashes([*spelled, *spelled.values()], self.tree.id_column)
        self.table = table
        self.provenance["table"] = table.path.name
        carried = table.carried(self.tree.id_column)
        self.notes |= {name: note for name, note in table.notes.items() if name in carried}

    def empty(self) -> pd.DataFrame:
        """Return the columns without rows."""
        atypical = torch.zeros(0) if self.wanted.atypical else None
        nothing = Prediction(torch.zeros(0, len(self.tree)), None, atypical)
        return self.rows(np.array([], dtype=object), [nothing] * len(self.models))

    def rows(self, ids: NDArray[np.object_], predictions: Sequence[Prediction]) -> pd.DataFrame:
        """Rows of a catalogue.

        Parameters
        ----------
        ids : array of str, shape (N,)
        predictions : sequence of Prediction, one for each model
            Of these galaxies. What the gate made 0 is 0 in the rows; how uncertain it is, is that
            of the networks as they are.

        Returns
        -------
        rows : DataFrame, of N rows
        """
        cumulative = mean_answers(self.models, predictions, self.options)  # (N, n_answers)
        values = cumulative
        if self.wanted.columns == "conditional":
            values = self.graph.condition(cumulative)
        elif self.wanted.columns == "reach":
            values = self.graph.reach(cumulative)
        if self.wanted.columns == "uncertainty":
            rows = uncertainty_columns(
                mixture_of(self.graph, predictions), self.wanted.level, self.unknown
            )
            rows[list(self.tree.columns)] = cumulative.numpy()
        else:
            rows = pd.DataFrame(
                values.numpy(), columns=column_names(self.tree, self.wanted.columns)
            )
        rows.insert(0, self.tree.id_column, ids)
        for flag in self.flags:
            rows[flag.column] = flag.of(cumulative.numpy())
        scores = [each.atypical for each in predictions if each.atypical is not None]
        if self.wanted.atypical:
            rows[ATYPICAL] = torch.stack(scores).mean(0).numpy()
        if self.table is None:
            return rows
        carried = self.table.rows(ids, self.tree.id_column)
        return pd.concat([rows.iloc[:, :1], carried, rows.iloc[:, 1:]], axis=1)

    def counts(self, rows: pd.DataFrame) -> dict[str, int]:
        """Count the galaxies that have each flag, and those that are atypical; by column."""
        counts = {flag.column: int(rows[flag.column].sum()) for flag in self.flags}
        if self.wanted.atypical:
            counts[ATYPICAL] = int((rows[ATYPICAL] > 1).sum())
            counts[_ABOVE_MEDIAN] = int((rows[ATYPICAL] > self.median).sum())
        return counts

    def log(self, counts: Mapping[str, int], n: int) -> None:
        """Log how many of n galaxies have each flag, and warn of too many atypical ones."""
        for flag in self.flags:
            _log.info(
                "%s: %s of %s galaxies, %s at least %g",
                flag.column, f"{counts[flag.column]:,}", f"{n:,}",
                self.tree.columns[flag.answer], flag.threshold,
            )  # fmt: skip
        if self.wanted.atypical:
            self._warn(counts, n)

    def _warn(self, counts: Mapping[str, int], n: int) -> None:
        """Warn if more of n galaxies are atypical, or most of them more so, than chance has it."""
        atypical, above = counts[ATYPICAL], counts[_ABOVE_MEDIAN]
        if atypical >= _MANY * TAIL * n and binom.sf(atypical - 1, n, TAIL) < _CHANCE:
            _log.warning(
                "%s of %s images are unlike the galaxies that trained the model (atypical > 1), "
                "where %s would be expected: what it says of them may mean nothing",
                f"{atypical:,}", f"{n:,}", f"{TAIL * n:,.0f}",
            )  # fmt: skip
        if above >= _SHIFTED * n and binom.sf(above - 1, n, 0.5) < _CHANCE:
            _log.warning(
                "%s of %s images are farther from the galaxies that trained the model than half of "
                "those are (atypical > %.2f): another scale, other colours, off the centre?",
                f"{above:,}", f"{n:,}", self.median,
            )  # fmt: skip


def _refuse_flags(flags: Sequence[Flag], untrained: NDArray[np.bool_], tree: DecisionTree) -> None:
    for flag in flags:
        if untrained[flag.answer]:
            raise InputError(
                f"{flag.column}: no galaxy that trained the model had {tree.columns[flag.answer]} "
                "measured; a flag of it means nothing"
            )


def column_names(tree: DecisionTree, columns: Columns) -> list[str]:
    """Names of the probability columns of a catalogue; without those of uncertainty."""
    if columns == "cumulative":
        return list(tree.columns)
    stems = tree.columns if columns == "conditional" else tree.question_columns
    return [f"{stem}_{columns}" for stem in stems]


def describe_columns(
    tree: DecisionTree, flags: Sequence[Flag] = (), level: float = 0.8
) -> dict[str, ColumnNote]:
    """Say in words what each column is that a catalogue may have.

    Parameters
    ----------
    tree : DecisionTree
    flags : sequence of Flag
    level : float, in (0, 1)
        Probability within intervals.

    Returns
    -------
    notes : dict of str to ColumnNote
    """
    within = f"{100 * level:g} % interval"
    of_answers = {
        "": ColumnNote("", "cumulative probability"),
        "_conditional": ColumnNote("", "probability if asked"),
    } | OF_ANSWERS
    of_questions = {"_reach": ColumnNote("", "probability that it is asked")} | OF_QUESTIONS
    notes = {tree.id_column: ColumnNote("", "id of the galaxy, as its image is called")}
    for position, column in enumerate(tree.columns):
        asked = tree.questions[tree.question_of[position]].label
        words = f"{asked} {tree.answers[position].label}"
        for ending, note in of_answers.items():
            text = note.description.format(within=within)
            notes[f"{column}{ending}"] = ColumnNote(note.unit, f"{words}: {text}")
    for question, column in zip(tree.questions, tree.question_columns, strict=True):
        for ending, note in of_questions.items():
            words = f"{question.label} {note.description}"
            notes[f"{column}{ending}"] = ColumnNote(note.unit, words)
    notes |= OF_GALAXY
    notes[ATYPICAL] = ColumnNote("", "how unlike the training galaxies; above 1: very")
    for flag in flags:
        words = f"P({tree.answers[flag.answer].label}) is at least {flag.threshold:g}"
        notes[flag.column] = ColumnNote("", words)
    return notes
