"""Runs that paint pictures from pictures: what they leave, that they resume exactly, and what they refuse."""

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
WORDS = {
    "pix2pix": {"task": "translate"},
    "pix2pixhd": {"recipe": "pix2pixhd", "direction": "BtoA", "resolution": 32, "network_options": ("blocks=1",)},
    "cyclegan": {"task": "unpaired", "network_options": ("blocks=1",)},
    "cut": {"recipe": "cut", "network_options": ("blocks=1",)},
    "srresnet": {"task": "restore", "degrade": "lowres:2", "network_options": ("blocks=1",)},
    "unet-restore": {"task": "restore", "degrade": "blur,noise"},
    "inpaint": {"task": "restore", "degrade": "holes", "network_options": ("blocks=1",)},
}


def shapes(n, seed=0, side=16):
    """Coloured discs on white: [n, side, side, 3] uint8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    pictures = np.full((n, side, side, 3), 255, np.uint8)
    for picture in pictures:
        (cy, cx), r = random.integers(4, side - 4, 2), random.integers(2, 5)
        picture[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = random.integers(0, 200, 3)
    return pictures


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One folder of each layout: pairs A|B, A and B without partners, and plain pictures; some held out."""
    root = tmp_path_factory.mktemp("painting")
    discs = shapes(48)
    for i, disc in enumerate(discs):
        split = "test" if i >= 36 else "train"
        for folder, picture in (
            (f"pairs/{split}", np.concatenate([disc, 255 - disc], axis=1)),
            (f"unpaired/{split}{'AB'[i % 2]}", disc if i % 2 == 0 else 255 - disc),
            (f"plain/{split}", disc),
            (f"classes/{split}/{'ab'[i % 2]}", disc if i % 2 == 0 else 255 - disc),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(root / folder / f"{i:03d}.png")
    return root


def source(data, name):
    words = WORDS[name]
    if words.get("task") == "restore":
        return data / "plain"
    return data / ("unpaired" if name in ("cyclegan", "cut") else "pairs")


def tensors_of(run):
    return load_newest_checkpoint(run.path / "checkpoints")[0].tensors


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """One run of each recipe, made when it is first asked for."""
    made = {}

    def of(name):
        if name not in made:
            out = tmp_path_factory.mktemp("runs") / name
            made[name] = ganvas.train(source(data, name), out=out, checkpoint_every=12, **{**TINY, **WORDS[name]})
        return made[name]

    return of


@pytest.mark.parametrize("name", WORDS)
def test_a_run_leaves_what_every_run_leaves(runs, name):
    run = runs(name)
    assert {p.name for p in run.path.iterdir()} >= {
        *("settings.yaml", "stats.jsonl", "run.json", "samples", "checkpoints", "model", "verdict.json", "report.html")
    }
    assert {p.name for p in (run.path / "samples").iterdir()} >= {"reals.png", "fakes_init.png", "final.png"}
    facts = json.loads((run.path / "run.json").read_text())
    verdict = json.loads((run.path / "verdict.json").read_text())
    assert facts["ended"] == "done"
    assert run.model.hash == facts["model_hash"]
    assert run.model.config.recipe == name
    assert "12 held-out" in verdict["words"] or "6 held-out" in verdict["words"] or "training" in verdict["words"]
    assert all(np.isfinite(metric["value"]) for metric in verdict["metrics"])
    page = (run.path / "report.html").read_text()
    assert facts["report"]["drawn"] in page
    for words in (
        "Generated, not chosen by hand",
        "Does it copy?",
        "The same seeds each time",
        "truncation",
        "nearest.png",
    ):
        assert words not in page


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan", "cut", "srresnet", "inpaint"])
def test_a_resumed_run_equals_one_that_never_stopped(data, runs, tmp_path, name):
    straight = runs(name)
    words = {**TINY, **WORDS[name], "checkpoint_every": 12}
    ganvas.train(source(data, name), out=tmp_path / "parts", **words)
    newest = list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    resumed = ganvas.train(source(data, name), out=tmp_path / "parts", resume=True, quiet=True)
    assert [e["images"] for e in resumed.stats if e["event"] == "resumed"] == [12]
    found, expected = tensors_of(resumed), tensors_of(straight)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_painter_paints_tensors_of_its_channels_and_scale_alone(runs):
    model = runs("srresnet").model
    assert (model.config.scale, model.config.degradation, model.config.direction) == (2, "lowres:2", "")
    assert model.paint(torch.zeros(2, 3, 7, 9)).shape == (2, 3, 14, 18)
    with pytest.raises(GanvasError, match=r"takes \[N, 3, H, W\], not \[1, 1, 8, 8\]"):
        model.paint(torch.zeros(1, 1, 8, 8))
    holes = runs("inpaint").model
    assert (holes.config.in_channels, holes.config.out_channels, holes.config.masked) == (4, 3, True)


def test_a_model_of_both_directions_turns_round(runs):
    model = runs("cyclegan").model
    assert model.directions == ("AtoB", "BtoA")
    x = torch.linspace(-1, 1, 3 * 16 * 16).view(1, 3, 16, 16)
    back = model.towards("BtoA")
    assert back.config.direction == "BtoA"
    assert not torch.equal(model.paint(x), back.paint(x))
    assert torch.equal(back.towards("AtoB").paint(x), model.paint(x))
    with pytest.raises(UsageError, match="--direction BtoA: this model paints AtoB"):
        runs("cut").model.towards("BtoA")


def test_a_painter_comes_back_from_its_folder_and_a_damaged_one_is_refused(runs, tmp_path):
    model = runs("pix2pix").model
    model.save(tmp_path / "copy")
    again = ganvas.load(tmp_path / "copy")
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(again.paint(x), model.paint(x))
    assert again.hash == model.hash
    with (tmp_path / "copy" / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"oops")
    with pytest.raises(GanvasError, match="is damaged: its SHA-256"):
        ganvas.load(tmp_path / "copy")


def test_sample_points_to_apply(runs, capsys):
    assert main(["sample", str(runs("pix2pix").path)]) == 1
    said = capsys.readouterr().err
    assert "paints pictures from pictures (task translate)" in said
    assert "ganvas apply" in said


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan", "srresnet"])
def test_evaluate_gives_the_runs_own_verdict_again(runs, name):
    run = runs(name)
    verdict = json.loads((run.path / "verdict.json").read_text())
    again = ganvas.evaluate(run.path)
    assert {m.metric: m.value for m in again.metrics} == pytest.approx(
        {m["metric"]: m["value"] for m in verdict["metrics"]}, rel=1e-4
    )
    with pytest.raises(UsageError, match="--preset: of what paints pictures from pictures"):
        ganvas.evaluate(run.path, preset="fid50k_full")


def test_the_second_stage_begins_with_the_first_and_takes_over_its_network(data, runs, tmp_path):
    first = runs("srresnet")
    run = ganvas.train(data / "plain", recipe="esrgan", init_from=str(first.path), out=tmp_path / "run",
                       **{**TINY, "width": 8, "d_width": 4})  # fmt: skip
    assert (run.model.config.width, run.model.config.degradation) == (4, "lowres:2")
    with pytest.raises(UsageError, match="--recipe esrgan is the second stage"):
        ganvas.train(data / "plain", recipe="esrgan", degrade="noise", out=tmp_path / "other", **TINY)


def test_a_classifier_says_what_restoring_is_worth_where_there_are_classes(data, tmp_path):
    run = ganvas.train(data / "classes", task="restore", degrade="noise:80", out=tmp_path / "run", **TINY)
    verdict = json.loads((run.path / "verdict.json").read_text())
    (accuracy,) = [m for m in verdict["metrics"] if m["metric"] == "class_accuracy"]
    assert 0 <= accuracy["input_value"] <= 1
    assert accuracy["real_value"] > 0.9
    assert "A classifier names" in verdict["words"]


def test_two_class_folders_of_many_are_two_domains(data, tmp_path):
    with pytest.raises(UsageError, match="--domains a,c: there is no c, only a, b"):
        ganvas.train(data / "classes", task="unpaired", domains="a,c", out=tmp_path / "run", **TINY)
    run = ganvas.train(data / "classes", recipe="cut", domains="b,a", out=tmp_path / "run",
                       **{**TINY, "network_options": ("blocks=1",)})  # fmt: skip
    assert run.model.config.domains == ("b", "a")


def test_what_is_held_out_by_nobody_is_set_aside_for_the_verdict(tmp_path):
    for i, disc in enumerate(shapes(80)):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(disc).save(tmp_path / "pictures" / f"{i:03d}.png")
    run = ganvas.train(tmp_path / "pictures", task="restore", degrade="noise", out=tmp_path / "run", **TINY)
    facts = json.loads((run.path / "run.json").read_text())
    assert (facts["pictures"]["train"], facts["pictures"]["held_out"]) == (72, 8)
    assert "the last 8 of 80 are kept from training" in " ".join(facts["pictures"]["notes"])


@pytest.mark.parametrize(
    ("folder", "words", "message"),
    [
        ("plain", {"task": "translate"}, "does not show how A and B of a pair lie: give --pairs"),
        ("plain", {"task": "unpaired"}, "does not show two kinds of pictures"),
        ("plain", {"task": "restore"}, "--task restore needs what is to be repaired: give --degrade"),
        ("plain", {"task": "restore", "degrade": "blurr"}, "Did you mean 'blur'"),
        ("plain", {"task": "restore", "degrade": "lowres:3"}, "give --resolution with a multiple of 3"),
        ("plain", {"task": "restore", "degrade": "lowres:5"}, "networks enlarge by 2, 3, 4, 8, not by 5"),
        ("plain", {"degrade": "blur"}, "--degrade is a setting of --task translate, unpaired or restore"),
        ("plain", {"recipe": "pix2pix", "task": "restore", "degrade": "blur"}, "pix2pix is for --task translate"),
        ("pairs", {"task": "translate", "apa": True}, "--apa is a setting of pictures from noise"),
        ("pairs", {"task": "translate", "side": "A"}, "translation needs both sides"),
        ("pairs", {"pairs": "side-by-side"}, "add --side A or --side B, or --task translate"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line_before_anything_is_written(data, tmp_path, folder, words, message):
    with pytest.raises(GanvasError) as refused:
        ganvas.train(data / folder, out=tmp_path / "run", **{**TINY, **words})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_label_map_is_shown_as_one_channel_a_class_and_taken_as_a_picture(tmp_path):
    colours = np.array([[0, 0, 0], [220, 40, 40], [60, 60, 230]], np.uint8)
    for i, disc in enumerate(shapes(24)):
        label_map = colours[np.where((disc < 255).any(2), 1 + i % 2, 0)]
        (tmp_path / "maps").mkdir(exist_ok=True)
        Image.fromarray(np.concatenate([label_map, disc], axis=1)).save(tmp_path / "maps" / f"{i}.png")
    run = ganvas.train(tmp_path / "maps", task="translate", one_hot=True, out=tmp_path / "run", **TINY)
    model = run.model
    assert sorted(model.config.palette) == sorted(map(tuple, colours.tolist()))
    assert model.config.in_channels == 3
    assert next(model.G.parameters()).shape[1] == 3  # classes
    assert model.apply(colours[np.arange(18 * 16).reshape(18, 16) % 3]).shape == (18, 16, 3)


def test_apply_takes_files_of_any_size_through_what_was_trained(runs, tmp_path):
    Image.fromarray(shapes(1, side=37)[0]).save(tmp_path / "disc.png")
    mask = np.zeros((37, 37), np.uint8)
    mask[10:20, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for name, more, side in (("pix2pix", [], 37), ("srresnet", [], 74), ("cyclegan", ["--direction", "BtoA"], 37),
                             ("inpaint", ["--mask", str(tmp_path / "mask.png")], 37)):  # fmt: skip
        out = tmp_path / name
        assert main(["apply", str(runs(name).path), str(tmp_path / "disc.png"), "--out", str(out), *more]) == 0
        painted = np.asarray(Image.open(out / "disc.png"))
        assert painted.shape == (side, side, 3)
        if name == "inpaint":
            assert (painted[mask == 0] == shapes(1, side=37)[0][mask == 0]).all()


def test_dry_run_tells_players_and_speed_of_a_painter(data, capsys):
    words = ["--task", "translate", "--width", "4", "--dry-run", "--images", "100", "--threads", "1"]
    assert main(["train", str(data / "pairs"), *words]) == 0
    said = capsys.readouterr().out
    assert "pix2pix (the default of --task translate, A to B)" in said
    assert "in G and" in said
    assert "images/s" in said
