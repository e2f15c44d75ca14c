"""Training: what is learned, what a run directory holds, and that a killed run resumes exactly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, SmallSky
from run_equality import assert_same_run, same_weights

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    AugmentOptions,
    CutoutOptions,
    CutoutStore,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    LabelledCutouts,
    TrainConfig,
    fit,
    load_model,
    predict,
)
from gz2tree.commands.training import _print_best
from gz2tree.config import PRESETS, PredictOptions
from gz2tree.config.choices import Activation, Head
from gz2tree.networks.finetuning import adapt
from gz2tree.networks.seenimages import read_seen_images, short_hashes
from gz2tree.runs.callbacks import RunKeeper
from gz2tree.runs.loaders import StepOrder
from gz2tree.runs.run import RunDirectory
from gz2tree.runs.steps import GalaxyModule
from gz2tree.votes.calibration import Calibration

TINY = "resnet10t"
EXACT = TrainConfig(
    epochs=3, batch_size=8, precision="32", deterministic=True, checkpoint_minutes=1e-9
)


def tiny_net(**options: object) -> GalaxyTreeNet:
    torch.manual_seed(0)
    return GalaxyTreeNet(TINY, pretrained=False, cutouts=SMALL, **options)  # type: ignore[arg-type]


class TestFit:
    def test_learns_to_tell_bright_from_dark(
        self, small_sky: SmallSky, small_galaxies: LabelledCutouts, tmp_path: Path
    ) -> None:
        """Half of the galaxies are black and smooth, half are white and featured."""
        labels = small_galaxies.labels
        featured = np.arange(len(labels)) % 2 == 1
        cumulative = np.full_like(labels.cumulative, np.nan)
        cumulative[:, 0], cumulative[:, 1], cumulative[:, 2] = ~featured, featured, 0
        store = CutoutStore(small_sky.store)
        store.__dict__["array"] = np.where(featured[:, None, None, None], 255, 0).astype(
            np.uint8
        ) * np.ones((1, 32, 32, 3), np.uint8)
        galaxies = LabelledCutouts(store, replace(labels, cumulative=cumulative))
        config = TrainConfig(epochs=15, batch_size=20, learning_rate=3e-3)
        history = fit(tiny_net(), galaxies, galaxies, config, out=tmp_path / "r", progress=False)
        assert history["valid_rmse"].iloc[-1] < 0.1
        assert history["train_loss"].iloc[-1] < 0.5 * history["train_loss"].iloc[0]

    def test_run_directory_holds_options_versions_history_and_the_best_model(
        self, small_galaxies: LabelledCutouts, tmp_path: Path
    ) -> None:
        model = tiny_net()
        config = TrainConfig(epochs=2, batch_size=8)
        history = fit(
            model, small_galaxies, small_galaxies, config, out=tmp_path / "r", progress=False
        )
        record = json.loads((tmp_path / "r" / "run.json").read_text())
        assert record["options"]["train"]["batch_size"] == 8
        assert torch.__version__.startswith(record["versions"]["torch"])
        assert record["status"] == "finished"
        assert list(history["epoch"]) == [1, 2]
        assert list(history["steps"]) == [5, 10]
        assert list((tmp_path / "r" / "tensorboard").glob("events*"))
        best = load_model(tmp_path / "r")
        assert same_weights(best, model)
        assert best.kind == "cumulative"
        assert best.training_record["valid_rmse"] == pytest.approx(history["valid_rmse"].min())
        assert best.training_record["n_train"] == 40

    def test_without_validation_the_last_epoch_is_kept(
        self, small_galaxies: LabelledCutouts
    ) -> None:
        model = tiny_net()
        history = fit(model, small_galaxies, None, replace(EXACT, epochs=2), progress=False)
        assert history["valid_rmse"].isna().all()
        assert model.training_record["epoch"] == 2

    def test_same_seed_same_weights_and_another_seed_others(
        self, small_galaxies: LabelledCutouts
    ) -> None:
        models = [tiny_net(), tiny_net(), tiny_net()]
        for model, seed in zip(models, (0, 0, 1), strict=True):
            fit(model, small_galaxies, None, replace(EXACT, epochs=1, seed=seed), progress=False)
        assert same_weights(models[0], models[1])
        assert not same_weights(models[0], models[2])

    def test_early_stopping(self, small_galaxies: LabelledCutouts) -> None:
        # Without learning, validation does not improve after the first epochs.
        config = replace(EXACT, epochs=30, learning_rate=1e-12, early_stopping=2)
        history = fit(tiny_net(), small_galaxies, small_galaxies, config, progress=False)
        assert len(history) < 30

    @pytest.mark.parametrize("patience", [1, 2, 3])
    def test_plateau_schedule_halves_after_that_many_bad_epochs(
        self, patience: int, small_galaxies: LabelledCutouts
    ) -> None:
        config = replace(
            EXACT, epochs=8, schedule="plateau", plateau_patience=patience, learning_rate=1e-6,
            min_learning_rate=2e-7,
        )  # fmt: skip
        history = fit(tiny_net(), small_galaxies, small_galaxies, config, progress=False)
        rate, best, bad, expected = 1e-6, np.inf, 0, []
        for rmse in history["valid_rmse"]:
            better = rmse < best * (1 - 1e-4)  # torch's threshold of an improvement
            best, bad = (rmse, 0) if better else (best, bad + 1)
            if bad == patience:
                rate, bad = max(rate / 2, 2e-7), 0
            expected.append(rate)
        assert list(history["learning_rate"]) == pytest.approx(expected)
        assert patience > 1 or rate < 1e-6, "nothing was halved: the test shows nothing"

    def test_flat_network_trains_as_well(self, small_galaxies: LabelledCutouts) -> None:
        model = FlatNet(TINY, pretrained=False, cutouts=SMALL)
        history = fit(model, small_galaxies, None, replace(EXACT, epochs=1), progress=False)
        assert np.isfinite(history["train_loss"]).all()

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (
                lambda: GalaxyTreeNet(TINY, GZ2, pretrained=False, cutouts=SMALL),
                "found another: GZ2",
            ),
            (lambda: GalaxyTreeNet(TINY, pretrained=False), "expected the model's crop 256"),
        ],
        ids=["tree", "cutouts"],
    )
    def test_data_that_do_not_fit_the_model_are_refused(
        self, model: object, message: str, small_galaxies: LabelledCutouts
    ) -> None:
        with pytest.raises(InputError, match=message):
            fit(model(), small_galaxies, progress=False)  # type: ignore[operator]

    def test_directory_in_use_is_refused(
        self, small_galaxies: LabelledCutouts, tmp_path: Path
    ) -> None:
        out = tmp_path / "r"
        fit(tiny_net(), small_galaxies, None, replace(EXACT, epochs=1), out=out, progress=False)
        with pytest.raises(InputError, match="holds a run already; --resume"):
            fit(tiny_net(), small_galaxies, None, EXACT, out=out, progress=False)
        with pytest.raises(InputError, match=r"train\.epochs: begun with 1, found 3"):
            fit(tiny_net(), small_galaxies, None, EXACT, out=out, resume=True, progress=False)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "thesis.tex").touch()
        with pytest.raises(InputError, match="found other files"):
            fit(tiny_net(), small_galaxies, None, EXACT, out=tmp_path / "other", progress=False)

    @pytest.mark.parametrize("finished", [True, False])
    @pytest.mark.parametrize(
        ("begun", "now", "message"),
        [
            ({"activation": "softmax"}, {}, r"network\.activation: begun with 'softmax'"),
            ({"pooling": "attention"}, {}, r"network\.pooling: begun with 'attention'"),
            ({}, {"mean": (0.0, 0.0, 0.0)}, r"network\.mean: begun with \[0\.4"),
            ({}, None, r"network\.activation: begun with 'normalised_sigmoid', found None"),
        ],
        ids=["activation", "pooling", "mean", "class"],
    )
    def test_a_run_is_not_resumed_with_another_network(
        self,
        begun: dict[str, object],
        now: dict[str, object] | None,
        message: str,
        finished: bool,
        small_galaxies: LabelledCutouts,
        tmp_path: Path,
    ) -> None:
        """Whose weights may fit, and would then say something else."""
        config, out = replace(EXACT, epochs=1), tmp_path / "r"
        fit(tiny_net(**begun), small_galaxies, None, config, out=out, progress=False)
        if not finished:
            record = json.loads((out / "run.json").read_text())
            (out / "run.json").write_text(json.dumps(record | {"status": "running"}))
        flat = FlatNet(TINY, pretrained=False, cutouts=SMALL)
        other = flat if now is None else tiny_net(**now)
        with pytest.raises(InputError, match=message):
            fit(other, small_galaxies, None, config, out=out, resume=True, progress=False)

    def test_a_run_given_as_such_is_of_one_network_too(
        self, small_galaxies: LabelledCutouts, tmp_path: Path
    ) -> None:
        config = replace(EXACT, epochs=1)
        run = RunDirectory.open(tmp_path / "r", {"mine": 1}, resume=False)
        fit(tiny_net(activation="softmax"), small_galaxies, None, config, out=run, progress=False)
        other = tiny_net()
        before = {name: weight.clone() for name, weight in other.state_dict().items()}
        with pytest.raises(InputError, match="activation: 'softmax', found 'normalised_sigmoid'"):
            fit(other, small_galaxies, None, config, out=run, progress=False)
        assert all(torch.equal(w, before[name]) for name, w in other.state_dict().items())

    @pytest.mark.parametrize("several", [{"devices": 2}, {"num_nodes": 2}])
    def test_several_processes_need_a_directory_to_meet_in(
        self, several: dict[str, Any], small_galaxies: LabelledCutouts
    ) -> None:
        with pytest.raises(InputError, match="out: expected a run directory for 2 processes"):
            fit(tiny_net(), small_galaxies, None, replace(EXACT, **several), progress=False)

    def test_a_finished_run_gives_the_model_that_it_holds(
        self, small_galaxies: LabelledCutouts, tmp_path: Path
    ) -> None:
        """Calibrated since then, too; whatever was fitted to the weights it came with."""
        config = replace(EXACT, epochs=1)
        fit(tiny_net(), small_galaxies, None, config, out=tmp_path / "r", progress=False)
        n_questions = len(GZ2_KAGGLE.questions)
        held = GalaxyTreeNet.from_pretrained(tmp_path / "r" / "model")
        held.calibration = Calibration((5.0,) * n_questions)
        held.save_config(tmp_path / "r" / "model")
        model = tiny_net()
        model.calibration = Calibration((0.1,) * n_questions)
        fit(
            model, small_galaxies, None, config,
            out=tmp_path / "r", resume=True, progress=False,
        )  # fmt: skip
        assert model.config() == held.config()

    def test_output_that_is_not_finite_stops_the_run(self, small_galaxies: LabelledCutouts) -> None:
        model = tiny_net()
        with torch.no_grad():
            model.heads[0].weight.fill_(torch.nan)
        with pytest.raises(InputError, match="output is not finite at step 0"):
            fit(model, small_galaxies, None, EXACT, progress=False)


@pytest.mark.parametrize("option", [{"schedule": "plateau"}, {"early_stopping": 1}])
def test_options_that_need_validation_are_refused_without(
    option: dict[str, Any], small_galaxies: LabelledCutouts
) -> None:
    with pytest.raises(InputError, match="expected validation galaxies"):
        fit(tiny_net(), small_galaxies, None, replace(EXACT, **option), progress=False)


def test_paper_preset_is_a_training(small_galaxies: LabelledCutouts) -> None:
    """The student paper's recipe: Adam from 1e-3, root of the squared error, 50 batches of 75."""
    recipe = {k: v for k, v in PRESETS["paper"].items() if k not in ("crop", "size")}
    config = TrainConfig(**recipe | {"augment": AugmentOptions(**recipe["augment"])})
    assert (config.batch_size, config.batches_per_epoch, config.epochs) == (75, 50, 36)
    assert (config.optimizer, config.learning_rate, config.loss) == (
        "adam",
        1e-3,
        "root_squared_error",
    )
    short = replace(config, epochs=1, batches_per_epoch=2, batch_size=10)
    history = fit(tiny_net(), small_galaxies, small_galaxies, short, progress=False)
    assert list(history["steps"]) == [2]
    CutoutOptions(PRESETS["paper"]["crop"], PRESETS["paper"]["size"])


def test_validation_rmse_is_that_of_all_measured_cells(
    small_galaxies: LabelledCutouts,
) -> None:
    """However they are dealt among batches; against what the model then predicts."""
    cumulative = small_galaxies.labels.cumulative.copy()
    cumulative[:7, 3:] = np.nan
    labels = replace(small_galaxies.labels, cumulative=cumulative)
    galaxies = LabelledCutouts(small_galaxies.stores[0], labels)
    still = AugmentOptions(rotate=False, flip=False, zoom=0.0, shift=0.0)
    config = replace(EXACT, epochs=1, batch_size=7, augment=still)
    model = tiny_net()
    history = fit(model, galaxies, galaxies, config, progress=False)
    predicted = predict(
        model, small_galaxies.stores[0], PredictOptions(precision="32"), progress=False
    )
    rows = predicted.set_index("GalaxyID").loc[labels.ids.tolist(), list(GZ2_KAGGLE.columns)]
    expected = np.sqrt(np.nanmean(np.square(rows.to_numpy() - cumulative)))
    assert history["valid_rmse"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("rmse", "said"),
    [
        ((0.3, 0.2, 0.25), "best epoch 2 of 3: validation RMSE 0.2000"),
        ((np.nan,) * 3, "epoch 2 of 3 is kept: no validation RMSE, to tell the best by"),
    ],
)
def test_the_epoch_that_was_kept_is_told(
    rmse: tuple[float, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "valid_rmse": rmse})
    _print_best(history, 2)
    assert capsys.readouterr().out.strip() == said


class TestStepOrder:
    def test_every_pass_sees_each_galaxy_once(self) -> None:
        order = StepOrder(n=20, batch_size=5, batches_per_epoch=None, seed=0)
        passes = [
            [g for step in range(4 * p, 4 * p + 4) for g in order.galaxies(step)] for p in (0, 1)
        ]
        assert sorted(passes[0]) == sorted(passes[1]) == list(range(20))
        assert passes[0] != passes[1]

    def test_processes_share_the_steps_of_one(self) -> None:
        alone = StepOrder(24, 8, None, seed=3)
        two = [StepOrder(24, 4, None, 3, rank, 2) for rank in (0, 1)]
        for step in range(7):
            together = [galaxy for order in two for galaxy in order.galaxies(step)]
            assert sorted(together) == sorted(alone.galaxies(step))

    @pytest.mark.parametrize("steps", [range(12), range(11, -1, -1), (3, 4, 3, 8, 0)])
    def test_order_is_that_of_its_pass_whichever_step_is_asked_first(
        self, steps: Iterable[int]
    ) -> None:
        """Against the permutation itself: four steps a pass, each a quarter of it."""
        order = StepOrder(21, 5, None, seed=3)
        for step in steps:
            whole = np.random.default_rng([3, step // 4]).permutation(21)
            assert order.galaxies(step) == whole[5 * (step % 4) :][:5].tolist()

    def test_a_pass_is_shuffled_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of two million galaxies it takes a fifth of a second."""
        order, shuffled = StepOrder(24, 8, None, seed=3), []
        seeded = np.random.default_rng

        def count(seed: Any) -> np.random.Generator:
            shuffled.append(seed)
            return seeded(seed)

        monkeypatch.setattr(np.random, "default_rng", count)
        for step in range(6):
            order.galaxies(step)
        assert shuffled == [[3, 0], [3, 1]]

    def test_an_epoch_may_be_longer_or_shorter_than_a_pass(self) -> None:
        order = StepOrder(10, 5, batches_per_epoch=3, seed=0)
        assert len(order) == len(list(order)) == 3
        order.set_epoch(1)
        assert next(iter(order)) == order.galaxies(3)

    def test_batch_larger_than_the_sample_is_the_sample(self) -> None:
        assert sorted(StepOrder(7, 64, None, 0).galaxies(0)) == list(range(7))


SCRIPT = """
import sys, torch
sys.path.insert(0, {tests!r})
from test_training import EXACT, tiny_net
from gz2tree import CutoutStore, LabelledCutouts, fit, read_labels
torch.set_num_threads(1)
galaxies = LabelledCutouts(CutoutStore({store!r}), read_labels({table!r}))
valid = galaxies.take(range(10))
fit(tiny_net(), galaxies, valid, EXACT, out={out!r}, resume=True, progress=False)
"""


class InterruptionError(Exception):
    """Stands for whatever ends a run between two steps."""


class TestResume:
    @pytest.mark.parametrize("schedule", ["cosine", "plateau"])
    def test_interrupted_run_resumes_to_the_same_weights(
        self,
        schedule: Literal["cosine", "plateau"],
        small_galaxies: LabelledCutouts,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Interrupted within the first epoch, at the end of one, and within later ones."""
        config = replace(EXACT, epochs=4, schedule=schedule, plateau_patience=1)

        def run(out: str) -> None:
            valid = small_galaxies.take(range(10))
            fit(
                tiny_net(), small_galaxies, valid, config,
                out=tmp_path / out, resume=True, progress=False,
            )  # fmt: skip

        run("alone")
        stops = [2, 5, 7, 13, 14]
        keep = RunKeeper.on_train_batch_end

        def keep_then_stop(self: RunKeeper, trainer: Any, *arguments: Any) -> None:
            keep(self, trainer, *arguments)
            if stops and trainer.global_step == stops[0]:
                stops.pop(0)
                raise InterruptionError

        monkeypatch.setattr(RunKeeper, "on_train_batch_end", keep_then_stop)
        while stops:
            with pytest.raises(InterruptionError):
                run("interrupted")
        run("interrupted")
        assert_same_run(tmp_path / "alone", tmp_path / "interrupted")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("step", [2, 4])
    def test_first_signal_ends_after_a_step_with_a_checkpoint(
        self,
        step: int,
        number: int,
        small_galaxies: LabelledCutouts,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """In the first epoch as well, long before one is due; after its last step, one later."""
        config = replace(EXACT, checkpoint_minutes=1e9)
        whole = GalaxyModule.training_step

        def run(out: str) -> None:
            fit(
                tiny_net(), small_galaxies, None, config,
                out=tmp_path / out, resume=True, progress=False,
            )  # fmt: skip

        def step_with_signal(self: GalaxyModule, *arguments: Any) -> torch.Tensor:
            if self.global_step == step:
                signal.raise_signal(number)
            return whole(self, *arguments)

        run("alone")
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(GalaxyModule, "training_step", step_with_signal)
                with pytest.raises(KeyboardInterrupt):
                    run("stopped")
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGTERM, before)
        assert RunDirectory(tmp_path / "stopped").record()["status"] == "interrupted"
        with caplog.at_level("INFO", "gz2tree"):
            run("stopped")
            assert_same_run(tmp_path / "alone", tmp_path / "stopped")
            run("stopped")
        place = {2: "epoch 1 of 3, after step 3 of 5", 4: "epoch 2 of 3, after step 1 of 5"}[step]
        assert f"resuming in {place}" in caplog.text
        assert "5 batches of 8: 40 of 40 galaxies an epoch" in caplog.text
        assert "stopped is already finished" in caplog.text

    def test_second_signal_ends_at_once(
        self, small_galaxies: LabelledCutouts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def step_with_signals(self: GalaxyModule, *arguments: Any) -> torch.Tensor:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the step goes on")

        monkeypatch.setattr(GalaxyModule, "training_step", step_with_signals)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny_net(), small_galaxies, None, EXACT, out=tmp_path / "r", progress=False)
        assert not list((tmp_path / "r").glob("checkpoints/*"))

    def test_killed_run_resumes_to_the_same_weights(
        self, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        """SIGKILL while it writes a checkpoint after every step."""
        tests = str(Path(__file__).parent)
        places = {"store": str(small_sky.store), "table": str(small_sky.table), "tests": tests}
        checkpoint = tmp_path / "killed" / "checkpoints" / "last.ckpt"

        def start(out: str) -> subprocess.Popen[bytes]:
            code = SCRIPT.format(out=str(tmp_path / out), **places)
            return subprocess.Popen([sys.executable, "-c", code])

        with start("killed") as running:
            deadline = time.monotonic() + 300
            while not checkpoint.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL
        for out in ("killed", "alone"):
            with start(out) as running:
                assert running.wait(timeout=300) == 0
        assert_same_run(tmp_path / "alone", tmp_path / "killed")


class TestProgress:
    def test_output_that_is_kept_has_a_line_an_epoch(
        self, small_galaxies: LabelledCutouts, capfd: pytest.CaptureFixture[str]
    ) -> None:
        fit(tiny_net(), small_galaxies, small_galaxies, replace(EXACT, epochs=2))
        out, err = capfd.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert [line.split(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
        assert all("validation RMSE 0." in line for line in lines)

    def test_bar_counts_from_1_also_where_a_run_is_resumed(
        self,
        small_galaxies: LabelledCutouts,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("gz2tree.training.shows_bars", lambda: True)
        config, out = replace(EXACT, epochs=2), tmp_path / "r"
        keep = RunKeeper.on_train_batch_end

        def keep_then_stop(self: RunKeeper, trainer: Any, *arguments: Any) -> None:
            keep(self, trainer, *arguments)
            if trainer.global_step == 3:
                raise InterruptionError

        with monkeypatch.context() as patch:
            patch.setattr(RunKeeper, "on_train_batch_end", keep_then_stop)
            with pytest.raises(InterruptionError):
                fit(tiny_net(), small_galaxies, None, config, out=out)
        capfd.readouterr()
        fit(tiny_net(), small_galaxies, None, config, out=out, resume=True)
        shown = capfd.readouterr().out
        assert "epoch 1 of 2:  80%" in shown
        assert "epoch 2 of 2: 100%" in shown
        assert "Epoch" not in shown
        assert "/?" not in shown.replace(" 0/?", "", 1)  # empty, as it is made


class TestStart:
    @pytest.mark.parametrize("activation", get_args(Activation))
    def test_tree_without_features_gives_the_mean_conditional_answers(
        self, small_galaxies: LabelledCutouts, activation: Activation
    ) -> None:
        model = tiny_net(activation=activation)
        model.start_at_mean(small_galaxies.labels)
        biases = torch.cat([head.bias for head in model.heads])  # type: ignore[misc]
        expected = small_galaxies.labels.mean_conditional()
        np.testing.assert_allclose(model.graph.conditional(biases).detach(), expected, atol=1e-3)

    @pytest.mark.parametrize("head", get_args(Head))
    def test_flat_without_features_gives_the_mean_cumulative_answers(
        self, small_galaxies: LabelledCutouts, head: Head
    ) -> None:
        model = FlatNet(TINY, pretrained=False, head=head, cutouts=SMALL)
        model.start_at_mean(small_galaxies.labels)
        biases = torch.cat([linear.bias for linear in model.heads])  # type: ignore[misc]
        expected = small_galaxies.labels.mean_cumulative()
        np.testing.assert_allclose(biases.sigmoid().detach(), expected, atol=1e-3)

    def test_training_begins_there_if_asked(self, small_galaxies: LabelledCutouts) -> None:
        """At a learning rate of nearly nothing the biases stay where they began."""
        expected = small_galaxies.labels.mean_conditional()
        for asked in (True, False):
            model = tiny_net()
            config = replace(EXACT, epochs=1, learning_rate=1e-12, start_at_mean=asked)
            fit(model, small_galaxies, None, config, progress=False)
            biases = torch.cat([head.bias for head in model.heads])  # type: ignore[misc]
            began = np.allclose(model.graph.conditional(biases).detach(), expected, atol=1e-3)
            assert began == asked

    def test_network_that_was_trained_before_keeps_its_biases(
        self, small_galaxies: LabelledCutouts
    ) -> None:
        """Finetuning begins with what was learnt, not with the mean."""
        model = tiny_net()
        once = replace(EXACT, epochs=1)
        fit(model, small_galaxies, None, once, progress=False)
        before = [head.bias.detach().clone() for head in model.heads]  # type: ignore[operator,union-attr]
        fit(model, small_galaxies, None, replace(once, learning_rate=1e-12), progress=False)
        for head, bias in zip(model.heads, before, strict=True):
            torch.testing.assert_close(head.bias, bias, rtol=0, atol=1e-6)


class TestCrossEntropy:
    def test_flat_network_is_refused(self, small_galaxies: LabelledCutouts) -> None:
        """All of its sigmoids would go to 1."""
        config = replace(EXACT, loss="cross_entropy")
        model = FlatNet(TINY, pretrained=False, cutouts=SMALL)
        with pytest.raises(InputError, match="expected a tree, whose answers compete"):
            fit(model, small_galaxies, None, config, progress=False)

    def test_best_answers_are_the_votes_also_before_other_questions(
        self, small_galaxies: LabelledCutouts
    ) -> None:
        """With the network's own reach, answers with many questions after them would gain."""
        # The logits of a softmax that gives the truth are its logarithms.
        softmax = tiny_net(activation="softmax")
        module = GalaxyModule(softmax, replace(EXACT, loss="cross_entropy"), 1)
        target = torch.from_numpy(small_galaxies.labels.cumulative[:1])
        graph = module.model.graph
        conditional = graph.condition(target).nan_to_num(0.0).clamp(1e-3, 1)
        for answers in GZ2_KAGGLE.slices:
            conditional[:, answers] /= conditional[:, answers].sum()
        truth = graph.cumulative(conditional)
        logits = conditional.log().requires_grad_()
        loss = module._loss(logits, truth, torch.full((1, 11), torch.nan, dtype=torch.float64))
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.abs().max() < 1e-9


class TestOwnSigmoids:
    CONFIG = replace(EXACT, own_sigmoids=True)

    @pytest.mark.parametrize(
        "model",
        [
            FlatNet(TINY, pretrained=False, cutouts=SMALL),
            GalaxyTreeNet(TINY, pretrained=False, cutouts=SMALL, activation="softmax"),
        ],
    )
    def test_only_normalised_sigmoids_are_the_same_sigmoids(
        self, small_galaxies: LabelledCutouts, model: GalaxyTreeNet | FlatNet
    ) -> None:
        with pytest.raises(InputError, match="own_sigmoids: expected a GalaxyTreeNet"):
            fit(model, small_galaxies, None, self.CONFIG, progress=False)

    def test_cross_entropy_is_refused(self, small_galaxies: LabelledCutouts) -> None:
        model = tiny_net(activation="normalised_sigmoid")
        config = replace(self.CONFIG, loss="cross_entropy")
        with pytest.raises(InputError, match="own_sigmoids: expected another loss"):
            fit(model, small_galaxies, None, config, progress=False)

    def test_default_is_to_train_them_where_it_was_measured_to_help(self) -> None:
        flat = FlatNet(TINY, pretrained=False, cutouts=SMALL)
        softmax, ours = (tiny_net(activation=a) for a in ("softmax", "normalised_sigmoid"))
        trained = [
            GalaxyModule(model, replace(EXACT, loss=loss), 1).own_sigmoids
            for model in (flat, softmax, ours)
            for loss in ("binary_cross_entropy", "squared_error", "cross_entropy")
        ]
        assert [number for number, yes in enumerate(trained) if yes] == [6]

    def test_both_losses_are_least_at_the_votes(self) -> None:
        """The logit of the cumulative label serves the sigmoid, and the product as well."""
        module = GalaxyModule(tiny_net(activation="normalised_sigmoid"), self.CONFIG, 1)
        graph = module.model.graph
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(5, len(GZ2_KAGGLE), generator=generator, dtype=torch.float64)
        truth = graph.cumulative(graph.conditional(logits)).clamp(1e-9, 1 - 1e-9)
        reach = torch.full((5, graph.n_questions), torch.nan, dtype=torch.float64)

        def gradient(logits: torch.Tensor) -> torch.Tensor:
            logits = logits.detach().requires_grad_()
            return torch.autograd.grad(module._loss(logits, truth, reach), logits)[0]

        assert gradient(truth.logit()).abs().max() < 1e-9
        # The same product, from sigmoids that are not the labels.
        assert gradient(truth.div(2).logit()).abs().max() > 1e-4

    def test_training_brings_the_sigmoids_to_the_labels(
        self, small_galaxies: LabelledCutouts
    ) -> None:
        means = {}
        for own in (True, False):
            model = tiny_net(activation="normalised_sigmoid")
            config = replace(EXACT, epochs=4, own_sigmoids=own, start_at_mean=False)
            fit(model, small_galaxies, None, config, progress=False)
            images = small_galaxies[range(16)][0] / 255
            with torch.no_grad():
                means[own] = model.logits(images).sigmoid().mean(0)
        expected = torch.from_numpy(small_galaxies.labels.mean_cumulative())
        wrong = {own: (mean - expected).abs().mean() for own, mean in means.items()}
        assert wrong[True] < 0.5 * wrong[False]


def test_conditional_labels_teach_nothing_about_the_questions_before(
    small_sky: SmallSky, small_galaxies: LabelledCutouts
) -> None:
    deep = small_galaxies.labels.only_conditional({"Class3", "Class10"})
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), deep)
    model = tiny_net()
    before = [head.weight.detach().clone() for head in model.heads]  # type: ignore[union-attr]
    config = replace(EXACT, epochs=1, weight_decay=0.0, start_at_mean=False)
    fit(model, galaxies, None, config, progress=False)
    moved = [
        not torch.equal(head.weight, weight)  # type: ignore[arg-type]
        for head, weight in zip(model.heads, before, strict=True)
    ]
    assert moved == [number in (2, 9) for number in range(11)]


def test_compiled_backbone_is_that_of_the_training_steps_only(
    small_galaxies: LabelledCutouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the compiler makes of it is torch's to test; here, what is given to it, and when."""
    calls = []

    def compile_nothing(function: Any, **options: Any) -> Any:
        def compiled(images: torch.Tensor) -> torch.Tensor:
            calls.append(len(images))
            return function(images)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_nothing)
    plain, compiled = tiny_net(), tiny_net()
    fit(plain, small_galaxies, small_galaxies, EXACT, progress=False)
    assert not calls
    fit(compiled, small_galaxies, small_galaxies, replace(EXACT, compile=True), progress=False)
    assert calls == [8] * (3 * 5)
    assert same_weights(plain, compiled)
    exploding = replace(EXACT, compile=True, learning_rate=1e30)
    with pytest.raises(InputError, match="not finite"):
        fit(compiled, small_galaxies, None, exploding, progress=False)
    assert "forward_features" not in vars(compiled.backbone)
    calls[:] = [8] * (3 * 5)
    compiled.train()(torch.rand(4, 3, 32, 32))
    assert calls == [8] * (3 * 5)


def test_model_knows_the_answers_it_was_trained_on(
    small_sky: SmallSky, small_galaxies: LabelledCutouts, caplog: pytest.LogCaptureFixture
) -> None:
    """A head that saw no label gives numbers all the same; the model must say so."""
    cumulative = small_galaxies.labels.cumulative.copy()
    cumulative[:, GZ2_KAGGLE.slices[2]] = np.nan
    labels = replace(small_galaxies.labels, cumulative=cumulative)
    model = tiny_net()
    assert model.untrained == []
    fit(model, LabelledCutouts(CutoutStore(small_sky.store), labels), None, EXACT, progress=False)
    assert model.untrained == ["Class3.1", "Class3.2"]
    predict(model, CutoutStore(small_sky.store), positions=[0], progress=False)
    assert "no galaxy that trained this model had question 3 ('Bar feature?')" in caplog.text


def test_a_trained_model_carries_which_images_trained_it(
    small_galaxies: LabelledCutouts, tmp_path: Path
) -> None:
    """Also where it is copied to, and what it is trained further to."""
    model = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=small_galaxies.stores[0].options)
    first, second = small_galaxies.take(range(8)), small_galaxies.take(range(8, 16))
    config = TrainConfig(epochs=1, batch_size=8)
    fit(model, first, config=config, out=tmp_path / "run", progress=False)
    copy = load_model(tmp_path / "run" / "model")
    np.testing.assert_array_equal(copy.seen_images, short_hashes(first.hashes))
    further = adapt(copy, GZ2_KAGGLE)
    fit(further, second, config=config, progress=False)
    further.save_pretrained(tmp_path / "copy")
    both = [*first.hashes, *second.hashes]
    np.testing.assert_array_equal(read_seen_images(tmp_path / "copy"), short_hashes(both))
