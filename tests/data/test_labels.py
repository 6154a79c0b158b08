"""Classes and splits come from where pictures lie, dataset.json or arrays; else the reason is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ganvas.data.labels import (
    labels_from_dataset_json,
    labels_from_folders,
    labels_from_texts,
    labels_from_values,
    natural_sorted,
    read_layout,
)
from ganvas.errors import GanvasError


def paths(folder: str, count: int = 5) -> list[str]:
    return [f"{folder}{i}.png" for i in range(count)]


def found(names: list[str]):
    return labels_from_folders(read_layout(names))


def test_names_sort_as_people_count():
    assert natural_sorted(["10", "9", "1", "a2", "a10", "B1"]) == ["1", "9", "10", "a2", "a10", "B1"]
    assert natural_sorted(["a01", "a1"]) == ["a01", "a1"]


def test_two_class_folders_make_two_classes_in_natural_order():
    labelling = found([*paths("10/"), *paths("9/")])
    assert labelling.class_names == ("9", "10")
    assert labelling.labels.tolist() == [1] * 5 + [0] * 5
    assert labelling.note == "2 classes from class folders"


def test_deeper_folders_belong_to_their_first_level():
    assert found([*paths("cat/indoor/"), *paths("cat/"), *paths("dog/")]).class_names == ("cat", "dog")


@pytest.mark.parametrize("wrap", ["data/", "data/more/"])
def test_a_wrapping_folder_is_stripped(wrap):
    assert found([*paths(f"{wrap}cat/"), *paths(f"{wrap}dog/")]).class_names == ("cat", "dog")


def test_split_folders_are_stripped_and_tell_what_is_held_out():
    names = [
        *paths("set/train/cat/"),
        *paths("set/train/dog/"),
        *paths("set/val/cat/"),
        *paths("set/Test/dog/"),
    ]
    layout = read_layout(names)
    assert layout.held_out.tolist() == [False] * 10 + [True] * 10
    labelling = labels_from_folders(layout)
    assert labelling.class_names == ("cat", "dog")
    assert labelling.labels.tolist() == [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5


def test_the_domains_of_an_unpaired_set_are_classes():
    layout = read_layout([*paths("set/trainA/"), *paths("set/trainB/"), *paths("set/testa/"), *paths("set/testB/", 1)])
    assert layout.held_out.tolist() == [False] * 10 + [True] * 6
    labelling = labels_from_folders(layout)
    assert labelling.class_names == ("A", "B")
    assert labelling.labels.tolist() == [0] * 5 + [1] * 5 + [0] * 5 + [1]
    assert labelling.note == "2 classes from folders trainA and trainB"


def test_folders_a_and_b_alone_are_domains_and_nothing_is_held_out():
    layout = read_layout([*paths("A/"), *paths("B/deeper/")])
    assert not layout.held_out.any()
    assert labels_from_folders(layout).labels.tolist() == [0] * 5 + [1] * 5
    assert labels_from_folders(layout).note == "2 classes from folders A and B"


def test_one_domain_alone_is_no_class_but_its_test_pictures_are_held_out():
    layout = read_layout([*paths("trainA/"), *paths("valA/")])
    assert layout.held_out.tolist() == [False] * 5 + [True] * 5
    assert labels_from_folders(layout).note == "unlabelled: no class folders"


def test_an_alphabet_of_class_folders_is_not_taken_for_the_sides_a_and_b():
    assert found([*paths("A/"), *paths("B/"), *paths("C/")]).class_names == ("A", "B", "C")


def test_pictures_in_held_out_folders_only_are_used_for_training_and_that_is_told():
    layout = read_layout(paths("test/"))
    assert not layout.held_out.any()
    assert layout.notes == ("all pictures lie in test: they are used for training",)


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (paths(""), "unlabelled: no class folders"),
        (paths("cat/"), "unlabelled: no class folders"),
        (
            [*paths("cat/"), *paths("dog/"), *paths("", 3)],
            "unlabelled: 3 pictures lie beside the class folders",
        ),
        ([*paths("cat/"), *paths("dog/"), "x.png"], "unlabelled: 1 picture lies beside the class folders"),
        (
            [*paths("cat/"), *paths("dog/", 4)],
            "unlabelled: fewer than 5 training pictures in class folders dog",
        ),
        (
            [*paths("train/cat/"), *paths("train/dog/"), *paths("test/emu/")],
            "unlabelled: fewer than 5 training pictures in class folders emu",
        ),
        (
            [*paths("train/cat/"), *paths("train/dog/"), *paths("extra/")],
            "unlabelled: 5 pictures lie beside the class folders",
        ),
    ],
)
def test_without_clear_class_folders_there_are_no_labels_and_the_note_says_why(names, note):
    labelling = found(names)
    assert labelling.labels is None
    assert labelling.class_names == ()
    assert labelling.note == note


def from_json(content: object, names: list[str]):
    return labels_from_dataset_json(json.dumps(content).encode(), names, "dataset.json of set")


def test_dataset_json_gives_labels_by_file():
    labelling = from_json({"labels": [["b.png", 10], ["a/c.png", 9]]}, ["a/c.png", "b.png"])
    assert labelling.class_names == ("9", "10")
    assert labelling.labels.tolist() == [0, 1]


def test_dataset_json_with_null_means_unlabelled():
    assert from_json({"labels": None}, ["a.png"]).note == "unlabelled: dataset.json gives no labels"


def test_pictures_that_dataset_json_leaves_out_make_the_set_unlabelled():
    note = from_json({"labels": [["a.png", 0]]}, ["a.png", "b.png"]).note
    assert note == "unlabelled: dataset.json does not name 1 of 2 pictures (b.png)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"labels": [["gone.png", 0]]}, "names gone.png, which is not among the pictures"),
        ({"labels": [["a.png", 0.5]]}, "class 0.5: use a whole number or a name"),
        ({"labels": [["a.png", 0], ["a.png", 1]]}, "gives a.png two classes, 0 and 1"),
        ({"labels": [["a.png"]]}, "is not as expected"),
        ({"classes": []}, "is not as expected"),
        ([], "is not as expected"),
    ],
)
def test_a_wrong_dataset_json_is_refused_by_its_name(content, message):
    with pytest.raises(GanvasError, match=message) as error:
        from_json(content, ["a.png"])
    assert str(error.value).startswith("dataset.json of set")


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"[" * 100_000], ids=["cut off", "not UTF-8", "nested too deep"])
def test_broken_json_is_refused(text):
    with pytest.raises(GanvasError, match="is not as expected"):
        labels_from_dataset_json(text, ["a.png"], "dataset.json")


def test_what_a_message_shows_of_dataset_json_can_always_be_written():
    with pytest.raises(GanvasError, match=r"names gone\?\.png") as error:
        labels_from_dataset_json(b'{"labels": [["gone\\ud800.png", 0]]}', ["a.png"], "dataset.json")
    assert str(error.value).isascii()


def test_whole_numbers_with_gaps_become_classes_named_after_them():
    labelling = labels_from_values(np.array([[7], [3], [10]], np.uint8), None, "the arrays")
    assert labelling.class_names == ("3", "7", "10")
    assert labelling.labels.tolist() == [1, 0, 2]


def test_class_names_name_the_numbers_also_those_that_do_not_occur():
    labelling = labels_from_values(np.array([2, 0]), ["cat", "dog", "emu"], "the arrays")
    assert labelling.class_names == ("cat", "dog", "emu")
    assert labelling.labels.tolist() == [2, 0]


def test_labels_may_be_names():
    labelling = labels_from_values(np.array(["dog", "cat"]), None, "the arrays")
    assert labelling.class_names == ("cat", "dog")
    assert labelling.labels.tolist() == [1, 0]


def test_one_class_is_no_label():
    assert labels_from_values(np.zeros(3, int), None, "the arrays").labels is None


@pytest.mark.parametrize(
    ("values", "class_names", "message"),
    [
        (np.array([0.5]), None, "labels of the arrays are float64"),
        (np.zeros((3, 2), int), None, r"of shape \[3, 2\]"),
        (np.array([0, 2]), ["cat", "dog"], "go from 0 to 2, but there are 2 class names"),
        (np.array([-1, 0]), ["cat", "dog"], "go from -1 to 0"),
    ],
)
def test_labels_that_are_none_are_refused(values, class_names, message):
    with pytest.raises(GanvasError, match=message):
        labels_from_values(values, class_names, "the arrays")


def test_whole_numbers_in_text_sort_by_size_and_may_be_called_by_names():
    labelling = labels_from_texts(["10", "-1", "9.0", "9"], {"10": "cat", "9": "dog"}, "the table")
    assert labelling.class_names == ("-1", "dog", "cat")
    assert labelling.labels.tolist() == [2, 0, 1, 1]
    assert labelling.note == "3 classes from the table"


def test_numbers_with_leading_zeros_are_names():
    assert labels_from_texts(["10", "02", "2"], {}, "the table").class_names == ("02", "2", "10")


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(GanvasError, match="the table calls the classes 1 and 2 all cat: give each a name of its own"):
        labels_from_texts(["0", "1", "2"], {"0": "dog", "1": "cat", "2": "cat"}, "the table")
