"""Damaged files of every format: each is used, or refused by its name and with a reason, in time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "mutants.py"


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    """The benchmark that makes them."""
    if not BENCHMARK.is_file():
        pytest.skip(f"{BENCHMARK} is not there: these tests need the repository, not only the package")
    specification = importlib.util.spec_from_file_location("mutants", BENCHMARK)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["mutants"] = module  # where its dataclasses look themselves up
    specification.loader.exec_module(module)
    return module


def test_four_hundred_damaged_files_are_used_or_refused_by_name(mutants):
    report = mutants.run(400, seed=12)
    outcomes = sum(report.outcomes.values(), start=type(next(iter(report.outcomes.values())))())
    assert outcomes.total() == 400
    assert outcomes["used"] > 50
    assert outcomes["refused"] > 50
    assert report.unnamed == []
    assert report.unforeseen == []
    assert report.slowest_s < mutants.TIME_LIMIT_S + mutants.START_S


def test_sound_pictures_of_every_kind_are_used(mutants):
    for name, data in mutants.bases().items():
        facts = mutants.examine((data,), name)
        assert {facts.width, facts.height} == {64, 48}, name
        assert facts.suffix_fits, name


def test_the_same_seed_makes_the_same_damage(mutants):
    first, again, other = ([m.data for m in mutants.mutants(60, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first != other
