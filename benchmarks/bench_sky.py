"""Simulated against real skies: vote tables, time a galaxy, and 36 pictures of each.

Finds the real data through the environment variable ``GZ2TREE_DATA``, or in ``../shared`` beside
the checkout. Writes ``results/sky.json`` beside this file and ``docs/figures/simulated_sky.png``.

    python benchmarks/bench_sky.py [--n 8000] [--seed 0]
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from record import markdown, provenance
from samples import CHECKOUT, DATA

from gz2tree.config import CutoutOptions, SkyOptions
from gz2tree.probabilities import cumulative_of
from gz2tree.sky.population import draw_galaxy
from gz2tree.sky.render import render
from gz2tree.sky.tables import kaggle_labels
from gz2tree.sky.volunteers import true_conditionals
from gz2tree.trees import GZ2, GZ2_KAGGLE
from gz2tree.votes.counts import vote

RESULTS = CHECKOUT / "benchmarks" / "results" / "sky.json"
PAGE = CHECKOUT / "docs" / "simulated_sky.md"
FIGURE = CHECKOUT / "docs" / "figures" / "simulated_sky.png"
PAGE_TEXT = """# The simulated sky beside the real one

Written by `python benchmarks/bench_sky.py`. The simulated volunteers' thresholds were set by hand
so that these means and shares of exact zeros come out: the tables show how well that went, they
do not validate the simulation.

![36 simulated galaxies beside 36 real ones](figures/simulated_sky.png)

{n:,} simulated galaxies with {low} to {high} volunteers each, beside the {n_kaggle:,} real galaxies
of the Kaggle table that have these columns. The true probabilities score an RMSE of {floor:.4f} on
these votes: no model can do better.

{kaggle}

The same galaxies with as many volunteers as the {n_table5:,} Stripe 82 galaxies of Willett et al.
2013, table 5, had (a median of 20), cumulative raw vote fractions. That sample is another one:
coadded images, other galaxies, no debiasing.

{table5}
"""
SIDE = 6  # the figure shows SIDE x SIDE galaxies of either sky


def real_data() -> Path:
    if not DATA.is_dir():
        sys.exit(f"no real data in {DATA}: set GZ2TREE_DATA to the folder that holds data/")
    return DATA


def compare(
    real: NDArray[np.float64], simulated: NDArray[np.float64], columns: list[str]
) -> pd.DataFrame:
    """Means and shares of exact zeros of two label tables, shapes (n, n_columns)."""
    return pd.DataFrame(
        {
            "real_mean": real.mean(0),
            "simulated_mean": simulated.mean(0),
            "real_std": real.std(0),
            "simulated_std": simulated.std(0),
            "real_zeros": (real == 0).mean(0),
            "simulated_zeros": (simulated == 0).mean(0),
        },
        index=columns,
    )


def as_jpeg(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="JPEG", quality=75)
    return file.getvalue()


def time_rendering(n: int, seed: int) -> dict[str, float]:
    generators = [np.random.default_rng([seed, index]) for index in range(n)]
    galaxies = [draw_galaxy(rng) for rng in generators]
    times, sizes = [], []
    for galaxy, rng in zip(galaxies, generators, strict=True):
        start = time.perf_counter()
        sizes.append(len(as_jpeg(render(galaxy, rng=rng))))
        times.append(1e3 * (time.perf_counter() - start))
    return {
        "milliseconds_mean": float(np.mean(times)),
        "milliseconds_largest": float(np.max(times)),
        "jpeg_bytes_median": float(np.median(sizes)),
    }


def mosaic(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    """Central parts of cutouts, the part that a network is shown, in a square."""
    crop = CutoutOptions().crop
    tiles = []
    for picture in pictures:
        margin = (picture.width - crop) // 2
        box = (margin, margin, margin + crop, margin + crop)
        tiles.append(np.asarray(picture.crop(box).resize((108, 108), Image.Resampling.LANCZOS)))
    rows = [np.concatenate(tiles[row * SIDE : (row + 1) * SIDE], 1) for row in range(SIDE)]
    return np.concatenate(rows, 0)


def draw_figure(images: Path, seed: int) -> None:
    chosen = np.random.default_rng(seed).choice(sorted(images.glob("*.jpg")), SIDE**2, False)
    generators = [np.random.default_rng([seed, index]) for index in range(SIDE**2)]
    simulated = [as_jpeg(render(draw_galaxy(rng), rng=rng)) for rng in generators]
    skies = {
        "simulated (gz2tree)": [Image.open(io.BytesIO(jpeg)) for jpeg in simulated],
        "real (SDSS)": [Image.open(path) for path in chosen],
    }
    figure, axes = plt.subplots(1, 2, figsize=(13.2, 7.2), layout="constrained")
    for ax, (title, pictures) in zip(axes, skies.items(), strict=True):
        ax.imshow(mosaic(pictures))
        ax.set_title(title)
        ax.set_axis_off()
    caption = "Neither half is chosen by eye. Real images: Sloan Digital Sky Survey (SDSS)."
    figure.supxlabel(caption, fontsize=9)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=100)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=8000, help="simulated galaxies in the tables")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = real_data()
    rng = np.random.default_rng(options.seed)
    conditional = np.stack(
        [
            true_conditionals(draw_galaxy(np.random.default_rng([options.seed, index])))
            for index in range(options.n)
        ]
    )

    kaggle = pd.read_csv(data / "kaggle_gz2" / "solutions_17_columns.csv")
    measured = [column for column in GZ2_KAGGLE.columns if column in kaggle]
    positions = [GZ2_KAGGLE.answer_position(column) for column in measured]
    low, high = SkyOptions(n=1).volunteers
    many = rng.integers(low, high, options.n, endpoint=True)
    labels = kaggle_labels(vote(GZ2, conditional, many, rng))
    against_kaggle = compare(kaggle[measured].to_numpy(), labels[:, positions], measured)

    table5 = pd.read_csv(data / "gz2_willett13_stripe82" / "table5.csv.gz")
    real_counts = table5[[f"{stem}_count" for stem in GZ2.catalogue_columns]].to_numpy()
    few = rng.choice(table5["total_classifications"].to_numpy(), options.n)
    against_table5 = compare(
        kaggle_labels(real_counts),
        kaggle_labels(vote(GZ2, conditional, few, rng)),
        list(GZ2.catalogue_columns),
    )

    truth = cumulative_of(GZ2_KAGGLE, conditional)
    floor = float(np.sqrt(np.mean((labels - truth) ** 2)))
    speed = time_rendering(100, options.seed)
    draw_figure(data / "kaggle_gz2" / "images", options.seed)
    with pd.option_context("display.width", 160, "display.max_columns", None):
        print(f"{low} to {high} volunteers, against the {len(kaggle)} Kaggle galaxies")
        print(against_kaggle.round(3))
        print(f"\ntable5's volunteers, against its {len(table5)} Stripe 82 galaxies (raw votes)")
        print(against_table5.round(3))
    print(f"\nlowest RMSE any model can reach: {floor:.4f}\nrendering: {speed}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    results = {
        **provenance(),
        "n": options.n,
        "seed": options.seed,
        "against_kaggle": against_kaggle.round(4).to_dict("index"),
        "against_table5": against_table5.round(4).to_dict("index"),
        "lowest_rmse": round(floor, 5),
        "rendering": {name: round(value, 1) for name, value in speed.items()},
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(
        PAGE_TEXT.format(
            low=low,
            high=high,
            n=options.n,
            n_kaggle=len(kaggle),
            kaggle=markdown(against_kaggle.rename_axis("column"), 3),
            n_table5=len(table5),
            table5=markdown(against_table5.rename_axis("answer"), 3),
            floor=floor,
        )
    )


if __name__ == "__main__":
    mpl.use("Agg")
    main()
