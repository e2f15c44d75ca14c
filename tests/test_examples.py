"""The example scripts run as their own words say, in small."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch

from gz2tree import CutoutOptions, GalaxyTreeNet
from gz2tree.analysis import PAPER_OBSERVATIONS
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


def test_paper_observations_looks_for_each_where_it_is_measured(sky: Path, tmp_path: Path) -> None:
    """The sky's tables, laid out as the real ones are."""
    kaggle = tmp_path / "data" / "kaggle_gz2" / "solutions_17_columns.csv"
    stripe = tmp_path / "data" / "gz2_willett13_stripe82" / "table5.csv.gz"
    for table in (kaggle, stripe):
        table.parent.mkdir(parents=True)
    labels = pd.read_csv(sky / "labels.csv", dtype={"GalaxyID": str})
    kept = [c for c in labels if not c.startswith(("Class9", "Class10", "Class11"))]
    labels[kept].to_csv(kaggle, index=False)
    pd.read_csv(sky / "catalogue.csv", dtype={"GalaxyID": str}).to_csv(stripe, index=False)
    said = example("paper_observations.py", "--data", tmp_path / "data", "--out", tmp_path / "out")
    rows = [line for line in said.splitlines() if line.startswith(("| Class", "| t"))]
    of_kaggle = [row for row in rows if "| Kaggle |" in row]
    assert len(rows) - len(of_kaggle) == len(PAPER_OBSERVATIONS)
    assert len(of_kaggle) == 4
    found = labels["Class7.3"].corr(labels["Class2.1"])
    assert f"| Class7.3, Class2.1 | Kaggle | 0.50 | {found:+.2f} (60) |" in said
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


def test_train_default_model(
    sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On two small skies, into a folder instead of the package."""
    other = simulate(tmp_path / "sky", 90, seed=1, size=64, workers=1, progress=False)
    for of, name, source, table in (
        (other, "kaggle_gz2", "labels.csv", "solutions_17_columns.csv"),
        (sky, "gz2_hart16", "catalogue.csv", "gz2_hart16_sample.csv"),
    ):
        shutil.copytree(of / "images", tmp_path / "data" / name / "images")
        shutil.copy(of / source, tmp_path / "data" / name / table)
    spec = importlib.util.spec_from_file_location("made", EXAMPLES / "train_default_model.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    written = {"DEFAULT_MODEL": "model", "RESULTS": "results", "CARD": "card.md", "FIGURE": "f.png"}
    for name, place in written.items():
        monkeypatch.setattr(made, name, tmp_path / place)
    weights = timm.create_model("resnet10t").state_dict()
    torch.save(weights, tmp_path / "weights.pth")
    arguments = {
        "data": tmp_path / "data", "weights": tmp_path / "weights.pth", "out": tmp_path / "runs",
        "epochs": 1, "backbone": "resnet10t", "crop": 40, "size": 32,
    }  # fmt: skip
    given = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr("sys.argv", ["train_default_model.py", *given])
    made.main()
    assert "kaggle, 16 views" in capsys.readouterr().out
    assert len(list((tmp_path / "results").iterdir())) == 4
    assert (tmp_path / "f.png").is_file()
    assert "resnet10t" in (tmp_path / "card.md").read_text()
    assert GalaxyTreeNet.from_pretrained(tmp_path / "model").cutouts.fits(CutoutOptions(40, 32))


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


def test_raw_or_debiased(shared: Path, tmp_path: Path) -> None:
    table = shared / "data" / "gz2_willett13_stripe82" / "table5.csv.gz"
    said = example("raw_or_debiased.py", "--catalogue", table, "--out", tmp_path / "f.png")
    assert "RMS difference over 19,761 galaxies and 37 answers: 0.084" in said
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_bar_fraction(shared: Path, tmp_path: Path) -> None:
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
