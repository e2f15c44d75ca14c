"""What a user can put right: the command line prints these in one line and exits with 2."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

_NAMED = 3
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


class InputError(ValueError):
    """Input that is refused; the message says what was expected, what was found, and where.

    Examples
    --------
    >>> from gz2tree.tree import DecisionTree
    >>> try:
    ...     DecisionTree("toy", [])
    ... except InputError as error:
    ...     print(error)
    tree 'toy' has no questions; at least one is expected
    """


class UnreadableImage(InputError):  # noqa: N818 - it is the image that is named
    """An image no cutout can be made of; the message says what was expected and found."""


def first_few(names: Sequence[object]) -> str:
    """Name the first offenders and how many more there are, for a message.

    Examples
    --------
    >>> first_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    named = ", ".join(str(name) for name in names[:_NAMED])
    return named if len(names) <= _NAMED else f"{named} and {len(names) - _NAMED} more"


def did_you_mean(name: str, known: Iterable[str], n: int = 1) -> str:
    """Name what is called nearly so, to be put behind a message; nothing if nothing is.

    Parameters
    ----------
    name : str
        What was found.
    known : iterable of str
        What it could have been.
    n : int
        How many of them to name at most.

    Examples
    --------
    >>> did_you_mean("mergr", ["merger", "ring"])
    '; did you mean merger?'
    >>> did_you_mean("bar", ["merger", "ring"])
    ''
    """
    return suggestion(difflib.get_close_matches(name, list(known), n=n))


def suggestion(names: Iterable[str]) -> str:
    """Ask whether one of some names was meant, as `did_you_mean` does; nothing of no names."""
    near = list(dict.fromkeys(names))
    return f"; did you mean {' or '.join(near)}?" if near else ""


def shown(value: Any) -> str:
    """Show a value from a file in a message, in few letters whatever it is.

    A file of some lines can declare, by YAML's aliases, what would take gigabytes to write out.

    Examples
    --------
    >>> shown({"answers": [["a", "b"], list(range(1000))]})
    "{'answers': [[...], [...]]}"
    """
    return _SHORT.repr(value)
