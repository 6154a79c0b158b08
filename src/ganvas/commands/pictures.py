"""data list, check, prepare and clear."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ganvas.commands.printing import print_json, print_table
from ganvas.words import DataWords


def list_builtin(*, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> int:
    """Show the built-in data sets with size, licence and source.

    Parameters
    ----------
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.data.builtin import builtin_table

    rows = [
        {
            "name": row.name,
            "pictures": row.pictures,
            "size": "various" if row.size is None else "x".join(map(str, row.size)),
            "classes": len(row.class_names),
            "licence": row.licence,
            "source": row.origin,
            "download": ", ".join(file.file for file in row.files) or "none: comes with a package",
        }
        for row in builtin_table()
    ]
    if as_json:
        print_json({"schema": 1, "data": rows})
        return 0
    for row in rows:
        print_table([(key, str(value)) for key, value in row.items()])
        print()
    return 0


def check(
    source: str,
    /,
    *,
    full: Annotated[bool, Parameter(negative=())] = False,
    strict: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    html: Path | None = None,
    settings: Annotated[DataWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Look at pictures before training: broken files, sizes, classes, duplicates, leaks, and what will be done.

    SOURCE is a folder, a .zip or .tar, .npz, .npy, idx, CIFAR, HDF5, Parquet or Arrow files, a saved or hf:// data
    set, videos, DICOM or NIfTI, webdataset shards, a list of paths, a store, or a built-in name.

    Parameters
    ----------
    source
        Where the pictures are.
    full
        Look at every picture [default: at 2000, evenly spread, if there are more].
    strict
        Exit with 1 if there is a problem: unreadable files, leaks between training and held-out pictures, too few.
    as_json
        Print one JSON document and nothing else.
    html
        Also write the checkup as a page with pictures.
    """
    from ganvas.data.checkup.checkup import has_problems
    from ganvas.data.prepare import check_source

    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    checkup = check_source(source, full=True if full else None, quiet=as_json, **words)
    if html is not None:
        checkup.write_page(html)
    if as_json:
        print_json(checkup.to_json())
    else:
        print("\n".join(checkup.words()))
        if html is not None:
            print(f"page: {html}")
    return 1 if strict and has_problems(checkup) else 0


def prepare(
    source: str,
    dest: Path,
    /,
    *,
    processes: int | None = None,
    settings: Annotated[DataWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Decode pictures once, bring them to one size and keep them in a folder that `ganvas train` takes.

    An interrupted run goes on where it stopped when the same command is given again. The folder's manifest.json
    says what is in it, from what and how it was made, with the SHA-256 of each part.

    Parameters
    ----------
    source
        Where the pictures are: whatever `ganvas data check` understands.
    dest
        The folder to write; new, empty, or begun by the same command.
    processes
        How many decode at once [default: one a core].
    """
    from ganvas.data.prepare import prepare

    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    store = prepare(source, dest, processes=processes, **words)
    held = f", {store.held_out_count} held out" if store.held_out_count else ""
    size = f"{store.height}x{store.width}, {store.channels} channels, {store.bits} bits"
    rows = [("pictures", f"{store.train_count} to train on{held}"), ("size", size), ("labels", store.labels_note)]
    rows += [("note", note) for note in store.notes]
    rows += [("skipped", f"{name}: {reason}") for name, reason in store.skipped[:10]]
    if len(store.skipped) > 10:
        rows.append(("", f"and {len(store.skipped) - 10} more, listed in {store.path / 'manifest.json'}"))
    print_table([*rows, ("folder", str(store.path))])
    return 0


def clear() -> int:
    """Remove all prepared pictures from the cache; they are made again when needed."""
    from ganvas.data.store import clear_stores

    count, size = clear_stores()
    print(f"{count} stores removed, {size / 1e6:.1f} MB")
    return 0
