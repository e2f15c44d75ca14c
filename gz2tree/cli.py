"""The command line: options in, one of the commands run. Nothing heavy is imported before that."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]

from gz2tree.config import (
    FINETUNE,
    PRESETS,
    ByOptions,
    Columns,
    CutoutOptions,
    FigureName,
    FigureOptions,
    LabelOptions,
    NetworkOptions,
    PredictOptions,
    SplitOptions,
    TrainConfig,
    check_workers,
)
from gz2tree.errors import InputError
from gz2tree.tree import DecisionTree
from gz2tree.treefile import find_tree, tree_names

Options = TypeVar("Options")

_PARTS = ["train", "valid", "test", "all"]

_SWITCHES = {
    "allow_bad_rows": "drop and count rows that would be refused",
    "compile": "compile the backbone for the training steps: a minute at first, then faster",
    "deterministic": "deterministic algorithms only",
}


class Parser(ArgumentParser):
    """jsonargparse's parser, with dashes in option names and errors of one line."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Print what is wrong with the options, and exit with 2."""
        text = " ".join(message.split())
        text = re.sub(rf"(?<=[ \"])(?:{'|'.join(_COMMANDS)})\.(\w+)(?=[\",]|$)", r"--\1", text)
        text = re.sub(r"<class '(\w+)'>", r"\1", text)
        print("error:", _with_dashes(text), file=sys.stderr)
        raise SystemExit(2)

    def format_help(self, *arguments: Any) -> str:
        """Show option names with dashes."""
        return _with_dashes(super().format_help(*arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    exit_code : int
        0; 2 for options or input that are refused; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    given = [_with_underscores(argument) for argument in arguments]
    parsed = build_parser(given).parse_args(given)
    command = parsed.subcommand
    _log_to_stderr()
    try:
        if command == "train" and (parsed.train.preset or "") != _value_of("--preset", given):
            raise InputError("preset: expected on the command line, found in the --config file")
        _COMMANDS[command](parsed[command])
    except (InputError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = (
            "; the same command with --resume goes on" if command in ("train", "finetune") else ""
        )
        print(f"interrupted{again}", file=sys.stderr)
        return 130
    return 0


def build_parser(arguments: Sequence[str]) -> Parser:
    """Build the parser; a preset among the arguments gives the defaults of ``train``."""
    parser = Parser(
        prog="gz2tree",
        description="Predict how Galaxy Zoo 2 volunteers would classify a galaxy image.",
    )
    commands = parser.add_subcommands(required=True)

    tree = Parser(description="Check a decision tree, and draw it.")
    tree.add_argument("tree", type=str, nargs="?", default="GZ2_KAGGLE", help=_a_tree())
    tree.add_argument("--out", type=Path | None, default=None, help=".png, .pdf or .svg file")
    commands.add_subcommand("tree", tree, help="check and draw a decision tree")

    simulate = Parser(description="Simulate galaxies and the volunteers who classify them.")
    simulate.add_argument("sky", type=Path, metavar="SKY", help="folder to be written")
    simulate.add_argument("--n", type=int, required=True, help="number of galaxies")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--size", type=int, default=424, help="side of the images in pixels")
    simulate.add_argument(
        "--volunteers", type=int, nargs=2, default=[28, 60], help="fewest and most for a galaxy"
    )
    _add_workers(simulate)
    commands.add_subcommand("simulate", simulate, help="simulate a sky to try it on")

    prepare = Parser(description="Prepare the cutouts of many images as one memory-mapped store.")
    prepare.add_argument("images", type=Path, metavar="IMAGES", help="folder or zip file")
    prepare.add_argument("store", type=Path, metavar="STORE", help="folder to be written")
    _add_options(prepare, CutoutOptions)
    _add_workers(prepare)
    commands.add_subcommand("prepare", prepare, help="images to a store of cutouts")

    train = Parser(description="Train a network on images and a table of labels.")
    train.add_argument("--config", action=ActionConfigFile, help="YAML file of options")
    _add_data(train)
    train.add_argument("--out", type=Path, required=True, help="run directory to be written")
    train.add_argument("--tree", type=str, default="GZ2_KAGGLE", help=_a_tree())
    train.add_argument("--preset", choices=list(PRESETS), help="a named set of options")
    train.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    for name, default in (("crop", CutoutOptions.crop), ("size", CutoutOptions.size)):
        text = f"pixels; those of a prepared store, else {default}"
        train.add_argument(f"--{name}", type=int | None, default=None, help=text)
    for options in (NetworkOptions, LabelOptions, SplitOptions, TrainConfig):
        _add_options(train, options)
    train.set_defaults(PRESETS.get(_value_of("--preset", arguments), {}))
    commands.add_subcommand("train", train, help="train a network")

    finetune = Parser(description="Train a trained network further, on labels of your own.")
    _add_model(finetune)
    _add_data(finetune)
    finetune.add_argument("--out", type=Path, required=True, help="run directory to be written")
    _add_tree(finetune, f"{_a_tree()}; that of the model by default")
    finetune.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    text = "pixels; those of a prepared store, else of the model"
    finetune.add_argument("--crop", type=int | None, default=None, help=text)
    for options in (LabelOptions, SplitOptions, TrainConfig):
        _add_options(finetune, options)
    finetune.set_defaults(FINETUNE)
    commands.add_subcommand("finetune", finetune, help="train a trained network further")

    evaluate = Parser(description="Compare a network's predictions with labels.")
    _add_model(evaluate)
    _add_data(evaluate)
    evaluate.add_argument("--json", type=Path | None, default=None, help="file to be written")
    evaluate.add_argument("--part", choices=_PARTS, help="which galaxies of the run's split")
    _add_tree(evaluate, "that of the model; another one is refused")
    _add_options(evaluate, ByOptions)
    _add_options(evaluate, LabelOptions)
    _add_options(evaluate, PredictOptions)
    commands.add_subcommand("evaluate", evaluate, help="compare predictions with labels")

    predict = Parser(description="Predict a catalogue of images.")
    _add_model(predict)
    predict.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    predict.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .fits file")
    predict.add_argument(
        "--columns", type=Columns, default="cumulative", help="probabilities to write"
    )
    predict.add_argument(
        "--flag",
        action="append",
        default=[],
        metavar="ANSWER=THRESHOLD",
        help="a column that says which galaxies have at least this cumulative probability of an "
        "answer, as in merger=0.4; may be repeated",
    )
    _add_options(predict, PredictOptions)
    commands.add_subcommand("predict", predict, help="predict a catalogue of images")

    embed = Parser(description="Write the features by which a network tells galaxies apart.")
    _add_model(embed)
    embed.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    embed.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .fits file")
    _add_options(embed, PredictOptions)
    commands.add_subcommand("embed", embed, help="write a network's features of images")

    export = Parser(description="Write a network as ONNX, its tree included.")
    _add_model(export)
    export.add_argument("--out", type=Path, required=True, help=".onnx file")
    commands.add_subcommand("export", export, help="write a network as ONNX")

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
        default=["default"],
        help="run directories or saved models to predict with, where there is no catalogue",
    )
    plot.add_argument("--runs", type=Path, nargs="+", default=[], help="run directories")
    plot.add_argument(
        "--part",
        choices=["train", "valid", "test", "all"],
        help="which galaxies of a model's split",
    )
    _add_tree(plot, f"{_a_tree()}; that of the model, or Kaggle's, by default")
    for kind in (FigureOptions, LabelOptions, PredictOptions):
        _add_options(plot, kind)
    commands.add_subcommand("plot", plot, help="draw a figure")
    report = Parser(description="Write a page to browse galaxies, predicted and voted.")
    report.add_argument(
        "--model", type=str | None, default=None, help="as of evaluate; 'default' by default"
    )
    report.add_argument(
        "--predictions", type=Path | None, default=None, help="catalogue to show instead of a model"
    )
    report.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    report.add_argument("--labels", type=Path | None, default=None, help="table of labels")
    report.add_argument("--out", type=Path, required=True, help="folder to be written")
    report.add_argument("--part", choices=_PARTS, help="which galaxies of the run's split")
    _add_tree(report, f"that of the predictions: {_a_tree()}; by their columns by default")
    report.add_argument("--pixels", type=int, default=128, help="side of the pictures")
    _add_options(report, LabelOptions)
    _add_options(report, PredictOptions)
    commands.add_subcommand("report", report, help="a page to browse galaxies")

    demo = Parser(description="Simulate, train a tree and a flat network, evaluate and predict.")
    demo.add_argument("--out", type=Path, default=Path("gz2tree-demo"), help="folder to be written")
    demo.add_argument("--seed", type=int, default=0)
    commands.add_subcommand("demo", demo, help="the whole job on a simulated sky, in minutes")
    return parser


def _add_options(parser: Parser, kind: type) -> None:
    """Add the fields of a dataclass; a switch that is off by default needs no value."""
    switches = {field.name for field in fields(kind) if field.default is False}
    parser.add_class_arguments(kind, skip=switches)
    for name in sorted(switches):
        parser.add_argument(f"--{name}", action="store_true", help=_SWITCHES[name])


def _add_workers(parser: Parser) -> None:
    parser.add_argument(
        "--workers", type=int | None, default=None, help="processes; as many as cores by default"
    )


def _add_model(parser: Parser) -> None:
    parser.add_argument(
        "--model",
        type=str,
        default="default",
        help="run directory, folder of a saved model, or 'default'",
    )


def _a_tree() -> str:
    return f"YAML or JSON file, or one of {', '.join(tree_names())}"


def _add_tree(parser: Parser, text: str) -> None:
    parser.add_argument("--tree", type=str | None, default=None, help=text)


def _given_tree(options: Namespace) -> DecisionTree | None:
    return find_tree(options.tree) if options.tree else None


def _add_data(parser: Parser) -> None:
    parser.add_argument("--labels", type=Path, required=True, help="table of labels")
    parser.add_argument("--images", type=Path, required=True, help="folder, zip file or store")


def _tree(options: Namespace) -> None:
    tree = find_tree(options.tree)
    if options.out is None:
        print(tree)
        return

    from gz2tree.figures import save_tree

    save_tree(tree, options.out)


def _simulate(options: Namespace) -> None:
    check_workers(options.workers)

    from gz2tree.simulate import simulate

    low, high = options.volunteers
    simulate(
        options.sky,
        options.n,
        seed=options.seed,
        size=options.size,
        volunteers=(low, high),
        workers=options.workers,
    )


def _prepare(options: Namespace) -> None:
    cutouts = _take(CutoutOptions, options)
    check_workers(options.workers)

    from gz2tree.store import prepare

    store = prepare(options.images, options.store, cutouts, workers=options.workers)
    print(f"{len(store):,} cutouts in {options.store}")


def _train(options: Namespace) -> None:
    network, labels = _take(NetworkOptions, options), _take(LabelOptions, options)
    split, config = _take(SplitOptions, options), _take(TrainConfig, options)

    from gz2tree.commands import train_run

    train_run(
        options.labels,
        options.images,
        options.out,
        tree=find_tree(options.tree),
        network=network,
        label_options=labels,
        split=split,
        config=config,
        crop=options.crop,
        size=options.size,
        resume=options.resume,
    )


def _finetune(options: Namespace) -> None:
    labels, split = _take(LabelOptions, options), _take(SplitOptions, options)
    config = _take(TrainConfig, options)

    from gz2tree.commands import train_run

    train_run(
        options.labels,
        options.images,
        options.out,
        tree=_given_tree(options),
        network=options.model,
        label_options=labels,
        split=split,
        config=config,
        crop=options.crop,
        size=None,
        resume=options.resume,
    )


def _evaluate(options: Namespace) -> None:
    labels, prediction = _take(LabelOptions, options), _take(PredictOptions, options)
    by = _take(ByOptions, options)

    from gz2tree.commands import evaluate_model

    evaluate_model(
        options.model,
        options.labels,
        options.images,
        options.json,
        tree=_given_tree(options),
        part=options.part,
        by=by,
        label_options=labels,
        options=prediction,
    )


def _predict(options: Namespace) -> None:
    prediction = _take(PredictOptions, options)

    from gz2tree.commands import predict_catalogue

    predict_catalogue(
        options.model,
        options.images,
        options.out,
        columns=options.columns,
        flags=options.flag,
        options=prediction,
    )


def _embed(options: Namespace) -> None:
    prediction = _take(PredictOptions, options)

    from gz2tree.embedding import embed_to_file
    from gz2tree.inputs import find_model

    model, _ = find_model(options.model)
    n = embed_to_file(model, options.images, options.out, prediction)
    print(f"{model.n_pooled_features:,} features of {n:,} galaxies in {options.out}")


def _export(options: Namespace) -> None:
    from gz2tree.export import export_onnx
    from gz2tree.inputs import find_model

    model, _ = find_model(options.model)
    export_onnx(model, options.out)
    print(f"tree {model.tree.name} in {options.out}")


def _plot(options: Namespace) -> None:
    shown, labels = _take(FigureOptions, options), _take(LabelOptions, options)
    prediction = _take(PredictOptions, options)

    from gz2tree.figures import save_figure
    from gz2tree.sources import Sources

    sources = Sources(
        labels=options.labels,
        images=options.images,
        predictions=tuple(options.predictions),
        models=tuple(options.model),
        runs=tuple(options.runs),
        tree=_given_tree(options),
        part=options.part,
        label_options=labels,
        options=prediction,
    )
    save_figure(options.figure, options.out, sources, shown)


def _report(options: Namespace) -> None:
    labels, prediction = _take(LabelOptions, options), _take(PredictOptions, options)

    from gz2tree.report.command import make_report

    make_report(
        options.images,
        options.out,
        model_path=options.model,
        predictions_table=options.predictions,
        labels_table=options.labels,
        tree=_given_tree(options),
        part=options.part,
        pixels=options.pixels,
        label_options=labels,
        options=prediction,
    )


def _demo(options: Namespace) -> None:
    from gz2tree.demo import demo

    demo(options.out, options.seed)


_COMMANDS = {
    "tree": _tree,
    "simulate": _simulate,
    "prepare": _prepare,
    "train": _train,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "predict": _predict,
    "embed": _embed,
    "export": _export,
    "plot": _plot,
    "report": _report,
    "demo": _demo,
}


def _take(kind: type[Options], options: Namespace) -> Options:
    """Make a dataclass of those options that are its fields."""
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = options[field.name]
        if isinstance(value, Namespace):
            nested: Any = type(field.default)
            value = nested(**value.as_dict())
        values[field.name] = value
    return kind(**values)


def _value_of(option: str, arguments: Sequence[str]) -> str:
    """Value of an option before parsing, as ``--option value`` or ``--option=value``."""
    for position, argument in enumerate(arguments):
        name, separator, value = argument.partition("=")
        if name == option:
            return value if separator else "".join(arguments[position + 1 : position + 2])
    return ""


def _with_underscores(argument: str) -> str:
    name, separator, value = argument.partition("=")
    if not name.startswith("--"):
        return argument
    return f"--{name[2:].replace('-', '_')}{separator}{value}"


def _with_dashes(text: str) -> str:
    return re.sub(r"--[a-z][a-z_.]*", lambda option: option[0].replace("_", "-"), text)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.INFO, "info")
    logger = logging.getLogger("gz2tree")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
