"""The figures of a report, each drawn for light and for dark pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gz2tree.evaluation import Report
from gz2tree.graph import DecisionGraph
from gz2tree.plots import COLOURS, plot_null_rmse
from gz2tree.report.galaxies import Galaxies

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THEMES = {"light": "default", "dark": "dark_background"}
"""Matplotlib's style for each of the page's colour schemes."""

_BINS = 10


def write_figures(folder: Path, galaxies: Galaxies, report: Report) -> dict[str, str]:
    """Draw all figures as SVG files, ``<name>-<theme>.svg``.

    Parameters
    ----------
    folder : Path
        An existing one.
    galaxies : Galaxies
        With labels.
    report : Report
        On the same galaxies.

    Returns
    -------
    captions : dict of str to str
        What each figure shows, by its name.
    """
    from matplotlib import pyplot, rc_context

    draw: dict[str, tuple[Callable[[Axes], object], str]] = {
        "calibration": (
            lambda axes: plot_calibration(axes, galaxies),
            "Calibration: how often volunteers gave an answer, against how probable the model "
            "called it, among those asked.",
        ),
        "agreement": (
            lambda axes: plot_agreement(axes, galaxies),
            "Predicted against voted probability of every measured answer.",
        ),
        "null_rmse": (
            lambda axes: plot_null_rmse(axes, {"model": report}),
            "Error on the labels that are exactly 0, question by question.",
        ),
    }
    for theme, style in THEMES.items():
        for name, (plot, _) in draw.items():
            with pyplot.style.context(style), rc_context({"svg.hashsalt": name}):
                figure, axes = pyplot.subplots(figsize=(4.6, 3.6), layout="constrained")
                plot(axes)
                file = folder / f"{name}-{theme}.svg"
                figure.savefig(file, transparent=True, metadata={"Date": None})
                pyplot.close(figure)
    return {name: caption for name, (_, caption) in draw.items()}


def plot_calibration(axes: Axes, galaxies: Galaxies) -> Axes:
    """Mean voted against mean predicted conditional probability, in bins, weighted by reach."""
    assert galaxies.labels is not None
    graph, labels = DecisionGraph(galaxies.tree), galaxies.labels
    predicted = graph.condition(torch.from_numpy(galaxies.predicted)).numpy().clip(0, 1)
    voted = graph.condition(torch.from_numpy(labels.cumulative)).numpy().clip(0, 1)
    weight = labels.reach[:, list(galaxies.tree.question_of)]
    known = ~np.isnan(predicted + voted + weight)
    predicted, voted, weight = predicted[known], voted[known], weight[known]
    of_bin = np.minimum((predicted * _BINS).astype(int), _BINS - 1)
    total = np.bincount(of_bin, weight, _BINS)
    filled = total > 0
    means = [
        np.bincount(of_bin, weight * v, _BINS)[filled] / total[filled] for v in (predicted, voted)
    ]
    axes.plot([0, 1], [0, 1], linestyle="--", linewidth=1, color="grey", label="perfect")
    axes.plot(*means, marker="o", color=COLOURS[0], label="answers, by reach")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("predicted probability, if asked")
    axes.set_ylabel("voted probability, if asked")
    axes.set_title(f"Calibration ({len(galaxies):,} galaxies)", fontsize=9)
    axes.legend(fontsize=8)
    return axes


def plot_agreement(axes: Axes, galaxies: Galaxies) -> Axes:
    """Count pairs of predicted and voted cumulative probabilities; null labels are left out."""
    assert galaxies.labels is not None
    shown = galaxies.labels.measured & ~galaxies.labels.null
    voted = galaxies.labels.cumulative[shown]
    axes.plot([0, 1], [0, 1], linestyle="--", linewidth=1, color="grey")
    pairs = axes.hexbin(
        voted, galaxies.predicted[shown], gridsize=30, extent=(0, 1, 0, 1), bins="log",
        mincnt=1, cmap="cividis", linewidths=0.1,
    )  # fmt: skip
    axes.figure.colorbar(pairs, ax=axes, label="answers")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("voted probability")
    axes.set_ylabel("predicted probability")
    axes.set_title(f"Answers with votes ({shown.sum():,})", fontsize=9)
    return axes
