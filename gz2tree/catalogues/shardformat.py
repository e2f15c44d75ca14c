"""A catalogue in shards: a folder of Parquet files that reads as one data set.

``part-00002-00005.parquet`` is the sixth shard of the third input. A shard is written aside, synced
and renamed, so that there is all of it or nothing; it carries in its schema which images it is of
and which of them could not be read. ``_manifest.json`` says what the catalogue is of and, once it
is complete, what it holds; ``_problems.csv`` names the images left out. Readers of Parquet data
sets pass over names that begin with ``_`` or ``.``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gz2tree.errors import InputError, first_few, shown
from gz2tree.tables.files import is_table_name
from gz2tree.wholefiles import PARTIAL, appearing, write_errors_named

FORMAT = 1
MANIFEST, PROBLEMS = "_manifest.json", "_problems.csv"
_PART, _LISTING = "part-", "_images-"
_DIGITS = 5  # numbers in the names of files have as many, or more
_BEGUN = {"complete": bool, "inputs": list, "options": dict}
_COMPLETE = {"galaxies": int, "unreadable": int, "flagged": dict, "shards": list}


class Shard(NamedTuple):
    """Which images a shard is of.

    Parameters
    ----------
    input, number : int
        Which input, and which shard of it, from 0.
    first, images : int
        Position in the input of the first image, and how many there are, readable or not.
    last : bool
        Whether it is the last shard of its input.
    """

    input: int
    number: int
    first: int
    images: int
    last: bool

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{_PART}{self.input:0{_DIGITS}d}-{self.number:0{_DIGITS}d}.parquet"


class Totals(NamedTuple):
    """What a complete catalogue holds: galaxies, images left out, galaxies counted by column."""

    galaxies: int
    unreadable: int
    flagged: dict[str, int]


def is_folder(out: Path) -> bool:
    """Whether ``--out`` names a folder of shards: it has no suffix, or is a folder already."""
    return not is_table_name(out) and (not out.suffix or out.is_dir())


def claim(path: Path) -> None:
    """Make the folder of a catalogue, or see that it is one or empty.

    Raises
    ------
    InputError
        A file, or a folder of something else.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: expected a folder for the shards, found a file")
    with write_errors_named(path):
        path.mkdir(parents=True, exist_ok=True)
    if (path / MANIFEST).exists():
        return
    ours = (PARTIAL, _LISTING)
    strangers = sorted(file.name for file in path.iterdir() if not file.name.startswith(ours))
    if strangers:
        raise InputError(
            f"{path}: expected an empty or new folder, or a catalogue in shards, found "
            f"{first_few(strangers)}"
        )


def shard_names(path: Path) -> list[str]:
    """Names of the shards in a folder, in the order of their inputs and numbers.

    That is not the order of the names: from 100,000 on, numbers have more digits.
    """
    names = [name for name in os.listdir(path) if name.startswith(_PART)]
    return sorted(names, key=lambda name: [int(digits) for digits in re.findall(r"\d+", name)])


def listing_path(path: Path, number: int) -> Path:
    """Where the images of a folder are listed."""
    return path / f"{_LISTING}{number:0{_DIGITS}d}.txt"


def read_manifest(path: Path) -> dict[str, Any]:
    """Read what a catalogue in shards is.

    Raises
    ------
    InputError
        None there, a damaged one, or one of another format, as of a newer version.
    """
    file = path / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(file.read_text("utf-8"))
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: expected the manifest of a catalogue: {error!r}") from error
    if found != FORMAT:
        raise InputError(
            f"{file}: expected format {FORMAT}, found {shown(found)}, written by gz2tree "
            f"{shown(manifest.get('version'))}"
        )
    _check_manifest(file, manifest)
    return manifest


def _check_manifest(file: Path, manifest: Mapping[str, Any]) -> None:
    kinds = _BEGUN | (_COMPLETE if manifest.get("complete") is True else {})
    for name, kind in kinds.items():
        if not isinstance(manifest.get(name), kind):
            raise InputError(
                f"{file}: {name}: expected {kind.__name__}, found {shown(manifest.get(name))}"
            )
    for shard in manifest.get("shards", ()):
        if not (isinstance(shard, dict) and isinstance(shard.get("file"), str)):
            raise InputError(f"{file}: shards: expected the name of a file, found {shown(shard)}")


def read_totals(path: Path) -> Totals:
    """Read what a complete catalogue holds."""
    manifest = read_manifest(path)
    return Totals(*(manifest[name] for name in Totals._fields))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, all of it or nothing."""
    with appearing(path, synced=True) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
