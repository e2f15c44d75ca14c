"""Look for the student paper's correlations between answers in the galaxies at hand.

Seconds. DATA holds Kaggle's 17 columns and the Stripe 82 table of Willett et al. (2013); expect a
table, and `--out` for the matrices behind it as figures:

    python benchmarks/paper_observations.py --data DATA --out figures
"""

import argparse
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import gz2tree
from gz2tree.analysis import check_observations, correlations, pair_counts
from gz2tree.plots import plot_correlations

SAMPLES = {
    "Kaggle": ("kaggle_gz2/solutions_17_columns.csv", gz2tree.GZ2_KAGGLE),
    "Stripe 82": ("gz2_willett13_stripe82/table5.csv.gz", gz2tree.GZ2),
}


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
