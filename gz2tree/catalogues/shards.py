"""Writing a catalogue in shards, by any number of processes, any of which may be killed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree.catalogues.shardformat import (
    FORMAT,
    MANIFEST,
    PROBLEMS,
    Shard,
    Totals,
    read_manifest,
    read_totals,
    shard_names,
    write_json,
)
from gz2tree.errors import InputError, first_few
from gz2tree.records import differences
from gz2tree.storeformat import PROBLEM_COLUMNS
from gz2tree.tables.columnnotes import ColumnNote
from gz2tree.tables.parquet import arrow_table
from gz2tree.version import __version__
from gz2tree.wholefiles import PARTIAL, appearing

_RECORD = "gz2tree"


@dataclass(frozen=True)
class ShardedCatalogue:
    """A folder of shards, begun or complete.

    Parameters
    ----------
    path : Path
    galaxies_per_shard : int
    images : tuple of int or None
        Of each input, how many images it has; None if that is not known before it is read.
    """

    path: Path
    galaxies_per_shard: int
    images: tuple[int | None, ...]

    @classmethod
    def begin(cls, path: Path, identity: Mapping[str, Any]) -> ShardedCatalogue:
        """Begin a catalogue in a folder that `claim` has seen, or take up an interrupted one.

        Parameters
        ----------
        path : Path
        identity : mapping of JSON values
            All that decides what comes out: ``model``, ``options`` and ``inputs`` among it.

        Raises
        ------
        InputError
            The folder's catalogue is of something else.
        """
        given = json.loads(json.dumps(identity))
        if (path / MANIFEST).exists():
            held = read_manifest(path)
            different = [
                f"{key}: begun with {before!r}, found {now!r}"
                for key, before, now in differences(_numbered(held), _numbered(given))
                if key.split(".")[0] in given
            ]
            if different:
                raise InputError(
                    f"{path}: holds a catalogue of something else, another --out begins anew; "
                    f"{first_few(different)}"
                )
            if held["complete"] and any(_is_lost(path, shard) for shard in held["shards"]):
                write_json(path / MANIFEST, held | {"complete": False})
        else:
            begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
            held = {"format": FORMAT, "complete": False, "version": __version__, "begun": begun}
            manifest = {**held, **given}
            write_json(path / MANIFEST, manifest)
        images = tuple(described.get("images") for described in given["inputs"])
        return cls(path, given["options"]["galaxies_per_shard"], images)

    def shards(self, number: int, n_images: int) -> Iterator[Shard]:
        """Cut an input of known length into shards."""
        size = self.galaxies_per_shard
        for shard, first in enumerate(range(0, n_images, size)):
            images = min(size, n_images - first)
            yield Shard(number, shard, first, images, first + images == n_images)

    def written(self) -> set[str]:
        """Names of the shards that are there."""
        return set(shard_names(self.path))

    def is_written(self, number: int, written: set[str]) -> bool:
        """Whether all shards of an input are there, given the names of those that are."""
        n_images = self.images[number]
        if n_images is not None:
            return all(shard.file in written for shard in self.shards(number, n_images))
        last = -1
        while Shard(number, last + 1, 0, 0, False).file in written:
            last += 1
        if last < 0:
            return False
        return bool(self._record(Shard(number, last, 0, 0, False).file)["last"])

    def write(
        self,
        shard: Shard,
        rows: pd.DataFrame,
        problems: Sequence[tuple[str, str, str]],
        provenance: Mapping[str, str],
        notes: Mapping[str, ColumnNote],
        flagged: Mapping[str, int],
    ) -> None:
        """Write a shard, all of it or nothing.

        Parameters
        ----------
        shard : Shard
        rows : DataFrame
            The id column and what follows it; of no rows if no image could be read.
        problems : sequence of (str, str, str)
            Id, file and problem of each image that could not be read.
        provenance : mapping of str to str
            Kept beside it in the schema, as `notes` of the columns are.
        notes : mapping of str to ColumnNote
        flagged : mapping of str to int
            How many galaxies have each flag, or are atypical; by column.
        """
        import pyarrow.parquet as pq

        record = {**shard._asdict(), "problems": problems, "flagged": dict(flagged)}
        metadata: dict[str, str] = {**provenance, _RECORD: json.dumps(record)}
        with appearing(self.path / shard.file, synced=True) as partial:
            pq.write_table(arrow_table(rows, metadata, notes), partial)

    def complete(self) -> Totals | None:
        """Finish the manifest if all shards are there; None if some are not, or it is finished.

        Any process may, several at once as well: they would write the same.

        Raises
        ------
        InputError
            A shard that cannot be read, or shards that do not hold each image once.
        """
        names, manifest = shard_names(self.path), read_manifest(self.path)
        inputs = range(len(self.images))
        if manifest["complete"] or not all(self.is_written(n, set(names)) for n in inputs):
            return None
        held: list[dict[str, Any]] = []
        flagged: dict[str, int] = {}
        with (
            appearing(self.path / PROBLEMS, synced=True) as partial,
            partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            problems = csv.writer(file, lineterminator="\n")
            problems.writerow(PROBLEM_COLUMNS)
            for name in names:
                record = self._record(name)
                problems.writerows(record["problems"])
                held.append(self._entry(name, record))
                for flag, count in record["flagged"].items():
                    flagged[flag] = flagged.get(flag, 0) + count
        self._check(held)
        rows, images = (sum(entry[key] for entry in held) for key in ("rows", "images"))
        manifest |= {
            "complete": True,
            "galaxies": rows,
            "images": images,
            "unreadable": images - rows,
            "flagged": flagged,
            "shards": held,
        }
        write_json(self.path / MANIFEST, manifest)
        # Left by processes that were killed; those of other files another may be writing now.
        for partial in self.path.glob(f"{PARTIAL}*.parquet"):
            partial.unlink(missing_ok=True)
        return read_totals(self.path)

    def _record(self, name: str) -> dict[str, Any]:
        """Read what a shard says of itself, and its number of rows."""
        import pyarrow.parquet as pq

        path = self.path / name
        try:
            footer = pq.read_metadata(path)
            return {**json.loads(footer.metadata[_RECORD.encode()]), "rows": footer.num_rows}
        except Exception as error:  # pyarrow has many for a damaged file
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: expected a shard of this catalogue: {reason}; delete it, and the same "
                "command writes it again"
            ) from error

    def _entry(self, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("input", "first", "images", "rows")
        size = (self.path / name).stat().st_size
        return {"file": name, **{key: record[key] for key in keys}, "bytes": size}

    def _check(self, held: Iterable[Mapping[str, Any]]) -> None:
        """Refuse shards that leave an image out, or hold it twice."""
        reached = [0] * len(self.images)
        for entry in held:
            if entry["first"] != reached[entry["input"]]:
                raise InputError(
                    f"{self.path / entry['file']}: expected a shard from image "
                    f"{reached[entry['input']]:,} on, found one from {entry['first']:,} on"
                )
            reached[entry["input"]] += entry["images"]


def ids_of_shards(path: Path, id_column: str) -> Iterator[NDArray[np.object_]]:
    """Ids of the galaxies of a catalogue, shard by shard."""
    import pyarrow.parquet as pq

    for name in shard_names(path):
        ids = pq.read_table(path / name, columns=[id_column]).column(0)
        yield np.array(ids.to_pylist(), dtype=object)


def _is_lost(path: Path, shard: Mapping[str, Any]) -> bool:
    """Whether a shard is no longer there as it was written."""
    file = path / shard["file"]
    return not file.exists() or file.stat().st_size != shard.get("bytes")


def _numbered(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Make a mapping of the inputs, so that they are compared one by one."""
    inputs = {str(number): described for number, described in enumerate(manifest["inputs"])}
    return {**manifest, "inputs": inputs}
