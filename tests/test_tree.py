"""The decision tree: what is refused, what is derived, and what Galaxy Zoo 2 asked."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import questionnaires, trees

import gz2tree
from gz2tree.config.choices import Kind
from gz2tree.errors import InputError
from gz2tree.questions import Answer, Question, TreeError
from gz2tree.tree import DecisionTree
from gz2tree.treechecks import KINDS
from gz2tree.trees import GZ2, GZ2_KAGGLE, TREES

ROOT = Question("shape", ["smooth", "disk", "star"])


def declare(*questions: Question) -> DecisionTree:
    return DecisionTree("toy", questions)


# what is refused


def deep(*last_parents: str) -> list[Question]:
    """Two branches, three questions deep, and one question after an answer of each."""
    return [
        ROOT,
        Question("edge", ["edge_on", "face_on"], ["disk"]),
        Question("arms", ["spiral", "no_arms"], ["face_on"]),
        Question("bar", ["barred", "unbarred"], ["face_on"]),
        Question("winding", ["tight", "loose"], ["spiral"]),
        Question("round", ["round", "cigar"], ["smooth"]),
        Question("odd", ["odd", "normal"]),
        Question("last", ["yes", "no"], last_parents),
    ]


REFUSED: dict[str, tuple[list[Question], str]] = {
    "unknown parent": (
        [ROOT, Question("bar", ["barred"], ["dsk"])],
        "question 'bar' is asked after 'dsk', which is no answer of this tree",
    ),
    "a question for a parent": (
        [ROOT, Question("bar", ["barred"], ["shape"])],
        "question 'bar' is asked after 'shape', which is no answer",
    ),
    "question before its parent": (
        [Question("bar", ["barred"], ["disk"]), ROOT],
        "question 'bar' is asked after 'disk' of question 'shape', which must be declared before",
    ),
    "question after itself": (
        [Question("bar", ["barred", "unbarred"], ["barred"])],
        "question 'bar' is asked after its own answer",
    ),
    "cycle": (
        [Question("one", ["a"], ["b"]), Question("two", ["b"], ["a"])],
        "cycle: one -> two -> one",
    ),
    "long cycle": (
        [
            ROOT,
            Question("one", ["a"], ["c"]),
            Question("two", ["b"], ["a"]),
            Question("three", ["c"], ["disk", "b"]),
        ],
        "cycle: one -> two -> three -> one",
    ),
    "declared too late": (
        [Question("one", ["a"], ["b"]), Question("two", ["b"])],
        "question 'one' is asked after 'b' of question 'two', which must be declared before it",
    ),
    "a question for an answer": (
        [ROOT, Question("bar", ["barred"], ["shape"])],
        "'shape' is a question: name the answer of it that leads here, of smooth, disk, star",
    ),
    "a label for an answer": (
        [Question("any", [Answer("feature", "yes"), "nothing"]), Question("b", ["c"], ["yes"])],
        "'yes' is the label of 'feature'",
    ),
    "duplicate answer": (
        [ROOT, Question("odd", ["ring", "disk"])],
        "duplicate answer 'disk': in question 'odd' and already in 'shape'; names are unique in a "
        "tree: call it odd_disk and give it label: 'disk'",
    ),
    "duplicate answer in one question": (
        [Question("odd", ["ring", "lens", "ring"])],
        "question 'odd' has the answer 'ring' twice",
    ),
    "duplicate question": (
        [ROOT, Question("odd", ["ring"]), Question("odd", ["lens"])],
        "question 'odd' is declared twice",
    ),
    "the very same question twice": ([ROOT, ROOT], "question 'shape' is declared twice"),
    "same parent twice": (
        [ROOT, Question("bar", ["barred"], ["disk", "smooth", "disk"])],
        "question 'bar' names parent 'disk' twice",
    ),
    "shared column": (
        [Question("a", ["b_c"]), Question("a_b", ["c"])],
        "two answers would share the column 'a_b_c'",
    ),
    "empty tree": ([], "tree 'toy' has no questions"),
    "parents of two roots": (
        [ROOT, Question("odd", ["ring", "lens"]), Question("last", ["a"], ["smooth", "ring"])],
        "question 'last' is asked after 'smooth' and 'ring', which can both be given",
    ),
    "parent and its descendant": (
        deep("tight", "disk"),
        "question 'last' is asked after 'tight' and 'disk', which can both",
    ),
    "parents side by side": (
        deep("barred", "spiral"),
        "question 'last' is asked after 'barred' and 'spiral', which can both",
    ),
    "parents deep in branches side by side": (
        deep("smooth", "tight", "edge_on", "unbarred"),
        "question 'last' is asked after 'tight' and 'unbarred', which can both",
    ),
    "one parent asked of everyone": (
        deep("odd", "tight"),
        "question 'last' is asked after 'odd' and 'tight', which can both",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_tree_is_refused_by_name(name: str) -> None:
    questions, message = REFUSED[name]
    with pytest.raises(TreeError, match=message):
        declare(*questions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bar", []), "question 'bar' has no answers"),
        (("bar", "yes"), "question 'bar': answers is a sequence, found the text 'yes'"),
        (("", ["a"]), "question name: expected letters.* found ''"),
        (("2nd", ["a"]), "question name: .* found '2nd'"),
        (("bar?", ["a"]), r"question name: .* found 'bar\?'"),
        (("bar\n", ["a"]), r"question name: .* found 'bar\\n'"),
        ((3, ["a"]), "question name: .* found 3"),
        (("bar", ["a b"]), "answer name: .* found 'a b'"),
        (("bar", ["a", 1]), "answer name: .* found 1"),
        (
            ("n", ["one", "4+"]),
            r"question 'n': answer name: .* found '4\+'; .*: \{name: answer_4, label: \"4\+\"\}",
        ),
        (("bar", ["naïve"]), "answer name: .* found 'naïve'"),
        (("bar", ["Class1.1"]), "answer name: .* found 'Class1.1'"),
    ],
)
def test_malformed_question_is_refused_by_name(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TreeError, match=message):
        Question(*arguments)


def test_unknown_naming_is_refused() -> None:
    with pytest.raises(TreeError, match="naming is 'catalogue' or 'kaggle', found 'fits'"):
        DecisionTree("toy", [ROOT], naming="fits")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 5}, "^tree: name: expected text, found 5"),
        ({"source": 5}, "^tree: source: expected text, found 5"),
        ({"kinds": {5: "_x"}}, "^tree: kinds: kind: expected text, found 5"),
        ({"kinds": {"count": 5}}, "^tree: kinds: ending of 'count': expected text, found 5"),
    ],
)
def test_what_is_no_text_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TreeError, match=message):
        DecisionTree(**{"name": "t", "questions": [Question("q", ["a", "b"])], **fields})


# several parents


@pytest.mark.parametrize(
    "parents",
    [
        ("smooth", "disk"),
        ("smooth", "disk", "star"),
        ("smooth", "edge_on", "tight"),
        ("tight", "loose"),
        ("tight", "no_arms", "edge_on", "round"),
        ("cigar", "tight"),
        ("star", "barred", "cigar"),
    ],
)
def test_parents_that_exclude_each_other_are_allowed(parents: tuple[str, ...]) -> None:
    tree = declare(*deep(*parents))
    assert tuple(tree.answers[p].name for p in tree.parents[-1]) == parents


def test_exclusion_passes_through_a_question_of_several_parents() -> None:
    joined = Question("joined", ["a", "b"], ["smooth", "disk"])
    assert declare(ROOT, joined, Question("last", ["c"], ["star", "a"]))
    with pytest.raises(TreeError, match="'last' is asked after 'disk' and 'a', which can both"):
        declare(ROOT, joined, Question("last", ["c"], ["disk", "a"]))


def walks(questions: list[Question]) -> list[set[str]]:
    """All sets of answers that one galaxy can get."""
    found: list[set[str]] = [set()]
    for question in questions:
        asked = [w for w in found if not question.asked_after or w & set(question.asked_after)]
        found = [w for w in found if w not in asked]
        found += [walk | {answer.name} for walk in asked for answer in question.answers]
    return found


@given(questionnaires())
@settings(max_examples=500, deadline=None)
def test_exclusivity_agrees_with_all_possible_walks(questions: list[Question]) -> None:
    possible = walks(questions)
    for question in questions:
        for pair in combinations(question.asked_after, 2):
            if any(walk.issuperset(pair) for walk in possible):
                message = f"question {question.name!r} is asked after {pair[0]!r} and {pair[1]!r},"
                with pytest.raises(TreeError, match=message):
                    declare(*questions)
                return
    assert declare(*questions).questions == tuple(questions)


# what is derived


@given(trees())
@settings(max_examples=200, deadline=None)
def test_derived_positions_belong_to_their_names(tree: DecisionTree) -> None:
    answers = [answer for question in tree.questions for answer in question.answers]
    assert list(tree.answers) == answers
    assert len(tree) == len(answers) == len(tree.columns) == len(set(tree.columns))
    for number, question in enumerate(tree.questions):
        assert tree.answers[tree.slices[number]] == question.answers
        assert tuple(tree.answers[p].name for p in tree.parents[number]) == question.asked_after
        assert all(tree.question_of[tree.answers.index(a)] == number for a in question.answers)


@given(trees())
@settings(max_examples=200, deadline=None)
def test_levels_are_the_longest_ways_to_each_question(tree: DecisionTree) -> None:
    asks = {answer.name: question for question in tree.questions for answer in question.answers}

    def depth(question: Question) -> int:
        return max((1 + depth(asks[parent]) for parent in question.asked_after), default=0)

    found = {q: level for level, questions in enumerate(tree.levels) for q in questions}
    assert found == {number: depth(question) for number, question in enumerate(tree.questions)}


@given(tree=trees(), naming=st.sampled_from(["catalogue", "kaggle"]))
@settings(max_examples=100, deadline=None)
def test_declaration_survives_json(tree: DecisionTree, naming: Any) -> None:
    tree = DecisionTree(tree.name, tree.questions, naming)
    again = DecisionTree.from_dict(json.loads(json.dumps(tree.to_dict())))
    assert again == tree
    assert hash(again) == hash(tree)
    assert again.questions == tree.questions
    assert again.columns == tree.columns


@pytest.mark.parametrize("tree", TREES.values(), ids=str)
@pytest.mark.parametrize(
    "duplicate",
    [
        lambda tree: DecisionTree.from_dict(json.loads(json.dumps(tree.to_dict()))),
        copy.deepcopy,
        lambda tree: pickle.loads(pickle.dumps(tree)),
    ],
    ids=["json", "deepcopy", "pickle"],
)
def test_copies_are_equal(tree: DecisionTree, duplicate: Any) -> None:
    again = duplicate(tree)
    assert again == tree
    assert hash(again) == hash(tree)
    assert str(again) == str(tree)
    assert again.columns == tree.columns


@pytest.mark.parametrize(
    "other",
    [
        DecisionTree("other", [ROOT]),
        DecisionTree("toy", [ROOT], naming="kaggle"),
        declare(Question("shape", ["smooth", "star", "disk"])),
        declare(Question("shape", ["smooth", "disk", Answer("star", "a star")])),
        declare(ROOT, Question("odd", ["ring"])),
        "toy",
    ],
)
def test_different_trees_are_not_equal(other: object) -> None:
    assert declare(ROOT) != other


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({}, "the declaration: expected the field 'name', found none"),
        ({"name": "toy"}, "the declaration: expected the field 'questions', found none"),
        (
            {"name": "toy", "questions": [{"name": "bar"}]},
            "question 'bar': expected the field 'answers', found none",
        ),
        ({"name": "toy", "questions": 3}, "questions: expected a list, found 3"),
        ([], "the declaration: expected the fields name, .*, found \\[\\]"),
        ({"name": "toy", "questions": [], "kind": {}}, "unknown field kind; did you mean kinds?"),
        (
            {"name": "toy", "questions": [{"name": "bar", "answers": []}]},
            "question 'bar' has no answers",
        ),
        (
            {"name": "toy", "questions": [{"name": "b", "answers": ["a"], "label": None}]},
            "question 'b': label: expected text, found None",
        ),
        ({"name": "toy", "questions": []}, "tree 'toy' has no questions"),
    ],
)
def test_malformed_declaration_is_refused(declaration: Any, message: str) -> None:
    with pytest.raises(TreeError, match=message):
        DecisionTree.from_dict(declaration)


def test_a_declaration_may_be_short() -> None:
    short = [{"name": "shape", "answers": ["smooth", "disk"]},
             {"name": "bar", "answers": ["barred"], "asked_after": "disk"}]  # fmt: skip
    tree = DecisionTree.from_dict({"name": "toy", "questions": short})
    bar = Question("bar", ["barred"], ["disk"])
    assert tree == declare(Question("shape", ["smooth", "disk"]), bar)


def test_labels_default_to_readable_names() -> None:
    question = Question("t07_how_rounded", ["a17_in_between", Answer("x", "wording")])
    assert question.label == "how rounded?"
    assert [answer.label for answer in question.answers] == ["in between", "wording"]
    assert Question("t07_rounded", ["a"], label="How rounded?").label == "How rounded?"


def test_answer_is_found_by_any_of_its_names() -> None:
    for tree in TREES.values():
        for position, answer in enumerate(tree.answers):
            for names in (tree.catalogue_columns, tree.kaggle_columns):
                assert tree.answer_position(names[position]) == position
            assert tree.answer_position(answer.name) == position
    with pytest.raises(KeyError, match="tree 'GZ2' has no answer called 'Class7"):
        GZ2.answer_position("Class7.9")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("merger", "a24_merger"),
        ("Merger", "a24_merger"),
        ("cigar shaped", "a18_cigar_shaped"),
        ("can't tell", "a37_cant_tell"),
        ("a14_yes", "a14_yes"),
        ("t02_edgeon_a04_yes", "a04_yes"),
        ("Class11.5", "a36_more_than_4"),
        ("3", "a33_3"),
    ],
)
def test_answer_is_found_as_people_name_it(name: str, expected: str) -> None:
    for tree in TREES.values():
        assert tree.answers[tree.find_answer(name)].name == expected


def test_ambiguous_answer_is_refused_with_its_candidates() -> None:
    with pytest.raises(InputError, match="expected one answer, found 2") as caught:
        GZ2_KAGGLE.find_answer("Yes")
    said = str(caught.value)
    assert "Class2.1 = a04_yes (Edge-on disk?), Class6.1 = a14_yes (Anything odd?)" in said


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("mergr", "merger"), ("Class8.9", "Class8."), ("a19_rings", "a19_ring"), ("smoth", "smooth")],
)
def test_unknown_answer_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"did you mean .*{nearest}"):
        GZ2_KAGGLE.find_answer(name)


@pytest.mark.parametrize("name", ["", "?", "qqqqqq"])
def test_answer_like_none_is_refused_without_a_hint(name: str) -> None:
    with pytest.raises(InputError, match=r"has no such answer\Z"):
        GZ2.find_answer(name)


@given(trees())
def test_short_names_are_columns_and_lead_back(tree: DecisionTree) -> None:
    for declared in (tree, *TREES.values()):
        names = [declared.short_name(position) for position in range(len(declared))]
        assert len(set(names)) == len(names)
        assert [declared.find_answer(name) for name in names] == list(range(len(declared)))
        assert all(name.isidentifier() and name.isascii() for name in names)


def test_label_that_makes_no_name_gives_way_to_the_column() -> None:
    tree = DecisionTree("toy", [Question("q", [Answer("a", "größer"), Answer("b", "4")])])
    assert [tree.short_name(n) for n in range(2)] == ["q_a", "q_b"]
    assert tree.find_answer("Größer") == 0


# the drawing


@given(trees())
@settings(max_examples=100, deadline=None)
def test_every_question_and_answer_is_drawn_once(tree: DecisionTree) -> None:
    title, *lines = str(tree).splitlines()
    assert title == f"random: {len(tree.questions)} questions, {len(tree)} answers"
    assert len(lines) == len(tree.questions) + len(tree)
    for number, question in enumerate(tree.questions, 1):
        assert sum(f"{number}. {question.label}" in line for line in lines) == 1
    for answer, column in zip(tree.answers, tree.columns, strict=True):
        assert sum(line.endswith(f"─ {answer.label}  [{column}]") for line in lines) == 1


def test_drawing_hangs_questions_below_their_answers() -> None:
    tree = declare(
        ROOT,
        Question("edge", ["edge_on", "face_on"], ["disk"]),
        Question("odd", ["ring"], ["smooth", "disk"]),
        Question("last", ["end"], ["face_on"]),
    )
    assert str(tree) == (
        "toy: 4 questions, 7 answers\n"
        "1. shape?  asked of everyone\n"
        "   ├─ smooth  [shape_smooth]\n"
        "   │  3. odd? (also after: disk)\n"
        "   │     └─ ring  [odd_ring]\n"
        "   ├─ disk  [shape_disk]\n"
        "   │  2. edge?\n"
        "   │     ├─ edge on  [edge_edge_on]\n"
        "   │     └─ face on  [edge_face_on]\n"
        "   │        4. last?\n"
        "   │           └─ end  [last_end]\n"
        "   └─ star  [shape_star]"
    )


def test_print_shows_every_question_and_answer_of_gz2(capsys: pytest.CaptureFixture[str]) -> None:
    print(GZ2)
    drawing = capsys.readouterr().out
    for question in GZ2.questions:
        assert question.label in drawing
    for answer, column in zip(GZ2.answers, GZ2.columns, strict=True):
        assert f"{answer.label}  [{column}]" in drawing
    assert "6. Anything odd? (also after: features or disk)" in drawing


# Galaxy Zoo 2: Willett et al. 2013, MNRAS 435, 2835, Table 2: task, answers, task that comes next
TABLE_2 = """
01 smooth 07 | features_or_disk 02 | star_or_artifact end
02 yes 09 | no 03
03 bar 04 | no_bar 04
04 spiral 10 | no_spiral 05
05 no_bulge 06 | just_noticeable 06 | obvious 06 | dominant 06
06 yes 08 | no end
07 completely_round 06 | in_between 06 | cigar_shaped 06
08 ring end | lens_or_arc end | disturbed end | irregular end | other end | merger end | dust_lane end
09 rounded 06 | boxy 06 | no_bulge 06
10 tight 11 | medium 11 | loose 11
11 1 05 | 2 05 | 3 05 | 4 05 | more_than_4 05 | cant_tell 05
"""  # noqa: E501
NEXT_TASK = {
    line[:2]: dict(answer.split() for answer in line[3:].split(" | "))
    for line in TABLE_2.strip().splitlines()
}


def table_2_walks(task: str = "01") -> list[dict[str, str]]:
    """All ways through Table 2, each the answer given to every task on it."""
    if task == "end":
        return [{}]
    return [
        {task: answer, **rest}
        for answer, following in NEXT_TASK[task].items()
        for rest in table_2_walks(following)
    ]


def task_and_answer(column: str) -> tuple[str, str]:
    """``t01_smooth_or_features_a01_smooth`` -> ``01``, ``smooth``."""
    return column[1:3], GZ2.answers[GZ2.columns.index(column)].name[4:]


def test_gz2_has_the_published_questions_and_answers() -> None:
    assert len(GZ2.questions) == 11
    assert len(GZ2) == 37
    assert [len(question) for question in GZ2.questions] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    published = [(task, answer) for task, answers in NEXT_TASK.items() for answer in answers]
    assert [task_and_answer(column) for column in GZ2.columns] == published


def test_gz2_asks_what_the_published_flow_asks() -> None:
    """A task is asked exactly on the ways through Table 2 that hold one of its parents."""
    ways = table_2_walks()
    assert len(ways) == 3 * 8 + 3 * 8 + 2 * (3 * 6 + 1) * 4 * 8 + 1
    for number, question in enumerate(GZ2.questions):
        task = f"{number + 1:02}"
        parents = [task_and_answer(GZ2.columns[p]) for p in GZ2.parents[number]]
        for way in ways:
            asked = not parents or any(way.get(task) == answer for task, answer in parents)
            assert asked == (task in way), (question.name, way)


def test_gz2_parents() -> None:
    parents = {q.name[:3]: tuple(a[:3] for a in q.asked_after) for q in GZ2.questions}
    assert parents == {
        "t01": (),
        "t02": ("a02",),
        "t03": ("a05",),
        "t04": ("a05",),
        "t05": ("a05",),
        "t06": ("a01", "a02"),
        "t07": ("a01",),
        "t08": ("a14",),
        "t09": ("a04",),
        "t10": ("a08",),
        "t11": ("a08",),
    }


def test_kaggle_tree_differs_in_question_6_only() -> None:
    ours, theirs = GZ2.to_dict(), GZ2_KAGGLE.to_dict()
    assert theirs["questions"][5].pop("asked_after") == []
    assert ours["questions"][5].pop("asked_after") == ["a01_smooth", "a02_features_or_disk"]
    assert ours["questions"] == theirs["questions"]
    assert (GZ2.naming, GZ2_KAGGLE.naming) == ("catalogue", "kaggle")


def test_catalogue_columns_keep_the_catalogues_irregular_numbers() -> None:
    numbers = [int(answer.name[1:3]) for answer in GZ2.answers]
    assert numbers == [*range(1, 25), 38, *range(25, 35), 36, 37]
    assert GZ2.columns == GZ2_KAGGLE.catalogue_columns
    assert set(GZ2.columns) >= {
        "t01_smooth_or_features_a02_features_or_disk",
        "t02_edgeon_a04_yes",
        "t05_bulge_prominence_a11_just_noticeable",
        "t08_odd_feature_a38_dust_lane",
        "t11_arms_number_a34_4",
        "t11_arms_number_a36_more_than_4",
        "t11_arms_number_a37_cant_tell",
    }


def test_kaggle_columns_count_answers_in_the_same_order() -> None:
    assert GZ2_KAGGLE.columns == GZ2.kaggle_columns
    of_catalogue = dict(zip(GZ2_KAGGLE.columns, GZ2.columns, strict=True))
    assert of_catalogue["Class1.1"] == "t01_smooth_or_features_a01_smooth"
    assert of_catalogue["Class8.7"] == "t08_odd_feature_a38_dust_lane"
    assert of_catalogue["Class9.1"] == "t09_bulge_shape_a25_rounded"
    assert of_catalogue["Class11.5"] == "t11_arms_number_a36_more_than_4"
    assert of_catalogue["Class11.6"] == "t11_arms_number_a37_cant_tell"


def test_catalogue_columns_are_those_of_the_published_table(shared: Path) -> None:
    table = shared / "data" / "gz2_willett13_stripe82" / "table5.csv.gz"
    header = pd.read_csv(table, nrows=0).columns
    for kind in ("count", "weight", "fraction", "weighted_fraction", "debiased", "flag"):
        published = [name for name in header if name in {f"{c}_{kind}" for c in GZ2.columns}]
        assert published == [f"{column}_{kind}" for column in GZ2.columns]
    kinds = "count|weight|fraction|weighted_fraction|debiased|flag"
    answers = header[header.str.fullmatch(rf"t\d\d_.*_a\d\d_.*_({kinds})")]
    assert len(answers) == 6 * len(GZ2)


def test_kaggle_columns_are_those_of_the_official_table(shared: Path) -> None:
    table = shared / "data" / "kaggle_gz2" / "five_full_rows.csv"
    header = pd.read_csv(table, nrows=0).columns
    assert tuple(header) == (GZ2_KAGGLE.id_column, *GZ2_KAGGLE.columns)


def test_columns_of_questions_and_ids_follow_the_naming() -> None:
    assert GZ2_KAGGLE.question_columns == tuple(f"Class{n}" for n in range(1, 12))
    assert GZ2.question_columns == tuple(question.name for question in GZ2.questions)
    assert (GZ2_KAGGLE.id_column, GZ2.id_column) == ("GalaxyID", "id")


def test_a_parent_that_is_no_text_is_refused() -> None:
    with pytest.raises(TreeError, match=r"^question 'r': asked_after: expected text, found 5"):
        Question("r", ["a", "b"], asked_after=[5])  # type: ignore[list-item]


def test_short_names_are_unique_names() -> None:
    names = [GZ2_KAGGLE.short_name(position) for position in range(len(GZ2_KAGGLE))]
    assert len(set(names)) == len(names)
    assert GZ2_KAGGLE.short_name(GZ2_KAGGLE.find_answer("merger")) == "merger"
    edge_on = GZ2_KAGGLE.columns.index("Class2.1")  # "yes", as is another answer
    assert GZ2_KAGGLE.short_name(edge_on) == "t02_edgeon_a04_yes"


# what is said of two trees, and of a deep one


def changed(**of_tree: Any) -> DecisionTree:
    """The tree of `SHAPES`, but for some of it."""
    arguments: dict[str, Any] = {"name": "toy", "questions": SHAPES}
    return DecisionTree(**arguments | of_tree)


BAR = Question("bar", ["barred", "unbarred"], ["disk"])
SHAPES = [Question("shape", ["smooth", "disk"]), BAR]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (changed(), ""),
        (changed(source="elsewhere"), ""),
        (changed(name="other"), "toy and other"),
        (changed(questions=SHAPES[:1]), "2 and 1 questions"),
        (changed(questions=[SHAPES[0], Question("b", ["c"])]), "question 2: 'bar' and 'b'"),
        (
            changed(questions=[SHAPES[0], Question("bar", ["barred", "none"], ["disk"])]),
            "question 'bar': answer 2: 'unbarred' and 'none'",
        ),
        (
            changed(questions=[SHAPES[0], Question("bar", ["barred"], ["disk"])]),
            "question 'bar': 2 and 1 answers",
        ),
        (
            changed(questions=[SHAPES[0], Question("bar", ["barred", "unbarred"])]),
            "question 'bar': asked after disk and after nothing",
        ),
        (
            changed(questions=[SHAPES[0], Question("bar", BAR.answers, ["disk"], "Barred?")]),
            "question 'bar': label: 'bar?' and 'Barred?'",
        ),
        (
            changed(questions=[Question("shape", ["smooth", Answer("disk", "a disk")]), BAR]),
            "answer 'disk': label: 'disk' and 'a disk'",
        ),
        (
            changed(questions=[Question("shape", ["smooth", Answer("disk", "", "d")]), BAR]),
            "answer 'disk': column: '' and 'd'",
        ),
        (changed(naming="kaggle"), "naming: 'catalogue' and 'kaggle'"),
        (changed(kinds={"count": ""}), "kinds: {} and {'count': ''}"),
    ],
)
def test_it_is_said_in_what_two_trees_differ(other: DecisionTree, difference: str) -> None:
    assert changed().difference(other) == difference
    assert (changed() == other) is (difference == "")
    assert bool(other.difference(changed())) is (difference != "")


def test_a_tree_may_be_deeper_than_functions_may_call_each_other() -> None:
    chain = [Question("q0", ["yes0", "no0"])]
    chain += [Question(f"q{n}", [f"yes{n}", f"no{n}"], [f"yes{n - 1}"]) for n in range(1, 1500)]
    chain += [Question("last", ["yes", "no"], ["no1499", "no0"])]
    lines = str(DecisionTree("chain", chain)).splitlines()
    assert len(lines) == 1 + 1501 * 3
    assert lines[-1] == "   └─ no0  [q0_no0]"
    assert sum("last?" in line for line in lines) == 1
    with pytest.raises(TreeError, match="'last' is asked after 'no1499' and 'yes0', which can"):
        DecisionTree("chain", [*chain[:-1], Question("last", ["yes"], ["no1499", "yes0"])])


def test_a_parent_may_be_plain_text() -> None:
    assert Question("bar", ["a"], "disk") == Question("bar", ["a"], ["disk"])


@pytest.mark.parametrize("questions", [Question("bar", ["a"]), [{"name": "bar"}], "bar"])
def test_what_are_no_questions_is_refused(questions: Any) -> None:
    with pytest.raises(TreeError, match=r"tree 'own': expected a list of Question, found"):
        DecisionTree("own", questions)


def test_kinds_are_those_that_can_be_asked_for() -> None:
    assert get_args(Kind) == KINDS
    with pytest.raises(TreeError, match=r"kinds: .*found 'cuont'; did you mean count\?"):
        DecisionTree("own", [ROOT], kinds={"cuont": "_votes"})


@pytest.mark.parametrize("column", ["No. of shells: 2+", "T0 = yes", "2", "größer"])
def test_a_column_may_be_any_text_in_one_line(column: str) -> None:
    tree = DecisionTree("own", [Question("shells", [Answer("two", column=column)])])
    assert tree.columns == (column,)


@pytest.mark.parametrize("column", [" ", "a\nb", "a\x00"])
def test_a_column_is_no_more_than_a_line(column: str) -> None:
    with pytest.raises(TreeError, match="answer 'two': column: expected text in one line"):
        Answer("two", column=column)


def test_a_name_is_no_tree() -> None:
    with pytest.raises(TreeError, match=r"found 'own\.yaml'; gz2tree\.find_tree finds one"):
        gz2tree.read_labels(pd.DataFrame(), "own.yaml")  # type: ignore[arg-type]
    with pytest.raises(TreeError, match=r"found 'own\.yaml'; gz2tree\.find_tree finds one"):
        gz2tree.GalaxyTreeNet("resnet10t", "own.yaml", pretrained=False)  # type: ignore[arg-type]
