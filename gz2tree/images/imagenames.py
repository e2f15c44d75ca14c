"""Names of image files: which are images, and of which galaxy."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from gz2tree.errors import InputError, first_few
from gz2tree.images.stretch import ID, Stretch

_log = logging.getLogger("gz2tree")

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif")
_FITS_SUFFIXES = (".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz")


def is_image_name(name: str, stretch: Stretch | None = None) -> bool:
    """Whether a path, with forward slashes, is that of an image and not hidden.

    Parameters
    ----------
    name : str
    stretch : Stretch, optional
        With it images are FITS files, without it pictures.
    """
    path = PurePosixPath(name)
    hidden = any(map(_is_hidden, path.parts))
    suffixes = _PICTURE_SUFFIXES if stretch is None else _FITS_SUFFIXES
    return not hidden and not name.endswith("/") and name.lower().endswith(suffixes)


def files_below(folder: Path) -> Iterator[str]:
    """List the files of a folder and of those below it, without what is hidden.

    Parameters
    ----------
    folder : Path

    Yields
    ------
    name : str
        Path within the folder, with forward slashes. The files of a folder come sorted, before
        those of the folders in it, which are sorted too. One folder's names at a time are in
        memory. A folder that cannot be listed is left out, with a warning.
    """

    def warn(error: OSError) -> None:
        _log.warning("images in %s are left out: %s", error.filename, error.strerror)

    for parent, folders, names in os.walk(folder, onerror=warn):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        within = Path(parent).relative_to(folder)
        yield from ((within / name).as_posix() for name in sorted(names) if not _is_hidden(name))


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def image_id(name: str) -> str:
    """Return a file's name without folder and suffix; of ``.fits.gz`` without both suffixes."""
    name = PurePosixPath(name).name
    suffix = max((s for s in _FITS_SUFFIXES if name.lower().endswith(s)), key=len, default="")
    return name[: -len(suffix)] if suffix else PurePosixPath(name).stem


def files_of_galaxies(
    names: Iterable[str], source: object, stretch: Stretch | None
) -> dict[str, tuple[str, ...]]:
    """Find the images among some files.

    Parameters
    ----------
    names : iterable of str
        Paths, with forward slashes.
    source : object
        Where they are, for messages.
    stretch : Stretch, optional
        As in `is_image_name`.

    Returns
    -------
    files : dict of str to tuple of str
        By the galaxy's id, its file; or, where bands have files of their own, one for each band,
        whether it is there or not.

    Raises
    ------
    InputError
        No images, or two of one galaxy.
    """
    names = sorted(names)
    found: dict[str, tuple[str, ...]] = {}
    for galaxy, files in _found(names, stretch):
        if found.setdefault(galaxy, files) != files:
            raise InputError(
                f"expected one image a galaxy in {source}, "
                f"found {found[galaxy][0]} and {files[0]} for {galaxy}"
            )
    if not found:
        raise InputError(_none_found(names, source, stretch))
    return found


def _found(names: Iterable[str], stretch: Stretch | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    if stretch is None or stretch.layout != "files":
        yield from ((image_id(name), (name,)) for name in names if is_image_name(name, stretch))
        return
    patterns = [
        re.compile("(.+)".join(map(re.escape, band.split(ID))), re.DOTALL) for band in stretch.bands
    ]
    for name in names:
        folder, file = PurePosixPath(name).parent, PurePosixPath(name).name
        for pattern in patterns:
            if (match := pattern.fullmatch(file)) and is_image_name(name, stretch):
                bands = [band.replace(ID, match[1]) for band in stretch.bands]
                yield match[1], tuple((folder / band).as_posix() for band in bands)


def _none_found(names: list[str], source: object, stretch: Stretch | None) -> str:
    if stretch is not None and stretch.layout == "files":
        expected = f"expected FITS files such as {first_few(stretch.bands)}"
    else:
        suffixes = _PICTURE_SUFFIXES if stretch is None else _FITS_SUFFIXES
        expected = f"expected images ({', '.join(sorted(suffixes))})"
    of_fits = [name for name in names if name.lower().endswith(_FITS_SUFFIXES)]
    if stretch is None and of_fits:
        return (
            f"{expected} in {source}, found FITS files such as {of_fits[0]}: --bands (of prepare, "
            "train and predict) says which of their bands are red, green and blue"
        )
    return f"{expected} in {source}, found none among {len(names):,} files"
