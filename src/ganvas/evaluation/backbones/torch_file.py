"""Tensors out of files that `torch.save` wrote, without unpickling them: nothing that a file asks for is ever run.

There are two forms. Since PyTorch 1.6 it is a zip: a pickle of names, shapes and strides, and one record for each block
of numbers. Before, it was five pickles in a row (a magic number, a version, facts of the machine, the content, the
names of the blocks) and then the blocks, each with its length in front. Of the pickles only plain data, the four names
that a state dict needs and references to blocks are understood (see `ganvas.data.arrays.inert_pickle`).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganvas.data.arrays.inert_pickle import DAMAGE, LARGEST, Machine, Name, run_inert
from ganvas.errors import GanvasError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # what the older form begins with
_STORAGES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch LongStorage": np.dtype("<i8"),
}
_REBUILD, _ORDERED_DICT = "torch._utils _rebuild_tensor_v2", "collections OrderedDict"
_UNREADABLE = (*DAMAGE, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)

Keep = Callable[[str], bool]


@dataclass(frozen=True)
class _Block:
    """Numbers that tensors lie in: `count` of them, under the name `key`."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies in its block, in numbers, not bytes."""

    block: _Block
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _TorchMachine(Machine):
    """Plain data, `_Place` for a tensor and dict for an OrderedDict; every other name or instruction is refused."""

    ALLOWED: ClassVar[frozenset[str]] = frozenset((_REBUILD, _ORDERED_DICT, *_STORAGES))
    ADVICE: ClassVar[str] = "save the state dict as safetensors"

    def run(self, opcode: str, argument: Any) -> None:
        if opcode == "BINPERSID":
            self.stack.append(_block(self.stack.pop()))
        else:
            super().run(opcode, argument)

    def call(self) -> None:
        arguments = self.stack.pop()
        function = self.top(Name).text
        if type(arguments) is not tuple:
            raise ValueError("arguments that are no tuple")
        if function == _REBUILD:
            self.stack[-1] = _place(arguments)
        elif function == _ORDERED_DICT and not arguments:
            self.stack[-1] = {}
        else:
            raise ValueError(f"a call of {function}")

    def build(self) -> None:
        self.stack.pop()  # versions of the modules, which a state dict has as an attribute
        self.top(dict)


def read_torch_file(path: Path, keep: Keep = lambda name: True) -> dict[str, Tensor]:
    """The state dict in a file of `torch.save`: {name: tensor}, on the CPU, each with memory of its own.

    keep: which names to read; others cost no memory. float32, float16 and int64 are known. Raises GanvasError for a
    file with anything but tensors by name, for one that asks for a function or class, and for a damaged one.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                with zipfile.ZipFile(file) as archive:
                    return _read_zip(archive, str(path), keep)
            file.seek(0)
            return _read_older(file, str(path), keep)
    except GanvasError:
        raise
    except _UNREADABLE as error:
        raise GanvasError(f"{path} is not a readable file of torch.save ({error}): fetch it again") from error


def _read_zip(archive: zipfile.ZipFile, what: str, keep: Keep) -> dict[str, Tensor]:
    records = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in records if name.endswith("/data.pkl")]
    if len(pickles) != 1 or records[pickles[0]].file_size > LARGEST:
        raise ValueError("it should hold one data.pkl, of at most 256 MiB")
    if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
        raise ValueError("it is compressed, which torch.save never does")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in records and archive.read(f"{root}byteorder") != b"little":
        raise ValueError("its numbers are big-endian")
    places = _state_dict(run_inert(archive.read(pickles[0]), _TorchMachine(what)), what, keep)

    def read(block: _Block) -> NDArray[Any]:
        return np.frombuffer(bytearray(archive.read(f"{root}data/{block.key}")), block.dtype)

    return _tensors(places, read)


def _read_older(file: BinaryIO, what: str, keep: Keep) -> dict[str, Tensor]:
    if (run_inert(file, Machine(what)), run_inert(file, Machine(what))) != (MAGIC, VERSION):
        raise ValueError("it does not begin as one")
    facts = run_inert(file, Machine(what))
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise ValueError("its numbers are big-endian")
    content = run_inert(file, _TorchMachine(what))
    every = _state_dict(content, what, lambda name: True)
    blocks = {place.block.key: place.block for place in every.values()}
    keys = run_inert(file, Machine(what))
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(blocks):
        raise ValueError("the names of its blocks are not those of its tensors")
    starts: dict[str, int] = {}
    for key in keys:
        block = blocks[key]
        if int.from_bytes(file.read(8), "little") != block.count:
            raise ValueError("the length of a block is not that of its tensors")
        starts[key] = file.tell()
        file.seek(block.count * block.dtype.itemsize, 1)

    def read(block: _Block) -> NDArray[Any]:
        file.seek(starts[block.key])
        return np.fromfile(file, block.dtype, block.count)

    return _tensors({name: place for name, place in every.items() if keep(name)}, read)


def _state_dict(content: object, what: str, keep: Keep) -> dict[str, _Place]:
    if not isinstance(content, dict) or not all(type(name) is str for name in content):
        raise GanvasError(f"{what} holds no state dict (tensors by name): save `network.state_dict()` alone")
    others = [name for name, place in content.items() if not isinstance(place, _Place)]
    if others:
        raise GanvasError(f"{what} holds {others[0][:60]!r}, which is no tensor: save `network.state_dict()` alone")
    return {name: place for name, place in content.items() if keep(name)}


def _tensors(places: Mapping[str, _Place], read: Callable[[_Block], NDArray[Any]]) -> dict[str, Tensor]:
    """Each tensor copied out of its block; `read` gives the numbers of a block."""
    tensors = {}
    for name, place in places.items():
        values = read(place.block)
        if len(values) != place.block.count:
            raise ValueError(f"{name} is cut off")
        within = torch.from_numpy(values).as_strided(place.shape, place.strides, place.offset)
        tensors[name] = within.clone(memory_format=torch.contiguous_format)
    return tensors


def _block(reference: object) -> _Block:
    """The reference ("storage", type, key, device, count), in the older form with None behind it."""
    if type(reference) is not tuple or len(reference) not in (5, 6) or reference[0] != "storage":
        raise ValueError("a reference to something else than numbers")
    kind, key, count = reference[1], reference[2], reference[4]
    if len(reference) == 6 and reference[5] is not None:
        raise ValueError("a block that is part of another one")
    if type(kind) is not Name or kind.text not in _STORAGES or type(key) is not str or not key.isalnum():
        raise ValueError("a block of numbers without type or name")
    return _Block(key, _STORAGES[kind.text], _natural(count))


def _place(arguments: tuple[object, ...]) -> _Place:
    """(block, offset, shape, strides, requires_grad, hooks, ...); what follows the strides is of no use here."""
    block, offset, shape, strides = arguments[:4]
    if type(block) is not _Block or type(shape) is not tuple or type(strides) is not tuple or len(shape) > 8:
        raise ValueError("a tensor without numbers, shape or strides")
    place = _Place(block, _natural(offset), tuple(map(_natural, shape)), tuple(map(_natural, strides)))
    reach = place.offset + sum((side - 1) * step for side, step in zip(place.shape, place.strides, strict=True)) + 1
    numbers = prod(place.shape)
    if numbers > block.count or (numbers and reach > block.count):
        raise ValueError("a tensor that is larger than its block")
    return place


def _natural(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**40:
        raise ValueError("a size that is none")
    return value
