"""What the commands do, once their options are known: files in, files out."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree.backbones import check_backbone
from gz2tree.beliefs import mixture_of
from gz2tree.binned import binned_text, evaluate_by
from gz2tree.calibrating import catalogue_of, coverage_text, outputs_of
from gz2tree.catalogue import ATYPICAL
from gz2tree.config import (
    ByOptions,
    Columns,
    CutoutOptions,
    LabelOptions,
    MoreColumns,
    NetworkOptions,
    PredictOptions,
    Renormalised,
    ShardOptions,
    SplitOptions,
    TableOptions,
    TrainConfig,
)
from gz2tree.coverage import vote_coverage
from gz2tree.cutouts import ImageFiles
from gz2tree.dataset import LabelledCutouts
from gz2tree.errors import InputError
from gz2tree.evaluation import evaluate
from gz2tree.finetuning import adapt
from gz2tree.flags import read_flags
from gz2tree.given import ImageOptions
from gz2tree.graph import DecisionGraph
from gz2tree.inputs import check_tree, find_model, labelled_for, read_labels_as
from gz2tree.model import FlatNet, GalaxyTreeNet
from gz2tree.network import GalaxyNet
from gz2tree.opening import is_streamed
from gz2tree.partials import naming
from gz2tree.prediction import predict_to_file
from gz2tree.predictor import find_device
from gz2tree.preparing import further_cutouts, wanted_cutouts
from gz2tree.quantities import read_quantity
from gz2tree.run import RunDirectory, versions
from gz2tree.shardformat import is_folder
from gz2tree.splits import compare_parts, read_split, split_parts, write_split
from gz2tree.store import open_images, prepare
from gz2tree.tables import write_table
from gz2tree.trainable import check_loss
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes import KINDS_OF_VOTES

_log = logging.getLogger("gz2tree")

_RENORMALISED: dict[str, Renormalised] = {
    "flat": False,
    "flat-renormalised": True,
    "flat-to-parent": "to_parent",
}


def train_run(
    labels_table: Path,
    images: Path,
    out: Path,
    *,
    tree: DecisionTree | None,
    network: NetworkOptions | str,
    label_options: LabelOptions,
    split: SplitOptions,
    config: TrainConfig,
    crop: int | None,
    size: int | None,
    image_options: ImageOptions,
    resume: bool,
) -> None:
    """Train a new network, or the one that is named, and leave a run directory.

    Without a tree, the network is trained under the one it has.
    """
    if isinstance(network, NetworkOptions):
        check_backbone(network.backbone, network.pretrained)
    start = find_model(network)[0] if isinstance(network, str) else None
    given = image_options.given(None if start is None else start.cutouts)
    if start is None:
        wanted = wanted_cutouts(images, crop, size, given)
    else:
        tree, wanted = tree or start.tree, further_cutouts(start, crop, given)
    source = open_images(images, wanted, given)
    labels = read_labels_as(labels_table, tree or GZ2_KAGGLE, label_options, source.ids)
    torch.manual_seed(config.seed)
    model, described = _network(network, start, labels.tree, source.options, config)
    check_loss(model, labels, config)
    options = {
        "train": asdict(config),
        "network": described,
        "labels": {"table": labels_table.name, **asdict(label_options)},
        "split": asdict(split),
        "cutouts": source.options.to_dict(),
        **({"images": given.describe()} if given else {}),
        "data": {"galaxies": len(labels), "sha256": labels.digest()},
    }
    run = RunDirectory.open(out, options, resume=resume)
    if isinstance(source, ImageFiles):
        have = set(source.ids)
        chosen = [galaxy for galaxy in labels.ids if galaxy in have]
        source = prepare(images, run.cutouts, source.options, given, only=chosen)
    galaxies = LabelledCutouts(source, labels)
    parts = _split(run, galaxies, split, config.seed)
    comparison = compare_parts(galaxies.labels, parts)
    write_table(comparison.reset_index(), run.comparison)
    _log.info("galaxies: %s; means of the answers in %s", _count(parts), run.comparison)

    from gz2tree.training import fit

    valid = galaxies.take(parts == "valid") if (parts == "valid").any() else None
    history = fit(model, galaxies.take(parts == "train"), valid, config, out=run, resume=resume)
    if valid is not None:
        best = history.iloc[int(history["valid_rmse"].to_numpy().argmin())]
        text = f"validation RMSE {best['valid_rmse']:.4f}"
        print(f"best epoch {best['epoch']:.0f} of {len(history)}: {text}")
    print(f"the model is in {run.model}")


def _network(
    wanted: NetworkOptions | str,
    start: GalaxyNet | None,
    tree: DecisionTree,
    cutouts: CutoutOptions,
    config: TrainConfig,
) -> tuple[GalaxyNet, dict[str, Any]]:
    """Build the network to train, and say for the run's record what it is."""
    if isinstance(wanted, NetworkOptions):
        dirichlet = config.loss == "dirichlet_multinomial"
        return build_network(wanted, tree, cutouts, dirichlet=dirichlet), asdict(wanted)
    return adapt(start or find_model(wanted)[0], tree, cutouts), {"start": wanted}


def _split(
    run: RunDirectory, galaxies: LabelledCutouts, split: SplitOptions, seed: int
) -> NDArray[np.object_]:
    """Split the galaxies and write it down; a resumed run must come to the split it began with."""
    seed = seed if split.split_seed is None else split.split_seed
    parts = split_parts(galaxies.hashes, split.valid_fraction, split.test_fraction, seed)
    ids = galaxies.labels.ids.tolist()
    if run.split.is_file() and read_split(run.split) != dict(zip(ids, parts, strict=True)):
        raise InputError(
            f"{run.split}: these images split otherwise than those the run was begun with; "
            "galaxies that tested it would train it"
        )
    write_split(run.split, ids, parts)
    return parts


def evaluate_model(
    model_path: str,
    labels_table: Path,
    images: Path,
    json_file: Path | None,
    *,
    tree: DecisionTree | None,
    part: str | None,
    by: ByOptions,
    label_options: LabelOptions,
    options: PredictOptions,
) -> None:
    """Predict labelled galaxies, compare with their labels, print and write the figures."""
    if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
        raise InputError(f"{json_file}: expected a file in an existing folder")
    find_device(options.device)
    model, run = find_model(model_path)
    check_tree(model, tree)
    answer = model.tree.columns[model.tree.find_answer(by.answer or model.tree.columns[0])]
    source, labels = labelled_for(model, run, labels_table, images, part, label_options)
    quantity = (
        read_quantity(by.by, labels_table, labels, source, label_options.id_column)
        if by.by
        else None
    )
    (output,), predicted = outputs_of([model], source, labels, options)
    predictions = catalogue_of(predicted, output[0])
    report = evaluate(predictions, labels)
    print(report)
    described: dict[str, Any] = {
        "command": " ".join(sys.argv),
        "model": model_path,
        "labels": str(labels_table),
        "kind": labels.kind,
        "part": part,
        "views": options.views,
        "gate": options.gate,
        "precision": options.precision,
        "versions": versions(),
    }
    voted = predicted.counts if labels.kind in KINDS_OF_VOTES else None
    if isinstance(model, GalaxyTreeNet) and voted is not None:
        votes = vote_coverage(mixture_of(DecisionGraph(model.tree), [output]), voted)
        print("", "votes within predictive intervals", coverage_text(votes), sep="\n")
        described["votes"] = json.loads(votes.to_json(orient="index"))
    if by.by and quantity is not None:
        binned = evaluate_by(predictions, labels, quantity, answer, by.bins)
        print("", binned_text(binned, by.by, model.tree, answer), sep="\n")
        bins = json.loads(binned.to_json(orient="records"))
        described["by"] = {"quantity": by.by, "answer": answer, "bins": bins}
    if json_file is not None:
        with naming(json_file):
            json_file.write_text(report.to_json(**described) + "\n")


def predict_catalogue(
    model_paths: Sequence[str],
    images: Sequence[str],
    out: Path,
    *,
    columns: Sequence[MoreColumns],
    flags: Sequence[str],
    level: float,
    options: PredictOptions,
    shards: ShardOptions,
    image_options: ImageOptions,
    table: TableOptions = TableOptions(),
) -> None:
    """Write a catalogue of predictions, of one model or of several together.

    One table, or a folder of shards.
    """
    if not is_folder(out) and (is_streamed(images) or shards.devices * shards.num_nodes > 1):
        raise InputError(
            f"{out}: expected a folder, a name without a suffix, to write shards into: one table "
            "is written of one folder, zip file or store, by one process"
        )
    probabilities, atypical = _which_columns(columns)
    models = [find_model(path)[0] for path in model_paths]
    wanted = read_flags(flags, models[0].tree)
    given = image_options.given(models[0].cutouts)
    weights = ", ".join(Path(path).resolve().name for path in model_paths)
    if not is_folder(out):
        n = predict_to_file(
            models, images[0], out, options,
            given=given, columns=probabilities, flags=wanted, level=level, atypical=atypical,
            table=table, weights=weights,
        )  # fmt: skip
        print(f"{n:,} galaxies in {out}")
        return

    from gz2tree.scaling import predict_to_folder

    totals = predict_to_folder(
        models, images, out, options, shards,
        given=given, columns=probabilities, flags=wanted, level=level, atypical=atypical,
        table=table, weights=weights,
    )  # fmt: skip
    if totals is not None:
        print(f"{totals.galaxies:,} galaxies in {out}")


def _which_columns(wanted: Sequence[MoreColumns]) -> tuple[Columns, bool]:
    """Tell what to write of each answer, and whether to say how atypical galaxies are."""
    probabilities = cast(list[Columns], [each for each in wanted if each != ATYPICAL])
    if len(probabilities) > 1:
        raise InputError(
            f"columns: expected one of {', '.join(get_args(Columns))}, and {ATYPICAL} if wanted, "
            f"found {' '.join(wanted)}"
        )
    return (probabilities or ["cumulative"])[0], ATYPICAL in wanted


def build_network(
    options: NetworkOptions, tree: DecisionTree, cutouts: CutoutOptions, *, dirichlet: bool = False
) -> GalaxyNet:
    """Build the network that the options name; a tree with or without strengths."""
    pretrained = options.pretrained
    if options.model == "tree":
        return GalaxyTreeNet(
            options.backbone,
            tree,
            pretrained,
            options.activation,
            cutouts,
            pooling=options.pooling,
            dirichlet=dirichlet,
        )
    return FlatNet(
        options.backbone,
        tree,
        pretrained,
        renormalised=_RENORMALISED[options.model],
        head=options.head,
        cutouts=cutouts,
    )


def _count(parts: NDArray[Any]) -> str:
    return ", ".join(f"{n} {part}" for part, n in pd.Series(parts).value_counts().items())
