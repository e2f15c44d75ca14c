"""What a catalogue says of a galaxy: columns, rows, and where they come from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from gz2tree.catalogues.flags import Flag
from gz2tree.config import PredictOptions
from gz2tree.config.choices import Columns
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Judged
from gz2tree.networks.typicality import TAIL
from gz2tree.tables.columnnotes import ColumnNote, topcat_names
from gz2tree.tables.usertable import UserTable
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__
from gz2tree.votes.beliefs import check_uncertain, mixture_of, uncertainty_columns

ATYPICAL = "atypical"
_ABOVE_MEDIAN = "atypical, above the median"
_CHANCE = 0.02  # more comes about by chance in fewer catalogues than these
_MANY = 1.5  # times as many atypical galaxies as expected
_SHIFTED = 0.8  # share above the training galaxies' median; another sample's was 0.6

_log = logging.getLogger("gz2tree")


class CatalogueForm:
    """What a catalogue says of each galaxy.

    Parameters
    ----------
    models : sequence of GalaxyTreeNet or FlatNet
        That predict together: of one tree, and one crop and size of cutouts.
    options : PredictOptions
        Told in the provenance.
    columns, flags, level, weights, atypical
        As in `gz2tree.prediction.predict_to_file`.

    Attributes
    ----------
    tree : DecisionTree
    provenance : dict of str to str
        What the catalogue is predicted with: networks, tree, kind of label, version, views.
    notes : dict of str to ColumnNote
        What each column is, in words.
    table : UserTable or None
        Whose columns are carried; see `carry`.

    Raises
    ------
    InputError
        ``conditional`` or ``reach`` of a flat network; ``uncertainty`` of one network that gives no
        strengths; ``atypical`` of a network that holds nothing of its training galaxies; a level
        that is no probability.
    """

    def __init__(
        self,
        models: Sequence[GalaxyNet],
        options: PredictOptions,
        columns: Columns,
        flags: Sequence[Flag] = (),
        level: float = 0.8,
        weights: str = "",
        *,
        atypical: bool = False,
    ) -> None:
        if not 0 < level < 1:
            raise InputError(f"level: expected a probability between 0 and 1, found {level:g}")
        if columns == "uncertainty":
            check_uncertain(models)
        for model in models:
            if columns != "cumulative" and not model.is_tree:
                raise InputError(
                    f"columns: this {type(model).__name__} has no {columns} probabilities, only a "
                    "tree has, whose answers sum to the reach of their question"
                )
        known = [model.known_galaxies for model in models] if atypical else []
        self.tree, self.columns, self.flags, self.level = models[0].tree, columns, flags, level
        self.atypical = atypical
        self.median = np.mean([each.median for each in known]) if atypical else np.nan
        self.graph = DecisionGraph(self.tree)  # on the CPU, as the predictions are
        self.n_models = len(models)
        self.provenance = {
            "model": ", ".join(f"{type(m).__name__} {m.backbone_name}" for m in models),
            "tree": self.tree.name,
            "kind": ", ".join(dict.fromkeys(m.kind or "untrained" for m in models)),
            "creator": "gz2tree",
            "version": __version__,
            "views": str(options.views),
            "gate": f"{options.gate:g}",
        }
        if weights:
            self.provenance["weights"] = weights
        if columns == "uncertainty":
            self.provenance["level"] = f"{level:g}"
        if atypical:
            self.provenance[ATYPICAL] = ", ".join(f"{each.n_galaxies} galaxies" for each in known)
        self.table: UserTable | None = None
        self.predicted = list(self.empty().columns)
        described = describe_columns(self.tree, flags, level)
        self.notes = {column: described[column] for column in self.predicted}

    def carry(self, table: UserTable) -> None:
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
        nothing = torch.zeros(0, len(self.tree)), None
        score = torch.zeros(0) if self.atypical else None
        return self.piece(np.array([], dtype=object), [(nothing, score)] * self.n_models)

    def piece(self, ids: NDArray[np.object_], judged: Sequence[Judged]) -> pd.DataFrame:
        """Rows of a catalogue.

        Parameters
        ----------
        ids : array of str, shape (N,)
        judged : sequence of ((cumulative, strength), atypical), one for each model
            As `gz2tree.networks.predictor.Predictor.judge` gives them.

        Returns
        -------
        rows : DataFrame, of N rows
        """
        outputs = [output for output, _ in judged]
        cumulative = torch.stack([answers for answers, _ in outputs]).mean(0)
        values = cumulative
        if self.columns == "conditional":
            values = self.graph.condition(cumulative)
        elif self.columns == "reach":
            values = self.graph.reach(cumulative)
        if self.columns == "uncertainty":
            piece = uncertainty_columns(mixture_of(self.graph, outputs), self.level)
        else:
            piece = pd.DataFrame(values.numpy(), columns=column_names(self.tree, self.columns))
        piece.insert(0, self.tree.id_column, ids)
        for flag in self.flags:
            piece[flag.column] = flag.of(cumulative.numpy())
        scores = [score for _, score in judged if score is not None]
        if self.atypical:
            piece[ATYPICAL] = torch.stack(scores).mean(0).numpy()
        if self.table is None:
            return piece
        carried = self.table.rows(ids, self.tree.id_column)
        return pd.concat([piece.iloc[:, :1], carried, piece.iloc[:, 1:]], axis=1)

    def counts(self, rows: pd.DataFrame) -> dict[str, int]:
        """Count the galaxies that have each flag, and those that are atypical; by column."""
        counts = {flag.column: int(rows[flag.column].sum()) for flag in self.flags}
        if self.atypical:
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
        if self.atypical:
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
    flags, level
        As in `gz2tree.prediction.predict_to_file`.

    Returns
    -------
    notes : dict of str to ColumnNote
    """
    within = f"{100 * level:g} % interval"
    of_answers = {
        "": "cumulative probability",
        "_conditional": "probability if asked",
        "_sd": "standard deviation",
        "_low": f"{within}, lower end",
        "_high": f"{within}, upper end",
        "_sd_models": "standard deviation of the models",
    }
    told = "what one more volunteer would tell"
    of_questions = {"_reach": ("probability that it is asked", ""), "_information": (told, "bit")}
    notes = {tree.id_column: ColumnNote("", "id of the galaxy, as its image is called")}
    for position, column in enumerate(tree.columns):
        asked = tree.questions[tree.question_of[position]].label
        words = f"{asked} {tree.answers[position].label}"
        for ending, text in of_answers.items():
            notes[f"{column}{ending}"] = ColumnNote("", f"{words}: {text}")
    for question, column in zip(tree.questions, tree.question_columns, strict=True):
        for ending, (text, unit) in of_questions.items():
            notes[f"{column}{ending}"] = ColumnNote(unit, f"{question.label} {text}")
    notes["information"] = ColumnNote("bit", f"all questions: {told}")
    notes["information_models"] = ColumnNote("bit", f"{told} of which model is right")
    notes[ATYPICAL] = ColumnNote("", "how unlike the training galaxies; above 1: very")
    for flag in flags:
        words = f"P({tree.answers[flag.answer].label}) is at least {flag.threshold:g}"
        notes[flag.column] = ColumnNote("", words)
    return notes
