"""The command ``report``: a model or a catalogue, images and perhaps labels to a page."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gz2tree.config import CutoutOptions, LabelOptions, PredictOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError, first_few
from gz2tree.evaluation import evaluate
from gz2tree.inputs import (
    check_tree,
    find_model,
    open_labelled,
    read_labels_as,
    read_predictions,
    with_images,
)
from gz2tree.labels import Labels
from gz2tree.network import DEFAULT_NAME
from gz2tree.prediction import predict
from gz2tree.report.galaxies import Galaxies
from gz2tree.report.writing import check_free, write_report
from gz2tree.store import CutoutStore, open_images
from gz2tree.tree import DecisionTree
from gz2tree.treefile import find_tree, tree_names
from gz2tree.version import __version__

_log = logging.getLogger("gz2tree")


def make_report(
    images: Path,
    out: Path,
    *,
    model_path: str | None,
    predictions_table: Path | None,
    labels_table: Path | None,
    tree: DecisionTree | None,
    part: str | None,
    pixels: int,
    label_options: LabelOptions,
    options: PredictOptions,
) -> None:
    """Predict galaxies, or read what was predicted, and write a page to browse them."""
    check_free(out)
    if pixels < 1:
        raise InputError(f"pixels: expected at least 1, found {pixels}")
    if model_path is not None and predictions_table is not None:
        raise InputError("expected a model or predictions, found both --model and --predictions")
    made_from = {"gz2tree": __version__, "images": images.name}
    if predictions_table is None:
        name = model_path or DEFAULT_NAME
        predictions, labels, tree, crop = _predict(
            name, images, labels_table, tree, part, label_options, options
        )
        made_from |= {"model": Path(name).name, "views": f"{options.views}"}
        made_from |= {"gate": f"{options.gate:g}"} if options.gate else {}
    else:
        predictions, labels, tree, crop = _read(
            predictions_table, images, labels_table, tree, part, label_options
        )
        made_from |= {"predictions": predictions_table.name}
    if labels is not None and labels_table is not None:
        made_from |= {"labels": labels_table.name, "kind": labels.kind}
        made_from |= {"part": part} if part else {}
    report = evaluate(predictions, labels) if labels is not None else None
    galaxies = Galaxies.of(predictions, tree, labels)
    write_report(out, galaxies, _pictures(images, crop, pixels), report, made_from=made_from)
    print(f"{len(galaxies):,} galaxies in {out / 'index.html'}")


_Predicted = tuple[pd.DataFrame, Labels | None, DecisionTree, int]


def _predict(
    name: str,
    images: Path,
    labels_table: Path | None,
    tree: DecisionTree | None,
    part: str | None,
    label_options: LabelOptions,
    options: PredictOptions,
) -> _Predicted:
    """Predictions, labels if there are any, the model's tree and its crop."""
    labels = positions = None
    if labels_table is not None:
        model, source, labels = open_labelled(
            name, labels_table, images, tree=tree, part=part, label_options=label_options
        )
        positions = pd.Index(source.ids).get_indexer(pd.Index(labels.ids))
    elif part is not None:
        raise InputError(f"part {part!r}: expected --labels, of whose galaxies it is a part")
    else:
        model, _ = find_model(name)
        check_tree(model, tree)
        source = open_images(images, model.cutouts)
    predictions = predict(model, source, options, positions=positions)
    return predictions, labels, model.tree, model.cutouts.crop


def _read(
    table: Path,
    images: Path,
    labels_table: Path | None,
    tree: DecisionTree | None,
    part: str | None,
    label_options: LabelOptions,
) -> _Predicted:
    """Read predictions of galaxies that have an image, and their labels if there are any."""
    if part is not None:
        raise InputError(f"part {part!r}: expected a model within its run directory, with a split")
    trees = map(find_tree, tree_names()) if tree is None else [tree]
    predictions, tree = read_predictions(table, trees)
    source = open_images(images)
    predictions = _with_images(predictions, tree, source, images)
    labels = None
    if labels_table is not None:
        labels = with_images(
            read_labels_as(labels_table, tree, label_options, source.ids), source, images
        )
    return predictions, labels, tree, source.options.crop


def _with_images(
    predictions: pd.DataFrame, tree: DecisionTree, source: CutoutSource, images: Path
) -> pd.DataFrame:
    ids = predictions[tree.id_column]
    have = np.isin(ids.to_numpy(dtype=str), source.ids.astype(str))
    if not have.any():
        raise InputError(f"{images}: expected images of the {len(ids)} galaxies, found none")
    if not have.all():
        _log.warning(
            "%d of %d predicted galaxies have no image and are left out: %s",
            (~have).sum(), len(ids), first_few(list(ids[~have])),
        )  # fmt: skip
    return predictions[have]


def _pictures(images: Path, crop: int, pixels: int) -> CutoutSource:
    """Pictures of that many pixels of what the network sees; those of a store are as they are."""
    found = open_images(images)
    if isinstance(found, CutoutStore):
        return found
    return open_images(images, CutoutOptions(crop, min(crop, pixels)))
