"""ONNX: the same numbers from onnxruntime, with the tree in the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL

from gz2tree import DecisionTree, FlatNet, GalaxyTreeNet, InputError
from gz2tree.cli import main
from gz2tree.networks.export import export_onnx
from gz2tree.networks.network import GalaxyNet
from gz2tree.treenames import find_tree

onnxruntime = pytest.importorskip("onnxruntime")

NETWORKS = {
    "tree": lambda: GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL),
    "attention, softmax, another tree": lambda: GalaxyTreeNet(
        "resnet10t",
        find_tree("GZ_CANDELS"),
        pretrained=False,
        cutouts=SMALL,
        pooling="attention",
        activation="softmax",
    ),
    "flat": lambda: FlatNet("resnet10t", pretrained=False, cutouts=SMALL),
}


def run_onnx(path: Path, images: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["cumulative"], {"images": images.numpy()})[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_gives_the_same(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model: GalaxyNet = NETWORKS[name]().eval()
    export_onnx(model, tmp_path / "model.onnx")
    for n in (1, 5):
        images = torch.rand(n, 3, SMALL.size, SMALL.size)
        with torch.inference_mode():
            expected = model(images).numpy()
        found = run_onnx(tmp_path / "model.onnx", images)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    described = session.get_modelmeta().custom_metadata_map
    assert DecisionTree.from_dict(json.loads(described["tree"])) == model.tree
    assert json.loads(described["columns"]) == list(model.tree.columns)
    assert json.loads(described["cutouts"]) == {"crop": SMALL.crop, "size": SMALL.size}


def test_command_exports_the_model_in_the_box(tmp_path: Path) -> None:
    assert main(["export", "--out", str(tmp_path / "model.onnx")]) == 0
    model = GalaxyTreeNet.from_pretrained("default")
    images = torch.rand(2, 3, model.cutouts.size, model.cutouts.size)
    with torch.inference_mode():
        expected = model(images).numpy()
    found = run_onnx(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = NETWORKS["tree"]()
    with pytest.raises(InputError, match=r"expected a file ending in \.onnx"):
        export_onnx(model, tmp_path / "model.pt")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"pip install 'gz2tree\[onnx\]'"):
        export_onnx(model, tmp_path / "model.onnx")
