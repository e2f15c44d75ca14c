"""Images in their millions: list files, folders, zip files and stores, read as they come.

Tar files have a room of their own, `gz2tree.tars`; which is which is told in `gz2tree.opening`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gz2tree.config import CutoutOptions
from gz2tree.cutouts import ImageFiles, read_batch, warn_of_folder
from gz2tree.decoding import file_bytes
from gz2tree.errors import InputError, UnreadableImage
from gz2tree.given import GivenImages
from gz2tree.imagenames import image_id, is_image_name
from gz2tree.store import CutoutStore
from gz2tree.stretch import Stretch


class Entry(NamedTuple):
    """One image of a stream: its name, and where its bytes are, if its stream needs to know."""

    name: str
    start: int = 0
    length: int = 0


class Cutouts(NamedTuple):
    """Cutouts of some entries: which could be read, their cutouts, and why the others not."""

    readable: NDArray[np.int64]
    cutouts: NDArray[np.uint8]
    problems: list[tuple[int, str]]


class ImageStream(Protocol):
    """Images in an order that does not change, listed as they are read; may be pickled.

    Attributes
    ----------
    sequential : bool
        Whether what comes first has to be passed to get at what comes later.
    images : int or None
        How many there are, if that is known before they are read.
    """

    @property
    def sequential(self) -> bool: ...  # noqa: D102
    @property
    def images(self) -> int | None: ...  # noqa: D102

    def entries(self) -> Iterator[Entry]:
        """List the images, in order, without holding the list in memory."""

    def cutouts(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""

    def description(self) -> dict[str, Any]:
        """Say, in JSON values, by what the stream is known again, wherever it has been moved."""


@dataclass(frozen=True)
class ListedImages:
    """The files of a list, one path a line.

    Parameters
    ----------
    listing : Path
    root : Path
        What relative paths are relative to.
    kind : str
        ``"list"``, or ``"folder"`` of a list made of one.
    images : int
    sha256 : str
        Of the list, one path a line.
    """

    listing: Path
    root: Path
    kind: str
    images: int
    sha256: str
    sequential: ClassVar[bool] = False

    @classmethod
    def of_list(cls, listing: Path) -> ListedImages:
        """Open a list file; paths in it are relative to its folder.

        Raises
        ------
        InputError
            No paths in it, or nothing where the first leads.
        """
        first = next(_lines(listing), None)
        if first is None:
            raise InputError(f"{listing}: expected paths of images, one a line, found none")
        if not (listing.parent / first).exists():
            raise InputError(
                f"{listing}: expected paths from the list's folder, or from the root; there is "
                f"nothing at {listing.parent / first}"
            )
        return cls(listing, listing.parent, "list", *_digest(_lines(listing)))

    @classmethod
    def of_folder(cls, folder: Path, listing: Path, stretch: Stretch | None = None) -> ListedImages:
        """List the images in a folder and those below, in the order of their paths.

        With a stretch they are FITS files, without it pictures.

        Raises
        ------
        InputError
            No image, or a line feed in a name.
        """
        with listing.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for name in images_below(folder, stretch):
                if "\n" in name:
                    raise InputError(f"{folder}: expected names of one line, found {name!r}")
                file.write(f"{name}\n")
        images, sha256 = _digest(_lines(listing))
        if images == 0:
            raise InputError(f"{folder}: expected images or tar files, found none")
        return cls(listing, folder, "folder", images, sha256)

    def moved(self, listing: Path) -> ListedImages:
        """Move the list, as when it is known where it is to stay."""
        os.replace(self.listing, listing)
        return replace(self, listing=listing)

    def entries(self) -> Iterator[Entry]:
        """List the images."""
        return map(Entry, _lines(self.listing))

    def cutouts(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""
        return decode(lambda entry: file_bytes(self.root / entry.name), entries, options, given)

    def description(self) -> dict[str, Any]:
        """Say by what the list is known again."""
        name = self.root.resolve().name if self.kind == "folder" else self.listing.name
        return {"kind": self.kind, "name": name, "images": self.images, "sha256": self.sha256}


@dataclass(frozen=True)
class ZippedImages:
    """The images of a zip file, in the order of their ids, as `ImageFiles` has them.

    Parameters
    ----------
    path : Path
    stretch : Stretch, optional
        With it images are FITS files, without it pictures.
    """

    path: Path
    stretch: Stretch | None = None
    sequential: ClassVar[bool] = False

    @property
    def images(self) -> int:
        """How many there are."""
        return len(_zip(self.path, self.stretch))

    def entries(self) -> Iterator[Entry]:
        """List the images."""
        names = _zip(self.path, self.stretch).names
        return (Entry(name, position) for position, name in enumerate(names))

    def cutouts(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""
        files = _zip(self.path, self.stretch)
        return decode(lambda entry: files.read_files(entry.start)[0], entries, options, given)

    def description(self) -> dict[str, Any]:
        """Say by what the zip file is known again."""
        images, sha256 = _digest(entry.name for entry in self.entries())
        return {"kind": "zip", "name": self.path.name, "images": images, "sha256": sha256}


@dataclass(frozen=True)
class StoredCutouts:
    """The cutouts of a prepared store.

    Parameters
    ----------
    path : Path
    """

    path: Path
    sequential: ClassVar[bool] = False

    @property
    def images(self) -> int:
        """How many there are."""
        return len(_store(self.path))

    def entries(self) -> Iterator[Entry]:
        """List the cutouts."""
        ids = _store(self.path).ids
        # As a name without suffix might have a dot in it, all get a suffix.
        return (Entry(f"{galaxy}.npy", position) for position, galaxy in enumerate(ids))

    def cutouts(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""
        positions = [entry.start for entry in entries]
        array = np.asarray(_store(self.path).array[positions])
        return Cutouts(np.arange(len(entries)), array, [])

    def description(self) -> dict[str, Any]:
        """Say by what the store is known again."""
        images, sha256 = _digest(_store(self.path).hashes)
        name = self.path.resolve().name
        return {"kind": "store", "name": name, "images": images, "sha256": sha256}


@lru_cache(maxsize=1)
def _zip(path: Path, stretch: Stretch | None) -> ImageFiles:
    """Hold the listing of one zip file at a time."""
    return ImageFiles(path, CutoutOptions(stretch=stretch))


@lru_cache(maxsize=1)
def _store(path: Path) -> CutoutStore:
    return CutoutStore(path)


@dataclass(frozen=True)
class _Files:
    """Some entries as `read_batch` wants them: by position."""

    read: Callable[[Entry], bytes]
    entries: Sequence[Entry]
    options: CutoutOptions
    given: GivenImages

    @cached_property
    def ids(self) -> list[str]:
        """The galaxies' ids."""
        return [image_id(entry.name) for entry in self.entries]

    def read_files(self, position: int) -> list[bytes]:
        """Return the bytes of one file."""
        entry = self.entries[position]
        try:
            entry.name.encode()
        except UnicodeEncodeError as error:
            raise UnreadableImage("expected a name in UTF-8, as ids are") from error
        return [self.read(entry)]


def decode(
    read: Callable[[Entry], bytes],
    entries: Sequence[Entry],
    options: CutoutOptions,
    given: GivenImages,
) -> Cutouts:
    """Make cutouts of image files.

    Parameters
    ----------
    read : callable
        From an entry to the bytes of its file; may raise `UnreadableImage`.
    entries : sequence of Entry
    options : CutoutOptions
    given : GivenImages
    """
    files = _Files(read, entries, options, given)
    readable, cutouts, _, problems = read_batch(files, np.arange(len(entries)))
    return Cutouts(readable, cutouts, problems)


def images_below(folder: Path, stretch: Stretch | None = None) -> Iterator[str]:
    """Paths of the images of a folder and those below, within it, with forward slashes, sorted.

    With a stretch they are FITS files, without it pictures. One folder's names at a time are in
    memory.
    """
    for parent, folders, names in os.walk(folder, onerror=warn_of_folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        within = Path(parent).relative_to(folder)
        for name in sorted(names):
            path = (within / name).as_posix()
            if is_image_name(path, stretch):
                yield path


def _lines(listing: Path) -> Iterator[str]:
    with listing.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            if name := line.rstrip("\r\n"):
                yield name


def _digest(names: Iterable[str]) -> tuple[int, str]:
    """How many names there are, and the SHA-256 of them, one a line."""
    count, sha256 = 0, hashlib.sha256()
    for name in names:
        sha256.update(f"{name}\n".encode("utf-8", "surrogateescape"))
        count += 1
    return count, sha256.hexdigest()
