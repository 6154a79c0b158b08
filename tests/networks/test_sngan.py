"""SNGAN: its published parameters, a D of norm one, labels in BatchNorm and projection."""

import pytest
import torch
from torch import nn

from ganvas.networks.conditioning import ConditionalBatchNorm2d, batch_norm_of_labels
from ganvas.networks.sngan import SnganDiscriminator, SnganGenerator


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def widths(network):
    return [block.convolution2.out_channels for block in network.blocks]


def test_at_32_pixels_they_are_the_networks_of_cifar_10():
    """Appendix B.4, table 4; the totals are those of public implementations of it."""
    G = SnganGenerator((32, 32), 3, z_dim=128, width=256, max_width=256)
    D = SnganDiscriminator((32, 32), 3, width=128, max_width=128)
    assert (widths(G), widths(D)) == ([256, 256, 256], [128, 128, 128, 128])
    assert [block.halving for block in D.blocks] == [True, True, False, False]
    assert parameters(G) == 4_276_739
    assert parameters(D) == 1_053_825


def test_at_48_pixels_they_are_the_networks_of_stl_10():
    """Table 5: a first map of 6x6x512."""
    G = SnganGenerator((48, 48), 3, z_dim=128, width=64)
    D = SnganDiscriminator((48, 48), 3, width=64)
    assert G.dense.out_features == 6 * 6 * 512
    assert (widths(G), widths(D)) == ([256, 128, 64], [64, 128, 256, 512, 1024])


def test_at_128_pixels_they_are_the_networks_of_imagenet():
    """Table 6, seen in the small: 16 times less wide."""
    G = SnganGenerator((128, 128), 3, z_dim=128, width=4, max_width=64)
    D = SnganDiscriminator((128, 128), 3, width=4, max_width=64)
    assert G.dense.out_features == 4 * 4 * 64
    assert (widths(G), widths(D)) == ([64, 32, 16, 8, 4], [4, 8, 16, 32, 64, 64])


def test_every_layer_of_d_comes_to_a_norm_of_one():
    torch.manual_seed(0)
    D = SnganDiscriminator((16, 16), 1, width=8, classes=5, max_width=16)
    images, labels = torch.randn(2, 1, 16, 16), torch.tensor([0, 1])
    for _ in range(100):
        D(images, labels)
    D.eval()
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    norms = [torch.linalg.matrix_norm(m.weight.detach().flatten(1), ord=2).item() for m in layers]
    assert len(norms) == 2 * 4 + 2 + 2  # two in each block, two shortcuts, the logit and the label's embedding
    assert norms == pytest.approx([1.0] * len(norms), abs=0.01)


def test_g_has_no_spectral_norm_and_d_no_batch_norm():
    G, D = SnganGenerator((16, 16), 1, 8, width=8), SnganDiscriminator((16, 16), 1, width=8)
    assert not any(hasattr(m, "parametrizations") for m in G.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())


def test_d_projects_the_label_on_its_features():
    """Miyato and Koyama (2018): logit = psi(features) + <embedding of the label, features>."""
    torch.manual_seed(0)
    D = SnganDiscriminator((16, 16), 1, width=8, classes=3).eval()
    images, labels = torch.randn(2, 1, 16, 16), torch.tensor([0, 2])
    details = D.details(images, labels)
    psi = D.logit(details["features"])[:, 0]
    inner = (D.projection.embedding.weight[labels] * details["features"]).sum(dim=1)
    torch.testing.assert_close(details["logits"], psi + inner)


def test_conditional_batch_norm_gives_each_class_its_own_mean_and_spread():
    torch.manual_seed(0)
    layer = batch_norm_of_labels(2, classes=3)
    x = 5 + 4 * torch.randn(30, 2, 8, 8)
    labels = torch.arange(30) % 3
    torch.testing.assert_close(layer(x, labels), nn.BatchNorm2d(2)(x))  # at the start no class differs
    with torch.no_grad():
        layer.gain.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 2.0], [-1.0, -1.0]]))
        layer.bias.weight.copy_(torch.tensor([[0.0, 0.0], [10.0, 0.0], [7.0, 0.0]]))
    plain, y = nn.BatchNorm2d(2)(x), layer(x, labels)
    torch.testing.assert_close(y[labels == 0], plain[labels == 0])
    torch.testing.assert_close(y[labels == 1][:, 0], 2 * plain[labels == 1][:, 0] + 10)
    torch.testing.assert_close(y[labels == 1][:, 1], 3 * plain[labels == 1][:, 1])
    torch.testing.assert_close(y[labels == 2][:, 0], torch.full_like(y[labels == 2][:, 0], 7))


def test_without_classes_it_is_plain_batch_norm_with_a_gain_of_its_own():
    layer = batch_norm_of_labels(4, classes=0)
    assert type(layer.norm) is nn.BatchNorm2d
    assert parameters(layer) == 8
    assert type(batch_norm_of_labels(4, classes=2).norm) is nn.BatchNorm2d


def test_a_gain_without_a_bias_is_refused():
    with pytest.raises(ValueError, match="neither"):
        ConditionalBatchNorm2d(4, gain=nn.Embedding(2, 4))
