"""What ends a training before its time leaves what was good, and says where it is."""

from __future__ import annotations

import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import SMALL, SmallSky

from gz2tree import GalaxyTreeNet, InputError, LabelledCutouts, TrainConfig, fit, load_model
from gz2tree.cli import main
from gz2tree.runs.steps import GalaxyModule

CONFIG = TrainConfig(
    epochs=3, batch_size=8, precision="32", deterministic=True, checkpoint_minutes=1e-9
)


def tiny_net() -> GalaxyTreeNet:
    torch.manual_seed(0)
    return GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)


@pytest.fixture
def spoiled_after(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Weights become NaN after a step, as after a step too long."""

    def spoil(at: int) -> None:
        whole = GalaxyModule.optimizer_step

        def step(self: GalaxyModule, *arguments: Any, **options: Any) -> None:
            whole(self, *arguments, **options)
            if self.trainer.global_step >= at - 1:  # it counts this one afterwards
                with torch.no_grad():
                    self.model.heads[0].weight.fill_(torch.nan)

        monkeypatch.setattr(GalaxyModule, "optimizer_step", step)

    return spoil


@pytest.mark.parametrize("offset", [0, 1], ids=["end of an epoch", "within an epoch"])
@pytest.mark.parametrize("validated", [True, False])
def test_spoiled_weights_are_never_saved(
    offset: int,
    validated: bool,
    spoiled_after: Any,
    small_galaxies: LabelledCutouts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    an_epoch = len(small_galaxies) // CONFIG.batch_size
    run, valid = tmp_path / "run", small_galaxies if validated else None
    with monkeypatch.context():
        spoiled_after(2 * an_epoch + offset)
        with pytest.raises(InputError, match=r"not finite .*epochs before is in .*last good check"):
            fit(tiny_net(), small_galaxies, valid, CONFIG, out=run, progress=False)
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in saved.values() if value.is_floating_point())
    model = load_model(run)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert model.training_record["epoch"] in (
        {1} if offset == 0 else {2} if not validated else {1, 2}
    )


def test_a_run_goes_on_after_its_weights_were_spoiled(
    small_galaxies: LabelledCutouts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To where it would have come without."""
    expected = tiny_net()
    fit(expected, small_galaxies, None, CONFIG, progress=False)
    run, whole = tmp_path / "run", GalaxyModule.optimizer_step

    def spoil(self: GalaxyModule, *arguments: Any, **options: Any) -> None:
        whole(self, *arguments, **options)
        if self.trainer.global_step >= 5:
            with torch.no_grad():
                self.model.heads[0].weight.fill_(torch.nan)

    monkeypatch.setattr(GalaxyModule, "optimizer_step", spoil)
    with pytest.raises(InputError, match="not finite"):
        fit(tiny_net(), small_galaxies, None, CONFIG, out=run, progress=False)
    monkeypatch.setattr(GalaxyModule, "optimizer_step", whole)
    resumed = tiny_net()
    fit(resumed, small_galaxies, None, CONFIG, out=run, resume=True, progress=False)
    for name, weight in expected.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


class Trap:
    """What a pickle that executes something looks like."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("damage", ["a pickle that executes", "empty", "cut off"])
def test_damaged_checkpoints_are_refused_and_not_executed(
    damage: str, small_galaxies: LabelledCutouts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, executed = tmp_path / "run", tmp_path / "executed"
    whole = GalaxyModule.optimizer_step

    def stop(self: GalaxyModule, *arguments: Any, **options: Any) -> None:
        if self.trainer.global_step >= 3:
            raise KeyboardInterrupt
        whole(self, *arguments, **options)

    monkeypatch.setattr(GalaxyModule, "optimizer_step", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_net(), small_galaxies, None, CONFIG, out=run, progress=False)
    checkpoint = run / "checkpoints" / "last.ckpt"
    content = {
        "a pickle that executes": pickle.dumps(Trap(executed), protocol=2),
        "empty": b"",
        "cut off": checkpoint.read_bytes()[:1000],
    }[damage]
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match=r"last\.ckpt: expected the checkpoint .* damaged file"):
        fit(tiny_net(), small_galaxies, None, CONFIG, out=run, resume=True, progress=False)
    assert not executed.exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As of a full disk: what is larger cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_a_training_and_keeps_what_was_saved(
    small_galaxies: LabelledCutouts, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    one = replace(CONFIG, epochs=1)
    fit(tiny_net(), small_galaxies, None, one, out=run, progress=False)
    kept = (run / "model" / "model.safetensors").read_bytes()
    other = tmp_path / "other"
    with largest_file(1_000_000), pytest.raises(InputError, match=r"cannot be written: .* is kept"):
        fit(tiny_net(), small_galaxies, None, one, out=other, progress=False)
    assert (run / "model" / "model.safetensors").read_bytes() == kept
    resumed = tiny_net()
    fit(resumed, small_galaxies, None, one, out=other, resume=True, progress=False)
    weights = load_model(run).state_dict()
    for name, weight in load_model(other).state_dict().items():
        assert torch.equal(weight, weights[name]), name


@pytest.mark.parametrize("command", ["prepare", "predict"])
def test_a_full_disk_is_an_error_of_one_line(
    command: str, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {
        "prepare": ["prepare", str(small_sky.images), str(tmp_path / "store"), "--crop", "40"],
        "predict": [
            "predict", "--images", str(small_sky.images), "--out", str(tmp_path / "out.csv"),
        ],
    }[command]  # fmt: skip
    if command == "prepare":
        arguments += ["--size", "32", "--workers", "0"]
    with largest_file(100):
        code = main(arguments)
    assert code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_says_how_to_go_on(
    sent: signal.Signals, small_sky: SmallSky, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "gz2tree", "train", "--labels", str(small_sky.table),
        "--images", str(small_sky.store), "--out", str(tmp_path / "run"),
        "--backbone", "resnet10t", "--pretrained", "false", "--epochs", "1000",
        "--batch-size", "8", "--valid-fraction", "0", "--checkpoint-minutes", "1e-9",
    ]  # fmt: skip
    training = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True,
        # Whatever runs the tests in the background may have told them to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL),
    )  # fmt: skip
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    training.send_signal(sent)
    _, said = training.communicate(timeout=60)
    assert training.returncode == 130, said
    assert said.splitlines()[-1].startswith("interrupted; the same command with --resume goes on")
    assert torch.load(checkpoint, weights_only=True)["global_step"] > 0
