"""Fixtures shared by the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the real galaxies and weights; tests that need it are skipped without it."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("GZ2TREE_DATA", beside))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}; set GZ2TREE_DATA to the folder that holds it")
    return folder
