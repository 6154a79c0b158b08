"""Parquet data sets of the Hugging Face Hub: hf://datasets/ORG/NAME[@REVISION][/FOLDER or FILE].

Parquet files are taken as they lie in the repository. Where there are none, the Hub's own conversion to Parquet is
(its revision refs/convert/parquet, with a folder for each configuration). `huggingface_hub` does the talking, so its
variables apply: HF_TOKEN, HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE. No code of a repository is ever run.
"""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from ganvas.data.contract import Source
from ganvas.data.download import OFFLINE_VARIABLE, Progress, is_offline
from ganvas.data.labels import natural_sorted
from ganvas.data.options import SourceOptions
from ganvas.data.tables.table_files import SIDECAR, open_files, split_of, split_word
from ganvas.errors import GanvasError, UsageError

PREFIX = "hf://datasets/"
CONVERTED = "refs/convert/parquet"
_ADDRESS = re.compile(
    r"hf://datasets/(?P<repository>[\w.-]+/[\w.-]+)"
    r"(@(?P<revision>refs/(?:convert|pr)/[^/@]+|[^/@]+))?(/(?P<path>[^@]*))?"
)


@dataclass(frozen=True)
class HubShard:
    """One Parquet file of the Hub: an address that fsspec opens, pinned to a commit, its split and its bytes."""

    address: str
    split: str
    size: int


@dataclass(frozen=True)
class _Place:
    """What an address says: a repository ("ORG/NAME"), a revision or None, and a path in it or ""."""

    repository: str
    revision: str | None
    path: str


@dataclass(frozen=True)
class _Listing:
    """The Parquet files of a repository by their paths, with bytes, at one commit; and the revision it was found by."""

    revision: str
    commit: str
    sizes: dict[str, int]


def hub_shards(address: str) -> list[HubShard]:
    """The Parquet files that an address names, in natural order. Nothing is downloaded but their names.

    Raises UsageError if it is no such address, GanvasError if the Hub cannot be reached, refuses or holds none.
    """
    place = _parse(address)
    if _offline():
        raise GanvasError(
            f"{address} cannot be listed offline: download it once with ganvas prepare, or unset "
            f"HF_HUB_OFFLINE and {OFFLINE_VARIABLE}"
        )
    found = _list(address, place)
    start = f"{PREFIX}{place.repository}@{found.commit}/"
    return [HubShard(start + path, split_of(path), found.sizes[path]) for path in natural_sorted(found.sizes)]


def open_hub(address: str, options: SourceOptions, progress: Progress | None = None) -> Source:
    """The Parquet files that an address names, downloaded to the cache of `huggingface_hub` once and kept there.

    Offline what lies in that cache is used. `progress` is called with the address, bytes done and bytes in all.
    Raises as `hub_shards` and `ganvas.data.tables.table_files.open_table` do.
    """
    place = _parse(address)
    if _offline():
        root, paths = _cached(address, place)
    else:
        found = _list(address, place)
        paths = natural_sorted(found.sizes)
        root = _download(address, place, found, progress)
    files = [(root / path, split_of(path)) for path in paths]
    return open_files(address, root, files, options, _note_on_folders(address, place, paths))


def _note_on_folders(address: str, place: _Place, paths: list[str]) -> list[str]:
    """What to say when the files lie in several folders, which may be the same pictures in several versions."""
    start = f"{place.path}/".lstrip("/")
    first = {path.removeprefix(start).split("/")[0] for path in paths if "/" in path.removeprefix(start)}
    folders = natural_sorted(folder for folder in first if folder != "data" and split_word(folder) is None)
    if len(folders) < 2:
        return []
    return [f"the files of {', '.join(folders[:5])} are used together: for one of them give {address}/{folders[0]}"]


def _parse(address: str) -> _Place:
    match = _ADDRESS.fullmatch(address.rstrip("/"))
    path = (match["path"] or "").strip("/") if match else ""
    if match is None or {".", ".."} & set(path.split("/")):
        raise UsageError(f"{address} is no data set of the Hub: expected {PREFIX}ORG/NAME[@REVISION][/FOLDER]")
    revision = match["revision"]
    if revision is not None:
        revision = CONVERTED if revision == "~parquet" else unquote(revision)
    return _Place(match["repository"], revision, path)


def _list(address: str, place: _Place) -> _Listing:
    """The Parquet files as they are or, without any and with no revision asked for, the Hub's conversion."""
    found = _files(address, place, place.revision or "main")
    if found is not None and found.sizes:
        return found
    converted = _files(address, place, CONVERTED) if place.revision is None else None
    if converted is None or not converted.sizes:
        where = f"{place.path} of " if place.path else ""
        raise GanvasError(
            f"{address} has no Parquet files in {where}{place.repository}: give a data set that the Hub shows as "
            "Parquet, or download its files and give their folder"
        )
    chosen = _one_configuration(address, place, list(converted.sizes))
    return _Listing(converted.revision, converted.commit, {path: converted.sizes[path] for path in chosen})


def _one_configuration(address: str, place: _Place, paths: list[str]) -> list[str]:
    """Of converted files those of one configuration: the others often are the same pictures again."""
    if place.path:
        return paths
    known = natural_sorted({path.split("/")[0] for path in paths})
    if len(known) > 1 and "default" not in known:
        raise GanvasError(
            f"{address} has the configurations {', '.join(known)}: choose one, such as {PREFIX}{place.repository}/"
            f"{known[0]}"
        )
    chosen = "default" if "default" in known else known[0]
    return [path for path in paths if path.split("/")[0] == chosen]


def _files(address: str, place: _Place, revision: str) -> _Listing | None:
    """The Parquet files at a revision; None if there is no such revision of a repository that is there."""
    hub = _hub()
    files = hub.HfFileSystem(skip_instance_cache=True)  # not what was listed an hour ago
    try:
        commit = hub.HfApi().repo_info(place.repository, repo_type="dataset", revision=revision).sha
        root = f"{PREFIX.removeprefix('hf://')}{place.repository}@{commit}"
        listed = files.find(f"{root}/{place.path}".rstrip("/"), detail=True)
    except hub.errors.RevisionNotFoundError as error:
        if revision == CONVERTED and place.revision is None:
            return None
        raise GanvasError(f"{address}: {place.repository} has no revision {revision}: choose another") from error
    except _trouble() as error:
        raise GanvasError(f"{address} {_why(error, place)}") from error
    paths = {path.removeprefix(root + "/"): int(info.get("size") or 0) for path, info in listed.items()}
    return _Listing(revision, str(commit), {path: size for path, size in paths.items() if _is_shard(path)})


def _is_shard(path: str) -> bool:
    name = PurePosixPath(path).name
    if ".." in PurePosixPath(path).parts:
        return False
    return name.lower().endswith(".parquet") and not name.startswith((".", "_")) and name.lower() != SIDECAR


def _download(address: str, place: _Place, found: _Listing, progress: Progress | None) -> Path:
    """The folder of the cache that then holds the listed files under their paths."""
    total = sum(found.sizes.values())
    try:
        root = _hub().snapshot_download(
            place.repository,
            repo_type="dataset",
            revision=found.revision,
            allow_patterns=[glob.escape(path) for path in found.sizes],
            tqdm_class=None if progress is None else _bar(address, total, progress),
        )
    except _trouble() as error:
        raise GanvasError(f"{address} {_why(error, place)}") from error
    if not all(Path(root, path).is_file() for path in found.sizes):
        raise GanvasError(f"{address} was changed while it was downloaded: try again")
    if progress is not None:
        progress(address, total, total)
    return Path(root)


def _cached(address: str, place: _Place) -> tuple[Path, list[str]]:
    """What lies in the cache: its folder, and the paths of the Parquet files there that the address names."""
    for revision in (place.revision,) if place.revision else ("main", CONVERTED):
        try:
            root = _snapshot(place, revision, [])
            below = (file.relative_to(root).as_posix() for file in root.rglob("*"))
            paths = [path for path in below if _is_shard(path) and f"{path}/".startswith(f"{place.path}/".lstrip("/"))]
            if paths and revision == CONVERTED and place.revision is None:
                paths = _one_configuration(address, place, paths)
            if paths:
                folder = place.path or (paths[0].split("/")[0] if revision == CONVERTED else "")
                start = glob.escape(f"{folder}/".lstrip("/"))
                _snapshot(place, revision, [f"{start}*.parquet"])  # fails if some are known to be missing
                return root, natural_sorted(paths)
        except _trouble() as error:
            if "incomplete" in str(error):
                raise GanvasError(f"{address} was downloaded in part only: open it once while online") from error
    raise GanvasError(
        f"{address} is not in the cache of huggingface_hub, and HF_HUB_OFFLINE or {OFFLINE_VARIABLE} is set: unset "
        "both to download it, or give a folder of its Parquet files"
    )


def _snapshot(place: _Place, revision: str, patterns: list[str]) -> Path:
    """The cached folder of a revision; raises if it is not there, or is known to lack files of those patterns."""
    return Path(
        _hub().snapshot_download(
            place.repository,
            repo_type="dataset",
            revision=revision,
            allow_patterns=patterns,
            local_files_only=True,
        )
    )


def _bar(address: str, total: int, progress: Progress) -> type:
    """A progress bar for huggingface_hub that draws nothing but tells `progress` of the bytes that are written."""
    base: Any = _hub().utils.tqdm

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:  # those of tqdm, whatever they are
            self._counts = options.get("name") == "huggingface_hub.snapshot_download"
            self._bytes = 0
            super().__init__(*args, **options | {"disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            if self._counts:
                self._bytes += int(n or 0)
                progress(address, min(self._bytes, total), total)
            return None

    return Bar


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise GanvasError(
            'a data set of the Hub needs huggingface_hub, which is not installed: pip install "ganvas[data]"'
        ) from error
    return huggingface_hub


def _offline() -> bool:
    hub = _hub()
    return is_offline() or bool(hub.constants.HF_HUB_OFFLINE)


def _trouble() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises; connections fail with httpx's errors in new versions, OSError in old ones."""
    return (_hub().errors.HTTPError, OSError, ValueError)


def _why(error: Exception, place: _Place) -> str:
    """What went wrong, and what to do, for a reader who has only the address."""
    errors = _hub().errors
    status = getattr(getattr(error, "response", None), "status_code", None)
    page = f"{_hub().constants.ENDPOINT}/datasets/{place.repository}"
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return f"is gated: accept its terms at {page} and set HF_TOKEN to a token of that account"
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return "is not there, or is private: check the name and, if it is private, set HF_TOKEN"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return f"cannot be had from the Hub ({reason}): check the network and try again"
