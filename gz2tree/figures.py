"""The command ``plot``: from files to a figure in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gz2tree import plots
from gz2tree.analysis import calibration_curve, correlations, pair_counts
from gz2tree.binned import evaluate_by
from gz2tree.config import FigureOptions
from gz2tree.config.choices import FigureName
from gz2tree.errors import InputError, first_few
from gz2tree.evaluation import conditional_answers, evaluate
from gz2tree.flags import read_flags
from gz2tree.graph import DecisionGraph
from gz2tree.matching import align, which_have
from gz2tree.purity import purity_completeness
from gz2tree.quantities import APPARENT_SIZE, read_quantity
from gz2tree.run import RunDirectory
from gz2tree.sources import (
    Sources,
    compare,
    compare_one,
    labels_of,
    needed,
    open_one,
    read_cutouts,
    short_names,
    tree_values,
)
from gz2tree.store import open_images
from gz2tree.tables import read_table, table_columns
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")
_DPI = 150
_EXAMPLES, _CUTOUTS, _PATHS, _SCATTERED = 4, 24, 16, 1000


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
    _FIGURES[name](sources, shown).savefig(out, dpi=_DPI, bbox_inches="tight")
    print(out)


def save_tree(tree: DecisionTree, out: Path) -> None:
    """Draw a tree without probabilities into a file; the parameters are as in `save_figure`."""
    _check_file(out)
    figure = _tree_figure(tree)
    title = f"{tree.name}: {len(tree.questions)} questions, {len(tree)} answers"
    plots.plot_tree(figure.subplots(), tree, None, title)
    figure.savefig(out, dpi=_DPI, bbox_inches="tight")
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
    figure = _figure(side + 1.5, side)
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
    rows = sorted({row for of_answer in best.values() for row in of_answer})
    cutouts = read_cutouts(source, list(labels.ids[rows]))
    examples = {}
    for answer, of_answer in best.items():
        read = [row for row in of_answer if labels.ids[row] in cutouts]
        if read:
            images = np.stack([cutouts[labels.ids[row]] for row in read])
            examples[answer] = images, labels.cumulative[read, answer].tolist()
    title = f"Most voted for, of {len(labels):,} galaxies, and the cumulative probability"
    columns = min(6, len(examples))
    figure = _figure(1.9 * columns, 2.35 * -(-len(examples) // columns) + 0.4)
    return plots.draw_examples(figure, labels.tree, examples, title, columns)


def _cutouts(sources: Sources, shown: FigureOptions) -> Figure:
    source = open_images(needed(sources, "images"))
    n = min(shown.n or _CUTOUTS, len(source))
    chosen = np.random.default_rng(shown.seed).choice(source.ids, n, replace=False)
    cutouts = read_cutouts(source, list(chosen))
    columns = int(np.ceil(np.sqrt(1.5 * len(cutouts))))
    rows = -(-len(cutouts) // columns)
    figure = _figure(1.4 * columns, 1.4 * rows + 0.3)
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
    return plots.draw_history(_figure(13, 4), histories)


def _scatter(sources: Sources, shown: FigureOptions) -> Figure:
    predicted, labels = align(*compare_one(sources))
    n = shown.n or _SCATTERED
    if shown.answer is None:
        measured = int(labels.measured.any(0).sum())
        columns = min(6, measured)
        figure = _figure(2 * columns + 0.4, 2.2 * -(-measured // columns) + 1)
        return plots.draw_scatter(figure, predicted, labels, n, shown.seed, columns)
    answer = labels.tree.find_answer(shown.answer)
    if not labels.measured[:, answer].any():
        raise InputError(f"answer {shown.answer!r}: expected votes to compare with, found none")
    figure = _figure(5, 5)
    rows = plots.sample_rows(len(labels), n, shown.seed)
    axes = plots.plot_scatter(figure.subplots(), predicted[rows], labels.take(rows), answer)
    axes.legend(fontsize=7, loc="lower right")
    return figure


def _calibration(sources: Sources, shown: FigureOptions) -> Figure:
    curves = {}
    for name, (predictions, labels) in compare(sources).items():
        predicted, labels = align(predictions, labels)
        cells = conditional_answers(DecisionGraph(labels.tree), predicted, labels)
        curves[name] = calibration_curve(*cells)
    figure = _figure(5.5, 6.3)
    title = f"Conditional probabilities by reach, {len(labels):,} galaxies"
    plots.plot_calibration(figure.subplots(), curves, title)
    return figure


def _agreement(sources: Sources, shown: FigureOptions) -> Figure:
    figure = _figure(5.8, 5)
    plots.plot_agreement(figure.subplots(), *align(*compare_one(sources)))
    return figure


def _null(sources: Sources, shown: FigureOptions) -> Figure:
    reports = {}
    for name, (predictions, labels) in compare(sources).items():
        reports[name] = evaluate(predictions, labels)
    figure = _figure(8, 4.5)
    plots.plot_null_rmse(figure.subplots(), reports, labels.tree)
    return figure


def _by(sources: Sources, shown: FigureOptions) -> Figure:
    if shown.by is None:
        raise InputError(f"--by: expected a column of the labels or {APPARENT_SIZE}, found none")
    table = needed(sources, "labels")
    opened = open_one(sources)
    if shown.by == APPARENT_SIZE and opened.images is not None:
        opened = opened.with_images()
    assert opened.labels is not None
    answer = opened.tree.find_answer(shown.answer or opened.tree.columns[0])
    id_column = sources.label_options.id_column
    quantity = read_quantity(shown.by, table, opened.labels, opened.images, id_column)
    predictions = opened.predict(sources.options)
    column, label = opened.tree.columns[answer], opened.tree.answers[answer].label
    binned = evaluate_by(predictions, opened.labels, quantity, column, shown.bins)
    measured = "apparent half-light radius (pixels of the original image)"
    name = measured if shown.by == APPARENT_SIZE else shown.by
    figure = _figure(6.4, 4.8)
    plots.plot_by(figure.subplots(), binned, name, label)
    return figure


def _purity(sources: Sources, shown: FigureOptions) -> Figure:
    if shown.flag is None:
        raise InputError("--flag: expected ANSWER=THRESHOLD, as in merger=0.4, found none")
    needed(sources, "labels")
    opened = open_one(sources)
    assert opened.labels is not None
    (flag,) = read_flags([shown.flag], opened.tree)
    column, label = opened.tree.columns[flag.answer], opened.tree.answers[flag.answer].label
    predictions = opened.predict(sources.options)
    _, labels = align(predictions, opened.labels)
    curve = purity_completeness(predictions, labels, column, flag.threshold)
    votes = labels.cumulative[:, flag.answer]
    title = (
        f"Flag {label!r}: of {np.isfinite(votes).sum():,} galaxies, volunteers flag "
        f"{(votes >= flag.threshold).sum():,} (at least {flag.threshold:g})"
    )
    figure = _figure(6.4, 4.8)
    plots.plot_purity_completeness(figure.subplots(), curve, title, flag.threshold)
    return figure


def _galaxies(sources: Sources, shown: FigureOptions) -> Figure:
    needed(sources, "images")
    opened = replace(open_one(sources), labels=None).with_images()
    assert opened.images is not None
    chosen = plots.sample_rows(len(opened.ids), shown.n or _PATHS, shown.seed)
    ids = [shown.galaxy] if shown.galaxy is not None else opened.ids[chosen].tolist()
    cutouts = read_cutouts(opened.images, ids)
    predictions = opened.take(list(cutouts)).predict(sources.options)
    predictions[opened.untrained] = np.nan
    predictions = predictions.set_index(opened.tree.id_column).loc[list(cutouts)]
    values = predictions[list(opened.tree.columns)].to_numpy(np.float64)
    columns = min(4, len(cutouts))
    figure = _figure(2.75 * columns, 3.7 * -(-len(cutouts) // columns))
    images, titles = list(cutouts.values()), list(cutouts)
    return plots.draw_galaxies(figure, images, opened.tree, values, titles, columns)


def _tree(sources: Sources, shown: FigureOptions) -> Figure:
    tree, filled, voted, n = tree_values(sources, shown.galaxy)
    named = "galaxy" if n == 1 else "galaxies"
    of_whom = f"mean of {n:,} {named}" if shown.galaxy is None else f"galaxy {shown.galaxy}"
    title = f"{tree.name}, {of_whom}: branches as thick as their cumulative probability"
    if shown.galaxy is None or sources.images is None:
        figure = _tree_figure(tree)
        plots.plot_tree(figure.subplots(), tree, filled, title, voted)
        return figure
    cutout = read_cutouts(open_images(sources.images), [shown.galaxy])[shown.galaxy]
    wide, high = _tree_figure(tree).get_size_inches()
    figure = _figure(1.2 * wide, high)
    return plots.draw_galaxy_tree(figure, cutout, tree, filled, title, voted)


_FIGURES: dict[FigureName, Callable[[Sources, FigureOptions], Figure]] = {
    "correlations": _correlations,
    "examples": _examples,
    "cutouts": _cutouts,
    "history": _history,
    "scatter": _scatter,
    "agreement": _agreement,
    "calibration": _calibration,
    "null": _null,
    "by": _by,
    "purity": _purity,
    "galaxies": _galaxies,
    "tree": _tree,
}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _tree_figure(tree: DecisionTree) -> Figure:
    """Wide enough for the levels of a tree, and high enough for the answers of one."""
    return _figure(3.25 * max(2, len(tree.levels)), 0.8 + 0.29 * plots.layout_tree(tree).height)


def _question(tree: DecisionTree, name: str) -> int:
    names = [question.name for question in tree.questions]
    for known in (tree.question_columns, names):
        if name in known:
            return known.index(name)
    raise InputError(
        f"question: expected one of {', '.join(tree.question_columns)}, found {name!r}"
    )
