"""Tar files of images, as WebDataset shards are: listed from their headers, read where they lie."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gz2tree.config import CutoutOptions
from gz2tree.cutouts import Cutouts
from gz2tree.errors import InputError, UnreadableImage
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import is_image_name
from gz2tree.images.streams import Entry, decode
from gz2tree.images.stretch import Stretch

_END = bytes(tarfile.BLOCKSIZE)
_CUT_OFF = -1


@dataclass(frozen=True)
class TarredImages:
    """The images of an uncompressed tar file, in its order; other members are passed over.

    Parameters
    ----------
    path : Path
    size : int, bytes
    stretch : Stretch, optional
        With it images are FITS files, without it pictures.
    """

    path: Path
    size: int
    stretch: Stretch | None = None
    sequential: ClassVar[bool] = True
    images: ClassVar[int | None] = None

    @classmethod
    def of(cls, path: Path, stretch: Stretch | None = None) -> TarredImages:
        """Open a tar file.

        Raises
        ------
        InputError
            It is none, or a compressed one.
        """
        try:
            tarfile.open(path, "r:").close()
        except (tarfile.TarError, OSError) as error:
            raise InputError(f"{path}: expected an uncompressed tar file: {error}") from error
        return cls(path, path.stat().st_size, stretch)

    def entries(self) -> Iterator[Entry]:
        """List the images; a tar file that is cut off ends in an entry that cannot be read."""
        with tarfile.open(self.path, "r:") as archive:
            whole = True
            try:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # it would hold all
                    if member.isreg() and is_image_name(member.name, self.stretch):
                        yield Entry(member.name, member.offset_data, member.size)
                # Damaged headers end an archive as its end mark does.
                archive.fileobj.seek(archive.offset)
                whole = archive.fileobj.read(len(_END)) == _END
            except tarfile.TarError:
                whole = False
            if not whole:
                yield Entry(self.path.name, _CUT_OFF, archive.offset)

    def read(
        self, entries: Sequence[Entry], options: CutoutOptions, given: GivenImages = GivenImages()
    ) -> Cutouts:
        """Read some of them, each where the listing found it."""
        with self.path.open("rb", buffering=0) as file:

            def bytes_of(entry: Entry) -> bytes:
                if entry.start == _CUT_OFF:
                    raise UnreadableImage(
                        f"the tar file ends at byte {entry.length:,} without an end mark: "
                        "images may be missing"
                    )
                file.seek(entry.start)
                data = file.read(entry.length)
                if len(data) < entry.length:
                    raise UnreadableImage(f"expected {entry.length:,} bytes, found {len(data):,}")
                return data

            return decode(bytes_of, entries, options, given)

    def description(self) -> dict[str, Any]:
        """Describe the tar file so that it can be identified later."""
        return {"kind": "tar", "name": self.path.name, "bytes": self.size}
