"""The commands by which people look, ``tree``, ``plot`` and ``report``: their options."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from jsonargparse import Namespace

from gz2tree.cli.parsing import (
    Command,
    Parser,
    a_tree,
    add_options,
    add_part,
    add_tree,
    given_tree,
    take,
)
from gz2tree.config import FigureOptions, LabelOptions, PredictOptions
from gz2tree.config.choices import FigureName
from gz2tree.errors import InputError
from gz2tree.treenames import find_tree


def tree_parser() -> Parser:
    """Build the parser of the command ``tree``."""
    tree = Parser(description="Check a decision tree, and draw it.")
    tree.add_argument("tree", type=str, nargs="?", default="GZ2_KAGGLE", help=a_tree())
    tree.add_argument("--out", type=Path | None, default=None, help=".png, .pdf or .svg file")
    return tree


def plot_parser() -> Parser:
    """Build the parser of the command ``plot``."""
    plot = Parser(description="Draw a figure: of labels, images, trainings or predictions.")
    plot.add_argument("figure", choices=list(get_args(FigureName)))
    plot.add_argument("--out", type=Path, required=True, help=".png, .pdf or .svg file")
    plot.add_argument("--labels", type=Path | None, default=None, help="table of labels")
    plot.add_argument("--images", type=Path | None, default=None, help="folder, zip file or store")
    plot.add_argument(
        "--predictions", type=Path, nargs="+", default=[], help="catalogues of predictions"
    )
    plot.add_argument(
        "--model",
        type=str,
        nargs="+",
        default=[],
        help="trained networks to predict with where there is no catalogue: run directories, "
        "folders of saved models, or 'default', which is taken where none is named",
    )
    plot.add_argument("--runs", type=Path, nargs="+", default=[], help="run directories")
    add_part(plot)
    add_tree(plot, f"{a_tree()}; that of model or catalogue, Kaggle's for labels alone, by default")
    for group in (FigureOptions, LabelOptions, PredictOptions):
        add_options(plot, group)
    return plot


def report_parser() -> Parser:
    """Build the parser of the command ``report``."""
    report = Parser(description="Write a page to browse galaxies, predicted and voted.")
    report.add_argument(
        "--model",
        type=str | None,
        default=None,
        help="a trained network: run directory, folder of a saved model, or 'default'",
    )
    report.add_argument(
        "--predictions", type=Path | None, default=None, help="catalogue to show instead of a model"
    )
    report.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    report.add_argument("--labels", type=Path | None, default=None, help="table of labels")
    report.add_argument("--out", type=Path, required=True, help="folder to be written")
    add_part(report)
    add_tree(report, f"{a_tree()}; that of the model or catalogue by default")
    report.add_argument("--pixels", type=int, default=128, help="side of the pictures")
    report.add_argument(
        "--flag",
        type=str | None,
        default=None,
        metavar="ANSWER=THRESHOLD",
        help="show only galaxies of at least this predicted cumulative probability of an answer, "
        "as in merger=0.4",
    )
    for group in (LabelOptions, PredictOptions):
        add_options(report, group)
    return report


def run_tree(options: Namespace) -> None:
    """Check a tree and print it, or draw it."""
    tree = find_tree(options.tree)
    if options.out is None:
        print(tree)
        return

    from gz2tree.commands.figures import save_tree

    save_tree(tree, options.out)


def run_plot(options: Namespace) -> None:
    """Draw a figure."""
    _refuse_both(options.model, options.predictions)
    shown, labels = take(FigureOptions, options), take(LabelOptions, options)
    prediction = take(PredictOptions, options)

    from gz2tree.commands.figures import save_figure
    from gz2tree.commands.sources import Sources

    sources = Sources(
        labels=options.labels,
        images=options.images,
        predictions=tuple(options.predictions),
        models=tuple(options.model) or ("default",),
        runs=tuple(options.runs),
        tree=given_tree(options),
        part=options.part,
        label_options=labels,
        options=prediction,
    )
    save_figure(options.figure, options.out, sources, shown)


def run_report(options: Namespace) -> None:
    """Write a page."""
    _refuse_both(options.model, options.predictions)
    labels, prediction = take(LabelOptions, options), take(PredictOptions, options)

    from gz2tree.commands.reporting import make_report
    from gz2tree.commands.sources import Sources

    sources = Sources(
        labels=options.labels,
        images=options.images,
        predictions=() if options.predictions is None else (options.predictions,),
        models=(options.model or "default",),
        tree=given_tree(options),
        part=options.part,
        label_options=labels,
        options=prediction,
    )
    make_report(sources, options.out, pixels=options.pixels, flag=options.flag)


def _refuse_both(model: object, predictions: object) -> None:
    """Refuse a model beside predictions, which would be shown instead."""
    if model and predictions:
        raise InputError("expected a model or predictions, found both --model and --predictions")


COMMANDS = {
    "tree": Command(tree_parser, run_tree, "check and draw a decision tree"),
    "plot": Command(plot_parser, run_plot, "draw a figure"),
    "report": Command(report_parser, run_report, "a page to browse galaxies"),
}
