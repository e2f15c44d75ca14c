"""A run directory: what one training leaves behind, and how it is opened again."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gz2tree.errors import InputError, first_few, shown
from gz2tree.records import differences, versions
from gz2tree.wholefiles import appearing, write_errors_named

Status = Literal["running", "interrupted", "finished"]
_RECORD = "run.json"
_PATIENCE = 60.0  # seconds


class RunDirectory:
    """Options, versions, history, split, checkpoints and the best model of one training.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.model = self.path / "model"
        self.history = self.path / "history.csv"
        self.split = self.path / "split.csv"
        self.comparison = self.path / "split_comparison.csv"
        self.cutouts = self.path / "cutouts"
        self.checkpoint = self.path / "checkpoints" / "last.ckpt"

    @classmethod
    def open(cls, path: str | Path, options: Mapping[str, Any], *, resume: bool) -> RunDirectory:
        """Begin a run, or take up an interrupted one.

        Parameters
        ----------
        path : str or Path
        options : mapping of JSON values
            All that decides what comes out.
        resume : bool
            Accept a run that was begun with the same options.

        Raises
        ------
        InputError
            The directory is in use, is no run, or was begun with other options.
        """
        run = cls(path)
        if _is_follower():
            run._wait_for_beginning()
        given = json.loads(json.dumps(options))
        if run.path.exists() and not run.path.is_dir():
            raise InputError(f"{path}: expected a directory for the run, found a file")
        if run.is_begun:
            run._check_resumable(given, resume or _is_follower())
        elif run.path.is_dir() and any(run.path.iterdir()):
            raise InputError(f"{path}: expected an empty or new directory, found other files in it")
        else:
            with write_errors_named(run.path):
                run.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            run._write(
                {
                    "command": " ".join(sys.argv),
                    "options": given,
                    "versions": versions(),
                    "hardware": f"{platform.platform()}, {os.cpu_count()} cores",
                    "status": "running",
                }
            )
        return run

    @property
    def is_begun(self) -> bool:
        """Whether there is a run in the directory."""
        return (self.path / _RECORD).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end."""
        return self.is_begun and self.record()["status"] == "finished"

    def record(self) -> dict[str, Any]:
        """Return command, options, versions and status.

        Raises
        ------
        InputError
            No run in the directory, or a damaged record.
        """
        file = self.path / _RECORD
        try:
            record = json.loads(file.read_text())
            if not isinstance(record["options"], dict):
                raise TypeError(f"options: expected an object, found {shown(record['options'])}")
            return {key: record[key] for key in ("command", "options", "versions", "status")}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{file}: expected the record of a run: {error!r}") from error

    def kept(self) -> str:
        """Say what an interrupted training leaves behind."""
        kept = []
        if (self.model / "config.json").is_file():
            kept.append(f"the best model of the epochs before is in {self.model}")
        if self.checkpoint.is_file():
            kept.append(f"the last good checkpoint is {self.checkpoint}")
        return ", ".join(kept) or f"{self.path} holds no checkpoint yet"

    def mark(self, status: Status) -> None:
        """Write down whether the training is running, was interrupted, or is finished."""
        record = json.loads((self.path / _RECORD).read_text())
        if record["status"] != status:
            self._write(record | {"status": status})

    def _wait_for_beginning(self) -> None:
        """Give the first of several processes the time to begin the run."""
        deadline = time.monotonic() + _PATIENCE
        while not self.is_begun and time.monotonic() < deadline:
            time.sleep(0.1)

    def _check_resumable(self, given: dict[str, Any], resume: bool) -> None:
        if not resume:
            raise InputError(
                f"{self.path}: holds a run already; --resume goes on with it, another --out "
                "begins anew (Python: resume=True, out=)"
            )
        begun = self.record()["options"]
        different = [
            f"{key}: begun with {before!r}, found {now!r}"
            for key, before, now in differences(begun, given, _ADDED)
            if key not in _HARMLESS
        ]
        if different:
            further = (
                "; a run that is finished is trained further by gz2tree finetune"
                if self.is_finished
                else ""
            )
            raise InputError(
                f"{self.path}: to resume, expected the options the run was begun with; "
                f"{first_few(different)}{further}"
            )

    def _write(self, record: Mapping[str, Any]) -> None:
        with appearing(self.path / _RECORD) as partial:
            partial.write_text(json.dumps(record, indent=2) + "\n")


# What may differ between a run and its continuation: it decides nothing of what comes out.
_HARMLESS = ("train.workers", "train.checkpoint_minutes")


# Options that came later, with what a run did that was begun before.
_ADDED = {
    "train.start_at_mean": False,
    "train.own_sigmoids": False,
    "train.compile": False,
    "train.nodes": 1,  # num_nodes, as it was called
    "train.num_nodes": 1,
    "train.strategy": "auto",
    "train.accelerator": "auto",
    "train.blocks": None,
    "train.layer_decay": 1.0,
    "network.pooling": "average",
    "split.split_seed": None,
}


def _is_follower() -> bool:
    """Whether this process was launched beside another that began the run, to train with it."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return any(int(os.environ.get(name, "0")) > 0 for name in names)
