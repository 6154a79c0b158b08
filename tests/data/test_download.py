"""Downloads are checked, whole or not there, and can be replaced by files that were put in place by hand."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ganvas.data.download import RECORD, Download, fetch
from ganvas.errors import GanvasError

CONTENT = b"pictures" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """/good sends the content, /cut half of it, /other something else; all else is not found."""

    asked: list[str] = []  # noqa: RUF012  (shared by all requests on purpose)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = {"/good": CONTENT, "/cut": CONTENT, "/other": CONTENT[::-1]}.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Answers.asked.clear()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


def file(server: str, *paths: str, **known: object) -> Download:
    return Download("set.gz", tuple(server + path for path in paths), **known)


@pytest.mark.parametrize("known", [{"sha256": SHA256, "size": 8000}, {"md5": MD5}, {"sha256": SHA256, "md5": MD5}])
def test_a_good_file_is_fetched_once_and_then_used_as_it_is(server, tmp_path, known):
    seen = []
    folder = tmp_path / "downloads"
    for _ in range(2):
        (path,) = fetch("set", [file(server, "/good", **known)], folder, lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT
    assert Answers.asked == ["/good"]
    assert seen[-1] == ("set.gz", 8000, 8000)
    assert os.listdir(folder) == ["set.gz"]


@pytest.mark.parametrize("path", ["/other", "/cut", "/gone"])
def test_a_wrong_cut_off_or_missing_file_sends_us_to_the_next_address(server, tmp_path, path):
    (found,) = fetch("set", [file(server, path, "/good", sha256=SHA256)], tmp_path / "downloads")
    assert found.read_bytes() == CONTENT
    assert Answers.asked == [path, "/good"]


@pytest.mark.parametrize(
    ("path", "known", "reason"),
    [
        ("/other", {"sha256": SHA256}, f"SHA256 .*, expected {SHA256}"),
        ("/other", {"md5": MD5}, f"MD5 .*, expected {MD5}"),
        ("/good", {"sha256": SHA256, "md5": "0" * 32}, "MD5 .*, expected 0000"),
        ("/good", {"size": 9000}, "8000 bytes, expected 9000"),
        ("/good", {"size": 7999}, "more than the expected 7999 bytes"),
        ("/cut", {}, "cut off after 4000 of 8000 bytes"),
        ("/gone", {}, "Not Found"),
    ],
)
def test_without_a_right_file_nothing_is_kept_and_the_message_says_what_to_put_where(
    server, tmp_path, path, known, reason
):
    folder = tmp_path / "downloads"
    with pytest.raises(GanvasError, match=reason) as error:
        fetch("set", [file(server, path, **known)], folder)
    assert f"put set.gz (from {server}{path}) into {folder} by hand" in str(error.value)
    assert os.listdir(folder) == []


def test_offline_no_address_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    with pytest.raises(GanvasError, match=r"set is not here and cannot be downloaded \(GANVAS_OFFLINE is set\)"):
        fetch("set", [file(server, "/good", sha256=SHA256)], tmp_path / "downloads")
    assert Answers.asked == []


def test_no_server_at_all_gives_the_same_advice(tmp_path):
    with pytest.raises(GanvasError, match=r"cannot be downloaded \(http://127.0.0.1:9.*put set.gz"):
        fetch("set", [Download("set.gz", ("http://127.0.0.1:9/good",))], tmp_path / "downloads")


def test_a_file_put_there_by_hand_is_verified_and_used_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    (tmp_path / "set.gz").write_bytes(CONTENT)
    known = Download("set.gz", (), sha256=SHA256)
    assert fetch("set", [known], tmp_path) == [tmp_path / "set.gz"]
    (tmp_path / "set.gz").write_bytes(CONTENT[::-1])
    with pytest.raises(GanvasError, match=r"set\.gz is not the file that was published \(SHA256 .*: delete it"):
        fetch("set", [known], tmp_path)
    assert (tmp_path / "set.gz").exists()


def test_where_no_hash_is_published_the_first_download_is_trusted_and_recorded(server, tmp_path):
    unknown = file(server, "/good")
    fetch("set", [unknown], tmp_path)
    assert json.loads((tmp_path / RECORD).read_text()) == {"set.gz": SHA256}
    fetch("set", [unknown], tmp_path)
    (tmp_path / "set.gz").write_bytes(b"changed")
    with pytest.raises(GanvasError, match=f"expected {SHA256}"):
        fetch("set", [unknown], tmp_path)
