"""Similarity over scales: of pairs, and as the diversity of a set and its classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.evaluation.metrics import pictures
from ganvas.evaluation.metrics.ms_ssim import WEIGHTS, ms_ssim, ms_ssim_diversity, scales_of
from ganvas.evaluation.metrics.restoration import similarity, ssim


def texture(side: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_equal_pictures_have_similarity_one():
    torch.testing.assert_close(ms_ssim(texture(24), texture(24)), torch.ones(2, dtype=torch.float64))


def test_small_pictures_have_fewer_scales():
    assert [scales_of(side, 500) for side in (11, 21, 41, 81, 160, 161, 512)] == [1, 2, 3, 4, 4, 5, 5]
    with pytest.raises(ValueError, match="the pictures are 10x500 pixels, MS-SSIM needs 11 a side"):
        scales_of(10, 500)


def test_with_one_scale_it_is_ssim():
    a, b = texture(16), (texture(16) + texture(16, seed=1)) / 2
    grey_a, grey_b = a[:, :1], b[:, :1]  # of one channel: its mean over channels is taken after the clamp
    torch.testing.assert_close(ms_ssim(grey_a, grey_b), ssim(grey_a, grey_b))


def test_the_weights_of_the_scales_that_are_there_sum_to_one():
    a = texture(24)[:, :1]
    b = (a + texture(24, seed=1)[:, :1]) / 2
    fine = similarity(a, b)[1].mean((2, 3))
    halves = (torch.nn.functional.avg_pool2d(x, 2) for x in (a, b))
    luminance, structure = similarity(*halves)
    coarse = (luminance * structure).mean((2, 3))
    share = WEIGHTS[0] / (WEIGHTS[0] + WEIGHTS[1])
    torch.testing.assert_close(ms_ssim(a, b), (fine**share * coarse ** (1 - share)).mean(1))


def test_a_set_of_one_picture_repeated_has_no_diversity():
    one = np.random.default_rng(0).integers(0, 256, (1, 1, 16, 16), dtype=np.uint8)
    found = ms_ssim_diversity(one.repeat(20, axis=0), pairs=30)
    assert (found.similarity.value, found.similarity.pairs, found.scales) == (pytest.approx(1), 30, 1)


def test_a_class_that_has_collapsed_is_seen_and_one_picture_is_no_class():
    images = np.random.default_rng(0).integers(0, 256, (21, 1, 16, 16), dtype=np.uint8)
    images[:10] = images[0]
    labels = np.array([3] * 10 + [4] * 10 + [5])
    found = ms_ssim_diversity(images, labels).similarity
    assert found.per_class[3] == pytest.approx(1)
    assert found.per_class[4] < 0.2
    assert found.value == pytest.approx((found.per_class[3] + found.per_class[4]) / 2)
    assert (found.unscored, found.pairs) == ((5,), 90)  # all 45 pairs of ten, twice


def test_pairs_depend_on_the_seed_alone(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 12, 12), dtype=np.uint8)
    first = ms_ssim_diversity(images, pairs=50).similarity.value
    assert ms_ssim_diversity(images, pairs=50, seed=1).similarity.value != first
    monkeypatch.setattr(pictures, "PIECE", 7)
    assert ms_ssim_diversity(images, pairs=50).similarity.value == pytest.approx(first, rel=1e-12)


def test_a_set_without_a_pair_is_refused():
    images = np.zeros((3, 1, 12, 12), np.uint8)
    with pytest.raises(ValueError, match="the set has 1 pictures, at least 2 are needed"):
        ms_ssim_diversity(images[:1])
    with pytest.raises(ValueError, match="3 pictures leave no pair to compare"):
        ms_ssim_diversity(images, np.arange(3))
    with pytest.raises(ValueError, match="2 labels for 3 pictures"):
        ms_ssim_diversity(images, np.arange(2))
