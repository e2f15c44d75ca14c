"""Which images trained a saved network: short hashes of them, in a file beside its weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gz2tree.errors import InputError
from gz2tree.wholefiles import appearing

SEEN_IMAGES = "training_images.npy"
"""In the folder of a saved network: the first 8 bytes of the SHA-256 of each training image's
file, as uint64 in ascending order. Among millions of images, two share them by chance with a
probability of less than one in a million."""


def write_seen_images(folder: Path, seen: NDArray[np.uint64]) -> None:
    """Write down which images trained the network of a folder.

    Parameters
    ----------
    folder : Path
        Of the saved network.
    seen : array of uint64
        As `short_hashes` returns it.
    """
    with appearing(folder / SEEN_IMAGES) as partial, partial.open("wb") as file:
        np.save(file, seen)


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


def short_hashes(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Return the first 8 bytes of each hash, in ascending order and each once.

    Parameters
    ----------
    hashes : sequence of str
        SHA-256 of the image files in hexadecimal, as `LabelledCutouts.hashes` gives them.
    """
    return np.unique(_short(hashes))


def _short(hashes: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([int(sha256[:16], 16) for sha256 in hashes], dtype=np.uint64)
