"""Ways to damage a checkpoint on disk. Each does one thing and returns the file that the finding must name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MANIFEST, WEIGHTS, COUNTERS = "MANIFEST.json", "state.safetensors", "state.json"
FILES = (MANIFEST, WEIGHTS, COUNTERS)
Damage = Callable[[Path, Path, np.random.Generator], str]  # the checkpoint, another one, chance


def flip(name: str, bits: int) -> Damage:
    """So many bits anywhere in one file."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        data = bytearray((checkpoint / name).read_bytes())
        for place in rng.choice(len(data), bits, replace=False):
            data[place] ^= 1 << int(rng.integers(8))
        (checkpoint / name).write_bytes(data)
        return name

    return damage


def cut(name: str) -> Damage:
    """The end of one file missing, or all of it."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        data = (checkpoint / name).read_bytes()
        (checkpoint / name).write_bytes(data[: int(rng.integers(len(data)))])
        return name

    return damage


def grow(name: str) -> Damage:
    """Zeros behind one file, as a file system leaves them after a power cut."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        with (checkpoint / name).open("ab") as file:
            file.write(bytes(int(rng.integers(1, 4096))))
        return name

    return damage


def blank(name: str) -> Damage:
    """One file of the right length, a stretch of it zeros."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        data = bytearray((checkpoint / name).read_bytes())
        filled = [i for i, byte in enumerate(data) if byte]
        start = int(rng.choice(filled))
        length = min(int(rng.integers(1, 200)), len(data) - start)
        data[start : start + length] = bytes(length)
        (checkpoint / name).write_bytes(data)
        return name

    return damage


def lose(name: str) -> Damage:
    """One file gone."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        (checkpoint / name).unlink()
        return name

    return damage


def of_the_other(name: str) -> Damage:
    """One file of another checkpoint, which is whole in itself."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        shutil.copy(other / name, checkpoint / name)
        return COUNTERS if name == MANIFEST else name  # the first that does not fit

    return damage


def swap(first: str, second: str) -> Damage:
    """Two files under each other's names."""

    def damage(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
        (checkpoint / first).rename(checkpoint / "between")
        (checkpoint / second).rename(checkpoint / first)
        (checkpoint / "between").rename(checkpoint / second)
        return MANIFEST if MANIFEST in (first, second) else COUNTERS

    return damage


def add(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
    """One file too many."""
    name = f"more-{rng.integers(1000)}.bin"
    (checkpoint / name).write_bytes(rng.bytes(10))
    return name


def fold(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
    """A folder where a file should be."""
    name = str(rng.choice(FILES))
    (checkpoint / name).unlink()
    (checkpoint / name).mkdir()
    return name


def empty(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
    """All files gone, the folder left."""
    for path in checkpoint.iterdir():
        path.unlink()
    return MANIFEST


def rename(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
    """A whole checkpoint under the name of another moment."""
    shutil.rmtree(checkpoint)
    shutil.copytree(other, checkpoint)
    return COUNTERS


def retype(checkpoint: Path, other: Path, rng: np.random.Generator) -> str:
    """A manifest of valid JSON whose values are of other types."""
    manifest = json.loads((checkpoint / MANIFEST).read_text())
    strange: list[Any] = [
        None,
        [],
        {},
        True,
        1.5,
        "2",
        -1,
        ["state.json"],
        {"bytes": "many"},
        {"bytes": 1, "sha256": 2},
    ]
    value = strange[int(rng.integers(len(strange)))]
    key = str(rng.choice(["all of it", *manifest, *manifest["files"]]))
    if key == "all of it":
        manifest = value
    elif key in manifest:
        manifest[key] = value
    else:
        manifest["files"][key] = value
    (checkpoint / MANIFEST).write_text(json.dumps(manifest))
    return MANIFEST


DAMAGES: dict[str, Damage] = {
    **{f"one bit of {name}": flip(name, 1) for name in FILES},
    **{f"eight bits of {name}": flip(name, 8) for name in FILES},
    **{f"{name} cut off": cut(name) for name in FILES},
    **{f"{name} grown": grow(name) for name in FILES},
    **{f"{name} blanked": blank(name) for name in FILES},
    **{f"{name} gone": lose(name) for name in FILES},
    **{f"{name} of another checkpoint": of_the_other(name) for name in FILES},
    "counters and weights swapped": swap(COUNTERS, WEIGHTS),
    "manifest and counters swapped": swap(MANIFEST, COUNTERS),
    "a file too many": add,
    "a folder for a file": fold,
    "all files gone": empty,
    "another moment's name": rename,
    "a manifest of other types": retype,
}
