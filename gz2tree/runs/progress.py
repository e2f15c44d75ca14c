"""What is shown of a training while it goes on: a bar on a terminal, lines in a file."""

from __future__ import annotations

import math
import sys
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar

from gz2tree.runs.callbacks import RunKeeper


def shows_bars() -> bool:
    """Whether what is printed can be overwritten: on a terminal or in a notebook."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules


class ProgressBar(TQDMProgressBar):
    """Lightning's progress bar, which counts epochs from 1, as all else here does."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """Return what the bar shows; the logger's version means nothing here."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return dict(metrics)

    def on_train_start(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Begin where a resumed run does: Lightning does not start an epoch it goes on with."""
        super().on_train_start(trainer, *arguments)
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        self._begin_epoch(trainer, done)

    def on_train_epoch_start(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Empty the bar, and say which epoch it is."""
        self._begin_epoch(trainer, 0)

    def _begin_epoch(self, trainer: L.Trainer, done: int) -> None:
        bar = self.train_progress_bar
        bar.reset(trainer.num_training_batches)
        bar.n = bar.initial = done  # what was done before tells nothing of the time that is left
        bar.set_description(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")


class EpochLines(L.Callback):
    """Print a line after each epoch, for output that is kept in a file.

    Parameters
    ----------
    keeper : RunKeeper
        It comes before among the callbacks, and has the history.
    """

    def __init__(self, keeper: RunKeeper) -> None:
        self.keeper = keeper

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say how the epoch went."""
        if not trainer.is_global_zero:
            return
        row = self.keeper.history[-1]
        said = [f"training loss {row['train_loss']:.4f}"]
        if not math.isnan(row["valid_rmse"]):
            said.append(f"validation RMSE {row['valid_rmse']:.4f}")
        said.append(f"{row['seconds']:.1f} s")
        name = f"epoch {row['epoch']} of {trainer.max_epochs}"
        print(f"{name}: {', '.join(said)}", file=sys.stderr, flush=True)
