"""The command ``predict``: a catalogue in one table, or in shards."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from gz2tree.catalogues.sharded_prediction import predict_to_folder
from gz2tree.catalogues.shardformat import is_folder
from gz2tree.commands.models import find_model
from gz2tree.config import CatalogueOptions, ImageOptions, PredictOptions, ShardOptions
from gz2tree.errors import InputError
from gz2tree.images.given import given_images
from gz2tree.images.opening import is_streamed, some_ids
from gz2tree.networks.saved import shown_name
from gz2tree.prediction import predict_to_file

_HIGH_GATE = 0.1
_log = logging.getLogger("gz2tree")


def predict_catalogue(
    model_paths: Sequence[str],
    images: Sequence[str],
    out: Path,
    *,
    options: PredictOptions,
    catalogue: CatalogueOptions,
    shards: ShardOptions,
    image_options: ImageOptions,
) -> None:
    """Write a catalogue of predictions, of one model or of several together.

    Parameters
    ----------
    model_paths : sequence of str
        Run directories, saved models or ``"default"``.
    images : sequence of str
        One folder, zip file or store; or several, lists and tar files, if `out` is a folder.
    out : Path
        A table, or a folder of shards: a name without a suffix, see
        `gz2tree.catalogues.shardformat.is_folder`.
    options : PredictOptions
    catalogue : CatalogueOptions
        Its names of the models are those of `model_paths`.
    shards : ShardOptions
        Of a folder.
    image_options : ImageOptions
        What is known of the images.

    Raises
    ------
    InputError
        Several images or processes for one table, and as
        `gz2tree.prediction.predict_to_file` and
        `gz2tree.catalogues.sharded_prediction.predict_to_folder` raise.
    """
    if not is_folder(out) and (is_streamed(images) or shards.devices * shards.num_nodes > 1):
        raise InputError(
            f"{out}: expected a folder, a name without a suffix, to write shards into: one table "
            "is written of one folder, zip file or store, by one process"
        )
    if options.gate > _HIGH_GATE:
        _log.warning(
            "gate %g: above %g a gate removes answers that people give; 0.01 is usual",
            options.gate, _HIGH_GATE,
        )  # fmt: skip
    models = [find_model(path)[0] for path in model_paths]
    given = given_images(image_options, models[0].cutouts, partial(some_ids, images))
    names = ", ".join(shown_name(path) for path in model_paths)
    catalogue = replace(catalogue, model_names=names)
    if not is_folder(out):
        n = predict_to_file(models, images[0], out, options, catalogue, given=given)
        print(f"{n:,} {'galaxy' if n == 1 else 'galaxies'} in {out}")
        return
    totals = predict_to_folder(models, images, out, options, shards, catalogue, given=given)
    if totals is not None:
        print(f"{totals.galaxies:,} galaxies in {out}")
