"""Cutouts joined with their labels."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gz2tree.errors import InputError, first_few
from gz2tree.labels import Labels
from gz2tree.store import CutoutStore

_log = logging.getLogger("gz2tree")


class LabelledCutouts(Dataset[tuple[Tensor, Tensor]]):
    """The galaxies that have both a cutout and labels, in the order of the labels.

    Parameters
    ----------
    store : CutoutStore
    labels : Labels
        Galaxies without a cutout are named, counted and left out.

    Raises
    ------
    InputError
        No galaxy has both.
    """

    def __init__(self, store: CutoutStore, labels: Labels) -> None:
        if len(labels) == 0:
            raise InputError("expected labelled galaxies, found an empty selection")
        in_store = set(store.ids)
        have = np.fromiter((i in in_store for i in labels.ids), dtype=bool, count=len(labels))
        if not have.any():
            raise InputError(
                f"no galaxy has both a label and an image: labels have e.g. "
                f"{first_few(list(labels.ids[:2]))}, images e.g. {first_few(list(store.ids[:2]))}"
            )
        if not have.all():
            without = list(labels.ids[~have])
            _log.warning(
                "%d of %d labelled galaxies have no usable image and are left out: %s",
                len(without), len(labels), first_few(without),
            )  # fmt: skip
        self.store = store
        self.labels = labels.take(have)
        self._rows = store.rows(self.labels.ids)
        self._targets = torch.from_numpy(self.labels.cumulative).float()  # (n, n_answers)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of every galaxy's image file; the same for byte-identical images."""
        return [self.store.hashes[row] for row in self._rows]

    def take(self, rows: Any) -> LabelledCutouts:
        """Return some galaxies, by position or by mask."""
        return LabelledCutouts(self.store, self.labels.take(rows))

    def __getitem__(self, rows: Any) -> tuple[Tensor, Tensor]:
        """Return a batch.

        Parameters
        ----------
        rows : sequence of int, length N

        Returns
        -------
        images : Tensor, uint8, shape (N, 3, H, W)
        targets : Tensor, float32, shape (N, n_answers), NaN where not measured
        """
        cutouts = torch.from_numpy(self.store.array[self._rows[rows]])  # (N, H, W, 3)
        return cutouts.permute(0, 3, 1, 2), self._targets[rows]
