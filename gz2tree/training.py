"""Train a network with Lightning, and keep the run."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger

from gz2tree.config import TrainConfig
from gz2tree.dataset import LabelledCutouts
from gz2tree.errors import InputError, first_few
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.precision import choose_precision, memory_format
from gz2tree.networks.seenimages import short_hashes
from gz2tree.processes import choose_accelerator, launch_errors_named
from gz2tree.quiet import quiet
from gz2tree.records import differences
from gz2tree.runs.callbacks import RunKeeper, TypicalityFitter
from gz2tree.runs.faults import NotFiniteError, check_checkpoint
from gz2tree.runs.interrupts import StopAfterStep
from gz2tree.runs.loaders import GalaxyData
from gz2tree.runs.progress import EpochLines, ProgressBar, shows_bars
from gz2tree.runs.run import RunDirectory
from gz2tree.runs.steps import GalaxyModule
from gz2tree.runs.trainable import architecture_of, check_training
from gz2tree.tables.files import read_table, table_columns

_log = logging.getLogger("gz2tree")

_LIGHTNING_PRECISION: Mapping[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


# Warnings that do not apply: memory-mapped cutouts, for one, need no more workers.
_NO_ADVICE = (
    ".*does not have many workers.*",
    ".*`isinstance.treespec.*",
    ".*exists and is not empty.*",
    ".*in eval mode at the start of training.*",  # frozen blocks are
    ".*sync_dist=True.*",  # torchmetrics has gathered the metrics already
)


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
        kept. Without it nothing stays on disk. Several processes (``config.devices`` or
        ``config.num_nodes`` above 1) need one to meet in.
    resume : bool
        Go on from the last checkpoint in `out`, if there is one.
    progress : bool
        Show a progress bar; where the output is no terminal, a line after each epoch.

    Returns
    -------
    history : DataFrame, one row an epoch
        Epoch, optimiser steps, training loss, validation loss and RMSE, learning rate, seconds.

    Raises
    ------
    InputError
        Cutouts or labels that do not fit the model, a run directory that is in use, another
        network or other options than those of the run to resume, no run directory for several
        processes, or outputs that are not finite.

    Notes
    -----
    Everything random is a function of ``config.seed`` and the optimiser step. A run resumed from a
    checkpoint, also from within an epoch, is therefore the run that was not interrupted; on a CPU
    with ``precision="32"`` and ``deterministic=True`` to the last bit. Ctrl-C ends it after the
    step, with a checkpoint; a second Ctrl-C ends it at once.

    Examples
    --------
    >>> from gz2tree import CutoutOptions, GalaxyTreeNet, prepare, read_labels
    >>> from gz2tree.simulate import simulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sky = simulate(Path(folder) / "sky", 8, seed=0, size=64)
    ...     cutouts = CutoutOptions(48, 32)
    ...     store = prepare(sky / "images", Path(folder) / "store", cutouts, workers=0)
    ...     galaxies = LabelledCutouts(store, read_labels(sky / "labels.csv", image_ids=store.ids))
    ...     model = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=cutouts)
    ...     config = TrainConfig(epochs=1, batch_size=4)
    ...     history = fit(model, galaxies, config=config, progress=False)
    >>> history["epoch"].tolist()
    [1]
    """
    check_training(model, train, valid, config)
    if out is None:
        if config.n_processes > 1:
            raise InputError(
                f"out: expected a run directory for {config.n_processes} processes, found none; "
                "each would make one of its own"
            )
        with tempfile.TemporaryDirectory() as folder:
            run_inside = Path(folder) / "run"
            return fit(model, train, valid, config, out=run_inside, progress=progress)
    run = out
    if not isinstance(run, RunDirectory):
        options = {
            "train": asdict(config),
            "network": architecture_of(model),
            "data": [data.labels.digest() for data in (train, valid) if data is not None],
        }
        run = RunDirectory.open(run, options, resume=resume)
    if run.is_finished:
        _log.info("%s is already finished: nothing is trained", run.path)
    else:
        _train(model, train, valid, config, run, resume, progress)
        run.mark("finished")
    best = type(model).from_pretrained(run.model)
    _take_over(model, best)
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
    _describe(model, train, valid, run)
    accelerator = choose_accelerator(config.accelerator)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    # A saved model comes in evaluation mode, in which Lightning would leave it.
    model.train().to(memory_format=memory_format(model, device))
    if config.start_at_mean and not trained_before:
        model.start_at_mean(train.labels)
    data = GalaxyData(train, valid, config)
    _log.info("%s", data.describe_epoch())
    go_on = resume and run.checkpoint.is_file()
    if go_on:
        epoch, step = divmod(check_checkpoint(run.checkpoint), data.batches_per_epoch)
        place = f"after step {step} of {data.batches_per_epoch}"
        _log.info("resuming in epoch %d of %d, %s", epoch + 1, config.epochs, place)
    keeper = RunKeeper(run, config.checkpoint_minutes)
    with quiet(["lightning.pytorch"], logging.ERROR, _NO_ADVICE):
        precision = choose_precision(model, device, config.precision)
        callbacks = _callbacks(keeper, train, valid, config, progress)
        trainer = _trainer(config, run, accelerator, precision, callbacks, valid is not None)
        module = GalaxyModule(model, config, config.epochs * data.batches_per_epoch)
        run.mark("running")
        with _ends_named(run):
            try:
                trainer.fit(
                    module,
                    datamodule=data,
                    ckpt_path=str(run.checkpoint) if go_on else None,
                    weights_only=True,
                )
            finally:
                vars(model.backbone).pop("forward_features", None)  # the compiled one


@contextmanager
def _ends_named(run: RunDirectory) -> Iterator[None]:
    """Say what is kept of a training that ends before its time."""
    try:
        yield
    except NotFiniteError as error:
        raise InputError(f"{error}; {run.kept()}. A lower learning rate may help") from error
    except (KeyboardInterrupt, SystemExit):  # the latter is Lightning's answer to Ctrl-C
        run.mark("interrupted")
        _log.info("%s", run.kept())
        raise KeyboardInterrupt from None


def _take_over(model: GalaxyNet, best: GalaxyNet) -> None:
    """Give the model the weights of the run's best one, and all that was fitted to them.

    Raises
    ------
    InputError
        The run trained a network of another architecture or tree: its weights would load where
        their shapes are the same, and mean something else.
    """
    if architecture_of(model) != architecture_of(best) or model.tree != best.tree:
        different = differences(architecture_of(best), architecture_of(model))
        described = [f"{key}: {before!r}, found {now!r}" for key, before, now in different]
        raise InputError(
            f"expected the network that the run trained; {first_few(described or ['its tree'])}"
        )
    model.load_state_dict(best.state_dict())
    model.kind, model.training_record = best.kind, best.training_record
    model.seen_images = best.seen_images
    model.typicality, model.calibration = best.typicality, best.calibration


def _describe(
    model: GalaxyNet, train: LabelledCutouts, valid: LabelledCutouts | None, run: RunDirectory
) -> None:
    """Let the model say how it is trained, and forget what was fitted to its weights before."""
    record = run.record()
    model.typicality = model.calibration = None
    model.kind = train.labels.kind
    seen = short_hashes(train.hashes)
    # Those of a network that was trained before, and is trained further, are seen as well.
    model.seen_images = seen if model.seen_images is None else np.union1d(model.seen_images, seen)
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


def _callbacks(
    keeper: RunKeeper,
    train: LabelledCutouts,
    valid: LabelledCutouts | None,
    config: TrainConfig,
    progress: bool,
) -> list[L.Callback]:
    callbacks: list[L.Callback] = [keeper, TypicalityFitter(keeper.run, train)]
    # Several processes would each stop after a step of its own, and wait for the others for ever.
    if config.n_processes == 1:
        callbacks.append(StopAfterStep(keeper))
    if progress:
        callbacks.append(ProgressBar() if shows_bars() else EpochLines(keeper))
    if valid is not None and config.early_stopping is not None:
        callbacks.append(EarlyStopping("valid_rmse", patience=config.early_stopping))
    return callbacks


def _trainer(
    config: TrainConfig,
    run: RunDirectory,
    accelerator: Literal["cpu", "gpu"],
    precision: str,
    callbacks: list[L.Callback],
    validates: bool,
) -> L.Trainer:
    with launch_errors_named():
        return L.Trainer(
            accelerator=accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=config.strategy,
            precision=_LIGHTNING_PRECISION[precision],
            max_epochs=config.epochs,
            deterministic=config.deterministic,
            callbacks=callbacks,
            logger=TensorBoardLogger(run.path, name="", version="tensorboard"),
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            limit_val_batches=None if validates else 0,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=any(isinstance(each, ProgressBar) for each in callbacks),
            use_distributed_sampler=False,
            sync_batchnorm=accelerator == "gpu" and config.n_processes > 1,
            default_root_dir=run.path,
        )
