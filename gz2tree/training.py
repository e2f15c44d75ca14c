"""Train a network with Lightning: the module, the callbacks that keep the run, and ``fit``."""

from __future__ import annotations

import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast, get_args

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.optim import lr_scheduler
from torchmetrics import MeanMetric

from gz2tree.augment import RandomView, orientations
from gz2tree.callbacks import ProgressBar, RunKeeper, TypicalityFitter
from gz2tree.config import CountLoss, FractionLoss, TrainConfig
from gz2tree.dataset import LabelledCutouts
from gz2tree.errors import InputError
from gz2tree.faults import NotFiniteError, check_checkpoint, check_outputs
from gz2tree.layers import freeze, parameter_groups
from gz2tree.likelihoods import COUNT_LOSSES, asked_of
from gz2tree.loaders import GalaxyData
from gz2tree.losses import LOSSES
from gz2tree.model import GalaxyTreeNet
from gz2tree.network import GalaxyNet
from gz2tree.precision import choose_precision, memory_format
from gz2tree.processes import choose_accelerator, launch_errors_named
from gz2tree.run import RunDirectory
from gz2tree.tables import read_table, table_columns
from gz2tree.trainable import check_training, has_own_sigmoids

_LIGHTNING_PRECISION: Mapping[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def fit(
    model: GalaxyNet,
    train: LabelledCutouts,
    valid: LabelledCutouts | None = None,
    config: TrainConfig = TrainConfig(),
    *,
    out: str | Path | RunDirectory | None = None,
    resume: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Train a network; afterwards it has the weights of its best epoch.

    Parameters
    ----------
    model : GalaxyTreeNet or FlatNet
    train, valid : LabelledCutouts
        Without validation galaxies the last epoch counts as the best.
    config : TrainConfig
    out : str, Path or RunDirectory, optional
        Where options, versions, history, checkpoints, TensorBoard logs and the best model are
        kept. Without it nothing stays on disk.
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.
    progress : bool
        Show a progress bar.

    Returns
    -------
    history : DataFrame, one row an epoch
        Epoch, optimiser steps, training loss, validation loss and RMSE, learning rate, seconds.

    Raises
    ------
    InputError
        Cutouts or labels that do not fit the model, a run directory that is in use, other options
        than those of the run to resume, or outputs that are not finite.

    Notes
    -----
    Everything random is a function of ``config.seed`` and the optimiser step. A run resumed from a
    checkpoint, also from within an epoch, is therefore the run that was not interrupted; on a CPU
    with ``precision="32"`` and ``deterministic=True`` to the last bit.
    """
    check_training(model, train, valid, config)
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            run_inside = Path(folder) / "run"
            return fit(model, train, valid, config, out=run_inside, progress=progress)
    run = out
    if not isinstance(run, RunDirectory):
        config_of_model = model.config()
        options = {
            "train": asdict(config),
            "network": {key: config_of_model[key] for key in ("model", "backbone", "cutouts")},
            "data": [data.labels.digest() for data in (train, valid) if data is not None],
        }
        run = RunDirectory.open(run, options, resume=resume)
    if not run.is_finished:
        _train(model, train, valid, config, run, resume, progress)
        run.finish()
    best = type(model).from_pretrained(run.model)
    model.load_state_dict(best.state_dict())
    model.kind, model.training_record = best.kind, best.training_record
    model.typicality = best.typicality
    model.eval().cpu()
    return read_table(run.history, table_columns(run.history), ids=())


def _train(
    model: GalaxyNet,
    train: LabelledCutouts,
    valid: LabelledCutouts | None,
    config: TrainConfig,
    run: RunDirectory,
    resume: bool,
    progress: bool,
) -> None:
    trained_before = bool(model.training_record)
    record = run.record()
    if isinstance(model, GalaxyTreeNet):
        model.calibration = None  # of the weights before
    model.typicality = None
    model.kind = train.labels.kind
    model.training_record = {
        **record["options"],
        "versions": record["versions"],
        "answers": [
            column
            for number, column in enumerate(model.tree.columns)
            if train.labels.measured[:, number].any()
        ],
        "n_train": len(train),
        "n_valid": len(valid or ()),
    }
    accelerator = choose_accelerator(config.accelerator)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    # A saved model comes in evaluation mode, in which Lightning would leave it.
    model.train().to(memory_format=memory_format(model, device))
    if config.start_at_mean and not trained_before:
        model.start_at_mean(train.labels)
    callbacks: list[L.Callback] = [
        RunKeeper(run, config.checkpoint_minutes),
        TypicalityFitter(run, train),
    ]
    if progress:
        callbacks.append(ProgressBar())
    if valid is not None and config.early_stopping is not None:
        callbacks.append(EarlyStopping("valid_rmse", patience=config.early_stopping))
    data = GalaxyData(train, valid, config)
    with _quiet_lightning():
        with launch_errors_named():
            trainer = L.Trainer(
                accelerator=accelerator,
                devices=config.devices,
                num_nodes=config.num_nodes,
                strategy=config.strategy,
                precision=_LIGHTNING_PRECISION[choose_precision(model, device, config.precision)],
                max_epochs=config.epochs,
                deterministic=config.deterministic,
                callbacks=callbacks,
                logger=TensorBoardLogger(run.path, name="", version="tensorboard"),
                log_every_n_steps=1,
                num_sanity_val_steps=0,
                limit_val_batches=None if valid is not None else 0,
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=progress,
                use_distributed_sampler=False,
                sync_batchnorm=accelerator == "gpu" and config.devices * config.num_nodes > 1,
                default_root_dir=run.path,
            )
        go_on = resume and run.checkpoint.is_file()
        if go_on:
            check_checkpoint(run.checkpoint)
        try:
            trainer.fit(
                GalaxyModule(model, config, config.epochs * data.batches_per_epoch),
                datamodule=data,
                ckpt_path=str(run.checkpoint) if go_on else None,
                weights_only=True,
            )
        except NotFiniteError as error:
            raise InputError(f"{error}; {run.kept()}. A lower learning rate may help") from error
        except SystemExit:  # Lightning's answer to Ctrl-C
            raise KeyboardInterrupt from None
        finally:
            vars(model.backbone).pop("forward_features", None)  # the compiled one


class GalaxyModule(L.LightningModule):
    """What one step of training and of validation is.

    Parameters
    ----------
    model : GalaxyNet
    config : TrainConfig
    steps : int
        Optimiser steps of the whole training.
    """

    def __init__(self, model: GalaxyNet, config: TrainConfig, steps: int) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.steps = steps
        self.counts = config.loss in get_args(CountLoss)
        freeze(model, config.blocks)
        self.own_sigmoids = config.own_sigmoids
        if config.own_sigmoids is None:
            self.own_sigmoids = has_own_sigmoids(model) and config.loss == "binary_cross_entropy"
        self.view = RandomView(config.augment)
        self.train_loss, self.valid_loss, self.valid_square = (
            MeanMetric(),
            MeanMetric(),
            MeanMetric(),
        )
        # A run resumed within an epoch goes on with the epoch's mean.
        self.train_loss.persistent(True)

    def on_fit_start(self) -> None:
        """Choose the memory layout, now that the device is known; compile what is trained."""
        self.layout = memory_format(self.model, self.device)
        if self.config.compile:
            plain = self.model.backbone.forward_features
            # Batches of training are all of one shape; those of validation are not worth the wait.
            fast = torch.compile(plain, dynamic=False)

            def forward_features(images: Tensor) -> Tensor:
                return (fast if self.model.training else plain)(images)

            self.model.backbone.forward_features = forward_features

    def forward(self, cutouts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits and strengths of uint8 or float images, seen as `predict` shows them."""
        images = _to_unit_range(cutouts)
        return self.model.outputs(orientations(images, 1, self.model.view_angle)[0])

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Augment, predict, and compare with the votes."""
        # (N, 3, H, W), (N, n_answers), (N, n_questions), (N, n_answers)
        cutouts, target, reach, counts = batch
        state = np.random.SeedSequence([self.config.seed, self.global_step, self.global_rank])
        seed = int(state.generate_state(1)[0])
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # for dropout and the like, which draw from the global generator
        images = self.view(_to_unit_range(cutouts), generator)
        images = images.contiguous(memory_format=self.layout)
        logits, strength = self.model.outputs(images)  # (N, n_answers), (N, n_questions)
        check_outputs(logits, self.global_step)
        loss = self._loss(logits, target, reach, strength, counts)
        self.train_loss.update(loss.detach())
        self.log("train_loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Accumulate loss and squared error over the measured cells."""
        cutouts, target, reach, counts = batch
        logits, strength = self(cutouts)  # (N, n_answers), (N, n_questions)
        check_outputs(logits, self.global_step)
        cumulative = self.model.cumulative(logits, reach)  # (N, n_answers)
        measured = ~target.isnan()
        n_cells = measured.sum()
        loss = self._loss(logits, target, reach, strength, counts)
        n_asked = (asked_of(self.model.graph, counts) > 0).sum()
        self.valid_loss.update(loss, weight=n_asked if self.counts else n_cells)
        square = (cumulative - target)[measured].square().mean().nan_to_num(0.0)
        self.valid_square.update(square, weight=n_cells)

    def on_validation_epoch_end(self) -> None:
        """Log what `RunKeeper`, early stopping and the plateau schedule go by."""
        self.log("valid_rmse", self.valid_square.compute().sqrt(), prog_bar=True)
        self.log("valid_loss", self.valid_loss.compute())
        self.valid_square.reset()
        self.valid_loss.reset()

    def _reach(self, given_reach: Tensor, target: Tensor) -> Tensor:
        """Reach by which the loss weighs each question; (N, n_questions), NaN: the network's own.

        The cross-entropy takes it from the votes wherever they tell: with the network's own, an
        answer would be rewarded once for itself and once for each question after it.
        """
        if self.config.loss != "cross_entropy":
            return given_reach
        voted = self.model.graph.reach(target)
        return torch.where(given_reach.isnan(), voted, given_reach)

    def _loss(
        self,
        logits: Tensor,
        target: Tensor,
        given_reach: Tensor,
        strength: Tensor | None = None,
        counts: Tensor | None = None,
    ) -> Tensor:
        # Some losses refuse to run under autocast, even on float32.
        with torch.autocast(self.device.type, enabled=False):
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            if self.counts:
                graph = self.model.graph
                likelihood = COUNT_LOSSES[cast(CountLoss, self.config.loss)]
                return likelihood(graph, graph.conditional(logits), strength, counts).float()
            compare = LOSSES[cast(FractionLoss, self.config.loss)]
            reach = self._reach(given_reach, target)
            loss = compare(self.model.cumulative(logits, reach), target)
            if self.own_sigmoids:
                loss = loss + compare(logits.sigmoid(), target)
            return loss

    def configure_optimizers(self) -> Any:
        """Optimiser and schedule, as the config asks."""
        config = self.config
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
        groups = parameter_groups(self.model, config)
        # One pass over all weights; the default's several take four times as long on a CPU.
        optimizer = kind(groups, lr=config.learning_rate, fused=True)
        if config.schedule == "plateau":
            plateau = lr_scheduler.ReduceLROnPlateau(
                optimizer,
                factor=0.5,
                patience=config.plateau_patience - 1,  # torch counts the epochs to wait beyond
                min_lr=config.min_learning_rate,
            )
            # Counted in steps: Lightning skips the epoch-wise ones in an epoch that was resumed.
            schedule = {
                "scheduler": plateau,
                "monitor": "valid_rmse",
                "interval": "step",
                "frequency": self.steps // config.epochs,
            }
        else:
            warmup = min(round(config.warmup_epochs * self.steps / config.epochs), self.steps - 1)
            cosine = lr_scheduler.LambdaLR(
                optimizer, lambda step: _cosine(step, warmup, self.steps)
            )
            schedule = {"scheduler": cosine, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def _to_unit_range(cutouts: Tensor) -> Tensor:
    return cutouts if cutouts.is_floating_point() else cutouts.float() / 255


def _cosine(step: int, warmup: int, steps: int) -> float:
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017, ICLR), at most 1."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without the advice that does not apply: memory-mapped cutouts need no more workers."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                ".*does not have many workers.*",
                ".*`isinstance.treespec.*",
                ".*exists and is not empty.*",
                ".*in eval mode at the start of training.*",  # frozen blocks are
                ".*sync_dist=True.*",  # torchmetrics has gathered the metrics already
            ):
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        logger.setLevel(level)
