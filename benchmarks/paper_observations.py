"""Look for the student paper's correlations between answers in the galaxies at hand.

Seconds. DATA holds Kaggle's 17 columns and the Stripe 82 table of Willett et al. (2013); expect a
table, and `--out` for the matrices behind it as figures:

    python benchmarks/paper_observations.py --data DATA --out figures
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import gz2tree
from gz2tree.analysis import correlate, correlations, pair_counts
from gz2tree.plots import plot_correlations

SAMPLES = {
    "Kaggle": ("kaggle_gz2/solutions_17_columns.csv", gz2tree.GZ2_KAGGLE),
    "Stripe 82": ("gz2_willett13_stripe82/table5.csv.gz", gz2tree.GZ2),
}


LARGEST_DIFFERENCE = 0.1
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Observation:
    """A correlation that somebody reports.

    Parameters
    ----------
    first, second : str
        The answers, by name.
    coefficient : float, in [-1, 1], optional
        Pearson's; None if only its sign is stated.
    source : str
    """

    first: str
    second: str
    coefficient: float | None = None
    source: str = "student paper"


PAPER_OBSERVATIONS = (
    Observation("a01_smooth", "a03_star_or_artifact", 0.28),
    Observation("a18_cigar_shaped", "a04_yes", 0.5),
    Observation("a21_disturbed", "a22_irregular"),
    Observation("a24_merger", "a23_other"),
    Observation("a25_rounded", "a26_boxy", 0.57),
    Observation("a28_tight", "a29_medium"),
    Observation("a29_medium", "a30_loose"),
    Observation("a33_3", "a34_4"),
)
"""What the student paper (see docs/glossary.md) says of its correlation matrix: raw ones, of
cumulative answers, positive where it gives no number."""


def check_observations(
    labels: gz2tree.Labels, sample: str, observations: Sequence[Observation] = PAPER_OBSERVATIONS
) -> pd.DataFrame:
    """Look for reported correlations in a sample.

    Parameters
    ----------
    labels : Labels
    sample : str
        What to call it.
    observations : sequence of Observation

    Returns
    -------
    comparison : DataFrame, one row for each observation of which the sample measures both answers
        ``first``, ``second``, ``reported`` (NaN: only its sign, which is positive), ``sample``,
        ``cumulative``, ``n``, ``conditional``, ``n_conditional``, ``agrees`` and ``source``. The
        cumulative coefficient agrees if it lies within 0.1 of the one reported; with a reported
        sign, if it is positive by two standard errors of an uncorrelated sample, 1 / sqrt(n).
    """
    tree = labels.tree
    rows = []
    names = {*(answer.name for answer in tree.answers), *tree.columns, *tree.kaggle_columns}
    for observation in observations:
        if not {observation.first, observation.second} <= names:
            continue
        first, second = map(tree.answer_position, (observation.first, observation.second))
        found, n = correlate(labels, first, second)
        conditional, n_conditional = correlate(labels, first, second, "conditional")
        if np.isnan(found):
            continue
        reported = np.nan if observation.coefficient is None else observation.coefficient
        agrees = (
            found * np.sqrt(n) > STANDARD_ERRORS
            if observation.coefficient is None
            else abs(found - reported) <= LARGEST_DIFFERENCE
        )
        rows.append(
            {
                "first": tree.columns[first],
                "second": tree.columns[second],
                "reported": reported,
                "sample": sample,
                "cumulative": found,
                "n": n,
                "conditional": conditional,
                "n_conditional": n_conditional,
                "agrees": bool(agrees),
                "source": observation.source,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", default="fraction", help="of the Stripe 82 table")
    parser.add_argument("--out", type=Path, help="folder for figures")
    args = parser.parse_args()

    tables = []
    for sample, (name, tree) in SAMPLES.items():
        labels = gz2tree.read_labels(args.data / name, tree, kind=args.kind)
        tables.append(check_observations(labels, sample))
        if args.out is None:
            continue
        args.out.mkdir(parents=True, exist_ok=True)
        for what in ("cumulative", "conditional"):
            figure = Figure(figsize=(13, 11), layout="constrained")
            title = f"{sample}: {what} probabilities of answers"
            matrices = correlations(labels, what), pair_counts(labels, what)
            plot_correlations(figure.subplots(), *matrices, tree, title)
            figure.savefig(args.out / f"correlations-{sample.replace(' ', '')}-{what}.png", dpi=70)
    print(markdown(pd.concat(tables)))


def markdown(table: pd.DataFrame) -> str:
    """Lay the comparison out for a page."""
    lines = ["| answers | sample | paper | cumulative (n) | conditional (n) | agrees |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for row in table.itertuples():
        reported = "+" if pd.isna(row.reported) else f"{row.reported:.2f}"
        found = (
            f"{row.cumulative:+.2f} ({row.n:,}) | {row.conditional:+.2f} ({row.n_conditional:,})"
        )
        agrees = "yes" if row.agrees else "**no**"
        pair = f"{row.first}, {row.second}"
        lines.append(f"| {pair} | {row.sample} | {reported} | {found} | {agrees} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
