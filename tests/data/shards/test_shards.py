"""Which shards an address means, and their samples: from disk, memory and HTTP, through failures and damage."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import http.server
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganvas.data.options import SourceOptions
from ganvas.data.shards import shard_file
from ganvas.data.shards.addresses import expand, is_shards
from ganvas.data.shards.remote import ShardError, redacted
from ganvas.data.shards.shard import read_shard
from ganvas.errors import GanvasError, UsageError


def tar_bytes(members: dict[str, bytes]) -> bytes:
    """A tar with these members, in this order."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def samples(count: int, size: int = 3) -> bytes:
    """A shard: picture i is `size` times the byte i, of class i % 2."""
    members = {}
    for i in range(count):
        members |= {f"{i:03d}.jpg": bytes([i]) * size, f"{i:03d}.cls": b"%d" % (i % 2), f"{i:03d}.npy": b"x"}
    return tar_bytes(members)


def places(stream) -> list[int]:
    return [sample.place for sample in stream]


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by name, with ranges or without; `failures` requests are refused first, `cut` end early."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = self.claims_ranges = True
        self.failures: list[int] = []
        self.cut: list[int] = []
        self.log: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        server: Server = self.server
        wanted = self.headers.get("Range", "")
        server.log.append(f"{self.command} {wanted}".strip())
        if with_body and server.failures:
            self.send_error(server.failures.pop(0))
            return
        data = server.files.get(self.path.partition("?")[0].lstrip("/"))
        if data is None:
            self.send_error(404)
            return
        total = len(data)
        if server.ranges and wanted.startswith("bytes="):
            first, _, last = wanted[6:].partition("-")
            end = min(total, int(last) + 1 if last else total)
            data = data[int(first) : end]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{total}")
        else:
            self.send_response(200)
        if server.claims_ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            with contextlib.suppress(OSError):  # the other side may have enough
                self.wfile.write(data[: server.cut.pop(0)] if server.cut else data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("aiohttp")  # what fsspec reads http with
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def test_braces_lists_patterns_and_folders_mean_shards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a-8.tar", "a-9.tar", "a-10.tar", "b-x.tar", "b-y.tar.gz", "notes.txt"):
        Path(name).write_bytes(b"1")
    Path("in").mkdir()
    Path("in/c.parquet").write_bytes(b"1")
    assert expand("a-{8..10}.tar") == ["a-8.tar", "a-9.tar", "a-10.tar"]
    assert expand("a-8.tar::b-{x,y}.tar*") == ["a-8.tar", "b-x.tar", "b-y.tar.gz"]
    assert expand("a-*.tar") == ["a-8.tar", "a-9.tar", "a-10.tar"]
    assert expand(".") == ["a-8.tar", "a-9.tar", "a-10.tar", "b-x.tar", "b-y.tar.gz"]
    assert expand("in") == ["in/c.parquet"]


def test_remote_addresses_are_expanded_without_asking_the_network():
    assert expand("s3://b/{a,b}-{08..10}.tar") == [f"s3://b/{a}-{i}.tar" for a in "ab" for i in ("08", "09", "10")]
    assert expand("http://[::1]:8/{0..1}.tar::gs://b/x.tar") == [
        "http://[::1]:8/0.tar",
        "http://[::1]:8/1.tar",
        "gs://b/x.tar",
    ]
    assert expand("https://u:p@h/x.tar?signature=1") == ["https://u:p@h/x.tar?signature=1"]


def test_remote_folders_and_patterns_are_listed():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/listed/{name}": b"1" for name in ("a-9.tar", "a-10.tar", "deep/b.tar", "readme.md")})
    try:
        assert expand("memory://listed/a-*.tar") == ["memory:///listed/a-9.tar", "memory:///listed/a-10.tar"]
        assert expand("memory://listed")[2] == "memory:///listed/deep/b.tar"
        with pytest.raises(GanvasError, match="memory://listed/z\\* holds no shards"):
            expand("memory://listed/z*")
    finally:
        memory.rm("/listed", recursive=True)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("x-{0..99999999999999999999999}.tar", "means more than 1000000 shards: use larger shards"),
        ("s3://b/{0..999}{0..999}{0,1}.tar", "means more than 1000000 shards"),
        ("s3://b/{5..3}.tar", r"counts down in \{5..3\}: write the smaller number first"),
        ("nothing-*.tar", "nothing-.* is not there: give shards, a folder of shards or a pattern"),
        ("strange://a/b/", r"strange://a/b/ cannot be opened \(Protocol not known: strange"),
    ],
)
def test_addresses_that_mean_nothing_are_refused(address, message):
    with pytest.raises(GanvasError, match=message):
        expand(address)


def test_what_looks_like_shards(tmp_path):
    (tmp_path / "a.tar").write_bytes(samples(2))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(samples(2)))
    (tmp_path / "plain.tar").write_bytes(tar_bytes({"cat/1.jpg": b"1", "dog/2.jpg": b"2"}))
    (tmp_path / "text.tar").write_bytes(b"no tar at all")
    assert is_shards("s3://bucket/a.tar")
    assert is_shards("a-{0..3}.tar")
    assert [is_shards(str(tmp_path / name)) for name in ("a.tar", "a.tar.gz", "a*.tar", "")] == [True] * 4
    assert [is_shards(str(tmp_path / name)) for name in ("plain.tar", "text.tar", "missing.tar")] == [False] * 3


def test_passwords_and_queries_never_reach_a_message():
    assert redacted("s3://key:secret@bucket/a.tar?sig=1 and 'http://h/b?t=2'") == "s3://bucket/a.tar and 'http://h/b'"
    assert redacted("hf://datasets/me/set@main/a.tar") == "hf://datasets/me/set@main/a.tar"
    assert redacted("a b?.tar") == "a b?.tar"


def test_samples_come_whole_from_any_place_in_any_step(tmp_path):
    path = tmp_path / "a.tar"
    members = {"d/1.jpg": b"one", "d/1.json": b'{"label": "cat", "caption": "A cat", "x": 1}'}
    path.write_bytes(tar_bytes(members | {"d/2.cls": b"no picture", "d/3.txt": b" three ", "d/3.png": b"three"}))
    told: list[tuple[str, str]] = []
    found = list(read_shard(str(path), shard=7, problems=lambda *problem: told.append(problem)))
    assert [(s.key, s.picture, s.label, s.shard, s.place) for s in found] == [
        ("d/1", b"one", "cat", 7, 0),
        ("d/3", b"three", None, 7, 1),
    ]
    assert [s.columns for s in found] == [{"caption": "A cat", "x": 1}, {"caption": "three"}]
    assert told == [(str(path), "1 samples without a picture are left out")]
    path.write_bytes(samples(10))
    assert places(read_shard(str(path), 4)) == [4, 5, 6, 7, 8, 9]
    assert places(read_shard(str(path), 1, step=4)) == [1, 5, 9]
    assert places(read_shard(str(path), 10)) == []
    assert [s.picture for s in read_shard(str(path), 8)] == [b"\x08" * 3, b"\x09" * 3]


def test_skipping_reads_headers_only(tmp_path, monkeypatch):
    path = tmp_path / "a.tar"
    path.write_bytes(samples(20, size=10_000))
    read = []
    original = shard_file.ShardFile.read
    monkeypatch.setattr(shard_file.ShardFile, "read", lambda self, n=-1: read.append(n) or original(self, n))
    assert places(read_shard(str(path), 19)) == [19]
    assert sum(read) < 20 * 3 * 512 + 12_000


def test_gzip_shards_are_read_forward(tmp_path):
    path = tmp_path / "a.tar.gz"
    packed = gzip.compress(samples(50, size=200))
    path.write_bytes(packed)
    assert places(read_shard(str(path), 45)) == [45, 46, 47, 48, 49]
    path.write_bytes(packed[: len(packed) // 2])
    told: list[tuple[str, str]] = []
    assert 0 < len(places(read_shard(str(path), problems=lambda *problem: told.append(problem)))) < 50
    assert told == [(str(path), "cut off or damaged gzip data: the rest is left out")]


def test_a_damaged_shard_gives_what_comes_before_the_damage_from_any_start(tmp_path):
    path = tmp_path / "a.tar"
    whole = samples(5)  # 3072 bytes a sample
    told: list[tuple[str, str]] = []
    for damaged in (whole[: 3 * 3072 + 700], whole[: 3 * 3072 + 100] + b"\xff" * 300 + whole[3 * 3072 + 400 :]):
        path.write_bytes(damaged)
        everything = places(read_shard(str(path), problems=lambda *problem: told.append(problem)))
        assert everything == [0, 1, 2][: len(everything)]
        assert len(everything) >= 2
        for start in range(5):
            assert places(read_shard(str(path), start)) == everything[start:]
    assert told == [
        (str(path), "cut off after 3 samples: the rest is left out"),
        (str(path), "damaged header after 2 samples: the rest is left out"),
    ]


def test_members_that_could_run_code_are_never_read(tmp_path, monkeypatch):
    read: list[bytes] = []
    original = shard_file.ShardFile.read
    monkeypatch.setattr(shard_file.ShardFile, "read", lambda self, n=-1: read.append(original(self, n)) or read[-1])

    class Canary:
        def __reduce__(self):
            return Path.write_text, (tmp_path / "canary", "sang")

    evil = pickle.dumps(Canary())
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes({"1.jpg": b"one", "1.pyd": evil, "1.pickle": evil, "1.pth": evil, "1.npz": evil}))
    (sample,) = read_shard(str(path))
    assert (sample.picture, sample.columns) == (b"one", {})
    assert b"one" in read
    assert evil not in read
    assert not (tmp_path / "canary").exists()


def test_memory_shards_are_read_like_files():
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/one.tar", samples(4))
    assert places(read_shard("memory://one.tar", 1)) == [1, 2, 3]


def test_parquet_rows_are_samples(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = 20
    table = arrow.table(
        {
            "image": [{"bytes": b"%d" % i if i != 3 else None, "path": "x"} for i in range(rows)],
            "label": list(range(rows)),
            "kind": [f"kind {i % 2}" for i in range(rows)],
            "box": [[1.0, 2.0]] * rows,
            "deep": [{"a": 1}] * rows,
        }
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path, row_group_size=6)
    told: list[tuple[str, str]] = []
    found = list(read_shard(str(path), shard=2, problems=lambda *problem: told.append(problem)))
    assert [s.place for s in found] == [0, 1, 2, *range(4, 20)]
    assert (found[4].key, found[4].picture, found[4].label, found[4].columns) == ("5", b"5", 5, {"kind": "kind 1"})
    assert told == [(f"{path}/3", "no picture in this row")]
    assert places(read_shard(str(path), 7, step=5)) == [7, 12, 17]
    by_kind = SourceOptions(image_column="image", label_column="kind")
    assert next(read_shard(str(path), options=by_kind)).label == "kind 0"
    with pytest.raises(UsageError, match=r"has no column photo: its columns are image \(struct"):
        next(read_shard(str(path), options=SourceOptions(image_column="photo")))
    parquet.write_table(table.drop_columns(["image"]), path)
    with pytest.raises(GanvasError, match="has no column of encoded pictures that is plain to see"):
        next(read_shard(str(path)))
    for cut in (5, 100, path.stat().st_size - 3):
        (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:cut])
        told.clear()
        assert places(read_shard(str(tmp_path / "cut.parquet"), problems=lambda *problem: told.append(problem))) == []
        assert told[0][1].startswith("damaged after 0 rows")


def test_http_shards_are_read_in_large_pieces_and_resumed_by_ranges(server, monkeypatch):
    monkeypatch.setattr(shard_file, "READ_AHEAD", 20_000)
    server.files["a.tar"] = samples(40, size=700)  # 3584 bytes a sample
    assert places(read_shard(f"{server.address}/a.tar")) == list(range(40))
    assert len([line for line in server.log if line.startswith("GET")]) < 15
    server.files["a.parquet"] = b"PAR1 and no more"
    told: list[tuple[str, str]] = []
    assert places(read_shard(f"{server.address}/a.parquet", problems=lambda *problem: told.append(problem))) == []
    assert told[0][1].startswith("damaged after 0 rows")


def test_a_read_that_fails_is_tried_again_from_the_last_sample(server, monkeypatch):
    monkeypatch.setattr(shard_file, "READ_AHEAD", 4096)
    server.files["a.tar"] = samples(30, size=700)
    pauses: list[float] = []
    stream = read_shard(f"{server.address}/a.tar", sleep=pauses.append)
    found = [next(stream).place for _ in range(10)]
    server.failures += [503, 500]
    found += [next(stream).place for _ in range(10)]
    server.cut += [100]  # a connection that breaks amid an answer
    found += places(stream)
    assert found == list(range(30))
    assert pauses == [0.5, 1.0, 0.5]


def test_another_try_skips_what_was_read(server, monkeypatch):
    monkeypatch.setattr(shard_file, "READ_AHEAD", 4096)
    server.files["a.tar"] = samples(60, size=700)  # some fifty pieces
    stream = read_shard(f"{server.address}/a.tar", sleep=lambda seconds: None)
    assert [next(stream).place for _ in range(50)][-1] == 49
    server.log.clear()
    server.failures += [503]
    assert places(stream) == list(range(50, 60))
    assert len(server.log) < 25


def test_bytes_that_end_early_are_asked_for_again_and_no_damage(monkeypatch):
    class Short(io.BytesIO):
        size = 10_000

    told: list[tuple[str, str]] = []
    monkeypatch.setattr(shard_file, "_opened", lambda address, streamed: Short(samples(3)[:5220]))
    stream = read_shard("s3://b/a.tar", problems=lambda *problem: told.append(problem), sleep=lambda seconds: None)
    assert next(stream).place == 0
    with pytest.raises(ShardError, match=r"after 6 tries \(EOFError: ended at byte 5220 of 10000\)"):
        next(stream)
    assert told == []


def test_failing_for_ever_names_the_shard_without_its_secrets(server):
    server.files["a.tar"] = samples(3)
    server.failures += [503] * 100
    pauses: list[float] = []
    address = server.address.replace("//", "//user:password@") + "/a.tar?token=abc"
    with pytest.raises(ShardError, match=r"/a.tar cannot be read after 6 tries \(.*503") as caught:
        next(read_shard(address, sleep=pauses.append))
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]
    for secret in ("user", "password", "abc"):
        assert secret not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_shard_that_is_not_there_is_not_asked_for_again(server, tmp_path):
    pauses: list[float] = []
    for address in (f"{server.address}/a.tar", str(tmp_path / "a.tar"), "memory://no/a.tar"):
        with pytest.raises(ShardError, match=r"a.tar cannot be read \(.*: check the address, your access to it"):
            next(read_shard(address, sleep=pauses.append))
    assert pauses == []


@pytest.mark.parametrize("claims_ranges", [False, True])
def test_a_server_without_ranges_is_read_forward(server, monkeypatch, claims_ranges):
    monkeypatch.setattr(shard_file, "READ_AHEAD", 4096)
    server.files["a.tar"] = samples(30, size=700)
    server.ranges, server.claims_ranges = False, claims_ranges
    assert places(read_shard(f"{server.address}/a.tar", 3)) == list(range(3, 30))
    assert places(read_shard(f"{server.address}/a.tar", 2, step=9)) == [2, 11, 20, 29]


def test_parquet_needs_a_server_with_ranges(server, monkeypatch):
    monkeypatch.setattr(shard_file, "READ_AHEAD", 4096)
    server.files["a.parquet"] = b"PAR1" + bytes(10_000)
    server.ranges = server.claims_ranges = False
    with pytest.raises(ShardError, match=r"a.parquet cannot be read in parts, as Parquet needs: copy it"):
        next(read_shard(f"{server.address}/a.parquet"))


def test_parquet_is_read_over_http(server, tmp_path, monkeypatch):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(shard_file, "READ_AHEAD", 4096)
    table = arrow.table({"jpg": [b"%d" % i * 900 for i in range(30)], "cls": list(range(30))})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=7, compression="none", use_dictionary=False)
    server.files["a.parquet"] = (tmp_path / "a.parquet").read_bytes()
    pauses: list[float] = []
    stream = read_shard(f"{server.address}/a.parquet", 5, sleep=pauses.append)
    found = [next(stream).place for _ in range(4)]
    server.failures += [503]
    assert found + places(stream) == list(range(5, 30))
    assert pauses == [0.5]


def test_what_is_not_installed_is_named(monkeypatch, tmp_path):
    original = builtins.__import__

    def refuse(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith(("fsspec", "pyarrow")):
            raise ImportError(f"No module named {name!r}")
        return original(name, *args, **kwargs)

    (tmp_path / "a.tar").write_bytes(samples(2))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert places(read_shard(str(tmp_path / "a.tar"))) == [0, 1]  # needs neither
    with pytest.raises(GanvasError, match=r'needs fsspec, which is not installed: pip install "ganvas\[data\]"'):
        next(read_shard("s3://b/a.tar"))
    with pytest.raises(GanvasError, match=r'needs pyarrow, which is not installed: pip install "ganvas\[data\]"'):
        next(read_shard(str(tmp_path / "a.parquet")))
