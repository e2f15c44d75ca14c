"""What options choose among, and how a value outside its range is refused."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from gz2tree.errors import InputError

Accelerator = Literal["auto", "cpu", "gpu"]
Activation = Literal["softmax", "normalised_sigmoid", "divisive_relu", "entmax15", "sparsemax"]
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
NetworkName = Literal["tree", "flat", "flat-renormalised", "flat-to-parent"]
Optimizer = Literal["adamw", "adam"]
Pooling = Literal["average", "attention"]
Precision = Literal["auto", "32", "bf16", "16"]
Probability = Literal["cumulative", "conditional"]
Schedule = Literal["cosine", "plateau"]


class OptionError(InputError):
    """An option outside its range; the message says what was expected and found."""


def check(name: str, value: object, fine: bool, expected: str) -> None:
    """Refuse a value that is not fine."""
    if not fine:
        raise OptionError(f"{name}: expected {expected}, found {value!r}")


def check_choice(name: str, value: object, choices: Any) -> None:
    """Refuse a value that is none of a Literal's."""
    check(name, value, value in get_args(choices), f"one of {', '.join(get_args(choices))}")


def check_workers(workers: int | None) -> None:
    """Refuse a negative number of processes."""
    check("workers", workers, workers is None or workers >= 0, "at least 0")


def check_scales(pixel_scale: float | None, radii_per_pixel: float | None) -> None:
    """Refuse pixel scales that are no numbers above 0, and two of them."""
    for scale in (pixel_scale, radii_per_pixel):
        fine = scale is None or (scale > 0 and math.isfinite(scale))
        check("pixel scale", scale, fine, "a number above 0")
    if pixel_scale is not None and radii_per_pixel is not None:
        raise OptionError("pixel_scale: expected it or radii_per_pixel, found both")
