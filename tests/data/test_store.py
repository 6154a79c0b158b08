"""A store is written once, whole or not at all, and used again while nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganvas.data import store_writer
from ganvas.data.sources import open_source
from ganvas.data.store import (
    MIN_PICTURES,
    StoreOptions,
    _lock,
    check_shards,
    clear_stores,
    list_stores,
    open_store,
    plan_store,
    read_store,
)
from ganvas.errors import GanvasError

PLAIN = StoreOptions()


def interrupt_at(place: int):
    """A progress that is as if Ctrl-C was pressed at the picture `place`."""

    def progress(done: int, total: int) -> None:
        if done == place:
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def labelled(tmp_path, make_pictures) -> Path:
    """train/cat of levels 0 to 9, train/dog of 0 to 5, test/dog of 0 and 1."""
    make_pictures(tmp_path / "set" / "train" / "cat", 10)
    make_pictures(tmp_path / "set" / "train" / "dog", 6)
    make_pictures(tmp_path / "set" / "test" / "dog", 2)
    return tmp_path / "set"


def test_a_store_holds_all_pictures_training_first_with_their_labels_and_names(labelled):
    store = open_store(open_source(labelled), PLAIN)
    assert store.images.shape == (18, 3, 16, 16)
    assert store.images[:, 0, 0, 0].tolist() == [*range(10), *range(6), 0, 1]
    assert (store.height, store.width, store.channels, store.bits) == (16, 16, 3, 8)
    assert (store.train_count, store.held_out_count) == (16, 2)
    assert store.class_names == ("cat", "dog")
    assert store.labels.tolist() == [0] * 10 + [1] * 8
    assert store.names[0] == "train/cat/0.png"
    assert store.names[17] == "test/dog/1.png"
    assert store.class_shares.tolist() == [10 / 16, 6 / 16]  # of the training pictures alone


def test_splits_are_views_that_know_where_they_begin(labelled):
    store = open_store(open_source(labelled), PLAIN)
    train, held_out = store.train, store.held_out
    assert (len(train), train.offset, len(held_out), held_out.offset) == (16, 0, 2, 16)
    assert np.shares_memory(train.images, store.images)
    assert held_out.images[:, 0, 0, 0].tolist() == [0, 1]
    assert held_out.labels.tolist() == [1, 1]


def test_without_held_out_pictures_there_is_no_such_split(tmp_path, make_pictures):
    make_pictures(tmp_path / "set", 8)
    store = open_store(open_source(tmp_path / "set"), PLAIN)
    assert store.held_out is None
    assert store.labels is None
    assert store.class_shares is None
    assert store.train.labels is None


def test_the_plan_says_what_the_store_then_is(labelled):
    source = open_source(labelled)
    plan, store = plan_store(source, PLAIN), open_store(source, PLAIN)
    assert (plan.height, plan.width, plan.channels, plan.bits) == (16, 16, 3, 8)
    assert (plan.train_count, plan.held_out_count) == (store.train_count, store.held_out_count)
    assert plan.nbytes == (store.path / "images.bin").stat().st_size


def test_nothing_is_decoded_again_while_nothing_changed(labelled, monkeypatch):
    first = open_store(open_source(labelled), PLAIN)
    monkeypatch.setattr(store_writer, "_fitted", None)  # decoding would fail now
    again = open_store(open_source(labelled), PLAIN)
    assert (again.path, again.fingerprint) == (first.path, first.fingerprint)
    np.testing.assert_array_equal(again.images, first.images)


@pytest.mark.parametrize(
    "options",
    [
        StoreOptions(resolution=(8, 8)),
        StoreOptions(channels=1),
        StoreOptions(labels=False),
        StoreOptions(matte=(0, 0, 0)),
    ],
)
def test_other_options_make_another_store(labelled, options):
    first, other = open_store(open_source(labelled), PLAIN), open_store(open_source(labelled), options)
    assert first.path != other.path
    assert first.fingerprint != other.fingerprint


def test_a_changed_picture_makes_another_store(labelled, png):
    first = open_store(open_source(labelled), PLAIN)
    (labelled / "train" / "cat" / "0.png").write_bytes(png(200, (16, 15)))
    other = open_store(open_source(labelled), StoreOptions(resolution=(16, 16)))
    assert other.images[0, 0, 0, 0] == 200
    assert other.fingerprint != first.fingerprint


def test_dropped_labels_are_not_there_and_the_note_says_so(labelled):
    store = open_store(open_source(labelled), StoreOptions(labels=False))
    assert store.labels is None
    assert store.class_names == ()
    assert store.labels_note == "unlabelled: the labels (2 classes from class folders) are dropped as asked"


def test_broken_pictures_are_skipped_named_and_counted_and_the_labels_stay_with_theirs(labelled, png):
    (labelled / "train" / "cat" / "3.png").write_bytes(b"")
    (labelled / "train" / "dog" / "0.png").write_bytes(b"words")
    (labelled / "test" / "dog" / "0.png").write_bytes(png(0, (16, 2)))
    store = open_store(open_source(labelled), PLAIN)
    assert store.skipped == (
        ("train/cat/3.png", "empty file"),
        ("train/dog/0.png", "not a picture"),
        ("test/dog/0.png", "16x2 pixels: smaller than the least side of 4"),
    )
    assert (store.train_count, store.held_out_count) == (14, 1)
    assert store.images[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 1]
    assert store.labels.tolist() == [0] * 9 + [1] * 6
    assert store.names[9] == "train/dog/1.png"


def test_too_few_usable_pictures_stop_with_the_list_and_leave_nothing(tmp_path, make_pictures, cache):
    make_pictures(tmp_path / "set", 9)
    for i in range(2):
        (tmp_path / "set" / f"{i}.png").write_bytes(b"words")
    with pytest.raises(GanvasError) as error:
        open_store(open_source(str(tmp_path / "set")), PLAIN)
    assert str(error.value) == (
        f"{tmp_path}/set has 7 training pictures that can be used, at least {MIN_PICTURES} are needed: "
        "0.png (not a picture); 1.png (not a picture)"
    )
    assert os.listdir(cache / "stores") == []


def test_what_was_done_to_pictures_is_noted(tmp_path, make_pictures, png):
    make_pictures(tmp_path / "set", 8, mode="RGBA")
    make_pictures(tmp_path / "set" / "more", 8, (32, 16))
    store = open_store(open_source(tmp_path / "set"), StoreOptions(matte=(0, 0, 9), channels=1))
    assert store.notes == (
        "pictures of 2 sizes, sides 16 to 32, made 16x16",
        "8 of 16 pictures looked at have another aspect: their edges are cut off",
        "8 pictures with transparency laid on the matte (0, 0, 9)",
        "16 pictures in colour turned grey",
    )


def test_sixteen_bit_pictures_make_a_sixteen_bit_store(tmp_path):
    levels = np.arange(8, dtype=np.uint16)[:, None, None] * np.full((8, 8), 9000, np.uint16)
    np.savez(tmp_path / "set.npz", images=levels)
    store = open_store(open_source(tmp_path / "set.npz"), PLAIN)
    assert store.bits == 16
    assert store.images[:, 0, 0, 0].tolist() == [0, 9000, 18000, 27000, 36000, 45000, 54000, 63000]


def test_order_does_not_depend_on_which_process_is_done_first(tmp_path, make_pictures):
    make_pictures(tmp_path / "set", 256)
    store = open_store(open_source(tmp_path / "set"), PLAIN)
    assert store.images[:, 0, 0, 0].tolist() == list(range(256))


def test_progress_counts_to_the_end_and_never_back(labelled):
    seen: list[tuple[int, int]] = []
    open_store(open_source(labelled), PLAIN, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (18, 18)


def test_the_manifest_holds_the_hash_of_the_pictures(labelled):
    store = open_store(open_source(labelled), PLAIN)
    manifest = json.loads((store.path / "manifest.json").read_bytes())
    assert manifest["shards_sha256"] == [hashlib.sha256((store.path / "images.bin").read_bytes()).hexdigest()]
    assert manifest["class_counts"] == {"train": {"cat": 10, "dog": 6}, "held_out": {"cat": 0, "dog": 2}}
    assert manifest["shape"] == [18, 3, 16, 16]
    assert manifest["dtype"] == "|u1"


def test_the_fingerprint_is_of_the_content_not_of_the_place(labelled, tmp_path):
    first = open_store(open_source(labelled), PLAIN)
    os.rename(labelled, tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere" / "train" / "cat" / "0.png", (1, 1))
    again = open_store(open_source(tmp_path / "elsewhere"), PLAIN)
    assert again.path != first.path
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize("file", ["images.bin", "labels.npy", "names.json", "manifest.json"])
def test_a_damaged_store_is_written_again(labelled, file):
    store = open_store(open_source(labelled), PLAIN)
    expected = store.images.copy()
    (store.path / file).write_bytes((store.path / file).read_bytes()[:-3])
    with pytest.raises(GanvasError, match="is not a store or is damaged"):
        read_store(store.path)
    np.testing.assert_array_equal(open_store(open_source(labelled), PLAIN).images, expected)
    assert len(os.listdir(store.path.parent)) == 1


KILLED = """
import os, signal, sys
from ganvas.data import store_writer
from ganvas.data.sources import open_source
from ganvas.data.store import StoreOptions, open_store

store_writer._SAFE_EVERY_BYTES = 10 * 16 * 16 * 3  # ten pictures
store_writer.SHARD_BYTES = 4 * 16 * 16 * 3  # four
kill = lambda done, total: done == int(sys.argv[2]) and os.kill(os.getpid(), signal.SIGKILL)
open_store(open_source(sys.argv[1]), StoreOptions(), progress=kill)
"""


@pytest.mark.parametrize(("killed_at", "safe"), [(1, 0), (10, 0), (11, 11), (15, 11), (18, 11)])
def test_a_kill_leaves_no_half_store_and_the_next_run_goes_on_from_there(labelled, cache, monkeypatch, killed_at, safe):
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 4 * 16 * 16 * 3)
    broken = labelled / "train" / "cat" / "3.png"
    broken.write_bytes(b"not a picture")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(labelled), str(killed_at)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (half,) = os.listdir(cache / "stores")
    assert half.endswith(".partial")
    assert list_stores() == []
    seen: list[int] = []
    store = open_store(open_source(labelled), PLAIN, progress=lambda done, total: seen.append(done))
    assert seen == list(range(safe + 1, 19))  # the eleventh looked at is the tenth kept
    assert os.listdir(cache / "stores") == [store.path.name]
    assert sorted(os.listdir(store.path)) == ["images.bin", "labels.npy", "manifest.json", "names.json"]
    assert store.skipped == (("train/cat/3.png", "not a picture"),)
    whole = open_store(open_source(labelled), PLAIN, location=cache / "whole")
    np.testing.assert_array_equal(store.images, whole.images)
    assert store.fingerprint == whole.fingerprint
    check_shards(store.path)


def test_a_journal_cut_off_in_a_line_costs_only_that_line(labelled, cache, monkeypatch):
    monkeypatch.setattr(store_writer, "_SAFE_EVERY_BYTES", 4 * 16 * 16 * 3)
    with pytest.raises(KeyboardInterrupt):
        open_store(open_source(labelled), PLAIN, progress=interrupt_at(13))
    (partial,) = (cache / "stores").iterdir()
    journal = partial / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-2])
    seen: list[int] = []
    store = open_store(open_source(labelled), PLAIN, progress=lambda done, total: seen.append(done))
    assert seen[0] == 9
    assert store.images[:10, 0, 0, 0].tolist() == list(range(10))


def test_pictures_that_the_disk_lost_are_decoded_again(labelled, cache, monkeypatch):
    monkeypatch.setattr(store_writer, "_SAFE_EVERY_BYTES", 4 * 16 * 16 * 3)
    with pytest.raises(KeyboardInterrupt):
        open_store(open_source(labelled), PLAIN, progress=interrupt_at(13))
    (partial,) = (cache / "stores").iterdir()
    os.truncate(partial / "images.bin", 5 * 16 * 16 * 3)
    store = open_store(open_source(labelled), PLAIN)
    assert store.images[:10, 0, 0, 0].tolist() == list(range(10))


def test_two_processes_that_want_the_same_store_write_it_once(labelled, cache):
    code = (
        "import sys\n"
        "from ganvas.data.sources import open_source\n"
        "from ganvas.data.store import StoreOptions, open_store\n"
        "seen = []\n"
        "open_store(open_source(sys.argv[1]), StoreOptions(), progress=lambda done, total: seen.append(done))\n"
        "print(len(seen))\n"
    )
    command = [sys.executable, "-c", code, str(labelled)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(int(one.communicate()[0]) for one in both) == [0, 18]


def test_a_damaged_shard_is_found(labelled):
    store = open_store(open_source(labelled), PLAIN)
    check_shards(store.path)
    with (store.path / "images.bin").open("r+b") as file:
        file.write(b"\xff")
    with pytest.raises(GanvasError, match=r"shard 0 of .* is damaged"):
        check_shards(store.path)


def test_a_store_is_whole_before_it_gets_its_name(labelled, monkeypatch):
    rename, seen = os.replace, []

    def watched(old: Path, new: Path) -> None:
        seen.append((sorted(os.listdir(old)), new.exists()))
        rename(old, new)

    monkeypatch.setattr(os, "replace", watched)
    open_store(open_source(labelled), PLAIN)
    assert seen == [(["images.bin", "labels.npy", "manifest.json", "names.json"], False)]


def test_a_full_disk_says_what_to_do(labelled, cache, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store_writer, "_sync", full)
        with pytest.raises(GanvasError, match=r"cannot be written to .* \(No space left on device\): make room"):
            open_store(open_source(labelled), PLAIN)
    assert list_stores() == []
    assert open_store(open_source(labelled), PLAIN).train_count == 16


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_leaves_no_store(labelled, error):
    def stop(done: int, total: int) -> None:
        raise error

    with pytest.raises(error):
        open_store(open_source(labelled), PLAIN, progress=stop)
    assert list_stores() == []


def test_a_location_gets_exactly_that_folder_and_the_cache_nothing(labelled, tmp_path, cache):
    location = tmp_path / "here" / "store"
    store = open_store(open_source(labelled), PLAIN, location=location)
    assert store.path == location
    assert not (cache / "stores").exists()
    assert open_store(open_source(labelled), PLAIN, location=location).fingerprint == store.fingerprint


def test_an_empty_location_is_used(labelled, tmp_path):
    (tmp_path / "store").mkdir()
    assert open_store(open_source(labelled), PLAIN, location=tmp_path / "store").train_count == 16


@pytest.mark.parametrize("options", [PLAIN, StoreOptions(resolution=(8, 8))])
def test_a_location_that_holds_anything_else_is_left_alone(labelled, tmp_path, options):
    location = tmp_path / "store"
    if options is PLAIN:
        location.mkdir()
        (location / "diary.txt").write_text("mine")
    else:
        open_store(open_source(labelled), PLAIN, location=location)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in location.iterdir())
    with pytest.raises(GanvasError, match=r"store already holds .*: name a new or empty folder"):
        open_store(open_source(labelled), options, location=location)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in location.iterdir()) == before


def test_stores_are_listed_and_cleared(labelled):
    assert list_stores() == []
    assert clear_stores() == (0, 0)
    store = open_store(open_source(labelled), PLAIN)
    open_store(open_source(labelled), StoreOptions(channels=1))
    infos = list_stores()
    assert sorted(info.count for info in infos) == [18, 18]
    assert {info.source_name for info in infos} == {str(labelled)}
    being_written = store.path.with_name("other.partial")
    being_written.mkdir()
    with _lock(store.path.with_name("other")):
        count, freed = clear_stores()
    assert being_written.exists()
    assert count == 2
    assert freed == sum(info.nbytes for info in infos) > 18 * 4 * 256
    assert clear_stores() == (1, 0)
    assert not being_written.exists()
    assert not store.path.exists()
    assert list_stores() == []


def test_the_digits_are_enlarged_and_keep_their_labels():
    store = open_store(open_source("digits"), PLAIN)
    assert store.images.shape == (1797, 1, 16, 16)
    assert store.notes == ("pictures of 8x8 pixels enlarged (bicubic) to 16x16",)
    assert store.labels_note == "10 classes of digits"
    own = open_store(open_source("digits"), StoreOptions(resolution=(8, 8)))
    assert own.images[0, 0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
