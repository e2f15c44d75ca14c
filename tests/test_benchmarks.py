"""What the benchmarks measure with: errors here would be errors in what we publish."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_labels
from scipy.stats import betabinom

from gz2tree import GZ2_KAGGLE, DecisionTree, Labels, Question, evaluate, read_labels
from gz2tree.graph import DecisionGraph

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import bench_heads
from bench_atypical import auc, auc_interval
from failures import FAILURES
from heads.arms import ARMS, VOLUNTEERS, Arm, LinearHead, project
from heads.galaxies import FOLDS, folds
from heads.hart import HART_ARMS
from heads.measures import (
    Predicted,
    calibration,
    paired_intervals,
    pooled,
    precision_at,
    zeros,
)
from heads.read_outs import temperatures_of
from heads.training import of_separate

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LABELS = random_labels([str(n) for n in range(300)])


def noisy(labels: Labels, noise: float, seed: int = 0) -> Predicted:
    rng = np.random.default_rng(seed)
    predicted = (labels.cumulative + noise * rng.standard_normal(labels.cumulative.shape)).clip(
        0, 1
    )
    return Predicted(labels, predicted)


class TestPairedIntervals:
    def test_no_difference_between_equals(self) -> None:
        tests = [noisy(LABELS, 0.1)]
        interval = paired_intervals(tests, tests, resamples=50)["rmse"]
        assert interval == {"low": 0, "high": 0, "ratio_low": 1, "ratio_high": 1}

    def test_covers_the_truth_as_often_as_it_says(self) -> None:
        """Two arms of equal noise differ by nothing but chance."""
        covered = 0
        for seed in range(100):
            labels = LABELS.take(np.arange(seed % 3, 300, 3))
            ours, theirs = ([noisy(labels, 0.1, seed + shift)] for shift in (0, 1000))
            interval = paired_intervals(ours, theirs, resamples=200, seed=seed)["rmse"]
            covered += interval["low"] <= 0 <= interval["high"]
        assert 85 <= covered <= 100

    def test_seeds_that_disagree_widen_the_interval(self) -> None:
        labels = [LABELS.take(np.arange(n, 300, 3)) for n in range(3)]
        theirs = [noisy(of, 0.1, n) for n, of in enumerate(labels)]
        steady = [noisy(of, 0.11, n + 9) for n, of in enumerate(labels)]
        erratic = [noisy(of, (0.02, 0.1, 0.2)[n], n + 9) for n, of in enumerate(labels)]
        widths = [
            (i := paired_intervals(ours, theirs, 300)["rmse"])["high"] - i["low"]
            for ours in (steady, erratic)
        ]
        assert widths[1] > 3 * widths[0]


def test_pooled_figures_are_those_of_the_report() -> None:
    test = noisy(LABELS, 0.1)
    frame = pd.DataFrame(test.cumulative, columns=list(GZ2_KAGGLE.columns))
    frame.insert(0, "GalaxyID", LABELS.ids)
    report, ours = evaluate(frame, LABELS), pooled([test])
    assert ours["rmse"] == pytest.approx(report.rmse)
    assert ours["null"] == pytest.approx(report.null_rmse)
    assert ours["structural"] == pytest.approx(report.structural_null_rmse)
    assert ours["nonnull"] == pytest.approx(report.nonnull_rmse)
    assert ours["Class7"] == pytest.approx(report.per_question["Class7"]["rmse"])
    assert ours["violation"] == pytest.approx(report.max_parent_violation)


class TestZeros:
    @pytest.mark.parametrize("on_tree", [True, False])
    def test_perfect_predictions_find_all_and_nothing_else(self, on_tree: bool) -> None:
        curves = zeros([Predicted(LABELS, LABELS.cumulative)], on_tree=on_tree)
        first = curves["exactly 0"][0]
        assert first["recall"] == 1
        assert first["precision"] > 0.9  # a few labels are not 0 but below the first threshold

    def test_precision_is_interpolated_and_unknown_beyond(self) -> None:
        curve = [{"recall": 0.2, "precision": 0.9}, {"recall": 0.6, "precision": 0.7}]
        assert precision_at(curve, 0.4) == pytest.approx(0.8)
        assert np.isnan(precision_at(curve, 0.9))


def test_calibration_is_that_of_the_shift() -> None:
    """Answers that are all too large by a tenth, of a question with two."""
    tree = DecisionTree("two", [Question("q", ["a", "b"])])
    rng = np.random.default_rng(0)
    share = rng.uniform(0.75, 0.85, 2000)
    labels = Labels(
        np.array([str(n) for n in range(2000)], dtype=object),
        np.stack([share, 1 - share], 1),
        tree,
        "cumulative",
    )
    shifted = np.stack([share + 0.1, 0.9 - share], 1)
    assert calibration([Predicted(labels, labels.cumulative)])["conditional"] == pytest.approx(0)
    assert calibration([Predicted(labels, shifted)])["conditional"] == pytest.approx(0.1, abs=1e-6)


def test_folds_keep_copies_together_and_are_of_a_size() -> None:
    hashes = [str(n // 2) for n in range(400)]  # each image twice
    half = folds(hashes)
    assert (half[::2] == half[1::2]).all()
    assert (np.bincount(half // 2, minlength=FOLDS) == 80).all()


def test_projection_obeys_the_tree_and_leaves_the_tree_alone() -> None:
    graph = DecisionGraph(GZ2_KAGGLE)
    flat = torch.rand(50, 37, dtype=torch.float64)
    projected = project(flat, graph)
    reach = graph.reach(projected)
    for number, answers in enumerate(GZ2_KAGGLE.slices):
        torch.testing.assert_close(projected[:, answers].sum(-1), reach[:, number])
    torch.testing.assert_close(project(projected, graph), projected)


def test_temperatures_undo_what_was_too_soft() -> None:
    graph = DecisionGraph(GZ2_KAGGLE)
    conditional = graph.condition(torch.from_numpy(LABELS.cumulative)).nan_to_num(0.0)
    soft = project(conditional ** (1 / 2**0.5), graph).numpy()
    cooled = temperatures_of(Predicted(LABELS, soft), graph)(soft)
    before, after = (pooled([Predicted(LABELS, p)])["rmse"] for p in (soft, cooled))
    assert after < 0.1 * before


def test_balanced_loss_does_not_depend_on_the_number_of_answers() -> None:
    """Twice as many answers that are all alike: twice the cells, the same loss."""
    tree = DecisionTree("two", [Question("q", ["a", "b"]), Question("r", ["c", "d", "e"])])
    head = LinearHead(Arm("flat", balanced=True), tree, 3)
    wrong = torch.tensor([[0.2, 0.2, 0.9, 0.9, 0.9]])
    given = head._loss(wrong, torch.zeros(1, 5)).item()
    assert given == pytest.approx(-(np.log(0.8) + np.log(0.1)) / 2)


def test_votes_drawn_anew_are_the_labels_on_average() -> None:
    """With a loss that is linear in the labels the mean of many draws is that of the labels."""
    target = torch.from_numpy(LABELS.cumulative).float()
    target[:, 3] = torch.nan
    features, reach = torch.randn(len(LABELS), 4), torch.full((len(LABELS), 11), torch.nan)
    torch.manual_seed(0)
    head = LinearHead(Arm("flat", vote_noise=True), GZ2_KAGGLE, 4)
    with torch.no_grad():
        drawn = torch.stack([head.loss(features, target, reach) for _ in range(200)])
        expected = head._loss(head(features), target)
    assert drawn.std() > 0
    assert drawn.mean().item() == pytest.approx(expected.item(), abs=4 * drawn.std().item() / 14)


@pytest.mark.parametrize("name", [name for name, arm in ARMS.items() if not arm.separate])
def test_every_arm_gives_probabilities_and_a_loss_to_descend(name: str) -> None:
    head = LinearHead(ARMS[name], GZ2_KAGGLE, 4)
    head.start_at_mean(LABELS)
    features, target = torch.randn(len(LABELS), 4), torch.from_numpy(LABELS.cumulative).float()
    reach = torch.full((len(LABELS), 11), torch.nan)
    cumulative = head(features)
    assert cumulative.shape == target.shape
    assert ((cumulative >= 0) & (cumulative <= 1)).all()
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-4)
    losses = []
    for _ in range(5):
        torch.manual_seed(0)  # the same votes in every step, where they are drawn
        losses.append(head.loss(features, target, reach))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_committed_results_are_of_arms_that_are_known() -> None:
    """So that `bench_heads.py report` reads results that were had with an older version."""
    files = sorted((BENCHMARKS / "results" / "heads").glob("*.json"))
    assert files
    for file in files:
        arms = HART_ARMS if file.stem == "hart" else ARMS
        for record in json.loads(file.read_text())["runs"]:
            assert record["arm"]["output"] == arms[record["name"]].output, record["name"]


def test_what_is_read_out_otherwise_is_what_was_published() -> None:
    """By the names of the rows of the committed results."""
    for file in sorted((BENCHMARKS / "results" / "heads").glob("*.json")):
        rows = json.loads(file.read_text())["arms"]
        arms = HART_ARMS if file.stem == "hart" else ARMS
        trained = {name for name in rows if name in arms}
        otherwise = {name.split(" + ")[0] for name in rows if " + " in name}
        assert otherwise == {name for name in trained if arms[name].read_out_otherwise}, file


def test_report_compares_what_lies_in_a_folder_of_results(
    sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("report", "--sky", sky, "--work", tmp_path / "work", "--crop", 40, "--size", 32)
    monkeypatch.setattr("sys.argv", ["bench_heads.py", *map(str, given)])
    monkeypatch.setattr(bench_heads, "RESULTS", tmp_path / "results")
    labels = read_labels(sky / "labels.csv")
    for name in ("flat sigmoid, BCE", "tree softmax, BCE"):
        for seed in (0, 1):
            rows = np.random.default_rng(seed).permutation(len(labels))
            tested = {
                "valid": noisy(labels.take(rows[:20]), 0.05, seed),
                "test": noisy(labels.take(rows[20:]), 0.05, seed),
            }
            file = bench_heads.result_file(bench_heads.parse(), "sky", name, seed)
            bench_heads.keep(file, tested, {"name": name, "seed": seed, "n_train": 60})
    bench_heads.main()
    rows = json.loads((tmp_path / "results" / "sky.json").read_text())["arms"]
    assert {name: row["tree"] for name, row in rows.items()} == {
        "flat sigmoid, BCE": False,
        "flat sigmoid, BCE + projection": True,
        "flat sigmoid, BCE + threshold": False,
        "tree softmax, BCE": True,
        "tree softmax, BCE + gate": True,
        "tree softmax, BCE + temperatures": True,
        "mean of the validation galaxies": False,
        "true probabilities": True,
    }
    assert {row["against_plain"] for row in rows.values()} <= {
        "flat sigmoid, BCE", "flat sigmoid, BCE + threshold",
    }  # fmt: skip
    table = (tmp_path / "results" / "sky.md").read_text()
    assert all(f"{name} |" in table or f"{name}** |" in table for name in rows)
    assert "excess over the floor" in table
    assert (tmp_path / "results" / "sky.png").is_file()


def test_report_of_real_galaxies_asks_for_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tmp_path / "screen" / "some" / "seed0.json"
    result.parent.mkdir(parents=True)
    result.write_text("{}")
    monkeypatch.setattr("sys.argv", ["bench_heads.py", "report", "--work", str(tmp_path)])
    monkeypatch.setattr(bench_heads, "RESULTS", tmp_path / "results")
    with pytest.raises(SystemExit, match="--data: expected"):
        bench_heads.main()


def test_separate_networks_are_multiplied_down() -> None:
    """Each knows one question, and says nonsense of the others."""
    graph = DecisionGraph(GZ2_KAGGLE)
    equal = graph.conditional(torch.zeros(len(GZ2_KAGGLE), dtype=torch.float64))

    def answered(labels: Labels) -> torch.Tensor:
        """Conditional answers none of which is 0, so that every question is reached."""
        given = graph.condition(torch.from_numpy(labels.cumulative))
        return 0.99 * torch.where(given.isnan(), equal, given) + 0.01 * equal

    conditional = answered(LABELS)
    cumulative = []
    for answers in GZ2_KAGGLE.slices:
        mixed = answered(random_labels(list(LABELS.ids), seed=5))
        mixed[:, answers] = conditional[:, answers]
        cumulative.append(graph.cumulative(mixed).numpy())
    expected = graph.cumulative(conditional)
    np.testing.assert_allclose(of_separate(LABELS, cumulative), expected, atol=1e-9)


def test_dirichlet_multinomial_is_scipys_for_a_question_of_two() -> None:
    tree = DecisionTree("two", [Question("q", ["a", "b"])])
    torch.manual_seed(0)
    head = LinearHead(Arm("dirichlet", "dirichlet_multinomial"), tree, 3).double()
    features = torch.randn(6, 3, dtype=torch.float64)
    votes = torch.arange(0, 42, 7, dtype=torch.float64)
    target = torch.stack([votes, VOLUNTEERS - votes], 1) / VOLUNTEERS
    a, b = head.concentration(features).detach().numpy().T
    k, n = votes.numpy(), int(VOLUNTEERS)
    given = head.loss(features, target, torch.full((6, 1), torch.nan))
    expected = -betabinom.logpmf(k, n, a, b)
    assert given.item() == pytest.approx(expected.mean())


def test_unmeasured_question_is_no_loss_to_the_dirichlets() -> None:
    labels = replace(LABELS, cumulative=LABELS.cumulative.copy())
    labels.cumulative[:, GZ2_KAGGLE.slices[4]] = np.nan
    head = LinearHead(Arm("dirichlet", "dirichlet_multinomial"), GZ2_KAGGLE, 3)
    target = torch.from_numpy(labels.cumulative).float()
    head.loss(torch.randn(300, 3), target, torch.empty(0)).backward()
    gradient = head.linear.weight.grad
    assert gradient is not None
    assert (gradient[GZ2_KAGGLE.slices[4]] == 0).all()
    assert (gradient[GZ2_KAGGLE.slices[0]] != 0).any()


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_images_and_leave_the_galaxy_alone(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    before = pixels.copy()
    failed = FAILURES[name](pixels, np.random.default_rng(1))
    assert (failed.shape, failed.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_array_equal(pixels, before)
    assert (name == "as it is") == np.array_equal(failed, pixels)


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    failures, others = rng.integers(0, 9, 20) + 2.0, rng.integers(0, 9, 30) + 0.0
    pairs = failures[:, None] - others[None]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert auc(failures, others) == pytest.approx(expected)
    low, high = auc_interval(failures, others)
    assert low < expected < high
