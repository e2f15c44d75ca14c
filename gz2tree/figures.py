"""The command ``plot``: from files to a figure in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gz2tree import plots
from gz2tree.analysis import calibration_curve, correlations, pair_counts
from gz2tree.commands import open_labelled, with_images
from gz2tree.config import FigureName, FigureOptions, LabelOptions, PredictOptions
from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.errors import InputError, first_few
from gz2tree.evaluation import align, conditional_answers, evaluate
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels, read_labels
from gz2tree.model import load_model
from gz2tree.prediction import predict
from gz2tree.run import RunDirectory
from gz2tree.store import open_images
from gz2tree.tables import read_table, table_columns
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")
_DPI = 150
_EXAMPLES, _CUTOUTS, _SCATTERED = 4, 24, 1000


@dataclass(frozen=True)
class Sources:
    """Files from which figures are drawn; which are needed depends on the figure.

    Parameters
    ----------
    labels, images : Path, optional
    predictions : tuple of Path
        Catalogues of cumulative probabilities.
    models : tuple of str
        Run directories, saved models or ``"default"``; used where there are no catalogues.
    runs : tuple of Path
        Run directories whose histories are drawn.
    tree : DecisionTree, optional
        That of the model, or Kaggle's, by default.
    part : str, optional
        Which galaxies of a run's split.
    label_options : LabelOptions
    options : PredictOptions
    """

    labels: Path | None = None
    images: Path | None = None
    predictions: tuple[Path, ...] = ()
    models: tuple[str, ...] = ("default",)
    runs: tuple[Path, ...] = ()
    tree: DecisionTree | None = None
    part: str | None = None
    label_options: LabelOptions = LabelOptions()
    options: PredictOptions = PredictOptions()


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
    if out.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{out}: expected a file ending in {', '.join(_SUFFIXES)}")
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"{out}: expected a file in an existing folder")
    _FIGURES[name](sources, shown).savefig(out, dpi=_DPI)
    print(out)


def read_predictions(path: Path, tree: DecisionTree) -> pd.DataFrame:
    """Read a catalogue of cumulative predictions.

    Raises
    ------
    InputError
        No table, or one without the id or an answer of the tree.
    """
    columns = [tree.id_column, *tree.columns]
    header = table_columns(path)
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(
            f"{path}: expected the cumulative predictions of tree {tree.name}, found no column "
            f"{first_few(missing)}"
        )
    return read_table(path, columns, ids=[tree.id_column])


def read_cutouts(source: CutoutSource, ids: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Read the cutouts of some galaxies, by id; those that cannot be read are named in the log."""
    positions = pd.Index(source.ids).get_indexer(pd.Index(ids))
    found: dict[str, NDArray[np.uint8]] = {}
    problems: list[tuple[str, str]] = []
    with closing(source.batches(positions, workers=0)) as batches:
        for batch in batches:
            found |= zip(source.ids[batch.positions], batch.cutouts.numpy(), strict=True)
            problems += [(source.ids[position], text) for position, text in batch.problems]
    log_unreadable(problems, len(positions))
    if not found:
        raise InputError(f"expected images that can be read, found none among {len(positions)}")
    return found


def _correlations(sources: Sources, shown: FigureOptions) -> Figure:
    labels = _labels(sources)
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
    source = open_images(_needed(sources, "images"))
    labels = with_images(_labels(sources, source.ids), source, _needed(sources, "images"))
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
    source = open_images(_needed(sources, "images"))
    n = min(shown.n or _CUTOUTS, len(source))
    chosen = np.random.default_rng(shown.seed).choice(source.ids, n, replace=False)
    cutouts = read_cutouts(source, list(chosen))
    columns = int(np.ceil(np.sqrt(1.5 * len(cutouts))))
    rows = -(-len(cutouts) // columns)
    figure = _figure(1.4 * columns, 1.4 * rows + 0.4)
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
    for name, path in zip(_names(list(map(str, sources.runs))), sources.runs, strict=True):
        file = RunDirectory(path).history
        missing = sorted(set(columns) - set(table_columns(file)))
        if missing:
            raise InputError(f"{file}: expected column {first_few(missing)}, found none")
        histories[name] = read_table(file, columns, ids=[])
    return plots.draw_history(_figure(13, 4), histories)


def _scatter(sources: Sources, shown: FigureOptions) -> Figure:
    ((_, (predictions, labels)),) = _compared(sources, one=True).items()
    predicted, labels = align(predictions, labels)
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
    for name, (predictions, labels) in _compared(sources).items():
        predicted, labels = align(predictions, labels)
        cells = conditional_answers(DecisionGraph(labels.tree), predicted, labels)
        curves[name] = calibration_curve(*cells)
    figure = _figure(5.5, 6.3)
    axes = plots.plot_calibration(figure.subplots(), curves)
    title = f"Conditional probabilities by reach, {len(labels):,} galaxies"
    axes.set_title(title, fontsize=9, y=1.22)
    return figure


def _null(sources: Sources, shown: FigureOptions) -> Figure:
    compared = _compared(sources).items()
    reports = {name: evaluate(predictions, labels) for name, (predictions, labels) in compared}
    figure = _figure(8, 4.5)
    plots.plot_null_rmse(figure.subplots(), reports)
    return figure


def _tree(sources: Sources, shown: FigureOptions) -> Figure:
    tree, filled, voted, n = _tree_values(sources, shown.galaxy)
    named = "galaxy" if n == 1 else "galaxies"
    of_whom = f"mean of {n:,} {named}" if shown.galaxy is None else f"galaxy {shown.galaxy}"
    title = f"{tree.name}, {of_whom}: branches as thick as their cumulative probability"
    if shown.galaxy is None or sources.images is None:
        figure = _figure(13, 8)
        plots.plot_tree(figure.subplots(), tree, filled, title, voted)
        return figure
    cutout = read_cutouts(open_images(sources.images), [shown.galaxy])[shown.galaxy]
    return plots.draw_galaxy_tree(_figure(15.5, 8), cutout, tree, filled, title, voted)


_FIGURES: dict[FigureName, Callable[[Sources, FigureOptions], Figure]] = {
    "correlations": _correlations,
    "examples": _examples,
    "cutouts": _cutouts,
    "history": _history,
    "scatter": _scatter,
    "calibration": _calibration,
    "null": _null,
    "tree": _tree,
}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _needed(sources: Sources, name: Literal["labels", "images"]) -> Path:
    path: Path | None = getattr(sources, name)
    if path is None:
        raise InputError(f"--{name}: expected for this figure, found none")
    return path


def _labels(sources: Sources, image_ids: NDArray[np.object_] | None = None) -> Labels:
    return read_labels(
        _needed(sources, "labels"),
        sources.tree or GZ2_KAGGLE,
        sources.label_options.kind,
        sources.label_options.id_column,
        image_ids=image_ids,
        allow_bad_rows=sources.label_options.allow_bad_rows,
    )


def _question(tree: DecisionTree, name: str) -> int:
    names = [question.name for question in tree.questions]
    for known in (tree.question_columns, names):
        if name in known:
            return known.index(name)
    raise InputError(
        f"question: expected one of {', '.join(tree.question_columns)}, found {name!r}"
    )


def _names(paths: Sequence[str]) -> list[str]:
    """Short names for several files or folders; their whole paths where those are not unique."""
    short = [Path(path).resolve().stem for path in paths]
    return short if len(set(short)) == len(short) else list(paths)


def _compared(
    sources: Sources, galaxy: str | None = None, one: bool = False
) -> dict[str, tuple[pd.DataFrame, Labels]]:
    """Predictions and labels of the same galaxies, by the name of the catalogue or model."""
    table = _needed(sources, "labels")
    given = list(map(str, sources.predictions)) or list(sources.models)
    if one and len(given) > 1:
        raise InputError(f"expected one catalogue or model for this figure, found {len(given)}")
    compared = {}
    labels: Labels | None = None
    for name, which in zip(_names(given), given, strict=True):
        before = labels
        if sources.predictions:
            labels = _of_galaxy(_labels(sources), galaxy)
            predictions = read_predictions(Path(which), labels.tree)
        else:
            model, source, labels = open_labelled(
                which, table, _needed(sources, "images"),
                tree=sources.tree, part=sources.part, label_options=sources.label_options,
            )  # fmt: skip
            labels = _of_galaxy(labels, galaxy)
            positions = pd.Index(source.ids).get_indexer(pd.Index(labels.ids))
            predictions = predict(model, source, sources.options, positions=positions)
        labels = align(predictions, labels)[1]
        if before is not None and before.digest() != labels.digest():
            raise InputError(
                f"{which}: expected the same galaxies as of {given[0]}, found {len(labels):,} "
                f"others than those {len(before):,}"
            )
        compared[name] = predictions, labels
    return compared


def _of_galaxy(labels: Labels, galaxy: str | None) -> Labels:
    if galaxy is None:
        return labels
    if galaxy not in labels.ids:
        raise InputError(f"galaxy {galaxy!r}: expected among the labels, found none")
    return labels.take(labels.ids == galaxy)


def _tree_values(
    sources: Sources, galaxy: str | None
) -> tuple[DecisionTree, NDArray[np.float64], NDArray[np.float64] | None, int]:
    """Tree, mean prediction (else vote), mean vote beside it, and the number of galaxies."""
    if sources.labels is not None and (sources.predictions or sources.images):
        ((_, (predictions, labels)),) = _compared(sources, galaxy, one=True).items()
        predicted = align(predictions, labels)[0]
        return labels.tree, predicted.mean(0), _mean(labels.cumulative), len(labels)
    if sources.labels is not None:
        labels = _of_galaxy(_labels(sources), galaxy)
        return labels.tree, _mean(labels.cumulative), None, len(labels)
    tree, predictions = _predictions(sources, galaxy)
    return tree, _mean(predictions[list(tree.columns)].to_numpy(np.float64)), None, len(predictions)


def _predictions(sources: Sources, galaxy: str | None) -> tuple[DecisionTree, pd.DataFrame]:
    """Predictions without labels, of all galaxies or one; what was not trained is not measured."""
    if sources.predictions:
        tree = sources.tree or GZ2_KAGGLE
        predictions = read_predictions(sources.predictions[0], tree)
        if galaxy is not None:
            predictions = predictions[predictions[tree.id_column] == galaxy]
    else:
        model = load_model(sources.models[0])
        tree = model.tree
        source = open_images(_needed(sources, "images"), model.cutouts)
        chosen = source.ids == galaxy if galaxy is not None else np.full(len(source), True)
        predictions = predict(model, source, sources.options, positions=np.flatnonzero(chosen))
        predictions[model.untrained] = np.nan
    if predictions.empty:
        raise InputError(f"galaxy {galaxy!r}: expected among the predictions, found none")
    return tree, predictions


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each answer over the galaxies of which it is measured; NaN if it is of none."""
    return pd.DataFrame(values).mean().to_numpy(np.float64)
