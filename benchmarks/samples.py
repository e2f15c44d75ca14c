"""The real galaxies of all benchmarks: where they lie, their tables, which are held out.

``DATA`` is the folder ``data`` in that of the environment variable ``GZ2TREE_DATA``, or in
``../shared`` beside the checkout.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gz2tree import CutoutOptions, LabelledCutouts, prepare, read_labels, split_parts

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("GZ2TREE_DATA", CHECKOUT.parent / "shared")) / "data"
TABLE5 = Path("gz2_willett13_stripe82") / "table5.csv.gz"
"""Of Willett et al. 2013, Stripe 82: votes without images; within the data folder."""
DEEP = ("Class3", "Class4", "Class5", "Class9", "Class10", "Class11")
"""Questions that Kaggle's table of 17 columns has not, and the sample of Hart et al. has."""


@dataclass(frozen=True)
class Sample:
    """Images with labels, in a folder of the data.

    Parameters
    ----------
    folder, table : str
        The table lies in the folder, as do the images, in ``images``.
    """

    folder: str
    table: str

    def images(self, data: Path) -> Path:
        """Folder of its images."""
        return data / self.folder / "images"

    def labels(self, data: Path) -> Path:
        """Its table of labels."""
        return data / self.folder / self.table


SAMPLES = {
    "kaggle": Sample("kaggle_gz2", "solutions_17_columns.csv"),
    "hart": Sample("gz2_hart16", "gz2_hart16_sample.csv"),
}


def labelled_cutouts(
    sample: Sample, data: Path, store: Path, options: CutoutOptions
) -> LabelledCutouts:
    """Prepare the cutouts of a sample in a store, and join them with their labels."""
    cutouts = prepare(sample.images(data), store, options)
    labels = read_labels(sample.labels(data), image_ids=cutouts.ids)
    return LabelledCutouts(cutouts, labels)


def held_out_parts(samples: Mapping[str, LabelledCutouts], seed: int) -> dict[str, np.ndarray]:
    """Split the galaxies of all samples as the network behind the model card was trained.

    Parameters
    ----------
    samples : mapping of str to LabelledCutouts
        All of `SAMPLES`.
    seed : int

    Returns
    -------
    parts : dict of str to array of str
        ``"train"`` or ``"test"`` for each galaxy of each sample; byte-identical images share one.
    """
    images = np.concatenate([samples[name].hashes for name in SAMPLES])
    part_of = dict(zip(images, split_parts(images, 0.0, 0.2, seed), strict=True))
    return {name: np.array([part_of[image] for image in samples[name].hashes]) for name in SAMPLES}
