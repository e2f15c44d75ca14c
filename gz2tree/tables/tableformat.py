"""Formats of tables, told by the suffixes of their names."""

from __future__ import annotations

from pathlib import Path

from gz2tree.errors import InputError

_SUFFIXES = {
    "csv": (".csv", ".csv.gz"),
    "parquet": (".parquet", ".pq"),
    "fits": (".fits", ".fit", ".fits.gz"),
    "votable": (".vot", ".votable", ".xml"),
    "ecsv": (".ecsv",),
}
_KNOWN = tuple(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
OF_ASTROPY = ("fits", "votable", "ecsv")
"""Formats with units, that astropy reads and writes; others are plain."""


def table_format(path: Path) -> str:
    """Tell a table's format by the suffix of its name, in upper or lower case.

    Returns
    -------
    kind : {"csv", "parquet", "fits", "votable", "ecsv"}

    Raises
    ------
    InputError
        The suffix is that of no format.
    """
    for name, suffixes in _SUFFIXES.items():
        if path.name.lower().endswith(suffixes):
            return name
    raise InputError(f"{path}: expected a table ending in one of {', '.join(_KNOWN)}")


def is_table_name(path: Path) -> bool:
    """Whether the suffix is one of a table's."""
    return path.name.lower().endswith(_KNOWN)


def format_to_write(path: Path) -> str:
    """Tell the format in which a table is to be written, and whether it can be.

    Raises
    ------
    InputError
        An unknown format, a folder of that name, or none to write it into.
    """
    kind = table_format(path)
    if path.is_dir():
        raise InputError(f"{path}: expected a file to write, found a folder")
    if not path.parent.is_dir():
        raise InputError(f"{path}: expected an existing folder, found none at {path.parent}")
    return kind


def existing_format(path: Path) -> str:
    """Tell the format of a table that exists; a folder of Parquet files is one Parquet table.

    Raises
    ------
    InputError
        No such file, or an unknown format.
    """
    shards = path.is_dir() and any(path.glob("*.parquet"))
    kind = "parquet" if shards else table_format(path)
    if not (shards or path.is_file()):
        raise InputError(f"{path}: expected a table, found no such file")
    return kind


def unreadable(path: Path, kind: str, error: Exception) -> InputError:
    """Make the error of a damaged file: one line, with the reason that its reader gives."""
    reason = " ".join(str(error).split())
    return InputError(f"{path}: cannot be read as {kind}: {reason}")
