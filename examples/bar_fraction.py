r"""The bar fraction of discs by the prominence of their bulges, from votes and from predictions.

After Masters et al. (2011, MNRAS 411, 2026). Takes minutes on two cores, for thousands of images.
Expect printed fractions with 68 % errors, and a figure of them. The Hart sample, which has images
and votes, tells how far voted fractions are from predicted ones:

    python examples/bar_fraction.py --votes table5.csv.gz --images IMAGES \
        --hart gz2_hart16_sample.csv --hart-images HART_IMAGES --out bar_fraction.png
"""

import argparse

import numpy as np
import pandas as pd
from astropy.stats import binom_conf_interval

import gz2tree
from gz2tree.labelling.labeltable import read_fractions
from gz2tree.plots import new_figure, plot_fractions
from gz2tree.science.samples import Cuts, select
from gz2tree.votes.betas import strength_of_scatter
from gz2tree.votes.uncertainty import TreeDirichlet

TREE, CUTS, BINS = gz2tree.GZ2_KAGGLE, Cuts(threshold=0.5, votes=10), 5
BAR = TREE.find_answer("a06_bar")
BULGE = TREE.slices[TREE.question_of[TREE.find_answer("a10_no_bulge")]]  # none to dominant
PROMINENCE = np.array([0.0, 0.2, 0.8, 1.0])  # Masters et al. 2019, MNRAS 487, 1808, equation 3


def discs(of, votes=None):
    """Keep discs that are not edge-on, by the cuts of Willett et al. 2013, barred or not."""
    return np.any([select(of, TREE, s, CUTS, votes=votes) for s in ("barred", "unbarred")], axis=0)


def by_bulge(name, fractions, drawn=None):
    """Count bars among all discs, then in bins of the bulge; `drawn` is of shape (draws, discs)."""
    bulge = fractions[:, BULGE] @ PROMINENCE / fractions[:, BULGE].sum(-1)
    order, rows = np.argsort(bulge), []
    for chosen in (order, *np.array_split(order, BINS)):
        n, barred = len(chosen), (fractions[chosen, BAR] >= 0.5).sum()
        fraction, (low, high) = barred / n, binom_conf_interval(barred, n, interval="wilson")
        if drawn is not None:
            low, fraction, high = np.quantile(drawn[:, chosen].mean(-1), [0.16, 0.5, 0.84])
        at = bulge[chosen].mean()
        print(f"{name}: {n:,} discs, bulge {at:.2f}: {fraction:.3f} ({low:.3f}-{high:.3f})")
        rows.append((name, at, n, fraction, low, high))
    return pd.DataFrame(rows[1:], columns=["sample", "at", "n", "fraction", "low", "high"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("votes", "images", "hart", "hart-images", "out"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    model = gz2tree.load_model("default")
    guess = read_fractions(gz2tree.predict(model, args.images)).conditional
    guess = guess[discs(guess)]
    stripe, hart = read_fractions(args.votes), read_fractions(args.hart)
    of_hart = read_fractions(gz2tree.predict(model, args.hart_images))
    truth = hart.conditional[pd.Index(hart.ids).get_indexer(of_hart.ids)]
    both = discs(of_hart.conditional) & discs(truth)
    strength = strength_of_scatter(of_hart.conditional[both, BAR], truth[both, BAR])
    print(f"voted fractions scatter as a Beta of strength {strength:.1f} ({both.sum()} discs)")
    beliefs = TreeDirichlet(TREE, guess, np.full((len(guess), len(TREE.questions)), strength))
    drawn = beliefs.sample(100, np.random.default_rng(0))[..., BAR] >= 0.5
    tables = [
        by_bulge("votes, Stripe 82", stripe.conditional[discs(stripe.conditional, stripe.votes)]),
        by_bulge("votes, Hart", truth[discs(truth)]),
        by_bulge("predictions", guess, drawn),
    ]
    axes = new_figure(7, 4.5).subplots()
    axes.axhline(0.294, color="0.5", linestyle="--", label="Masters et al. 2011, all discs")
    plot_fractions(axes, pd.concat(tables))
    axes.set(xlabel="prominence of the bulge, 0 to 1", ylabel="fraction with a bar", ylim=(0, 0.8))
    axes.figure.savefig(args.out, dpi=100)


if __name__ == "__main__":
    main()
