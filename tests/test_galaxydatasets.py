"""Catalogues as galaxy-datasets has them, and tables that are no files."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from gz2tree import GZ2, InputError, read_labels
from gz2tree.config.choices import Kind
from gz2tree.labelling.galaxydatasets import columns_of
from gz2tree.labelling.labeltable import read_fractions
from gz2tree.tables.columnnotes import recognised
from gz2tree.tables.files import to_astropy
from gz2tree.treenames import find_tree, tree_names

IDS = ["J100000.00+000000.0", "J100000.01+000000.0", "J100000.02+000000.0"]

# Of galaxy-datasets 0.0.25: some columns of each campaign, and how many there are.
CAMPAIGNS = {
    "dr5": ("GZ_DECALS_5", 34, "merging-dr5_minor-disturbance", "merging_minor-disturbance"),
    "dr8": ("GZ_DECALS_5", 34, "bar-dr8_weak", "bar_weak"),
    "dr12": ("GZ_DECALS_1_2", 30, "how-rounded-dr12_completely", "how-rounded_completely"),
    "gz2": ("GZ2", 30, "bulge-shape-gz2_no-bulge", "t09_bulge_shape_a27_no_bulge"),
    "hubble": ("GZ_HUBBLE", 34, "spiral-arm-count-hubble_5-plus",
               "t11_arms_number_a05_more_than_4"),
    "candels": ("GZ_CANDELS", 32, "merging-candels_both", "t16_merging_tidal_debris_a2_both"),
    "ukidss": ("GZ_UKIDSS", 30, "bar-ukidss_no", "bar-ukidss_no"),
}  # fmt: skip


class Anything:
    """A header with every column of one campaign."""

    def __init__(self, campaign: str) -> None:
        self.tag = f"-{campaign}_"

    def __contains__(self, column: str) -> bool:
        return self.tag in column


def catalogue(campaign: str) -> tuple[pd.DataFrame, list[str | None]]:
    """Votes of three galaxies, and the column of each answer."""
    tree = find_tree(CAMPAIGNS[campaign][0])
    columns = columns_of(tree, "count", Anything(campaign))  # type: ignore[arg-type]
    if columns is None:  # those of the tree itself
        columns = list(tree.kind_columns("count"))
    there = [column for column in columns if column]
    votes = np.random.default_rng(0).integers(1, 9, (3, len(there)))
    table = pd.DataFrame(votes, columns=there)
    table.insert(0, "id_str", IDS)
    table.insert(1, "file_loc", [f"/data/{galaxy[:4]}/{galaxy}.jpg" for galaxy in IDS])
    return table, columns


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_votes_of_every_campaign_are_read(campaign: str, tmp_path: Path) -> None:
    name, n, column, ours = CAMPAIGNS[campaign]
    tree = find_tree(name)
    table, columns = catalogue(campaign)
    assert table.shape[1] == n + 2
    assert columns.index(column) == tree.catalogue_columns.index(ours)
    table.to_parquet(tmp_path / "catalogue.parquet")
    labels = read_labels(tmp_path / "catalogue.parquet", tree, "count", image_ids=IDS)
    assert labels.ids.tolist() == IDS
    assert labels.counts is not None
    fractions = read_fractions(tmp_path / "catalogue.parquet", tree, "count")
    assert fractions.votes is not None
    for number, (question, answers) in enumerate(zip(tree.questions, tree.slices, strict=True)):
        cumulative = labels.cumulative[:, answers]
        if columns[answers.start] is None:
            assert np.isnan(cumulative).all(), question.name
            assert np.isnan(labels.counts[:, answers]).all()
            continue
        np.testing.assert_array_equal(labels.counts[:, answers], table[columns[answers]])
        asked = table[columns[answers]].sum(axis=1)
        np.testing.assert_array_equal(fractions.votes[:, number], asked)
        np.testing.assert_allclose(
            fractions.conditional[:, answers], table[columns[answers]].div(asked, axis=0)
        )
        if not question.asked_after:
            votes = table[columns[answers]].to_numpy(float)
            np.testing.assert_allclose(cumulative, votes / votes.sum(axis=1, keepdims=True))


def test_bars_are_asked_of_disks_that_are_not_edge_on(tmp_path: Path) -> None:
    """P(features) = 0.8, P(not edge-on) = 0.1 and P(bar) = 1 make 0.08, not 0.8."""
    table, _ = catalogue("gz2")
    table.loc[0, ["smooth-or-featured-gz2_smooth", "smooth-or-featured-gz2_featured-or-disk",
                  "smooth-or-featured-gz2_artifact"]] = 2, 8, 0  # fmt: skip
    table.loc[0, ["disk-edge-on-gz2_yes", "disk-edge-on-gz2_no"]] = 9, 1
    table.loc[0, ["bar-gz2_yes", "bar-gz2_no"]] = 1, 0
    labels = read_labels(table, GZ2, "count")
    assert labels.cumulative[0, GZ2.answer_position("a06_bar")] == pytest.approx(0.08)


def test_ids_are_names_of_files_where_no_other_matches() -> None:
    table, _ = catalogue("dr5")
    table["id_str"] = ["1", "2", "3"]
    labels = read_labels(table, find_tree("GZ_DECALS_5"), "count", image_ids=IDS)
    assert labels.ids.tolist() == IDS


def test_fractions_are_read_and_other_kinds_are_refused() -> None:
    table, columns = catalogue("dr5")
    tree = find_tree("GZ_DECALS_5")
    fractions = table[["id_str"]].copy()
    for answers in tree.slices:
        of_question = table[columns[answers]]
        shares = of_question.div(of_question.sum(axis=1), axis=0).add_suffix("_fraction")
        fractions = pd.concat([fractions, shares], axis=1)
    np.testing.assert_allclose(
        read_labels(fractions, tree, "fraction").cumulative,
        read_labels(table, tree, "count").cumulative,
    )
    with pytest.raises(InputError, match="the table: expected columns"):
        read_labels(table, tree, "debiased")


def test_astropy_tables_are_read_and_made() -> None:
    table, _ = catalogue("gz2")
    from_pandas = read_labels(table, GZ2, "count")
    made = to_astropy(table, {"survey": "GZ2"})
    assert made.meta == {"survey": "GZ2"}
    assert made["id_str"].dtype.kind == "U"
    from_astropy = read_labels(made, GZ2, "count")
    np.testing.assert_array_equal(from_astropy.ids, from_pandas.ids)
    np.testing.assert_array_equal(from_astropy.cumulative, from_pandas.cumulative)
    assert isinstance(made, Table)
    with pytest.raises(InputError, match="expected a path, a DataFrame or an astropy Table"):
        read_labels([1, 2], GZ2)  # type: ignore[arg-type]


def test_other_trees_have_no_such_catalogue() -> None:
    named = {name for name in tree_names() if columns_of(find_tree(name), "count", Everything())}
    assert named == {name for name, *_ in CAMPAIGNS.values()} - {"GZ_UKIDSS"}


class Everything(frozenset[str]):
    def __contains__(self, column: object) -> bool:
        return True


# as TOPCAT spells them


def spelled(table: pd.DataFrame) -> pd.DataFrame:
    """The table as TOPCAT and STILTS can use it."""
    return table.rename(columns=lambda name: name.replace("-", "_").replace(".", "_"))


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_votes_are_read_under_the_names_that_topcat_takes(campaign: str) -> None:
    table, _ = catalogue(campaign)
    tree = find_tree(CAMPAIGNS[campaign][0])
    assert read_labels(spelled(table), tree, "count").digest() == (
        read_labels(table, tree, "count").digest()
    )


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("name", tree_names())
def test_every_kind_is_read_under_the_names_that_topcat_takes(name: str, kind: Kind) -> None:
    tree = find_tree(name)
    values = np.random.default_rng(0).integers(1, 9, (3, len(tree))) / 9
    table = pd.DataFrame(values, columns=list(tree.kind_columns(kind))).assign(id=IDS)
    assert read_labels(spelled(table), tree, kind).digest() == (
        read_labels(table, tree, kind).digest()
    )


def test_a_name_that_is_known_is_not_taken_for_the_spelling_of_another() -> None:
    assert recognised(["a_b"], ["a-b", "a_b"]) == ["a_b"]
    assert recognised(["a_b"], ["a-b"]) == ["a-b"]
