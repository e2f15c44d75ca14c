"""The command line: options in, one of the commands run. Nothing heavy is imported before that."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

from gz2tree.cli import prediction, samples, sky, training, viewing
from gz2tree.cli.parsing import Command, Parser, value_of, with_underscores
from gz2tree.cli.printing import spell_in_ascii
from gz2tree.errors import InputError
from gz2tree.version import __version__

COMMANDS: dict[str, Command] = {
    **sky.COMMANDS,
    **training.COMMANDS,
    **prediction.COMMANDS,
    **samples.COMMANDS,
    **viewing.COMMANDS,
}
"""All commands, by name, in the order of ``gz2tree --help``."""

Parser.commands = tuple(COMMANDS)


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
        COMMANDS[command].run(parsed[command])
        sys.stdout.flush()
    except BrokenPipeError:  # who read what is printed, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (InputError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = COMMANDS[command].after_interrupt
        print(f"interrupted; {again}" if again else "interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def build_parser(arguments: Sequence[str]) -> Parser:
    """Build the parser; a preset among the arguments gives the defaults of ``train``."""
    parser = Parser(
        prog="gz2tree",
        description="Predict how Galaxy Zoo 2 volunteers would classify a galaxy image.",
        version=__version__,
    )
    commands = parser.add_subcommands(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
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
