"""CIFAR's batches, binary and Python, in folders and archives."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.arrays import cifar
from ganvas.data.arrays.cifar import is_cifar_archive, is_cifar_folder, load_cifar10, open_cifar
from ganvas.data.decode import PictureError
from ganvas.errors import GanvasError

TEN = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def rows(batch: int, count: int = 2) -> np.ndarray:
    """[count, 3072] uint8 as in a batch: picture r of batch b is red b, green r, blue 200."""
    planes = np.zeros((count, 3, 1024), np.uint8)
    planes[:, 0], planes[:, 1], planes[:, 2] = batch, np.arange(count)[:, None], 200
    return planes.reshape(count, 3072)


def binary_10() -> dict[str, bytes]:
    """Six files of two records; all of file b have the label b."""
    files = {}
    for b, name in enumerate(TEN):
        files[f"{name}.bin"] = np.concatenate([np.full((2, 1), b, np.uint8), rows(b)], axis=1).tobytes()
    return files | {"batches.meta.txt": b"airplane\nautomobile\nbird\ncat\ndeer\ndog\n\n"}


def python_10(protocol: int = 2) -> dict[str, bytes]:
    """The same as pickles, with keys of bytes as Python 2 wrote them."""
    files = {n: pickle.dumps({b"data": rows(b), b"labels": [b, b]}, protocol) for b, n in enumerate(TEN)}
    names = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog"]
    return files | {"batches.meta": pickle.dumps({b"label_names": names}, 3)}


def binary_100() -> dict[str, bytes]:
    """train.bin with three records and test.bin with two: coarse label 1, fine labels 5, 6, 7."""
    files = {}
    for b, (name, count) in enumerate((("train.bin", 3), ("test.bin", 2))):
        labels = np.stack([np.full(count, 1), 5 + np.arange(count)], axis=1).astype(np.uint8)
        files[name] = np.concatenate([labels, rows(b, count)], axis=1).tobytes()
    return files | {"fine_label_names.txt": b"\n".join(b"kind%d" % i for i in range(8))}


def python_100() -> dict[str, bytes]:
    """The same as pickles."""
    files = {}
    for b, (name, count) in enumerate((("train", 3), ("test", 2))):
        content = {"data": rows(b, count), "fine_labels": [5 + r for r in range(count)], "coarse_labels": [1] * count}
        files[name] = pickle.dumps(content, 2)
    return files | {"meta": pickle.dumps({"fine_label_names": [f"kind{i}" for i in range(8)]}, 2)}


def folder_of(tmp_path: Path, files: dict[str, bytes], name: str = "set") -> Path:
    folder = tmp_path / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)
    return folder


def archive_of(tmp_path: Path, files: dict[str, bytes], inside: str = "cifar-batches") -> Path:
    """Its members are in another order than the batches, as in the published archives."""
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in reversed(files.items()):
            info = tarfile.TarInfo(f"{inside}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("as_archive", [False, True])
@pytest.mark.parametrize("files", [binary_10(), python_10()], ids=["binary", "python"])
def test_cifar_10_comes_with_names_labels_and_test_pictures_held_out(tmp_path, files, as_archive):
    path = (archive_of if as_archive else folder_of)(tmp_path, files)
    assert (is_cifar_archive if as_archive else is_cifar_folder)(path)
    source = open_cifar("set", path)
    assert source.held_out.tolist() == [False] * 10 + [True] * 2
    assert list(source.names[9:]) == ["train[9]", "test[0]", "test[1]"]
    assert source.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert source.class_names == ("airplane", "automobile", "bird", "cat", "deer", "dog")
    assert source.labels_note == "6 classes from the batches"
    assert [source.read(i)[31, 31].tolist() for i in (11, 0, 5)] == [[5, 1, 200], [0, 0, 200], [2, 1, 200]]
    assert source.read(3).shape == (32, 32, 3)
    assert (source.header(3).height, source.header(3).channels, source.header(3).bits) == (32, 3, 8)


@pytest.mark.parametrize("as_archive", [False, True])
@pytest.mark.parametrize("files", [binary_100(), python_100()], ids=["binary", "python"])
def test_cifar_100_has_its_fine_labels_and_the_coarse_ones_in_a_column(tmp_path, files, as_archive):
    path = (archive_of if as_archive else folder_of)(tmp_path, files)
    assert (is_cifar_archive if as_archive else is_cifar_folder)(path)
    source = open_cifar("set", path)
    assert source.labels.tolist() == [5, 6, 7, 5, 6]
    assert source.class_names[7] == "kind7"
    assert source.held_out.tolist() == [False] * 3 + [True] * 2
    assert source.columns["coarse"].kind == "number"
    assert source.columns["coarse"].values == [1, 1, 1, 1, 1]
    assert source.read(4)[0, 0].tolist() == [1, 1, 200]


def test_only_a_few_batches_are_in_memory(tmp_path):
    source = open_cifar("set", folder_of(tmp_path, binary_10()))
    assert source._kept == {}  # opening keeps labels alone
    for i in range(12):
        source.read(i)
    assert list(source._kept) == ["data_batch_5.bin", "test_batch.bin"]


def test_the_folder_that_the_archive_unpacks_to_is_found_one_level_down(tmp_path):
    folder_of(tmp_path, python_10(), "data/cifar-10-batches-py")
    assert is_cifar_folder(tmp_path / "data")
    assert len(open_cifar("data", tmp_path / "data").names) == 12


def test_test_pictures_alone_are_trained_with(tmp_path):
    source = open_cifar("set", folder_of(tmp_path, {"test_batch.bin": binary_10()["test_batch.bin"]}))
    assert not source.held_out.any()
    assert source.notes == ("there are only test pictures: they are used for training",)


def test_other_folders_and_archives_are_not_taken_for_cifar(tmp_path, make_pictures):
    make_pictures(tmp_path / "pictures" / "train", 2)
    assert not is_cifar_folder(tmp_path / "pictures")
    assert not is_cifar_folder(folder_of(tmp_path, {"train": b"text", "test.bin": b"x" * 100}, "other"))
    assert not is_cifar_archive(archive_of(tmp_path, {"train": b"\x80", "0.png": b"", "meta": b""}, "wds"))
    (tmp_path / "set.tar.gz").write_bytes(b"nothing of the kind")
    assert not is_cifar_archive(tmp_path / "set.tar.gz")
    with pytest.raises(GanvasError, match="other holds no batches of CIFAR: expected data_batch_1"):
        open_cifar("other", tmp_path / "other")


class Asks:
    """Pickles as a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_a_batch_that_would_run_something_is_refused_and_does_not_run_it(tmp_path):
    canary = tmp_path / "canary"
    files = python_10() | {"data_batch_2": pickle.dumps({"data": Asks(f"echo > {canary}"), "labels": [1]}, 2)}
    with pytest.raises(GanvasError, match=r"data_batch_2 of set is a pickle that asks for 'posix\.system'"):
        open_cifar("set", folder_of(tmp_path, files))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("data_batch_3.bin", b"x" * 3072, "data_batch_3.bin of set has 3072 bytes, not a multiple of 3073: it is cut"),
        ("data_batch_3.bin", b"", "has 0 bytes"),
        ("data_batch_7", b"", "data_batch_7 of set is not a readable pickle"),
        ("data_batch_7", pickle.dumps([1]), "data of data_batch_7 of set is not a readable array"),
        ("data_batch_7", pickle.dumps({"data": rows(0)}, 2), "labels of data_batch_7 of set are not a list"),
        ("data_batch_7", pickle.dumps({"data": rows(0), "labels": [1]}, 2), "has 2 pictures but 1 labels"),
        ("data_batch_7", pickle.dumps({"data": rows(0) / 2, "labels": [1, 2]}, 2), "are float64 .* expected uint8"),
        ("batches.meta", pickle.dumps({"label_names": 7}), "batches.meta of set holds no list of names"),
        ("batches.meta.txt", b"one\ntwo\n", "labels must be 0 to 1"),
    ],
)
@pytest.mark.parametrize("as_archive", [False, True])
def test_damaged_batches_are_refused_by_name(tmp_path, name, data, message, as_archive):
    path = (archive_of if as_archive else folder_of)(tmp_path, binary_10() | {name: data})
    with pytest.raises(GanvasError, match=message):
        open_cifar("set", path)


def test_archives_cut_off_or_garbled_end_in_words(tmp_path):
    path = archive_of(tmp_path, python_10())
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(40):
        data = bytearray(whole[: random.integers(1, len(whole))])
        data[random.integers(0, len(data))] ^= 0xFF
        path.write_bytes(data)
        is_cifar_archive(path)
        with pytest.raises(GanvasError):
            open_cifar("set", path)


def test_a_batch_that_is_damaged_later_costs_its_pictures_only(tmp_path):
    folder = folder_of(tmp_path, binary_10())
    source = open_cifar("set", folder)
    (folder / "data_batch_1.bin").write_bytes(b"cut off")
    with pytest.raises(PictureError, match=r"train\[0\]: cannot be read"):
        source.read(0)
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(PictureError, match=r"train\[2\]: cannot be read"):
        source.read(2)
    assert source.read(4)[0, 0, 0] == 2


def test_a_member_without_end_is_not_read_to_it(tmp_path, monkeypatch):
    path = archive_of(tmp_path, {"test_batch.bin": b"\0" * 6146})
    monkeypatch.setattr(cifar, "_LARGEST", 6000)
    with pytest.raises(GanvasError, match=r"test_batch\.bin of set has more than"):
        open_cifar("set", path)


def test_the_fingerprint_is_that_of_names_sizes_and_times(tmp_path):
    folder = folder_of(tmp_path, binary_10())
    before = open_cifar("set", folder).fingerprint
    assert open_cifar("other name", folder).fingerprint == before
    os.utime(folder / "test_batch.bin", ns=(1, 1))
    assert open_cifar("set", folder).fingerprint != before


def test_cifar10_is_read_inside_its_archive_test_batch_last(tmp_path):
    pictures, labels = load_cifar10(archive_of(tmp_path, binary_10()), records=2)
    assert pictures.shape == (12, 32, 32, 3)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert pictures[11, 31, 31].tolist() == [5, 1, 200]


def test_another_archive_is_not_taken_for_cifar10(tmp_path):
    files = binary_10()
    del files["data_batch_3.bin"]
    path = archive_of(tmp_path, files)
    with pytest.raises(GanvasError, match="is not CIFAR-10's binary archive"):
        load_cifar10(path, records=2)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(GanvasError, match="is not CIFAR-10's binary archive"):
        load_cifar10(path)
