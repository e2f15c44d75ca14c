"""DataFrames as astropy's tables and back, with units, descriptions and missing values.

Columns whose types pandas cannot hold, such as integers of which some are missing, are Arrow's
(`pandas.ArrowDtype`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.tables.columnnotes import ColumnNote

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.table import Column, Table


def to_arrow(table: Table) -> pd.DataFrame:
    """Make a DataFrame of Arrow's types, in which nothing is lost.

    Parameters
    ----------
    table : astropy.table.Table

    Raises
    ------
    ValueError
        A column whose cells are tables, or that is no numbers, truths or text.
    """
    import pyarrow as pa

    found = {}
    for name in table.colnames:
        try:
            found[name] = pd.Series(pd.arrays.ArrowExtensionArray(_arrow(table[name])))
        except (pa.ArrowException, TypeError) as error:
            raise ValueError(
                f"column {name}: expected numbers, truths or text, found {table[name].dtype}"
            ) from error
    return pd.DataFrame(found)


def to_astropy(
    table: pd.DataFrame,
    metadata: Mapping[str, str] | None = None,
    notes: Mapping[str, ColumnNote] | None = None,
) -> Table:
    """Make an astropy Table of a DataFrame, for example of predictions.

    Parameters
    ----------
    table : DataFrame
        Ids and other text become columns of strings; the index is left out. Missing values are
        masked, of whichever of pandas' types the columns are; those of floating-point numbers are
        NaN.
    metadata : mapping of str to str, optional
    notes : mapping of str to ColumnNote, optional
        Units and descriptions, by column.

    Returns
    -------
    table : astropy.table.Table

    Raises
    ------
    ValueError
        A column of lists of different lengths.
    """
    from astropy import units
    from astropy.table import MaskedColumn, Table

    made = Table(meta=dict(metadata or {}))
    for name, series in table.items():
        values, mask = _numpy(str(name), series)
        note = (notes or {}).get(str(name), ColumnNote())
        column: Any = values if mask is None else MaskedColumn(values, mask=mask)
        made[str(name)] = column
        if note.unit:
            made[str(name)].unit = units.Unit(note.unit, parse_strict="silent")
        if note.description:
            made[str(name)].description = note.description
        if note.ucd:
            made[str(name)].meta["ucd"] = note.ucd
    return made


def _arrow(column: Column) -> pa.Array:
    """Values and missing values of a column, as Arrow has them."""
    import pyarrow as pa

    values = np.ma.getdata(column)
    mask = np.ma.getmaskarray(column) if np.ma.isMaskedArray(column) else None
    if values.ndim > 2:
        shape = values.shape[1:]
        raise ValueError(f"column {column.name}: expected numbers or lists, found arrays {shape}")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind == "O":
        flat = [None if mask is not None and mask[n] else v for n, v in enumerate(values)]
        return pa.array(flat)
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    flat = pa.array(native.ravel(), mask=None if mask is None else mask.ravel(), from_pandas=False)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _numpy(name: str, series: pd.Series[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values of a column for astropy, and which of them are missing, if any can be."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufc":
        return series.to_numpy(), None  # NumPy's numbers, of which NaN is all that can be missing
    import pyarrow as pa
    import pyarrow.types as kinds

    values = _as_arrow(series)
    if kinds.is_list(values.type) or kinds.is_fixed_size_list(values.type):
        rows = values.to_pylist()
        lengths = {len(row) for row in rows if row is not None}
        if len(lengths) > 1:
            raise ValueError(f"column {name}: expected lists of one length, found {lengths}")
        width = next(iter(lengths), 1)
        cells = [cell for row in rows for cell in row or [None] * width]
        flat, mask = _of_arrow(pa.array(cells, values.type.value_type))
        return flat.reshape(-1, width), None if mask is None else mask.reshape(-1, width)
    return _of_arrow(values)


def _as_arrow(series: pd.Series[Any]) -> pa.Array:
    """Values of any column of a DataFrame, with those missing that pandas takes for missing."""
    import pyarrow as pa
    import pyarrow.types as kinds

    try:
        found = pa.array(series, from_pandas=True)
    except (pa.ArrowException, OverflowError):  # objects that Arrow has no type for, or of several
        return _as_text(series)
    values = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if isinstance(values.type, pa.BaseExtensionType) or kinds.is_duration(values.type):
        return _as_text(series)  # periods of time, of which the formats have none
    return values.dictionary_decode() if kinds.is_dictionary(values.type) else values


def _as_text(series: pd.Series[Any]) -> pa.Array:
    import pyarrow as pa

    return pa.array([None if pd.isna(cell) else str(cell) for cell in series], pa.string())


def _of_arrow(values: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values that are no lists: numbers, truths, or text; NaN and the mask are what is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if kinds.is_decimal(values.type):
        values = values.cast(pa.float64())
    if kinds.is_floating(values.type):
        return values.to_numpy(zero_copy_only=False), None
    missing = values.is_null().to_numpy(zero_copy_only=False)
    mask = missing if missing.any() else None
    if kinds.is_integer(values.type) or kinds.is_boolean(values.type):
        nothing = pa.scalar(0, values.type) if kinds.is_integer(values.type) else False
        return values.fill_null(nothing).to_numpy(zero_copy_only=False), mask
    if kinds.is_timestamp(values.type):
        values = pc.strftime(
            values, format="%Y-%m-%dT%H:%M:%S"
        )  # as the formats' standards have it
    text = values.cast(pa.string()).fill_null("")
    return np.array(text.to_pylist(), dtype=str), mask
