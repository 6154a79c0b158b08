"""Tars of samples as a source: what is a picture, a class, a caption; what is never opened; what damage costs."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.decode import PictureError, decode
from ganvas.data.options import SourceOptions
from ganvas.data.shards import tar_samples, webdataset
from ganvas.data.shards.tar_samples import TarDamage, holds_samples, tar_members
from ganvas.data.shards.webdataset import WebDatasetSource
from ganvas.errors import GanvasError


def tar(path: Path, members: dict[str, bytes], format: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar with these members, in this order."""
    with tarfile.open(path, "w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def level(source: WebDatasetSource, index: int) -> int:
    """The grey level of a picture that has only one."""
    return int(decode(io.BytesIO(source.encoded(index)), "picture")[0, 0, 0])


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "sang")


def test_shards_of_the_webdataset_writer_are_read_with_classes_captions_and_fields(tmp_path, png):
    writers = pytest.importorskip("webdataset")
    with writers.ShardWriter(str(tmp_path / "set-%03d.tar"), maxcount=4, verbose=0) as writer:
        for i in range(6):
            fields = {"width": i, "tags": ["a", "b"], "nested": {"no": 1}}
            writer.write({"__key__": f"in/{i}", "png": png(i), "cls": i % 2, "json": fields, "txt": f"picture {i}"})
    source = WebDatasetSource("set", [str(tmp_path / "set-000.tar"), str(tmp_path / "set-001.tar")])
    assert source.names[0] == "set-000.tar/in/0.png"
    assert source.names[5] == "set-001.tar/in/5.png"
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert source.class_names == ("0", "1")
    assert source.labels_note == "2 classes from .cls and .json members"
    assert list(source.columns) == ["width", "tags", "caption"]
    assert source.columns["width"].values == [0, 1, 2, 3, 4, 5]
    assert source.columns["tags"].values[3] == ("a", "b")
    assert source.columns["caption"].values[4] == "picture 4"
    assert [level(source, i) for i in (5, 0, 3)] == [5, 0, 3]
    assert source.size(2) == len(png(2))
    assert not source.in_order


def test_opening_reads_no_picture_and_a_bad_one_is_its_own_fault(tmp_path, png):
    source = WebDatasetSource("set", [tar(tmp_path / "a.tar", {"1.jpg": b"no picture", "2.png": png(2)})])
    assert len(source.names) == 2
    with pytest.raises(PictureError, match="not a picture"):
        level(source, 0)
    assert level(source, 1) == 2


def test_classes_may_be_names_or_a_field_of_the_json(tmp_path, png):
    members = {}
    for i, name in enumerate(("dog", "cat")):
        fields = json.dumps({"label": i, "breed": f"{name} of a kind"}).encode()
        members |= {f"{i}.png": png(i), f"{i}.cls": name.encode() + b"\n", f"{i}.json": fields}
    path = tar(tmp_path / "a.tar", members)
    source = WebDatasetSource("set", [path])
    assert (source.class_names, source.labels.tolist()) == (("cat", "dog"), [1, 0])
    assert source.columns["label"].values == [0, 1]  # not the class, so it stays a field
    source = WebDatasetSource("set", [path], SourceOptions(label_column="breed"))
    assert source.class_names == ("cat of a kind", "dog of a kind")
    assert "breed" not in source.columns
    source = WebDatasetSource("set", [path], SourceOptions(label_column="age"))
    assert source.labels_note == "unlabelled: the field age of .json members give no classes"


def test_a_sample_without_a_class_leaves_all_unlabelled_and_is_named(tmp_path, png):
    source = WebDatasetSource("set", [tar(tmp_path / "a.tar", {"1.png": png(1), "1.cls": b"0", "2.png": png(2)})])
    assert source.labels is None
    assert source.labels_note == ("unlabelled: 1 of 2 samples have no class in .cls and .json members (a.tar/2.png)")


def test_captions_in_the_place_of_classes_are_no_classes(tmp_path, png):
    members = {f"{i}.{kind}": data for i in range(30) for kind, data in (("png", png(i)), ("cls", b"n%d" % i))}
    source = WebDatasetSource("set", [tar(tmp_path / "a.tar", members)])
    assert source.labels_note == "unlabelled: .cls and .json members give 30 values for 30 samples: no classes"


def test_a_damaged_text_costs_its_word_and_is_told(tmp_path, png):
    members = {
        "1.png": png(1),
        "1.json": b"{",
        "2.png": png(2),
        "2.json": b"[" * 100_000,
        "3.png": png(3),
        "3.cls": b"",
    }
    source = WebDatasetSource("set", [tar(tmp_path / "a.tar", members)])
    assert len(source.names) == 3
    assert source.notes == (
        'a.tar: 2 samples: its .json is not an object such as {"label": 3}',
        "a.tar: 1 samples: its .cls is not a whole number or a name of at most 200 characters",
    )


def test_the_first_plain_picture_is_taken_unless_another_is_asked_for(tmp_path, png):
    path = tar(tmp_path / "a.tar", {"1.seg.png": png(9), "1.PNG": png(1), "1.jpg": b"second"})
    source = WebDatasetSource("set", [path])
    assert (source.names, level(source, 0)) == (["a.tar/1.png"], 1)
    source = WebDatasetSource("set", [path], SourceOptions(image_column="seg.png"))
    assert (source.names, level(source, 0)) == (["a.tar/1.seg.png"], 9)


def test_members_that_could_run_code_are_never_opened(tmp_path, png):
    canary = tmp_path / "canary"
    evil = pickle.dumps(Canary(canary))
    pickle.loads(pickle.dumps(Canary(tmp_path / "proof")))
    assert (tmp_path / "proof").exists()  # it would sing
    members = {"1.png": png(1), **{f"1.{kind}": evil for kind in ("pyd", "pickle", "pkl", "pth", "npy", "npz", "mp")}}
    source = WebDatasetSource("set", [tar(tmp_path / "a.tar", members)])
    assert level(source, 0) == 1
    assert source.columns == {}
    assert not canary.exists()


def test_links_devices_folders_and_sparse_files_are_stepped_over(tmp_path, png):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("1.jpg", tarfile.SYMTYPE), ("2.jpg", tarfile.CHRTYPE), ("3.jpg", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        sparse = tarfile.TarInfo("4.jpg")
        sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 512
        archive.addfile(sparse, io.BytesIO(bytes(512)))
        described = tarfile.TarInfo("GNUSparseFile.0/4.jpg")
        described.size, described.pax_headers = 512, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        archive.format = tarfile.PAX_FORMAT
        archive.addfile(described, io.BytesIO(bytes(512)))
        whole = tarfile.TarInfo("5.png")
        whole.size = len(png(5))
        archive.addfile(whole, io.BytesIO(png(5)))
    source = WebDatasetSource("set", [path])
    assert source.names == ["a.tar/5.png"]
    assert level(source, 0) == 5


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_and_foreign_names_are_read_as_tarfile_reads_them(tmp_path, format):
    names = ["a/" * 40 + "b" * 90 + ".png", "short.png", "ordner/größe.png", ".hidden.png", "日本.png"]
    path = tar(tmp_path / "a.tar", {name: name.encode() for name in names}, format)
    with tarfile.open(path) as archive, path.open("rb") as file:
        expected = [(info.name, info.offset_data, info.size) for info in archive]
        assert [(m.name, m.offset, m.size) for m in tar_members(file)] == expected
    assert [name for name, _, _ in expected] == names


@pytest.mark.parametrize(("cut", "left"), [(511, 1), (513, 2), (1030, 2), (1700, 2), (3072, 2)])
def test_a_cut_tar_gives_the_samples_that_were_surely_whole(tmp_path, cut, left):
    """Before the next header nothing tells whether a sample has more members."""
    members = {f"{i}.{kind}": b"x" * 600 for i in range(3) for kind in ("jpg", "npy")}  # 3072 bytes a sample
    path = tar(tmp_path / "a.tar", members)
    path.write_bytes(path.read_bytes()[: 2 * 3072 + cut])
    source = WebDatasetSource("set", [path])
    assert source.names == ["a.tar/0.jpg", "a.tar/1.jpg"][:left]
    assert source.notes == (f"a.tar: cut off after {left} samples: the rest is left out",)
    assert len(source.encoded(left - 1)) == 600


def test_compressed_shards_work_in_any_order_but_say_that_forward_is_better(tmp_path, png):
    plain = tar(tmp_path / "a.tar", {f"{i}.png": png(i) for i in range(4)})
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    source = WebDatasetSource("set", [packed, plain])
    assert source.in_order
    assert [level(source, i) for i in (0, 3, 1, 6, 2)] == [0, 3, 1, 2, 2]
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-60])
    source = WebDatasetSource("set", [packed, plain])
    assert source.notes[0].startswith("a.tar.gz: cut off or damaged")
    assert [level(source, i) for i in range(len(source.names) - 4, len(source.names))] == [0, 1, 2, 3]


def test_shards_named_val_or_test_are_held_out_unless_all_are(tmp_path, png):
    for name in ("train-0", "val-0", "latest-0", "test_0"):
        tar(tmp_path / f"{name}.tar", {"1.png": png(1)})
    paths = sorted(tmp_path.glob("*.tar"))
    source = WebDatasetSource("set", paths)
    assert [path.stem for path in paths] == ["latest-0", "test_0", "train-0", "val-0"]
    assert source.held_out.tolist() == [False, True, False, True]
    source = WebDatasetSource("set", [tmp_path / "val-0.tar"])
    assert source.held_out.tolist() == [False]
    assert source.notes == ("all shards are named val or test: they are used for training",)


def test_names_are_distinct_and_the_fingerprint_follows_files_and_options(tmp_path, png):
    (tmp_path / "x").mkdir()
    first = tar(tmp_path / "a.tar", {"1.png": png(1), "2.png": png(2)})
    second = tar(tmp_path / "x" / "a.tar", {"1.png": png(3)})
    with tarfile.open(first, "a") as archive:
        again = tarfile.TarInfo("1.png")
        again.size = len(png(4))
        archive.addfile(again, io.BytesIO(png(4)))
    source = WebDatasetSource("set", [first, second])
    assert source.names == ["a.tar/1.png", "a.tar/2.png", "a.tar/1.png#2", "x/a.tar/1.png"]
    assert [level(source, i) for i in range(4)] == [1, 2, 4, 3]
    assert WebDatasetSource("other name", [first, second]).fingerprint == source.fingerprint
    assert WebDatasetSource("set", [second, first]).fingerprint != source.fingerprint
    assert WebDatasetSource("set", [first, second], SourceOptions(label_column="y")).fingerprint != source.fingerprint
    os.utime(second, ns=(1, 1))
    assert WebDatasetSource("set", [first, second]).fingerprint != source.fingerprint


def test_too_large_members_are_not_read(tmp_path, png, monkeypatch):
    for module in (tar_samples, webdataset):
        monkeypatch.setattr(module, "LARGEST_PICTURE", 100)
    monkeypatch.setattr(tar_samples, "LARGEST_TEXT", 10)
    path = tar(tmp_path / "a.tar", {"1.png": bytes(101), "1.txt": b"longer than ten", "2.png": bytes(100)})
    source = WebDatasetSource("set", [path])
    assert source.columns == {}
    assert source.notes == ("a.tar: 1 samples: its .txt has 0 MiB: more than 16 MiB is not read",)
    with pytest.raises(PictureError, match="more than 1 GiB is not read"):
        source.encoded(0)
    assert len(source.encoded(1)) == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"set holds no pictures \(a.tar: cut off after 0 samples: the rest is left out\): expected tars with"),
        (b"text" * 1000, r"set holds no pictures \(a.tar: not a tar file after 0 samples"),
        (bytes(1024), "set holds no pictures: expected tars with members such as 0001.jpg and 0001.cls"),
    ],
)
def test_what_is_no_shard_is_refused(tmp_path, content, message):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(GanvasError, match=message):
        WebDatasetSource("set", [tmp_path / "a.tar"])
    with pytest.raises(GanvasError, match=r"b.tar of set cannot be read \(No such file"):
        WebDatasetSource("set", [tmp_path / "b.tar"])


def test_tars_of_pictures_alone_do_not_look_like_samples(tmp_path):
    def looks(*names: str) -> bool:
        with tar(tmp_path / "a.tar", dict.fromkeys(names, b"1")).open("rb") as file:
            return holds_samples(file)

    assert looks("cat/1.jpg", "cat/1.cls")
    assert looks("1.json", "1.webp", "2.json")
    assert not looks("cat/1.jpg", "cat/2.jpg", "dog/2.jpg")
    assert not looks("1.py", "1.txt")


def test_any_damage_is_a_note_or_one_error(tmp_path, png):
    members = {f"{i}.{kind}": data for i in range(3) for kind, data in (("png", png(i)), ("json", b'{"label": 1}'))}
    whole = tar(tmp_path / "a.tar", members, tarfile.PAX_FORMAT).read_bytes()
    dice, opened = random.Random(0), 0
    for _ in range(150):
        data = bytearray(whole[: dice.randrange(len(whole))] if dice.random() < 0.3 else whole)
        for _ in range(dice.randrange(4)):
            if data:
                data[dice.randrange(min(len(data), 6000))] = dice.randrange(256)
        (tmp_path / "b.tar").write_bytes(data)
        with contextlib.suppress(GanvasError):
            source = WebDatasetSource("set", [tmp_path / "b.tar"])
            opened += 1
            for i in range(len(source.names)):
                with contextlib.suppress(PictureError):
                    level(source, i)
    assert opened > 50


def test_headers_that_lie_are_damage():
    def header(**fields: object) -> bytes:
        info = tarfile.TarInfo("1.png")
        for name, value in fields.items():
            setattr(info, name, value)
        return info.tobuf(tarfile.GNU_FORMAT)

    for block in (header(type=b"L", size=1 << 40), header(type=b"x", size=20) + b"9999 path=long".ljust(512, b"x")):
        with pytest.raises(TarDamage):
            list(tar_members(io.BytesIO(block + bytes(512))))
    file = io.BytesIO(header(size=1 << 40))
    members = tar_members(file)
    assert next(members).size == 1 << 40
    with pytest.raises(TarDamage, match="cut off"):
        next(members)


def test_values_missing_from_a_column_are_filled_in(tmp_path, png):
    members = {"1.png": png(1), "1.json": b'{"age": 3, "note": "x"}', "2.png": png(2)}
    columns = WebDatasetSource("set", [tar(tmp_path / "a.tar", members)]).columns
    np.testing.assert_array_equal(columns["age"].values, [3, np.nan])
    assert columns["note"].values == ["x", ""]
