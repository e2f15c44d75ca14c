"""The command ``export``: a network as ONNX."""

from __future__ import annotations

from pathlib import Path

from gz2tree.commands.models import find_model
from gz2tree.networks.export import export_onnx


def export_model(model_path: str, out: Path) -> None:
    """Write a network as ONNX.

    Parameters
    ----------
    model_path : str
        A run directory, a saved model or ``"default"``.
    out : Path
        ``.onnx``.

    Raises
    ------
    InputError
        No model, and as `gz2tree.networks.export.export_onnx` raises.
    """
    model, _ = find_model(model_path)
    export_onnx(model, out)
    print(f"tree {model.tree.name} in {out}")
