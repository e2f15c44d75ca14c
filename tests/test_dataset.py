"""Cutouts and labels of the same galaxies, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, SmallSky, random_labels, write_images

from gz2tree import CutoutStore, InputError, LabelledCutouts, prepare


def test_each_galaxy_has_its_own_cutout_and_labels(small_sky: SmallSky) -> None:
    """In the order of the labels, whatever the order of the store."""
    store = CutoutStore(small_sky.store)
    labels = small_sky.labels.take(np.random.default_rng(0).permutation(len(small_sky.labels)))
    galaxies = LabelledCutouts(store, labels)
    assert len(galaxies) == len(labels)
    images, targets = galaxies[[5, 0, 17]]
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (3, 3, 32, 32))
    for image, target, row in zip(images, targets, [5, 0, 17], strict=True):
        position = store.ids.tolist().index(labels.ids[row])
        np.testing.assert_array_equal(image.permute(1, 2, 0), store.array[position])
        np.testing.assert_array_equal(target, labels.cumulative[row].astype(np.float32))


def test_not_measured_stays_nan(small_sky: SmallSky) -> None:
    labels = small_sky.labels.take([0, 1, 2])
    labels.cumulative[1, 4] = np.nan
    _, targets = LabelledCutouts(CutoutStore(small_sky.store), labels)[[0, 1, 2]]
    assert targets.isnan().nonzero().tolist() == [[1, 4]]


def test_labels_without_a_cutout_are_named_and_counted(
    small_sky: SmallSky, caplog: pytest.LogCaptureFixture
) -> None:
    ids = small_sky.labels.ids.tolist()
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), random_labels(["x", *ids[:3], "y"]))
    assert galaxies.labels.ids.tolist() == ids[:3]
    (record,) = caplog.records
    expected = "2 of 5 labelled galaxies have no usable image and are left out: x, y"
    assert record.getMessage() == expected


def test_no_galaxy_in_common_is_refused(small_sky: SmallSky) -> None:
    # The store's ids have leading zeros.
    labels = random_labels([galaxy.lstrip("0") for galaxy in small_sky.labels.ids])
    with pytest.raises(
        InputError, match=r"no galaxy has both .* e\.g\. 100000, 100001, images .* 0"
    ):
        LabelledCutouts(CutoutStore(small_sky.store), labels)


def test_take_chooses_galaxies(small_sky: SmallSky) -> None:
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
    even = galaxies.take(np.arange(len(galaxies)) % 2 == 0)
    assert even.labels.ids.tolist() == galaxies.labels.ids[::2].tolist()
    for some, same in zip(even[[3, 1]], galaxies[[6, 2]], strict=True):
        assert torch.equal(some, same)


def test_identical_images_have_one_hash(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", ["a", "b", "c"])
    (images / "d.png").write_bytes((images / "a.png").read_bytes())
    store = prepare(images, tmp_path / "store", SMALL, workers=0, progress=False)
    hashes = LabelledCutouts(store, random_labels(["d", "c", "b", "a"])).hashes
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3
