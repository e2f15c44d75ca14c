"""From a network and images to a catalogue of predictions."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from tqdm import tqdm

from gz2tree.augment import orientations
from gz2tree.config import Columns, PredictOptions
from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.errors import InputError
from gz2tree.flags import Flag
from gz2tree.graph import DecisionGraph
from gz2tree.model import GalaxyTreeNet
from gz2tree.network import GalaxyNet
from gz2tree.precision import autocast, choose_precision, memory_format
from gz2tree.store import open_images
from gz2tree.tables import TableWriter, table_format
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__

_log = logging.getLogger("gz2tree")


def predict(
    model: GalaxyNet,
    images: CutoutSource | str | Path,
    options: PredictOptions = PredictOptions(),
    *,
    positions: ArrayLike | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict the answers of volunteers.

    Parameters
    ----------
    model : GalaxyTreeNet or FlatNet
    images : CutoutStore, ImageFiles, str or Path
        Cutouts of the model's crop and size; a path is that of a store, a folder or a zip file.
    options : PredictOptions
    positions : array_like of int, optional
        Which of the images, as positions in ``images.ids``; all by default.
    progress : bool

    Returns
    -------
    catalogue : DataFrame, one row for each readable image
        The id column of the model's tree, then a column of cumulative probabilities (float32) for
        each answer.

    Raises
    ------
    InputError
        Cutouts of another crop or size, no images, or none that can be read.
    """
    images = _opened(images, model)
    pieces = list(_catalogue_pieces(model, images, options, "cumulative", positions, progress))
    return pd.concat(pieces, ignore_index=True)


def predict_to_file(
    model: GalaxyNet,
    images: CutoutSource | str | Path,
    out: Path,
    options: PredictOptions = PredictOptions(),
    *,
    columns: Columns = "cumulative",
    flags: Sequence[Flag] = (),
    progress: bool = True,
) -> int:
    """Write a catalogue of predictions, batch by batch.

    Parameters
    ----------
    model, images, options, progress
        As in `predict`.
    out : Path
        ``.parquet``, ``.csv`` (Kaggle's submission format if the tree is Kaggle's) or ``.fits``.
        The file appears when it is complete.
    columns : {"cumulative", "conditional", "reach"}
        What to write of each answer, or (reach) of each question; the latter two are a suffix in
        the column names. Conditional probabilities of a question that is not reached are NaN.
    flags : sequence of Flag
        A boolean column for each, set by the cumulative probability whatever `columns` says, after
        the gate. How many galaxies have it is logged.

    Returns
    -------
    n : int
        Galaxies written.

    Raises
    ------
    InputError
        As in `predict`; an unknown format; ``conditional`` or ``reach`` of a flat network.
    """
    table_format(out)
    images = _opened(images, model)
    if columns != "cumulative" and not isinstance(model, GalaxyTreeNet):
        raise InputError(
            f"columns: a {type(model).__name__} has no {columns} probabilities, only a "
            "GalaxyTreeNet has"
        )
    provenance = {
        "model": f"{type(model).__name__} {model.backbone_name}",
        "tree": model.tree.name,
        "kind": model.kind or "untrained",
        "version": __version__,
    }
    written = 0
    flagged = dict.fromkeys((flag.column for flag in flags), 0)
    with TableWriter(out, provenance) as writer:
        for piece in _catalogue_pieces(model, images, options, columns, None, progress, flags):
            writer.write(piece)
            written += len(piece)
            for column in flagged:
                flagged[column] += int(piece[column].sum())
    for flag in flags:
        _log.info(
            "%s: %s of %s galaxies, %s at least %g",
            flag.column, f"{flagged[flag.column]:,}", f"{written:,}",
            model.tree.columns[flag.answer], flag.threshold,
        )  # fmt: skip
    return written


def _opened(images: CutoutSource | str | Path, model: GalaxyNet) -> CutoutSource:
    return open_images(images, model.cutouts) if isinstance(images, str | Path) else images


def column_names(tree: DecisionTree, columns: Columns) -> list[str]:
    """Names of the probability columns of a catalogue."""
    if columns == "cumulative":
        return list(tree.columns)
    stems = tree.columns if columns == "conditional" else tree.question_columns
    return [f"{stem}_{columns}" for stem in stems]


def _catalogue_pieces(
    model: GalaxyNet,
    images: CutoutSource,
    options: PredictOptions,
    columns: Columns,
    positions: ArrayLike | None,
    progress: bool,
    flags: Sequence[Flag] = (),
) -> Iterator[pd.DataFrame]:
    names = column_names(model.tree, columns)
    graph = DecisionGraph(model.tree)  # on the CPU, as the predictions are
    for ids, cumulative in predict_batches(model, images, options, positions, progress):
        values = cumulative
        if columns == "conditional":
            values = graph.condition(cumulative)
        elif columns == "reach":
            values = graph.reach(cumulative)
        piece = pd.DataFrame(values.numpy(), columns=names)
        piece.insert(0, model.tree.id_column, ids)
        for flag in flags:
            piece[flag.column] = flag.of(cumulative.numpy())
        yield piece


def predict_batches(
    model: GalaxyNet,
    images: CutoutSource,
    options: PredictOptions,
    positions: ArrayLike | None = None,
    progress: bool = True,
    features: bool = False,
) -> Iterator[tuple[NDArray[np.object_], Tensor]]:
    """Predict batch by batch; the parameters are those of `predict`.

    Yields
    ------
    ids : array of str, shape (N,)
    cumulative : Tensor, float32, shape (N, n_answers), in [0, 1], on the CPU
        With `features`, the pooled features instead, shape (N, n_pooled_features).
    """
    if images.options != model.cutouts:
        raise InputError(f"cutouts: expected the model's {model.cutouts}, found {images.options}")
    device = _device(options.device)
    total = len(images) if positions is None else len(np.asarray(positions))
    if total == 0:
        raise InputError("expected images to predict, found none")
    if model.untrained and not features:
        _log.warning(
            "this model was trained without %d of its %d answers; what it says of them means "
            "nothing: %s",
            len(model.untrained), len(model.tree), ", ".join(model.untrained),
        )  # fmt: skip
    problems: list[tuple[str, str]] = []
    network = _Predictor(model, device, options, features)
    with tqdm(total=total, unit="galaxy", disable=not progress) as bar:
        for batch in images.batches(positions, options.batch_size, options.workers):
            problems += [(images.ids[position], text) for position, text in batch.problems]
            if len(batch.positions):
                yield images.ids[batch.positions], network(batch.cutouts)
            bar.update(len(batch.positions) + len(batch.problems))
    if len(problems) == total:
        raise InputError(
            f"expected images that can be read, found none among {total}: {problems[0][0]}: "
            f"{problems[0][1]}"
        )
    log_unreadable(problems, total)


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device: expected one of this machine, found {name!r}: {reason}"
        ) from error
    return device


class _Predictor:
    """A network ready to predict: on its device, in its precision, over its views."""

    def __init__(
        self, model: GalaxyNet, device: torch.device, options: PredictOptions, features: bool
    ) -> None:
        self.device, self.options, self.features = device, options, features
        self.layout = memory_format(model, device)
        self.precision = choose_precision(model, device, options.precision)
        self.model = model.eval().to(device).to(memory_format=self.layout)

    @torch.inference_mode()
    def __call__(self, cutouts: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) -> cumulative (N, n_answers), or features (N, n_pooled_features)."""
        forward = self.model.features if self.features else self.model
        images = cutouts.to(self.device).permute(0, 3, 1, 2).float() / 255  # (N, 3, H, W)
        total = torch.zeros((), device=self.device)
        with autocast(self.device, self.precision):
            for view in orientations(images, self.options.views, self.model.view_angle):
                total = total + forward(view.contiguous(memory_format=self.layout)).float()
        # The tree's sums are linear, so the mean of consistent views is consistent.
        mean = total / self.options.views
        if self.options.gate > 0 and not self.features:
            mean = self.model.gate(mean, self.options.gate)
        return mean.cpu()


def most_probable_path(tree: DecisionTree, cumulative: ArrayLike) -> list[tuple[int, float]]:
    """Follow the most probable answer of every question that is then asked.

    Parameters
    ----------
    tree : DecisionTree
    cumulative : array_like, shape (n_answers,), in [0, 1]
        Of one galaxy. Questions with NaN among their answers are left out.

    Returns
    -------
    path : list of (int, float)
        Positions of the answers and their conditional probabilities, in the order of the tree.
        Questions asked side by side give an answer each.
    """
    values = np.asarray(cumulative, dtype=np.float64)
    given: set[int] = set()
    path = []
    for answers, parents in zip(tree.slices, tree.parents, strict=True):
        total = values[answers].sum()
        if total > 0 and (not parents or given.intersection(parents)):
            best = answers.start + int(values[answers].argmax())
            given.add(best)
            path.append((best, float(values[best] / total)))
    return path
