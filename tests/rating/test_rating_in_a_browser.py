"""The page in a real browser: Chromium, driven by Playwright, rates a study that `serving` serves on 127.0.0.1."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_studies import study, study_file

from ganvas.rating.study import schedule

server = pytest.importorskip("ganvas.rating.server")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A new browser profile; what goes wrong in the page fails the test."""
    context = chromium.new_context()
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    wrong: list[str] = []
    asked: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    context.close()
    assert wrong == []
    assert all(url.startswith(("http://127.0.0.1:", "data:")) for url in asked), asked


def begin(page: Any, file: Any, port: int, name: str = "") -> None:
    page.goto(f"http://127.0.0.1:{port}/?token={file.token}")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Begin").click()
    wait_for(page, 0)


def wait_for(page: Any, position: int) -> None:
    """Until the screen at that place takes an answer."""
    page.locator(f'#stage[data-ready="{position}"]').wait_for()


def test_ten_pairs_by_keys_and_clicks_with_one_taken_back(tmp_path: Path, page: Any) -> None:
    file = study_file(tmp_path, study(10))
    ways = (
        ("left", lambda: page.keyboard.press("ArrowLeft")),
        ("right", lambda: page.keyboard.press("ArrowRight")),
        ("left", lambda: page.keyboard.press("1")),
        ("right", lambda: page.keyboard.press("2")),
        ("left", lambda: page.get_by_role("button", name="Left").click()),
        ("right", lambda: page.get_by_role("button", name="Right").click()),
    )
    expected = [ways[position % len(ways)][0] for position in range(15)]
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port, "Ann")
        assert "token" not in page.url
        assert page.get_by_role("heading", name="Which picture looks more real?").is_visible()
        for position in range(15):
            wait_for(page, position)
            assert page.locator("#count").inner_text() == f"{position + 1} of 15"
            if position == 4:  # a wrong answer, taken back
                page.keyboard.press("ArrowRight")
                wait_for(page, 5)
                assert file.judgements()[-1].answer == "right"
                page.keyboard.press("u")
                wait_for(page, 4)
                assert len(file.judgements()) == 4
            ways[position % len(ways)][1]()
        page.get_by_role("heading", name="Thank you").wait_for()
    kept = file.judgements()
    assert [j.answer for j in kept] == expected
    assert [r.name for r in file.raters()] == ["Ann"]
    for judgement, screen in zip(kept, schedule(file.study, 1), strict=True):
        assert (judgement.kind, judgement.item, judgement.truth) == (screen.kind, screen.item, screen.truth)
        assert 150 <= judgement.milliseconds < 60_000
        assert judgement.width == 32


def test_esc_hides_the_pictures_stops_the_clock_and_takes_no_answer(tmp_path: Path, page: Any) -> None:
    file = study_file(tmp_path)
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port)
        page.keyboard.press("Escape")
        page.get_by_role("heading", name="Paused").wait_for()
        assert not page.locator("#stage").is_visible()
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(1500)
        assert file.judgements() == []
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowLeft")
        wait_for(page, 1)
    assert file.judgements()[0].milliseconds < 1500


def test_a_held_key_and_a_double_click_answer_once(tmp_path: Path, page: Any) -> None:
    file = study_file(tmp_path)
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port)
        for _ in range(3):
            page.keyboard.down("ArrowLeft")  # from the second on these are repeats
        wait_for(page, 1)
        page.keyboard.up("ArrowLeft")
        page.get_by_role("button", name="Left").dblclick()
        wait_for(page, 2)
        page.wait_for_timeout(300)
    assert len(file.judgements()) == 2


def test_the_page_goes_on_after_a_reload_and_a_taken_name_is_told(tmp_path: Path, page: Any, chromium: Any) -> None:
    file = study_file(tmp_path)
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port, "Ann")
        page.keyboard.press("1")
        wait_for(page, 1)
        page.reload()
        wait_for(page, 1)
        other = chromium.new_page()
        other.goto(f"http://127.0.0.1:{port}/?token={file.token}")
        other.get_by_label("Your name").fill("ann")
        other.get_by_role("button", name="Begin").click()
        other.get_by_role("alert").filter(has_text="is taken").wait_for()
        other.get_by_label("Your name").fill("")
        other.get_by_role("button", name="Begin").click()
        wait_for(other, 0)
        other.close()
    assert [r.name for r in file.raters()] == ["Ann", None]


def test_an_answer_waits_for_a_server_that_is_started_again(tmp_path: Path, page: Any) -> None:
    file = study_file(tmp_path)
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port)
    page.keyboard.press("1")
    page.get_by_role("alert").filter(has_text="not saved yet").wait_for()
    with server.serving(file, "127.0.0.1", port):
        wait_for(page, 1)
    assert [(j.position, j.answer) for j in file.judgements()] == [(0, "left")]


def test_everything_can_be_done_by_tab_and_enter_and_is_announced(tmp_path: Path, page: Any) -> None:
    file = study_file(tmp_path)
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port)
        focused = page.evaluate("document.activeElement.id")
        assert focused == "question"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        wait_for(page, 1)
        assert page.get_by_role("status").inner_text() == "2 of 15"
        page.keyboard.press("Enter")  # the focus stayed on the left picture
        wait_for(page, 2)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        wait_for(page, 3)
    assert [j.answer for j in file.judgements()] == ["left", "left", "right"]


def test_real_or_generated_on_a_phone_with_examples_first(tmp_path: Path, chromium: Any) -> None:
    file = study_file(tmp_path, study(4, single=True))
    context = chromium.new_context(**PHONE)
    page = context.new_page()
    with server.serving(file, "127.0.0.1", 0) as port:
        page.goto(f"http://127.0.0.1:{port}/?token={file.token}")
        page.get_by_alt_text("A real picture").nth(11).wait_for()
        page.get_by_role("button", name="Begin").tap()
        for position in range(9):
            wait_for(page, position)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.get_by_role("button", name=("Real", "Generated")[position % 2]).tap()
        page.get_by_role("heading", name="Thank you").wait_for()
        page.get_by_role("button", name="Take the last answer back").tap()
        wait_for(page, 8)
    context.close()
    assert [j.answer for j in file.judgements()] == ["real", "generated"] * 4


@pytest.mark.parametrize("side", [256, 512])
def test_a_pair_of_any_size_fits_a_phone_side_by_side(tmp_path: Path, chromium: Any, side: int) -> None:
    file = study_file(tmp_path, study(4).model_copy(update={"height": side, "width": side}))
    context = chromium.new_context(**PHONE)
    page = context.new_page()
    with server.serving(file, "127.0.0.1", 0) as port:
        begin(page, file, port)
        left, right = (page.locator("#stage img").nth(i).bounding_box() for i in (0, 1))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert left["y"] == right["y"]
    assert left["width"] == right["width"] == left["height"]
    assert 150 < left["width"] < 195
    assert left["x"] + left["width"] < right["x"]
