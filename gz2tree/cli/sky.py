"""The commands on a simulated sky, ``simulate`` and ``demo``: their options."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from gz2tree.cli.parsing import Command, Parser, add_workers
from gz2tree.config.choices import check_workers


def simulate_parser() -> Parser:
    """Build the parser of the command ``simulate``."""
    simulate = Parser(description="Simulate galaxies and the volunteers who classify them.")
    simulate.add_argument("sky", type=Path, metavar="SKY", help="folder to be written")
    simulate.add_argument("--n", type=int, required=True, help="number of galaxies")
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--size", type=int, default=424, help="side of the images in pixels")
    simulate.add_argument(
        "--volunteers", type=int, nargs=2, default=[28, 60], help="fewest and most for a galaxy"
    )
    add_workers(simulate)
    return simulate


def demo_parser() -> Parser:
    """Build the parser of the command ``demo``."""
    demo = Parser(description="Simulate, train a tree and a flat network, evaluate and predict.")
    demo.add_argument("--out", type=Path, default=Path("gz2tree-demo"), help="folder to be written")
    demo.add_argument("--seed", type=int, default=0)
    return demo


def run_simulate(options: Namespace) -> None:
    """Simulate a sky."""
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


def run_demo(options: Namespace) -> None:
    """Do the whole job on a simulated sky."""
    from gz2tree.commands.demo import demo

    demo(options.out, options.seed)


COMMANDS = {
    "simulate": Command(simulate_parser, run_simulate, "simulate a sky to try it on"),
    "demo": Command(
        demo_parser,
        run_demo,
        "the whole job on a simulated sky, in minutes",
        after_interrupt="the same command goes on",
    ),
}
