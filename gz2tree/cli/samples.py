"""The commands on catalogues, ``select``, ``classes`` and ``explain``: their options."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from gz2tree.cli.parsing import Command, Parser, a_tree
from gz2tree.config.choices import Kind
from gz2tree.treenames import find_tree


def select_parser() -> Parser:
    """Build the parser of the command ``select``."""
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
    return select


def classes_parser() -> Parser:
    """Build the parser of the command ``classes``."""
    classes = Parser(description="Add class strings, such as SBc2m, to a catalogue.")
    _add_catalogue(classes)
    classes.add_argument("--out", type=Path, required=True, help="table to be written")
    return classes


def explain_parser() -> Parser:
    """Build the parser of the command ``explain``."""
    explain = Parser(
        description="Say of one galaxy how probable each branch of its tree is, and why it is 0."
    )
    _add_catalogue(explain)
    explain.add_argument("--galaxy", required=True, metavar="ID", help="of the galaxy")
    return explain


def run_select(options: Namespace) -> None:
    """Select a clean sample."""
    from gz2tree.commands.selecting import read_preceding, select_catalogue
    from gz2tree.science.samples import Cuts

    tree = find_tree(options.tree)
    preceding = read_preceding(options.preceding, tree, options.sample)
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


def run_classes(options: Namespace) -> None:
    """Add class strings."""
    from gz2tree.commands.selecting import spell_catalogue

    spell_catalogue(
        options.catalogue,
        options.out,
        tree=find_tree(options.tree),
        kind=options.kind,
        id_column=options.id_column,
    )


def run_explain(options: Namespace) -> None:
    """Explain one galaxy."""
    from gz2tree.commands.selecting import explain_galaxy

    explain_galaxy(
        options.catalogue,
        options.galaxy,
        tree=find_tree(options.tree),
        kind=options.kind,
        id_column=options.id_column,
    )


def _add_catalogue(parser: Parser) -> None:
    parser.add_argument("catalogue", type=Path, help="table of votes or of predictions")
    parser.add_argument("--tree", default="GZ2_KAGGLE", help=a_tree())
    parser.add_argument("--kind", type=Kind, default="debiased", help="of a table of votes")
    parser.add_argument("--id_column", type=str | None, default=None, help="of the galaxies' ids")


COMMANDS = {
    "select": Command(select_parser, run_select, "select a clean sample"),
    "classes": Command(classes_parser, run_classes, "add class strings to a catalogue"),
    "explain": Command(explain_parser, run_explain, "one galaxy's tree, and why answers are 0"),
}
