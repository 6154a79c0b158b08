"""Pictures in a ZIP or TAR: read in place, whatever lies in it; what is no plain file in it is left out."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import struct
import tarfile
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from ganvas.data.decode import PictureError
from ganvas.data.files import archives
from ganvas.data.files.archives import TarSource, ZipSource, is_tar
from ganvas.errors import GanvasError

PACKED = {".tar": bytes, ".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}


def tar_bytes(members: dict[str, bytes], file_format: int = tarfile.PAX_FORMAT) -> bytes:
    """An uncompressed TAR of plain files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=file_format) as archive:
        for name, data in members.items():
            archive.addfile(tar_member(name, len(data)), io.BytesIO(data))
    return file.getvalue()


def tar_member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, target
    return member


def saved(tmp_path: Path, data: bytes, name: str = "set.tar") -> Path:
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def zipped(tmp_path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return tmp_path / "set.zip"


def level(source: TarSource | ZipSource, index: int) -> int:
    """The grey level of a picture of one level."""
    return int(source.read(index)[0, 0, 0])


@pytest.fixture
def small_limits(monkeypatch):
    """Limits that a test reaches with few bytes."""
    monkeypatch.setattr(archives, "LARGEST_UNCHECKED", 1 << 16)
    monkeypatch.setattr(archives, "LARGEST_UNCHECKED_STREAM", 1 << 20)
    monkeypatch.setattr(archives, "_READ_AHEAD", 0)


@pytest.mark.parametrize("suffix", PACKED)
def test_a_tar_gives_its_pictures_compressed_or_not(tmp_path, png, suffix):
    members = {f"set/{folder}/{i}.png": png(i) for folder in ("cat", "dog") for i in range(6)}
    path = saved(tmp_path, PACKED[suffix](tar_bytes({**members, "set/notes.txt": b"words"})), f"set{suffix}")
    source = TarSource("set", path)
    assert list(source.names) == list(members)
    assert source.class_names == ("cat", "dog")
    assert source.notes == ("1 file passed over, not named as pictures (1 .txt)",)
    assert [level(source, i) for i in range(12)] == [*range(6), *range(6)]
    assert source.encoded(3) == png(3)
    assert (source.header(3).width, source.size(3)) == (16, len(png(3)))
    assert source.in_order == (suffix != ".tar")
    assert is_tar(path)


@pytest.mark.parametrize("suffix", PACKED)
def test_pictures_of_a_tar_are_read_in_any_order(tmp_path, png, suffix):
    path = saved(tmp_path, PACKED[suffix](tar_bytes({f"{i}.png": png(i) for i in range(5)})))
    source = TarSource("set", path)
    assert [level(source, i) for i in (4, 0, 3, 3, 1)] == [4, 0, 3, 3, 1]


def test_a_tar_is_in_natural_order_and_a_compressed_one_in_its_own_so_that_it_is_read_forward(tmp_path, png):
    data = tar_bytes({f"{i}.png": png(i) for i in (10, 9, 1)})
    assert list(TarSource("set", saved(tmp_path, data)).names) == ["1.png", "9.png", "10.png"]
    packed = TarSource("set", saved(tmp_path, gzip.compress(data, mtime=0), "set.tgz"))
    assert list(packed.names) == ["10.png", "9.png", "1.png"]
    assert [level(packed, i) for i in range(3)] == [10, 9, 1]


@pytest.mark.parametrize("file_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_dialect(tmp_path, png, file_format):
    name = "/".join(["folder" * 8] * 4) + "/1.png"  # 202 characters, of which ustar keeps 100 and a prefix
    source = TarSource("set", saved(tmp_path, tar_bytes({name: png(1), "猫.png": png(2)}, file_format)))
    assert sorted(source.names) == sorted([name, "猫.png"])
    assert level(source, list(source.names).index("猫.png")) == 2


def test_links_devices_and_paths_outside_are_left_out_of_a_tar_and_counted(tmp_path, png):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("a.png", "/etc/b.png", "../c.png", "d/../../e.png", "C:/f.png", "./g//h.png"):
            archive.addfile(tar_member(name, len(png(1))), io.BytesIO(png(1)))
        archive.addfile(tar_member("link.png", kind=tarfile.SYMTYPE, target="/etc/passwd"))
        archive.addfile(tar_member("hard.png", kind=tarfile.LNKTYPE, target="a.png"))
        archive.addfile(tar_member("pipe.png", kind=tarfile.FIFOTYPE))
        archive.addfile(tar_member("holes.png", 0, kind=tarfile.GNUTYPE_SPARSE))
        archive.addfile(tar_member("z.png", len(png(9))), io.BytesIO(png(9)))
    source = TarSource("set", saved(tmp_path, file.getvalue()))
    assert list(source.names) == ["a.png", "g/h.png", "z.png"]
    assert level(source, 2) == 9
    assert source.notes == ("members left out: 4 with a path outside the archive, 2 links, 1 device, 1 sparse file",)


def test_links_and_paths_outside_are_left_out_of_a_zip_and_counted(tmp_path, png):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("a.png", "../b.png", "/c.png"):
            archive.writestr(name, png(1))
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    source = ZipSource("set", tmp_path / "set.zip")
    assert list(source.names) == ["a.png"]
    assert source.notes == ("members left out: 2 with a path outside the archive, 1 link",)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_members_with_the_same_path_the_last_is_used(tmp_path, png):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive, zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for name, value in (("a.png", 1), ("b.png", 2), ("a.png", 3), ("./a.png", 4)):
            archive.addfile(tar_member(name, len(png(value))), io.BytesIO(png(value)))
            packed.writestr(name, png(value))
    for source in (TarSource("set", saved(tmp_path, file.getvalue())), ZipSource("set", tmp_path / "set.zip")):
        assert list(source.names) == ["a.png", "b.png"]
        assert [level(source, 0), level(source, 1)] == [4, 2]
        assert source.notes == ("2 paths in the archive more than once: the last one is used",)


def test_names_that_are_not_utf8_become_printable_and_stay_different(tmp_path, png):
    data = tar_bytes({"caf-.png": png(1), "caf%E9.png": png(2), "two\nlines.png": png(3)}, tarfile.GNU_FORMAT)
    header = bytearray(data[:512])
    header[:8] = b"caf\xe9.png"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    source = TarSource("set", saved(tmp_path, bytes(header) + data[512:]))
    assert dict(zip(source.names, (level(source, i) for i in range(3)), strict=True)) == {
        "caf%E9.png": 2,
        "caf%E9.png_": 1,
        "two%0Alines.png": 3,
    }


def test_a_zip_name_in_utf8_without_the_mark_for_it_is_understood(tmp_path, png):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("résumé.png", png(5))
    data = (tmp_path / "set.zip").read_bytes()
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(signature) + offset
        data = data[:place] + b"\0\0" + data[place + 2 :]
    source = ZipSource("set", saved(tmp_path, data, "set.zip"))
    assert list(source.names) == ["résumé.png"]
    assert level(source, 0) == 5


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused_and_its_neighbours_are_not(tmp_path, png, small_limits, kind):
    members = {"0.png": png(0), "bomb.png": bytes(1 << 19), "z.png": png(9)}  # deflate makes half a KiB of 512 KiB
    source: ZipSource | TarSource
    if kind == "zip":
        source = ZipSource("set", zipped(tmp_path, members))
    else:
        source = TarSource("set", saved(tmp_path, gzip.compress(tar_bytes(members))))
    for use in (source.encoded, source.header, source.read):
        with pytest.raises(PictureError, match=r"bomb\.png: declares \d+ times its compressed size"):
            use(1)
    assert [level(source, 0), level(source, 2)] == [0, 9]


def test_a_large_picture_that_hardly_shrinks_is_no_bomb(tmp_path, small_limits):
    noise = random.Random(0).randbytes(1 << 17)
    assert ZipSource("set", zipped(tmp_path, {"0.png": noise})).encoded(0) == noise
    packed = saved(tmp_path, gzip.compress(tar_bytes({"0.png": noise, "1.png": noise})))
    assert TarSource("set", packed).encoded(0) == noise


def test_a_compressed_archive_that_would_unpack_without_end_is_refused_when_it_is_opened(tmp_path, png, small_limits):
    data = gzip.compress(tar_bytes({f"{i}.bin": bytes(1 << 19) for i in range(4)} | {"0.png": png(0)}))
    with pytest.raises(GanvasError, match=r"^set declares \d+ times its size: if you trust it, unpack it"):
        TarSource("set", saved(tmp_path, data))


def test_an_archive_that_declares_more_than_disks_hold_is_refused(tmp_path, png):
    huge = tar_member("1.png", 17 << 40).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(GanvasError, match="set declares 17 TiB of content, more than 16"):
        TarSource("set", saved(tmp_path, tar_bytes({"0.png": png(0)})[:1024] + huge))


def test_an_archive_of_too_many_members_is_refused(tmp_path, png, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    members = {f"{i}.png": png(i) for i in range(3)}
    with pytest.raises(GanvasError, match="has more than 2 members"):
        TarSource("set", saved(tmp_path, tar_bytes(members)))
    with pytest.raises(GanvasError, match="has more than 2 members"):
        ZipSource("set", zipped(tmp_path, members))


def test_a_member_over_a_gibibyte_is_refused(tmp_path, png):
    with (tmp_path / "set.tar").open("wb") as file:  # the 2 GiB are a hole that takes no place on the disk
        file.write(tar_member("0.png", 2 << 30).tobuf())
        file.seek(2 << 30, io.SEEK_CUR)
        file.write(tar_bytes({"1.png": png(1)}))
    source = TarSource("set", tmp_path / "set.tar")
    with pytest.raises(PictureError, match=r"0\.png: a file of 2\.0 GiB: more than 1 GiB is not read"):
        source.header(0)
    assert level(source, 1) == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_that_unpacks_to_more_than_it_declares_takes_no_more_memory_for_it(tmp_path, method):
    path = zipped(tmp_path, {"0.png": bytes(32 << 20)}, method)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2")
    data[place + 24 : place + 28] = struct.pack("<I", 1000)  # what the directory declares
    path.write_bytes(bytes(data))
    source = ZipSource("set", path)
    tracemalloc.start()
    with pytest.raises(PictureError, match=r"0\.png: "):
        source.encoded(0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20  # the dictionary of LZMA takes 8


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_may_be_packed_in_every_common_way(tmp_path, png, method):
    noise = random.Random(0).randbytes(1 << 17)
    source = ZipSource("set", zipped(tmp_path, {"0.png": png(3), "1.png": noise}, method))
    assert level(source, 0) == 3
    assert source.encoded(1) == noise
    assert source.header(0).width == 16


def test_a_header_about_a_header_cannot_fill_the_memory(tmp_path, png):
    name = tar_member("././@LongLink", 1 << 30, kind=tarfile.GNUTYPE_LONGNAME).tobuf()
    data = tar_bytes({"0.png": png(0)})[:1024] + name + bytes(4096)
    source = TarSource("set", saved(tmp_path, gzip.compress(data)))
    assert source.notes == ("the archive is damaged (a header declares 1024 MiB): what comes after the damage is lost",)
    assert level(source, 0) == 0


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])  # of bzip2 so little is one block, all or nothing
def test_of_a_cut_off_tar_the_pictures_before_the_cut_are_used(tmp_path, png, suffix):
    rng = random.Random(0)
    packed = PACKED[suffix](tar_bytes({"0.png": png(0)} | {f"{i}.png": rng.randbytes(20_000) for i in range(1, 9)}))
    source = TarSource("set", saved(tmp_path, packed[: len(packed) * 3 // 4]))
    last = len(source.names) - 1  # the cut goes through it
    assert last in (6, 7)
    assert "the archive is damaged" in source.notes[0]
    assert level(source, 0) == 0
    assert len(source.encoded(5)) == 20_000
    with pytest.raises(PictureError, match=rf"{last}\.png: (cut off|cannot be unpacked)"):
        source.encoded(last)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"words" * 500, "it is no TAR"),
        (gzip.compress(b"words" * 500, mtime=0), "it is no TAR"),
        (gzip.compress(b"words" * 500, mtime=0)[:15], "Compressed file ended"),
    ],
)
def test_what_is_no_tar_is_refused_with_the_reason(tmp_path, data, reason):
    path = saved(tmp_path, data)
    assert not is_tar(path)
    with pytest.raises(GanvasError, match=rf"^set is not a readable TAR file \({reason}.*: copy or make it again"):
        TarSource("set", path)


def test_a_tar_without_pictures_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(GanvasError, match=r"set holds no pictures; 1 file passed over.*\(1 \.txt\)"):
        TarSource("set", saved(tmp_path, tar_bytes({"a.txt": b"words"})))


def test_a_tar_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(GanvasError, match=r"set cannot be read.*No such file"):
        TarSource("set", tmp_path / "set.tar")


def test_an_encrypted_member_among_others_is_a_picture_that_cannot_be_used(tmp_path, png):
    path = zipped(tmp_path, {"0.png": png(0), "1.png": png(1)})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    source = ZipSource("set", saved(tmp_path, bytes(data), "set.zip"))
    with pytest.raises(PictureError, match=r"0\.png: encrypted: unpack the archive"):
        source.read(0)
    assert level(source, 1) == 1


def test_the_header_of_a_large_zip_member_is_had_without_unpacking_it(tmp_path, png):
    tail = random.Random(0).randbytes(8 << 20)
    source = ZipSource("set", zipped(tmp_path, {"0.png": png(0) + tail}))
    tracemalloc.start()
    assert source.header(0).width == 16
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("pack", [tar_bytes, lambda members: gzip.compress(tar_bytes(members))])
def test_the_fingerprint_of_a_tar_changes_with_its_content(tmp_path, png, pack):
    def fingerprint(members: dict[str, bytes], changed: int = 1) -> str:
        path = saved(tmp_path, pack(members))
        os.utime(path, (changed, changed))
        return TarSource("set", path).fingerprint

    first = fingerprint({"0.png": png(0)})
    assert fingerprint({"0.png": png(0)}) == first
    assert fingerprint({"1.png": png(0)}) != first
    assert fingerprint({"0.png": png(0, (17, 17))}) != first
    assert fingerprint({"0.png": png(1)}, changed=2) != first


def test_a_table_of_labels_in_an_archive_is_read(tmp_path, png):
    table = "file_name,label\n" + "".join(f"{i}.png,{'even' if i % 2 == 0 else 'odd'}\n" for i in range(10))
    members = {f"set/{i}.png": png(i) for i in range(10)} | {"set/labels.csv": table.encode()}
    for data in (tar_bytes(members), gzip.compress(tar_bytes(members))):
        source = TarSource("set", saved(tmp_path, data))
        assert source.class_names == ("even", "odd")
        assert source.labels.tolist() == [0, 1] * 5


def test_a_table_of_labels_that_cannot_be_unpacked_is_named(tmp_path, png):
    path = zipped(tmp_path, {"0.png": png(0), "labels.csv": b"0.png,zero"}, zipfile.ZIP_STORED)
    data = path.read_bytes().replace(b"0.png,zero", b"0.png,hero")
    with pytest.raises(GanvasError, match=r"labels\.csv of set cannot be read \(.*\): mend it or move it away"):
        ZipSource("set", saved(tmp_path, data, "set.zip"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_garbled_archives_give_pictures_or_reasons_but_never_anything_else(tmp_path, png, kind, seed):
    members = {f"a/{i}.png": png(i) for i in range(5)} | {"n" * 150 + ".png": png(5)}
    good = zipped(tmp_path, members).read_bytes() if kind == "zip" else PACKED[f".{kind}"](tar_bytes(members))
    rng = random.Random(seed)
    for _ in range(40):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(data))
            if rng.random() < 0.2:
                del data[place : place + rng.randrange(1, 600)]
            else:
                data[place] = rng.choice((0, 255, rng.randrange(256)))
        path = saved(tmp_path, bytes(data), f"garbled.{kind}")
        try:
            source = ZipSource("set", path) if kind == "zip" else TarSource("set", path)
        except GanvasError:
            continue
        for i, name in enumerate(source.names):
            name.encode("utf-8")
            for use in (source.header, source.read, source.encoded):
                with suppress(PictureError):
                    use(i)
