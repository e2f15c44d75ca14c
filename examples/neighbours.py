"""Galaxies that look like one: nearest neighbours among a network's features.

    gz2tree embed --images IMAGES --out features.parquet
    python examples/neighbours.py --features features.parquet --images IMAGES --out like.png

Takes seconds, the features aside. Expect a row of galaxies for each of the first --n (or of those
named by --galaxy): the galaxy itself, then the most alike.
"""

import argparse
from pathlib import Path

import numpy as np

from gz2tree import load_model
from gz2tree.embedding import nearest, read_features
from gz2tree.images.byid import cutouts_by_id
from gz2tree.plots import new_figure, plot_cutouts
from gz2tree.store import open_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True, help="written by gz2tree embed")
    parser.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    parser.add_argument("--model", default="default", help="whose cutouts are shown")
    parser.add_argument("--galaxy", nargs="+", help="ids; the first --n by default")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--alike", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True, help=".png, .pdf or .svg file")
    args = parser.parse_args()

    ids, features = read_features(args.features)
    wanted = args.galaxy or list(ids[: args.n])
    row_of = {galaxy: row for row, galaxy in enumerate(ids)}
    found = {galaxy: ids[nearest(features, row_of[galaxy], args.alike)] for galaxy in wanted}
    shown = [galaxy for one, others in found.items() for galaxy in (one, *others)]
    source = open_images(args.images, load_model(args.model).cutouts)
    cutouts = cutouts_by_id(source, list(dict.fromkeys(shown)))
    columns = 1 + min(args.alike, len(ids) - 1)
    figure = new_figure(1.4 * columns, 1.6 * len(found) + 0.3)
    title = f"Each row: a galaxy, and those most alike of {len(ids):,}"
    images = np.stack([cutouts[galaxy] for galaxy in shown])
    plot_cutouts(figure.subplots(), images, title, shown, columns)
    figure.savefig(args.out, dpi=150, bbox_inches="tight")
    for one, others in found.items():
        print(one, *others)


if __name__ == "__main__":
    main()
