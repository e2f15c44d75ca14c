"""The decision tree as a layer, against slow products written out by hand."""

from __future__ import annotations

import copy
import math
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from strategies import trees
from torch import Tensor

from gz2tree.config.choices import Activation
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.questions import Question
from gz2tree.tree import DecisionTree
from gz2tree.trees import GZ2, GZ2_KAGGLE, TREES

DENSE = ("softmax", "normalised_sigmoid", "divisive_relu")
SPARSE = ("entmax15", "sparsemax")
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=get_args(Activation))
def activation(request: pytest.FixtureRequest) -> Activation:
    if request.param in SPARSE:
        pytest.importorskip("entmax")
    return request.param


# oracles: the definitions, one galaxy at a time, in Python


def slow_cumulative(tree: DecisionTree, conditional: Any) -> list[float]:
    """Walk from every answer up through its parents, by name."""
    given_asked = dict(zip((a.name for a in tree.answers), conditional, strict=True))

    def reach(question: Question) -> float:
        return sum(map(cumulative, question.asked_after)) if question.asked_after else 1.0

    def cumulative(answer: str) -> float:
        (question,) = (q for q in tree.questions if answer in {a.name for a in q.answers})
        return float(given_asked[answer]) * reach(question)

    return [cumulative(answer.name) for answer in tree.answers]


def slow_reach(tree: DecisionTree, cumulative: Any) -> list[float]:
    of = dict(zip((a.name for a in tree.answers), cumulative, strict=True))
    return [
        float(sum(of[parent] for parent in q.asked_after)) if q.asked_after else 1.0
        for q in tree.questions
    ]


def question_by_question(
    tree: DecisionTree, values: np.ndarray, function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    return np.concatenate([function(values[..., s]) for s in tree.slices], axis=-1)


def random_conditional(tree: DecisionTree, seed: int, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Probabilities that sum to 1 in each question, one in four of them exactly 0, float64."""
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=(*shape, len(tree))) * (rng.random((*shape, len(tree))) > 0.25)

    def normalise(weights: np.ndarray) -> np.ndarray:
        weights[..., 0] += weights.sum(-1) == 0
        return weights / weights.sum(-1, keepdims=True)

    return question_by_question(tree, weights, normalise)


def random_cumulative(tree: DecisionTree, seed: int, dtype: torch.dtype) -> Tensor:
    """Four galaxies' cumulative probabilities, exact zeros among them."""
    conditional = torch.tensor(random_conditional(tree, seed, (4,)), dtype=dtype)
    return DecisionGraph(tree).cumulative(conditional)


def sums(tree: DecisionTree, cumulative: Tensor) -> Tensor:
    return torch.stack([cumulative[..., s].sum(-1) for s in tree.slices], -1)


# the product


@given(trees(), seeds)
@settings(max_examples=1000, deadline=None)
def test_cumulative_and_reach_equal_the_slow_product(tree: DecisionTree, seed: int) -> None:
    graph = DecisionGraph(tree)
    conditional = random_conditional(tree, seed)
    expected = slow_cumulative(tree, conditional)
    for dtype, precision in ((torch.float64, 1e-15), (torch.float32, 1e-6)):
        cumulative = graph.cumulative(torch.tensor(conditional, dtype=dtype))
        assert cumulative.dtype == dtype
        np.testing.assert_allclose(cumulative, expected, rtol=10 * precision, atol=0)
        np.testing.assert_allclose(
            graph.reach(cumulative), slow_reach(tree, expected), rtol=10 * precision, atol=0
        )


@given(trees(), seeds)
@settings(max_examples=200, deadline=None)
def test_condition_is_the_inverse_where_a_question_is_reached(
    tree: DecisionTree, seed: int
) -> None:
    graph = DecisionGraph(tree)
    conditional = torch.tensor(random_conditional(tree, seed, (3,)))
    cumulative = graph.cumulative(conditional)
    reached = graph.reach(cumulative)[..., list(tree.question_of)] > 0
    expected = torch.where(reached, conditional, torch.nan)
    torch.testing.assert_close(
        graph.condition(cumulative), expected, rtol=1e-14, atol=0, equal_nan=True
    )


def test_bar_hangs_under_not_edge_on() -> None:
    """P(features) = .8, P(not edge-on) = .1 and P(bar) = 1 give .08, not .80."""
    for tree in TREES.values():
        conditional = torch.tensor(random_conditional(tree, 0))
        given_asked = {"a01_smooth": 0.1, "a02_features_or_disk": 0.8, "a03_star_or_artifact": 0.1}
        given_asked |= {"a04_yes": 0.9, "a05_no": 0.1, "a06_bar": 1.0, "a07_no_bar": 0.0}
        for answer, probability in given_asked.items():
            conditional[tree.answer_position(answer)] = probability
        cumulative = DecisionGraph(tree).cumulative(conditional)
        assert cumulative[tree.answer_position("a06_bar")].item() == pytest.approx(0.08, rel=1e-14)


def test_odd_is_asked_of_everyone_in_the_kaggle_tree_only() -> None:
    conditional = torch.tensor(random_conditional(GZ2, 1))
    conditional[:3] = torch.tensor([0.5, 0.3, 0.2])
    for tree, reach in ((GZ2, 0.8), (GZ2_KAGGLE, 1.0)):
        graph = DecisionGraph(tree)
        cumulative = graph.cumulative(conditional)
        assert graph.reach(cumulative)[5].item() == pytest.approx(reach)
        torch.testing.assert_close(cumulative[13:15], reach * conditional[13:15])


def test_official_rows_survive_the_round_trip(shared: Path) -> None:
    table = pd.read_csv(shared / "data" / "kaggle_gz2" / "five_full_rows.csv")
    official = torch.tensor(table[list(GZ2_KAGGLE.columns)].to_numpy())
    graph = DecisionGraph(GZ2_KAGGLE)
    torch.testing.assert_close(sums(GZ2_KAGGLE, official), graph.reach(official), rtol=0, atol=1e-6)
    conditional = graph.condition(official)
    reached = graph.reach(official)[:, list(GZ2_KAGGLE.question_of)] > 0
    assert not reached.all()
    torch.testing.assert_close(conditional.isnan(), ~reached)
    again = graph.cumulative(conditional.nan_to_num(0.0))
    torch.testing.assert_close(again, official, rtol=1e-14, atol=0)


def test_gradient_of_condition_is_finite_where_questions_are_not_reached() -> None:
    graph = DecisionGraph(GZ2)
    conditional = torch.tensor(random_conditional(GZ2, 3, (20,)))
    cumulative = graph.cumulative(conditional).requires_grad_()
    recovered = graph.condition(cumulative)
    assert recovered.isnan().any()
    recovered.nan_to_num(0.0).square().sum().backward()
    assert cumulative.grad is not None
    assert cumulative.grad.isfinite().all()


def test_not_measured_stays_not_measured() -> None:
    """NaN in question 6 is NaN in 8, which follows from it, and nowhere else."""
    graph = DecisionGraph(GZ2_KAGGLE)
    conditional = graph.conditional(torch.randn(37, generator=torch.Generator().manual_seed(0)))
    conditional[GZ2_KAGGLE.slices[5]] = torch.nan
    cumulative = graph.cumulative(conditional)
    lost = torch.tensor([q in (5, 7) for q in GZ2_KAGGLE.question_of])
    torch.testing.assert_close(cumulative.isnan(), lost)
    assert graph.reach(cumulative).isnan().nonzero().flatten().tolist() == [7]
    torch.testing.assert_close(graph.condition(cumulative).isnan(), lost)


def test_condition_is_unknown_where_a_parent_was_not_measured() -> None:
    """As in a table that has the columns of question 8, but not those of question 6."""
    graph = DecisionGraph(GZ2_KAGGLE)
    cumulative = random_cumulative(GZ2_KAGGLE, 0, torch.float64)
    complete = graph.condition(cumulative)
    cumulative[:, GZ2_KAGGLE.slices[5]] = torch.nan
    complete[:, [q in (5, 7) for q in GZ2_KAGGLE.question_of]] = torch.nan
    assert not cumulative[:, GZ2_KAGGLE.slices[7]].isnan().any()
    torch.testing.assert_close(
        graph.condition(cumulative), complete, rtol=0, atol=0, equal_nan=True
    )


# precision and shapes


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
    ids=str,
)
def test_sums_hold_in_any_shape_and_precision(
    activation: Activation, shape: tuple[int, ...], dtype: torch.dtype, result: torch.dtype
) -> None:
    graph = DecisionGraph(GZ2, activation)
    generator = torch.Generator().manual_seed(0)
    logits = (5 * torch.randn(*shape, 37, generator=generator)).to(dtype)
    conditional, cumulative = graph.conditional(logits), graph(logits)
    reach = graph.reach(cumulative)
    for values, width in ((conditional, 37), (cumulative, 37), (reach, 11)):
        assert values.dtype == result
        assert values.shape == (*shape, width)
        assert ((values >= 0) & (values <= 1)).all()
    rounding = 1e-14 if result == torch.float64 else 1e-6
    for total, expected in ((sums(GZ2, conditional), 1.0), (sums(GZ2, cumulative), reach)):
        assert ((total - expected).abs() <= rounding).all()
    gated = graph.gate(cumulative, 0.1)
    assert (gated.dtype, gated.shape) == (result, (*shape, 37))
    # Half precision says which logits were meant, and nothing else.
    torch.testing.assert_close(cumulative, graph(logits.to(result)), rtol=0, atol=0)
    torch.testing.assert_close(graph.half()(logits), cumulative, rtol=0, atol=0)


@given(trees(), seeds, st.sampled_from(get_args(Activation)), st.sampled_from([1, 10, 1e4]))
@settings(max_examples=200, deadline=None)
def test_sums_hold_in_any_tree(
    tree: DecisionTree, seed: int, activation: Activation, scale: float
) -> None:
    if activation in SPARSE:
        pytest.importorskip("entmax")
    graph = DecisionGraph(tree, activation)
    generator = torch.Generator().manual_seed(seed)
    cumulative = graph(scale * torch.randn(10, len(tree), generator=generator))
    assert ((cumulative >= 0) & (cumulative <= 1)).all()
    assert ((sums(tree, cumulative) - graph.reach(cumulative)).abs() <= 1e-6).all()


def test_sums_hold_for_very_many_galaxies(activation: Activation) -> None:
    """The entmax package alone is off by up to 1.1e-6."""
    tree = DecisionTree("odd", [Question("odd", [f"a{n}" for n in range(7)])])
    logits = 0.7 * torch.randn(100_000, 7, generator=torch.Generator().manual_seed(0))
    assert (DecisionGraph(tree, activation)(logits).sum(-1) - 1).abs().max() <= 5e-7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_changes_nothing(activation: Activation, dtype: torch.dtype) -> None:
    graph = DecisionGraph(GZ2, activation)
    for precision in (torch.float32, torch.float64):
        logits = torch.randn(8, 37, dtype=precision, generator=torch.Generator().manual_seed(0))
        outside = [graph(logits), graph.reach(graph(logits)), graph.gate(graph(logits), 0.1)]
        with torch.autocast("cpu", dtype=dtype):
            within = [graph(logits), graph.reach(graph(logits)), graph.gate(graph(logits), 0.1)]
        for ours, theirs in zip(within, outside, strict=True):
            assert ours.dtype == precision
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


# activations


def definition(activation: Activation) -> Callable[[np.ndarray], np.ndarray]:
    """One question's probabilities, as the name of the activation says."""
    if activation == "softmax":
        return lambda x: softmax(x, axis=-1)
    if activation == "normalised_sigmoid":
        return lambda x: expit(x) / expit(x).sum(-1, keepdims=True)
    if activation == "divisive_relu":

        def divisive_relu(x: np.ndarray) -> np.ndarray:
            positive = np.maximum(x, 0)
            total = positive.sum(-1, keepdims=True)
            with np.errstate(invalid="ignore"):
                return np.where(total > 0, positive / total, 1 / x.shape[-1])

        return divisive_relu
    function = getattr(pytest.importorskip("entmax"), activation)
    return lambda x: function(torch.tensor(x), dim=-1).numpy()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_activation_is_its_definition_in_every_question(
    activation: Activation, scale: float
) -> None:
    logits = scale * np.random.default_rng(0).standard_normal((200, 37))
    conditional = DecisionGraph(GZ2, activation).conditional(torch.tensor(logits)).numpy()
    expected = question_by_question(GZ2, logits, definition(activation))
    np.testing.assert_allclose(conditional, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(conditional == 0, expected == 0)


@pytest.mark.parametrize("name", ["divisive_relu", "entmax15", "sparsemax"])
def test_sparse_activations_give_exact_zeros(name: Activation) -> None:
    if name in SPARSE:
        pytest.importorskip("entmax")
    logits = 2 * torch.randn(50, 37, generator=torch.Generator().manual_seed(0))
    assert (DecisionGraph(GZ2, name)(logits) == 0).float().mean() > 0.2


@pytest.mark.parametrize("lowest", [0.0, -1.0, -1e4])
def test_divisive_relu_without_positive_logit_is_equal_without_gradient(lowest: float) -> None:
    graph = DecisionGraph(GZ2, "divisive_relu")
    logits = torch.full((37,), lowest, dtype=torch.float64, requires_grad=True)
    conditional = graph.conditional(logits)
    expected = [1 / len(q) for q in GZ2.questions for _ in q.answers]
    np.testing.assert_allclose(conditional.detach(), expected, rtol=1e-15)
    conditional[0].backward()
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("size", [1e-40, 1e4, 1e9, 1e30])
@pytest.mark.parametrize("pattern", ["all high", "all low", "one high", "one low", "mixed"])
def test_extreme_logits_are_finite_forward_and_backward(
    activation: Activation, pattern: str, size: float
) -> None:
    signs = {
        "all high": torch.ones(37),
        "all low": -torch.ones(37),
        "one high": -torch.ones(37),
        "one low": torch.ones(37),
        "mixed": torch.ones(37),
    }[pattern]
    first = [s.start for s in GZ2.slices]
    if pattern.startswith("one"):
        signs[first] *= -1
    if pattern == "mixed":
        signs[::2] *= -1
    graph = DecisionGraph(GZ2, activation)
    logits = (size * signs).requires_grad_()
    cumulative = graph(logits)
    assert ((cumulative >= 0) & (cumulative <= 1)).all()
    assert ((sums(GZ2, cumulative) - graph.reach(cumulative)).abs() <= 1e-6).all()
    cumulative.square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    if pattern == "one high" and size > 1:  # everyone says smooth, yes or the like
        assert cumulative[0] == 1
        assert cumulative[1:3].eq(0).all()
        assert graph.conditional(logits)[first].eq(1).all()


def test_gradient_with_hard_zeros_is_that_of_the_product() -> None:
    """d cumulative / d conditional, numerically where a factor is exactly 0."""
    graph = DecisionGraph(GZ2)
    conditional = torch.tensor(random_conditional(GZ2, 0, (3,)))
    assert (conditional == 0).any()
    gradients = torch.autograd.functional.jacobian(
        lambda c: graph.cumulative(c).sum(0), conditional
    )
    for row in range(3):
        for answer in range(37):
            moved = conditional[row].numpy().copy()
            moved[answer] += 1.0  # the product is linear in every single factor
            change = np.subtract(
                slow_cumulative(GZ2, moved), slow_cumulative(GZ2, conditional[row].numpy())
            )
            np.testing.assert_allclose(gradients[:, row, answer], change, rtol=0, atol=1e-14)


SMALL = DecisionTree(
    "small",
    [
        Question("shape", ["smooth", "disk", "star"]),
        Question("edge", ["yes", "no"], ["disk"]),
        Question("odd", ["odd", "normal"], ["smooth", "yes"]),
        Question("sure", ["sure"], ["no"]),
    ],
)


def test_gradients_are_right_in_float64(activation: Activation) -> None:
    graph = DecisionGraph(SMALL, activation)
    logits = torch.randn(4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(graph, logits.requires_grad_())


def test_gradients_of_reach_and_condition_are_right() -> None:
    graph = DecisionGraph(SMALL)
    cumulative = (0.9 * random_cumulative(SMALL, 0, torch.float64) + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(graph.reach, cumulative)
    assert torch.autograd.gradcheck(graph.condition, cumulative)


def test_reach_passes_the_whole_gradient_where_rounding_lifts_it_above_1() -> None:
    graph = DecisionGraph(SMALL)
    cumulative = torch.tensor([0.6, 0.4, 0, 0.40001, 0, 1, 0, 0], requires_grad=True)
    reach = graph.reach(cumulative)
    assert reach[2] == 1
    reach[2].backward()
    assert cumulative.grad is not None
    assert cumulative.grad.tolist() == [1, 0, 0, 1, 0, 0, 0, 0]


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(InputError, match=r"activation: expected one of softmax, .* found 'relu'"):
        DecisionGraph(GZ2, "relu")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SPARSE)
def test_missing_extra_is_said(name: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "entmax", None)
    with pytest.raises(InputError, match=r"pip install 'gz2tree\[entmax\]'"):
        DecisionGraph(GZ2, name)
    DecisionGraph(GZ2, "softmax")


# the gate


thresholds = st.floats(0, 1) | st.floats(0, 0.1)
dtypes = st.sampled_from([torch.float32, torch.float64])


@given(trees(), seeds, dtypes, thresholds)
@settings(max_examples=300, deadline=None)
def test_gate_keeps_its_promises(
    tree: DecisionTree, seed: int, dtype: torch.dtype, threshold: float
) -> None:
    graph = DecisionGraph(tree)
    cumulative = random_cumulative(tree, seed, dtype)
    gated = graph.gate(cumulative, threshold)
    reach = graph.reach(gated)
    rounding = 1e-6 if dtype == torch.float32 else 1e-14
    assert ((gated >= 0) & (gated <= 1)).all()
    torch.testing.assert_close(sums(tree, gated), reach, rtol=rounding, atol=0)
    for before, after, reached in zip(cumulative, gated, reach, strict=True):
        for number, of_question in enumerate(tree.slices):
            ungated, ours = before[of_question], after[of_question]
            if reached[number] == 0:  # downstream of a zero
                assert (ours == 0).all()
                continue
            survives = ungated >= threshold
            survives[ungated.argmax()] = True
            survives &= ungated > 0
            assert torch.equal(ours > 0, survives)
            # Survivors keep their proportions.
            expected = reached[number] * ungated[survives] / ungated[survives].sum()
            torch.testing.assert_close(ours[survives], expected, rtol=4 * rounding, atol=0)


@given(trees(), seeds, dtypes, thresholds, thresholds)
@settings(max_examples=200, deadline=None)
def test_zeros_grow_with_the_gate(
    tree: DecisionTree, seed: int, dtype: torch.dtype, one: float, other: float
) -> None:
    graph = DecisionGraph(tree)
    cumulative = random_cumulative(tree, seed, dtype)
    low, high = (graph.gate(cumulative, threshold) for threshold in sorted((one, other)))
    assert (high[low == 0] == 0).all()


@given(trees(), seeds)
@settings(max_examples=100, deadline=None)
def test_gate_of_zero_changes_nothing(tree: DecisionTree, seed: int) -> None:
    cumulative = random_cumulative(tree, seed, torch.float64)
    gated = DecisionGraph(tree).gate(cumulative, 0.0)
    torch.testing.assert_close(gated, cumulative, rtol=1e-14, atol=0)
    assert torch.equal(gated == 0, cumulative == 0)


def test_gate_of_one_leaves_the_most_probable_path() -> None:
    graph = DecisionGraph(GZ2)
    logits = torch.randn(50, 37, generator=torch.Generator().manual_seed(0))
    gated = graph.gate(graph(logits), 1.0)
    assert ((gated == 0) | (gated == 1)).all()
    assert torch.equal(sums(GZ2, gated), graph.reach(gated))


def test_gate_cuts_by_the_ungated_cumulative_probability() -> None:
    """0.2 x 0.9 falls below 0.19; its sibling takes over, though it was less than the gate too."""
    tree = DecisionTree(
        "toy",
        [
            Question("shape", ["smooth", "disk", "star"]),
            Question("bar", ["barred", "unbarred"], ["disk"]),
            Question("odd", ["odd", "normal"], ["smooth", "disk"]),
        ],
    )
    cumulative = torch.tensor([0.7, 0.2, 0.1, 0.18, 0.02, 0.09, 0.81], dtype=torch.float64)
    gated = DecisionGraph(tree).gate(cumulative, 0.19)
    expected = [7 / 9, 2 / 9, 0, 2 / 9, 0, 0, 1]
    np.testing.assert_allclose(gated, expected, rtol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gate_keeps_an_answer_that_equals_it(dtype: torch.dtype) -> None:
    tree = DecisionTree("toy", [Question("shape", ["smooth", "disk"])])
    cumulative = torch.tensor([0.9, 0.1], dtype=dtype)
    assert DecisionGraph(tree).gate(cumulative, 0.1)[1] > 0
    assert DecisionGraph(tree).gate(cumulative, 0.1001)[1] == 0


@pytest.mark.parametrize("threshold", [-1e-9, 1.0000001, math.nan, math.inf])
def test_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match=r"gate: expected a probability in \[0, 1\], found"):
        DecisionGraph(GZ2).gate(torch.zeros(37), threshold)


# what does not fit the tree


@pytest.mark.parametrize("n", [1, 36, 40])
@pytest.mark.parametrize(
    "method", ["forward", "conditional", "cumulative", "reach", "condition", "gate", "logits_of"]
)
def test_other_numbers_of_answers_are_refused(method: str, n: int) -> None:
    more = (0.1,) if method == "gate" else ()
    with pytest.raises(InputError, match=rf"expected the 37 answers of GZ2 .* found .*{n}\)"):
        getattr(DecisionGraph(GZ2), method)(torch.zeros(2, n), *more)


def test_a_number_is_no_answers() -> None:
    with pytest.raises(InputError, match=r"expected the 37 answers of GZ2 .* found shape \(\)"):
        DecisionGraph(GZ2)(torch.tensor(0.5))


@pytest.mark.parametrize("n", [10, 12])
def test_given_reach_of_other_numbers_of_questions_is_refused(n: int) -> None:
    with pytest.raises(InputError, match=r"given_reach: expected the 11 questions of GZ2"):
        DecisionGraph(GZ2).cumulative(torch.zeros(2, 37), torch.zeros(2, n))


# a well-behaved module


def test_nothing_to_train_and_nothing_to_save(activation: Activation) -> None:
    graph = DecisionGraph(GZ2, activation)
    assert list(graph.parameters()) == []
    assert graph.state_dict() == {}
    assert repr(graph) == f"DecisionGraph(tree='GZ2', activation={activation!r})"


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_give_the_same(activation: Activation, duplicate: Callable[[Any], Any]) -> None:
    graph = DecisionGraph(GZ2, activation)
    logits = torch.randn(3, 37, generator=torch.Generator().manual_seed(0))
    again = duplicate(graph)
    assert again.tree == GZ2
    torch.testing.assert_close(again(logits), graph(logits), rtol=0, atol=0)


def test_moves_to_another_device(activation: Activation) -> None:
    graph = DecisionGraph(GZ2, activation).to("meta")
    assert {buffer.device.type for buffer in graph.buffers()} == {"meta"}
    logits = torch.empty(3, 37, device="meta")
    for result in (graph(logits), graph.gate(logits, 0.1), graph.condition(logits)):
        assert result.device.type == "meta"
        assert result.shape == (3, 37)


# What the extra `onnx` needs; older ones write a guard of their own on the number of galaxies.
needs_new_export = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 13),
    reason="torch.export of any number of galaxies needs torch 2.13",
)


def exported(graph: DecisionGraph, logits: Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(graph.eval(), (logits,), dynamic_shapes=[{0: torch.export.Dim("n")}])


def n_operations(tree: DecisionTree, activation: Activation) -> int:
    return len(exported(DecisionGraph(tree, activation), torch.randn(3, len(tree))).graph.nodes)


def wide_tree(n_questions: int) -> DecisionTree:
    """`n_questions` at each of two levels."""
    roots = [Question(f"q{n}", [f"a{n}", f"b{n}"]) for n in range(n_questions)]
    leaves = [Question(f"r{n}", [f"c{n}", f"d{n}", f"e{n}"], [f"a{n}"]) for n in range(n_questions)]
    return DecisionTree("wide", roots + leaves)


@needs_new_export
def test_operations_do_not_grow_with_the_number_of_questions(activation: Activation) -> None:
    assert n_operations(wide_tree(40), activation) == n_operations(wide_tree(2), activation)


# compiled and exported


def logits_of(n: int) -> Tensor:
    return 3 * torch.randn(n, 37, generator=torch.Generator().manual_seed(n))


EXTREME = 1e4 * torch.stack([torch.ones(37), -torch.ones(37), logits_of(1)[0].sign()])


@pytest.mark.filterwarnings("ignore")  # of the compiler, about itself
@pytest.mark.parametrize(
    ("name", "backend"),
    [*((name, "aot_eager") for name in DENSE), ("softmax", "inductor")],  # which takes 15 s
)
def test_compiled_equals_eager(name: Activation, backend: str) -> None:
    if backend == "inductor" and not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("inductor needs a C++ compiler")
    graph = DecisionGraph(GZ2, name)
    results, gradients = [], []
    for function in (graph, torch.compile(graph, fullgraph=True, backend=backend)):
        logits = torch.cat([logits_of(5), EXTREME]).requires_grad_()
        results.append(function(logits))
        results[-1].square().sum().backward()
        gradients.append(logits.grad)
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


@needs_new_export
def test_exported_equals_eager_for_any_batch(activation: Activation) -> None:
    graph = DecisionGraph(GZ2, activation)
    module = exported(graph, logits_of(4)).module()
    for logits in (logits_of(1), logits_of(7), EXTREME):
        torch.testing.assert_close(module(logits), graph(logits), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")  # of the exporter, about itself
def test_onnx_equals_eager_for_any_batch(activation: Activation) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = DecisionGraph(GZ2_KAGGLE, activation).eval()
    program = torch.onnx.export(
        graph,
        (logits_of(4),),
        dynamo=True,
        dynamic_shapes=[{0: torch.export.Dim("n")}],
        input_names=["logits"],
        verbose=False,
    )
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for logits in (logits_of(1), logits_of(7), EXTREME):
        (cumulative,) = session.run(None, {"logits": logits.numpy()})
        np.testing.assert_allclose(cumulative, graph(logits), rtol=1e-5, atol=1e-7)


# the way back to logits, and reach that is given


def test_logits_are_the_inverse_of_conditional(activation: Activation) -> None:
    conditional = torch.tensor(random_conditional(GZ2_KAGGLE, 3, (50,)))
    # Zeros are only approached, where the activation has none.
    exact = (conditional > 1e-3) & (conditional < 1 - 1e-3)
    graph = DecisionGraph(GZ2_KAGGLE, activation)
    again = graph.conditional(graph.logits_of(conditional))
    tolerance = 1e-9 if (exact | (conditional == 0)).all() else 2e-3
    torch.testing.assert_close(again, conditional, rtol=0, atol=tolerance)
    assert torch.isfinite(graph.logits_of(conditional)).all()


@given(trees(), seeds)
def test_given_reach_replaces_the_product_so_far(tree: DecisionTree, seed: int) -> None:
    """What follows from such a question is multiplied with the given reach too."""
    rng = np.random.default_rng(seed)
    conditional = random_conditional(tree, seed)
    known = rng.random(len(tree.questions)) < 0.5
    given_reach = np.where(known, rng.random(len(tree.questions)), np.nan)
    expected = np.empty(len(tree))
    for number, (answers, parents) in enumerate(zip(tree.slices, tree.parents, strict=True)):
        reach = min(1.0, sum(expected[p] for p in parents)) if parents else 1.0
        expected[answers] = conditional[answers] * (given_reach[number] if known[number] else reach)
    result = DecisionGraph(tree).cumulative(torch.tensor(conditional), torch.tensor(given_reach))
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_given_reach_of_nan_changes_nothing() -> None:
    graph = DecisionGraph(GZ2_KAGGLE)
    conditional = torch.tensor(random_conditional(GZ2_KAGGLE, 0, (8,)))
    unknown = torch.full((8, 11), torch.nan)
    assert torch.equal(graph.cumulative(conditional, unknown), graph.cumulative(conditional))


def test_parents_get_no_gradient_through_a_given_reach() -> None:
    graph = DecisionGraph(GZ2_KAGGLE)
    conditional = torch.tensor(random_conditional(GZ2_KAGGLE, 0)).requires_grad_()
    given_reach = torch.full((11,), torch.nan, dtype=torch.float64)
    given_reach[3] = 0.25  # spiral or not, behind features and not edge-on
    spiral = GZ2_KAGGLE.slices[3]
    graph.cumulative(conditional, given_reach)[spiral].sum().backward()
    gradient = conditional.grad
    assert gradient is not None
    assert (gradient[spiral] != 0).all()
    assert (gradient[: spiral.start] == 0).all()
