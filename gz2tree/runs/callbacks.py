"""What keeps a run: its history, its best model, a checkpoint; what galaxies the model knows."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import lightning as L
import pandas as pd

from gz2tree.dataset import LabelledCutouts
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.saved import replace_model
from gz2tree.runs.faults import check_weights, saving
from gz2tree.runs.run import RunDirectory
from gz2tree.runs.typical import fit_after_training
from gz2tree.wholefiles import appearing


class TypicalityFitter(L.Callback):
    """Fit the best model on its training galaxies at the end; see `gz2tree.runs.typical`.

    Parameters
    ----------
    run : RunDirectory
    train : LabelledCutouts
    """

    def __init__(self, run: RunDirectory, train: LabelledCutouts) -> None:
        self.run, self.train = run, train

    def on_fit_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Fit in one process, before any reads the best model."""
        if trainer.is_global_zero:
            kind = type(pl_module.model)
            fit_after_training(kind, self.run, self.train, pl_module.device)
        trainer.strategy.barrier()


class RunKeeper(L.Callback):
    """Keep a run directory: history, best model, and a checkpoint to resume from.

    Parameters
    ----------
    run : RunDirectory
    checkpoint_minutes : float

    Attributes
    ----------
    stop_asked : bool
        Set from outside: a checkpoint is written as soon as one may be, and then a
        KeyboardInterrupt raised. For one process only.
    """

    def __init__(self, run: RunDirectory, checkpoint_minutes: float) -> None:
        self.run = run
        self.interval = 60 * checkpoint_minutes
        self.history: list[dict[str, Any]] = []
        self.best = math.inf
        self._saved = self._began = time.monotonic()
        self._due = False
        self.stop_asked = False

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"history": self.history, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what an interrupted run knew."""
        self.history, self.best = state_dict["history"], state_dict["best"]

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save a checkpoint if one is due.

        Never after an epoch's last batch: validation and the plateau schedule are yet to come, and
        Lightning would skip them when resuming. The first batch of the next epoch makes up for it.

        Raises
        ------
        KeyboardInterrupt
            The training is to stop, and there is its checkpoint; none of epochs of a single batch.
        """
        # Processes that trained together would have to agree on the time: they save after epochs.
        late = trainer.world_size == 1 and time.monotonic() - self._saved > self.interval
        within = batch_idx + 1 < trainer.num_training_batches
        if within and (self._due or late or self.stop_asked):
            check_weights(pl_module, trainer.global_step)
            partial = self.run.checkpoint.with_suffix(".partial")
            with saving(self.run.checkpoint):
                trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                os.replace(partial, self.run.checkpoint)
            self._saved, self._due = time.monotonic(), False
        if self.stop_asked and (within or trainer.num_training_batches == 1):
            raise KeyboardInterrupt

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Add a row to the history and save the model if it is the best so far."""
        check_weights(pl_module, trainer.global_step)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "steps": trainer.global_step,
            "train_loss": float(pl_module.train_loss.compute()),
            "valid_loss": metrics.get("valid_loss", math.nan),
            "valid_rmse": metrics.get("valid_rmse", math.nan),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self._began, 1),
        }
        pl_module.train_loss.reset()
        self.history.append(row)
        self._due, self._began = True, time.monotonic()
        if trainer.is_global_zero:
            with saving(self.run.path):
                self._write(row, pl_module.model)
        trainer.strategy.barrier()  # after the last epoch every process reads the best model

    def _write(self, row: dict[str, Any], model: GalaxyNet) -> None:
        with appearing(self.run.history) as partial:
            pd.DataFrame(self.history).to_csv(partial, index=False)
        if not row["valid_rmse"] >= self.best:  # NaN, without validation: the last is the best
            self.best = row["valid_rmse"]
            model.training_record |= {"epoch": row["epoch"]}
            if not math.isnan(row["valid_rmse"]):
                model.training_record |= {"valid_rmse": row["valid_rmse"]}
            replace_model(model, self.run.model)
