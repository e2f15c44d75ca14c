"""Batches for training, in an order that is a function of seed and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Sampler

from gz2tree.config import TrainConfig
from gz2tree.dataset import LabelledBatch, LabelledCutouts
from gz2tree.errors import InputError


class StepOrder(Sampler[list[int]]):
    """Which galaxies each optimiser step sees: a function of seed and step alone.

    Galaxies are shuffled anew for every pass over them and cut into full batches; an epoch is a
    number of batches, which need not be a pass.

    Parameters
    ----------
    n : int
        Galaxies.
    batch_size : int
        Of one process.
    batches_per_epoch : int, optional
    seed : int
    rank, world_size : int
        Which of several processes this is; each gets its share of every step's galaxies.

    Raises
    ------
    InputError
        Fewer galaxies than processes.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        batches_per_epoch: int | None,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if n < world_size:
            raise InputError(f"expected a galaxy for each of {world_size} processes, found {n}")
        self.n, self.seed, self.rank, self.world_size = n, seed, rank, world_size
        # With fewer galaxies than a batch holds, a batch is all of them.
        self.galaxies_per_step = min(batch_size, n // world_size) * world_size
        self.steps_per_pass = n // self.galaxies_per_step
        self.batches_per_epoch = batches_per_epoch or self.steps_per_pass
        self.next_step = 0
        self._pass, self._order = -1, np.empty(0, dtype=np.int64)  # the last pass, and its order

    def galaxies(self, step: int) -> list[int]:
        """Return the positions of the galaxies of one step, of this process."""
        number, place = divmod(step, self.steps_per_pass)
        if number != self._pass:  # of millions of galaxies, not to be shuffled for every step
            shuffled = np.random.default_rng([self.seed, number]).permutation(self.n)
            self._pass, self._order = number, shuffled
        start = place * self.galaxies_per_step
        of_step = self._order[start : start + self.galaxies_per_step]
        return of_step[self.rank :: self.world_size].tolist()

    def set_epoch(self, epoch: int) -> None:
        """Begin at the start of an epoch, unless already within it; Lightning calls this."""
        if self.next_step // self.batches_per_epoch != epoch:
            self.next_step = epoch * self.batches_per_epoch

    def __iter__(self) -> Iterator[list[int]]:
        first = self.next_step
        end = (first // self.batches_per_epoch + 1) * self.batches_per_epoch
        for step in range(first, end):
            yield self.galaxies(step)

    def __len__(self) -> int:
        return self.batches_per_epoch


class ResumableLoader(DataLoader[LabelledBatch]):
    """A loader whose state is the number of steps taken, kept in Lightning's checkpoints.

    Parameters
    ----------
    dataset : LabelledCutouts
    order : StepOrder
    steps_taken : callable
        The trainer's count. The loader's own would run ahead of it: batches are read in advance.
    workers : int
    pin_memory : bool
    """

    def __init__(
        self,
        dataset: LabelledCutouts,
        order: StepOrder,
        steps_taken: Callable[[], int],
        workers: int,
        pin_memory: bool,
    ) -> None:
        super().__init__(
            dataset,
            sampler=order,
            batch_size=None,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
        )
        self._order = order
        self._steps_taken = steps_taken

    def state_dict(self) -> dict[str, int]:
        """Return the position, for a checkpoint."""
        return {"steps": self._steps_taken()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a position."""
        self._order.next_step = state["steps"]


class GalaxyData(L.LightningDataModule):
    """Loaders of the training and validation galaxies, for each process its share.

    Parameters
    ----------
    train, valid : LabelledCutouts
    config : TrainConfig
    """

    def __init__(
        self, train: LabelledCutouts, valid: LabelledCutouts | None, config: TrainConfig
    ) -> None:
        super().__init__()
        self.train, self.valid, self.config = train, valid, config

    @property
    def batches_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return len(self._order(rank=0, world_size=self.config.n_processes))

    def describe_epoch(self) -> str:
        """Say how many galaxies an epoch shows, in one line."""
        order = self._order(rank=0, world_size=self.config.n_processes)
        batches, size = order.batches_per_epoch, order.galaxies_per_step
        seen, n = batches * size, order.n
        share = f"{seen} of {n} galaxies" if seen <= n else f"{n} galaxies {seen / n:.1f} times"
        return f"{batches} batches of {size}: {share} an epoch"

    def train_dataloader(self) -> ResumableLoader:
        """Batches in an order that is a function of seed and step."""
        trainer = self._trainer
        return ResumableLoader(
            self.train,
            self._order(trainer.global_rank, trainer.world_size),
            lambda: trainer.global_step,
            self.config.workers,
            pin_memory=torch.cuda.is_available(),
        )

    def _order(self, rank: int, world_size: int) -> StepOrder:
        config = self.config
        return StepOrder(
            len(self.train),
            config.batch_size,
            config.batches_per_epoch,
            config.seed,
            rank,
            world_size,
        )

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """All validation galaxies, in order."""
        if self.valid is None:
            return []
        trainer = self._trainer
        share = range(trainer.global_rank, len(self.valid), trainer.world_size)
        batches = BatchSampler(share, self.config.batch_size, drop_last=False)
        return DataLoader(self.valid, sampler=batches, batch_size=None)

    @property
    def _trainer(self) -> L.Trainer:
        if self.trainer is None:
            raise RuntimeError("GalaxyData gives loaders to a Lightning trainer only")
        return self.trainer
