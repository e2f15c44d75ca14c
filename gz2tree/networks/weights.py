"""Weights files: read without executing anything in them, and loaded strictly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gz2tree.errors import InputError, first_few


def load_safely(path: Path) -> Any:
    """Load what torch has saved, on the CPU: tensors and plain values; nothing is executed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch comments on pickles that are none of its own
        return torch.load(path, map_location="cpu", weights_only=True)


def check_weights_file(path: Path) -> None:
    """Refuse, with an InputError, what is no file, or none of a format for weights."""
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise InputError(
            f"pretrained: expected true, false or a .safetensors or .pth file, found {path}"
        )
    if not path.is_file():
        raise InputError(f"{path}: expected a weights file, found none")


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises
    ------
    InputError
        No such file, or not in this format.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a weights file, found none")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a safetensors file: {error}") from error


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a state dict, ``.safetensors`` or ``.pth``, which has no metadata.

    Raises
    ------
    InputError
        No such file, another format, or anything in it but tensors by name.
    """
    check_weights_file(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        weights = load_safely(path)
    # A damaged or hostile file can fail in the zip reader, the unpickler or torch itself, whose
    # advice is to execute it.
    except Exception as error:
        raise InputError(
            f"{path}: expected a state dict of tensors, found another or a damaged file "
            f"({type(error).__name__}); nothing in it was executed"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise InputError(f"{path}: expected a state dict of tensors, found other objects")
    return weights, {}


def load_strictly(module: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Load exactly these weights; half precision is converted to the module's own.

    Raises
    ------
    InputError
        Missing, unexpected or misshapen tensors, or values that are not finite; by name.
    """
    expected = module.state_dict()
    missing = sorted(set(expected) - set(weights))
    unexpected = sorted(set(weights) - set(expected))
    if missing or unexpected:
        found = [f"missing {first_few(missing)}"] if missing else []
        found += [f"unexpected {first_few(unexpected)}"] if unexpected else []
        raise InputError(
            f"{path}: expected the {len(expected)} tensors of this network: {'; '.join(found)}"
        )
    for key, value in weights.items():
        if value.shape != expected[key].shape:
            raise InputError(
                f"{path}: tensor {key}: expected shape {tuple(expected[key].shape)}, "
                f"found {tuple(value.shape)}"
            )
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: tensor {key}: expected finite values, found NaN or inf")
    module.load_state_dict(weights, strict=True)
