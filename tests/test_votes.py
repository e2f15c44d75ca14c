"""Counts of votes: disagreements down the tree, counts from fractions, training on counts."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, SmallSky
from test_likelihoods import votes_of

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutStore,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    LabelledCutouts,
    Labels,
    TrainConfig,
    fit,
    load_model,
    read_labels,
)
from gz2tree.networks.strength import STRONGEST, WEAKEST
from gz2tree.probabilities import cumulative_of, sum_by_question
from gz2tree.votes.calibration import Calibration
from gz2tree.votes.counts import check_votes, disagreement, recover_counts

CONFIG = TrainConfig(
    epochs=2, batch_size=8, precision="32", deterministic=True, loss="dirichlet_multinomial"
)


def counted(labels: Labels, people: int = 40) -> Labels:
    """The same galaxies with votes."""
    counts = votes_of(labels.tree, len(labels), seed=3, people=people)
    total = sum_by_question(labels.tree, counts)[:, list(labels.tree.question_of)]
    with np.errstate(invalid="ignore"):
        cumulative = cumulative_of(labels.tree, counts / total)
    return replace(labels, cumulative=cumulative, counts=counts, kind="count")


@pytest.fixture
def voted(small_sky: SmallSky) -> LabelledCutouts:
    return LabelledCutouts(CutoutStore(small_sky.store), counted(small_sky.labels))


def tiny_net(**options: object) -> GalaxyTreeNet:
    torch.manual_seed(0)
    return GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL, **options)  # type: ignore[arg-type]


def test_asked_and_disagreement() -> None:
    counts = votes_of(GZ2, 50, seed=1)
    assert (disagreement(GZ2, counts) == 0).all()
    edge_on = GZ2.answer_position("a04_yes")
    counts[3, edge_on] += 2
    wrong = disagreement(GZ2, counts)
    assert wrong[3, 1] == 2  # of the question itself
    child = next(n for n, parents in enumerate(GZ2.parents) if edge_on in parents)
    assert wrong[3, child] == -2
    assert np.count_nonzero(wrong) == 2
    assert sum_by_question(GZ2, counts)[:, 0].tolist() == counts[:, :3].sum(-1).tolist()


def test_table_in_which_votes_disagree_is_accepted_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counts = votes_of(GZ2, 20, seed=1) + 1  # nowhere do children add up to their parents
    columns = [f"{stem}_count" for stem in GZ2.catalogue_columns]
    table = pd.DataFrame(counts, columns=columns)
    table.insert(0, "id", [f"0{n}" for n in range(20)])
    table.to_csv(tmp_path / "t.csv", index=False)
    caplog.set_level(logging.INFO, "gz2tree")
    labels = read_labels(tmp_path / "t.csv", GZ2, "count")
    np.testing.assert_array_equal(labels.counts, counts)
    assert "in 20 of 20 rows a question got more or fewer votes" in caplog.text


def test_counts_are_recovered_where_fractions_give_whole_votes() -> None:
    votes = np.array([[3, 4, 0], [10, 20, 11]])
    total = votes.sum(-1).astype(float)
    fractions = np.round(votes / total[:, None], 4)
    np.testing.assert_array_equal(recover_counts(fractions, total), votes)
    assert np.isnan(recover_counts(fractions, total + 1)).all()
    assert np.isnan(recover_counts(fractions[:, :2], total)).all(-1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (None, "found labels without counts; 'cross_entropy' fits vote fractions"),
        (np.full((2, 37), 0.25), r"found 0.25 \(74 such cells\)"),
        (np.zeros((2, 37)), "found no votes in any of 2 rows"),
    ],
)
def test_what_are_no_votes_is_refused(counts: np.ndarray | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_votes(GZ2_KAGGLE, counts, "multinomial", "cross_entropy")


def test_only_conditional_keeps_the_votes_of_the_questions_it_keeps(small_sky: SmallSky) -> None:
    labels = counted(small_sky.labels)
    assert labels.counts is not None
    deep = labels.only_conditional({"Class3"}).counts
    assert deep is not None
    bar = GZ2_KAGGLE.slices[2]
    np.testing.assert_array_equal(deep[:, bar], labels.counts[:, bar])
    assert np.isnan(np.delete(deep, np.r_[bar], axis=1)).all()


class TestTraining:
    def test_strengths_and_answers_learn(self, voted: LabelledCutouts, tmp_path: Path) -> None:
        model = tiny_net(dirichlet=True)
        config = replace(CONFIG, epochs=4, learning_rate=5e-3)
        history = fit(model, voted, voted, config, out=tmp_path / "r", progress=False)
        assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
        assert np.isfinite(history["valid_loss"]).all()
        images = torch.rand(3, 3, 32, 32)
        _, strength = model.outputs(images)
        assert strength is not None
        assert strength.shape == (3, 11)
        assert ((strength > WEAKEST) & (strength < STRONGEST)).all()
        again = load_model(tmp_path / "r")
        assert isinstance(again, GalaxyTreeNet)
        assert again.dirichlet
        for one, other in zip(again.outputs(images), model.outputs(images), strict=True):
            torch.testing.assert_close(one, other)

    def test_multinomial_trains_a_network_without_strengths(self, voted: LabelledCutouts) -> None:
        config = replace(CONFIG, loss="multinomial")
        history = fit(tiny_net(), voted, voted, config, progress=False)
        assert np.isfinite(history["train_loss"]).all()

    def test_training_drops_the_calibration_of_other_weights(self, voted: LabelledCutouts) -> None:
        model = tiny_net(calibration=Calibration((2.0,) * 11))
        fit(model, voted, None, replace(CONFIG, epochs=1, loss="multinomial"), progress=False)
        assert model.calibration is None

    def test_bfloat16_trains(self, voted: LabelledCutouts) -> None:
        config = replace(CONFIG, epochs=1, precision="bf16")
        history = fit(tiny_net(dirichlet=True), voted, None, config, progress=False)
        assert np.isfinite(history["train_loss"]).all()

    @pytest.mark.parametrize("loss", ["multinomial", "dirichlet_multinomial"])
    def test_fractions_are_refused(self, loss: str, small_galaxies: LabelledCutouts) -> None:
        config = replace(CONFIG, loss=loss)
        model = tiny_net(dirichlet=loss == "dirichlet_multinomial")
        with pytest.raises(InputError, match=r"without counts; 'binary_cross_entropy' fits"):
            fit(model, small_galaxies, None, config, progress=False)

    @pytest.mark.parametrize("kind", ["debiased", "debiased, fraction", "count, debiased"])
    def test_debiased_labels_are_refused(self, kind: str, voted: LabelledCutouts) -> None:
        """Also among labels that were joined."""
        voted.labels = replace(voted.labels, kind=kind)
        with pytest.raises(InputError, match="expected labels of kind count or fraction"):
            fit(tiny_net(dirichlet=True), voted, None, CONFIG, progress=False)

    @pytest.mark.parametrize(
        ("make", "loss", "said"),
        [
            (lambda: tiny_net(), "dirichlet_multinomial", "network with dirichlet=True, found one"),
            (lambda: tiny_net(dirichlet=True), "multinomial", "network with dirichlet=False"),
            (lambda: tiny_net(dirichlet=True), "cross_entropy", "only the loss"),
            (
                lambda: FlatNet("resnet10t", pretrained=False, cutouts=SMALL),
                "multinomial",
                "expected a tree, whose answers are conditional",
            ),
        ],
    )
    def test_loss_that_does_not_fit_the_network_is_refused(
        self, make: object, loss: str, said: str, voted: LabelledCutouts
    ) -> None:
        with pytest.raises(InputError, match=said):
            fit(make(), voted, None, replace(CONFIG, loss=loss), progress=False)  # type: ignore[operator]


class TestNetwork:
    @pytest.mark.parametrize("pooling", ["average", "attention"])
    def test_strengths_change_nothing_of_what_is_said_of_answers(self, pooling: str) -> None:
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        plain, with_strengths = (
            tiny_net(pooling=pooling, dirichlet=d).eval() for d in (False, True)
        )
        assert torch.equal(plain(images), with_strengths(images))
        assert plain.outputs(images)[1] is None
        strength = with_strengths.outputs(images)[1]
        assert strength is not None
        middle = (WEAKEST * STRONGEST) ** 0.5  # where all begin
        torch.testing.assert_close(strength, torch.full((2, 11), middle))

    def test_save_and_load_keep_strengths_and_calibration(self, tmp_path: Path) -> None:
        numbers = tuple(1 + n / 8 for n in range(11))
        for calibration in (None, Calibration(numbers), Calibration(numbers, numbers[::-1])):
            model = tiny_net(dirichlet=True, calibration=calibration).eval()
            torch.nn.init.normal_(model.strengths.heads[0].weight)  # type: ignore[union-attr]
            model.save_pretrained(tmp_path / "m")
            again = load_model(tmp_path / "m")
            assert isinstance(again, GalaxyTreeNet)
            assert again.calibration == calibration
            images = torch.rand(2, 3, 32, 32)
            assert torch.equal(again(images), model(images))
            logits, strength = model.outputs(images)
            ours, theirs = (
                m.calibrated_strength(logits, m.outputs(images)[1]) for m in (model, again)
            )
            assert ours is not None
            assert torch.equal(ours, theirs)
            if calibration is not None and calibration.strength is not None:
                torch.testing.assert_close(ours, strength * torch.tensor(numbers[::-1]))
