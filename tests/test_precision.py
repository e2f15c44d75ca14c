"""Which precision and memory layout a network runs in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gz2tree.config.choices import Precision
from gz2tree.networks.precision import autocast, choose_precision, for_inference, memory_format

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


class Backwards(nn.Module):
    """Its layers are declared in another order than they are used in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(images))


def trained(network: nn.Module) -> nn.Module:
    """Statistics and weights of normalisation that change what comes in."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.weight, module.bias):
                nn.init.normal_(values)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("folded", [True, False])
def test_network_prepared_for_inference_says_the_same(folded: bool) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    network = trained(nn.Sequential(*layers) if folded else Backwards())
    images = torch.rand(5, 3, 16, 16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prepared = for_inference(network, images[:1], "bf16")
    with torch.inference_mode():
        expected = network(images)
        with autocast(CPU, "bf16"):
            found = prepared(images).float()
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02 * expected.abs().max().item())
    assert any(isinstance(m, nn.BatchNorm2d) for m in prepared.modules()) != folded
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
