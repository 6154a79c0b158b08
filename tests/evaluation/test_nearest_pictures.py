"""The nearest training picture, and telling copies from honest pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.evaluation.nearest import find_nearest, neighbours, pair_pictures, pixel_vectors


def noise_pictures(n: int, seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 1, side, side), dtype=np.uint8)


def look(samples: np.ndarray, train: np.ndarray, unseen: np.ndarray | None):
    features = pixel_vectors(samples), pixel_vectors(train)
    return find_nearest(samples, train, unseen, *features, np.arange(len(train)))


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


def test_a_query_of_the_base_is_not_its_own_neighbour():
    base = torch.tensor([[0.0], [1.0], [3.0]])
    found = neighbours(base, base.split(2), k=1, own=torch.arange(3))
    assert found.rows.flatten().tolist() == [1, 0, 1]
    everyone = neighbours(base, [base], k=50, own=torch.arange(3))
    assert everyone.distances.tolist() == [[1, 3], [1, 2], [2, 3]]


def test_closeness_compares_the_nearest_with_the_mean_of_all_near_ones():
    found = neighbours(torch.tensor([[0.0]]), [torch.tensor([[1.0], [2.0], [3.0]])], k=3)
    assert found.closeness().item() == pytest.approx(1 / 2)


def test_copies_are_found_and_pointed_at():
    train, unseen = noise_pictures(200, seed=1), noise_pictures(100, seed=2)
    copies = train[[7, 19, 42]]
    nearest = look(np.concatenate([unseen[:50], copies]), train, unseen)
    assert set(nearest.samples[:3]) == {50, 51, 52}
    assert {nearest.samples[i]: nearest.train[i] for i in range(3)} == {50: 7, 51: 19, 52: 42}
    assert nearest.train_by_features[:3] == nearest.train[:3]
    assert nearest.distances[:3] == (0, 0, 0)
    assert nearest.copy_share >= 3 / 53


def test_copies_under_a_little_noise_are_still_copies():
    train, unseen = noise_pictures(200, seed=1), noise_pictures(100, seed=2)
    noise = np.random.default_rng(3).normal(0, 10, train[:60].shape)
    nearest = look(np.clip(train[:60] + noise, 0, 255).astype(np.uint8), train, unseen)
    assert nearest.copy_share == 1


def test_pictures_that_the_data_hold_twice_do_not_hide_copies():
    train, unseen = noise_pictures(200, seed=1), noise_pictures(100, seed=2)
    unseen[:10] = train[:10]
    noise = np.random.default_rng(3).normal(0, 10, train[:60].shape)
    nearest = look(np.clip(train[100:160] + noise, 0, 255).astype(np.uint8), train, unseen)
    assert nearest.copy_share == 1
    assert nearest.real_copy_share == pytest.approx(0.1)


def test_new_pictures_are_copies_no_more_often_than_real_ones():
    train, unseen = noise_pictures(300, seed=1), noise_pictures(200, seed=2)
    nearest = look(noise_pictures(200, seed=3), train, unseen)
    assert nearest.copy_share <= 0.05
    assert nearest.real_copy_share == pytest.approx(0.01, abs=0.005)
    assert nearest.median_distance == pytest.approx(nearest.real_median_distance, rel=0.05)


def test_grey_mush_is_near_to_everything_and_a_copy_of_nothing():
    train = noise_pictures(200, seed=1)
    mush = np.full((20, 1, 8, 8), 128, np.uint8)
    nearest = look(mush, train, None)
    assert nearest.median_distance < nearest.real_median_distance
    assert nearest.copy_share == 0


def test_without_held_out_pictures_the_scale_is_set_by_training_pictures_left_out():
    train = noise_pictures(100, seed=1)
    nearest = look(train[:20], train, None)
    assert nearest.copy_share == 1
    assert nearest.real_median_distance > 0.2
    assert nearest.real_pair == "training pictures against the other training pictures"


def test_pairs_stand_side_by_side_with_their_channels_last():
    train, samples = noise_pictures(50, seed=1), noise_pictures(10, seed=2)
    nearest = look(samples, train, None)
    pairs = pair_pictures(nearest, samples, train)
    assert pairs.shape == (2 * len(nearest.samples), 8, 8, 1)
    assert np.array_equal(pairs[2, ..., 0], samples[nearest.samples[1], 0])
    assert np.array_equal(pairs[3, ..., 0], train[nearest.train[1], 0])


def test_a_single_training_picture_leaves_nothing_to_compare_with():
    with pytest.raises(ValueError, match="leave nothing to compare with"):
        look(noise_pictures(8, seed=0), noise_pictures(1, seed=1), None)
