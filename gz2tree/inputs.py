"""What commands are given: a model with its run, and labels matched with images."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gz2tree.config import LabelOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError, first_few
from gz2tree.labels import CUMULATIVE, Labels, read_labels
from gz2tree.model import load_model
from gz2tree.network import DEFAULT_NAME, GalaxyNet
from gz2tree.run import RunDirectory
from gz2tree.splits import read_split
from gz2tree.tree import DecisionTree

_log = logging.getLogger("gz2tree")


def find_model(name: str) -> tuple[GalaxyNet, RunDirectory | None]:
    """Load a model, and find the run it came from, if it lies in one.

    Raises
    ------
    InputError
        Neither a model nor a run.
    """
    if name == DEFAULT_NAME:
        return load_model(name), None
    for run in (RunDirectory(name), RunDirectory(Path(name).resolve().parent)):
        if (
            run.is_begun
            and run.model.is_dir()
            and Path(name).resolve()
            in (
                run.path.resolve(),
                run.model.resolve(),
            )
        ):
            return load_model(run.model), run
    return load_model(name), None


def read_labels_of_images(
    table: Path, tree: DecisionTree, options: LabelOptions, source: CutoutSource, images: Path
) -> Labels:
    """Read the labels of those galaxies that have an image; the others are counted in a warning.

    Parameters
    ----------
    table : Path
    tree : DecisionTree
        Under which the labels are read.
    options : LabelOptions
    source : CutoutStore or ImageFiles
    images : Path
        What the source was opened from, for messages.

    Raises
    ------
    InputError
        As `read_labels`, or no labelled galaxy has an image.
    """
    labels = read_labels(
        table,
        tree,
        options.kind,
        options.id_column,
        image_ids=source.ids,
        allow_bad_rows=options.allow_bad_rows,
    )
    have = np.isin(labels.ids.astype(str), source.ids.astype(str))
    if not have.any():
        raise InputError(f"{images}: expected images of the {len(labels)} galaxies, found none")
    if not have.all():
        without = list(labels.ids[~have])
        _log.warning(
            "%d of %d labelled galaxies have no image and are left out: %s",
            len(without), len(labels), first_few(without),
        )  # fmt: skip
    return labels.take(have)


def rows_of_part(labels: Labels, run: RunDirectory | None, part: str | None) -> NDArray[np.bool_]:
    """Choose galaxies by their part in the run's split; its training galaxies only if asked for.

    Parameters
    ----------
    labels : Labels, of n galaxies
    run : RunDirectory, optional
        That of the model.
    part : {"train", "valid", "test", "all"}, optional

    Returns
    -------
    rows : array of bool, shape (n,)

    Raises
    ------
    InputError
        A part without a split, one without galaxies, or no part where galaxies trained the model.
    """
    if part in ("all", None) and (run is None or not run.split.is_file()):
        return np.ones(len(labels), dtype=bool)
    if run is None or not run.split.is_file():
        raise InputError(f"part {part!r}: expected a model within its run directory, with a split")
    split = read_split(run.split)
    part_of = np.array([split.get(galaxy, "") for galaxy in labels.ids])
    if part is None:
        n_train = int((part_of == "train").sum())
        if n_train:
            raise InputError(
                f"{n_train} of {len(labels)} labelled galaxies trained this model ({run.split}); "
                "--part test evaluates on those it never saw, --part all or train on these as well"
            )
        return np.ones(len(labels), dtype=bool)
    rows = part_of == part if part != "all" else np.ones(len(labels), dtype=bool)
    if not rows.any():
        raise InputError(f"part {part!r}: expected galaxies of it among the labels, found none")
    return rows


def warn_of_kind(model: GalaxyNet, labels: Labels) -> None:
    """Warn of labels of another kind than those the model was trained on."""
    # A network that learnt from several samples has the kinds of all.
    if model.kind is not None and labels.kind not in model.kind.split(", "):
        kaggle = "a table of cumulative probabilities"
        trained = kaggle if model.kind == CUMULATIVE else f"kind {model.kind!r}"
        found = kaggle if labels.kind == CUMULATIVE else f"kind {labels.kind!r}"
        _log.warning(
            "the model was trained on %s, the labels are of %s: different targets", trained, found
        )
