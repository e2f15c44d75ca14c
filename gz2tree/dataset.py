"""Cutouts joined with their labels."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gz2tree.config import CutoutOptions
from gz2tree.errors import InputError
from gz2tree.labelling.matching import which_have
from gz2tree.labels import Labels
from gz2tree.store import CutoutStore


class LabelledBatch(NamedTuple):
    """Some galaxies as a network is trained on them; of one alone, without the first dimension.

    Parameters
    ----------
    images : Tensor, uint8, shape (N, 3, H, W)
    targets : Tensor, float32, shape (N, n_answers), in [0, 1]
        Cumulative probabilities; NaN where not measured.
    given_reach : Tensor, float32, shape (N, n_questions), in [0, 1]
        See `Labels`; NaN where it is the network's own.
    counts : Tensor, float32, shape (N, n_answers), at least 0
        Votes; NaN where unknown.
    """

    images: Tensor
    targets: Tensor
    given_reach: Tensor
    counts: Tensor


class LabelledCutouts(Dataset[LabelledBatch]):
    """The galaxies that have both a cutout and labels, in the order of the labels.

    Parameters
    ----------
    store : CutoutStore
    labels : Labels
        Galaxies without a cutout are named, counted and left out.

    Attributes
    ----------
    stores : list of CutoutStore
        More than one if several samples were joined.

    Raises
    ------
    InputError
        No galaxy has both.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from gz2tree import CutoutOptions, prepare, read_labels
    >>> from gz2tree.simulate import simulate
    >>> with TemporaryDirectory() as folder:
    ...     sky = simulate(Path(folder) / "sky", 3, seed=0, size=64)
    ...     options = CutoutOptions(crop=48, size=32)
    ...     store = prepare(sky / "images", Path(folder) / "store", options, workers=0)
    ...     galaxies = LabelledCutouts(store, read_labels(sky / "labels.csv", image_ids=store.ids))
    ...     len(galaxies), len(galaxies.take([0, 2]))
    (3, 2)
    """

    def __init__(self, store: CutoutStore, labels: Labels) -> None:
        if len(labels) == 0:
            raise InputError("expected labelled galaxies, found an empty selection")
        have = which_have(labels.ids, store.ids, galaxies="labelled", what="usable image")
        labels = labels.take(have)
        self.stores = [store]
        self._set(labels, np.zeros(len(labels), dtype=np.int64), store.rows(labels.ids))

    def _set(
        self, labels: Labels, store_of: NDArray[np.int64], row_in_store: NDArray[np.int64]
    ) -> None:
        self.labels = labels
        self._store_of, self._row_in_store = store_of, row_in_store
        self._targets = torch.from_numpy(labels.cumulative).float()  # (n, n_answers)
        given = labels.given_reach
        if given is None:
            given = np.full((len(labels), len(labels.tree.questions)), np.nan)
        self._given_reach = torch.from_numpy(given).float()  # (n, n_questions)
        counts = labels.counts
        if counts is None:
            counts = np.full(labels.cumulative.shape, np.nan)
        self._counts = torch.from_numpy(counts).float()  # (n, n_answers)

    @classmethod
    def join(cls, *several: LabelledCutouts) -> LabelledCutouts:
        """Put several samples together, to train on all of them.

        Parameters
        ----------
        *several : LabelledCutouts
            Of the same tree and kind of cutout. Ids may occur in more than one: they are ids of
            their own samples.

        Raises
        ------
        InputError
            Samples of different trees or cutouts.
        """
        for sample in several[1:]:
            if not sample.options.matches(several[0].options):
                raise InputError(
                    f"join: expected cutouts of one crop and size, found {several[0].options} and "
                    f"{sample.options}"
                )
        joined = copy.copy(several[0])
        joined.stores = [store for sample in several for store in sample.stores]
        first = np.cumsum([0, *(len(sample.stores) for sample in several)])
        joined._set(
            Labels.join(*(sample.labels for sample in several)),
            np.concatenate([s._store_of + n for s, n in zip(several, first[:-1], strict=True)]),
            np.concatenate([sample._row_in_store for sample in several]),
        )
        return joined

    @property
    def options(self) -> CutoutOptions:
        """Crop and size of the cutouts."""
        return self.stores[0].options

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of every galaxy's image file; the same for byte-identical images."""
        places = zip(self._store_of, self._row_in_store, strict=True)
        return [self.stores[store].hashes[row] for store, row in places]

    def take(self, rows: Any) -> LabelledCutouts:
        """Return some galaxies, by position or by mask.

        Raises
        ------
        InputError
            None was chosen.
        """
        taken = copy.copy(self)
        labels = self.labels.take(rows)
        if len(labels) == 0:
            raise InputError("expected labelled galaxies, found an empty selection")
        rows = np.asarray(rows)
        taken._set(labels, self._store_of[rows], self._row_in_store[rows])
        return taken

    def __getitem__(self, rows: Any) -> LabelledBatch:
        """Return a batch, or a galaxy.

        Parameters
        ----------
        rows : sequence of int, length N; or int

        Returns
        -------
        batch : LabelledBatch
            Of N galaxies; or of one, without the first dimension.
        """
        if isinstance(rows, int | np.integer):
            return LabelledBatch(*(part[0] for part in self[[rows]]))
        store_of, row_in_store = self._store_of[rows], self._row_in_store[rows]
        size = self.options.size
        cutouts = np.empty((len(store_of), size, size, 3), dtype=np.uint8)
        for number in np.unique(store_of):
            here = store_of == number
            cutouts[here] = self.stores[number].array[row_in_store[here]]
        images = torch.from_numpy(cutouts).permute(0, 3, 1, 2)
        return LabelledBatch(
            images, self._targets[rows], self._given_reach[rows], self._counts[rows]
        )
