"""What a catalogue says of a galaxy: columns, rows, and where they come from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from gz2tree.beliefs import check_uncertain, mixture_of, uncertainty_columns
from gz2tree.config import Columns
from gz2tree.errors import InputError
from gz2tree.flags import Flag
from gz2tree.graph import DecisionGraph
from gz2tree.model import GalaxyTreeNet
from gz2tree.network import GalaxyNet
from gz2tree.predictor import Judged
from gz2tree.tree import DecisionTree
from gz2tree.typicality import TAIL
from gz2tree.version import __version__

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
    columns, flags, level, atypical
        As in `gz2tree.prediction.predict_to_file`.

    Attributes
    ----------
    tree : DecisionTree
    provenance : dict of str to str
        What the catalogue is predicted with: networks, tree, kind of label, version.

    Raises
    ------
    InputError
        ``conditional`` or ``reach`` of a flat network; ``uncertainty`` of one network that gives no
        strengths; ``atypical`` of a network that holds nothing of its training galaxies.
    """

    def __init__(
        self,
        models: Sequence[GalaxyNet],
        columns: Columns,
        flags: Sequence[Flag] = (),
        level: float = 0.8,
        *,
        atypical: bool = False,
    ) -> None:
        if columns == "uncertainty":
            check_uncertain(models)
        for model in models:
            if columns != "cumulative" and not isinstance(model, GalaxyTreeNet):
                raise InputError(
                    f"columns: a {type(model).__name__} has no {columns} probabilities, only a "
                    "GalaxyTreeNet has"
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
            "version": __version__,
        }
        if columns == "uncertainty":
            self.provenance["level"] = f"{level:g}"
        if atypical:
            self.provenance[ATYPICAL] = ", ".join(f"{each.n_galaxies} galaxies" for each in known)

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
            As `gz2tree.predictor.Predictor.judge` gives them.

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
        return piece

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
