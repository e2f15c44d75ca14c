"""What ends a training before its time: weights that are not finite, a full disk, a torn file."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gz2tree.errors import InputError


class NotFiniteError(InputError):
    """Weights or outputs of a network are not finite."""


def check_outputs(logits: Tensor, step: int) -> None:
    """Refuse to go on from outputs that are not finite.

    Raises
    ------
    NotFiniteError
    """
    if not torch.isfinite(logits).all():
        raise NotFiniteError(f"the network's output is not finite at step {step}")


def check_weights(model: nn.Module, step: int) -> None:
    """Refuse to save weights that are not finite: a run resumed from them would be lost.

    Raises
    ------
    NotFiniteError
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NotFiniteError(f"the weights {name} are not finite after step {step}")


def load_safely(path: Path) -> Any:
    """Load what torch has saved, on the CPU: tensors and plain values; nothing is executed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch comments on pickles that are none of its own
        return torch.load(path, map_location="cpu", weights_only=True)


def check_checkpoint(path: Path) -> None:
    """Refuse a checkpoint that cannot be resumed from; nothing in it is executed.

    Raises
    ------
    InputError
    """
    try:
        load_safely(path)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: expected the checkpoint of a training, found a damaged file "
            f"({type(error).__name__}); without it --resume begins the training anew"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file that could not be written, whatever its library raises.

    Raises
    ------
    InputError
        The disk is full, say.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, NotFiniteError):
            raise
        raise InputError(
            f"{path}: cannot be written ({error}); what was saved before is kept"
        ) from error
