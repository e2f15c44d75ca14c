"""What `watch_growth` counts, and when it calls that growth."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from watch_growth import Growth, measure

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's /proc"
)

AT_FIRST = {"memory_mib": 400.0, "files": 20.0, "threads": 8.0}


def test_memory_files_and_threads_of_a_process_are_counted(tmp_path: Path) -> None:
    before = measure(os.getpid())
    held = np.ones(64 * 2**20, np.uint8)
    ended = threading.Event()
    waiting = threading.Thread(target=ended.wait)
    waiting.start()
    with (tmp_path / "file").open("w"):
        more = measure(os.getpid()) - before
    ended.set()
    waiting.join()
    assert more[0] == pytest.approx(held.nbytes / 2**20, abs=8)
    assert more[1:].tolist() == [1, 1]


def test_a_process_that_has_ended_holds_nothing() -> None:
    assert not measure(2**22 + 1).any()


@pytest.mark.parametrize(
    ("more", "grown"),
    [
        ({}, []),
        ({"memory_mib": 435.0, "files": 22.0, "threads": 10.0}, []),
        ({"memory_mib": 437.0}, ["memory_mib"]),
        ({"files": 23.0}, ["files"]),
        ({"threads": 11.0}, ["threads"]),
        ({"memory_mib": 300.0, "files": 2.0}, []),
    ],
)
def test_what_counts_as_growth(more: dict[str, float], grown: list[str]) -> None:
    assert Growth("predict", 100, AT_FIRST, AT_FIRST | more).grown == grown
