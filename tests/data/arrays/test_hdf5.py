"""HDF5 files: which data sets are pictures, labels and columns; and that nothing outside the file is read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.arrays import hdf5_process
from ganvas.data.arrays.hdf5 import open_hdf5
from ganvas.data.decode import PictureError
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError

h5py = pytest.importorskip("h5py")

SIX = np.arange(6, dtype=np.uint8)
PICTURES = np.broadcast_to(SIX.reshape(6, 1, 1, 1), (6, 4, 5, 3)).copy()  # picture i is all i


def written(tmp_path: Path, **data: object) -> Path:
    """An HDF5 file; "__" in a name is "/"."""
    path = tmp_path / f"set{len(list(tmp_path.iterdir()))}.h5"  # one that is still open is not written over
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[name.replace("__", "/")] = values
    return path


def opened(tmp_path: Path, image_column: str | None = None, label_column: str | None = None, **data: object):
    path = written(tmp_path, **data)
    return open_hdf5("set.h5", path, SourceOptions(image_column=image_column, label_column=label_column))


@pytest.mark.parametrize("name", ["images", "x", "X", "data", "anything", "a__group__image"])
def test_pictures_are_found_by_name_or_as_the_only_ones(tmp_path, name):
    source = opened(tmp_path, **{name: PICTURES, "numbers": np.arange(4)})
    assert list(source.names) == [f"train[{i}]" for i in range(6)]
    assert source.read(5).tolist() == PICTURES[5].tolist()
    header = source.header(0)
    assert (header.height, header.width, header.channels, header.bits) == (4, 5, 3, 8)
    assert source.notes[0] == f"pictures from {name.replace('__', '/')}"
    assert source.labels is None


def test_labels_and_columns_lie_beside_the_pictures(tmp_path):
    source = opened(
        tmp_path,
        images=PICTURES,
        labels=[[2], [7], [2], [7], [2], [2]],
        age=[1.5, 2, 3, 4, 5, 6],
        caption=["a", "b", "c", "d", "e", "ä"],
        elsewhere=[1, 2],
    )
    assert source.class_names == ("2", "7")
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 0]
    assert source.labels_note == "2 classes from labels"
    assert sorted(source.columns) == ["age", "caption"]
    assert source.columns["age"].values == [1.5, 2, 3, 4, 5, 6]
    assert (source.columns["caption"].kind, source.columns["caption"].values[5]) == ("text", "ä")


def test_class_names_name_the_numbers_and_text_labels_name_themselves(tmp_path):
    source = opened(tmp_path, x=PICTURES, y=[0, 1, 0, 1, 0, 1], class_names=["cat", "dog", "emu"])
    assert source.class_names == ("cat", "dog", "emu")
    source = opened(tmp_path, x=PICTURES, y=["b", "a", "b", "a", "b", "a"])
    assert (source.class_names, source.labels.tolist()) == (("a", "b"), [1, 0, 1, 0, 1, 0])


def test_rows_with_a_single_one_are_classes_and_other_rows_are_tags(tmp_path):
    one_hot = np.eye(3)[[0, 2, 1, 0, 0, 2]]
    source = opened(tmp_path, x=PICTURES, targets=one_hot)
    assert (source.class_names, source.labels.tolist()) == (("0", "1", "2"), [0, 2, 1, 0, 0, 2])
    one_hot[1] = [1, 0, 1]
    source = opened(tmp_path, x=PICTURES, targets=one_hot)
    assert source.labels is None
    assert source.columns["targets"].kind == "tags"
    assert source.columns["targets"].values[:3] == [("0",), ("0", "2"), ("1",)]


@pytest.mark.parametrize(
    "names",
    [
        ("train_x", "train_y", "test_x", "test_y"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("train__images", "train__labels", "test__images", "test__labels"),
        ("train_set_x", "train_set_y", "val_set_x", "val_set_y"),
    ],
)
def test_test_pictures_are_held_out(tmp_path, names):
    values = (PICTURES, SIX % 2, PICTURES[:2] + 100, [1, 0])
    source = opened(tmp_path, **dict(zip(names, values, strict=True)))
    assert source.held_out.tolist() == [False] * 6 + [True] * 2
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 1, 0]
    assert source.read(7)[0, 0].tolist() == [101] * 3


def test_a_split_without_a_column_has_gaps_and_without_labels_is_left_out(tmp_path):
    both = {"train_x": PICTURES, "test_x": PICTURES[:2], "train_age": SIX, "train_note": list("abcdef")}
    source = opened(tmp_path, **both)
    assert source.columns["note"].values[5:] == ["f", "", ""]
    assert np.isnan(source.columns["age"].values[6:]).all()
    source = opened(tmp_path, **both, train_y=SIX)
    assert len(source.names) == len(source.columns["age"].values) == 6
    assert "the test pictures are left out" in source.notes[-1]


def test_only_test_pictures_are_trained_with_and_that_is_told(tmp_path):
    source = opened(tmp_path, test_x=PICTURES)
    assert not source.held_out.any()
    assert "all pictures are in test_x: they are used for training" in source.notes


def test_columns_can_be_named(tmp_path):
    data = {"a": PICTURES, "b": PICTURES + 10, "kind": SIX % 3, "labels": SIX % 2}
    with pytest.raises(GanvasError, match=r"several data sets may be the pictures; it holds a \[6, 4, 5, 3\] uint8, b"):
        opened(tmp_path, **data)
    source = opened(tmp_path, image_column="b", label_column="kind", **data)
    assert source.read(1)[0, 0, 0] == 11
    assert source.labels.tolist() == [0, 1, 2, 0, 1, 2]
    for wrong, message in (("c", "has no data set c"), ("kind", r"have the shape \[6\]")):
        with pytest.raises(GanvasError, match=message):
            opened(tmp_path, image_column=wrong, **data)
    with pytest.raises(GanvasError, match="has no data set wrong"):
        opened(tmp_path, image_column="a", label_column="wrong", **data)
    with pytest.raises(GanvasError, match="does not fit the 6 pictures of a: there must be one label per picture"):
        opened(tmp_path, image_column="a", label_column="short", short=[1, 2], **data)


def test_other_labels_are_passed_over_unless_they_were_asked_for(tmp_path):
    source = opened(tmp_path, x=PICTURES, y=SIX + 0.5)
    assert source.labels is None
    assert source.columns["y"].values[1] == 1.5  # a measure is a column
    assert any("y are no labels: float64" in note for note in source.notes)
    with pytest.raises(GanvasError, match=r"y .* holds no labels: expected whole numbers"):
        opened(tmp_path, label_column="y", x=PICTURES, y=SIX + 0.5)
    source = opened(tmp_path, x=PICTURES, y=[1, 2])
    assert "y is passed over: 2 labels for 6 pictures" in source.notes


def test_encoded_pictures_are_read_and_a_damaged_one_is_its_own_trouble(tmp_path, png):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        files = file.create_dataset("images", (3,), h5py.vlen_dtype(np.uint8))
        for i, data in enumerate((png(10), png(20)[:40], png(30))):
            files[i] = np.frombuffer(data, np.uint8)
        file["labels"] = [0, 1, 0]
    source = open_hdf5("set.h5", path)
    assert source.encoded(2) == png(30)
    assert source.read(2)[0, 0].tolist() == [30] * 3
    assert source.labels.tolist() == [0, 1, 0]
    with pytest.raises(PictureError, match=r"train\[1\]: not a picture"):
        source.read(1)


def test_rows_of_a_chunk_are_read_once_and_few_are_kept(tmp_path):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=PICTURES, chunks=(2, 4, 5, 3), compression="gzip")
    source = open_hdf5("set.h5", path)
    assert source.in_order
    assert [int(source.read(i)[0, 0, 0]) for i in (0, 5, 2, 3, 1)] == [0, 5, 2, 3, 1]
    assert len(source._parts[0].pictures._kept) == 2


@pytest.mark.parametrize(("chunks", "asked"), [(None, 1), ((2, 4, 5, 3), 3)])
def test_the_worker_is_asked_for_many_rows_at_once(tmp_path, chunks, asked, monkeypatch):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=PICTURES, chunks=chunks)
    calls = []
    rows = hdf5_process.Reader.rows
    monkeypatch.setattr(hdf5_process.Reader, "rows", lambda *given: calls.append(given) or rows(*given))
    source = open_hdf5("set.h5", path)
    for i in range(6):
        source.read(i)
    assert len(calls) == asked


def test_a_file_that_changed_under_the_source_is_not_read_on(tmp_path):
    path = written(tmp_path, images=np.full((3, 1000, 1000), 9, np.uint8))  # more than is read at once
    source = open_hdf5("set.h5", path)
    source.read(0)
    path.write_bytes(written(tmp_path, images=PICTURES[:3]).read_bytes())
    open_hdf5("other", written(tmp_path, images=PICTURES))  # the worker looks at another file in between
    with pytest.raises(PictureError, match=r"train\[1\]: cannot be read \(the file was changed\)"):
        source.read(1)


def crash(files: tuple[bytes, ...], name: str, argument: object) -> None:
    """Stands for the HDF5 library on a damaged file."""
    os.abort()


def test_a_file_that_crashes_the_library_is_refused_and_its_pictures_are_given_up(tmp_path, monkeypatch):
    path = written(tmp_path, images=np.zeros((9, 1000, 1000), np.uint8))
    source = open_hdf5("set.h5", path)
    monkeypatch.setattr(hdf5_process, "_rows", crash)
    for i in range(3):
        with pytest.raises(
            PictureError, match=rf"train\[{i}\]: cannot be read \(made the decoder crash \(signal 6\)\)"
        ):
            source.read(i)
    with pytest.raises(PictureError, match="reading it has failed too often"):
        source.read(3)
    monkeypatch.setattr(hdf5_process, "_describe", crash)
    with pytest.raises(GanvasError, match=r"set.h5 is not a readable HDF5 file \(it made the decoder crash"):
        open_hdf5("set.h5", path)


def test_types_are_read_as_in_other_arrays(tmp_path):
    deep = opened(tmp_path, images=PICTURES.astype(">u2") * 1000)
    assert (deep.read(3).dtype, int(deep.read(3)[0, 0, 0]), deep.header(0).bits) == (np.uint16, 3000, 16)
    floating = opened(tmp_path, images=PICTURES / 255)
    assert floating.read(3)[0, 0, 0] == 3
    assert "floating point in [0, 1] made 8-bit: 1 is white" in floating.notes


@pytest.mark.parametrize("column", [None, "images"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("external link", "images of set.h5 is a link to another file"),
        ("soft link", "images of set.h5 is a link to nowhere, which is no data set that lies in the file"),
        ("soft link through a file", "images of set.h5 is a link to other/images, which is no data set"),
        ("external storage", "images of set.h5 keeps its values in another file"),
        ("virtual", r"images of set.h5 is put together from other data sets \(virtual\)"),
        ("references", "images of set.h5 holds references or objects"),
        ("compound", "images of set.h5 holds no numbers and no text"),
    ],
)
def test_data_sets_that_lead_out_of_the_file_are_refused_by_name(tmp_path, kind, message, column):
    (tmp_path / "secret.bin").write_bytes(PICTURES.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["images"] = PICTURES
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        if kind == "external link":
            file["images"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/images")
        elif kind == "soft link":
            file["images"] = h5py.SoftLink("/nowhere")
        elif kind == "soft link through a file":
            file["other"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
            file["images"] = h5py.SoftLink("/other/images")
        elif kind == "external storage":
            storage = [(str(tmp_path / "secret.bin"), 0, PICTURES.nbytes)]
            file.create_dataset("images", PICTURES.shape, np.uint8, external=storage)
        elif kind == "virtual":
            layout = h5py.VirtualLayout(PICTURES.shape, np.uint8)
            layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "images", PICTURES.shape)
            file.create_virtual_dataset("images", layout)
        elif kind == "references":
            file.create_dataset("images", (6, 4, 5), h5py.ref_dtype)
        else:
            file["images"] = np.zeros((6, 4, 5), [("red", "u1"), ("green", "u1")])
    with pytest.raises(GanvasError, match=message):
        open_hdf5("set.h5", path, SourceOptions(image_column=column))


def test_a_packing_that_does_not_come_with_hdf5_is_refused(tmp_path):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk((1, 4, 5, 3))
        layout.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())  # a number that nobody uses
        space = h5py.h5s.create_simple(PICTURES.shape)
        h5py.h5d.create(file.id, b"images", h5py.h5t.NATIVE_UINT8, space, layout)
    with pytest.raises(GanvasError, match=r"images of set\.h5 is packed with filter 32999"):
        open_hdf5("set.h5", path)


def test_links_within_the_file_are_other_names_and_a_ring_of_groups_ends(tmp_path):
    path = written(tmp_path, deep__values=PICTURES, deep__masks=PICTURES[..., 0])
    with h5py.File(path, "a") as file:
        file["images"] = h5py.SoftLink("/deep/values")
        file["deep/ring"] = file["/"]
    assert open_hdf5("set.h5", path).notes[0] == "pictures from deep/values"


def test_what_is_not_needed_may_be_out_of_the_file(tmp_path):
    path = written(tmp_path, images=PICTURES)
    with h5py.File(path, "a") as file:
        file["more"] = h5py.ExternalLink("not-there.h5", "/")
    assert len(open_hdf5("set.h5", path).names) == 6


def test_a_file_that_declares_more_than_it_can_hold_is_refused(tmp_path):
    path = tmp_path / "set.h5"
    with h5py.File(path, "w") as file:  # chunks that were never written take no room
        file.create_dataset("images", (10**12, 8, 8), np.uint8, chunks=(1, 8, 8))
    with pytest.raises(GanvasError, match="at most 100,000,000 pictures"):
        open_hdf5("set.h5", path)


def test_nothing_that_looks_like_pictures_is_answered_with_what_there_is(tmp_path):
    with pytest.raises(
        GanvasError, match=r"no data set looks like pictures; it holds a \[3\] int64, g/b \[2, 2\] float64"
    ):
        opened(tmp_path, a=[1, 2, 3], g__b=np.zeros((2, 2)))


@pytest.mark.parametrize("keep", [0, 7, 100, 900, 2000])
def test_files_cut_off_are_refused_in_words(tmp_path, keep):
    path = written(tmp_path, images=PICTURES, labels=SIX)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(GanvasError, match=r"set.h5 is not a readable HDF5 file \(.*\): copy or make it again"):
        open_hdf5("set.h5", path)


def test_garbled_bytes_never_end_in_anything_but_words(tmp_path, monkeypatch):
    for limit in ("_DESCRIBE_LIMIT_S", "_READ_LIMIT_S"):  # some damage makes the library go round for ever
        monkeypatch.setattr(hdf5_process, limit, 1.0)
    path = written(tmp_path, images=PICTURES, labels=SIX, caption=list("abcdef"))
    whole = path.read_bytes()
    random, refused = np.random.default_rng(0), 0
    for attempt in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        path = path.with_name(f"{attempt}.h5")
        path.write_bytes(data)
        try:
            source = open_hdf5("set.h5", path)
            for i in range(len(source.names)):
                source.read(i)
        except GanvasError:
            refused += 1
    assert 0 < refused < 60


def test_the_fingerprint_follows_the_file_and_the_columns(tmp_path):
    path = written(tmp_path, a=PICTURES, b=PICTURES)
    one = open_hdf5("set.h5", path, SourceOptions(image_column="a")).fingerprint
    assert one == open_hdf5("again", path, SourceOptions(image_column="a")).fingerprint
    assert one != open_hdf5("set.h5", path, SourceOptions(image_column="b")).fingerprint


def test_without_h5py_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(GanvasError, match=r'needs h5py, which is not installed: pip install "ganvas\[data\]"'):
        open_hdf5("set.h5", tmp_path / "set.h5")
