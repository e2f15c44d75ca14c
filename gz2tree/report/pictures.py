"""The galaxies' pictures: square sheets of many cutouts, so that few files hold thousands."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.positions import positions_of

COLUMNS = 5
"""Cutouts side by side on a sheet, and one below the other."""

_QUALITY = 85
_EMPTY = 128  # grey, where an image cannot be read


def sheet_name(number: int) -> str:
    """File name of a sheet, counted from 0."""
    return f"{number:05d}.jpg"


def write_sheets(
    folder: Path, ids: Collection[str], source: CutoutSource, *, progress: bool = True
) -> int:
    """Write the cutouts of some galaxies as sheets of `COLUMNS` x `COLUMNS`, in their order.

    Parameters
    ----------
    folder : Path
        An existing one.
    ids : collection of str, length n
    source : CutoutStore or ImageFiles
    progress : bool
        Show a progress bar.

    Returns
    -------
    n_sheets : int

    Raises
    ------
    InputError
        A galaxy that is not among the source's.
    """
    positions = positions_of(source.ids, ids, "images")
    on_sheet = COLUMNS * COLUMNS
    problems: list[tuple[str, str]] = []
    with tqdm(total=len(positions), unit="picture", disable=not progress) as bar:
        for number, batch in enumerate(source.batches(positions, on_sheet)):
            place_of = {
                position: place
                for place, position in enumerate(positions[number * on_sheet :][:on_sheet])
            }
            places = [place_of[position] for position in batch.positions]
            sheet = _sheet(batch.cutouts, places, len(place_of))
            Image.fromarray(sheet).save(folder / sheet_name(number), quality=_QUALITY)
            problems += [(source.ids[position], text) for position, text in batch.problems]
            bar.update(len(place_of))
    log_unreadable(problems, len(positions))
    return math.ceil(len(positions) / on_sheet)


def _sheet(cutouts: NDArray[np.uint8], places: list[int], n_places: int) -> NDArray[np.uint8]:
    """Cutouts (n, size, size, 3) -> one image, all sheets equally wide."""
    size = cutouts.shape[1]
    rows = math.ceil(n_places / COLUMNS)
    grid = np.full((rows * COLUMNS, size, size, 3), _EMPTY, np.uint8)
    grid[places] = cutouts
    grid = grid.reshape(rows, COLUMNS, size, size, 3).swapaxes(1, 2)
    return grid.reshape(rows * size, COLUMNS * size, 3)
