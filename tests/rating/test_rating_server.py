"""The server over HTTP, started for real on 127.0.0.1: who may speak to it, and what it takes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_up_studies import study, study_file

from ganvas.errors import GanvasError
from ganvas.rating.storage import StudyFile
from ganvas.rating.study import Shown, schedule

httpx = pytest.importorskip("httpx2")
server = pytest.importorskip("ganvas.rating.server")


@pytest.fixture
def file(tmp_path: Path) -> StudyFile:
    return study_file(tmp_path)


@pytest.fixture
def address(file: StudyFile) -> Iterator[str]:
    with server.serving(file, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(file: StudyFile, address: str) -> Iterator[httpx.Client]:
    """A browser that opened the link."""
    with browser(file, address) as opened:
        yield opened


@contextmanager
def browser(file: StudyFile, address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, follow_redirects=True) as opened:
        assert opened.get("/", params={"token": file.token}).status_code == 200
        yield opened


def answer(client: httpx.Client, position: int, said: str = "left") -> httpx.Response:
    body = {"position": position, "answer": said, "milliseconds": 1500, "width": 256}
    return client.post("/api/answer", json=body)


PATHS = ("/", "/page.js", "/page.css", "/api/state", "/picture/0000000000000000.png", "/nothing")


def test_without_the_token_nothing_is_answered(file, address):
    with httpx.Client(base_url=address) as stranger:
        for path in PATHS:
            for sent in ({}, {"params": {"token": "wrong"}}, {"headers": {"Authorization": "Bearer wrong"}}):
                refused = stranger.get(path, **sent)
                assert refused.status_code == 403, path
                assert "whole link is needed" in refused.text
        for path in ("/api/join", "/api/answer", "/api/undo"):
            assert stranger.post(path, json={}).status_code == 403
    assert file.raters() == []


def test_the_token_in_the_link_becomes_a_cookie_and_leaves_the_address(file, address):
    first = httpx.get(address, params={"token": file.token})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    with browser(file, address) as client:
        assert file.token not in str(client.get("/").url)
        assert client.get("/page.js").status_code == 200


def test_a_script_may_send_the_token_as_a_header(file, address):
    assert httpx.get(address + "/api/state", headers={"Authorization": f"Bearer {file.token}"}).status_code == 200


def test_only_the_names_of_this_machine_are_answered_to(client):
    port = client.base_url.port
    own = socket.gethostname()
    for host in (f"localhost:{port}", f"192.168.3.4:{port}", f"[::1]:{port}", f"{own}:{port}"):
        assert client.get("/api/state", headers={"Host": host}).status_code == 200, host
    for host in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", "evil.example", ""):
        assert client.get("/api/state", headers={"Host": host}).status_code == 421, host


def test_another_sites_page_cannot_answer(client):
    client.post("/api/join", json={})
    refused = client.post("/api/undo", json={}, headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403
    own = str(client.base_url).rstrip("/")
    assert client.post("/api/undo", json={}, headers={"Origin": own}).status_code == 409


def test_every_answer_forbids_what_the_page_does_not_need(client):
    for path in PATHS:
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_large_bodies_are_refused_also_in_chunks(client):
    alone = {"Connection": "close"}  # the server hangs up on what it refuses: a next request would meet a closing one
    assert client.post("/api/join", json={"name": "x" * 5000}, headers=alone).status_code == 413
    assert client.post("/api/join", content=iter([b"x" * 1000] * 5), headers=alone).status_code == 413


@pytest.mark.parametrize(
    "path", ["/../../../etc/passwd", "/picture/..%2f..%2fstudy.sqlite.png", "/study.sqlite", "/docs"]
)
def test_no_path_leads_to_a_file(client, path):
    assert client.get(path).status_code == 404


def test_joining_twice_in_one_browser_is_one_rater_and_a_taken_name_is_refused(file, address, client):
    assert client.post("/api/join", json={"name": "Ann"}).json()["name"] == "Ann"
    assert client.post("/api/join", json={"name": "Other"}).json()["name"] == "Ann"
    with browser(file, address) as second:
        refused = second.post("/api/join", json={"name": "ann"})
        assert refused.status_code == 409
        assert "taken" in refused.json()["detail"]
        assert second.post("/api/join", json={}).json()["name"] == "rater 2"
    assert [r.name for r in file.raters()] == ["Ann", None]


def test_the_page_is_told_nothing_about_sides(file, client):
    state = client.post("/api/join", json={}).json()
    screen = schedule(file.study, 1)[0]
    assert state["screen"]["pictures"] == [f"/picture/{file.ids[shown]}.png" for shown in screen.pictures]
    assert not {"truth", "kind", "item", "a", "b", "seed"} & (state.keys() | state["screen"].keys())
    sent = [client.get(path) for path in state["screen"]["pictures"]]
    assert all(picture.content == file.picture(file.ids[s]) for picture, s in zip(sent, screen.pictures, strict=True))
    kept = [{k: v for k, v in p.headers.items() if k not in ("content-length", "date")} for p in sent]
    assert kept[0] == kept[1]
    assert kept[0]["content-type"] == "image/png"


def test_an_unknown_picture_is_not_there(client):
    assert client.get("/picture/0123456789abcdef.png").status_code == 404


def test_answers_are_kept_with_their_time_and_lead_to_the_end(file, client):
    state = client.post("/api/join", json={"name": "Ann"}).json()
    for position in range(file.study.screens):
        assert state["position"] == position
        state = answer(client, position).json()
    assert state["screen"] is None
    kept = file.judgements()
    assert len(kept) == file.study.screens == 15
    for judgement, screen in zip(kept, schedule(file.study, 1), strict=True):
        assert (judgement.kind, judgement.item, judgement.truth) == (screen.kind, screen.item, screen.truth)
        assert (judgement.answer, judgement.milliseconds, judgement.width) == ("left", 1500, 256)


def test_the_same_answer_sent_again_is_kept_once_and_another_one_is_refused(file, client):
    client.post("/api/join", json={})
    assert answer(client, 0).status_code == 200
    again = answer(client, 0)
    assert (again.status_code, again.json()["position"]) == (200, 1)
    assert answer(client, 0, "right").status_code == 409
    assert answer(client, 5).status_code == 409
    assert [(j.position, j.answer) for j in file.judgements()] == [(0, "left")]


def test_what_is_no_answer_is_refused(file, client):
    assert answer(client, 0).status_code == 401  # nobody yet
    client.post("/api/join", json={})
    for body in (
        {"position": 0, "answer": "real", "milliseconds": 1, "width": 1},
        {"position": 0, "answer": "up", "milliseconds": 1, "width": 1},
        {"position": -1, "answer": "left", "milliseconds": 1, "width": 1},
        {"position": 15, "answer": "left", "milliseconds": 1, "width": 1},
        {"position": 0, "answer": "left", "milliseconds": -5, "width": 1},
        {"position": 0, "answer": "left", "milliseconds": 1, "width": 1, "rater": 2},
    ):
        assert client.post("/api/answer", json=body).status_code == 422, body
    assert client.post("/api/answer", content=b"{", headers={"Content-Type": "application/json"}).status_code == 422
    assert file.judgements() == []


def test_undo_takes_the_last_answer_back(file, client):
    client.post("/api/join", json={})
    assert client.post("/api/undo", json={}).status_code == 409
    first = answer(client, 0).json()
    answer(client, 1)
    state = client.post("/api/undo", json={}).json()
    assert state == first
    answer(client, 1, "right")
    assert [j.answer for j in file.judgements()] == ["left", "right"]


def test_a_rater_is_known_again_after_the_server_was_started_again(file, client):
    client.post("/api/join", json={"name": "Ann"})
    answer(client, 0)
    with server.serving(StudyFile(file.path.parent), "127.0.0.1", 0) as port:
        again = httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=dict(client.cookies))
        state = again.get("/api/state").json()
        assert (state["name"], state["position"]) == ("Ann", 1)


def test_real_or_generated_shows_examples_first_and_asks_for_a_word(tmp_path):
    file = study_file(tmp_path / "single", study(10, single=True))
    with server.serving(file, "127.0.0.1", 0) as port, browser(file, f"http://127.0.0.1:{port}") as client:
        welcome = client.get("/api/state").json()
        assert welcome["examples"] == [f"/picture/{file.ids[Shown('example', i)]}.png" for i in range(12)]
        state = client.post("/api/join", json={}).json()
        assert state["screen"]["answers"] == ["real", "generated"]
        assert len(state["screen"]["pictures"]) == 1
        assert answer(client, 0, "left").status_code == 422
        assert answer(client, 0, "generated").status_code == 200


def test_a_port_in_use_is_refused_with_what_to_do(file, address):
    port = int(address.rpartition(":")[2])
    with (
        pytest.raises(GanvasError, match=rf"--port {port} cannot be had .*--port 0"),
        server.serving(file, "127.0.0.1", port),
    ):
        pass
    with pytest.raises(GanvasError, match="cannot be had"), server.serving(file, "192.0.2.7", 0):
        pass


def test_a_request_that_never_ends_is_dropped(address, monkeypatch):
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=15) as half_open:
        half_open.sendall(b"GET / HTT")
        began = time.monotonic()
        assert half_open.recv(100) == b""
        assert 3 < time.monotonic() - began < 10


def test_when_the_block_ends_nobody_listens_any_more(file):
    with server.serving(file, "127.0.0.1", 0) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 403
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/")


def test_links_carry_the_token_and_for_all_of_a_network_its_address_too():
    assert server.links("127.0.0.1", 80, "t") == ["http://127.0.0.1:80/?token=t"]
    assert server.links("::1", 80, "t") == ["http://[::1]:80/?token=t"]
    everywhere = server.links("0.0.0.0", 80, "t")
    assert everywhere[0] == "http://127.0.0.1:80/?token=t"
    assert all("0.0.0.0" not in link for link in everywhere)
