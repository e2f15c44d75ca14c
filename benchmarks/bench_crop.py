"""Which crop of a 424-pixel Galaxy Zoo 2 image to scale down to the cutout.

Trains the same network, from the same weights and with the same batches, on cutouts of several
crops, and compares the RMSE on validation galaxies. Results are kept for each crop and seed, so an
interrupted benchmark goes on where it stopped.

    python benchmarks/bench_crop.py --data ../shared/data/kaggle_gz2 \
        --weights ../shared/weights/resnet50_v1_imagenet_fp16.safetensors
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from record import provenance

from gz2tree import CutoutOptions, GalaxyTreeNet, LabelledCutouts, TrainConfig, fit, read_labels
from gz2tree.splits import split_parts
from gz2tree.store import prepare

RESULTS = Path(__file__).parent / "results" / "crop.json"


def validation_rmse(args: argparse.Namespace, crop: int, seed: int) -> float:
    options = CutoutOptions(crop=crop, size=args.size)
    store = prepare(args.data / "images", args.work / f"crop{crop}-size{args.size}", options)
    labels = read_labels(args.data / "solutions_17_columns.csv", image_ids=store.ids)
    galaxies = LabelledCutouts(store, labels)
    # The test part stays out of this choice: 20 % are set aside as `gz2tree train` does.
    parts = split_parts(galaxies.hashes, 0.2, 0.2, seed=0)
    torch.manual_seed(seed)
    network = GalaxyTreeNet(args.backbone, pretrained=args.weights, cutouts=options)
    config = TrainConfig(epochs=args.epochs, learning_rate=args.learning_rate, seed=seed)
    history = fit(
        network,
        galaxies.take(np.flatnonzero(parts == "train")),
        galaxies.take(np.flatnonzero(parts == "valid")),
        config,
    )
    return float(history["valid_rmse"].iloc[-1])


def write(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results | provenance(), indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="resnet50_v1")
    parser.add_argument("--crops", type=int, nargs="+", default=[120, 160, 212, 256, 320])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=TrainConfig.learning_rate)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, default=Path("runs/crop"))
    args = parser.parse_args()

    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rmse": []}
    keys = ("backbone", "crop", "size", "epochs", "learning_rate", "seed")
    done = {tuple(row[key] for key in keys) for row in results["rmse"]}
    for seed in args.seeds:
        for crop in args.crops:
            setting = (args.backbone, crop, args.size, args.epochs, args.learning_rate, seed)
            if setting in done:
                continue
            row = dict(zip(keys, setting, strict=True))
            results["rmse"].append(row | {"rmse": validation_rmse(args, crop, seed)})
            write(results)
    table = pd.DataFrame(results["rmse"])
    print(table.pivot_table("rmse", [*keys[:-1]], "seed").round(4))


if __name__ == "__main__":
    main()
