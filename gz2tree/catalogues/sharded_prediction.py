"""Predict more galaxies than one process should: a catalogue in shards, by any number of them.

What a shard holds depends on the images and options alone, not on how many processes share the
work: another number of them may go on with an interrupted catalogue.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from gz2tree.catalogues.catalogue import CatalogueColumns
from gz2tree.catalogues.identity import catalogue_identity
from gz2tree.catalogues.shardformat import (
    PROBLEMS,
    Totals,
    claim,
    listing_path,
    read_manifest,
    read_totals,
)
from gz2tree.catalogues.shards import ShardedCatalogue, ids_of_shards
from gz2tree.catalogues.shardtasks import Batch, Job, Reader, tasks_of
from gz2tree.config import CatalogueOptions, PredictOptions, ShardOptions
from gz2tree.errors import InputError
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import image_id
from gz2tree.images.listed import ListedImages
from gz2tree.images.opening import expand, open_stream
from gz2tree.images.streams import ImageStream, StoredCutouts
from gz2tree.images.workers import default_workers, end_with_parent
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Models, Predictor, together
from gz2tree.prediction import warn_of_untrained
from gz2tree.processes import Processes
from gz2tree.tables.usertable import UserTable
from gz2tree.wholefiles import aside

_log = logging.getLogger("gz2tree")

_SOME = 1000  # images of each input, to find the ids among a table's columns


def predict_to_folder(
    model: Models,
    images: Sequence[str | Path],
    out: Path,
    options: PredictOptions = PredictOptions(),
    shards: ShardOptions = ShardOptions(),
    catalogue: CatalogueOptions = CatalogueOptions(),
    *,
    given: GivenImages = GivenImages(),
    progress: bool = True,
) -> Totals | None:
    """Write a catalogue in shards; called again after an interruption, go on where it stopped.

    Parameters
    ----------
    model : GalaxyTreeNet or FlatNet, or a sequence of them
    images : sequence of str or Path
        Folders of images or of tar files, zip files, tar files, list files; patterns of these;
        or one store.
    out : Path
        A new or empty folder, or this catalogue's.
    options : PredictOptions
        Its ``device`` is None: the accelerator and devices of `shards` choose.
    shards : ShardOptions
    catalogue : CatalogueOptions
        Columns, flags, and the table that is carried.
    given : GivenImages
        What is known of the images.
    progress : bool

    Returns
    -------
    totals : Totals, optional
        Of the catalogue, if this process has completed it or found it complete.

    Raises
    ------
    InputError
        As in `predict`; a folder that holds something else, or a catalogue of another model, other
        options or other images; devices that there are not.
    """
    if options.device is not None:
        raise InputError(
            "device: expected none for a catalogue in shards, of which --accelerator and "
            f"--devices choose the devices; found {options.device!r}"
        )
    models = together(model)
    columns = CatalogueColumns(models, options, catalogue)
    processes = Processes(shards)
    job = processes.first(
        lambda: _begin(images, out, models, options, shards.galaxies_per_shard, columns, given)
    )
    if catalogue.table.table is not None and columns.table is None:
        columns.add_table(UserTable.read(Path(catalogue.table.table), job.id_column))
    first = processes.rank == 0
    if job.complete:
        totals = read_totals(out) if first else None
    else:
        if first:
            warn_of_untrained(models, options)
        networks = [
            Predictor(each, processes.device, options, atypical=columns.wanted.atypical)
            for each in models
        ]
        _work(job, networks, columns, options, processes, progress and first)
        processes.wait_for_launched()
        totals = job.catalogue.complete()
    if totals is not None:
        _report(totals, columns, out)
    return totals


def _begin(
    images: Sequence[str | Path],
    out: Path,
    models: Sequence[GalaxyNet],
    options: PredictOptions,
    galaxies_per_shard: int,
    columns: CatalogueColumns,
    given: GivenImages,
) -> Job:
    """Open the images and the catalogue; one process does it for all."""
    claim(out)
    try:
        # Folders are listed aside: the list of a catalogue that was begun counts until it is known
        # to be the same.
        with aside(out / "_listings") as folder:
            streams: list[ImageStream] = []
            for number, path in enumerate(expand(images)):
                listing = folder / f"{number}.txt"
                streams += open_stream(path, models[0].cutouts, listing, given)
            if len(streams) > 1 and any(isinstance(stream, StoredCutouts) for stream in streams):
                raise InputError(f"images: expected a store alone, found {len(streams)} inputs")
            table = columns.wanted.table
            if table.table is not None:
                columns.add_table(_read_table(Path(table.table), table.id_column, streams))
            described = [stream.description() for stream in streams]
            identity = catalogue_identity(
                models, options, columns, galaxies_per_shard, described, given
            )
            catalogue = ShardedCatalogue.begin(out, identity)
            for number, stream in enumerate(streams):
                if isinstance(stream, ListedImages) and stream.kind == "folder":
                    streams[number] = stream.moved(listing_path(out, number))
    except InputError:
        with suppress(OSError):  # not empty
            out.rmdir()
        raise
    id_column = columns.table.id_column if columns.table is not None else None
    return Job(catalogue, streams, given, read_manifest(out)["complete"], id_column)


def _read_table(path: Path, id_column: str | None, streams: Sequence[ImageStream]) -> UserTable:
    """Read the user's table; some of the images tell which column is that of the ids."""
    if id_column is not None:
        return UserTable.read(path, id_column)
    entries = (entry for stream in streams for entry in islice(stream.entries(), _SOME))
    return UserTable.read(path, None, [image_id(entry.name) for entry in entries])


def _work(
    job: Job,
    networks: Sequence[Predictor],
    columns: CatalogueColumns,
    options: PredictOptions,
    processes: Processes,
    progress: bool,
) -> None:
    """Predict this process's share of the shards."""
    cutouts = networks[0].model.cutouts
    workers = options.workers
    if workers is None:
        stored = isinstance(job.streams[0], StoredCutouts)
        workers = 0 if stored else default_workers() // processes.per_node
    loader: DataLoader[Batch] = DataLoader(
        Reader(job.streams, cutouts, job.given),
        sampler=tasks_of(job, processes, options.batch_size),
        batch_size=None,  # a task is a batch already
        collate_fn=_as_it_is,
        num_workers=workers,
        worker_init_fn=end_with_parent,
    )
    pieces, problems = [columns.empty()], []
    with tqdm(unit="galaxy", disable=not progress) as bar:
        for batch in loader:
            if len(batch.ids):
                of_batch = torch.from_numpy(batch.cutouts)
                pieces.append(columns.rows(batch.ids, [network(of_batch) for network in networks]))
            problems += batch.problems
            bar.update(len(batch.ids) + len(batch.problems))
            if batch.final:
                rows = pd.concat(pieces[1:] or pieces, ignore_index=True)
                counts = columns.counts(rows)
                job.catalogue.write(
                    batch.shard, rows, problems, columns.provenance, columns.notes, counts
                )
                pieces, problems = [columns.empty()], []


def _as_it_is(batch: Any) -> Any:
    """Stand in for the loader's collation, which would make tensors of arrays."""
    return batch


def _report(totals: Totals, columns: CatalogueColumns, out: Path) -> None:
    n_images = totals.galaxies + totals.unreadable
    if totals.galaxies == 0:
        raise InputError(
            f"expected images that can be read, found none among {n_images:,}: {out / PROBLEMS}"
        )
    if totals.unreadable:
        _log.warning(
            "%s of %s images cannot be read and are left out: %s",
            f"{totals.unreadable:,}", f"{n_images:,}", out / PROBLEMS,
        )  # fmt: skip
    if columns.table is not None:
        columns.table.log_found(ids_of_shards(out, columns.tree.id_column))
    columns.log(totals.flagged, totals.galaxies)
