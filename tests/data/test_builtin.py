"""Sources known by name."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile

import numpy as np
import pytest

from ganvas.data import builtin
from ganvas.data.builtin import BUILTINS, builtin_table, load_cifar10, open_builtin
from ganvas.data.cache import downloads_folder
from ganvas.errors import GanvasError


def test_the_table_names_origin_and_licence_and_a_source_for_every_hash():
    assert [row.name for row in builtin_table()] == ["digits", "mnist", "fashion-mnist", "cifar10"]
    for row in builtin_table():
        assert row.licence
        assert row.origin.startswith("http")
        assert len(row.class_names) == 10
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


def cifar_archive(path, records: int = 2, leave_out: str = "") -> None:
    """Record r of file f: label f, red f, green r, blue 200."""
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    with tarfile.open(path, "w:gz") as archive:
        for f, name in enumerate(names):
            planes = [bytes([level]) * 1024 for level in (f, 0, 200)]
            data = b"".join(bytes([f]) + planes[0] + bytes([r]) * 1024 + planes[2] for r in range(records))
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            if name != leave_out:
                archive.addfile(info, io.BytesIO(data))


def test_cifar10_is_read_inside_its_archive_test_batch_last(tmp_path):
    cifar_archive(tmp_path / "set.tar.gz")
    pictures, labels = load_cifar10(tmp_path / "set.tar.gz", records=2)
    assert pictures.shape == (12, 32, 32, 3)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert pictures[11, 31, 31].tolist() == [5, 1, 200]


def test_another_archive_is_not_taken_for_cifar10(tmp_path):
    cifar_archive(tmp_path / "set.tar.gz", leave_out="data_batch_3.bin")
    with pytest.raises(GanvasError, match="is not CIFAR-10's binary archive"):
        load_cifar10(tmp_path / "set.tar.gz", records=2)
    (tmp_path / "set.tar.gz").write_bytes(b"nothing of the kind")
    with pytest.raises(GanvasError, match="is not CIFAR-10's binary archive"):
        load_cifar10(tmp_path / "set.tar.gz")
