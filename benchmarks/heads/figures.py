"""Figures of the comparison of the arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from heads.report import SHOWN

mpl.use("Agg")
from matplotlib import pyplot as plt

TITLES = {"rmse": "all labels", "null": "null labels", "structural": "structural null labels"}


def plot_intervals(scores: Mapping[str, Mapping[str, Any]], file: Path) -> None:
    """Draw, for every arm, the ratio of its root mean squares to those of the best flat arm."""
    against = next(iter(scores.values()))["against"]
    names = [name for name, of_arm in scores.items() if of_arm["head"] != "none"][::-1]
    columns = [(key, title) for key, title in SHOWN if key != "voteless"]
    figure, axes = plt.subplots(
        1, len(columns), figsize=(11, 1.2 + 0.27 * len(names)), sharey=True, layout="constrained"
    )
    ends = np.array(
        [
            [scores[name]["difference"][key][end] for end in ("ratio_low", "ratio_high")]
            for name in names
            for key, _ in columns
        ]
    )
    limits = max(0.6, ends.min() - 0.01), min(1.6, ends.max() + 0.01)
    for axis, (key, title) in zip(axes, columns, strict=True):
        for place, name in enumerate(names):
            of_arm = scores[name]
            ratio = of_arm["rms"][key] / scores[against]["rms"][key]
            interval = of_arm["difference"][key]
            tree = of_arm["tree"]
            colour = "#0072B2" if tree else "#D55E00"
            axis.plot([interval["ratio_low"], interval["ratio_high"]], [place, place], color=colour)
            axis.plot(ratio, place, "o" if tree else "s", color=colour, markersize=5)
        axis.axvline(1, color="0.5", linewidth=0.8)
        axis.set_xlim(*limits)
        axis.set_title(TITLES.get(key, f"{title} labels"))
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    n = len(scores[against]["seeds"])
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
