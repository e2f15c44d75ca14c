"""Tables of which nothing is lost: all columns, with their types, units and missing values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gz2tree.errors import InputError
from gz2tree.tables.astropytables import to_arrow
from gz2tree.tables.columnnotes import ColumnNote
from gz2tree.tables.csvtables import read_csv_whole
from gz2tree.tables.files import write_table
from gz2tree.tables.opened import TableFile
from gz2tree.tables.parquet import parquet_metadata, read_parquet_whole
from gz2tree.tables.tableformat import unreadable


@dataclass(frozen=True)
class WholeTable:
    """A table and what it says of its columns and of itself.

    Parameters
    ----------
    frame : DataFrame
        Of Arrow's types (`pandas.ArrowDtype`): integers stay integers where some are missing.
    notes : dict of str to ColumnNote
    metadata : dict of str to str
        What the table says of itself, as of where it comes from.
    """

    frame: pd.DataFrame
    notes: dict[str, ColumnNote]
    metadata: dict[str, str]

    def write(self, path: Path) -> None:
        """Write the table, in any format; see `gz2tree.tables.files.TableWriter`."""
        write_table(self.frame, path, self.metadata, self.notes)


def read_whole(table: Path | TableFile) -> WholeTable:
    """Read a whole table.

    Parameters
    ----------
    table : Path or TableFile
        CSV, gzipped CSV, Parquet (a file or a folder), FITS, VOTable or ECSV. In a CSV file a
        column is text if one of its numbers begins with a needless 0, as ids do.

    Returns
    -------
    whole : WholeTable

    Raises
    ------
    InputError
        No such file, an unknown or damaged format, two columns of one name, or a column whose
        cells are tables.
    """
    file = TableFile(table) if isinstance(table, Path) else table
    path, kind = file.path, file.format
    try:
        if kind == "csv":
            whole = WholeTable(read_csv_whole(path), {}, {})
        elif kind == "parquet":
            whole = WholeTable(*read_parquet_whole(path))
        else:
            found = file.of_astropy
            whole = WholeTable(to_arrow(found.table), found.notes, found.metadata)
    # Each reader has its own errors for a damaged file, down to those of C libraries.
    except Exception as error:
        raise unreadable(path, kind, error) from error
    twice = whole.frame.columns[whole.frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"{path}: expected each column once, found {twice[0]} repeated")
    return whole


def read_metadata(table: Path | TableFile) -> dict[str, str]:
    """Read what a table says of itself, such as the gate that it was predicted with.

    Parameters
    ----------
    table : Path or TableFile
        As of `read_whole`.

    Returns
    -------
    metadata : dict of str to str
        Its keys in small letters, as FITS has them in capitals. Empty for CSV files, which cannot
        say anything of themselves.

    Raises
    ------
    InputError
        No such file, an unknown or damaged format.
    """
    file = TableFile(table) if isinstance(table, Path) else table
    path, kind = file.path, file.format
    if kind == "csv":
        return {}
    try:
        said = parquet_metadata(path) if kind == "parquet" else file.of_astropy.metadata
    # Each reader has its own errors for a damaged file, down to those of C libraries.
    except Exception as error:
        raise unreadable(path, kind, error) from error
    return {key.lower(): text for key, text in said.items()}
