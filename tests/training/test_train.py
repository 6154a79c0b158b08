"""A whole run from small pictures: what it leaves, that it resumes exactly, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import ganvas
from ganvas.errors import GanvasError, UsageError
from ganvas.games.generation import GenerationGame
from ganvas.networks.table import NETWORKS
from ganvas.recipes import RECIPES
from ganvas.training.checkpoint import list_checkpoints, load_newest_checkpoint
from ganvas.training.journal import Journal, read_stats
from ganvas.training.run_folder import choose_run_folder
from ganvas.training.run_lock import RunLock

TINY = {"width": 8, "z_dim": 8, "batch": 8, "quiet": True, "judge_samples": 64}


def tensors_of(run):
    checkpoint, _ = load_newest_checkpoint(run.path / "checkpoints")
    return checkpoint.tensors


def equal(a, b):
    assert a.keys() == b.keys()
    return all((a[name] == b[name]).all() for name in a)


def test_a_run_leaves_everything_that_the_house_promises(bars_npz, tmp_path):
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=240, recipe="fast", seed=3, **TINY)
    left = {p.name for p in run.path.iterdir()}
    assert left >= {
        "settings.yaml",
        "stats.jsonl",
        "run.json",
        "samples",
        "checkpoints",
        "model",
        "verdict.json",
        "MEMORISATION.md",
        "report.html",
    }
    sheets = {p.name for p in (run.path / "samples").iterdir()}
    assert sheets >= {"reals.png", "fakes_init.png", "fakes000000.24.png", "final.png", "nearest.png"}
    settings = yaml.safe_load((run.path / "settings.yaml").read_text())
    assert (settings["recipe"], settings["seed"], settings["images"]) == ("fast", 3, 240)
    facts = json.loads((run.path / "run.json").read_text())
    assert (facts["ended"], facts["images_seen"], facts["pictures"]["classes"]) == ("done", 240, ["0", "1"])
    assert run.stats[-1]["images"] == 240
    assert run.model.sample(seeds=range(3)).shape == (3, 12, 12, 1)
    assert run.model.hash == facts["model_hash"]
    verdict = json.loads((run.path / "verdict.json").read_text())
    assert {"metric", "value", "features", "samples"} <= set(verdict["metrics"][0])


def test_the_last_sheet_has_one_row_per_class(bars_npz, tmp_path):
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=16, **TINY)
    width, height = Image.open(run.path / "samples" / "final.png").size
    assert (width - height) > 0
    assert width / height == pytest.approx((8 * 14 + 2) / (2 * 14 + 2), rel=0.01)


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("fast", {}),
        ("mlp", {}),
        ("dcgan", {}),
        ("wgan-gp", {"n_critic": 2}),
        ("hinge-sn", {"augment": "colour,translation,cutout"}),
        ("fast", {"objective": "relativistic", "lr_decay_from": 0.2, "r2_gamma": 1.0}),
    ],
)
def test_a_resumed_run_equals_one_that_never_stopped(bars_npz, tmp_path, recipe, more):
    words = {**TINY, **more, "recipe": recipe, "checkpoint_every": 96}
    straight = ganvas.train(bars_npz, out=tmp_path / "straight", images=192, **words)
    ganvas.train(bars_npz, out=tmp_path / "parts", images=192, **words)
    newest = list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    resumed = ganvas.train(bars_npz, out=tmp_path / "parts", resume=True, quiet=True)
    assert [e["images"] for e in resumed.stats if e["event"] == "resumed"] == [96]
    assert equal(tensors_of(straight), tensors_of(resumed))


def test_resume_without_a_checkpoint_starts_from_zero_and_says_so(bars_npz, tmp_path, capsys):
    out = tmp_path / "run"
    ganvas.train(bars_npz, out=out, images=16, **TINY)
    for folder in list_checkpoints(out / "checkpoints"):
        for path in folder.iterdir():
            path.unlink()
    ganvas.train(bars_npz, out=out, resume=True)
    assert "resumed at 0 images (no checkpoint was there)" in capsys.readouterr().out


def test_resume_refuses_other_settings_and_other_pictures(bars_npz, bars_folder, tmp_path):
    out = tmp_path / "run"
    ganvas.train(bars_npz, out=out, images=16, **TINY)
    with pytest.raises(UsageError, match=r"other settings: --batch 8 -> 16\. Leave them out"):
        ganvas.train(bars_npz, out=out, resume=True, batch=16, quiet=True)
    with pytest.raises(GanvasError, match=r"not what .* was trained on"):
        ganvas.train(bars_folder, out=out, resume=True, quiet=True)
    longer = ganvas.train(bars_npz, out=out, resume=True, images=32, quiet=True)
    assert longer.stats[-1]["images"] == 32


def test_an_existing_run_or_folder_is_not_overwritten_by_accident(bars_npz, tmp_path):
    out = tmp_path / "run"
    ganvas.train(bars_npz, out=out, images=16, **TINY)
    before = (out / "run.json").read_bytes()
    with pytest.raises(UsageError, match="already holds a run: give --resume"):
        ganvas.train(bars_npz, out=out, images=16, **TINY)
    assert (out / "run.json").read_bytes() == before
    (out / "notes.txt").write_text("mine")
    ganvas.train(bars_npz, out=out, images=24, overwrite=True, **TINY)
    assert (out / "notes.txt").read_text() == "mine"
    other = tmp_path / "photos"
    other.mkdir()
    (other / "holiday.txt").write_text("keep")
    with pytest.raises(UsageError, match="holds other files and no run"):
        ganvas.train(bars_npz, out=other, images=16, overwrite=True, **TINY)


def killed_as_it_began(out, *, with_settings_of=None):
    """A folder as a kill leaves it: after the lock was taken, or with the settings written too."""
    with RunLock(out / "lock"):
        pass
    if with_settings_of is not None:
        shutil.copy(with_settings_of / "settings.yaml", out)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_with_nothing_but_a_lock_is_as_good_as_empty(bars_npz, tmp_path, resume):
    killed_as_it_began(tmp_path / "run")
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=16, resume=resume, **TINY)
    assert run.ended == "done"


def test_a_run_killed_before_its_first_step_goes_on_with_its_own_settings(bars_npz, tmp_path):
    whole = ganvas.train(bars_npz, out=tmp_path / "whole", images=16, seed=7, **TINY)
    killed_as_it_began(tmp_path / "run", with_settings_of=whole.path)
    with pytest.raises(UsageError, match="already holds a run: give --resume"):
        ganvas.train(bars_npz, out=tmp_path / "run", images=16, **TINY)
    run = ganvas.train(bars_npz, out=tmp_path / "run", resume=True, quiet=True)
    assert equal(tensors_of(run), tensors_of(whole))


def test_words_that_are_refused_leave_no_folder(bars_npz, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in (None, "mine"):
        with pytest.raises(UsageError):
            ganvas.train(bars_npz, out=out, recipe="fsat", **TINY)
    assert list(tmp_path.glob("runs/*")) == list(tmp_path.glob("mine")) == []


def test_two_commands_at_once_get_a_number_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = [choose_run_folder(None, "cats", None, overwrite=False, resume=False).path.name for _ in range(2)]
    assert chosen == ["00000-cats", "00001-cats"]


def test_the_lines_of_a_resumed_run_are_those_that_its_checkpoint_knows(tmp_path):
    path = tmp_path / "stats.jsonl"
    with Journal(path, quiet=True) as journal:
        journal.record("stats", images=8)
        known = journal.lines_on_disk()
        journal.record("score", images=8)  # of the same moment, but after the checkpoint
        journal.record("diagnosis", images=8)
        journal.go_back(known)
        assert [event["event"] for event in read_stats(path)] == ["stats", "diagnosis"]
        assert journal.lines_on_disk() == 2
    with Journal(path, quiet=True, keep=known) as journal:
        assert [event["event"] for event in read_stats(path)] == ["stats"]
        assert journal.lines_on_disk() == 1


def test_bad_words_are_refused_before_an_old_run_is_touched(bars_npz, tmp_path):
    out = tmp_path / "run"
    ganvas.train(bars_npz, out=out, images=16, **TINY)
    before = sorted(p.name for p in out.rglob("*"))
    for words in (
        {"recipe": "fsat"},
        {"resolution": 4000},
        {"r1_gamma": -1},
        {"turns": "simultaneous", "recipe": "dcgan"},
    ):
        with pytest.raises(GanvasError):
            ganvas.train(bars_npz, out=out, images=16, overwrite=True, **{**TINY, **words})
    assert sorted(p.name for p in out.rglob("*")) == before


def test_without_out_runs_are_numbered(bars_npz, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [ganvas.train(bars_npz, images=8, recipe="mlp", **TINY).path.name for _ in range(2)]
    assert names == ["00000-bars-mlp", "00001-bars-mlp"]


def test_no_labels_makes_an_unconditional_model(bars_npz, tmp_path):
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=16, labels=False, **TINY)
    assert run.model.config.classes == 0


@pytest.mark.parametrize("recipe", [name for name, row in RECIPES.items() if row.task == "generate"])
def test_every_recipe_trains_on_colour_without_a_warning(recipe, bars_folder, bars_npz, tmp_path):
    family = NETWORKS[RECIPES[recipe].cells["network"]]
    tiny = {**TINY, "z_dim": 16, **({"max_width": 16} if family.capped else {})}
    if family.smallest > 12:
        tiny["resolution"] = 16
    labelled = family.labels == "needed"
    run = ganvas.train(bars_npz if labelled else bars_folder, out=tmp_path / "run", recipe=recipe, images=80, **tiny)
    assert [e["message"] for e in run.stats if e["event"] == "warning"] == []
    side = 12 if family.smallest <= 12 else 16
    assert run.model.sample([0]).shape == (1, side, side, 1 if labelled else 3)


def test_a_network_that_needs_labels_says_so_and_one_that_has_no_use_for_them_goes_without(
    bars_folder, bars_npz, tmp_path
):
    with pytest.raises(UsageError, match=r"'acgan' needs pictures of two classes or more, and .*bars has no labels"):
        ganvas.train(bars_folder, out=tmp_path / "a", recipe="acgan", images=16, **TINY)
    tiny = {**TINY, "z_dim": 16, "max_width": 16}
    run = ganvas.train(bars_npz, out=tmp_path / "b", recipe="infogan", images=16, **tiny)
    assert run.model.config.classes == 0
    assert "the labels are not used" in json.loads((run.path / "run.json").read_text())["why"]


def test_minutes_are_the_wall_time_of_the_whole_command(bars_npz, tmp_path):
    began = time.monotonic()
    run = ganvas.train(bars_npz, out=tmp_path / "run", minutes=0.25, **TINY)
    wall_s = time.monotonic() - began
    facts = json.loads((run.path / "run.json").read_text())
    assert facts["train_seconds"] >= 0.75 * 15 - 0.5
    assert wall_s < 15 + 12, "a busy machine may be late, but not by minutes"


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    images = np.random.default_rng(0).integers(0, 65536, (32, 12, 12), dtype=np.uint16)
    np.savez(tmp_path / "deep.npz", images=images)
    run = ganvas.train(tmp_path / "deep.npz", out=tmp_path / "run", images=16, **TINY)
    drawn = run.model.sample(range(4))
    assert drawn.dtype == np.uint16
    assert len(np.unique(drawn)) > 256


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_is_whole_and_goes_on(bars_npz, tmp_path, number, code):
    out = tmp_path / "run"
    words = ["--width", "8", "--batch", "8", "--judge-samples", "64", "--threads", "1"]
    command = [sys.executable, "-m", "ganvas", "train", str(bars_npz), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--minutes", "5", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and "stats" not in _read(out / "stats.jsonl"):
        time.sleep(0.1)
    os.kill(process.pid, number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "--resume" in said
    for name in ("model/model.safetensors", "samples/final.png", "verdict.json", "report.html", "checkpoints/latest"):
        assert (out / name).is_file(), name
    assert json.loads((out / "run.json").read_text())["ended"] == "interrupted"


def _read(path):
    return path.read_text() if path.is_file() else ""


def test_resume_keeps_the_size_that_was_asked_for(bars_npz, tmp_path):
    out = tmp_path / "run"
    ganvas.train(bars_npz, out=out, images=16, resolution=16, labels=False, **TINY)
    run = ganvas.train(bars_npz, out=out, resume=True, images=32, quiet=True)
    assert run.model.config.resolution == (16, 16)
    assert run.model.config.classes == 0


def plant(monkeypatch, at, where, times=99):
    """In one step, when D has had so many turns: no number in a weight of G or D, infinite gradients, a lost scale."""
    original, planted = GenerationGame.step, []

    def step(game, *arguments):
        if game.d_turns != at - 1 or len(planted) >= times:
            return original(game, *arguments)
        planted.append(at)
        target = next((game.D if where == "D" else game.G).parameters())
        if where == "gradient":
            hook = target.register_hook(lambda gradient: gradient * float("inf"))
        stats = original(game, *arguments)
        if where == "gradient":
            hook.remove()
        elif where == "scaler":
            game.scaler._scale.fill_(float("nan"))
        else:
            target.data.view(-1)[0] = float("nan")
        return stats

    monkeypatch.setattr(GenerationGame, "step", step)
    return planted


@pytest.mark.parametrize("where", ["G", "D", "gradient"])
@pytest.mark.parametrize("at", [55, 65])  # between two log lines, and just before a checkpoint
def test_a_run_that_diverges_once_goes_back_and_ends_healthy(bars_npz, tmp_path, monkeypatch, at, where):
    planted = plant(monkeypatch, at, where, times=1)
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=880, checkpoint_every=264, recipe="fast", **TINY)
    assert (run.ended, len(planted)) == ("done", 1)
    (back,) = [event for event in run.stats if event["event"] == "rollback"]
    assert back["images"] in (264, 400)  # a checkpoint that was due, and one of a best score
    assert (back["g_lr_scale"], back["d_lr_scale"]) == (0.5, 0.5)
    assert all(np.isfinite(event["d_loss"]) for event in run.stats if event["event"] == "stats")
    assert next(event["kind"] for event in run.stats if event["event"] == "diagnosis") == "divergence"
    assert all(tensor.isfinite().all() for tensor in tensors_of(run).values())


def test_a_scaler_that_has_lost_its_scale_is_found_at_the_next_checkpoint(bars_npz, tmp_path, monkeypatch):
    planted = plant(monkeypatch, 20, "scaler", times=1)
    run = ganvas.train(
        bars_npz, out=tmp_path / "run", images=320, checkpoint_every=80, recipe="mlp", precision="fp16", **TINY
    )
    assert (run.ended, len(planted)) == ("done", 1)
    (back,) = [event for event in run.stats if event["event"] == "rollback"]
    assert back["images"] == 80
    checkpoint, _ = load_newest_checkpoint(run.path / "checkpoints")
    assert checkpoint.counters["scaler"]["scale"] > 0


def test_a_run_killed_just_after_it_went_back_knows_its_milder_steps(bars_npz, tmp_path, monkeypatch):
    plant(monkeypatch, 55, "G", times=1)
    monkeypatch.setattr(GenerationGame, "step", dies_after_going_back(GenerationGame.step))
    with pytest.raises(KeyboardInterrupt):
        ganvas.train(bars_npz, out=tmp_path / "run", images=880, checkpoint_every=264, recipe="fast", **TINY)
    checkpoint, _ = load_newest_checkpoint(tmp_path / "run" / "checkpoints")
    counters = checkpoint.counters
    assert (counters["g_lr_scale"], counters["watch"]["remedy"]["rollbacks"]) == (0.5, 1)


def dies_after_going_back(original):
    def step(game, *arguments):
        if game.g_lr_scale < 1:
            raise KeyboardInterrupt
        return original(game, *arguments)

    return step


def test_a_run_that_diverges_again_and_again_stops_with_the_cause_and_a_sound_model(bars_npz, tmp_path, monkeypatch):
    planted = plant(monkeypatch, 55, "G")
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=880, checkpoint_every=264, recipe="fast", **TINY)
    assert (run.ended, len(planted)) == ("sick", 4)
    assert "It came back after 3 attempts" in run.cause
    facts = json.loads((run.path / "run.json").read_text())
    assert facts["ended"] == "sick"
    assert facts["images_seen"] <= 400
    assert run.model.sample(seeds=[0]).std() > 0
    assert all(tensor.isfinite().all() for tensor in tensors_of(run).values())
    assert "not finite" in (run.path / "report.html").read_text()


@pytest.mark.parametrize("on_sick", ["report", "stop"])
def test_without_rollback_a_run_that_diverges_stops_at_once(bars_npz, tmp_path, monkeypatch, on_sick):
    planted = plant(monkeypatch, 55, "G")
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=880, on_sick=on_sick, recipe="fast", **TINY)
    assert (run.ended, len(planted)) == ("sick", 1)


def test_resume_and_overwrite_together_are_refused(bars_npz, tmp_path):
    with pytest.raises(UsageError, match="give one of them"):
        ganvas.train(bars_npz, out=tmp_path / "run", resume=True, overwrite=True, images=16, **TINY)


def test_the_last_average_and_g_itself_can_be_drawn_from_a_run(bars_npz, tmp_path):
    from ganvas.training.run_model import load_from_run

    run = ganvas.train(bars_npz, out=tmp_path / "run", images=240, recipe="fast", **TINY)
    last, raw = (load_from_run(run.path, weights) for weights in ("last", "raw"))
    kept = tensors_of(run)
    assert all(torch.equal(tensor, kept[f"G_ema.{name}"]) for name, tensor in last.G.state_dict().items())
    assert all(torch.equal(tensor, kept[f"G.{name}"]) for name, tensor in raw.G.state_dict().items())
    assert not equal(last.G.state_dict(), raw.G.state_dict())
    assert last.config.images_seen == 240
    assert len({last.hash, raw.hash, ganvas.load(run.path).hash}) > 1, (
        "a picture must not carry the hash of other weights"
    )
    assert (last.hash != raw.hash, raw.config.weights) == (True, "not averaged")
    with pytest.raises(UsageError, match="needs a run folder"):
        load_from_run(run.path / "model", "raw")
