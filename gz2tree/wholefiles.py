"""Files of which there is all or nothing, whenever the process that writes them is killed."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial-"
"""How the names begin of files that are not there yet, or never came to be."""


@contextmanager
def appearing(path: Path, *, synced: bool = False) -> Iterator[Path]:
    """Give a path to write to; the file appears under its own name when it is whole.

    Parameters
    ----------
    path : Path
    synced : bool
        Wait until it is on the disk, so that it survives a power failure as well.
    """
    partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}-{path.name}")
    try:
        yield partial
        if synced:
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
        if synced:
            _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
