"""Tables that are opened: files, of which nothing is read twice, and tables in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gz2tree.errors import InputError, shown
from gz2tree.tables.astropyfiles import AstropyTable, fits_columns, read_astropy
from gz2tree.tables.csvtables import read_csv
from gz2tree.tables.tableformat import existing_format, unreadable

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class TableFile:
    """A file, or a folder of Parquet files, of which the header may be read before the rows.

    VOTable and ECSV have no header that could be read alone: they are read as a whole, once, and
    kept for as long as this object is.

    Parameters
    ----------
    path : Path
        Nothing is read of it until something is asked for.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def format(self) -> str:
        """The format's name, as `gz2tree.tables.tableformat.existing_format` gives it.

        Raises
        ------
        InputError
            No such file, or an unknown format.
        """
        return existing_format(self.path)

    @cached_property
    def of_astropy(self) -> AstropyTable:
        """The whole of a FITS, VOTable or ECSV table; whatever is wrong raises astropy's errors."""
        return read_astropy(self.path, self.format)

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns.

        Raises
        ------
        InputError
            No such file, an unknown or a damaged format.
        """
        kind = self.format
        try:
            if kind == "csv":
                return list(read_csv(self.path, None, (), header_only=True).columns)
            if kind == "parquet":
                return _parquet_columns(self.path)
            return fits_columns(self.path) if kind == "fits" else self.of_astropy.table.colnames
        # Each reader has its own errors for a damaged file, down to those of C libraries.
        except Exception as error:
            raise unreadable(self.path, kind, error) from error

    def read(self, columns: list[str], text: Collection[str]) -> pd.DataFrame:
        """Read some columns, of which those of `text` hold ids.

        Raises
        ------
        InputError
            No such file, an unknown or a damaged format, ids stored as floating-point numbers.
        """
        kind = self.format
        try:
            if kind == "csv":
                return read_csv(self.path, columns, text, header_only=False)
            table = self._parquet(columns) if kind == "parquet" else self._astropy(columns)
        except Exception as error:
            raise unreadable(self.path, kind, error) from error
        return _with_ids(self, table, text)

    def _parquet(self, columns: list[str]) -> pd.DataFrame:
        import pyarrow.parquet as pq

        return pq.read_table(self.path, columns=columns).to_pandas()

    def _astropy(self, columns: list[str]) -> pd.DataFrame:
        table = self.of_astropy.table
        return pd.DataFrame({name: _native(table[name]) for name in columns})


@dataclass(frozen=True)
class TableInMemory:
    """A table that is no file, where one is read; named in messages as one.

    Raises
    ------
    InputError
        A column whose name is no text, or two of one name.
    """

    table: pd.DataFrame

    def __post_init__(self) -> None:
        header = self.table.columns
        for name in header:
            if not isinstance(name, str):
                raise InputError(f"{self}: expected text for names of columns, found {shown(name)}")
        twice = header[header.duplicated()]
        if len(twice):
            raise InputError(f"{self}: expected each column once, found {twice[0]} repeated")

    def __str__(self) -> str:
        return "the table"

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.table.columns)

    def read(self, columns: list[str], text: Collection[str]) -> pd.DataFrame:
        """Copy some columns, of which those of `text` hold ids.

        Raises
        ------
        InputError
            Ids that are floating-point numbers.
        """
        return _with_ids(self, self.table[columns].reset_index(drop=True), text)


TableSource = Path | TableFile | TableInMemory


def table_source(given: str | Path | pd.DataFrame | Table) -> TableFile | TableInMemory:
    """Open a table, for the functions of `gz2tree.tables.files`.

    Parameters
    ----------
    given : str, Path, DataFrame or astropy Table
        Of a path nothing is read yet.

    Raises
    ------
    InputError
        Nothing of these, or a table in memory with a column whose name is no text or two columns
        of one name.
    """
    if isinstance(given, str | Path):
        return TableFile(Path(given))
    if isinstance(given, pd.DataFrame):
        return TableInMemory(given)
    if hasattr(given, "to_pandas"):
        return TableInMemory(given.to_pandas())
    raise InputError(
        f"table: expected a path, a DataFrame or an astropy Table, found {type(given).__name__}"
    )


def opened(table: TableSource) -> TableFile | TableInMemory:
    """Open a path; what is open already stays as it is."""
    return TableFile(table) if isinstance(table, Path) else table


def _with_ids(
    source: TableFile | TableInMemory, table: pd.DataFrame, text: Collection[str]
) -> pd.DataFrame:
    """Make text of ids, unless digits are lost already."""
    for column in text:
        if pd.api.types.is_float_dtype(table[column]):
            raise InputError(
                f"{source}: column {column}: expected ids as text or integers, found "
                "floating-point numbers, which do not hold the digits of large ids"
            )
        # A missing id must not become the id "None".
        table[column] = table[column].astype(str).where(table[column].notna())
    return table


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    first = min(path.glob("*.parquet")) if path.is_dir() else path
    return list(pq.read_schema(first).names)


def _native(column: Any) -> Any:
    """Values of a column of astropy's for a DataFrame, with those that are missing.

    Numbers are in this machine's order of bytes, text is without padding.
    """
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
