"""What is measured of an arm's test predictions, and paired bootstrap intervals between arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gz2tree.calibrationcurve import calibration_curve, calibration_error
from gz2tree.evaluation import conditional_answers, evaluate
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.probabilities import reach_of

Array = NDArray[np.float64]
RECALLS = (0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Predicted:
    """Predictions of one arm for the test galaxies of one seed.

    Parameters
    ----------
    labels : Labels
    cumulative : array, shape (n, n_answers), in [0, 1]
    """

    labels: Labels
    cumulative: Array

    def squares(self) -> dict[str, tuple[Array, Array]]:
        """Sum of squared errors, and number of labels, of each galaxy for each sort of label."""
        labels = self.labels
        square = np.nan_to_num(np.square(self.cumulative - labels.cumulative))
        cells = {
            "rmse": labels.measured,
            "null": labels.null,
            "structural": labels.structural_null,
            "voteless": labels.voteless_null,
            "nonnull": labels.measured & ~labels.null,
        }
        for name, answers in zip(labels.tree.question_columns, labels.tree.slices, strict=True):
            if labels.measured[:, answers].any():
                mask = np.zeros_like(labels.measured)
                mask[:, answers] = labels.measured[:, answers]
                cells[name] = mask
        return {
            name: ((square * cell).sum(1), cell.sum(1).astype(float))
            for name, cell in cells.items()
        }

    def violation(self) -> float:
        """Largest violation of the tree's sums."""
        frame = pd.DataFrame(self.cumulative, columns=list(self.labels.tree.columns))
        frame.insert(0, self.labels.tree.id_column, self.labels.ids)
        return evaluate(frame, self.labels).max_parent_violation


def pooled(tests: Sequence[Predicted]) -> dict[str, float]:
    """Root mean squares over the test galaxies of all seeds."""
    squares = [test.squares() for test in tests]
    figures = {
        name: _root_mean(
            np.concatenate([s[name][0] for s in squares]),
            np.concatenate([s[name][1] for s in squares]),
        )
        for name in squares[0]
    }
    return figures | {"violation": max(test.violation() for test in tests)}


def spread(tests: Sequence[Predicted]) -> dict[str, float]:
    """Return the standard deviation of the root mean squares over seeds."""
    figures = [{n: _root_mean(*s) for n, s in test.squares().items()} for test in tests]
    if len(figures) < 2:
        return {}
    return {name: float(np.std([f[name] for f in figures], ddof=1)) for name in figures[0]}


def paired_intervals(
    ours: Sequence[Predicted], theirs: Sequence[Predicted], resamples: int = 2000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """95 % intervals of the difference and of the ratio of two arms' root mean squares.

    Seeds are resampled, and within each the galaxies; both arms are resampled alike
    (Efron & Tibshirani 1993, chapter 8, two-level bootstrap; percentile intervals).
    """
    rng = np.random.default_rng(seed)
    both = [(test.squares(), rival.squares()) for test, rival in zip(ours, theirs, strict=True)]
    names = list(both[0][0])
    tables = [  # (n, 3 * names) of each seed: our squares, theirs, numbers of labels
        np.stack(
            [a[name][0] for name in names]
            + [b[name][0] for name in names]
            + [a[name][1] for name in names],
            1,
        )
        for a, b in both
    ]
    sums = np.zeros((resamples, 3, len(names)))
    for resample in range(resamples):
        for s in rng.integers(len(tables), size=len(tables)):
            n = len(tables[s])
            weight = np.bincount(rng.integers(n, size=n), minlength=n)
            sums[resample] += (weight @ tables[s]).reshape(3, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mine = np.sqrt(sums[:, 0] / sums[:, 2])  # (resamples, names)
        other = np.sqrt(sums[:, 1] / sums[:, 2])
        ratio = mine / other
    low, high = np.nanpercentile(mine - other, [2.5, 97.5], axis=0)
    ratio_low, ratio_high = np.nanpercentile(ratio, [2.5, 97.5], axis=0)
    return {
        name: {
            "low": float(low[i]),
            "high": float(high[i]),
            "ratio_low": float(ratio_low[i]),
            "ratio_high": float(ratio_high[i]),
        }
        for i, name in enumerate(names)
    }


def zeros(tests: Sequence[Predicted], *, on_tree: bool) -> dict[str, list[dict[str, float]]]:
    """Recall and precision of exact zeros as the gate of a tree, or a threshold, moves.

    For labels of exactly 0, for those of questions that were not asked, and for labels below 0.05.
    """
    labels = [test.labels for test in tests]
    graph = DecisionGraph(labels[0].tree)
    measured = np.concatenate([of.measured for of in labels])
    truths = {
        "exactly 0": np.concatenate([of.null for of in labels]),
        "structurally 0": np.concatenate([of.structural_null for of in labels]),
        "below 0.05": np.concatenate(
            [np.nan_to_num(of.cumulative, nan=1.0) < 0.05 for of in labels]
        ),
    }
    cumulative = np.concatenate([test.cumulative for test in tests])
    curves: dict[str, list[dict[str, float]]] = {name: [] for name in truths}
    for at in np.geomspace(1e-4, 0.3, 20):
        if on_tree:
            zero = graph.gate(torch.from_numpy(cumulative), float(at)).numpy() == 0
        else:
            zero = cumulative < at
        for name, truth in truths.items():
            found = (zero & truth & measured).sum()
            curves[name].append(
                {
                    "at": float(at),
                    "recall": float(found / max(1, truth[measured].sum())),
                    "precision": float(found / max(1, (zero & measured).sum())),
                }
            )
    return curves


def precision_at(curve: Sequence[Mapping[str, float]], recall: float) -> float:
    """Precision of a curve at a recall, interpolated; NaN if the curve does not get there."""
    recalls = np.array([point["recall"] for point in curve])
    precisions = np.array([point["precision"] for point in curve])
    if not recalls.min() <= recall <= recalls.max():
        return float("nan")
    return float(np.interp(recall, recalls, precisions))


def calibration(tests: Sequence[Predicted]) -> dict[str, float]:
    """Return the expected calibration error of reach, and by reach of conditional answers."""
    tree = tests[0].labels.tree
    asked_later = [bool(parents) for parents in tree.parents]
    reach, conditional = [], []
    for test in tests:
        label = test.labels.reach[:, asked_later]
        ours = reach_of(tree, test.cumulative)[:, asked_later]
        reach.append((ours, label, np.ones_like(label)))
        conditional.append(conditional_answers(test.cumulative, test.labels))

    def error(pieces: Any) -> float:
        predicted, label, weight = (np.concatenate(column) for column in zip(*pieces, strict=True))
        known = ~np.isnan(label) & (weight > 0)
        return calibration_error(calibration_curve(predicted[known], label[known], weight[known]))

    return {"reach": error(reach), "conditional": error(conditional)}


def _root_mean(sums: Array, counts: Array) -> float:
    return float(np.sqrt(sums.sum() / counts.sum())) if counts.sum() else float("nan")
