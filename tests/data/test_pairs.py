"""Pairs: halves of one picture, or equal names in two folders; what has no partner; one side alone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data.arrays.numpy_files import open_array, open_npz
from ganvas.data.decode import PictureError
from ganvas.data.files.archives import ZipSource
from ganvas.data.files.folders import FolderSource
from ganvas.data.options import SourceOptions
from ganvas.data.pairs import PairSource, file_reader, open_pairs
from ganvas.errors import GanvasError, UsageError

SIDE_BY_SIDE = SourceOptions(pairs="side-by-side")
BY_NAME = SourceOptions(pairs="by-name")


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def flat(path: Path, level: int, size: tuple[int, int] = (8, 8)) -> None:
    """A picture of one level; size is (width, height)."""
    save(path, np.full((size[1], size[0], 3), level, np.uint8))


def pairs_of(folder: Path, options: SourceOptions = BY_NAME) -> PairSource:
    pairs = open_pairs(FolderSource("set", folder), options)
    assert isinstance(pairs, PairSource)
    return pairs


def levels(pairs: PairSource) -> list[tuple[int, int]]:
    return [tuple(int(side[0, 0, 0]) for side in pairs.read_sides(i)) for i in range(len(pairs.names))]


def test_side_by_side_the_left_half_is_a_and_the_right_half_is_b(tmp_path, ramp):
    save(tmp_path / "1.png", ramp)  # [4, 6, 3]
    pairs = pairs_of(tmp_path, SIDE_BY_SIDE)
    a, b = pairs.read_sides(0)
    np.testing.assert_array_equal(a, ramp[:, :3])
    np.testing.assert_array_equal(b, ramp[:, 3:])
    np.testing.assert_array_equal(pairs.read(0), a)
    assert [(header.width, header.height) for header in pairs.headers(0)] == [(3, 4), (3, 4)]
    assert pairs.header(0) == pairs.headers(0)[0]
    assert pairs.sides == ("A", "B")


def test_the_files_of_a_picture_are_one_and_those_of_a_pair_one_or_two(tmp_path):
    for name in ("A/1.png", "B/1.png"):
        flat(tmp_path / name, len(name), (8, 4))
    one, two = ((tmp_path / name).read_bytes() for name in ("A/1.png", "B/1.png"))
    assert file_reader(FolderSource("set", tmp_path))(1) == (two,)
    assert file_reader(pairs_of(tmp_path, SIDE_BY_SIDE))(1) == (two,)
    assert file_reader(pairs_of(tmp_path))(0) == (one, two)
    assert file_reader(open_array(np.zeros((2, 4, 4), np.uint8))) is None


def test_a_width_that_does_not_halve_is_refused_for_that_picture_only(tmp_path):
    flat(tmp_path / "1.png", 1, (7, 4))
    flat(tmp_path / "2.png", 2, (8, 4))
    pairs = pairs_of(tmp_path, SIDE_BY_SIDE)
    for use in (pairs.read_sides, pairs.headers, pairs.read, pairs.header):
        with pytest.raises(PictureError, match=r"1\.png: 7 pixels wide, which does not halve"):
            use(0)
    assert pairs.read_sides(1)[1].shape == (4, 4, 3)


def test_side_by_side_keeps_held_out_pictures(tmp_path):
    for name in ("train/1.png", "train/2.png", "test/3.png"):
        flat(tmp_path / name, 1)
    pairs = pairs_of(tmp_path, SIDE_BY_SIDE)
    assert dict(zip(pairs.names, pairs.held_out.tolist(), strict=True)) == {
        "test/3.png": True,
        "train/1.png": False,
        "train/2.png": False,
    }
    assert pairs.labels is None
    assert pairs.labels_note == "unlabelled: no class folders"


def test_classes_of_pairs_are_folders_inside_the_sides(tmp_path):
    for number in range(6):
        for side in "AB":
            for name in ("boots", "shoes"):
                flat(tmp_path / f"train/{side}/{name}/{number}.png", 1)
    pairs = pairs_of(tmp_path, BY_NAME)
    assert pairs.class_names == ("boots", "shoes")
    assert [pairs.names[i].split("/")[1] for i in np.flatnonzero(pairs.labels == 0)] == ["boots"] * 6
    (tmp_path / "labels.csv").write_text("file,class\n" + "".join(
        f"train/{side}/{name}/{number}.png,{number % 3}\n"
        for number in range(6) for side in "AB" for name in ("boots", "shoes")
    ))  # fmt: skip
    assert pairs_of(tmp_path, BY_NAME).class_names == ("0", "1", "2")


def test_pairs_without_classes_of_their_own_are_not_of_the_classes_a_and_b(tmp_path):
    for number in range(6):
        for side in "AB":
            flat(tmp_path / f"{side}/{number}.png", 1)
    assert pairs_of(tmp_path, BY_NAME).labels is None


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        ("A/1.png", "B/1.png", "1.png"),
        ("a/1.png", "b/1.png", "1.png"),
        ("wrap/A/street/1.png", "wrap/B/street/1.png", "wrap/street/1.png"),
        ("trainA/1.png", "trainB/1.png", "train/1.png"),
        ("train/A/1.png", "train/B/1.png", "train/1.png"),
        ("A/train/1.png", "B/train/1.png", "train/1.png"),
        ("A/1.bmp", "B/1.png", "1.bmp"),
    ],
)
def test_by_name_partners_are_found_in_every_usual_layout(tmp_path, a, b, name):
    flat(tmp_path / a, 10)
    flat(tmp_path / b, 20)
    pairs = pairs_of(tmp_path)
    assert list(pairs.names) == [name]
    assert levels(pairs) == [(10, 20)]
    assert not pairs.held_out.any()


@pytest.mark.parametrize(
    "layout", ["{split}{side}/{name}.png", "{split}/{side}/{name}.png", "{side}/{split}/{name}.png"]
)
def test_pairs_of_a_test_split_are_held_out(tmp_path, layout):
    for side, level in (("A", 0), ("B", 100)):
        for split, name in (("train", 1), ("train", 2), ("test", 3)):
            flat(tmp_path / layout.format(side=side, split=split, name=name), level + name)
    pairs = pairs_of(tmp_path)
    assert sorted(zip(pairs.names, pairs.held_out.tolist(), levels(pairs), strict=True)) == [
        ("test/3.png", True, (3, 103)),
        ("train/1.png", False, (1, 101)),
        ("train/2.png", False, (2, 102)),
    ]


def test_pictures_without_a_partner_are_left_out_and_counted(tmp_path):
    for name in ("A/1.png", "A/2.png", "B/2.png", "B/3.png", "beside.png"):
        flat(tmp_path / name, 5)
    pairs = pairs_of(tmp_path)
    assert list(pairs.names) == ["2.png"]
    assert "3 pictures without a partner on the other side are left out (A/1.png)" in pairs.notes


def test_equal_names_win_over_other_suffixes_and_doubtful_ones_are_left_out(tmp_path):
    flat(tmp_path / "A/1.png", 1)
    flat(tmp_path / "A/1.bmp", 2)
    flat(tmp_path / "B/1.png", 3)
    flat(tmp_path / "A/2.png", 4)
    flat(tmp_path / "B/2.bmp", 5)
    flat(tmp_path / "B/2.tif", 6)  # either could be meant
    pairs = pairs_of(tmp_path)
    assert list(pairs.names) == ["1.png"]
    assert levels(pairs) == [(1, 3)]
    assert any(note.startswith("4 pictures without a partner") for note in pairs.notes)


def test_no_common_name_is_refused_with_the_layout_expected(tmp_path):
    flat(tmp_path / "trainA/apple.png", 1)
    flat(tmp_path / "trainB/pear.png", 1)
    with pytest.raises(GanvasError) as refused:
        pairs_of(tmp_path)
    assert "1 pictures of side A and 1 of side B have no name in common (trainA/apple.png, trainB/pear.png)" in str(
        refused.value
    )
    assert "such as A/street.jpg and B/street.png" in str(refused.value)


def test_without_folders_of_sides_the_other_way_is_suggested(tmp_path):
    flat(tmp_path / "1.png", 1)
    with pytest.raises(GanvasError, match=r"lies in a folder A/ or B/.*choose pairs side-by-side"):
        pairs_of(tmp_path)
    np.savez(tmp_path / "set.npz", images=np.zeros((3, 4, 4), np.uint8))
    with pytest.raises(GanvasError, match="lies in a folder A/ or B/"):
        open_pairs(open_npz("set.npz", tmp_path / "set.npz"), BY_NAME)


def test_one_side_missing_is_named(tmp_path):
    flat(tmp_path / "A/1.png", 1)
    with pytest.raises(GanvasError, match="it has no pictures of side B"):
        pairs_of(tmp_path)


def test_a_damaged_partner_costs_its_pair_and_is_named(tmp_path):
    flat(tmp_path / "A/1.png", 1)
    flat(tmp_path / "B/1.png", 1)
    (tmp_path / "B/1.png").write_bytes(b"no picture")
    pairs = pairs_of(tmp_path)
    for use in (pairs.read_sides, pairs.headers):
        with pytest.raises(PictureError, match=r"B/1\.png: not a picture"):
            use(0)
    assert pairs.read(0).shape == (8, 8, 3)  # A alone can be read


def test_encoded_files_come_one_or_two_to_a_pair(make_zip, png):
    whole = open_pairs(ZipSource("zip", make_zip({"1.png": png(7, (8, 4))})), SIDE_BY_SIDE)
    assert isinstance(whole, PairSource)
    assert whole.is_encoded
    assert whole.encoded_sides(0) == (png(7, (8, 4)),)
    two = open_pairs(ZipSource("zip", make_zip({"A/1.png": png(7), "B/1.png": png(8)})), BY_NAME)
    assert isinstance(two, PairSource)
    assert two.is_encoded
    assert two.encoded_sides(0) == (png(7), png(8))
    assert int(np.asarray(Image.open(io.BytesIO(two.encoded_sides(0)[1]))).max()) == 8


def test_arrays_can_be_side_by_side_but_are_not_encoded(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.arange(16, dtype=np.uint8).reshape(1, 2, 8))
    pairs = open_pairs(open_npz("set.npz", tmp_path / "set.npz"), SIDE_BY_SIDE)
    assert isinstance(pairs, PairSource)
    assert not pairs.is_encoded
    assert [side[..., 0].tolist() for side in pairs.read_sides(0)] == [
        [[0, 1, 2, 3], [8, 9, 10, 11]],
        [[4, 5, 6, 7], [12, 13, 14, 15]],
    ]


def test_one_side_alone_is_a_source_like_any_other(tmp_path, ramp):
    save(tmp_path / "x" / "train" / "1.png", ramp)
    save(tmp_path / "x" / "test" / "2.png", ramp)
    inner = FolderSource("set", tmp_path / "x")
    a = open_pairs(inner, replace(SIDE_BY_SIDE, side="A"))
    b = open_pairs(inner, replace(SIDE_BY_SIDE, side="B"))
    np.testing.assert_array_equal(b.read(0), ramp[:, 3:])
    assert (b.header(0).width, b.header(0).height) == (3, 4)
    assert b.held_out.tolist() == [True, False]
    assert "only side B of 2 pairs" in b.notes
    pairs = open_pairs(inner, SIDE_BY_SIDE)
    assert len({inner.fingerprint, pairs.fingerprint, a.fingerprint, b.fingerprint}) == 4
    assert not isinstance(b, PairSource)


def test_one_side_of_two_folders_does_not_need_the_other_side_to_be_readable(tmp_path):
    flat(tmp_path / "A/1.png", 1, (8, 6))
    flat(tmp_path / "B/1.png", 2)
    a = open_pairs(FolderSource("set", tmp_path), replace(BY_NAME, side="A"))
    (tmp_path / "B/1.png").write_bytes(b"")
    assert (a.read(0) == 1).all()
    assert a.header(0).height == 6


def test_a_side_without_pairs_is_refused_and_without_either_nothing_changes(tmp_path):
    flat(tmp_path / "1.png", 1)
    source = FolderSource("set", tmp_path)
    with pytest.raises(UsageError, match="side A is chosen without pairs"):
        open_pairs(source, SourceOptions(side="A"))
    assert open_pairs(source, SourceOptions()) is source
