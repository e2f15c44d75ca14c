"""The table of bench_speed.py: sections joined, targets met or missed, for a page."""

from __future__ import annotations

import statistics
from typing import Any

from speed_timing import Row

HEADER = ("what", "ours", "against", "theirs", "ratio", "lowest – highest", "target", "")
STEP, GRAPH = "training step, ResNet50, 224 px", "forward and backward, batch 32"


def lines(rows: list[Row]) -> list[str]:
    """Lay out rows as a Markdown table."""
    cells = [HEADER, ("---",) * len(HEADER), *map(_cells, rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _cells(row: Row) -> tuple[str, ...]:
    ratios = row.ratios()
    sign = {"speed": "≥", "cost": "≤", "": "≤"}[row.ratio]
    aim = ""
    if row.target is not None:
        aim = f"{sign} {row.target:g}" if row.ratio else f"{sign} {_quantity(row.target, row)}"
    met = {None: "", True: "met", False: "**missed**"}[row.met()]
    spread = f"{_ratio(min(ratios))} – {_ratio(max(ratios))}" if len(ratios) > 1 else ""
    return (
        row.what,
        _quantity(statistics.median(row.ours), row),
        row.against,
        _quantity(statistics.median(row.theirs), row) if row.theirs else "",
        _ratio(statistics.median(ratios)) if ratios else "",
        spread,
        aim,
        met,
    )


def _ratio(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _quantity(value: float, row: Row) -> str:
    if row.images:
        return (
            f"{row.images / value:,.3g} /s"
            if row.images / value < 1000
            else f"{row.images / value:,.0f} /s"
        )
    if row.unit != "s":
        return f"{value:.3g} {row.unit}".strip() if value < 100 else f"{value:,.0f} {row.unit}"
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1 or unit == "µs":
            return f"{value * factor:.3g} {unit}"
    raise AssertionError("unreachable")


def share_of_a_step(sections: dict[str, dict[str, Any]]) -> list[Row]:
    """Compare the decision graph with a training step of ResNet50; both were measured already."""
    if not {"graph", "networks"} <= set(sections):
        return []
    find = {
        name: next(r for r in sections[name]["rows"] if r["what"].startswith(start))
        for name, start in (("graph", GRAPH), ("networks", STEP))
    }
    graph = statistics.median(find["graph"]["ours"])
    step = statistics.median(find["networks"]["ours"])
    what = "decision graph, forward and backward, batch 32, of a training step (ResNet50, 224 px)"
    return [Row(what, [graph], "the step", [step], "cost", 0.001)]


def page(sections: dict[str, dict[str, Any]], titles: dict[str, str]) -> str:
    """Write all sections as Markdown."""
    parts = []
    for name, section in sections.items():
        rows = [Row(**row) for row in section["rows"]]
        if name == "graph":
            rows += share_of_a_step(sections)
        load = " to ".join(f"{value:.1f}" for value in section["load_average"])
        how = "{rounds} rounds, {threads} threads, seed {seed}, {seconds:.0f} s".format(**section)
        settings = f"`{section['command']}`: {how}, load average {load}, {section['date']}."
        skipped = [f"Skipped: {reason}." for reason in section["skipped"]]
        parts.append(
            "\n".join([f"## {titles[name]}", "", settings, *skipped, "", *lines(rows), ""])
        )
    return "\n".join(parts)
