"""The command ``typical``: fit what a network's training galaxies look like, after the fact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gz2tree.commands.models import check_storable, find_model, store_model
from gz2tree.config import PredictOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError
from gz2tree.networks.batches import look_at
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Embedder, find_device
from gz2tree.networks.typicality import Typicality, fit_typicality
from gz2tree.runs.typical import MOST_GALAXIES
from gz2tree.splits import read_split, sample_rows
from gz2tree.store import open_images


def fit_to_images(
    model: GalaxyNet,
    images: CutoutSource,
    positions: NDArray[np.int64],
    options: PredictOptions = PredictOptions(),
    *,
    progress: bool = True,
) -> Typicality:
    """Fit where the galaxies of images lie in the features of a network.

    Parameters
    ----------
    model : GalaxyNet
    images : CutoutSource
    positions : array of int64
        Of the galaxies that it was trained on, in ``images.ids``.
    options : PredictOptions
        One view, as `predict` judges by one.
    progress : bool

    Returns
    -------
    typicality : Typicality

    Raises
    ------
    InputError
        As in `predict`; several views; fewer than 2 galaxies.
    """
    if options.views != 1:
        raise InputError(f"typical: expected one view, found {options.views}")
    embed = Embedder(model, find_device(options.device), options)
    some = positions[sample_rows(len(positions), MOST_GALAXIES)]
    batches = look_at([embed], images, model.cutouts, options, some, progress)
    return fit_typicality(features for _, (features,) in batches)


def typify_model(
    model_path: str, images: Path, out: Path | None, *, options: PredictOptions
) -> None:
    """Fit a model that is there already on images of its training galaxies, and store the result.

    Parameters
    ----------
    model_path : str
        Run directory, folder of a saved model, or ``"default"``.
    images : Path
        Folder, zip file or store. Of a run, the galaxies of its training part are taken; of
        another model, all.
    out : Path, optional
        Folder for the model; by default it is changed where it is.
    options : PredictOptions
        One view, no gate.

    Raises
    ------
    InputError
        The model in the box without `out`; no images of galaxies that trained the run; a gate; and
        as in `fit_to_images`.
    """
    check_storable(model_path, out)
    options.refuse_gate("features")
    find_device(options.device)
    model, run = find_model(model_path)
    source = open_images(images, model.cutouts)
    positions = np.arange(len(source))
    if run is not None and run.split.is_file():
        split = read_split(run.split)
        positions = np.flatnonzero([split.get(galaxy) == "train" for galaxy in source.ids])
        if not len(positions):
            raise InputError(
                f"{images}: expected images of galaxies that trained the model ({run.split}), "
                "found none"
            )
    model.typicality = fit_to_images(model, source, positions, options)
    folder = store_model(model, model_path, out)
    print(f"fitted on {model.typicality.n_galaxies:,} galaxies; the model is in {folder}")
