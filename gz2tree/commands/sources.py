"""What the commands ``plot`` and ``report`` draw from: files and models, opened when needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.commands.inputs import (
    open_labelled,
    read_labels_as,
    read_predictions,
    rows_of_part,
)
from gz2tree.commands.models import find_model
from gz2tree.config import LabelOptions, PredictOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError
from gz2tree.labelling.matching import align, read_catalogue, which_have
from gz2tree.labels import Labels
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.saved import shown_name
from gz2tree.positions import positions_of
from gz2tree.prediction import predict
from gz2tree.store import open_images
from gz2tree.tree import DecisionTree
from gz2tree.treenames import find_tree, tree_names
from gz2tree.trees import GZ2_KAGGLE


@dataclass(frozen=True)
class Sources:
    """Files from which figures are drawn; which are needed depends on the figure.

    Parameters
    ----------
    label_options : LabelOptions
    options : PredictOptions
    labels, images : Path, optional
    predictions : tuple of Path
        Catalogues of cumulative probabilities.
    models : tuple of str
        Run directories, saved models or ``"default"``; used where there are no catalogues.
    runs : tuple of Path
        Run directories whose histories are drawn.
    tree : DecisionTree, optional
        By default that of the model or catalogue; Kaggle's where there are only labels.
    part : str, optional
        Which galaxies of a run's split.
    """

    label_options: LabelOptions
    options: PredictOptions
    labels: Path | None = None
    images: Path | None = None
    predictions: tuple[Path, ...] = ()
    models: tuple[str, ...] = ("default",)
    runs: tuple[Path, ...] = ()
    tree: DecisionTree | None = None
    part: str | None = None


@dataclass(frozen=True)
class Opened:
    """A catalogue or a model, and the galaxies it is asked about; nothing is predicted yet.

    Parameters
    ----------
    given : DataFrame or GalaxyNet
    tree : DecisionTree
    ids : array of str, shape (n,)
        Galaxies of the catalogue, or with an image; with labels, if a model predicts them.
    labels : Labels, optional
    images : CutoutStore or ImageFiles, optional
        There if a model predicts.
    """

    given: pd.DataFrame | GalaxyNet
    tree: DecisionTree
    ids: NDArray[np.object_]
    labels: Labels | None
    images: CutoutSource | None

    def take(self, ids: Sequence[str]) -> Opened:
        """Return some of the galaxies, by id.

        Raises
        ------
        InputError
            One that is not among them, or has no labels where there are labels.
        """
        positions_of(self.ids, ids, "predictions")
        labels = self.labels
        if labels is not None:
            labels = labels.take(positions_of(labels.ids, ids, "labels"))
        return replace(self, ids=np.array(ids, dtype=object), labels=labels)

    def with_images(self) -> Opened:
        """Leave out galaxies without an image, and count them in a warning.

        Raises
        ------
        InputError
            None has an image, or no labelled galaxy is left.
        """
        assert self.images is not None
        have = which_have(self.ids, self.images.ids, galaxies="predicted", what="image")
        ids, labels = self.ids[have], self.labels
        if labels is not None:
            there = which_have(labels.ids, ids, galaxies="labelled", what="prediction")
            labels = labels.take(there)
        return replace(self, ids=ids, labels=labels)

    def predict(self, options: PredictOptions) -> pd.DataFrame:
        """Predict the galaxies, or take what was predicted of them: in their order.

        Raises
        ------
        InputError
            One that is not among the predictions or images.
        """
        if isinstance(self.given, pd.DataFrame):
            rows = positions_of(self.given[self.tree.id_column], self.ids, "predictions")
            return self.given.iloc[rows].copy()
        assert self.images is not None
        positions = positions_of(self.images.ids, self.ids, "images")
        return predict(self.given, self.images, options, positions=positions)


def needed(sources: Sources, name: Literal["labels", "images"]) -> Path:
    """Path of an input that a figure cannot do without."""
    path: Path | None = getattr(sources, name)
    if path is None:
        raise InputError(f"--{name}: expected for this figure, found none")
    return path


def labels_of(sources: Sources, image_ids: NDArray[np.object_] | None = None) -> Labels:
    """Read the table of labels, where nothing is predicted."""
    table = needed(sources, "labels")
    labels = read_labels_as(table, sources.tree or GZ2_KAGGLE, sources.label_options, image_ids)
    return labels.take(rows_of_part(labels, None, sources.part))


def open_one(sources: Sources) -> Opened:
    """Open the catalogue, or else the model.

    Raises
    ------
    InputError
        More than one, no images for a model, and whatever is wrong with them.
    """
    ((_, opened),) = _open_each(sources, _given(sources, one=True)).items()
    return opened


def compare(sources: Sources) -> dict[str, tuple[pd.DataFrame, Labels]]:
    """Predictions and labels of the same galaxies, by the name of the catalogue or model."""
    needed(sources, "labels")
    compared: dict[str, tuple[pd.DataFrame, Labels]] = {}
    for name, opened in _open_each(sources, _given(sources)).items():
        predictions = opened.predict(sources.options)
        assert opened.labels is not None
        _, labels = align(predictions, opened.labels)
        for first, (_, before) in list(compared.items())[:1]:
            if before.ids.tolist() != labels.ids.tolist() or before.tree != labels.tree:
                raise InputError(
                    f"{name}: expected the same galaxies as of {first}, found {len(labels):,} "
                    f"others than those {len(before):,}"
                )
        compared[name] = predictions, labels
    return compared


def compare_one(sources: Sources) -> tuple[pd.DataFrame, Labels]:
    """Predictions and labels of the one catalogue or model of a figure."""
    _given(sources, one=True)
    ((_, both),) = compare(sources).items()
    return both


def short_names(paths: Sequence[str]) -> list[str]:
    """Short names for several files or folders; their whole paths where those are not unique."""
    short = list(map(shown_name, paths))
    return short if len(set(short)) == len(short) else list(paths)


def tree_values(
    sources: Sources, galaxy: str | None
) -> tuple[DecisionTree, NDArray[np.float64], NDArray[np.float64] | None, int]:
    """Tree, mean prediction (else vote), mean vote beside it, and the number of galaxies."""
    if sources.labels is not None and not (sources.predictions or sources.images):
        labels = labels_of(sources)
        if galaxy is not None:
            labels = labels.take(positions_of(labels.ids, [galaxy], "labels"))
        return labels.tree, _mean(labels.cumulative), None, len(labels)
    opened = open_one(sources)
    opened = opened if galaxy is None else opened.take([galaxy])
    predictions, voted = opened.predict(sources.options), None
    if opened.labels is not None:
        _, labels = align(predictions, opened.labels)
        predictions = predictions.set_index(opened.tree.id_column).loc[labels.ids.tolist()]
        voted = _mean(labels.cumulative)
    values = predictions[list(opened.tree.columns)].to_numpy(np.float64, copy=True)
    if opened.labels is not None:  # of answers that are measured of some, the same galaxies
        values[~labels.measured & labels.measured.any(0)] = np.nan
    return opened.tree, _mean(values), voted, len(values)


def _given(sources: Sources, one: bool = False) -> list[str]:
    """Catalogues, else models."""
    given = list(map(str, sources.predictions)) or list(sources.models)
    if one and len(given) > 1:
        raise InputError(f"expected one catalogue or model, found {len(given)}")
    return given


def _open_each(sources: Sources, given: list[str]) -> dict[str, Opened]:
    if sources.part is not None and sources.labels is None:
        raise InputError(f"part {sources.part!r}: expected --labels, of whose galaxies it is one")
    opening = _open_catalogue if sources.predictions else _open_model
    return {
        name: opening(sources, which) for name, which in zip(short_names(given), given, strict=True)
    }


def _open_catalogue(sources: Sources, path: str) -> Opened:
    trees = map(find_tree, tree_names()) if sources.tree is None else [sources.tree]
    predictions, tree = read_predictions(Path(path), trees)
    ids = read_catalogue(predictions, tree)[0].to_numpy(dtype=object)
    labels = None
    if sources.labels is not None:
        labels = read_labels_as(sources.labels, tree, sources.label_options, ids)
        labels = labels.take(rows_of_part(labels, None, sources.part))
    images = None if sources.images is None else open_images(sources.images)
    return Opened(predictions, tree, ids, labels, images)


def _open_model(sources: Sources, name: str) -> Opened:
    images = needed(sources, "images")
    if sources.labels is None:
        model, _ = find_model(name)
        source: CutoutSource = open_images(images, model.cutouts)
        return Opened(model, model.tree, source.ids, None, source)
    model, source, labels = open_labelled(
        name, sources.labels, images,
        tree=sources.tree, part=sources.part, label_options=sources.label_options,
    )  # fmt: skip
    return Opened(model, model.tree, labels.ids, labels, source)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each answer over the galaxies of which it is measured; NaN if it is of none."""
    return pd.DataFrame(values).mean().to_numpy(np.float64)
