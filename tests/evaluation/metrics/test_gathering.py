"""Several processes give the number of one, and count no sample twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from several_processes import COUNT, FEATURES, features

from ganvas.evaluation.metrics.frechet import Statistics
from ganvas.evaluation.metrics.gathering import gathered, merged, rows_here


def statistics_of(some: torch.Tensor) -> Statistics:
    statistics = Statistics(some.shape[1])
    statistics.add(some)
    return statistics


def test_merged_statistics_are_those_of_all_samples():
    whole, parts = statistics_of(features()), Statistics(FEATURES)
    for part in features().split([3, 60, 38]):
        parts.merge(statistics_of(part))
    parts.merge(Statistics(FEATURES))  # one that saw nothing
    assert parts.count == COUNT
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(parts.covariance, whole.covariance, rtol=1e-9, atol=1e-9)


def test_statistics_of_other_features_are_not_merged():
    with pytest.raises(ValueError, match="the batch has 4 features, expected 5"):
        statistics_of(features()).merge(statistics_of(features()[:, :4]))


def test_alone_a_process_has_all_rows_and_its_own_statistics():
    statistics = statistics_of(features())
    assert merged(statistics) is statistics
    assert list(rows_here(4)) == [0, 1, 2, 3]
    order = torch.tensor([2, 0, 1, 0])
    assert gathered(order, features()[order], 3).tolist() == features()[:3].tolist()
    with pytest.raises(ValueError, match="1 of 4 rows were looked at by no process"):
        gathered(order, features()[order], 4)


def test_two_processes_give_the_statistics_and_features_of_one(tmp_path):
    script, path = Path(__file__).with_name("several_processes.py"), tmp_path / "found.pt"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    both = subprocess.run([*launcher, script, path], capture_output=True, text=True)
    assert both.returncode == 0, both.stderr
    found, whole = torch.load(path, weights_only=True), statistics_of(features())
    assert found["count"] == COUNT
    torch.testing.assert_close(found["mean"], whole.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(found["covariance"], whole.covariance, rtol=1e-9, atol=1e-9)
    assert torch.equal(found["features"], features())
    assert found["count without the first"] == COUNT // 2
    assert bytes(found["complaint"].tolist()).decode().startswith("51 of 101 rows were looked at by no process")
