"""Some galaxies by their ids: their cutouts, to look at, and the hashes of their images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from gz2tree.cutouts import CutoutSource, ImageFiles, log_unreadable
from gz2tree.errors import InputError, UnreadableImage
from gz2tree.positions import positions_of
from gz2tree.store import CutoutStore


def cutouts_by_id(source: CutoutSource, ids: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Read the cutouts of some galaxies.

    Parameters
    ----------
    source : CutoutStore or ImageFiles
        As `gz2tree.store.open_images` opens it.
    ids : sequence of str

    Returns
    -------
    cutouts : dict of str to array of uint8, shape (size, size, 3)
        By id, in the order given; without those whose images cannot be read, which are named in
        the log.

    Raises
    ------
    InputError
        A galaxy without an image, or no image that can be read.
    """
    positions = positions_of(source.ids, ids, "images")
    found: dict[str, NDArray[np.uint8]] = {}
    problems: list[tuple[str, str]] = []
    with closing(source.batches(positions, workers=0)) as batches:
        for batch in batches:
            found |= zip(source.ids[batch.positions], batch.cutouts, strict=True)
            problems += [(source.ids[position], text) for position, text in batch.problems]
    log_unreadable(problems, len(positions))
    if not found:
        raise InputError(f"expected images that can be read, found none among {len(positions)}")
    return found


def hashes_of(source: CutoutSource, ids: Sequence[str]) -> list[str]:
    """SHA-256 of the image files of some galaxies.

    Parameters
    ----------
    source : CutoutStore or ImageFiles
        A store knows them; image files are read from the disk.
    ids : sequence of str, length n
        All of them in the source.

    Returns
    -------
    hashes : list of str, length n
        In hexadecimal; that of no bytes for an image that cannot be read.
    """
    positions = positions_of(source.ids, ids, "images").tolist()
    if isinstance(source, CutoutStore):
        return [source.hashes[position] for position in positions]
    assert isinstance(source, ImageFiles)
    return [_hash(source, position) for position in positions]


def _hash(images: ImageFiles, position: int) -> str:
    try:
        content = images.read_files(position)
    except UnreadableImage:  # is left out, and named, when it is predicted
        content = []
    return hashlib.sha256(b"".join(content)).hexdigest()
