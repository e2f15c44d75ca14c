"""From results on disk to the table and the figure that compare the arms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from head_arms import project
from head_measures import (
    RECALLS,
    Predicted,
    calibration,
    paired_intervals,
    pooled,
    precision_at,
    spread,
    zeros,
)

from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels

mpl.use("Agg")
from matplotlib import pyplot as plt

Tests = dict[str, dict[int, dict[str, Predicted]]]
THRESHOLDS = np.geomspace(1e-4, 0.1, 31)
TEMPERATURES = np.geomspace(0.5, 2, 17)
FLOOR = "true probabilities"
TITLES = {"rmse": "all labels", "null": "null labels", "structural": "structural null labels"}
SHOWN = (
    ("rmse", "RMSE"),
    ("null", "null"),
    ("structural", "structural"),
    ("voteless", "voteless"),
    ("nonnull", "other"),
)


def collect(folder: Path, labels: Labels) -> tuple[Tests, list[dict[str, Any]]]:
    """Read all results of a stage: arm -> seed -> part -> predictions; and how each was had."""
    row_of = {galaxy: row for row, galaxy in enumerate(labels.ids)}
    tests: Tests = {}
    records = []
    for file in sorted(folder.glob("*/seed*.json")):
        record = json.loads(file.read_text())
        arrays = np.load(file.with_suffix(".npz"))
        parts = {}
        for part in ("valid", "test"):
            rows = [row_of[galaxy] for galaxy in arrays[f"{part}_ids"]]
            parts[part] = Predicted(labels.take(rows), arrays[part].astype(float))
        tests.setdefault(record["name"], {})[record["seed"]] = parts
        records.append(record)
    return tests, records


def with_read_outs(tests: Tests, on_tree: set[str], truth: Labels | None) -> tuple[Tests, set[str]]:
    """Add the mean, the truth, and what can be made of a trained head at read-out."""
    some = max(tests.values(), key=len)
    graph = DecisionGraph(next(iter(some.values()))["test"].labels.tree)
    more: Tests = {"mean of the validation galaxies": {}}
    for seed, parts in some.items():
        mean = parts["valid"].labels.mean_cumulative()
        more["mean of the validation galaxies"][seed] = {
            part: Predicted(t.labels, np.tile(mean, (len(t.labels), 1)))
            for part, t in parts.items()
        }
    if truth is not None:
        row_of = {galaxy: row for row, galaxy in enumerate(truth.ids)}
        more[FLOOR] = {
            seed: {
                part: Predicted(
                    t.labels, truth.cumulative[[row_of[galaxy] for galaxy in t.labels.ids]]
                )
                for part, t in parts.items()
            }
            for seed, parts in some.items()
        }
    for name, seeds in tests.items():
        if not any(word in name for word in READ_OUT_OF):
            continue
        for seed, parts in seeds.items():
            if name.startswith("flat"):
                projected = {
                    part: Predicted(
                        t.labels, project(torch.from_numpy(t.cumulative), graph).numpy()
                    )
                    for part, t in parts.items()
                }
                more.setdefault(f"{name} + projection", {})[seed] = projected
                cut = threshold_of(parts["valid"], lambda c, at: np.where(c < at, 0.0, c))
                what = f"{name} + threshold"
            else:
                cut = threshold_of(
                    parts["valid"],
                    lambda c, at: graph.gate(torch.from_numpy(c), float(at)).numpy(),
                )
                what = f"{name} + gate"
                cooled = temperatures_of(parts["valid"], graph)
                more.setdefault(f"{name} + temperatures", {})[seed] = {
                    part: Predicted(t.labels, cooled(t.cumulative)) for part, t in parts.items()
                }
            more.setdefault(what, {})[seed] = {
                part: Predicted(t.labels, cut(t.cumulative)) for part, t in parts.items()
            }
    ends = ("gate", "temperatures", "projection", "probabilities")
    return tests | more, on_tree | {name for name in more if name.endswith(ends)}


READ_OUT_OF = (
    "flat sigmoid, BCE",
    "tree softmax, BCE",
    "tree normalised sigmoids, BCE",
    "deep",
    ", all",
)
"""Words in the names of arms whose trained heads are read out in other ways as well."""


def threshold_of(valid: Predicted, cut: Any) -> Any:
    """Choose where to cut small answers off: the lowest RMSE on validation galaxies."""

    def rmse(at: float) -> float:
        return pooled([Predicted(valid.labels, cut(valid.cumulative, at))])["rmse"]

    best = min(THRESHOLDS, key=rmse)
    return lambda cumulative: cut(cumulative, best)


def temperatures_of(valid: Predicted, graph: DecisionGraph) -> Any:
    """Choose a temperature for each question: the lowest RMSE on validation galaxies."""
    inverse = np.ones(len(graph.tree))

    def cooled(cumulative: np.ndarray) -> np.ndarray:
        conditional = graph.condition(torch.from_numpy(cumulative)).nan_to_num(0.0)
        sharper = conditional.clamp(min=0) ** torch.from_numpy(inverse)
        return project(sharper, graph).numpy()

    for answers in graph.tree.slices:  # of GZ2, parents come before their children
        found = {}
        for temperature in TEMPERATURES:
            inverse[answers] = 1 / temperature
            found[temperature] = pooled([Predicted(valid.labels, cooled(valid.cumulative))])["rmse"]
        inverse[answers] = 1 / min(found, key=found.__getitem__)
    return cooled


def compare(tests: Tests, on_tree: set[str]) -> dict[str, dict[str, Any]]:
    """Measure all arms; differences are from the flat arm that does best on validation galaxies."""
    of_test = {
        name: [parts["test"] for _, parts in sorted(seeds.items())] for name, seeds in tests.items()
    }
    all_seeds = set(max(tests.values(), key=len))
    complete = {name: t for name, t in of_test.items() if set(tests[name]) == all_seeds}

    def valid_rmse(name: str) -> float:
        return pooled([parts["valid"] for parts in tests[name].values()])["rmse"]

    flats = [name for name in complete if name.startswith("flat")]
    best_flat = min(flats, key=valid_rmse)
    # A flat head that is projected has a tree after all, if only at read-out.
    plain = [name for name in flats if not name.endswith("projection")]
    best_plain = min(plain, key=valid_rmse)
    figures = {}
    for name, ours in complete.items():
        curves = zeros(ours, on_tree=name in on_tree)
        figures[name] = {
            "seeds": sorted(tests[name]),
            "rms": pooled(ours),
            "spread": spread(ours),
            "tree": name in on_tree,
            "against": best_flat,
            "difference": paired_intervals(ours, complete[best_flat]),
            "against_plain": best_plain,
            "difference_from_plain": paired_intervals(ours, complete[best_plain]),
            "calibration": calibration(ours),
            "zeros": curves,
            "precision": {
                kind: {str(recall): precision_at(curve, recall) for recall in RECALLS}
                for kind, curve in curves.items()
            },
        }
    return dict(sorted(figures.items(), key=lambda item: item[1]["rms"]["rmse"]))


def markdown_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out the comparison for a page."""
    first = next(iter(figures.values()))
    against, n_seeds = first["against"], len(first["seeds"])
    head = [
        "arm",
        "RMSE ± spread",
        "difference [95 %]",
        "from the best plain flat head [95 %]",
        *(f"{title} (ratio [95 %])" for _, title in SHOWN[1:]),
        "violation",
        "ECE reach / conditional",
        "precision of structural zeros at recall 0.5 / 0.9",
    ]
    if FLOOR in figures:
        head.append("excess over the floor")
    lines = [head, ["---"] * len(head)]
    for name, of_arm in figures.items():
        rms, difference = of_arm["rms"], of_arm["difference"]
        row = [f"**{name}**" if name == against else name]
        row.append(f"{rms['rmse']:.4f} ± {of_arm['spread'].get('rmse', np.nan):.4f}")
        change = rms["rmse"] - figures[against]["rms"]["rmse"]
        interval = difference["rmse"]
        row.append(f"{change:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]")
        change = rms["rmse"] - figures[of_arm["against_plain"]]["rms"]["rmse"]
        interval = of_arm["difference_from_plain"]["rmse"]
        row.append(f"{change:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]")
        for key, _ in SHOWN[1:]:
            ratio = rms[key] / figures[against]["rms"][key]
            interval = difference[key]
            bounds = f"[{interval['ratio_low']:.2f}, {interval['ratio_high']:.2f}]"
            row.append(f"{rms[key]:.4f} ({ratio:.2f} {bounds})")
        row.append(f"{rms['violation']:.1e}")
        error = of_arm["calibration"]
        row.append(f"{error['reach']:.3f} / {error['conditional']:.3f}")
        precision = of_arm["precision"]["structurally 0"]
        row.append(" / ".join(_figure(precision[str(recall)]) for recall in (0.5, 0.9)))
        if FLOOR in figures:
            row.append(f"{rms['rmse'] - figures[FLOOR]['rms']['rmse']:.4f}")
        lines.append(row)
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    note = (
        f"{n_seeds} seeds, each testing on another fifth of the galaxies. Differences and ratios "
        f"are from **{against}**, the flat arm that does best on validation galaxies; of those "
        f"without a tree it is {first['against_plain']}. Intervals resample seeds and galaxies, "
        "both arms alike."
    )
    return f"{text}\n\n{note}\n\n{_table_by_question(figures)}"


def _table_by_question(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """RMSE of every measured question, with the interval of its ratio to the best flat arm."""
    against = next(iter(figures.values()))["against"]
    figures_of_best = figures[against]["rms"]
    sums = {key for key, _ in SHOWN} | {"violation"}
    questions = [name for name in figures_of_best if name not in sums]
    lines = [["arm", *questions], ["---"] * (1 + len(questions))]
    for name, of_arm in figures.items():
        row = [f"**{name}**" if name == against else name]
        for question in questions:
            ratio = of_arm["rms"][question] / figures_of_best[question]
            interval = of_arm["difference"][question]
            bounds = f"[{interval['ratio_low']:.2f}, {interval['ratio_high']:.2f}]"
            row.append(f"{of_arm['rms'][question]:.4f} ({ratio:.2f} {bounds})")
        lines.append(row)
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"RMSE by question (ratio [95 %]):\n\n{table}"


def plot_intervals(figures: Mapping[str, Mapping[str, Any]], file: Path) -> None:
    """Draw, for every arm, the ratio of its root mean squares to those of the best flat arm."""
    against = next(iter(figures.values()))["against"]
    names = [name for name in figures if not name.startswith(("mean", "true"))][::-1]
    columns = [(key, title) for key, title in SHOWN if key != "voteless"]
    figure, axes = plt.subplots(
        1, len(columns), figsize=(11, 1.2 + 0.27 * len(names)), sharey=True, layout="constrained"
    )
    ends = np.array(
        [
            [figures[name]["difference"][key][end] for end in ("ratio_low", "ratio_high")]
            for name in names
            for key, _ in columns
        ]
    )
    limits = max(0.6, ends.min() - 0.01), min(1.6, ends.max() + 0.01)
    for axis, (key, title) in zip(axes, columns, strict=True):
        for place, name in enumerate(names):
            of_arm = figures[name]
            ratio = of_arm["rms"][key] / figures[against]["rms"][key]
            interval = of_arm["difference"][key]
            tree = of_arm["tree"]
            colour = "#0072B2" if tree else "#D55E00"
            axis.plot([interval["ratio_low"], interval["ratio_high"]], [place, place], color=colour)
            axis.plot(ratio, place, "o" if tree else "s", color=colour, markersize=5)
        axis.axvline(1, color="0.5", linewidth=0.8)
        axis.set_xlim(*limits)
        axis.set_title(TITLES.get(key, f"{title} labels"))
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    n = len(figures[against]["seeds"])
    figure.suptitle(
        f"Ratio to “{against}”, 95 % paired intervals, {n} seeds "
        "(circles: read out through the tree, squares: not; beyond 1.6 not shown)",
        fontsize=9,
    )
    figure.supxlabel("RMSE / that of the best flat arm", fontsize=9)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def plot_curves(
    curves: Mapping[int, Mapping[str, Mapping[str, Any]]], arms: Sequence[str], file: Path
) -> None:
    """Draw RMSE against the number of training galaxies, for the arms that all sizes have."""
    colours = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    sizes = sorted(curves)
    names = [name for name in arms if all(name in curves[size] for size in sizes)]
    for axis, (key, title) in zip(
        axes, (("rmse", "all labels"), ("null", "null labels")), strict=True
    ):
        for number, name in enumerate(names):
            values = [curves[size][name]["rms"][key] for size in sizes]
            spread = [curves[size][name]["spread"].get(key, np.nan) for size in sizes]
            # Beside one another, or their bars would hide each other.
            places = [size * 1.04 ** (number - 1) for size in sizes]
            axis.errorbar(
                places, values, spread, marker="os^Dv"[number], color=colours[number],
                markersize=5, capsize=2, label=name,
            )  # fmt: skip
        axis.set_xscale("log")
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.minorticks_off()
        axis.set_title(title)
        axis.set_xlabel("training galaxies")
        axis.set_ylabel("RMSE")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    seeds = [len(next(iter(curves[size].values()))["seeds"]) for size in sizes]
    words = f"{seeds[0]} seeds" if len(set(seeds)) == 1 else f"{', '.join(map(str, seeds))} seeds"
    figure.suptitle(f"Mean of {words}, bars: standard deviation over seeds", fontsize=9)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"
