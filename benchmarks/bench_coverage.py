"""Do votes fall where networks expect them? Coverage on a simulated sky, of four ways to tell.

A multinomial network, which takes its probabilities for known; the same with one strength for each
question, fitted on the validation galaxies; Dirichlet networks; and three of them together.
Simulates the sky and trains the networks in a folder of its own; what is there already is taken.
Writes ``results/coverage.json`` and ``results/coverage.md`` beside this file.

    python benchmarks/bench_coverage.py WORK [--n 6000] [--epochs 12]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from record import markdown, provenance

from gz2tree.catalogues.uncertainty import mixture_of
from gz2tree.cli import main as gz2tree
from gz2tree.commands.calibrating import apply_calibration, fit_calibration
from gz2tree.commands.inputs import open_labelled
from gz2tree.commands.labelled import predict_labelled
from gz2tree.config import LabelOptions, PredictOptions
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.model import load_model
from gz2tree.networks.predictor import Prediction
from gz2tree.science.coverage import LEVELS, vote_coverage
from gz2tree.votes.uncertainty import Mixture

RESULTS = Path(__file__).resolve().parent / "results"
LOSSES = {"multinomial": 1, "dirichlet_multinomial": 3}  # and how many networks
TEXT = """# Coverage of votes on a simulated sky

Written by `python benchmarks/bench_coverage.py WORK`: {n:,} simulated galaxies, {n_test:,} of them
test galaxies that no network saw; resnet10t on 64 pixels, {epochs} epochs, from random weights.
"Calibrated": temperatures and strengths fitted on the validation galaxies. A multinomial network
without takes its probabilities for known.

## All questions

Mean log-likelihood of the votes of one question of a galaxy, expected calibration error of
conditional answers, and the share of votes within central predictive intervals, in %.

{overall}

## 80 % intervals of votes, question by question

{questions}

## 80 % intervals of cumulative probabilities

How many of the test galaxies' true cumulative probabilities, which the simulation knows, lie within
the intervals that `predict --columns uncertainty` writes, in %: the mean over the answers of each
question.

{truth}
"""


def train(work: Path, args: argparse.Namespace) -> dict[str, list[Path]]:
    """Simulate, prepare and train, as a user would; finished parts are not done again."""
    steps = [["simulate", work / "sky", "--n", args.n, "--size", 128]]
    if not (work / "store").exists():
        steps.append(["prepare", work / "sky/images", work / "store", "--crop", 80, "--size", 64])
    runs: dict[str, list[Path]] = {}
    for loss, networks in LOSSES.items():
        runs[loss] = [work / f"{loss}-{seed}" for seed in range(networks)]
        steps += [
            ["train", "--labels", work / "sky/catalogue.csv", "--images", work / "store",
             "--out", run, "--kind", "count", "--loss", loss, "--backbone", "resnet10t",
             "--pretrained", "false", "--epochs", args.epochs, "--learning-rate", 3e-3,
             "--valid-fraction", 0.15, "--test-fraction", 0.3, "--precision", 32, "--seed", seed,
             "--split-seed", 0, "--resume"]
            for seed, run in enumerate(runs[loss])
        ]  # fmt: skip
    for step in steps:
        if gz2tree([str(argument) for argument in step]):
            raise SystemExit(f"failed: {step}")
    return runs


def outputs(work: Path, run: Path, part: str) -> tuple[Prediction, Labels]:
    """Predict one part of the sky; with its labels."""
    model, source, labels = open_labelled(
        str(run), work / "sky/catalogue.csv", work / "store", tree=None, part=part,
        label_options=LabelOptions(kind="count"),
    )  # fmt: skip
    (said,), labels = predict_labelled([model], source, labels, PredictOptions(precision="32"))
    return said, labels


def mixtures(
    work: Path, graph: DecisionGraph, runs: dict[str, list[Path]]
) -> tuple[dict[str, Mixture], Labels]:
    """Each way to tell of the test galaxies, and their labels."""
    ways: dict[str, Mixture] = {}
    of_test: dict[str, list[Prediction]] = {}
    for loss, folders in runs.items():
        tests = [outputs(work, run, "test") for run in folders]
        of_test[loss] = [said for said, _ in tests]
        of_valid, labels = outputs(work, folders[0], "valid")
        conditional = graph.condition(of_valid.cumulative.double()).nan_to_num(0.0)
        calibration = fit_calibration(graph, conditional, of_valid.strength, labels)
        calibrated = apply_calibration(graph, calibration, of_test[loss][0])
        ways[loss] = mixture_of(graph, of_test[loss][:1])
        ways[f"{loss}, calibrated"] = mixture_of(graph, [calibrated])
    together = of_test["dirichlet_multinomial"]
    ways[f"{len(together)} x dirichlet_multinomial"] = mixture_of(graph, together)
    return ways, tests[0][1]


def truth_within(work: Path, mixture: Mixture, ids: NDArray[np.object_]) -> dict[str, float]:
    """Share of true cumulative probabilities within their 80 % intervals, in %."""
    tree = mixture.tree
    truth = pd.read_csv(work / "sky/truth.csv", dtype={tree.id_column: str})
    true = truth.set_index(tree.id_column).loc[ids, list(tree.columns)].to_numpy()
    low, high = mixture.interval(0.8)
    within = 100 * ((true >= low) & (true <= high)).mean(0)
    names = zip(tree.question_columns, tree.slices, strict=True)
    return {name: within[answers].mean() for name, answers in names} | {"all": within.mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--n", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True)
    runs = train(args.work, args)
    graph = DecisionGraph(load_model(runs["multinomial"][0]).tree)
    ways, labels = mixtures(args.work, graph, runs)
    assert labels.counts is not None
    tables = {name: vote_coverage(mixture, labels.counts) for name, mixture in ways.items()}
    uncertain = {name: mixture for name, mixture in ways.items() if name != "multinomial"}
    truth = pd.DataFrame(
        {name: truth_within(args.work, mixture, labels.ids) for name, mixture in uncertain.items()}
    ).T.rename_axis("network")
    percent = [f"coverage_{100 * level:g}" for level in LEVELS]
    overall = pd.DataFrame({name: table.loc["all"] for name, table in tables.items()}).T
    overall[percent] *= 100
    overall.index.name = "network"
    questions = pd.DataFrame({name: 100 * t["coverage_80"] for name, t in tables.items()})
    questions.columns.name, questions.index.name = "network", None
    text = TEXT.format(
        n=args.n,
        n_test=int(tables["multinomial"]["galaxies"].iloc[0]),
        epochs=args.epochs,
        overall=markdown(overall[["log_likelihood", "calibration_error", *percent]], 3),
        questions=markdown(questions.T, 1),
        truth=markdown(truth, 1),
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "coverage.md").write_text(text)
    figures = provenance() | {"coverage": {n: t.to_dict("index") for n, t in tables.items()}}
    figures["truth_within_80"] = truth.to_dict("index")
    (RESULTS / "coverage.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(text)


if __name__ == "__main__":
    main()
