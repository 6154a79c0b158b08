"""Addresses that fsspec opens, and how they are shown: without passwords."""

from __future__ import annotations

import importlib
import re
from typing import Any

from ganvas.errors import GanvasError

SILENCE_S = 60.0  # after which an HTTP server is taken to be gone

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class ShardError(GanvasError):
    """A shard that cannot be had: it is not there, or reading it failed again and again."""


def redacted(text: str) -> str:
    """`text` with no user, password or query in any of the addresses in it."""
    text = re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s]*@", r"\1", text)
    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?'\"]*)\?[^\s'\"]*", r"\1", text)


def is_remote(address: str) -> bool:
    """Whether an address is a URL, which fsspec opens, and not a path."""
    return _SCHEME.match(address) is not None


def filesystem_of(address: str) -> tuple[Any, str]:
    """What fsspec reads an address with, and its path there. Raises GanvasError if something is not installed."""
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError as error:
        raise GanvasError('a remote shard needs fsspec, which is not installed: pip install "ganvas[data]"') from error
    scheme = address.partition("://")[0].lower()
    settings: dict[str, object] = {}
    try:
        if scheme in ("http", "https"):
            aiohttp = importlib.import_module("aiohttp")  # what fsspec reads http with
            # Not the whole of a long read, as is the default, but each wait is limited.
            limits = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
            settings["client_kwargs"] = {"timeout": limits}
        filesystem, path = url_to_fs(address, **settings)
    except ImportError as error:
        raise GanvasError(
            f"{redacted(address)} cannot be opened ({error}): install what reads {scheme}:// with "
            f'pip install "fsspec[{scheme}]"'
        ) from error
    except ValueError as error:
        raise GanvasError(f"{redacted(address)} cannot be opened ({redacted(str(error))})") from None
    return filesystem, path
