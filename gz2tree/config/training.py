"""Which network is trained, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gz2tree.config.choices import (
    Activation,
    Head,
    LossName,
    NetworkName,
    Optimizer,
    Pooling,
    Precision,
    Schedule,
    check,
    check_choice,
)
from gz2tree.config.cutouts import CutoutOptions
from gz2tree.config.processes import ProcessOptions


@dataclass(frozen=True)
class AugmentOptions:
    """How training images are varied; every orientation of a galaxy is as good as any other.

    Parameters
    ----------
    rotate : bool
        Turn by any angle.
    flip : bool
        Mirror half of the images.
    zoom : float, at least 0
        Scale by a factor from 1 / (1 + zoom) to 1 + zoom.
    shift : float, in [0, 0.5]
        Move by up to this share of the side, in both directions.

    Raises
    ------
    OptionError
        A zoom or shift outside its range.

    Examples
    --------
    >>> AugmentOptions(zoom=0.0, shift=0.0)
    AugmentOptions(rotate=True, flip=True, zoom=0.0, shift=0.0)
    """

    rotate: bool = True
    flip: bool = True
    zoom: float = 0.1
    shift: float = 0.02

    def __post_init__(self) -> None:
        check("zoom", self.zoom, self.zoom >= 0, "at least 0")
        check("shift", self.shift, 0 <= self.shift <= 0.5, "a share from 0 to 0.5")


@dataclass(frozen=True)
class TrainConfig(ProcessOptions):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
    batch_size : int
    batches_per_epoch : int, optional
        By default as many full batches as the training galaxies fill.
    optimizer : {"adamw", "adam"}
    learning_rate : float
        The highest.
    weight_decay : float
        Of weights; biases and normalisation layers have none.
    schedule : {"cosine", "plateau"}
        Cosine to 0, or halved after every `plateau_patience` epochs without a better validation
        RMSE.
    warmup_epochs : float
        Linear increase at the start of the cosine schedule.
    plateau_patience : int
    min_learning_rate : float
        Where the plateau schedule stops halving.
    loss : str
        On vote fractions binary_cross_entropy, squared_error, root_squared_error or cross_entropy;
        on vote counts multinomial or dirichlet_multinomial, which also learns how far the votes of
        a question may stray from their mean: see docs/votes.md.
    own_sigmoids : bool, optional
        Train each answer's own sigmoid on its cumulative label as well, as a flat head is, beside
        the product down the tree. Only for a tree of normalised sigmoids, whose conditional
        answers these same sigmoids are, divided by their question's sum; there by default, if the
        loss is binary cross-entropy.
    start_at_mean : bool
        Set the biases of the heads so that the training begins near the mean answers of the
        training galaxies; those of a network that was trained before are left alone.
    early_stopping : int, optional
        Stop after this many epochs without a better validation RMSE; never by default.
    blocks : int, optional
        Blocks of the backbone that are trained besides the heads, counted from its end: 0 trains
        the heads alone. All by default.
    layer_decay : float, in (0, 1]
        Each block of the backbone learns this much slower than the one after it.
    augment : AugmentOptions
    precision : {"auto", "32", "bf16", "16"}
        Of the backbone; probabilities and losses are always float32. ``"auto"``: bfloat16 where
        the hardware has it and the backbone gains by it.
    deterministic : bool
        Deterministic algorithms only; with ``precision="32"`` on a CPU a resumed training is
        bit-identical to an uninterrupted one.
    compile : bool
        Compile the backbone with ``torch.compile`` for the training steps: a minute at first, then
        faster, most of all for backbones of depthwise convolutions. It needs a C++ compiler.
    seed : int
        Of the order of galaxies and of their augmentation.
    checkpoint_minutes : float
        A checkpoint to resume from is written this often, and after every epoch.
    workers : int
        Processes that read cutouts. 0 reads them in the training process, which is fast enough for
        a prepared store.
    devices, num_nodes, strategy, accelerator
        As of `ProcessOptions`.

    Raises
    ------
    OptionError
        An option outside its range.

    Examples
    --------
    >>> TrainConfig(epochs=30, learning_rate=3e-4).schedule
    'cosine'
    >>> TrainConfig(epochs=0)
    Traceback (most recent call last):
        ...
    gz2tree.config.choices.OptionError: epochs: expected at least 1, found 0
    """

    epochs: int = 12
    batch_size: int = 64
    batches_per_epoch: int | None = None
    optimizer: Optimizer = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    schedule: Schedule = "cosine"
    warmup_epochs: float = 1.0
    plateau_patience: int = 2
    min_learning_rate: float = 1e-6
    loss: LossName = "binary_cross_entropy"
    own_sigmoids: bool | None = None
    start_at_mean: bool = True
    early_stopping: int | None = None
    blocks: int | None = None
    layer_decay: float = 1.0
    augment: AugmentOptions = AugmentOptions()
    precision: Precision = "auto"
    deterministic: bool = False
    compile: bool = False
    seed: int = 0
    checkpoint_minutes: float = 2.0
    workers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "batch_size", "plateau_patience"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("batches_per_epoch", "early_stopping"):
            value = getattr(self, name)
            check(name, value, value is None or value >= 1, "at least 1, or none")
        check("blocks", self.blocks, self.blocks is None or self.blocks >= 0, "at least 0, or none")
        check("layer_decay", self.layer_decay, 0 < self.layer_decay <= 1, "a share in (0, 1]")
        for name in ("learning_rate", "checkpoint_minutes"):
            check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        for name in (
            "weight_decay", "warmup_epochs", "min_learning_rate", "seed", "workers",
        ):  # fmt: skip
            check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        for name, choices in (
            ("optimizer", Optimizer), ("schedule", Schedule), ("loss", LossName),
            ("precision", Precision),
        ):  # fmt: skip
            check_choice(name, getattr(self, name), choices)


@dataclass(frozen=True)
class NetworkOptions:
    """Which network is trained.

    Parameters
    ----------
    model : {"tree", "flat", "flat-renormalised", "flat-to-parent"}
        Kind of the new network (a trained one is the start of `finetune`, and has its own): one
        softmax head for each question, joined by the decision tree; or a flat head of
        sigmoids: as it is, divided by each question's sum, or so that each question's answers sum
        to the probability that it was asked.
    backbone : str
        Any backbone of timm by name, or resnet50_v1.
    pretrained : bool or str
        true: timm's ImageNet weights from its hub; false: random weights; or the path of a
        .safetensors or .pth state dict.
    activation : str
        How the tree's heads turn logits into probabilities; see `DecisionGraph`.
    pooling : {"average", "attention"}
        How the feature map is pooled for the heads: its average, or for each question an average of
        its own, weighted by where that question looks.
    head : {"pooled", "flatten", "attention"}
        Of a flat network: linear on the pooled features; the student paper's, on the flattened
        feature map; or on features pooled by attention for each question.

    Raises
    ------
    OptionError
        An unknown choice; another activation or pooling than the default of a flat network, another
        head than the default of a tree: they would do nothing.
    """

    model: NetworkName = "tree"
    backbone: str = "resnet50"
    pretrained: bool | str = True
    activation: Activation = "normalised_sigmoid"
    pooling: Pooling = "average"
    head: Head = "pooled"

    def __post_init__(self) -> None:
        for name, choices in (
            ("model", NetworkName), ("activation", Activation), ("pooling", Pooling),
            ("head", Head),
        ):  # fmt: skip
            check_choice(name, getattr(self, name), choices)
        meaningless = ("head",) if self.model == "tree" else ("activation", "pooling")
        for name in meaningless:
            value, default = getattr(self, name), getattr(type(self), name)
            expected = f"none with model {self.model}, on which it has no effect"
            check(name, value, value == default, expected)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "crop": 120,
        "size": 96,
        "epochs": 36,
        "batch_size": 75,
        "batches_per_epoch": 50,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "plateau",
        "plateau_patience": 2,
        "min_learning_rate": 1e-6,
        "loss": "root_squared_error",
        "own_sigmoids": False,
        "start_at_mean": False,
        "augment": {"rotate": True, "flip": False, "zoom": 0.0, "shift": 0.0},
    },
}
"""Named sets of options; "paper" is the student paper's recipe, its cutouts included."""


def preset(name: str) -> tuple[CutoutOptions, TrainConfig]:
    """Cutouts and training of a named set of options.

    Parameters
    ----------
    name : str
        One of `PRESETS`.

    Raises
    ------
    OptionError
        No set is called so.

    Examples
    --------
    >>> cutouts, config = preset("paper")
    >>> cutouts.crop, config.optimizer
    (120, 'adam')
    """
    check("preset", name, name in PRESETS, f"one of {', '.join(PRESETS)}")
    options = dict(PRESETS[name])
    cutouts = CutoutOptions(options.pop("crop"), options.pop("size"))
    return cutouts, TrainConfig(**options | {"augment": AugmentOptions(**options["augment"])})


FINETUNE: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 32,
    "learning_rate": 3e-4,
    "layer_decay": 0.75,
}
"""What `gz2tree finetune` does otherwise than `gz2tree train`, by default."""
