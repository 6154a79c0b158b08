"""Self-attention against its definition, written with plain matrices."""

import pytest
import torch
from torch import nn

from ganvas.networks.attention import SelfAttention, attention_stage


def matrix(convolution):
    """The weight of a 1x1 convolution: [out, in]."""
    return convolution.weight[:, :, 0, 0]


def test_attention_is_what_the_paper_writes():
    """Equations 1 to 3, place by place: beta_ji, o_j = v(sum_i beta_ji h(x_i)), y_j = gamma o_j + x_j."""
    torch.manual_seed(0)
    layer, maps = SelfAttention(16, values=2), torch.randn(2, 16, 3, 4)
    nn.init.constant_(layer.gamma, 0.7)
    W_f, W_g, W_h, W_v = (matrix(c) for c in (layer.f, layer.g, layer.h, layer.v))
    expected = torch.empty(2, 16, 12)
    for n in range(2):
        x = maps[n].flatten(1)  # [C, places]
        s = (W_f @ x).t() @ (W_g @ x)  # s_ij
        for j in range(12):
            beta_j = s[:, j].exp() / s[:, j].exp().sum()
            o_j = W_v @ sum(beta_j[i] * (W_h @ x[:, i]) for i in range(12))
            expected[n, :, j] = 0.7 * o_j + x[:, j]
    torch.testing.assert_close(layer(maps).flatten(2), expected)


def test_it_begins_as_the_identity_and_learns_to_look():
    layer, maps = SelfAttention(8, values=4), torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(maps), maps)
    layer(maps).square().sum().backward()
    assert layer.gamma.grad != 0


def test_a_place_takes_from_any_other_however_far():
    torch.manual_seed(0)
    layer = SelfAttention(8, values=8)
    nn.init.ones_(layer.gamma)
    maps = torch.randn(1, 8, 9, 9, requires_grad=True)
    layer(maps)[0, :, 0, 0].sum().backward()
    assert (maps.grad[0, :, 8, 8] != 0).any()


def test_pooled_keys_and_values_are_the_largest_of_four_places():
    torch.manual_seed(0)
    layer, maps = SelfAttention(8, values=4, pooled=True), torch.randn(1, 8, 4, 4)
    nn.init.ones_(layer.gamma)
    x = maps[0].flatten(1)
    keys = (matrix(layer.f) @ x).view(1, 2, 2, 2, 2).amax(dim=(2, 4)).view(1, 4)
    values = (matrix(layer.h) @ x).view(4, 2, 2, 2, 2).amax(dim=(2, 4)).view(4, 4)
    shares = ((matrix(layer.g) @ x).t() @ keys).softmax(dim=1)  # [16, 4]
    expected = x + matrix(layer.v) @ (shares @ values.t()).t()
    torch.testing.assert_close(layer(maps)[0].flatten(1), expected)


@pytest.mark.parametrize("pooled", [False, True])
def test_odd_maps_keep_their_size(pooled):
    assert SelfAttention(8, values=4, pooled=pooled)(torch.randn(1, 8, 5, 7)).shape == (1, 8, 5, 7)


def test_attention_stands_at_the_largest_map_it_may():
    maps = [(4, 4), (8, 8), (16, 16), (32, 32), (64, 64), (128, 128)]
    assert maps[attention_stage(maps, (128, 128), 32)] == (32, 32)
    assert maps[attention_stage(maps, (128, 128), 64)] == (64, 64)
    assert maps[attention_stage(maps, (128, 128), 50)] == (32, 32)
    assert attention_stage(maps, (128, 128), 0) is None


def test_of_a_small_picture_it_stands_at_half():
    assert attention_stage([(4, 4), (8, 8), (16, 16)], (16, 16), 32) == 1
    assert attention_stage([(8, 8), (8, 8), (4, 4)], (16, 16), 32) == 0, "the first of several maps of a size"


def test_of_a_long_picture_it_is_the_number_of_places_that_counts():
    maps = [(4, 64), (8, 128), (16, 256)]
    assert attention_stage(maps, (16, 256), 32) == 1  # 8 x 128 is 32 x 32
    assert attention_stage(maps, (16, 256), 2) == 0  # all are larger: the smallest
