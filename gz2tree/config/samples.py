"""Clean samples of Galaxy Zoo 2: what they are called, and the published cuts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WELL_SAMPLED: Mapping[str, float] = MappingProxyType(
    {
        "a02_features_or_disk": 0.430,
        "a05_no": 0.715,
        "a04_yes": 0.602,
        "a08_spiral": 0.619,
        "a01_smooth": 0.469,
        "a14_yes": 0.420,
    }
)
"""Least fraction of each answer that leads to a question, for 20 votes or more: Willett et al.
2013, Table 3."""

SAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "smooth": "a01_smooth",
        "featured": "a02_features_or_disk",
        "star": "a03_star_or_artifact",
        "edge-on": "a04_yes",
        "face-on": "a05_no",
        "barred": "a06_bar",
        "unbarred": "a07_no_bar",
        "spiral": "a08_spiral",
        "odd": "a14_yes",
        "round": "a16_completely_round",
        "cigar": "a18_cigar_shaped",
        "ring": "a19_ring",
        "merger": "a24_merger",
    }
)
"""Names of samples of Galaxy Zoo 2, and the answer that each is of."""
