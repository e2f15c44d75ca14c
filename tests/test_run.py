"""A run directory: begun once, taken up with the same options only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gz2tree import InputError, LabelledCutouts
from gz2tree.commands.inputs import rows_of_part
from gz2tree.records import versions
from gz2tree.runs.run import RunDirectory

OPTIONS = {
    "train": {"epochs": 3, "augment": {"zoom": 0.1, "flip": True}},
    "cutouts": {"crop": 212, "size": 96},
    "volunteers": (28, 60),  # a list, once it is JSON
}


def test_begun_run_records_all_that_decides(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["gz2tree", "train", "--seed", "3"])
    run = RunDirectory.open(tmp_path / "a" / "run", OPTIONS, resume=False)
    assert run.is_begun
    assert not run.is_finished
    record = run.record()
    assert record["command"] == "gz2tree train --seed 3"
    assert record["options"] == json.loads(json.dumps(OPTIONS))
    assert record["versions"] == versions()
    assert record["status"] == "running"
    assert run.checkpoint.parent.is_dir()
    run.mark("finished")
    again = RunDirectory(run.path)
    assert again.is_finished
    assert again.record() == record | {"status": "finished"}


@pytest.mark.parametrize("name", ["python", "gz2tree", "torch", "timm", "lightning", "pillow"])
def test_versions_are_told(name: str) -> None:
    assert versions()[name][0].isdigit()


@pytest.mark.parametrize("resume", [False, True])
def test_empty_directory_is_used(tmp_path: Path, resume: bool) -> None:
    assert RunDirectory.open(tmp_path, OPTIONS, resume=resume).is_begun


def test_run_is_taken_up_with_the_same_options(tmp_path: Path) -> None:
    RunDirectory.open(tmp_path, OPTIONS, resume=False)
    before = (tmp_path / "run.json").read_bytes()
    assert RunDirectory.open(tmp_path, OPTIONS, resume=True).is_begun
    assert (tmp_path / "run.json").read_bytes() == before


def test_run_is_not_overwritten(tmp_path: Path) -> None:
    RunDirectory.open(tmp_path, OPTIONS, resume=False)
    with pytest.raises(InputError, match=r"holds a run already; --resume goes on with it"):
        RunDirectory.open(tmp_path, OPTIONS, resume=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cutouts": {"crop": 120, "size": 96}}, r"cutouts\.crop: begun with 212, found 120$"),
        (
            {"train": {"epochs": 3, "augment": {"zoom": 0.1, "flip": False}}},
            r"train\.augment\.flip: begun with True, found False$",
        ),
        ({"seed": 1}, r"seed: begun with None, found 1$"),
        ({"volunteers": (28, 61)}, r"volunteers: begun with \[28, 60\], found \[28, 61\]$"),
    ],
)
def test_other_options_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    RunDirectory.open(tmp_path, OPTIONS, resume=False)
    with pytest.raises(InputError, match=message):
        RunDirectory.open(tmp_path, OPTIONS | changed, resume=True)


def test_longer_training_of_a_finished_run_is_finetuning(tmp_path: Path) -> None:
    run = RunDirectory.open(tmp_path, OPTIONS, resume=False)
    longer = OPTIONS | {"train": {"epochs": 4, "augment": {"zoom": 0.1, "flip": True}}}
    with pytest.raises(InputError, match=r"epochs: begun with 3, found 4$"):
        RunDirectory.open(tmp_path, longer, resume=True)
    run.mark("finished")
    with pytest.raises(InputError, match=r"found 4; .* trained further by gz2tree finetune"):
        RunDirectory.open(tmp_path, longer, resume=True)


def test_directory_of_python_without_a_split_says_what_to_do(
    tmp_path: Path, small_galaxies: LabelledCutouts
) -> None:
    run = RunDirectory.open(tmp_path, OPTIONS, resume=False)
    with pytest.raises(InputError, match=r"trained from Python, .*write_split writes it to"):
        rows_of_part(small_galaxies.labels, run, "test")


@pytest.mark.parametrize("harmless", ["workers", "checkpoint_minutes"])
def test_options_that_decide_nothing_may_differ(tmp_path: Path, harmless: str) -> None:
    for value in (0, 2):
        options = OPTIONS | {"train": {"epochs": 3, harmless: value}}
        assert RunDirectory.open(tmp_path, options, resume=value > 0).is_begun


@pytest.mark.parametrize("resume", [False, True])
def test_directory_with_other_files_is_refused(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"expected an empty or new directory, found other files"):
        RunDirectory.open(tmp_path, OPTIONS, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_file_in_place_of_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match=r"run: expected a directory for the run, found a file"):
        RunDirectory.open(tmp_path / "run", OPTIONS, resume=False)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"options": {}}', "null"])
def test_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    RunDirectory.open(tmp_path, OPTIONS, resume=False)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json: expected the record of a run"):
        RunDirectory.open(tmp_path, OPTIONS, resume=True)


def test_directory_without_a_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert not run.is_begun
    assert not run.is_finished
    with pytest.raises(InputError, match=r"run\.json: expected the record of a run"):
        run.record()
