"""The commands ``train`` and ``finetune``: from labels and images to a run directory."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree.commands.inputs import read_labels_as
from gz2tree.commands.models import find_model
from gz2tree.commands.preparing import further_cutouts, wanted_cutouts
from gz2tree.config import CutoutOptions, LabelOptions, NetworkOptions, SplitOptions, TrainConfig
from gz2tree.config.choices import Renormalised
from gz2tree.config.images import ImageOptions
from gz2tree.cutouts import ImageFiles
from gz2tree.dataset import LabelledCutouts
from gz2tree.errors import InputError
from gz2tree.flat import FlatNet
from gz2tree.images.given import given_images
from gz2tree.images.opening import some_ids
from gz2tree.labels import Labels
from gz2tree.model import GalaxyTreeNet
from gz2tree.networks.backbones import check_backbone
from gz2tree.networks.finetuning import adapt
from gz2tree.networks.network import GalaxyNet
from gz2tree.runs.run import RunDirectory
from gz2tree.runs.trainable import architecture_of, check_loss
from gz2tree.splits import compare_parts, read_split, split_parts, write_split
from gz2tree.store import CutoutStore, open_images, prepare
from gz2tree.tables.files import write_table
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE

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

    Parameters
    ----------
    labels_table : Path
        The table of labels; see `gz2tree.read_labels`.
    images : Path
        Folder, zip file or prepared store. Of a folder or zip file, the cutouts of labelled
        galaxies are prepared in the run directory.
    out : Path
        The run directory, new or to be resumed.
    tree : DecisionTree, optional
        By default that of the network that is trained further; Kaggle's for a new one.
    network : NetworkOptions or str
        The network to build; or the run directory, folder or name of one to train further.
    label_options : LabelOptions
    split : SplitOptions
    config : TrainConfig
    crop, size : int, pixels, optional
        Of the cutouts; by default those of the store or network, else of `CutoutOptions`.
        A network that is trained further has a size already.
    image_options : ImageOptions
        What is known of the images: bands, pixel scales.
    resume : bool
        Go on with an interrupted run.

    Raises
    ------
    InputError
        As in `gz2tree.fit`; a table, images or a network that cannot be read; images that split
        otherwise than those the run was begun with.
    """
    if isinstance(network, NetworkOptions):
        check_backbone(network.backbone, network.pretrained)
    start = find_model(network)[0] if isinstance(network, str) else None
    known = None if start is None else start.cutouts
    given = given_images(image_options, known, partial(some_ids, [images]))
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
        source = _prepare_labelled(source, labels, run)
    galaxies = LabelledCutouts(source, labels)
    parts = _split(run, galaxies, split, config.seed)
    from gz2tree.training import fit

    valid = galaxies.take(parts == "valid") if (parts == "valid").any() else None
    history = fit(model, galaxies.take(parts == "train"), valid, config, out=run, resume=resume)
    if valid is not None:
        _print_best(history, int(model.training_record["epoch"]))
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
    assert start is not None
    model = adapt(start, tree, cutouts)
    return model, {"start": wanted, **architecture_of(model)}


def _prepare_labelled(images: ImageFiles, labels: Labels, run: RunDirectory) -> CutoutStore:
    """Prepare the cutouts of labelled galaxies in the run directory, which keeps them."""
    have = set(images.ids)
    chosen = [galaxy for galaxy in labels.ids if galaxy in have]
    return prepare(images.path, run.cutouts, images.options, images.given, only=chosen)


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
    write_table(compare_parts(galaxies.labels, parts).reset_index(), run.comparison)
    counts = ", ".join(f"{n} {part}" for part, n in pd.Series(parts).value_counts().items())
    _log.info("galaxies: %s; means of the answers in %s", counts, run.comparison)
    return parts


def _print_best(history: pd.DataFrame, epoch: int) -> None:
    rmse = float(history.loc[history["epoch"] == epoch, "valid_rmse"].iloc[0])
    if np.isnan(rmse):
        print(f"epoch {epoch} of {len(history)} is kept: no validation RMSE, to tell the best by")
    else:
        print(f"best epoch {epoch} of {len(history)}: validation RMSE {rmse:.4f}")


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
