"""Runs that paint photos in the style of a picture: what they leave, that they resume exactly, what they refuse."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import main
from ganvas.data import styled
from ganvas.errors import GanvasError
from ganvas.training.checkpoint import list_checkpoints, load_newest_checkpoint

TINY = {"task": "unpaired", "resolution": 16, "width": 4, "batch": 4, "quiet": True, "images": 24, "judge_samples": 16,
        "checkpoint_every": 12, "network_options": ("blocks=1", "antialias=true")}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(styled, "CROPS", 40)
        patch.setattr(styled, "HELD_OUT_CROPS", 12)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """photos/, and a style of stripes as one picture and as a folder of two."""
    root, random = tmp_path_factory.mktemp("styled"), np.random.default_rng(0)
    for name in ("photos", "stripes", "empty"):
        (root / name).mkdir(parents=True)
    for i in range(20):
        small = Image.fromarray(random.integers(0, 255, (4, 5, 3), np.uint8))
        small.resize((40, 32), Image.Resampling.BICUBIC).save(root / f"photos/{i}.png")
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[::4] = 255, 128, 0
    Image.fromarray(stripes).save(root / "stripes.png")
    for i in range(2):
        Image.fromarray(np.roll(stripes, i, axis=0)).save(root / f"stripes/{i}.png")
    Image.fromarray(stripes[:12]).save(root / "small.png")
    return root


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return ganvas.train(data / "photos", style=str(data / "stripes.png"), out=out, **TINY)


def test_cut_learns_from_photos_and_one_picture_and_is_judged_by_its_crops(run):
    config = run.model.config
    assert (config.recipe, config.domains, config.direction, config.both) == ("cut", ("photos", "style"), "AtoB", False)
    verdict = json.loads((run.path / "verdict.json").read_text())
    assert "From photos to style" in verdict["words"]
    assert "12 held-out pictures of photos as they are" in verdict["words"]
    (distance,) = verdict["metrics"]
    assert (distance["metric"], distance["reference_samples"]) == ("frechet_distance_AtoB", 40)
    assert np.isfinite([distance["value"], distance["input_value"], distance["real_value"]]).all()


def test_a_resumed_run_equals_one_that_never_stopped(data, run, tmp_path):
    words = {**TINY, "style": str(data / "stripes.png")}
    ganvas.train(data / "photos", out=tmp_path / "parts", **words)
    newest = list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    resumed = ganvas.train(data / "photos", out=tmp_path / "parts", resume=True, **words)
    assert [e["images"] for e in resumed.stats if e["event"] == "resumed"] == [12]
    found, expected = (load_newest_checkpoint(one.path / "checkpoints")[0].tensors for one in (resumed, run))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_another_style_does_not_go_on_with_a_run(data, run):
    Image.fromarray(np.full((48, 64, 3), 9, np.uint8)).save(data / "other.png")
    words = {"style": str(data / "other.png"), "out": run.path, "resume": True, "quiet": True}
    with pytest.raises(GanvasError, match=r"was started with other settings: --style .*stripes.png -> .*other.png"):
        ganvas.train(data / "photos", **words)
    with pytest.raises(GanvasError, match=r"is not what .* was trained on"):
        ganvas.train(data / "photos", accept_changes=True, **words)


def test_what_was_learned_is_applied_to_files_of_any_size_and_judged_again(data, run, tmp_path):
    assert main(["apply", str(run.path), str(data / "photos" / "3.png"), "--out", str(tmp_path / "styled")]) == 0
    assert Image.open(tmp_path / "styled" / "3.png").size == (40, 32)
    verdict = json.loads((run.path / "verdict.json").read_text())
    assert ganvas.evaluate(run.path).metrics[0].value == pytest.approx(verdict["metrics"][0]["value"], rel=1e-4)


def test_several_pictures_are_one_style_and_a_dry_run_counts_their_crops(data, capsys):
    words = ["--task", "unpaired", "--resolution", "16", "--width", "4", "--dry-run", "--images", "100"]
    assert main(["train", str(data / "photos"), "--style", str(data / "stripes"), *words]) == 0
    said = capsys.readouterr().out
    assert "94 for training, 12 held out" in said  # three of each of 18 photos, twenty of each picture of stripes
    assert "cut (the default with --style, from photos to style)" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"style": "small.png"}, "small.png is 64x12 pixels, smaller than the 16x16 that are trained on"),
        ({"style": "empty"}, "empty holds no pictures, it is empty"),
        ({"direction": "BtoA"}, "--direction does not go with --style"),
        ({"fit": "pad"}, "--fit does not go with --style"),
        ({"labels": False}, "--labels does not go with --style"),
        ({"domains": "a,b"}, "--domains does not go with --style"),
        ({"recipe": "cyclegan"}, "--style is of --task unpaired and goes one way"),
        ({"task": "generate"}, "--style is a setting of --task translate, unpaired or restore"),
    ],
)
def test_what_does_not_go_with_a_style_is_refused_in_one_line(data, tmp_path, words, message):
    words = {**TINY, "style": "stripes.png", **words}
    words["style"] = str(data / words["style"])
    with pytest.raises(GanvasError) as refused:
        ganvas.train(data / "photos", out=tmp_path / "run", **words)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
