"""Which failures `atypical` finds: images gone wrong, a simulated sky, stars and artifacts.

Takes the network of `benchmarks/train_default_model.py --only held-out`, and galaxies that did not
train it. Features are kept in the folder WORK; what is there already is taken. Writes
``results/atypical.json`` and ``results/atypical.md`` beside this file.

    python benchmarks/bench_atypical.py WORK --data ../shared/data --run runs/default
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from failures import FAILURES, Failure
from numpy.typing import NDArray
from PIL import Image
from record import markdown, provenance
from samples import SAMPLES, held_out_parts, labelled_cutouts
from scipy import stats

from gz2tree import CutoutStore, Labels, PredictOptions, load_model
from gz2tree.cutouts import ImageFiles
from gz2tree.images.decoding import read_cutout
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.predictor import Embedder
from gz2tree.networks.typicality import fit_typicality
from gz2tree.simulate import simulate

RESULTS = Path(__file__).resolve().parent / "results"
STAR = "star or artifact"
VOTED = (0.1, 0.2, 0.5)  # of star or artifact
TEXT = """# Which failures `atypical` finds

Written by `python benchmarks/bench_atypical.py WORK --data DATA --run RUN`, of the network of
`benchmarks/train_default_model.py --only held-out`: {n_train:,} galaxies of Kaggle's sample that
trained it, its {n_test} test galaxies, and failures made of {n} of these (`failures.py`).
"Flagged": atypical > 1, in %. AUC: how often a failure has a higher score than a test galaxy.
"Above the median": in %, farther than half of the training galaxies, by which whole catalogues are
judged; {above:.0f} % of the test galaxies are. 95 % intervals of shares: Wilson.

{failures}

## Stars and artifacts by the votes

Galaxies with at least so large a voted fraction of "star or artifact"; the network was trained on
most of them. AUC against all others, with its 95 % bootstrap interval over galaxies.

{stars}

Spearman's correlation of the score with the voted fraction: {rho:+.2f} ({low:+.2f} to {high:+.2f})
for the {n_test} test galaxies, {rho_all:+.2f} ({low_all:+.2f} to {high_all:+.2f}) for all.
"""

Floats = NDArray[np.floating]


class Features:
    """Features of a network, kept in a folder."""

    def __init__(self, work: Path, model: GalaxyNet) -> None:
        self.work, self.model = work, model
        options = PredictOptions(precision="32", device="cpu")
        self.embed = Embedder(model, torch.device("cpu"), options)
        work.mkdir(parents=True, exist_ok=True)

    def of(self, name: str, cutouts: Callable[[], NDArray[np.uint8]]) -> torch.Tensor:
        """Return those of cutouts, (n, size, size, 3), which are made if they are not there."""
        file = self.work / f"{name}.npy"
        if not file.exists():
            made = cutouts()
            starts = range(0, len(made), 64)
            pieces = [self.embed(torch.from_numpy(made[s : s + 64])) for s in starts]
            np.save(file, torch.cat(pieces).numpy())
        return torch.from_numpy(np.load(file))


def failed(
    failure: Failure, images: Path, ids: NDArray[np.object_], model: GalaxyNet
) -> NDArray[np.uint8]:
    """Cutouts of galaxies after a failure of their images."""
    rng = np.random.default_rng(1)
    cutouts = []
    for galaxy in ids:
        pixels = np.asarray(Image.open(images / f"{galaxy}.jpg").convert("RGB"))
        file = io.BytesIO()
        Image.fromarray(failure(pixels, rng)).save(file, "BMP")
        cutouts.append(read_cutout(file.getvalue(), model.cutouts))
    return np.stack(cutouts)


def simulated(sky: Path, n: int, model: GalaxyNet) -> NDArray[np.uint8]:
    """Cutouts of a simulated sky, as large as the real images."""
    if not (sky / "sky.json").exists():
        simulate(sky, n, size=424, workers=1, progress=False)
    files = ImageFiles(sky / "images", model.cutouts)
    return np.concatenate([batch.cutouts for batch in files.batches(workers=0)])


def split(run: Path, data: Path, model: GalaxyNet) -> tuple[CutoutStore, Labels, NDArray[np.bool_]]:
    """Cutouts and labels of Kaggle's galaxies, and which did not train the network."""
    galaxies = {
        name: labelled_cutouts(sample, data, run / f"{name}-{model.cutouts.size}", model.cutouts)
        for name, sample in SAMPLES.items()
    }
    parts = held_out_parts(galaxies, model.training_record["train"]["seed"])
    kaggle = galaxies["kaggle"]
    return kaggle.stores[0], kaggle.labels, parts["kaggle"] == "test"


def auc(of_failures: Floats, of_others: Floats) -> float:
    """Share of pairs in which the failure has the higher score; ties count half."""
    ranks = stats.rankdata(np.concatenate([of_others, of_failures]))[len(of_others) :]
    n = len(of_failures)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * len(of_others)))


def auc_interval(positive: Floats, negative: Floats, draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the AUC, over galaxies of both sorts."""
    rng = np.random.default_rng(0)
    drawn = [
        auc(rng.choice(positive, len(positive)), rng.choice(negative, len(negative)))
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def correlation(score: Floats, voted: Floats) -> tuple[float, float, float]:
    """Spearman's correlation and its 95 % interval by Fisher's transformation."""
    rho = float(stats.spearmanr(score, voted).statistic)
    half = 1.96 * 1.03 / np.sqrt(len(score) - 3)  # Fieller, Hartley & Pearson 1957, Biometrika 44
    low, high = np.tanh(np.arctanh(rho) + np.array([-half, half]))
    return rho, float(low), float(high)


def failure_row(score: Floats, usual: Floats, median: float) -> dict[str, float | int]:
    """One row of the table of failures."""
    flagged = int((score > 1).sum())
    interval = stats.binomtest(flagged, len(score)).proportion_ci(method="wilson")
    return {
        "images": len(score),
        "flagged": 100 * flagged / len(score),
        "low": 100 * interval.low,
        "high": 100 * interval.high,
        "AUC": auc(score, usual),
        "median score": float(np.median(score)),
        "above the median": 100 * float((score > median).mean()),
    }


def star_rows(score: Floats, voted: Floats) -> pd.DataFrame:
    """How well the score finds what volunteers called stars or artifacts."""
    rows = {}
    for least in VOTED:
        stars = voted >= least
        low, high = auc_interval(score[stars], score[~stars])
        rows[f"at least {least}"] = {
            "galaxies": int(stars.sum()),
            "AUC": auc(score[stars], score[~stars]),
            "low": low,
            "high": high,
            "flagged": int((score[stars] > 1).sum()),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").astype(object)
    return table.rename_axis("voted fraction")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=Path("runs/default"))
    parser.add_argument("--n", type=int, default=160)
    args = parser.parse_args()
    model = load_model(args.run / "held-out")
    features = Features(args.work, model)
    store, labels, test = split(args.run, args.data, model)
    rows = store.rows(labels.ids)
    train_features = features.of("train", lambda: store.array[rows[~test]])
    fitted = fit_typicality([train_features])
    usual = fitted.score(features.of("test", lambda: store.array[rows[test]])).numpy()
    images, ids = SAMPLES["kaggle"].images(args.data), labels.ids[test][: args.n]
    table = {"test galaxies, as they are": failure_row(usual, usual, fitted.median)}
    for name, failure in FAILURES.items():
        made = features.of(name, lambda f=failure: failed(f, images, ids, model))
        table[name] = failure_row(fitted.score(made).numpy(), usual, fitted.median)
    sky = features.of("sky", lambda: simulated(args.work / "sky", args.n, model))
    table["simulated sky"] = failure_row(fitted.score(sky).numpy(), usual, fitted.median)
    failures = pd.DataFrame.from_dict(table, orient="index").rename_axis("images of")

    score = np.empty(len(labels))
    score[test], score[~test] = usual, fitted.score(train_features).numpy()
    voted = labels.cumulative[:, labels.tree.find_answer(STAR)]
    stars = star_rows(score, voted)
    of_test, of_all = correlation(usual, voted[test]), correlation(score, voted)
    numbers = zip(("rho", "low", "high"), of_test, of_all, strict=True)
    spearman = {
        key: value
        for name, held_out, every in numbers
        for key, value in ((name, held_out), (f"{name}_all", every))
    }
    text = TEXT.format(
        n_train=len(train_features),
        n_test=len(usual),
        n=args.n,
        above=table["test galaxies, as they are"]["above the median"],
        failures=markdown(failures.astype(object), 2),
        stars=markdown(stars, 2),
        **spearman,
    )
    (RESULTS / "atypical.md").write_text(text)
    figures = provenance() | {
        "network": model.training_record,
        "n_train": len(train_features),
        "median": fitted.median,
        "failures": table,
        "stars": stars.to_dict("index"),
        "spearman": spearman,
    }
    (RESULTS / "atypical.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(text)


if __name__ == "__main__":
    main()
