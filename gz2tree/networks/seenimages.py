"""Which images trained a saved network: short hashes of them, in a file beside its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.cutouts import CutoutSource, ImageFiles
from gz2tree.errors import InputError, UnreadableImage
from gz2tree.networks.saved import DEFAULT_MODEL, DEFAULT_NAME
from gz2tree.store import CutoutStore
from gz2tree.storeformat import HEADER
from gz2tree.wholefiles import appearing

SEEN_IMAGES = "training_images.npy"
"""In the folder of a saved network: the first 8 bytes of the SHA-256 of each training image's
file, as uint64 in ascending order. Among millions of images, two share them by chance with a
probability of less than one in a million."""

_STORE = "cutouts"  # in a run directory


def write_seen_images(folder: Path, hashes: Sequence[str]) -> None:
    """Write down which images trained the network of a folder.

    Parameters
    ----------
    folder : Path
        Of the saved network.
    hashes : sequence of str
        SHA-256 of the image files in hexadecimal, as `LabelledCutouts.hashes` gives them.
    """
    with appearing(folder / SEEN_IMAGES) as partial, partial.open("wb") as file:
        np.save(file, np.unique(_short(hashes)))


def read_seen_images(folder: Path) -> NDArray[np.uint64] | None:
    """Return what `write_seen_images` wrote, or None if the folder has no such file.

    Raises
    ------
    InputError
        A file that is damaged or of something else.
    """
    file = folder / SEEN_IMAGES
    if not file.is_file():
        return None
    try:
        seen = np.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{file} is damaged: {error}") from error
    if seen.dtype != np.uint64 or seen.ndim != 1:
        raise InputError(f"{file}: expected a list of uint64, found {seen.dtype} {seen.shape}")
    return seen


def were_seen(seen: NDArray[np.uint64], hashes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which images trained a network.

    Parameters
    ----------
    seen : array of uint64
        As `read_seen_images` returns it.
    hashes : sequence of str, length n
        SHA-256 of the image files in hexadecimal.

    Returns
    -------
    were_seen : array of bool, shape (n,)
        Images that are the same byte for byte; a copy that was encoded anew is not found.
    """
    return np.isin(_short(hashes), seen)


def seen_by(model: str | Path, hashes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which images a saved network or a run has seen, as far as it is known.

    Parameters
    ----------
    model : str or Path
        As in `load_model`: a run directory, the folder of a saved network, or ``"default"``.
    hashes : sequence of str, length n
        SHA-256 of the image files in hexadecimal.

    Returns
    -------
    seen : array of bool, shape (n,)
        Of a run, the images in the store that it prepared, of whichever part of its split.
    """
    folder = DEFAULT_MODEL if str(model) == DEFAULT_NAME else Path(model)
    known = np.zeros(len(hashes), dtype=bool)
    if (seen := read_seen_images(folder)) is not None:
        known |= were_seen(seen, hashes)
    if (folder / _STORE / HEADER).is_file():
        known |= np.isin(hashes, CutoutStore(folder / _STORE).hashes.astype(str))
    return known


def hashes_of(source: CutoutSource, ids: Sequence[str]) -> list[str]:
    """SHA-256 of the image files of some galaxies.

    Parameters
    ----------
    source : CutoutStore or ImageFiles
        A store knows them; image files are read from the disk.
    ids : sequence of str, length n
        All of them in the source.

    Returns
    -------
    hashes : list of str, length n
        In hexadecimal; that of no bytes for an image that cannot be read.
    """
    positions = pd.Index(source.ids).get_indexer(pd.Index(ids)).tolist()
    if isinstance(source, CutoutStore):
        return [source.hashes[position] for position in positions]
    assert isinstance(source, ImageFiles)
    return [_hash(source, position) for position in positions]


def _hash(images: ImageFiles, position: int) -> str:
    try:
        content = images.read_files(position)
    except UnreadableImage:  # is left out, and named, when it is predicted
        content = []
    return hashlib.sha256(b"".join(content)).hexdigest()


def _short(hashes: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(sha256[:16], 16) for sha256 in hashes], dtype=np.uint64)
