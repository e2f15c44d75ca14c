"""The command ``plot``: from files to a figure in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gz2tree import plots
from gz2tree.analysis import correlations, pair_counts
from gz2tree.commands.comparisons import (
    agreement_figure,
    by_figure,
    calibration_figure,
    null_figure,
    purity_figure,
    scatter_figure,
)
from gz2tree.commands.sources import (
    Sources,
    labels_of,
    needed,
    open_one,
    short_names,
    tree_values,
)
from gz2tree.config import FigureOptions
from gz2tree.config.choices import FigureName
from gz2tree.errors import InputError, first_few
from gz2tree.images.byid import cutouts_by_id
from gz2tree.labelling.matching import which_have
from gz2tree.plots import new_figure
from gz2tree.runs.run import RunDirectory
from gz2tree.store import open_images
from gz2tree.tables.files import read_table, table_columns
from gz2tree.tree import DecisionTree
from gz2tree.wholefiles import appearing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")
_DPI = 150
_EXAMPLES, _CUTOUTS, _PATHS = 4, 24, 16


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
    _check_file(out)
    _write(_FIGURES[name](sources, shown), out)


def save_tree(tree: DecisionTree, out: Path) -> None:
    """Draw a tree without probabilities into a file; the parameters are as in `save_figure`."""
    _check_file(out)
    figure = plots.tree_figure(tree, None)
    title = f"{tree.name}: {len(tree.questions)} questions, {len(tree)} answers"
    plots.plot_tree(figure.subplots(), tree, None, title)
    _write(figure, out)


def _write(figure: Figure, out: Path) -> None:
    """Write a figure, all of it or nothing, and name the file."""
    with appearing(out) as partial:
        figure.savefig(partial, dpi=_DPI, bbox_inches="tight")
    print(out)


def _check_file(out: Path) -> None:
    if out.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{out}: expected a file ending in {', '.join(_SUFFIXES)}")
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"{out}: expected a file in an existing folder")


def _correlations(sources: Sources, shown: FigureOptions) -> Figure:
    labels = labels_of(sources)
    tree = labels.tree
    question = None if shown.question is None else _question(tree, shown.question)
    coefficients = correlations(labels, shown.what)
    n = len(tree.questions[question]) if question is not None else coefficients.notna().any().sum()
    side = 4.5 + 0.24 * n
    figure = new_figure(side + 1.5, side)
    title = f"{shown.what.capitalize()} probabilities of answers"
    if question is not None:
        title = f"{tree.questions[question].label}\n{shown.what} probabilities"
    counts = pair_counts(labels, shown.what)
    plots.plot_correlations(figure.subplots(), coefficients, counts, tree, title, question)
    return figure


def _examples(sources: Sources, shown: FigureOptions) -> Figure:
    source = open_images(needed(sources, "images"))
    labels = labels_of(sources, source.ids)
    labels = labels.take(which_have(labels.ids, source.ids, galaxies="labelled", what="image"))
    best: dict[int, list[int]] = {}
    for answer in np.flatnonzero(np.nansum(labels.cumulative, axis=0) > 0).tolist():
        votes = np.nan_to_num(labels.cumulative[:, answer])
        order = np.argsort(-votes, kind="stable")[: shown.n or _EXAMPLES]
        best[answer] = [row for row in order.tolist() if votes[row] > 0]
    if not best:
        raise InputError("examples: expected answers that somebody chose, found none")
    rows = sorted({row for of_answer in best.values() for row in of_answer})
    cutouts = cutouts_by_id(source, list(labels.ids[rows]))
    examples = {}
    for answer, of_answer in best.items():
        read = [row for row in of_answer if labels.ids[row] in cutouts]
        if read:
            images = np.stack([cutouts[labels.ids[row]] for row in read])
            examples[answer] = images, labels.cumulative[read, answer].tolist()
    title = f"Most voted for, of {len(labels):,} galaxies, and the cumulative probability"
    columns = min(6, len(examples))
    figure = new_figure(1.9 * columns, 2.35 * -(-len(examples) // columns) + 0.4)
    return plots.draw_examples(figure, labels.tree, examples, title, columns)


def _cutouts(sources: Sources, shown: FigureOptions) -> Figure:
    source = open_images(needed(sources, "images"))
    n = min(shown.n or _CUTOUTS, len(source))
    chosen = np.random.default_rng(shown.seed).choice(source.ids, n, replace=False)
    cutouts = cutouts_by_id(source, list(chosen))
    columns = int(np.ceil(np.sqrt(1.5 * len(cutouts))))
    rows = -(-len(cutouts) // columns)
    figure = new_figure(1.4 * columns, 1.4 * rows + 0.3)
    cut = source.options
    title = (
        f"{len(cutouts):,} of {len(source):,} galaxies: the central {cut.crop} pixels of the "
        f"images, scaled to {cut.size}"
    )
    images = np.stack(list(cutouts.values()))
    plots.plot_cutouts(figure.subplots(), images, title, list(cutouts), columns)
    return figure


def _history(sources: Sources, shown: FigureOptions) -> Figure:
    if not sources.runs:
        raise InputError("--runs: expected run directories, found none")
    histories = {}
    columns = ["epoch", "train_loss", "valid_loss", "valid_rmse", "learning_rate"]
    for name, path in zip(short_names(list(map(str, sources.runs))), sources.runs, strict=True):
        file = RunDirectory(path).history
        missing = sorted(set(columns) - set(table_columns(file)))
        if missing:
            raise InputError(f"{file}: expected column {first_few(missing)}, found none")
        histories[name] = read_table(file, columns, ids=[])
    return plots.draw_history(new_figure(13, 4), histories)


def _galaxies(sources: Sources, shown: FigureOptions) -> Figure:
    needed(sources, "images")
    opened = replace(open_one(sources), labels=None).with_images()
    assert opened.images is not None
    chosen = plots.sample_rows(len(opened.ids), shown.n or _PATHS, shown.seed)
    ids = [shown.galaxy] if shown.galaxy is not None else opened.ids[chosen].tolist()
    cutouts = cutouts_by_id(opened.images, ids)
    predictions = opened.take(list(cutouts)).predict(sources.options)
    predictions[opened.untrained] = np.nan
    predictions = predictions.set_index(opened.tree.id_column).loc[list(cutouts)]
    values = predictions[list(opened.tree.columns)].to_numpy(np.float64)
    columns = min(4, len(cutouts))
    figure = new_figure(2.75 * columns, 3.7 * -(-len(cutouts) // columns))
    images, titles = list(cutouts.values()), list(cutouts)
    return plots.draw_galaxies(figure, images, opened.tree, values, titles, columns)


def _tree(sources: Sources, shown: FigureOptions) -> Figure:
    tree, filled, voted, n = tree_values(sources, shown.galaxy)
    named = "galaxy" if n == 1 else "galaxies"
    of_whom = f"mean of {n:,} {named}" if shown.galaxy is None else f"galaxy {shown.galaxy}"
    title = f"{tree.name}, {of_whom}: branches as thick as their cumulative probability"
    if shown.galaxy is None or sources.images is None:
        figure = plots.tree_figure(tree, filled, voted, shown.least_reach)
        plots.plot_tree(figure.subplots(), tree, filled, title, voted, shown.least_reach)
        return figure
    cutout = cutouts_by_id(open_images(sources.images), [shown.galaxy])[shown.galaxy]
    figure = plots.tree_figure(tree, filled, voted, shown.least_reach, cutout=True)
    least = shown.least_reach
    return plots.draw_galaxy_tree(figure, cutout, tree, filled, title, voted, least)


_FIGURES: dict[FigureName, Callable[[Sources, FigureOptions], Figure]] = {
    "correlations": _correlations,
    "examples": _examples,
    "cutouts": _cutouts,
    "history": _history,
    "scatter": scatter_figure,
    "agreement": agreement_figure,
    "calibration": calibration_figure,
    "null": null_figure,
    "by": by_figure,
    "purity": purity_figure,
    "galaxies": _galaxies,
    "tree": _tree,
}


def _question(tree: DecisionTree, name: str) -> int:
    names = [question.name for question in tree.questions]
    for known in (tree.question_columns, names):
        if name in known:
            return known.index(name)
    raise InputError(
        f"question: expected one of {', '.join(tree.question_columns)}, found {name!r}"
    )
