"""Images in their millions, read as they come: what a stream of them is; zip files and stores.

Lists and folders are in `gz2tree.images.listed`, tar files in `gz2tree.images.tars`; which is
which is told in `gz2tree.images.opening`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from gz2tree.config import CutoutOptions
from gz2tree.cutouts import Cutouts, ImageFiles, read_batch
from gz2tree.errors import UnreadableImage
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import image_id
from gz2tree.images.stretch import Stretch
from gz2tree.store import CutoutStore


class Entry(NamedTuple):
    """One image of a stream: its name, and where its bytes are, if its stream needs to know."""

    name: str
    start: int = 0
    length: int = 0


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

    def read(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them.

        Parameters
        ----------
        entries : sequence of Entry
            Some of those that `entries` lists, in any order.
        options : CutoutOptions
        given : GivenImages

        Returns
        -------
        cutouts : Cutouts
            Its positions are those among `entries`.
        """

    def description(self) -> dict[str, Any]:
        """Describe the stream in JSON values that identify it, wherever it has been moved."""


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

    def read(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""
        files = _zip(self.path, self.stretch)
        return decode(lambda entry: files.read_files(entry.start)[0], entries, options, given)

    def description(self) -> dict[str, Any]:
        """Describe the zip file so that it can be identified later."""
        images, sha256 = digest_of(entry.name for entry in self.entries())
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

    def read(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""
        store, positions = _store(self.path), [entry.start for entry in entries]
        hashes = store.hashes[positions].tolist()
        return Cutouts(np.arange(len(entries)), np.asarray(store.array[positions]), hashes, [])

    def description(self) -> dict[str, Any]:
        """Describe the store so that it can be identified later."""
        images, sha256 = digest_of(_store(self.path).hashes)
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
    return read_batch(_Files(read, entries, options, given), np.arange(len(entries)))


def digest_of(names: Iterable[str]) -> tuple[int, str]:
    """How many names there are, and the SHA-256 of them, one a line."""
    count, sha256 = 0, hashlib.sha256()
    for name in names:
        sha256.update(f"{name}\n".encode("utf-8", "surrogateescape"))
        count += 1
    return count, sha256.hexdigest()
