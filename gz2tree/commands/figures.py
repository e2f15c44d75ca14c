"""The command ``plot``: which figures there are, and how they are written to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gz2tree import plots
from gz2tree.commands import figures_of_data as of_data
from gz2tree.commands import figures_of_predictions as of_predictions
from gz2tree.commands.sources import Sources
from gz2tree.config import FigureOptions
from gz2tree.config.choices import FigureName
from gz2tree.tree import DecisionTree
from gz2tree.wholefiles import appearing, check_place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")
_DPI = 150


def save_figure(name: FigureName, out: Path, sources: Sources, shown: FigureOptions) -> None:
    """Draw a figure from files, into a file.

    Parameters
    ----------
    name : str
    out : Path
        ``.png``, ``.pdf`` or ``.svg``.
    sources : Sources
    shown : FigureOptions

    Raises
    ------
    InputError
        Another format, a folder that does not exist, sources that the figure needs and that are
        not given, and whatever is wrong with those that are.
    """
    check_place(out, _SUFFIXES)
    _write(_FIGURES[name](sources, shown), out)


def save_tree(tree: DecisionTree, out: Path) -> None:
    """Draw a tree without probabilities into a file; the parameters are as in `save_figure`."""
    check_place(out, _SUFFIXES)
    figure = plots.tree_figure(tree, None)
    title = f"{tree.name}: {len(tree.questions)} questions, {len(tree)} answers"
    plots.plot_tree(figure.subplots(), tree, None, title)
    _write(figure, out)


def _write(figure: Figure, out: Path) -> None:
    """Write a figure, all of it or nothing, and name the file."""
    with appearing(out) as partial:
        figure.savefig(partial, dpi=_DPI, bbox_inches="tight")
    print(out)


_FIGURES: dict[FigureName, Callable[[Sources, FigureOptions], Figure]] = {
    "correlations": of_data.correlations_figure,
    "examples": of_data.examples_figure,
    "cutouts": of_data.cutouts_figure,
    "history": of_data.history_figure,
    "scatter": of_predictions.scatter_figure,
    "agreement": of_predictions.agreement_figure,
    "calibration": of_predictions.calibration_figure,
    "null": of_predictions.null_figure,
    "by": of_predictions.by_figure,
    "purity": of_predictions.purity_figure,
    "galaxies": of_predictions.galaxies_figure,
    "tree": of_predictions.tree_figure,
}
