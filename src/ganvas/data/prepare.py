"""Pictures of any source, checked or written as a store: what `ganvas data check` and `ganvas data prepare` call."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ganvas.data.checkup.checkup import Checkup, check
from ganvas.data.shards.streamed import StreamedSource
from ganvas.data.sources import Given, open_source
from ganvas.data.store import Store, open_store
from ganvas.errors import UsageError
from ganvas.progress import bar
from ganvas.settings import build_data_settings


def prepare(
    source: Given, dest: str | Path, *, processes: int | None = None, quiet: bool = False, **settings: Any
) -> Store:
    """Write the pictures of `source` to the folder `dest`, decoded and brought to one size; `ganvas.train` takes it.

    settings: the fields of `DataSettings`. processes: how many decode (default: one a core). What an interrupted
    call has written is taken up. Raises GanvasError (UsageError for settings) in one line.
    """
    wanted = build_data_settings(settings)
    with bar(quiet=quiet) as show:
        opened = open_source(source, show, wanted.source_options())
        if isinstance(opened, StreamedSource):
            raise UsageError(
                f"{opened.name} is streamed, of which only a sample would be written: train on it with --stream, or "
                "copy the shards here first"
            )
        return open_store(
            opened,
            wanted.store_options(),
            location=Path(dest).expanduser(),
            progress=partial(show, "preparing pictures"),
            processes=processes,
        )


def check_source(source: Given, *, full: bool | None = None, quiet: bool = True, **settings: Any) -> Checkup:
    """Look at the pictures of `source` and say what is wrong with them and what training will do about it.

    full: look at all of them (None: at 2000 if there are more). settings: the fields of `DataSettings`, as `train`
    would get them. Raises GanvasError (UsageError for settings) if nothing can be looked at.
    """
    wanted = build_data_settings(settings)
    with bar(quiet=quiet) as show:
        opened = open_source(source, show, wanted.source_options())
        looking = partial(show, "looking at pictures")
        return check(opened, full=full, options=wanted.store_options(), previews=True, progress=looking)
