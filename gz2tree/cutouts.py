"""Image files to cutouts, many at once: those of a folder or a zip file, read in parallel."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
import zlib
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError, UnreadableImage, first_few
from gz2tree.images.decoding import check_bytes, file_bytes, read_cutout
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import files_below, files_of_galaxies
from gz2tree.images.workers import default_workers, end_with_parent
from gz2tree.positions import chosen_positions

__all__ = [
    "CutoutSource",
    "Cutouts",
    "ImageFiles",
    "UnreadableImage",
    "log_unreadable",
    "read_cutout",
]

_log = logging.getLogger("gz2tree")


class Cutouts(NamedTuple):
    """Cutouts of some images, and what became of those that could not be read.

    Parameters
    ----------
    positions : array of int64, shape (n,)
        Positions of the images that could be read, among those of their source.
    cutouts : array of uint8, shape (n, size, size, 3), in [0, 255]
        Their cutouts, RGB.
    hashes : list of str, length n
        SHA-256 of their files' bytes, in hexadecimal.
    problems : list of (int, str)
        Position of every image that could not be read, and why.
    """

    positions: npt.NDArray[np.int64]
    cutouts: npt.NDArray[np.uint8]
    hashes: list[str]
    problems: list[tuple[int, str]]


class CutoutSource(Protocol):
    """Where cutouts come from: image files, or a store prepared from them."""

    @property
    def ids(self) -> npt.NDArray[np.object_]:
        """The galaxies' ids, strings, shape (n,)."""

    @property
    def options(self) -> CutoutOptions:
        """Crop, size and stretch of the cutouts."""

    def __len__(self) -> int: ...

    def batches(
        self,
        positions: npt.ArrayLike | None = None,
        batch_size: int = 64,
        workers: int | None = None,
    ) -> Generator[Cutouts, None, None]:
        """Cutouts of the galaxies at some positions (all by default), in their order."""


class ImageFiles:
    """The images of a folder, searched recursively, or of a zip file, in the order of their ids.

    Hidden files and ``__MACOSX`` are skipped. May be pickled, and used in other processes.

    Parameters
    ----------
    path : Path or str
        A folder or a zip file.
    options : CutoutOptions, optional
        Crop and size of the cutouts; with a stretch, images are FITS files, without it pictures.
    given : GivenImages
        What is known of the images: their own bands, pixel scale, radii of the galaxies.

    Attributes
    ----------
    ids : ndarray of str objects, shape (n,)
        The files' names without folder and suffix.
    names : list of str, length n
        The files' paths within the folder or zip file, with forward slashes; that of the first band
        if each has a file of its own.

    Raises
    ------
    InputError
        Neither a folder nor a zip file, no image in it, two images of the same id, or images that
        do not go with the options.
    """

    def __init__(
        self,
        path: Path | str,
        options: CutoutOptions | None = None,
        given: GivenImages = GivenImages(),
    ) -> None:
        self.path = Path(path)
        self.options = options or given.cutouts(CutoutOptions.crop, CutoutOptions.size)
        self.given = given
        given.check(self.options)
        self._archive: tuple[int, zipfile.ZipFile] | None = None
        self._is_folder = self.path.is_dir()
        names = files_below(self.path) if self._is_folder else _names_in_zip(self.path)
        by_id = files_of_galaxies(names, self.path, given.reading(self.options).stretch)
        self.ids: npt.NDArray[np.object_] = np.array(sorted(by_id), dtype=object)
        self._files = [by_id[galaxy] for galaxy in self.ids]
        self.names = [files[0] for files in self._files]

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_archive": None}

    def read_files(self, position: int) -> list[bytes]:
        """Return the bytes of an image's file, or of those of its bands.

        Raises
        ------
        UnreadableImage
            A file has gone, may not be read, or is damaged or encrypted within the zip file.
        """
        return [self._read(name) for name in self._files[position]]

    def _read(self, name: str) -> bytes:
        if self._is_folder:
            return file_bytes(os.path.join(self.path, name))
        try:
            archive = self._open_archive()
            check_bytes(archive.getinfo(name).file_size)
            return archive.read(name)
        except UnreadableImage:
            raise
        except (KeyError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UnreadableImage(f"cannot be read: {error}") from error

    def _open_archive(self) -> zipfile.ZipFile:
        # A forked process shares its parent's file offset, so each process opens its own.
        if self._archive is None or self._archive[0] != os.getpid():
            self._archive = os.getpid(), zipfile.ZipFile(self.path)
        return self._archive[1]

    def batches(
        self,
        positions: npt.ArrayLike | None = None,
        batch_size: int = 64,
        workers: int | None = None,
    ) -> Generator[Cutouts, None, None]:
        """Read cutouts, in parallel and in order; closing the generator ends the processes.

        Parameters
        ----------
        positions : array_like of int or bool, optional
            Which images, as positions in ``ids`` or as a mask; all of them by default.
        batch_size : int
            Images a batch; a batch has fewer cutouts where images cannot be read.
        workers : int, optional
            Processes that read; 0 reads in this one. By default as many as there are cores.

        Yields
        ------
        Cutouts

        Raises
        ------
        InputError
            Positions that are none of these images; see `gz2tree.positions.chosen_positions`.
        """
        chosen = chosen_positions(positions, len(self))
        chunks = [chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
        loader: DataLoader[Any] = DataLoader(
            chunks,  # type: ignore[arg-type]  # any sequence will do
            batch_size=None,  # a chunk is a batch already
            collate_fn=partial(read_batch, self),
            num_workers=default_workers(len(chunks)) if workers is None else workers,
            worker_init_fn=end_with_parent,
        )
        yield from loader


class ImageBytes(Protocol):
    """Files of images, by their position.

    Attributes
    ----------
    ids : sequence of str
        The galaxies' ids.
    options : CutoutOptions
        Crop and size of their cutouts.
    given : GivenImages
        What is known of the images.
    """

    @property
    def ids(self) -> Any: ...
    @property
    def options(self) -> CutoutOptions: ...
    @property
    def given(self) -> GivenImages: ...

    def read_files(self, position: int) -> list[bytes]:
        """Return the bytes of an image's file or files, or raise an `UnreadableImage`."""


def read_batch(images: ImageBytes, positions: npt.NDArray[np.int64]) -> Cutouts:
    """Read images at some positions, in this process.

    The cutouts are an array, as workers would hand a tensor over in shared memory, of which
    containers have little (64 MB by default in Docker) and which kills them when it runs out; an
    array goes through a pipe.
    """
    size, reading = images.options.size, images.given.reading(images.options)
    cutouts = np.empty((len(positions), size, size, 3), np.uint8)
    readable: list[int] = []
    hashes: list[str] = []
    problems: list[tuple[int, str]] = []
    for position in positions.tolist():
        try:
            crop = images.given.crop(images.ids[position], images.options)
            files = images.read_files(position)
            cutouts[len(readable)] = read_cutout(files, reading, crop)
        except UnreadableImage as error:
            problems.append((position, str(error)))
        else:
            readable.append(position)
            hashes.append(hashlib.sha256(b"".join(files)).hexdigest())
    return Cutouts(np.array(readable, np.int64), cutouts[: len(readable)], hashes, problems)


def log_unreadable(problems: Sequence[tuple[str, str]], n_images: int) -> None:
    """Warn, through the logger ``gz2tree``, of images left out: how many, and the first by name.

    Parameters
    ----------
    problems : sequence of (str, str)
        Id of each image that could not be read, and why. Nothing is logged of none.
    n_images : int
        How many images there were, readable or not.
    """
    if problems:
        named = first_few([f"{galaxy} ({problem})" for galaxy, problem in problems])
        _log.warning(
            "%s of %s images cannot be read and are left out: %s",
            f"{len(problems):,}",
            f"{n_images:,}",
            named,
        )


def _names_in_zip(path: Path) -> list[str]:
    if not path.exists():
        raise InputError(f"expected a folder or a zip file of images, found nothing at {path}")
    if not zipfile.is_zipfile(path):
        raise InputError(f"expected a folder or a zip file of images, {path} is neither")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()
