"""Weights are fetched once, known by their hash, kept as safetensors, and asked for in words where they are missing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from ganvas.data.download import Download
from ganvas.errors import GanvasError
from ganvas.evaluation.backbones import weights as weights_module
from ganvas.evaluation.backbones.weights import HUB, INCEPTION, PublishedFile, inception_weights

FILE = "pt_inception-2015-12-05-6726825d.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that each test has to itself."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GANVAS_CACHE", str(folder))
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A small file in the place of the published one: in its form, with two of its tensors."""
    path = tmp_path / "server" / FILE
    path.parent.mkdir()
    content = {"fc.bias": torch.arange(1008.0), "Conv2d_1a_3x3.bn.bias": torch.ones(32)}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def row(published: Path, asked: list[str]) -> Iterator[PublishedFile]:
    """The table's row with a server of this machine, and the hash of the small file."""
    content = published.read_bytes()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/{FILE}"
    yield replace(INCEPTION, download=Download(FILE, (url,), len(content), hashlib.sha256(content).hexdigest()))
    server.shutdown()
    thread.join()
    server.server_close()


def check(weights: dict[str, torch.Tensor]) -> None:
    assert weights.keys() == {"classifier.bias", "layers.conv_1a.shift"}
    assert torch.equal(weights["classifier.bias"], torch.arange(1008.0))


def test_weights_are_fetched_once_and_kept_as_safetensors(row, cache, asked, monkeypatch):
    check(inception_weights(row=row))
    assert len(asked) == 1
    kept = cache / "backbones" / f"inception-v3-fid-{row.sha256[:12]}"
    assert sorted(path.name for path in kept.iterdir()) == ["made-from.json", "model.safetensors"]
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    (cache / "downloads" / "inception-v3-fid" / FILE).unlink()  # is needed no more
    check(inception_weights(row=row))
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_two_processes_that_make_the_same_at_once_both_get_it(row, cache, published, monkeypatch):
    read = weights_module.read_torch_file

    def slowly(path: Path) -> dict[str, torch.Tensor]:
        monkeypatch.setattr(weights_module, "read_torch_file", read)
        inception_weights(published, row)  # the other process is done first
        monkeypatch.setattr(weights_module.shutil, "rmtree", keep_whole)
        return read(path)

    def keep_whole(folder: Path, ignore_errors: bool) -> None:
        """As if the other one had moved its folder in after ours was cleared away."""

    monkeypatch.setattr(weights_module, "read_torch_file", slowly)
    check(inception_weights(published, row))


def test_a_damaged_copy_is_made_again(row, cache, asked):
    inception_weights(row=row)
    kept = cache / "backbones" / f"inception-v3-fid-{row.sha256[:12]}" / "model.safetensors"
    kept.write_bytes(kept.read_bytes()[:-1] + b"\x7f")
    check(inception_weights(row=row))
    assert len(asked) == 1  # from the download, which is still there


def test_a_file_of_one_s_own_is_used_if_it_is_the_published_one(row, published, tmp_path, asked):
    check(inception_weights(published, row))
    assert asked == []
    other = tmp_path / "other.pth"
    torch.save({"fc.bias": torch.zeros(1008)}, other)
    with pytest.raises(
        GanvasError, match=rf"other\.pth is not the published file of inception-v3-fid: .*{row.sha256[:12]}"
    ):
        inception_weights(other, row)
    with pytest.raises(GanvasError, match="there is no file"):
        inception_weights(tmp_path / "missing.pth", row)


def test_a_file_put_into_the_cache_by_hand_is_used_offline(row, published, cache, asked, monkeypatch):
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    folder = cache / "downloads" / "inception-v3-fid"
    folder.mkdir(parents=True)
    published.rename(folder / FILE)
    check(inception_weights(row=row))
    assert asked == []


def test_offline_it_is_said_which_file_to_put_where_and_what_there_is_instead(cache, monkeypatch):
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    with pytest.raises(GanvasError) as error:
        inception_weights()
    message = str(error.value)
    assert "\n" not in message
    for part in (FILE, INCEPTION.download.urls[0], str(cache / "downloads" / "inception-v3-fid"), "own features (own)"):
        assert part in message


def test_a_file_that_is_not_what_was_published_is_refused(row, cache):
    wrong = replace(row, download=replace(row.download, sha256="0" * 64))
    with pytest.raises(GanvasError, match=r"inception-v3-fid is not here and cannot be downloaded .*SHA256"):
        inception_weights(row=wrong)
    assert not (cache / "backbones").exists() or not list((cache / "backbones").iterdir())


def test_the_table_names_hash_size_licence_and_where_it_is_stated():
    assert INCEPTION.sha256.startswith("6726825d")  # what the file's name promises
    assert all("6726825d" in url for url in INCEPTION.download.urls)
    assert INCEPTION.download.hash_source
    assert INCEPTION.download.size == 95_628_359
    for row in HUB.values():
        assert (len(row.sha256), len(row.revision)) == (64, 40)
        assert row.size > 300_000_000
    for row in (INCEPTION, *HUB.values()):
        assert row.licence
        assert row.stated_at.startswith("https://")
