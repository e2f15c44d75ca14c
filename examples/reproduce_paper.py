"""The student paper's flat network and GalaxyTreeNet under the paper's own recipe, side by side.

The paper: ResNet50 from ImageNet, its feature map flattened, a dense layer of 37 sigmoids, each
question divided by its sum (so that it sums to its parent: summing to 1, the published score is out
of reach; see docs/paper_figures.md); images turned at random, batches of 75, 50 of them an epoch,
36 epochs of Adam, the learning rate halved on a plateau. It closes by asking whether more patience
would have helped: so the tree is also trained with more of it, and on a cosine, for as many steps.

Minutes with --quick, on a simulated sky, with a training too short to learn anything; otherwise
hours on two cores, minutes on a GPU. Interrupted, the same command goes on. Expect a table, and
figures in --out:

    python examples/reproduce_paper.py --quick --out runs/paper-quick
    python examples/reproduce_paper.py --images IMAGES --labels LABELS --pretrained W --out RUN
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure

import gz2tree
from gz2tree.config import PRESETS
from gz2tree.demo import compare
from gz2tree.matching import align
from gz2tree.plots import draw_history, draw_scatter, plot_null_rmse
from gz2tree.run import RunDirectory
from gz2tree.simulate import simulate

PAPER = dict(PRESETS["paper"])
CUTOUTS = gz2tree.CutoutOptions(PAPER.pop("crop"), PAPER.pop("size"))
RECIPE = gz2tree.TrainConfig(**PAPER | {"augment": gz2tree.AugmentOptions(**PAPER["augment"])})
SCHEDULES = {
    "patience 2": RECIPE,
    "patience 5": replace(RECIPE, plateau_patience=5),
    "patience 10": replace(RECIPE, plateau_patience=10),
    "cosine": replace(RECIPE, schedule="cosine"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder, zip file or store")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", default="resnet50_v1")
    parser.add_argument("--pretrained", default=True, help="weights, if the hub is out of reach")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a simulated sky, a small network")
    args = parser.parse_args()
    short = {}
    if args.quick:
        sky = simulate(args.out / "sky", 300, seed=args.seed, size=160)
        args.images, args.labels = sky / "images", sky / "labels.csv"
        args.backbone, args.pretrained = "resnet10t", False
        short = {"epochs": 3, "batches_per_epoch": 3, "batch_size": 50}

    store = gz2tree.prepare(args.images, args.out / "cutouts", CUTOUTS)
    labels = gz2tree.read_labels(args.labels, image_ids=store.ids)
    galaxies = gz2tree.LabelledCutouts(store, labels)
    parts = gz2tree.split_parts(galaxies.hashes, 0.1, 0.2, args.seed)
    test = galaxies.take(parts == "test").labels

    options = {"pretrained": args.pretrained, "cutouts": CUTOUTS}
    flat = {"head": "flatten", **options}
    arms = {
        "paper": lambda: gz2tree.FlatNet(args.backbone, renormalised="to_parent", **flat),
        "flat": lambda: gz2tree.FlatNet(args.backbone, **flat),
        "tree": lambda: gz2tree.GalaxyTreeNet(args.backbone, **options),
    }
    jobs = [(arm, "patience 2") for arm in arms] + [("tree", name) for name in SCHEDULES]
    reports, histories = {}, {}
    for arm, schedule in dict.fromkeys(jobs):
        name = f"{arm}, {schedule}"
        run = RunDirectory(args.out / name.replace(", ", "-").replace(" ", "-"))
        torch.manual_seed(args.seed)
        network = arms[arm]()
        config = replace(SCHEDULES[schedule], seed=args.seed, **short)
        train, valid = galaxies.take(parts == "train"), galaxies.take(parts == "valid")
        histories[name] = gz2tree.fit(
            network, train, valid, config, out=run.path, resume=run.is_begun
        )
        predictions = gz2tree.predict(network, store, positions=store.rows(test.ids))
        reports[name] = gz2tree.evaluate(predictions, test)
        predictions.to_parquet(run.path / "test.parquet")
        (run.path / "test.json").write_text(reports[name].to_json() + "\n")
        rows = 1 + int(test.measured.any(0).sum()) // 6
        figure = Figure(figsize=(12, 0.7 + 2.2 * rows), layout="constrained")
        draw_scatter(figure, *align(predictions, test))
        figure.savefig(run.path / "scatter.png", dpi=110)
    print(compare(reports).T.to_string())
    figure = Figure(figsize=(14, 5), layout="constrained")
    draw_history(figure, histories).savefig(args.out / "history.png", dpi=110)
    figure = Figure(figsize=(9, 4), layout="constrained")
    compared = {name: reports[name] for name in list(reports)[: len(arms)]}
    plot_null_rmse(figure.subplots(), compared, test.tree)
    figure.savefig(args.out / "null.png", dpi=110)


if __name__ == "__main__":
    main()
