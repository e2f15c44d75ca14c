"""The report in a real browser, opened from the disk: without network, by mouse and by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, SmallSky, random_labels, write_images
from test_report import catalogue

from gz2tree import GZ2_KAGGLE, Labels, evaluate
from gz2tree.catalogues.flags import read_flags
from gz2tree.cutouts import ImageFiles
from gz2tree.report.galaxies import Galaxies
from gz2tree.report.page import data_script
from gz2tree.report.writing import write_report
from gz2tree.science.explaining import most_probable_path
from gz2tree.store import CutoutStore

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

HOSTILE = "<script>alert(1)<"  # a file name, hence without a slash
MANY = 10_000
MOST_ROWS = 100


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page on which no script may fail and no dialog of the browser may open."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    yield page
    page.close()
    assert not said


@pytest.fixture(scope="module")
def galaxies() -> Galaxies:
    labels = random_labels([*(f"5877395055527856{n:02d}" for n in range(29)), HOSTILE])
    return Galaxies.of(catalogue(labels), GZ2_KAGGLE, labels)


@pytest.fixture(scope="module")
def report(galaxies: Galaxies, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    images = ImageFiles(write_images(folder / "images", list(galaxies.ids)), SMALL)
    figures = evaluate(catalogue(galaxies.labels), galaxies.labels)
    write_report(folder / "report", galaxies, images, figures, progress=False)
    return folder / "report" / "index.html"


def load(page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    page.wait_for_selector("#table button.open")


def shown_ids(page: Any) -> list[str]:
    return page.locator("#table button.open").all_inner_texts()


def row_button(page: Any, galaxy: str) -> Any:
    return page.locator("#table").get_by_role("button", name=galaxy, exact=True)


def test_loads_sorts_and_filters(page: Any, report: Path, galaxies: Galaxies) -> None:
    load(page, report)
    count = page.locator("#count")
    assert count.inner_text() == "30 of 30 galaxies"
    assert count.get_attribute("aria-live") == "polite"
    worst = galaxies.ids[np.argsort(-galaxies.disagreement, kind="stable")]
    assert shown_ids(page)[0] == worst[0]
    page.click(".tabulator-col[tabulator-field=rmse]")
    assert page.locator("#sort").input_value() == "rmse"
    assert shown_ids(page)[0] == galaxies.ids[galaxies.rmse.argmax()]
    page.click("#direction")
    assert shown_ids(page)[0] == galaxies.ids[galaxies.rmse.argmin()]

    answer = GZ2_KAGGLE.answer_position("a02_features_or_disk")
    page.select_option(".what", str(answer))
    page.select_option(".whose", "voted")
    page.fill(".least", "0.4")
    wanted = galaxies.labels.cumulative[:, answer] >= 0.4
    assert 0 < wanted.sum() < len(galaxies)
    playwright.expect(count).to_have_text(f"{wanted.sum()} of 30 galaxies")
    assert set(shown_ids(page)) == set(galaxies.ids[wanted])
    page.click("#view-gallery")
    assert page.locator("button.tile").count() == wanted.sum()
    page.click("#clear")
    assert count.inner_text() == "30 of 30 galaxies"


def test_galaxy_opens_by_keyboard_and_its_branches_can_be_followed(
    page: Any, report: Path, galaxies: Galaxies
) -> None:
    load(page, report)
    page.select_option("#sort", "id")
    page.click("#direction")
    page.locator("#view-gallery").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('button.open')"):
            break
    playwright.expect(row_button(page, shown_ids(page)[0])).to_be_focused()
    page.keyboard.press("ArrowDown")
    opened = shown_ids(page)[1]
    playwright.expect(row_button(page, opened)).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=opened)
    dialog.wait_for()
    cumulative = galaxies.predicted[list(galaxies.ids).index(opened)]
    path = {answer for answer, _ in most_probable_path(GZ2_KAGGLE, cumulative)}
    branches = dialog.locator("details")
    leading = {answer for parents in GZ2_KAGGLE.parents for answer in parents}
    assert branches.count() == len(leading)
    for branch in branches.all():
        on_path = int(branch.get_attribute("data-answer")) in path
        assert (branch.get_attribute("open") is not None) == on_path
    closed = dialog.locator("#tree > section > ul > li > details:not([open])").first
    number = closed.get_attribute("data-answer")
    closed.locator("> summary").press("Enter")
    followed = dialog.locator(f"details[data-answer='{number}'][open] > section h3").first
    assert followed.is_visible()
    page.get_by_label("of those asked").check()
    assert followed.is_visible()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    playwright.expect(row_button(page, opened)).to_be_focused()


def test_of_a_galaxy_that_nobody_measured_no_answer_is_disputed(page: Any, report: Path) -> None:
    load(page, report)
    said = page.evaluate(
        """() => {
          const data = { ...window.gz2tree, voted: window.gz2tree.voted.map((of) => of.slice()) };
          data.voted.forEach((of, answer) => { of[0] = null; of[1] = answer === 3 ? 7 : null; });
          const galaxies = new Galaxies(data);
          return [galaxies.mostDisputed(0), galaxies.mostDisputed(1)];
        }"""
    )
    assert said == [None, 3]


def test_zeros_what_is_tiny_and_what_is_not_measured_look_different(
    page: Any, tmp_path: Path
) -> None:
    """A galaxy that is surely smooth: of its disk nothing is asked; its roundness is not known."""
    predicted, voted = np.zeros((2, 1, len(GZ2_KAGGLE)))
    at = GZ2_KAGGLE.find_answer
    predicted[0, [at("smooth"), at("completely round"), at("a15_no")]] = 0.9998, 0.9998, 1.0
    predicted[0, [at("features or disk"), at("a05_no"), at("no bar")]] = 2e-4, 2e-4, 2e-4
    predicted[0, [at("no spiral"), at("obvious")]] = 2e-4, 2e-4
    voted[0, [at("smooth"), at("a15_no")]] = 1.0
    voted[0, GZ2_KAGGLE.slices[6]] = np.nan
    labels = Labels(np.array(["1"], dtype=object), voted, GZ2_KAGGLE, "cumulative")
    one = Galaxies(labels.ids, predicted, GZ2_KAGGLE, labels)
    images = ImageFiles(write_images(tmp_path / "images", ["1"]), SMALL)
    write_report(tmp_path / "r", one, images, made_from={"gate": "0.01"}, progress=False)
    load(page, tmp_path / "r" / "index.html")
    assert "gate 0.01" in page.locator(".from").inner_text()
    page.click("button.open")
    page.evaluate("for (const b of document.querySelectorAll('details')) b.open = true")

    def shown(label: str, whose: str) -> tuple[str, int]:
        line = (
            page.locator(".answer")
            .filter(has=page.locator(".label", has_text=re.compile(f"^{label}(, most probable)?$")))
            .first
        )
        number = line.locator(f".numbers .{whose}").inner_text()
        return number.removeprefix(whose).strip(), line.locator(f".bars .{whose}").count()

    assert shown("features or disk", "predicted") == ("<0.001", 1)
    assert shown("features or disk", "voted") == ("0", 1)
    assert shown("star or artifact", "predicted") == ("0", 1)
    assert shown("bar", "predicted") == ("0", 1)
    assert shown("bar", "voted") == ("never", 0)
    assert shown("tight", "predicted") == ("never", 0)
    assert shown("completely round", "predicted") == ("1.000", 1)
    assert shown("completely round", "voted") == ("–", 0)
    assert "–: not measured" in page.locator("#legend").inner_text()
    page.get_by_label("of those asked").check()
    page.evaluate("for (const b of document.querySelectorAll('details')) b.open = true")
    assert shown("no bar", "predicted") == ("1.000", 1)
    assert shown("tight", "predicted") == ("never", 0)


def test_hostile_id_stays_text(page: Any, report: Path) -> None:
    load(page, report)
    page.fill("#search", HOSTILE)
    playwright.expect(page.locator("#count")).to_have_text("1 of 30 galaxies")
    assert shown_ids(page) == [HOSTILE]
    page.click("button.open")
    assert page.locator("#detail-title").inner_text() == HOSTILE
    page.click("#close")
    page.click("#view-gallery")
    assert page.locator(".tile .name").inner_text() == HOSTILE
    assert page.evaluate("[...document.scripts].every((script) => script.src)")


def test_all_controls_have_names_and_the_page_fits_a_phone(page: Any, report: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    load(page, report)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    unnamed = """[...document.querySelectorAll("button, select, input")].filter((control) =>
        !control.textContent.trim() && !control.ariaLabel && !control.labels?.length).length"""
    assert page.evaluate(unnamed) == 0
    for role in ("grid", "search", "status"):
        assert page.get_by_role(role).count() == 1, role


def test_page_of_flagged_galaxies_says_so_and_shows_the_answer(
    page: Any, report: Path, galaxies: Galaxies, tmp_path: Path
) -> None:
    (flag,) = read_flags(["no bar=0.05"], GZ2_KAGGLE)
    chosen, flagged = galaxies.flagged(flag)
    assert 1 < flagged.n < flagged.n_of
    images = ImageFiles(report.parents[1] / "images", SMALL)
    figures = evaluate(catalogue(galaxies.labels), chosen.labels)
    write_report(tmp_path / "r", chosen, images, figures, flagged=flagged, progress=False)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        load(page, tmp_path / "r" / "index.html")
        assert page.locator("#count").inner_text() == f"{flagged.n} of {flagged.n} galaxies"
        said = page.locator("#flag").inner_text()
        assert f"{flagged.n} of 30 galaxies have a predicted" in said
        assert f"volunteers flag {flagged.n_both} of the {flagged.n}" in said
        assert page.locator("#answer").input_value() == str(flag.answer)
        highest = chosen.predicted[:, flag.answer].argsort()[::-1]
        assert shown_ids(page)[0] == chosen.ids[highest[0]]
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_ten_thousand_galaxies_keep_few_rows_in_the_document(
    page: Any, small_sky: SmallSky, tmp_path: Path
) -> None:
    """Without labels; the pictures, which take their time to write, are those of forty."""
    rng = np.random.default_rng(0)
    some = random_labels([f"{n}" for n in range(100)]).cumulative
    ids = np.array([f"5877{n:014d}" for n in range(MANY)], dtype=object)
    many = Galaxies(ids, some[rng.integers(0, len(some), MANY)], GZ2_KAGGLE)
    store = CutoutStore(small_sky.store)
    few = Galaxies(store.ids, some[: len(store)], GZ2_KAGGLE)
    write_report(tmp_path / "report", few, store, progress=False)
    (tmp_path / "report" / "data" / "galaxies.js").write_text(data_script(many))
    picture = tmp_path / "report" / "pictures" / "00000.jpg"
    page.route("**/pictures/*.jpg", lambda route: route.fulfill(path=picture))
    load(page, tmp_path / "report" / "index.html")
    rows = page.locator(".tabulator-row")
    assert page.locator("#count").inner_text() == "10,000 of 10,000 galaxies"
    assert 0 < rows.count() < MOST_ROWS
    page.fill(".least", "0.5")
    wanted = int((np.array(many.predicted[:, 0]) >= 0.5).sum())
    playwright.expect(page.locator("#count")).to_have_text(f"{wanted:,} of 10,000 galaxies")
    page.locator(".tabulator-tableholder").evaluate("e => e.scrollTop = e.scrollHeight")
    last = page.locator(f".tabulator-row[aria-rowindex='{wanted + 1}']")
    playwright.expect(last).to_be_visible()
    assert 0 < rows.count() < MOST_ROWS
    page.click("#view-gallery")
    assert page.locator("button.tile").count() < MOST_ROWS
    assert page.locator("#table [tabulator-field=voted]").count() == 0
