"""How images enter a network: which may, and by which mean and deviation they are normalised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gz2tree.errors import InputError, shown


def channel_values(name: str, given: Sequence[float]) -> Tensor:
    """Mean or standard deviation of red, green and blue, as a tensor of shape (3, 1, 1).

    Parameters
    ----------
    name : {"mean", "std"}
    given : sequence of 3 floats

    Raises
    ------
    InputError
        Not three finite numbers, or a standard deviation that is not above 0.
    """
    try:
        values = torch.tensor(given, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        values = torch.empty(0)
    if values.shape != (3,) or not values.isfinite().all() or (name == "std" and values.min() <= 0):
        above = " above 0" if name == "std" else ""
        raise InputError(f"{name}: expected three numbers{above}, found {shown(given)}")
    return values.view(3, 1, 1)


def check_images(images: Tensor) -> None:
    """Refuse, with an InputError, what is no batch of images that a network may look at."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise InputError(
            "images: expected floating-point RGB in [0, 1] of shape (N, 3, H, W), found "
            f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        )
