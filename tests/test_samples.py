"""Clean samples and class strings, against the published catalogues where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gz2tree import GZ2, GZ2_KAGGLE, DecisionTree, Question, read_labels
from gz2tree.cli import main
from gz2tree.commands.selecting import read_preceding
from gz2tree.errors import InputError
from gz2tree.science.classstrings import class_strings
from gz2tree.science.samples import SAMPLES, WELL_SAMPLED, Cuts, answers_before, funnel, select
from gz2tree.tables.files import write_table

FRACTIONS = hnp.arrays(np.float64, (5, len(GZ2)), elements=st.floats(0, 1))


def galaxy(**answers: float) -> np.ndarray:
    """Fractions of one galaxy; the answers not named are 0. Shape (1, n_answers)."""
    row = np.zeros((1, len(GZ2)))
    for name, value in answers.items():
        row[0, GZ2.answer_position(name)] = value
    return row


BARRED = {"a02_features_or_disk": 0.9, "a05_no": 0.9, "a06_bar": 0.85}


class TestSelect:
    def test_takes_a_galaxy_that_passes_all_cuts(self) -> None:
        assert select(galaxy(**BARRED), GZ2, "barred").all()

    @pytest.mark.parametrize(
        ("name", "value"), [("a02_features_or_disk", 0.42), ("a05_no", 0.71), ("a06_bar", 0.79)]
    )
    def test_leaves_out_a_galaxy_that_fails_one(self, name: str, value: float) -> None:
        assert not select(galaxy(**BARRED | {name: value}), GZ2, "barred").any()

    def test_counts_the_votes_of_its_own_question(self) -> None:
        votes = np.full((1, len(GZ2.questions)), 40)
        assert select(galaxy(**BARRED), GZ2, "barred", votes=votes).all()
        votes[0, 2] = 19
        assert not select(galaxy(**BARRED), GZ2, "barred", votes=votes).any()
        assert select(galaxy(**BARRED), GZ2, "barred", Cuts(votes=19), votes=votes).all()

    def test_leaves_out_what_was_not_asked(self) -> None:
        fractions = np.concatenate([galaxy(**BARRED), galaxy(**BARRED)])
        fractions[1, GZ2.answer_position("a06_bar")] = np.nan
        assert select(fractions, GZ2, "barred").tolist() == [True, False]

    def test_refuses_a_sample_of_an_answer_that_is_not_measured(self) -> None:
        fractions = galaxy(**BARRED)
        fractions[:, GZ2.answer_position("a06_bar")] = np.nan
        with pytest.raises(InputError, match=r"'barred': expected fractions of t03_bar_a06_bar"):
            select(fractions, GZ2, "barred")

    def test_refuses_an_unknown_sample_and_names_the_nearest(self) -> None:
        with pytest.raises(InputError, match="did you mean spiral"):
            select(galaxy(**BARRED), GZ2, "spirral")

    @given(FRACTIONS, st.sampled_from(sorted(SAMPLES)))
    def test_of_both_trees_of_galaxy_zoo_2_is_one(self, fractions: np.ndarray, name: str) -> None:
        expected = select(fractions, GZ2, name)
        assert (select(fractions, GZ2_KAGGLE, name) == expected).all()

    @given(FRACTIONS, st.sampled_from(sorted(SAMPLES)), st.floats(0.01, 1), st.floats(0, 0.5))
    def test_is_smaller_the_stricter_the_cut(
        self, fractions: np.ndarray, name: str, low: float, more: float
    ) -> None:
        loose = select(fractions, GZ2, name, Cuts(low))
        strict = select(fractions, GZ2, name, Cuts(min(1.0, low + more)))
        assert (loose | ~strict).all()

    @given(FRACTIONS, st.sampled_from(sorted(SAMPLES)))
    def test_the_last_step_of_the_funnel_leaves_the_sample(
        self, fractions: np.ndarray, name: str
    ) -> None:
        votes = np.full((5, len(GZ2.questions)), [[10], [20], [30], [40], [50]])
        steps = funnel(fractions, GZ2, name, votes=votes)
        assert steps[-1].n == select(fractions, GZ2, name, votes=votes).sum()
        assert [step.n for step in steps] == sorted((step.n for step in steps), reverse=True)

    @pytest.mark.parametrize("cuts", [{"threshold": 0.0}, {"threshold": 1.2}, {"votes": -1}])
    def test_cuts_outside_their_domain_are_refused(self, cuts: dict[str, float]) -> None:
        with pytest.raises(InputError, match="expected"):
            Cuts(**cuts)  # type: ignore[arg-type]


class TestAnswersBefore:
    def test_are_the_way_down_to_the_question(self) -> None:
        winding = GZ2.question_of[GZ2.answer_position("a28_tight")]
        names = [GZ2.answers[position].name for position in answers_before(GZ2, winding)]
        assert names == ["a08_spiral", "a05_no", "a02_features_or_disk"]

    def test_are_none_where_a_galaxy_can_have_come_by_several(self) -> None:
        assert list(answers_before(GZ2, GZ2.question_of[GZ2.answer_position("a14_yes")])) == []

    def test_every_published_cut_is_of_an_answer_that_leads_on(self) -> None:
        leading = {GZ2.answers[position].name for parents in GZ2.parents for position in parents}
        assert set(WELL_SAMPLED) == leading


class TestClassStrings:
    @pytest.mark.parametrize(
        ("answers", "expected"),
        [
            ({"a01_smooth": 0.9, "a17_in_between": 0.6, "a15_no": 1.0}, "Ei"),
            (
                {"a01_smooth": 0.9, "a16_completely_round": 1, "a14_yes": 1, "a24_merger": 1},
                "Er(m)",
            ),
            ({"a03_star_or_artifact": 0.5, "a14_yes": 1, "a19_ring": 1}, "A"),
            ({"a02_features_or_disk": 0.6, "a04_yes": 0.8, "a27_no_bulge": 1}, "Sen"),
            (BARRED | {"a11_just_noticeable": 1, "a09_no_spiral": 1}, "SBc"),
            (
                {"a02_features_or_disk": 1, "a05_no": 1, "a07_no_bar": 1, "a12_obvious": 0.6,
                 "a08_spiral": 1, "a37_cant_tell": 0.4, "a36_more_than_4": 0.5, "a30_loose": 1},
                "Sb+l",
            ),
        ],
    )  # fmt: skip
    def test_spell_the_most_common_answers(self, answers: dict[str, float], expected: str) -> None:
        assert class_strings(galaxy(**answers)).tolist() == [expected]
        assert class_strings(galaxy(**answers), GZ2_KAGGLE).tolist() == [expected]

    @given(FRACTIONS, st.floats(0.1, 10))
    def test_do_not_depend_on_the_sums_of_questions(
        self, fractions: np.ndarray, factor: float
    ) -> None:
        rounded = fractions.round(3)  # so that the factor makes no ties
        scaled = rounded.copy()
        scaled[:, GZ2.slices[4]] *= factor
        assert (class_strings(scaled) == class_strings(rounded)).all()

    def test_refuse_another_tree(self) -> None:
        other = DecisionTree("toy", [Question("shape", ["round", "long"])])
        with pytest.raises(
            InputError, match="expected the answers of Galaxy Zoo 2, found tree toy"
        ):
            class_strings(np.zeros((1, 2)), other)


def catalogue_values(table: pd.DataFrame, kind: str) -> np.ndarray:
    return table[[f"{stem}_{kind}" for stem in GZ2.catalogue_columns]].to_numpy(float)


def test_class_strings_are_those_of_the_published_catalogue(shared: Path) -> None:
    """All 500; from fractions that are not debiased only half agree."""
    table = pd.read_csv(shared / "data" / "gz2_hart16" / "gz2_hart16_sample.csv")
    assert table["gz2_class"].nunique() == 92
    agree = class_strings(catalogue_values(table, "debiased")) == table["gz2_class"].to_numpy()
    assert agree.all()
    raw = class_strings(catalogue_values(table, "weighted_fraction"))
    assert 0.4 < (raw == table["gz2_class"].to_numpy()).mean() < 0.6


def test_samples_are_the_flags_of_the_published_table(shared: Path) -> None:
    """The flags of Stripe 82: half of the votes on the way, 5 votes, 10 where everyone is asked."""
    table = pd.read_csv(shared / "data" / "gz2_willett13_stripe82" / "table5.csv.gz")
    debiased = catalogue_values(table, "debiased")
    raw, counts = catalogue_values(table, "weighted_fraction"), catalogue_values(table, "count")
    votes = np.stack([counts[:, answers].sum(-1) for answers in GZ2.slices], -1)
    half = dict.fromkeys(WELL_SAMPLED, 0.5)
    everyone = {"t01_smooth_or_features", "t06_odd"}
    lower = {"t02_edgeon", "t03_bar"}
    wrong = missed = 0
    for position, answer in enumerate(GZ2.answers):
        question = GZ2.questions[GZ2.question_of[position]].name
        cuts = Cuts(0.5 if question in lower else 0.8, 10 if question in everyone else 5, half)
        flag = table[f"{GZ2.catalogue_columns[position]}_flag"].to_numpy() == 1
        selected = select(debiased, GZ2, answer.name, cuts, votes=votes, preceding_fractions=raw)
        wrong += int((selected & ~flag).sum())
        missed += int((flag & ~selected).sum())
    cells = len(table) * len(GZ2)
    assert missed == 0
    assert wrong / cells < 1e-4


def as_predicted(catalogue: Path) -> pd.DataFrame:
    """A catalogue of predictions that says just what volunteers voted."""
    labels = read_labels(catalogue, GZ2_KAGGLE)
    predictions = pd.DataFrame(labels.cumulative, columns=list(GZ2_KAGGLE.columns))
    predictions.insert(0, "GalaxyID", labels.ids)
    return predictions


class TestCommands:
    @pytest.fixture
    def catalogue(self, tmp_path: Path) -> Path:
        """Ten votes counts: the first three barred, the third with too few votes; and a note."""
        conditional = np.repeat(galaxy(a01_smooth=0.9, a15_no=1.0, a16_completely_round=1), 10, 0)
        conditional[:3] = galaxy(**BARRED, a11_just_noticeable=1, a09_no_spiral=1, a15_no=1)
        counts = np.full(conditional.shape, 30.0)
        counts[2] = 3.0
        table = pd.DataFrame(conditional, columns=[f"{c}_debiased" for c in GZ2.catalogue_columns])
        table = table.assign(
            dr7objid=[str(587722981742084097 + n) for n in range(10)],
            redshift=np.linspace(0.01, 0.1, 10),
            note=["<b>", *["plain"] * 9],
        )
        columns = dict(zip((f"{c}_count" for c in GZ2.catalogue_columns), counts.T, strict=True))
        pd.concat([table, pd.DataFrame(columns)], axis=1).to_csv(tmp_path / "c.csv", index=False)
        return tmp_path / "c.csv"

    def test_select_keeps_all_columns_of_the_galaxies_it_selects(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = catalogue.parent / "barred.csv"
        assert main(["select", str(catalogue), "--sample", "barred", "--out", str(out)]) == 0
        assert "2 of 10 galaxies are in the sample 'barred'" in capsys.readouterr().out
        before, after = (pd.read_csv(path, dtype={"dr7objid": str}) for path in (catalogue, out))
        pd.testing.assert_frame_equal(after, before.iloc[:2])

    def test_select_takes_cuts_of_ones_own(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cuts = ["--votes", "5", "--preceding", "features or disk=0.95"]
        assert main(["select", str(catalogue), "--sample", "barred", *cuts]) == 0
        assert "0 of 10" in capsys.readouterr().out
        assert main(["select", str(catalogue), "--sample", "barred", "--votes", "5"]) == 0
        assert "3 of 10" in capsys.readouterr().out

    def test_select_says_how_pure_and_complete_predictions_are(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        predictions = as_predicted(catalogue)
        predicted = catalogue.parent / "predictions.parquet"
        predictions.iloc[1:].to_parquet(predicted)
        # The third galaxy is predicted to be barred; too few people voted to say so.
        command = ["select", str(predicted), "--sample", "barred", "--against", str(catalogue)]
        assert main(command) == 0
        said = capsys.readouterr().out
        assert "2 of 9 galaxies" in said
        assert "purity 0.50" in said
        assert "completeness 1.00" in said

    def test_select_says_what_each_cut_leaves(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["select", str(catalogue), "--sample", "barred"]) == 0
        said = capsys.readouterr().out
        assert "features or disk >= 0.43: 3; Edge-on disk? no >= 0.715: 3; bar >= 0.8: 3" in said
        assert "votes on Bar feature? >= 20: 2" in said
        assert "of 7 galaxies 'bar' is not known: 'Bar feature?' is never asked" in said
        assert "not applied" not in said
        assert main(["select", str(catalogue), "--sample", "barred", "--threshold", "0.9"]) == 0
        assert "bar >= 0.9: 0 (largest 0.85; try --threshold)" in capsys.readouterr().out
        assert main(["select", str(catalogue), "--sample", "barred", "--votes", "61"]) == 0
        assert "0 (largest 60; try --votes)" in capsys.readouterr().out

    def test_select_says_which_options_had_no_effect(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        predictions = as_predicted(catalogue)
        predictions.to_csv(catalogue.parent / "p.csv", index=False)
        command = ["select", str(catalogue.parent / "p.csv"), "--sample", "barred"]
        assert main([*command, "--votes", "50", "--preceding-kind", "fraction"]) == 0
        said = capsys.readouterr().out
        assert "3 of 10" in said
        assert "no counts in this table: --votes 50 not applied" in said
        assert "no kinds in this table: --preceding-kind fraction not applied" in said

    def test_predictions_are_not_taken_for_votes(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        predictions = as_predicted(catalogue)
        told, untold = catalogue.parent / "p.parquet", catalogue.parent / "p.csv"
        write_table(predictions, told, {"gate": "0"})
        predictions.to_csv(untold, index=False)
        command = ["select", str(catalogue), "--sample", "barred", "--against"]
        assert main([*command, str(told)]) == 2
        assert "expected votes, found a catalogue of predictions" in capsys.readouterr().err
        assert main([*command, str(untold)]) == 0
        said = capsys.readouterr().out
        assert "p.csv does not say whether it holds votes or predictions" in said
        assert "3 of 10 galaxies are in the sample by the votes" in said

    @pytest.mark.parametrize("name", ["features", "featured", "Features or disk", "Class1.2"])
    def test_answers_on_the_way_are_found_as_people_name_them(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        command = ["select", str(catalogue), "--sample", "barred", "--preceding", f"{name}=0.95"]
        assert main(command) == 0
        assert "features or disk >= 0.95: 0 (largest 0.9;" in capsys.readouterr().out

    def test_an_answer_is_unique_on_the_way_that_is_not_in_the_tree(self) -> None:
        assert read_preceding(["no=0.1"], GZ2_KAGGLE, "barred")["a05_no"] == 0.1
        assert read_preceding(["yes=0.1"], GZ2_KAGGLE, "boxy")["a04_yes"] == 0.1

    def test_votes_are_cut_as_the_catalogue_is(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """On the way to the question by another kind, and with ids of another column."""
        table = pd.read_csv(catalogue, dtype={"dr7objid": str})
        raw = {c: c.replace("_debiased", "_fraction") for c in table if c.endswith("_debiased")}
        table = pd.concat([table, table[[*raw]].rename(columns=raw)], axis=1)
        table.loc[:, [*raw]] *= 0.4  # nothing is on the way by these
        answer = "t03_bar_a06_bar_debiased"
        table[answer] = table[answer.replace("_debiased", "_fraction")]
        ids = pd.DataFrame({"asset_id": [f"x{n}" for n in range(len(table))]})
        table = pd.concat([ids, table], axis=1)
        table.to_csv(catalogue, index=False)
        given = ["--against", str(catalogue), "--preceding-kind", "fraction"]
        given += ["--id-column", "dr7objid"]
        assert main(["select", str(catalogue), "--sample", "barred", *given]) == 0
        said = capsys.readouterr().out
        assert "2 of 10 galaxies are in the sample 'barred'" in said
        assert "purity 1.00" in said
        assert "completeness 1.00" in said

    def test_a_cut_that_is_not_on_the_way_is_refused(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cuts = ["--sample", "barred", "--preceding", "smooth=0.5"]
        assert main(["select", str(catalogue), *cuts]) == 2
        assert "expected an answer that every galaxy of sample 'barred'" in capsys.readouterr().err

    def test_classes_are_added_to_the_catalogue(self, catalogue: Path) -> None:
        out = catalogue.parent / "classes.parquet"
        assert main(["classes", str(catalogue), "--out", str(out)]) == 0
        classes = pd.read_parquet(out)["class_string"].tolist()
        assert classes == ["SBc"] * 3 + ["Er"] * 7

    def test_classes_need_all_questions(
        self, catalogue: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        labels = read_labels(catalogue, GZ2_KAGGLE)
        few = pd.DataFrame(labels.cumulative[:, :7], columns=list(GZ2_KAGGLE.columns[:7]))
        few.insert(0, "GalaxyID", labels.ids)
        few.to_csv(catalogue.parent / "few.csv", index=False)
        out = str(catalogue.parent / "o.csv")
        assert main(["classes", str(catalogue.parent / "few.csv"), "--out", out]) == 2
        assert "found none of Class4" in capsys.readouterr().err
