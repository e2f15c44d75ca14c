"""Cutouts and labels of the same galaxies, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, SmallSky, random_labels, write_images

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutOptions,
    CutoutStore,
    InputError,
    LabelledCutouts,
    prepare,
)

QUESTIONS = GZ2_KAGGLE.question_columns


def test_each_galaxy_has_its_own_cutout_and_labels(small_sky: SmallSky) -> None:
    """In the order of the labels, whatever the order of the store."""
    store = CutoutStore(small_sky.store)
    labels = small_sky.labels.take(np.random.default_rng(0).permutation(len(small_sky.labels)))
    galaxies = LabelledCutouts(store, labels)
    assert len(galaxies) == len(labels)
    images, targets, given_reach, counts = galaxies[[5, 0, 17]]
    assert given_reach.isnan().all()
    assert counts.isnan().all()
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (3, 3, 32, 32))
    for image, target, row in zip(images, targets, [5, 0, 17], strict=True):
        position = store.ids.tolist().index(labels.ids[row])
        np.testing.assert_array_equal(image.permute(1, 2, 0), store.array[position])
        np.testing.assert_array_equal(target, labels.cumulative[row].astype(np.float32))


def test_a_plain_data_loader_reads_it(small_sky: SmallSky) -> None:
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
    loaded = list(torch.utils.data.DataLoader(galaxies, batch_size=7))
    assert sum(len(images) for images, *_ in loaded) == len(galaxies)
    for found, expected in zip(loaded[0], galaxies[list(range(7))], strict=True):
        torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("nothing", [[], np.zeros(0, dtype=int)])
def test_an_empty_selection_is_refused(small_sky: SmallSky, nothing: object) -> None:
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
    with pytest.raises(InputError, match="found an empty selection"):
        galaxies.take(nothing)


def test_not_measured_stays_nan(small_sky: SmallSky) -> None:
    labels = small_sky.labels.take([0, 1, 2])
    labels.cumulative[1, 4] = np.nan
    _, targets, *_ = LabelledCutouts(CutoutStore(small_sky.store), labels)[[0, 1, 2]]
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
        InputError, match=r"no labelled galaxy has .* e\.g\. 100000, 100001, found .* 0"
    ):
        LabelledCutouts(CutoutStore(small_sky.store), labels)


def test_take_chooses_galaxies(small_sky: SmallSky) -> None:
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
    even = galaxies.take(np.arange(len(galaxies)) % 2 == 0)
    assert even.labels.ids.tolist() == galaxies.labels.ids[::2].tolist()
    for some, same in zip(even[[3, 1]], galaxies[[6, 2]], strict=True):
        torch.testing.assert_close(some, same, rtol=0, atol=0, equal_nan=True)


def test_identical_images_have_one_hash(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", ["a", "b", "c"])
    (images / "d.png").write_bytes((images / "a.png").read_bytes())
    store = prepare(images, tmp_path / "store", SMALL, workers=0, progress=False)
    hashes = LabelledCutouts(store, random_labels(["d", "c", "b", "a"])).hashes
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3


class TestJoin:
    def test_each_galaxy_keeps_its_cutout_and_labels(
        self, small_sky: SmallSky, tmp_path: Path
    ) -> None:
        """Also where both samples know the same id."""
        ids = small_sky.labels.ids[:3].tolist()
        images = write_images(tmp_path / "images", ids, seed=9)
        store = prepare(images, tmp_path / "store", SMALL, workers=0, progress=False)
        here = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
        there = LabelledCutouts(store, random_labels(ids, seed=5))
        joined = LabelledCutouts.join(here, there)
        assert len(joined) == 43
        assert joined.hashes == here.hashes + there.hashes
        mixed = joined.take([41, 7, 40, 0])
        for part, (first, second) in enumerate(zip(here[[7, 0]], there[[1, 0]], strict=True)):
            expected = torch.stack([second[0], first[0], second[1], first[1]])
            torch.testing.assert_close(
                mixed[[0, 1, 2, 3]][part], expected, rtol=0, atol=0, equal_nan=True
            )

    def test_given_reach_of_one_sample_does_not_reach_the_other(self, small_sky: SmallSky) -> None:
        labels = small_sky.labels
        store = CutoutStore(small_sky.store)
        deep = labels.only_conditional({"Class3", "Class4"})
        joined = LabelledCutouts.join(LabelledCutouts(store, labels), LabelledCutouts(store, deep))
        _, targets, given, _ = joined[[0, 40]]
        assert given[0].isnan().all()
        assert given[1].isnan().tolist() == [name not in ("Class3", "Class4") for name in QUESTIONS]
        np.testing.assert_array_equal(targets[0], labels.cumulative[0].astype(np.float32))

    def test_other_cutouts_and_trees_are_refused(self, small_sky: SmallSky, tmp_path: Path) -> None:
        here = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
        other = CutoutOptions(crop=40, size=16)
        store = prepare(small_sky.images, tmp_path / "s", other, workers=0, progress=False)
        with pytest.raises(InputError, match="cutouts of one crop and size"):
            LabelledCutouts.join(here, LabelledCutouts(store, small_sky.labels))
        volunteers = random_labels(small_sky.labels.ids.tolist(), GZ2)
        there = LabelledCutouts(CutoutStore(small_sky.store), volunteers)
        with pytest.raises(InputError, match="labels of one tree, found GZ2_KAGGLE and GZ2"):
            LabelledCutouts.join(here, there)
