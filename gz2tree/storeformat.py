"""The layout of a prepared store: a folder of four files.

``cutouts.npy`` holds the cutouts, ``index.csv`` the id and hash of each of its rows,
``problems.csv`` the images that were left out, and ``store.json`` what the store is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError, first_few, shown
from gz2tree.version import __version__
from gz2tree.wholefiles import appearing

FORMAT = 1
CUTOUTS, INDEX, PROBLEMS, HEADER = "cutouts.npy", "index.csv", "problems.csv", "store.json"
JOURNAL = "journal.jsonl"  # there only until the store is complete
INDEX_COLUMNS = ("id", "sha256")
PROBLEM_COLUMNS = ("id", "file", "problem")


@dataclass(frozen=True)
class StoreHeader:
    """What a store is: the content of its ``store.json``.

    Parameters
    ----------
    crop, size : int
        Those of `gz2tree.config.CutoutOptions`.
    n_images : int
        Images it is prepared from, whether they can be read or not.
    ids_sha256 : str
        SHA-256, in hexadecimal, of their ids, one a line.
    source : str
        Name of the folder or zip file they came from.
    n : int
        Cutouts it holds; 0 until it is complete.
    complete : bool
        Whether preparing it has finished.
    format : int
        Version of this layout.
    gz2tree : str
        Version of gz2tree that began it.
    cutouts : dict
        What the options of its cutouts say beside crop and size.
    given : dict
        What was known of the images, as `gz2tree.images.given.GivenImages.describe` says it.
    """

    crop: int
    size: int
    n_images: int
    ids_sha256: str
    source: str
    n: int = 0
    complete: bool = False
    format: int = FORMAT
    gz2tree: str = __version__
    cutouts: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, ids: Iterable[str], options: CutoutOptions, source: str, given: dict[str, Any]
    ) -> StoreHeader:
        """Describe a store that is to be prepared, of images of these ids."""
        others = options.to_dict()
        crop, size = others.pop("crop"), others.pop("size")
        lines = list(ids)
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(text).hexdigest()
        return cls(crop, size, len(lines), digest, source, cutouts=others, given=given)

    @property
    def options(self) -> CutoutOptions:
        """Crop, size and stretch of its cutouts."""
        return CutoutOptions.from_dict({"crop": self.crop, "size": self.size, **self.cutouts})

    @property
    def row_bytes(self) -> int:
        """Bytes of one cutout."""
        return 3 * self.size**2

    def npy_header(self, n: int) -> bytes:
        """Return how ``cutouts.npy`` begins; NumPy pads it to the same length for every n."""
        file = io.BytesIO()
        shape = (n, self.size, self.size, 3)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        return file.getvalue()

    def file_bytes(self, n: int) -> int:
        """Return the bytes of a ``cutouts.npy`` of n cutouts."""
        return len(self.npy_header(n)) + n * self.row_bytes

    @classmethod
    def read(cls, folder: Path) -> StoreHeader:
        """Read ``store.json``; an InputError says if there is none or it cannot be understood."""
        path = folder / HEADER
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["format"] == FORMAT:
                return cls._of(content)
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"expected a prepared store, {folder} has no {HEADER}") from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path} does not describe a store: {error}") from error
        raise InputError(
            f"expected a store of format {FORMAT}, {folder} has format "
            f"{shown(content['format'])}: it was written by gz2tree {shown(content.get('gz2tree'))}"
        )

    @classmethod
    def _of(cls, content: dict[str, Any]) -> StoreHeader:
        header = cls(**content)
        for name, kind in cls.__annotations__.items():
            value = getattr(header, name)
            if type(value).__name__ != kind.split("[")[0]:
                raise TypeError(f"{name}: expected {kind}, found {shown(value)}")
        header.options  # noqa: B018 - it may not be understood either
        return header

    def write(self, folder: Path) -> None:
        """Write ``store.json``, all of it or nothing."""
        content = {name: value for name, value in asdict(self).items() if value != {}}
        write_text(folder / HEADER, json.dumps(content, indent=2) + "\n")


def read_part(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Read a table of a store; an InputError says if it has other columns or is damaged."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"cannot read {path}, part of a store: {error}") from error
    if header != list(columns):
        raise InputError(
            f"{path}: expected the columns {', '.join(columns)}, found {first_few(header)}"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise InputError(
                f"{path}: row {number:,}: expected {len(columns)} values, found {len(row)}"
            )
    return rows


def write_part(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table of a store, all of it or nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def check_options(folder: Path, held: CutoutOptions, asked: CutoutOptions) -> None:
    """Refuse, with an InputError, a store of other cutouts than asked for."""
    if not held.matches(asked):
        raise InputError(f"store {folder} holds {held}; asked for {asked}")


def write_text(path: Path, text: str) -> None:
    """Write text of file names."""
    with appearing(path, synced=True) as partial:
        # File names that are not UTF-8 reach Python as surrogates, and go back as they came.
        partial.write_bytes(text.encode("utf-8", "surrogateescape"))


def sync(file: BinaryIO) -> None:
    """Return once what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())
