"""What a copyist may change is forgiven, by the descriptors that find candidates and by the comparison that decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from copyists import shifted
from torch import Tensor

from ganvas.evaluation.memorisation.alignment import align, middle, moved, moves
from ganvas.evaluation.memorisation.descriptors import describe, load_small

SHAPES = [(1, 8, 8), (1, 16, 16), (3, 32, 20), (3, 40, 64), (4, 33, 17), (1, 96, 128)]


def textures(n: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Smooth random pictures: noise on a grid a quarter as fine, enlarged."""
    channels, height, width = shape
    coarse = np.random.default_rng(seed).normal(size=(n, channels, -(-height // 4) + 1, -(-width // 4) + 1))
    large = torch.nn.functional.interpolate(torch.from_numpy(coarse), scale_factor=4, mode="bilinear")
    return np.clip(128 + 60 * large.numpy()[:, :, :height, :width], 0, 255).astype(np.uint8)


def compare(queries: np.ndarray, candidates: np.ndarray) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Each query with its own candidate: both distances less what a copy would have, and the move of the first."""
    small, others = (load_small(some, np.arange(len(some))) for some in (queries, candidates))
    found = align(moved(small), middle(others)[:, None])
    steps = moves(*small.shape[2:])
    moved_by = [steps[i] for i in found.as_is_moves[:, 0].tolist()]
    return found.as_is[:, 0] - found.least, found.recoloured[:, 0] - found.least, moved_by


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mirrored_spectrum_is_the_spectrum_of_the_mirrored_picture(shape):
    images, rows = textures(4, shape), np.arange(4)
    mirrored = describe(np.ascontiguousarray(images[..., ::-1]), rows)
    torch.testing.assert_close(describe(images, rows).mirrored_spectrum, mirrored.spectrum, atol=1e-4, rtol=0)


def test_the_spectrum_forgives_a_shift_brightness_and_contrast_and_the_coarse_picture_does_not():
    images, rows = textures(50, (1, 32, 32)), np.arange(50)
    other = np.stack([np.clip(shifted(picture, 2, -2) * 0.6 + 30, 0, 255).astype(np.uint8) for picture in images])
    ours, theirs = describe(images, rows), describe(other, rows)
    assert (torch.cdist(theirs.spectrum, ours.spectrum).argmin(1) == torch.arange(50)).all()
    assert (torch.cdist(theirs.coarse, ours.coarse).argmin(1) == torch.arange(50)).float().mean() < 0.9


def test_coarse_pictures_are_apart_by_their_root_mean_square_difference():
    black, white = np.zeros((1, 3, 40, 30), np.uint8), np.full((1, 3, 40, 30), 255, np.uint8)
    both = describe(np.concatenate([black, white]), np.arange(2)).coarse
    assert torch.dist(both[0], both[1]).item() == pytest.approx(1)


def test_sixteen_bits_are_described_and_loaded_on_the_same_scale():
    eight = textures(2, (1, 16, 16))
    sixteen, rows = eight.astype(np.uint16) * 257, np.arange(2)
    torch.testing.assert_close(describe(sixteen, rows).spectrum, describe(eight, rows).spectrum)
    torch.testing.assert_close(load_small(sixteen, rows), load_small(eight, rows))


def test_large_pictures_are_averaged_to_64_a_side_and_keep_their_aspect():
    assert load_small(np.zeros((2, 3, 100, 200), np.uint8), np.arange(2)).shape == (2, 3, 32, 64)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_is_at_no_distance_from_itself_and_far_from_others(shape):
    images = textures(4, shape)
    as_is, recoloured, steps = compare(images, images)
    assert as_is.abs().max() < 1e-3
    assert recoloured.abs().max() < 0.15, "a little is always left, so that least squares stay sound"
    assert steps == [(0, 0)] * 4
    others, _, _ = compare(images, images[::-1].copy())
    assert others.min() > 0.3


def test_a_moved_picture_is_moved_back():
    images = textures(3, (3, 32, 32))
    queries = np.stack([shifted(p, *step) for p, step in zip(images, [(1, 0), (-2, 2), (0, -1)], strict=True)])
    as_is, _, steps = compare(queries, images)
    assert as_is.abs().max() < 0.02
    assert steps == [(-1, 0), (2, -2), (0, 1)]


def test_other_colours_are_undone_and_told_from_the_same_colours():
    images = textures(3, (3, 32, 32))
    turned = np.clip(images[:, [1, 2, 0]] * 0.7 + 40, 0, 255).astype(np.uint8)
    as_is, recoloured, _ = compare(turned, images)
    assert as_is.min() > 0.5
    assert recoloured.max() < 0.15


def test_other_gammas_of_grey_pictures_are_undone():
    images = textures(3, (1, 32, 32))
    as_is, recoloured, _ = compare((255 * (images / 255) ** 1.7).astype(np.uint8), images)
    assert as_is.min() > 0.3
    assert recoloured.max() < 0.15


def test_a_plain_query_is_near_to_nobody():
    plain = np.full((3, 3, 32, 32), 120, np.uint8)
    for candidates in (plain, textures(3, (3, 32, 32))):
        found = align(moved(load_small(plain, np.arange(3))), middle(load_small(candidates, np.arange(3)))[:, None])
        assert found.least.tolist() == found.as_is[:, 0].tolist() == found.recoloured[:, 0].tolist() == [1, 1, 1]


def test_small_pictures_are_moved_less():
    assert len(moves(64, 64)) == len(moves(16, 16)) == 25
    assert moves(12, 30)[0] == (-1, -1)
    assert moves(7, 30) == [(0, 0)]
