"""The example scripts run as their own words say, in small."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import run_script

from gz2tree import CutoutOptions, GalaxyTreeNet
from gz2tree.embedding import embed_to_file
from gz2tree.simulate import simulate

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def example(name: str, *arguments: object) -> str:
    return run_script(EXAMPLES / name, *arguments)


def top_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_to_expect(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80
    said = top_of(path)
    assert f"python examples/{path.name}" in said
    assert {"Takes", "Expect"} <= set(re.findall(r"\w+", said))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_uses_what_users_may(path: Path) -> None:
    """Not what the command line is made of; and a command's lines go on as a shell needs it."""
    assert "gz2tree.commands" not in path.read_text()
    assert "gz2tree.cli" not in path.read_text()
    for line, after in pairwise(top_of(path).splitlines()):
        if after.startswith("        --"):
            assert line.endswith("\\")


def test_there_are_as_many_examples_as_can_be_read() -> None:
    assert 5 <= len(SCRIPTS) <= 8


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_example_is_run_here(path: Path) -> None:
    assert f'"{path.name}"' in Path(__file__).read_text()


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
    for figure in ("history.png", "null.png"):
        assert (tmp_path / figure).stat().st_size > 10_000
    assert len(pd.read_parquet(tmp_path / "tree-cosine" / "test.parquet")) == 60


def test_train_and_predict(sky: Path, tmp_path: Path) -> None:
    said = example(
        "train_and_predict.py", "--images", sky / "images", "--labels", sky / "labels.csv",
        "--out", tmp_path, "--epochs", 1, "--crop", 40, "--size", 32, "--backbone", "resnet10t",
        "--pretrained", "",
    )  # fmt: skip
    assert "12 galaxies" in said
    assert len(pd.read_parquet(tmp_path / "predictions.parquet")) == 60
    assert (tmp_path / "gallery.png").stat().st_size > 10_000


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


def test_raw_or_debiased_of_a_sky_that_has_no_bias(sky: Path, tmp_path: Path) -> None:
    table = sky / "catalogue.csv"
    said = example("raw_or_debiased.py", "--catalogue", table, "--out", tmp_path / "f.png")
    assert "RMS difference over 60 galaxies and 37 answers: 0.000" in said


def test_bar_fraction(tmp_path: Path) -> None:
    simulated = simulate(tmp_path / "sky", 120, size=256, workers=1, progress=False)
    said = example(
        "bar_fraction.py", "--votes", simulated / "catalogue.csv", "--images", simulated / "images",
        "--hart", simulated / "catalogue.csv", "--hart-images", simulated / "images",
        "--out", tmp_path / "bars.png",
    )  # fmt: skip
    assert said.count("predictions: ") == 6
    assert (tmp_path / "bars.png").stat().st_size > 10_000


def test_raw_or_debiased_of_real_galaxies(shared: Path, tmp_path: Path) -> None:
    table = shared / "data" / "gz2_willett13_stripe82" / "table5.csv.gz"
    said = example("raw_or_debiased.py", "--catalogue", table, "--out", tmp_path / "f.png")
    assert "RMS difference over 19,761 galaxies and 37 answers: 0.084" in said
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_bar_fraction_of_real_galaxies(shared: Path, tmp_path: Path) -> None:
    """Of some of the real galaxies."""
    for name, n in (("kaggle_gz2", 120), ("gz2_hart16", 150)):
        (tmp_path / name).mkdir()
        for image in sorted((shared / "data" / name / "images").iterdir())[:n]:
            (tmp_path / name / image.name).symlink_to(image)
    said = example(
        "bar_fraction.py",
        "--votes", shared / "data" / "gz2_willett13_stripe82" / "table5.csv.gz",
        "--images", tmp_path / "kaggle_gz2", "--hart-images", tmp_path / "gz2_hart16",
        "--hart", shared / "data" / "gz2_hart16" / "gz2_hart16_sample.csv",
        "--out", tmp_path / "bars.png",
    )  # fmt: skip
    assert "votes, Stripe 82: 2,874 discs, bulge 0.49: 0.320 (0.311-0.329)" in said
    assert said.count("predictions: ") == 6
    assert (tmp_path / "bars.png").stat().st_size > 10_000


def test_finetune(tmp_path: Path) -> None:
    simulated = simulate(tmp_path / "sky", 60, size=256, workers=1, progress=False)
    arguments = (
        "--images", simulated / "images", "--labels", simulated / "labels.csv", "--sizes", 16, 40,
        "--epochs", 1, "--pretrained", "", "--out", tmp_path,
    )  # fmt: skip
    said = example("finetune.py", *arguments)
    table = pd.read_csv(tmp_path / "accuracy.csv")
    assert table["start"].tolist() == [*["random"] * 2, *["model"] * 2]
    assert table["labels"].tolist() == [16, 40, 16, 40]
    assert table["accuracy"].between(0, 1).all()
    assert (tmp_path / "accuracy.png").stat().st_size > 10_000
    assert said.splitlines()[-1] in example("finetune.py", *arguments)


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
