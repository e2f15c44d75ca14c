"""How many labels does a question of one's own need? From ImageNet, and from a trained network.

A yes-or-no question, "features?", is learnt from 50, 100, 200 and 400 galaxies and measured on a
fifth of them all, without images that trained the network of --start (docs/finetuning.md). Takes a
quarter of an hour of two cores for 500 galaxies; interrupted, the same command goes on. Expect a
table and its figure, accuracy.csv and accuracy.png:

    python examples/finetune.py --images IMAGES --labels LABELS --start RUN --out OUT
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import gz2tree
from gz2tree.config import FINETUNE
from gz2tree.model import seen_by
from gz2tree.networks.finetuning import adapt
from gz2tree.plots import new_figure, plot_learning_curves
from gz2tree.runs.run import RunDirectory

FEATURES = gz2tree.DecisionTree("own", [gz2tree.Question("features", ["featured", "smooth"])])


def features_labels(table, store):
    """Share of "features or disk" among those who answered that or "smooth"."""
    votes = gz2tree.read_labels(table, image_ids=store.ids)
    answers = [votes.tree.find_answer(answer) for answer in ("features or disk", "smooth")]
    chosen = votes.cumulative[:, answers] / votes.cumulative[:, answers].sum(axis=1, keepdims=True)
    return gz2tree.Labels(votes.ids, chosen, FEATURES, votes.kind)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder, zip file or store")
    parser.add_argument("--labels", type=Path, required=True, help="of Galaxy Zoo 2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", default="default", help="a trained network")
    parser.add_argument("--pretrained", default=True, help="file of ImageNet weights; '' for none")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--epochs", type=int, default=FINETUNE["epochs"])
    args = parser.parse_args()

    start = gz2tree.load_model(args.start)
    torch.manual_seed(0)
    blank = gz2tree.GalaxyTreeNet(
        start.backbone_name,
        pretrained=args.pretrained or False,
        pooling=start.config()["pooling"],
        cutouts=start.cutouts,
    )
    store = gz2tree.prepare(args.images, args.out / "cutouts", start.cutouts)
    galaxies = gz2tree.LabelledCutouts(store, features_labels(args.labels, store))
    held_out = gz2tree.split_parts(galaxies.hashes, 0.0, 0.2, seed=0) == "test"
    test = galaxies.take(held_out & ~seen_by(args.start, galaxies.hashes)).labels
    order = np.random.default_rng(0).permutation(np.flatnonzero(~held_out))

    config, rows = gz2tree.TrainConfig(**FINETUNE | {"epochs": args.epochs}), []
    for name, first in {"ImageNet" if args.pretrained else "random": blank, "model": start}.items():
        for n in args.sizes:
            run, model = RunDirectory(args.out / f"{name}-{n}"), adapt(first, FEATURES)
            train, keep = galaxies.take(order[:n]), {"out": run.path, "resume": run.is_begun}
            gz2tree.fit(model, train, config=config, **keep)
            predictions = gz2tree.predict(model, store, positions=store.rows(test.ids))
            right = (predictions[FEATURES.columns[0]] > 0.5) == (test.cumulative[:, 0] > 0.5)
            rows.append((name, n, right.mean(), right.std() / len(right) ** 0.5))
    table = pd.DataFrame(rows, columns=["start", "labels", "accuracy", "error"])
    table.to_csv(args.out / "accuracy.csv", index=False)
    print(table.round(3).to_string(index=False))
    axes = plot_learning_curves(new_figure(6, 4.2).subplots(), table)
    axes.set_title(f'"Features?" of {len(test)} test galaxies')
    axes.figure.savefig(args.out / "accuracy.png", dpi=150)


if __name__ == "__main__":
    main()
