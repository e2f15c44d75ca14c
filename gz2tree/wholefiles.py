"""Files of which there is all or nothing, whenever the process that writes them is killed."""

from __future__ import annotations

import glob
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gz2tree.errors import InputError

PARTIAL = ".partial-"
"""How the names begin of files that are not there yet, or never came to be."""


@contextmanager
def appearing(path: Path, *, synced: bool = False) -> Iterator[Path]:
    """Give a path to write to; the file appears under its own name when it is whole.

    Parameters
    ----------
    path : Path
        A pipe or a device is written to as it is.
    synced : bool
        Wait until it is on the disk, so that it survives a power failure as well.

    Raises
    ------
    InputError
        The disk is full, say, or nothing may be written there.
    """
    if path.exists() and not path.is_file():  # a pipe or a device, which nothing may replace
        with write_errors_named(path):
            yield path
        return
    partial = partial_path(path)
    try:
        with write_errors_named(path):
            yield partial
            if synced:
                with partial.open("rb+") as file:
                    os.fsync(file.fileno())
            os.replace(partial, path)
            if synced:
                _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def check_place(file: Path, endings: Sequence[str] = ()) -> None:
    """Refuse a place where a file cannot be written, before the work that leads to it.

    Parameters
    ----------
    file : Path
    endings : sequence of str
        Suffixes it may have, in small letters; any by default.

    Raises
    ------
    InputError
        Another suffix, a folder, or no folder to hold it.
    """
    if endings and file.suffix.lower() not in endings:
        found = file.suffix or "none"
        raise InputError(f"{file}: expected a file ending in {', '.join(endings)}, found {found}")
    if file.is_dir():
        raise InputError(f"{file}: expected a file in an existing folder, found a folder")
    if not file.parent.is_dir():
        raise InputError(
            f"{file}: expected a file in an existing folder, found none at {file.parent}"
        )


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Make a folder beside `path`, of this process alone, that is removed in the end."""
    folder = partial_path(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def appearing_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write to; it takes the place of `path` when it is whole.

    A kill in the moment when they are exchanged may leave the former one beside its place.
    """
    path = path.resolve()
    with aside(path) as whole:
        yield whole
        if not path.exists():
            whole.rename(path)
            return
        former = partial_path(path.with_name(f"former-{path.name}"))
        path.rename(former)
        try:
            whole.rename(path)
        except BaseException:
            former.rename(path)
            raise
        shutil.rmtree(former, ignore_errors=True)


def partial_path(path: Path) -> Path:
    """Name the file or folder that this process writes before it is renamed to `path`.

    What processes of this machine have left there that were killed while they wrote the same is
    removed. The suffix stays last: pandas compresses, and astropy checks, by it.
    """
    ours = f"{PARTIAL}{platform.node()}-"
    for left in path.parent.glob(f"{glob.escape(ours)}*-{glob.escape(path.name)}"):
        number = left.name.removeprefix(ours).removesuffix(f"-{path.name}")
        if number.isdecimal() and not _lives(int(number)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            with suppress(OSError):
                left.unlink()
    return path.with_name(f"{ours}{os.getpid()}-{path.name}")


@contextmanager
def write_errors_named(path: Path, *more: type[Exception], consolation: str = "") -> Iterator[None]:
    """Turn what goes wrong when a file is written into an InputError that names the file.

    Parameters
    ----------
    path : Path
    *more : type of Exception
        What a library raises where Python itself raises an OSError.
    consolation : str
        What to say at the end of the message.

    Raises
    ------
    InputError
        The disk is full, say, or nothing may be written there.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (OSError, *more)):
            raise
        code = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(code) if code else str(error)
        raise InputError(f"{path}: cannot be written: {reason}{consolation}") from error


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


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
