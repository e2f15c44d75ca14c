"""Options of cutouts and training: plain dataclasses, torch-free, so that ``--help`` is instant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any, Literal, Self, get_args

from gz2tree.errors import InputError
from gz2tree.stretch import Stretch

Accelerator = Literal["auto", "cpu", "gpu"]
Activation = Literal["softmax", "normalised_sigmoid", "divisive_relu", "entmax15", "sparsemax"]
CommandName = Literal[
    "tree", "simulate", "prepare", "train", "finetune", "evaluate", "calibrate", "typical",
    "predict", "select", "classes", "embed", "export", "plot", "report", "demo",
]  # fmt: skip
Columns = Literal["cumulative", "conditional", "reach", "uncertainty"]
MoreColumns = Literal["cumulative", "conditional", "reach", "uncertainty", "atypical"]
CountLoss = Literal["multinomial", "dirichlet_multinomial"]
FractionLoss = Literal[
    "binary_cross_entropy", "squared_error", "root_squared_error", "cross_entropy"
]
FigureName = Literal[
    "correlations", "examples", "cutouts", "history", "scatter", "agreement", "calibration",
    "null", "by", "purity", "galaxies", "tree",
]  # fmt: skip
Head = Literal["pooled", "flatten", "attention"]
Renormalised = bool | Literal["to_parent"]
Kind = Literal["count", "weight", "fraction", "weighted_fraction", "debiased"]
LossName = Literal[FractionLoss, CountLoss]
Optimizer = Literal["adamw", "adam"]
Pooling = Literal["average", "attention"]
Precision = Literal["auto", "32", "bf16", "16"]
Probability = Literal["cumulative", "conditional"]
Schedule = Literal["cosine", "plateau"]


class OptionError(InputError):
    """An option outside its range; the message says what was expected and found."""


def _check(name: str, value: object, fine: bool, expected: str) -> None:
    if not fine:
        raise OptionError(f"{name}: expected {expected}, found {value!r}")


def _check_choice(name: str, value: object, choices: Any) -> None:
    _check(name, value, value in get_args(choices), f"one of {', '.join(get_args(choices))}")


def check_workers(workers: int | None) -> None:
    """Refuse a negative number of processes."""
    _check("workers", workers, workers is None or workers >= 0, "at least 0")


def check_scales(*scales: float | None) -> None:
    """Refuse pixel scales that are no numbers above 0."""
    for scale in scales:
        fine = scale is None or (scale > 0 and math.isfinite(scale))
        _check("pixel scale", scale, fine, "a number above 0")


@dataclass(frozen=True)
class CutoutOptions:
    """How an image becomes a cutout.

    Parameters
    ----------
    crop : int, pixels of the original image
        Side of the central square that is kept.
    size : int, pixels of the cutout
        Side to which that square is scaled down.
    pixel_scale : float, arcsec / pixel, optional
        What a pixel that `crop` counts spans on the sky, if it is the same for all galaxies and
        known.
    radii_per_pixel : float, radii / pixel, optional
        The same, if images are scaled to their galaxies: in Petrosian radii. See `gz2tree.given`.
    stretch : Stretch, optional
        How bands become colours. None of images that are pictures already.

    Raises
    ------
    OptionError
        A side that is no whole number or below 1 pixel, a cutout larger than its crop, scales that
        are not above 0, or both.
    """

    crop: int = 256
    size: int = 96
    pixel_scale: float | None = None
    radii_per_pixel: float | None = None
    stretch: Stretch | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.size, Integral) and isinstance(self.crop, Integral)
        if not (whole and 1 <= self.size <= self.crop):
            raise OptionError(
                f"expected 1 <= size <= crop, found size {self.size} and crop {self.crop}"
            )
        check_scales(self.pixel_scale, self.radii_per_pixel)
        if self.pixel_scale is not None and self.radii_per_pixel is not None:
            raise OptionError("pixel_scale: expected it or radii_per_pixel, found both")

    @property
    def knows_scale(self) -> bool:
        """Whether it is known what a pixel of `crop` spans."""
        return (self.pixel_scale or self.radii_per_pixel) is not None

    def fits(self, other: CutoutOptions) -> bool:
        """Whether these cutouts are what was asked for; a scale that is not known fits any."""
        alike = (self.crop, self.size, self.stretch) == (other.crop, other.size, other.stretch)
        if not (alike and self.knows_scale and other.knows_scale):
            return alike
        scales = (
            (self.pixel_scale, other.pixel_scale),
            (self.radii_per_pixel, other.radii_per_pixel),
        )
        return any(a is not None and b is not None and math.isclose(a, b) for a, b in scales)

    def __str__(self) -> str:
        said = [f"crop {self.crop}", f"size {self.size}"]
        if self.pixel_scale is not None:
            said.append(f"{self.pixel_scale:g} arcsec a pixel")
        if self.radii_per_pixel is not None:
            said.append(f"{self.radii_per_pixel:g} radii a pixel")
        return ", ".join([*said, *([] if self.stretch is None else [str(self.stretch)])])

    def to_dict(self) -> dict[str, Any]:
        """Return what there is, as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["stretch"] = None if self.stretch is None else self.stretch.to_dict()
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from `to_dict`."""
        stretch = values.get("stretch")
        return cls(**{**values, "stretch": None if stretch is None else Stretch.from_dict(stretch)})


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
    """

    rotate: bool = True
    flip: bool = True
    zoom: float = 0.1
    shift: float = 0.02

    def __post_init__(self) -> None:
        _check("zoom", self.zoom, self.zoom >= 0, "at least 0")
        _check("shift", self.shift, 0 <= self.shift <= 0.5, "a share from 0 to 0.5")


@dataclass(frozen=True)
class TrainConfig:
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
    devices : int
        GPUs, or processes on CPUs, on each node.
    num_nodes : int
        Nodes, that is machines.
    strategy : str
        How the processes work together, as Lightning names it.
    accelerator : {"auto", "cpu", "gpu"}
        GPUs where there are any, by default.

    Raises
    ------
    OptionError
        An option outside its range.
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
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    accelerator: Accelerator = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "plateau_patience", "devices", "num_nodes"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("batches_per_epoch", "early_stopping"):
            value = getattr(self, name)
            _check(name, value, value is None or value >= 1, "at least 1, or none")
        _check(
            "blocks", self.blocks, self.blocks is None or self.blocks >= 0, "at least 0, or none"
        )
        _check("layer_decay", self.layer_decay, 0 < self.layer_decay <= 1, "a share in (0, 1]")
        for name in ("learning_rate", "checkpoint_minutes"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        for name in (
            "weight_decay", "warmup_epochs", "min_learning_rate", "seed", "workers",
        ):  # fmt: skip
            _check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        for name, choices in (
            ("optimizer", Optimizer), ("schedule", Schedule), ("loss", LossName),
            ("precision", Precision), ("accelerator", Accelerator),
        ):  # fmt: skip
            _check_choice(name, getattr(self, name), choices)


@dataclass(frozen=True)
class PredictOptions:
    """How predictions are made.

    Parameters
    ----------
    views : {1, 8, 16}
        Orientations of each image to average over.
    gate : float, in [0, 1]
        Answers below this cumulative probability become exactly 0, with all that follows.
    batch_size : int
    workers : int, optional
        Processes that decode images; as many as there are cores by default.
    precision : {"auto", "32", "bf16", "16"}
        Of the backbone; probabilities are always float32.
    device : str, optional
        A GPU if there is one, by default.

    Raises
    ------
    OptionError
        An option outside its range.
    """

    views: Literal[1, 8, 16] = 1
    gate: float = 0.0
    batch_size: int = 64
    workers: int | None = None
    precision: Precision = "auto"
    device: str | None = None

    def __post_init__(self) -> None:
        _check("views", self.views, self.views in (1, 8, 16), "1, 8 or 16")
        _check("gate", self.gate, 0 <= self.gate <= 1, "a probability from 0 to 1")
        _check("batch_size", self.batch_size, self.batch_size >= 1, "at least 1")
        check_workers(self.workers)
        _check_choice("precision", self.precision, Precision)


@dataclass(frozen=True)
class ShardOptions:
    """How a catalogue is written in shards into a folder, by one process or several.

    Parameters
    ----------
    galaxies_per_shard : int
        Images of a shard, which is what an interruption may cost.
    devices : int
        GPUs, or processes on CPUs, on each node.
    num_nodes : int
        Nodes, that is machines.
    strategy : str
        How the processes work together, as Lightning names it.
    accelerator : {"auto", "cpu", "gpu"}
        GPUs where there are any, by default.

    Raises
    ------
    OptionError
        An option outside its range.
    """

    galaxies_per_shard: int = 10_000
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    accelerator: Accelerator = "auto"

    def __post_init__(self) -> None:
        for name in ("galaxies_per_shard", "devices", "num_nodes"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check_choice("accelerator", self.accelerator, Accelerator)


@dataclass(frozen=True)
class TableOptions:
    """A table of the galaxies whose columns are carried into a catalogue of predictions.

    Parameters
    ----------
    table : str, optional
        CSV, Parquet, FITS, VOTable or ECSV: its columns come before those that are predicted, with
        their types, and with units and descriptions where OUT can hold them. Galaxies without an
        image are left out; of those that are not in it, its columns are empty.
    id_column : str, optional
        Its column of image names; found as train finds that of labels, by default.

    Raises
    ------
    OptionError
        A column of ids without a table.
    """

    table: str | None = None
    id_column: str | None = None

    def __post_init__(self) -> None:
        alone = self.table is None and self.id_column is not None
        _check("id_column", self.id_column, not alone, "together with --table TABLE")


@dataclass(frozen=True)
class ByOptions:
    """A quantity by which predictions are compared with labels.

    Parameters
    ----------
    by : str, optional
        A numeric column of the table of labels, or apparent_size: half-light radius measured on
        the cutout, in pixels of the original image. Prints error and mean answer in bins of it.
    answer : str, optional
        Whose mean probability is compared, by its label or column; the first answer of the first
        question by default.
    bins : int
        Bins of equal numbers of galaxies.

    Raises
    ------
    OptionError
        Fewer than 2 bins, or an answer without a quantity.
    """

    by: str | None = None
    answer: str | None = None
    bins: int = 5

    def __post_init__(self) -> None:
        _check("bins", self.bins, self.bins >= 2, "at least 2")
        alone = self.by is None and self.answer is not None
        _check("answer", self.answer, not alone, "together with --by COLUMN")


@dataclass(frozen=True)
class LabelOptions:
    """How a table of labels is read.

    Parameters
    ----------
    kind : {"count", "weight", "fraction", "weighted_fraction", "debiased"}
        Which columns of a catalogue to use; a table of cumulative probabilities has only one kind.
    id_column : str, optional
        By default GalaxyID, else the first of asset_id, dr7objid, objid, id_str, iauname,
        zooniverse_id, id and the files of file_loc whose values match the image names.
    allow_bad_rows : bool
        Drop and count rows whose values are no probabilities or break the tree's sums.
    """

    kind: Kind = "debiased"
    id_column: str | None = None
    allow_bad_rows: bool = False


@dataclass(frozen=True)
class FigureOptions:
    """What a figure shows of the data.

    Parameters
    ----------
    what : {"cumulative", "conditional"}
        Which probabilities are correlated.
    question : str, optional
        Column or name of the question whose correlations are shown; all by default.
    answer : str, optional
        Name, column or label of the answer whose scatter is shown (all by default), or whose mean
        by a quantity (the first answer of the first question by default).
    by : str, optional
        Quantity by which error and mean answer are shown: a numeric column of the table of labels,
        or apparent_size, in pixels of the original image.
    bins : int
        Bins of that quantity, of equal numbers of galaxies.
    flag : str, optional
        ANSWER=THRESHOLD, as in merger=0.4: the flag whose purity and completeness are shown.
        Volunteers flag a galaxy by the same threshold.
    galaxy : str, optional
        Id of the galaxy whose tree or path is drawn; by default the tree is the mean of all.
    n : int, optional
        Galaxies shown: by default 4 examples of each answer, 24 cutouts, 16 with their paths,
        1,000 in a scatter plot.
    seed : int
        Of the choice of galaxies.

    Raises
    ------
    OptionError
        No galaxies, fewer than 2 bins, or a negative seed.
    """

    what: Probability = "cumulative"
    question: str | None = None
    answer: str | None = None
    by: str | None = None
    bins: int = 5
    flag: str | None = None
    galaxy: str | None = None
    n: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choice("what", self.what, Probability)
        _check("bins", self.bins, self.bins >= 2, "at least 2")
        _check("n", self.n, self.n is None or self.n >= 1, "at least 1, or none")
        _check("seed", self.seed, self.seed >= 0, "at least 0")


@dataclass(frozen=True)
class SplitOptions:
    """How galaxies are split; byte-identical images stay together.

    Parameters
    ----------
    valid_fraction : float, in [0, 1)
        Share of the galaxies by which the best epoch is chosen.
    test_fraction : float, in [0, 1)
        Share that training never sees; `gz2tree evaluate --part test` measures on it.
    split_seed : int, optional
        Of the split; that of the training by default. Networks that shall predict together are
        trained with several seeds and one split.

    Raises
    ------
    OptionError
        A share outside [0, 1), nothing left for training, or a negative seed.
    """

    valid_fraction: float = 0.1
    test_fraction: float = 0.0
    split_seed: int | None = None

    def __post_init__(self) -> None:
        seed = self.split_seed
        _check("split_seed", seed, seed is None or seed >= 0, "at least 0, or none")
        for name in ("valid_fraction", "test_fraction"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) < 1, "a share in [0, 1)")
        both = self.valid_fraction + self.test_fraction
        _check(
            "valid_fraction + test_fraction", both, both < 1, "less than 1, to train on the rest"
        )


@dataclass(frozen=True)
class NetworkOptions:
    """Which network is trained.

    Parameters
    ----------
    model : {"tree", "flat", "flat-renormalised", "flat-to-parent"}
        One softmax head for each question, joined by the decision tree; or a flat head of
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
    """

    model: Literal["tree", "flat", "flat-renormalised", "flat-to-parent"] = "tree"
    backbone: str = "resnet50"
    pretrained: bool | str = True
    activation: Activation = "normalised_sigmoid"
    pooling: Pooling = "average"
    head: Head = "pooled"


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

FINETUNE: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 32,
    "learning_rate": 3e-4,
    "layer_decay": 0.75,
}
"""What `gz2tree finetune` does otherwise than `gz2tree train`, by default."""
