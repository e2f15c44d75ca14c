"""What commands are given: a model with its run, and labels matched with images."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.commands.models import find_model
from gz2tree.config import LabelOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError, first_few
from gz2tree.images.byid import hashes_of
from gz2tree.labelling.labeltable import read_labels
from gz2tree.labelling.matching import which_have
from gz2tree.labels import CUMULATIVE, Labels, kinds_of
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.seenimages import were_seen
from gz2tree.runs.run import RunDirectory
from gz2tree.splits import read_split
from gz2tree.store import open_images
from gz2tree.tables.columnnotes import recognised
from gz2tree.tables.files import read_table, table_columns
from gz2tree.tree import DecisionTree

_log = logging.getLogger("gz2tree")


def open_labelled(
    model_path: str,
    table: Path,
    images: Path,
    *,
    tree: DecisionTree | None,
    part: str | None,
    label_options: LabelOptions,
) -> tuple[GalaxyNet, CutoutSource, Labels]:
    """Open a network, images, and the labels of those of them that it may be compared with.

    Parameters
    ----------
    model_path : str
        A run directory, a saved model or ``"default"``.
    table : Path
        Of labels.
    images : Path
        Folder, zip file or store.
    tree : DecisionTree, optional
        Refused if it is not the model's.
    part : {"train", "valid", "test", "all"}, optional
        Which galaxies of the run's split; see `rows_of_part`.
    label_options : LabelOptions

    Returns
    -------
    model : GalaxyNet
    images : CutoutSource
    labels : Labels
        Of galaxies that have an image, and are of the part.

    Raises
    ------
    InputError
        A `tree` that is not the model's; galaxies that trained the model, without a `part` that
        says so; nothing that has both labels and an image.
    """
    model, run = find_model(model_path)
    check_tree(model, tree)
    return model, *labelled_for(model_path, model, run, table, images, part, label_options)


def labelled_for(
    model_path: str,
    model: GalaxyNet,
    run: RunDirectory | None,
    table: Path,
    images: Path,
    part: str | None,
    label_options: LabelOptions,
) -> tuple[CutoutSource, Labels]:
    """Open images, and the labels of those of them that a network may be compared with.

    Parameters
    ----------
    model_path : str
        By which `find_model` found it.
    model : GalaxyNet
    run : RunDirectory, optional
        That it came from, as `find_model` finds it.
    table, images, part, label_options
        As in `open_labelled`.

    Returns
    -------
    images : CutoutSource
    labels : Labels
        Of galaxies that have an image, and are of the part.

    Raises
    ------
    InputError
        As in `open_labelled`.
    """
    source = open_images(images, model.cutouts)
    label_options = _as_trained(label_options, table, run)
    labels = read_labels_as(table, model.tree, label_options, source.ids)
    have = which_have(labels.ids, source.ids, galaxies="labelled", what="image")
    labels = labels.take(have)
    seen, trained = model.seen_images, None
    if seen is not None:
        trained = were_seen(seen, hashes_of(source, labels.ids.tolist()))
    elif model.training_record and (run is None or not run.split.is_file()):
        _log.warning(
            "%s: it is not known which galaxies trained this model; of those that did, the scores "
            "mean nothing", model_path,
        )  # fmt: skip
    labels = labels.take(rows_of_part(labels, run, part, trained))
    warn_of_kind(model, labels)
    return source, labels


def _as_trained(options: LabelOptions, table: Path, run: RunDirectory | None) -> LabelOptions:
    """Read the table that a run was trained on as the run did, where nothing else is said."""
    trained = {} if run is None else run.record()["options"].get("labels", {})
    if trained.get("table") != table.name:
        return options
    known = {
        name: trained[name]
        for name in ("kind", "id_column")
        if getattr(options, name) is None and trained.get(name) is not None
    }
    if known:
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.items())
        _log.info("%s: %s, as in the training", table, said)
    return replace(options, **known)


def check_tree(model: GalaxyNet, tree: DecisionTree | None) -> None:
    """Refuse a tree, if one is given, that is not the model's."""
    if tree is not None and tree != model.tree:
        raise InputError(
            f"tree: expected that of the model, found another: {model.tree.difference(tree)}; "
            "labels are read under the model's tree"
        )


def read_labels_as(
    table: Path,
    tree: DecisionTree,
    options: LabelOptions,
    image_ids: NDArray[np.object_] | None = None,
) -> Labels:
    """Read a table of labels as the options say; see `read_labels`.

    Raises
    ------
    InputError
        As there; or nothing was measured of any galaxy.
    """
    labels = read_labels(
        table,
        tree,
        options.kind,
        options.id_column,
        image_ids=image_ids,
        allow_bad_rows=options.allow_bad_rows,
    )
    if not labels.measured.any():
        raise InputError(f"{table}: expected values of answers, found none in any row")
    return labels


def read_predictions(
    path: Path, trees: Iterable[DecisionTree]
) -> tuple[pd.DataFrame, DecisionTree]:
    """Read a catalogue of cumulative probabilities that `gz2tree predict` has written.

    Parameters
    ----------
    path : Path
        CSV, gzipped CSV, Parquet, FITS, VOTable or ECSV.
    trees : iterable of DecisionTree
        Those that may have been predicted.

    Returns
    -------
    predictions : DataFrame
        The id column, as text, and the columns of the tree.
    tree : DecisionTree
        The first whose columns the catalogue has.

    Raises
    ------
    InputError
        No table, or one without the ids and answers of any of the trees.
    """
    header = table_columns(path)
    expected = []
    for tree in trees:
        wanted = [tree.id_column, *tree.columns]
        there = recognised(header, wanted)
        missing = [column for column in wanted if column not in there]
        if not missing:
            return read_table(path, wanted, ids=[tree.id_column]), tree
        expected.append(f"{tree.name} (no column {first_few(missing)})")
    raise InputError(
        f"{path}: expected a catalogue of cumulative predictions of tree {first_few(expected)}; "
        f"found {first_few(header)}{_other_probabilities(header)}"
    )


def _other_probabilities(header: Collection[str]) -> str:
    """Say so where a catalogue holds what ``gz2tree predict --columns`` wrote in their place."""
    for columns in ("conditional", "reach"):
        if any(name.endswith(f"_{columns}") for name in header):
            return f": these are {columns} probabilities; predict again without --columns {columns}"
    return ""


def rows_of_part(
    labels: Labels,
    run: RunDirectory | None,
    part: str | None,
    trained: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Choose galaxies by their part in the run's split; its training galaxies only if asked for.

    Parameters
    ----------
    labels : Labels, of n galaxies
    run : RunDirectory, optional
        That of the model.
    part : {"train", "valid", "test", "all"}, optional
    trained : array of bool, shape (n,), optional
        Galaxies whose images trained a model that is known to have seen them. Without a split,
        these are its part ``"train"`` and the others its part ``"test"``.

    Returns
    -------
    rows : array of bool, shape (n,)

    Raises
    ------
    InputError
        A part without a split, one without galaxies, or no part where galaxies trained the model.
    """
    has_split = run is not None and run.split.is_file()
    if part == "all" or (part is None and not has_split and trained is None):
        return np.ones(len(labels), dtype=bool)
    if run is not None and has_split:
        split, known_by = read_split(run.split), str(run.split)
        part_of = np.array([split.get(galaxy, "") for galaxy in labels.ids])
    elif trained is not None:
        part_of, known_by = np.where(trained, "train", "test"), "known by their images"
    elif run is not None:
        raise InputError(
            f"part {part!r}: {run.path} was trained from Python, which recorded no split of its "
            f"galaxies; gz2tree.splits.write_split writes it to {run.split}"
        )
    else:
        raise InputError(f"part {part!r}: expected a model within its run directory, with a split")
    if part is None:
        n_train = int((part_of == "train").sum())
        if n_train:
            others = "--part test evaluates on those it never saw, " * (n_train < len(labels))
            raise InputError(
                f"{n_train:,} of {len(labels):,} labelled galaxies trained this model "
                f"({known_by}); {others}--part all or train on these as well, which says little "
                "about other galaxies"
            )
        return np.ones(len(labels), dtype=bool)
    rows = part_of == part
    if not rows.any():
        raise InputError(f"part {part!r}: expected galaxies of it among the labels, found none")
    return rows


def warn_of_kind(model: GalaxyNet, labels: Labels) -> None:
    """Warn of labels of another kind than those the model was trained on."""
    # A network that learnt from several samples has the kinds of all.
    if model.kind is not None and not set(labels.kinds) <= set(kinds_of(model.kind)):
        kaggle = "a table of cumulative probabilities"
        trained = kaggle if model.kind == CUMULATIVE else f"kind {model.kind!r}"
        found = kaggle if labels.kind == CUMULATIVE else f"kind {labels.kind!r}"
        _log.warning(
            "the model was trained on %s, the labels are of %s: different targets", trained, found
        )
