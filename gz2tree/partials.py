"""Files that are written aside and renamed when they are whole, and what is left of them."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gz2tree.errors import InputError

_PREFIX = ".partial-"


def partial_path(path: Path) -> Path:
    """Name the file that this process writes before it is renamed to `path`.

    What processes of this machine have left there that were killed while they wrote the same file
    is removed. The suffix stays last: pandas compresses, and astropy checks, by it.
    """
    for left in path.parent.glob(f"{_PREFIX}*-{glob.escape(path.name)}"):
        number = left.name.removeprefix(_PREFIX).removesuffix(f"-{path.name}")
        if number.isdecimal() and not _lives(int(number)):
            with suppress(OSError):
                left.unlink()
    return path.with_name(f"{_PREFIX}{os.getpid()}-{path.name}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file that could not be written.

    Raises
    ------
    InputError
        The disk is full, say, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{path}: cannot be written: {reason}") from error


def _lives(process: int) -> bool:
    if sys.platform == "win32":
        return True  # there, asking in this way ends it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
