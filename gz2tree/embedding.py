"""The pooled features of a network: numbers in which galaxies that look alike are near."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.config import PredictOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError, first_few
from gz2tree.networks.batches import look_at, opened
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Embedder, find_device
from gz2tree.tables.files import TableWriter, read_table, table_columns
from gz2tree.tables.tableformat import format_to_write
from gz2tree.version import __version__

_ID = "id"
_FEATURE = "feature_"


def embed_to_file(
    model: GalaxyNet,
    images: CutoutSource | str | Path,
    out: Path,
    options: PredictOptions = PredictOptions(),
    *,
    progress: bool = True,
) -> int:
    """Write the pooled features of images, batch by batch.

    Parameters
    ----------
    model : GalaxyNet
    images : CutoutStore, ImageFiles, str or Path
        As in `gz2tree.predict`.
    out : Path
        ``.parquet``, ``.csv`` or ``.fits``: the column ``id`` and a float32 column for each
        feature, ``feature_0000`` …; the mean over ``options.views``.
    options : PredictOptions
        Without a gate: features are no probabilities.
    progress : bool

    Returns
    -------
    n : int
        Galaxies written.

    Raises
    ------
    InputError
        An unknown format, a gate, cutouts of another crop or size, or no image that can be read.
    """
    format_to_write(out)
    options.refuse_gate("features")
    find_device(options.device)
    source = opened(images, model.cutouts)
    names = [f"{_FEATURE}{number:04d}" for number in range(model.head_hidden_size)]
    described = {"model": f"{type(model).__name__} {model.backbone_name}", "version": __version__}
    written = 0
    with TableWriter(out, described) as writer:
        network = Embedder(model, find_device(options.device), options)
        for ids, (features,) in look_at(
            [network], source, model.cutouts, options, progress=progress
        ):
            piece = pd.DataFrame(features.numpy(), columns=names)
            piece.insert(0, _ID, ids)
            writer.write(piece)
            written += len(piece)
    return written


def read_features(path: Path) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    """Read what `embed_to_file` has written.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ids : array of str, shape (n,)
    features : array of float32, shape (n, head_hidden_size)

    Raises
    ------
    InputError
        No table, or one without ids and features.
    """
    header = table_columns(path)
    names = [name for name in header if name.startswith(_FEATURE)]
    if _ID not in header or not names:
        raise InputError(
            f"{path}: expected columns {_ID}, {_FEATURE}0000, …, found {first_few(header)}"
        )
    table = read_table(path, [_ID, *names], ids=[_ID])
    return table[_ID].to_numpy(object), table[names].to_numpy(np.float32)


def nearest(features: ArrayLike, of: int, n: int) -> NDArray[np.int64]:
    """Find the galaxies most like one, by the angle between their features.

    Parameters
    ----------
    features : array_like, shape (n_galaxies, n_features)
    of : int
        Position of the galaxy.
    n : int
        How many to find, at most.

    Returns
    -------
    positions : array of int64, shape (min(n, n_galaxies - 1),)
        The nearest first; not the galaxy itself.

    Examples
    --------
    >>> nearest([[1, 0], [0, 1], [2, 0.1], [1, 1]], of=0, n=2)
    array([2, 3])
    """
    values = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(values, axis=1)
    cosine = values @ values[of] / np.maximum(length * length[of], np.finfo(float).tiny)
    cosine[of] = -np.inf
    return np.argsort(-cosine, kind="stable")[: min(n, len(values) - 1)]
