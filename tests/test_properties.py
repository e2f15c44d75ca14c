"""What holds of every tree, in every precision, at hard zeros and at the largest logits."""

from __future__ import annotations

from importlib.util import find_spec
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import WIDE_SHAPES, trees
from torch import Tensor

from gz2tree.config.choices import Activation, FractionLoss
from gz2tree.graph import DecisionGraph
from gz2tree.losses import LOSSES
from gz2tree.probabilities import cumulative_of
from gz2tree.tree import DecisionTree

ENTMAX = find_spec("entmax") is not None
ACTIVATIONS = [a for a in get_args(Activation) if ENTMAX or a not in ("entmax15", "sparsemax")]
PRECISIONS = (torch.float32, torch.bfloat16, torch.float16)
N = 6  # galaxies
# An answer of twelve rounds twelve times, and the sum of four parents as often.
ROUNDING = 3e-6

large_trees = trees(max_questions=40, shapes=WIDE_SHAPES)
seeds = st.integers(0, 2**32 - 1)
precisions = st.sampled_from(PRECISIONS)
thresholds = st.floats(0, 1) | st.floats(0, 0.05)


def hard_logits(tree: DecisionTree, seed: int, dtype: torch.dtype) -> Tensor:
    """Logits of N galaxies, one in four exactly 0 and one in four 1e4 or -1e4."""
    generator = torch.Generator().manual_seed(seed)
    shape = (N, len(tree))
    logits = 3 * torch.randn(shape, generator=generator)
    sort = torch.randint(8, shape, generator=generator)
    for of_sort, value in ((0, 0.0), (1, 0.0), (2, 1e4), (3, -1e4)):
        logits[sort == of_sort] = value
    return logits.to(dtype)


def hard_conditional(tree: DecisionTree, seed: int, dtype: torch.dtype) -> Tensor:
    """Conditional probabilities of N galaxies, half of them exactly 0 and some of those left 1."""
    generator = torch.Generator().manual_seed(seed)
    shape = (N, len(tree))
    weights = torch.rand(shape, generator=generator) + 0.01
    weights *= torch.rand(shape, generator=generator) < 0.5
    for answers in tree.slices:
        weights[:, answers.start] += weights[:, answers].sum(-1) == 0
        weights[:, answers] /= weights[:, answers].sum(-1, keepdim=True)
    return weights.to(dtype)


def sums(tree: DecisionTree, values: Tensor) -> Tensor:
    return torch.stack([values[..., answers].sum(-1) for answers in tree.slices], -1)


def check_probabilities(graph: DecisionGraph, cumulative: Tensor) -> None:
    assert ((cumulative >= 0) & (cumulative <= 1)).all()  # of NaN neither holds
    reach = graph.reach(cumulative)
    assert ((reach >= 0) & (reach <= 1)).all()
    assert ((sums(graph.tree, cumulative) - reach).abs() <= ROUNDING).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(tree=large_trees, seed=seeds, dtype=precisions)
@settings(max_examples=25, deadline=None)
def test_logits_give_probabilities_and_finite_gradients(
    activation: Activation, tree: DecisionTree, seed: int, dtype: torch.dtype
) -> None:
    graph = DecisionGraph(tree, activation)
    logits = hard_logits(tree, seed, dtype).requires_grad_()
    cumulative, conditional = graph(logits), graph.conditional(logits)
    check_probabilities(graph, cumulative)
    assert ((conditional >= 0) & (conditional <= 1)).all()
    assert ((sums(tree, conditional) - 1).abs() <= ROUNDING).all()
    expected = cumulative_of(tree, conditional.detach().double().numpy())
    np.testing.assert_allclose(cumulative.detach(), expected, rtol=1e-4, atol=ROUNDING)
    # A gradient that differs from answer to answer: that of the plain sum is 0 by the tree's sums.
    weights = torch.linspace(-1, 1, len(tree))
    (cumulative * weights).sum().backward()
    assert logits.grad is not None
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


@given(tree=large_trees, seed=seeds, dtype=precisions)
@settings(max_examples=60, deadline=None)
def test_hard_zeros_multiply_down_with_finite_gradients(
    tree: DecisionTree, seed: int, dtype: torch.dtype
) -> None:
    graph = DecisionGraph(tree)
    conditional = hard_conditional(tree, seed, dtype).requires_grad_()
    cumulative = graph.cumulative(conditional)
    assert ((cumulative >= 0) & (cumulative <= 1)).all()
    expected = cumulative_of(tree, conditional.detach().double().numpy())
    np.testing.assert_array_equal(cumulative.detach() == 0, expected == 0)
    if dtype == torch.float32:  # halves round: their questions no longer sum to 1
        check_probabilities(graph, cumulative)
    cumulative.square().sum().backward()
    assert conditional.grad is not None
    assert conditional.grad.isfinite().all()


@pytest.mark.parametrize("loss", sorted(LOSSES))
@given(activation=st.sampled_from(ACTIVATIONS), tree=large_trees, seed=seeds)
@settings(max_examples=25, deadline=None)
def test_losses_are_finite_at_hard_zeros(
    loss: FractionLoss, activation: Activation, tree: DecisionTree, seed: int
) -> None:
    """Of answers predicted as 0 that were given, and the reverse; of some not measured."""
    logits = hard_logits(tree, seed, torch.float32).requires_grad_()
    target = DecisionGraph(tree).cumulative(hard_conditional(tree, seed + 1, torch.float32))
    target[torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)) < 0.2] = (
        torch.nan
    )
    value = LOSSES[loss](DecisionGraph(tree, activation)(logits), target)
    value.backward()
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@given(tree=large_trees, seed=seeds, dtype=precisions, one=thresholds, other=thresholds)
@settings(max_examples=60, deadline=None)
def test_gated_are_probabilities_and_their_zeros_grow(
    tree: DecisionTree, seed: int, dtype: torch.dtype, one: float, other: float
) -> None:
    graph = DecisionGraph(tree)
    for cumulative in (
        graph(hard_logits(tree, seed, dtype)),
        graph.cumulative(hard_conditional(tree, seed, torch.float32)),
    ):
        low, high = (graph.gate(cumulative, threshold) for threshold in sorted((one, other)))
        check_probabilities(graph, low)
        check_probabilities(graph, high)
        assert (low[cumulative == 0] == 0).all()
        assert (high[low == 0] == 0).all()


@given(tree=large_trees, seed=seeds, dtype=precisions)
@settings(max_examples=60, deadline=None)
def test_cumulative_to_conditional_and_back(
    tree: DecisionTree, seed: int, dtype: torch.dtype
) -> None:
    graph = DecisionGraph(tree)
    for cumulative in (
        graph(hard_logits(tree, seed, dtype)),
        graph.cumulative(hard_conditional(tree, seed, torch.float32)),
    ):
        conditional = graph.condition(cumulative)
        reached = (graph.reach(cumulative) > 0)[:, list(tree.question_of)]
        assert torch.equal(conditional.isnan(), ~reached)
        again = graph.cumulative(conditional.nan_to_num(0.0))
        torch.testing.assert_close(again, cumulative, rtol=1e-4, atol=1e-12)
        assert torch.equal(again[~reached], cumulative[~reached])


FEW = settings(max_examples=4, deadline=None, phases=[Phase.generate], derandomize=True)


@pytest.mark.filterwarnings("ignore")  # of the compiler, about itself
@given(tree=trees(max_questions=12, shapes=WIDE_SHAPES), seed=seeds)
@FEW
def test_compiled_equals_eager(tree: DecisionTree, seed: int) -> None:
    graph = DecisionGraph(tree, "normalised_sigmoid")
    torch._dynamo.reset()
    # No C compiler is needed for this backend.
    compiled = torch.compile(graph, fullgraph=True, backend="aot_eager")
    for dtype in PRECISIONS:
        results, gradients = [], []
        for function in (graph, compiled):
            logits = hard_logits(tree, seed, dtype).requires_grad_()
            results.append(function(logits))
            results[-1].square().sum().backward()
            gradients.append(logits.grad)
        torch.testing.assert_close(*results, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(*gradients)


@pytest.mark.filterwarnings("ignore")  # of the exporter, about itself
@given(tree=trees(max_questions=12, shapes=WIDE_SHAPES), seed=seeds)
@FEW
def test_onnx_equals_eager(tree: DecisionTree, seed: int) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = DecisionGraph(tree, "normalised_sigmoid").eval()
    program = torch.onnx.export(
        graph,
        (hard_logits(tree, seed, torch.float32),),
        dynamo=True,
        dynamic_shapes=[{0: torch.export.Dim("n")}],
        input_names=["logits"],
        verbose=False,
    )
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for given_seed in (seed, seed + 1):
        logits = hard_logits(tree, given_seed, torch.float32)
        (cumulative,) = session.run(None, {"logits": logits.numpy()})
        np.testing.assert_allclose(cumulative, graph(logits), rtol=1e-4, atol=1e-6)
