"""What the command ``plot`` draws from: files and models, opened as a figure needs them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.config import LabelOptions, PredictOptions
from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.errors import InputError
from gz2tree.evaluation import align
from gz2tree.inputs import find_model, open_labelled, read_labels_as, read_predictions
from gz2tree.labels import Labels
from gz2tree.prediction import predict
from gz2tree.store import open_images
from gz2tree.tree import DecisionTree
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
        That of the model, or Kaggle's, by default.
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


def needed(sources: Sources, name: Literal["labels", "images"]) -> Path:
    """Path of an input that a figure cannot do without."""
    path: Path | None = getattr(sources, name)
    if path is None:
        raise InputError(f"--{name}: expected for this figure, found none")
    return path


def labels_of(sources: Sources, image_ids: NDArray[np.object_] | None = None) -> Labels:
    """Read the table of labels."""
    table = needed(sources, "labels")
    return read_labels_as(table, sources.tree or GZ2_KAGGLE, sources.label_options, image_ids)


def read_cutouts(source: CutoutSource, ids: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Read the cutouts of some galaxies, by id; those that cannot be read are named in the log."""
    positions = pd.Index(source.ids).get_indexer(pd.Index(ids))
    found: dict[str, NDArray[np.uint8]] = {}
    problems: list[tuple[str, str]] = []
    with closing(source.batches(positions, workers=0)) as batches:
        for batch in batches:
            found |= zip(source.ids[batch.positions], batch.cutouts.numpy(), strict=True)
            problems += [(source.ids[position], text) for position, text in batch.problems]
    log_unreadable(problems, len(positions))
    if not found:
        raise InputError(f"expected images that can be read, found none among {len(positions)}")
    return found


def short_names(paths: Sequence[str]) -> list[str]:
    """Short names for several files or folders; their whole paths where those are not unique."""
    short = [Path(path).resolve().stem for path in paths]
    return short if len(set(short)) == len(short) else list(paths)


def compare(
    sources: Sources, galaxy: str | None = None, one: bool = False
) -> dict[str, tuple[pd.DataFrame, Labels]]:
    """Predictions and labels of the same galaxies, by the name of the catalogue or model."""
    table = needed(sources, "labels")
    given = list(map(str, sources.predictions)) or list(sources.models)
    if one and len(given) > 1:
        raise InputError(f"expected one catalogue or model for this figure, found {len(given)}")
    compared = {}
    labels: Labels | None = None
    for name, which in zip(short_names(given), given, strict=True):
        before = labels
        if sources.predictions:
            labels = _of_galaxy(labels_of(sources), galaxy)
            predictions, _ = read_predictions(Path(which), [labels.tree])
        else:
            model, source, labels = open_labelled(
                which, table, needed(sources, "images"),
                tree=sources.tree, part=sources.part, label_options=sources.label_options,
            )  # fmt: skip
            labels = _of_galaxy(labels, galaxy)
            positions = pd.Index(source.ids).get_indexer(pd.Index(labels.ids))
            predictions = predict(model, source, sources.options, positions=positions)
        labels = align(predictions, labels)[1]
        if before is not None and before.digest() != labels.digest():
            raise InputError(
                f"{which}: expected the same galaxies as of {given[0]}, found {len(labels):,} "
                f"others than those {len(before):,}"
            )
        compared[name] = predictions, labels
    return compared


def _of_galaxy(labels: Labels, galaxy: str | None) -> Labels:
    if galaxy is None:
        return labels
    if galaxy not in labels.ids:
        raise InputError(f"galaxy {galaxy!r}: expected among the labels, found none")
    return labels.take(labels.ids == galaxy)


def tree_values(
    sources: Sources, galaxy: str | None
) -> tuple[DecisionTree, NDArray[np.float64], NDArray[np.float64] | None, int]:
    """Tree, mean prediction (else vote), mean vote beside it, and the number of galaxies."""
    if sources.labels is not None and (sources.predictions or sources.images):
        ((_, (predictions, labels)),) = compare(sources, galaxy, one=True).items()
        if not sources.predictions:
            predictions[find_model(sources.models[0])[0].untrained] = np.nan
        predicted = predictions.set_index(labels.tree.id_column).loc[labels.ids.tolist()]
        values = predicted[list(labels.tree.columns)].to_numpy(np.float64)
        return labels.tree, _mean(values), _mean(labels.cumulative), len(labels)
    if sources.labels is not None:
        labels = _of_galaxy(labels_of(sources), galaxy)
        return labels.tree, _mean(labels.cumulative), None, len(labels)
    tree, predictions = _predictions(sources, galaxy)
    return tree, _mean(predictions[list(tree.columns)].to_numpy(np.float64)), None, len(predictions)


def _predictions(sources: Sources, galaxy: str | None) -> tuple[DecisionTree, pd.DataFrame]:
    """Predictions without labels, of all galaxies or one; what was not trained is not measured."""
    if sources.predictions:
        tree = sources.tree or GZ2_KAGGLE
        predictions, _ = read_predictions(sources.predictions[0], [tree])
        if galaxy is not None:
            predictions = predictions[predictions[tree.id_column] == galaxy]
    else:
        model, _ = find_model(sources.models[0])
        tree = model.tree
        source = open_images(needed(sources, "images"), model.cutouts)
        chosen = source.ids == galaxy if galaxy is not None else np.full(len(source), True)
        predictions = predict(model, source, sources.options, positions=np.flatnonzero(chosen))
        predictions[model.untrained] = np.nan
    if predictions.empty:
        raise InputError(f"galaxy {galaxy!r}: expected among the predictions, found none")
    return tree, predictions


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each answer over the galaxies of which it is measured; NaN if it is of none."""
    return pd.DataFrame(values).mean().to_numpy(np.float64)
