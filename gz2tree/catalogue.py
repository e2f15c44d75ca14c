"""What a catalogue says of a galaxy: columns, rows, and where they come from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree.beliefs import check_uncertain, mixture_of, uncertainty_columns
from gz2tree.columnnotes import ColumnNote, topcat_names
from gz2tree.config import Columns, PredictOptions
from gz2tree.errors import InputError
from gz2tree.flags import Flag
from gz2tree.graph import DecisionGraph
from gz2tree.model import GalaxyTreeNet
from gz2tree.network import GalaxyNet
from gz2tree.predictor import Output
from gz2tree.tree import DecisionTree
from gz2tree.usertable import UserTable
from gz2tree.version import __version__

_log = logging.getLogger("gz2tree")


class CatalogueForm:
    """What a catalogue says of each galaxy.

    Parameters
    ----------
    models : sequence of GalaxyTreeNet or FlatNet
        That predict together: of one tree, and one crop and size of cutouts.
    options : PredictOptions
        Told in the provenance.
    columns, flags, level, weights
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
        strengths.
    """

    def __init__(
        self,
        models: Sequence[GalaxyNet],
        options: PredictOptions,
        columns: Columns,
        flags: Sequence[Flag] = (),
        level: float = 0.8,
        weights: str = "",
    ) -> None:
        if columns == "uncertainty":
            check_uncertain(models)
        for model in models:
            if columns != "cumulative" and not isinstance(model, GalaxyTreeNet):
                raise InputError(
                    f"columns: a {type(model).__name__} has no {columns} probabilities, only a "
                    "GalaxyTreeNet has"
                )
        self.tree, self.columns, self.flags, self.level = models[0].tree, columns, flags, level
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
        return self.piece(np.array([], dtype=object), [nothing] * self.n_models)

    def piece(self, ids: NDArray[np.object_], outputs: Sequence[Output]) -> pd.DataFrame:
        """Rows of a catalogue.

        Parameters
        ----------
        ids : array of str, shape (N,)
        outputs : sequence of (cumulative, strength), one for each model
            As `gz2tree.predictor.Predictor` gives them.

        Returns
        -------
        rows : DataFrame, of N rows
        """
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
        if self.table is None:
            return piece
        carried = self.table.rows(ids, self.tree.id_column)
        return pd.concat([piece.iloc[:, :1], carried, piece.iloc[:, 1:]], axis=1)


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
    for flag in flags:
        words = f"P({tree.answers[flag.answer].label}) is at least {flag.threshold:g}"
        notes[flag.column] = ColumnNote("", words)
    return notes


def log_flags(
    flags: Sequence[Flag], flagged: Mapping[str, int], n: int, tree: DecisionTree
) -> None:
    """Log how many of n galaxies have each flag."""
    for flag in flags:
        _log.info(
            "%s: %s of %s galaxies, %s at least %g",
            flag.column, f"{flagged[flag.column]:,}", f"{n:,}",
            tree.columns[flag.answer], flag.threshold,
        )  # fmt: skip
