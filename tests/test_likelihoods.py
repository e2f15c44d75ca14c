"""Likelihoods of votes against SciPy, and what they make of questions nobody was asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from strategies import trees
from torch import Tensor

from gz2tree.config.choices import CountLoss
from gz2tree.graph import DecisionGraph
from gz2tree.networks.strength import STRONGEST, WEAKEST
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2_KAGGLE
from gz2tree.votes.likelihoods import (
    COUNT_LOSSES,
    dirichlet_multinomial_log_likelihood,
    known_votes_by_question,
    multinomial_log_likelihood,
)

both_losses = pytest.mark.parametrize("name", list(COUNT_LOSSES))


def votes_of(tree: DecisionTree, n: int, seed: int, people: int = 40) -> np.ndarray:
    """Votes down any tree, drawn galaxy by galaxy; deep questions are often asked of nobody."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((n, len(tree)))
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        for row in counts:
            asked = int(row[list(parents)].sum()) if parents else rng.integers(people + 1)
            width = answers.stop - answers.start
            row[answers] = rng.multinomial(asked, rng.dirichlet(np.full(width, 0.4)))
    return counts


def answers_of(tree: DecisionTree, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Conditional answers and strengths over the whole range."""
    rng = np.random.default_rng(seed)
    conditional = np.concatenate(
        [rng.dirichlet(np.full(len(q), 0.7), n) for q in tree.questions], -1
    )
    strength = np.exp(rng.uniform(*np.log([WEAKEST, STRONGEST]), (n, len(tree.questions))))
    return torch.tensor(conditional), torch.tensor(strength)


@settings(max_examples=25, deadline=None)
@given(trees(), st.integers(0, 2**31))
def test_likelihoods_are_scipys(tree: DecisionTree, seed: int) -> None:
    graph, counts = DecisionGraph(tree), votes_of(tree, 3, seed)
    conditional, strength = answers_of(tree, 3, seed)
    plain = multinomial_log_likelihood(graph, conditional, torch.tensor(counts))
    spread = dirichlet_multinomial_log_likelihood(
        graph, conditional, strength, torch.tensor(counts)
    )
    for row in range(3):
        for number, answers in enumerate(tree.slices):
            votes = counts[row, answers].astype(int)
            p = np.maximum(conditional[row, answers].numpy(), 1e-12)
            n = votes.sum()
            expected = stats.multinomial.logpmf(votes, n, p / p.sum())
            assert plain[row, number].item() == pytest.approx(expected, rel=1e-6, abs=1e-7)
            alpha = p * strength[row, number].item()
            expected = stats.dirichlet_multinomial.logpmf(votes, alpha, n)
            assert spread[row, number].item() == pytest.approx(expected, rel=1e-6, abs=1e-7)


def loss_and_slopes(
    name: CountLoss, logits: Tensor, raw: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    graph = DecisionGraph(GZ2_KAGGLE)
    logits, raw = logits.detach().requires_grad_(), raw.detach().requires_grad_()
    loss = COUNT_LOSSES[name](graph, graph.conditional(logits), raw.exp(), counts)
    (loss + 0 * raw.sum()).backward()
    assert logits.grad is not None
    assert raw.grad is not None
    return loss.detach(), logits.grad, raw.grad


def kaggle_batch(n: int = 30) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(n, len(GZ2_KAGGLE), generator=generator)
    raw = 2 * torch.randn(n, len(GZ2_KAGGLE.questions), generator=generator)
    return logits, raw, torch.tensor(votes_of(GZ2_KAGGLE, n, 0))


@both_losses
def test_question_that_nobody_was_asked_contributes_exactly_nothing(name: CountLoss) -> None:
    logits, raw, counts = kaggle_batch()
    graph = DecisionGraph(GZ2_KAGGLE)
    asked = known_votes_by_question(graph, counts) > 0
    of_answer = asked[:, graph.question_of]
    assert not asked.all()
    likelihoods = (
        multinomial_log_likelihood(graph, graph.conditional(logits), counts),
        dirichlet_multinomial_log_likelihood(graph, graph.conditional(logits), raw.exp(), counts),
    )
    for likelihood in likelihoods:
        assert (likelihood[~asked] == 0).all()
        assert (likelihood[asked] < 0).all()
    loss, slope, of_raw = loss_and_slopes(name, logits, raw, counts)
    assert (slope[~of_answer] == 0).all()
    assert (of_raw[~asked] == 0).all()
    for wild in (-1e4, 0.0, 1e4):
        changed = torch.where(of_answer, logits, wild)
        again, slope_again, _ = loss_and_slopes(name, changed, raw, counts)
        assert torch.equal(again, loss)
        assert torch.equal(slope_again, slope)


@both_losses
def test_unknown_counts_are_not_asked(name: CountLoss) -> None:
    logits, raw, counts = kaggle_batch()
    graph = DecisionGraph(GZ2_KAGGLE)
    hidden = torch.rand(len(counts), 11, generator=torch.Generator().manual_seed(2)) < 0.3
    cells = hidden[:, graph.question_of]
    expected = loss_and_slopes(name, logits, raw, counts.masked_fill(cells, 0.0))
    unknown = loss_and_slopes(name, logits, raw, counts.masked_fill(cells, torch.nan))
    for one, other in zip(expected, unknown, strict=True):
        assert torch.equal(one, other)
    nothing = loss_and_slopes(name, logits, raw, torch.full_like(counts, torch.nan))
    assert all((part == 0).all() for part in nothing)


@both_losses
def test_question_with_one_unknown_answer_is_not_measured(name: CountLoss) -> None:
    logits, raw, counts = kaggle_batch()
    holed = counts.clone()
    holed[:, 2] = torch.nan
    gone = counts.clone()
    gone[:, :3] = 0.0
    for one, other in zip(
        loss_and_slopes(name, logits, raw, holed),
        loss_and_slopes(name, logits, raw, gone),
        strict=True,
    ):
        assert torch.equal(one, other)


@both_losses
def test_gradient_is_numerically_right(name: CountLoss) -> None:
    logits, raw, counts = (part.double() for part in kaggle_batch(4))
    graph = DecisionGraph(GZ2_KAGGLE)

    def loss(logits: Tensor, raw: Tensor) -> Tensor:
        value = COUNT_LOSSES[name](graph, graph.conditional(logits), raw.exp(), counts)
        return value + 0 * raw[0, 0]  # the multinomial takes no notice of strengths

    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(), raw.requires_grad_()))


@both_losses
@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
def test_votes_for_the_impossible_are_finite(name: CountLoss, size: float) -> None:
    _, raw, counts = kaggle_batch()
    signs = torch.randn(counts.shape, generator=torch.Generator().manual_seed(3)).sign()
    loss, slope, of_raw = loss_and_slopes(name, size * signs, raw, counts)
    assert loss.isfinite()
    assert slope.isfinite().all()
    assert of_raw.isfinite().all()


@pytest.mark.parametrize("strength", [WEAKEST, 20.0, STRONGEST])
def test_float32_loses_nothing(strength: float) -> None:
    """Gamma functions of neighbouring numbers nearly cancel: they are counted in float64."""
    logits, raw, counts = kaggle_batch()
    raw = torch.full_like(raw, float(np.log(strength)))
    single = loss_and_slopes("dirichlet_multinomial", logits, raw, counts)
    double = loss_and_slopes(
        "dirichlet_multinomial", logits.double(), raw.double(), counts.double()
    )
    for one, other in zip(single, double, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-6)


@both_losses
def test_bfloat16_autocast_does_not_reach_the_gamma_functions(name: CountLoss) -> None:
    logits, raw, counts = kaggle_batch()
    alone = loss_and_slopes(name, logits, raw, counts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = loss_and_slopes(name, logits, raw, counts)
    for one, other in zip(alone, cast, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_endless_strength_is_the_multinomial() -> None:
    logits, raw, counts = kaggle_batch()
    graph = DecisionGraph(GZ2_KAGGLE)
    conditional = graph.conditional(logits / 3).double()
    plain = multinomial_log_likelihood(graph, conditional, counts)
    strong = dirichlet_multinomial_log_likelihood(
        graph, conditional, torch.full_like(raw, 1e8), counts
    )
    torch.testing.assert_close(strong, plain, rtol=1e-4, atol=1e-4)
    none = COUNT_LOSSES["dirichlet_multinomial"](graph, conditional, None, counts)
    assert none == COUNT_LOSSES["multinomial"](graph, conditional, None, counts)


def test_mean_of_the_votes_is_the_most_likely() -> None:
    """Multinomial: no constant answer beats the share of all votes."""
    counts = torch.tensor(votes_of(GZ2_KAGGLE, 200, 1))
    graph = DecisionGraph(GZ2_KAGGLE)
    share = counts.sum(0) / known_votes_by_question(graph, counts).sum(0)[graph.question_of]
    generator = torch.Generator().manual_seed(0)
    best = COUNT_LOSSES["multinomial"](graph, share.expand_as(counts), None, counts)
    for _ in range(20):
        moved = share * torch.exp(0.05 * torch.randn(len(share), generator=generator))
        total = torch.zeros(11, dtype=moved.dtype).index_add(0, graph.question_of, moved)
        moved = moved / total[graph.question_of]
        assert COUNT_LOSSES["multinomial"](graph, moved.expand_as(counts), None, counts) > best
