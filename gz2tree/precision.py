"""Which precision and memory layout a network runs fastest in."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from gz2tree.config import Precision


def choose_precision(
    network: nn.Module, device: torch.device, asked: Precision
) -> Literal["32", "bf16", "16"]:
    """Resolve ``"auto"``: bfloat16 where the hardware has it and the network gains by it.

    Parameters
    ----------
    network : nn.Module
    device : torch.device
    asked : {"auto", "32", "bf16", "16"}
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16"
    # On CPUs bfloat16 makes a ResNet two to three times faster and depthwise convolutions slower.
    fast = (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    return "bf16" if fast and not _has_depthwise(network) else "32"


def memory_format(network: nn.Module, device: torch.device) -> torch.memory_format:
    """Return the layout of images and weights: channels last where convolutions gain by it."""
    if device.type == "cpu" and _has_depthwise(network):
        return torch.contiguous_format
    return torch.channels_last


def autocast(device: torch.device, precision: Literal["32", "bf16", "16"]) -> Any:
    """Return the autocast context of a precision."""
    dtype = torch.float16 if precision == "16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "32")


def _has_depthwise(network: nn.Module) -> bool:
    return any(
        isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in network.modules()
    )
