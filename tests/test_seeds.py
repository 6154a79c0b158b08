"""What a seed gives: the same in any company, and as random as it should be."""

import numpy as np
import pytest
from scipy import stats

from ganvas.seeds import choices, normals, uniforms

PINNED = [[-0.4673746, 0.3252198, -0.7010354], [1.1627250, -0.9018141, 0.2047450]]


def test_a_seed_gives_the_same_numbers_alone_and_in_company():
    together = normals(range(100), 33)
    assert together.shape == (100, 33)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(normals([57], 33)[0], together[57])


def test_a_seed_gives_these_numbers_in_every_version():
    np.testing.assert_allclose(normals([0, 2**63 - 1], 3), PINNED, rtol=1e-6)


def test_the_numbers_are_standard_normal_within_and_across_seeds():
    z = normals(range(2000), 50).astype(np.float64)
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    assert stats.kstest(z[0], "norm").pvalue > 0.001
    across = np.corrcoef(z)[np.triu_indices(2000, 1)]
    assert across.std() == pytest.approx(1 / np.sqrt(50), rel=0.05)
    assert np.abs(np.corrcoef(z.T)[np.triu_indices(50, 1)]).max() < 0.12


def test_uniform_numbers_are_never_zero_and_at_most_one():
    u = uniforms(range(1000), np.arange(100, dtype=np.uint64))
    assert 0 < u.min() < 1e-3
    assert 0.999 < u.max() <= 1
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.01


def test_choices_follow_the_shares_and_never_take_what_has_none():
    chosen = choices(range(20_000), [0.7, 0.0, 0.3])
    np.testing.assert_allclose(np.bincount(chosen, minlength=3) / 20_000, [0.7, 0.0, 0.3], atol=0.01)


def test_the_class_says_nothing_about_the_noise():
    chosen, z = choices(range(5000), [0.5, 0.5]), normals(range(5000), 8)
    for column in z.T:
        assert abs(np.corrcoef(chosen, column)[0, 1]) < 0.06
