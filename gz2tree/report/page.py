"""What the page shows, as text: its data as JavaScript, its HTML from a template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from gz2tree.report.galaxies import Flagged, Galaxies
from gz2tree.report.pictures import COLUMNS
from gz2tree.scores import Report, score_text
from gz2tree.tree import DecisionTree

UNIT = 10_000
"""Probabilities and errors are written as whole numbers of 1 / `UNIT`."""

PAGE = Path(__file__).with_name("page")
TEMPLATE = "index.html"


@dataclass(frozen=True)
class Headline:
    """A number in the page's head: a score, or a count of galaxies.

    Parameters
    ----------
    name, meaning : str
    value : str
        As shown.
    """

    name: str
    value: str
    meaning: str


def data_script(galaxies: Galaxies, flagged: Flagged | None = None) -> str:
    """Return the galaxies as a script that sets ``window.gz2tree``.

    A script, since a browser lets no page fetch files from a disk; columns of whole numbers, since
    ten thousand galaxies have a million probabilities. Ids are strings.
    """
    labels = galaxies.labels
    data = {
        "unit": UNIT,
        "sheetColumns": COLUMNS,
        "questions": _questions(galaxies.tree),
        "ids": galaxies.ids.tolist(),
        "flagged": None if flagged is None else flagged.answer,
        "predicted": [whole_numbers(column) for column in galaxies.predicted.T],
        "voted": None,
        "errors": None,
    }
    if labels is not None:
        data["voted"] = [whole_numbers(column) for column in labels.cumulative.T]
        data["errors"] = {
            "rmse": whole_numbers(galaxies.rmse),
            "nullRmse": whole_numbers(galaxies.null_rmse),
            "disagreement": whole_numbers(galaxies.disagreement),
        }
    return f"window.gz2tree = {to_script(data)};\n"


def whole_numbers(values: NDArray[np.float64]) -> list[int | None]:
    """Return multiples of 1 / `UNIT`; None for NaN, and 0 only for what is exactly 0."""
    rounded = np.where(values > 0, np.maximum(np.rint(values * UNIT), 1), 0)
    known = ~np.isnan(values)
    whole = np.where(known, rounded, 0).astype(int).tolist()
    return [n if there else None for n, there in zip(whole, known.tolist(), strict=True)]


def to_script(value: Any) -> str:
    """Return JSON that may stand in a script or between script tags."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _questions(tree: DecisionTree) -> list[dict[str, Any]]:
    return [
        {
            "label": question.label,
            "column": column,
            "start": answers.start,
            "parents": list(parents),
            "answers": [answer.label for answer in question.answers],
        }
        for question, column, answers, parents in zip(
            tree.questions, tree.question_columns, tree.slices, tree.parents, strict=True
        )
    ]


def headlines(galaxies: Galaxies, report: Report | None, flagged: Flagged | None) -> list[Headline]:
    """Choose the numbers of the page's head; scores need a report."""
    shown = [Headline("Galaxies", f"{len(galaxies):,}", "in this report")]
    if flagged is not None:
        shown = [Headline("Flagged", f"{flagged.n:,}", f"of {flagged.n_of:,} galaxies")]
    if flagged is not None and flagged.n_both is not None:
        both = f"{flagged.n_both:,} of "
        shown += [
            Headline("Purity", f"{both}{flagged.n_compared:,}", "flagged by volunteers too"),
            Headline("Completeness", f"{both}{flagged.n_votes:,}", "that volunteers flag"),
        ]
    if report is None:
        violation = galaxies.max_parent_violation
    else:
        violation = report.max_parent_violation
        shown += [
            Headline(name, score_text(value), meaning)
            for name, value, meaning in (
                ("RMSE", report.rmse, f"over {report.n_cells:,} measured labels"),
                ("of the mean", report.mean_baseline_rmse, "RMSE of predicting the mean answers"),
                ("Structural nulls", report.structural_null_rmse, "RMSE, question never asked"),
                ("Voteless nulls", report.voteless_null_rmse, "RMSE, asked, nobody chose it"),
                ("Other labels", report.nonnull_rmse, "RMSE where somebody did"),
                ("Calibration error", report.calibration_error, "of answers, weighted by reach"),
            )
        ]
    broken = Headline("Violation", score_text(violation), "largest, of the tree's sums")
    return [*shown, broken]


def render(
    galaxies: Galaxies,
    report: Report | None,
    *,
    flagged: Flagged | None = None,
    captions: Mapping[str, str],
    made_from: Mapping[str, str],
) -> str:
    """Return the HTML of the page; every text is escaped.

    Parameters
    ----------
    galaxies : Galaxies
    report : Report, optional
    flagged : Flagged, optional
        The flag that chose them.
    captions : mapping of str to str
        What each figure shows.
    made_from : mapping of str to str
        Where all this comes from, for the page's head.
    """
    environment = Environment(
        loader=PackageLoader("gz2tree.report", PAGE.name),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = score_text
    per_question = report.per_question.values() if report else ()
    return environment.get_template(TEMPLATE).render(
        n=len(galaxies),
        tree=galaxies.tree,
        headlines=headlines(galaxies, report, flagged),
        flagged=flagged,
        questions=list(zip(galaxies.tree.questions, per_question, strict=True)) if report else [],
        captions=captions,
        made_from=made_from,
    )
