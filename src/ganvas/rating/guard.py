"""Who may speak to the server: by which host names, with which token, from which page; and what answers carry."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE_S = 30 * 24 * 3600  # how long a browser stays known
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Lets through only requests with the token, asked of a host that is ours, from no other site.

    The token may be in the link (`/?token=...`: it becomes a cookie, and leaves the address), in that cookie, or in
    `Authorization: Bearer`. A host is ours if it is an address, localhost, or this machine's name: a name that somebody
    else makes point here (DNS rebinding) is none of them.
    """

    def __init__(self, app: ASGIApp, *, token: str, cookie: str, host: str) -> None:
        self.app, self.token, self.cookie = app, token, cookie
        own = socket.gethostname().lower()
        self.names = {"localhost", own, f"{own}.local", host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal_or_link(scope)
        await (answer or self.app)(scope, receive, with_headers)

    def _refusal_or_link(self, scope: Scope) -> Response | None:
        """What is answered without asking the application; None lets the request through."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse("This server does not answer to that name: use the link as it was printed.", 421)
        origin = headers.get("origin")
        if scope["method"] != "GET" and origin is not None and origin.partition("://")[2] != host:
            return PlainTextResponse("Answers are taken from this server's own page only.", 403)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET" and self._is_token(given):
            redirect = RedirectResponse("/", 303)
            set_cookie(redirect, self.cookie, self.token)
            return redirect
        bearer = headers.get("authorization", "")
        sent = bearer.removeprefix("Bearer ") if bearer else read_cookie(headers, self.cookie)
        if not self._is_token(sent):
            return PlainTextResponse("The whole link is needed, with its token: ask whoever sent it to you.", 403)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name.lower() in self.names:
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


def read_cookie(headers: Headers, name: str) -> str:
    """The value of a cookie, or ""."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def set_cookie(response: Response, name: str, value: str) -> None:
    """Kept by the browser for 30 days, out of reach of scripts, and sent by no other site's forms.

    Lax and not strict: a link opened from a letter or a chat must work at once.
    """
    response.set_cookie(name, value, max_age=COOKIE_S, httponly=True, samesite="lax")
