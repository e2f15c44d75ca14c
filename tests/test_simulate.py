"""Simulated skies: reproducible, consistent with the tree, and telling in their images."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import left_by_a_killed_process
from PIL import Image
from scipy import stats

from gz2tree.errors import InputError
from gz2tree.probabilities import cumulative_of
from gz2tree.simulate import galaxy_id, simulate
from gz2tree.sky.population import Galaxy, draw_galaxy
from gz2tree.sky.render import render
from gz2tree.sky.tables import catalogue_table, kaggle_labels
from gz2tree.sky.volunteers import confusion, graded, true_conditionals
from gz2tree.trees import GZ2, GZ2_KAGGLE
from gz2tree.votes.counts import vote

TABLES = ("labels.csv", "catalogue.csv", "truth.csv", "parameters.csv")

SPIRAL = Galaxy(
    petro_r90=10,
    seeing=1.3,
    surface_brightness=20.5,
    redness=0.3,
    bulge_fraction=0.15,
    bulge_axis_ratio=0.8,
    inclination=25,
    arms=2,
    arm_contrast=0.8,
    clumps=0.4,
)
ELLIPTICAL = replace(SPIRAL, redness=0.9, bulge_fraction=1.0, arms=0, arm_contrast=0.0, clumps=0.0)


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("sky"), 80, size=64, workers=1, progress=False)


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={GZ2_KAGGLE.id_column: str}).set_index(GZ2_KAGGLE.id_column)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def probability(galaxy: Galaxy, answer: str) -> float:
    return float(true_conditionals(galaxy)[GZ2.answer_position(answer)])


def brightness(galaxy: Galaxy) -> np.ndarray:
    """Mean of ten pictures (each with other noise and foreground), less the sky."""
    pictures = [render(galaxy, 128, np.random.default_rng(n)).mean(-1) for n in range(10)]
    light = np.median(pictures, axis=0)[32:96, 32:96]
    return np.maximum(light - 8, 0)


def axis_ratio(light: np.ndarray) -> float:
    y, x = np.indices(light.shape) - (light.shape[0] - 1) / 2
    weights = light.ravel() / light.sum()
    moments = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=weights)
    low, high = np.linalg.eigvalsh(moments)
    return float(np.sqrt(low / high))


# --- The folder --------------------------------------------------------------------------------


def test_layout_and_formats(sky: Path) -> None:
    ids = [galaxy_id(index) for index in range(80)]
    assert sorted(path.name for path in sky.rglob("*.jpg")) == [f"{name}.jpg" for name in ids]
    assert {path.name for path in sky.iterdir()} == {"images", "sky.json", *TABLES}
    with Image.open(sky / "images" / f"{ids[0]}.jpg") as picture:
        assert (picture.size, picture.mode, picture.format) == ((64, 64), "RGB", "JPEG")
    tables = {name: read(sky / name) for name in TABLES}
    for name, table in tables.items():
        assert list(table.index) == ids, name
    assert tuple(tables["labels.csv"].columns) == GZ2_KAGGLE.columns
    assert tuple(tables["truth.csv"].columns) == GZ2_KAGGLE.columns
    assert tables["labels.csv"].to_numpy().min() == 0
    assert (tables["truth.csv"].to_numpy() > 0).all()


@pytest.mark.parametrize("name", ["labels.csv", "truth.csv"])
def test_cumulative_sums_follow_the_tree(sky: Path, name: str) -> None:
    table = read(sky / name)
    # Written out by hand, independent of the declaration.
    parents = {
        1: (), 2: ("1.2",), 3: ("2.2",), 4: ("2.2",), 5: ("2.2",), 6: (), 7: ("1.1",),
        8: ("6.1",), 9: ("2.1",), 10: ("4.1",), 11: ("4.1",),
    }  # fmt: skip
    for question, leading in parents.items():
        answers = [c for c in table if c.startswith(f"Class{question}.")]
        reach = sum(table[f"Class{answer}"] for answer in leading) if leading else 1.0
        asked = table[answers].sum(axis=1)
        np.testing.assert_allclose(asked, reach, atol=1e-6, rtol=0, err_msg=str(question))


def test_catalogue_counts_walk_the_tree(sky: Path) -> None:
    catalogue = read(sky / "catalogue.csv")
    stems = GZ2.catalogue_columns
    counts = catalogue[[f"{stem}_count" for stem in stems]].to_numpy()
    assert np.issubdtype(counts.dtype, np.integer)
    np.testing.assert_array_equal(counts.sum(1), catalogue["total_votes"])
    everyone = catalogue["total_classifications"].to_numpy()
    assert everyone.min() >= 28
    assert everyone.max() <= 60
    for question, parents in enumerate(GZ2.parents):
        asked = counts[:, list(parents)].sum(1) if parents else everyone
        votes = counts[:, GZ2.slices[question]]
        np.testing.assert_array_equal(votes.sum(1), asked)
        names = [f"{stem}_fraction" for stem in stems[GZ2.slices[question]]]
        fractions = catalogue[names].to_numpy()
        expected = np.where(asked[:, None] > 0, votes / np.maximum(asked, 1)[:, None], 0.0)
        np.testing.assert_allclose(fractions, expected, atol=1e-9)
        assert (fractions[asked == 0] == 0).all()
    for stem in stems:
        kinds = {k: catalogue[f"{stem}_{k}"] for k in ("fraction", "weighted_fraction", "debiased")}
        assert kinds["fraction"].equals(kinds["weighted_fraction"])
        assert kinds["fraction"].equals(kinds["debiased"])
        assert catalogue[f"{stem}_weight"].equals(catalogue[f"{stem}_count"])


def test_labels_are_the_catalogue_multiplied_down_the_tree(sky: Path) -> None:
    catalogue, labels = read(sky / "catalogue.csv"), read(sky / "labels.csv")
    bar, everyone = "t03_bar_a06_bar_count", catalogue["total_classifications"]
    np.testing.assert_allclose(labels["Class3.1"], catalogue[bar] / everyone, atol=1e-8)
    merger = catalogue["t08_odd_feature_a24_merger_count"]
    asked = catalogue["t06_odd_a14_yes_count"] + catalogue["t06_odd_a15_no_count"]
    np.testing.assert_allclose(labels["Class8.6"], merger / asked, atol=1e-8)


# --- The same options, the same sky ------------------------------------------------------------


def test_neither_workers_nor_n_change_a_galaxy(sky: Path, tmp_path: Path) -> None:
    parallel = simulate(tmp_path / "parallel", 80, size=64, workers=2, progress=False)
    assert contents(parallel) == contents(sky)
    fewer = contents(simulate(tmp_path / "fewer", 5, size=64, progress=False))
    whole = contents(sky)
    for name in fewer:
        if name.endswith(".jpg"):
            assert fewer[name] == whole[name]
        elif name.endswith(".csv"):
            assert whole[name].startswith(fewer[name])


def test_another_seed_gives_another_sky(sky: Path, tmp_path: Path) -> None:
    other = contents(simulate(tmp_path / "other", 3, seed=1, size=64, progress=False))
    assert all(other[name] != contents(sky)[name] for name in other)


def test_size_and_volunteers_leave_the_galaxies_alone(sky: Path, tmp_path: Path) -> None:
    other = simulate(tmp_path / "other", 3, size=48, volunteers=(5, 5), progress=False)
    for name in ("truth.csv", "parameters.csv"):
        assert (sky / name).read_text().startswith((other / name).read_text())
    assert (read(other / "catalogue.csv")["total_classifications"] == 5).all()


def test_an_interrupted_sky_is_finished(tmp_path: Path) -> None:
    made = simulate(tmp_path / "sky", 6, size=64, progress=False)
    whole = contents(made)
    (made / "labels.csv").unlink()
    (made / "images" / f"{galaxy_id(2)}.jpg").unlink()
    killed = made / "images" / f"{galaxy_id(4)}.jpg"
    killed.unlink()
    left_by_a_killed_process(killed)
    kept = made / "images" / f"{galaxy_id(0)}.jpg"
    before = kept.stat().st_mtime_ns
    simulate(made, 6, size=64, progress=False)
    assert contents(made) == whole
    assert kept.stat().st_mtime_ns == before


# --- Refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"n": 0}, "n: expected"),
        ({"n": 1_000_000}, "n: expected"),
        ({"seed": -1}, "seed: expected"),
        ({"size": 31}, "size: expected"),
        ({"volunteers": (0, 5)}, "volunteers: expected"),
        ({"volunteers": (6, 5)}, "volunteers: expected"),
        ({"workers": 0}, "workers: expected"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        simulate(tmp_path / "sky", **{"n": 1, "progress": False, **options})
    assert not (tmp_path / "sky").exists()


def test_a_sky_of_other_options_is_refused(sky: Path) -> None:
    before = contents(sky)
    with pytest.raises(InputError, match=r"sky\.json: expected the options .*'seed': 3.*found"):
        simulate(sky, 80, seed=3, size=64, progress=False)
    assert contents(sky) == before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"found thesis\.tex"):
        simulate(tmp_path, 1, progress=False)
    with pytest.raises(InputError, match="found a file"):
        simulate(tmp_path / "thesis.tex", 1, progress=False)
    (tmp_path / "sky.json").write_text("{")
    with pytest.raises(InputError, match="expected JSON"):
        simulate(tmp_path, 1, progress=False)


# --- Votes -------------------------------------------------------------------------------------


def test_truth_is_conditional_probability() -> None:
    for index in range(200):
        conditional = true_conditionals(draw_galaxy(np.random.default_rng([3, index])))
        assert (conditional > 0).all()
        for where in GZ2.slices:
            assert conditional[where].sum() == pytest.approx(1, abs=1e-12)


def test_truth_down_the_tree_matches_a_slow_walk() -> None:
    conditional = true_conditionals(SPIRAL)

    def reach(tree, question: int) -> float:
        parents = tree.parents[question]
        return sum(cumulative(tree, p) for p in parents) if parents else 1.0

    def cumulative(tree, answer: int) -> float:
        return conditional[answer] * reach(tree, tree.question_of[answer])

    for tree in (GZ2, GZ2_KAGGLE):
        expected = [cumulative(tree, answer) for answer in range(len(tree))]
        np.testing.assert_allclose(cumulative_of(tree, conditional), expected, rtol=1e-12)


def test_votes_follow_the_truth() -> None:
    galaxies = [draw_galaxy(np.random.default_rng([1, index])) for index in range(20)]
    conditional = np.stack([true_conditionals(galaxy) for galaxy in galaxies])
    counts = vote(GZ2, conditional, 20_000, np.random.default_rng(0))
    p_values = []
    for where in GZ2.slices:
        asked = counts[:, where].sum(1, keepdims=True)
        expected = asked * conditional[:, where]
        enough = expected.min(1) > 5
        for seen, wanted in zip(counts[enough, where], expected[enough], strict=True):
            p_values.append(stats.chisquare(seen, wanted).pvalue)
    assert len(p_values) > 100
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3  # votes are multinomial, no more no less
    assert np.abs(kaggle_labels(counts) - cumulative_of(GZ2_KAGGLE, conditional)).max() < 0.02


def test_nobody_asked_is_zero_and_never_nan() -> None:
    counts = np.zeros((1, len(GZ2)), np.int64)
    counts[0, GZ2.answer_position("a03_star_or_artifact")] = 30
    fractions = catalogue_table(counts, pd.Index(["1"])).filter(like="_fraction")
    assert fractions.iloc[0].sum() == 2  # weighted or not
    labels = dict(zip(GZ2_KAGGLE.columns, kaggle_labels(counts)[0], strict=True))
    assert {column: value for column, value in labels.items() if value} == {
        "Class1.3": 1.0,
        "Class6.2": 1.0,
    }


def test_few_volunteers_leave_null_labels() -> None:
    conditional = np.stack([true_conditionals(SPIRAL)] * 500)
    few, many = (vote(GZ2, conditional, n, np.random.default_rng(0)) for n in (20, 60))
    for counts, volunteers in ((few, 20), (many, 60)):
        cigar = GZ2.answer_position("a18_cigar_shaped")
        chance = (1 - cumulative_of(GZ2, conditional[0])[cigar]) ** volunteers
        assert (counts[:, cigar] == 0).mean() == pytest.approx(chance, abs=0.05)


def test_graded_cuts_a_logistic_distribution() -> None:
    perceived = stats.logistic(loc=0.4, scale=0.1)
    below = perceived.cdf([0.3, 0.5])
    expected = np.diff([0, *below, 1])
    np.testing.assert_allclose(graded(0.4, [0.3, 0.5], 0.1), expected, atol=1e-12)


# --- Confusion ---------------------------------------------------------------------------------


def entropy(galaxy: Galaxy, question: str) -> float:
    where = GZ2.slices[[q.name for q in GZ2.questions].index(question)]
    return float(stats.entropy(true_conditionals(galaxy)[where]))


@pytest.mark.parametrize("worse", [{"petro_r90": 3.5}, {"seeing": 3.0}, {"surface_brightness": 23}])
def test_confusion_grows_with_blur_and_faintness(worse: dict[str, float]) -> None:
    blurred = replace(SPIRAL, bar=0.8, **worse)
    clear = replace(SPIRAL, bar=0.8)
    assert confusion(blurred) > confusion(clear)
    for question in ("t10_arms_winding", "t11_arms_number", "t05_bulge_prominence"):
        assert entropy(blurred, question) > entropy(clear, question)
    for answer in ("a02_features_or_disk", "a08_spiral", "a06_bar"):
        assert probability(blurred, answer) < probability(clear, answer)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"inclination": 88}, "a04_yes"),
        ({"bar": 0.8}, "a06_bar"),
        ({"bulge_fraction": 0.9}, "a13_dominant"),
        ({"arms": 3}, "a33_3"),
        ({"arms": 6}, "a36_more_than_4"),
        ({"pitch": 8}, "a28_tight"),
        ({"pitch": 33}, "a30_loose"),
        ({"ring": 0.9}, "a19_ring"),
        ({"lens_arc": 0.9}, "a20_lens_or_arc"),
        ({"disturbed": 0.9}, "a21_disturbed"),
        ({"irregular": 0.9}, "a22_irregular"),
        ({"overlap": 0.9}, "a23_other"),
        ({"merger": 0.9}, "a24_merger"),
        ({"dust_lane": 0.9}, "a38_dust_lane"),
        ({"artifact": "star"}, "a03_star_or_artifact"),
        ({"bulge_fraction": 0.6, "boxiness": 1.0}, "a26_boxy"),
    ],
)
def test_what_is_there_is_answered(change: dict, answer: str) -> None:
    changed = replace(SPIRAL, **change)
    assert probability(changed, answer) > 0.5
    assert probability(changed, answer) > 2 * probability(SPIRAL, answer)


# --- Images ------------------------------------------------------------------------------------


def test_render_gives_an_image_of_the_size_asked() -> None:
    picture = render(SPIRAL, 100)
    assert picture.shape == (100, 100, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, render(SPIRAL, 100, np.random.default_rng(0)))


def test_inclination_shows() -> None:
    ratios = [axis_ratio(brightness(replace(SPIRAL, inclination=i))) for i in (0, 60, 88)]
    assert ratios[0] > ratios[1] + 0.1 > ratios[2] + 0.2


def test_roundness_answers_follow_the_images() -> None:
    shapes = {"a16_completely_round": 1.0, "a17_in_between": 0.6, "a18_cigar_shaped": 0.2}
    ratios = []
    for answer, ratio in shapes.items():
        inclination = float(np.degrees(np.arccos(max(ratio, 0.2))))
        galaxy = replace(ELLIPTICAL, bulge_axis_ratio=ratio, inclination=inclination)
        assert probability(galaxy, answer) > 0.6
        ratios.append(axis_ratio(brightness(galaxy)))
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("arms", [1, 2, 3, 4])
def test_the_number_of_arms_shows(arms: int) -> None:
    galaxy = replace(SPIRAL, petro_r90=20, inclination=0, arms=arms, arm_contrast=1.0, clumps=0.0)
    strengths = np.zeros(6)
    for seed in range(6):
        light = render(galaxy, 256, np.random.default_rng(seed)).mean(-1)
        y, x = np.indices(light.shape) - 127.5
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        for start in range(16, 48, 2):  # logarithmic arms keep their order in every annulus
            ring = (radius >= start) & (radius < start + 2)
            waves = [(light[ring] * np.exp(1j * m * angle[ring])).mean() for m in range(1, 7)]
            strengths += np.abs(waves)
    assert np.argmax(strengths) + 1 == arms


def test_a_bar_shows() -> None:
    """The quadrupole of the middle grows with the bar."""
    strengths = []
    for bar in (0.0, 0.4, 0.9):
        galaxy = replace(SPIRAL, inclination=0, bulge_axis_ratio=1, bar=bar, arms=0)
        total = 0.0
        for seed in range(6):
            light = render(galaxy, 128, np.random.default_rng(seed)).mean(-1)
            y, x = np.indices(light.shape) - 63.5
            middle = (np.hypot(x, y) > 3) & (np.hypot(x, y) < 14)
            wave = light[middle] * np.exp(2j * np.arctan2(y, x)[middle])
            total += abs(wave.mean()) / light[middle].mean()
        strengths.append(total)
    assert strengths == sorted(strengths)
    assert strengths[2] > 2 * strengths[0]


def test_colour_and_blur_show() -> None:
    def red_over_blue(galaxy: Galaxy) -> float:
        middle = render(galaxy, 64)[28:36, 28:36].astype(float)
        return float(middle[..., 0].mean() / middle[..., 2].mean())

    assert red_over_blue(ELLIPTICAL) > red_over_blue(replace(SPIRAL, redness=0.0)) + 0.1

    def sharpness(galaxy: Galaxy) -> float:
        light = brightness(galaxy)
        return float(np.abs(np.diff(light)).mean() / light.mean())

    assert sharpness(SPIRAL) > sharpness(replace(SPIRAL, petro_r90=3.5))


@pytest.mark.parametrize("artifact", ["star", "trail", "defect"])
def test_artifacts_are_seen(artifact: str) -> None:
    plain, spoilt = (
        render(replace(ELLIPTICAL, artifact=a), 64).astype(float) for a in ("none", artifact)
    )
    assert np.abs(spoilt - plain).mean() > 2


def test_a_tiny_picture_is_a_small_jpeg() -> None:
    file = io.BytesIO()
    Image.fromarray(render(SPIRAL)).save(file, format="JPEG", quality=75)
    assert 8_000 < len(file.getvalue()) < 40_000  # the real ones have 9 to 19 kB


def test_options_are_written_down(sky: Path) -> None:
    options = json.loads((sky / "sky.json").read_text())
    assert options["n"] == 80
    assert options["volunteers"] == [28, 60]


def test_means_are_those_of_the_real_table() -> None:
    """Against the real 4,000: the simulator's calibration."""
    shared = Path(os.environ.get("GZ2TREE_DATA", Path(__file__).parents[2] / "shared"))
    table = shared / "data" / "kaggle_gz2" / "solutions_17_columns.csv"
    if not table.exists():
        pytest.skip(f"the real labels are not there: {table} (set GZ2TREE_DATA)")
    real = pd.read_csv(table).drop(columns="GalaxyID")
    rng = np.random.default_rng(0)
    galaxies = [draw_galaxy(rng) for _ in range(3000)]
    conditional = np.stack([true_conditionals(galaxy) for galaxy in galaxies])
    votes = vote(GZ2, conditional, rng.integers(28, 61, len(galaxies)), rng)
    labels = pd.DataFrame(kaggle_labels(votes), columns=list(GZ2_KAGGLE.columns))[real.columns]
    assert np.abs(labels.mean() - real.mean()).max() < 0.03
    assert np.abs((labels == 0).mean() - (real == 0).mean()).max() < 0.15


def test_extreme_values_are_graded() -> None:
    """Far from a threshold the exponential of the distance overflows."""
    assert graded(1000.0, [0.0], 1.0).tolist() == [0.0, 1.0]
    assert graded(-1000.0, [0.0], 1.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("petro_r90", 0.0, "a number above 0"),
        ("seeing", float("nan"), "a number above 0"),
        ("surface_brightness", float("inf"), "a finite number"),
        ("bulge_fraction", 1.2, "a number from 0 to 1"),
        ("bulge_axis_ratio", 0.0, "a number above 0 and at most 1"),
        ("merger", -0.1, "a number from 0 to 1"),
        ("inclination", 91, "degrees from 0 to 90"),
        ("pitch", 0, "degrees between 0 and 90"),
        ("arms", 1.5, "a whole number of arms"),
        ("artifact", "nonsense", "one of none, star, trail, defect"),
    ],
)
def test_a_galaxy_that_cannot_be_is_refused(field: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError, match=f"galaxy: {field}: expected {expected}, .*found"):
        replace(SPIRAL, **{field: value})
