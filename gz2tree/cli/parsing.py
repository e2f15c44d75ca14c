"""How options are parsed: dashes in their names, errors of one line, dataclasses of options."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from gz2tree.errors import did_you_mean
from gz2tree.tree import DecisionTree
from gz2tree.treenames import find_tree, tree_names

Options = TypeVar("Options")

PARTS = ["train", "valid", "test", "all"]
"""Of a run's split."""

_NOT_A_CHOICE = (
    r'Parser key "(?:--)?(?P<name>.+?)": Expected a typing\.Literal\[(?P<choices>.*?)\]\. '
    r"Got value: (?P<found>.*)",
    r'Parser key "(?:--)?(?P<name>.+?)": Does not validate against any of the Union subtypes '
    r"Subtypes: \[typing\.Literal\[(?P<choices>[^]]*)\], NoneType\] .*Given value: (?P<found>.*)",
    r"argument (?:--)?(?P<name>.+?): invalid choice: (?P<found>.*) \(choose from (?P<choices>.*)\)",
)
_NOT_OF_TYPE = r'Parser key "(?:--)?(.+?)": Expected an? (\w+)\. Got value: (.*)'


class HelpFormatter(DefaultHelpFormatter):
    """jsonargparse's help, without Python types and without defaults that say nothing."""

    def _get_type_str(self, action: Any) -> None:
        return None

    def _get_help_string(self, action: Any) -> str:
        text = super()._get_help_string(action)
        # By identity: 0 is a default that says something, and equals False.
        if action.default is None or action.default is False or action.default == []:
            text = re.sub(r",? ?default: %\(default\)s", "", text).replace(" ()", "")
        return text.replace("(, ", "(")


class Parser(ArgumentParser):
    """jsonargparse's parser, with dashes in option names and errors of one line.

    Attributes
    ----------
    commands : tuple of str
        Names of all commands: jsonargparse writes them before the options in its messages.
    """

    commands: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **options: Any) -> None:
        # A new option would otherwise change what an abbreviation means.
        super().__init__(allow_abbrev=False, formatter_class=HelpFormatter, **options)

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Print what is wrong with the options, and exit with 2."""
        text = " ".join(message.split())
        for key, name in self._without_dashes().items():
            text = re.sub(rf"(?<=[ \"]){re.escape(key)}(?=[\",]|$)", name, text)
        commands = "|".join(self.commands)
        text = re.sub(rf"(?<=[ \"])(?:{commands})\.(\w+)(?=[\",]|$)", r"--\1", text)
        text = re.sub(r"<class '(\w+)'>", r"\1", text)
        if unknown := re.match(r"unrecognized arguments: (--\w+)", text):
            text += did_you_mean(unknown[1], self._option_string_actions)
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


class Command(NamedTuple):
    """A command: how its options are parsed, what runs it, and what is said of it.

    Parameters
    ----------
    parser : callable
        Returns the parser of its options.
    run : callable
        Does the work, given the parsed options.
    help : str
        For ``gz2tree --help``.
    after_interrupt : str
        How to go on after Ctrl-C, if one can.
    """

    parser: Callable[..., Parser]
    run: Callable[[Namespace], None]
    help: str
    after_interrupt: str = ""


def add_options(parser: Parser, group: type) -> None:
    """Add the fields of a dataclass; a switch that is off by default needs no value."""
    switches = {field.name for field in fields(group) if field.default is False}
    parser.add_class_arguments(group, skip=switches)
    if not switches:
        return
    # Their help is what the docstring says of them, as jsonargparse reads it.
    with_values = ArgumentParser()
    with_values.add_class_arguments(group)
    texts = {action.dest: action.help for action in with_values._actions}
    for name in sorted(switches):
        parser.add_argument(f"--{name}", action="store_true", help=texts[name])


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
    text = "a trained network: run directory, folder of a saved model, or 'default'"
    parser.add_argument("--model", type=str, default="default", help=text)


def add_part(parser: Parser) -> None:
    """Add the option ``--part``."""
    text = (
        "which galaxies of the model's split; without it all that are labelled, which is refused "
        "if some of them trained the model"
    )
    parser.add_argument("--part", choices=PARTS, help=text)


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


def take(group: type[Options], options: Namespace) -> Options:
    """Make a dataclass of those options that are its fields."""
    values = {}
    for field in fields(group):  # type: ignore[arg-type]
        value = options[field.name]
        if isinstance(value, Namespace):
            nested: Any = type(field.default)
            value = nested(**value.as_dict())
        values[field.name] = value
    return group(**values)


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
            hint = did_you_mean(found, choices)
            return f"{said['name']}: expected one of {', '.join(choices)}, found {found!r}{hint}"
    return re.sub(_NOT_OF_TYPE, r"\1: expected \2, found \3", text)
