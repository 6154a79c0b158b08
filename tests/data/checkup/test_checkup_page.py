"""The page of a checkup: complete in itself, with pictures and text alternatives, and harmless whatever names say."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data.checkup.checkup import Checkup, check
from ganvas.data.checkup.page import bar_chart, render, sentence, size, thousands
from ganvas.data.files.folders import FolderSource
from ganvas.errors import GanvasError

HOSTILE = "<script>alert(1)<"  # of a folder: file names cannot hold a slash


class Page(HTMLParser):
    """Which tags there are, what they fetch, and whether each that was opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.unlabelled_pictures = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]
        self.unlabelled_pictures += tag == "svg" and not given.get("aria-label")
        self.unlabelled_pictures += tag == "img" and "alt" not in given
        if tag not in ("meta", "img", "rect", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


@pytest.fixture
def checkup(tmp_path: Path) -> Checkup:
    """Two classes, copies, a picture that cannot be read, and names that would like to be code."""
    rng = np.random.default_rng(0)
    for folder in ("cat", HOSTILE):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / folder / f"{i}.png")
    (tmp_path / "set" / "cat" / "copy.png").write_bytes((tmp_path / "set" / "cat" / "1.png").read_bytes())
    (tmp_path / "set" / HOSTILE / '"><img src=x onerror=alert(2)>.png').write_bytes(b"x")
    return check(FolderSource("set", tmp_path / "set"), previews=True)


def test_the_page_is_complete_in_itself(checkup):
    page = Page(render(checkup))
    assert page.open == []
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert page.unlabelled_pictures == 0


def test_names_are_shown_and_never_run(checkup):
    text = render(checkup)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;" in text
    assert "&lt;img src=x onerror=alert(2)&gt;.png" in text


def test_it_says_what_was_found_and_shows_the_copies_side_by_side(checkup):
    text = render(checkup)
    assert checkup.headline in text
    for finding in checkup.findings:
        assert sentence(finding.action) in text
    assert "Exact copies" in text
    assert "cat/1.png" in text
    assert "cat/copy.png" in text
    assert "not a picture" in text
    assert text.count("<svg") == 6


def test_a_checkup_without_any_usable_picture_has_a_page_too(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(b"hello")
    text = render(check(FolderSource("set", tmp_path / "set"), previews=True))
    assert Page(text).open == []
    assert "None of the pictures can be used." in text


def test_writing_replaces_the_page_before_and_says_when_it_cannot(checkup, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    checkup.write_page(path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not list(tmp_path.glob(".page*"))
    with pytest.raises(GanvasError, match=r"cannot be written .*: name a file in a folder that can"):
        checkup.write_page(tmp_path / "nowhere" / "page.html")


def test_a_name_that_is_no_text_can_be_written(checkup, tmp_path):
    survey = dataclasses.replace(checkup.survey, skipped=(("bad\udcff.png", "not a picture"),))
    dataclasses.replace(checkup, survey=survey).write_page(tmp_path / "page.html")
    assert "bad?.png" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_chart_has_a_bar_for_each_count_and_its_words_for_those_who_do_not_see_it():
    chart = bar_chart((("cat", 10), ("a very long class name indeed", 5)), "Classes")
    assert 'aria-label="Classes: cat 10, a very long class name indeed 5"' in chart
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([0-9.]+)"', chart)]
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.1)
    assert "a very long class n…" in chart
    many = bar_chart(tuple((str(i), 1) for i in range(100)), "Classes")
    assert many.count("<rect") == 40


def test_numbers_are_written_for_readers():
    assert thousands(1234567) == "1\u00a0234\u00a0567"
    assert [size(n) for n in (10, 1500, 3_400_000, 5_600_000_000)] == [
        "1\u00a0kB",
        "2\u00a0kB",
        "3.4\u00a0MB",
        "5.6\u00a0GB",
    ]
