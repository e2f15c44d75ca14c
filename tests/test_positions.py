"""Which galaxies are meant: positions, masks and ids, and refusals of what is none of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, write_images

from gz2tree import CutoutStore, GalaxyTreeNet, InputError, PredictOptions, predict, prepare
from gz2tree.cutouts import CutoutSource, ImageFiles
from gz2tree.images.photometry import apparent_sizes
from gz2tree.report.pictures import write_sheets

IDS = ["g0", "g1", "g2", "g3", "g4", "g5"]
HERE = PredictOptions(workers=0, precision="32", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), IDS)


@pytest.fixture(params=["files", "store"])
def source(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> CutoutSource:
    if request.param == "files":
        return ImageFiles(folder, SMALL)
    prepare(folder, tmp_path / "store", SMALL, workers=0, progress=False)
    return CutoutStore(tmp_path / "store")


def predicted(source: CutoutSource, positions: Any) -> list[str]:
    network = GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)
    catalogue = predict(network, source, HERE, positions=positions, progress=False)
    return list(catalogue.iloc[:, 0])


def read(source: CutoutSource, positions: Any) -> list[str]:
    batches = source.batches(positions, workers=0)
    return [galaxy for batch in batches for galaxy in source.ids[batch.positions]]


def measured(source: CutoutSource, positions: Any) -> np.ndarray:
    return apparent_sizes(source, positions, progress=False)


@pytest.mark.parametrize("names", [predicted, read])
def test_masks_choose_what_they_mark(source: CutoutSource, names: Callable[..., Any]) -> None:
    mask = np.array([False, True, False, False, True, True])
    assert names(source, mask) == names(source, mask.tolist()) == ["g1", "g4", "g5"]
    assert names(source, [4, 1]) == ["g4", "g1"]
    assert len(measured(source, mask)) == 3


@pytest.mark.parametrize("use", [predicted, read, measured])
@pytest.mark.parametrize(
    ("positions", "said"),
    [
        ([1.7], "expected whole numbers, or a mask of 6 galaxies, found an array of float64"),
        ([-1], "expected numbers from 0 to 5, found -1"),
        ([0, 99, 6], "expected numbers from 0 to 5, found 99, 6"),
        ([True, False], "expected a mask of 6 galaxies, found 2"),
        (["g1"], "expected whole numbers"),
        (3, "expected whole numbers"),
    ],
)
def test_positions_that_are_none_are_refused(
    source: CutoutSource, use: Callable[..., Any], positions: Any, said: str
) -> None:
    with pytest.raises(InputError, match=f"positions: {said}"):
        use(source, positions)


def test_galaxies_without_a_picture_are_refused(folder: Path, tmp_path: Path) -> None:
    said = "galaxy 'absent', 'other': expected among the images, found none .2 of 3 are missing"
    with pytest.raises(InputError, match=said):
        write_sheets(tmp_path, ["absent", "g1", "other"], ImageFiles(folder, SMALL), progress=False)
    assert not list(tmp_path.iterdir())
