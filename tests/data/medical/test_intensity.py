from __future__ import annotations

import numpy as np
import pytest

from ganvas.data.medical.intensity import (
    Window,
    linear,
    linear_exact,
    parse_window,
    percentile_window,
    sample,
    spread,
    to_grey,
)
from ganvas.errors import UsageError


def test_the_ends_of_a_window_become_0_and_65535_and_what_lies_beyond_is_clipped():
    values = np.array([[-5.0, 0.0, 1.0], [2.0, 4.0, 9.0]])
    assert to_grey(values, Window(0, 4)).tolist() == [[0, 0, 16384], [32768, 65535, 65535]]  # 16383.75, 32767.5


def test_nan_and_infinities_are_the_lowest():
    assert to_grey(np.array([[np.nan, np.inf, -np.inf, 4.0]]), Window(0, 4)).tolist() == [[0, 0, 0, 65535]]


def test_a_window_without_width_is_a_threshold():
    assert to_grey(np.array([[1.0, 2.0, 3.0]]), Window(2, 2)).tolist() == [[0, 0, 65535]]


def test_enormous_values_do_not_break():
    assert to_grey(np.array([[-1e308, 1e308]]), Window(-1.7e308, 1.7e308)).shape == (1, 2)


def test_linear_windows_follow_the_standard():
    assert linear(40, 400) == Window(-160, 239)
    assert linear(2048, 4096) == Window(0, 4095)  # the example of PS3.3 C.11.2.1.2.1
    assert linear(0, 1) == Window(-0.5, -0.5)
    assert linear_exact(0.5, 1) == Window(0, 1)
    with pytest.raises(UsageError, match=r"window 0.5/0.9 has a width below 1"):
        linear(0.5, 0.9)


def test_centre_and_width_are_read_from_text():
    assert parse_window("-600/1500.5") == (-600, 1500.5)
    assert parse_window("percentile") == "percentile"
    for text in ("", "40", "40/", "40/-1", "a/b", "nan/1", "40/400/1", "Auto"):
        with pytest.raises(UsageError, match="expected auto, file, percentile or CENTRE/WIDTH"):
            parse_window(text)


def test_percentiles_are_taken_over_all_samples_and_their_ends_where_these_are_equal():
    assert percentile_window([np.arange(0.0, 100), np.arange(100.0, 201)]) == Window(1, 199)
    mostly_black = np.zeros(1000)
    mostly_black[0] = 7
    assert percentile_window([mostly_black]) == Window(0, 7)
    assert not percentile_window([]).known


def test_a_sample_is_bounded_and_without_what_is_ignored():
    assert sample(np.zeros((4000, 3000))).size < 70_000
    values = np.array([[1.0, 2.0], [np.nan, 3.0]])
    assert sample(values, values == 2).tolist() == [1, 3]


def test_places_are_spread_evenly_with_both_ends():
    assert spread(3, 5) == [0, 1, 2]
    assert spread(101, 5) == [0, 25, 50, 75, 100]
