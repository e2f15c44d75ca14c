"""The commands by which networks learn, ``prepare`` to ``typical``: their options."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]

from gz2tree.cli.parsing import (
    Command,
    Parser,
    a_tree,
    add_data,
    add_model,
    add_options,
    add_part,
    add_tree,
    add_workers,
    given_tree,
    take,
)
from gz2tree.config import (
    FINETUNE,
    PRESETS,
    CutoutOptions,
    LabelOptions,
    NetworkOptions,
    PredictOptions,
    SplitOptions,
    TrainConfig,
)
from gz2tree.config.choices import check_workers
from gz2tree.config.images import ImageOptions
from gz2tree.treenames import find_tree


def prepare_parser() -> Parser:
    """Build the parser of the command ``prepare``."""
    prepare = Parser(description="Prepare the cutouts of many images as one memory-mapped store.")
    prepare.add_argument("images", type=Path, metavar="IMAGES", help="folder or zip file")
    prepare.add_argument("store", type=Path, metavar="STORE", help="folder to be written")
    text = "prepare what this model expects: run directory, folder of a saved model, or 'default'"
    prepare.add_argument("--model", type=str | None, default=None, help=text)
    _add_crop_and_size(prepare, "pixels; {} by default")
    add_options(prepare, ImageOptions)
    add_workers(prepare)
    return prepare


def train_parser(preset: str = "") -> Parser:
    """Build the parser of the command ``train``; a preset gives the defaults."""
    train = Parser(description="Train a network on images and a table of labels.")
    train.add_argument("--config", action=ActionConfigFile, help="YAML file of options")
    add_data(train)
    train.add_argument("--out", type=Path, required=True, help="run directory to be written")
    train.add_argument("--tree", type=str, default="GZ2_KAGGLE", help=a_tree())
    train.add_argument("--preset", choices=list(PRESETS), help="a named set of options")
    train.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    _add_crop_and_size(train, "pixels; those of a prepared store, else {}")
    for options in (ImageOptions, NetworkOptions, LabelOptions, SplitOptions, TrainConfig):
        add_options(train, options)
    train.set_defaults(PRESETS.get(preset, {}))
    return train


def finetune_parser() -> Parser:
    """Build the parser of the command ``finetune``."""
    finetune = Parser(description="Train a trained network further, on labels of your own.")
    add_model(finetune)
    add_data(finetune)
    finetune.add_argument("--out", type=Path, required=True, help="run directory to be written")
    add_tree(finetune, f"{a_tree()}; that of the model by default")
    finetune.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    text = "pixels; those of a prepared store, else of the model"
    finetune.add_argument("--crop", type=int | None, default=None, help=text)
    for options in (ImageOptions, LabelOptions, SplitOptions, TrainConfig):
        add_options(finetune, options)
    finetune.set_defaults(FINETUNE)
    return finetune


def calibrate_parser() -> Parser:
    """Build the parser of the command ``calibrate``."""
    calibrate = Parser(
        description="Fit temperatures and strengths on galaxies that did not train a network, and "
        "store them in it.",
    )
    add_model(calibrate)
    add_data(calibrate)
    calibrate.add_argument(
        "--out",
        type=Path | None,
        default=None,
        help="folder for the calibrated model; its own by default",
    )
    add_part(calibrate)
    add_options(calibrate, LabelOptions)
    add_options(calibrate, PredictOptions)
    return calibrate


def typical_parser() -> Parser:
    """Build the parser of the command ``typical``."""
    typical = Parser(
        description="Fit what a network's training galaxies look like to it, and store it in the "
        "network; training does so by itself.",
    )
    add_model(typical)
    typical.add_argument(
        "--images", type=Path, required=True, help="of its training galaxies: folder, zip or store"
    )
    typical.add_argument(
        "--out", type=Path | None, default=None, help="folder for the model; its own by default"
    )
    add_options(typical, PredictOptions)
    return typical


def run_prepare(options: Namespace) -> None:
    """Prepare a store of cutouts."""
    images = take(ImageOptions, options)
    check_workers(options.workers)

    from gz2tree.commands.preparing import prepare_store

    prepare_store(
        options.images,
        options.store,
        model=options.model,
        crop=options.crop,
        size=options.size,
        image_options=images,
        workers=options.workers,
    )


def run_train(options: Namespace) -> None:
    """Train a new network."""
    network, labels = take(NetworkOptions, options), take(LabelOptions, options)
    split, config = take(SplitOptions, options), take(TrainConfig, options)

    from gz2tree.commands.training import train_run

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


def run_finetune(options: Namespace) -> None:
    """Train a trained network further."""
    labels, split = take(LabelOptions, options), take(SplitOptions, options)
    config = take(TrainConfig, options)

    from gz2tree.commands.training import train_run

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


def run_calibrate(options: Namespace) -> None:
    """Fit temperatures and strengths."""
    labels, prediction = take(LabelOptions, options), take(PredictOptions, options)

    from gz2tree.commands.calibrating import calibrate_model

    calibrate_model(
        options.model,
        options.labels,
        options.images,
        options.out,
        part=options.part,
        label_options=labels,
        options=prediction,
    )


def run_typical(options: Namespace) -> None:
    """Fit what training galaxies look like."""
    prediction = take(PredictOptions, options)

    from gz2tree.commands.typifying import typify_model

    typify_model(options.model, options.images, options.out, options=prediction)


def _add_crop_and_size(parser: Parser, text: str) -> None:
    for name, default in (("crop", CutoutOptions.crop), ("size", CutoutOptions.size)):
        help_ = text.format(default)
        parser.add_argument(f"--{name}", type=int | None, default=None, help=help_)


COMMANDS = {
    "prepare": Command(
        prepare_parser,
        run_prepare,
        "images to a store of cutouts",
        after_interrupt="the same command goes on",
    ),
    "train": Command(
        train_parser,
        run_train,
        "train a network",
        after_interrupt="the same command with --resume goes on",
    ),
    "finetune": Command(
        finetune_parser,
        run_finetune,
        "train a trained network further",
        after_interrupt="the same command with --resume goes on",
    ),
    "calibrate": Command(calibrate_parser, run_calibrate, "fit temperatures and strengths"),
    "typical": Command(typical_parser, run_typical, "fit what training galaxies look like"),
}
