"""A checkpoint is whole or is not there; a damaged one is named and the one before is used."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.training.checkpoint import (
    Checkpoint,
    forget_after,
    list_checkpoints,
    load_best_checkpoint,
    load_checkpoint,
    load_newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
    sweep,
)


def checkpoint(images, value=1.0):
    return Checkpoint({"G.weight": torch.full((3,), value)}, {"images": images, "step": images // 10})


def names(folder):
    return [path.name for path in list_checkpoints(folder)]


def test_what_was_saved_comes_back(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(12_500, 2.0))
    assert saved.name == "000012.5"
    assert (tmp_path / "latest").read_text() == "000012.5"
    loaded = load_checkpoint(saved)
    assert loaded.counters == {"images": 12_500, "step": 1250}
    assert torch.equal(loaded.tensors["G.weight"], torch.full((3,), 2.0))


def test_the_newest_two_are_kept(tmp_path):
    for images in (1000, 2000, 3000, 10_000):
        save_checkpoint(tmp_path, checkpoint(images))
    assert names(tmp_path) == ["000003", "000010"]


def test_the_best_and_the_permanent_are_kept_beside_the_newest_two(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1000), permanent=True)
    save_checkpoint(tmp_path, checkpoint(2000), best=True)
    for images in (3000, 4000, 5000, 6000):
        save_checkpoint(tmp_path, checkpoint(images))
    assert names(tmp_path) == ["000001", "000002", "000005", "000006"]
    assert (tmp_path / "best").read_text() == "000002"
    assert (tmp_path / "latest").read_text() == "000006"
    save_checkpoint(tmp_path, checkpoint(7000), best=True)
    assert names(tmp_path) == ["000001", "000006", "000007"], "what is no longer the best goes"


def test_a_damaged_one_does_not_push_a_whole_one_out(tmp_path):
    for images in (1000, 2000):
        save_checkpoint(tmp_path, checkpoint(images))
    (tmp_path / "000002" / "state.json").write_text("{}")
    save_checkpoint(tmp_path, checkpoint(3000))
    assert names(tmp_path) == ["000001", "000002", "000003"], "two that load are there"
    save_checkpoint(tmp_path, checkpoint(4000))
    assert names(tmp_path) == ["000003", "000004"]


def test_the_best_is_loaded_and_if_damaged_the_newest_with_the_reason(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1000), best=True)
    save_checkpoint(tmp_path, checkpoint(2000))
    found, problems = load_best_checkpoint(tmp_path)
    assert (found.counters["images"], problems) == (1000, [])
    (tmp_path / "000001" / "state.json").unlink()
    found, problems = load_best_checkpoint(tmp_path)
    assert found.counters["images"] == 2000
    assert len(problems) == 1
    assert problems[0].endswith("000001 is damaged: state.json is missing: the newest is used instead")


def test_without_a_best_the_newest_is_loaded_and_said(tmp_path):
    save_checkpoint(tmp_path, checkpoint(2000))
    found, problems = load_best_checkpoint(tmp_path)
    assert found.counters["images"] == 2000
    assert problems == [f"{tmp_path} names no best checkpoint: the newest is used instead"]


def test_order_is_by_images_and_not_by_letters(tmp_path):
    for images in (999_999_000, 1_000_000_000):
        save_checkpoint(tmp_path, checkpoint(images))
    assert names(tmp_path) == ["999999", "1000000"]
    assert load_newest_checkpoint(tmp_path)[0].counters["images"] == 1_000_000_000


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    assert sorted(p.name for p in saved.iterdir()) == ["MANIFEST.json", "state.json", "state.safetensors"]


def flip(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def swap(a, b):
    a_data, b_data = a.read_bytes(), b.read_bytes()
    a.write_bytes(b_data)
    b.write_bytes(a_data)


WEIGHTS, COUNTERS, MANIFEST = "state.safetensors", "state.json", "MANIFEST.json"
DAMAGES = {
    "a flipped bit": (lambda c: flip(c / WEIGHTS), f"{WEIGHTS} does not match its manifest"),
    "cut off": (lambda c: os.truncate(c / WEIGHTS, 40), f"{WEIGHTS} does not match its manifest"),
    "grown": (lambda c: (c / WEIGHTS).open("ab").write(b"\0"), f"{WEIGHTS} does not match its manifest"),
    "empty": (lambda c: os.truncate(c / COUNTERS, 0), f"{COUNTERS} does not match its manifest"),
    "gone": (lambda c: (c / WEIGHTS).unlink(), f"{WEIGHTS} is missing"),
    "one file too many": (lambda c: (c / "more.json").write_text("{}"), "more.json is not in its manifest"),
    "two files swapped": (lambda c: swap(c / WEIGHTS, c / COUNTERS), f"{COUNTERS} does not match its manifest"),
    "a folder for a file": (
        lambda c: ((c / COUNTERS).unlink(), (c / COUNTERS).mkdir()),
        f"{COUNTERS} does not match its manifest",
    ),
    "no manifest": (lambda c: (c / MANIFEST).unlink(), f"no readable {MANIFEST}"),
    "a manifest cut off": (lambda c: os.truncate(c / MANIFEST, 60), f"no readable {MANIFEST}"),
    "a manifest with a bit flipped": (lambda c: flip(c / MANIFEST, -10), f"{MANIFEST} is not as it was written"),
    "a manifest of another type": (lambda c: (c / MANIFEST).write_text("[1, 2]"), f"no readable {MANIFEST}"),
    "a manifest of numbers": (
        lambda c: (c / MANIFEST).write_text('{"schema": 2, "files": {"state.json": 5}}'),
        f"no readable {MANIFEST}",
    ),
    "a manifest with no end": (lambda c: (c / MANIFEST).write_text("[" * 100_000), f"no readable {MANIFEST}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, damage):
    save_checkpoint(tmp_path, checkpoint(1000, 1.0))
    newest = save_checkpoint(tmp_path, checkpoint(2000, 2.0))
    cause, words = DAMAGES[damage]
    cause(newest)
    found, problems = load_newest_checkpoint(tmp_path)
    assert found.counters["images"] == 1000
    assert len(problems) == 1
    assert str(newest) in problems[0]
    assert words in problems[0]
    assert "\n" not in problems[0]


def test_every_flipped_bit_of_a_manifest_is_found(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    sound = (saved / MANIFEST).read_bytes()
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << place % 8
        (saved / MANIFEST).write_bytes(damaged)
        with pytest.raises(GanvasError, match="000001"):
            load_checkpoint(saved)


def test_a_checkpoint_under_the_name_of_another_moment_is_refused(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    shutil.copytree(saved, tmp_path / "000009")
    with pytest.raises(GanvasError, match=r"state\.json says 1000 images, its folder's name 9000"):
        load_checkpoint(tmp_path / "000009")


def test_counters_of_another_type_are_refused(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    saved = saved.rename(tmp_path / "000002")
    (saved / COUNTERS).write_text("[]")
    facts = {
        p.name: {"bytes": p.stat().st_size, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()}
        for p in (saved / COUNTERS, saved / WEIGHTS)
    }
    (saved / MANIFEST).write_text(json.dumps({"schema": 1, "files": facts}))
    with pytest.raises(GanvasError, match="does not hold the counters of a run"):
        load_checkpoint(saved)


def test_a_checkpoint_of_the_first_schema_is_still_read(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    manifest = json.loads((saved / MANIFEST).read_text())
    (saved / MANIFEST).write_text(json.dumps({"schema": 1, "files": manifest["files"]}))
    assert load_checkpoint(saved).counters["images"] == 1000
    flip(saved / WEIGHTS)
    with pytest.raises(GanvasError, match="does not match its manifest"):
        load_checkpoint(saved)


def test_a_checkpoint_of_a_later_schema_is_refused(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    manifest = json.loads((saved / MANIFEST).read_text())
    (saved / MANIFEST).write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(GanvasError, match="schema 99, this version reads up to 2: update ganvas"):
        load_checkpoint(saved)


def test_files_that_file_managers_leave_are_no_damage(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    (saved / ".DS_Store").write_bytes(b"window")
    assert load_checkpoint(saved).counters["images"] == 1000


def test_the_same_moment_saved_again_replaces_and_keeps_what_was_permanent(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1000, 1.0), permanent=True)
    again = save_checkpoint(tmp_path, checkpoint(1000, 2.0))
    assert load_checkpoint(again).tensors["G.weight"][0] == 2.0
    assert (again / "PERMANENT").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001", "latest"]


def test_after_going_back_the_run_goes_on_from_there_and_not_from_what_it_left(tmp_path):
    for images in (1000, 2000, 3000, 4000):
        save_checkpoint(tmp_path, checkpoint(images), keep=9, best=images == 3000, permanent=images == 4000)
    forget_after(tmp_path, 2000)
    assert names(tmp_path) == ["000001", "000002"]
    assert (tmp_path / "latest").read_text() == "000002"
    assert not (tmp_path / "best").exists(), "it was of what is left behind"
    save_checkpoint(tmp_path, checkpoint(2500))
    assert load_newest_checkpoint(tmp_path)[0].counters["images"] == 2500


def test_going_back_leaves_an_earlier_best_alone(tmp_path):
    for images in (1000, 2000, 3000):
        save_checkpoint(tmp_path, checkpoint(images), best=images == 1000)
    forget_after(tmp_path, 2500)
    assert load_best_checkpoint(tmp_path)[0].counters["images"] == 1000


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_half_is_swept_and_a_living_one_s_is_not(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1000))
    of_nobody, of_parent = tmp_path / f"000002.tmp-{dead_process()}", tmp_path / f"000003.tmp-{os.getppid()}"
    for left in (of_nobody, of_parent):
        left.mkdir()
        (left / WEIGHTS).write_bytes(b"half")
    (tmp_path / f".latest.tmp-{dead_process()}").write_text("000002")
    assert names(tmp_path) == ["000001"], "half a checkpoint is none"
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001", of_parent.name, "latest"]


def test_one_that_was_complete_but_not_yet_in_its_place_is_put_there(tmp_path):
    whole = save_checkpoint(tmp_path, checkpoint(2000))
    whole.rename(tmp_path / f"000002.tmp-{dead_process()}")
    sweep(tmp_path)
    assert load_newest_checkpoint(tmp_path)[0].counters["images"] == 2000


def test_one_whose_removal_was_cut_short_does_not_come_back(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1000)).rename(tmp_path / f"000001.old.tmp-{dead_process()}")
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["latest"]


def test_an_empty_folder_has_none(tmp_path):
    assert load_newest_checkpoint(tmp_path) == (None, [])
    assert load_newest_checkpoint(tmp_path / "not there") == (None, [])


def test_a_failed_write_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, checkpoint(1000))
    monkeypatch.setattr("ganvas.training.checkpoint.save_weights", _full)
    with pytest.raises(GanvasError, match="No space left"):
        save_checkpoint(tmp_path, checkpoint(2000))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001", "latest"]


def _full(path, tensors):
    path.write_bytes(b"part")
    raise GanvasError("No space left")


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_an_optimiser_goes_on_as_if_it_had_never_stopped(kind):
    def make():
        torch.manual_seed(0)
        layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        if kind == "adam":
            return layer, torch.optim.Adam(layer.parameters(), fused=True)
        return layer, torch.optim.RMSprop(layer.parameters())

    def step(layer, optimizer):
        optimizer.zero_grad()
        torch.manual_seed(1)
        layer(torch.randn(2, 3, 8, 8)).square().sum().backward()
        optimizer.step()

    straight, straight_optimizer = make()
    for _ in range(4):
        step(straight, straight_optimizer)

    first, first_optimizer = make()
    for _ in range(2):
        step(first, first_optimizer)
    resumed, resumed_optimizer = make()
    resumed.load_state_dict(first.state_dict())
    tensors = {k: v.contiguous() for k, v in optimizer_tensors("o", first_optimizer).items()}
    restore_optimizer("o", resumed_optimizer, tensors)
    for _ in range(2):
        step(resumed, resumed_optimizer)
    assert torch.equal(resumed.weight, straight.weight)
