"""A folder, ZIP, array file or name opens as a source; what cannot be opened is refused in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from ganvas.data.sources import PictureError, open_source
from ganvas.errors import GanvasError


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path, make_pictures):
    make_pictures(tmp_path / "set", 11)
    source = open_source(tmp_path / "set")
    assert list(source.names) == [f"{i}.png" for i in range(11)]
    assert source.read(10)[0, 0].tolist() == [10, 10, 10]
    assert source.header(10).width == 16
    assert source.labels is None
    assert not source.held_out.any()


def test_folders_and_zips_of_the_same_files_agree(tmp_path, make_pictures):
    make_pictures(tmp_path / "set" / "train" / "cat", 5)
    make_pictures(tmp_path / "set" / "train" / "dog", 5)
    make_pictures(tmp_path / "set" / "test" / "dog", 2)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in (tmp_path / "set").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path).as_posix())
    folder, packed = open_source(str(tmp_path / "set")), open_source(str(tmp_path / "set.zip"))
    assert [f"set/{name}" for name in folder.names] == list(packed.names)
    assert folder.class_names == packed.class_names == ("cat", "dog")
    assert folder.labels.tolist() == packed.labels.tolist()
    assert folder.held_out.tolist() == packed.held_out.tolist() == [True] * 2 + [False] * 10
    np.testing.assert_array_equal(folder.read(3), packed.read(3))


def test_system_and_hidden_files_are_passed_over_silently_and_others_are_counted(make_zip, png):
    noise = ["Thumbs.db", ".DS_Store", "a/._x.png", "__MACOSX/a/x.png", ".hidden/x.png", "desktop.ini"]
    members = {"a/1.PNG": png(1), "a/2.Jpg": png(2), "notes.txt": b"", "a/box.xml": b"", "a/b.xml": b""}
    source = open_source(make_zip({**members, **dict.fromkeys(noise, b"x")}))
    assert list(source.names) == ["a/1.PNG", "a/2.Jpg"]
    assert source.notes == ("3 files passed over, not named as pictures (2 .xml, 1 .txt)",)


def test_names_of_any_alphabet_survive(tmp_path, png):
    name = "résumé 猫 🐈 photo (1).png"
    (tmp_path / "set" / "ü").mkdir(parents=True)
    (tmp_path / "set" / "ü" / name).write_bytes(png(7))
    source = open_source(tmp_path / "set")
    assert list(source.names) == [f"ü/{name}"]
    assert source.read(0)[0, 0, 0] == 7


def test_dataset_json_wins_over_class_folders(make_zip, png):
    members = {f"set/{folder}/{i}.png": png(i) for folder in ("cat", "dog") for i in range(5)}
    labels = [[f"{folder}/{i}.png", "even" if i % 2 == 0 else "odd"] for folder in ("cat", "dog") for i in range(5)]
    members["set/dataset.json"] = json.dumps({"labels": labels}).encode()
    source = open_source(make_zip(members))
    assert source.class_names == ("even", "odd")
    assert source.labels.tolist() == [0, 1, 0, 1, 0] * 2
    assert source.notes == ()


def test_a_damaged_picture_says_so_when_it_is_read_and_the_others_go_on(make_zip, png):
    path = make_zip({"0.png": png(0), "1.png": b"", "2.png": png(2)})
    source = open_source(path)
    with pytest.raises(PictureError, match=r"1\.png: empty file"):
        source.read(1)
    assert source.read(2)[0, 0, 0] == 2


def test_a_damaged_zip_member_is_a_damaged_picture(tmp_path, png):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:  # stored: the picture's bytes lie in the file as they are
        archive.writestr("0.png", png(0))
        archive.writestr("1.png", png(1))
    data = bytearray(path.read_bytes())
    data[data.index(png(0)) + len(png(0)) - 20] ^= 1
    path.write_bytes(bytes(data))
    source = open_source(path)
    with pytest.raises(PictureError, match=r"0\.png"):
        source.read(0)
    assert source.read(1)[0, 0, 0] == 1


def test_a_file_that_vanished_is_a_damaged_picture(tmp_path, make_pictures):
    make_pictures(tmp_path / "set", 2)
    source = open_source(tmp_path / "set")
    (tmp_path / "set" / "0.png").unlink()
    with pytest.raises(PictureError, match=r"0\.png: cannot be read \(No such file"):
        source.read(0)


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path, make_pictures):
    make_pictures(tmp_path / "set", 2)
    os.symlink(tmp_path / "set", tmp_path / "set" / "again")
    assert list(open_source(tmp_path / "set").names) == ["0.png", "1.png"]


def test_the_fingerprint_changes_with_a_file_and_not_with_the_place(tmp_path, make_pictures, png):
    make_pictures(tmp_path / "set", 2)
    before = open_source(tmp_path / "set").fingerprint
    os.rename(tmp_path / "set", tmp_path / "moved")
    assert open_source(tmp_path / "moved").fingerprint == before
    (tmp_path / "moved" / "1.png").write_bytes(png(99, (17, 17)))
    assert open_source(tmp_path / "moved").fingerprint != before


def test_the_fingerprint_of_a_zip_comes_from_its_directory(make_zip, png):
    first = open_source(make_zip({"0.png": png(0)})).fingerprint
    assert open_source(make_zip({"0.png": png(0)})).fingerprint == first
    assert open_source(make_zip({"0.png": png(1)})).fingerprint != first
    assert open_source(make_zip({"1.png": png(0)})).fingerprint != first


def test_a_builtin_name_is_not_shadowed_by_a_folder_but_a_path_to_it_is(tmp_path, make_pictures, monkeypatch):
    make_pictures(tmp_path / "digits", 3)
    monkeypatch.chdir(tmp_path)
    assert len(open_source("digits").names) == 1797
    assert len(open_source("./digits").names) == 3


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("digts", ["digts is not there", ".zip", "mnist, fashion-mnist, cifar10", "did you mean digits?"]),
        ("nowhere/photos", ["nowhere/photos is not there"]),
    ],
)
def test_a_path_that_is_not_there_is_named_with_what_could_be_meant(name, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GanvasError) as error:
        open_source(name)
    for part in parts:
        assert part in str(error.value)


def test_the_nearest_file_is_offered_for_a_misspelt_path(tmp_path, make_pictures):
    make_pictures(tmp_path / "photos", 1)
    with pytest.raises(GanvasError, match=r"did you mean .*photos\?"):
        open_source(str(tmp_path / "photo"))


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(GanvasError, match=r"set holds no pictures, it is empty: give a folder or ZIP with"):
        open_source(tmp_path / "set")


def test_a_folder_of_text_files_is_refused_with_what_was_found(tmp_path):
    (tmp_path / "set").mkdir()
    for i in range(3):
        (tmp_path / "set" / f"{i}.txt").write_text("words")
    with pytest.raises(GanvasError, match=r"set holds no pictures; 3 files passed over.*\(3 \.txt\)"):
        open_source(tmp_path / "set")


def test_a_cut_off_zip_is_refused(make_zip, png):
    path = make_zip({f"{i}.png": png(i) for i in range(20)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(GanvasError, match=r"pictures\.zip is not a readable ZIP file"):
        open_source(path)


def test_an_encrypted_zip_is_refused(make_zip, png):
    path = make_zip({"0.png": png(0)})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag in the member and in the directory
        data[data.index(signature) + offset] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(GanvasError, match="is encrypted: unpack it"):
        open_source(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.md").write_text("words")
    with pytest.raises(GanvasError, match=r"notes\.md is not a source of pictures: expected a folder"):
        open_source(tmp_path / "notes.md")


def test_a_text_file_is_a_list_of_pictures_and_refused_if_none_of_them_is_there(tmp_path, make_pictures):
    make_pictures(tmp_path / "set", 2)
    (tmp_path / "list.txt").write_text("set/1.png\nset/0.png\n")
    assert list(open_source(tmp_path / "list.txt").names) == ["set/1.png", "set/0.png"]
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(GanvasError, match=r"no path in .*notes\.txt is there \(the first of 1 is words\)"):
        open_source(tmp_path / "notes.txt")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_a_tar_opens_as_the_folder_it_was_made_from(tmp_path, make_pictures, suffix):
    make_pictures(tmp_path / "set" / "cat", 5)
    make_pictures(tmp_path / "set" / "dog", 5)
    with tarfile.open(tmp_path / f"set.{suffix}", "w:gz" if suffix == "tar.gz" else "w") as archive:
        archive.add(tmp_path / "set", "set")
    source = open_source(tmp_path / f"set.{suffix}")
    assert sorted(source.names) == [f"set/{name}" for name in open_source(tmp_path / "set").names]
    assert source.class_names == ("cat", "dog")


def test_sources_and_stores_do_not_import_torch():
    code = "import sys, ganvas.data.sources, ganvas.data.store; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
