"""Classes are filled to what they lack, by pictures that pass the filters, and every candidate is accounted for."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_generators import NAMES, SIDE, bar, made
from PIL import Image

from ganvas.errors import GanvasError, UsageError
from ganvas.synthetic.need import need_of
from ganvas.synthetic.real_pictures import real_pictures
from ganvas.synthetic.set_folder import class_folders

LABELS = np.repeat([0, 1, 2], [9, 6, 4])


def by_name(found):
    return {row.name: row for row in found.classes}


def pictures_of(found):
    """[N, 1, 12, 12] as they lie in the folder, in the order of metadata.jsonl."""
    rows = [json.loads(line) for line in (found.path / "metadata.jsonl").read_text().splitlines()]
    return np.stack([np.asarray(Image.open(found.path / row["file_name"]))[None] for row in rows]), rows


def test_what_is_wanted():
    assert need_of(LABELS, NAMES).wanted == (0, 3, 5)
    assert need_of(LABELS, NAMES).short == (1, 2)
    assert need_of(LABELS, NAMES, per_class=7).wanted == (7, 7, 7)
    assert need_of(LABELS, NAMES, ratio=0.5).wanted == (4, 3, 2)
    assert need_of(np.array([0, 0]), ("a", "b")).wanted == (0, 2)  # a class that no training picture has
    for arguments, message in (
        ({"per_class": 1, "ratio": 1.0}, "give one of them"),
        ({"per_class": 0}, "--per-class 0: give at least 1"),
        ({"ratio": 0.0}, "--ratio 0: give a number"),
    ):
        with pytest.raises(UsageError, match=message):
            need_of(LABELS, NAMES, **arguments)
    with pytest.raises(UsageError, match="no class is short, each of the 2 has 3 real pictures"):
        need_of(np.array([0, 1] * 3), ("a", "b"))


def test_short_classes_are_filled_to_the_largest_and_others_are_not_drawn(store, features, tmp_path):
    found = made(tmp_path / "set", bar, store, features)
    rows = by_name(found)
    assert [rows[name].kept for name in NAMES] == [0, 30, 50]
    assert rows["across"].drawn == 0
    assert found.pictures == 80
    for row in found.classes:
        assert row.drawn == row.kept + row.other_class + row.below_bar + row.copies + row.repeats + row.not_needed
    assert not (tmp_path / "set" / "across").exists()
    pictures, told = pictures_of(found)
    assert pictures.shape == (80, 1, SIDE, SIDE)
    assert len({row["seed"] for row in told}) == 80


def test_d_keeps_the_best_share_of_each_class(store, features, tmp_path):
    found = made(tmp_path / "set", bar, store, features, per_class=100, keep=0.6)
    for row in found.classes:
        assert row.kept == 100
        judged = row.drawn - row.other_class
        assert row.below_bar / judged == pytest.approx(0.4, abs=0.08)
    pictures, told = pictures_of(found)
    means = pictures.mean((1, 2, 3)) / 127.5 - 1
    assert np.allclose(means, [row["d_logit"] for row in told], atol=1e-3)
    without, _ = pictures_of(made(tmp_path / "other", bar, store, features, per_class=100))
    assert means.mean() > without.mean() / 127.5 - 1 + 0.01


def test_a_copying_generator_is_found_out_and_leaves_no_set(store, features, tmp_path):
    def copied(label, rng):
        return store.train.images[rng.choice(np.flatnonzero(store.train.labels == label))]

    with pytest.raises(GanvasError, match=r"no picture was kept, so there is no set\. .* too near to a training"):
        made(tmp_path / "set", copied, store, features, tries=2)
    assert list(tmp_path.iterdir()) == []


def test_of_half_copies_none_is_kept(store, features, tmp_path):
    def half(label, rng):
        if rng.random() < 0.5:
            return store.train.images[rng.choice(np.flatnonzero(store.train.labels == label))]
        return bar(label, rng)

    found = made(tmp_path / "set", half, store, features)
    assert found.pictures == 80
    assert 0.35 < sum(row.copies for row in found.classes) / sum(row.drawn for row in found.classes) < 0.65
    known = {image.tobytes() for image in store.train.images}
    assert not any(picture.tobytes() in known for picture in pictures_of(found)[0])


def test_equal_pictures_are_kept_once_and_the_words_say_why_the_class_is_short(store, features, tmp_path):
    def same(label, rng):
        return bar(label, np.random.default_rng(99 if rng.random() < 0.9 else rng.integers(1 << 30)))

    found = made(tmp_path / "set", same, store, features, tries=2)
    pictures, _ = pictures_of(found)
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures)
    row = by_name(found)["both"]
    assert row.kept < row.wanted
    assert row.repeats > 0
    assert f"Class both could not be filled: {row.kept} of 50, 256 candidates were tried" in found.words
    assert f"{row.repeats} repeats); the limit is --tries 2" in found.words


def test_pictures_of_another_class_are_dropped(store, features, tmp_path):
    found = made(tmp_path / "set", lambda _label, rng: bar(1, rng), store, features, tries=3)
    rows = by_name(found)
    assert rows["down"].kept == 30
    assert rows["both"].kept < 10
    assert rows["both"].other_class > 200


def test_a_generator_without_classes_gets_them_from_the_classifier(store, features, tmp_path):
    def any_class(_label, rng):
        return bar(int(rng.choice(3, p=(0.6, 0.3, 0.1))), rng)

    found = made(tmp_path / "set", any_class, store, features, classes=0)
    rows = by_name(found)
    assert [rows[name].kept for name in NAMES] == [0, 30, 50]
    assert rows["across"].not_needed > 0
    assert "The generator knows no classes" in found.words
    pictures, told = pictures_of(found)
    assert all(row["certainty"] > 0.9 for row in told)
    bars_of = {"down": (pictures > 140).sum(2).max(2)[:, 0] >= SIDE - 1}
    assert bars_of["down"][[row["label"] == "down" for row in told]].mean() > 0.95


def test_the_test_pictures_are_apart_from_those_learned_from(store):
    real = real_pictures(store)
    assert (len(real.learned), len(real.test), real.set_aside) == (190, 90, False)


def test_without_held_out_pictures_every_tenth_of_a_class_is_set_aside(store):
    labels = np.arange(190) % 10  # classes that take turns: every tenth row would be of one
    alone = replace(store, images=store.images[:190], labels=labels, train_count=190)
    real = real_pictures(alone)
    assert real.set_aside
    assert np.bincount(real.test.labels).tolist() == [1] * 10
    assert len(real.learned) == 180
    groups = np.arange(190) // 4
    real = real_pictures(replace(alone, labels=np.zeros(190, np.int64), groups=groups))
    tested = {image.tobytes() for image in real.test.images[np.arange(len(real.test))]}
    in_test = np.array([image.tobytes() in tested for image in alone.images])
    assert np.flatnonzero(in_test).tolist() == [i for i in range(190) if groups[i] in (9, 19, 29, 39)]


def test_folders_of_classes_can_be_written_anywhere_and_are_no_splits():
    names = ("cat", "Cat", "test", "a/b", "..", "nul", "x" * 100, "ä 1")
    folders = class_folders(names)
    assert folders[0] == "cat"
    assert folders[7] == "ä 1"
    assert folders[1:6] == ["class1 Cat", "class2 test", "class3 a_b", "class4", "class5 nul"]
    assert len({folder.casefold() for folder in folders}) == 8
    assert max(map(len, folders)) < 80
