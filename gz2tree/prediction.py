"""From a network and images to a catalogue of predictions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gz2tree.catalogues.catalogue import CatalogueColumns
from gz2tree.config import CatalogueOptions, PredictOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.images.given import GivenImages
from gz2tree.networks.batches import look_at, opened
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Models, Prediction, Predictor, find_device, together
from gz2tree.networks.untrained import untrained_answers, untrained_text
from gz2tree.tables.columnnotes import topcat_names
from gz2tree.tables.files import TableWriter
from gz2tree.tables.tableformat import OF_ASTROPY, format_to_write
from gz2tree.tables.usertable import UserTable

_log = logging.getLogger("gz2tree")


def predict(
    model: Models,
    images: CutoutSource | str | Path,
    options: PredictOptions = PredictOptions(),
    *,
    given: GivenImages = GivenImages(),
    positions: ArrayLike | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict the answers of volunteers.

    Parameters
    ----------
    model : GalaxyTreeNet or FlatNet, or a sequence of them
        Of several the mean is predicted; they have one tree and one crop and size of cutouts.
    images : CutoutStore, ImageFiles, str or Path
        Cutouts of the model's crop and size; a path is that of a store, a folder or a zip file.
    options : PredictOptions
    given : GivenImages
        What is known of the images, if `images` is a path; see docs/images.md.
    positions : array_like of int or bool, optional
        Which of the images, as positions in ``images.ids`` or as a mask; all by default.
    progress : bool

    Returns
    -------
    catalogue : DataFrame, one row for each readable image
        The id column of the model's tree, then a column of cumulative probabilities (float32) for
        each answer; NaN in answers that a model was trained without, unless they are kept.

    Raises
    ------
    InputError
        Cutouts of another crop or size, positions that are none of the images, no images, or none
        that can be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from gz2tree.model import load_model
    >>> from gz2tree.simulate import simulate
    >>> with TemporaryDirectory() as folder:
    ...     sky = simulate(Path(folder) / "sky", 2, seed=0)
    ...     table = predict(load_model("default"), sky / "images", progress=False)
    >>> table["GalaxyID"].tolist(), table.shape
    (['100000', '100001'], (2, 38))
    """
    models = together(model)
    images = opened(images, models[0].cutouts, given)
    columns = CatalogueColumns(models, options)
    batches = _catalogue_rows(models, images, options, columns, positions, progress)
    return pd.concat(batches, ignore_index=True)


def predict_to_file(
    model: Models,
    images: CutoutSource | str | Path,
    out: Path,
    options: PredictOptions = PredictOptions(),
    catalogue: CatalogueOptions = CatalogueOptions(),
    *,
    given: GivenImages = GivenImages(),
    progress: bool = True,
) -> int:
    """Write a catalogue of predictions, batch by batch.

    Parameters
    ----------
    model, images, options, given, progress
        As in `predict`.
    out : Path
        ``.parquet``, ``.csv`` (Kaggle's submission format if the tree is Kaggle's), ``.fits``,
        ``.vot`` or ``.ecsv``; the last three with names as TOPCAT needs them
        (`gz2tree.tables.columnnotes.topcat_names`). The file appears when it is complete.
    catalogue : CatalogueOptions
        Columns, flags, and the table that is carried.

    Returns
    -------
    n : int
        Galaxies written.

    Raises
    ------
    InputError
        As in `predict`; an unknown format; columns that these networks do not have, see
        `gz2tree.catalogues.catalogue.CatalogueColumns`; a table that cannot be read, has no ids of
        images, or columns that are called as predicted ones or that `out` cannot hold.
    """
    spells = format_to_write(out) in OF_ASTROPY
    models = together(model)
    columns = CatalogueColumns(models, options, catalogue)
    find_device(options.device)  # options are checked before images are looked for
    images = opened(images, models[0].cutouts, given)
    if catalogue.table.table is not None:
        path, id_column = Path(catalogue.table.table), catalogue.table.id_column
        carried = UserTable.read(path, id_column, images.ids)
        columns.add_table(carried)
        carried.log_found([images.ids])
    names = topcat_names(columns.predicted) if spells else {}
    notes = {names.get(column, column): note for column, note in columns.notes.items()}
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    written = 0
    counts: Counter[str] = Counter()
    with TableWriter(out, columns.provenance | {"date": date}, notes) as writer:
        if columns.table is not None:
            writer.check(columns.table.frame)
        for rows in _catalogue_rows(models, images, options, columns, None, progress):
            writer.write(rows.rename(columns=names))
            written += len(rows)
            counts.update(columns.counts(rows))
    columns.log(counts, written)
    return written


def _catalogue_rows(
    models: Sequence[GalaxyNet],
    images: CutoutSource,
    options: PredictOptions,
    columns: CatalogueColumns,
    positions: ArrayLike | None,
    progress: bool,
) -> Iterator[pd.DataFrame]:
    atypical = columns.wanted.atypical
    batches = predict_batches(models, images, options, positions, progress, atypical=atypical)
    for ids, predictions in batches:
        yield columns.rows(ids, predictions)


def predict_batches(
    models: Sequence[GalaxyNet],
    images: CutoutSource,
    options: PredictOptions,
    positions: ArrayLike | None = None,
    progress: bool = True,
    *,
    atypical: bool = False,
) -> Iterator[tuple[NDArray[np.object_], list[Prediction]]]:
    """Predict batch by batch, each network on its own.

    Parameters
    ----------
    models : sequence of GalaxyNet
        Of one crop and size of cutouts; see `gz2tree.networks.predictor.together`.
    images, options, positions, progress
        As in `predict`, but that nothing is gated, see `gz2tree.networks.predictor.mean_answers`.
    atypical : bool
        Whether to say how atypical galaxies are.

    Yields
    ------
    ids : array of str, shape (N,)
        Of the images of a batch that could be read.
    predictions : list of Prediction, one for each model

    Raises
    ------
    InputError
        As in `predict`; `atypical` of a network that holds nothing of its training galaxies.
    """
    warn_of_untrained(models, options)
    device = find_device(options.device)
    networks = [Predictor(model, device, options, atypical=atypical) for model in models]
    yield from look_at(networks, images, models[0].cutouts, options, positions, progress)


def warn_of_untrained(models: Sequence[GalaxyNet], options: PredictOptions) -> None:
    """Warn of answers that any of the models was trained without, and say what becomes of them."""
    untrained = untrained_answers(models)
    if untrained.any():
        _log.warning(
            "no galaxy that trained %s had %s measured; what it says of them %s",
            "this model" if len(models) == 1 else "one of these models",
            untrained_text(models[0].tree, untrained),
            "means nothing, and is kept"
            if options.keep_untrained
            else "would mean nothing, and is left empty",
        )
