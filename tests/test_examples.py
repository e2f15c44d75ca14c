"""The example scripts run as their own words say, in small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from gz2tree import CutoutOptions, GalaxyTreeNet
from gz2tree.embedding import embed_to_file
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


def test_finetune_in_its_quick_form(tmp_path: Path) -> None:
    said = example("finetune.py", "--quick", "--out", tmp_path)
    table = pd.read_csv(tmp_path / "accuracy.csv")
    assert table["start"].tolist() == [*["random weights"] * 2, *["model"] * 2]
    assert table["labels"].tolist() == [16, 40, 16, 40]
    assert table["accuracy"].between(0, 1).all()
    assert "accuracy" in said
    assert (tmp_path / "accuracy.png").stat().st_size > 10_000
    assert said.splitlines()[-1] in example("finetune.py", "--quick", "--out", tmp_path)


def test_neighbours(sky: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=CutoutOptions(40, 32))
    network.save_pretrained(tmp_path / "model")
    features = tmp_path / "features.parquet"
    embed_to_file(network.eval(), sky / "images", features, progress=False)
    said = example(
        "neighbours.py", "--features", features, "--images", sky / "images", "--n", 2,
        "--alike", 5, "--model", tmp_path / "model", "--out", tmp_path / "like.png",
    )  # fmt: skip
    rows = [line.split() for line in said.splitlines()]
    assert [len(set(row)) for row in rows] == [6, 6]
    assert (tmp_path / "like.png").stat().st_size > 10_000
