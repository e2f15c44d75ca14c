"""What coverage-guided fuzzing found, kept, and a short fuzz without guidance; see tests/fuzz."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FINDINGS = Path(__file__).parent / "fuzz" / "findings"


@pytest.fixture(autouse=True)
def _warnings_of_readers() -> None:
    """Readers warn of much in a damaged file; here only errors matter."""
    warnings.simplefilter("ignore")


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name: str) -> None:
    for content in TARGETS[name].seeds():
        TARGETS[name].read(content)


@pytest.mark.parametrize(
    "file", sorted(FINDINGS.glob("*/*")), ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_findings_stay_mended(file: Path) -> None:
    TARGETS[file.parent.name].read(file.read_bytes())


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Seeds with some bytes changed, a piece cut out or doubled, or nothing but noise."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from([b"", bytes(content[start:stop]) * 2]) | st.binary(max_size=8))
        content[start:stop] = piece
    return bytes(content)


SEEDS = {name: target.seeds() for name, target in TARGETS.items()}
EXAMPLES = {"tables": 60, "trees": 60, "config": 25, "store": 150}


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused(name: str) -> None:
    @settings(max_examples=EXAMPLES[name], deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged(SEEDS[name]))
    def check(content: bytes) -> None:
        TARGETS[name].read(content)

    check()
