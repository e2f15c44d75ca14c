"""Figures of labels, images and trainings, for the command ``plot``: nothing is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gz2tree import plots
from gz2tree.analysis import correlations, pair_counts
from gz2tree.commands.sources import Sources, labels_of, needed, short_names
from gz2tree.config import FigureOptions
from gz2tree.errors import InputError, first_few
from gz2tree.images.byid import cutouts_by_id
from gz2tree.labelling.matching import which_have
from gz2tree.plots import new_figure
from gz2tree.runs.run import RunDirectory
from gz2tree.store import open_images
from gz2tree.tables.files import read_table, table_columns
from gz2tree.tree import DecisionTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EXAMPLES, _CUTOUTS = 4, 24  # galaxies of each answer, galaxies in all


def correlations_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw how answers go together in the labels."""
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


def examples_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw the galaxies that were most voted to have each answer."""
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


def cutouts_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw some galaxies as a network sees them."""
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


def history_figure(sources: Sources, shown: FigureOptions) -> Figure:
    """Draw how trainings went."""
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


def _question(tree: DecisionTree, name: str) -> int:
    names = [question.name for question in tree.questions]
    for known in (tree.question_columns, names):
        if name in known:
            return known.index(name)
    raise InputError(
        f"question: expected one of {', '.join(tree.question_columns)}, found {name!r}"
    )
