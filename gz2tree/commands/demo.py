"""The whole job on a simulated sky: simulate, train tree and flat networks, evaluate, predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure

from gz2tree.config import CutoutOptions, TrainConfig
from gz2tree.dataset import LabelledCutouts
from gz2tree.evaluation import evaluate
from gz2tree.flat import FlatNet
from gz2tree.labelling.labeltable import read_labels
from gz2tree.model import GalaxyTreeNet
from gz2tree.networks.network import GalaxyNet
from gz2tree.plots import draw_galaxies, plot_null_rmse
from gz2tree.prediction import predict
from gz2tree.runs.run import RunDirectory
from gz2tree.scores import Report, compare_reports
from gz2tree.simulate import simulate
from gz2tree.splits import split_parts
from gz2tree.store import CutoutStore, prepare
from gz2tree.tables.files import write_table
from gz2tree.training import fit
from gz2tree.trees import GZ2_KAGGLE

BACKBONE = "resnet18"
N_GALAXIES = 1600
# Small images: the point is to see all parts at work within minutes, not to set a record.
IMAGE_SIZE = 160
CUTOUTS = CutoutOptions(crop=96, size=64)
CONFIG = TrainConfig(epochs=8, learning_rate=1e-3)


_WHAT_TO_SEE = """
"truth" are the probabilities by which the simulated volunteers voted: their chance is an error that
no network can be expected to go below. Which of the two networks is closer to it changes with the
seed, after so short a training; what the tree gives for certain is the last line, answers that add
up.

figure: {out}/figure.png
catalogue: {out}/predictions.csv
next: gz2tree report --predictions {out}/predictions.csv --labels {out}/sky/labels.csv \\
    --images {out}/store --out {out}/report
"""


def demo(out: Path, seed: int = 0, n: int = N_GALAXIES, config: TrainConfig = CONFIG) -> None:
    """Run the demo and leave its results in a folder; run again, it goes on where it stopped.

    Parameters
    ----------
    out : Path
        ``sky/``, ``store/``, a run directory for each network, ``predictions.csv``,
        ``predictions.parquet`` and ``figure.png`` are written here.
    seed : int
    n : int
        Galaxies.
    config : TrainConfig
    """
    _say(f"1 of 5. Simulate {n:,} galaxies and their volunteers")
    sky = simulate(out / "sky", n, seed=seed, size=IMAGE_SIZE)
    _say("2 of 5. Prepare their cutouts")
    store = prepare(sky / "images", out / "store", CUTOUTS)
    galaxies = LabelledCutouts(store, read_labels(sky / "labels.csv", image_ids=store.ids))
    truth = read_labels(sky / "truth.csv")
    parts = split_parts(galaxies.hashes, 0.1, 0.25, seed)
    test = galaxies.take(parts == "test")
    config = replace(config, seed=seed)

    reports: dict[str, Report] = {}
    for number, name in enumerate(("tree", "flat"), 3):
        _say(f"{number} of 5. Train the {name} network: {BACKBONE} from random weights")
        torch.manual_seed(seed)
        network: GalaxyNet
        if name == "tree":
            network = GalaxyTreeNet(BACKBONE, pretrained=False, cutouts=CUTOUTS)
        else:
            network = FlatNet(BACKBONE, pretrained=False, cutouts=CUTOUTS)
        begun = RunDirectory(out / name).is_begun
        train, valid = galaxies.take(parts == "train"), galaxies.take(parts == "valid")
        fit(network, train, valid, config, out=out / name, resume=begun)
        predictions = predict(network, store, positions=store.rows(test.labels.ids))
        reports[name] = evaluate(predictions, test.labels)
        if name == "tree":
            write_table(predictions, out / "predictions.csv")
            write_table(predictions, out / "predictions.parquet")
            shown = predictions

    perfect = pd.DataFrame(truth.cumulative, columns=list(truth.tree.columns))
    perfect.insert(0, truth.tree.id_column, truth.ids)
    _say(f"5 of 5. Compare on the {len(test):,} test galaxies, which no network saw\n")
    print(compare_reports(reports | {"truth": evaluate(perfect, test.labels)}).to_string())
    write_figure(store, shown, reports, out / "figure.png")
    print(_WHAT_TO_SEE.format(out=out))


def write_figure(
    store: CutoutStore, predictions: pd.DataFrame, reports: Mapping[str, Report], path: Path
) -> None:
    """Draw eight galaxies with their most probable paths, and the error on null labels."""
    tree = GZ2_KAGGLE
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=(2.2, 1))
    above, below = halves
    shown = predictions.head(8)
    rows = store.rows(shown[tree.id_column])
    values = shown[list(tree.columns)].to_numpy()
    titles = [f"galaxy {galaxy}" for galaxy in store.ids[rows]]
    draw_galaxies(above, store.array[rows], tree, values, titles)
    plot_null_rmse(below.subplots(), reports, tree)
    figure.savefig(path, dpi=150)


def _say(text: str) -> None:
    print(text, flush=True)  # before the progress bars, which go to another stream
