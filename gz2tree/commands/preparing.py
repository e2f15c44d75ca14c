"""Which cutouts a command is to make, and the command ``prepare``, which makes a store of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gz2tree.commands.models import find_model
from gz2tree.config import CutoutOptions
from gz2tree.config.images import ImageOptions
from gz2tree.errors import InputError
from gz2tree.images.given import GivenImages, given_images
from gz2tree.images.opening import some_ids
from gz2tree.networks.network import GalaxyNet
from gz2tree.store import is_store, open_images, prepare


def prepare_store(
    images: Path,
    store: Path,
    *,
    model: str | None,
    crop: int | None,
    size: int | None,
    image_options: ImageOptions,
    workers: int | None,
) -> None:
    """Prepare the cutouts that a model expects, or those of a crop and size.

    Parameters
    ----------
    images : Path
        Folder or zip file.
    store : Path
        The folder to be written; one that is half written is gone on with.
    model : str, optional
        Run directory, folder of a saved model, or ``"default"``, whose cutouts are prepared.
    crop, size : int, pixels, optional
        Without a model; by default those of `CutoutOptions`.
    image_options : ImageOptions
        What is known of the images: bands, pixel scales.
    workers : int, optional
        Processes that decode images; as many as there are cores by default.

    Raises
    ------
    InputError
        A crop or size beside a model, which has its own; and as in `gz2tree.prepare`.
    """
    if model is None:
        given = given_images(image_options, None, partial(some_ids, [images]))
        cutouts = _new_cutouts(given, _asked(crop, size))
    elif crop is None and size is None:
        cutouts = find_model(model)[0].cutouts
        given = given_images(image_options, cutouts, partial(some_ids, [images]))
    else:
        raise InputError("crop and size: expected none with --model, which has its own")
    prepared = prepare(images, store, cutouts, given, workers=workers)
    n = len(prepared)
    print(f"{n:,} cutout{'s' * (n != 1)} in {store}")


def wanted_cutouts(
    images: Path, crop: int | None, size: int | None, given: GivenImages
) -> CutoutOptions | None:
    """Crop and size asked for; those of a prepared store where they are not."""
    asked = _asked(crop, size)
    if not asked:
        return None
    # Checked as far as it can be before any data is opened.
    CutoutOptions(**{"crop": max(CutoutOptions.crop, size or 0), "size": 1} | asked)
    if is_store(images):
        return replace(open_images(images, None, given).options, **asked)
    return _new_cutouts(given, asked)


def further_cutouts(start: GalaxyNet, crop: int | None, given: GivenImages) -> CutoutOptions:
    """Cutouts on which to train a trained network further.

    With a pixel scale they are those it knows; without, the scale is not known any more.
    """
    known = start.cutouts
    if not given.knows_scale:
        known = replace(known, pixel_scale=None, radii_per_pixel=None)
    if given.stretch is not None:
        known = replace(known, stretch=given.stretch)
    return known if crop is None else replace(known, crop=crop)


def _asked(crop: int | None, size: int | None) -> dict[str, Any]:
    both = ("crop", crop), ("size", size)
    return {name: value for name, value in both if value is not None}


def _new_cutouts(given: GivenImages, asked: dict[str, Any]) -> CutoutOptions:
    return given.cutouts(**{"crop": CutoutOptions.crop, "size": CutoutOptions.size} | asked)
