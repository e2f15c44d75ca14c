"""Every figure of a report against plain loops, and the votes' noise against simulated votes."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import random_labels

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    DecisionTree,
    InputError,
    Labels,
    Question,
    Report,
    evaluate,
    read_labels,
)
from gz2tree.scores import compare_reports
from gz2tree.tables.files import write_table

TOY = DecisionTree(
    "toy",
    [
        Question("shape", ["smooth", "disk", "star"]),
        Question("edge", ["yes", "no"], ["disk"]),
        Question("odd", ["ring", "none"], ["smooth", "disk"]),
        Question("bar", ["bar"], ["no"]),
        Question("colour", ["red", "blue"]),
    ],
)
TREES = {tree.name: tree for tree in (GZ2, GZ2_KAGGLE, TOY)}
IDS = [f"0{number}" for number in range(60)]

# What the issue promises of the JSON.
KEYS = [
    "n", "rmse", "null_rmse", "structural_null_rmse", "voteless_null_rmse", "nonnull_rmse",
    "mean_baseline_rmse", "exact_zero_share", "max_parent_violation", "per_question", "per_answer",
]  # fmt: skip


def catalogue(ids: Iterable[str], values: np.ndarray, tree: DecisionTree) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=list(tree.columns))
    table.insert(0, tree.id_column, list(ids))
    return table


def flat_predictions(labels: Labels, seed: int = 1) -> np.ndarray:
    """As a network that knows no tree makes them, some of them exactly 0."""
    rng = np.random.default_rng(seed)
    predicted = np.clip(labels.cumulative + rng.normal(0, 0.2, labels.cumulative.shape), 0, 1)
    predicted[np.isnan(predicted)] = 0.3
    return predicted.astype(np.float32)


# a slow oracle


class SlowReport:
    """The figures from their definitions, cell by cell."""

    def __init__(self, predicted: np.ndarray, labels: Labels) -> None:
        self.tree, self.labels = labels.tree, labels.cumulative.tolist()
        self.predicted = np.asarray(predicted, dtype=float).tolist()
        self.counts = None if labels.counts is None else labels.counts.tolist()
        self.names = [a.name for q in self.tree.questions for a in q.answers]
        self.question = {a.name: q for q in self.tree.questions for a in q.answers}
        self.galaxies = range(len(self.labels))

    def reach(self, values: list[float], question: Question) -> float:
        if not question.asked_after:
            return 1.0
        total = sum(values[self.names.index(parent)] for parent in question.asked_after)
        return total if math.isnan(total) else min(total, 1.0)

    def mean_label(self, answer: int) -> float | None:
        return mean(row[answer] for row in self.labels if not math.isnan(row[answer]))

    def vote_variance(self, galaxy: int, answer: int) -> float | None:
        if self.counts is None:
            return None
        root = self.question[self.names[answer]]
        while root.asked_after:
            root = self.question[root.asked_after[0]]
        votes = sum(self.counts[galaxy][self.names.index(a.name)] for a in root.answers)
        share = self.labels[galaxy][answer]
        return share * (1 - share) / (votes - 1) if votes > 1 else None

    def figures(self, answers: Iterable[int]) -> dict[str, float | None]:
        errors: dict[str, list[float]] = {
            name: []
            for name in ("all", "null", "structural", "voteless", "nonnull", "baseline", "noise")
        }
        predicted, weighted, weights = [], 0.0, 0.0
        gaps = [0.0] * 10
        for answer in answers:
            baseline = self.mean_label(answer)
            question = self.question[self.names[answer]]
            for galaxy in self.galaxies:
                label, ours = self.labels[galaxy][answer], self.predicted[galaxy][answer]
                if math.isnan(label):
                    continue
                assert baseline is not None
                square = (ours - label) ** 2
                reach = self.reach(self.labels[galaxy], question)
                predicted.append(ours)
                errors["all"].append(square)
                errors["baseline"].append((baseline - label) ** 2)
                errors["null" if label == 0 else "nonnull"].append(square)
                if label == 0 and not math.isnan(reach):
                    errors["structural" if reach == 0 else "voteless"].append(square)
                variance = self.vote_variance(galaxy, answer)
                if variance is not None:
                    errors["noise"].append(variance)
                if reach > 0:  # and known
                    our_reach = self.reach(self.predicted[galaxy], question)
                    conditional = min(ours / our_reach, 1.0) if our_reach > 0 else 0.0
                    weighted += reach * (conditional - min(label / reach, 1.0)) ** 2
                    place = min(int(conditional * 10), 9)
                    gaps[place] += reach * (conditional - min(label / reach, 1.0))
                    weights += reach
        return {
            "n_cells": len(predicted),
            "rmse": root_mean(errors["all"]),
            "null_rmse": root_mean(errors["null"]),
            "structural_null_rmse": root_mean(errors["structural"]),
            "voteless_null_rmse": root_mean(errors["voteless"]),
            "nonnull_rmse": root_mean(errors["nonnull"]),
            "mean_baseline_rmse": root_mean(errors["baseline"]),
            "vote_noise_rmse": root_mean(errors["noise"]),
            "conditional_rmse": math.sqrt(weighted / weights) if weights else None,
            "calibration_error": sum(map(abs, gaps)) / weights if weights else None,
            "exact_zero_share": mean(float(value == 0) for value in predicted),
            "null_share": mean([0.0] * len(errors["nonnull"]) + [1.0] * len(errors["null"])),
        }

    def violation(self, question: Question) -> float | None:
        answers = [self.names.index(answer.name) for answer in question.answers]
        if all(math.isnan(row[answer]) for row in self.labels for answer in answers):
            return None
        return max(
            abs(sum(values[answer] for answer in answers) - self.reach(values, question))
            for values in self.predicted
        )

    def to_dict(self) -> dict[str, Any]:
        tree, position = self.tree, 0
        per_question, per_answer = {}, {}
        for question, name in zip(tree.questions, tree.question_columns, strict=True):
            answers = range(position, position := position + len(question))
            more = {"max_parent_violation": self.violation(question)}
            per_question[name] = self.figures(answers) | more
        for answer, column in enumerate(tree.columns):
            of_measured = [
                self.predicted[galaxy][answer]
                for galaxy in self.galaxies
                if not math.isnan(self.labels[galaxy][answer])
            ]
            means = {"mean_label": self.mean_label(answer), "mean_prediction": mean(of_measured)}
            per_answer[column] = self.figures([answer]) | means
        return {
            "n": len(self.galaxies),
            **self.figures(range(len(tree))),
            "max_parent_violation": max(
                (q["max_parent_violation"] for q in per_question.values() if q["n_cells"]),
                default=None,
            ),
            "per_question": per_question,
            "per_answer": per_answer,
        }


def mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return math.fsum(values) / len(values) if values else None


def root_mean(squares: list[float]) -> float | None:
    value = mean(squares)
    return None if value is None else math.sqrt(value)


def flattened(figures: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Figures by their path; -1, which none can be, stands for null."""
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{name}/")
        else:
            flat[prefix + name] = -1.0 if value is None else value
    return flat


def with_gaps(labels: Labels, seed: int = 2) -> Labels:
    """Single cells, a whole answer, a whole question and a whole galaxy not measured."""
    cumulative = labels.cumulative.copy()
    cumulative[np.random.default_rng(seed).random(cumulative.shape) < 0.1] = np.nan
    cumulative[:, 0] = np.nan
    cumulative[:, labels.tree.slices[-1]] = np.nan
    cumulative[7] = np.nan
    return replace(labels, cumulative=cumulative)


def with_counts(labels: Labels, seed: int = 3) -> Labels:
    counts = np.random.default_rng(seed).integers(0, 4, labels.cumulative.shape).astype(float)
    counts[:5] = 0
    counts[5, 0] = np.nan
    return replace(labels, counts=counts)


LABELS = {
    "all measured": lambda labels: labels,
    "gaps": with_gaps,
    "counts": with_counts,
    "gaps and counts": lambda labels: with_gaps(with_counts(labels)),
    "one galaxy": lambda labels: labels.take([3]),
    "nothing measured": lambda labels: replace(labels, cumulative=labels.cumulative * np.nan),
}


@pytest.mark.parametrize("change", LABELS.values(), ids=LABELS.keys())
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
def test_every_figure_agrees_with_plain_loops(tree: DecisionTree, change: Any) -> None:
    labels = change(random_labels(IDS, tree))
    predicted = flat_predictions(labels)
    report = evaluate(catalogue(labels.ids, predicted, tree), labels)
    expected = SlowReport(predicted, labels).to_dict()
    assert set(report.to_dict()) == set(expected)
    assert flattened(report.to_dict()) == pytest.approx(flattened(expected), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
def test_perfect_predictions_have_no_error(tree: DecisionTree) -> None:
    labels = random_labels(IDS, tree)
    report = evaluate(catalogue(labels.ids, labels.cumulative, tree), labels)
    errors = {
        name: value
        for name, value in flattened(report.to_dict()).items()
        if name.endswith("rmse") and not name.endswith(("baseline_rmse", "noise_rmse"))
    }
    assert set(errors.values()) <= {0.0, -1.0}
    assert report.rmse == report.structural_null_rmse == report.conditional_rmse == 0
    assert report.max_parent_violation < 1e-15
    assert report.exact_zero_share == report.null_share > 0


def test_perfect_predictions_of_rounded_labels_have_no_error() -> None:
    """Tables are accepted with sums off by up to a hundredth, so that an answer may exceed 1."""
    values = np.array([[0.5, 0.001, 0.499, 0.006, 0, 0.5, 0, 0, 1, 0]])
    labels = Labels(np.array(["1"], dtype=object), values, TOY, "cumulative")
    report = evaluate(catalogue(["1"], values, TOY), labels)
    assert report.rmse == report.conditional_rmse == 0


def test_mean_of_the_labels_scores_the_baseline() -> None:
    labels = with_gaps(random_labels(IDS))
    means = np.nan_to_num(np.nanmean(np.where(labels.measured.any(0), labels.cumulative, 0), 0))
    predicted = np.broadcast_to(means, labels.cumulative.shape)
    report = evaluate(catalogue(IDS, predicted, GZ2_KAGGLE), labels)
    assert report.rmse == pytest.approx(report.mean_baseline_rmse, rel=1e-12)


def test_score_is_kaggles() -> None:
    """The square root of the mean over all cells, by hand."""
    tree = DecisionTree("two", [Question("shape", ["smooth", "disk"])], naming="kaggle")
    labels = Labels(np.array(["1", "2"], dtype=object), np.array([[1, 0], [0.5, 0.5]]), tree, "x")
    report = evaluate(catalogue(["1", "2"], np.array([[0.7, 0.3], [0.4, 0.6]]), tree), labels)
    assert report.rmse == pytest.approx(math.sqrt((0.09 + 0.09 + 0.01 + 0.01) / 4), rel=1e-12)
    assert report.null_rmse == report.voteless_null_rmse == pytest.approx(0.3)
    assert math.isnan(report.structural_null_rmse)


# the votes' own noise


def simulated_votes(tree: DecisionTree, n: int, volunteers: int) -> tuple[np.ndarray, np.ndarray]:
    """True cumulative probabilities, and the votes of volunteers who walk down the tree."""
    rng = np.random.default_rng(0)
    names = [answer.name for answer in tree.answers]
    truth = np.zeros((n, len(tree)))
    votes = np.zeros((n, len(tree)), dtype=int)
    for question, answers in zip(tree.questions, tree.slices, strict=True):
        conditional = rng.dirichlet(np.full(len(question), 0.7), n)
        parents = [names.index(parent) for parent in question.asked_after]
        reach = truth[:, parents].sum(1) if parents else np.ones(n)
        asked = votes[:, parents].sum(1) if parents else np.full(n, volunteers)
        truth[:, answers] = reach[:, None] * conditional
        votes[:, answers] = rng.multinomial(asked, conditional)
    return truth, votes


@pytest.mark.parametrize("volunteers", [3, 40])
@pytest.mark.parametrize("tree", [GZ2, GZ2_KAGGLE], ids=lambda tree: tree.name)
def test_truth_scores_the_votes_noise(tmp_path: Path, tree: DecisionTree, volunteers: int) -> None:
    truth, votes = simulated_votes(tree, 4000, volunteers)
    table = pd.DataFrame(votes, columns=[f"{stem}_count" for stem in tree.catalogue_columns])
    table.insert(0, "objid", [str(number) for number in range(len(table))])
    write_table(table, tmp_path / "votes.parquet")
    labels = read_labels(tmp_path / "votes.parquet", tree, "count")
    report = evaluate(catalogue(table["objid"], truth, tree), labels)
    assert report.vote_noise_rmse == pytest.approx(report.rmse, rel=0.01)
    for figures in report.per_question.values():
        assert figures["vote_noise_rmse"] == pytest.approx(figures["rmse"], rel=0.05)


# predictions and labels meet by their ids


def test_order_and_further_galaxies_do_not_matter() -> None:
    labels = with_counts(with_gaps(random_labels(IDS)))
    predicted = catalogue(IDS, flat_predictions(labels), GZ2_KAGGLE)
    others = predicted.assign(GalaxyID=[f"other {galaxy}" for galaxy in IDS])
    shuffled = pd.concat([others, predicted]).sample(frac=1, random_state=0)
    shuffled = shuffled[np.random.default_rng(0).permutation(shuffled.columns)]
    report = evaluate(shuffled, labels)
    assert report.to_dict() == evaluate(predicted, labels).to_dict()


def test_integer_ids_of_predictions_match_text() -> None:
    labels = random_labels(["587739505552785605", "9007199254740993"])
    predicted = catalogue(labels.ids, labels.cumulative, GZ2_KAGGLE)
    assert evaluate(predicted.astype({"GalaxyID": np.int64}), labels).rmse == 0


def test_labels_without_a_prediction_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    labels = random_labels(IDS)
    predicted = catalogue(IDS, flat_predictions(labels), GZ2_KAGGLE)
    report = evaluate(predicted[5:], labels)
    assert report.n == 55
    assert report.to_dict() == evaluate(predicted[5:], labels.take(range(5, 60))).to_dict()
    (record,) = caplog.records
    expected = (
        "5 of 60 labelled galaxies have no prediction and are left out: 00, 01, 02 and 2 more"
    )
    assert record.getMessage() == expected


def change_cell(table: pd.DataFrame, value: float) -> pd.DataFrame:
    table.loc[4, "Class3.2"] = value
    return table


REFUSED = {
    "repeated": (
        lambda table: pd.concat([table, table[3:5]]),
        "expected each id once, found 2 repeated: 03, 04",
    ),
    "column": (
        lambda table: table.drop(columns=["Class7.2", "Class9.1"]),
        "expected column Class7.2, Class9.1, found none",
    ),
    "no id column": (
        lambda table: table.rename(columns={"GalaxyID": "id"}),
        "expected column GalaxyID, found none",
    ),
    "no galaxy in common": (
        lambda table: table.assign(GalaxyID=[str(number) for number in range(60)]),
        r"no labelled galaxy .* prediction: expected e\.g\. 00, 01, found .* e\.g\. 0, 1",
    ),
    **{
        str(value): (
            lambda table, value=value: change_cell(table, value),
            rf"id 04, column Class3\.2: expected a probability, found {value}",
        )
        for value in (1.001, -0.001, math.nan, math.inf)
    },
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_impossible_predictions_are_refused(change: Any, message: str) -> None:
    labels = random_labels(IDS)
    predicted = catalogue(IDS, labels.cumulative, GZ2_KAGGLE)
    with pytest.raises(InputError, match=message):
        evaluate(change(predicted), labels)


# as JSON, and for people


def some_report(change: Any = with_counts) -> Report:
    labels = change(random_labels(IDS))
    return evaluate(catalogue(labels.ids, flat_predictions(labels), GZ2_KAGGLE), labels)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_json_holds_what_is_promised() -> None:
    report = some_report(with_gaps)
    figures = json.loads(report.to_json(command="gz2tree", views=8), parse_constant=refuse)
    assert set(KEYS) <= set(figures)
    assert (figures["command"], figures["views"]) == ("gz2tree", 8)
    assert figures["rmse"] == report.rmse
    assert set(figures["per_question"]) == set(GZ2_KAGGLE.question_columns)
    assert set(figures["per_answer"]) == set(GZ2_KAGGLE.columns)
    assert figures["per_answer"]["Class7.2"]["rmse"] == report.per_answer["Class7.2"]["rmse"]


def test_figures_without_cells_are_null() -> None:
    figures = json.loads(some_report(with_gaps).to_json(), parse_constant=refuse)
    assert figures["vote_noise_rmse"] is None
    unmeasured = figures["per_question"]["Class11"]
    assert unmeasured.pop("n_cells") == 0
    assert set(unmeasured.values()) == {None}
    # Everyone is asked the first question, so that it has no structural nulls.
    assert figures["per_question"]["Class1"]["structural_null_rmse"] is None
    assert figures["per_question"]["Class1"]["voteless_null_rmse"] > 0


def test_table_for_people() -> None:
    report = some_report(with_gaps)
    first, *lines = str(report).splitlines()
    assert first == f"60 galaxies, {report.n_cells:,} measured labels"
    figures = {line[:32].strip(): line[32:].strip() for line in lines if len(line) > 32}
    assert figures["RMSE"] == f"{report.rmse:.4f}"
    assert figures["voteless"] == f"{report.voteless_null_rmse:.4f}"
    assert figures["RMSE of the votes' own noise"] == "-"
    of_question = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("Class")}
    assert set(of_question) == set(GZ2_KAGGLE.question_columns)
    heading = "rmse null nonnull conditional mean_baseline"
    assert heading in {" ".join(line.split()) for line in lines}
    assert of_question["Class7"][0] == f"{report.per_question['Class7']['rmse']:.4f}"
    assert set(of_question["Class11"]) == {"-"}
    assert max(map(len, lines)) < 80
    assert "nan" not in str(report).lower()


def test_reports_side_by_side() -> None:
    report = some_report(with_gaps)
    both = compare_reports({"tree": report, "flat": dataclasses.replace(report, rmse=0.5)})
    assert both.columns.tolist() == ["tree", "flat"]
    assert both.loc["RMSE"].tolist() == [f"{report.rmse:.4f}", "0.5000"]
    assert both.loc["  structural", "flat"] == f"{report.structural_null_rmse:.4f}"
    assert "RMSE of predicting the mean" in both.index


def test_small_figures_do_not_look_like_zero() -> None:
    report = some_report(with_gaps)
    text = str(dataclasses.replace(report, rmse=1.3e-5, max_parent_violation=0.0))
    assert re.search(r"RMSE +1\.3e-05\n", text)
    assert re.search(r"tree +0\.0000\n", text)


def test_reports_side_by_side_say_what_each_says_alone() -> None:
    """A tiny violation is none of 0, and a score of no label is a dash."""
    report = dataclasses.replace(
        some_report(with_gaps), max_parent_violation=4.1e-8, voteless_null_rmse=math.nan
    )
    shown = compare_reports({"tree": report})["tree"]
    assert shown["largest violation of the tree"] == "4.1e-08"
    assert shown["  voteless"] == "-"


def test_evaluation_needs_no_lightning() -> None:
    script = """
import sys, numpy as np, pandas as pd
from gz2tree import GZ2_KAGGLE, Labels, evaluate
values = np.eye(1, len(GZ2_KAGGLE))
labels = Labels(np.array(["1"], dtype=object), values, GZ2_KAGGLE, "cumulative")
predictions = pd.DataFrame(values, columns=GZ2_KAGGLE.columns).assign(GalaxyID=["1"])
print(evaluate(predictions, labels).rmse)
unwanted = {"lightning", "timm", "matplotlib", "pyarrow.parquet", "astropy"}
print(sorted(unwanted & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["0.0", "[]"]


def test_labels_of_conditional_answers_alone_have_a_conditional_error() -> None:
    """The reach of question 3 is given, though the answers that lead to it are not measured."""
    whole = random_labels([str(n) for n in range(20)])
    labels = whole.only_conditional({"Class3"})
    bar = GZ2_KAGGLE.slices[2]
    predicted = random_labels(labels.ids.tolist(), seed=1)
    table = pd.DataFrame(predicted.cumulative, columns=GZ2_KAGGLE.columns)
    table[GZ2_KAGGLE.id_column] = labels.ids
    found = evaluate(table, labels)
    expected = evaluate(table, whole).per_question["Class3"]
    assert not math.isnan(expected["conditional_rmse"])
    assert found.conditional_rmse == pytest.approx(expected["conditional_rmse"])
    assert found.calibration_error == pytest.approx(expected["calibration_error"])
    reached = whole.reach[:, 2] > 0
    share = whole.cumulative[reached, bar] / whole.reach[reached, 2, None]
    np.testing.assert_allclose(labels.conditional[reached, bar], share)
