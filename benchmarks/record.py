"""What every benchmark writes beside its figures, so that they can be had again."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import pandas as pd

from gz2tree.records import versions


def provenance() -> dict[str, Any]:
    """Return command, versions and hardware of this process."""
    return {
        "command": "python " + " ".join(sys.argv),
        "versions": versions(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def markdown(table: pd.DataFrame, digits: int) -> str:
    """Lay out a table for a page: numbers to some digits, integers and text as they are."""
    header = [str(table.index.name or ""), *map(str, table.columns)]
    rows = [
        [str(name), *(str(v) if isinstance(v, int | str) else f"{v:.{digits}f}" for v in row)]
        for name, *row in table.itertuples()
    ]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
