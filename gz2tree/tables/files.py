"""Tables on disk: CSV, Parquet, FITS, VOTable and ECSV, with ids that stay strings.

Galaxy ids such as dr7objid exceed 2^53, so a detour through floats would merge galaxies.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from gz2tree.errors import InputError
from gz2tree.tables.astropyfiles import astropy_columns, read_astropy, write_astropy
from gz2tree.tables.astropytables import to_astropy as to_astropy
from gz2tree.tables.columnnotes import ColumnNote, spelled
from gz2tree.tables.csvtables import read_csv
from gz2tree.tables.parquet import arrow_table
from gz2tree.tables.tableformat import OF_ASTROPY, existing_format, format_to_write, unreadable
from gz2tree.tables.tableformat import is_table_name as is_table_name
from gz2tree.tables.tableformat import table_format as table_format
from gz2tree.wholefiles import partial_path, write_errors_named

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class TableInMemory:
    """A table that is no file, where one is read; named in messages as one."""

    table: pd.DataFrame

    def __str__(self) -> str:
        return "the table"


TableSource = Path | TableInMemory


def table_source(given: str | Path | pd.DataFrame | Table) -> TableSource:
    """Take the path of a table, a DataFrame or an astropy Table, for the functions below."""
    if isinstance(given, str | Path):
        return Path(given)
    if isinstance(given, pd.DataFrame):
        return TableInMemory(given)
    if hasattr(given, "to_pandas"):
        return TableInMemory(given.to_pandas())
    raise InputError(
        f"table: expected a path, a DataFrame or an astropy Table, found {type(given).__name__}"
    )


def table_columns(path: TableSource) -> list[str]:
    """Names of a table's columns; a folder of Parquet files is one table.

    Raises
    ------
    InputError
        No such file, an unknown or damaged format.
    """
    return list(_read(path, columns=None, text=(), header_only=True).columns)


def read_table(path: TableSource, columns: Collection[str], ids: Collection[str]) -> pd.DataFrame:
    """Read some columns of a table.

    Parameters
    ----------
    path : Path or TableInMemory
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
    called = spelled(table_columns(path), columns)
    text = [called[column] for column in ids]
    table = _read(path, columns=[*called.values()], text=text, header_only=False)
    return table.set_axis(list(called), axis=1)


def _read(
    path: TableSource, columns: list[str] | None, text: Collection[str], header_only: bool
) -> pd.DataFrame:
    if isinstance(path, TableInMemory):
        chosen = path.table if columns is None else path.table[columns].reset_index(drop=True)
        return _with_ids(path, chosen.copy(), text)
    kind = existing_format(path)
    try:
        if kind == "csv":
            return read_csv(path, columns, text, header_only=header_only)
        read = _read_parquet if kind == "parquet" else _read_astropy
        table = read(path, kind, columns, header_only)
    # Each reader has its own errors for a damaged file, down to those of C libraries.
    except Exception as error:
        raise unreadable(path, kind, error) from error
    return _with_ids(path, table, text)


def _with_ids(path: TableSource, table: pd.DataFrame, text: Collection[str]) -> pd.DataFrame:
    """Make text of ids, unless digits are lost already."""
    for column in text:
        if pd.api.types.is_float_dtype(table[column]):
            raise InputError(
                f"{path}: column {column}: expected ids as text or integers, found floating-point "
                "numbers, which do not hold the digits of large ids"
            )
        # A missing id must not become the id "None".
        table[column] = table[column].astype(str).where(table[column].notna())
    return table


def _read_parquet(
    path: Path, kind: str, columns: list[str] | None, header_only: bool
) -> pd.DataFrame:
    import pyarrow.parquet as pq

    if header_only:
        first = min(path.glob("*.parquet")) if path.is_dir() else path
        return pd.DataFrame(columns=pq.read_schema(first).names)
    return pq.read_table(path, columns=columns).to_pandas()


def _read_astropy(
    path: Path, kind: str, columns: list[str] | None, header_only: bool
) -> pd.DataFrame:
    if header_only:
        return pd.DataFrame(columns=astropy_columns(path, kind))
    table = read_astropy(path, kind).table
    return pd.DataFrame({name: _native(table[name]) for name in columns or ()})


def _native(column: Any) -> Any:
    """Numbers in this machine's order, text without padding, and missing values of both."""
    if column.ndim > 1:
        raise ValueError(f"column {column.name}: expected one value a galaxy, found arrays")
    values, missing = np.ma.getdata(column), np.ma.getmaskarray(column)
    if values.dtype.kind in "SUO":
        text = np.char.strip(values.astype(str)).astype(object)
        text[missing] = None
        return text
    native = values.astype(values.dtype.newbyteorder("="))
    if not missing.any():
        return native
    if native.dtype.kind == "f":
        return np.where(missing, np.nan, native)
    of_type = pd.arrays.BooleanArray if native.dtype.kind == "b" else pd.arrays.IntegerArray
    return of_type(native, missing)


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
