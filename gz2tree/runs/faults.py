"""What ends a training before its time: weights that are not finite, a full disk, a torn file."""

from __future__ import annotations

import pickle
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gz2tree.errors import InputError
from gz2tree.networks.weights import load_safely
from gz2tree.wholefiles import write_errors_named


class NotFiniteError(InputError):
    """Weights or outputs of a network are NaN or infinite: its training cannot go on from them."""


def check_outputs(logits: Tensor, step: int) -> None:
    """Refuse to go on from outputs that are not finite: the weights would be lost by the next step.

    Parameters
    ----------
    logits : Tensor, of any shape
    step : int
        Optimiser steps taken before, for the message.

    Raises
    ------
    NotFiniteError
        One of the logits is NaN or infinite.
    """
    if not torch.isfinite(logits).all():
        raise NotFiniteError(f"the network's output is not finite at step {step}")


def check_weights(model: nn.Module, step: int) -> None:
    """Refuse to save weights that are not finite: a run resumed from them would be lost.

    Parameters
    ----------
    model : nn.Module
    step : int
        Optimiser steps taken, for the message.

    Raises
    ------
    NotFiniteError
        A weight, or a buffer such as a running mean, is NaN or infinite.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NotFiniteError(f"the weights {name} are not finite after step {step}")


def check_checkpoint(path: Path) -> int:
    """Refuse a checkpoint that cannot be resumed from; nothing in it is executed.

    Returns
    -------
    steps : int
        Optimiser steps that were taken before it.

    Raises
    ------
    InputError
        The file is torn, or holds anything but tensors and plain values.
    """
    try:
        return int(load_safely(path)["global_step"])
    except (
        pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError, TypeError,
    ) as error:  # fmt: skip
        raise InputError(
            f"{path}: expected the checkpoint of a training, found a damaged file "
            f"({type(error).__name__}); without it --resume begins the training anew"
        ) from error


def saving(path: Path) -> AbstractContextManager[None]:
    """Name, in an InputError, what of a run could not be saved, whatever its library raises."""
    kept = "; what was saved before is kept"
    return write_errors_named(path, RuntimeError, SafetensorError, consolation=kept)
