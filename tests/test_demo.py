"""The demo, in small: everything it promises is there, and a second call goes on with the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from gz2tree import GZ2_KAGGLE, load_model
from gz2tree.commands.demo import CONFIG, demo


def test_demo_leaves_models_catalogues_and_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, epochs=1, batch_size=16)
    demo(tmp_path, n=60, config=config)
    said = capsys.readouterr().out
    assert "largest violation of the tree" in said
    for name, kind in (("tree", "GalaxyTreeNet"), ("flat", "FlatNet")):
        assert type(load_model(tmp_path / name)).__name__ == kind
    table = pd.read_csv(tmp_path / "predictions.csv", dtype={"GalaxyID": str})
    assert list(table.columns) == ["GalaxyID", *GZ2_KAGGLE.columns]
    assert len(table) == 15
    with Image.open(tmp_path / "figure.png") as figure:
        assert min(figure.size) > 500

    demo(tmp_path, n=60, config=config)
    again = capsys.readouterr().out
    assert again[again.index("5 of 5. ") :] == said[said.index("5 of 5. ") :]
