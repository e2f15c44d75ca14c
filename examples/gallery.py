"""Sixteen galaxies, each with the most probable path through the decision tree below it.

Takes seconds. With a run directory and a prepared store:

    python examples/gallery.py --model RUN --images STORE --part test --out gallery.png
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import gz2tree
from gz2tree.plots import draw_galaxies
from gz2tree.run import RunDirectory
from gz2tree.splits import read_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="run directory, or the model in the box")
    parser.add_argument("--images", type=Path, required=True, help="prepared store")
    parser.add_argument("--part", choices=["train", "valid", "test"], help="of the run's split")
    parser.add_argument("--out", type=Path, default=Path("gallery.png"))
    parser.add_argument("--seed", type=int, default=0, help="of the choice of galaxies")
    args = parser.parse_args()

    model = gz2tree.load_model(args.model)
    store = gz2tree.CutoutStore(args.images)
    ids = store.ids
    if args.part:
        split = read_split(RunDirectory(args.model).split)
        ids = np.array([galaxy for galaxy in ids if split.get(galaxy) == args.part])
    rows = store.rows(np.random.default_rng(args.seed).choice(ids, 16, replace=False))
    predictions = gz2tree.predict(model, store, positions=rows, progress=False)

    predictions[model.untrained] = np.nan
    figure = Figure(figsize=(11, 15), layout="constrained")
    values = predictions[list(model.tree.columns)].to_numpy()
    draw_galaxies(figure, store.array[rows], model.tree, values, store.ids[rows])
    figure.savefig(args.out, dpi=110)
    print(args.out)


if __name__ == "__main__":
    main()
