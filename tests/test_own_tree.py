"""The whole job under a tree that the package has never heard of, from the command line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import random_labels, write_images

from gz2tree import DecisionTree, load_model, read_labels
from gz2tree.cli import main

# Of five levels; "how_many" can be reached from two questions, "why" is asked of everyone.
OWN = """
name: jellyfish
questions:
- name: tail
  label: Does it have a tail?
  answers: [long_tail, short_tail, no_tail]
- name: why
  answers: [stripped, merging, cant_say]
- name: knots
  asked_after: long_tail
  answers: [knotty, plain]
- name: fork
  asked_after: plain
  answers: [forked, single]
- name: how_many
  asked_after: [knotty, forked, short_tail]
  answers: [few, many]
- name: colour
  asked_after: many
  answers: [blue, red]
"""
IDS = [f"jelly_{number}" for number in range(36)]


def run(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tree, images, a table of labels, and a network trained on them."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "tree.yaml").write_text(OWN)
    tree = DecisionTree.from_file(folder / "tree.yaml")
    assert len(tree.levels) == 5
    labels = random_labels(IDS, tree)
    table = pd.DataFrame(labels.cumulative, columns=list(tree.columns))
    table.insert(0, "id", IDS)
    table.to_csv(folder / "labels.csv", index=False)
    write_images(folder / "images", IDS)
    run(
        "train", "--tree", folder / "tree.yaml", "--labels", folder / "labels.csv",
        "--images", folder / "images", "--out", folder / "run", "--crop", 40, "--size", 32,
        "--test-fraction", 0.3, "--backbone", "resnet10t", "--pretrained", "false",
        "--epochs", 1, "--batch-size", 8,
    )  # fmt: skip
    run(
        "predict", "--model", folder / "run", "--images", folder / "images",
        "--out", folder / "predictions.csv", "--flag", "knotty=0.2",
    )  # fmt: skip
    return folder


def test_the_model_carries_the_tree(job: Path) -> None:
    tree = DecisionTree.from_file(job / "tree.yaml")
    assert load_model(job / "run").tree == tree
    predicted = pd.read_csv(job / "predictions.csv")
    assert list(predicted.columns) == ["id", *tree.columns, "flag_knotty"]
    columns = dict(zip((a.name for a in tree.answers), tree.columns, strict=True))
    reach = predicted[[columns[a] for a in ("knotty", "forked", "short_tail")]].sum(axis=1)
    asked = predicted[[columns["few"], columns["many"]]].sum(axis=1)
    np.testing.assert_allclose(asked, reach, atol=1e-6)


def test_evaluate(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        "evaluate", "--model", job / "run", "--labels", job / "labels.csv",
        "--images", job / "images", "--part", "test", "--json", job / "report.json",
        "--tree", job / "tree.yaml",
    )  # fmt: skip
    assert "how_many" in capsys.readouterr().out
    assert "how_many_few" in json.dumps(json.loads((job / "report.json").read_text()))


def test_another_tree_is_refused(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("evaluate", "report"):
        out = ("--out", job / "refused") if command == "report" else ()
        code = main(
            [command, "--model", str(job / "run"), "--labels", str(job / "labels.csv"),
             "--images", str(job / "images"), "--part", "test", "--tree", "GZ_HUBBLE",
             *map(str, out)]
        )  # fmt: skip
        assert code == 2
        assert (
            "expected that of the model, found another: jellyfish and GZ_HUBBLE"
            in capsys.readouterr().err
        )


@pytest.mark.parametrize(
    "figure", ["correlations", "examples", "scatter", "calibration", "null", "tree", "history"]
)
def test_plot(figure: str, job: Path) -> None:
    given = {
        "labels": ("--labels", job / "labels.csv"),
        "images": ("--images", job / "images"),
        "store": ("--images", job / "run" / "cutouts"),
        "model": ("--model", job / "run", "--part", "all"),
        "tree": ("--tree", job / "tree.yaml"),
        "runs": ("--runs", job / "run"),
    }
    needed = {"correlations": ("labels", "tree"), "examples": ("labels", "store", "tree")}
    wanted = ("runs",) if figure == "history" else ("labels", "images", "model")
    wanted = needed.get(figure, wanted)
    out = job / f"{figure}.png"
    run("plot", figure, "--out", out, *(part for name in wanted for part in given[name]))
    assert out.stat().st_size > 5_000


def test_plot_of_predictions(job: Path) -> None:
    out = job / "mean_tree.png"
    run("plot", "tree", "--predictions", job / "predictions.csv", "--tree", job / "tree.yaml",
        "--out", out)  # fmt: skip
    assert out.stat().st_size > 5_000


def test_report_of_a_model_and_of_predictions(job: Path) -> None:
    data = ("--images", job / "images", "--labels", job / "labels.csv", "--pixels", 32)
    run("report", "--model", job / "run", "--part", "test", "--out", job / "page", *data)
    run("report", "--predictions", job / "predictions.csv", "--tree", job / "tree.yaml",
        "--out", job / "page2", *data)  # fmt: skip
    for page in ("page", "page2"):
        text = (job / page / "index.html").read_text()
        assert "Does it have a tail?" in text
        assert "mooth" not in text.split("<script", 1)[0]


# what the page of the documentation shows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own_tree.md"
SMALL = shlex.split(
    "--crop 40 --size 32 --backbone resnet10t --pretrained false --epochs 1 --batch-size 8"
)


def shown(heading: str) -> dict[str, str]:
    """The first block of each language below a heading of the page."""
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```$", section, flags=re.M | re.S)
    return dict(reversed(found))


def simulated_votes(header: list[str], n: int) -> pd.DataFrame:
    """Twenty volunteers a galaxy, who answer the three questions of the page at random."""
    random = np.random.default_rng(0)
    faint = random.integers(4, 20, n)
    shell = random.binomial(faint, 0.7)
    several = random.binomial(shell, 0.4)
    votes = [faint, 20 - faint, faint - shell, shell, shell - several, several]
    ids = [f"NGC{number:04}" for number in range(n)]
    return pd.DataFrame(dict(zip(header, [ids, *votes], strict=True)))


def test_the_example_of_a_volunteer_project_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = shown("A volunteer project from beginning to end")
    Path("shells.yaml").write_text(blocks["yaml"])
    Path("votes.csv").write_text(blocks["text"])
    tree = DecisionTree.from_file("shells.yaml")
    labels = read_labels("votes.csv", tree, "count", "galaxy")
    np.testing.assert_allclose(labels.cumulative[0, :4], [17 / 20, 3 / 20, 0.25, 0.6])
    header, _, _ = blocks["text"].partition("\n")
    votes = simulated_votes(header.split(","), 30)
    votes.to_csv("votes.csv", index=False)
    write_images(Path("images"), list(votes["galaxy"]))
    write_images(Path("new"), ["NGC9000"])
    for line in blocks["sh"].splitlines():
        program, command, *options = shlex.split(line)
        assert program == "gz2tree"
        run(command, *options, *(SMALL if command == "train" else ()))
    predicted = pd.read_csv("catalogue.csv")
    assert list(predicted.columns) == ["id", *header.split(",")[1:]]
    assert load_model("RUN").kind == "count"
    assert "2 or more" in capsys.readouterr().out


def test_the_python_of_the_page_declares_its_tree_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shown.yaml").write_text(shown("A tree file")["yaml"])
    exec(shown("In Python")["python"], {})
    assert DecisionTree.from_file("jellyfish.yaml") == DecisionTree.from_file("shown.yaml")
