"""Parquet and Arrow files, folders of them, and datasets: what is a picture, a label, a caption; what is refused."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.feather as feather  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402

from ganvas.data.decode import PictureError  # noqa: E402
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions  # noqa: E402
from ganvas.data.tables import rows as table_rows  # noqa: E402
from ganvas.data.tables import small_columns, table_files  # noqa: E402
from ganvas.data.tables.table_files import is_table_folder, open_dataset, open_table, split_of  # noqa: E402
from ganvas.errors import GanvasError, UsageError  # noqa: E402

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path: Path, table: pa.Table, rows_per_batch: int = 4) -> Path:
    """A file of the kind that its name says: .parquet, .feather, .stream.arrow or .arrow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=rows_per_batch)
    elif path.suffix == ".feather":
        feather.write_feather(table, str(path), chunksize=rows_per_batch)  # compressed
    else:
        new = pa.ipc.new_stream if path.name.endswith(".stream.arrow") else pa.ipc.new_file
        with new(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=rows_per_batch)
    return path


def opened(path: Path, **options: str | None):
    return open_table(str(path), path, SourceOptions(**options))


def levels(source) -> list[int]:
    return [int(source.read(i)[0, 0, 0]) for i in range(len(source.names))]


@pytest.fixture
def ten(png) -> pa.Table:
    """Ten pictures of level 0 to 9 with labels a, b, a, b, ..."""
    pictures = pa.array([{"bytes": png(i), "path": f"{i}.png"} for i in range(10)], IMAGE)
    return pa.table({"image": pictures, "label": ["ab"[i % 2] for i in range(10)]})


FILES = ["set.parquet", "set.feather", "set.stream.arrow", "set.arrow"]


@pytest.mark.parametrize("file", FILES)
def test_every_kind_of_file_gives_the_same_pictures_in_any_order(tmp_path, ten, file):
    source = opened(write(tmp_path / file, ten))
    assert levels(source) == list(range(10))
    assert [int(source.read(i)[0, 0, 0]) for i in (9, 0, 5, 3, 3, 8)] == [9, 0, 5, 3, 3, 8]
    assert source.names[0] == "train[0]"
    assert source.names[-1] == "train[9]"
    assert list(source.names[2:4]) == ["train[2]", "train[3]"]
    assert source.class_names == ("a", "b")
    assert source.labels.tolist() == [0, 1] * 5
    assert source.labels_note == "2 classes from column label"
    assert (source.header(3).width, source.header(3).height) == (16, 16)
    assert source.size(3) == len(source.encoded(3))
    assert not source.held_out.any()
    with pytest.raises(IndexError):
        source.names[10]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())]
)
def test_bytes_are_read_from_every_type_of_column(tmp_path, png, file, kind):
    if file == "set.feather" and kind == pa.binary_view():
        pytest.skip("Feather does not hold views")
    plain = pa.array([png(i) for i in range(6)])
    values = plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind)
    source = opened(write(tmp_path / file, pa.table({"anything": values, "other": [b"no picture"] * 6})))
    assert levels(source) == list(range(6))


@pytest.mark.parametrize("file", ["set.stream.arrow", "set.arrow"])
def test_empty_batches_are_passed_over(tmp_path, ten, file):
    with (pa.ipc.new_file if file == "set.arrow" else pa.ipc.new_stream)(str(tmp_path / file), ten.schema) as writer:
        for batch in (ten.slice(0, 0), ten.slice(0, 2), ten.slice(0, 0), ten.slice(2, 1)):
            writer.write_batch(batch.combine_chunks().to_batches()[0] if len(batch) else _no_rows(ten.schema))
    source = opened(tmp_path / file)
    assert levels(source) == [0, 1, 2]
    assert source.labels.tolist() == [0, 1, 0]


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_labels_and_captions_are_read_from_every_type_of_text(tmp_path, png, kind):
    words = pa.array(["b10", "b9", "b9"]).cast(kind)
    source = opened(write(tmp_path / "set.arrow", pa.table({"img": [png(1)] * 3, "class": words, "caption": words})))
    assert source.class_names == ("b9", "b10")  # in natural order
    assert source.labels.tolist() == [1, 0, 0]
    assert list(source.columns["caption"].values) == ["b10", "b9", "b9"]


def test_a_dictionary_of_labels_in_a_stream_is_read_also_with_pictures(tmp_path, ten):
    table = ten.set_column(1, "label", ten["label"].dictionary_encode())
    source = opened(write(tmp_path / "set.stream.arrow", table))
    assert source.labels.tolist() == [0, 1] * 5
    assert [int(source.read(i)[0, 0, 0]) for i in (9, 0, 5)] == [9, 0, 5]


def test_paths_are_followed_below_the_folder_of_the_table_only(tmp_path, make_pictures, png):
    make_pictures(tmp_path / "set" / "pictures", 2)
    (tmp_path / "secret.png").write_bytes(png(9))
    outside = ["../secret.png", str(tmp_path / "secret.png"), "C:\\secret.png", "pictures\\..\\..\\secret.png"]
    paths = ["pictures/0.png", "pictures\\1.png", *outside, "pictures", "pictures/7.png", "https://a.b/c.png", None, ""]
    for column in (pa.array(paths), pa.array([{"bytes": None, "path": path} for path in paths], IMAGE)):
        source = opened(write(tmp_path / "set" / "set.parquet", pa.table({"image": column})))
        assert [int(source.read(i)[0, 0, 0]) for i in (0, 1)] == [0, 1]
        assert source.size(0) == (tmp_path / "set/pictures/0.png").stat().st_size
        for i in (2, 3, 4, 5):
            with pytest.raises(PictureError, match=rf"train\[{i}\]: names .*: only paths below the table's own folder"):
                source.read(i)
        for i in (6, 7):
            with pytest.raises(PictureError, match="which is not there"):
                source.read(i)
        with pytest.raises(PictureError, match="which is no path of a file here"):
            source.header(8)
        for i in (9, 10):
            with pytest.raises(PictureError, match=rf"train\[{i}\]: no picture in this row"):
                source.read(i)


@pytest.mark.parametrize("file", ["set.parquet", "set.arrow", "set.stream.arrow"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (3, 4, 5)])
def test_nested_lists_and_tensors_are_pixels(tmp_path, shape, file):
    pixels = np.arange(2 * math.prod(shape), dtype=np.uint8).reshape(2, *shape)
    expected = pixels.reshape(2, 4, 5, 1) if len(shape) == 2 else pixels
    expected = expected.transpose(0, 2, 3, 1) if shape[0] == 3 else expected
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    for values in (pa.array(pixels.tolist()), tensors):  # of int64 and of uint8
        source = opened(write(tmp_path / file, pa.table({"image": values})))
        np.testing.assert_array_equal([source.read(i) for i in range(2)], expected)
        assert source.read(1).dtype == np.uint8
        assert (source.header(0).height, source.header(0).width, source.header(0).bits) == (4, 5, 8)


def test_sixteen_bit_pixels_stay_so_and_wrong_ones_are_told(tmp_path):
    kind = pa.list_(pa.list_(pa.uint16()))
    deep = opened(write(tmp_path / "deep.parquet", pa.table({"image": pa.array([[[0, 65535]]], kind)})))
    assert deep.read(0).dtype == np.uint16
    assert deep.header(0).bits == 16
    rows = [[[0, 256]], [[0, 1], [2]], [[0, None]], [None, [1]], [], None, [[7]]]
    source = opened(write(tmp_path / "odd.parquet", pa.table({"image": rows})))
    reasons = ["values from 0 to 256: expected 0 to 255", "unlike length", "pixels are missing", "rows of pixels are"]
    for i, reason in enumerate([*reasons, "unlike length", "no picture in this row"]):
        with pytest.raises(PictureError, match=reason):
            source.read(i)
    assert source.read(6).tolist() == [[[7]]]


def test_other_columns_are_kept_as_texts_numbers_and_tags(tmp_path, png):
    columns = {
        "caption": ["one", None, "three"],
        "age": pa.array([1, None, 3], pa.int8()),
        "flag": [True, False, None],
        "words": [["x", "y"], [], None],
        "boxes": [[0.5], [], []],
        "when": pa.array([0, 1, 2], pa.timestamp("ms")),
    }
    source = opened(write(tmp_path / "set.parquet", pa.table({"image": [png(0)] * 3, **columns})))
    assert list(source.columns["caption"].values) == ["one", "", "three"]
    age, flag = source.columns["age"].values, source.columns["flag"].values
    assert (age[0], age[2], flag[0], flag[1]) == (1.0, 3.0, 1.0, 0.0)
    assert math.isnan(age[1])
    assert math.isnan(flag[2])
    assert source.columns["words"].values == [("x", "y"), (), ()]
    assert {name: column.kind for name, column in source.columns.items()} == {
        "caption": "text",
        "age": "number",
        "flag": "number",
        "words": "tags",
    }
    assert source.notes == ("left out: the columns boxes (list<element: double>), when (timestamp[ms])",)
    assert source.labels_note == "unlabelled: no column of labels"


def test_texts_of_millions_of_rows_are_left_out_and_that_is_told(tmp_path, ten, monkeypatch):
    monkeypatch.setattr(table_files, "MOST_TEXT_ROWS", 9)
    source = opened(write(tmp_path / "set.parquet", ten.append_column("caption", [["word"] * 10])))
    assert source.columns == {}
    assert source.notes == ("left out: the columns caption (string)",)


def features(**columns: object) -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": columns}}).encode()}


def test_features_of_datasets_name_pictures_classes_and_tags(tmp_path, png):
    names = {"names": ["cat", "dog", "emu"], "_type": "ClassLabel"}
    table = pa.table(
        {"image": [b"a decoy"] * 3, "photo": [png(i) for i in range(3)], "animal": [2, 0, 0], "seen": [[0, 2], [], [1]]}
    ).replace_schema_metadata(
        features(photo={"_type": "Image"}, animal=names, seen={"feature": names, "_type": "Sequence"})
    )
    source = opened(write(tmp_path / "set.parquet", table))
    assert levels(source) == [0, 1, 2]
    assert source.class_names == ("cat", "dog", "emu")
    assert source.labels.tolist() == [2, 0, 0]
    assert source.columns["seen"].values == [("cat", "emu"), (), ("dog",)]


def test_lists_of_labels_are_tags_and_no_classes(tmp_path, png):
    source = opened(write(tmp_path / "set.parquet", pa.table({"image": [png(0)] * 2, "labels": [["a"], ["a", "b"]]})))
    assert source.labels is None
    assert source.labels_note == "unlabelled: column labels holds several names a picture, kept as tags"
    assert source.columns["labels"].values == [("a",), ("a", "b")]


def test_a_wanted_column_wins_and_a_missing_one_is_a_usage_error(tmp_path, png):
    table = pa.table(
        {"image": [png(1)] * 2, "mask": [png(2)] * 2, "label": [0, 1], "fine": ["x", "y"], "score": [0.5, 1]}
    )
    path = write(tmp_path / "set.parquet", table)
    source = opened(path, image_column="mask", label_column="fine")
    assert levels(source) == [2, 2]
    assert source.class_names == ("x", "y")
    assert source.columns["label"].values == [0.0, 1.0]
    assert source.fingerprint != opened(path).fingerprint
    with pytest.raises(UsageError, match=r"has no column img: choose image-column among image, mask, label, fine"):
        opened(path, image_column="img")
    with pytest.raises(UsageError, match=r"has no column kind: choose label-column among image"):
        opened(path, label_column="kind")
    with pytest.raises(UsageError, match=r"column score of .* is double: expected the bytes or paths of picture files"):
        opened(path, image_column="score")
    with pytest.raises(UsageError, match=r"column score of .* is double: expected one whole number or name"):
        opened(path, label_column="score")


def test_rows_without_a_label_leave_the_set_unlabelled_but_keep_what_is_known(tmp_path, png):
    source = opened(write(tmp_path / "set.parquet", pa.table({"image": [png(0)] * 3, "label": ["a", None, "b"]})))
    assert source.labels_note == "unlabelled: column label is empty in 1 of 3 rows"
    assert list(source.columns["label"].values) == ["a", "", "b"]


def test_a_column_of_ever_other_values_is_no_column_of_classes(tmp_path, ten, monkeypatch):
    monkeypatch.setattr(small_columns, "MOST_CLASSES", 3)
    path = write(tmp_path / "set.parquet", ten.set_column(1, "label", [[f"word {i}" for i in range(10)]]))
    assert opened(path).labels_note == "unlabelled: column label has 10 different values"
    assert opened(path).columns["label"].values[7] == "word 7"
    with pytest.raises(UsageError, match="has 10 different values, more than 3: choose another label-column"):
        opened(path, label_column="label")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-00000-of-00003.parquet", "train"),
        ("data/test-00000-of-00001-0a1b.parquet", "test"),
        ("default/validation/0000.parquet", "validation"),
        ("partial-train/0000.parquet", "train"),
        ("val2017.parquet", "val"),
        ("test/train.parquet", "train"),  # the nearest name counts
        ("latest.parquet", "train"),
    ],
)
def test_splits_come_from_names_of_files_and_folders(path, split):
    assert split_of(path) == split


def test_a_folder_of_shards_is_one_source_with_training_pictures_first(tmp_path, ten):
    folder = tmp_path / "set"
    write(folder / "data/test-00000-of-00001.parquet", ten.slice(8, 2))
    for i in range(12):  # "10" comes after "9"
        write(folder / f"data/train-{i}-of-12.parquet", ten.slice(i % 8, 1))
    write(folder / "data/empty-train.parquet", ten.slice(0, 0))
    write(folder / "_metadata.parquet", ten)
    source = opened(folder)
    assert levels(source) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 8, 9]
    assert source.held_out.tolist() == [False] * 12 + [True] * 2
    assert list(source.names[11:]) == ["train[11]", "test[0]", "test[1]"]
    assert len(source._reader._open) == table_rows.KEPT_OPEN
    assert len(source._reader._kept) == table_rows.KEPT_BATCHES
    before = source.fingerprint
    assert opened(folder).fingerprint == before
    write(folder / "data/train-3-of-12.parquet", ten.slice(3, 2))
    assert opened(folder).fingerprint != before


def test_pictures_that_are_all_in_a_test_split_are_used_for_training(tmp_path, ten):
    source = opened(write(tmp_path / "test.parquet", ten))
    assert not source.held_out.any()
    assert source.notes == ("all pictures lie in test: they are used for training",)


def test_hidden_labels_of_a_test_split_leave_it_out_and_that_is_told(tmp_path, ten):
    names = features(label={"names": ["a", "b"], "_type": "ClassLabel"})
    numbered = ten.set_column(1, "label", [[0, 1] * 5]).replace_schema_metadata(names)
    write(tmp_path / "set/train.parquet", numbered)
    hidden = numbered.set_column(1, "label", [[-1] * 10]).replace_schema_metadata(names)
    write(tmp_path / "set/test.parquet", hidden)
    source = opened(tmp_path / "set")
    assert len(source.names) == len(source.held_out) == len(source.labels) == 10
    assert source.notes == ("the test pictures are left out: they have no labels, the training pictures have",)


def test_tables_that_do_not_fit_together_are_refused(tmp_path, ten):
    write(tmp_path / "set/a.parquet", ten)
    write(tmp_path / "set/b.parquet", pa.table({"words": ["x"]}))
    with pytest.raises(GanvasError, match=r"set/b.parquet has no column image, which .*set/a.parquet has"):
        opened(tmp_path / "set")
    write(tmp_path / "set/b.parquet", pa.table({"image": [[[1]]]}))
    with pytest.raises(GanvasError, match=r"column image is list<.* in .*b.parquet but struct<.* in .*a.parquet"):
        opened(tmp_path / "set")
    write(tmp_path / "set/b.parquet", ten.set_column(1, "label", [list(range(10))]))
    with pytest.raises(GanvasError, match=r"column label of .* is text in some tables and numbers in others"):
        opened(tmp_path / "set")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"words": ["a"], "score": [1.0]}), r"its columns are words \(string\), score \(double\): name one"),
        (pa.table({"image": [[[0.5]]]}), r"no column that is known to hold pictures; its columns are image \(list<"),
        (pa.table({"image": pa.array([], IMAGE)}), "holds no rows: expected at least one picture"),
        (pa.table({"data": [b"neither", b"nor"]}), "has no column that is known to hold pictures"),
        (pa.table([[b"1"], [b"2"]], names=["image", "image"]), "has several columns named image"),
    ],
)
@pytest.mark.parametrize("file", ["set.parquet", "set.arrow"])
def test_tables_without_pictures_are_refused(tmp_path, table, message, file):
    with pytest.raises(GanvasError, match=message):
        opened(write(tmp_path / file, table))


def test_of_two_unnamed_columns_of_pictures_one_must_be_chosen(tmp_path, png):
    path = write(tmp_path / "set.parquet", pa.table({"before": [None, png(1)], "after": [png(2), None]}))
    with pytest.raises(GanvasError, match=r"has several columns of pictures; its columns are before \(binary\)"):
        opened(path)
    assert opened(path, image_column="after").read(0)[0, 0, 0] == 2


@pytest.mark.parametrize("file", FILES)
def test_truncated_and_garbled_files_are_refused_in_one_line(tmp_path, ten, file):
    whole = write(tmp_path / file, ten).read_bytes()
    for data in (b"", b"PAR1", b"garbage" * 100, whole[: len(whole) // 2], whole[:40]):
        (tmp_path / file).write_bytes(data)
        with pytest.raises(GanvasError, match=r"is not a readable (Parquet|Arrow) file \(.*\): copy or make it again"):
            opened(tmp_path / file)


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_batch_loses_its_own_pictures_only(tmp_path, png, file):
    noise = np.random.default_rng(0)
    rows = [png(i) + noise.bytes(3000) for i in range(12)]  # what follows a PNG is not looked at
    whole = write(tmp_path / file, pa.table({"image": rows}), rows_per_batch=3).read_bytes()
    at = whole.index(rows[4][-2000:-1900])
    (tmp_path / file).write_bytes(whole[: at - 4000] + bytes(4000) + whole[at:])
    source = opened(tmp_path / file)
    good = []
    for i in range(12):
        with contextlib.suppress(PictureError):
            good.append((i, int(source.read(i)[0, 0, 0])))
    assert good[0] == (0, 0)
    assert good[-6:] == [(i, i) for i in range(6, 12)]
    assert len(good) < 12


def test_a_parquet_row_group_is_read_in_small_batches_and_only_forward(tmp_path, png, monkeypatch):
    monkeypatch.setattr(table_rows, "BATCH_BYTES", 2000)
    noise = np.random.default_rng(0)
    rows = [png(i) + noise.bytes(1000) for i in range(40)]
    path = write(tmp_path / "set.parquet", pa.table({"image": rows, "huge": rows}), rows_per_batch=40)
    source = opened(path, image_column="image")
    assert source._parts[0].rows._steps == [1]  # some 2200 bytes a row
    assert levels(source) == list(range(40))
    assert [len(batch) for batch in source._reader._kept.values()] == [1] * table_rows.KEPT_BATCHES
    assert source.in_order
    assert source.read(2)[0, 0, 0] == 2


def test_a_parquet_file_cannot_declare_more_rows_than_it_has_bytes(tmp_path):
    path = write(tmp_path / "set.parquet", pa.table({"image": pa.nulls(100_000, pa.binary())}), 100_000)
    with pytest.raises(GanvasError, match=r"declares 100000 rows in \d+ bytes"):
        opened(path)


def test_a_table_folder_is_told_from_a_folder_of_pictures(tmp_path, ten, make_pictures):
    write(tmp_path / "table/data/train-0.parquet", ten)
    make_pictures(tmp_path / "table/pictures", 1)
    assert is_table_folder(tmp_path / "table")
    make_pictures(tmp_path / "pictures/cat", 2)
    write(tmp_path / "pictures/metadata.parquet", ten)
    assert not is_table_folder(tmp_path / "pictures")
    make_pictures(tmp_path / "flat", 2)
    write(tmp_path / "flat/below/old.parquet", ten)
    assert not is_table_folder(tmp_path / "flat")
    (tmp_path / "empty").mkdir()
    assert not is_table_folder(tmp_path / "empty")
    with pytest.raises(GanvasError, match=r"holds no tables: expected \.parquet"):
        opened(tmp_path / "empty")


# --- What the datasets library writes and holds ------------------------------------------------------------------


@pytest.fixture
def dataset(png, monkeypatch) -> Callable[[int], object]:
    """dataset(count): pictures 0, 1, ... with ClassLabels even, odd and a caption."""
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    columns = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["even", "odd"]),
        "caption": datasets.Value("string"),
    }

    def make(count: int) -> object:
        rows = {
            "image": [{"bytes": png(i), "path": None} for i in range(count)],
            "label": [i % 2 for i in range(count)],
            "caption": [f"number {i}" for i in range(count)],
        }
        return datasets.Dataset.from_dict(rows, features=datasets.Features(columns))

    return make


def test_a_saved_dataset_is_read_without_the_library(tmp_path, dataset):
    dataset(7).save_to_disk(str(tmp_path / "saved"), num_shards=3)
    assert is_table_folder(tmp_path / "saved")
    source = opened(tmp_path / "saved")
    assert levels(source) == list(range(7))
    assert source.class_names == ("even", "odd")
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert source.columns["caption"].values[6] == "number 6"


def test_a_saved_dict_of_datasets_has_its_splits(tmp_path, dataset):
    datasets = pytest.importorskip("datasets")
    datasets.DatasetDict(train=dataset(3), validation=dataset(2)).save_to_disk(str(tmp_path / "saved"))
    assert is_table_folder(tmp_path / "saved")
    source = opened(tmp_path / "saved")
    assert list(source.names) == ["train[0]", "train[1]", "train[2]", "validation[0]", "validation[1]"]
    assert source.held_out.tolist() == [False] * 3 + [True] * 2


def test_a_saved_dataset_that_names_files_elsewhere_is_refused(tmp_path, dataset):
    dataset(2).save_to_disk(str(tmp_path / "saved"))
    state = tmp_path / "saved/state.json"
    good = json.loads(state.read_text())
    for files in ([{"filename": "../x.arrow"}], [{"filename": "/etc/passwd"}], [{}], None, "x"):
        state.write_text(json.dumps(good | {"_data_files": files}))
        with pytest.raises(GanvasError, match=r"state.json of .* does not name the files beside it"):
            opened(tmp_path / "saved")
    state.write_text(json.dumps(good | {"_data_files": [{"filename": "lost.arrow"}]}))
    with pytest.raises(GanvasError, match=r"lacks lost.arrow, which its state.json names"):
        opened(tmp_path / "saved")
    state.write_text("{")
    with pytest.raises(GanvasError, match=r"state.json in .* cannot be read"):
        opened(tmp_path / "saved")


def test_a_dataset_in_memory_keeps_the_order_of_its_selected_rows(dataset):
    whole = dataset(10)
    chosen = open_dataset(whole.select([7, 2, 2, 5]), DEFAULT_OPTIONS)
    assert levels(chosen) == [7, 2, 2, 5]
    assert chosen.labels.tolist() == [1, 0, 0, 1]
    assert list(chosen.columns["caption"].values) == ["number 7", "number 2", "number 2", "number 5"]
    assert open_dataset(whole, DEFAULT_OPTIONS).fingerprint != chosen.fingerprint


def test_a_dict_of_datasets_in_memory_has_its_splits(dataset):
    datasets = pytest.importorskip("datasets")
    source = open_dataset(datasets.DatasetDict(test=dataset(2), train=dataset(3)), DEFAULT_OPTIONS)
    assert levels(source) == [0, 1, 2, 0, 1]
    assert source.held_out.tolist() == [False] * 3 + [True] * 2


def test_arrays_of_datasets_are_pixels_in_memory_and_in_files(tmp_path):
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features({"image": datasets.Array3D((4, 5, 3), "uint8")})
    pixels = np.arange(120, dtype=np.uint8).reshape(2, 4, 5, 3)
    made = datasets.Dataset.from_dict({"image": list(pixels)}, features=kinds)
    made.save_to_disk(str(tmp_path / "saved"))
    made.to_parquet(str(tmp_path / "set.parquet"))
    for source in (open_dataset(made, DEFAULT_OPTIONS), opened(tmp_path / "saved"), opened(tmp_path / "set.parquet")):
        np.testing.assert_array_equal([source.read(i) for i in range(2)], pixels)


def test_streamed_datasets_and_other_objects_are_refused(dataset):
    with pytest.raises(GanvasError, match="not a streamed dataset: load it without streaming=True"):
        open_dataset(dataset(2).to_iterable_dataset(), DEFAULT_OPTIONS)
    with pytest.raises(GanvasError, match="expected a Dataset or DatasetDict of the datasets library, not list"):
        open_dataset([1], DEFAULT_OPTIONS)
