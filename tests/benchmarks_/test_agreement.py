"""What `benchmarks/agreement.py` says of references that are there, and of those that are not."""

from __future__ import annotations

import pytest

from agreement import Check, row
from agreement_features import CHECKS


def test_the_worst_relative_error_of_all_cases_stands_in_the_row():
    found = row(Check("a metric", "numpy", ("numpy",), lambda numpy: [(2.0, 2.0), (1.1, 1.0), (0.0, 0.0)]))
    assert found["worst_relative_error"] == pytest.approx(0.1)
    assert found["cases"] == 3
    assert found["version"]


def test_a_reference_that_cannot_be_imported_gives_a_reason_and_no_number():
    found = row(Check("a metric", "nobody", ("no_such_package",), lambda package: [(1.0, 1.0)]))
    assert found["worst_relative_error"] == "not checked"
    assert "no_such_package" in found["reason"]


@pytest.mark.parametrize("check", [c for c in CHECKS if c.compare.__name__ in ("intra_class_scipy", "modes_scipy")])
def test_our_numbers_are_those_of_scipy(check):
    assert row(check)["worst_relative_error"] < 1e-9
