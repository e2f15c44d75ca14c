"""How many labels does a question of one's own need? From ImageNet, and from a trained network.

A yes-or-no question, "features?", is learnt from 50, 100, 200 and 400 galaxies and measured on a
fifth of them all; images in the store of a run that is given as --start are left out of that
(docs/finetuning.md). Takes a minute with --quick, else a quarter of an hour of two cores;
interrupted, the same command goes on. Expect a table and its figure, accuracy.csv and accuracy.png:

    python examples/finetune.py --quick --out runs/finetune-quick
    python examples/finetune.py --images IMAGES --labels LABELS --pretrained W --out RUN
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import gz2tree
from gz2tree.config import FINETUNE
from gz2tree.networks.finetuning import adapt
from gz2tree.plots import new_figure, plot_learning_curves
from gz2tree.runs.run import RunDirectory
from gz2tree.simulate import simulate

FEATURES = gz2tree.DecisionTree("own", [gz2tree.Question("features", ["featured", "smooth"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder, zip file or store")
    parser.add_argument("--labels", type=Path, help="of Galaxy Zoo 2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", default="default", help="a trained network")
    parser.add_argument("--pretrained", default=True, help="weights, if the hub is out of reach")
    parser.add_argument("--quick", action="store_true", help="a simulated sky, one epoch")
    args = parser.parse_args()
    sizes, config = [50, 100, 200, 400], gz2tree.TrainConfig(**FINETUNE)
    if args.quick:
        sky = simulate(args.out / "sky", 60, size=256)
        args.images, args.labels, args.pretrained = sky / "images", sky / "labels.csv", False
        sizes, config = [16, 40], gz2tree.TrainConfig(**FINETUNE | {"epochs": 1})

    start, cutouts_seen = gz2tree.load_model(args.start), Path(args.start) / "cutouts"
    like = {name: start.config()[name] for name in ("backbone", "pooling")}
    torch.manual_seed(0)
    blank = gz2tree.GalaxyTreeNet(pretrained=args.pretrained, cutouts=start.cutouts, **like)
    store = gz2tree.prepare(args.images, args.out / "cutouts", start.cutouts)
    votes = gz2tree.read_labels(args.labels, image_ids=store.ids)
    asked = votes.cumulative[:, [votes.tree.find_answer(a) for a in ("features or disk", "smooth")]]
    share = asked / asked.sum(axis=1, keepdims=True)
    labels = gz2tree.Labels(votes.ids, share, FEATURES, votes.kind)
    galaxies = gz2tree.LabelledCutouts(store, labels)
    held_out = gz2tree.split_parts(galaxies.hashes, 0.0, 0.2, seed=0) == "test"
    seen = gz2tree.CutoutStore(cutouts_seen).hashes if cutouts_seen.is_dir() else []
    test = galaxies.take(held_out & ~np.isin(galaxies.hashes, seen)).labels
    order = np.random.default_rng(0).permutation(np.flatnonzero(~held_out))

    rows = []
    firsts = {"ImageNet" if args.pretrained else "random weights": blank, "model": start}
    for name, first in firsts.items():
        for n in sizes:
            run, model = RunDirectory(args.out / f"{name.split()[0]}-{n}"), adapt(first, FEATURES)
            options = {"config": config, "out": run.path, "resume": run.is_begun}
            gz2tree.fit(model, galaxies.take(order[:n]), **options)
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
