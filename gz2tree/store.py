"""The prepared store: cutouts of many images in one memory-mapped file, read without decoding."""

from __future__ import annotations

import logging
from collections.abc import Collection, Generator, Iterable
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from gz2tree.config import CutoutOptions
from gz2tree.cutouts import Cutouts, ImageFiles, log_unreadable
from gz2tree.errors import InputError, first_few
from gz2tree.images.given import GivenImages
from gz2tree.positions import chosen_positions, positions_of
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
    read_part,
)
from gz2tree.storewriter import claim_folder, open_writer

_log = logging.getLogger("gz2tree")


class CutoutStore:
    """Cutouts that :func:`prepare` has made, in the order of their ids; may be pickled.

    Parameters
    ----------
    path : Path or str
        The store's folder.

    Attributes
    ----------
    options : CutoutOptions
        Crop, size and stretch of the cutouts.
    ids : ndarray of str objects, shape (n,)
        The galaxies' ids.
    hashes : ndarray of str objects, shape (n,)
        SHA-256 of the image files' bytes, in hexadecimal: equal for copies of one image.
    problems : list of (str, str)
        Id of every image that was left out, and why.

    Raises
    ------
    InputError
        No store, one not prepared to its end or written by another version, or a damaged one.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._header = StoreHeader.read(self.path)
        if not self._header.complete:
            raise InputError(
                f"store {self.path} is incomplete: resume it by preparing {self._header.source} "
                f"with {self._header.options} into it again"
            )
        self.options = self._header.options
        index = read_part(self.path / INDEX, INDEX_COLUMNS)
        self.ids: npt.NDArray[np.object_] = np.array([row[0] for row in index], dtype=object)
        self.hashes: npt.NDArray[np.object_] = np.array([row[1] for row in index], dtype=object)
        problems = read_part(self.path / PROBLEMS, PROBLEM_COLUMNS)
        self.problems = [(galaxy, problem) for galaxy, _, problem in problems]
        self._check_array()

    def _check_array(self) -> None:
        expected = (self._header.n, self.options.size, self.options.size, 3)
        if len(self) != self._header.n:
            raise InputError(
                f"expected {self._header.n:,} rows in {self.path / INDEX}, found {len(self):,}"
            )
        if self.array.shape != expected or self.array.dtype != np.uint8:
            raise InputError(
                f"expected uint8 {expected} in {self.path / CUTOUTS}, "
                f"found {self.array.dtype} {self.array.shape}"
            )

    @cached_property
    def array(self) -> npt.NDArray[np.uint8]:
        """All cutouts, shape (n, size, size, 3), memory-mapped read-only."""
        path = self.path / CUTOUTS
        try:
            return np.load(path, mmap_mode="r")
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{path} is missing, truncated or damaged: {error}") from error

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict[str, Any]:
        # A pickled memory map would carry the cutouts; without it, it is mapped again when needed.
        return {name: value for name, value in self.__dict__.items() if name != "array"}

    def rows(self, ids: Iterable[str]) -> npt.NDArray[np.int64]:
        """Find the positions of some galaxies.

        Parameters
        ----------
        ids : iterable of str, length n

        Returns
        -------
        ndarray of int64, shape (n,)
            Positions in ``ids`` and ``array``.

        Raises
        ------
        InputError
            Some of them are not in the store.
        """
        return positions_of(self.ids, ids, f"cutouts in {self.path}")

    def batches(
        self,
        positions: npt.ArrayLike | None = None,
        batch_size: int = 64,
        workers: int | None = None,
    ) -> Generator[Cutouts, None, None]:
        """Yield cutouts, in order.

        Parameters
        ----------
        positions : array_like of int or bool, optional
            Which cutouts, as positions in ``ids`` or as a mask; all of them by default.
        batch_size : int
            Cutouts a batch.
        workers : int, optional
            Ignored: there is nothing to decode.

        Yields
        ------
        Cutouts

        Raises
        ------
        InputError
            Positions that are none of these cutouts; see `gz2tree.positions.chosen_positions`.
        """
        chosen = chosen_positions(positions, len(self))
        for start in range(0, len(chosen), batch_size):
            chunk = chosen[start : start + batch_size]
            cutouts = np.asarray(self.array[chunk])
            yield Cutouts(chunk, cutouts, self.hashes[chunk].tolist(), [])


def prepare(
    images: Path | str,
    out: Path | str,
    options: CutoutOptions | None = None,
    given: GivenImages = GivenImages(),
    *,
    workers: int | None = None,
    progress: bool = True,
    only: Collection[str] | None = None,
) -> CutoutStore:
    """Prepare the cutouts of a folder or zip file of images.

    Interrupted, even by ``kill -9``, it resumes when called again; called again on a complete
    store it returns that. Images that cannot be read are left out and named in the log.

    Parameters
    ----------
    images : Path or str
        Folder, searched recursively, or zip file.
    out : Path or str
        Folder of the store: a new one, an empty one, or this store's.
    options : CutoutOptions, optional
        Crop, size and stretch of the cutouts; of FITS images with the default ones, the stretch
        of `given`.
    given : GivenImages
        What is known of the images: their own bands, pixel scale, radii of the galaxies.
    workers : int, optional
        Processes that read images; 0 reads in this one. By default as many as there are cores.
    progress : bool
        Whether to show a progress bar on standard error.
    only : collection of str, optional
        Ids of the galaxies wanted; those without an image are named in the log.

    Returns
    -------
    CutoutStore

    Raises
    ------
    InputError
        There are no images, or none of them can be read; ``out`` holds something else, or a store
        of other options or images; the disk is full.
    """
    folder = Path(out)
    files = ImageFiles(images, options, given)
    positions = _choose(files, only)
    source, known = files.path.resolve().name, files.given.describe()
    wanted = StoreHeader.of(files.ids[positions], files.options, source, known)
    header = claim_folder(folder, wanted)
    if header.complete:
        _log.info("store %s is already complete", folder)
    else:
        _fill(folder, header, files, positions, workers, progress)
    if (folder / JOURNAL).exists():
        (folder / JOURNAL).unlink()
    store = CutoutStore(folder)
    log_unreadable(store.problems, len(positions))
    return store


def _choose(files: ImageFiles, only: Collection[str] | None) -> npt.NDArray[np.int64]:
    """Find the positions of the galaxies wanted, all by default; name those without an image."""
    if only is None:
        return np.arange(len(files))
    wanted = set(only)
    missing = sorted(wanted.difference(files.ids))
    if len(missing) == len(wanted):
        raise InputError(
            f"none of {len(wanted):,} galaxies has an image in {files.path}: expected names "
            f"such as {first_few(missing)}, found {first_few(files.ids.tolist())}"
        )
    if missing:
        counts = f"{len(missing):,} of {len(wanted):,} galaxies"
        _log.warning("%s have no image in %s: %s", counts, files.path, first_few(missing))
    return np.flatnonzero([galaxy in wanted for galaxy in files.ids])


def _fill(
    folder: Path,
    header: StoreHeader,
    files: ImageFiles,
    positions: npt.NDArray[np.int64],
    workers: int | None,
    progress: bool,
) -> None:
    """Write the images that are not in the store yet, and complete it."""
    with open_writer(folder, header) as writer:
        done = len(writer)
        with (
            closing(files.batches(positions[done:], writer.batch_size, workers)) as batches,
            tqdm(total=len(positions), initial=done, unit="image", disable=not progress) as bar,
        ):
            for batch in batches:
                writer.append(batch)
                bar.update(len(writer) - bar.n)
        names = [files.names[position] for position in positions]
        writer.complete(files.ids[positions].tolist(), names)


def is_store(path: Path | str) -> bool:
    """Whether a folder is a prepared store, begun or complete; nothing in it is opened."""
    return (Path(path) / HEADER).exists()


def open_images(
    path: Path | str, options: CutoutOptions | None = None, given: GivenImages = GivenImages()
) -> CutoutStore | ImageFiles:
    """Open what holds images: a prepared store, a folder of image files or a zip file.

    Parameters
    ----------
    path : Path or str
        What to open.
    options : CutoutOptions, optional
        Crop, size and stretch wanted; by default those of the store, or the default ones.
    given : GivenImages
        What is known of images; of a store all is known.

    Raises
    ------
    InputError
        A store of other cutouts, something given of a store, or whatever the two classes refuse.
    """
    folder = Path(path)
    if not is_store(folder):
        return ImageFiles(folder, options, given)
    if given:
        raise InputError(
            f"store {folder}: its cutouts are made; bands, pixel scale and radii are given of "
            "images, when it is prepared"
        )
    store = CutoutStore(folder)
    if options is not None:
        check_options(folder, store.options, options)
    return store
