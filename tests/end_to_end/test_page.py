"""Pages in a browser: no errors, no requests, every figure drawn, slider and keyboard at work, in all themes.

Skipped where Chromium is missing: apt-get install chromium.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from memlearn.experiment import compare, run
from memlearn.report import write_report
from memlearn.report.compare_page import write_comparison
from tests.end_to_end.small import small, table

playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is missing")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing; apt-get install chromium")
ARGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--no-first-run"]
LARGEST = 8e6
UNDRAWN = "[...document.querySelectorAll('.plot')].filter(plot => !plot.classList.contains('js-plotly-plot')).length"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
FITS = "document.documentElement.scrollWidth <= innerWidth"
PATIENCE = 120_000
"""ms: the machine may be busy."""
Z = "JSON.stringify(Array.from(document.querySelector('.through .plot').data[0].z, row => Array.from(row)))"


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "run"
    run(small(data={"train_limit": 48}, network={"hidden": []}, crossbar={"wires": {"kind": "resistive"}}), folder)
    return write_report([folder])


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    names = "one", "other"
    for name in names:
        changes = table(name=name, data={"train_limit": 48}, training={"epochs": 1}, rule={"kind": "rounded_sgd"})
        (folder / f"{name}.json").write_text(json.dumps({**changes, "seed": len(name)}))
    compare([folder / f"{name}.json" for name in names], folder / "out")
    return write_comparison(folder / "out")


def opened(browser: playwright.Browser, file: Path, **options) -> tuple[playwright.Page, list[str]]:
    """The page with all its figures drawn, and what it complained of or asked for."""
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")
    for plot in page.query_selector_all(".plot"):
        plot.scroll_into_view_if_needed()
    for _ in range(PATIENCE // 100):  # Playwright's own waiting evaluates texts, which the page's policy forbids
        if page.evaluate(UNDRAWN) == 0:
            break
        page.wait_for_timeout(100)
    assert page.evaluate(UNDRAWN) == 0
    return page, wrong


@pytest.fixture(scope="module")
def shown(browser: playwright.Browser, report: Path) -> Iterator[playwright.Page]:
    """The report, for those who move through it."""
    page, wrong = opened(browser, report)
    yield page
    assert wrong == []
    page.close()


def test_every_figure_is_drawn_without_an_error_or_a_request(shown: playwright.Page):
    assert shown.locator(".plot").count() > 10 and shown.locator(".plot .main-svg").count() > 0
    assert shown.evaluate(BACKGROUND) == "rgb(255, 255, 255)" and shown.evaluate(FITS)


@pytest.mark.parametrize("which", ["report", "comparison"])
def test_pages_are_dark_for_those_who_like_it_and_fit_a_phone(
    browser: playwright.Browser, request: pytest.FixtureRequest, which: str
):
    file: Path = request.getfixturevalue(which)
    assert file.stat().st_size < LARGEST
    page, wrong = opened(browser, file, color_scheme="dark", viewport={"width": 390, "height": 844})
    assert wrong == [] and page.locator(".plot").count() >= 1
    assert page.evaluate(BACKGROUND) != "rgb(255, 255, 255)" and page.evaluate(FITS)
    page.close()


def test_the_slider_moves_through_the_training_by_keyboard_and_button(shown: playwright.Page):
    page = shown
    slider, output = page.locator(".through input").first, page.locator(".through output").first
    last, after = output.text_content(), page.evaluate(Z)
    slider.focus()
    page.keyboard.press("Home")
    assert output.text_content() == slider.get_attribute("aria-valuetext") == "before training"
    before = page.evaluate(Z)
    assert before != after
    page.keyboard.press("End")
    assert output.text_content() == last and page.evaluate(Z) == after
    button = page.locator(".through button").first
    button.focus()
    page.keyboard.press("Enter")
    assert output.text_content() == "before training" and button.text_content() == "Stop"
    page.keyboard.press("Enter")
    assert button.text_content() == "Play"


def test_the_keyboard_reaches_the_content_and_whatever_scrolls(shown: playwright.Page):
    shown.reload()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.className") == "skip"
    shown.keyboard.press("Enter")
    assert shown.evaluate("location.hash") == "#content"
    for kind in (".scroll", "summary", "pre", ".through input", ".through button"):
        shown.locator("details").first.evaluate("item => { item.open = true; }")
        shown.locator(kind).first.focus()
        assert shown.evaluate("kind => document.activeElement.matches(kind)", kind), kind
    shown.locator("summary").first.focus()
    shown.keyboard.press("Enter")
    assert shown.locator("details").first.get_attribute("open") is None


def test_on_paper_everything_is_drawn_and_nothing_is_to_be_pressed(shown: playwright.Page):
    assert len(shown.pdf(format="A4")) > 50_000
    assert shown.evaluate(UNDRAWN) == 0
    shown.emulate_media(media="print")
    assert not shown.locator(".through button").first.is_visible()
