"""Which column of a table holds the ids of the galaxies, and what ids must be."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gz2tree.errors import InputError, did_you_mean, first_few, shown
from gz2tree.tables.opened import TableSource

# The last is a file, whose name without its ending is the id.
_ID_COLUMNS = (
    "GalaxyID", "asset_id", "dr7objid", "objid", "id_str", "iauname", "zooniverse_id", "id",
    "file_loc",
)  # fmt: skip
_log = logging.getLogger("gz2tree")


def id_candidates(path: TableSource, header: Sequence[str], id_column: str | None) -> list[str]:
    """Columns of a table that may hold the galaxies' ids, the likeliest first.

    Parameters
    ----------
    path : Path
        Named in errors.
    header : sequence of str
        The table's columns.
    id_column : str, optional
        The only candidate, where the user names one.

    Raises
    ------
    InputError
        No such column.
    """
    if id_column is not None:
        if id_column not in header:
            hint = did_you_mean(id_column, header)
            raise InputError(f"{path}: no id column {id_column!r}{hint}")
        return [id_column]
    known = [column for column in _ID_COLUMNS if column in header]
    if not known:
        raise InputError(
            f"{path}: expected an id column ({', '.join(_ID_COLUMNS)}), found none; "
            f"name it with --id-column. There are the columns {first_few(list(map(shown, header)))}"
        )
    return known[:1] if known[0] == "GalaxyID" else known


def names_of_files(table: pd.DataFrame) -> None:
    """Make ids of a column of files, if there is one: their names without the ending.

    Parameters
    ----------
    table : DataFrame
        Its column ``file_loc`` is changed in place.
    """
    if "file_loc" in table:
        table["file_loc"] = [
            Path(file).stem if isinstance(file, str) else file for file in table["file_loc"]
        ]


def choose_id_column(
    path: TableSource, table: pd.DataFrame, candidates: list[str], image_ids: Collection[str] | None
) -> str:
    """Choose the column of ids: where images are known, the one with most of their names.

    Parameters
    ----------
    path : Path
        Named in messages.
    table : DataFrame
        The candidates, as text.
    candidates : list of str
        As `id_candidates` gives them.
    image_ids : collection of str, optional
        Ids of the images at hand. The column of which most values are among them is chosen, the
        first of several of which as many are; without images it is the first candidate.

    Returns
    -------
    column : str

    Raises
    ------
    InputError
        No value of any candidate is the id of an image, or a row of the chosen column has no id.
    """
    chosen = candidates[0]
    if image_ids is not None:
        images = set(image_ids)
        matches = {column: int(table[column].isin(images).sum()) for column in candidates}
        chosen = max(candidates, key=matches.__getitem__)  # the likeliest of those that match alike
        if not matches[chosen]:
            examples = list(table[chosen][:2])
            floats = bool(examples) and all(str(example).endswith(".0") for example in examples)
            raise InputError(
                f"{path}: no id matches an image: column {chosen} has e.g. "
                f"{first_few(examples)}{' (floating-point numbers?)' if floats else ''}, images "
                f"are called e.g. {first_few(sorted(images)[:2])}"
            )
        # Small numbers are ids of other galaxies elsewhere: a few matches may be accidents.
        few = matches[chosen] < 0.5 * min(len(table), len(images))
        _log.log(
            logging.WARNING if few else logging.INFO,
            "%s: ids from column %s; %d of %d match an image (%d images)",
            path, chosen, matches[chosen], len(table), len(images),
        )  # fmt: skip
    missing = table.index[table[chosen].fillna("") == ""]
    if len(missing):
        raise InputError(
            f"{path}: column {chosen}, row {missing[0] + 1}: expected an id, found none"
        )
    return chosen


def refuse_duplicates(table: object, ids: ArrayLike) -> None:
    """Refuse ids of which one is used twice.

    Parameters
    ----------
    table : Path, TableInMemory or str
        What the ids are of; it is named in the message.
    ids : array_like of str, shape (n,)

    Raises
    ------
    InputError
        The message counts the repeated rows and names some of their ids.
    """
    index = pd.Index(np.asarray(ids, dtype=object))
    twice = index[index.duplicated()]
    if len(twice):
        raise InputError(
            f"{table}: expected each id once, found {len(twice)} repeated: "
            f"{first_few(list(twice.unique()))}"
        )
