"""What one step of training and of validation is, as a Lightning module."""

from __future__ import annotations

import math
from typing import Any, cast, get_args

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.optim import lr_scheduler
from torchmetrics import MeanMetric, MeanSquaredError

from gz2tree.augment import RandomView, orientations
from gz2tree.config import TrainConfig
from gz2tree.config.choices import CountLoss, FractionLoss
from gz2tree.dataset import LabelledBatch
from gz2tree.losses import LOSSES
from gz2tree.networks.learning_rates import freeze, parameter_groups
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.precision import memory_format
from gz2tree.runs.faults import check_outputs
from gz2tree.runs.trainable import has_own_sigmoids
from gz2tree.votes.likelihoods import COUNT_LOSSES, known_votes_by_question


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
        self.loss_is_on_counts = config.loss in get_args(CountLoss)
        freeze(model, config.blocks)
        self.own_sigmoids = config.own_sigmoids
        if config.own_sigmoids is None:
            self.own_sigmoids = has_own_sigmoids(model) and config.loss == "binary_cross_entropy"
        self.view = RandomView(config.augment)
        self.train_loss, self.valid_loss = MeanMetric(), MeanMetric()
        self.valid_rmse = MeanSquaredError(squared=False)
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

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        """Augment, predict, and compare with the votes."""
        state = np.random.SeedSequence([self.config.seed, self.global_step, self.global_rank])
        seed = int(state.generate_state(1)[0])
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # for dropout and the like, which draw from the global generator
        images = self.view(_to_unit_range(batch.images), generator)  # (N, 3, H, W)
        images = images.contiguous(memory_format=self.layout)
        logits, strength = self.model.outputs(images)  # (N, n_answers), (N, n_questions)
        check_outputs(logits, self.global_step)
        loss = self._loss(logits, batch.targets, batch.given_reach, strength, batch.counts)
        self.train_loss.update(loss.detach())
        self.log("train_loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Accumulate the loss, and the error over the measured cells.

        `RunKeeper`, early stopping and the plateau schedule go by what is logged of them.
        """
        logits, strength = self(batch.images)  # (N, n_answers), (N, n_questions)
        check_outputs(logits, self.global_step)
        cumulative = self.model.cumulative(logits, batch.given_reach)  # (N, n_answers)
        measured = ~batch.targets.isnan()  # (N, n_answers)
        self.valid_rmse.update(cumulative[measured], batch.targets[measured])
        loss = self._loss(logits, batch.targets, batch.given_reach, strength, batch.counts)
        n_asked = (known_votes_by_question(self.model.graph, batch.counts) > 0).sum()
        self.valid_loss.update(loss, weight=n_asked if self.loss_is_on_counts else measured.sum())
        self.log("valid_rmse", self.valid_rmse, prog_bar=True)
        self.log("valid_loss", self.valid_loss)

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
            if self.loss_is_on_counts:
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
