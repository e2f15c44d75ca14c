"""The command ``report``: a model or a catalogue, images and perhaps labels to a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gz2tree.catalogues.flags import read_flags
from gz2tree.commands.sources import Opened, Sources, needed, open_one
from gz2tree.config import CutoutOptions
from gz2tree.cutouts import CutoutSource
from gz2tree.errors import InputError
from gz2tree.evaluation import evaluate
from gz2tree.networks.saved import shown_name
from gz2tree.report.galaxies import Galaxies
from gz2tree.report.writing import check_free, write_report
from gz2tree.store import open_images
from gz2tree.storeformat import HEADER
from gz2tree.tables.wholetables import read_metadata
from gz2tree.version import __version__

_UNSAID = "not said by the table"


def make_report(sources: Sources, out: Path, *, pixels: int = 128, flag: str | None = None) -> None:
    """Predict galaxies, or read what was predicted, and write a page to browse them.

    Parameters
    ----------
    sources : Sources
        Images, and one catalogue or model; perhaps labels.
    out : Path
        Folder to be written.
    pixels : int
        Side of the pictures; those of a store are as they are.
    flag : str, optional
        ``ANSWER=THRESHOLD``: only galaxies that the predictions flag.

    Raises
    ------
    InputError
        A place where no report can be written, no images, a flag that no galaxy has, and whatever
        is wrong with what is given.
    """
    check_free(out)
    if pixels < 1:
        raise InputError(f"pixels: expected at least 1, found {pixels}")
    images = needed(sources, "images")
    opened = open_one(sources)
    flags = read_flags([] if flag is None else [flag], opened.tree)
    opened = opened.with_images()
    assert opened.images is not None
    predictions = opened.predict(sources.options)
    galaxies, flagged = Galaxies.of(predictions, opened.tree, opened.labels), None
    for wanted in flags:
        galaxies, flagged = galaxies.flagged(wanted)
    report = None if galaxies.labels is None else evaluate(predictions, galaxies.labels)
    write_report(
        out,
        galaxies,
        _pictures(images, opened.images.options, pixels),
        report,
        flagged=flagged,
        made_from=_made_from(sources, opened),
    )
    print(f"{len(galaxies):,} galaxies in {out / 'index.html'}")


def _made_from(sources: Sources, opened: Opened) -> dict[str, str]:
    """Where all this comes from, for the page's head."""
    options = sources.options
    made_from = {"gz2tree": __version__, "images": needed(sources, "images").name}
    if sources.predictions:
        table = sources.predictions[0]
        gate = read_metadata(table).get("gate", _UNSAID)
        made_from |= {"predictions": table.name}
    else:
        gate = f"{options.gate:g}"
        made_from |= {"model": shown_name(sources.models[0]), "views": f"{options.views}"}
    made_from |= {"gate": "none" if gate == "0" else gate}
    if opened.labels is not None and sources.labels is not None:
        made_from |= {"labels": sources.labels.name, "kind": opened.labels.kind}
        made_from |= {"part": sources.part} if sources.part else {}
    return made_from


def _pictures(images: Path, seen: CutoutOptions, pixels: int) -> CutoutSource:
    """Pictures of that many pixels of what the network sees; those of a store are as they are."""
    if (images / HEADER).exists():
        return open_images(images)
    return open_images(images, replace(seen, size=min(seen.crop, pixels)))
