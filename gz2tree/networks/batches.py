"""Images shown to networks, batch by batch, and what each says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from tqdm import tqdm

from gz2tree.config import CutoutOptions, PredictOptions
from gz2tree.cutouts import CutoutSource, log_unreadable
from gz2tree.errors import InputError
from gz2tree.images.given import GivenImages
from gz2tree.positions import chosen_positions
from gz2tree.store import open_images

Seen = TypeVar("Seen")


def opened(
    images: CutoutSource | str | Path, cutouts: CutoutOptions, given: GivenImages = GivenImages()
) -> CutoutSource:
    """Open what holds images, if it is not open yet; see `gz2tree.store.open_images`."""
    return open_images(images, cutouts, given) if isinstance(images, str | Path) else images


def look_at(
    networks: Sequence[Callable[[Tensor], Seen]],
    images: CutoutSource,
    cutouts: CutoutOptions,
    options: PredictOptions,
    positions: ArrayLike | None = None,
    progress: bool = True,
) -> Iterator[tuple[NDArray[np.object_], list[Seen]]]:
    """Show images to networks, batch by batch; log those that cannot be read.

    Parameters
    ----------
    networks : sequence of Predictor or Embedder
    images, options, positions, progress
        As in `gz2tree.predict`.
    cutouts : CutoutOptions
        Crop and size that the networks expect.

    Yields
    ------
    ids : array of str, shape (N,)
    seen : list, what each network says of these N galaxies

    Raises
    ------
    InputError
        Cutouts of another crop or size, no images, or none that can be read.
    """
    if not images.options.matches(cutouts):
        raise InputError(f"cutouts: expected the model's {cutouts}, found {images.options}")
    chosen = chosen_positions(positions, len(images))
    total = len(chosen)
    if total == 0:
        raise InputError("expected images to predict, found none")
    problems: list[tuple[str, str]] = []
    with tqdm(total=total, unit="galaxy", disable=not progress) as bar:
        for batch in images.batches(chosen, options.batch_size, options.workers):
            problems += [(images.ids[position], text) for position, text in batch.problems]
            if len(batch.positions):
                cutouts_of_batch = torch.from_numpy(batch.cutouts)  # (N, size, size, 3)
                yield images.ids[batch.positions], [see(cutouts_of_batch) for see in networks]
            bar.update(len(batch.positions) + len(batch.problems))
    if len(problems) == total:
        raise InputError(
            f"expected images that can be read, found none among {total}: {problems[0][0]}: "
            f"{problems[0][1]}"
        )
    log_unreadable(problems, total)
