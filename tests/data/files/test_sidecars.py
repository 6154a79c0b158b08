"""Tables beside the pictures give classes, splits, groups and columns; what they cannot give is told."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from ganvas.data.files import text_tables
from ganvas.data.files.sidecars import Sidecar, read_sidecars
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.errors import GanvasError, UsageError

FOUR = ["a.png", "b.png", "c.png", "d.png"]


def read(
    found: dict[str, str | bytes], names: list[str] = FOUR, options: SourceOptions = DEFAULT_OPTIONS
) -> Sidecar | None:
    contents = {path: text if isinstance(text, bytes) else text.encode() for path, text in found.items()}
    return read_sidecars(contents, names, options, "set")


def table(*rows: str, names: list[str] = FOUR, options: SourceOptions = DEFAULT_OPTIONS) -> Sidecar:
    sidecar = read({"metadata.csv": "\n".join(rows)}, names, options)
    assert sidecar is not None
    return sidecar


def lines(*rows: dict[str, object], names: list[str] = FOUR) -> Sidecar:
    sidecar = read({"metadata.jsonl": "\n".join(json.dumps(row) for row in rows)}, names)
    assert sidecar is not None
    return sidecar


def classes(*values: object) -> Sidecar:
    """metadata.csv with one class for each of the four pictures."""
    return table("file_name,label", *(f"{name},{value}" for name, value in zip(FOUR, values, strict=True)))


# ---- which files, and which of them comes first ----


def test_without_tables_nothing_is_said():
    assert read({}) is None
    assert read({"readme.csv": "file_name,label\na.png,1"}) is None


def test_captions_of_metadata_jsonl_are_a_text_column_and_say_nothing_about_classes():
    sidecar = lines({"file_name": "b.png", "text": "a dog"}, {"file_name": "a.png", "text": " a cat \ud83d\ude00"})
    assert sidecar.labelling is None
    assert sidecar.held_out is None
    assert sidecar.groups is None
    assert sidecar.columns["text"].kind == "text"
    assert list(sidecar.columns["text"].values) == ["a cat 😀", "a dog", "", ""]
    assert sidecar.notes == ()


def test_files_of_one_kind_in_several_folders_are_put_together_each_relative_to_its_folder():
    names = ["train/a.png", "train/b.png", "test/a.png"]
    found = {
        "train/metadata.csv": "file_name,text\na.png,one\nb.png,two",
        "test/metadata.csv": "file_name,text\na.png,three",
    }
    sidecar = read(found, names)
    assert list(sidecar.columns["text"].values) == ["one", "two", "three"]


def test_classes_come_from_the_first_kind_and_the_others_are_named():
    jsonl = "\n".join(json.dumps({"file_name": name, "label": i % 2}) for i, name in enumerate(FOUR))
    labels_csv = "a.png,cat\nb.png,cat\nc.png,dog\nd.png,dog"
    sidecar = read({"labels.csv": labels_csv, "metadata.jsonl": jsonl})
    assert sidecar.labelling.labels.tolist() == [0, 1, 0, 1]
    assert sidecar.notes == ("classes come from metadata.jsonl, not from labels.csv",)
    dataset_json = json.dumps({"labels": [[name, 7 + (i > 0)] for i, name in enumerate(FOUR)]})
    sidecar = read({"labels.csv": labels_csv, "metadata.jsonl": jsonl, "dataset.json": dataset_json})
    assert sidecar.labelling.class_names == ("7", "8")
    assert sidecar.notes == ("classes come from dataset.json, not from metadata.jsonl, labels.csv",)


def test_dataset_json_is_relative_to_its_folder_and_its_errors_name_it():
    sidecar = read({"wrap/dataset.json": '{"labels": [["a.png", 0], ["b.png", 1]]}'}, ["wrap/a.png", "wrap/b.png"])
    assert sidecar.labelling.note == "2 classes from dataset.json"
    with pytest.raises(GanvasError, match=r"dataset\.json of set names gone\.png"):
        read({"dataset.json": '{"labels": [["gone.png", 0]]}'})


def test_a_column_that_two_kinds_have_comes_from_the_first():
    found = {
        "metadata.jsonl": '{"file_name": "a.png", "text": "first"}',
        "metadata.csv": "file,text,more\na.png,second,3",
    }
    sidecar = read(found)
    assert sidecar.columns["text"].values[0] == "first"
    assert sidecar.columns["more"].values[0] == 3
    assert sidecar.notes == ("text of metadata.csv left out: metadata.jsonl comes before it",)


def test_a_labels_file_from_outside_comes_before_all_and_a_dataset_json_is_not_even_read(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text("a.png,x\nb.png,y\nc.png,x\nd.png,y\n")
    sidecar = read({"dataset.json": "broken"}, options=SourceOptions(labels_file=path))
    assert sidecar.labelling.class_names == ("x", "y")
    assert sidecar.labelling.note == "2 classes from column label of mine.csv"
    assert sidecar.notes == ("classes come from mine.csv, not from dataset.json",)


def test_a_labels_file_may_leave_out_the_folder_that_wraps_all_pictures(tmp_path: Path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"image": "x/1.png", "label": 1}\n\n{"image": "y/1.png", "label": 2}\n')
    sidecar = read({}, ["wrap/x/1.png", "wrap/y/1.png"], SourceOptions(labels_file=path))
    assert sidecar.labelling.labels.tolist() == [0, 1]


def test_a_labels_file_that_is_not_there_or_fits_no_picture_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"labels file .*gone\.csv cannot be read \(No such file"):
        read({}, options=SourceOptions(labels_file=tmp_path / "gone.csv"))
    path = tmp_path / "other.csv"
    path.write_text("file,label\nx.png,1\n")
    with pytest.raises(GanvasError, match=r"names no picture here \(it begins with x\.png, the pictures with a\.png\)"):
        read({}, options=SourceOptions(labels_file=path))


def test_a_table_inside_that_is_about_something_else_is_left_out_and_that_is_told():
    sidecar = read({"labels.csv": "ClassId,Meaning\n0,stop\n1,go"})
    assert sidecar.labelling is None
    assert sidecar.columns == {}
    assert sidecar.notes[0].startswith(
        "labels.csv of set is not used: none of its columns (ClassId, Meaning) is called"
    )
    assert read({"labels.csv": b""}).notes == ("labels.csv of set is not used: it has no rows",)


# ---- which picture a row is about ----


def test_ids_and_names_without_suffix_find_the_picture_also_in_a_folder_below():
    sidecar = table("id,label", "000a.x,cat", "000b,dog", names=["train/000a.x.jpg", "train/000b.jpg"])
    assert sidecar.labelling.class_names == ("cat", "dog")


def test_whole_numbers_are_ids_too():
    sidecar = lines({"id": 2, "label": "cat"}, {"id": 1, "label": "dog"}, names=["1.png", "2.png"])
    assert sidecar.labelling.labels.tolist() == [1, 0]


def test_the_first_fitting_column_that_finds_a_picture_holds_the_files():
    sidecar = table("id,name", "a,Tom", "b,Kitty")
    assert list(sidecar.columns["name"].values) == ["Tom", "Kitty", "", ""]


def test_backslashes_a_leading_dot_and_accents_in_two_parts_are_understood():
    sidecar = table("file,n", ".\\x\\a.png,1", "caf\u00e9.png,2", names=["x/a.png", "cafe\u0301.png"])
    assert list(sidecar.columns["n"].values) == [1, 2]


def test_the_folder_of_a_table_may_have_accents_in_two_parts():
    folder = "cafe\u0301/"
    sidecar = read(
        {f"{folder}metadata.csv": "file,n\n1.png,1\n2.png,2"}, [f"{folder}1.png", "2.png", f"{folder}x/2.png"]
    )
    assert sidecar.columns["n"].values[0] == 1
    assert sidecar.notes == (f"1 row of {folder}metadata.csv of set passed over, for no picture here (2.png)",)


def test_rows_without_a_picture_or_with_several_are_counted_and_never_looked_up_outside():
    names = ["a.png", "b.png", "c.png", "c.jpg"]
    sidecar = table("file,n", "a.png,1", "../a.png,2", "/a.png,3", "c,4", ",5", names=names)
    assert [value for value in sidecar.columns["n"].values if not math.isnan(value)] == [1]
    assert sidecar.notes == (
        "3 rows of metadata.csv of set passed over, for no picture here (../a.png)",
        "1 row of metadata.csv of set passed over, for more than one picture (c)",
    )


def test_the_user_may_name_the_columns():
    options = SourceOptions(image_column="picture", label_column="animal")
    sidecar = table("picture,label,animal", "a.png,1,cat", "b.png,2,dog", "c.png,3,cat", "d.png,4,cat", options=options)
    assert sidecar.labelling.class_names == ("cat", "dog")
    assert list(sidecar.columns["label"].values) == [1, 2, 3, 4]


@pytest.mark.parametrize(("option", "name"), [("image", "image_column"), ("label", "label_column")])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(option, name):
    message = f"{option} column gone: metadata.csv of set has no such column; choose one of file_name, label"
    with pytest.raises(UsageError, match=message):
        table("file_name,label", "a.png,1", options=SourceOptions(**{name: "gone"}))


def test_rows_that_agree_are_one_and_two_classes_for_a_picture_are_refused():
    twice = table("file_name,label", "a.png,cat", "a.png,cat", "b.png,dog", "c.png,dog", "d.png,dog")
    assert twice.labelling.labels.tolist() == [0, 1, 1, 1]
    with pytest.raises(GanvasError, match=r"metadata\.csv gives a\.png two classes, cat and dog: leave one"):
        table("file_name,label", "a.png,cat", "a.png,dog", "b.png,dog")


def test_of_other_values_the_last_row_counts_and_an_empty_cell_takes_nothing_away():
    sidecar = table("file,text,n", "a.png,old,1", "a.png,new,", "b.png,x,2", "b.png,y,2")
    assert list(sidecar.columns["text"].values) == ["new", "y", "", ""]
    assert sidecar.columns["n"].values[0] == 1
    assert sidecar.notes == ("metadata.csv has several text for a.png and 1 more: the last row counts",)


# ---- classes ----


def test_whole_numbers_and_names_are_classes_in_the_order_people_count():
    assert classes(10, 9, 9, 10).labelling.class_names == ("9", "10")
    assert classes("1.0", 0, "1", "0.0").labelling.class_names == ("0", "1")
    found = classes("dog", "cat", "dog", "cat")
    assert found.labelling.labels.tolist() == [1, 0, 1, 0]
    assert found.labelling.note == "2 classes from column label of metadata.csv"
    assert found.columns == {}


@pytest.mark.parametrize("beside", ["label_name", "class_name", "Label_Name"])
def test_a_column_of_names_beside_the_numbers_names_the_classes(beside):
    rows = [f"file,label,{beside}", "a.png,1,cat", "b.png,0,dog", "c.png,1,", "d.png,0,dog"]
    sidecar = table(*rows)
    assert sidecar.labelling.class_names == ("dog", "cat")
    assert sidecar.labelling.labels.tolist() == [1, 0, 1, 0]
    assert sidecar.columns == {}
    with pytest.raises(GanvasError, match=r"metadata\.csv calls class 1 both cat and cow: leave one name"):
        table(*[*rows[:3], "c.png,1,cow", rows[4]])


def test_several_classes_a_picture_are_tags_and_folders_decide():
    sidecar = classes("cat|indoor", "dog", "cat", "dog")
    assert sidecar.labelling is None
    assert sidecar.columns["label"].kind == "tags"
    assert list(sidecar.columns["label"].values) == [("cat", "indoor"), ("dog",), ("cat",), ("dog",)]
    said = "column label of metadata.{} has several classes a picture: kept in the store, not used as classes"
    assert sidecar.notes == (said.format("csv"),)
    sidecar = lines({"file_name": "a.png", "label": [3, "x"]}, {"file_name": "b.png"})
    assert list(sidecar.columns["label"].values) == [("3", "x"), (), (), ()]
    assert sidecar.notes == (said.format("jsonl"),)


def test_fractions_are_a_number_column():
    sidecar = classes(0.5, 1, 2, 1)
    assert sidecar.labelling is None
    assert list(sidecar.columns["label"].values) == [0.5, 1, 2, 1]
    assert sidecar.notes == (
        "column label of metadata.csv holds numbers such as 0.5: kept in the store, not used as classes",
    )


def test_values_that_hardly_repeat_are_no_classes_unless_the_user_says_so():
    names = [f"{i}.png" for i in range(30)]
    rows = ["file_name,label", *(f"{i}.png,name {min(i, 20)}" for i in range(30))]
    sidecar = table(*rows, names=names)
    assert sidecar.labelling is None
    assert sidecar.columns["label"].kind == "text"
    assert sidecar.notes == (
        "column label of metadata.csv has 21 values for 30 pictures: kept in the store, not used as classes",
    )
    asked = table(*rows, names=names, options=SourceOptions(label_column="label"))
    assert len(asked.labelling.class_names) == 21
    assert (
        table(*rows[:-10], *(f"{i}.png,name 0" for i in range(20, 30)), names=names).labelling is not None
    )  # 20 values


def test_a_column_that_the_user_named_is_never_silently_passed_over():
    options = SourceOptions(label_column="n")
    with pytest.raises(
        UsageError, match=r"column n of metadata\.csv holds numbers such as 0\.5: as label column name one"
    ):
        table("file_name,n,label", "a.png,0.5,cat", "b.png,1,dog", options=options)
    several = table("file_name,n,label", "a.png,x|y,cat", "b.png,x,dog", options=options)
    assert several.labelling.note.startswith("unlabelled: column n of metadata.csv has several classes a picture")


def test_pictures_without_a_class_make_the_set_unlabelled_and_the_note_says_what_to_do():
    sidecar = table("file_name,label", "a.png,cat", "c.png,dog", "d.png,")
    assert sidecar.labelling.labels is None
    assert sidecar.labelling.note == (
        "unlabelled: metadata.csv has no class for 2 of 4 pictures (b.png); add them, or take these pictures away"
    )
    assert list(sidecar.columns["label"].values) == ["cat", "", "dog", ""]


# ---- splits and groups ----


def test_a_split_column_says_what_is_held_out():
    sidecar = table("file_name,Split", "a.png,train", "b.png,VAL", "c.png,test")
    assert sidecar.held_out.tolist() == [False, True, True, False]
    assert sidecar.columns == {}
    assert sidecar.notes == ("metadata.csv has no split for 1 picture (d.png): used for training",)
    with pytest.raises(GanvasError, match=r"gives a\.png the split fold1: expected one of train, training, val"):
        table("file_name,split", "a.png,fold1")


def test_pictures_that_are_all_held_out_are_used_for_training_and_that_is_told():
    sidecar = table("file_name,split", *(f"{name},test" for name in FOUR))
    assert not sidecar.held_out.any()
    assert sidecar.notes == ("metadata.csv holds out all pictures: they are used for training",)


def test_patients_are_numbered_and_their_names_are_not_kept():
    sidecar = table("file_name,patient_id,patient_name", "a.png,P7,Ann", "d.png,P7,Ann")
    assert sidecar.groups.tolist() == [0, 1, 2, 0]  # two have none: patients by themselves
    assert sidecar.columns == {}
    assert sidecar.notes == ("column patient_name of metadata.csv is left out: it may identify people",)


def test_groups_other_than_people_stay_a_column():
    sidecar = table("file_name,video", "a.png,v1", "b.png,v1", "c.png,v2", "d.png,v2")
    assert sidecar.groups.tolist() == [0, 0, 1, 1]
    assert list(sidecar.columns["video"].values) == ["v1", "v1", "v2", "v2"]


def test_a_group_on_both_sides_of_the_split_is_told_whether_the_table_or_folders_split():
    said = ("1 patient is both in training and held out",)
    by_table = table("file_name,split,patient", "a.png,train,p", "b.png,test,p", "c.png,train,q", "d.png,test,r")
    assert by_table.notes == said
    by_folder = table("file,patient", "train/a.png,p", "test/a.png,p", names=["train/a.png", "test/a.png"])
    assert by_folder.notes == said


# ---- other columns ----


def test_numbers_attributes_tags_and_text_are_told_apart():
    sidecar = table(
        "file_name,Smiling,score,tags,mixed,empty",
        'a.png,1,-1.5e-1,"cat|indoor",3,',
        "b.png,-1,,dog,three,",
        "c.png,-1,2,,inf,",
        "d.png,1,.5,cat; dog,1_0,",
    )
    assert {name: column.kind for name, column in sidecar.columns.items()} == {
        "Smiling": "number",
        "score": "number",
        "tags": "tags",
        "mixed": "text",
    }
    assert list(sidecar.columns["Smiling"].values) == [1, -1, -1, 1]
    assert math.isnan(sidecar.columns["score"].values[1])
    assert sidecar.columns["score"].values[0] == -0.15
    assert list(sidecar.columns["tags"].values) == [("cat", "indoor"), ("dog",), (), ("cat", "dog")]
    assert list(sidecar.columns["mixed"].values) == ["3", "three", "inf", "1_0"]


def test_semicolons_in_a_caption_are_no_tags():
    assert table("file_name,caption", "a.png,big; red").columns["caption"].values[0] == "big; red"


def test_json_gives_numbers_truths_tags_and_nested_objects_as_text():
    row = {"file_name": "a.png", "ok": True, "n": 3, "f": math.nan, "tags": ["x", 2, None], "box": {"x": [1, {"y": 2}]}}
    columns = lines(row, {"file_name": "b.png", "f": 0.5, "late": "é"}).columns
    assert columns["ok"].kind == columns["n"].kind == "number"
    assert (columns["ok"].values[0], columns["n"].values[0], columns["f"].values[1]) == (1, 3, 0.5)
    assert math.isnan(columns["f"].values[0])
    assert columns["tags"].values[0] == ("x", "2")
    assert columns["box"].values[0] == '{"x":[1,{"y":2}]}'
    assert list(columns["late"].values) == ["", "é", "", ""]


# ---- how tables are written ----


@pytest.mark.parametrize(
    "content",
    [
        b"file_name,label\na.png,x\nb.png,y\nc.png,x\nd.png,y\n",
        b"\xef\xbb\xbffile_name;label\r\na.png;x\r\nb.png;y\r\n\r\nc.png;x\r\nd.png;y",
        b'FILE\tClass\n"a.png"\tx\nb.png\t"y"\nc.png\tx\nd.png\ty\n',
        b"file_name,label\ra.png,x\rb.png,y\rc.png,x\rd.png,y\r",
        b",file_name,label\n0,a.png,x\n1,b.png,y\n2,c.png,x\n3,d.png,y\n",
        b'a.png, x\nb.png, "y"\nc.png, x\nd.png, y\n',
    ],
    ids=["plain", "semicolons and BOM", "tabs", "old Mac", "row numbers of pandas", "no header"],
)
def test_tables_are_understood_as_programs_write_them(content):
    sidecar = read({"labels.csv": content})
    assert sidecar.labelling.class_names == ("x", "y")
    assert sidecar.labelling.labels.tolist() == [0, 1, 0, 1]
    assert (sidecar.columns, sidecar.notes) == ({}, ())


def test_quoted_cells_hold_separators_quotation_marks_and_line_breaks():
    text = 'file_name,text\na.png,"one, ""two""\nthree"\n'
    assert read({"metadata.csv": text}).columns["text"].values[0] == 'one, "two"\nthree'


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metadata.csv", b"file_name,text\na.png,x,y\n", "line 2 of metadata.csv of set has 3 cells: expected 2"),
        (
            "metadata.csv",
            b'file_name,text\na.png,x\nb.png,"y\n',
            "line 3 .* expected cells with closed quotation marks",
        ),
        ("metadata.csv", b"file_name,text\na.png,\xe9\n", "line 2 .* is not UTF-8 .*: save it as UTF-8"),
        ("metadata.csv", "file_name,text\n".encode("utf-16"), "line 1 .* is not UTF-8"),
        ("metadata.csv", b"file_name,text\na.png,\0\n", "line 2 .* holds a NUL byte"),
        ("metadata.csv", b"file_name,text,text\n", "has two columns text: rename one"),
        ("metadata.csv", b"f" * 300 + b",file\n", "one with a name of more than 200 characters"),
        ("metadata.csv", b",".join(b"%d" % i for i in range(1001)), "more than 1000 columns"),
        (
            "metadata.jsonl",
            b'{"file_name": "a.png"}\n{"file_name": ',
            'line 2 .* expected one JSON object, such as {"file_name"',
        ),
        ("metadata.jsonl", b'[{"file_name": "a.png"}]', "line 1 .* expected one JSON object"),
        ("metadata.jsonl", b'{"x": ' + b"[" * 100_000, "line 1 .* expected one JSON object.*recursion"),
        ("metadata.jsonl", b'{"x": ' + b"9" * 5000 + b"}", "line 1 .* expected one JSON object"),
    ],
)
def test_tables_that_cannot_be_understood_are_refused_by_line(file, content, message):
    with pytest.raises(GanvasError, match=message):
        read({file: content})


def test_cells_that_are_too_long_are_cut_and_that_is_told():
    csv.field_size_limit(131_072)  # as it is at first
    sidecar = table("file_name,text", "a.png," + "x" * 200_000)
    assert len(sidecar.columns["text"].values[0]) == 100_000
    assert sidecar.notes == ("1 cell of metadata.csv of set longer than 100000 characters: cut",)
    assert csv.field_size_limit() == 131_072  # it belongs to the whole process


def test_tables_beyond_the_limits_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_tables, "MOST_ROWS", 3)
    with pytest.raises(GanvasError, match=r"metadata\.csv of set has more than 3 rows"):
        classes(1, 2, 1, 2)


def test_of_two_values_under_one_name_in_a_line_of_json_the_last_counts():
    columns = lines({"file_name": "a.png", "n": 1, " n": 2}, {"file_name": "b.png", "n": 3}).columns
    assert list(columns["n"].values)[:2] == [2, 3]


def test_halves_of_characters_and_nul_in_json_become_writable():
    sidecar = read({"metadata.jsonl": b'{"file_name": "a.png", "t\\ud800": "x\\u0000y\\udfff"}'})
    assert {name: column.values[0] for name, column in sidecar.columns.items()} == {"t\ufffd": "x\ufffdy\ufffd"}
