""".npz and idx files: shapes, types, labels and held-out pictures; opening them does not read the pixels."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from ganvas.data import blocks
from ganvas.data.decode import PictureError
from ganvas.data.sources import open_source
from ganvas.errors import GanvasError

LEVELS = np.arange(6, dtype=np.uint8)


def flat(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    """[6, ...]: picture i is all i."""
    return np.broadcast_to(LEVELS.reshape(6, *[1] * len(shape)), (6, *shape)).astype(dtype)


def saved(tmp_path: Path, compressed: bool = True, **arrays: object):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "set.npz", **arrays)
    return open_source(tmp_path / "set.npz")


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


def test_opening_reads_no_pixels_and_reading_forward_opens_the_file_once(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 40)  # two pictures of 20 bytes
    source = saved(tmp_path, images=flat((4, 5)))
    pictures = source._parts[0].pictures
    assert pictures._stream is None
    assert [int(source.read(i)[0, 0, 0]) for i in range(6)] == [0, 1, 2, 3, 4, 5]
    assert sorted(pictures._kept) == [1, 2]  # of three blocks: memory does not grow with the array
    assert [int(source.read(i)[0, 0, 0]) for i in (0, 5, 1)] == [0, 5, 1]  # going back is slow but right
    with pytest.raises(IndexError):
        pictures[6]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": flat((4, 5), float)}, r"are float64: expected uint8 or uint16; save 8-bit pictures"),
        ({"images": flat((4, 5), np.int64)}, "are int64: expected uint8 or uint16"),
        ({"images": LEVELS}, r"have the shape \[6\]: expected \[N, H, W\]"),
        ({"images": flat((7, 4, 5))}, r"have the shape \[6, 7, 4, 5\]"),
        ({"images": flat((4, 0))}, r"have the shape \[6, 4, 0\]"),
        ({"voxels": LEVELS, "colors": LEVELS}, "holds the arrays voxels, colors: expected images"),
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
        open_source(tmp_path / "set.npz").read(5)


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
    source = open_source(write_idx(tmp_path / "set", dot, gz))
    assert source.held_out.tolist() == [False] * 6 + [True] * 2
    assert source.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1]
    assert source.class_names == ("0", "1", "2", "3", "4", "5")
    assert source.read(5).shape == (4, 5, 1)
    assert [int(source.read(i)[0, 0, 0]) for i in (5, 7)] == [5, 101]


def test_the_file_of_images_alone_finds_its_labels_and_test_files(tmp_path):
    folder = write_idx(tmp_path / "set")
    assert len(open_source(folder / "train-images-idx3-ubyte").names) == 8
    alone = open_source(folder / "t10k-images-idx3-ubyte")
    assert alone.labels.tolist() == [0, 1]
    assert not alone.held_out.any()


def test_an_idx_file_under_any_name_is_known_by_its_first_bytes(tmp_path):
    (tmp_path / "pictures.bin").write_bytes(idx(flat((4, 5))))
    source = open_source(tmp_path / "pictures.bin")
    assert len(source.names) == 6
    assert source.labels is None


def test_the_fingerprint_of_idx_files_is_that_of_their_contents(tmp_path):
    folder = write_idx(tmp_path / "set")
    before = open_source(folder).fingerprint
    labels = folder / "t10k-labels-idx1-ubyte"
    labels.touch()
    assert open_source(folder).fingerprint == before
    labels.write_bytes(labels.read_bytes()[:-1] + b"\5")
    assert open_source(folder).fingerprint != before


def test_idx_files_that_are_cut_off_or_do_not_fit_together_are_refused(tmp_path):
    folder = write_idx(tmp_path / "set")
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(GanvasError, match=r"train-images-idx3-ubyte of .* has 135 bytes, its header declares 136"):
        open_source(folder)
    images.write_bytes(whole)
    labels.write_bytes(idx(LEVELS[:5]))
    with pytest.raises(GanvasError, match="has 6 train pictures but 5 labels"):
        open_source(folder)
    labels.write_bytes(whole)
    with pytest.raises(GanvasError, match="begins with 00000803, expected 00000801"):
        open_source(folder)
