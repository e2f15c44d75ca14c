"""Real counts of votes through the likelihoods, multinomial and Dirichlet-multinomial.

Without images only constant predictions can be judged: the share of all votes of a question, and
the best constant Dirichlet distribution. Table 5 of Willett et al. 2013 has the counts of all
questions; of the sample of Hart et al. 2016 the counts of question 1 follow from fractions and
total. Finds the real data through the environment variable ``GZ2TREE_DATA``, or in ``../shared``
beside the checkout. Writes ``results/votes.json`` and ``results/votes.md`` beside this file.

    python benchmarks/bench_votes.py
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from record import markdown, provenance
from samples import CHECKOUT, DATA, SAMPLES, TABLE5
from torch import Tensor

from gz2tree.catalogues.uncertainty import mixture_of
from gz2tree.commands.calibrating import apply_calibration, fit_calibration
from gz2tree.commands.labelled import predict_labelled
from gz2tree.config import PredictOptions
from gz2tree.graph import DecisionGraph
from gz2tree.labelling.labeltable import read_labels
from gz2tree.labels import Labels
from gz2tree.model import load_model
from gz2tree.networks.predictor import Prediction
from gz2tree.science.coverage import LEVELS, vote_coverage
from gz2tree.store import open_images
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2
from gz2tree.votes.calibration import Calibration
from gz2tree.votes.counts import disagreement, recover_counts
from gz2tree.votes.likelihoods import (
    dirichlet_multinomial_log_likelihood,
    known_votes_by_question,
    multinomial_log_likelihood,
)
from gz2tree.votes.uncertainty import Mixture, TreeDirichlet

RESULTS = CHECKOUT / "benchmarks" / "results"
HART = SAMPLES["hart"].labels(DATA)
TEXT = """# Real votes under constant predictions

Written by `python benchmarks/bench_votes.py`. For each question the mean log-likelihood, per galaxy
that anybody was asked about, of its votes under the share of all votes (multinomial) and under the
best constant Dirichlet (Dirichlet-multinomial), the strength of that Dirichlet, and the rows whose
votes differ from those of the answers that lead to the question.

## Table 5 of Willett et al. 2013: {n_table5:,} galaxies of Stripe 82

{table5}

## Hart et al. 2016: question 1 of {n_hart:,} galaxies

Counts recovered exactly from fractions and total in {n_exact:,} of {n_hart:,}.

{hart}

Strengths of a few: one constant answer does not fit galaxies that differ. They are where a network
begins, and what it gains beyond them comes from the images.

## The same question, from the images

Probabilities by the model in the box, which did not learn question 1 of these galaxies (but that of
4,000 others, debiased, and 17 of those are the same). Temperature and strength are fitted on one
half of the galaxies, {temperature:.2f} and {strength:.1f}, and all is measured on the other half.
Taken for known, the probabilities are far too sure of themselves: votes scatter around them more
than chance has it, by what the network cannot see and by the debiasing.

{images}

## Intervals of cumulative probabilities

{n_beliefs} galaxies with answers drawn at random and strengths from {weak:g} to {strong:g},
{draws:,} draws each: how much of the draws lie within the Beta intervals of
`gz2tree.votes.uncertainty`, for answers of a mean above {least:g}, by the depth of their question
(0: asked of everyone, where they are exact). "Off" is the distance from the level, in points.

{intervals}
"""
N_BELIEFS, DRAWS, STRENGTHS, LEAST = 60, 10_000, (2.0, 300.0), 0.01


def best_dirichlet(graph: DecisionGraph, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Conditional answers (n_answers,) and strengths (n_questions,) of the highest likelihood."""
    share = share_of_votes(graph, counts)
    logs = share.clamp(min=1e-4).log().requires_grad_()  # of the concentrations; strength 1
    optimizer = torch.optim.LBFGS([logs], max_iter=500, line_search_fn="strong_wolfe")

    def dirichlet() -> tuple[Tensor, Tensor]:
        alpha = logs.exp()
        strength = graph.sum_by_question(alpha)
        return alpha / strength[graph.question_of], strength

    def cost() -> Tensor:
        optimizer.zero_grad()
        conditional, strength = (part.expand(len(counts), -1) for part in dirichlet())
        likelihood = dirichlet_multinomial_log_likelihood(graph, conditional, strength, counts)
        loss = -likelihood.sum() / len(counts)
        loss.backward()
        return loss

    optimizer.step(cost)
    conditional, strength = dirichlet()
    return conditional.detach(), strength.detach()


def share_of_votes(graph: DecisionGraph, counts: Tensor) -> Tensor:
    """Share of all votes of its question; (n_answers,)."""
    total = known_votes_by_question(graph, counts).sum(0)[graph.question_of]
    return counts.nan_to_num(0.0).sum(0) / total.clamp(min=1)


def compare(tree: DecisionTree, counts: NDArray[np.float64]) -> pd.DataFrame:
    """Figures of each question."""
    graph, votes = DecisionGraph(tree), torch.from_numpy(counts)
    asked = known_votes_by_question(graph, votes)
    share = share_of_votes(graph, votes).expand_as(votes)
    conditional, strength = best_dirichlet(graph, votes)
    plain = multinomial_log_likelihood(graph, share, votes).sum(0)
    spread = dirichlet_multinomial_log_likelihood(
        graph, conditional.expand_as(votes), strength.expand_as(asked), votes
    ).sum(0)
    galaxies = (asked > 0).sum(0)
    differ = np.abs(np.nan_to_num(disagreement(tree, counts)))
    return pd.DataFrame(
        {
            "galaxies": galaxies.numpy(),
            "median votes": [int(a[a > 0].median()) for a in asked.T],
            "multinomial": (plain / galaxies).numpy(),
            "Dirichlet-multinomial": (spread / galaxies).numpy(),
            "strength": strength.numpy(),
            "% of rows that differ": 100 * (differ > 0).mean(0),
            "by up to": differ.max(0).astype(int),
        },
        pd.Index(tree.question_columns, name="question"),
    )


def random_beliefs(tree: DecisionTree, n: int, seed: int = 0) -> TreeDirichlet:
    """Dirichlets of any means, and of strengths between the limits."""
    rng = np.random.default_rng(seed)
    means = [rng.dirichlet(np.ones(len(question)), n) for question in tree.questions]
    strength = np.exp(rng.uniform(*np.log(STRENGTHS), (n, len(tree.questions))))
    return TreeDirichlet(tree, np.concatenate(means, -1), strength)


def from_images() -> tuple[pd.DataFrame, Calibration]:
    """Votes for question 1 of Hart's galaxies against the model in the box, and its calibration."""
    model = load_model("default")
    graph, number = DecisionGraph(model.tree), 0
    table = pd.read_csv(HART, dtype={"asset_id": str})
    counts = np.full((len(table), len(model.tree)), np.nan)
    counts[:, model.tree.slices[number]] = first_question_of_hart()[1]
    share = counts / counts[:, model.tree.slices[number]].sum(-1, keepdims=True)
    ids = table["asset_id"].to_numpy(dtype=object)
    labels = Labels(ids, share, model.tree, "fraction", counts)
    source = open_images(HART.parent / "images", model.cutouts)
    ((said,), labels) = predict_labelled([model], source, labels, PredictOptions())
    half = np.arange(len(labels)) % 2 == 0
    cumulative = said.cumulative.double()
    fitted = fit_calibration(graph, graph.condition(cumulative[half]), None, labels.take(half))
    rest, measured = Prediction(cumulative[~half]), labels.take(~half).counts
    assert measured is not None
    tables = {
        "as known": vote_coverage(mixture_of(graph, [rest]), measured),
        "with the strength": vote_coverage(
            mixture_of(graph, [apply_calibration(graph, fitted, rest)]), measured
        ),
    }
    name = model.tree.question_columns[number]
    figures = pd.DataFrame({text: t.loc[name] for text, t in tables.items()}).T
    counted = figures.astype({"galaxies": int, "votes": int})
    return counted.rename_axis("probabilities"), fitted


def interval_accuracy(tree: DecisionTree) -> pd.DataFrame:
    """Coverage of the Beta intervals by draws down the tree."""
    beliefs = random_beliefs(tree, N_BELIEFS)
    drawn = beliefs.sample(DRAWS, np.random.default_rng(1))
    cumulative = DecisionGraph(tree).cumulative(torch.from_numpy(drawn)).numpy()
    depth_of = {q: depth for depth, level in enumerate(tree.levels) for q in level}
    depth = np.array([depth_of[question] for question in tree.question_of])
    rows = {}
    for level in LEVELS:
        low, high = Mixture([beliefs]).interval(level)
        covered = 100 * ((cumulative >= low) & (cumulative <= high)).mean(0)
        for number in range(len(tree.levels)):
            of_depth = covered[:, depth == number][beliefs.mean[:, depth == number] > LEAST]
            off = np.abs(of_depth - 100 * level)
            rows[f"{100 * level:g} %, depth {number}"] = {
                "answers": len(of_depth),
                "mean coverage": of_depth.mean(),
                "mean off": off.mean(),
                "95 % are off by less than": np.quantile(off, 0.95),
            }
    return pd.DataFrame(rows).T.astype({"answers": int}).rename_axis("level")


def first_question_of_hart() -> tuple[DecisionTree, NDArray[np.float64]]:
    """Make the tree of question 1 alone and recover its counts."""
    tree = DecisionTree("question 1", GZ2.questions[:1])
    table = pd.read_csv(HART)
    smooth, features, _ = (f"{stem}_fraction" for stem in tree.catalogue_columns)
    fractions = table[[smooth, features]].to_numpy()
    fractions = np.column_stack([fractions, 1 - fractions.sum(-1)])
    total = table["total_classifications"].to_numpy(dtype=float)
    # Three decimals of up to 80 votes.
    return tree, recover_counts(fractions, total, tolerance=0.08)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    out = parser.parse_args().out
    labels = read_labels(DATA / TABLE5, GZ2, "count")
    assert labels.counts is not None
    table5 = compare(GZ2, labels.counts)
    tree, counts = first_question_of_hart()
    exact = ~np.isnan(counts).any(-1)
    hart = compare(tree, counts[exact])
    images, calibration = from_images()
    intervals = interval_accuracy(GZ2)
    out.mkdir(exist_ok=True)
    text = TEXT.format(
        n_table5=len(labels),
        table5=markdown(table5, 2),
        n_hart=len(counts),
        n_exact=int(exact.sum()),
        hart=markdown(hart, 2),
        images=markdown(images, 3),
        strength=(calibration.strength or (math.nan,))[0],
        temperature=calibration.temperature[0],
        n_beliefs=N_BELIEFS,
        weak=STRENGTHS[0],
        strong=STRENGTHS[1],
        draws=DRAWS,
        least=LEAST,
        intervals=markdown(intervals, 1),
    )
    (out / "votes.md").write_text(text)
    figures = provenance() | {
        "table5": table5.to_dict("index"), "hart": hart.to_dict("index"),
        "images": images.to_dict("index"), "intervals": intervals.to_dict("index"),
        "hart_exact": int(exact.sum()),
        "hart_galaxies": len(counts),
    }  # fmt: skip
    (out / "votes.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(text)


if __name__ == "__main__":
    main()
