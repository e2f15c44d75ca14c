"""What tables say of their columns besides their values, and names that other programs can use."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnNote:
    """What a table says of a column; empty where it says nothing.

    Parameters
    ----------
    unit : str
        As the table has it.
    description : str
    ucd : str
        Unified Content Descriptor, by which the Virtual Observatory knows what a column is.
    """

    unit: str = ""
    description: str = ""
    ucd: str = ""


def topcat_names(columns: Iterable[str]) -> dict[str, str]:
    """Spell column names so that TOPCAT and STILTS can use them in expressions.

    They take letters, digits and underscores, beginning with a letter, and make no difference
    between upper and lower case (SUN/253 and SUN/256, "Referencing Column Values").

    Parameters
    ----------
    columns : iterable of str

    Returns
    -------
    names : dict of str to str
        By the columns; the columns themselves if two of them would become one.

    Examples
    --------
    >>> topcat_names(["Class1.1", "smooth-or-featured_smooth"])
    {'Class1.1': 'Class1_1', 'smooth-or-featured_smooth': 'smooth_or_featured_smooth'}
    """
    given = list(columns)
    spelled = {column: _topcat_name(column) for column in given}
    alone = len({name.casefold() for name in spelled.values()}) == len(given)
    return spelled if alone else dict(zip(given, given, strict=True))


def recognised(header: Collection[str], known: Iterable[str]) -> list[str]:
    """Give columns that `topcat_names` has spelled the names by which they are known.

    Parameters
    ----------
    header : collection of str
        A table's columns.
    known : iterable of str
        Columns that may be there. What could be the spelling of two of them is neither.

    Examples
    --------
    >>> recognised(["ra", "Class1_1"], ["Class1.1", "Class1.2"])
    ['ra', 'Class1.1']
    """
    names = set(known)
    spellings = {column: _topcat_name(column) for column in names}
    ambiguous = Counter(spellings.values())
    spelled = {
        name: column
        for column, name in spellings.items()
        if column not in header and name not in names and ambiguous[name] == 1
    }
    return [spelled.get(column, column) for column in header]


def spelled(header: Collection[str], known: Iterable[str]) -> dict[str, str]:
    """Give each known column the name that it has in a table, its own or that of `topcat_names`.

    Examples
    --------
    >>> spelled(["ra", "Class1_1"], ["ra", "Class1.1"])
    {'ra': 'ra', 'Class1.1': 'Class1_1'}
    """
    wanted = list(known)
    there = dict(zip(recognised(header, wanted), header, strict=True))
    return {column: there.get(column, column) for column in wanted}


def _topcat_name(column: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", column)
    return name if name[:1].isalpha() else f"c_{name}"
