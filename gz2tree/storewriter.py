"""Writing the prepared store, so that a full disk is noticed first and a kill costs one batch.

While a store is being written it has a journal, to which a line is added for every batch once its
cutouts are on the disk: whatever the journal says is true, however the writing ended. Batches come
in order and cutouts are written without gaps; the finished bytes therefore depend on the images
and options alone, not on interruptions nor on the number of processes.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gz2tree.cutouts import Cutouts
from gz2tree.errors import InputError, first_few
from gz2tree.storeformat import (
    CUTOUTS,
    HEADER,
    INDEX,
    INDEX_COLUMNS,
    JOURNAL,
    PROBLEM_COLUMNS,
    PROBLEMS,
    StoreHeader,
    check_options,
    sync,
    write_part,
)
from gz2tree.wholefiles import PARTIAL

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger("gz2tree")

# A batch is what a kill may cost and what is synced to the disk at once.
_BATCH_IMAGES = 256
_BATCH_BYTES = 16 * 2**20


class _Entry(NamedTuple):
    """What became of one image: the hash of its file, or why it cannot be read."""

    sha256: str
    problem: str


def claim_folder(folder: Path, wanted: StoreHeader) -> StoreHeader:
    """Begin a store in a new or empty folder, or return the header of the one that lies there.

    Raises
    ------
    InputError
        The folder holds something else, or a store of other options or other images.
    """
    with _disk_errors_named(folder, wanted.file_bytes(wanted.n_images)):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / HEADER).exists():
            names = (path.name for path in folder.iterdir())
            strangers = sorted(name for name in names if not name.startswith(PARTIAL))
            if strangers:
                raise InputError(
                    f"expected an empty folder or a store, {folder} holds {first_few(strangers)}"
                )
            wanted.write(folder)
    held = StoreHeader.read(folder)
    check_options(folder, held.options, wanted.options)
    if held.given != wanted.given:
        raise InputError(
            f"store {folder} was begun with images of {held.given or 'no scale or stretch'}, "
            f"asked for {wanted.given or 'none'}"
        )
    if held.ids_sha256 != wanted.ids_sha256:
        raise InputError(
            f"store {folder} is of {held.n_images:,} images of {held.source}, not of the "
            f"{wanted.n_images:,} asked for of {wanted.source}: their ids differ"
        )
    return held


class StoreWriter:
    """The open files of a store that is being written; made by :func:`open_writer`.

    Parameters
    ----------
    folder : Path
        The store's.
    header : StoreHeader
        Of the store, incomplete.
    data, journal : binary file
        Its cutouts and its journal, open for reading and writing.

    Raises
    ------
    InputError
        The file of cutouts is shorter than the journal says, or the journal of too many images.
    """

    def __init__(
        self, folder: Path, header: StoreHeader, data: BinaryIO, journal: BinaryIO
    ) -> None:
        self._folder, self._header, self._data, self._journal = folder, header, data, journal
        self._entries = _read_journal(journal)
        self.batch_size = max(1, min(_BATCH_IMAGES, _BATCH_BYTES // header.row_bytes))
        end = header.file_bytes(sum(not entry.problem for entry in self._entries))
        if len(self._entries) > header.n_images:
            raise InputError(
                f"{folder / JOURNAL}: expected at most {header.n_images:,} images, found "
                f"{len(self._entries):,}: delete {folder} and prepare anew"
            )
        if self._entries and data.seek(0, os.SEEK_END) < end:
            raise InputError(
                f"{folder / CUTOUTS} has lost cutouts: delete {folder} and prepare anew"
            )
        _reserve(data, header.file_bytes(header.n_images))
        data.seek(end)

    def __len__(self) -> int:
        """Count the images done, readable or not."""
        return len(self._entries)

    def append(self, batch: Cutouts) -> None:
        """Add the next images; when this returns, they survive a kill and a power failure."""
        self._data.write(batch.cutouts.tobytes())
        sync(self._data)
        entries = _entries_of(batch)
        self._journal.write(json.dumps(entries).encode() + b"\n")
        sync(self._journal)
        self._entries += entries

    def complete(self, ids: Sequence[str], names: Sequence[str]) -> None:
        """Give back the space of unreadable images and write the index.

        Parameters
        ----------
        ids, names : sequence of str
            Id and file name of every image, readable or not.

        Raises
        ------
        InputError
            None could be read; the folder is left empty.
        """
        rows, problems = [], []
        for galaxy, name, entry in zip(ids, names, self._entries, strict=True):
            if entry.problem:
                problems.append((galaxy, name, entry.problem))
            else:
                rows.append((galaxy, entry.sha256))
        if not rows:
            for part in (JOURNAL, CUTOUTS, HEADER):  # so that other options may be tried
                (self._folder / part).unlink()
            named = first_few([f"{name} ({problem})" for _, name, problem in problems])
            raise InputError(f"none of {len(problems):,} images can be read: {named}")
        self._data.seek(0)
        self._data.write(self._header.npy_header(len(rows)))
        self._data.truncate(self._header.file_bytes(len(rows)))
        sync(self._data)
        write_part(self._folder / INDEX, INDEX_COLUMNS, rows)
        write_part(self._folder / PROBLEMS, PROBLEM_COLUMNS, problems)
        replace(self._header, n=len(rows), complete=True).write(self._folder)


@contextmanager
def open_writer(folder: Path, header: StoreHeader) -> Iterator[StoreWriter]:
    """Open an incomplete store where its journal ends, with space for all of its cutouts.

    Raises
    ------
    InputError
        The disk is full or cannot be written to, or another process is writing this store.
    """
    with _disk_errors_named(folder, header.file_bytes(header.n_images)):
        (folder / CUTOUTS).touch()
        with (folder / CUTOUTS).open("r+b") as data, (folder / JOURNAL).open("a+b") as journal:
            _lock(journal, folder)
            yield StoreWriter(folder, header, data, journal)


def _lock(journal: BinaryIO, folder: Path) -> None:
    if sys.platform != "win32":
        try:
            # Unlike flock's, this lock is not inherited by reading processes that outlive a kill.
            fcntl.lockf(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is preparing {folder}") from None


def _read_journal(journal: BinaryIO) -> list[_Entry]:
    """Read what is done, and cut off what cannot be read.

    A last line that was torn is what a kill leaves. In another place it is damage, after which
    nothing is known of the order.
    """
    entries: list[_Entry] = []
    journal.seek(0)
    lines = journal.readlines()
    for number, line in enumerate(lines):
        try:
            entries += _entries_in(line)
        except (ValueError, TypeError, RecursionError):
            journal.truncate(sum(map(len, lines[:number])))
            if lines[number + 1 :]:
                _log.warning(
                    "%s: line %d of %d is damaged; the images from the one after %s on are "
                    "prepared again",
                    journal.name, number + 1, len(lines), f"{len(entries):,}",
                )  # fmt: skip
            break
    return entries


def _entries_in(line: bytes) -> list[_Entry]:
    """Read a line of the journal; a ValueError or TypeError says that it is none."""
    if not line.endswith(b"\n"):
        raise ValueError("torn")
    entries = [_Entry(*entry) for entry in json.loads(line.decode())]
    if not all(isinstance(text, str) for entry in entries for text in entry):
        raise TypeError("expected text")
    return entries


def _entries_of(batch: Cutouts) -> list[_Entry]:
    by_position = {position: _Entry("", problem) for position, problem in batch.problems}
    for position, sha256 in zip(batch.positions.tolist(), batch.hashes, strict=True):
        by_position[position] = _Entry(sha256, "")
    return [by_position[position] for position in sorted(by_position)]


def _reserve(file: BinaryIO, n_bytes: int) -> None:
    """Take the space now, so that a full disk is known before hours of work."""
    held = file.seek(0, os.SEEK_END)
    if n_bytes - held > shutil.disk_usage(file.name).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            file.truncate(held)  # some of the space may have been taken
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system without it
                raise


@contextmanager
def _disk_errors_named(folder: Path, n_bytes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"cannot write the store {folder}: {error}") from error
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        raise InputError(
            f"no space for the store {folder}: it needs {n_bytes:,} bytes, {free:,} are free"
        ) from error
