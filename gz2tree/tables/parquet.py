"""Parquet, with units and descriptions where astropy puts them, and types that stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gz2tree.tables.astropytables import to_astropy
from gz2tree.tables.columnnotes import ColumnNote

if TYPE_CHECKING:
    import pyarrow as pa

_OF_ASTROPY = "table_meta_yaml"
_OF_LIBRARIES = (_OF_ASTROPY, "pandas", "ARROW:schema")


def arrow_table(
    rows: pd.DataFrame, metadata: Mapping[str, str], notes: Mapping[str, ColumnNote]
) -> pa.Table:
    """Make an Arrow table of rows, with what is said of it and of its columns in its schema.

    Parameters
    ----------
    rows : DataFrame
    metadata : mapping of str to str
    notes : mapping of str to ColumnNote

    Returns
    -------
    table : pyarrow.Table
        Neither pandas' version nor pieces without rows change the type of a column of text.
    """
    import pyarrow as pa
    import pyarrow.types as kinds
    from astropy.table.meta import get_yaml_from_table

    table = pa.Table.from_pandas(rows, preserve_index=False)
    for at, field in enumerate(table.schema):
        if kinds.is_large_string(field.type) or kinds.is_null(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.string()))
    kept = dict(metadata)
    noted = {name: note for name, note in notes.items() if name in rows}
    if noted:
        kept[_OF_ASTROPY] = "\n".join(get_yaml_from_table(to_astropy(rows[:0], None, noted)))
    return table.replace_schema_metadata(kept)


def read_parquet_whole(path: Path) -> tuple[pd.DataFrame, dict[str, ColumnNote], dict[str, str]]:
    """Read a file or a folder: a DataFrame of Arrow's types, notes, and what is said of it."""
    import pyarrow.parquet as pq
    import pyarrow.types as kinds
    from astropy.table.meta import get_header_from_yaml

    table = pq.read_table(path)
    for at, field in enumerate(table.schema):
        if kinds.is_dictionary(field.type):
            plain = table.column(at).cast(field.type.value_type)
            table = table.set_column(at, field.name, plain)
    said = _said(table.schema)
    notes = {}
    if _OF_ASTROPY in said:
        for column in get_header_from_yaml(said[_OF_ASTROPY].split("\n"))["datatype"]:
            ucd = column.get("meta", {}).get("ucd", "")
            note = ColumnNote(str(column.get("unit", "")), column.get("description", ""), ucd)
            if note != ColumnNote():
                notes[column["name"]] = note
    frame = table.replace_schema_metadata(None).to_pandas(types_mapper=pd.ArrowDtype)
    return frame, notes, {key: text for key, text in said.items() if key not in _OF_LIBRARIES}


def parquet_metadata(path: Path) -> dict[str, str]:
    """Read what is said of a file, or of the first file of a folder, and none of its rows."""
    import pyarrow.parquet as pq

    said = _said(pq.read_schema(min(path.glob("*.parquet")) if path.is_dir() else path))
    return {key: text for key, text in said.items() if key not in _OF_LIBRARIES}


def _said(schema: pa.Schema) -> dict[str, str]:
    held = schema.metadata or {}
    return {
        key.decode(errors="replace"): text.decode(errors="replace") for key, text in held.items()
    }
