"""Draw the two figures of docs/concepts.md: three probabilities of a galaxy, and what a gate does.

gz2tree simulate sky --n 24 --seed 0
gz2tree predict --images sky/images --out plain.parquet
gz2tree predict --images sky/images --out gated.parquet --gate 0.01
python docs/figures/concepts.py sky plain.parquet gated.parquet docs/figures
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gz2tree import GZ2_KAGGLE as TREE
from gz2tree import DecisionGraph, read_labels
from gz2tree.plots.style import COLOURS, new_figure
from gz2tree.treetext import answer_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACE_ON, SMOOTH = "100000", "100007"
SHOWN = [
    "smooth", "features or disk", "a04_yes", "a05_no", "bar", "no bar", "spiral", "no spiral",
    "tight", "a32_2", "a37_cant_tell",
]  # fmt: skip
ARMS = {"2": "2 arms", "can't tell": "can't tell how many"}
ZERO, LEAST = 3e-6, 1e-5  # where 0 stands on a logarithmic axis, and what stands beside it


def main(sky: Path, plain: Path, gated: Path, out: Path) -> None:
    """Draw both figures."""
    three_probabilities(sky / "images", plain, out / "concepts_three.png")
    gate(sky / "labels.csv", plain, gated, out / "concepts_gate.png")


def values_of(table: Path, galaxy: str) -> NDArray[np.float64]:
    """Cumulative probabilities of a galaxy; shape (n_answers,)."""
    labels = read_labels(table, TREE, predicted=True)
    return labels.cumulative[labels.ids.tolist().index(galaxy)]


def three_probabilities(images: Path, table: Path, file: Path) -> None:
    """Reach, conditional and cumulative probability of some answers, side by side."""
    graph, cumulative = DecisionGraph(TREE), torch.from_numpy(values_of(table, FACE_ON))
    reach = graph.reach(cumulative)[graph.question_of]
    columns = {
        "reach\n(the question is asked)": reach,
        "× conditional\n(this answer, if asked)": graph.condition(cumulative),
        "= cumulative\n(asked, and this answer)": cumulative,
    }
    answers = [TREE.find_answer(name) for name in SHOWN]
    named = [answer_name(TREE, answer) for answer in answers]
    figure = new_figure(7.4, 4.2)
    picture, *panels = figure.subplots(1, 4, width_ratios=[0.45, 1, 1, 1])
    (path,) = images.glob(f"{FACE_ON}.*")
    picture.imshow(np.asarray(Image.open(path))[132:-132, 132:-132])
    picture.set_title(f"galaxy\n{FACE_ON}", fontsize=9)
    picture.set_axis_off()
    for number, (axes, (title, values)) in enumerate(zip(panels, columns.items(), strict=True)):
        shown = values[answers].numpy()
        axes.barh(range(len(answers)), shown, color=COLOURS[number], alpha=0.8)
        for row, value in enumerate(shown):
            axes.text(value + 0.03, row, f"{value:.3f}", va="center", fontsize=9)
        axes.set_title(title, fontsize=9)
        axes.set(xlim=(0, 1.36), ylim=(len(answers) - 0.5, -0.5), xticks=(0, 0.5, 1))
        names = [ARMS.get(name, name) for name in named] if number == 0 else []
        axes.set_yticks(range(len(names)), names, fontsize=9)
    figure.savefig(file, dpi=150)


def gate(votes: Path, plain: Path, gated: Path, file: Path) -> None:
    """All answers of a smooth galaxy: voted, predicted, and predicted with a gate."""
    figure = new_figure(7.4, 7.6)
    axes = figure.subplots()
    rows = np.arange(len(TREE))
    given = {
        "voted": (votes, {"marker": "s", "s": 62, "facecolors": "none", "edgecolors": COLOURS[1]}),
        "predicted": (plain, {"marker": "o", "s": 26, "color": COLOURS[5]}),
        "predicted with --gate 0.01": (gated, {"marker": "x", "s": 34, "color": COLOURS[6]}),
    }
    for name, (table, style) in given.items():
        values = values_of(table, SMOOTH)
        places = np.where(values > 0, np.maximum(values, LEAST), ZERO)
        axes.scatter(places, rows, label=name, linewidths=1.4, **style)
    _axis_with_zero(axes)
    for number, answers in enumerate(TREE.slices):
        if number % 2:
            axes.axhspan(answers.start - 0.5, answers.stop - 0.5, color="0.94", zorder=0)
        axes.text(1.35, (answers.start + answers.stop - 1) / 2, TREE.questions[number].label,
                  fontsize=8, va="center", color="0.35")  # fmt: skip
    axes.set_yticks(rows, [answer.label for answer in TREE.answers], fontsize=8.5)
    axes.set_ylim(len(TREE) - 0.5, -0.5)
    figure.legend(loc="outside upper left", ncols=3, fontsize=9, frameon=False)
    figure.savefig(file, dpi=150)


def _axis_with_zero(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlim(ZERO / 1.8, 1.2)
    ticks = [ZERO, 1e-4, 1e-3, 1e-2, 1e-1, 1]
    axes.set_xticks(ticks, ["exactly 0", "0.0001", "0.001", "0.01", "0.1", "1"], fontsize=9)
    axes.minorticks_off()
    axes.axvspan(axes.get_xlim()[0], 6e-6, color=COLOURS[5], alpha=0.15, zorder=0)
    axes.axvline(0.01, color="0.4", linestyle=":", linewidth=1)
    axes.set_xlabel("cumulative probability", fontsize=9)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
