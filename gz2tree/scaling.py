"""Predict more galaxies than one process should: a catalogue in shards, by many, in any number.

What a shard holds depends on the images and options alone, not on how many processes share the
work: an interrupted catalogue is gone on with by another number of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from gz2tree.catalogue import CatalogueForm
from gz2tree.config import CutoutOptions, PredictOptions, ShardOptions, TableOptions
from gz2tree.config.choices import Columns
from gz2tree.errors import InputError
from gz2tree.flags import Flag
from gz2tree.given import GivenImages
from gz2tree.identity import catalogue_identity
from gz2tree.imagenames import image_id
from gz2tree.network import GalaxyNet
from gz2tree.opening import expand, open_stream
from gz2tree.prediction import Models, together, warn_of_untrained
from gz2tree.predictor import Predictor
from gz2tree.processes import Processes
from gz2tree.shardformat import (
    PARTIAL,
    PROBLEMS,
    Shard,
    Totals,
    claim,
    listing_path,
    read_manifest,
    read_totals,
)
from gz2tree.shards import ShardedCatalogue, ids_of_shards
from gz2tree.streams import Entry, ImageStream, ListedImages, StoredCutouts
from gz2tree.usertable import UserTable
from gz2tree.workers import default_workers, end_with_parent

_log = logging.getLogger("gz2tree")

_SOME = 1000  # images of each input, to find the ids among a table's columns


def predict_to_folder(
    model: Models,
    images: Sequence[str | Path],
    out: Path,
    options: PredictOptions = PredictOptions(),
    shards: ShardOptions = ShardOptions(),
    *,
    given: GivenImages = GivenImages(),
    columns: Columns = "cumulative",
    flags: Sequence[Flag] = (),
    level: float = 0.8,
    table: TableOptions = TableOptions(),
    weights: str = "",
    atypical: bool = False,
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
    given : GivenImages
        What is known of the images.
    columns, flags, level, table, weights, atypical
        As in `gz2tree.prediction.predict_to_file`.
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
    form = CatalogueForm(models, options, columns, flags, level, weights, atypical=atypical)
    processes = Processes(shards)
    job = processes.first(
        lambda: _begin(images, out, models, options, shards.galaxies_per_shard, form, given, table)
    )
    if table.table is not None and form.table is None:
        form.carry(UserTable.read(Path(table.table), job.id_column))
    first = processes.rank == 0
    if job.complete:
        totals = read_totals(out) if first else None
    else:
        if first:
            for each in models:
                warn_of_untrained(each)
        networks = [Predictor(each, processes.device, options) for each in models]
        _work(job, networks, form, options, processes, progress and first)
        processes.wait_for_launched()
        totals = job.catalogue.complete()
    if totals is not None:
        _report(totals, form, out)
    return totals


@dataclass(frozen=True)
class _Job:
    """What is to be done, the same for all processes."""

    catalogue: ShardedCatalogue
    streams: list[ImageStream]
    given: GivenImages
    complete: bool
    id_column: str | None


class _Task(NamedTuple):
    """Some images of a shard; `final` of the last of them."""

    shard: Shard
    entries: list[Entry]
    final: bool


class _Batch(NamedTuple):
    """A task whose images have been read."""

    shard: Shard
    ids: NDArray[np.object_]
    cutouts: NDArray[np.uint8]
    problems: list[tuple[str, str, str]]
    final: bool


class _Reader(Dataset[_Batch]):
    """Reads what tasks name; workers have a copy each."""

    def __init__(
        self, streams: Sequence[ImageStream], options: CutoutOptions, given: GivenImages
    ) -> None:
        self.streams, self.options, self.given = streams, options, given

    def __getitem__(self, task: _Task) -> _Batch:
        found = self.streams[task.shard.input].cutouts(task.entries, self.options, self.given)
        ids = [image_id(entry.name) for entry in task.entries]
        problems = [(ids[at], task.entries[at].name, text) for at, text in found.problems]
        readable = np.array(ids, dtype=object)[found.readable]
        return _Batch(task.shard, readable, found.cutouts, problems, task.final)


def _begin(
    images: Sequence[str | Path],
    out: Path,
    models: Sequence[GalaxyNet],
    options: PredictOptions,
    galaxies_per_shard: int,
    form: CatalogueForm,
    given: GivenImages,
    table: TableOptions,
) -> _Job:
    """Open the images and the catalogue; one process does it for all."""
    claim(out)
    try:
        # Folders are listed aside: the list of a catalogue that was begun counts until it is known
        # to be the same.
        with TemporaryDirectory(prefix=PARTIAL, dir=out) as aside:
            streams: list[ImageStream] = []
            for number, path in enumerate(expand(images)):
                listing = Path(aside) / f"{number}.txt"
                streams += open_stream(path, models[0].cutouts, listing, given)
            if len(streams) > 1 and any(isinstance(stream, StoredCutouts) for stream in streams):
                raise InputError(f"images: expected a store alone, found {len(streams)} inputs")
            if table.table is not None:
                form.carry(_read_table(Path(table.table), table.id_column, streams))
            described = [stream.description() for stream in streams]
            identity = catalogue_identity(
                models, options, form, galaxies_per_shard, described, given
            )
            catalogue = ShardedCatalogue.begin(out, identity)
            for number, stream in enumerate(streams):
                if isinstance(stream, ListedImages) and stream.kind == "folder":
                    streams[number] = stream.moved(listing_path(out, number))
    except InputError:
        with suppress(OSError):  # not empty
            out.rmdir()
        raise
    id_column = form.table.id_column if form.table is not None else None
    return _Job(catalogue, streams, given, read_manifest(out)["complete"], id_column)


def _read_table(path: Path, id_column: str | None, streams: Sequence[ImageStream]) -> UserTable:
    """Read the user's table; some of the images tell which column is that of the ids."""
    if id_column is not None:
        return UserTable.read(path, id_column)
    entries = (entry for stream in streams for entry in islice(stream.entries(), _SOME))
    return UserTable.read(path, None, [image_id(entry.name) for entry in entries])


def _tasks(job: _Job, processes: Processes, batch_size: int) -> Iterator[_Task]:
    """Yield what this process has to do and nobody has done: its share of the shards.

    Shards are dealt in turn; of a tar file, all to one process, or each would have to pass it all.
    """
    written = job.catalogue.written()
    for number, stream in enumerate(job.streams):
        of_another = stream.sequential and number % processes.n != processes.rank
        if of_another or job.catalogue.is_written(number, written):
            continue
        for shard, entries in _cut(stream.entries(), number, job.catalogue.galaxies_per_shard):
            mine = stream.sequential or (number + shard.number) % processes.n == processes.rank
            if mine and shard.file not in written:
                starts = range(0, max(1, len(entries)), batch_size)
                for start in starts:
                    batch = entries[start : start + batch_size]
                    yield _Task(shard, batch, start == starts[-1])


def _cut(entries: Iterator[Entry], number: int, size: int) -> Iterator[tuple[Shard, list[Entry]]]:
    """Cut an input into shards, of which there is one at least."""
    chunk = list(islice(entries, size))
    for place in count():
        following = list(islice(entries, size))
        yield Shard(number, place, place * size, len(chunk), not following), chunk
        if not following:
            return
        chunk = following


def _work(
    job: _Job,
    networks: Sequence[Predictor],
    form: CatalogueForm,
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
    loader: DataLoader[_Batch] = DataLoader(
        _Reader(job.streams, cutouts, job.given),
        sampler=_tasks(job, processes, options.batch_size),
        batch_size=None,  # a task is a batch already
        collate_fn=_as_it_is,
        num_workers=workers,
        worker_init_fn=end_with_parent,
    )
    pieces, problems = [form.empty()], []
    with tqdm(unit="galaxy", disable=not progress) as bar:
        for batch in loader:
            if len(batch.ids):
                of_batch = torch.from_numpy(batch.cutouts)
                judged = [each.judge(of_batch, atypical=form.atypical) for each in networks]
                pieces.append(form.piece(batch.ids, judged))
            problems += batch.problems
            bar.update(len(batch.ids) + len(batch.problems))
            if batch.final:
                rows = pd.concat(pieces[1:] or pieces, ignore_index=True)
                counts = form.counts(rows)
                job.catalogue.write(
                    batch.shard, rows, problems, form.provenance, form.notes, counts
                )
                pieces, problems = [form.empty()], []


def _as_it_is(batch: Any) -> Any:
    """Stand in for the loader's collation, which would make tensors of arrays."""
    return batch


def _report(totals: Totals, form: CatalogueForm, out: Path) -> None:
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
    if form.table is not None:
        form.table.log_found(ids_of_shards(out, form.tree.id_column))
    form.log(totals.flagged, totals.galaxies)
