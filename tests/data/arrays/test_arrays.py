"""Arrays in .npy, .npz and idx files and in memory: shapes, types, labels and held-out pictures."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.arrays import blocks
from ganvas.data.arrays.idx import is_idx, open_idx
from ganvas.data.arrays.numpy_files import is_array_folder, open_array, open_npy, open_npz
from ganvas.data.decode import PictureError
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError, UsageError

LEVELS = np.arange(6, dtype=np.uint8)


def flat(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    """[6, ...]: picture i is all i."""
    return np.broadcast_to(LEVELS.reshape(6, *[1] * len(shape)), (6, *shape)).astype(dtype)


def saved(tmp_path: Path, compressed: bool = True, options: SourceOptions = DEFAULT_OPTIONS, **arrays: object):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "set.npz", **arrays)
    return open_npz("set.npz", tmp_path / "set.npz", options)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((4, 5), 1),
        ((4, 5, 1), 1),
        ((4, 5, 2), 2),
        ((4, 5, 3), 3),
        ((4, 5, 4), 4),
        ((1, 4, 5), 1),
        ((3, 4, 5), 3),
    ],
)
def test_pictures_come_as_rows_columns_channels_from_either_order(tmp_path, shape, channels, compressed):
    source = saved(tmp_path, compressed, images=flat(shape))
    assert source.read(5).shape == (4, 5, channels)
    assert (source.read(5) == 5).all()
    header = source.header(0)
    assert (header.height, header.width, header.channels, header.bits) == (4, 5, channels, 8)
    assert list(source.names) == [f"train[{i}]" for i in range(6)]
    assert source.labels_note == "unlabelled: the arrays hold no labels"


def test_channels_first_pixels_land_in_their_places(tmp_path):
    images = np.arange(6 * 3 * 4 * 5, dtype=np.uint8).reshape(6, 3, 4, 5)
    np.testing.assert_array_equal(saved(tmp_path, images=images).read(2), images[2].transpose(1, 2, 0))


def test_sixteen_bit_arrays_stay_so(tmp_path):
    source = saved(tmp_path, images=flat((4, 5), np.uint16) * np.uint16(10_000))
    assert source.read(3).dtype == np.uint16
    assert source.read(3)[0, 0, 0] == 30_000
    assert source.header(3).bits == 16


def test_labels_and_class_names_are_found(tmp_path):
    names = ["cat", "dog", "emu"]
    source = saved(tmp_path, images=flat((4, 5)), labels=[0, 1, 2, 0, 1, 2], class_names=names)
    assert source.class_names == ("cat", "dog", "emu")
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert source.labels.dtype == np.int64
    assert source.labels_note == "3 classes from the arrays"


def test_test_images_are_held_out(tmp_path):
    six = flat((4, 5))
    source = saved(tmp_path, train_images=six, train_labels=LEVELS % 2, test_images=six[:2] + 100, test_labels=[1, 0])
    assert source.held_out.tolist() == [False] * 6 + [True] * 2
    assert list(source.names[5:]) == ["train[5]", "test[0]", "test[1]"]
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 1, 0]
    assert source.read(7)[0, 0, 0] == 101


def test_test_images_without_labels_are_left_out_of_a_labelled_set_and_that_is_told(tmp_path):
    six = flat((4, 5))
    source = saved(tmp_path, train_images=six, train_labels=LEVELS, test_images=six)
    assert len(source.names) == 6
    assert source.notes == ("the test pictures are left out: they have no labels, the training pictures have",)


def test_opening_reads_the_first_pixels_and_reading_forward_opens_the_file_once(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 40)  # two pictures of 20 bytes
    source = saved(tmp_path, images=flat((4, 5)) + np.uint8(2))
    pictures = source._parts[0].pictures
    assert pictures._next == 1  # block: a value above 1 says that these are levels of 0 to 255
    stream = pictures._stream
    assert [int(source.read(i)[0, 0, 0]) for i in range(6)] == [2, 3, 4, 5, 6, 7]
    assert pictures._stream is stream
    assert sorted(pictures._kept) == [1, 2]  # of three blocks: memory does not grow with the array
    assert [int(source.read(i)[0, 0, 0]) for i in (0, 5, 1)] == [2, 7, 3]  # going back is slow but right
    with pytest.raises(IndexError):
        pictures[6]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": flat((4, 5), float)}, r"are float64 from 0 to 5: expected uint8 .*; save 8-bit pictures"),
        ({"images": flat((4, 5), float) / 5 - 2}, r"are float64 from -2 to -1: expected uint8 or uint16"),
        (
            {"images": flat((4, 5), float) // 5},
            r"are float64 from 0 to 1 with no value between, .*: save them as uint8",
        ),
        ({"images": np.full((2, 4, 5), np.nan)}, "are float64 and hold no finite values"),
        ({"images": flat((4, 5), int) - 3}, "are int64 from -3 to 2: expected whole numbers from 0 to 255"),
        ({"images": flat((4, 5), int) * 65536}, "are int64 from 0 to 327680: expected whole numbers"),
        ({"images": flat((4, 5), complex)}, "are complex128: expected uint8 or uint16"),
        ({"images": np.broadcast_to(np.uint8(1), (1, 10001, 10000))}, "at most .* pictures of at most 100 megapixels"),
        ({"images": LEVELS}, r"have the shape \[6\]: expected \[N, H, W\]"),
        ({"images": flat((7, 4, 5, 5))}, r"have the shape \[6, 7, 4, 5, 5\]"),
        ({"images": flat((4, 0))}, r"have the shape \[6, 4, 0\]"),
        ({"voxels": LEVELS, "colors": LEVELS}, r"holds the arrays voxels \[6\] uint8, colors .*: expected images"),
        ({"a": flat((4, 5)), "b": flat((7, 4, 5))}, r"several .* it holds a \[6, 4, 5\] uint8, b .*-column NAME"),
        (
            {"a": np.asfortranarray(flat((4, 5)))},
            r"a \(not readable\): expected .*\. a.npy .* is stored column by column",
        ),
        ({"images": flat((4, 5)), "labels": [0, 1]}, "has 6 train pictures but 2 labels"),
        ({"images": np.asfortranarray(flat((4, 5)))}, "is stored column by column"),
        ({"images": flat((4, 5)), "labels": np.array([None] * 6)}, "labels of .* cannot be read"),
        ({"images": np.array([None, 1])}, "are object: expected uint8"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    with pytest.raises(GanvasError, match=message):
        saved(tmp_path, **arrays)


def test_a_damaged_array_is_noticed_when_its_pictures_are_read(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 50), np.uint8)
    np.savez_compressed(tmp_path / "set.npz", images=noise)
    data = bytearray((tmp_path / "set.npz").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "set.npz").write_bytes(bytes(data))
    with pytest.raises(PictureError, match=r"train\[5\]: cannot be read"):
        open_npz("set.npz", tmp_path / "set.npz").read(5)


# Type, values of six pictures, the pixels they become, bits, and the note.
MEANINGS = [
    (np.float32, LEVELS / 255, [0, 1, 2, 3, 4, 5], 8, "floating point in [0, 1] made 8-bit: 1 is white"),
    (np.float64, [0, 0.1, 0.5, 0.25, 1, 1], [0, 6554, 32768, 16384, 65535, 65535], 16, "in [0, 1] made 16-bit"),
    (np.float32, np.array([0, 1, 127, 128, 254, 255]) / 127.5 - 1, [0, 1, 127, 128, 254, 255], 8, "[-1, 1] made 8-bit"),
    (np.float64, [-1, -0.5, 0, 0.5, 0.3, 1], [0, 16384, 32768, 49151, 42598, 65535], 16, "-1 is black, 1 is white"),
    (np.int64, [0, 255, 3, 2, 1, 0], [0, 255, 3, 2, 1, 0], 8, "int64 from 0 to 255 made 8-bit"),
    (np.int16, [0, 256, 3, 2, 1, 0], [0, 256, 3, 2, 1, 0], 16, "int16 from 0 to 256 made 16-bit"),
    (np.uint32, [0, 65535, 3, 2, 1, 0], [0, 65535, 3, 2, 1, 0], 16, "uint32 from 0 to 65535 made 16-bit"),
    (bool, [0, 1, 1, 0, 1, 0], [0, 255, 255, 0, 255, 0], 8, "true and false made 255 and 0"),
    (np.uint8, [0, 1, 1, 0, 1, 0], [0, 255, 255, 0, 255, 0], 8, "0 and 1, the only values, made 0 and 255"),
    (np.uint16, [0, 1, 1, 0, 1, 0], [0, 255, 255, 0, 255, 0], 8, "0 and 1, the only values, made 0 and 255"),
    (np.int64, [0, 1, 1, 0, 1, 0], [0, 255, 255, 0, 255, 0], 8, "0 and 1, the only values, made 0 and 255"),
    (np.uint8, [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], 8, None),
    (np.uint8, [0, 1, 1, 0, 2, 0], [0, 1, 1, 0, 2, 0], 8, None),
    (">u2", [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 16, None),
]


@pytest.mark.parametrize("way", ["npz", "npy", "python"])
@pytest.mark.parametrize(("dtype", "values", "pixels", "bits", "note"), MEANINGS)
def test_numbers_of_other_types_become_pixels_by_a_rule_that_is_told(tmp_path, way, dtype, values, pixels, bits, note):
    images = np.broadcast_to(np.reshape(values, (6, 1, 1)), (6, 4, 5)).astype(dtype)
    if way == "npz":
        source = saved(tmp_path, images=images)
    elif way == "npy":
        np.save(tmp_path / "set.npy", images)
        source = open_npy("set.npy", tmp_path / "set.npy")
    else:
        source = open_array(images)
    assert [int(source.read(i)[3, 4, 0]) for i in range(6)] == pixels
    assert source.read(0).dtype == source.read(1).dtype == (np.uint8 if bits == 8 else np.uint16)
    assert source.header(0).bits == bits
    assert note in source.notes[0] if note else source.notes == ()


def test_a_picture_with_values_that_are_not_finite_or_outside_is_its_own_trouble(tmp_path):
    images = np.repeat(np.linspace(0, 1, 1000).reshape(-1, 1, 1), 2, axis=1)
    images[0] = np.nan
    images[501] = 1.5  # not among the 64 that are looked at
    source = open_array(images)
    assert source.read(999).max() == 65535
    with pytest.raises(PictureError, match=r"train\[0\]: holds values that are not finite"):
        source.read(0)
    with pytest.raises(PictureError, match=r"train\[501\]: holds values from 1.5 to 1.5, outside 0 to 1"):
        source.read(501)


def test_a_value_above_1_among_pictures_of_0_and_1_is_its_own_trouble(tmp_path):
    images = np.tile(np.array([0, 1], np.uint8), (1000, 3, 1))
    images[501, 0, 0] = 2  # not among the 64 that are looked at
    source = open_array(images)
    assert source.read(500)[0].tolist() == [[0], [255]]
    with pytest.raises(PictureError, match=r"train\[501\]: holds values from 0 to 2, outside 0 to 1"):
        source.read(501)


@pytest.mark.parametrize("name", ["anything", "X", "pictures"])
def test_the_only_array_that_can_be_pictures_is_taken_and_that_is_told(tmp_path, name):
    source = saved(tmp_path, **{name: flat((4, 5)), "scores": np.zeros((6, 9)), "y": [0, 1] * 3})
    assert [int(source.read(i)[0, 0, 0]) for i in range(6)] == [0, 1, 2, 3, 4, 5]
    assert source.notes == (f"pictures from {name}",)
    assert source.labels.tolist() == [0, 1] * 3


def test_of_several_the_one_named_as_is_usual_is_taken_and_that_is_told(tmp_path):
    source = saved(tmp_path, mask=flat((4, 5)), data=flat((4, 5)) + np.uint8(10))
    assert source.read(0)[0, 0, 0] == 10
    assert source.notes == ("pictures from data; mask could be pictures too (--image-column)",)


def test_pictures_and_labels_can_be_named(tmp_path):
    arrays = {"images": flat((4, 5)), "b": flat((4, 5)) + np.uint8(10), "kind": LEVELS % 3, "labels": LEVELS % 2}
    source = saved(tmp_path, options=SourceOptions(image_column="b", label_column="kind"), **arrays)
    assert source.read(1)[0, 0, 0] == 11
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert source.columns["labels"].values == [0, 1, 0, 1, 0, 1]
    assert source.fingerprint != saved(tmp_path, **arrays).fingerprint
    holds = r"set.npz has no array nope: it holds images \[6, 4, 5\] uint8, b .*, labels \[6\] uint8"
    for wrong in (SourceOptions(image_column="nope"), SourceOptions(label_column="nope")):
        with pytest.raises(UsageError, match=holds):
            saved(tmp_path, options=wrong, **arrays)
    with pytest.raises(GanvasError, match=r"have the shape \[6\]: expected"):
        saved(tmp_path, options=SourceOptions(image_column="kind"), **arrays)
    with pytest.raises(GanvasError, match="has 6 train pictures but 2 labels"):
        saved(tmp_path, options=SourceOptions(label_column="short"), short=[0, 1], **arrays)


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"), ("train_data", "train_label", "val_data", "val_label")]
)
def test_pictures_of_other_names_are_held_out_by_them_too(tmp_path, names):
    values = (flat((4, 5)), LEVELS % 2, flat((4, 5))[:2] + 100, [1, 0])
    source = saved(tmp_path, **dict(zip(names, values, strict=True)))
    assert source.held_out.tolist() == [False] * 6 + [True] * 2
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 1, 0]
    assert source.read(7)[0, 0, 0] == 101
    alone = saved(
        tmp_path, options=SourceOptions(image_column=names[2]), **dict(zip(names, values, strict=True))
    )  # a held-out array that is asked for is all there is
    assert (len(alone.names), alone.held_out.any(), alone.labels.tolist()) == (2, False, [1, 0])


def test_other_arrays_of_the_same_length_are_columns(tmp_path):
    source = saved(
        tmp_path,
        images=flat((4, 5)),
        names=list("abcdef"),
        packed=np.array([b"a", "ä".encode()] * 3),
        y=LEVELS / 2,  # a measure is no label
        class_names=list("uvwxyz"),
        short=[1, 2],
        objects=np.array([None] * 6),
        wide=np.zeros((6, 2)),
    )
    assert {key: column.kind for key, column in source.columns.items()} == {
        "names": "text",
        "packed": "text",
        "y": "number",
    }
    assert source.columns["names"].values == list("abcdef")
    assert source.columns["packed"].values[1] == "ä"
    assert source.columns["y"].values == [0, 0.5, 1, 1.5, 2, 2.5]
    assert source.labels is None


def test_columns_have_gaps_where_a_split_has_none(tmp_path):
    source = saved(
        tmp_path, train_images=flat((4, 5)), test_images=flat((4, 5))[:2], train_age=LEVELS, test_name=["a", "b"]
    )
    assert source.columns["age"].values[:6] == [0, 1, 2, 3, 4, 5]
    assert np.isnan(source.columns["age"].values[6:]).all()
    assert source.columns["name"].values == [""] * 6 + ["a", "b"]


def test_of_a_stream_only_the_beginning_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 320)
    monkeypatch.setattr(blocks, "CHEAP_BYTES", 640)
    images = np.linspace(0, 1, 100 * 20).reshape(100, 4, 5)  # 160 bytes each
    source = saved(tmp_path, images=images)
    assert source._parts[0].pictures._next == 2  # blocks of two pictures
    assert source.read(99)[3, 4, 0] == 65535


def test_an_npy_file_is_mapped_and_finds_its_labels(tmp_path):
    np.save(tmp_path / "train_images.npy", flat((3, 4, 5)))
    for labels in ("labels.npy", "train_labels.npy", "train_images_labels.npy"):  # each wins over those before it
        np.save(tmp_path / labels, np.roll(LEVELS % 2, len(labels)))
        source = open_npy("set", tmp_path / "train_images.npy")
        assert source.labels_note == f"2 classes from {labels}"
        assert source.labels.tolist() == np.roll(LEVELS % 2, len(labels)).tolist()
    assert isinstance(source._parts[0].pictures, np.memmap)
    assert not source.in_order
    assert source.read(5).shape == (4, 5, 3)
    assert (source.read(5) == 5).all()


def test_a_folder_with_images_npy_is_a_source(tmp_path):
    assert not is_array_folder(tmp_path)
    np.save(tmp_path / "images.npy", np.asfortranarray(flat((4, 5))))
    np.save(tmp_path / "labels.npy", np.array(["b", "a"] * 3))
    assert is_array_folder(tmp_path)
    source = open_npy("set", tmp_path)
    assert (source.class_names, source.labels.tolist()) == (("a", "b"), [1, 0] * 3)
    assert [int(source.read(i)[0, 0, 0]) for i in (5, 0)] == [5, 0]


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (LEVELS[:5], r"it has the shape \[5\] for 6 pictures"),
        (LEVELS / 2, "it holds float64, not whole numbers or names"),
        (np.array([None] * 6), "it cannot be read"),
    ],
)
def test_labels_that_do_not_fit_are_passed_over_and_that_is_told(tmp_path, labels, why):
    np.save(tmp_path / "images.npy", flat((4, 5)))
    np.save(tmp_path / "labels.npy", labels)
    source = open_npy("set", tmp_path)
    assert source.labels is None
    assert re.match(rf"labels\.npy beside it is passed over: {why}", source.notes[0])


class Canary:
    """Pickles as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_no_pickle_in_an_npy_file_is_loaded(tmp_path):
    np.save(tmp_path / "images.npy", np.array([Canary(tmp_path / "canary")] * 2))
    with pytest.raises(GanvasError, match=r"is not a readable \.npy file of numbers"):
        open_npy("set", tmp_path)
    assert not (tmp_path / "canary").exists()


def test_damaged_npy_and_npz_files_end_in_words(tmp_path):
    np.save(tmp_path / "set.npy", flat((4, 5)))
    np.savez(tmp_path / "set.npz", images=flat((4, 5)), labels=LEVELS)
    random = np.random.default_rng(0)
    for path, opener in ((tmp_path / "set.npy", open_npy), (tmp_path / "set.npz", open_npz)):
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
        with pytest.raises(GanvasError):
            opener("set", path)
        for _ in range(100):
            data = bytearray(whole)
            for place in random.integers(0, min(len(data), 140), 2):
                data[place] = random.integers(0, 256)
            path.write_bytes(data)
            try:
                source = opener("set", path)
                for i in range(len(source.names)):
                    source.read(i)
            except GanvasError:
                continue


def test_an_array_that_declares_more_than_it_holds_is_refused(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 8, 8), }\n" % 10**12
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", data)
    with pytest.raises(GanvasError, match=r"images.npy of .* has \d+ bytes, its header declares 64000000"):
        open_npz("set.npz", tmp_path / "set.npz")
    (tmp_path / "set.npy").write_bytes(data)
    with pytest.raises(GanvasError, match=r"set is not a readable .npy file"):
        open_npy("set", tmp_path / "set.npy")


def test_arrays_and_lists_in_python_are_sources_too():
    source = open_array(flat((3, 4, 5)), labels=["b", "a"] * 3)
    assert (source.name, source.class_names) == ("array", ("a", "b"))
    assert source.read(5).shape == (4, 5, 3)
    listed = open_array(list(flat((4, 5))), name="mine")
    assert (listed.name, len(listed.names)) == ("mine", 6)
    assert listed.read(4).tolist() == np.full((4, 5, 1), 4).tolist()
    for wrong, message in (
        (
            [np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8)],
            r"of one size and type, but there are: uint8 \[4, 5\]",
        ),
        ([], "there are: none"),
        (LEVELS, r"have the shape \[6\]"),
    ):
        with pytest.raises(GanvasError, match=message):
            open_array(wrong)
    with pytest.raises(GanvasError, match="array has 6 train pictures but 1 labels"):
        open_array(flat((4, 5)), labels=[1])


def test_the_fingerprint_of_an_array_is_that_of_its_values():
    one = open_array(flat((4, 5))).fingerprint
    assert open_array(list(flat((4, 5))), name="other").fingerprint == one
    assert open_array(flat((5, 4))).fingerprint != one
    assert open_array(flat((4, 5)), labels=LEVELS).fingerprint != one
    changed = flat((4, 5))
    changed[3, 2, 1] = 99
    assert open_array(changed).fingerprint != one


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_idx(folder: Path, dot: str = "-", gz: bool = False) -> Path:
    """MNIST's four files with six training and two test pictures of 4x5."""
    folder.mkdir()
    arrays = {"train-images": flat((4, 5)), "train-labels": LEVELS}
    arrays |= {"t10k-images": flat((4, 5))[:2] + 100, "t10k-labels": LEVELS[:2]}
    for name, values in arrays.items():
        data = idx(values)
        file = folder / f"{name}{dot}idx{values.ndim}-ubyte{'.gz' if gz else ''}"
        file.write_bytes(gzip.compress(data) if gz else data)
    return folder


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("dot", ["-", "."])
def test_a_folder_of_idx_files_gives_pictures_labels_and_held_out(tmp_path, dot, gz):
    source = open_idx("set", write_idx(tmp_path / "set", dot, gz))
    assert source.held_out.tolist() == [False] * 6 + [True] * 2
    assert source.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1]
    assert source.class_names == ("0", "1", "2", "3", "4", "5")
    assert source.read(5).shape == (4, 5, 1)
    assert [int(source.read(i)[0, 0, 0]) for i in (5, 7)] == [5, 101]


def test_the_file_of_images_alone_finds_its_labels_and_test_files(tmp_path):
    folder = write_idx(tmp_path / "set")
    assert len(open_idx("set", folder / "train-images-idx3-ubyte").names) == 8
    alone = open_idx("set", folder / "t10k-images-idx3-ubyte")
    assert alone.labels.tolist() == [0, 1]
    assert not alone.held_out.any()


def test_an_idx_file_under_any_name_is_known_by_its_first_bytes(tmp_path):
    (tmp_path / "pictures.bin").write_bytes(idx(flat((4, 5))))
    assert is_idx(tmp_path / "pictures.bin")
    source = open_idx("pictures.bin", tmp_path / "pictures.bin")
    assert len(source.names) == 6
    assert source.labels is None


def test_the_fingerprint_of_idx_files_is_that_of_their_contents(tmp_path):
    folder = write_idx(tmp_path / "set")
    before = open_idx("set", folder).fingerprint
    labels = folder / "t10k-labels-idx1-ubyte"
    labels.touch()
    assert open_idx("set", folder).fingerprint == before
    labels.write_bytes(labels.read_bytes()[:-1] + b"\5")
    assert open_idx("set", folder).fingerprint != before


def test_idx_files_that_are_cut_off_or_do_not_fit_together_are_refused(tmp_path):
    folder = write_idx(tmp_path / "set")
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(GanvasError, match=r"train-images-idx3-ubyte of .* has 135 bytes, its header declares 136"):
        open_idx("set", folder)
    images.write_bytes(whole)
    labels.write_bytes(idx(LEVELS[:5]))
    with pytest.raises(GanvasError, match="has 6 train pictures but 5 labels"):
        open_idx("set", folder)
    labels.write_bytes(whole)
    with pytest.raises(GanvasError, match="begins with 00000803, expected 00000801"):
        open_idx("set", folder)
