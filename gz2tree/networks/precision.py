"""Which precision and memory layout a network runs fastest in."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gz2tree.config.choices import Precision

Network = TypeVar("Network", bound=nn.Module)


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


def for_inference(network: Network, images: Tensor, precision: Literal["bf16", "16"]) -> Network:
    """Copy a network that is to predict in reduced precision, prepared once for every batch.

    Batch normalisations are multiplied into the convolutions before them, and weights are rounded,
    as autocast would round them again for every batch: a fifth less time for ResNet50 on a CPU.

    Parameters
    ----------
    network : nn.Module, in evaluation mode
    images : Tensor, shape (N, 3, H, W)
        Some images to try it on. Which layer follows which is seen from their order only; if the
        copy says something else of these images, its normalisations are left where they are.
    precision : {"bf16", "16"}
        That of the autocast context in which the copy will be called.

    Returns
    -------
    prepared : nn.Module
    """
    prepared = _folded(network)
    with torch.inference_mode():
        expected, found = network(images), prepared(images)
    if not torch.allclose(expected, found, atol=1e-3):
        prepared = copy.deepcopy(network)
    dtype = torch.float16 if precision == "16" else torch.bfloat16
    for module in prepared.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
    return prepared


def _folded(network: Network) -> Network:
    folded = copy.deepcopy(network)
    for parent in folded.modules():
        for (name, conv), (next_name, norm) in pairwise(list(parent.named_children())):
            # Subclasses do something of their own besides.
            if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
                continue
            if conv.out_channels == norm.num_features and norm.track_running_stats:
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, next_name, nn.Identity())
    return folded


def _has_depthwise(network: nn.Module) -> bool:
    return any(
        isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in network.modules()
    )
