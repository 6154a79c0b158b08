"""The report shows what a run folder holds, says what is missing, and needs nothing but itself."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.curves import Line, chart, running_median, short, ticks
from ganvas.errors import GanvasError
from ganvas.report import count, duration, figure, first_sentence, half, plain, unbroken, write_report

METRIC = {
    "metric": "frechet_distance",
    "value": 6.95,
    "real_value": 2.43,
    "features": "classifier trained on these pictures (98.5 % right on held-out pictures)",
    "samples": 5000,
    "reference": "held-out pictures",
    "reference_samples": 10000,
    "better": "lower",
    "meaning": "Distance between the two sets as wholes.",
    "real_pair": "training pictures against held-out ones",
}
RUN = {
    "schema": 1,
    "recipe": "fast",
    "source": "digits",
    "pictures": {
        "train": 1600,
        "held_out": 197,
        "height": 16,
        "width": 16,
        "channels": 1,
        "bits": 8,
        "classes": ["zero", "one"],
        "labels_note": "labels come with the data",
        "skipped": [["broken.png", "cut short"]],
        "notes": [],
    },
    "parameters": {"G": 1234567, "D": 89},
    "images_seen": 240960,
    "train_seconds": 174.9,
    "images_per_s": 1377.7,
    "versions": {"torch": "2.13.0"},
    "ended": "done",
}


def sheet(path: Path, level: int = 100, width: int = 20) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((10, width), level, np.uint8)).save(path)


@pytest.fixture
def run(tmp_path) -> Path:
    """A whole run folder."""
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "settings.yaml").write_text("batch: 32\nr1_gamma: 1.0\nbetas: [0.5, 0.99]\nmirror: false\n")
    words = "The samples are near to the held-out pictures (Fréchet distance 6.95). Nothing is missing."
    (tmp_path / "verdict.json").write_text(json.dumps({"schema": 1, "metrics": [METRIC], "words": words}))
    rows = [{"event": "stats", "images": i * 100, "d_loss": 1.3, "g_loss": 0.7, "d_lr": 0.001} for i in range(50)]
    rows.append({"event": "warning", "images": 700, "message": "the discriminator is always right"})
    (tmp_path / "stats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("reals", "fakes_init", "fakes000001", "fakes000002.5", "final", "nearest"):
        sheet(tmp_path / "samples" / f"{name}.png")
    return tmp_path


def page(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def text(run: Path) -> str:
    """The page as read: no tags, single blanks of one kind."""
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page(run), flags=re.DOTALL)).split())


def test_it_is_written_into_the_run_folder_and_leaves_nothing_else(run):
    before = {p.name for p in run.iterdir()}
    assert write_report(run) == run / "report.html"
    assert {p.name for p in run.iterdir()} == before | {"report.html"}


def test_it_opens_offline_with_nothing_fetched_and_no_script(run):
    written = page(run)
    assert not re.search(r"https?://|//[a-z]|<script|<link|@import|url\(", written)
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', written)
    assert len(sources) == 6
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_sections_stand_in_order_with_quality_before_losses(run):
    order = ["pictures", "progress", "verdict", "nearest", "curves", "events", "data", "settings", "machine"]
    assert re.findall(r'<section id="(\w+)"', page(run)) == order
    assert "A GAN's loss is not quality" in text(run)


def test_the_verdict_stands_at_the_top_and_each_number_with_its_floor(run):
    read = text(run)
    assert read.index("The samples are near to the held-out pictures (Fréchet distance 6.95).") < read.index(
        "What it draws"
    )
    assert "frechet_distance 6.95 2.43 lower 5 000 / 10 000 Distance between" in read
    assert "in the features of a classifier trained on these pictures (98.5 % right on held-out pictures)" in read


def test_facts_warnings_settings_and_skipped_files_are_all_told(run):
    read = text(run)
    for expected in (
        "240 960",
        "2 min 55 s",
        "1 378",
        "16 × 16",
        "2: zero, one",
        "labels come with the data",
        "broken.png : cut short",
        "1 234 567",
        "700 images: warning , the discriminator is always right",
        "batch 32",
        "betas 0.5, 0.99",
        "mirror no",
        "torch 2.13.0",
    ):
        assert expected in read, expected


def test_sheets_along_the_way_stand_in_the_order_of_images_not_of_letters(run):
    sheet(run / "samples" / "fakes000010.png")
    labels = re.findall(r"<figcaption>([^<]*images|before training)</figcaption>", page(run))
    assert labels == ["before training", "1\u202f000 images", "2\u202f500 images", "10\u202f000 images"]


def test_many_sheets_are_thinned_to_eight_from_first_to_last(run):
    for thousand in range(3, 60):
        sheet(run / "samples" / f"fakes{thousand:06}.png")
    labels = re.findall(r"<figcaption>([^<]*images|before training)</figcaption>", page(run))
    assert len(labels) == 8
    assert labels[0] == "before training"
    assert labels[-1] == "59\u202f000 images"


def test_wide_sheets_along_the_way_are_made_smaller(run):
    sheet(run / "samples" / "fakes000001.png", width=2000)
    uri = re.search(r'base64,([^"]+)" alt="Generated pictures, 1\u202f000 images"', page(run))
    assert uri is not None
    (run / "small.png").write_bytes(base64.b64decode(uri[1]))
    assert Image.open(run / "small.png").width == 480


def test_names_and_messages_cannot_inject_html(run):
    evil = '<script>alert("x")</script>'
    facts = {**RUN, "source": evil, "pictures": {**RUN["pictures"], "classes": [evil], "skipped": [[evil, evil]]}}
    (run / "run.json").write_text(json.dumps(facts))
    (run / "settings.yaml").write_text(json.dumps({evil: evil}))
    (run / "verdict.json").write_text(json.dumps({"words": evil, "metrics": [{**METRIC, "meaning": evil}]}))
    (run / "stats.jsonl").write_text(json.dumps({"event": evil, "images": 1, "message": evil}))
    written = page(run)
    assert "<script" not in written
    assert written.count("&lt;script&gt;") >= 8


@pytest.mark.parametrize("name", ["run.json", "settings.yaml", "verdict.json", "stats.jsonl"])
def test_a_missing_file_is_named_and_the_rest_is_shown(run, name):
    (run / name).unlink()
    read = text(run)
    assert f"{name}:" in read
    assert "What it draws" in read


@pytest.mark.parametrize(
    "name", ["run.json", "settings.yaml", "verdict.json", "samples/final.png", "samples/reals.png"]
)
def test_a_damaged_file_is_named_and_the_rest_is_shown(run, name):
    (run / name).write_bytes(b'{"half": [')
    assert f"{name}: cannot be read" in text(run)


def test_an_unjudged_run_claims_nothing(run):
    (run / "verdict.json").unlink()
    assert "This run was not judged, so nothing is claimed about its quality" in text(run)


def test_a_folder_with_settings_alone_still_gets_a_report(tmp_path):
    (tmp_path / "settings.yaml").write_text("batch: 32\n")
    read = text(tmp_path)
    assert "No sheets were saved." in read
    assert "No statistics were recorded." in read
    assert "samples/final.png: the last sheet" in read


def test_a_line_cut_by_a_kill_is_counted_not_fatal(run):
    with (run / "stats.jsonl").open("a") as stats:
        stats.write('{"event": "sta')
    assert "stats.jsonl: 1 of 52 lines cannot be read" in text(run)


def test_an_interrupted_run_says_so_at_the_top(run):
    (run / "run.json").write_text(json.dumps({**RUN, "ended": "interrupted"}))
    assert "The run was stopped before its time" in text(run)


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path):
    with pytest.raises(GanvasError, match=r"is not a run folder: expected run\.json, settings\.yaml"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(GanvasError, match="is not a run folder"):
        write_report(tmp_path / "nowhere")


def test_a_report_that_cannot_be_written_says_where(run):
    (run / "report.html").mkdir()
    with pytest.raises(GanvasError, match=r"report\.html cannot be written \(Is a directory\)"):
        write_report(run)
    assert not (run / ".report.html.tmp").exists()


def test_a_chart_places_the_lowest_and_highest_value_where_they_belong():
    drawn = chart([Line("loss", [0, 10], [1.0, 2.0])], "images")
    path = re.search(r'<path class="line0" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn)
    assert path is not None
    left, bottom, right, top = map(float, path.groups())
    assert left < right
    assert bottom > top, "down the page is larger y in SVG"
    assert 'aria-label="loss over images"' in drawn


def test_values_that_are_not_numbers_leave_a_gap():
    drawn = chart([Line("loss", [0, 1, 2, 3], [1.0, math.nan, 2.0, 3.0])], "images")
    assert len(re.findall(r"M[\d.]+ [\d.]+", drawn)) == 2


def test_nothing_finite_gives_no_chart():
    assert chart([Line("loss", [0, 1], [math.nan, math.inf])], "images") == ""
    assert chart([], "images") == ""


def test_one_spike_neither_flattens_the_chart_nor_bends_the_median():
    values = [1.0] * 100 + [1000.0] + [2.0] * 100
    assert running_median(values, 5)[98:103] == [1, 1, 2, 2, 2]
    assert ">1k<" not in chart([Line("loss", list(range(201)), values)], "images")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.5, 1]), (0, 100, [0, 50, 100]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (5, 5, [5])],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_numbers_are_written_for_people():
    assert [short(n) for n in (1500, 2_000_000, 0.25, 0)] == ["1.5k", "2M", "0.25", "0"]
    assert [duration(s) for s in (12.34, 185.2, 7260, None)] == ["12.3 s", "3 min 5 s", "2 h 1 min", "–"]
    assert [count(1234567), count(None)] == ["1\u202f234\u202f567", "–"]
    assert [
        figure(0.983, "precision"),
        figure(6.951, "frechet_distance"),
        figure(1207.4, ""),
        figure(None, "recall"),
    ] == [
        "98.3 %",
        "6.95",
        "1\u202f207",
        "–",
    ]
    assert [plain(True), plain([1, 0.5]), plain({"a": 1})] == ["yes", "1, 0.5", "a 1"]


def test_a_number_is_not_torn_from_its_per_cent_sign_or_its_thousands():
    assert unbroken("from 10 000 samples, 98.1 % of 7 classes") == "from 10\u00a0000 samples, 98.1\u00a0% of 7 classes"


def test_the_first_sentence_does_not_end_at_a_decimal_point():
    assert first_sentence("Distance 6.95 of 2.4. Good.") == "Distance 6.95 of 2.4."


def test_an_interval_stands_behind_its_value_and_what_is_none_does_not():
    assert half([6.8, 7.2], "frechet_distance") == " ±0.2"
    assert half((0.90, 0.92), "coverage") == " ±1.0 %"
    assert half(None, "coverage") == half([1, 2, 3], "coverage") == half(["a", "b"], "coverage") == ""


def test_the_passport_is_in_the_report_where_the_numbers_have_one(tmp_path):
    own = {"features_hash": "0123456789ab", "resize": "none", "value_range": "[-1, 1]", "interval": [6.8, 7.2]}
    own |= {
        "reference_fingerprint": "fedcba9876543210",
        "seeds": "1000000-1004999",
        "trunc": 1.0,
        "weights": "averaged",
    }
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(RUN))
    for metric, there in ((METRIC | own, True), (METRIC, False)):
        verdict = {"schema": 1, "metrics": [metric], "words": "As near as it gets.", "nearest": None}
        (folder / "verdict.json").write_text(json.dumps(verdict))
        page = write_report(folder).read_text(encoding="utf-8")
        assert ("Passport: what must be alike" in page) is there
        for words in ("0123456789ab", "fedcba987654", "seeds 1000000-1004999", "±0.2"):
            assert (words in page) is there
