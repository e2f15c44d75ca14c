"""What an evaluation finds: scores, to be printed, kept as JSON and set side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Report:
    """How well predictions agree with labels, as scores; NaN where a score rests on no label.

    Parameters
    ----------
    n : int
        Galaxies.
    n_cells : int
        Measured labels.
    rmse : float
        Over all measured labels: the score of Kaggle's Galaxy Challenge if all are measured.
    null_rmse, structural_null_rmse, voteless_null_rmse, nonnull_rmse : float
        RMSE over the labels of that sort.
    mean_baseline_rmse : float
        RMSE of predicting, for every galaxy, each answer's mean in the evaluated labels.
    vote_noise_rmse : float
        RMSE that the true probabilities would have, since only tens of people vote on a galaxy;
        NaN without vote counts.
    conditional_rmse : float
        RMSE of conditional probabilities, weighted by the label's reach.
    calibration_error : float
        Expected calibration error of conditional probabilities, weighted by the label's reach; see
        `gz2tree.calibrationcurve.calibration_error`.
    exact_zero_share : float
        Share of measured labels predicted as exactly 0.
    null_share : float
        Share of measured labels that are exactly 0.
    max_parent_violation : float
        Largest absolute difference between the sum of a question's predicted answers and its
        predicted reach, in questions that the labels measure.
    per_question, per_answer : dict of dict of float
        The same scores for each question and each answer, by column.
    """

    n: int
    n_cells: int
    rmse: float
    null_rmse: float
    structural_null_rmse: float
    voteless_null_rmse: float
    nonnull_rmse: float
    mean_baseline_rmse: float
    vote_noise_rmse: float
    conditional_rmse: float
    calibration_error: float
    exact_zero_share: float
    null_share: float
    max_parent_violation: float
    per_question: dict[str, dict[str, float]]
    per_answer: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return all scores as JSON values; None where a score rests on no label."""
        return _without_nan(asdict(self))

    def to_json(self, **more: Any) -> str:
        """Return all scores, and what the caller adds, as JSON."""
        return json.dumps(more | self.to_dict(), indent=2)

    def __str__(self) -> str:
        lines = [f"{self.n:,} galaxies, {self.n_cells:,} measured labels"]
        for text, value in (
            ("RMSE", self.rmse),
            ("  null labels", self.null_rmse),
            ("    structural", self.structural_null_rmse),
            ("    voteless", self.voteless_null_rmse),
            ("  other labels", self.nonnull_rmse),
            ("RMSE of predicting the mean", self.mean_baseline_rmse),
            ("RMSE of the votes' own noise", self.vote_noise_rmse),
            ("conditional RMSE, by reach", self.conditional_rmse),
            ("calibration error, by reach", self.calibration_error),
            ("share predicted exactly 0", self.exact_zero_share),
            ("share labelled exactly 0", self.null_share),
            ("largest violation of the tree", self.max_parent_violation),
        ):
            lines.append(f"{text:<32}{score_text(value)}")
        shown = ("rmse", "null_rmse", "nonnull_rmse", "conditional_rmse", "mean_baseline_rmse")
        table = pd.DataFrame(self.per_question).T[list(shown)]
        table = table.rename(columns=lambda name: name.removesuffix("_rmse"))
        return "\n".join([*lines, "", "RMSE by question", table.map(score_text).to_string()])


def compare_reports(reports: Mapping[str, Report]) -> pd.DataFrame:
    """Set the most important scores of several reports side by side.

    Parameters
    ----------
    reports : mapping of str to Report
        By the name of the model; all on the same labels.

    Returns
    -------
    table : DataFrame of str
        A row for each score, written as in the text of a report, and a column for each model.
    """
    rows = {
        "RMSE": "rmse",
        "RMSE of null labels": "null_rmse",
        "  structural": "structural_null_rmse",
        "  voteless": "voteless_null_rmse",
        "RMSE of the other labels": "nonnull_rmse",
        "RMSE of predicting the mean": "mean_baseline_rmse",
        "largest violation of the tree": "max_parent_violation",
    }
    return pd.DataFrame(
        {
            name: [score_text(getattr(report, attribute)) for attribute in rows.values()]
            for name, report in reports.items()
        },
        index=list(rows),
    )


def score_text(value: float | None) -> str:
    """Write a score: four decimals, an exponent if it is too small for them, a dash for NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.4f}" if value == 0 or abs(value) >= 1e-4 else f"{value:.1e}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
