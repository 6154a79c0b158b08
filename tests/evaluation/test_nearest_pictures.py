"""The nearest pictures by pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.evaluation.nearest import neighbours, pixel_vectors


def noise_pictures(n: int, seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, side, side), dtype=np.uint8)


def test_the_distance_of_pixel_vectors_is_the_root_mean_square_difference():
    black, white = np.zeros((1, 3, 8, 6), np.uint8), np.full((1, 3, 8, 6), 255, np.uint8)
    half = black.copy()
    half[:, :, :4] = 255
    assert torch.dist(pixel_vectors(black), pixel_vectors(white)).item() == pytest.approx(1)
    assert torch.dist(pixel_vectors(black), pixel_vectors(half)).item() == pytest.approx(0.5**0.5)


def test_sixteen_bits_are_measured_on_the_same_scale():
    eight = noise_pictures(2, seed=0)
    sixteen = eight.astype(np.uint16) * 257
    torch.testing.assert_close(pixel_vectors(sixteen), pixel_vectors(eight))


def test_large_pictures_are_averaged_to_32_a_side_and_keep_their_aspect():
    assert pixel_vectors(np.zeros((2, 3, 64, 128), np.uint8)).shape == (2, 3 * 16 * 32)


def test_the_nearest_rows_are_found_across_pieces():
    base = torch.tensor([[0.0], [10.0], [4.0], [5.0], [20.0]])
    found = neighbours(torch.tensor([[4.4], [19.0]]), base.split(2), k=2)
    assert found.rows.tolist() == [[2, 3], [4, 1]]
    torch.testing.assert_close(found.distances, torch.tensor([[0.4, 0.6], [1.0, 9.0]]))


def test_closeness_compares_the_nearest_with_the_mean_of_all_near_ones():
    found = neighbours(torch.tensor([[0.0]]), [torch.tensor([[1.0], [2.0], [3.0]])], k=3)
    assert found.closeness().item() == pytest.approx(1 / 2)
