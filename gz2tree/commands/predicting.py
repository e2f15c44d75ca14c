"""The command ``predict``: a catalogue in one table, or in shards."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from gz2tree.catalogues.catalogue import ATYPICAL
from gz2tree.catalogues.flags import read_flags
from gz2tree.catalogues.scaling import predict_to_folder
from gz2tree.catalogues.shardformat import is_folder
from gz2tree.commands.inputs import find_model
from gz2tree.config import PredictOptions, ShardOptions, TableOptions
from gz2tree.config.choices import Columns, MoreColumns
from gz2tree.errors import InputError
from gz2tree.images.given import ImageOptions
from gz2tree.images.opening import is_streamed
from gz2tree.prediction import predict_to_file

_HIGH_GATE = 0.1
_log = logging.getLogger("gz2tree")


def predict_catalogue(
    model_paths: Sequence[str],
    images: Sequence[str],
    out: Path,
    *,
    columns: Sequence[MoreColumns],
    flags: Sequence[str],
    level: float,
    options: PredictOptions,
    shards: ShardOptions,
    image_options: ImageOptions,
    table: TableOptions = TableOptions(),
) -> None:
    """Write a catalogue of predictions, of one model or of several together.

    One table, or a folder of shards.
    """
    if not is_folder(out) and (is_streamed(images) or shards.devices * shards.num_nodes > 1):
        raise InputError(
            f"{out}: expected a folder, a name without a suffix, to write shards into: one table "
            "is written of one folder, zip file or store, by one process"
        )
    if options.gate > _HIGH_GATE:
        _log.warning(
            "gate %g: above %g a gate removes answers that people give; 0.01 is usual",
            options.gate, _HIGH_GATE,
        )  # fmt: skip
    probabilities, atypical = _which_columns(columns)
    models = [find_model(path)[0] for path in model_paths]
    wanted = read_flags(flags, models[0].tree)
    given = image_options.given(models[0].cutouts)
    weights = ", ".join(Path(path).resolve().name for path in model_paths)
    if not is_folder(out):
        n = predict_to_file(
            models, images[0], out, options,
            given=given, columns=probabilities, flags=wanted, level=level, atypical=atypical,
            table=table, weights=weights,
        )  # fmt: skip
        print(f"{n:,} galaxies in {out}")
        return
    totals = predict_to_folder(
        models, images, out, options, shards,
        given=given, columns=probabilities, flags=wanted, level=level, atypical=atypical,
        table=table, weights=weights,
    )  # fmt: skip
    if totals is not None:
        print(f"{totals.galaxies:,} galaxies in {out}")


def _which_columns(wanted: Sequence[MoreColumns]) -> tuple[Columns, bool]:
    """Tell what to write of each answer, and whether to say how atypical galaxies are."""
    probabilities = cast(list[Columns], [each for each in wanted if each != ATYPICAL])
    if len(probabilities) > 1:
        raise InputError(
            f"columns: expected one of {', '.join(get_args(Columns))}, and {ATYPICAL} if wanted, "
            f"found {' '.join(wanted)}"
        )
    return (probabilities or ["cumulative"])[0], ATYPICAL in wanted
