"""Size, channels, bits and labels of a store are chosen from the headers alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ganvas.data.contract import SourceDefaults
from ganvas.data.decode import Header, PictureError
from ganvas.data.plan import SURVEYED, StoreOptions, plan_store
from ganvas.errors import GanvasError, UsageError


class Headers(SourceDefaults):
    """A source that has headers only: reading a picture would be an AttributeError."""

    name, labels, class_names, labels_note, notes, fingerprint = "set", None, (), "unlabelled", (), "0" * 64

    def __init__(self, headers: Sequence[Header | str]) -> None:
        self._headers = headers
        self.names = [f"{i}.png" for i in range(len(headers))]
        self.held_out = np.zeros(len(headers), bool)
        self.asked = 0

    def header(self, index: int) -> Header:
        self.asked += 1
        header = self._headers[index]
        if isinstance(header, str):
            raise PictureError(self.names[index], header)
        return header


def sized(width: int, height: int, channels: int = 3, bits: int = 8) -> Header:
    return Header(width, height, channels, bits)


def size_for(headers: Sequence[Header | str], **options: object) -> tuple[int, int]:
    plan = plan_store(Headers(headers), StoreOptions(**options))
    return plan.height, plan.width


@pytest.mark.parametrize("size", [(28, 28), (48, 64), (64, 30), (9, 12), (5, 4)])
def test_one_common_size_that_is_small_enough_is_kept(size):
    assert size_for([sized(size[1], size[0])] * 10) == size


@pytest.mark.parametrize(
    ("short_side", "largest", "expected"),
    [
        (500, 64, 64),
        (500, 256, 256),
        (500, 1000, 256),
        (500, 100, 64),
        (63, 64, 32),
        (17, 64, 16),
        (11, 64, 11),
    ],
)
def test_other_sizes_become_the_largest_square_below_the_median_short_side(short_side, largest, expected):
    headers = [sized(2000, 3000), sized(short_side, 700), sized(4, 900)]
    assert size_for(headers, largest=largest) == (expected, expected)


def test_a_common_size_that_is_too_large_becomes_a_square_too():
    assert size_for([sized(128, 128)] * 10) == (64, 64)
    assert size_for([sized(128, 128)] * 10, largest=128) == (128, 128)


def test_a_wanted_resolution_is_height_and_width_and_wins():
    assert size_for([sized(28, 28)], resolution=(48, 64)) == (48, 64)


def test_a_source_may_wish_for_a_size_and_the_user_for_another():
    source = Headers([sized(8, 8, 1)])
    source.default_resolution = (16, 16)
    plan = plan_store(source, StoreOptions())
    assert (plan.height, plan.width) == (16, 16)
    assert plan.notes == ("pictures of 8x8 pixels enlarged (bicubic) to 16x16",)
    assert plan_store(source, StoreOptions(resolution=(8, 8))).notes == ()


@pytest.mark.parametrize(
    ("channels", "matte", "expected"),
    [
        ((1, 1), (255, 255, 255), 1),
        ((1, 2), (0, 0, 0), 1),
        ((1, 2), (255, 0, 0), 3),
        ((1, 3), (255, 255, 255), 3),
        ((4, 4), (255, 255, 255), 3),
    ],
)
def test_a_store_is_grey_only_when_every_picture_is(channels, matte, expected):
    headers = [sized(16, 16, c) for c in channels]
    assert plan_store(Headers(headers), StoreOptions(matte=matte)).channels == expected


def test_channels_can_be_chosen():
    assert plan_store(Headers([sized(16, 16, 3)]), StoreOptions(channels=1)).channels == 1
    assert plan_store(Headers([sized(16, 16, 1)]), StoreOptions(channels=3)).channels == 3


def test_a_store_has_sixteen_bits_only_when_every_picture_has():
    deep, usual = sized(16, 16, 1, 16), sized(16, 16, 1, 8)
    assert plan_store(Headers([deep, deep]), StoreOptions()).bits == 16
    assert plan_store(Headers([deep, usual]), StoreOptions()).bits == 8


def test_no_more_than_a_thousand_headers_are_looked_at_from_first_to_last():
    headers = [sized(16, 16)] * 4999 + ["damaged"]
    source = Headers(["damaged", *headers])
    plan = plan_store(source, StoreOptions())
    assert source.asked == plan.surveyed == SURVEYED
    assert plan.count == 5001
    assert plan.skipped == (("0.png", "damaged"), ("5000.png", "damaged"))


def test_pictures_too_small_to_use_do_not_count_for_the_size():
    plan = plan_store(Headers([sized(1, 1), sized(1000, 2), sized(20, 20)]), StoreOptions())
    assert (plan.height, plan.width) == (20, 20)
    assert plan.skipped[1] == ("1.png", "1000x2 pixels: smaller than the least side of 4")


def test_sizes_cuts_and_frames_are_noted():
    moving = Header(32, 32, 3, 8, animated=True)
    notes = plan_store(Headers([sized(64, 32), moving, sized(40, 40)]), StoreOptions()).notes
    assert notes == (
        "pictures of 3 sizes, sides 32 to 64, made 32x32",
        "1 of 3 pictures looked at have another aspect: their edges are cut off",
        "1 of 3 pictures looked at have several frames: the first one is used",
    )


def test_a_plan_tells_the_bytes_of_the_store():
    assert plan_store(Headers([sized(16, 8, 3)] * 10), StoreOptions()).nbytes == 10 * 3 * 8 * 16
    assert plan_store(Headers([sized(16, 8, 1, 16)] * 10), StoreOptions()).nbytes == 10 * 8 * 16 * 2


def test_when_no_picture_can_be_used_the_first_reasons_are_listed():
    with pytest.raises(GanvasError) as error:
        plan_store(Headers(["empty file"] * 7), StoreOptions())
    assert str(error.value) == (
        "set has no picture that can be used: 0.png (empty file); 1.png (empty file); 2.png (empty file); "
        "3.png (empty file); 4.png (empty file); and 2 more"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": (3, 64)}, "resolution 3x64 is too small: both sides must be at least 4"),
        ({"largest": 2}, "largest side 2 is too small"),
        ({"channels": 2}, "channels 2 cannot be: choose 1"),
        ({"matte": (0, 0, 256)}, "is not a colour"),
        ({"labels": True}, r"set has no labels \(unlabelled\): leave out --labels"),
    ],
)
def test_options_that_cannot_be_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        plan_store(Headers([sized(16, 16)]), StoreOptions(**options))
