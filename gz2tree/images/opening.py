"""What ``--images`` names: paths and patterns to streams of images."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import files_of_galaxies, image_id
from gz2tree.images.listed import ListedImages, images_below
from gz2tree.images.streams import ImageStream, StoredCutouts, ZippedImages
from gz2tree.images.stretch import Stretch
from gz2tree.images.tars import TarredImages
from gz2tree.store import open_images
from gz2tree.storeformat import HEADER

_SOME = 1000  # images of each path
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


def some_ids(paths: Iterable[str | Path], stretch: Stretch | None) -> list[str]:
    """Ids of some images of each path, by which to tell which column of a table holds them.

    Parameters
    ----------
    paths : iterable of str or Path
        As of `expand`. Those that hold no images have no ids: they are refused when they are
        opened.
    stretch : Stretch, optional
        With it images are FITS files, without it pictures.
    """
    found: list[str] = []
    for path in expand(paths):
        if path.exists() and not (path / HEADER).is_file():
            names = list(islice(_names(path, stretch), _SOME))
            if stretch is not None and stretch.layout == "files" and names:
                found += files_of_galaxies(names, path, stretch)
            else:
                found += map(image_id, names)
    return found


def _names(path: Path, stretch: Stretch | None) -> Iterator[str]:
    """Names of the images of a folder, or of a zip, tar or list file; of others none."""
    kind = path.suffix.lower()
    if path.is_dir():
        tars = sorted(path.glob("*.tar"))
        yield from (name for tar in tars for name in _names(tar, stretch))
        yield from images_below(path, stretch)
    elif kind in LISTS:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            yield from (line.rstrip("\r\n") for line in file)
    elif kind in (".zip", ".tar"):
        opened = ZippedImages(path, stretch) if kind == ".zip" else TarredImages.of(path, stretch)
        yield from (entry.name for entry in opened.entries())


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
