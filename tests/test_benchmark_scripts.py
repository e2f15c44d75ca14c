"""The scripts of benchmarks/ that make what the documentation shows run as they say, in small."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import timm
import torch
from conftest import run_script

from gz2tree import CutoutOptions, GalaxyTreeNet
from gz2tree.networks.seenimages import read_seen_images
from gz2tree.simulate import simulate

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))
# What one runs: the contenders are started by another, some in an environment of their own.
SCRIPTS = [
    path.stem
    for path in sorted(BENCHMARKS.glob("*.py"))
    if "\ndef main(" in path.read_text() and not path.stem.endswith("_contender")
]


def script(name: str) -> ModuleType:
    """Load a script of benchmarks/, to run it in this process."""
    return importlib.import_module(name)


def test_the_index_names_every_script() -> None:
    index = (BENCHMARKS / "README.md").read_text()
    listed = {line.split("`")[1] for line in index.splitlines() if line.startswith("| `")}
    assert listed == {f"{name}.py" for name in SCRIPTS}


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
    said = run_script(
        BENCHMARKS / "paper_observations.py", "--data", tmp_path / "data", "--out", tmp_path / "out"
    )
    rows = [line for line in said.splitlines() if line.startswith(("| Class", "| t"))]
    of_kaggle = [row for row in rows if "| Kaggle |" in row]
    assert len(rows) - len(of_kaggle) == 8
    assert len(of_kaggle) == 4
    found = labels["Class7.3"].corr(labels["Class2.1"])
    assert f"| Class7.3, Class2.1 | Kaggle | 0.50 | {found:+.2f} (60) |" in said
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


def test_train_default_model(
    sky: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On two small skies, into a folder instead of the package."""
    other = simulate(tmp_path / "sky", 90, seed=1, size=64, workers=1, progress=False)
    for of, name, source, table in (
        (other, "kaggle_gz2", "labels.csv", "solutions_17_columns.csv"),
        (sky, "gz2_hart16", "catalogue.csv", "gz2_hart16_sample.csv"),
    ):
        shutil.copytree(of / "images", tmp_path / "data" / name / "images")
        shutil.copy(of / source, tmp_path / "data" / name / table)
    made = script("train_default_model")
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
    assert GalaxyTreeNet.from_pretrained(tmp_path / "model").cutouts.matches(CutoutOptions(40, 32))
    seen = read_seen_images(tmp_path / "model")
    assert seen is not None
    assert len(seen) == 150


def test_the_page_of_the_default_model_is_what_its_script_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = script("train_default_model")
    written = made.CARD.read_text()
    monkeypatch.setattr(made, "CARD", tmp_path / "card.md")
    monkeypatch.setattr("sys.argv", ["made", "--only", "card", "--data", "-", "--weights", "-"])
    made.main()
    assert (tmp_path / "card.md").read_text() == written


def test_cost_model_is_arithmetic_on_what_was_measured(sky: Path, tmp_path: Path) -> None:
    rows = [
        {"what": "predict, a network, from JPEGs", "images": 100, "ours": [1.0, 2.0, 9.0]},
        {"what": "predict from JPEGs, 100 galaxies: peak memory", "images": 0, "ours": [1.0]},
        {"what": "an epoch of training", "images": 100, "ours": [1.0]},
    ]
    (tmp_path / "speed.json").write_text(json.dumps({"pipeline": {"rows": rows}}))
    speed = ("--speed", tmp_path / "speed.json")
    said = run_script(
        BENCHMARKS / "cost_model.py",
        *speed,
        "--images",
        sky / "images",
        "--devices",
        1,
        8,
    )
    rates = [line for line in said.splitlines() if "predict" in line]
    assert rates == ["| predict, a network, from JPEGs | 50 | 5.56 | 0.694 | 5,556 | 694 |"]
    mean = sum(file.stat().st_size for file in (sky / "images").iterdir()) / 60
    assert f"| JPEG, mean of 60 | {mean:,.0f} |" in said


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_measures_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as stopped:
        script(name).main()
    assert stopped.value.code == 0
    assert "usage:" in capsys.readouterr().out
