"""Schedules against closed forms."""

import math

import pytest

from ganvas.games.schedules import cosine


@pytest.mark.parametrize(
    ("progress", "value"),
    [
        (0.0, 10.0),
        (0.25, 2 + 8 * (1 + math.sqrt(0.5)) / 2),
        (0.5, 6.0),
        (0.75, 2 + 8 * (1 - math.sqrt(0.5)) / 2),
        (1.0, 2.0),
    ],
)
def test_half_a_cosine_from_start_to_end(progress, value):
    assert cosine(10, 2, progress) == pytest.approx(value, rel=1e-12)


def test_both_ends_are_met_exactly():
    assert cosine(0.1, 0.3, 0.0) == 0.1
    assert cosine(0.1, 0.3, 1.0) == 0.3
    assert cosine(0.1, 0.3, 0.4, until=0.4) == 0.3


def test_it_is_over_where_it_is_told_and_stays():
    assert cosine(10, 2, 0.1, until=0.2) == pytest.approx(6)
    assert cosine(10, 2, 0.2, until=0.2) == cosine(10, 2, 0.7, until=0.2) == cosine(10, 2, 1.0, until=0.2) == 2
    assert cosine(10, 2, 0.0, until=0.0) == 2


def test_it_leaves_and_arrives_level():
    step = 1e-4
    assert abs(cosine(1, 0, step) - 1) < 1e-7
    assert abs(cosine(1, 0, 1 - step)) < 1e-7
    assert cosine(1, 0, 0.5 - step) - cosine(1, 0, 0.5 + step) == pytest.approx(math.pi * step, rel=1e-3)


def test_it_never_turns_back_or_leaves_its_range():
    values = [cosine(0.05, 0.005, i / 1000, until=0.8) for i in range(1001)]
    assert values == sorted(values, reverse=True)
    assert 0.005 == min(values) < max(values) == 0.05


def test_progress_a_little_outside_the_run_is_that_of_its_ends():
    assert cosine(10, 2, -0.01) == 10
    assert cosine(10, 2, 1.01) == 2


def test_gamma_and_beta2_of_r3gan_on_cifar_10_half_way_through_the_burn_in():
    assert cosine(0.05, 0.005, 0.1, until=0.2) == pytest.approx(0.0275)
    assert cosine(0.9, 0.99, 0.1, until=0.2) == pytest.approx(0.945)
