"""How far debiased fractions are from the votes themselves, in a catalogue that has both.

Takes seconds. Expect a table of the answers that debiasing moves most, and a figure:

    python examples/raw_or_debiased.py --catalogue table5.csv.gz --out raw_or_debiased.png
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

import gz2tree
from gz2tree.plots import COLOURS, new_figure
from gz2tree.plots.style import answer_names

RAW, DEBIASED = "weighted_fraction", "debiased"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--answer", default="a02_features_or_disk", help="shown for each galaxy")
    parser.add_argument("--out", type=Path, help="figure to be written")
    args = parser.parse_args()

    tree = gz2tree.GZ2
    raw = gz2tree.read_labels(args.catalogue, tree, RAW)
    debiased = gz2tree.read_labels(args.catalogue, tree, DEBIASED)
    difference = debiased.cumulative - raw.cumulative
    table = pd.DataFrame(
        {
            "raw": np.nanmean(raw.cumulative, 0),
            "debiased": np.nanmean(debiased.cumulative, 0),
            "RMS difference": np.sqrt(np.nanmean(difference**2, 0)),
        },
        index=answer_names(tree),
    )
    print(table.sort_values("RMS difference", ascending=False).head(12).round(3).to_string())
    overall = np.sqrt(np.nanmean(difference**2))
    print(f"RMS difference over {len(raw):,} galaxies and {len(tree)} answers: {overall:.3f}")
    if args.out is None:
        return
    figure = new_figure(13, 7)
    left, right = figure.subplots(1, 2)
    answer = tree.find_answer(args.answer)
    plot_galaxies(left, raw.cumulative[:, answer], debiased.cumulative[:, answer])
    left.set_title(f"{tree.answers[answer].label} (n = {len(raw):,})")
    plot_means(right, table)
    figure.savefig(args.out, dpi=80)


def plot_galaxies(axes: Axes, raw: np.ndarray, debiased: np.ndarray) -> None:
    """Count galaxies by both fractions."""
    shown = axes.hexbin(raw, debiased, gridsize=40, bins="log", cmap="viridis", mincnt=1)
    axes.plot([0, 1], [0, 1], color=COLOURS[4], linewidth=2, label="no debiasing")
    axes.set(xlabel="fraction of the votes", ylabel="debiased fraction", aspect="equal")
    axes.legend(loc="lower right")
    axes.figure.colorbar(shown, ax=axes, label="galaxies", shrink=0.8)


def plot_means(axes: Axes, table: pd.DataFrame) -> None:
    """Compare the means of every answer."""
    rows = np.arange(len(table))[::-1]
    axes.hlines(rows, table["raw"], table["debiased"], color="0.7")
    axes.plot(table["raw"], rows, "o", color=COLOURS[0], markersize=5, label="votes")
    axes.plot(table["debiased"], rows, "D", color=COLOURS[4], markersize=5, label="debiased")
    axes.set_yticks(rows, table.index, fontsize=8)
    axes.set(xlabel="mean cumulative probability", title="all answers")
    axes.legend()


if __name__ == "__main__":
    main()
