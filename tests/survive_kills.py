"""Kill prepare, train and predict at random moments, and see whether they end as if nothing was.

``python tests/survive_kills.py --kills 50 --out kills.json`` kills each command 50 times with
SIGKILL, at moments drawn evenly from the time that it takes when left alone. A command is killed
one to three times, then typed once more and left to finish. What it leaves has to be what an
uninterrupted run leaves: the same bytes of a store; of a training the same history, weights and
optimiser (float32, deterministic, on the CPU); a catalogue with every id once and the same
probabilities. Nor may a process of a killed command live on. A command runs in a forked child of
this process, which has imported torch already, so that most moments fall into the work itself.
Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from children import finish, link_many, members, start, wait
from run_equality import assert_same_run

LONGEST_CHAIN = 3
GRACE = 20.0  # seconds that workers of a killed command have to notice it


@dataclass(frozen=True)
class Job:
    """A command and what has to be equal of what it leaves."""

    name: str
    arguments: Callable[[Path], list[str]]  # to a place for what it writes
    assert_equal: Callable[[Path, Path], None]


@dataclass
class Result:
    """What came of the kills of one command."""

    command: str
    kills: int = 0
    chains: int = 0
    moments: list[float] = field(default_factory=list)  # shares of the uninterrupted time
    failures: list[str] = field(default_factory=list)


def assert_same_store(one: Path, other: Path) -> None:
    """Files of the same names and bytes."""
    held = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (one, other)]
    assert held[0].keys() == held[1].keys(), f"files: {sorted(held[0])} and {sorted(held[1])}"
    different = [name for name in held[0] if held[0][name] != held[1][name]]
    assert not different, f"files that differ: {different}"


def assert_same_catalogue(one: Path, other: Path) -> None:
    """Every id once, and its probabilities equal but for float32 rounding."""
    tables = [
        pd.concat(pd.read_parquet(part) for part in folder.glob("part-*.parquet")).set_index(
            "GalaxyID"
        )
        for folder in (one, other)
    ]
    assert not tables[1].index.has_duplicates, "an id stands twice"
    pd.testing.assert_frame_equal(
        tables[0].sort_index(), tables[1].sort_index(), check_exact=False, rtol=0, atol=1e-6
    )
    left = [path.name for path in other.iterdir() if "partial" in path.name]
    assert not left, f"left lying: {left}"


def jobs(folder: Path, n: int, seed: int) -> list[Job]:
    """Commands on simulated galaxies; what they read is made in `folder`."""
    sky, many = folder / "sky", folder / "many"
    finish(["simulate", str(sky), "--n", "200", "--size", "64", "--seed", str(seed)])
    link_many(sky / "images", many, n)
    size = ("--crop", "48", "--size", "32")
    finish(["prepare", str(sky / "images"), str(folder / "store"), *size])
    common = ["--images", str(folder / "store"), "--workers", "0"]
    train = [
        *common, "--labels", str(sky / "labels.csv"), "--backbone", "resnet10t",
        "--pretrained", "false", "--epochs", "4", "--batch-size", "16", "--precision", "32",
        "--deterministic", "--checkpoint-minutes", "1e-9", "--resume", "--out",
    ]  # fmt: skip
    finish(["train", *train, str(folder / "run")])
    predict = [
        "--images", str(many), "--model", str(folder / "run"), "--workers", "1",
        "--galaxies-per-shard", str(max(n // 40, 4)), "--out",
    ]  # fmt: skip
    return [
        Job(
            "prepare",
            lambda out: ["prepare", str(many), str(out), "--workers", "2", *size],
            assert_same_store,
        ),
        Job("train", lambda out: ["train", *train, str(out)], assert_same_run),
        Job("predict", lambda out: ["predict", *predict, str(out)], assert_same_catalogue),
    ]


def kill(arguments: Sequence[str], after: float, log: Path) -> bool:
    """Kill a command after so many seconds; False if it has ended by then.

    Raises
    ------
    AssertionError
        It ended with an error, or processes that it had started live on.
    """
    pid = start(arguments, log)
    status = wait(pid, after)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    deadline = time.monotonic() + GRACE
    while members(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    orphans = len(members(pid))
    if orphans:
        os.killpg(pid, signal.SIGKILL)
    assert not orphans, f"{orphans} processes live on {GRACE:g} s after the kill"
    assert status in (None, 0), f"ended with status {status}: {log.read_text()[-2000:]}"
    return status is None


def survive(job: Job, folder: Path, kills: int, minutes: float, seed: int) -> Result:
    """Kill a command again and again, each time comparing what it leaves in the end."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    alone = folder / "alone"
    seconds = finish(job.arguments(alone))
    result = Result(" ".join(["gz2tree", *job.arguments(Path("OUT"))]))
    deadline = time.monotonic() + 60 * minutes
    while result.kills < kills and time.monotonic() < deadline:
        out = folder / f"chain{result.chains}"
        arguments, log = job.arguments(out), folder / "log"
        moments: list[float] = []
        try:
            for moment in rng.random(rng.integers(1, LONGEST_CHAIN + 1)):
                if not kill(arguments, moment * seconds, log):
                    break
                moments.append(round(float(moment), 3))
            finish(arguments)
            job.assert_equal(alone, out)
            shutil.rmtree(out)
        except AssertionError as error:
            result.failures.append(f"killed at {moments}: {error}")
            print(result.failures[-1], flush=True)
        result.chains += 1
        result.kills += len(moments)
        result.moments += moments
        print(f"{job.name}: {result.kills} kills, {len(result.failures)} failures", flush=True)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--command", choices=["prepare", "train", "predict"], action="append")
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--minutes", type=float, default=20, help="at most, for each command")
    parser.add_argument("--galaxies", type=int, default=3000, help="to prepare and predict")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON to be written")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # a child may not use threads that its parent has started
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [
            survive(job, folder / job.name, options.kills, options.minutes, options.seed)
            for job in jobs(folder, options.galaxies, options.seed)
            if job.name in (options.command or job.name)
        ]
    for result in results:
        print(f"{result.kills:4d} kills, {len(result.failures)} failures  {result.command}")
        print("".join(f"     {failure}\n" for failure in result.failures), end="")
    if options.out:
        record = {
            "options": {key: value for key, value in vars(options).items() if key != "out"},
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "results": [asdict(result) for result in results],
        }
        options.out.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if any(result.failures or not result.kills for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
