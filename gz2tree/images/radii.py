"""Radii of galaxies on the sky, by which crops may be measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gz2tree.errors import InputError, first_few


@dataclass(frozen=True)
class Radii:
    """Radii of galaxies.

    Parameters
    ----------
    source : str
        Table and column, for messages and records.
    of : mapping of str to float, arcsec
        Above 0, by id. Galaxies without a radius are left out.
    """

    source: str
    of: Mapping[str, float] = field(repr=False)

    def digest(self) -> str:
        """SHA-256 of ids and radii, in hexadecimal."""
        return hashlib.sha256(json.dumps(sorted(self.of.items())).encode()).hexdigest()


def read_radii(
    table: Path,
    column: str,
    id_column: str | None = None,
    image_ids: Collection[str] | None = None,
) -> Radii:
    """Read the radii of galaxies from a table, in arcsec.

    Radii that are missing, infinite, 0 or negative count as not known.

    Parameters
    ----------
    table : Path
        CSV, gzipped CSV, Parquet, FITS, VOTable or ECSV.
    column : str
    id_column : str, optional
        By default found by `image_ids`, as `gz2tree.read_labels` finds it.
    image_ids : collection of str, optional
        Ids of images, all or some, by which the id column is chosen if there may be several.

    Raises
    ------
    InputError
        No such table or column, text where numbers are expected, two radii of a galaxy or one
        without an id, or several columns that may hold the ids, of which none holds one of
        `image_ids`.
    """
    import numpy as np
    import pandas as pd

    from gz2tree.tables.files import read_table
    from gz2tree.tables.idcolumns import (
        choose_id_column,
        id_candidates,
        names_of_files,
        refuse_duplicates,
    )
    from gz2tree.tables.opened import TableFile

    file = TableFile(table)
    header = file.columns
    if column not in header:
        raise InputError(f"{table}: expected a column {column}, found {first_few(header)}")
    candidates = id_candidates(table, header, id_column)
    read = read_table(file, [*candidates, column], ids=candidates)
    names_of_files(read)
    radii = pd.to_numeric(read[column], errors="coerce")
    wrong = radii.isna() & read[column].notna()
    if wrong.any():
        raise InputError(
            f"{table}: column {column}: expected numbers, found {read[column][wrong].iloc[0]!r}"
        )
    known = (radii > 0) & np.isfinite(radii)
    # The only candidate may well lack the images at hand, which need not be all of them.
    of_images = image_ids if image_ids and len(candidates) > 1 else None
    ids = choose_id_column(table, read[known], candidates, of_images)
    refuse_duplicates(table, read[ids][known])
    source = f"{table.name}, columns {ids} and {column}"
    values = radii[known].astype(float).tolist()
    return Radii(source, dict(zip(read[ids][known].tolist(), values, strict=True)))
