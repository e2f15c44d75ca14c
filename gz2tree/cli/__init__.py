"""The command line: options in, one of the commands run. Nothing heavy is imported before that."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jsonargparse import Namespace

from gz2tree.cli.parsing import Parser, value_of, with_underscores
from gz2tree.cli.prediction import (
    embed_parser,
    evaluate_parser,
    export_parser,
    predict_parser,
    run_embed,
    run_evaluate,
    run_export,
    run_predict,
)
from gz2tree.cli.printing import spell_in_ascii
from gz2tree.cli.samples import (
    classes_parser,
    explain_parser,
    run_classes,
    run_explain,
    run_select,
    select_parser,
)
from gz2tree.cli.sky import demo_parser, run_demo, run_simulate, simulate_parser
from gz2tree.cli.training import (
    calibrate_parser,
    finetune_parser,
    prepare_parser,
    run_calibrate,
    run_finetune,
    run_prepare,
    run_train,
    run_typical,
    train_parser,
    typical_parser,
)
from gz2tree.cli.viewing import (
    plot_parser,
    report_parser,
    run_plot,
    run_report,
    run_tree,
    tree_parser,
)
from gz2tree.config.choices import CommandName
from gz2tree.errors import InputError


class _Command(NamedTuple):
    parser: Callable[..., Parser]
    run: Callable[[Namespace], None]
    help: str


_COMMANDS: dict[CommandName, _Command] = {
    "tree": _Command(tree_parser, run_tree, "check and draw a decision tree"),
    "simulate": _Command(simulate_parser, run_simulate, "simulate a sky to try it on"),
    "prepare": _Command(prepare_parser, run_prepare, "images to a store of cutouts"),
    "train": _Command(train_parser, run_train, "train a network"),
    "finetune": _Command(finetune_parser, run_finetune, "train a trained network further"),
    "evaluate": _Command(evaluate_parser, run_evaluate, "compare predictions with labels"),
    "calibrate": _Command(calibrate_parser, run_calibrate, "fit temperatures and strengths"),
    "typical": _Command(typical_parser, run_typical, "fit what training galaxies look like"),
    "predict": _Command(predict_parser, run_predict, "predict a catalogue of images"),
    "select": _Command(select_parser, run_select, "select a clean sample"),
    "classes": _Command(classes_parser, run_classes, "add class strings to a catalogue"),
    "explain": _Command(explain_parser, run_explain, "one galaxy's tree, and why answers are 0"),
    "embed": _Command(embed_parser, run_embed, "write a network's features of images"),
    "export": _Command(export_parser, run_export, "write a network as ONNX"),
    "plot": _Command(plot_parser, run_plot, "draw a figure"),
    "report": _Command(report_parser, run_report, "a page to browse galaxies"),
    "demo": _Command(demo_parser, run_demo, "the whole job on a simulated sky, in minutes"),
}


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
        before it kills; 141 if what reads the output has ended.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    spell_in_ascii()
    given = [with_underscores(argument) for argument in arguments]
    parsed = build_parser(given).parse_args(given)
    command = parsed.subcommand
    _log_to_stderr()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if command == "train" and (parsed.train.preset or "") != value_of("--preset", given):
            raise InputError("preset: expected on the command line, found in the --config file")
        _COMMANDS[command].run(parsed[command])
        sys.stdout.flush()
    except BrokenPipeError:  # who read what is printed, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
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
    for name, command in _COMMANDS.items():
        preset = (value_of("--preset", arguments),) if name == "train" else ()
        commands.add_subcommand(name, command.parser(*preset), help=command.help)
    return parser


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.INFO, "info")
    logger = logging.getLogger("gz2tree")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
