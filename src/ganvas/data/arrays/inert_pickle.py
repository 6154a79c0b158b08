"""Data out of a pickle without unpickling it: numbers, text, lists, dicts and numpy arrays; nothing is ever run.

A pickle is a program. Python's own unpickler, even with a `find_class` that gives nothing away, still hashes what
the program builds, which can crash or stall it, and makes room for whatever place in its memo the program names.
So this is another machine, with the few instructions that data need: it makes only plain containers, and where the
program asks for a function or a class, the name is written down (if it is one of those that arrays need) and so
are the arguments. `as_array` makes an array of what was written down, from its bytes.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganvas.errors import GanvasError

LARGEST = 256 << 20  # bytes; the training file of CIFAR-100 has 155 million
MOST_STEPS = 5_000_000  # a step of one byte can take a hundred bytes of memory
_RECONSTRUCT = frozenset(("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"))
_SCALAR = frozenset(("numpy.core.multiarray scalar", "numpy._core.multiarray scalar"))
_DTYPE, _NDARRAY, _ENCODE = "numpy dtype", "numpy ndarray", "_codecs encode"
_ALLOWED = _RECONSTRUCT | _SCALAR | {_DTYPE, _NDARRAY, _ENCODE}
_ITEM = re.compile(r"[iu][1248]|f[248]")
# What damaged pickles were seen to raise, here and in pickletools.
DAMAGE = (ValueError, LookupError, TypeError, EOFError, struct.error, ArithmeticError, MemoryError, AttributeError)


@dataclass(frozen=True)
class Name:
    """A function or class that a pickle names, "module name"; it is not looked up."""

    text: str


@dataclass
class Call:
    """A call that a pickle asks for, and the state it gives to the result; it is not made."""

    function: str
    arguments: tuple[object, ...]
    state: object = None


class _Mark:
    """Where the items of a container begin on the stack."""


def load_inert(data: bytes, what: str) -> object:
    """The content of the pickle `data`: None, bool, int, float, str, bytes, list, tuple, dict, `Name` or `Call`.

    Text written by Python 2 comes as bytes. `what` names the pickle in messages. Raises GanvasError if it holds
    anything else, more than 256 MiB, or is damaged.
    """
    if len(data) > LARGEST:
        raise GanvasError(f"{what} has {len(data):,} bytes: a pickle of more than {LARGEST >> 20} MiB is not read")
    return run_inert(data, Machine(what))


def run_inert(data: bytes | BinaryIO, machine: Machine) -> object:
    """What a machine makes of a pickle; of a file the one that begins here, and the file then stands behind it.

    Raises GanvasError if the pickle asks for what the machine does not know, or is damaged.
    """
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if step == MOST_STEPS:
                raise GanvasError(f"{machine.what} has more than {MOST_STEPS:,} steps: it is no file of data; not read")
            machine.run(opcode.name, argument)
        return machine.stack.pop()
    except GanvasError:
        raise
    except DAMAGE as error:
        raise GanvasError(f"{machine.what} is not a readable pickle ({error}): copy the file again") from error


class Machine:
    """The stack and memo of a pickle while it is read."""

    ALLOWED: ClassVar[frozenset[str]] = _ALLOWED  # what a pickle may name
    ADVICE: ClassVar[str] = "save the arrays as .npz"

    def __init__(self, what: str) -> None:
        self.what = what
        self.stack: list[Any] = []
        self.memo: dict[int, object] = {}

    def run(self, opcode: str, argument: Any) -> None:
        """One instruction."""
        if opcode in _VALUES:
            self.stack.append(_VALUES[opcode](argument))
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            raise GanvasError(
                f"{self.what} is a pickle with the instruction {opcode}, which data do not need: it is not read; "
                f"{self.ADVICE}"
            )

    def since_mark(self) -> list[Any]:
        """What lies above the last mark, taken off the stack with it."""
        place = len(self.stack) - 1
        while not isinstance(self.stack[place], _Mark):
            place -= 1
            if place < 0:
                raise ValueError("a mark is missing")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def top(self, kind: type[Any]) -> Any:
        """The top of the stack, which must be of a kind."""
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"{kind.__name__} expected on the stack")
        return self.stack[-1]

    def append(self, items: list[Any]) -> None:
        self.top(list).extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Keys and values in turn. Only keys whose hash is of their own bytes: no nest of tuples, no object."""
        if not all(type(key) in (bytes, str, int) for key in items[::2]):
            raise ValueError("a key that is no text and no whole number")
        self.top(dict).update(zip(items[::2], items[1::2], strict=True))

    def name(self, text: str) -> None:
        if text not in self.ALLOWED:
            shown = text.replace(" ", ".")[:100]
            raise GanvasError(
                f"{self.what} is a pickle that asks for {shown!r}, which data do not need: nothing of it was run; "
                "do not open it with anything else unless you trust its author"
            )
        self.stack.append(Name(text))

    def named_on_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise ValueError("a name that is no text")
        self.name(f"{module} {name}")

    def call(self) -> None:
        arguments = self.stack.pop()
        function = self.top(Name)
        if type(arguments) is not tuple:
            raise ValueError("arguments that are no tuple")
        self.stack[-1] = _bytes(arguments) if function.text == _ENCODE else Call(function.text, arguments)

    def build(self) -> None:
        state = self.stack.pop()
        self.top(Call).state = state

    def tuple_of(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise ValueError("the stack is empty")
        self.stack[-count:] = [items]

    def pair(self) -> list[Any]:
        return [self.stack.pop(), self.stack.pop()][::-1]


def _bytes(arguments: tuple[object, ...]) -> bytes:
    """What Python 3 means when it writes bytes for Python 2: text, each character a byte."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":
        raise ValueError("an encoding other than latin1")
    return arguments[0].encode("latin-1")


def _same(value: Any) -> Any:
    return value


def _python_2_text(value: Any) -> bytes:
    return str(value).encode("latin-1")  # pickletools decoded it so


_VALUES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"), _same),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _same),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _same),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _python_2_text),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_DICT": lambda _: {},
    "MARK": lambda _: _Mark(),
}


def _new_dict(machine: Machine, _: Any) -> None:
    items = machine.since_mark()
    machine.stack.append({})
    machine.set_items(items)


_STEPS: dict[str, Callable[[Machine, Any], Any]] = {
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "DICT": _new_dict,
    "SETITEM": lambda machine, _: machine.set_items(machine.pair()),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    **dict.fromkeys(
        ("PUT", "BINPUT", "LONG_BINPUT"),
        lambda machine, place: machine.memo.__setitem__(place, machine.stack[-1]),
    ),
    "MEMOIZE": lambda machine, _: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.stack.append(machine.memo[place])),
    "GLOBAL": lambda machine, text: machine.name(text),
    "STACK_GLOBAL": lambda machine, _: machine.named_on_stack(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}


def as_array(value: object, what: str) -> NDArray[np.generic]:
    """The numpy array that `load_inert` wrote down, from its bytes. Raises GanvasError if it is none of numbers."""
    try:
        if not isinstance(value, Call) or value.function not in _RECONSTRUCT:
            raise ValueError("no array")
        if type(value.state) is not tuple or len(value.state) != 5:
            raise ValueError("an array without its values")
        _, shape, dtype, by_columns, raw = value.state
        if type(shape) is not tuple or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError("a shape that is none")
        item, content = _dtype(dtype), _content(raw)
        if len(content) != math.prod(shape) * item.itemsize:
            raise ValueError(f"{len(content)} bytes for the shape {list(shape)} of {item}")
        return np.frombuffer(content, item).reshape(shape, order="F" if by_columns is True else "C")
    except DAMAGE as error:
        raise GanvasError(f"{what} is not a readable array of numbers ({error}): save it again") from error


def as_whole_numbers(value: object, what: str) -> NDArray[np.int64]:
    """[N] int64 from a list of whole numbers, or an array of them. Raises GanvasError for anything else."""
    if isinstance(value, Call):
        array = as_array(value, what)
        if array.ndim == 1 and array.dtype.kind in "iu":
            return array.astype(np.int64)
    elif isinstance(value, list):
        try:
            return np.array([_whole_number(item) for item in value], np.int64)
        except DAMAGE as error:
            raise GanvasError(f"{what} are not readable numbers ({error}): save them again") from error
    raise GanvasError(f"{what} are not a list of whole numbers: save them again")


def _whole_number(item: object) -> int:
    if type(item) is int:
        return item
    if isinstance(item, Call) and item.function in _SCALAR and len(item.arguments) == 2:
        dtype, content = _dtype(item.arguments[0]), _content(item.arguments[1])
        if dtype.kind in "iu" and len(content) == dtype.itemsize:
            return int(np.frombuffer(content, dtype)[0])
    raise ValueError("no whole number")


def _dtype(value: object) -> np.dtype[Any]:
    """Whole numbers or floating point, of a size and byte order that are written down."""
    if not isinstance(value, Call) or value.function != _DTYPE or not value.arguments:
        raise ValueError("no type of numbers")
    name, order = _text(value.arguments[0]), "|"
    if type(value.state) is tuple and len(value.state) > 1:
        order = _text(value.state[1])
    if not _ITEM.fullmatch(name) or order not in ("<", ">", "|", "="):
        raise ValueError(f"the type {name[:20]!r} is not one of whole numbers or floating point")
    return np.dtype(order + name)


def _content(value: object) -> bytes:
    if type(value) is not bytes:
        raise ValueError("values that are no bytes")
    return value


def _text(value: object) -> str:
    if type(value) is bytes:
        return value.decode("latin-1")
    if type(value) is not str:
        raise ValueError("a name that is no text")
    return value
