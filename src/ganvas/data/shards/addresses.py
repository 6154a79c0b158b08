"""Which shards an address means: ranges and choices in braces, patterns, folders, here or on an object store."""

from __future__ import annotations

import glob
import gzip
import itertools
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganvas.data.labels import natural_sorted
from ganvas.data.shards.remote import ShardError, filesystem_of, is_remote, redacted
from ganvas.data.shards.tar_samples import holds_samples
from ganvas.errors import GanvasError, UsageError

MOST_SHARDS = 1_000_000
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
PARQUET_SUFFIXES = (".parquet", ".pq")
_RANGE = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")
_CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")


def expand(address: str) -> list[str]:
    """The shards that an address means, in order.

    It may hold brace ranges {000..127} and choices {a,b}, join several addresses by "::", be a pattern (*), or
    name a folder of shards; local, or of any kind that fsspec opens. Raises GanvasError if nothing is there.
    """
    shards: list[str] = []
    for part in re.split(r"::(?![^\[]*\])", address):  # but not within the brackets of http://[::1]/
        for one in _without_braces(part):
            shards += _listed_remote(one) if is_remote(one) else _listed_local(one)
            if len(shards) > MOST_SHARDS:
                raise _too_many(address)
    return shards


def is_shards(address: str) -> bool:
    """Whether an address means shards: a URL, several addresses, or local tars that hold samples (no decoding)."""
    if is_remote(address) or "::" in address or _RANGE.search(address) or _CHOICE.search(address):
        return True
    try:
        first = next(path for path in _listed_local(address) if path.lower().endswith(TAR_SUFFIXES))
        return _is_shard(Path(first))
    except (StopIteration, GanvasError):
        return False


def _without_braces(address: str) -> Iterator[str]:
    """Every way to read the braces of an address, in order. Raises UsageError for a million or more."""
    choices: list[Sequence[str]] = []
    position = 0
    for found in re.finditer(f"{_RANGE.pattern}|{_CHOICE.pattern}", address):
        choices.append((address[position : found.start()],))
        position = found.end()
        if found[3] is not None:
            choices.append(found[3].split(","))
            continue
        first, last = int(found[1][:20]), int(found[2][:20])
        if last < first or last - first >= MOST_SHARDS:
            raise (
                _too_many(address)
                if last > first
                else UsageError(f"{redacted(address)} counts down in {found[0]}: write the smaller number first")
            )
        width = len(found[1]) if len(found[1]) == len(found[2]) or found[1].startswith("0") else 0
        choices.append([f"{number:0{width}d}" for number in range(first, last + 1)])
    if math.prod(map(len, choices)) > MOST_SHARDS:
        raise _too_many(address)
    return ("".join(parts) + address[position:] for parts in itertools.product(*choices))


def _too_many(address: str) -> GanvasError:
    return UsageError(f"{redacted(address)} means more than {MOST_SHARDS} shards: use larger shards")


def _listed_local(address: str) -> list[str]:
    path = Path(address).expanduser()
    if path.is_dir():
        files = [str(file) for file in path.rglob("*") if file.is_file()]
        found = _shards_among(files)
        if not found:
            raise GanvasError(f"{address} holds no shards: expected files named .tar, .tar.gz or .parquet")
        return found
    if path.is_file():
        return [str(path)]
    matches = [file for file in glob.glob(str(path), recursive=True) if os.path.isfile(file)]
    if not matches:
        raise GanvasError(f"{address} is not there: give shards, a folder of shards or a pattern such as 'train-*.tar'")
    return natural_sorted(matches)


def _listed_remote(address: str) -> list[str]:
    scheme, _, rest = address.partition("://")
    bare = redacted(address).lower()
    pattern = "*" in rest
    if not pattern and (scheme in ("http", "https") or bare.endswith(TAR_SUFFIXES + PARQUET_SUFFIXES)):
        return [address]
    filesystem, path = filesystem_of(address)
    try:
        files = filesystem.glob(path) if pattern else filesystem.find(path)
        if not pattern and len(files) == 1 and files[0].rstrip("/").endswith(path.rstrip("/")):
            return [address]  # one shard without a usual ending
        found = natural_sorted(files) if pattern else _shards_among(files)
    except Exception as error:
        reason = redacted(f"{type(error).__name__}: {error}")
        raise ShardError(f"{redacted(address)} cannot be listed ({reason}): check it, and your access to it") from None
    if not found:
        raise GanvasError(f"{redacted(address)} holds no shards: expected files named .tar, .tar.gz or .parquet")
    return [str(filesystem.unstrip_protocol(file)) for file in found]


def _shards_among(files: Sequence[str]) -> list[str]:
    """The tars, or without any the Parquet files, in natural order."""
    for suffixes in (TAR_SUFFIXES, PARQUET_SUFFIXES):
        found = [file for file in files if file.lower().endswith(suffixes)]
        if found:
            return natural_sorted(found)
    return []


def _is_shard(path: Path) -> bool:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            return holds_samples(gzip.GzipFile(fileobj=raw) if packed else raw)
    except (OSError, EOFError, zlib.error):
        return False
