"""Cutouts of some galaxies, by their ids: to look at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.errors import InputError
from gz2tree.positions import positions_of


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
