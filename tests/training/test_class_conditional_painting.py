"""Runs of one painter for several classes: told the class in training, asked for it when applied."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError, UsageError
from ganvas.training.checkpoint import list_checkpoints, load_newest_checkpoint

TINY = {"width": 4, "batch": 4, "quiet": True, "images": 24, "minutes": None, "judge_samples": 16}
WORDS = {**TINY, "task": "translate", "class_conditional": True, "checkpoint_every": 12}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A/ and B/ with class folders inside: B is the negative of A, or A itself, by the class."""
    folder, random = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        for number in range(count):
            for name in ("negative", "same"):
                picture = random.integers(0, 256, (4, 4, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
                target = picture if name == "same" else 255 - picture
                for side, pixels in (("A", picture), ("B", target)):
                    path = folder / split / side / name / f"{number}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    return ganvas.train(pairs, out=tmp_path_factory.mktemp("run") / "run", **WORDS)


def test_the_config_keeps_the_classes_and_g_and_d_hear_them(run):
    model = run.model
    assert model.config.class_names == ("negative", "same")
    assert model.config.class_shares == (0.5, 0.5)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    assert not torch.equal(model.paint(x, torch.tensor([0])), model.paint(x, torch.tensor([1])))
    with pytest.raises(GanvasError, match="this model paints 2 classes: give labels"):
        model.paint(x)
    tensors = load_newest_checkpoint(run.path / "checkpoints")[0].tensors
    assert float(tensors["D.networks.0.embedding.weight"].abs().sum()) > 0  # zero at the start
    assert {m["metric"] for m in json.loads((run.path / "verdict.json").read_text())["metrics"]} >= {"l1"}


def test_a_resumed_run_of_classes_equals_one_that_never_stopped(pairs, run, tmp_path):
    ganvas.train(pairs, out=tmp_path / "parts", **WORDS)
    newest = list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    resumed = ganvas.train(pairs, out=tmp_path / "parts", resume=True, quiet=True)
    found, expected = (load_newest_checkpoint(r.path / "checkpoints")[0].tensors for r in (resumed, run))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_apply_asks_for_the_class_and_paints_it(run, pairs, tmp_path, capsys):
    picture = str(pairs / "test" / "A" / "same" / "0.png")
    assert main(["apply", str(run.path), picture, "--out", str(tmp_path / "none")]) == 2
    assert "this model paints 2 classes: give --class NAME, one of negative, same" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    painted = []
    for name in ("negative", "same"):
        assert main(["apply", str(run.path), picture, "--class", name, "--out", str(tmp_path / name)]) == 0
        painted.append(np.asarray(Image.open(tmp_path / name / "0.png")))
    assert (painted[0] != painted[1]).any()
    same = run.model.apply(np.asarray(Image.open(picture)), class_name="same")
    assert (same == painted[1]).all()


def test_evaluate_gives_the_verdict_of_the_run_again_and_refuses_other_classes(run, tmp_path):
    verdict = json.loads((run.path / "verdict.json").read_text())
    again = {m.metric: m.value for m in ganvas.evaluate(run.path).metrics}
    assert again == pytest.approx({m["metric"]: m["value"] for m in verdict["metrics"]}, rel=1e-4)
    for side in "AB":
        (tmp_path / side).mkdir()
        for number in range(12):
            Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / side / f"{number}.png")
    with pytest.raises(GanvasError, match=r"has other classes \(none\) than the model: negative, same"):
        ganvas.evaluate(run.path, data=tmp_path)


def test_a_restoration_is_told_the_class_only_if_asked(pairs, tmp_path):
    words = {**TINY, "task": "restore", "degrade": "noise:40", "class_conditional": True}
    pictures = pairs / "train" / "A"
    run = ganvas.train(pictures, out=tmp_path / "run", **words)
    assert run.model.config.class_names == ("negative", "same")
    plain = ganvas.train(pictures, out=tmp_path / "plain", **{**words, "class_conditional": False})
    assert plain.model.config.class_names == ()
    with pytest.raises(UsageError, match="it was not told classes, here there are negative, same"):
        ganvas.train(pictures, recipe="esrgan", init_from=str(plain.path), out=tmp_path / "next", **words)
    second = ganvas.train(pictures, recipe="esrgan", init_from=str(run.path), out=tmp_path / "next", **TINY, d_width=4)
    assert second.model.config.class_names == ("negative", "same")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"labels": False}, "shows no classes. Put the pictures into class folders"),
        ({"task": "unpaired"}, "classes are the two kinds of --task unpaired itself"),
        ({"task": "generate"}, "--class-conditional is a setting of --task translate, unpaired or restore"),
    ],
)
def test_classes_that_cannot_be_are_refused_in_one_line(pairs, tmp_path, words, message):
    with pytest.raises(GanvasError) as refused:
        ganvas.train(pairs, out=tmp_path / "run", **{**WORDS, **words})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
