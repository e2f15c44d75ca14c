"""The report's page in a real browser, opened from the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from conftest import random_labels, write_images

from gz2tree import GZ2_KAGGLE, CutoutOptions
from gz2tree.report.galaxies import Galaxies
from gz2tree.report.writing import write_report
from gz2tree.store import open_images

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

HOSTILE = "<img src=x onerror=alert(1)>"
IDS = [HOSTILE, "587722981742084096", "587722981742084097", "4", "5"]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    images = open_images(write_images(folder / "images", IDS), CutoutOptions(40, 32))
    labels, predicted = random_labels(IDS), random_labels(IDS, seed=1).cumulative
    galaxies = Galaxies(np.array(IDS, dtype=object), predicted, GZ2_KAGGLE, labels)
    write_report(folder / "report", galaxies, images, progress=False)
    return (folder / "report" / "index.html").as_uri()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten thousand galaxies with one picture."""
    folder = tmp_path_factory.mktemp("many")
    ids = [str(n) for n in range(10_000)]
    write_images(folder / "images", ids[:1], side=8)
    for name in ids[1:]:
        (folder / "images" / f"{name}.png").hardlink_to(folder / "images" / "0.png")
    images = open_images(folder / "images", CutoutOptions(8, 8))
    galaxies = Galaxies(np.array(ids, dtype=object), random_labels(ids).cumulative, GZ2_KAGGLE)
    write_report(folder / "report", galaxies, images, progress=False)
    return (folder / "report" / "index.html").as_uri()


@pytest.fixture
def page(browser, address: str) -> Iterator[object]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on(
        "request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url)
    )
    page.goto(address)
    page.wait_for_selector("#table button.open")
    yield page
    page.close()
    assert wrong == []


def test_rows_and_filter(page) -> None:
    assert page.locator("#table .tabulator-row").count() == len(IDS)
    page.fill("#search", "587722981742084097")
    page.wait_for_function("document.querySelectorAll('#table button.open').length === 1")
    assert "1" in page.inner_text("#count")
    assert page.get_attribute("#count", "aria-live") == "polite"


def test_open_follow_close_by_keyboard(page) -> None:
    page.locator("#table button.open").first.focus()
    galaxy = page.evaluate("document.activeElement.dataset.galaxy")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail[open]")
    assert page.inner_text("#detail-title") == IDS[int(galaxy)]
    branch = page.locator("#tree details").first
    before = branch.evaluate("b => b.open")
    branch.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert branch.evaluate("b => b.open") is not before
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail:not([open])", state="attached")
    page.wait_for_function(f"document.activeElement.dataset.galaxy === '{galaxy}'")


def test_ten_thousand_galaxies_are_not_ten_thousand_rows(browser, many: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(many)
    page.wait_for_selector("#table button.open")
    assert "10,000" in page.inner_text("#count")
    assert 0 < page.locator("#table .tabulator-row").count() < 200
    page.fill("#search", "9999")
    page.wait_for_function("document.querySelectorAll('#table button.open').length === 1")
    page.close()


def test_every_control_has_a_name(page) -> None:
    nameless = """() => [...document.querySelectorAll('input, select, button')].filter(e =>
        !(e.labels?.length || e.ariaLabel || e.getAttribute('aria-labelledby') ||
          e.textContent.trim() || e.title)).map(e => e.outerHTML)"""
    assert page.evaluate(nameless) == []
    assert page.get_attribute("#detail", "aria-labelledby") == "detail-title"


def test_hostile_id_stays_text(page) -> None:
    page.fill("#search", "<img")
    page.wait_for_function("document.querySelectorAll('#table button.open').length === 1")
    assert HOSTILE in page.inner_text("#table")
    assert page.locator("img[src=x]").count() == 0


def test_phone_does_not_scroll_sideways(page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
