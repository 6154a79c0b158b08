"""The distance of patches: zero for equal sets, found at the level where the sets differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.evaluation.metrics import pictures, sliced_wasserstein
from ganvas.evaluation.metrics.sliced_wasserstein import (
    DIRECTIONS,
    SlicedWasserstein,
    earth_movers,
    level_sizes,
    patch_corners,
    patches,
    pyramid_level,
)


def compared(a: np.ndarray, b: np.ndarray, **more: int) -> SlicedWasserstein:
    return sliced_wasserstein.sliced_wasserstein(a, b, **more)


@pytest.fixture(autouse=True)
def _fewer_directions(monkeypatch):
    monkeypatch.setattr(sliced_wasserstein, "DIRECTIONS", 32)


def noise(n: int, channels: int = 1, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), dtype=np.uint8)


def blurred(images: np.ndarray) -> np.ndarray:
    return ((images + images[..., ::-1].astype(int)) // 2).astype(np.uint8)


def test_in_one_dimension_it_is_how_far_the_sorted_numbers_are_apart():
    a, b = torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[2.0, 7.0, 3.0]])
    assert earth_movers(a, b).tolist() == [(1 + 1 + 4) / 3]


def test_equal_sets_are_at_distance_zero():
    assert compared(noise(1), noise(1)).mean == 0
    found = compared(noise(5), noise(5))
    assert (found.sizes, found.distances, found.mean) == (((32, 32), (16, 16)), (0, 0), 0)


def test_the_levels_go_down_to_sixteen_pixels():
    assert level_sizes(64, 100) == [(64, 100), (32, 50), (16, 25)]
    assert level_sizes(28, 28) == [(28, 28)]
    assert level_sizes(31, 33) == [(31, 33), (16, 17)]
    assert level_sizes(7, 7) == [(7, 7)]


def test_a_pyramid_adds_up_to_the_picture():
    x = torch.rand(2, 3, 31, 20, dtype=torch.float64)
    fine, coarse = pyramid_level(x, 0, 2), pyramid_level(x, 1, 2)
    spaced = torch.zeros_like(x)
    spaced[:, :, ::2, ::2] = coarse
    torch.testing.assert_close(fine + 4 * sliced_wasserstein._blur(spaced), x)


def test_a_plain_picture_has_nothing_but_its_coarsest_level():
    plain = torch.full((1, 1, 32, 32), 0.3)
    torch.testing.assert_close(pyramid_level(plain, 0, 2), torch.zeros(1, 1, 32, 32), atol=1e-6, rtol=0)
    torch.testing.assert_close(pyramid_level(plain, 1, 2), torch.full((1, 1, 16, 16), 0.3))


def test_patches_are_cut_where_their_corners_say():
    x = torch.arange(2 * 3 * 9 * 11.0).view(2, 3, 9, 11)
    corners = torch.tensor([[[0, 0], [2, 4]], [[1, 3], [2, 0]]])
    cut = patches(x, corners)
    assert cut.shape == (4, 7, 7, 3)
    torch.testing.assert_close(cut[2], x[1, :, 1:8, 3:10].permute(1, 2, 0))


def test_corners_reach_every_place_and_no_further():
    corners = patch_corners(np.arange(50), 1, 8, 12, seed=3)
    assert corners.shape == (50, 128, 2)
    assert corners[..., 0].unique().tolist() == [0, 1]
    assert corners[..., 1].unique().tolist() == list(range(6))


def test_another_sample_of_the_same_is_nearer_than_another_texture():
    smooth = noise(40, side=8).repeat(4, axis=2).repeat(4, axis=3)
    same, other = compared(noise(40), noise(40, seed=1)), compared(noise(40), smooth)
    assert other.distances[0] > 3 * same.distances[0]


def test_plain_sets_have_no_texture_to_compare():
    plain = np.full((3, 1, 16, 16), 100, np.uint8)
    assert compared(plain, plain + 50).distances == (0,)
    assert compared(plain, noise(3, side=16)).distances[0] > 100


def test_pieces_and_bunches_do_not_matter(monkeypatch):
    a, b = noise(9, 3, 16), blurred(noise(9, 3, 16))
    whole = compared(a, b)
    monkeypatch.setattr(pictures, "PIECE", 4)
    monkeypatch.setattr(sliced_wasserstein, "PROJECTIONS", 5 * 9 * 128)
    assert compared(a, b).distances == pytest.approx(whole.distances, rel=1e-4)


def test_a_larger_set_gives_as_many_pictures_as_the_smaller():
    few = noise(4)
    found = compared(few.repeat(2, axis=0)[::2], noise(40, seed=1))
    assert found.pictures == 4


def test_the_seed_decides_and_both_depths_agree():
    a, b = noise(4), noise(4, seed=1)
    assert compared(a, b) == compared(a, b) != compared(a, b, seed=1)
    deep = compared(a.astype(np.uint16) * 257, b.astype(np.uint16) * 257)
    assert deep.distances == pytest.approx(compared(a, b).distances, rel=1e-4)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="at least 7 a side"):
        compared(noise(2, side=6), noise(2, side=6))
    with pytest.raises(ValueError, match="bring both sets to one size"):
        compared(noise(2), noise(2, side=16))
    with pytest.raises(ValueError, match="the second set has 0 pictures"):
        compared(noise(2), noise(0))


def test_the_protocol_is_the_papers():
    assert (DIRECTIONS, sliced_wasserstein.PATCHES, sliced_wasserstein.PATCH) == (512, 128, 7)
