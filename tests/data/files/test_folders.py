"""Pictures in folders and lists of paths: which files are used, what they are called, and what is said of the rest."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data.decode import SUFFIXES, PictureError
from ganvas.data.files import listing
from ganvas.data.files.folders import FolderSource, PathListSource, read_path_list
from ganvas.data.options import DEFAULT_OPTIONS
from ganvas.errors import GanvasError

UNPRIVILEGED = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")


def picture(kind: str, **options: object) -> bytes:
    """An 8x5 white picture."""
    file = io.BytesIO()
    Image.new("RGB", (8, 5), "white").save(file, kind, **options)
    return file.getvalue()


def folder_of(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "set"


def level(source: FolderSource | PathListSource, index: int) -> int:
    """The grey level of a picture of one level."""
    return int(source.read(index)[0, 0, 0])


def test_a_folder_hands_out_the_bytes_of_its_files(tmp_path, png):
    source = FolderSource("set", folder_of(tmp_path, {"10.png": png(10), "9.png": png(9)}))
    assert list(source.names) == ["9.png", "10.png"]
    assert source.encoded(1) == png(10)
    assert source.size(1) == len(png(10))
    with source.opened(0) as file:
        assert file.read() == png(9)
    assert not source.in_order


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "PPM"])
def test_files_without_a_suffix_are_known_by_their_first_bytes_where_no_file_has_one(tmp_path, kind):
    data = picture(kind)
    source = FolderSource("set", folder_of(tmp_path, {"1": data, "2.17": data, "README": b"words", "e": b""}))
    assert list(source.names) == ["1", "2.17"]
    assert source.read(1).shape == (5, 8, 3)
    assert source.notes == (
        "2 files not named as pictures used, as the content is one",
        "2 files passed over, not named as pictures (2 no suffix)",
    )


def test_files_without_a_suffix_are_passed_over_where_others_have_one(tmp_path, png):
    source = FolderSource("set", folder_of(tmp_path, {"1.png": png(1), "2": png(2)}))
    assert list(source.names) == ["1.png"]
    assert source.notes == ("1 file passed over, not named as pictures (1 no suffix)",)


def test_camera_raw_files_are_not_mistaken_for_their_small_previews(tmp_path):
    with pytest.raises(GanvasError, match=r"holds no pictures; 1 file passed over.*\(1 \.nef\)"):
        FolderSource("set", folder_of(tmp_path, {"1.nef": picture("TIFF")}))


def test_pipes_are_passed_over_and_never_waited_for(tmp_path, png):
    folder = folder_of(tmp_path, {"1.png": png(1)})
    os.mkfifo(folder / "2.png")
    source = FolderSource("set", folder)
    assert list(source.names) == ["1.png"]
    assert source.notes == ("1 pipe or device passed over",)
    with pytest.raises(PictureError, match="is a pipe or device, not a file"):
        PathListSource("list", ["set/2.png"], folder=tmp_path).read(0)


def test_a_link_to_nowhere_is_a_picture_that_cannot_be_read(tmp_path, png):
    folder = folder_of(tmp_path, {"1.png": png(1)})
    os.symlink(folder / "gone.png", folder / "2.png")
    source = FolderSource("set", folder)
    with pytest.raises(PictureError, match=r"2\.png: cannot be read \(No such file"):
        source.read(1)
    assert level(source, 0) == 1


@UNPRIVILEGED
def test_a_file_that_may_not_be_read_is_a_picture_that_cannot_be_used(tmp_path, png):
    folder = folder_of(tmp_path, {"1.png": png(1)})
    (folder / "1.png").chmod(0)
    with pytest.raises(PictureError, match=r"1\.png: cannot be read \(Permission denied\)"):
        FolderSource("set", folder).read(0)


def test_a_file_over_a_gibibyte_is_refused(tmp_path, png):
    folder = folder_of(tmp_path, {"1.png": png(1)})
    os.truncate(folder / "1.png", 3 << 30)  # a hole: it takes no place on the disk
    with pytest.raises(PictureError, match=r"1\.png: a file of 3\.0 GiB"):
        FolderSource("set", folder).encoded(0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_that_are_not_utf8_or_hold_control_characters_can_be_shown_and_saved(tmp_path, png):
    folder = os.fsencode(folder_of(tmp_path, {"caf%E9.png": png(1)}))
    for name, value in ((b"caf\xe9.png", 2), (b"red\x1b[31m.png", 3)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(png(value))
    source = FolderSource("set", Path(os.fsdecode(folder)))
    assert {name: level(source, i) for i, name in enumerate(source.names)} == {
        "caf%E9.png": 1,
        "caf%E9.png_": 2,
        "red%1B[31m.png": 3,
    }
    json.dumps(list(source.names), ensure_ascii=False).encode("utf-8")


def test_emoji_and_joined_characters_stay_as_they_are():
    assert listing.printable("résumé 猫 👨‍👩‍👧 (1).png") == "résumé 猫 👨‍👩‍👧 (1).png"


def test_tables_are_found_at_the_root_in_a_wrapping_folder_and_metadata_in_any():
    paths = ["w/a/1.png", "w/b/2.png", "w/labels.csv", "w/a/labels.csv", "dataset.json", "w/a/metadata.jsonl"]
    found = listing.list_pictures(paths, lambda path: b"")
    assert found.tables == ["w/labels.csv", "dataset.json", "w/a/metadata.jsonl"]
    assert found.notes == ()


def test_a_table_beside_the_pictures_gives_their_classes_and_captions(tmp_path, png):
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2], "text": f"number {i}"} for i in range(10)]
    files = {f"{i}.png": png(i) for i in range(10)}
    table = "\n".join(map(json.dumps, rows)).encode()
    source = FolderSource("set", folder_of(tmp_path, files | {"metadata.jsonl": table}))
    assert source.class_names == ("a", "b")
    assert source.labels.tolist() == [0, 1] * 5
    assert list(source.columns["text"].values) == [f"number {i}" for i in range(10)]


def test_a_table_that_is_too_large_is_refused(tmp_path, png, monkeypatch):
    monkeypatch.setattr(listing, "LARGEST_TABLE", 1 << 20)
    folder = folder_of(tmp_path, {"1.png": png(1), "labels.csv": bytes((1 << 20) + 1)})
    with pytest.raises(GanvasError, match=r"labels\.csv of set is larger than 1 MiB: keep what is needed"):
        FolderSource("set", folder)


def test_the_fingerprint_follows_a_table_of_labels_elsewhere_and_the_column_asked_for(tmp_path, png):
    folder = folder_of(tmp_path, {f"{i}.png": png(i) for i in range(6)})
    table = tmp_path / "labels.csv"
    table.write_text("file,one,two\n" + "".join(f"{i}.png,{i % 2},{i // 3}\n" for i in range(6)))
    one = replace(DEFAULT_OPTIONS, labels_file=table, label_column="one")
    first = FolderSource("set", folder, one)
    second = FolderSource("set", folder, replace(one, label_column="two"))
    assert first.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert second.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert len({first.fingerprint, second.fingerprint, FolderSource("set", folder).fingerprint}) == 3


@pytest.mark.parametrize("name", ["1.jp2", "1.j2k", "1.jpx"])
def test_jpeg_2000_is_read(tmp_path, name):
    source = FolderSource("set", folder_of(tmp_path, {name: picture("JPEG2000")}))
    np.testing.assert_array_equal(source.read(0), np.full((5, 8, 3), 255))


@pytest.mark.skipif(".avif" not in SUFFIXES, reason="this Pillow was made without AVIF")
def test_avif_is_read(tmp_path):
    source = FolderSource("set", folder_of(tmp_path, {"1.avif": picture("AVIF", quality=100)}))
    assert source.read(0).min() >= 250


@pytest.mark.parametrize("name", ["1.heic", "1.HEIF", "1.jpg"])
def test_heic_without_its_reader_says_what_to_install(tmp_path, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    start = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    source = FolderSource("set", folder_of(tmp_path, {name: start + bytes(100)}))
    with pytest.raises(PictureError, match=r'HEIC, which needs pillow-heif: pip install "ganvas\[heic\]"'):
        source.read(0)


def test_a_picture_of_another_format_named_heic_is_read(tmp_path, png):
    assert level(FolderSource("set", folder_of(tmp_path, {"1.heic": png(7)})), 0) == 7


def test_a_list_of_paths_gives_the_pictures_in_its_order(tmp_path, png):
    folder_of(tmp_path, {f"{folder}/{i}.png": png(i) for folder in ("cat", "dog") for i in range(5)})
    paths = [f"set/{folder}/{i}.png" for folder in ("dog", "cat") for i in range(5)]
    (tmp_path / "list.txt").write_text("# my pictures\n\n" + "\r\n".join(paths) + "\n")
    source = read_path_list("list.txt", tmp_path / "list.txt")
    assert list(source.names) == paths
    assert source.class_names == ("cat", "dog")
    assert source.labels.tolist() == [1] * 5 + [0] * 5
    assert [level(source, i) for i in (0, 4, 5)] == [0, 4, 0]
    assert source.notes == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_of_paths_is_read_as_editors_save_it(tmp_path, png, encoding):
    folder_of(tmp_path, {"ü/猫.png": png(4)})
    (tmp_path / "list.txt").write_bytes("set\\ü\\猫.png\r\n".encode(encoding))
    source = read_path_list("list.txt", tmp_path / "list.txt")
    assert list(source.names) == ["set/ü/猫.png"]
    assert level(source, 0) == 4


def test_absolute_paths_are_named_by_what_they_do_not_share(tmp_path, png):
    folder = folder_of(tmp_path, {f"train/{name}/{i}.png": png(i) for name in ("cat", "dog") for i in range(5)})
    source = PathListSource("a list", sorted(folder.rglob("*.png")))
    assert list(source.names)[:2] == ["cat/0.png", "cat/1.png"]
    assert source.class_names == ("cat", "dog")


def test_a_path_that_is_not_there_is_a_picture_that_cannot_be_read(tmp_path, png):
    folder = folder_of(tmp_path, {"1.png": png(1)})
    source = PathListSource("a list", ["1.png", "gone.png", "1.png", "nul\0.png"], folder=folder)
    assert list(source.names) == ["1.png", "gone.png", "nul%00.png"]
    assert source.notes == (
        "1 path given before: each file is used once",
        "2 of 3 paths not there (gone.png)",
    )
    assert level(source, 0) == 1
    with pytest.raises(PictureError, match=r"gone\.png: cannot be read \(No such file"):
        source.read(1)
    with pytest.raises(PictureError, match=r"nul%00\.png: cannot be read"):
        source.read(2)


def test_a_list_of_which_nothing_is_there_is_refused_with_where_it_was_looked_for(tmp_path):
    (tmp_path / "list.txt").write_text("a.png\nb.png\n")
    with pytest.raises(GanvasError) as error:
        read_path_list("list.txt", tmp_path / "list.txt")
    assert str(error.value) == (
        f"no path in list.txt is there (the first of 2 is a.png): write paths relative to {tmp_path}, or absolute ones"
    )


@pytest.mark.parametrize("text", [b"", b"\n# nothing\n"])
def test_an_empty_list_is_refused(tmp_path, text):
    (tmp_path / "list.txt").write_bytes(text)
    with pytest.raises(GanvasError, match=r"list\.txt lists no pictures: give one path per line"):
        read_path_list("list.txt", tmp_path / "list.txt")


def test_garbled_lists_are_refused_in_words(tmp_path):
    for data in (bytes(range(256)) * 20, b"\xff\xfe\x00", b"\xfe\xff\xd8\x00\xd8\x00", b"\0" * 5000, b"a" * 100_000):
        (tmp_path / "list.txt").write_bytes(data)
        with pytest.raises(GanvasError, match=r"no path in list\.txt is there"):
            read_path_list("list.txt", tmp_path / "list.txt")
