"""Split galaxies into training, validation and test parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.config import SplitOptions
from gz2tree.errors import InputError, first_few, shown
from gz2tree.labels import Labels
from gz2tree.tables.files import read_table, write_table
from gz2tree.tables.idcolumns import choose_id_column, refuse_duplicates
from gz2tree.tables.opened import TableFile

PARTS = ("train", "valid", "test")


def split_parts(
    groups: Sequence[str], valid_fraction: float, test_fraction: float, seed: int
) -> NDArray[np.object_]:
    """Assign every galaxy to a part, at random but whole groups together.

    Parameters
    ----------
    groups : sequence of str, length n
        Galaxies with the same entry (byte-identical images: the same hash) share a part.
    valid_fraction, test_fraction : float, in [0, 1)
        Shares of the galaxies; the rest is for training. A share above 0 gets at least one group.
    seed : int

    Returns
    -------
    parts : array of str, shape (n,)
        ``"train"``, ``"valid"`` or ``"test"``.

    Raises
    ------
    InputError
        Fractions outside their range, or too few groups to give every part one.

    Examples
    --------
    >>> parts = split_parts(["a", "b", "c", "d", "e", "e"], 0.2, 0.2, seed=0)
    >>> sorted(set(parts)), bool(parts[4] == parts[5])
    (['test', 'train', 'valid'], True)
    """
    SplitOptions(valid_fraction, test_fraction)  # refuses shares outside their range
    group_of, sizes = np.unique(
        np.asarray(groups, dtype=object).astype(str), return_inverse=True, return_counts=True
    )[1:]
    order = np.random.default_rng(seed).permutation(len(sizes))
    shares = [(p, f) for p, f in (("test", test_fraction), ("valid", valid_fraction)) if f > 0]
    if len(sizes) <= len(shares):
        raise InputError(
            f"split: expected at least {len(shares) + 1} different images, found {len(sizes)}"
        )
    part_of_group = np.full(len(sizes), "train", dtype=object)
    # Cut the shuffled groups where the running number of galaxies passes each share.
    galaxies_before = np.concatenate([[0], np.cumsum(sizes[order])[:-1]])
    start = 0
    for parts_to_come, (part, fraction) in zip(range(len(shares), 0, -1), shares, strict=True):
        end_galaxy = galaxies_before[start] + fraction * len(groups)
        stop = int(np.searchsorted(galaxies_before, round(end_galaxy)))
        # A group at least for this part and for each to come, that of training included.
        stop = min(max(start + 1, stop), len(sizes) - parts_to_come)
        part_of_group[order[start:stop]] = part
        start = stop
    return part_of_group[group_of]


def compare_parts(labels: Labels, parts: NDArray[np.object_]) -> pd.DataFrame:
    """Compare the label distributions of the parts.

    Parameters
    ----------
    labels : Labels, n galaxies
    parts : array of str, shape (n,)

    Returns
    -------
    comparison : DataFrame, one row an answer
        The mean cumulative probability in each part, and the largest difference between a part's
        mean and the training part's in standard errors of that difference.
    """
    table = pd.DataFrame(labels.cumulative, columns=list(labels.tree.columns))
    grouped = table.groupby(parts)
    means, errors = grouped.mean().T, grouped.sem().T
    difference = means.sub(means["train"], axis=0)
    error = errors.pow(2).add(errors["train"].pow(2), axis=0).pow(0.5)
    deviation = difference.div(error).drop(columns="train").abs()
    comparison = means.reindex(columns=[part for part in PARTS if part in means])
    return comparison.assign(largest_deviation=deviation.max(axis=1)).rename_axis("answer")


def write_split(path: Path, ids: Sequence[str], parts: NDArray[np.object_]) -> None:
    """Write the part of every galaxy, as a table that `read_split` reads.

    Parameters
    ----------
    path : Path
        Its suffix names the format, as of `gz2tree.tables.files.TableWriter`.
    ids : sequence of str, length n
    parts : array of str, shape (n,)
        As `split_parts` returns them.

    Raises
    ------
    InputError
        An unknown suffix, or a folder that does not exist or may not be written to.
    """
    write_table(pd.DataFrame({"id": list(ids), "part": parts}), path)


def read_split(path: Path) -> dict[str, str]:
    """Read the part of every id.

    Raises
    ------
    InputError
        Not a table of id and part, a part of another name, a row without an id, or an id that is
        there twice.
    """
    file = TableFile(path)
    if not {"id", "part"} <= set(file.columns):
        found = first_few(list(map(shown, file.columns)))
        raise InputError(f"{path}: expected columns id and part, found {found}")
    table = read_table(file, ["id", "part"], ids=["id"])
    choose_id_column(path, table, ["id"], None)  # which must not lack one
    unknown = sorted(set(table["part"]) - set(PARTS), key=str)
    if unknown:
        raise InputError(f"{path}: expected parts {', '.join(PARTS)}, found {first_few(unknown)}")
    refuse_duplicates(path, table["id"])
    return dict(zip(table["id"], table["part"], strict=True))


def sample_rows(n_rows: int, n: int, seed: int = 0) -> NDArray[np.int64]:
    """Choose some rows of many at random, the same ones for the same seed.

    Parameters
    ----------
    n_rows : int
    n : int
        How many are chosen; all, if there are no more.
    seed : int

    Returns
    -------
    rows : array of int64, in ascending order
    """
    if n_rows <= n:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, n, replace=False))
