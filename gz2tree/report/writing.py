"""A report's folder: written aside, and put in its place when it is complete."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError, first_few
from gz2tree.report.figures import write_figures
from gz2tree.report.galaxies import Flagged, Galaxies
from gz2tree.report.page import PAGE, TEMPLATE, data_script, render
from gz2tree.report.pictures import write_sheets
from gz2tree.scores import Report
from gz2tree.wholefiles import appearing_folder

RECORD = "report.json"
"""Scores and provenance; a folder that holds this file is a report."""

_VENDOR = Path(__file__).with_name("vendor")


def check_free(out: Path) -> None:
    """Refuse a place where no report can be written.

    Raises
    ------
    InputError
        A file, a folder with something other than a report in it, or no folder to hold it.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder for the report, found a file")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: expected an existing folder to hold the report, found none")
    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if held and not {RECORD, TEMPLATE} <= set(held):
        raise InputError(
            f"{out}: expected a new or empty folder, or a former report; found {first_few(held)}"
        )


def write_report(
    out: Path,
    galaxies: Galaxies,
    pictures: CutoutSource,
    report: Report | None = None,
    *,
    flagged: Flagged | None = None,
    made_from: Mapping[str, str] | None = None,
    progress: bool = True,
) -> None:
    """Write a page to browse galaxies; it opens from a disk, without a server or network.

    Parameters
    ----------
    out : Path
        Folder to be written; a former report there is replaced as a whole.
    galaxies : Galaxies
    pictures : CutoutStore or ImageFiles
        With an image of each of them.
    report : Report, optional
        On the same galaxies, if they have labels.
    flagged : Flagged, optional
        The flag that chose them.
    made_from : mapping of str to str, optional
        Where all this comes from; shown in the page's head.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        See `check_free`.
    """
    made_from = made_from or {}
    check_free(out)
    with appearing_folder(out) as folder:
        for name in ("data", "figures", "pictures"):
            (folder / name).mkdir()
        write_sheets(folder / "pictures", galaxies.ids, pictures, progress=progress)
        captions = {}
        if report is not None and galaxies.labels is not None:
            captions = write_figures(folder / "figures", galaxies, galaxies.labels, report)
        (folder / "data" / "galaxies.js").write_text(
            data_script(galaxies, flagged), encoding="utf-8"
        )
        page = render(galaxies, report, flagged=flagged, captions=captions, made_from=made_from)
        (folder / TEMPLATE).write_text(page, encoding="utf-8")
        shutil.copytree(PAGE, folder / "page", ignore=shutil.ignore_patterns(TEMPLATE))
        shutil.copytree(_VENDOR, folder / "vendor")
        scores = report.to_dict() if report else {"n": len(galaxies)}
        flag = {"flag": asdict(flagged)} if flagged else {}
        record = json.dumps(dict(made_from) | flag | scores, indent=2)
        (folder / RECORD).write_text(record + "\n", encoding="utf-8")
