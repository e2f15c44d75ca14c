"""What ``--images`` names: paths and patterns to streams of images."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError
from gz2tree.images.given import GivenImages
from gz2tree.images.listed import ListedImages, images_below
from gz2tree.images.streams import ImageStream, StoredCutouts, ZippedImages
from gz2tree.images.tars import TarredImages
from gz2tree.store import open_images
from gz2tree.storeformat import HEADER

LISTS = (".txt", ".lst", ".list")


def expand(paths: Iterable[str | Path]) -> list[Path]:
    """Replace patterns such as ``shards/*.tar`` by what they match, sorted.

    Raises
    ------
    InputError
        A pattern that matches nothing.
    """
    found: list[Path] = []
    for path in map(str, paths):
        if Path(path).exists() or not glob.has_magic(path):
            found.append(Path(path))
            continue
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            raise InputError(f"{path}: expected files that match this, found none")
        found += map(Path, matches)
    return found


def is_streamed(paths: Sequence[str | Path]) -> bool:
    """Whether these are more than one table is written of: several, or lists or tar files."""
    several = expand(paths)
    return len(several) != 1 or several[0].suffix.lower() in (".tar", *LISTS)


def open_stream(
    path: Path, options: CutoutOptions, listing: Path, given: GivenImages = GivenImages()
) -> list[ImageStream]:
    """Open what holds images: a store, a folder of them or of tar files, a zip, tar or list file.

    Parameters
    ----------
    path : Path
    options : CutoutOptions
        Crop and size wanted.
    listing : Path
        Where a folder's images are listed.
    given : GivenImages
        What is known of the images.

    Returns
    -------
    streams : list of ImageStream
        One, or one for each tar file of a folder.

    Raises
    ------
    InputError
        None of these, a store of other cutouts, a folder of both images and tar files, or one file
        a band, of which a store can be prepared.
    """
    if (path / HEADER).is_file():
        open_images(path, options, given)
        return [StoredCutouts(path)]
    given.check(options)
    stretch = given.reading(options).stretch
    if stretch is not None and stretch.layout == "files":
        raise InputError(
            f"{path}: expected one file a galaxy for a catalogue in shards; of one file a band, "
            "prepare a store and predict that"
        )
    if path.is_dir():
        tars = sorted(path.glob("*.tar"))
        if tars and next(images_below(path, stretch), None) is not None:
            raise InputError(f"{path}: expected images or tar files, found both")
        return [TarredImages.of(tar, stretch) for tar in tars] or [
            ListedImages.of_folder(path, listing, stretch)
        ]
    if not path.exists():
        raise InputError(f"expected images, found nothing at {path}")
    if path.suffix.lower() == ".zip":
        return [ZippedImages(path, stretch)]
    if path.suffix.lower() == ".tar":
        return [TarredImages.of(path, stretch)]
    if path.suffix.lower() in LISTS:
        return [ListedImages.of_list(path)]
    raise InputError(
        f"{path}: expected a folder, a store, a .zip or .tar file, or a list of images "
        f"({', '.join(LISTS)})"
    )
