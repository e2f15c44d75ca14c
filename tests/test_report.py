"""The report's data and its folder; the page itself is tested in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import random_labels

from gz2tree import GZ2_KAGGLE, InputError
from gz2tree.report.galaxies import Galaxies
from gz2tree.report.page import UNIT, data_script, render, whole_numbers
from gz2tree.report.writing import check_free

IDS = ["<script>alert(1)</script>", "587722981742084097", "3"]


def some_galaxies(*, labelled: bool) -> Galaxies:
    labels = random_labels(IDS) if labelled else None
    predicted = random_labels(IDS, seed=1).cumulative
    return Galaxies(np.array(IDS, dtype=object), predicted, GZ2_KAGGLE, labels)


@pytest.mark.parametrize("labelled", [True, False])
def test_data(labelled: bool) -> None:
    galaxies = some_galaxies(labelled=labelled)
    script = data_script(galaxies)
    assert "<" not in script
    data = json.loads(script.removeprefix("window.gz2tree = ").removesuffix(";\n"))
    assert data["ids"] == IDS
    columns = np.array(data["predicted"]).T / UNIT
    np.testing.assert_allclose(columns, galaxies.predicted, atol=1 / UNIT)
    assert (data["voted"] is not None) is labelled


def test_whole_numbers_keep_zero_and_unmeasured_apart() -> None:
    assert whole_numbers(np.array([0.0, 1e-9, 1.0, np.nan])) == [0, 1, UNIT, None]


def test_names_are_escaped_in_the_page() -> None:
    made_from = {"images": "<script>x</script>"}
    page = render(some_galaxies(labelled=False), None, captions={}, made_from=made_from)
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"thesis\.tex"):
        check_free(tmp_path)
