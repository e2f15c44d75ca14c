"""Whether two trainings ended alike."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from gz2tree import load_model
from gz2tree.networks.network import GalaxyNet


def same_weights(one: GalaxyNet, other: GalaxyNet) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items())


def assert_same_run(one: Path, other: Path) -> None:
    """Histories, best models, and weights and optimisers of the last checkpoints are equal."""
    histories = [pd.read_csv(run / "history.csv").drop(columns="seconds") for run in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert same_weights(load_model(one), load_model(other)), "best models differ"
    last = [
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (one, other)
    ]
    for part in ("global_step", "lr_schedulers"):
        assert last[0][part] == last[1][part], f"{part}: {last[0][part]} and {last[1][part]}"
    for part in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(last[0][part], last[1][part], rtol=0, atol=0)
