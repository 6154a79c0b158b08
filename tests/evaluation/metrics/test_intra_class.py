"""Distances class by class."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.evaluation.metrics.frechet import frechet_distance_of_features
from ganvas.evaluation.metrics.intra_class import intra_class

CENTRES = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])


def drawn(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [3 n, 2] around three centres, and their classes."""
    labels = torch.arange(3).repeat(n)
    return CENTRES[labels] + torch.randn(3 * n, 2, generator=torch.Generator().manual_seed(seed)), labels


def test_swapped_classes_are_found_where_the_whole_set_looks_right():
    (fake, labels), (real, real_labels) = drawn(100, 0), drawn(120, 1)
    swapped = torch.tensor([1, 0, 2])[labels]
    assert frechet_distance_of_features(fake, real) < 0.5
    found = intra_class(fake, swapped, real, real_labels)
    assert found.distances[0] == pytest.approx(81, abs=10)
    assert found.distances[2] < 0.5
    assert found.worst in (0, 1)
    assert found.mean == pytest.approx(sum(found.distances.values()) / 3)
    assert found.counts == {0: (100, 120), 1: (100, 120), 2: (100, 120)}


def test_equal_sets_are_at_distance_zero_in_every_class():
    real, labels = drawn(60, 1)
    assert intra_class(real, labels, real.clone(), labels).mean == pytest.approx(0, abs=1e-9)


def test_a_class_with_too_few_samples_is_named_not_scored():
    (fake, labels), (real, real_labels) = drawn(60, 0), drawn(60, 1)
    few = (labels != 2) | (torch.arange(180) < 30)
    found = intra_class(fake[few], labels[few], real, real_labels)
    assert set(found.distances) == {0, 1}
    assert found.too_few == (2,)
    assert found.counts[2] == (10, 60)


def test_a_class_of_one_side_alone_is_named():
    (fake, labels), (real, real_labels) = drawn(60, 0), drawn(60, 1)
    found = intra_class(fake, labels, real[real_labels != 1], real_labels[real_labels != 1])
    assert (found.too_few, found.counts[1]) == ((1,), (60, 0))


def test_any_distance_will_do():
    real, labels = drawn(60, 1)
    found = intra_class(real, labels, real, labels, distance=lambda a, b: float(len(a) + len(b)), fewest=1)
    assert set(found.distances.values()) == {120.0}


def test_what_cannot_be_scored_is_refused():
    real, labels = drawn(20, 1)
    with pytest.raises(ValueError, match="no class has 50 samples on both sides"):
        intra_class(real, labels, real, labels)
    with pytest.raises(ValueError, match="59 labels for 60 generated samples"):
        intra_class(real, labels[:-1], real, labels)
    with pytest.raises(ValueError, match="the first set holds NaN"):
        intra_class(real * math.nan, labels, real, labels)
