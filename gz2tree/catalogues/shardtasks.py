"""What there is to do for a catalogue in shards: tasks, dealt among processes, and their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from gz2tree.catalogues.shardformat import Shard
from gz2tree.catalogues.shards import ShardedCatalogue
from gz2tree.config import CutoutOptions
from gz2tree.images.given import GivenImages
from gz2tree.images.imagenames import image_id
from gz2tree.images.streams import Entry, ImageStream
from gz2tree.processes import Processes


@dataclass(frozen=True)
class Job:
    """What is to be done, the same for all processes."""

    catalogue: ShardedCatalogue
    streams: list[ImageStream]
    given: GivenImages
    complete: bool
    id_column: str | None


class Task(NamedTuple):
    """Some images of a shard; `final` of the last of them."""

    shard: Shard
    entries: list[Entry]
    final: bool


class Batch(NamedTuple):
    """A task whose images have been read."""

    shard: Shard
    ids: NDArray[np.object_]
    cutouts: NDArray[np.uint8]
    problems: list[tuple[str, str, str]]
    final: bool


class Reader(Dataset[Batch]):
    """Reads what tasks name; workers have a copy each."""

    def __init__(
        self, streams: Sequence[ImageStream], options: CutoutOptions, given: GivenImages
    ) -> None:
        self.streams, self.options, self.given = streams, options, given

    def __getitem__(self, task: Task) -> Batch:
        found = self.streams[task.shard.input].read(task.entries, self.options, self.given)
        ids = [image_id(entry.name) for entry in task.entries]
        problems = [(ids[at], task.entries[at].name, text) for at, text in found.problems]
        readable = np.array(ids, dtype=object)[found.positions]
        return Batch(task.shard, readable, found.cutouts, problems, task.final)


def tasks_of(job: Job, processes: Processes, batch_size: int) -> Iterator[Task]:
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
                    yield Task(shard, batch, start == starts[-1])


def _cut(entries: Iterator[Entry], number: int, size: int) -> Iterator[tuple[Shard, list[Entry]]]:
    """Cut an input into shards, of which there is one at least."""
    chunk = list(islice(entries, size))
    for place in count():
        following = list(islice(entries, size))
        yield Shard(number, place, place * size, len(chunk), not following), chunk
        if not following:
            return
        chunk = following
