"""What the figures show: points, heights and words, not pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, SmallSky, random_labels
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gz2tree import GZ2, GZ2_KAGGLE, DecisionTree, GalaxyTreeNet, Question, evaluate
from gz2tree import plots as p
from gz2tree.analysis import correlations, pair_counts
from gz2tree.calibrationcurve import calibration_curve
from gz2tree.cli import main
from gz2tree.commands.sources import Sources, short_names, tree_values
from gz2tree.config import LabelOptions, PredictOptions
from gz2tree.config.choices import FigureName
from gz2tree.errors import InputError
from gz2tree.plots.layout import layout_tree
from gz2tree.science.binned import evaluate_by

LABELS = random_labels([str(n) for n in range(60)])
TWO_PARENTS = DecisionTree(
    "invented",
    [
        Question("first", ["a", "b", "c"]),
        Question("second", ["d", "e"], ["a", "b"]),
        Question("third", ["f", "g", "h", "i"], ["e"]),
    ],
)


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def predictions() -> pd.DataFrame:
    other = random_labels(list(LABELS.ids), seed=1)
    frame = pd.DataFrame(other.cumulative, columns=list(GZ2_KAGGLE.columns))
    frame.insert(0, "GalaxyID", LABELS.ids)
    return frame


@pytest.mark.parametrize("tree", [GZ2, GZ2_KAGGLE, TWO_PARENTS], ids=lambda tree: tree.name)
def test_layout_keeps_answers_of_a_level_apart(tree: DecisionTree) -> None:
    layout = layout_tree(tree)
    places = [
        (layout.level[question], row)
        for question, row in zip(tree.question_of, layout.answer, strict=True)
    ]
    for level in set(layout.level):
        rows = sorted(row for at, row in places if at == level)
        assert np.diff(rows).min(initial=1) >= 1 - 1e-9
        assert rows[0] >= 0
        assert rows[-1] <= layout.height
    for question, parents in enumerate(tree.parents):
        for parent in parents:
            assert layout.level[tree.question_of[parent]] < layout.level[question]


def test_correlations_show_the_coefficients_and_how_many_galaxies(axes: Axes) -> None:
    coefficients, counts = correlations(LABELS), pair_counts(LABELS)
    p.plot_correlations(axes, coefficients, counts, GZ2_KAGGLE, "title", question=0)
    (shown,) = [np.asarray(image.get_array()) for image in axes.images]
    answers = GZ2_KAGGLE.slices[0]
    np.testing.assert_allclose(shown, coefficients.to_numpy()[answers, answers])
    words = [text.get_text() for text in axes.get_xticklabels()]
    assert len(words) == 3
    assert "60" in axes.get_title() + axes.get_xlabel() + "".join(t.get_text() for t in axes.texts)


def test_null_rmse_has_a_bar_for_each_question_with_nulls_and_each_model(axes: Axes) -> None:
    report = evaluate(predictions(), LABELS)
    p.plot_null_rmse(axes, {"one": report, "other": report}, GZ2_KAGGLE)
    expected = [
        values["null_rmse"]
        for values in report.per_question.values()
        if np.isfinite(values["null_rmse"])
    ]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(expected * 2)
    assert "60 galaxies" in axes.get_title()
    words = [text.get_text() for text in axes.get_xticklabels()]
    assert words[:2] == ["1. smooth or features", "2. edgeon"]


def test_scatter_shows_every_galaxy_once_and_nulls_beside_0(axes: Axes) -> None:
    predicted = predictions()[list(GZ2_KAGGLE.columns)].to_numpy()
    answer = GZ2_KAGGLE.columns.index("Class7.2")
    p.plot_scatter(axes, predicted, LABELS, answer)
    offsets = np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])
    assert len(offsets) == 60
    assert sorted(offsets[:, 1]) == pytest.approx(sorted(predicted[:, answer]))
    assert (offsets[:, 0] < 0).sum() == LABELS.null[:, answer].sum()


def test_agreement_counts_the_answers_that_have_votes(axes: Axes) -> None:
    predicted = predictions()[list(GZ2_KAGGLE.columns)].to_numpy()
    p.plot_agreement(axes, predicted, LABELS)
    n = int((LABELS.measured & ~LABELS.null).sum())
    (hexagons,) = axes.collections
    assert int(np.asarray(hexagons.get_array()).sum()) == n
    assert f"{n:,} answers with votes, 60 galaxies" in axes.get_title()


def test_calibration_marks_the_means_of_every_bin(axes: Axes) -> None:
    rng = np.random.default_rng(0)
    curve = calibration_curve(rng.random(200), rng.random(200), np.ones(200))
    p.plot_calibration(axes, {"model": curve}, "title")
    (points,) = (np.asarray(bars.lines[0].get_xydata()) for bars in axes.containers)
    np.testing.assert_allclose(points, curve[["predicted", "voted"]].to_numpy())
    (above,) = axes.child_axes
    assert above.get_title() == "title"
    assert [bar.get_height() for bar in above.patches] == curve["n"].tolist()


def test_history_shows_each_run(axes: Axes) -> None:
    epochs = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [0.3, 0.2, 0.1],
            "valid_loss": [0.3, 0.25, 0.2],
            "valid_rmse": [0.2, 0.1, 0.15],
            "learning_rate": [1e-3, 5e-4, 0.0],
        }
    )
    p.plot_history(axes, {"one": epochs, "other": epochs}, "rmse")
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 2
    np.testing.assert_allclose(curves[0].get_ydata(), epochs["valid_rmse"])


def test_best_epoch_is_marked_among_those_that_were_validated(axes: Axes) -> None:
    valid = [0.3, np.nan, 0.1, 0.2]
    epochs = pd.DataFrame({"epoch": [1, 2, 3, 4], "valid_rmse": valid})
    p.plot_history(axes, {"run": epochs}, "rmse")
    (marked,) = axes.collections
    np.testing.assert_array_equal(marked.get_offsets(), [[3, 0.1]])


def test_purity_is_that_of_the_flag_at_each_threshold(axes: Axes) -> None:
    curve = pd.DataFrame(
        {
            "threshold": [0.1, 0.4, 0.8],
            "purity": [0.5, 0.8, 1.0],
            "completeness": [1.0, 0.5, 0.2],
            "n_flagged": [10, 5, 1],
        }
    )
    p.plot_purity_completeness(axes, curve, "title", threshold=0.3)
    lines = {line.get_label(): line for line in axes.lines}
    for column in ("purity", "completeness"):
        np.testing.assert_allclose(lines[column].get_ydata(), curve[column])
    assert lines["at 0.3: 5 flagged"].get_xdata()[0] == 0.3
    (above,) = axes.child_axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_height()) for bar in above.patches]
    np.testing.assert_allclose(bars, [(0, 0.1, 10), (0.1, 0.4, 5), (0.4, 0.8, 1)])


def test_by_a_quantity_shows_errors_and_both_means(axes: Axes) -> None:
    binned = evaluate_by(predictions(), LABELS, np.arange(60.0), "merger", 3, n_resamples=20)
    p.plot_by(axes, binned, "size (pixels)", "merger")
    shown = [np.asarray(bars.lines[0].get_xydata())[:, 1] for bars in axes.containers]
    for values, column in zip(shown, ("rmse", "predicted", "voted"), strict=True):
        np.testing.assert_allclose(values, binned[column])
    assert axes.get_xlabel() == "size (pixels)"
    assert "mean voted: merger" in " ".join(axes.get_legend_handles_labels()[1])
    assert axes.child_axes[0].get_title() == "60 galaxies"


def test_a_bin_of_one_value_has_a_bar_that_can_be_seen(axes: Axes) -> None:
    low, high = pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 2.0, 5.0])
    above = p.style.counts_above(axes, low, high - low, [5, 6, 7])
    first, single, last = above.patches
    assert (first.get_x(), first.get_width()) == (1, 1)
    assert (last.get_x(), last.get_width()) == (3, 2)
    assert single.get_width() > 0
    assert single.get_x() + single.get_width() / 2 == pytest.approx(2)


def test_nothing_measured_is_refused() -> None:
    nothing = replace(LABELS, cumulative=np.full_like(LABELS.cumulative, np.nan))
    with pytest.raises(InputError, match="measured, found none"):
        p.draw_scatter(p.new_figure(4, 4), LABELS.cumulative, nothing)
    with pytest.raises(InputError, match="found nothing"):
        p.draw_examples(p.new_figure(4, 4), GZ2_KAGGLE, {}, "none")


def test_models_are_named_by_their_folders_and_catalogues_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "tree-0.1").mkdir()
    (tmp_path / "flat.parquet").touch()
    paths = [tmp_path / "tree-0.1", tmp_path / "flat.parquet"]
    assert short_names(list(map(str, paths))) == ["tree-0.1", "flat"]


def test_branches_are_as_thick_as_their_probability() -> None:
    cumulative = LABELS.cumulative[0]
    axes = Figure(figsize=(8, 8)).subplots()
    p.plot_tree(axes, GZ2_KAGGLE, cumulative, "galaxy 0")
    words = " ".join(text.get_text() for text in axes.texts)
    for answer in GZ2_KAGGLE.answers:
        assert answer.label in words


def test_tree_says_once_what_nobody_measured(axes: Axes) -> None:
    unknown = LABELS.cumulative[0].copy()
    unknown[1] = np.nan
    p.plot_tree(axes, GZ2_KAGGLE, unknown, "galaxy 0", voted=unknown)
    words = [text.get_text() for text in axes.texts]
    assert [text for text in words if "not measured" in text] == ["features or disk\nnot measured"]


def test_a_tree_leaves_out_what_was_hardly_asked_and_what_is_not_measured(axes: Axes) -> None:
    """Of the second question's answers one leads on, but to a question that nobody measured."""
    values = np.array([0.6, 0.02, 0.38, 0.3, 0.32, np.nan, np.nan, np.nan, np.nan])
    for least, shown in ((0.0, {"1", "2", "3"}), (0.05, {"1", "2"}), (0.7, {"1"})):
        axes.clear()
        p.plot_tree(axes, TWO_PARENTS, values, "mean", least_reach=least)
        headings = {text.get_text()[0] for text in axes.texts if "." in text.get_text()[:2]}
        assert headings == shown, least
        assert ("d\n0.30" in [text.get_text() for text in axes.texts]) == ("2" in shown)
    voted = np.where(np.isnan(values), 0.1, values)
    p.plot_tree(axes, TWO_PARENTS, values, "mean", voted, least_reach=0.05)
    assert any(text.get_text().startswith("3.") for text in axes.texts)


@pytest.mark.parametrize("with_numbers", [True, False])
def test_words_of_a_tree_are_large_and_do_not_overlap(with_numbers: bool) -> None:
    cumulative = LABELS.cumulative[0] if with_numbers else None
    figure = p.tree_figure(GZ2_KAGGLE, cumulative)
    axes = p.plot_tree(figure.subplots(), GZ2_KAGGLE, cumulative, "a title")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    for n, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
        assert not any(box.shrunk(0.98, 0.9).overlaps(other) for other in boxes[:n])
    pixels = 740 / figure.get_size_inches()[0] / 72  # of a point, on a page of docs
    assert min(text.get_fontsize() for text in axes.texts) * pixels > 10


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL).save_pretrained(folder)
    return folder


class TestCommand:
    def run(self, figure: str, out: Path, *arguments: object) -> int:
        return main(["plot", figure, "--out", str(out), *map(str, arguments)])

    @pytest.mark.parametrize("figure", [name for name in get_args(FigureName) if name != "history"])
    def test_draws_from_a_table_images_and_a_model(
        self, figure: str, small_sky: SmallSky, tiny_model: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / f"{figure}.png"
        given = ["--labels", small_sky.table, "--images", small_sky.store, "--model", tiny_model]
        more = {"by": ["--by", "Class1.1", "--bins", 3], "purity": ["--flag", "merger=0.01"]}
        assert self.run(figure, out, *given, *more.get(figure, [])) == 0
        assert out.stat().st_size > 5_000

    def test_draws_from_a_catalogue_without_images(
        self, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = predictions().assign(GalaxyID=[*small_sky.labels.ids, *LABELS.ids[:20]])
        table.to_csv(tmp_path / "p.csv", index=False)
        given = ["--labels", small_sky.table, "--predictions", tmp_path / "p.csv"]
        for figure, *more in (
            ("scatter", "--answer", "merger"),
            ("by", "--by", "Class1.1", "--answer", "merger"),
            ("purity", "--flag", "smooth=0.5"),
            ("tree", "--galaxy", small_sky.labels.ids[3], "--least-reach", 0.05),
        ):
            assert self.run(figure, tmp_path / f"{figure}.png", *given, *more) == 0
            assert (tmp_path / f"{figure}.png").is_file()
        capsys.readouterr()
        images = ["--images", small_sky.images]
        for said, *wrong in (
            ("--by: expected a column of the labels or apparent_size", "by", *given),
            ("apparent_size: expected images", "by", *given, "--by", "apparent_size"),
            ("--flag: expected ANSWER=THRESHOLD", "purity", *given),
            ("such answer", "purity", *given, "--flag", "mergers=0.4"),
            ("'x': expected among the predictions", "tree", *given, "--galaxy", "x"),
            ("'0': expected among the labels", "tree", *given, "--galaxy", "0"),
            ("'0': expected among the images", "galaxies", *given, *images, "--galaxy", "0"),
            ("expected a model within its run directory", "null", *given, "--part", "test"),
            (
                "expected a model within its run directory",
                "correlations",
                "--labels",
                small_sky.table,
                "--part",
                "test",
            ),
        ):
            figure, *more = wrong
            assert self.run(figure, tmp_path / "f.png", *more) == 2
            assert said in capsys.readouterr().err, said

    def test_galaxies_of_a_catalogue_are_those_with_images(
        self, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = predictions().assign(GalaxyID=[*small_sky.labels.ids, *LABELS.ids[:20]])
        table.to_csv(tmp_path / "p.csv", index=False)
        given = ["--predictions", tmp_path / "p.csv", "--images", small_sky.store, "--n", 60]
        assert self.run("galaxies", tmp_path / "f.png", *given) == 0
        assert "20 of 60 predicted galaxies have no image" in capsys.readouterr().err

    @pytest.mark.parametrize("with_labels", [True, False])
    def test_tree_of_answers_that_were_not_trained_shows_none(
        self, small_sky: SmallSky, tmp_path: Path, with_labels: bool
    ) -> None:
        answers = [c for c in GZ2_KAGGLE.columns if not c.startswith("Class10")]
        model = GalaxyTreeNet(
            "resnet10t", pretrained=False, cutouts=SMALL, training={"answers": answers}
        )
        model.save_pretrained(tmp_path)
        sources = Sources(
            LabelOptions(),
            PredictOptions(),
            labels=small_sky.table if with_labels else None,
            images=small_sky.store,
            models=(str(tmp_path),),
        )
        _, predicted, voted, n = tree_values(sources, None)
        assert n == 40
        assert (voted is not None) == with_labels
        shown = dict(zip(GZ2_KAGGLE.columns, np.isfinite(predicted), strict=True))
        assert [column for column, known in shown.items() if known] == answers

    def test_tree_compares_means_of_the_same_galaxies(self, tmp_path: Path) -> None:
        table = predictions()
        table.to_csv(tmp_path / "p.csv", index=False)
        last = list(GZ2_KAGGLE.columns[GZ2_KAGGLE.slices[-1]])
        table.loc[: len(table) // 2, last] = np.nan
        table.to_csv(tmp_path / "l.csv", index=False)
        sources = Sources(
            LabelOptions(),
            PredictOptions(),
            labels=tmp_path / "l.csv",
            predictions=(tmp_path / "p.csv",),
        )
        _, predicted, voted, _ = tree_values(sources, None)
        np.testing.assert_allclose(predicted, voted)

    @pytest.mark.parametrize("command", [["plot", "correlations"], ["tree", "GZ2"]])
    def test_a_figure_is_there_as_a_whole_or_not_at_all(
        self, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(self: Figure, file: Path, **options: object) -> None:
            file.write_bytes(b"half")
            raise KeyboardInterrupt

        out, table = tmp_path / "f.png", tmp_path / "labels.csv"
        out.write_bytes(b"the former")
        predictions().to_csv(table, index=False)
        monkeypatch.setattr(Figure, "savefig", killed)
        labels = ["--labels", str(table)] if command[0] == "plot" else []
        assert main([*command, *labels, "--out", str(out)]) == 130
        assert out.read_bytes() == b"the former"
        assert sorted(tmp_path.iterdir()) == [out, table]

    def test_examples_of_galaxies_of_which_nothing_is_measured_are_refused(
        self, small_sky: SmallSky, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        labels = pd.read_csv(small_sky.table, dtype={"GalaxyID": str})
        measured = labels.head(1).assign(GalaxyID="without an image")
        labels.iloc[:, 1:] = np.nan
        labels = pd.concat([labels, measured])
        labels.to_csv(tmp_path / "labels.csv", index=False)
        data = ("--labels", tmp_path / "labels.csv", "--images", small_sky.store)
        assert self.run("examples", tmp_path / "f.png", *data) == 2
        assert "somebody chose, found none" in capsys.readouterr().err

    def test_wrong_ending(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("null", tmp_path / "figure.doc") == 2
        assert "expected a file ending in .png, .pdf, .svg" in capsys.readouterr().err

    def test_nothing_to_draw_from(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("history", tmp_path / "figure.png") == 2
        assert "--runs: expected run directories" in capsys.readouterr().err
        assert self.run("scatter", tmp_path / "figure.png") == 2
        assert "--labels: expected for this figure" in capsys.readouterr().err
