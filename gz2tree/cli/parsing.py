"""How options are parsed: dashes in their names, errors of one line, dataclasses of options."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args

from jsonargparse import ArgumentParser, Namespace

from gz2tree.config.choices import CommandName
from gz2tree.tree import DecisionTree
from gz2tree.treefile import find_tree, tree_names

Options = TypeVar("Options")

PARTS = ["train", "valid", "test", "all"]
"""Of a run's split."""

_SWITCHES = {
    "allow_bad_rows": "drop and count rows that would be refused",
    "compile": "compile the backbone for the training steps: a minute at first, then faster",
    "deterministic": "deterministic algorithms only",
}


_NOT_A_CHOICE = (
    r'Parser key "(?:--)?(?P<name>.+?)": Expected a typing\.Literal\[(?P<choices>.*?)\]\. '
    r"Got value: (?P<found>.*)",
    r"argument (?:--)?(?P<name>.+?): invalid choice: (?P<found>.*) \(choose from (?P<choices>.*)\)",
)
_NOT_OF_TYPE = r'Parser key "(?:--)?(.+?)": Expected an? (\w+)\. Got value: (.*)'


class Parser(ArgumentParser):
    """jsonargparse's parser, with dashes in option names and errors of one line."""

    def __init__(self, **options: Any) -> None:
        # A new option would otherwise change what an abbreviation means.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Print what is wrong with the options, and exit with 2."""
        text = " ".join(message.split())
        for key, name in self._without_dashes().items():
            text = re.sub(rf"(?<=[ \"]){re.escape(key)}(?=[\",]|$)", name, text)
        commands = "|".join(get_args(CommandName))
        text = re.sub(rf"(?<=[ \"])(?:{commands})\.(\w+)(?=[\",]|$)", r"--\1", text)
        text = re.sub(r"<class '(\w+)'>", r"\1", text)
        if unknown := re.match(r"unrecognized arguments: (--\w+)", text):
            near = difflib.get_close_matches(unknown[1], self._option_string_actions, n=1)
            text += f"; did you mean {near[0]}?" if near else ""
        print("error:", _with_dashes(_expected(text)), file=sys.stderr)
        raise SystemExit(2)

    def _without_dashes(self) -> dict[str, str]:
        """Map what messages call the arguments without dashes of all commands to what help does.

        ``explain.catalogue`` is no option, and not to be shown as one.
        """
        commands = next((a.choices for a in self._actions if a.dest == "subcommand"), None) or {}
        return {
            f"{command}.{action.dest}": action.dest.upper()
            for command, parser in dict(commands).items()
            for action in parser._actions
            if not action.option_strings
        }

    def format_help(self, *arguments: Any) -> str:
        """Show option names with dashes."""
        return _with_dashes(super().format_help(*arguments))


def add_options(parser: Parser, kind: type) -> None:
    """Add the fields of a dataclass; a switch that is off by default needs no value."""
    switches = {field.name for field in fields(kind) if field.default is False}
    parser.add_class_arguments(kind, skip=switches)
    for name in sorted(switches):
        parser.add_argument(f"--{name}", action="store_true", help=_SWITCHES[name])


def a_tree() -> str:
    """Say how a tree is named, for the help of an option."""
    return f"YAML or JSON file, or one of {', '.join(tree_names())}"


def add_tree(parser: Parser, text: str) -> None:
    """Add the option ``--tree``; none by default."""
    parser.add_argument("--tree", type=str | None, default=None, help=text)


def add_workers(parser: Parser) -> None:
    """Add the option ``--workers``."""
    parser.add_argument(
        "--workers", type=int | None, default=None, help="processes; as many as cores by default"
    )


def add_model(parser: Parser) -> None:
    """Add the option ``--model``, of one network."""
    parser.add_argument(
        "--model",
        type=str,
        default="default",
        help="run directory, folder of a saved model, or 'default'",
    )


def add_data(parser: Parser) -> None:
    """Add the options ``--labels`` and ``--images``."""
    parser.add_argument("--labels", type=Path, required=True, help="table of labels")
    parser.add_argument("--images", type=Path, required=True, help="folder, zip file or store")


def given_tree(options: Namespace) -> DecisionTree | None:
    """Find the tree that ``--tree`` names, if it does.

    Raises
    ------
    TreeError
        Neither a tree's name nor a file that declares one.
    """
    return find_tree(options.tree) if options.tree else None


def take(kind: type[Options], options: Namespace) -> Options:
    """Make a dataclass of those options that are its fields."""
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = options[field.name]
        if isinstance(value, Namespace):
            nested: Any = type(field.default)
            value = nested(**value.as_dict())
        values[field.name] = value
    return kind(**values)


def value_of(option: str, arguments: Sequence[str]) -> str:
    """Value of an option before parsing, as ``--option value`` or ``--option=value``."""
    for position, argument in enumerate(arguments):
        name, separator, value = argument.partition("=")
        if name == option:
            return value if separator else "".join(arguments[position + 1 : position + 2])
    return ""


def with_underscores(argument: str) -> str:
    """Write an option as the parser knows it; anything else stays as it is."""
    name, separator, value = argument.partition("=")
    if not name.startswith("--"):
        return argument
    return f"--{name[2:].replace('-', '_')}{separator}{value}"


def _with_dashes(text: str) -> str:
    return re.sub(r"--[a-z][a-z_.]*", lambda option: option[0].replace("_", "-"), text)


def _expected(text: str) -> str:
    """Say what jsonargparse and argparse say of a value as other messages do."""
    for pattern in _NOT_A_CHOICE:
        if said := re.fullmatch(pattern, text):
            found = said["found"].strip("'")
            choices = [choice.strip("'") for choice in said["choices"].split(", ")]
            near = difflib.get_close_matches(found, choices, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            return f"{said['name']}: expected one of {', '.join(choices)}, found {found!r}{hint}"
    return re.sub(_NOT_OF_TYPE, r"\1: expected \2, found \3", text)
