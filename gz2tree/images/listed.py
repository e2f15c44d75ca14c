"""The files of a list, one path a line, or of a folder of which one is made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from gz2tree.config import CutoutOptions
from gz2tree.cutouts import Cutouts
from gz2tree.errors import InputError
from gz2tree.images.decoding import file_bytes
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import files_below, is_image_name
from gz2tree.images.streams import Entry, decode, digest_of
from gz2tree.images.stretch import Stretch


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
        return cls(listing, listing.parent, "list", *digest_of(_lines(listing)))

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
        images, sha256 = digest_of(_lines(listing))
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

    def read(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them."""
        return decode(lambda entry: file_bytes(self.root / entry.name), entries, options, given)

    def description(self) -> dict[str, Any]:
        """Describe the list so that it can be identified later."""
        name = self.root.resolve().name if self.kind == "folder" else self.listing.name
        return {"kind": self.kind, "name": name, "images": self.images, "sha256": self.sha256}


def images_below(folder: Path, stretch: Stretch | None = None) -> Iterator[str]:
    """Paths of the images of a folder and those below, within it, with forward slashes, sorted.

    With a stretch they are FITS files, without it pictures. One folder's names at a time are in
    memory.
    """
    return (name for name in files_below(folder) if is_image_name(name, stretch))


def _lines(listing: Path) -> Iterator[str]:
    with listing.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        for line in file:
            if name := line.rstrip("\r\n"):
                yield name
