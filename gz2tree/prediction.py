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

from gz2tree.catalogues.catalogue import CatalogueForm
from gz2tree.catalogues.flags import Flag
from gz2tree.config import PredictOptions, TableOptions
from gz2tree.config.choices import Columns
from gz2tree.cutouts import CutoutSource
from gz2tree.images.given import GivenImages
from gz2tree.networks.looking import look_at, opened
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Models, Prediction, Predictor, find_device, together
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
        each answer.

    Raises
    ------
    InputError
        Cutouts of another crop or size, positions that are none of the images, no images, or none
        that can be read.
    """
    models = together(model)
    images = opened(images, models[0].cutouts, given)
    form = CatalogueForm(models, options, "cumulative")
    pieces = list(_catalogue_pieces(models, images, options, form, positions, progress))
    return pd.concat(pieces, ignore_index=True)


def predict_to_file(
    model: Models,
    images: CutoutSource | str | Path,
    out: Path,
    options: PredictOptions = PredictOptions(),
    *,
    given: GivenImages = GivenImages(),
    columns: Columns = "cumulative",
    flags: Sequence[Flag] = (),
    level: float = 0.8,
    table: TableOptions = TableOptions(),
    weights: str = "",
    atypical: bool = False,
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
    columns : {"cumulative", "conditional", "reach", "uncertainty"}
        What to write of each answer, or (reach) of each question; the latter two of the first three
        are a suffix in the column names. Conditional probabilities of a question that is not
        reached are NaN. Uncertainty: see `gz2tree.catalogues.uncertainty.uncertainty_columns`.
    flags : sequence of Flag
        A boolean column for each, set by the cumulative probability whatever `columns` says, after
        the gate. How many galaxies have it is logged.
    level : float, in (0, 1)
        Probability within the intervals that ``columns="uncertainty"`` writes.
    table : TableOptions
        A table of the galaxies whose columns are carried; see `gz2tree.tables.usertable`.
    weights : str
        How the models are called, for the provenance.
    atypical : bool
        A column ``atypical`` besides: how unlike the training galaxies an image is, see
        `gz2tree.networks.typicality`; above 1 it is more so than 99 of 100 galaxies like those.
        Of several models the mean. A warning is logged if more galaxies are than chance has it.

    Returns
    -------
    n : int
        Galaxies written.

    Raises
    ------
    InputError
        As in `predict`; an unknown format; ``conditional`` or ``reach`` of a flat network;
        ``uncertainty`` of one network that gives no strengths; ``atypical`` of one that holds
        nothing of its training galaxies; a table that cannot be read, has no ids of images, or
        columns that are called as predicted ones or that `out` cannot hold.
    """
    spells = format_to_write(out) in OF_ASTROPY
    models = together(model)
    form = CatalogueForm(models, options, columns, flags, level, weights, atypical=atypical)
    find_device(options.device)  # options are checked before images are looked for
    images = opened(images, models[0].cutouts, given)
    if table.table is not None:
        carried = UserTable.read(Path(table.table), table.id_column, images.ids)
        form.carry(carried)
        carried.log_found([images.ids])
    names = topcat_names(form.predicted) if spells else {}
    notes = {names.get(column, column): note for column, note in form.notes.items()}
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    written = 0
    counts: Counter[str] = Counter()
    with TableWriter(out, form.provenance | {"date": date}, notes) as writer:
        if form.table is not None:
            writer.check(form.table.frame)
        for piece in _catalogue_pieces(models, images, options, form, None, progress):
            writer.write(piece.rename(columns=names))
            written += len(piece)
            counts.update(form.counts(piece))
    form.log(counts, written)
    return written


def _catalogue_pieces(
    models: Sequence[GalaxyNet],
    images: CutoutSource,
    options: PredictOptions,
    form: CatalogueForm,
    positions: ArrayLike | None,
    progress: bool,
) -> Iterator[pd.DataFrame]:
    batches = predict_batches(models, images, options, positions, progress, atypical=form.atypical)
    for ids, predictions in batches:
        yield form.piece(ids, predictions)


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
    for model in models:
        warn_of_untrained(model)
    device = find_device(options.device)
    networks = [Predictor(model, device, options, atypical=atypical) for model in models]
    yield from look_at(networks, images, models[0].cutouts, options, positions, progress)


def warn_of_untrained(model: GalaxyNet) -> None:
    """Warn of answers that the model was trained without."""
    if model.untrained:
        _log.warning(
            "this model was trained without %d of its %d answers; what it says of them means "
            "nothing: %s",
            len(model.untrained), len(model.tree), ", ".join(model.untrained),
        )  # fmt: skip
