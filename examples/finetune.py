"""How many labels does a question of one's own need? From ImageNet, and from trained networks.

A yes-or-no question, "features?", is learnt from 50, 100, 200 and 400 galaxies and measured on a
fifth of them all. Mind what a start has seen (docs/finetuning.md): the images in the store of a run
that is given as --start are left out of the test. Minutes with --quick, on a simulated sky; hours
on two cores otherwise; interrupted, the same command goes on. Expect accuracy.csv and accuracy.png:

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
from gz2tree.finetuning import adapt
from gz2tree.plots.style import COLOURS, MARKERS
from gz2tree.run import RunDirectory
from gz2tree.simulate import simulate

FEATURES = gz2tree.DecisionTree("own", [gz2tree.Question("features", ["featured", "smooth"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder, zip file or store")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", nargs="+", default=["default"], help="models of one cutout")
    parser.add_argument("--pretrained", default=True, help="weights, if the hub is out of reach")
    parser.add_argument("--blocks", type=int, help="of the backbone that learn; all by default")
    parser.add_argument("--quick", action="store_true", help="a simulated sky, one epoch")
    args = parser.parse_args()
    sizes, config = [50, 100, 200, 400], FINETUNE | {"blocks": args.blocks}
    if args.quick:
        sky = simulate(args.out / "sky", 60, size=256)
        args.images, args.labels, args.pretrained = sky / "images", sky / "labels.csv", False
        sizes, config = [16, 40], config | {"epochs": 1}

    models = {Path(name).stem: gz2tree.load_model(name) for name in args.start}
    first = next(iter(models.values()))
    like = {name: first.config()[name] for name in ("backbone", "pooling")}
    torch.manual_seed(0)
    blank = gz2tree.GalaxyTreeNet(pretrained=args.pretrained, cutouts=first.cutouts, **like)
    store = gz2tree.prepare(args.images, args.out / "cutouts", first.cutouts)
    votes = gz2tree.read_labels(args.labels, image_ids=store.ids)
    asked = votes.cumulative[:, [votes.tree.find_answer(a) for a in ("features or disk", "smooth")]]
    asked = asked / asked.sum(axis=1, keepdims=True)
    labels = gz2tree.Labels(votes.ids, asked, FEATURES, votes.kind)
    galaxies = gz2tree.LabelledCutouts(store, labels)
    held_out = gz2tree.split_parts(galaxies.hashes, 0.0, 0.2, seed=0) == "test"
    stores = [Path(name) / "cutouts" for name in args.start if (Path(name) / "cutouts").is_dir()]
    seen = [image for path in stores for image in gz2tree.CutoutStore(path).hashes]
    test = galaxies.take(held_out & ~np.isin(galaxies.hashes, seen)).labels
    order = np.random.default_rng(0).permutation(np.flatnonzero(~held_out))

    rows = []
    for name, start in {"ImageNet": blank, **models}.items():
        for n in sizes:
            run, model = RunDirectory(args.out / f"{name}-{n}"), adapt(start, FEATURES)
            options = {"config": gz2tree.TrainConfig(**config), "resume": run.is_begun}
            gz2tree.fit(model, galaxies.take(order[:n]), out=run.path, **options)
            predictions = gz2tree.predict(model, store, positions=store.rows(test.ids))
            right = (predictions[FEATURES.columns[0]] > 0.5) == (test.cumulative[:, 0] > 0.5)
            rows.append((name, n, right.mean(), right.std() / len(right) ** 0.5))
    table = pd.DataFrame(rows, columns=["start", "labels", "accuracy", "error"])
    table.to_csv(args.out / "accuracy.csv", index=False)
    print(table.round(3).to_string(index=False))
    wide = table.pivot(index="labels", columns="start", values=["accuracy", "error"])
    axes = wide["accuracy"].plot(
        yerr=wide["error"], logx=True, style=list(MARKERS[: len(models) + 1]), linestyle="-",
        color=list(COLOURS[: len(models) + 1]), capsize=3, ylabel="accuracy", xticks=sizes,
        title=f'"Features?" of {len(test)} test galaxies; bars: their standard error',
    )  # fmt: skip
    axes.set_xticks(sizes, [f"{n}" for n in sizes], minor=False)
    axes.set_xlabel("labelled galaxies")
    axes.minorticks_off()
    axes.figure.savefig(args.out / "accuracy.png", dpi=150)


if __name__ == "__main__":
    main()
