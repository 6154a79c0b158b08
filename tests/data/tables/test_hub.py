"""Data sets of the Hub, from a small server on this machine that answers as the Hub does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pa = pytest.importorskip("pyarrow")
constants = pytest.importorskip("huggingface_hub.constants")

from ganvas.data.options import DEFAULT_OPTIONS  # noqa: E402
from ganvas.data.tables.hub import HubShard, hub_shards, open_hub  # noqa: E402
from ganvas.errors import GanvasError, UsageError  # noqa: E402

COMMITS = {"main": "a" * 40, "v1": "b" * 40, "refs/convert/parquet": "c" * 40}


class Hub:
    """Repositories: {"ORG/NAME": {revision: {path: bytes}}}, and the requests that came."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.gated: set[str] = set()
        self.requests: list[str] = []
        self.tokens: set[str | None] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append(f"{self.command} {unquote(urlsplit(self.path).path)}")
                if "/datasets/" in self.path:
                    hub.tokens.add(self.headers.get("Authorization"))
                status, body, headers = hub.answer(unquote(urlsplit(self.path).path))
                self.send_response(status)
                for key, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of /api/datasets/REPO/revision/.., /api/.../tree/.. and /datasets/REPO/resolve/.."""
        parts = path.removeprefix("/api").strip("/").split("/", 4)
        repository = self.repositories.get("/".join(parts[1:3]))
        if repository is None:
            return 401, b"{}", {"X-Error-Message": "Invalid username or password."}
        verb, rest = parts[3], parts[4]
        revision = next((r for r in COMMITS if rest.startswith((r, COMMITS[r]))), "")
        below = rest.removeprefix(revision).removeprefix(COMMITS.get(revision, "")).strip("/")
        if revision not in repository:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}
        files = repository[revision]
        if verb == "revision":
            return 200, json.dumps({"id": "/".join(parts[1:3]), "sha": COMMITS[revision]}).encode(), {}
        if verb == "tree":
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
                if name.startswith(f"{below}/".lstrip("/"))
            ]
            if not entries:
                return 404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "not found"}
            return 200, json.dumps(entries).encode(), {"Content-Type": "application/json"}
        if "/".join(parts[1:3]) in self.gated:
            return 403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "ask for access"}
        if below not in files:
            return 404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "not found"}
        etag = f'"{hashlib.sha1(files[below]).hexdigest()}"'
        return 200, files[below], {"ETag": etag, "X-Repo-Commit": COMMITS[revision]}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub of its own for every test; the constants are what HF_ENDPOINT and HF_HOME set when Python starts."""
    hub = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


@pytest.fixture
def parquet(png):
    """parquet(first, count): a Parquet file of pictures of levels first, first + 1, ... and labels 0, 1, 0, ..."""

    def make(first: int, count: int) -> bytes:
        import pyarrow.parquet as pq

        pictures = [{"bytes": png(first + i), "path": None} for i in range(count)]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({"image": pa.array(pictures, kind), "label": [i % 2 for i in range(count)]})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        return sink.getvalue().to_pybytes()

    return make


def levels(source) -> list[int]:
    return [int(source.read(i)[0, 0, 0]) for i in range(len(source.names))]


def test_parquet_files_are_listed_with_their_splits_at_one_commit(hub, parquet):
    two = parquet(0, 2)
    files = {"data/test-00000-of-00001.parquet": two, "data/train-00000-of-00001.parquet": two, "README.md": b"#"}
    hub.repositories["me/cats"] = {"main": files, "v1": {"all.parquet": two}}
    start = f"hf://datasets/me/cats@{'a' * 40}/data"
    assert hub_shards("hf://datasets/me/cats") == [
        HubShard(f"{start}/test-00000-of-00001.parquet", "test", len(two)),
        HubShard(f"{start}/train-00000-of-00001.parquet", "train", len(two)),
    ]
    (only,) = hub_shards("hf://datasets/me/cats@v1")
    assert only.address == f"hf://datasets/me/cats@{'b' * 40}/all.parquet"
    assert not any("resolve" in request for request in hub.requests)  # nothing but names was fetched
    assert hub.tokens == {"Bearer hf_secret"}


def test_a_listed_address_opens_with_fsspec(hub, parquet):
    fsspec = pytest.importorskip("fsspec")
    hub.repositories["me/cats"] = {"main": {"train.parquet": parquet(0, 2)}}
    with fsspec.open(hub_shards("hf://datasets/me/cats")[0].address, "rb", skip_instance_cache=True) as file:
        assert file.read(4) == b"PAR1"


def test_pictures_are_downloaded_once_and_then_read_offline(hub, parquet, monkeypatch):
    files = {"data/train-0.parquet": parquet(0, 3), "data/test-0.parquet": parquet(7, 2), "big.bin": b"x" * 100}
    hub.repositories["me/cats"] = {"main": files}
    told = []
    source = open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS, lambda *report: told.append(report))
    assert levels(source) == [0, 1, 2, 7, 8]
    assert source.held_out.tolist() == [False] * 3 + [True] * 2
    assert source.labels.tolist() == [0, 1, 0, 0, 1]
    assert list(source.names)[-1] == "test[1]"
    assert not any("big.bin" in request for request in hub.requests)
    total = len(files["data/train-0.parquet"]) + len(files["data/test-0.parquet"])
    assert told[-1] == ("hf://datasets/me/cats", total, total)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)

    before = [request for request in hub.requests if request.startswith("GET /datasets")]
    open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS)
    assert [request for request in hub.requests if request.startswith("GET /datasets")] == before
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    assert levels(open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS)) == [0, 1, 2, 7, 8]
    assert hub.requests == []


def test_a_folder_of_the_repository_may_be_named(hub, parquet, monkeypatch):
    hub.repositories["me/cats"] = {"main": {"small/a.parquet": parquet(1, 1), "smaller/b.parquet": parquet(2, 1)}}
    assert levels(open_hub("hf://datasets/me/cats/small", DEFAULT_OPTIONS)) == [1]
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    assert levels(open_hub("hf://datasets/me/cats/small", DEFAULT_OPTIONS)) == [1]
    with pytest.raises(GanvasError, match="was downloaded in part only: open it once while online"):
        open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS)


def test_files_of_several_folders_are_used_together_and_that_is_told(hub, parquet):
    files = {f"{folder}/train-0.parquet": parquet(1, 1) for folder in ("large", "small", "test", "data")}
    hub.repositories["me/cats"] = {"main": files}
    assert open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS).notes == (
        "the files of large, small are used together: for one of them give hf://datasets/me/cats/large",
    )
    assert open_hub("hf://datasets/me/cats/small", DEFAULT_OPTIONS).notes == ()


def test_a_repository_without_parquet_is_taken_as_the_hub_converted_it(hub, parquet, monkeypatch):
    converted = {"default/train/0000.parquet": parquet(1, 2), "other/train/0000.parquet": parquet(5, 2)}
    hub.repositories["me/jpegs"] = {"main": {"a.jpg": b"", "metadata.parquet": b""}, "refs/convert/parquet": converted}
    assert levels(open_hub("hf://datasets/me/jpegs", DEFAULT_OPTIONS)) == [1, 2]
    (shard,) = hub_shards("hf://datasets/me/jpegs")
    assert shard.address == f"hf://datasets/me/jpegs@{'c' * 40}/default/train/0000.parquet"
    assert levels(open_hub("hf://datasets/me/jpegs@~parquet/other", DEFAULT_OPTIONS)) == [5, 6]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert levels(open_hub("hf://datasets/me/jpegs", DEFAULT_OPTIONS)) == [1, 2]


def test_of_several_converted_configurations_one_must_be_chosen(hub, parquet):
    converted = {"big/train/0000.parquet": parquet(1, 2), "tiny/train/0000.parquet": parquet(5, 2)}
    hub.repositories["me/jpegs"] = {"main": {"a.jpg": b""}, "refs/convert/parquet": converted}
    with pytest.raises(GanvasError, match=r"configurations big, tiny: choose one, such as hf://datasets/me/jpegs/big"):
        hub_shards("hf://datasets/me/jpegs")
    assert levels(open_hub("hf://datasets/me/jpegs/tiny", DEFAULT_OPTIONS)) == [5, 6]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://datasets/me/none", "is not there, or is private: check the name and, if it is private, set HF_TOKEN"),
        ("hf://datasets/me/cats@v9", "me/cats has no revision v9: choose another"),
        ("hf://datasets/me/cats/no/such", "has no Parquet files in no/such of me/cats"),
        ("hf://datasets/me/words", "has no Parquet files in me/words: give a data set that the Hub shows as Parquet"),
        ("hf://datasets/me/gated", r"is gated: accept its terms at http://127\S+/datasets/me/gated and set HF_TOKEN"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(hub, parquet, address, message):
    hub.repositories["me/cats"] = {"main": {"train.parquet": parquet(0, 2)}}
    hub.repositories["me/gated"] = {"main": {"train.parquet": parquet(0, 2)}}
    hub.repositories["me/words"] = {"main": {"words.txt": b"a"}}
    hub.gated.add("me/gated")
    with pytest.raises(GanvasError, match=message) as caught:
        open_hub(address, DEFAULT_OPTIONS)
    assert "\n" not in str(caught.value)
    assert "hf_secret" not in str(caught.value)


def test_a_hub_that_does_not_answer_is_told(hub, monkeypatch):
    hub.server.shutdown()
    hub.server.server_close()
    with pytest.raises(GanvasError, match=r"cannot be had from the Hub \(.*\): check the network and try again"):
        open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS)


def test_offline_only_what_was_downloaded_is_there(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(GanvasError, match="is not in the cache of huggingface_hub, and HF_HUB_OFFLINE or"):
        open_hub("hf://datasets/me/cats", DEFAULT_OPTIONS)
    with pytest.raises(GanvasError, match="cannot be listed offline"):
        hub_shards("hf://datasets/me/cats")
    assert hub.requests == []


@pytest.mark.parametrize(
    "address",
    ["hf://datasets/cats", "hf://models/me/cats", "hf://datasets/me/cats/../dogs", "hf://datasets/me/cats@", "me/cats"],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(UsageError, match=r"expected hf://datasets/ORG/NAME\[@REVISION\]\[/FOLDER\]"):
        hub_shards(address)


def test_the_variables_of_the_hub_are_honoured(hub, parquet, tmp_path):
    hub.repositories["me/cats"] = {"main": {"train.parquet": parquet(0, 2)}}
    code = (
        "from ganvas.data.tables.hub import open_hub; from ganvas.data.options import DEFAULT_OPTIONS\n"
        "print(len(open_hub('hf://datasets/me/cats', DEFAULT_OPTIONS).names))"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "2\n", done.stderr
    assert list((tmp_path / "home/hub/datasets--me--cats").rglob("train.parquet"))
