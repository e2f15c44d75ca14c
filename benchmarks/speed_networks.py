"""Sections of bench_speed.py about networks: steps, shares of the decision graph, precision."""

from __future__ import annotations

import argparse
import sys
from functools import partial

import numpy as np
from speed_data import labelled_galaxies
from speed_timing import Child, Row, alternate, children, compare
from zoobot_environment import python_of

from gz2tree import PredictOptions, load_model, predict

ZOOBOT, ZOOBOT_BEST = "Zoobot 2.9 as it comes", "Zoobot 2.9, bfloat16"
TIMM = "bare timm loop"


def networks(args: argparse.Namespace) -> list[Row]:
    """Time steps of ResNet50, everyone in a process of their own."""
    rows: list[Row] = []
    for size in args.sizes:
        batch = args.batch if size == 224 else 2 * args.batch
        for work, of_zoobot in (("train", 2.4), ("predict", 2.5)):
            seconds = _steps(args, work, size, batch)
            targets = {TIMM: 0.95, ZOOBOT: of_zoobot if size == 224 else None}
            name = {"train": "training step", "predict": "inference step"}[work]
            what = f"{name}, ResNet50, {size} px, batch {batch}"
            rows += compare(what, seconds, targets, ratio="speed", images=batch)
    return rows


def _steps(args: argparse.Namespace, work: str, size: int, batch: int) -> dict[str, list[float]]:
    shape = ["--size", str(size), "--batch", str(batch)]

    def start(python: str, script: str, *names: str) -> Child:
        return Child(python, script, [*names, *shape], args.threads)

    own = partial(start, sys.executable, "network_contender.py")
    zoobot = partial(start, str(python_of(args.zoobot)), "zoobot_contender.py", work)
    wanted = {
        "GalaxyTreeNet": partial(own, "tree", work),
        "FlatNet": partial(own, "flat", work),
        TIMM: partial(own, "timm", work),
        ZOOBOT: partial(zoobot, "default"),
        ZOOBOT_BEST: partial(zoobot, "best"),
    }
    with children(wanted) as started:
        return alternate(started, args.rounds)


def precision(args: argparse.Namespace) -> list[Row]:
    """Compare predictions of the model in the box, and speeds, in bfloat16 and float32."""
    galaxies = labelled_galaxies(args, 2000)
    model = load_model("default")
    found = {}
    for name in ("32", "bf16"):
        options = PredictOptions(precision=name)
        table = predict(model, galaxies.images, options, progress=False)
        found[name] = (
            table.set_index(model.tree.id_column).loc[list(galaxies.labels.ids)].to_numpy()
        )
    difference = float(np.sqrt(np.mean((found["bf16"] - found["32"]) ** 2)))
    measured = galaxies.labels.measured
    target = galaxies.labels.cumulative[measured]
    rmse = {n: float(np.sqrt(np.mean((p[measured] - target) ** 2))) for n, p in found.items()}
    n = len(galaxies.labels)
    rows = [
        Row(f"bfloat16 from float32, RMS, {n:,} galaxies", [difference], target=0.005, unit=""),
        Row(
            f"RMSE in bfloat16 from that in float32, {rmse['32']:.4f}",
            [abs(rmse["bf16"] - rmse["32"])],
            target=0.0005,
            unit="",
        ),
    ]
    for backbone in ("resnet50", "tf_efficientnet_lite0"):
        shape = ["--backbone", backbone, "--size", "96", "--batch", str(args.batch)]
        wanted = {
            f"{backbone} in {name}": partial(
                Child,
                sys.executable,
                "network_contender.py",
                ["timm", "predict", *shape, "--precision", name],
                args.threads,
            )
            for name in ("bf16", "32")
        }
        with children(wanted) as started:
            seconds = alternate(started, args.rounds)
        what = f"bfloat16, {backbone}, 96 px, inference"
        rows += compare(what, seconds, {}, ratio="speed", images=args.batch)
    return rows
