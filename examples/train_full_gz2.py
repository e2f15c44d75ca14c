r"""Train on the whole Kaggle Galaxy Challenge download: 61,578 galaxies, all 37 answers.

Get `images_training_rev1.zip` and `training_solutions_rev1.csv` from
https://www.kaggle.com/c/galaxy-zoo-the-galaxy-challenge/data, then, on one GPU or several:

    python examples/train_full_gz2.py --images images_training_rev1.zip \
        --labels training_solutions_rev1.csv --out runs/full --devices 4

Takes a day of two CPU cores, at the 21 galaxies a second of docs/performance.md; not measured on a
GPU. Interrupted, the same command goes on. On several machines, `gz2tree prepare IMAGES OUT/cutouts
--size 224` comes first.

Expect a report on a tenth of the galaxies, with 1 view and 16; not measured here, where there were
4,000 of these galaxies and 17 of the 37 columns. Published RMSE, for orientation: 0.0767, one
ResNet50 with a tree; 0.0739, sigmoids, 224 pixels and 16 views.
"""

import argparse
from pathlib import Path

import torch

import gz2tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder or zip file")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--pretrained", default=True, help="file of ImageNet weights; '' for none")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64, help="of each device")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="for 64 galaxies a step")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--num-nodes", type=int, default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    cutouts = gz2tree.CutoutOptions(args.crop, args.size)
    store = gz2tree.prepare(args.images, args.out / "cutouts", cutouts)
    labels = gz2tree.read_labels(args.labels, image_ids=store.ids)
    galaxies = gz2tree.LabelledCutouts(store, labels)
    parts = gz2tree.split_parts(galaxies.hashes, 0.05, 0.1, args.seed)

    weights = args.pretrained or False
    torch.manual_seed(args.seed)
    model = gz2tree.GalaxyTreeNet(args.backbone, pretrained=weights, cutouts=cutouts)
    # The square root of the galaxies a step is the rule for Adam (Malladi et al. 2022, NeurIPS).
    galaxies_per_step = args.batch_size * args.devices * args.num_nodes
    config = gz2tree.TrainConfig(
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate * (galaxies_per_step / 64) ** 0.5,
        seed=args.seed,
        workers=args.workers,
        devices=args.devices,
        num_nodes=args.num_nodes,
    )
    train, valid, test = (galaxies.take(parts == part) for part in ("train", "valid", "test"))
    run = args.out / "run"
    gz2tree.fit(model, train, valid, config, out=run, resume=run.exists())

    if torch.distributed.is_initialized() and torch.distributed.get_rank() > 0:
        return  # the processes that trained together need not all test
    for views in (1, 16):
        options = gz2tree.PredictOptions(views=views)
        catalogue = gz2tree.predict(model, store, options, positions=store.rows(test.labels.ids))
        report = gz2tree.evaluate(catalogue, test.labels)
        (args.out / f"test-{views}-views.json").write_text(report.to_json(views=views) + "\n")
        print(f"{views} views\n{report}\n")


if __name__ == "__main__":
    main()
