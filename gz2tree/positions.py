"""Which galaxies of a source are meant: by number, by mask or by id."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gz2tree.errors import InputError, first_few


def chosen_positions(positions: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Turn a choice among n galaxies into their positions.

    Parameters
    ----------
    positions : array_like of int, shape (k,), or of bool, shape (n,); optional
        Positions from 0 to n - 1, in any order, or a mask of those wanted; all by default.
    n : int
        How many galaxies there are to choose from.

    Returns
    -------
    chosen : array of int64, shape (k,)

    Raises
    ------
    InputError
        A mask of another length, numbers that are not whole, or positions outside of 0 to n - 1;
        negative ones do not count from the end.

    Examples
    --------
    >>> chosen_positions([True, False, True], 3)
    array([0, 2])
    """
    if positions is None:
        return np.arange(n)
    given = np.asarray(positions)
    if given.ndim == 1 and given.dtype == bool:
        if len(given) != n:
            raise InputError(f"positions: expected a mask of {n:,} galaxies, found {len(given):,}")
        return np.flatnonzero(given)
    if given.size == 0:  # an empty list is one of floats
        return np.empty(0, dtype=np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise InputError(
            f"positions: expected whole numbers, or a mask of {n:,} galaxies, found an array of "
            f"{given.dtype}, shape {given.shape}"
        )
    outside = given[(given < 0) | (given >= n)]
    if len(outside):
        raise InputError(
            f"positions: expected numbers from 0 to {n - 1:,}, found {first_few(outside.tolist())}"
        )
    return given.astype(np.int64)


def positions_of(among: Iterable[str], ids: Iterable[str], what: str) -> NDArray[np.int64]:
    """Find the positions of galaxies that must be there.

    Parameters
    ----------
    among : iterable of str, length n
        Ids to search, each once.
    ids : iterable of str, length k
        Ids to find, in any order.
    what : str
        What `among` belongs to, for people: ``"images"``.

    Returns
    -------
    positions : array of int64, shape (k,), from 0 to n - 1
        In the order of `ids`.

    Raises
    ------
    InputError
        Some of `ids` are not there.

    Examples
    --------
    >>> positions_of(["a", "b", "c"], ["c", "a"], "images")
    array([2, 0])
    """
    position_of = {galaxy: position for position, galaxy in enumerate(among)}
    wanted = list(ids)
    missing = [galaxy for galaxy in wanted if galaxy not in position_of]
    if missing:
        raise InputError(
            f"galaxy {first_few(list(map(repr, missing)))}: expected among the {what}, found none "
            f"({len(missing):,} of {len(wanted):,} are missing)"
        )
    return np.array([position_of[galaxy] for galaxy in wanted], dtype=np.int64)
