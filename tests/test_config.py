"""Options: what is refused, and what their import costs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from gz2tree import config
from gz2tree.config import (
    PRESETS,
    AugmentOptions,
    CutoutOptions,
    NetworkOptions,
    OptionError,
    PredictOptions,
    ShardOptions,
    SplitOptions,
    TrainConfig,
)

# Options out of range, and what the message says after "<name>: ".
REFUSED = [
    (CutoutOptions, {"crop": 9, "size": 0}, "expected 1 <= size <= crop, found size 0 and"),
    (CutoutOptions, {"crop": 9, "size": 10}, "found size 10 and crop 9"),
    (PredictOptions, {"views": 4}, "views: expected 1, 8 or 16, found 4"),
    (PredictOptions, {"gate": -0.1}, "gate: expected a probability from 0 to 1, found -0.1"),
    (PredictOptions, {"gate": 1.5}, "gate: expected a probability from 0 to 1, found 1.5"),
    (PredictOptions, {"gate": math.nan}, "gate: expected a probability from 0 to 1, found nan"),
    (PredictOptions, {"batch_size": 0}, "batch_size: expected at least 1, found 0"),
    (PredictOptions, {"precision": "64"}, "precision: expected one of .*bf16.*, found '64'"),
    (NetworkOptions, {"model": "tre"}, "model: expected one of tree, flat, .*, found 'tre'"),
    (NetworkOptions, {"activation": "relu"}, "activation: expected one of softmax, .*, found"),
    (NetworkOptions, {"pooling": "max"}, "pooling: expected one of average, attention, found"),
    (NetworkOptions, {"model": "flat", "head": "conv"}, "head: expected one of pooled, .*, found"),
    (
        NetworkOptions,
        {"model": "flat", "pooling": "attention"},
        "pooling: expected none with model flat, on which it has no effect, found 'attention'",
    ),
    (
        NetworkOptions,
        {"model": "flat-to-parent", "activation": "sparsemax"},
        "activation: expected none with model flat-to-parent, .*, found 'sparsemax'",
    ),
    (NetworkOptions, {"head": "flatten"}, "head: expected none with model tree, .*, found 'flatt"),
    (SplitOptions, {"split_seed": -1}, "split_seed: expected at least 0, or none, found -1"),
    (TrainConfig, {"epochs": 0}, "epochs: expected at least 1, found 0"),
    (TrainConfig, {"batch_size": 0}, "batch_size: expected at least 1, found 0"),
    (TrainConfig, {"devices": 0}, "devices: expected at least 1, found 0"),
    (TrainConfig, {"num_nodes": -1}, "num_nodes: expected at least 1, found -1"),
    (TrainConfig, {"batches_per_epoch": 0}, "batches_per_epoch: expected at least 1, or none"),
    (TrainConfig, {"early_stopping": 0}, "early_stopping: expected at least 1, or none, found 0"),
    (TrainConfig, {"learning_rate": 0.0}, "learning_rate: expected a number above 0, found 0.0"),
    (TrainConfig, {"learning_rate": math.nan}, "learning_rate: expected a number above 0"),
    (TrainConfig, {"checkpoint_minutes": 0}, "checkpoint_minutes: expected a number above 0"),
    (TrainConfig, {"weight_decay": -1e-3}, "weight_decay: expected at least 0, found -0.001"),
    (TrainConfig, {"warmup_epochs": -1}, "warmup_epochs: expected at least 0, found -1"),
    (TrainConfig, {"plateau_patience": 0}, "plateau_patience: expected at least 1"),
    (TrainConfig, {"min_learning_rate": -1}, "min_learning_rate: expected at least 0"),
    (TrainConfig, {"seed": -1}, "seed: expected at least 0, found -1"),
    (TrainConfig, {"workers": -1}, "workers: expected at least 0, found -1"),
    (TrainConfig, {"optimizer": "sgd"}, "optimizer: expected one of adamw, adam, found 'sgd'"),
    (TrainConfig, {"schedule": "step"}, "schedule: expected one of cosine, plateau, found 'step'"),
    (TrainConfig, {"loss": "mse"}, "loss: expected one of .*squared_error.*, found 'mse'"),
    (TrainConfig, {"precision": "fp16"}, "precision: expected one of .*bf16.*, found 'fp16'"),
]


@pytest.mark.parametrize(
    ("options", "values", "message"),
    REFUSED,
    ids=[f"{options.__name__} {values}" for options, values, _ in REFUSED],
)
def test_option_out_of_range_is_refused(options: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        options(**values)


@pytest.mark.parametrize(
    "options",
    [option for option in vars(config).values() if dataclasses.is_dataclass(option)],
)
def test_options_are_frozen_and_have_defaults(options: Any) -> None:
    """But for how many galaxies a sky has, which has none."""
    made = options(n=1) if options is config.SkyOptions else options()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(options)[0].name, None)


def test_presets_are_options() -> None:
    for preset in PRESETS.values():
        cutouts = CutoutOptions(preset["crop"], preset["size"])
        training = {name: preset[name] for name in preset.keys() - {"crop", "size", "augment"}}
        augment = AugmentOptions(**preset["augment"])
        made = dataclasses.asdict(TrainConfig(**training, augment=augment))
        assert preset.items() <= (made | dataclasses.asdict(cutouts)).items()


def test_paper_preset_is_the_papers_recipe() -> None:
    """Adam 1e-3, halved on a plateau of 2 epochs to 1e-6, RMSE, 36 epochs of 50 x 75, 120 -> 96."""
    paper = PRESETS["paper"]
    assert (paper["crop"], paper["size"]) == (120, 96)
    assert (paper["epochs"], paper["batches_per_epoch"], paper["batch_size"]) == (36, 50, 75)
    assert (paper["optimizer"], paper["learning_rate"]) == ("adam", 1e-3)
    assert (paper["schedule"], paper["plateau_patience"]) == ("plateau", 2)
    assert (paper["min_learning_rate"], paper["loss"]) == (1e-6, "root_squared_error")


def test_options_of_processes_come_after_those_of_the_job() -> None:
    """Given by position, the first is the job's own: epochs, not devices."""
    assert TrainConfig(3) == TrainConfig(epochs=3)
    assert ShardOptions(500) == ShardOptions(galaxies_per_shard=500)
