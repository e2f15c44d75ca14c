"""How fast we are, beside others and beside the floor, in the same run.

Every comparison alternates (ABC ABC ABC ...) and gives medians of rounds; ratios are taken round by
round. One section a command, each kept in the work folder; `report` joins those that are there:

    section     minutes on 2 quiet cores
    graph       1     the decision graph against a flat sigmoid, a loop and a memory pass; 1 core
    imports     1     `import gz2tree` and `--help` of every command
    cutouts     1     JPEGs to cutouts, against Pillow and against decoding alone; 1 core
    networks    6     steps of ResNet50 against a bare timm loop and Zoobot
    precision   2     bfloat16 against float32 on real galaxies
    training    3     an epoch from the store and from JPEGs, against a loop in memory
    predicting  5     `predict` end to end, against the bare backbone; 16 views
    memory      5     peak memory at 1,000, 4,000 and 16,000 galaxies
    all        24

    python benchmarks/zoobot_environment.py runs/zoobot      once, for `networks`
    python benchmarks/bench_speed.py all --zoobot runs/zoobot
    python benchmarks/bench_speed.py report
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import speed_timing
from record import provenance
from speed_basics import cutouts, graph, imports
from speed_networks import networks, precision
from speed_pipeline import memory, predicting, training
from speed_report import page
from speed_timing import Row, Skipped

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "speed"
PAGE = CHECKOUT / "docs" / "performance.md"
BEGIN, END = "<!-- bench_speed.py report: begin -->", "<!-- end -->"
SECTIONS: dict[str, tuple[str, Callable[[argparse.Namespace], list[Row]]]] = {
    "graph": ("The decision graph alone, one core", graph),
    "imports": ("Imports", imports),
    "cutouts": ("Cutouts, one core", cutouts),
    "networks": ("Steps of a network", networks),
    "precision": ("Reduced precision", precision),
    "training": ("Training, end to end", training),
    "predicting": ("Predicting, end to end", predicting),
    "memory": ("As the number of galaxies grows", memory),
}


def main() -> None:
    args = parse()
    logging.getLogger("gz2tree").setLevel(logging.ERROR)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.section == "report":
        report(args)
        return
    for name in SECTIONS if args.section == "all" else [args.section]:
        if args.again or not result_file(args, name).exists():
            run(args, name)
    report(args)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", choices=[*SECTIONS, "all", "report"])
    parser.add_argument("--work", type=Path, default=Path("runs/speed"), help="scratch folder")
    parser.add_argument("--zoobot", type=Path, default=Path("runs/zoobot"), help="its environment")
    parser.add_argument("--again", action="store_true", help="measure anew what is there already")
    parser.add_argument("--rounds", type=int, default=5, help="of every comparison, at least")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batch", type=int, default=32, help="at 224 px; twice that at 96")
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 96], help="of `networks`")
    parser.add_argument("--numbers", type=int, nargs="+", default=[1000, 4000, 16000])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work = args.work.resolve()
    return args


def result_file(args: argparse.Namespace, name: str) -> Path:
    return args.work / f"{name}.json"


def run(args: argparse.Namespace, name: str) -> None:
    """Measure a section and keep it."""
    print(f"{name} ...")
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    speed_timing.SKIPPED.clear()
    before, start = os.getloadavg()[0], time.perf_counter()
    try:
        rows = SECTIONS[name][1](args)
    except Skipped as reason:
        rows = []
        speed_timing.SKIPPED.append(str(reason))
    found = provenance() | {
        "section": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "rounds": args.rounds,
        "threads": args.threads,
        "batch": args.batch,
        "seed": args.seed,
        "seconds": time.perf_counter() - start,
        "load_average": [before, os.getloadavg()[0]],
        "skipped": list(speed_timing.SKIPPED),
        "rows": [row.to_dict() for row in rows],
    }
    result_file(args, name).write_text(json.dumps(found, indent=1) + "\n")


def report(args: argparse.Namespace) -> None:
    """Join the sections that are there, for the results and the page."""
    sections = {
        name: json.loads(result_file(args, name).read_text())
        for name in SECTIONS
        if result_file(args, name).exists()
    }
    text = page(sections, {name: title for name, (title, _) in SECTIONS.items()})
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "speed.json").write_text(json.dumps(sections, indent=1) + "\n")
    (RESULTS / "speed.md").write_text(text)
    if PAGE.exists():
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
