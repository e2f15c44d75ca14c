"""The commands on catalogues, ``select``, ``classes`` and ``explain``: their options."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from gz2tree.cli.parsing import Command, Parser, a_tree, add_tree, given_tree
from gz2tree.config.choices import Kind
from gz2tree.config.samples import SAMPLES, WELL_SAMPLED


def select_parser() -> Parser:
    """Build the parser of the command ``select``."""
    select = Parser(
        description="Select a clean sample of a catalogue of votes or predictions, and say how "
        "many galaxies each cut leaves."
    )
    _add_catalogue(select)
    select.add_argument(
        "--sample", required=True, help=f"{', '.join(SAMPLES)}; or any answer, as in a34_4"
    )
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
        help="least fraction of an answer on the way, as in features=0.2; by default those of "
        f"Willett et al. 2013: {', '.join(f'{name}={f:.3f}' for name, f in WELL_SAMPLED.items())}",
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
        description="Say of galaxies how probable each branch of the tree is, and why a number is "
        "0, tiny or not measured."
    )
    _add_catalogue(explain)
    explain.add_argument("--galaxy", required=True, nargs="+", metavar="ID", help="of galaxies")
    explain.add_argument(
        "--answer",
        nargs="+",
        default=[],
        metavar="ANSWER",
        help="say in one line how the probability of an answer comes about, as in bar",
    )
    explain.add_argument(
        "--gate",
        type=float | None,
        default=None,
        help="that the catalogue was predicted with, 0 for none, where it cannot say so (CSV)",
    )
    return explain


def run_select(options: Namespace) -> None:
    """Select a clean sample."""
    from gz2tree.commands.selecting import select_catalogue

    select_catalogue(
        options.catalogue,
        options.sample,
        options.out,
        tree=given_tree(options),
        kind=options.kind,
        id_column=options.id_column,
        threshold=options.threshold,
        votes=options.votes,
        preceding=options.preceding,
        preceding_kind=options.preceding_kind,
        against=options.against,
    )


def run_classes(options: Namespace) -> None:
    """Add class strings."""
    from gz2tree.commands.selecting import spell_catalogue

    spell_catalogue(
        options.catalogue,
        options.out,
        tree=given_tree(options),
        kind=options.kind,
        id_column=options.id_column,
    )


def run_explain(options: Namespace) -> None:
    """Explain galaxies."""
    from gz2tree.science.onegalaxy import explain_galaxies

    text = explain_galaxies(
        options.catalogue,
        options.galaxy,
        options.answer,
        tree=given_tree(options),
        kind=options.kind,
        id_column=options.id_column,
        gate=options.gate,
    )
    print(text)


def _add_catalogue(parser: Parser) -> None:
    parser.add_argument("catalogue", type=Path, help="table of votes or of predictions")
    add_tree(parser, f"{a_tree()}; that whose columns the catalogue has by default")
    parser.add_argument("--kind", type=Kind, default="debiased", help="of a table of votes")
    parser.add_argument("--id_column", type=str | None, default=None, help="of the galaxies' ids")


COMMANDS = {
    "select": Command(select_parser, run_select, "select a clean sample"),
    "classes": Command(classes_parser, run_classes, "add class strings to a catalogue"),
    "explain": Command(explain_parser, run_explain, "one galaxy's tree, and why answers are 0"),
}
