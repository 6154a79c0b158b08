"""The real pictures are looked at once by each network, and never by mistake taken for others."""

import numpy as np
import torch
from bars import bar_store

from ganvas.evaluation import reference_cache
from ganvas.evaluation.reference_cache import reference_features

ROWS = np.arange(20)


class Counting:
    """A backbone that counts how often it looks."""

    name, resize, value_range, features = "counting", "none", "[0, 255]", 3

    def __init__(self, hash="a" * 12):
        self.hash, self.looks = hash, 0

    def extract(self, images, batch=64, rows=None):
        self.looks += 1
        return torch.from_numpy(images[rows].reshape(len(rows), -1)[:, :3].astype(np.float32))


def test_the_second_time_nothing_is_looked_at_and_the_features_are_the_same(tmp_path):
    store, looking = bar_store(tmp_path, train=40, held_out=0), Counting()
    first = reference_features(looking, store, ROWS)
    assert torch.equal(reference_features(looking, store, ROWS), first)
    assert looking.looks == 1


def test_other_rows_weights_or_pictures_are_looked_at(tmp_path):
    store, looking = bar_store(tmp_path, train=40, held_out=0), Counting()
    reference_features(looking, store, ROWS)
    reference_features(looking, store, ROWS + 1)
    assert looking.looks == 2
    other = Counting("b" * 12)
    reference_features(other, store, ROWS)
    assert other.looks == 1


def test_a_damaged_file_is_looked_over_and_replaced(tmp_path):
    store, looking = bar_store(tmp_path, train=40, held_out=0), Counting()
    first = reference_features(looking, store, ROWS)
    (file,) = tmp_path.glob("seen-*.safetensors")
    file.write_bytes(b"cut short")
    assert torch.equal(reference_features(looking, store, ROWS), first)
    assert torch.equal(reference_features(looking, store, ROWS), first)
    assert looking.looks == 2


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    store, looking = bar_store(tmp_path / "gone", train=40, held_out=0), Counting()
    assert reference_features(looking, store, ROWS).shape == (20, 3)
    assert not list(tmp_path.rglob("*.partial"))


def test_only_the_last_ones_used_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(reference_cache, "KEPT", 2)
    store, looking = bar_store(tmp_path, train=40, held_out=0), Counting()
    for shift in range(4):
        reference_features(looking, store, ROWS + shift)
    assert len(list(tmp_path.glob("seen-*.safetensors"))) == 2
