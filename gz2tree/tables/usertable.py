"""The user's own table of the galaxies: its columns, carried into a catalogue of predictions."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gz2tree.errors import InputError, first_few
from gz2tree.tables.columnnotes import ColumnNote
from gz2tree.tables.files import read_table
from gz2tree.tables.idcolumns import (
    choose_id_column,
    id_candidates,
    names_of_files,
    refuse_duplicates,
)
from gz2tree.tables.opened import TableFile
from gz2tree.tables.wholetables import read_whole

_log = logging.getLogger("gz2tree")


@dataclass(frozen=True, eq=False)
class UserTable:
    """What the user knows of the galaxies.

    Parameters
    ----------
    path : Path
    frame : DataFrame
        All columns of the table, of Arrow's types; the galaxies' ids are its index.
    notes : mapping of str to ColumnNote
        Units and descriptions.
    id_column : str
        The column that the ids were taken from.
    """

    path: Path
    frame: pd.DataFrame
    notes: Mapping[str, ColumnNote]
    id_column: str

    @classmethod
    def read(
        cls, path: Path, id_column: str | None = None, image_ids: Collection[str] | None = None
    ) -> UserTable:
        """Read a table.

        Parameters
        ----------
        path : Path
            CSV, Parquet, FITS, VOTable or ECSV; see `gz2tree.tables.wholetables.read_whole`.
        id_column : str, optional
            By default found as `gz2tree.read_labels` finds it.
        image_ids : collection of str, optional
            Ids of images, to choose that column.

        Raises
        ------
        InputError
            A table that cannot be read, without an id column or with an id twice, or one of which
            no galaxy has an image.
        """
        file = TableFile(path)
        whole = read_whole(file)
        candidates = id_candidates(path, file.columns, id_column)
        ids = read_table(file, candidates, ids=candidates)
        names_of_files(ids)
        chosen = choose_id_column(path, ids, candidates, image_ids)
        refuse_duplicates(path, ids[chosen])
        return cls(path, whole.frame.set_axis(pd.Index(ids[chosen])), whole.notes, chosen)

    def carried(self, id_column: str) -> list[str]:
        """Columns that a catalogue takes over.

        Parameters
        ----------
        id_column : str
            Of the catalogue; the same ids under the same name are not repeated.
        """
        return [c for c in self.frame.columns if not c == id_column == self.id_column]

    def rows(self, ids: ArrayLike, id_column: str) -> pd.DataFrame:
        """Rows of some galaxies, in their order; all is missing of those not in the table."""
        found = self.frame[self.carried(id_column)].reindex(np.asarray(ids, dtype=object))
        return found.reset_index(drop=True)

    def refuse_clashes(self, columns: Iterable[str], id_column: str) -> None:
        """Refuse columns that are called as those of the catalogue are, in upper or lower case.

        Raises
        ------
        InputError
            Naming them.
        """
        ours = {column.casefold() for column in columns}
        both = [c for c in self.carried(id_column) if c.casefold() in ours]
        if both:
            raise InputError(
                f"{self.path}: expected columns of other names than those that are predicted; "
                f"rename {first_few(both)}"
            )

    def log_found(self, batches: Iterable[ArrayLike]) -> None:
        """Log how many of its galaxies have no image, and how many galaxies it does not have.

        Parameters
        ----------
        batches : iterable of array_like of str
            Ids of the galaxies of the catalogue, in portions.
        """
        known = self.frame.index.to_numpy(dtype=str)
        n_galaxies = n_found = 0
        for ids in batches:
            found = np.isin(np.asarray(ids, dtype=str), known)
            n_galaxies, n_found = n_galaxies + len(found), n_found + int(found.sum())
        if n_found < len(self.frame):
            _log.warning(
                "%s of %s galaxies of %s have no image and are left out",
                f"{len(self.frame) - n_found:,}", f"{len(self.frame):,}", self.path,
            )  # fmt: skip
        if n_found < n_galaxies:
            _log.warning(
                "%s of %s galaxies are not in %s: its columns are empty there",
                f"{n_galaxies - n_found:,}", f"{n_galaxies:,}", self.path,
            )  # fmt: skip

    def description(self) -> dict[str, Any]:
        """Say by what the table is known again."""
        sha256 = hashlib.sha256()
        files = sorted(self.path.glob("*.parquet")) if self.path.is_dir() else [self.path]
        for file in files:
            with file.open("rb") as content:
                sha256.update(hashlib.file_digest(content, "sha256").digest())
        return {"name": self.path.name, "sha256": sha256.hexdigest(), "ids": self.id_column}
