"""The figures of a page, each drawn for light and for dark pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gz2tree import plots
from gz2tree.calibrationcurve import calibration_curve
from gz2tree.evaluation import conditional_answers
from gz2tree.labels import Labels
from gz2tree.report.galaxies import Galaxies
from gz2tree.scores import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THEMES = {"light": "default", "dark": "dark_background"}
"""Matplotlib's style for each of the page's colour schemes."""


def write_figures(
    folder: Path, galaxies: Galaxies, labels: Labels, report: Report
) -> dict[str, str]:
    """Draw all figures as SVG files, ``<name>-<theme>.svg``.

    Parameters
    ----------
    folder : Path
        An existing one.
    galaxies : Galaxies
    labels : Labels
        Of the same galaxies in the same order.
    report : Report
        On the same galaxies.

    Returns
    -------
    captions : dict of str to str
        What each figure shows, by its name.
    """
    from matplotlib import pyplot, rc_context

    cells = conditional_answers(galaxies.predicted, labels)
    calibration = {"model": calibration_curve(*cells)}
    draw: dict[str, tuple[Callable[[Axes], object], str]] = {
        "calibration": (
            lambda axes: plots.plot_calibration(axes, calibration, f"{len(galaxies):,} galaxies"),
            "Calibration: how often volunteers gave an answer, against how probable the model "
            "called it, among those asked.",
        ),
        "agreement": (
            lambda axes: plots.plot_agreement(axes, galaxies.predicted, labels),
            "Predicted against voted probability of every answer that somebody chose.",
        ),
        "null_rmse": (
            lambda axes: plots.plot_null_rmse(axes, {"model": report}, galaxies.tree),
            "Error on the labels that are exactly 0, question by question.",
        ),
    }
    for theme, style in THEMES.items():
        for name, (plot, _) in draw.items():
            with pyplot.style.context(style), rc_context({"svg.hashsalt": name}):
                figure, axes = pyplot.subplots(figsize=(4.6, 4), layout="constrained")
                plot(axes)
                file = folder / f"{name}-{theme}.svg"
                figure.savefig(file, transparent=True, metadata={"Date": None})
                pyplot.close(figure)
    return {name: caption for name, (_, caption) in draw.items()}
