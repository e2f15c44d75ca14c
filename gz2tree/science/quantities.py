"""Quantities by which galaxies are compared: a column of the table of labels, or apparent size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError, did_you_mean
from gz2tree.images.photometry import apparent_sizes
from gz2tree.labels import Labels
from gz2tree.positions import positions_of
from gz2tree.tables.files import read_table, table_columns
from gz2tree.tables.idcolumns import id_candidates, names_of_files, refuse_duplicates

APPARENT_SIZE = "apparent_size"
"""Half-light radius measured on the cutouts, in pixels that their crop counts."""


def read_quantity(
    name: str,
    labels_table: Path,
    labels: Labels,
    images: CutoutSource | None,
    id_column: str | None = None,
) -> NDArray[np.float64]:
    """Read or measure a quantity of the galaxies of `labels`.

    Parameters
    ----------
    name : str
        A column of the table, or ``"apparent_size"``; the table's own column of that name is
        preferred.
    labels_table : Path
        From which `labels` were read.
    labels : Labels
    images : CutoutStore or ImageFiles, optional
        With an image of each of them; for ``"apparent_size"`` only.
    id_column : str, optional
        That of the table, as `read_labels` takes it.

    Returns
    -------
    quantity : array of float64, shape (n,)
        NaN where not measured.

    Raises
    ------
    InputError
        Labels without an image; a column that is missing (the nearest are named), holds ids, text
        or infinite numbers, or the same number throughout.
    """
    header = table_columns(labels_table)
    if name in header:
        values = _column(labels_table, header, name, labels.ids, id_column)
    elif name == APPARENT_SIZE:
        if images is None:
            raise InputError(f"{name}: expected images to measure it on, found none")
        positions = positions_of(images.ids, labels.ids, "images")
        values = apparent_sizes(images, positions)
    else:
        near = did_you_mean(name, [*header, APPARENT_SIZE], n=3)
        hint = near or f"; {APPARENT_SIZE} is measured"
        raise InputError(f"{labels_table}: no column {name!r}{hint}")
    known = np.unique(values[~np.isnan(values)])
    if len(known) < 2:
        found = f"{known[0]:g} throughout" if len(known) else "no number"
        raise InputError(
            f"{name}: expected different values among the {len(labels):,} galaxies, found {found}"
        )
    return values


def _column(
    path: Path, header: Sequence[str], name: str, ids: NDArray[np.object_], id_column: str | None
) -> NDArray[np.float64]:
    """Numbers of one column, in the order of the ids."""
    candidates = id_candidates(path, header, id_column)
    if name in candidates:
        raise InputError(f"{path}: column {name}: expected a quantity, found ids")
    table = read_table(path, [*candidates, name], ids=candidates)
    names_of_files(table)
    wanted = pd.Index(ids)  # of which NumPy would look each up in all of the table
    holds_ids = next((c for c in candidates if wanted.isin(table[c]).all()), None)
    if holds_ids is None:
        raise InputError(f"{path}: expected a column with the ids of all galaxies, found none")
    given = table.set_index(holds_ids)[name]
    given = given[given.index.isin(ids)]
    refuse_duplicates(path, given.index)
    given = given.reindex(wanted)
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = (np.isnan(numbers) & given.notna().to_numpy()) | np.isinf(numbers)
    if wrong.any():
        first = np.flatnonzero(wrong)[0]
        raise InputError(
            f"{path}: column {name}, id {ids[first]}: expected a finite number, "
            f"found {str(given.iloc[first])!r}"
        )
    return numbers
