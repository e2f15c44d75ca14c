"""The student paper's flat network and GalaxyTreeNet under the paper's own recipe, side by side.

The paper: ResNet50 from ImageNet, flattened, 37 sigmoids, each question divided by its sum (so that
it sums to its parent, docs/paper_figures.md); Adam, the learning rate halved on a plateau. It asks
whether more patience would have helped: the tree is also trained with more, and on a cosine.

Takes a minute with --quick, on a simulated sky, too short to learn anything; else hours on two
cores; not measured on a GPU. Interrupted, the same command goes on. Expect a table of errors,
figures in OUT, and in each run test.parquet, which `gz2tree plot` takes as --predictions:

    python examples/reproduce_paper.py --quick --out runs/paper-quick
    python examples/reproduce_paper.py --images IMAGES --labels LABELS --pretrained W --out RUN
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

import gz2tree
from gz2tree.config import preset
from gz2tree.plots import draw_history, new_figure, plot_null_rmse
from gz2tree.runs.run import RunDirectory
from gz2tree.scores import compare_reports
from gz2tree.simulate import simulate

TREE, (CUTOUTS, RECIPE) = gz2tree.GZ2_KAGGLE, preset("paper")
SCHEDULES = {f"patience {n}": replace(RECIPE, plateau_patience=n) for n in (2, 5, 10)}
SCHEDULES["cosine"] = replace(RECIPE, schedule="cosine")
FLAT = {"head": "flatten", "cutouts": CUTOUTS}
ARMS = {
    "paper": lambda *start: gz2tree.FlatNet(*start, renormalised="to_parent", **FLAT),
    "flat": lambda *start: gz2tree.FlatNet(*start, **FLAT),
    "tree": lambda *start: gz2tree.GalaxyTreeNet(*start, cutouts=CUTOUTS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder, zip file or store")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pretrained", default=True, help="file of ImageNet weights; '' for none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a simulated sky, a small network")
    args = parser.parse_args()
    start, short = ("resnet50_v1", TREE, args.pretrained or False), {}
    if args.quick:
        sky = simulate(args.out / "sky", 300, seed=args.seed, size=160)
        args.images, args.labels = sky / "images", sky / "labels.csv"
        start, short = ("resnet10t", TREE, False), {"epochs": 3, "batches_per_epoch": 3}

    store = gz2tree.prepare(args.images, args.out / "cutouts", CUTOUTS)
    labels = gz2tree.read_labels(args.labels, image_ids=store.ids)
    galaxies = gz2tree.LabelledCutouts(store, labels)
    parts = gz2tree.split_parts(galaxies.hashes, 0.1, 0.2, args.seed)
    train, valid, test = (galaxies.take(parts == part) for part in ("train", "valid", "test"))
    reports, histories = {}, {}
    jobs = [(arm, "patience 2") for arm in ARMS] + [("tree", name) for name in SCHEDULES]
    for arm, schedule in dict.fromkeys(jobs):
        name = f"{arm}, {schedule}"
        run = RunDirectory(args.out / name.replace(", ", "-").replace(" ", "-"))
        torch.manual_seed(args.seed)
        network, config = ARMS[arm](*start), replace(SCHEDULES[schedule], seed=args.seed, **short)
        options = {"out": run.path, "resume": run.is_begun}
        histories[name] = gz2tree.fit(network, train, valid, config, **options)
        predictions = gz2tree.predict(network, store, positions=store.rows(test.labels.ids))
        reports[name] = gz2tree.evaluate(predictions, test.labels)
        predictions.to_parquet(run.path / "test.parquet")
    print(compare_reports(reports).T.to_string())
    draw_history(new_figure(14, 5), histories).savefig(args.out / "history.png", dpi=110)
    of_arms = {name: reports[name] for name in list(reports)[: len(ARMS)]}
    axes = plot_null_rmse(new_figure(9, 4).subplots(), of_arms, labels.tree)
    axes.figure.savefig(args.out / "null.png", dpi=110)


if __name__ == "__main__":
    main()
