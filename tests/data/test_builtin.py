"""Sources known by name."""

from __future__ import annotations

import gzip
import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from ganvas.data import builtin
from ganvas.data.builtin import BUILTINS, builtin_table, open_builtin
from ganvas.data.cache import downloads_folder
from ganvas.data.decode import PictureError
from ganvas.errors import GanvasError


def test_the_table_names_origin_and_licence_and_a_source_for_every_hash():
    names = ["digits", "faces-tiny", "photos", "mnist", "fashion-mnist", "cifar10"]
    assert [row.name for row in builtin_table()] == names
    for row in builtin_table():
        assert row.licence
        assert row.origin.startswith("http")
        assert len(row.class_names) == (0 if row.name in ("faces-tiny", "photos") else 10)
        for download in row.files:
            assert len(download.sha256 or "") == 64
            assert download.hash_source
            assert all(url.endswith("/" + download.file) for url in download.urls)


def test_the_digits_are_those_of_scikit_learn_on_the_full_range():
    source = open_builtin("digits")
    assert len(source.names) == len(source.labels) == 1797
    assert source.labels[:10].tolist() == list(range(10))  # the file begins 0, 1, 2, ...
    first = source.read(0)
    assert (first.shape, first.dtype) == ((8, 8, 1), np.uint8)
    assert first[0, :, 0].tolist() == [
        0,
        0,
        80,
        207,
        143,
        16,
        0,
        0,
    ]  # 0, 0, 5, 13, 9, 1, 0, 0 sixteenths of 255
    assert source.default_resolution == (16, 16)
    assert not source.held_out.any()


def test_opening_the_digits_does_not_load_them():
    assert open_builtin("digits")._loaded is None


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr(builtin.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GanvasError, match=r'pip install "ganvas\[demo\]"'):
        open_builtin("digits")


def test_the_tiny_faces_are_the_faces_of_scikit_image_in_16_bits():
    pytest.importorskip("skimage")
    source = open_builtin("faces-tiny")
    assert len(source.names) == 100  # the file goes on with a hundred that are no faces
    assert source.labels is None
    assert source.notes == ("floating point in [0, 1] made 16-bit: 1 is white",)
    assert source.read(0).shape == (25, 25, 1)
    path = Path(importlib.util.find_spec("skimage").origin).parent / "data" / "lfw_subset.npy"
    faces = np.load(path)
    np.testing.assert_allclose(source.read(99)[..., 0] / 65535, faces[99], atol=0.5 / 65535)
    assert source.header(0).bits == 16
    assert source.default_resolution is None


def test_the_photos_are_files_inside_scikit_image_of_several_sizes():
    pytest.importorskip("skimage")
    source = open_builtin("photos")
    assert len(source.names) == BUILTINS["photos"].pictures == 10
    assert source.names[0] == "astronaut.png"
    for index, name in enumerate(source.names):
        picture, header = source.read(index), source.header(index)
        assert picture.shape == (header.height, header.width, header.channels), name
        assert source.size(index) == len(source.encoded(index)) > 10_000
        assert name.partition(".")[0] in BUILTINS["photos"].licence
    chelsea = source.read(source.names.index("chelsea.png"))
    assert chelsea.shape == (300, 451, 3)
    assert not source.held_out.any()


def test_a_photo_that_a_package_left_out_is_its_own_trouble(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "_skimage_data", lambda row: tmp_path)
    with pytest.raises(PictureError, match=r"astronaut\.png: cannot be read"):
        open_builtin("photos").read(0)
    with pytest.raises(GanvasError, match=r"lfw_subset\.npy cannot be read .*: install scikit-image again"):
        open_builtin("faces-tiny")


def test_sizes_read_well():
    assert BUILTINS["digits"].size_text == "8x8x1"
    assert BUILTINS["photos"].size_text == "various"


@pytest.mark.parametrize(("name", "says"), [("faces-tiny", "faces-tiny comes"), ("photos", "photos come")])
def test_what_comes_with_scikit_image_says_what_to_install(monkeypatch, name, says):
    monkeypatch.setattr(builtin.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GanvasError, match=rf'{says} with scikit-image, which .*: pip install "ganvas\[demo\]"'):
        open_builtin(name)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_offline_without_the_files_it_is_said_which_to_put_where(name, cache, monkeypatch):
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    with pytest.raises(GanvasError) as error:
        open_builtin(name)
    assert str(cache / "downloads" / name) in str(error.value)
    for download in BUILTINS[name].files:
        assert download.file in str(error.value)


def test_mnist_opens_from_its_idx_files_with_its_names(monkeypatch):
    monkeypatch.setattr(builtin, "fetch", lambda *arguments: [])  # the files below are not the published ones
    folder = downloads_folder("fashion-mnist")
    folder.mkdir(parents=True)
    for part, count in (("train", 20), ("t10k", 10)):
        images = struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28) + bytes(count * 28 * 28)
        labels = struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 10 for i in range(count))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    source = open_builtin("fashion-mnist")
    assert source.class_names[9] == "Ankle boot"
    assert source.held_out.sum() == 10
    assert source.labels[19] == 9
