"""Train a network on your images and labels, then predict new images; the whole job from Python.

Takes minutes on a simulated sky (`gz2tree simulate SKY --n 500`), and as long as it takes on yours.
Three epochs of a small network are too few to be good: for that, see docs/training.md.

    python examples/train_and_predict.py --images SKY/images --labels SKY/labels.csv --out RUN

Expect a printed report on galaxies the network never saw, RUN/predictions.parquet, and in
RUN/gallery.png twelve of these galaxies with the most probable path through the tree below each.
"""

import argparse
from pathlib import Path

import torch

import gz2tree
from gz2tree.plots import draw_galaxies, new_figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--pretrained", default=True, help="file of ImageNet weights; '' for none")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--size", type=int, default=64)
    args = parser.parse_args()

    cutouts = gz2tree.CutoutOptions(args.crop, args.size)
    store = gz2tree.prepare(args.images, args.out / "cutouts", cutouts)
    labels = gz2tree.read_labels(args.labels, image_ids=store.ids)
    galaxies = gz2tree.LabelledCutouts(store, labels)
    parts = gz2tree.split_parts(galaxies.hashes, valid_fraction=0.1, test_fraction=0.2, seed=0)

    torch.manual_seed(0)
    weights = args.pretrained or False
    model = gz2tree.GalaxyTreeNet(args.backbone, pretrained=weights, cutouts=cutouts)
    config = gz2tree.TrainConfig(epochs=args.epochs)
    train, valid, test = (galaxies.take(parts == part) for part in ("train", "valid", "test"))
    gz2tree.fit(model, train, valid, config, out=args.out / "run")

    predictions = gz2tree.predict(model, store)
    predictions.to_parquet(args.out / "predictions.parquet")
    print(gz2tree.evaluate(predictions, test.labels))

    ids = test.labels.ids[:12]
    rows = store.rows(ids)
    values = predictions.set_index(model.tree.id_column).loc[ids, list(model.tree.columns)]
    figure = draw_galaxies(
        new_figure(11, 11), store.array[rows], model.tree, values.to_numpy(), ids
    )
    figure.savefig(args.out / "gallery.png", dpi=110)


if __name__ == "__main__":
    main()
