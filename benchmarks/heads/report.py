"""From predictions of the arms to the tables that compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from record import markdown

from heads.measures import (
    RECALLS,
    calibration,
    paired_intervals,
    pooled,
    precision_at,
    spread,
    zeros,
)
from heads.read_outs import FLOOR, ReadOut

SHOWN = (
    ("rmse", "RMSE"),
    ("null", "null"),
    ("structural", "structural"),
    ("voteless", "voteless"),
    ("nonnull", "other"),
)


def compare(read_outs: Sequence[ReadOut]) -> dict[str, dict[str, Any]]:
    """Measure all arms; differences are from the flat arm that does best on validation galaxies."""
    all_seeds = set(max((read_out.tests for read_out in read_outs), key=len))
    complete = [read_out for read_out in read_outs if set(read_out.tests) == all_seeds]
    of_test = {r.name: [parts["test"] for _, parts in sorted(r.tests.items())] for r in complete}

    def valid_rmse(read_out: ReadOut) -> float:
        return pooled([parts["valid"] for parts in read_out.tests.values()])["rmse"]

    best_flat = min((r for r in complete if r.flat), key=valid_rmse).name
    best_plain = min((r for r in complete if r.plain), key=valid_rmse).name
    scores = {}
    for read_out in complete:
        ours = of_test[read_out.name]
        curves = zeros(ours, on_tree=read_out.on_tree)
        scores[read_out.name] = {
            "seeds": sorted(read_out.tests),
            "rms": pooled(ours),
            "spread": spread(ours),
            "head": read_out.head,
            "tree": read_out.on_tree,
            "against": best_flat,
            "difference": paired_intervals(ours, of_test[best_flat]),
            "against_plain": best_plain,
            "difference_from_plain": paired_intervals(ours, of_test[best_plain]),
            "calibration": calibration(ours),
            "zeros": curves,
            "precision": {
                sort: {str(recall): precision_at(curve, recall) for recall in RECALLS}
                for sort, curve in curves.items()
            },
        }
    return dict(sorted(scores.items(), key=lambda item: item[1]["rms"]["rmse"]))


def markdown_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the comparison for a page."""
    first = next(iter(scores.values()))
    against, n_seeds = first["against"], len(first["seeds"])
    rows = {_name(name, against): _row(of_arm, scores) for name, of_arm in scores.items()}
    note = (
        f"{n_seeds} seeds, each testing on another fifth of the galaxies. Differences and ratios "
        f"are from **{against}**, the flat arm that does best on validation galaxies; of those "
        f"without a tree it is {first['against_plain']}. Intervals resample seeds and galaxies, "
        "both arms alike."
    )
    return f"{_laid_out(rows)}\n\n{note}\n\n{_table_by_question(scores)}"


def _row(of_arm: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Cells of an arm, by the head of their column."""
    rms, best = of_arm["rms"], scores[of_arm["against"]]["rms"]
    plain = scores[of_arm["against_plain"]]["rms"]
    row = {"RMSE ± spread": f"{rms['rmse']:.4f} ± {of_arm['spread'].get('rmse', np.nan):.4f}"}
    for head, other, interval in (
        ("difference [95 %]", best, of_arm["difference"]["rmse"]),
        (
            "from the best plain flat head [95 %]",
            plain,
            of_arm["difference_from_plain"]["rmse"],
        ),
    ):
        change = rms["rmse"] - other["rmse"]
        row[head] = f"{change:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]"
    for key, title in SHOWN[1:]:
        row[f"{title} (ratio [95 %])"] = _ratio(key, of_arm, best)
    row["violation"] = f"{rms['violation']:.1e}"
    error = of_arm["calibration"]
    row["ECE reach / conditional"] = f"{error['reach']:.3f} / {error['conditional']:.3f}"
    precision = of_arm["precision"]["structurally 0"]
    row["precision of structural zeros at recall 0.5 / 0.9"] = " / ".join(
        _share(precision[str(recall)]) for recall in (0.5, 0.9)
    )
    if FLOOR in scores:
        row["excess over the floor"] = f"{rms['rmse'] - scores[FLOOR]['rms']['rmse']:.4f}"
    return row


def _table_by_question(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """RMSE of every measured question, with the interval of its ratio to the best flat arm."""
    against = next(iter(scores.values()))["against"]
    best = scores[against]["rms"]
    sums = {key for key, _ in SHOWN} | {"violation"}
    questions = [name for name in best if name not in sums]
    rows = {
        _name(name, against): {question: _ratio(question, of_arm, best) for question in questions}
        for name, of_arm in scores.items()
    }
    return f"RMSE by question (ratio [95 %]):\n\n{_laid_out(rows)}"


def _ratio(key: str, of_arm: Mapping[str, Any], best: Mapping[str, float]) -> str:
    ratio, interval = of_arm["rms"][key] / best[key], of_arm["difference"][key]
    bounds = f"[{interval['ratio_low']:.2f}, {interval['ratio_high']:.2f}]"
    return f"{of_arm['rms'][key]:.4f} ({ratio:.2f} {bounds})"


def _name(name: str, against: str) -> str:
    return f"**{name}**" if name == against else name


def _laid_out(rows: Mapping[str, Mapping[str, str]]) -> str:
    return markdown(pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm"), 4)


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
