"""The folder of a synthetic set: class folders, metadata.jsonl, manifest.json and CARD.md.

It is written under another name (*.partial), with a journal of what is done, and renamed when whole: whoever gives the
same command again, after a kill or a full disk, goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from ganvas.data.cache import locks_folder, remove, sync_folder
from ganvas.data.labels import HELD_OUT_FOLDERS, TRAINING_FOLDERS
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.metrics.labelled import Labelled
from ganvas.images import Integers, save_png
from ganvas.synthetic.filling import KEPT, Picture, Round
from ganvas.synthetic.filters import digest
from ganvas.training.run_folder import write_text_atomically

MANIFEST, CARD, METADATA, JOURNAL, PIXELS = "manifest.json", "CARD.md", "metadata.jsonl", "journal.jsonl", "pixels.tmp"
PARTIAL = ".partial"
KIND = "ganvas synthetic set"


def key_of(made_of: Mapping[str, Any]) -> str:
    """Equal exactly when the same set would be made."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def check_out(out: Path, key: str) -> dict[str, Any] | None:
    """The manifest of the set that `out` holds already, whole; None if it can be written there.

    Raises UsageError for a folder that holds anything else.
    """
    if not out.name:
        raise UsageError(f"--out {out}: give a folder that does not exist yet")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file: give a folder that does not exist yet")
    if not out.is_dir() or not any(out.iterdir()):
        return None
    held = _manifest(out)
    if held.get("key") == key:
        return held
    what = "a synthetic set that was made otherwise" if held.get("kind") == KIND else "other files"
    raise UsageError(f"--out {out} already holds {what}: give a new or an empty folder")


@contextmanager
def set_in_work(out: Path, key: str, class_names: Sequence[str]) -> Iterator[SetInWork]:
    """The set to be, begun or gone on with. Raises UsageError if something else is in its place, GanvasError if
    another process writes it.
    """
    partial = out.with_name(out.name + PARTIAL)
    locks_folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks_folder() / f"{hashlib.sha256(os.fsencode(partial)).hexdigest()[:32]}.lock")
    try:
        with lock.acquire(timeout=0):
            yield SetInWork(partial, key, class_names)
    except Timeout:
        raise GanvasError(f"{out} is being written by another process: wait for it, or give another --out") from None


class SetInWork:
    """A synthetic set that is being made in the folder `path`. lines: what an earlier call has noted."""

    def __init__(self, path: Path, key: str, class_names: Sequence[str]) -> None:
        self.path, self.folders = path, class_folders(class_names)
        self.lines: list[dict[str, Any]] = []
        journal = path / JOURNAL
        # Whole but for its name: killed just before it got that.
        self.is_finished = not journal.exists() and _manifest(path).get("key") == key
        if path.exists() and any(path.iterdir()) and not journal.exists() and not self.is_finished:
            raise UsageError(f"{path} is in the way and holds no set of this command: move it, or give another --out")
        path.mkdir(parents=True, exist_ok=True)
        if journal.exists():
            self._read(journal)
        if not self.lines and not self.is_finished:
            self.note({"key": key})
        elif self.lines and self.lines[0].get("key") != key:
            raise UsageError(
                f"{path} was begun by another command (model, data or settings differ): give that one again, remove "
                "the folder, or give another --out"
            )

    def _read(self, journal: Path) -> None:
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]  # a kill may have left half a line
        if whole != data:
            with journal.open("r+b") as file:
                file.truncate(len(whole))
        try:
            self.lines = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise GanvasError(f"{journal} is damaged ({error}): remove {self.path} to begin anew") from None

    def note(self, line: Mapping[str, Any]) -> None:
        """One line more in the journal, safely on disk."""
        with (self.path / JOURNAL).open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def save(self, done: Round, pictures: Sequence[Integers], metadata: Sequence[Mapping[str, str]]) -> None:
        """The pictures [C, H, W] that a round has left, with what each tells of itself; then the round."""
        kept = [(done.first_seed + i, done.classes[i]) for i, outcome in enumerate(done.outcomes) if outcome == KEPT]
        for (seed, label), picture, told in zip(kept, pictures, metadata, strict=True):
            path = self.path / self.place(seed, label)
            path.parent.mkdir(exist_ok=True)
            save_png(path, picture.transpose(1, 2, 0), told)
        self.note({"round": done.__dict__})

    def rounds(self) -> Iterator[Round]:
        """Those that were saved."""
        return (Round(**line["round"]) for line in self.lines if "round" in line)

    def place(self, seed: int, label: int) -> str:
        """Where a picture lies in the folder."""
        return f"{self.folders[label]}/seed{seed:08d}.png"

    def read(self, pictures: Sequence[Picture], like: Integers) -> Labelled:
        """The pictures as they lie there, in a file of raw pixels that is mapped: [N, C, H, W] like `like`.

        Raises GanvasError for one that is not what was drawn.
        """
        shape = (len(pictures), *like.shape[1:])
        images = np.memmap(self.path / PIXELS, like.dtype, "w+", shape=shape)
        for place, picture in zip(images, pictures, strict=True):
            path = self.path / self.place(picture.seed, picture.label)
            try:
                with Image.open(path, formats=("PNG",)) as file:
                    pixels = np.asarray(file)
                place[:] = (pixels[..., None] if pixels.ndim == 2 else pixels).transpose(2, 0, 1)
            except (OSError, ValueError, SyntaxError) as error:
                raise GanvasError(f"{path} cannot be read ({error}): remove {self.path} to begin anew") from None
            if digest(place) != picture.digest:
                raise GanvasError(f"{path} is not what was drawn: remove {self.path} to begin anew")
        return Labelled(images, np.array([picture.label for picture in pictures], np.int64))

    def finish(self, out: Path, pictures: Sequence[Picture], names: Sequence[str], manifest: str, card: str) -> None:
        """Table, card and manifest; away with what a kill left over; then its own name."""
        rows = sorted(pictures, key=lambda picture: (picture.label, picture.seed))
        kept = {self.place(picture.seed, picture.label) for picture in rows}
        for folder in [path for path in self.path.iterdir() if path.is_dir()]:
            for path in list(folder.iterdir()):
                if path.relative_to(self.path).as_posix() not in kept:
                    remove(path)
            if not any(folder.iterdir()):
                folder.rmdir()
        remove(self.path / PIXELS)
        lines = [
            {
                "file_name": self.place(picture.seed, picture.label),
                "label": names[picture.label],
                "seed": picture.seed,
                "certainty": round(picture.certainty, 4),
                "d_logit": round(picture.logit, 4),
            }
            for picture in rows
        ]
        table = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        for name, text in ((METADATA, table), (CARD, card), (MANIFEST, manifest)):
            write_text_atomically(self.path / name, text)
        remove(self.path / JOURNAL)
        self.rename(out)

    def rename(self, out: Path) -> None:
        """Give the finished set its name."""
        try:
            if out.is_dir():
                out.rmdir()  # it was empty
        except OSError:
            raise GanvasError(
                f"something was put into {out} meanwhile: move it, and give the same command again (the set lies "
                f"finished in {self.path})"
            ) from None
        os.replace(self.path, out)
        sync_folder(out.parent)

    def forget(self) -> None:
        """Remove all of it."""
        remove(self.path)


def class_folders(class_names: Sequence[str]) -> list[str]:
    """A folder name for each class that every system can write and that is not taken for a split: mostly its name."""
    found: list[str] = []
    for number, name in enumerate(class_names):
        safe = re.sub(r"[^\w .+,()-]", "_", name).strip(" .")[:60]
        taken = {folder.casefold() for folder in found}
        if safe != name or not safe or safe.casefold() in taken | TRAINING_FOLDERS | HELD_OUT_FOLDERS | _NOT_OURS:
            safe = f"class{number} {safe}".rstrip()
        found.append(safe)
    return found


# What Windows keeps for devices, and what systems put into folders.
_NOT_OURS = frozenset(("con", "prn", "aux", "nul", "__macosx", *(f"{d}{i}" for d in ("com", "lpt") for i in range(10))))


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        held = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}
