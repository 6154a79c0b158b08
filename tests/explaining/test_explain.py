"""Whole runs are explained: several families, with labels and without, twice alike."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError, UsageError
from ganvas.explaining.explanation import Explanation
from ganvas.explaining.subject import open_subject
from ganvas.training.checkpoint import Checkpoint, load_newest_checkpoint, save_checkpoint
from ganvas.training.run_folder import RunFolder

SECTIONS = ["looks", "extremes", "missing", "spectra", "drift", "probe"]


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to / run.name))


def explained(run: Path) -> Explanation:
    return ganvas.explain(run, samples=40, quiet=True)


def text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def numbers(value):
    """Every number in a JSON document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, int | float) else []


@pytest.mark.parametrize(
    ("recipe", "source"),
    [
        ("fast", "digits"),
        ("acgan", "digits"),
        ("progressive", "digits"),
        ("projected", "digits"),
        ("fast", "bars"),
        ("fastgan", "bars"),
        ("projected", "bars"),
        ("progressive", "bars"),
    ],
)
def test_runs_of_many_families_are_explained(trained, tmp_path, recipe, source):
    run = copied(trained(recipe, source), tmp_path)
    found = explained(run)
    document = json.loads((run / "explain" / "explain.json").read_text(encoding="utf-8"))
    assert document == found.document
    assert list(document["words"]) == SECTIONS
    assert all(document["words"].values())
    assert all(map(math.isfinite, numbers(document)))
    assert document["samples"] == 40
    assert document["missing"]["groups_are"].startswith("classes" if source == "digits" else "clusters")
    measures = [ranking["measure"] for ranking in document["extremes"]["rankings"]]
    assert measures == ["realism", "room", "logit", *(["certainty"] if source == "digits" else []), "closeness"]
    assert ("trained" in document["probe"]) == (source == "digits")
    assert len(document["drift"]["images"]) >= 3
    assert any("flatters" in note for note in document["notes"]) == (recipe == "projected")

    page = found.page.read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)"', page) == [*SECTIONS, "made"]
    read = text(page)
    for said in document["words"].values():
        assert all(" ".join(sentence.split()) in read for sentence in said)
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert "nan" not in text(page).lower().split()


def test_the_same_call_gives_the_same_numbers_and_pictures(trained, tmp_path):
    first = copied(trained("fast", "digits"), tmp_path / "a")
    second = copied(trained("fast", "digits"), tmp_path / "b")
    explained(first)
    torch.rand(7)  # nothing depends on where the global stream stands
    explained(second)
    names = sorted(path.name for path in (first / "explain").iterdir())
    assert "explain.json" in names
    assert names == sorted(path.name for path in (second / "explain").iterdir())
    for name in names:
        assert (first / "explain" / name).read_bytes() == (second / "explain" / name).read_bytes(), name


def test_the_seeds_below_a_picture_draw_it_again(trained, tmp_path):
    run = copied(trained("fast", "digits"), tmp_path)
    explained(run)
    with Image.open(run / "explain" / "logit_best.png") as sheet:
        seeds = [int(seed) for seed in sheet.text["seeds"].split(",")]
        assert sheet.text["synthetic"] == "true"
        assert sheet.text["model_sha256"] == ganvas.load(run).hash
        factor = sheet.height // (8 + 4)
        pixels = np.asarray(sheet)[::factor, ::factor]
    drawn = ganvas.load(run).sample(seeds)[..., 0]
    for i, picture in enumerate(drawn):
        shown = pixels[2:10, 2 + 10 * i : 10 + 10 * i]
        assert np.abs(shown.astype(int) - picture.astype(int)).max() <= 1


def test_the_report_tells_the_gist_and_when_it_is_of_another_model(trained, tmp_path):
    run = copied(trained("fast", "digits"), tmp_path)
    assert '<section id="explained"' not in (run / "report.html").read_text(encoding="utf-8")
    document = explained(run).document
    page = (run / "report.html").read_text(encoding="utf-8")
    read = text(page).replace("\u00a0", " ")
    assert document["words"]["missing"][0] in read
    assert document["words"]["probe"][0] in read
    assert 'href="explain.html"' in page
    assert "another model" not in read
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**facts, "model_hash": "other"}), encoding="utf-8")
    assert main(["report", str(run)]) == 0
    assert "This was said of another model" in (run / "report.html").read_text(encoding="utf-8")


def test_the_d_of_the_best_checkpoint_is_looked_at_and_the_other_has_learned_nothing(trained, tmp_path):
    run = copied(trained("fast", "digits"), tmp_path)
    subject = open_subject(run, "cpu")
    checkpoint, _ = load_newest_checkpoint(RunFolder(run).checkpoints)
    assert checkpoint is not None
    kept = {name: checkpoint.tensors[f"D.{name}"] for name in subject.D.state_dict()}
    assert all(torch.equal(tensor, kept[name]) for name, tensor in subject.D.state_dict().items())
    assert not torch.equal(next(subject.untrained.parameters()), next(subject.D.parameters()))
    assert not subject.D.training
    assert not subject.untrained.training


def test_a_discriminator_that_is_half_grown_is_compared_with_one_as_half_grown(trained, tmp_path):
    run = copied(trained("progressive", "bars"), tmp_path)
    folder = RunFolder(run).checkpoints
    checkpoint, _ = load_newest_checkpoint(folder)
    assert checkpoint is not None
    early = {**checkpoint.tensors, "D.stage": torch.tensor(0), "D.fade": torch.tensor(1.0)}
    save_checkpoint(folder, Checkpoint(early, checkpoint.counters), best=True)
    subject = open_subject(run, "cpu")
    assert int(subject.D.stage) == int(subject.untrained.stage) == 0
    pictures = subject.to_d(np.array(subject.store.images[:2]))
    assert torch.equal(subject.D.as_far_as_grown(pictures), pictures), "shown with no more detail than it looks at"


def test_a_run_that_was_not_scored_is_explained_by_its_newest_checkpoint_and_says_so(trained, tmp_path):
    run = copied(trained("fast", "bars"), tmp_path)
    (run / "checkpoints" / "best").unlink(missing_ok=True)
    assert any("the newest is used instead" in note for note in explained(run).document["notes"])


def test_what_cannot_be_explained_is_refused_in_one_line(trained, tmp_path, capsys):
    run = copied(trained("fast", "bars"), tmp_path)
    with pytest.raises(UsageError, match=r"--samples 8: give 32 to 10000"):
        ganvas.explain(run, samples=8)
    with pytest.raises(UsageError, match="only a run keeps its discriminator"):
        ganvas.explain(run / "model")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(GanvasError, match="holds no checkpoint that loads, so no discriminator"):
        ganvas.explain(run, quiet=True)
    assert not (run / "explain.html").exists()
    assert main(["explain", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_prints_words_and_where_the_page_is_or_one_document(trained, tmp_path, capsys):
    run = copied(trained("fast", "bars"), tmp_path)
    assert main(["explain", str(run), "--samples", "40", "--threads", "1"]) == 0
    said = capsys.readouterr()
    assert f"page: {run / 'explain.html'}" in said.out
    assert "What is missing: No sample comes near" in said.out
    assert said.err == ""
    assert main(["explain", str(run), "--samples", "40", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 1


def test_a_run_that_is_replaced_loses_the_explanation_of_the_old_one(trained, tmp_path):
    from ganvas.training.run_folder import make_run_folder

    run = copied(trained("fast", "bars"), tmp_path)
    explained(run)
    make_run_folder(RunFolder(run), fresh=True)
    assert not (run / "explain").exists()
    assert not (run / "explain.html").exists()
