"""What a record says of how something came about: versions, and where two records differ."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from gz2tree.version import __version__


def versions() -> dict[str, str]:
    """Return the versions that decide what comes out."""
    names = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")
    return {
        "python": platform.python_version(),
        "gz2tree": __version__,
        **{name: version(name) for name in names},
    }


def differences(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    added: Mapping[str, Any] = MappingProxyType({}),
    prefix: str = "",
) -> list[tuple[str, Any, Any]]:
    """Compare two records of options, those within them as well.

    Parameters
    ----------
    before, now : mapping of JSON values
    added : mapping of str to JSON value
        What an option was, by its name with dots, before there was such an option.

    Returns
    -------
    differences : list of (str, value, value)
        Name with dots, value before and now.
    """
    found = []
    for key in sorted({*before, *now}):
        absent = added.get(f"{prefix}{key}")
        old, new = before.get(key, absent), now.get(key, absent)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, added, f"{prefix}{key}.")
        elif old != new:
            found.append((f"{prefix}{key}", old, new))
    return found
