"""Checkpoints that survive: safetensors and JSON only, written beside and renamed, with a manifest of hashes.

Order of writes: files into `NAME.tmp-PID/`, MANIFEST.json, each flushed to disk; rename of the folder; `latest`, then
`best`; only then is anything older taken away. Whatever kills the process, the checkpoint before is whole and is found.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.data.cache import remove, sync_folder
from ganvas.errors import GanvasError
from ganvas.hashing import sha256_of
from ganvas.processes import process_lives
from ganvas.training.run_folder import thousands, write_text_atomically
from ganvas.weights import load_weights, save_weights

SCHEMA = 2  # 1 had no hash of the manifest itself; it is still read
KEEP = 2
MANIFEST, WEIGHTS, COUNTERS, PERMANENT = "MANIFEST.json", "state.safetensors", "state.json", "PERMANENT"
_NAME = re.compile(r"(\d{6,})(?:\.(\d{1,3}))?")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and counters that JSON can hold."""

    tensors: dict[str, Tensor]
    counters: dict[str, Any]


def save_checkpoint(
    folder: Path, checkpoint: Checkpoint, keep: int = KEEP, *, best: bool = False, permanent: bool = False
) -> Path:
    """Write one checkpoint below `folder`, point `latest` (and `best`) at it, remove what need not be kept.

    Kept are the newest `keep` that are whole, the best and the permanent ones. Raises OSError or GanvasError when the
    disk refuses; then nothing has changed.
    """
    name = thousands(int(checkpoint.counters["images"]))
    final, partial = folder / name, folder / f"{name}.tmp-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        save_weights(partial / WEIGHTS, checkpoint.tensors)
        (partial / COUNTERS).write_text(json.dumps(checkpoint.counters), encoding="utf-8")
        if permanent or is_permanent(final):
            (partial / PERMANENT).write_text("kept until somebody removes it\n", encoding="utf-8")
        files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in sorted(partial.iterdir())}
        (partial / MANIFEST).write_text(_manifest_text(files), encoding="utf-8")
        for path in partial.iterdir():
            _flush(path)
        sync_folder(partial)
        _put_in_place(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    write_text_atomically(folder / "latest", name)
    if best:
        write_text_atomically(folder / "best", name)
    _remove_old(folder, keep, written=final)
    return final


def load_newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and one line for each newer one that is damaged. None when there is none."""
    problems: list[str] = []
    for path in reversed(list_checkpoints(folder)):
        try:
            return load_checkpoint(path), problems
        except GanvasError as error:
            problems.append(str(error))
    return None, problems


def load_best_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The checkpoint that `best` names; the newest whole one where there is no best or it is damaged, which is said."""
    name = _pointed(folder / "best")
    if name is None:
        problem = f"{folder} names no best checkpoint"
    else:
        try:
            return load_checkpoint(folder / name), []
        except GanvasError as error:
            problem = str(error)
    newest, problems = load_newest_checkpoint(folder)
    problems = [f"{problem}: the newest is used instead", *(p for p in problems if p != problem)]
    return newest, problems


def load_checkpoint(path: Path) -> Checkpoint:
    """One checkpoint, every byte of it checked first. Raises GanvasError naming checkpoint and file that is damaged."""
    check_checkpoint(path)
    try:
        counters = json.loads((path / COUNTERS).read_text(encoding="utf-8"))
        tensors = load_weights(path / WEIGHTS)
    except (OSError, ValueError, RecursionError) as error:
        raise GanvasError(f"checkpoint {path} cannot be read: {error}") from None
    if not isinstance(counters, dict) or type(counters.get("images")) is not int:
        raise GanvasError(f"checkpoint {path} is damaged: {COUNTERS} does not hold the counters of a run")
    of_name = _images_of(path.name)
    if of_name is not None and of_name != counters["images"]:
        raise GanvasError(
            f"checkpoint {path} is damaged: {COUNTERS} says {counters['images']} images, its folder's name {of_name}"
        )
    return Checkpoint(tensors, counters)


def check_checkpoint(path: Path) -> None:
    """Compare all files of a checkpoint with its manifest. Raises GanvasError naming the first that is damaged."""
    files = _read_manifest(path)
    try:
        # Hidden files are what file managers and network disks leave there; nothing ever reads them.
        present = {p.name for p in path.iterdir() if not p.name.startswith(".")} - {MANIFEST}
        for name in sorted(present | files.keys() | {WEIGHTS, COUNTERS}):
            if name not in present:
                raise GanvasError(f"checkpoint {path} is damaged: {name} is missing")
            if name not in files:
                raise GanvasError(f"checkpoint {path} is damaged: {name} is not in its manifest")
            file, facts = path / name, files[name]
            if not file.is_file() or (file.stat().st_size, sha256_of(file)) != (facts["bytes"], facts["sha256"]):
                raise GanvasError(f"checkpoint {path} is damaged: {name} does not match its manifest")
    except OSError as error:
        raise GanvasError(f"checkpoint {path} cannot be read: {error.strerror}") from None


def is_whole(path: Path) -> bool:
    """Whether `check_checkpoint` finds nothing."""
    try:
        check_checkpoint(path)
    except GanvasError:
        return False
    return True


def is_permanent(path: Path) -> bool:
    """Whether a checkpoint was saved to stay."""
    return (path / PERMANENT).is_file()


def list_checkpoints(folder: Path) -> list[Path]:
    """Finished checkpoints, whole or damaged, oldest first."""
    if not folder.is_dir():
        return []
    found = [(images, p) for p in folder.iterdir() if (images := _images_of(p.name)) is not None and p.is_dir()]
    return [path for _, path in sorted(found)]


def forget_after(folder: Path, images: int) -> None:
    """Remove every checkpoint of more images, the best and the permanent too: the run has gone back and will not use
    them. What is newest afterwards is where it goes on, also after a kill; a kill amid this leaves a whole sequence.
    """
    kept = [path for path in list_checkpoints(folder) if (_images_of(path.name) or 0) <= images]
    if kept:
        write_text_atomically(folder / "latest", kept[-1].name)
    best = _pointed(folder / "best")
    if best is not None and (_images_of(best) or 0) > images:
        (folder / "best").unlink()
    for path in reversed(list_checkpoints(folder)[len(kept) :]):
        shutil.rmtree(_moved_away(path), ignore_errors=True)


def sweep(folder: Path, *, locked: bool = False) -> None:
    """Clear up after killed processes, never what a living one writes. For the process that trains here, at its start.

    locked: this process holds the run's lock, so nobody else writes, whoever has an old number now.

    What was complete and only not yet renamed becomes the checkpoint that it is; what is half goes.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.tmp-*")):
        name, _, pid = path.name.rpartition(".tmp-")
        if not locked and pid != str(os.getpid()) and pid.isdigit() and process_lives(int(pid)):
            continue  # with this process's own number it is an earlier one's: this one has not begun to write
        with contextlib.suppress(OSError):  # what cannot be written is said when something must be
            if _images_of(name) is not None and not (folder / name).exists() and is_whole(path):
                path.rename(folder / name)
            else:
                remove(path)


def network_tensors(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a network under `prefix.`."""
    return {f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()}


def restore_network(prefix: str, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Undo `network_tensors`, strictly."""
    own = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
    network.load_state_dict(own, strict=True)


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers per parameter. Its learning rates are not state: they follow from the progress."""
    tensors = {}
    for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        for name, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{prefix}.{i}.{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Undo `optimizer_tensors`. Memory formats follow the parameters', as the fused optimisers expect."""
    for i, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        state = {}
        for key, value in tensors.items():
            if not key.startswith(f"{prefix}.{i}."):
                continue
            name = key.split(".", 2)[2]
            if value.shape == parameter.shape and value.dim() > 0:
                state[name] = torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(value).detach()
            else:
                state[name] = value.clone()
        if state:
            optimizer.state[parameter] = state


def _put_in_place(partial: Path, final: Path) -> None:
    """Rename `partial` to `final`. The same moment may be there already, with the same content or with another."""
    if is_whole(final) and (final / MANIFEST).read_bytes() == (partial / MANIFEST).read_bytes():
        return
    replaced = _moved_away(final) if final.exists() else None
    partial.rename(final)  # a kill just before leaves `partial` complete: `sweep` puts it in place
    sync_folder(final.parent)
    if replaced is not None:
        shutil.rmtree(replaced, ignore_errors=True)


def _remove_old(folder: Path, keep: int, *, written: Path) -> None:
    """Take away what is older than the newest `keep` whole ones, is not the best and was not saved to stay."""
    best, whole = _pointed(folder / "best"), 0
    for path in reversed(list_checkpoints(folder)):
        if whole < keep:
            whole += path == written or is_whole(path)  # a damaged one does not count: two that load must be there
        elif path != written and path.name != best and not is_permanent(path):
            with contextlib.suppress(OSError):  # the new one is written, whatever becomes of the old
                shutil.rmtree(_moved_away(path))


def _moved_away(path: Path) -> Path:
    """Rename a checkpoint so that it is none any more: a kill amid its removal leaves nothing that looks like one."""
    away = path.with_name(f"{path.name}.old.tmp-{os.getpid()}")
    shutil.rmtree(away, ignore_errors=True)
    return path.rename(away)


def _pointed(pointer: Path) -> str | None:
    """The name of the checkpoint in a pointer file; None if there is none to be read."""
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return name if _images_of(name) is not None else None


def _images_of(name: str) -> int | None:
    """Undo `thousands`: the images that a checkpoint's folder is named after, None for any other name."""
    found = _NAME.fullmatch(name)
    return int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0")) if found else None


def _manifest_text(files: Mapping[str, Any]) -> str:
    """The one way to write a manifest: sizes and hashes of all files, and the hash of that."""
    body = {"schema": SCHEMA, "files": dict(files)}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, sort_keys=True)


def _read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The files that a checkpoint consists of. A manifest that is not letter by letter what was written is refused."""
    try:
        text = (path / MANIFEST).read_bytes().decode("utf-8")
        manifest = json.loads(text)
        schema, files = manifest["schema"], dict(manifest["files"])
        well_formed = all(type(f["bytes"]) is int and type(f["sha256"]) is str for f in files.values())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise GanvasError(f"checkpoint {path} has no readable {MANIFEST}") from None
    if type(schema) is int and schema > SCHEMA:
        raise GanvasError(f"checkpoint {path} has schema {schema}, this version reads up to {SCHEMA}: update ganvas")
    first = schema == 1 and manifest.keys() == {"schema", "files"}
    if not well_formed or not (first or text == _manifest_text(files)):
        raise GanvasError(f"checkpoint {path} is damaged: {MANIFEST} is not as it was written")
    return files


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
