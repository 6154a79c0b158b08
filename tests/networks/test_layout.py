"""Vectors and maps hold the same numbers, and no step between them copies."""

import torch

from ganvas.networks.layout import to_map, to_vectors


def test_vectors_become_channels_last_maps_and_come_back_without_a_copy():
    vectors = torch.randn(2, 3 * 4 * 5)
    maps = to_map(vectors, (3, 4))
    assert maps.shape == (2, 5, 3, 4)
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert maps.data_ptr() == to_vectors(maps).data_ptr() == vectors.data_ptr()
    assert torch.equal(to_vectors(maps), vectors)
    assert maps[1, 4, 2, 3] == vectors[1, -1]
