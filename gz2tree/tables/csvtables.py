"""CSV files as people have them."""

from __future__ import annotations

import csv
import gzip
import logging
import warnings
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

_log = logging.getLogger("gz2tree")
_CHUNK = 2**20
# Before 3.1 pandas reads a third of all numbers wrong in their last bit, if it is not told to read
# them exactly; later versions do, and warn of being told.
_EXACTLY: Mapping[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    else {"float_precision": "round_trip"}
)  # fmt: skip


def read_csv(
    path: Path, columns: list[str] | None, text: Collection[str], *, header_only: bool
) -> pd.DataFrame:
    """Read a CSV file.

    Parameters
    ----------
    path : Path
    columns : list of str, optional
        Those to read; all by default.
    text : collection of str
        Columns to be read as text.
    header_only : bool
        Read the names and no rows.

    Raises
    ------
    ValueError
        The columns are not separated by commas, or some rows have more values than the header has
        names. Where all have, those beyond are left out, with a warning. And what pandas raises.
    """
    _check_commas(path)
    if not header_only:
        _check_lengths(path)
    rows = 0 if header_only else None
    table = _read(path, usecols=columns, dtype=dict.fromkeys(text, str), nrows=rows)
    return table if columns is None else table[columns]  # pandas keeps the file's order


def read_csv_whole(path: Path) -> pd.DataFrame:
    """Read a CSV file of which nothing is to be lost.

    Parameters
    ----------
    path : Path

    Returns
    -------
    table : DataFrame
        Of Arrow's types. Columns of text are as they are written, words such as "NA" included; so
        are those of integers of which one begins with a needless 0, as ids do.

    Raises
    ------
    ValueError
        As of `read_csv`.
    """
    _check_commas(path)
    _check_lengths(path)
    table = _read(path, dtype_backend="pyarrow")
    kinds = pd.api.types
    other = [
        name
        for name, column in table.items()
        if not (kinds.is_float_dtype(column) or kinds.is_bool_dtype(column))
    ]
    if not other:
        return table
    import pyarrow as pa

    # What pandas takes for missing, such as "NA", may be a word of a column of text.
    as_text = {"dtype": pd.ArrowDtype(pa.string()), "keep_default_na": False, "na_values": [""]}
    text = _read(path, usecols=other, **as_text)
    for name in other:
        if not kinds.is_integer_dtype(table[name]) or text[name].str.match(r"[+-]?0\d").any():
            table[name] = text[name]
    return table


def _read(path: Path, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        # That values beyond the header are left out has been said, with how many.
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            low_memory=False,
            skipinitialspace=True,
            # Else, where rows are longer than the header, all values move under other names.
            index_col=False,
            **_EXACTLY,
            **options,
        )


def _check_commas(path: Path) -> None:
    """Refuse a table that a program has separated otherwise, as spreadsheets do in many countries.

    All of it would be one column.
    """
    names = list(_read(path, nrows=0).columns)
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise ValueError(f"expected columns separated by commas, found them by {called}")


def _check_lengths(path: Path) -> None:
    """Look for rows longer than the header: pandas passes over them if told what columns to read.

    A comma too many, as in a name, moves all values after it under other names.
    """
    opened: Any = partial(gzip.open if path.name.lower().endswith(".gz") else open, path)
    names = len(_read(path, nrows=0).columns)
    with opened("rb") as file:
        lines = commas = 0
        while chunk := file.read(_CHUNK):
            lines, commas = lines + chunk.count(b"\n"), commas + chunk.count(b",")
    if commas in (lines * (names - 1), (lines + 1) * (names - 1)):
        return
    with opened("rt", encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = filter(None, csv.reader(file, skipinitialspace=True))
        longer = [any(row[names:]) for row in rows][1:]
    if longer and all(longer):
        _log.warning(
            "%s: all %d rows have more values than the header has names, which are %d; those "
            "beyond are left out",
            path, len(longer), names,
        )  # fmt: skip
    elif any(longer):
        raise ValueError(
            f"row {longer.index(True) + 1}: expected {names} values, as the header has names, "
            f"found more ({sum(longer)} such rows)"
        )
