"""The command line: options in, one of the commands run. Nothing heavy is imported before that."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]

from gz2tree.config import (
    FINETUNE,
    PRESETS,
    ByOptions,
    CutoutOptions,
    LabelOptions,
    NetworkOptions,
    PredictOptions,
    ShardOptions,
    SplitOptions,
    TableOptions,
    TrainConfig,
)
from gz2tree.config.choices import CommandName, Kind, MoreColumns, check_workers
from gz2tree.errors import InputError
from gz2tree.given import ImageOptions
from gz2tree.parsing import (
    PARTS,
    Parser,
    a_tree,
    add_options,
    add_tree,
    given_tree,
    take,
    value_of,
    with_underscores,
)
from gz2tree.treefile import find_tree
from gz2tree.viewing import plot_parser, report_parser, run_plot, run_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    exit_code : int
        0; 2 for options or input that are refused; 130 after Ctrl-C or SIGTERM, which SLURM sends
        before it kills.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    given = [with_underscores(argument) for argument in arguments]
    parsed = build_parser(given).parse_args(given)
    command = parsed.subcommand
    _log_to_stderr()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if command == "train" and (parsed.train.preset or "") != value_of("--preset", given):
            raise InputError("preset: expected on the command line, found in the --config file")
        _COMMANDS[command](parsed[command])
    except (InputError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = {
            "prepare": "; the same command goes on",
            "train": "; the same command with --resume goes on",
            "finetune": "; the same command with --resume goes on",
            "predict": "; a folder of shards is gone on with by the same command",
        }.get(command, "")
        print(f"interrupted{again}", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def build_parser(arguments: Sequence[str]) -> Parser:
    """Build the parser; a preset among the arguments gives the defaults of ``train``."""
    parser = Parser(
        prog="gz2tree",
        description="Predict how Galaxy Zoo 2 volunteers would classify a galaxy image.",
    )
    commands = parser.add_subcommands(required=True)

    tree = Parser(description="Check a decision tree, and draw it.")
    tree.add_argument("tree", type=str, nargs="?", default="GZ2_KAGGLE", help=a_tree())
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
    text = "prepare what this model expects: run directory, folder of a saved model, or 'default'"
    prepare.add_argument("--model", type=str | None, default=None, help=text)
    _add_crop_and_size(prepare, "pixels; {} by default")
    add_options(prepare, ImageOptions)
    _add_workers(prepare)
    commands.add_subcommand("prepare", prepare, help="images to a store of cutouts")

    train = Parser(description="Train a network on images and a table of labels.")
    train.add_argument("--config", action=ActionConfigFile, help="YAML file of options")
    _add_data(train)
    train.add_argument("--out", type=Path, required=True, help="run directory to be written")
    train.add_argument("--tree", type=str, default="GZ2_KAGGLE", help=a_tree())
    train.add_argument("--preset", choices=list(PRESETS), help="a named set of options")
    train.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    _add_crop_and_size(train, "pixels; those of a prepared store, else {}")
    for options in (ImageOptions, NetworkOptions, LabelOptions, SplitOptions, TrainConfig):
        add_options(train, options)
    train.set_defaults(PRESETS.get(value_of("--preset", arguments), {}))
    commands.add_subcommand("train", train, help="train a network")

    finetune = Parser(description="Train a trained network further, on labels of your own.")
    _add_model(finetune)
    _add_data(finetune)
    finetune.add_argument("--out", type=Path, required=True, help="run directory to be written")
    add_tree(finetune, f"{a_tree()}; that of the model by default")
    finetune.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    text = "pixels; those of a prepared store, else of the model"
    finetune.add_argument("--crop", type=int | None, default=None, help=text)
    for options in (ImageOptions, LabelOptions, SplitOptions, TrainConfig):
        add_options(finetune, options)
    finetune.set_defaults(FINETUNE)
    commands.add_subcommand("finetune", finetune, help="train a trained network further")

    evaluate = Parser(description="Compare a network's predictions with labels.")
    _add_model(evaluate)
    _add_data(evaluate)
    evaluate.add_argument("--json", type=Path | None, default=None, help="file to be written")
    evaluate.add_argument("--part", choices=PARTS, help="which galaxies of the run's split")
    add_tree(evaluate, "that of the model; another one is refused")
    add_options(evaluate, ByOptions)
    add_options(evaluate, LabelOptions)
    add_options(evaluate, PredictOptions)
    commands.add_subcommand("evaluate", evaluate, help="compare predictions with labels")

    calibrate = Parser(
        description="Fit temperatures and strengths on galaxies that did not train a network, and "
        "store them in it.",
    )
    _add_model(calibrate)
    _add_data(calibrate)
    calibrate.add_argument(
        "--out",
        type=Path | None,
        default=None,
        help="folder for the calibrated model; its own by default",
    )
    calibrate.add_argument("--part", choices=PARTS, help="which galaxies of the run's split")
    add_options(calibrate, LabelOptions)
    add_options(calibrate, PredictOptions)
    commands.add_subcommand("calibrate", calibrate, help="fit temperatures and strengths")

    typical = Parser(
        description="Fit what a network's training galaxies look like to it, and store it in the "
        "network; training does so by itself.",
    )
    _add_model(typical)
    typical.add_argument(
        "--images", type=Path, required=True, help="of its training galaxies: folder, zip or store"
    )
    typical.add_argument(
        "--out", type=Path | None, default=None, help="folder for the model; its own by default"
    )
    add_options(typical, PredictOptions)
    commands.add_subcommand("typical", typical, help="fit what training galaxies look like")

    predict = Parser(description="Predict a catalogue of images.")
    predict.add_argument(
        "--model",
        action="append",
        default=[],
        help="run directory, folder of a saved model, or 'default', which it is by default; "
        "repeated, the models predict together",
    )
    predict.add_argument(
        "--images",
        type=str,
        nargs="+",
        required=True,
        help="folder, zip file or store; several, list files (.txt) and tar files if OUT is a "
        "folder",
    )
    predict.add_argument(
        "--out",
        type=Path,
        required=True,
        help=".parquet, .csv, .fits, .vot or .ecsv file; a name without suffix is a folder of "
        "Parquet shards, which the same command goes on with if it is interrupted",
    )
    predict.add_argument(
        "--columns",
        type=MoreColumns,
        nargs="+",
        default=["cumulative"],
        help="probabilities to write; and atypical: how unlike the training galaxies an image is",
    )
    predict.add_argument(
        "--level",
        type=float,
        default=0.8,
        help="probability within the intervals of --columns uncertainty",
    )
    predict.add_argument(
        "--flag",
        action="append",
        default=[],
        metavar="ANSWER=THRESHOLD",
        help="a column that says which galaxies have at least this cumulative probability of an "
        "answer, as in merger=0.4; may be repeated",
    )
    for kind in (TableOptions, ImageOptions, PredictOptions, ShardOptions):
        add_options(predict, kind)
    commands.add_subcommand("predict", predict, help="predict a catalogue of images")

    select = Parser(description="Select a clean sample of a catalogue of votes or predictions.")
    _add_catalogue(select)
    select.add_argument("--sample", required=True, help="such as barred, or any answer")
    select.add_argument("--out", type=Path | None, default=None, help="table to be written")
    select.add_argument(
        "--threshold", type=float, default=0.8, help="least fraction of the sample's own answer"
    )
    select.add_argument(
        "--votes", type=int, default=20, help="fewest votes its question got, where counted"
    )
    select.add_argument(
        "--preceding",
        action="append",
        default=[],
        metavar="ANSWER=FRACTION",
        help="least fraction of an answer on the way; those of Willett et al. 2013 by default",
    )
    select.add_argument(
        "--preceding_kind", type=Kind | None, default=None, help="kind of these fractions"
    )
    select.add_argument(
        "--against", type=Path | None, default=None, help="votes: how pure, how complete"
    )
    commands.add_subcommand("select", select, help="select a clean sample")

    classes = Parser(description="Add class strings, such as SBc2m, to a catalogue.")
    _add_catalogue(classes)
    classes.add_argument("--out", type=Path, required=True, help="table to be written")
    commands.add_subcommand("classes", classes, help="add class strings to a catalogue")

    embed = Parser(description="Write the features by which a network tells galaxies apart.")
    _add_model(embed)
    embed.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    embed.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .fits file")
    add_options(embed, PredictOptions)
    commands.add_subcommand("embed", embed, help="write a network's features of images")

    export = Parser(description="Write a network as ONNX, its tree included.")
    _add_model(export)
    export.add_argument("--out", type=Path, required=True, help=".onnx file")
    commands.add_subcommand("export", export, help="write a network as ONNX")

    commands.add_subcommand("plot", plot_parser(), help="draw a figure")
    commands.add_subcommand("report", report_parser(), help="a page to browse galaxies")

    demo = Parser(description="Simulate, train a tree and a flat network, evaluate and predict.")
    demo.add_argument("--out", type=Path, default=Path("gz2tree-demo"), help="folder to be written")
    demo.add_argument("--seed", type=int, default=0)
    commands.add_subcommand("demo", demo, help="the whole job on a simulated sky, in minutes")
    return parser


def _add_workers(parser: Parser) -> None:
    parser.add_argument(
        "--workers", type=int | None, default=None, help="processes; as many as cores by default"
    )


def _add_crop_and_size(parser: Parser, text: str) -> None:
    for name, default in (("crop", CutoutOptions.crop), ("size", CutoutOptions.size)):
        help_ = text.format(default)
        parser.add_argument(f"--{name}", type=int | None, default=None, help=help_)


def _add_model(parser: Parser) -> None:
    parser.add_argument(
        "--model",
        type=str,
        default="default",
        help="run directory, folder of a saved model, or 'default'",
    )


def _add_catalogue(parser: Parser) -> None:
    parser.add_argument("catalogue", type=Path, help="table of votes or of predictions")
    parser.add_argument("--tree", default="GZ2_KAGGLE", help=a_tree())
    parser.add_argument("--kind", type=Kind, default="debiased", help="of a table of votes")
    parser.add_argument("--id_column", type=str | None, default=None, help="of the galaxies' ids")


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
    images = take(ImageOptions, options)
    check_workers(options.workers)

    from gz2tree.preparing import prepare_store

    prepare_store(
        options.images,
        options.store,
        model=options.model,
        crop=options.crop,
        size=options.size,
        image_options=images,
        workers=options.workers,
    )


def _train(options: Namespace) -> None:
    network, labels = take(NetworkOptions, options), take(LabelOptions, options)
    split, config = take(SplitOptions, options), take(TrainConfig, options)

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
        image_options=take(ImageOptions, options),
        resume=options.resume,
    )


def _finetune(options: Namespace) -> None:
    labels, split = take(LabelOptions, options), take(SplitOptions, options)
    config = take(TrainConfig, options)

    from gz2tree.commands import train_run

    train_run(
        options.labels,
        options.images,
        options.out,
        tree=given_tree(options),
        network=options.model,
        label_options=labels,
        split=split,
        config=config,
        crop=options.crop,
        size=None,
        image_options=take(ImageOptions, options),
        resume=options.resume,
    )


def _evaluate(options: Namespace) -> None:
    labels, prediction = take(LabelOptions, options), take(PredictOptions, options)
    by = take(ByOptions, options)

    from gz2tree.commands import evaluate_model

    evaluate_model(
        options.model,
        options.labels,
        options.images,
        options.json,
        tree=given_tree(options),
        part=options.part,
        by=by,
        label_options=labels,
        options=prediction,
    )


def _calibrate(options: Namespace) -> None:
    labels, prediction = take(LabelOptions, options), take(PredictOptions, options)

    from gz2tree.calibrating import calibrate_model

    calibrate_model(
        options.model,
        options.labels,
        options.images,
        options.out,
        part=options.part,
        label_options=labels,
        options=prediction,
    )


def _typical(options: Namespace) -> None:
    prediction = take(PredictOptions, options)

    from gz2tree.typifying import typify_model

    typify_model(options.model, options.images, options.out, options=prediction)


def _predict(options: Namespace) -> None:
    prediction, shards = take(PredictOptions, options), take(ShardOptions, options)

    from gz2tree.commands import predict_catalogue

    predict_catalogue(
        options.model or ["default"],
        options.images,
        options.out,
        columns=options.columns,
        flags=options.flag,
        level=options.level,
        options=prediction,
        shards=shards,
        image_options=take(ImageOptions, options),
        table=take(TableOptions, options),
    )


def _select(options: Namespace) -> None:
    from gz2tree.samples import Cuts
    from gz2tree.selecting import read_preceding, select_catalogue

    tree = find_tree(options.tree)
    preceding = read_preceding(options.preceding, tree)
    select_catalogue(
        options.catalogue,
        options.sample,
        options.out,
        tree=tree,
        kind=options.kind,
        id_column=options.id_column,
        cuts=Cuts(options.threshold, options.votes, preceding),
        preceding_kind=options.preceding_kind,
        against=options.against,
    )


def _classes(options: Namespace) -> None:
    from gz2tree.selecting import spell_catalogue

    spell_catalogue(
        options.catalogue,
        options.out,
        tree=find_tree(options.tree),
        kind=options.kind,
        id_column=options.id_column,
    )


def _embed(options: Namespace) -> None:
    prediction = take(PredictOptions, options)

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


def _demo(options: Namespace) -> None:
    from gz2tree.demo import demo

    demo(options.out, options.seed)


_COMMANDS: dict[CommandName, Callable[[Namespace], None]] = {
    "tree": _tree,
    "simulate": _simulate,
    "prepare": _prepare,
    "train": _train,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "calibrate": _calibrate,
    "typical": _typical,
    "predict": _predict,
    "select": _select,
    "classes": _classes,
    "embed": _embed,
    "export": _export,
    "plot": run_plot,
    "report": run_report,
    "demo": _demo,
}


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.INFO, "info")
    logger = logging.getLogger("gz2tree")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
