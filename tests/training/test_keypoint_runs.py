"""Runs that draw pictures from points: what the model keeps, how it is applied, and what is refused."""

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
COLOURS = {"blue": (40, 40, 220), "red": (220, 40, 40)}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Coloured discs on white, and a table of their middles."""
    root, random = tmp_path_factory.mktemp("cells"), np.random.default_rng(0)
    y, x = np.mgrid[:24, :32]
    rows = ["file,name,x,y,width,height"]
    (root / "set").mkdir()
    for number in range(30):
        picture = np.full((24, 32, 3), 255, np.uint8)
        for name, colour in COLOURS.items():
            row, column = random.integers(6, 18), random.integers(8, 24)
            picture[(y - row) ** 2 + (x - column) ** 2 < 9] = colour
            rows.append(f"{number}.png,{name},{column},{row},32,24")
        Image.fromarray(picture).save(root / "set" / f"{number}.png")
    (root / "cells.csv").write_text("\n".join(rows) + "\n")
    return root


def words(cells, **more):
    return {**TINY, "task": "translate", "keypoints": str(cells / "cells.csv"), "resolution": 16, **more}


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return ganvas.train(cells / "set", out=out, checkpoint_every=12, keypoint_sigma=0.1, **words(cells))


def test_the_model_keeps_what_its_points_are_called_and_how_wide_they_are(run):
    c = run.model.config
    assert (c.keypoints, c.sigma, c.fit) == (("blue", "red"), 0.1, "crop")
    assert (c.in_channels, c.out_channels, c.direction) == (2, 3, "AtoB")
    verdict = json.loads((run.path / "verdict.json").read_text())
    assert all(metric.get("input_value") is None for metric in verdict["metrics"])  # points are no pictures
    again = {m.metric: m.value for m in ganvas.evaluate(run.path).metrics}
    assert again == pytest.approx({m["metric"]: m["value"] for m in verdict["metrics"]}, rel=1e-4)


def test_sheets_show_the_points_in_colour_on_black(run):
    sheet = np.asarray(Image.open(run.path / "samples" / "reals.png").convert("RGB"))
    red, green, blue = sheet.reshape(-1, 3).astype(int).T
    assert ((green > 150) & (blue > 150) & (red < green / 3)).any()  # the second kind: no disc is of that colour
    assert ((green == 0) & (blue == 0) & (red == 0)).any()


def test_a_resumed_run_of_points_equals_one_that_never_stopped(cells, run, tmp_path):
    ganvas.train(cells / "set", out=tmp_path / "parts", checkpoint_every=12, keypoint_sigma=0.1, **words(cells))
    newest = list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    resumed = ganvas.train(cells / "set", out=tmp_path / "parts", resume=True, quiet=True)
    found, expected = (load_newest_checkpoint(r.path / "checkpoints")[0].tensors for r in (resumed, run))
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_apply_draws_a_picture_for_each_entry_and_goes_on_where_it_stopped(cells, run, tmp_path, capsys):
    table, out = tmp_path / "poses.csv", tmp_path / "out"
    table.write_text("file,name,x,y\nup.png,red,8,3\nsub/down.png,red,8,12\nsub/down.png,blue,2,2\nup.png,red,99,3\n")
    assert main(["apply", str(run.path), str(table), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "2 files written" in said.out
    assert "1 points outside of 16x16 pixels are left out" in said.err
    up, down = (np.asarray(Image.open(out / name)) for name in ("up.png", "sub/down.png"))
    assert up.shape == (16, 16, 3)
    assert (up != down).any()
    assert Image.open(out / "up.png").text["synthetic"] == "true"
    assert main(["apply", str(run.path), str(table), "--out", str(out)]) == 0
    assert "0 files written" in capsys.readouterr().out
    table.write_text("file,name,x,y\nup.png,red,8,4\n")
    assert main(["apply", str(run.path), str(table), "--out", str(out)]) == 2
    assert "would be overwritten" in capsys.readouterr().err


def test_points_in_the_library_are_drawn_as_those_of_a_file(cells, run, tmp_path):
    model = run.model
    maps = model.heat_maps({"red": [(16, 6), (4, 4)], "blue": (20, 12)}, size=(24, 32))
    assert maps.shape == (16, 16, 2)
    (tmp_path / "p.csv").write_text(
        "file,name,x,y,width,height\na.png,red,16,6,32,24\na.png,red,4,4,32,24\na.png,blue,20,12,32,24\n"
    )
    assert main(["apply", str(run.path), str(tmp_path / "p.csv"), "--out", str(tmp_path / "a.png")]) == 0
    assert (np.asarray(Image.open(tmp_path / "a.png")) == model.apply(maps)).all()
    with pytest.raises(UsageError, match="there is no point nose for this model: it knows blue, red"):
        model.heat_maps({"nose": (1, 1)})


def test_g_learns_to_put_what_it_draws_where_the_point_is(cells, tmp_path):
    long = {"width": 8, "batch": 8, "images": 1600, "adversarial_weight": 0.0, "ema_half_life": 200}
    run = ganvas.train(cells / "set", out=tmp_path / "run", **{**words(cells, keypoint_sigma=0.1), **long})
    for x, y in ((5, 5), (10, 9)):
        drawn = run.model.apply(run.model.heat_maps({"red": (x, y)})).astype(int)
        redness = drawn[..., 0] - drawn[..., 2]
        row, column = np.unravel_index(redness.argmax(), redness.shape)
        assert abs(row - y) <= 2
        assert abs(column - x) <= 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"direction": "BtoA"}, "--direction BtoA: pictures are drawn from points"),
        ({"one_hot": True}, "--one-hot is of label maps, and --keypoints gives points"),
        ({"task": "generate"}, "gives pairs and this recipe draws single pictures"),
        ({"keypoints": "nowhere.json"}, "keypoint file nowhere.json cannot be read"),
        ({"keypoint_sigma": 0.9}, "--keypoint-sigma"),
        ({"fit": "patch"}, "--fit patch: points are of whole pictures"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_points_is_refused_in_one_line(cells, tmp_path, more, message):
    with pytest.raises(GanvasError) as refused:
        ganvas.train(cells / "set", out=tmp_path / "run", **{**words(cells), **more})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_mirror_is_refused_where_points_have_sides(cells, tmp_path):
    sided = tmp_path / "sided.csv"
    sided.write_text((cells / "cells.csv").read_text().replace(",red,", ",left_hand,"))
    with pytest.raises(UsageError, match="--mirror would show left_hand on the other side"):
        ganvas.train(cells / "set", out=tmp_path / "run", **words(cells, mirror=True, keypoints=str(sided)))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "p.csv",
            "file,name,x,y\na.png,nose,1,1\n",
            "named nose, which this model does not know: it knows blue, red",
        ),
        ("p.csv", "file,name,x,y\na.png,red,1,1\na.jpg,red,1,1\n", "would both be written as a"),
        ("p.png", "", "this model draws from points: give a keypoint file"),
        ("p.csv", "file,name,x,y\n/etc/a.png,red,1,1\n", "expected a path relative to"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_anything_is_written(run, tmp_path, capsys, file, text, message):
    (tmp_path / file).write_text(text)
    assert main(["apply", str(run.path), str(tmp_path / file), "--out", str(tmp_path / "out")]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "a.png").exists()


def test_an_entry_without_a_point_inside_is_named_and_the_others_go_on(run, tmp_path, capsys):
    (tmp_path / "p.csv").write_text("file,name,x,y\na.png,red,100,1\nb.png,red,3,3\n")
    assert main(["apply", str(run.path), str(tmp_path / "p.csv"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "none of its points lies in 16x16 pixels (the model's resolution: add the columns width and height" in said
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["b.png"]
