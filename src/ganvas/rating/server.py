"""The page for raters and what it asks: who am I, what is next, this is my answer, take it back. FastAPI on granian."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from pydantic import BaseModel, ConfigDict, Field

from ganvas.errors import GanvasError, UsageError
from ganvas.rating.guard import Guard, read_cookie, set_cookie
from ganvas.rating.storage import LONGEST_NAME, Judgement, Rater, StudyFile
from ganvas.rating.study import WORDS, Answer, Screen, Shown, schedule

MOST_BYTES = 4096  # of a request's body; an answer has some hundred
HEADER_TIMEOUT_MS = 5_000  # a client that never ends its request is dropped
START_TIMEOUT_S = 10.0
LONGEST_LOOK_MS = 3_600_000
PAGE = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}


class Joining(BaseModel):
    """Somebody begins."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=200)


class Given(BaseModel):
    """An answer to the screen at a place in the rater's order."""

    model_config = ConfigDict(extra="forbid")

    position: int = Field(ge=0, le=100_000)
    answer: Answer
    milliseconds: int = Field(ge=0, le=LONGEST_LOOK_MS)
    width: int = Field(ge=0, le=100_000)


def make_app(file: StudyFile, host: str = "127.0.0.1") -> FastAPI:
    """The application of one study, guarded; `host` is one more name that it answers to."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, max_body_size=MOST_BYTES)
    mark = hashlib.sha256(file.token.encode()).hexdigest()[:8]  # cookies know no ports: two studies, two names
    rater_cookie = f"ganvas-rater-{mark}"

    def rater_of(request: Request) -> Rater | None:
        return file.rater(read_cookie(request.headers, rater_cookie))

    def known(request: Request) -> Rater:
        rater = rater_of(request)
        if rater is None:
            raise HTTPException(401, "this browser has not begun yet: open the page again")
        return rater

    for path, (name, kind) in PAGE.items():
        app.add_api_route(path, _static(name, kind), methods=["GET"])

    @app.get("/api/state")
    def state(request: Request) -> dict[str, Any]:
        rater = rater_of(request)
        return _welcome(file) if rater is None else _state(file, rater)

    @app.post("/api/join")
    def join(joining: Joining, request: Request, response: Response) -> dict[str, Any]:
        rater = rater_of(request)
        if rater is None:
            try:
                rater = file.join(joining.name)
            except UsageError as error:
                raise HTTPException(409, str(error)) from None
            set_cookie(response, rater_cookie, rater.key)
        return _state(file, rater)

    @app.post("/api/answer")
    def answer(given: Given, request: Request) -> dict[str, Any]:
        rater = known(request)
        screens = schedule(file.study, rater.number)
        if given.position >= len(screens) or given.answer not in screens[given.position].answers:
            raise HTTPException(422, "that is no answer to what is asked there")
        screen = screens[given.position]
        kept = Judgement(
            rater=rater.number,
            position=given.position,
            kind=screen.kind,
            item=screen.item,
            truth=screen.truth,
            answer=given.answer,
            milliseconds=given.milliseconds,
            width=given.width,
        )
        if not file.add(kept):
            before = file.judgement(rater.number, given.position)
            # The same answer sent again, because its acknowledgement was lost, is kept already.
            if before is None or before.answer != given.answer:
                raise HTTPException(409, "that place is answered already, or not yet asked: see what is next")
        return _state(file, rater)

    @app.post("/api/undo")
    def undo(request: Request) -> dict[str, Any]:
        rater = known(request)
        if not file.undo(rater.number):
            raise HTTPException(409, "there is nothing to take back")
        return _state(file, rater)

    @app.get("/picture/{key}.png")
    def picture(key: str) -> Response:
        png = file.picture(key)
        if png is None:
            raise HTTPException(404, "there is no such picture")
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})

    app.add_middleware(Guard, token=file.token, cookie=f"ganvas-token-{mark}", host=host)
    return app


def _static(name: str, kind: str) -> Any:
    text = resources.files("ganvas.rating").joinpath(name).read_text(encoding="utf-8")

    def page() -> Response:
        return Response(text, media_type=kind)

    return page


def _welcome(file: StudyFile) -> dict[str, Any]:
    """What is told before somebody begins."""
    study = file.study
    examples = [f"/picture/{file.ids[Shown('example', i)]}.png" for i in range(study.examples)]
    return {
        "joined": False,
        "mode": study.mode,
        "question": WORDS[study.question],
        "total": study.screens,
        "examples": examples,
        "longest_name": LONGEST_NAME,
        "pixelated": study.upscaling == "nearest",
    }


def _state(file: StudyFile, rater: Rater) -> dict[str, Any]:
    """Where a rater is: what is asked now, and what to fetch for the next screen. Nothing says which side is whose."""
    study, position = file.study, file.answered(rater.number)
    screens = schedule(study, rater.number)
    return {
        **_welcome(file),
        "joined": True,
        "name": rater.name or f"rater {rater.number}",
        "position": position,
        "height": study.height,
        "width": study.width,
        "screen": _asked(file, screens[position]) if position < len(screens) else None,
        "next": _asked(file, screens[position + 1])["pictures"] if position + 1 < len(screens) else [],
    }


def _asked(file: StudyFile, screen: Screen) -> dict[str, Any]:
    pictures = [f"/picture/{file.ids[shown]}.png" for shown in screen.pictures]
    return {"pictures": pictures, "answers": list(screen.answers)}


@contextmanager
def serving(file: StudyFile, host: str, port: int) -> Iterator[int]:
    """Serve the study in a thread while the block runs; gives the port. Port 0 takes a free one.

    Raises GanvasError if the address cannot be had.
    """
    port = _free_port(host, port)
    app = make_app(file, host)
    started: dict[str, Any] = {}

    async def run() -> None:
        server = Server(
            app,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            websockets=False,
            log_enabled=False,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        )
        started["stop"] = asyncio.get_running_loop(), server.stop
        await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="ganvas rate", daemon=True)
    thread.start()
    try:
        _wait_until_up(host, port, thread)
        yield port
    finally:
        if thread.is_alive() and "stop" in started:
            loop, stop = started["stop"]
            loop.call_soon_threadsafe(stop)
        thread.join(START_TIMEOUT_S)


def _free_port(host: str, port: int) -> int:
    """The port, if nobody listens there: the server would otherwise share it with another one and say nothing."""
    try:
        with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # a port just left may be taken again; elsewhere this would allow one in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GanvasError(
            f"--host {host} --port {port} cannot be had ({reason}): give another port, or --port 0 for a free one"
        ) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _wait_until_up(host: str, port: int, thread: threading.Thread) -> None:
    nearest = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    deadline = time.monotonic() + START_TIMEOUT_S
    while thread.is_alive() and time.monotonic() < deadline:
        try:
            with socket.create_connection((nearest, port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise GanvasError(f"the server did not start on {host}, port {port}: give another --host or --port")


def links(host: str, port: int, token: str) -> list[str]:
    """Where to rate: the link for this machine, and for the network where the server listens to all of it."""
    if not _is_any(host):
        return [_link(host, port, token)]
    here = "127.0.0.1" if ":" not in host else "::1"
    return [_link(here, port, token), *(_link(address, port, token) for address in _addresses(_family(host)))]


def _link(address: str, port: int, token: str) -> str:
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{port}/?token={token}"


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _addresses(family: socket.AddressFamily) -> list[str]:
    """This machine's address on the network, if there is one. Nothing is sent: the socket is only pointed somewhere."""
    outside = ("192.0.2.1", 9) if family == socket.AF_INET else ("2001:db8::1", 9)  # kept for documentation, RFC 5737
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(outside)
            found = str(probe.getsockname()[0])
    except OSError:
        return []
    return [] if found in ("127.0.0.1", "::1") else [found]
