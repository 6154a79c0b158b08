"""How long a run lasts and how its files are named."""

import time

import pytest

from ganvas.training.budget import Budget, training_seconds
from ganvas.training.run_folder import thousands


def test_minutes_leave_time_for_the_start_and_the_verdict_but_train_for_three_quarters():
    assert training_seconds(3, spent_s=10, finishing_s=20) == 150
    assert training_seconds(1, spent_s=20, finishing_s=20) == 45


def test_a_probe_is_taken_from_the_minutes_before_training_gets_its_three_quarters():
    assert training_seconds(3, spent_s=50, finishing_s=5, probed_s=40) == 125
    assert training_seconds(3, spent_s=100, finishing_s=5, probed_s=40) == pytest.approx(0.75 * 140)


def test_images_count_where_they_are_given():
    budget = Budget(images=200, training_s=1e9)
    assert [budget.progress(n) for n in (0, 50, 200, 300)] == [0, 0.25, 1, 1]
    assert budget.done(200)
    assert not budget.done(199)


def test_a_resumed_run_spends_the_rest_of_its_seconds():
    budget = Budget(images=None, training_s=0.4, used_s=0.3)
    assert 0.75 <= budget.progress(0) < 1
    time.sleep(0.15)
    assert budget.done(0)
    assert budget.elapsed_s == pytest.approx(0.45, abs=0.1)


def test_files_are_named_by_thousands_of_images_and_finer_where_needed():
    assert [thousands(n) for n in (0, 200_000, 2_560, 1_000_500)] == ["000000", "000200", "000002.56", "001000.5"]
    names = [thousands(n) for n in range(0, 3_000_000, 7_777)]
    assert names == sorted(names)
