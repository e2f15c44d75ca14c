"""How long a survey takes, and how much it weighs, from measured rates and sizes.

python benchmarks/cost_model.py --speed benchmarks/results/speed/speed.json --images IMAGES \
    --catalogue CATALOGUE --store STORE

prints the tables of docs/survey.md: rates from what `benchmarks/bench_speed.py` has measured,
sizes from files that are at hand. What is not given has no row; nothing is assumed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

from gz2tree.catalogues.shardformat import read_manifest
from gz2tree.storeformat import StoreHeader

EXPONENTS = (6, 9)  # of ten: how many galaxies


def rates(speed: Path) -> Iterator[tuple[str, float]]:
    """Images per second, by the median, of whatever was measured for whole predictions."""
    sections = json.loads(speed.read_text())
    for section in sections.values():
        for row in section["rows"]:
            if row["images"] and row["what"].startswith("predict"):
                yield row["what"], row["images"] / statistics.median(row["ours"])


def sizes(args: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """Bytes a galaxy."""
    if args.images:
        files = [path.stat().st_size for path in args.images.rglob("*.jpg")]
        yield f"JPEG, mean of {len(files):,}", sum(files) / len(files)
    if args.store:
        held = StoreHeader.read(args.store)
        total = sum(path.stat().st_size for path in args.store.iterdir())
        yield f"store of {held.size} px cutouts, of {held.n:,}", total / held.n
    if args.catalogue:
        held = read_manifest(args.catalogue)
        total = sum(shard["bytes"] for shard in held["shards"])
        what = f"catalogue of {held['tree']}, of {held['galaxies']:,}"
        yield what, total / held["galaxies"]


def shown(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--speed", type=Path, help="results of bench_speed.py")
    parser.add_argument("--images", type=Path, help="folder of JPEGs")
    parser.add_argument("--store", type=Path, help="prepared store")
    parser.add_argument("--catalogue", type=Path, help="complete catalogue in shards")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 64])
    args = parser.parse_args()
    if args.speed:
        columns = [f"hours, 10^{e} on {d}" for e in EXPONENTS for d in args.devices]
        print(f"| measured | images/s a device | {' | '.join(columns)} |")
        print("| --- " * (2 + len(columns)) + "|")
        for what, rate in rates(args.speed):
            hours = [10**e / rate / d / 3600 for e in EXPONENTS for d in args.devices]
            print(f"| {what} | {shown(rate)} | {' | '.join(map(shown, hours))} |")
        print()
    print("| measured | bytes a galaxy | 10^6 galaxies, GB | 10^9 galaxies, TB |")
    print("| --- | --- | --- | --- |")
    for what, size in sizes(args):
        print(f"| {what} | {size:,.0f} | {shown(size * 1e6 / 1e9)} | {shown(size * 1e9 / 1e12)} |")


if __name__ == "__main__":
    main()
