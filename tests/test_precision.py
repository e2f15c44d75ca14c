"""Which precision and memory layout a network runs in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gz2tree.config import Precision
from gz2tree.precision import autocast, choose_precision, memory_format

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
PLAIN = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2))
DEPTHWISE = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)))


@pytest.mark.parametrize("asked", ["32", "bf16", "16"])
@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_what_is_asked_for_is_taken(asked: Precision, device: torch.device) -> None:
    assert choose_precision(PLAIN, device, asked) == asked


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bf16"), (False, "16")])
def test_gpu_takes_bfloat16_where_the_hardware_has_it(
    supported: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert choose_precision(DEPTHWISE, CUDA, "auto") == chosen


@pytest.mark.parametrize(
    ("supported", "network", "chosen"),
    [(True, PLAIN, "bf16"), (True, DEPTHWISE, "32"), (False, PLAIN, "32")],
)
def test_cpu_takes_bfloat16_where_the_network_gains(
    supported: bool, network: nn.Module, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert choose_precision(network, CPU, "auto") == chosen


def test_cpu_is_asked_for_its_abilities() -> None:
    assert choose_precision(PLAIN, CPU, "auto") in ("32", "bf16")
    assert choose_precision(PLAIN, torch.device("meta"), "auto") == "32"


@pytest.mark.parametrize(
    ("network", "device", "layout"),
    [
        (PLAIN, CPU, torch.channels_last),
        (DEPTHWISE, CPU, torch.contiguous_format),
        (DEPTHWISE, CUDA, torch.channels_last),
    ],
)
def test_layout_follows_the_convolutions(
    network: nn.Module, device: torch.device, layout: torch.memory_format
) -> None:
    assert memory_format(network, device) == layout


@pytest.mark.parametrize(
    ("precision", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16), ("16", torch.float16)]
)
def test_autocast_runs_in_the_precision(precision: Precision, dtype: torch.dtype) -> None:
    with autocast(CPU, precision):  # type: ignore[arg-type]
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype
