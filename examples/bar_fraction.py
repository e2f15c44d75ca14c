"""The bar fraction of discs by the prominence of their bulges, from votes and from predictions.

After Masters et al. (2011, MNRAS 411, 2026). Takes minutes on two cores, for thousands of images.
Expect printed fractions with 68 % errors, and a figure of them:

    python examples/bar_fraction.py --votes table5.csv.gz --images IMAGES --out bar_fraction.png
        --hart gz2_hart16_sample.csv --hart-images HART_IMAGES

The Hart sample has images and votes: it tells how far voted fractions are from predicted ones.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.stats import binom_conf_interval

import gz2tree
from gz2tree.labelling.labeltable import read_fractions
from gz2tree.plots import COLOURS, new_figure
from gz2tree.science.samples import Cuts, select
from gz2tree.store import open_images
from gz2tree.votes.uncertainty import TreeDirichlet

TREE, CUTS, BINS = gz2tree.GZ2_KAGGLE, Cuts(threshold=0.5, votes=10), 5
BAR, NONE, DOMINANT = map(TREE.find_answer, ("a06_bar", "a10_no_bulge", "a13_dominant"))
PROMINENCE = np.array([0.0, 0.2, 0.8, 1.0])  # Masters et al. 2019, MNRAS 487, 1808, equation 3


def discs(of, votes=None):
    """Discs that are not edge-on, by the cuts of Willett et al. 2013, with a bar or without."""
    return np.any([select(of, TREE, s, CUTS, votes=votes) for s in ("barred", "unbarred")], 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("votes", "images", "hart", "hart-images", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    model, options = gz2tree.load_model("default"), gz2tree.PredictOptions(workers=0)
    folders = [open_images(folder, model.cutouts) for folder in (args.images, args.hart_images)]
    guess, both = (read_fractions(gz2tree.predict(model, f, options)) for f in folders)
    stripe, hart = read_fractions(args.votes), read_fractions(args.hart)
    truth = hart.conditional[[list(hart.ids).index(galaxy) for galaxy in both.ids]]
    here = discs(both.conditional) & discs(truth)
    mean, seen = both.conditional[here, BAR], truth[here, BAR]
    strength = max((mean * (1 - mean)).sum() / np.square(seen - mean).sum() - 1, 0.1)
    print(f"voted fractions scatter as a Beta of strength {strength:.1f} ({here.sum()} discs)")
    of_model = guess.conditional[discs(guess.conditional)]
    beliefs = TreeDirichlet(TREE, of_model, np.full((len(of_model), len(TREE.questions)), strength))
    drawn = beliefs.sample(100, np.random.default_rng(0))[..., BAR] >= 0.5
    axes = new_figure(7, 4.5).subplots()
    for name, sample, colour, mark in (
        ("votes, Stripe 82", stripe.conditional[discs(stripe.conditional, stripe.votes)], 0, "o"),
        ("votes, Hart", truth[discs(truth)], 2, "s"),
        ("predictions", of_model, 4, "D"),
    ):
        answers = sample[:, NONE : DOMINANT + 1]
        bulge = answers @ PROMINENCE / answers.sum(-1)
        order, points = np.argsort(bulge), []
        for rows in (order, *np.array_split(order, BINS)):
            barred, n = (sample[rows, BAR] >= 0.5).sum(), len(rows)
            middle, (low, high) = barred / n, binom_conf_interval(barred, n, interval="wilson")
            if sample is of_model:
                low, middle, high = np.quantile(drawn[:, rows].mean(-1), [0.16, 0.5, 0.84])
            points.append((bulge[rows].mean(), middle, middle - low, high - middle))
            where = f"{name}: {n:,} discs, bulge {points[-1][0]:.2f}"
            print(f"{where}: {middle:.3f} ({low:.3f}-{high:.3f})")
        x, y, *errors = np.array(points[1:]).T
        style = {"color": COLOURS[colour], "fmt": f"{mark}-", "capsize": 3}
        axes.errorbar(x, y, errors, label=f"{name} (n = {len(sample):,})", **style)
    axes.axhline(0.294, color="0.5", linestyle="--", label="Masters et al. 2011, all discs")
    axes.set(xlabel="prominence of the bulge, 0 to 1", ylabel="fraction with a bar", ylim=(0, 0.8))
    axes.legend()
    axes.figure.savefig(args.out, dpi=100)


if __name__ == "__main__":
    main()
