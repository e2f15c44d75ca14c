"""Commands of gz2tree in forked children of a process that has imported torch already.

A child is at work at once, and has a process group of its own, in which its workers are found.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import gz2tree.commands.predicting
import gz2tree.commands.preparing
import gz2tree.commands.training  # noqa: F401  as torch, to be there before the forks
from gz2tree.cli import main


def start(arguments: Sequence[str], log: Path) -> int:
    """Run a command of gz2tree in a child with a process group of its own."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        status = main(list(arguments))
    except SystemExit:
        status = 2
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(pid: int, seconds: float) -> int | None:
    """Exit status of a child that ends in time."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.001)


def finish(arguments: Sequence[str], seconds: float = 300.0) -> float:
    """Run a command to its end, and return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        began = time.monotonic()
        pid = start(arguments, log)
        status = wait(pid, seconds)
        took = time.monotonic() - began
        if status is None:
            os.killpg(pid, signal.SIGKILL)
        assert status == 0, f"ended with status {status}: {log.read_text()[-2000:]}"
    return took


def members(group: int) -> list[int]:
    """Processes of a group, without those that have ended and wait to be buried."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(of_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def link_many(images: Path, out: Path, n: int) -> None:
    """Let a few images stand for many, each link with an id of its own."""
    drawn = sorted(images.iterdir())
    out.mkdir()
    for number in range(n):
        source = drawn[number % len(drawn)]
        (out / f"{number:06d}{source.suffix}").symlink_to(source)
