"""The commands that take a trained network, ``evaluate`` to ``export``: their options."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from gz2tree.cli.parsing import (
    Command,
    Parser,
    add_data,
    add_model,
    add_options,
    add_part,
    add_tree,
    given_tree,
    take,
)
from gz2tree.config import (
    ByOptions,
    CatalogueOptions,
    ImageOptions,
    LabelOptions,
    PredictOptions,
    ShardOptions,
    TableOptions,
)
from gz2tree.config.choices import MoreColumns
from gz2tree.config.prediction import which_columns


def evaluate_parser() -> Parser:
    """Build the parser of the command ``evaluate``."""
    evaluate = Parser(description="Compare a network's predictions with labels.")
    add_model(evaluate)
    add_data(evaluate)
    evaluate.add_argument("--json", type=Path | None, default=None, help="file to be written")
    add_part(evaluate)
    add_tree(evaluate, "that of the model; another one is refused")
    add_options(evaluate, ByOptions)
    add_options(evaluate, LabelOptions)
    add_options(evaluate, PredictOptions)
    return evaluate


def predict_parser() -> Parser:
    """Build the parser of the command ``predict``."""
    predict = Parser(description="Predict a catalogue of images.")
    predict.add_argument(
        "--model",
        action="append",
        default=[],
        help="a trained network: run directory, folder of a saved model, or 'default' (default); "
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
        help="what to write: one of cumulative, conditional, reach and uncertainty; and "
        "atypical, if wanted: how unlike the training galaxies an image is",
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
    for group in (TableOptions, ImageOptions, PredictOptions, ShardOptions):
        add_options(predict, group)
    return predict


def embed_parser() -> Parser:
    """Build the parser of the command ``embed``."""
    embed = Parser(description="Write the features by which a network tells galaxies apart.")
    add_model(embed)
    embed.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    embed.add_argument("--out", type=Path, required=True, help=".parquet, .csv or .fits file")
    add_options(embed, PredictOptions)
    return embed


def export_parser() -> Parser:
    """Build the parser of the command ``export``."""
    export = Parser(description="Write a network as ONNX, its tree included.")
    add_model(export)
    export.add_argument("--out", type=Path, required=True, help=".onnx file")
    return export


def run_evaluate(options: Namespace) -> None:
    """Compare predictions with labels."""
    labels, prediction = take(LabelOptions, options), take(PredictOptions, options)
    by = take(ByOptions, options)

    from gz2tree.commands.evaluating import evaluate_model

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


def run_predict(options: Namespace) -> None:
    """Predict a catalogue."""
    prediction, shards = take(PredictOptions, options), take(ShardOptions, options)
    columns, atypical = which_columns(options.columns)
    table = take(TableOptions, options)
    flags = tuple(options.flag)
    catalogue = CatalogueOptions(columns, flags, options.level, atypical, table)

    from gz2tree.commands.predicting import predict_catalogue

    predict_catalogue(
        options.model or ["default"],
        options.images,
        options.out,
        options=prediction,
        catalogue=catalogue,
        shards=shards,
        image_options=take(ImageOptions, options),
    )


def run_embed(options: Namespace) -> None:
    """Write features."""
    prediction = take(PredictOptions, options)

    from gz2tree.commands.embedding import embed_images

    embed_images(options.model, options.images, options.out, prediction)


def run_export(options: Namespace) -> None:
    """Write a network as ONNX."""
    from gz2tree.commands.exporting import export_model

    export_model(options.model, options.out)


COMMANDS = {
    "evaluate": Command(evaluate_parser, run_evaluate, "compare predictions with labels"),
    "predict": Command(
        predict_parser,
        run_predict,
        "predict a catalogue of images",
        after_interrupt="into a folder of shards the same command goes on where it stopped",
    ),
    "embed": Command(embed_parser, run_embed, "write a network's features of images"),
    "export": Command(export_parser, run_export, "write a network as ONNX"),
}
