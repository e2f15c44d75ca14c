"""Save what this version saves, so that later versions are tested to read it.

Once for each release, before it: `python tests/make_saved.py` writes tests/saved/VERSION: a model
trained on votes with all that a model may hold, what it predicts, and a file of options.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from gz2tree import __version__, load_model
from gz2tree.cli import main as gz2tree
from gz2tree.networks.network import GalaxyNet

SAVED = Path(__file__).parent / "saved"
OPTIONS = ["--labels", "labels.csv", "--images", "images", "--out", "run", "--epochs", "7",
           "--model", "flat", "--augment.zoom", "0.1", "--test-fraction", "0.25"]  # fmt: skip


def pattern(size: int) -> torch.Tensor:
    """Two images that no random number generator can change; (2, 3, size, size), in [0, 1]."""
    numbers = np.arange(2 * 3 * size * size).reshape(2, 3, size, size)
    return torch.from_numpy((numbers * 37 % 256 / 255).astype(np.float32))


@torch.inference_mode()
def answers(model: GalaxyNet) -> dict[str, list[list[float]]]:
    """What a model says of the pattern."""
    logits, strength = model.eval().outputs(pattern(model.cutouts.size))
    known = model.calibrated_strength(logits, strength)
    assert known is not None
    return {"cumulative": model.cumulative(logits).tolist(), "strength": known.tolist()}


def main() -> None:
    """Write the folder of this version."""
    out = SAVED / __version__
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        sky, store, run = (str(Path(folder) / name) for name in ("sky", "store", "run"))
        votes = ["--labels", f"{sky}/catalogue.csv", "--images", store, "--kind", "count"]
        for command in (
            ["simulate", sky, "--n", "120", "--size", "64"],
            ["prepare", f"{sky}/images", store, "--crop", "48", "--size", "32"],
            ["train", *votes, "--out", run, "--loss", "dirichlet_multinomial", "--epochs", "2",
             "--backbone", "test_efficientnet", "--pretrained", "false", "--pooling", "attention"],
            ["calibrate", *votes, "--model", run, "--part", "valid", "--out", str(out / "model")],
        ):  # fmt: skip
            assert gz2tree(command) == 0
    (out / "model" / "README.md").unlink()  # what it says stands in the config
    expected = answers(load_model(out / "model"))
    (out / "expected.json").write_text(json.dumps(expected) + "\n")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        gz2tree(["train", *OPTIONS, "--print-config"])
    (out / "train.yaml").write_text(printed.getvalue())


if __name__ == "__main__":
    main()
