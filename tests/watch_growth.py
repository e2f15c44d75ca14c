"""Watch the memory, open files and threads of long commands.

``python tests/watch_growth.py --galaxies 16000 --epochs 100 --out growth.json`` prepares and
predicts so many images and trains so long; ``prepare`` and ``predict`` with worker processes.
Twenty times a second memory that is no page of a mapped file, open files and threads are summed
over the command's processes. Between the fourth and fifth tenth of its time and the last two they
may not have grown by more than 2 files, 2 threads, and 16 MiB and 5 % of memory. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from children import finish, link_many, members, start, wait
from numpy.typing import NDArray

INTERVAL = 0.05  # seconds
MEASURES = ("memory_mib", "files", "threads")
MAY_GROW = {"memory_mib": 16.0, "files": 2.0, "threads": 2.0}
MEMORY_SHARE = 0.05


@dataclass(frozen=True)
class Growth:
    """Medians of a command's early and last samples."""

    command: str
    samples: int
    early: dict[str, float]
    late: dict[str, float]

    @property
    def grown(self) -> list[str]:
        """Measures that grew by more than they may."""
        found = []
        for name in MEASURES:
            may = MAY_GROW[name] + (MEMORY_SHARE * self.early[name] if "memory" in name else 0)
            if self.late[name] - self.early[name] > may:
                found.append(name)
        return found


def measure(pid: int) -> NDArray[np.float64]:
    """Memory in MiB, open files and threads of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return np.zeros(len(MEASURES))
    found = dict(re.findall(r"^(\w+):\s+(\d+)", status, re.MULTILINE))
    memory = (int(found.get("RssAnon", 0)) + int(found.get("RssShmem", 0))) / 1024
    return np.array([memory, files, int(found.get("Threads", 0))])


def watch(arguments: Sequence[str], log: Path, seconds: float = 3600.0) -> Growth:
    """Run a command to its end and see what it holds meanwhile.

    Raises
    ------
    AssertionError
        It failed, or was too short to say anything of.
    """
    pid = start(arguments, log)
    samples, status, deadline = [], None, time.monotonic() + seconds
    while status is None and time.monotonic() < deadline:
        samples.append(sum((measure(each) for each in members(pid)), np.zeros(len(MEASURES))))
        status = wait(pid, INTERVAL)
    assert status == 0, f"ended with status {status}: {log.read_text()[-2000:]}"
    assert len(samples) >= 20, f"too short: {len(samples)} samples"
    held = np.array(samples[:-1])  # (samples, measures)
    tenth = len(held) / 10
    medians = [
        dict(zip(MEASURES, np.median(held[int(one * tenth) : int(other * tenth)], 0), strict=True))
        for one, other in ((3, 5), (8, 10))
    ]
    return Growth(f"gz2tree {' '.join(arguments)}", len(held), *medians)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--galaxies", type=int, default=16000)
    parser.add_argument("--epochs", type=int, default=100, help="of 160 galaxies, batches of 16")
    parser.add_argument("--out", type=Path, help="JSON to be written")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a child may not use threads that its parent has started
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sky, many, store, run = (folder / part for part in ("sky", "many", "store", "run"))
        finish(["simulate", str(sky), "--n", "200", "--size", "64"])
        link_many(sky / "images", many, options.galaxies)
        cutouts = ["--crop", "48", "--size", "32"]
        finish(["prepare", str(sky / "images"), str(folder / "few"), *cutouts])
        commands = [
            ["prepare", str(many), str(store), "--workers", "2", *cutouts],
            ["train", "--images", str(folder / "few"), "--labels", str(sky / "labels.csv"),
             "--out", str(run), "--backbone", "resnet10t", "--pretrained", "false",
             "--epochs", str(options.epochs), "--batch-size", "16",
             "--checkpoint-minutes", "0.01"],
            ["predict", "--images", str(many), "--model", str(run), "--workers", "2",
             "--out", str(folder / "shards")],
            ["predict", "--images", str(many), "--model", str(run), "--workers", "2",
             "--out", str(folder / "catalogue.parquet")],
        ]  # fmt: skip
        growths = []
        for command in commands:
            growths.append(watch(command, folder / "log"))
            print(f"{growths[-1].command}: {growths[-1].samples} samples", flush=True)
            for each in MEASURES:
                early, late = growths[-1].early[each], growths[-1].late[each]
                print(f"  {each:11s}{early:8.1f} ->{late:8.1f}", flush=True)
    if options.out:
        record = {
            "options": {"galaxies": options.galaxies, "epochs": options.epochs},
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "growth": [asdict(growth) for growth in growths],
        }
        options.out.write_text(json.dumps(record, indent=2) + "\n")
    grown = [f"{each}: {growth.command}" for growth in growths for each in growth.grown]
    for line in grown:
        print(f"grew: {line}")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
