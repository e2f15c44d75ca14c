"""Trees as files: round trips, refusals, and the trees that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import trees

from gz2tree import GZ2, GZ2_KAGGLE, DecisionTree, InputError, read_labels
from gz2tree.cli import main
from gz2tree.labels import multiply_down
from gz2tree.treenames import find_tree, tree_names

OWN = """
name: own
questions:
- name: shape
  answers: [smooth, disk, none]
- name: ring
  label: A ring?
  asked_after: disk
  answers:
  - {name: yes, label: there is one}
  - no
"""


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=trees())
def test_what_is_written_is_read_back(tree: DecisionTree, tmp_path: Path) -> None:
    tree.to_file(tmp_path / "tree.yaml")
    assert DecisionTree.from_file(tmp_path / "tree.yaml") == tree


@pytest.mark.parametrize("name", tree_names())
def test_shipped_trees_are_read_back(name: str, tmp_path: Path) -> None:
    tree = find_tree(name)
    assert tree.name == name
    tree.to_file(tmp_path / "tree.yaml")
    assert DecisionTree.from_file(tmp_path / "tree.yaml") == tree
    assert DecisionTree.from_file(tmp_path / "tree.yaml").source == tree.source
    assert str(tree).endswith(tree.source)


def test_the_tree_in_a_model_is_a_tree_file(tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text(json.dumps(GZ2_KAGGLE.to_dict()))
    assert find_tree(tmp_path / "tree.json") == GZ2_KAGGLE


def test_words_that_yaml_takes_for_values_are_answers(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    tree = DecisionTree.from_file(tmp_path / "own.yaml")
    assert [answer.name for answer in tree.answers] == ["smooth", "disk", "none", "yes", "no"]
    assert tree.columns[3:] == ("ring_yes", "ring_no")
    assert tree.parents == ((), (1,))
    assert tree.answers[3].label == "there is one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN.replace("asked_after: disk", "asked_after: dusk"),
         "question 'ring' is asked after 'dusk'.*did you mean disk"),
        (OWN.replace("asked_after", "askd_after"),
         "question 'ring': unknown field askd_after; did you mean asked_after"),
        (OWN.replace("label: there", "text: there"),
         "question 'ring': an answer: unknown field text; expected name, label, column"),
        (OWN.replace("- no\n", "- smooth\n"), "duplicate answer 'smooth': in question 'ring'"),
        (OWN.replace("- name: ring", "- nme: ring"), "question 2: unknown field nme; did you mean"),
        (OWN.replace("[smooth, disk, none]", "smooth"), "'shape': answers: expected a list, found"),
        (OWN.replace("[smooth, disk, none]", "[a-b]"), "answer name: expected letters.*'a-b'"),
        (OWN.replace("[smooth, disk, none]", "[1, 4+]"), "question 'shape': answer name.*'1'; giv"),
        (OWN.replace("name: own", "nam: own"), "the file: unknown field nam; did you mean name"),
        ("name: own", "the file: expected the field 'questions', found none"),
        ("- smooth", "the file: expected the fields name, .*found \\['smooth'\\]"),
        ("a: [", "expected YAML or JSON"),
        ("!!python/object/apply:os.getcwd []", "the file: expected the fields"),
    ],
)  # fmt: skip
def test_refusals_name_file_and_offender(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InputError, match=f"own.yaml: .*{message}"):
        DecisionTree.from_file(tmp_path / "own.yaml")


def test_no_such_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"found 'gz_hubbel'; did you mean GZ_HUBBLE"):
        find_tree("gz_hubbel")
    with pytest.raises(InputError, match="expected a tree file, found none"):
        DecisionTree.from_file(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="expected an existing folder"):
        GZ2.to_file(tmp_path / "none" / "tree.yaml")
    assert main(["tree", "gz_hubbel"]) == 2
    assert "did you mean GZ_HUBBLE" in capsys.readouterr().err


def test_tree_is_checked_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    assert main(["tree", str(tmp_path / "own.yaml")]) == 0
    assert "2. A ring?" in capsys.readouterr().out
    assert main(["tree", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "own.png")]) == 0
    assert (tmp_path / "own.png").stat().st_size > 5_000


# The trees that come with the package, against what was published of them.

PUBLISHED = {
    # Willett et al. 2013, Table 2
    "GZ2": (11, 37),
    "GZ2_KAGGLE": (11, 37),
    # Walmsley et al. 2022: the columns of the two volunteer catalogues
    "GZ_DECALS_1_2": (10, 30),
    "GZ_DECALS_5": (10, 34),
    # Willett et al. 2017, Table 4: the columns t01 … t18
    "GZ_HUBBLE": (18, 57),
    # Simmons et al. 2017: the columns t00 … t16
    "GZ_CANDELS": (17, 50),
    # That of GZ2 without question 8, of which volunteers ticked several answers
    "GZ_UKIDSS": (10, 30),
}


def test_trees_have_the_published_number_of_questions_and_answers() -> None:
    found = {name: (len(find_tree(name).questions), len(find_tree(name))) for name in tree_names()}
    assert found == PUBLISHED


@pytest.mark.parametrize("name", sorted(set(tree_names()) - {"GZ2", "GZ2_KAGGLE"}))
def test_bar_spiral_and_bulge_are_asked_of_disks_that_are_not_edge_on(name: str) -> None:
    tree = find_tree(name)
    assert tree.source
    after = {question.name: set(question.asked_after) for question in tree.questions}
    asked = [n for n, parents in after.items() if parents == {"not_edge_on"}]
    assert [("bar" in n) + ("spiral" in n) + ("bulge" in n) for n in asked] == [1, 1, 1]
    of_all = next(n for n in after if "odd" in n or "merging" in n)
    first = [answer.name for answer in tree.questions[0].answers]
    assert after[of_all] == set(first[:2])  # of all but stars and artifacts


@pytest.mark.parametrize("name", ["GZ_HUBBLE", "GZ_CANDELS"])
def test_clumps_lead_on_as_volunteers_met_them(name: str) -> None:
    """Walk the flow of Galaxy Zoo's own interface, answer by answer, and collect what is asked."""
    on = {"one_clump": "symmetrical", "none_brightest": "symmetrical", "one_brightest": "central",
          "two_clumps": "brightest", "brightest_central": "symmetrical"}  # fmt: skip
    on |= dict.fromkeys(("three_clumps", "four_clumps", "more_clumps", "clumps_cant_tell"), "line")
    follows = {"line": "brightest", "symmetrical": "embedded"}
    key = {"line": "clumps_in_line", "brightest": "one_brightest", "central": "brightest_central",
           "symmetrical": "symmetrical", "embedded": "embedded"}  # fmt: skip
    tree = find_tree(name)
    after = {q.answers[0].name: set(q.asked_after) for q in tree.questions}
    expected: dict[str, set[str]] = {}
    for answer, question in on.items():
        while question:
            expected.setdefault(key[question], set()).add(answer)
            question = follows.get(question, "")
    assert {first: after[first] for first in expected} == expected


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [
        ("GZ_DECALS_5", "count", "merging_minor-disturbance"),
        ("GZ_DECALS_5", "debiased", "spiral-arm-count_cant-tell_debiased"),
        ("GZ_DECALS_1_2", "fraction", "bulge-size_obvious_fraction"),
        ("GZ_HUBBLE", "weighted_fraction", "t16_clumps_count_a05_more_than_4_weighted_fraction"),
        ("GZ_CANDELS", "fraction", "t03_how_many_clumps_a4_5_plus_frac"),
        ("GZ_CANDELS", "weighted_fraction", "t12_spiral_pattern_a0_yes_weighted_frac"),
        ("GZ_UKIDSS", "count", "bulge-shape-ukidss_no-bulge"),
        ("GZ2", "debiased", "t03_bar_a06_bar_debiased"),
    ],
)
def test_columns_are_the_catalogues_own(name: str, kind: str, column: str) -> None:
    assert column in find_tree(name).kind_columns(kind)


@pytest.mark.parametrize("name", sorted(set(tree_names()) - {"GZ2_KAGGLE"}))
def test_counts_and_fractions_of_a_catalogue_are_read_alike(name: str, tmp_path: Path) -> None:
    tree = find_tree(name)
    votes = np.random.default_rng(0).integers(1, 9, (5, len(tree)))
    table = pd.DataFrame(votes, columns=list(tree.kind_columns("count")))
    for columns in tree.slices:
        counted = table.iloc[:, columns]
        table[list(tree.kind_columns("fraction")[columns])] = counted.div(
            counted.sum(axis=1), axis=0
        )
    table.insert(0, "id", [f"J{row}" for row in range(5)])
    table.to_csv(tmp_path / "votes.csv", index=False)
    counts = read_labels(tmp_path / "votes.csv", tree, "count")
    fractions = read_labels(tmp_path / "votes.csv", tree, "fraction")
    np.testing.assert_allclose(counts.cumulative, fractions.cumulative)
    assert counts.counts is not None
    np.testing.assert_array_equal(counts.counts, votes)
    np.testing.assert_array_equal(fractions.counts, votes)
    np.testing.assert_allclose(counts.cumulative[:, tree.slices[0]].sum(1), 1)


def test_cumulative_probabilities_may_be_named_as_a_catalogue_names_its_counts(
    tmp_path: Path,
) -> None:
    tree = find_tree("GZ_DECALS_5")
    conditional = np.concatenate([np.full(len(q), 1 / len(q)) for q in tree.questions])
    values = multiply_down(tree, conditional[None])
    table = pd.DataFrame(values, columns=list(tree.columns))
    table.insert(0, "id", ["J1"])
    table.to_csv(tmp_path / "cumulative.csv", index=False)
    labels = read_labels(tmp_path / "cumulative.csv", tree)
    np.testing.assert_allclose(labels.cumulative, values)
    assert labels.counts is None


@pytest.mark.parametrize("nothing", ["null", "~", "", "[]"])
def test_nothing_leads_to_a_question_that_everyone_is_asked(nothing: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN.replace("asked_after: disk", f"asked_after: {nothing}"))
    assert DecisionTree.from_file(tmp_path / "own.yaml").parents == ((), ())
