"""Kills of whole commands, a few of each; `survive_kills` runs as many as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("survive_kills.py")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_killed_commands_end_as_if_nothing_was(tmp_path: Path) -> None:
    out = tmp_path / "kills.json"
    arguments = ["--kills", "2", "--galaxies", "1200", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(out.read_text())["results"]
    assert len(results) == 3
    for result in results:
        assert result["kills"] >= 2
        assert not result["failures"]
