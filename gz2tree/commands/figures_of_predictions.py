"""Figures of predictions, alone or against labels, for the command ``plot``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gz2tree import plots
from gz2tree.calibrationcurve import calibration_curve
from gz2tree.catalogues.flags import read_flags
from gz2tree.commands.sources import (
    Sources,
    compare,
    compare_one,
    needed,
    open_one,
    tree_values,
)
from gz2tree.config import FigureOptions
from gz2tree.errors import InputError
from gz2tree.evaluation import conditional_answers, evaluate
from gz2tree.images.byid import cutouts_by_id
from gz2tree.labelling.matching import align
from gz2tree.plots import new_figure
from gz2tree.science.binned import evaluate_by
from gz2tree.science.purity import purity_completeness
from gz2tree.science.quantities import APPARENT_SIZE, read_quantity
from gz2tree.splits import sample_rows
from gz2tree.store import open_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCATTERED = 1000  # galaxies of a scatter plot
_PATHS = 16  # galaxies shown with their paths


def scatter_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw predicted against voted, galaxy by galaxy."""
    predicted, labels = align(*compare_one(sources))
    n = shown.n or _SCATTERED
    if shown.answer is None:
        measured = int(labels.measured.any(0).sum())
        columns = max(1, min(6, measured))
        figure = new_figure(2 * columns + 0.4, 2.2 * -(-measured // columns) + 1)
        return plots.draw_scatter(figure, predicted, labels, n, shown.seed, columns)
    answer = labels.tree.find_answer(shown.answer)
    if not labels.measured[:, answer].any():
        raise InputError(f"answer {shown.answer!r}: expected votes to compare with, found none")
    figure = new_figure(5, 5)
    rows = sample_rows(len(labels), n, shown.seed)
    axes = plots.plot_scatter(figure.subplots(), predicted[rows], labels.take(rows), answer)
    axes.legend(fontsize=7, loc="lower right")
    return figure


def calibration_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw mean vote by prediction."""
    curves = {}
    for name, (predictions, labels) in compare(sources).items():
        predicted, labels = align(predictions, labels)
        cells = conditional_answers(predicted, labels)
        curves[name] = calibration_curve(*cells)
    figure = new_figure(5.5, 6.3)
    title = f"Conditional probabilities by reach, {len(labels):,} galaxies"
    plots.plot_calibration(figure.subplots(), curves, title)
    return figure


def agreement_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw how often each pair of a voted and a predicted probability occurs."""
    figure = new_figure(5.8, 5)
    plots.plot_agreement(figure.subplots(), *align(*compare_one(sources)))
    return figure


def null_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw error of null labels by question."""
    reports = {}
    for name, (predictions, labels) in compare(sources).items():
        reports[name] = evaluate(predictions, labels)
    figure = new_figure(8, 4.5)
    plots.plot_null_rmse(figure.subplots(), reports, labels.tree)
    return figure


def by_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw error and mean answer by a quantity."""
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
    measured = "apparent half-light radius (pixels that the crop counts)"
    name = measured if shown.by == APPARENT_SIZE else shown.by
    figure = new_figure(6.4, 4.8)
    plots.plot_by(figure.subplots(), binned, name, label)
    return figure


def purity_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw purity and completeness of a flag."""
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
    figure = new_figure(6.4, 4.8)
    plots.plot_purity_completeness(figure.subplots(), curve, title, flag.threshold)
    return figure


def galaxies_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw galaxies with their most probable paths through the tree."""
    needed(sources, "images")
    opened = replace(open_one(sources), labels=None).with_images()
    assert opened.images is not None
    chosen = sample_rows(len(opened.ids), shown.n or _PATHS, shown.seed)
    ids = [shown.galaxy] if shown.galaxy is not None else opened.ids[chosen].tolist()
    cutouts = cutouts_by_id(opened.images, ids)
    predictions = opened.take(list(cutouts)).predict(sources.options)
    predictions = predictions.set_index(opened.tree.id_column).loc[list(cutouts)]
    values = predictions[list(opened.tree.columns)].to_numpy(np.float64)
    columns = min(4, len(cutouts))
    figure = new_figure(2.75 * columns, 3.7 * -(-len(cutouts) // columns))
    images, titles = list(cutouts.values()), list(cutouts)
    return plots.draw_galaxies(figure, images, opened.tree, values, titles, columns)


def tree_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw a tree with the probabilities of a galaxy, or the means of many."""
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
