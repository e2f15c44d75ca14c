"""What a user can put right: the command line prints these in one line and exits with 2."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """Input that is refused; the message says what was expected, what was found, and where."""


class UnreadableImage(InputError):  # noqa: N818 - it is the image that is named
    """An image no cutout can be made of; the message says what was expected and found."""


def first_few(names: Sequence[object], limit: int = 3) -> str:
    """Name the first offenders and how many more there are, for a message.

    Examples
    --------
    >>> first_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    shown = ", ".join(str(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
