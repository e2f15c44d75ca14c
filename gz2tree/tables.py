"""Tables on disk: CSV, gzipped CSV, Parquet and FITS, with ids that stay strings.

Galaxy ids such as dr7objid exceed 2^53, so a detour through floats would merge galaxies.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from gz2tree.errors import InputError

if TYPE_CHECKING:
    from astropy.table import Table

_CSV = (".csv", ".csv.gz")
_PARQUET = (".parquet", ".pq")
_FITS = (".fits", ".fit", ".fits.gz")


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


def table_format(path: Path) -> str:
    """``"csv"``, ``"parquet"`` or ``"fits"``, by the suffix.

    Raises
    ------
    InputError
        Another suffix.
    """
    for name, suffixes in (("csv", _CSV), ("parquet", _PARQUET), ("fits", _FITS)):
        if path.name.lower().endswith(suffixes):
            return name
    known = ", ".join(_CSV + _PARQUET + _FITS)
    raise InputError(f"{path}: expected a table ending in one of {known}")


def is_table_name(path: Path) -> bool:
    """Whether the suffix is one of a table's."""
    return path.name.lower().endswith(_CSV + _PARQUET + _FITS)


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
        The columns to read; all must exist.
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
    return _read(path, columns=list(columns), text=ids, header_only=False)


def _read(
    path: TableSource, columns: list[str] | None, text: Collection[str], header_only: bool
) -> pd.DataFrame:
    if isinstance(path, TableInMemory):
        chosen = path.table if columns is None else path.table[columns].reset_index(drop=True)
        return _with_ids(path, chosen.copy(), text)
    shards = path.is_dir() and any(path.glob("*.parquet"))
    kind = "parquet" if shards else table_format(path)
    if not (shards or path.is_file()):
        raise InputError(f"{path}: expected a table, found no such file")
    try:
        if kind == "csv":
            table = pd.read_csv(
                path,
                usecols=columns,
                dtype=dict.fromkeys(text, str),
                nrows=0 if header_only else None,
                low_memory=False,
                # Else, where rows are longer than the header, all values move under other names.
                index_col=False,
            )
            return table if columns is None else table[columns]  # pandas keeps the file's order
        read = _read_parquet if kind == "parquet" else _read_fits
        table = read(path, columns, header_only)
    # Each reader has its own errors for a damaged file, down to those of C libraries.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as {kind}: {reason}") from error
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


def _read_parquet(path: Path, columns: list[str] | None, header_only: bool) -> pd.DataFrame:
    import pyarrow.parquet as pq

    if header_only:
        first = min(path.glob("*.parquet")) if path.is_dir() else path
        return pd.DataFrame(columns=pq.read_schema(first).names)
    return pq.read_table(path, columns=columns).to_pandas()


def _read_fits(path: Path, columns: list[str] | None, header_only: bool) -> pd.DataFrame:
    from astropy.io import fits

    with warnings.catch_warnings(), fits.open(path, memmap=True) as file:
        warnings.filterwarnings("error", "File may have been truncated")
        tables = [unit for unit in file if isinstance(unit, fits.BinTableHDU | fits.TableHDU)]
        if not tables:
            raise ValueError("no table extension in the file")
        if header_only:
            return pd.DataFrame(columns=tables[0].columns.names)
        data = tables[0].data
        return pd.DataFrame({name: _native(data[name]) for name in columns or ()})


def _native(values: Any) -> np.ndarray:
    """FITS stores big-endian numbers and padded text."""
    array = np.asarray(values)
    if array.dtype.kind in "US":
        return np.char.strip(array.astype(str)).astype(object)
    return array.astype(array.dtype.newbyteorder("="))


class TableWriter:
    """Write a table piece by piece; the file appears under its name when it is complete.

    Parquet and CSV keep one piece in memory at a time, FITS all of them.

    Parameters
    ----------
    path : Path
        Its suffix names the format.
    metadata : dict of str to str
        Provenance, kept in Parquet's schema and FITS's header.

    Raises
    ------
    InputError
        An unknown suffix, or a folder that does not exist.
    """

    def __init__(self, path: Path, metadata: dict[str, str] | None = None) -> None:
        self.format = table_format(path)
        if path.is_dir():
            raise InputError(f"{path}: expected a file to write, found a folder")
        if not path.parent.is_dir():
            raise InputError(f"{path}: expected an existing folder, found none at {path.parent}")
        self.path = path
        self.metadata = metadata or {}
        # The suffix stays last: pandas compresses, and astropy checks, by it.
        self._partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
        self._parquet: Any = None
        self._pieces: list[pd.DataFrame] = []
        self._begun = False

    def write(self, piece: pd.DataFrame) -> None:
        """Append rows; every piece has the columns of the first."""
        if self.format == "csv":
            piece.to_csv(
                self._partial, mode="a" if self._begun else "w", header=not self._begun, index=False
            )
        elif self.format == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            rows = pa.Table.from_pandas(piece, preserve_index=False)
            if self._parquet is None:
                schema = rows.schema.with_metadata({**rows.schema.metadata, **self.metadata})
                self._parquet = pq.ParquetWriter(self._partial, schema)
            self._parquet.write_table(rows.cast(self._parquet.schema))
        else:
            self._pieces.append(piece)
        self._begun = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._parquet is not None:
                self._parquet.close()
            if error is None and self._begun:
                if self.format == "fits":
                    self._write_fits(pd.concat(self._pieces, ignore_index=True))
                os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _write_fits(self, table: pd.DataFrame) -> None:
        written = to_astropy(table, {k.upper()[:8]: v for k, v in self.metadata.items()})
        try:
            written.write(self._partial, format="fits", overwrite=True)
        except UnicodeEncodeError as error:
            raise InputError(
                f"{self.path}: expected ASCII text, all that FITS holds, found {error.object!r}"
            ) from error


def write_table(table: pd.DataFrame, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a whole table; see `TableWriter`."""
    with TableWriter(path, metadata) as writer:
        writer.write(table)


def to_astropy(table: pd.DataFrame, metadata: dict[str, str] | None = None) -> Table:
    """Make an astropy Table of a DataFrame, for example of predictions.

    Parameters
    ----------
    table : DataFrame
        Ids and other text become columns of strings; the index is left out.
    metadata : dict of str to str, optional

    Returns
    -------
    table : astropy.table.Table
    """
    from astropy.table import Table

    columns = {
        str(name): values.to_numpy(dtype=str) if _is_text(values) else values.to_numpy()
        for name, values in table.items()
    }
    return Table(columns, meta=metadata)


def _is_text(values: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(values)
