"""Splits: whole groups, the shares asked for, and a fair comparison of the parts."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import random_labels
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats

from gz2tree import InputError, Labels
from gz2tree.splits import PARTS, compare_parts, read_split, split_parts, write_split


def groups_of(sizes: list[int]) -> list[str]:
    """Image hashes, shared by as many galaxies as the sizes say, in a mixed order."""
    groups = [f"{number:03x}" for number, size in enumerate(sizes) for _ in range(size)]
    return [str(name) for name in np.random.default_rng(0).permutation(groups)]


@given(
    sizes=st.lists(st.integers(1, 6) | st.just(40), min_size=3, max_size=40),
    valid=st.just(0) | st.floats(0, 0.95),
    test=st.just(0) | st.floats(0, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
@example(sizes=[98, 1, 1], valid=0.3, test=0.5, seed=0)
@example(sizes=[98, 1, 1], valid=0.3, test=0.5, seed=1)
@example(sizes=[1, 98, 1], valid=0.3, test=0.5, seed=3)
@example(sizes=[1] * 10, valid=0, test=0.95, seed=0)
@settings(max_examples=400, deadline=None)
def test_every_galaxy_has_a_part_and_groups_stay_together(
    sizes: list[int], valid: float, test: float, seed: int
) -> None:
    assume(valid + test < 1)
    groups = groups_of(sizes)
    parts = split_parts(groups, valid, test, seed)
    assert len(set(zip(groups, parts, strict=True))) == len(sizes)
    found = Counter(parts)
    wanted = {"valid": valid * len(groups), "test": test * len(groups)}
    assert found["train"] >= 1
    assert set(found) == {"train"} | {part for part, share in wanted.items() if share > 0}
    smallest = min(*filter(None, wanted.values()), len(groups) * (1 - valid - test), 1e9)
    if max(sizes) <= smallest:
        for part, share in wanted.items():
            assert abs(found[part] - share) <= max(sizes) * (share > 0)


# In floating-point numbers 0.29 and 0.57 of a hundred are a little less than 29 and 57.
@pytest.mark.parametrize(("valid", "test"), [(10, 20), (29, 57), (30, 0), (0, 25), (0, 0)])
def test_shares_of_different_images_are_exact(valid: int, test: int) -> None:
    parts = split_parts([str(n) for n in range(100)], valid / 100, test / 100, seed=0)
    found = Counter(parts)
    assert [found[part] for part in PARTS] == [100 - valid - test, valid, test]


def test_split_is_a_function_of_seed_and_images() -> None:
    groups = groups_of([1, 2, 3] * 30)
    parts = split_parts(groups, 0.1, 0.2, seed=3)
    np.testing.assert_array_equal(split_parts(groups, 0.1, 0.2, seed=3), parts)
    assert (split_parts(groups, 0.1, 0.2, seed=4) != parts).any()
    order = np.random.default_rng(1).permutation(len(groups))
    shuffled = split_parts([groups[row] for row in order], 0.1, 0.2, seed=3)
    np.testing.assert_array_equal(shuffled, parts[order])


def test_every_galaxy_is_as_likely_in_any_part() -> None:
    groups = [f"{number:02}" for number in range(40)]
    seeds = range(400)
    in_test = sum((split_parts(groups, 0.1, 0.25, seed) == "test").astype(int) for seed in seeds)
    assert in_test.sum() == 10 * len(seeds)
    # Without replacement within a split: the variance of each count is smaller by 39/40.
    chi_square = ((in_test - 100) ** 2 / (400 * 0.25 * 0.75)).sum() * 39 / 40
    assert 0.001 < stats.chi2.sf(chi_square, 39) < 0.999


@pytest.mark.parametrize(
    ("n", "valid", "test", "message"),
    [
        (9, -0.1, 0.2, r"valid_fraction: expected a share in \[0, 1\), found -0\.1"),
        (9, 0.1, 1.0, r"test_fraction: expected a share in \[0, 1\), found 1\.0"),
        (9, 0.1, math.nan, r"test_fraction: expected a share in \[0, 1\), found nan"),
        (9, 0.5, 0.5, r"valid_fraction \+ test_fraction: expected less than 1, .* found 1\.0"),
        (2, 0.1, 0.2, "expected at least 3 different images, found 2"),
        (1, 0.0, 0.2, "expected at least 2 different images, found 1"),
        (0, 0.0, 0.0, "expected at least 1 different images, found 0"),
    ],
)
def test_impossible_split_is_refused(n: int, valid: float, test: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_parts([str(group) for group in range(n)], valid, test, seed=0)


# comparing the parts


def slow_comparison(labels: Labels, parts: np.ndarray) -> list[dict[str, float]]:
    """Means, and the largest difference from the training mean in standard errors."""
    rows = []
    for column in labels.cumulative.T:
        mean, error = {}, {}
        for part in set(parts):
            known = [v for v, p in zip(column, parts, strict=True) if p == part and not np.isnan(v)]
            mean[part] = statistics.fmean(known) if known else math.nan
            error[part] = math.nan
            if len(known) > 1:
                error[part] = statistics.stdev(known) / math.sqrt(len(known))
        deviations = [
            abs(mean[part] - mean["train"]) / math.hypot(error[part], error["train"])
            for part in mean
            if part != "train" and math.hypot(error[part], error["train"]) > 0
        ]
        largest = max(filter(math.isfinite, deviations), default=math.nan)
        rows.append(mean | {"largest_deviation": largest})
    return rows


@pytest.mark.parametrize(
    "counts",
    [(60, 20, 20), (97, 1, 2), (80, 0, 20), (99, 1, 0), (100, 0, 0)],
    ids=["three parts", "one galaxy in valid", "no valid", "one galaxy and no test", "train alone"],
)
def test_comparison_of_parts(counts: tuple[int, int, int]) -> None:
    labels = random_labels([str(number) for number in range(100)])
    cumulative = labels.cumulative.copy()
    cumulative[np.random.default_rng(0).random(cumulative.shape) < 0.2] = np.nan
    cumulative[:, 3] = np.nan  # a column that is not measured at all
    cumulative[1:, 4] = np.nan  # and one that is for a single galaxy
    labels = replace(labels, cumulative=cumulative)
    parts = np.repeat(np.array(PARTS, dtype=object), counts)
    comparison = compare_parts(labels, parts)
    present = [part for part, n in zip(PARTS, counts, strict=True) if n]
    assert comparison.columns.tolist() == [*present, "largest_deviation"]
    assert comparison.index.tolist() == list(labels.tree.columns)
    expected = slow_comparison(labels, parts)
    for column in comparison:
        np.testing.assert_allclose(
            comparison[column], [row[column] for row in expected], rtol=1e-12
        )


def test_comparison_finds_a_part_that_differs() -> None:
    """A split sorted by the first answer stands out; a random one does not."""
    labels = random_labels([str(number) for number in range(400)])
    first = labels.cumulative[:, 0]
    by_value = np.where(first < np.median(first), "train", "test").astype(object)
    random = split_parts(list(labels.ids), 0.0, 0.5, seed=0)
    assert compare_parts(labels, by_value)["largest_deviation"].iloc[0] > 10
    assert compare_parts(labels, random)["largest_deviation"].max() < 4


# on disk


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_split_survives_the_disk(tmp_path: Path, suffix: str) -> None:
    ids = ["007", "7", "587739505552785605", "587739505552785604", "a,b"]
    parts = np.array(["train", "valid", "test", "test", "train"], dtype=object)
    write_split(tmp_path / f"split{suffix}", ids, parts)
    assert read_split(tmp_path / f"split{suffix}") == dict(zip(ids, parts, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\n1\n", "expected columns id and part, found 'id'"),
        ("id,part\n1,train\n,test\n", "column id, row 2: expected an id, found none"),
        ("id,part\n1,train\n2,test\n1,test\n", "expected each id once, found 1 repeated: 1"),
        ("id,part\n1,train\n2,dev\n", "expected parts train, valid, test, found dev"),
        ("id,part\n1,train\n2,\n3,dev\n", "expected parts train, valid, test, found dev, nan"),
    ],
)
def test_split_of_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"split\.csv: {message}"):
        read_split(path)


# the real galaxies


def test_galaxies_in_both_real_folders_stay_together(shared: Path) -> None:
    folders = [shared / "data" / name / "images" for name in ("kaggle_gz2", "gz2_hart16")]
    files = [file for folder in folders for file in folder.iterdir()]
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    parts_of: dict[str, set[str]] = {}
    for digest, part in zip(hashes, split_parts(hashes, 0.1, 0.2, seed=0), strict=True):
        parts_of.setdefault(digest, set()).add(part)
    assert all(len(parts) == 1 for parts in parts_of.values())
    assert len(files) - len(parts_of) == 17
