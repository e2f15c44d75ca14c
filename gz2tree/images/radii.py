"""Radii of galaxies on the sky, by which crops may be measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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


def read_radii(table: Path, column: str, id_column: str | None = None) -> Radii:
    """Read radii of galaxies, in arcsec; those that are not above 0 or not finite are not known.

    Parameters
    ----------
    table : Path
        CSV, gzipped CSV, Parquet or FITS.
    column : str
    id_column : str, optional
        Found as in a table of labels, by default.

    Raises
    ------
    InputError
        No such table or column, text where numbers are expected, or two radii of a galaxy.
    """
    import numpy as np
    import pandas as pd

    from gz2tree.tables.files import read_table, table_columns
    from gz2tree.tables.idcolumns import id_candidates, names_of_files

    header = table_columns(table)
    if column not in header:
        raise InputError(f"{table}: expected a column {column}, found {first_few(header)}")
    ids = id_candidates(table, header, id_column)[0]
    read = read_table(table, [ids, column], ids=[ids])
    names_of_files(read)
    radii = pd.to_numeric(read[column], errors="coerce")
    wrong = radii.isna() & read[column].notna()
    if wrong.any():
        raise InputError(
            f"{table}: column {column}: expected numbers, found {read[column][wrong].iloc[0]!r}"
        )
    rows = (radii > 0) & np.isfinite(radii)
    known = read[ids][rows]
    if known.duplicated().any():
        twice = first_few(list(known[known.duplicated()]))
        raise InputError(f"{table}: expected each id once, found {twice} repeated")
    values = radii[rows].astype(float).tolist()
    source = f"{table.name}, columns {ids} and {column}"
    return Radii(source, dict(zip(known.tolist(), values, strict=True)))
