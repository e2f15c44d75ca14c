"""Several surveys at once: a batch of galaxies labelled under different trees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, SmallSky, random_labels, write_images
from hypothesis import given, settings
from strategies import trees

from gz2tree import (
    CutoutStore,
    DecisionTree,
    GalaxyTreeNet,
    InputError,
    LabelledCutouts,
    Question,
    TrainConfig,
    fit,
    prepare,
)
from gz2tree.graph import DecisionGraph
from gz2tree.labelling.surveys import join_trees, labels_within
from gz2tree.losses import binary_cross_entropy

RINGS = DecisionTree("rings", [Question("ring", ["ringed", "ringless"])])


def renamed(tree: DecisionTree, name: str) -> DecisionTree:
    return DecisionTree(name, tree.questions, tree.naming)


@settings(deadline=None, max_examples=30)
@given(trees(), trees())
def test_each_tree_keeps_its_probabilities(one: DecisionTree, other: DecisionTree) -> None:
    one, other = renamed(one, "one"), renamed(other, "other")
    joined = join_trees("both", [one, other])
    logits = torch.randn(3, len(joined), dtype=torch.float64)
    together = DecisionGraph(joined)(logits)
    apart = [DecisionGraph(one)(logits[:, : len(one)]), DecisionGraph(other)(logits[:, len(one) :])]
    torch.testing.assert_close(together, torch.cat(apart, 1))
    labels = labels_within(joined, random_labels(["a", "b"], other))
    np.testing.assert_array_equal(labels.cumulative[:, len(one) :],
                                  random_labels(["a", "b"], other).cumulative)  # fmt: skip
    assert np.isnan(labels.cumulative[:, : len(one)]).all()
    assert np.isnan(labels.reach).sum() <= 2 * len(joined.questions)


def test_what_a_galaxy_was_not_asked_moves_nothing(small_sky: SmallSky) -> None:
    joined = join_trees("both", [small_sky.labels.tree, RINGS])
    labels = labels_within(joined, small_sky.labels.take([0, 1]))
    network = GalaxyTreeNet("resnet10t", joined, pretrained=False, cutouts=SMALL)
    target = torch.from_numpy(labels.cumulative).float()
    binary_cross_entropy(network(torch.rand(2, 3, 32, 32)), target).backward()
    gradients = [head.weight.grad for head in network.heads]
    assert gradients[-1] is not None
    assert (gradients[-1] == 0).all()
    assert gradients[0] is not None
    assert (gradients[0] != 0).any()


def test_a_network_learns_from_a_mixed_batch(small_sky: SmallSky, tmp_path: Path) -> None:
    ids = [f"ring_{number}" for number in range(12)]
    store = prepare(
        write_images(tmp_path / "i", ids, seed=1), tmp_path / "s", SMALL, workers=0, progress=False
    )
    joined = join_trees("both", [small_sky.labels.tree, RINGS])
    galaxies = LabelledCutouts.join(
        LabelledCutouts(CutoutStore(small_sky.store), labels_within(joined, small_sky.labels)),
        LabelledCutouts(store, labels_within(joined, random_labels(ids, RINGS))),
    )
    _, targets, _, _ = galaxies[np.array([0, 45])]
    assert targets.isnan().any(1).all()
    torch.manual_seed(0)
    network = GalaxyTreeNet("resnet10t", joined, pretrained=False, cutouts=SMALL)
    before = [head.weight.clone() for head in network.heads]
    history = fit(network, galaxies, config=TrainConfig(epochs=1, batch_size=26), progress=False)
    assert np.isfinite(history["train_loss"]).all()
    assert not network.untrained
    assert all((head.weight != w).any() for head, w in zip(network.heads, before, strict=True))


def test_other_trees_are_refused(small_sky: SmallSky) -> None:
    with pytest.raises(InputError, match="expected trees of different names, found"):
        join_trees("twice", [RINGS, RINGS])
    joined = join_trees("both", [RINGS, renamed(RINGS, "others")])
    with pytest.raises(InputError, match="tree both: expected one joined from GZ2_KAGGLE"):
        labels_within(joined, small_sky.labels)
