"""Worker processes: a picture that hangs, crashes or fills the memory costs only itself."""

from __future__ import annotations

import io
import os
import time

import numpy as np
import pytest
from PIL import Image

from ganvas.data.decode import PictureError
from ganvas.data.decoders import Decoders, Failed, close_idle
from ganvas.data.fit import Target, fit_encoded


def behave(data: tuple[bytes, ...], name: str, argument: object) -> object:
    """A job that does what its picture says."""
    match data[0]:
        case b"hang":
            time.sleep(60)
        case b"crash":
            os.abort()
        case b"exit":
            os._exit(3)
        case b"fill":
            return len(bytes(2 << 30))
        case b"refuse":
            raise PictureError(name, "not wanted")
        case b"bug":
            raise KeyError("no such thing")
        case b"pid":
            return os.getpid()
        case b"print":
            print("noise on stdout")
    return name, argument


def items(*contents: bytes) -> list[tuple[tuple[bytes, ...], str]]:
    return [((content,), f"{i}.png") for i, content in enumerate(contents)]


def test_results_come_in_the_order_of_the_items():
    many = items(*[b"fine"] * 300)
    with Decoders(2) as decoders:
        assert list(decoders.map(behave, many, 7)) == [(name, 7) for _, name in many]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hang", "took more than 0.5 s to decode"),
        (b"crash", "made the decoder crash (signal 6)"),
        (b"exit", "made the decoder crash (exit code 3)"),
        (b"fill", "needs more than 448 MB of memory to decode"),
        (b"refuse", "not wanted"),
        (b"bug", "cannot be decoded (KeyError: 'no such thing')"),
    ],
)
def test_a_bad_picture_is_named_with_its_reason_and_its_neighbours_are_fine(content, reason):
    with Decoders(1, time_limit_s=0.5) as decoders:
        first, bad, last = decoders.map(behave, items(b"fine", content, b"fine"))
    assert (first, last) == (("0.png", None), ("2.png", None))
    assert bad == Failed("1.png", reason)


def test_several_bad_pictures_in_a_row_are_each_named():
    with Decoders(1, time_limit_s=0.3) as decoders:
        found = list(decoders.map(behave, items(b"crash", b"hang", b"crash", b"fine")))
    assert [isinstance(one, Failed) for one in found] == [True, True, True, False]
    assert [one.name for one in found[:3]] == ["0.png", "1.png", "2.png"]


def test_a_slow_picture_at_the_end_does_not_count_against_the_next_chunk():
    with Decoders(1, time_limit_s=5) as decoders:
        assert list(decoders.map(behave, items(b"print", b"fine"))) == [("0.png", None), ("1.png", None)]


def test_workers_are_kept_for_the_next_use():
    close_idle()
    with Decoders(1) as decoders:
        (first,) = decoders.map(behave, items(b"pid"))
    with Decoders(1) as decoders:
        (second,) = decoders.map(behave, items(b"pid"))
    assert first == second != os.getpid()


def test_items_are_taken_only_as_they_are_needed():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield (b"fine",), f"{taken}"

    with Decoders(1) as decoders:
        found = decoders.map(behave, endless())
        assert [next(found)[0] for _ in range(5)] == ["1", "2", "3", "4", "5"]
    assert taken < 500


def test_what_the_source_raises_while_items_are_taken_reaches_the_caller():
    def failing():
        yield (b"fine",), "0.png"
        raise OSError("the disk is gone")

    with Decoders(1) as decoders, pytest.raises(OSError, match="the disk is gone"):
        list(decoders.map(behave, failing()))


def test_an_encoded_picture_is_fitted_in_a_worker_as_it_would_be_here():
    pixels = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    target = Target(6, 5, 3, 8, (255, 255, 255))
    with Decoders(1) as decoders:
        (fitted,) = decoders.map(fit_encoded, [((buffer.getvalue(),), "a.png")], target)
    here = fit_encoded((buffer.getvalue(),), "a.png", target)
    np.testing.assert_array_equal(fitted.pictures[0], here.pictures[0])
    assert fitted.done == here.done == {"shrunk": 1}
