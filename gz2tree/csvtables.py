"""CSV files as people have them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection
from pathlib import Path

import pandas as pd

_log = logging.getLogger("gz2tree")


def read_csv(
    path: Path, columns: list[str] | None, text: Collection[str], *, header_only: bool
) -> pd.DataFrame:
    """Read a CSV file; what it raises is pandas'.

    Parameters
    ----------
    path : Path
    columns : list of str, optional
        Those to read; all by default.
    text : collection of str
        Columns to be read as text.
    header_only : bool
        Read the names and no rows.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", pd.errors.ParserWarning)
        table = pd.read_csv(
            path,
            usecols=columns,
            dtype=dict.fromkeys(text, str),
            nrows=0 if header_only else None,
            low_memory=False,
            skipinitialspace=True,
            # Else, where rows are longer than the header, all values move under other names.
            index_col=False,
        )
    if said and header_only:  # as the first row is; told columns to read, pandas says nothing
        _log.warning(
            "%s: rows have more values than the header has names; those beyond are left out", path
        )
    return table if columns is None else table[columns]  # pandas keeps the file's order
