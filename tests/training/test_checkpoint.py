"""A checkpoint is whole or is not there; a damaged one is named and the one before is used."""

import json

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    load_newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)


def checkpoint(images, value=1.0):
    return Checkpoint({"G.weight": torch.full((3,), value)}, {"images": images, "step": images // 10})


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
    assert [p.name for p in list_checkpoints(tmp_path)] == ["000003", "000010"]


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    assert sorted(p.name for p in saved.iterdir()) == ["MANIFEST.json", "state.json", "state.safetensors"]


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "no manifest"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, damage):
    save_checkpoint(tmp_path, checkpoint(1000, 1.0))
    newest = save_checkpoint(tmp_path, checkpoint(2000, 2.0))
    weights = newest / "state.safetensors"
    data = bytearray(weights.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
        weights.write_bytes(data)
    elif damage == "cut":
        weights.write_bytes(data[:-4])
    elif damage == "gone":
        weights.unlink()
    else:
        (newest / "MANIFEST.json").write_text("{")
    found, problems = load_newest_checkpoint(tmp_path)
    assert found.counters["images"] == 1000
    assert len(problems) == 1
    assert "000002" in problems[0]


def test_half_written_ones_of_a_killed_process_are_swept_and_never_loaded(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1000))
    left = tmp_path / "000002.tmp-999999"
    left.mkdir()
    (left / "state.safetensors").write_bytes(b"half")
    found, problems = load_newest_checkpoint(tmp_path)
    assert (found.counters["images"], problems) == (1000, [])
    assert not left.exists()


def test_an_empty_folder_has_none(tmp_path):
    assert load_newest_checkpoint(tmp_path) == (None, [])


def test_a_failed_write_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, checkpoint(1000))
    monkeypatch.setattr("ganvas.training.checkpoint.save_weights", _full)
    with pytest.raises(GanvasError, match="No space left"):
        save_checkpoint(tmp_path, checkpoint(2000))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001", "latest"]


def _full(path, tensors):
    path.write_bytes(b"part")
    raise GanvasError("No space left")


def test_a_checkpoint_of_another_schema_is_refused(tmp_path):
    saved = save_checkpoint(tmp_path, checkpoint(1000))
    manifest = json.loads((saved / "MANIFEST.json").read_text())
    (saved / "MANIFEST.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(GanvasError, match="schema 99"):
        load_checkpoint(saved)


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
