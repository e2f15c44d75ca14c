"""The example scripts run as their own words say, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from gz2tree import CutoutOptions, GalaxyTreeNet
from gz2tree.simulate import simulate

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("sky"), 60, size=64, workers=1, progress=False)


def example(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_train_full_gz2(sky: Path, tmp_path: Path) -> None:
    said = example(
        "train_full_gz2.py", "--images", sky / "images", "--labels", sky / "labels.csv",
        "--out", tmp_path / "full", "--epochs", 1, "--crop", 40, "--size", 32, "--workers", 0,
        "--backbone", "resnet10t", "--pretrained", "",
    )  # fmt: skip
    assert "16 views" in said
    assert (tmp_path / "full" / "test-16-views.json").is_file()


def test_reproduce_paper_in_its_quick_form(tmp_path: Path) -> None:
    said = example("reproduce_paper.py", "--quick", "--out", tmp_path)
    for arm in ("paper, patience 2", "flat, patience 2", "tree, patience 10", "tree, cosine"):
        assert arm in said
    for figure in ("history.png", "null.png", "tree-cosine/scatter.png"):
        assert (tmp_path / figure).stat().st_size > 10_000


def test_train_and_predict_then_gallery(sky: Path, tmp_path: Path) -> None:
    said = example(
        "train_and_predict.py", "--images", sky / "images", "--labels", sky / "labels.csv",
        "--out", tmp_path, "--epochs", 1, "--crop", 40, "--size", 32, "--backbone", "resnet10t",
    )  # fmt: skip
    assert "12 galaxies" in said
    assert (tmp_path / "predictions.parquet").is_file()
    gallery = tmp_path / "gallery.png"
    example(
        "gallery.py", "--model", tmp_path / "run", "--images", tmp_path / "cutouts",
        "--out", gallery,
    )  # fmt: skip
    assert gallery.is_file()


def test_mergers(sky: Path, tmp_path: Path) -> None:
    cutouts = CutoutOptions(40, 32)
    torch.manual_seed(0)
    GalaxyTreeNet("resnet10t", pretrained=False, cutouts=cutouts).save_pretrained(
        tmp_path / "model"
    )
    for flag, flagged in (("smooth=0.001", 60), ("merger=1", 0)):
        said = example(
            "mergers.py", "--model", tmp_path / "model", "--images", sky / "images",
            "--labels", sky / "labels.csv", "--flag", flag, "--most", 5, "--out", tmp_path,
        )  # fmt: skip
        assert f"{flagged} of 60 galaxies flagged" in said
        assert "completeness" in said
        catalogue = pd.read_parquet(tmp_path / "catalogue.parquet")
        assert catalogue[f"flag_{flag.split('=')[0]}"].sum() == flagged
        assert (tmp_path / "mergers.png").is_file()


def test_cost_model_is_arithmetic_on_what_was_measured(sky: Path, tmp_path: Path) -> None:
    rows = [
        {"what": "predict, a network, from JPEGs", "images": 100, "ours": [1.0, 2.0, 9.0]},
        {"what": "predict from JPEGs, 100 galaxies: peak memory", "images": 0, "ours": [1.0]},
        {"what": "an epoch of training", "images": 100, "ours": [1.0]},
    ]
    (tmp_path / "speed.json").write_text(json.dumps({"pipeline": {"rows": rows}}))
    speed = ("--speed", tmp_path / "speed.json")
    said = example("cost_model.py", *speed, "--images", sky / "images", "--devices", 1, 8)
    rates = [line for line in said.splitlines() if "predict" in line]
    assert rates == ["| predict, a network, from JPEGs | 50 | 5.56 | 0.694 | 5,556 | 694 |"]
    mean = sum(file.stat().st_size for file in (sky / "images").iterdir()) / 60
    assert f"| JPEG, mean of 60 | {mean:,.0f} |" in said
