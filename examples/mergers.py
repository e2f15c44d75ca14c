"""Flag mergers: a catalogue, its purity and completeness, and a picture of the flagged galaxies.

With the model in the box, galaxies whose cumulative probability of "merger" is at least 0.4:

    python examples/mergers.py --images IMAGES --labels labels.csv --out mergers

Takes about ten seconds for 30 galaxies on two cores, most of it for starting up. Expect
catalogue.parquet with a column flag_merger, and mergers.png with the most probable ones; with
labels, of the galaxies that have votes, purity and completeness by them.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import gz2tree
from gz2tree.catalogues.flags import read_flags
from gz2tree.plots import new_figure, plot_galaxy
from gz2tree.science.purity import purity_completeness
from gz2tree.store import open_images
from gz2tree.tables.files import write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="run directory, or the model in the box")
    parser.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    parser.add_argument("--labels", type=Path, help="table of votes")
    parser.add_argument("--flag", default="merger=0.4", metavar="ANSWER=THRESHOLD")
    parser.add_argument("--most", type=int, default=12, help="galaxies in the picture")
    parser.add_argument("--out", type=Path, required=True, help="folder to be written")
    args = parser.parse_args()

    model = gz2tree.load_model(args.model)
    (flag,) = read_flags([args.flag], model.tree)
    images = open_images(args.images, model.cutouts)
    rows, votes = np.arange(len(images)), pd.Series(dtype=float)
    column = model.tree.columns[flag.answer]
    if args.labels:
        labels = gz2tree.read_labels(args.labels, model.tree, image_ids=images.ids)
        rows = np.flatnonzero(pd.Index(images.ids).isin(labels.ids))
        votes = pd.Series(labels.cumulative[:, flag.answer], index=labels.ids)
    catalogue = gz2tree.predict(model, images, positions=rows, progress=False)
    catalogue[flag.column] = flag.of(catalogue[list(model.tree.columns)].to_numpy())
    args.out.mkdir(parents=True, exist_ok=True)
    write_table(catalogue, args.out / "catalogue.parquet")
    flagged = catalogue[catalogue[flag.column]]
    print(f"{len(flagged)} of {len(catalogue)} galaxies flagged")
    if args.labels:
        at = flag.threshold
        print(purity_completeness(catalogue, labels, column, at, thresholds=[at]).to_string())

    shown = flagged.nlargest(args.most, column)
    n_rows = max(1, -(-len(shown) // 4))
    figure = new_figure(10, 4.1 * n_rows)
    label = model.tree.answers[flag.answer].label
    what = f"of {len(flagged)} galaxies with P({label}) of at least {flag.threshold:g}"
    figure.suptitle(f"The {len(shown)} most probable {what}")
    panels = figure.subplots(n_rows, 4, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    positions = pd.Index(images.ids).get_indexer(shown[model.tree.id_column])
    for place, batch in enumerate(images.batches(positions, batch_size=1, workers=0)):
        galaxy = images.ids[batch.positions[0]]
        title = f"{galaxy}: {shown[column].iloc[place]:.2f}"
        title += f" (votes {votes[galaxy]:.2f})" if galaxy in votes else ""
        cutout, answers = batch.cutouts[0], shown[list(model.tree.columns)].iloc[place]
        plot_galaxy(panels[place], cutout, model.tree, answers, title)
    figure.savefig(args.out / "mergers.png", dpi=110)


if __name__ == "__main__":
    main()
