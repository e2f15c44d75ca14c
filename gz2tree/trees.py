"""The decision trees of Galaxy Zoo 2, declared.

Source: Willett et al. 2013, MNRAS 435, 2835, Table 2 and Figure 1. Answers carry the catalogue's
own numbers: there is no a35, and dust lane (a38) was added to question 8 after a37 was taken.
"""

from __future__ import annotations

from dataclasses import replace

from gz2tree.questions import Answer, Question
from gz2tree.tree import DecisionTree

_QUESTIONS = (
    Question(
        "t01_smooth_or_features",
        ("a01_smooth", "a02_features_or_disk", "a03_star_or_artifact"),
        label="Smooth, or features/disk?",
    ),
    Question(
        "t02_edgeon",
        ("a04_yes", "a05_no"),
        asked_after=("a02_features_or_disk",),
        label="Edge-on disk?",
    ),
    Question("t03_bar", ("a06_bar", "a07_no_bar"), asked_after=("a05_no",), label="Bar feature?"),
    Question(
        "t04_spiral",
        ("a08_spiral", "a09_no_spiral"),
        asked_after=("a05_no",),
        label="Spiral arms?",
    ),
    Question(
        "t05_bulge_prominence",
        ("a10_no_bulge", "a11_just_noticeable", "a12_obvious", "a13_dominant"),
        asked_after=("a05_no",),
        label="Prominence of the bulge?",
    ),
    Question(
        "t06_odd",
        ("a14_yes", "a15_no"),
        asked_after=("a01_smooth", "a02_features_or_disk"),
        label="Anything odd?",
    ),
    Question(
        "t07_rounded",
        ("a16_completely_round", "a17_in_between", Answer("a18_cigar_shaped", "cigar-shaped")),
        asked_after=("a01_smooth",),
        label="How rounded?",
    ),
    Question(
        "t08_odd_feature",
        (
            "a19_ring",
            "a20_lens_or_arc",
            "a21_disturbed",
            "a22_irregular",
            "a23_other",
            "a24_merger",
            "a38_dust_lane",
        ),
        asked_after=("a14_yes",),
        label="Which odd feature?",
    ),
    Question(
        "t09_bulge_shape",
        ("a25_rounded", "a26_boxy", "a27_no_bulge"),
        asked_after=("a04_yes",),
        label="Shape of the edge-on bulge?",
    ),
    Question(
        "t10_arms_winding",
        ("a28_tight", "a29_medium", "a30_loose"),
        asked_after=("a08_spiral",),
        label="How tightly wound are the arms?",
    ),
    Question(
        "t11_arms_number",
        (
            "a31_1",
            "a32_2",
            "a33_3",
            "a34_4",
            "a36_more_than_4",
            Answer("a37_cant_tell", "can't tell"),
        ),
        asked_after=("a08_spiral",),
        label="How many spiral arms?",
    ),
)

GZ2 = DecisionTree("GZ2", _QUESTIONS)
"""Galaxy Zoo 2 as volunteers met it (Willett et al. 2013)."""

GZ2_KAGGLE = DecisionTree(
    "GZ2_KAGGLE",
    [replace(q, asked_after=()) if q.name == "t06_odd" else q for q in _QUESTIONS],
    naming="kaggle",
)
"""Galaxy Zoo 2 as Kaggle's Galaxy Challenge tabulates it: "anything odd?" is asked of everyone."""

TREES = {tree.name: tree for tree in (GZ2, GZ2_KAGGLE)}
