"""A network as ONNX: from cutouts to cumulative probabilities, the tree's product included."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from gz2tree.errors import InputError
from gz2tree.networks.network import GalaxyNet
from gz2tree.quiet import quiet
from gz2tree.version import __version__
from gz2tree.wholefiles import appearing, check_place

_IMAGES, _CUMULATIVE = "images", "cumulative"


class _FromImages(nn.Module):
    """A network with nothing but the images to its forward pass."""

    def __init__(self, model: GalaxyNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, size, size) -> (N, n_answers)."""
        return self.model(images)


def export_onnx(model: GalaxyNet, out: Path) -> None:
    """Write a network as an ONNX file.

    Parameters
    ----------
    model : GalaxyNet
        It is put into evaluation mode, on the CPU.
    out : Path
        ``.onnx``. Input ``images``, float32 of shape (N, 3, size, size), RGB in [0, 1]; output
        ``cumulative``, float32 of shape (N, n_answers). Its metadata hold, as JSON, ``tree``,
        ``columns``, ``cutouts``, ``kind``, ``view_angle`` and ``gz2tree_version``.

    Raises
    ------
    InputError
        Another ending, a folder that does not exist, or onnx and onnxscript that are not installed.
    """
    check_place(out, [".onnx"])
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch's exporter needs it)
    except ImportError as error:
        raise InputError(
            f"export needs onnx and onnxscript ({error}): pip install 'gz2tree[onnx]'"
        ) from error
    with appearing(out) as partial:
        partial.touch()  # whether it can be written is known before the work
        _export(model, partial)
        exported = onnx.load(partial)
        onnx.helper.set_model_props(exported, _described(model))
        onnx.save(exported, partial)


def _export(model: GalaxyNet, path: Path) -> None:
    size = model.cutouts.size
    # The exporter gives advice on its own insides.
    with quiet(["torch.onnx"], logging.ERROR, [".*"]):
        torch.onnx.export(
            _FromImages(model.eval().cpu()),
            (torch.zeros(2, 3, size, size),),
            path,
            dynamo=True,
            input_names=[_IMAGES],
            output_names=[_CUMULATIVE],
            dynamic_shapes={"images": {0: torch.export.Dim("n", min=1)}},
            external_data=False,
            verbose=False,
        )


def _described(model: GalaxyNet) -> dict[str, str]:
    """Say in JSON what the network is."""
    config = model.config()
    described = {name: config[name] for name in ("tree", "columns", "cutouts", "kind")}
    described |= {"view_angle": model.view_angle, "gz2tree_version": __version__}
    return {name: json.dumps(value) for name, value in described.items()}
