"""Tables on disk: CSV, Parquet, FITS, VOTable and ECSV, with ids that stay strings.

Galaxy ids such as dr7objid exceed 2^53, so a detour through floats would merge galaxies.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd

from gz2tree.errors import InputError
from gz2tree.tables.astropyfiles import write_astropy
from gz2tree.tables.astropytables import to_astropy as to_astropy
from gz2tree.tables.columnnotes import ColumnNote, spelled
from gz2tree.tables.opened import TableSource, opened
from gz2tree.tables.opened import table_source as table_source
from gz2tree.tables.parquet import arrow_table
from gz2tree.tables.tableformat import OF_ASTROPY, format_to_write
from gz2tree.tables.tableformat import is_table_name as is_table_name
from gz2tree.tables.tableformat import table_format as table_format
from gz2tree.wholefiles import partial_path, write_errors_named


def table_columns(path: TableSource) -> list[str]:
    """Names of a table's columns; a folder of Parquet files is one table.

    Parameters
    ----------
    path : Path, TableFile or TableInMemory
        Who reads columns as well opens the path first (`gz2tree.tables.opened.table_source`), so
        that a table without a header of its own is read once.

    Raises
    ------
    InputError
        No such file, an unknown or damaged format.
    """
    return list(opened(path).columns)


def read_table(path: TableSource, columns: Collection[str], ids: Collection[str]) -> pd.DataFrame:
    """Read some columns of a table.

    Parameters
    ----------
    path : Path, TableFile or TableInMemory
        A file, a folder of Parquet files, or a table in memory.
    columns : collection of str
        The columns to read; all must exist, under these names or as TOPCAT spells them
        (`gz2tree.tables.columnnotes.topcat_names`).
    ids : collection of str
        Those of them that hold ids and are read as strings.

    Returns
    -------
    table : DataFrame
        Numeric columns as they are in the file; text where the file has text.

    Raises
    ------
    InputError
        No such file, an unknown or damaged format, ids stored as floating-point numbers.
    """
    source = opened(path)
    called = spelled(source.columns, columns)
    table = source.read([*called.values()], [called[column] for column in ids])
    return table.set_axis(list(called), axis=1)


class TableWriter:
    """Write a table piece by piece; the file appears under its name when it is complete.

    Parquet and CSV keep one piece in memory at a time, the others all of them.

    Parameters
    ----------
    path : Path
        Its suffix names the format.
    metadata : mapping of str to str, optional
        Provenance, kept in all formats but CSV: in Parquet's schema, FITS's header, VOTable's
        ``INFO`` and the head of ECSV.
    notes : mapping of str to ColumnNote, optional
        Units and descriptions by column, in all formats but CSV.

    Raises
    ------
    InputError
        An unknown suffix, a folder that does not exist or may not be written to, or a full disk.
    """

    def __init__(
        self,
        path: Path,
        metadata: Mapping[str, str] | None = None,
        notes: Mapping[str, ColumnNote] | None = None,
    ) -> None:
        self.format = format_to_write(path)
        self.path = path
        self.metadata, self.notes = dict(metadata or {}), dict(notes or {})
        self._partial = partial_path(path)
        with write_errors_named(path):
            self._partial.touch()  # some formats are written at the end, after hours of work
        self._parquet: Any = None
        self._pieces: list[pd.DataFrame] = []
        self._begun = False

    def write(self, piece: pd.DataFrame) -> None:
        """Append rows; every piece has the columns of the first."""
        with write_errors_named(self.path):
            self._write(piece)
        self._begun = True

    def _write(self, piece: pd.DataFrame) -> None:
        if self.format == "csv":
            self.check(piece)
            piece.to_csv(
                self._partial, mode="a" if self._begun else "w", header=not self._begun, index=False
            )
        elif self.format == "parquet":
            import pyarrow.parquet as pq

            rows = arrow_table(piece, self.metadata, self.notes)
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._partial, rows.schema)
            self._parquet.write_table(rows.cast(self._parquet.schema))
        else:
            self._pieces.append(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with write_errors_named(self.path) if error is None else suppress(OSError):
                if self._parquet is not None:
                    self._parquet.close()
                if error is None and self._begun:
                    if self.format in OF_ASTROPY:
                        whole = pd.concat(self._pieces, ignore_index=True)
                        self._write_astropy(self._partial, whole)
                    os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def check(self, rows: pd.DataFrame) -> None:
        """Refuse columns that the format cannot hold, before the work that makes others of them.

        Raises
        ------
        InputError
            Text that FITS does not have, lists in a CSV file, integers that are too large.
        """
        if self.format == "csv":
            lists = [name for name, kind in rows.dtypes.items() if "list" in str(kind)]
            if lists:
                raise InputError(
                    f"{self.path}: column {lists[0]}: expected one value a galaxy in a CSV file, "
                    "found lists"
                )
        elif self.format in OF_ASTROPY:
            self._write_astropy(None, rows)

    def _write_astropy(self, path: Path | None, table: pd.DataFrame) -> None:
        try:
            write_astropy(table, path, self.format, self.metadata, self.notes)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{self.path}: expected ASCII text, all that FITS holds, found {error.object!r}"
            ) from error
        except ValueError as error:
            raise InputError(f"{self.path}: {error}") from error


def write_table(
    table: pd.DataFrame,
    path: Path,
    metadata: Mapping[str, str] | None = None,
    notes: Mapping[str, ColumnNote] | None = None,
) -> None:
    """Write a whole table; see `TableWriter`."""
    with TableWriter(path, metadata, notes) as writer:
        writer.write(table)
