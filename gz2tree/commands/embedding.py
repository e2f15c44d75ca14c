"""The command ``embed``: the features of images in a table."""

from __future__ import annotations

from pathlib import Path

from gz2tree.commands.models import find_model
from gz2tree.config import PredictOptions
from gz2tree.embedding import embed_to_file


def embed_images(model_path: str, images: Path, out: Path, options: PredictOptions) -> None:
    """Write the pooled features of images.

    Parameters
    ----------
    model_path : str
        A run directory, a saved model or ``"default"``.
    images : Path
        Folder, zip file or store.
    out : Path
        ``.parquet``, ``.csv`` or ``.fits``.
    options : PredictOptions

    Raises
    ------
    InputError
        No model, and as `gz2tree.embedding.embed_to_file` raises.
    """
    model, _ = find_model(model_path)
    n = embed_to_file(model, images, out, options)
    print(f"{model.head_hidden_size:,} features of {n:,} galaxies in {out}")
