"""Pickles as data: arrays, numbers and text come out; whatever a pickle would run is refused and does not run."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.arrays import inert_pickle
from ganvas.data.arrays.inert_pickle import as_array, as_whole_numbers, load_inert
from ganvas.errors import GanvasError

VALUES = np.arange(24, dtype=np.uint8).reshape(4, 6)
# What Python 2 and the numpy of its day wrote for {"labels": [6, 9], "data": uint8 [[1, 2, 3], [4, 5, 6]]}.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06K\teU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05"
    b"cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87R"
    b"q\t(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06\x01\x02\x03\x04\x05\x06tbu."
)


def test_a_batch_written_by_python_2_is_read_with_bytes_as_its_text():
    content = load_inert(PYTHON_2, "batch")
    assert list(content) == [b"labels", b"data"]
    assert as_whole_numbers(content[b"labels"], "labels").tolist() == [6, 9]
    assert as_array(content[b"data"], "data").tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<f4", "<f8"])
def test_arrays_come_back_as_they_were(protocol, dtype):
    for values in (VALUES.astype(dtype), np.asfortranarray(VALUES.astype(dtype)), VALUES[:1, 2:5].astype(dtype)):
        content = load_inert(pickle.dumps({"data": values}, protocol), "file")
        np.testing.assert_array_equal(as_array(content["data"], "data"), values)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_plain_data_come_back_as_they_were(protocol):
    content = {
        "a": [1, -2, 2**70, 1.5, None, True, False],
        3: ("x", ("ä",)),
        "empty": [[], (), {}],
        "b": {b"c": [b"d"]},
    }
    assert load_inert(pickle.dumps(content, protocol), "file") == content


def test_whole_numbers_come_from_lists_numpy_numbers_and_arrays():
    for values in ([3, 1], [np.int64(3), np.uint8(1)], np.array([3, 1], np.int16)):
        content = load_inert(pickle.dumps(values, 4), "file")
        assert as_whole_numbers(content, "labels").tolist() == [3, 1]
    for values in ([1.5], ["a"], [True], VALUES, 7, np.array([0.5])):
        with pytest.raises(GanvasError, match="labels are not"):
            as_whole_numbers(load_inert(pickle.dumps(values, 4), "file"), "labels")


class Asks:
    """Pickles as a call of `function`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


class Nested:
    """Pickles as a state for `__setstate__`, in which there is a call."""

    def __init__(self, inner: Asks) -> None:
        self.inner = inner


def attacks(canary: Path) -> dict[str, bytes]:
    """Pickles that would make the file `canary`, if Python's unpickler read them (the first five do)."""
    touch = f"open({str(canary)!r}, 'w').close()"
    command = f"echo > {canary}"
    text = command.encode()
    return {
        "os.system": pickle.dumps(Asks(os.system, command)),
        "builtins.eval": pickle.dumps(Asks(eval, touch)),
        "in a list in a dict": pickle.dumps({"data": [1, (2, Asks(os.system, command))]}),
        "protocol 0": pickle.dumps(Asks(os.system, command), 0),
        "INST": b"(S'" + text + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + text + b"'\no.",
        "getattr": pickle.dumps(Asks(getattr, Asks(__import__, "os"), "system")),
        "__setstate__": pickle.dumps(Nested(Asks(os.system, command))),
        "a dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fos.system.thing\x93.",
        "a name through numpy": b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        "numpy.load": b"cnumpy\nload\n(S'x'\ntR.",
        "NEWOBJ": b"\x80\x02cnumpy\nndarray\n)\x81.",
        "PERSID": b"Psomething\n.",
        "BINPERSID": b"\x80\x02K\x01Q.",
        "EXT1": b"\x80\x02\x82\x01.",
    }


@pytest.mark.parametrize("attack", sorted(attacks(Path("canary"))))
def test_nothing_a_pickle_asks_for_is_run(tmp_path, attack):
    canary = tmp_path / "canary"
    data = attacks(canary)[attack]
    with pytest.raises(GanvasError, match=r"asks for|with the instruction"):
        load_inert(data, "file")
    assert not canary.exists()


@pytest.mark.parametrize("attack", ["os.system", "builtins.eval", "in a list in a dict", "protocol 0", "INST"])
def test_the_attacks_are_real(tmp_path, attack):
    pickle.loads(attacks(tmp_path / "canary")[attack])
    assert (tmp_path / "canary").exists()


def test_the_refused_name_is_told(tmp_path):
    with pytest.raises(GanvasError, match=r"batch is a pickle that asks for 'builtins\.eval'.*nothing of it was run"):
        load_inert(attacks(tmp_path)["builtins.eval"], "batch")


def test_allowed_names_are_not_looked_up_and_numpy_is_never_called(monkeypatch):
    def forbidden(*arguments: object, **named: object) -> None:
        raise AssertionError("called")

    data = pickle.dumps({"data": VALUES, "label": np.int64(3)}, 2)
    for module in (np._core.multiarray,):
        monkeypatch.setattr(module, "_reconstruct", forbidden)
        monkeypatch.setattr(module, "scalar", forbidden)
    monkeypatch.setattr(builtins, "__import__", forbidden)
    content = load_inert(data, "file")
    array = as_array(content["data"], "data")
    monkeypatch.undo()
    np.testing.assert_array_equal(array, VALUES)
    # Its arguments are only kept: a call with nonsense is no error until an array is asked for.
    nonsense = load_inert(b"cnumpy.core.multiarray\n_reconstruct\n(S'nonsense'\ntR.", "file")
    assert nonsense.arguments == (b"nonsense",)
    with pytest.raises(GanvasError, match="data is not a readable array of numbers"):
        as_array(nonsense, "data")


def test_pickles_that_would_crash_or_stall_python_are_refused_at_once():
    deep_key = b"\x80\x02}N" + b"\x85" * 100_000 + b"Ns."  # {((((None,),),),): None}: its hash overflows the stack
    wide_key = b"\x80\x02}N" + b"q\x00h\x00\x86" * 60 + b"Ns."  # its hash takes 2^60 steps
    for data in (deep_key, wide_key):
        with pytest.raises(GanvasError, match="a key that is no text and no whole number"):
            load_inert(data, "file")
    assert load_inert(b"\x80\x02K\x07r\xff\xff\xff\x7f.", "file") == 7  # a memo place for which Python makes 32 GB room


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"nothing of the kind",
        PYTHON_2[:-1],
        PYTHON_2[:100],
        b"\x80\x02K\x01a.",
        b"\x80\x02h\x05.",
        b"\x80\x02]K\x01e.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
        b"\x80\x02K\x01K\x02R.",
        b"\x80\x02K\x01}b.",
    ],
)
def test_damaged_pickles_are_refused_in_words(data):
    with pytest.raises(GanvasError, match=r"file is not a readable pickle \(.*\): copy the file again"):
        load_inert(data, "file")


@pytest.mark.filterwarnings("ignore:invalid escape")
def test_random_damage_never_ends_in_anything_but_words():
    random, refused = np.random.default_rng(0), 0
    for _ in range(2000):
        data = bytearray(PYTHON_2)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(0, 256)
        try:
            content = load_inert(bytes(data), "file")
            if isinstance(content, dict):
                as_array(content.get(b"data"), "data")
                as_whole_numbers(content.get(b"labels"), "labels")
        except GanvasError:
            refused += 1
    assert 0 < refused < 2000


@pytest.mark.parametrize(
    ("values", "change", "message"),
    [
        (np.array(["a", None], object), None, "asks for|no bytes|not one of whole numbers"),
        (np.array(["2020-01-01"], "M8[D]"), None, "not one of whole numbers or floating point"),
        (np.zeros(2, "u1, u1"), None, "not one of whole numbers or floating point"),
        (VALUES, (b"K\x04K\x06\x86", b"K\x04K\x07\x86"), r"24 bytes for the shape \[4, 7\] of uint8"),
        (VALUES, (b"K\x04K\x06\x86", b"K\x04N\x86"), "a shape that is none"),
        (VALUES, (b"X\x02\x00\x00\x00u1", b"X\x02\x00\x00\x00O8"), "the type 'O8' is not one"),
    ],
)
def test_arrays_of_anything_but_numbers_and_of_false_shapes_are_refused(values, change, message):
    data = pickle.dumps(values, 2)
    if change is not None:
        assert change[0] in data
        data = data.replace(*change)
    with pytest.raises(GanvasError, match=message):
        as_array(load_inert(data, "file"), "data")


def test_size_and_steps_are_limited(monkeypatch):
    monkeypatch.setattr(inert_pickle, "LARGEST", 10)
    with pytest.raises(GanvasError, match="more than 0 MiB is not read"):
        load_inert(PYTHON_2, "file")
    monkeypatch.undo()
    monkeypatch.setattr(inert_pickle, "MOST_STEPS", 10)
    with pytest.raises(GanvasError, match="file has more than 10 steps"):
        load_inert(PYTHON_2, "file")
