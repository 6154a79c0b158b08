"""SAGAN: attention where the paper has it, spectral norm in both networks, published size."""

import pytest
import torch
from torch import nn

from ganvas.networks.attention import SelfAttention
from ganvas.networks.biggan import BigganDiscriminator
from ganvas.networks.sagan import SaganDiscriminator, SaganGenerator
from ganvas.training.ema import ema_update


def sees(network, x, *more):
    """The sizes of the maps that attention gets, and its output."""
    sizes = []
    for module in network.modules():
        if isinstance(module, SelfAttention):
            module.register_forward_hook(lambda m, inputs, _: sizes.append(tuple(inputs[0].shape[1:])))
    return network(x, *more), sizes


def test_at_128_pixels_attention_stands_at_32_in_both_networks():
    G, D = SaganGenerator((128, 128), 3, 10, 4, max_width=64), SaganDiscriminator((128, 128), 3, 4, max_width=64)
    images, in_g = sees(G, torch.randn(1, 10))
    _, in_d = sees(D, images)
    assert in_g == [(16, 32, 32)]
    assert in_d == [(8, 32, 32)]


@pytest.mark.parametrize(("attention", "side"), [(32, 8), (8, 8), (4, 4)])
def test_the_map_that_looks_at_itself_is_a_setting(attention, side):
    G = SaganGenerator((16, 16), 1, 10, 8, attention=attention)
    D = SaganDiscriminator((16, 16), 1, 8, attention=attention)
    images, in_g = sees(G, torch.randn(2, 10))
    _, in_d = sees(D, images)
    assert [size[1:] for size in (*in_g, *in_d)] == [(side, side)] * 2


def test_without_attention_there_is_none():
    for network in (SaganGenerator((16, 16), 1, 10, 8, attention=0), SaganDiscriminator((16, 16), 1, 8, attention=0)):
        assert not any(isinstance(m, SelfAttention) for m in network.modules())


def test_every_convolution_and_dense_layer_of_both_comes_to_a_norm_of_one():
    torch.manual_seed(0)
    G, D = SaganGenerator((16, 16), 1, 10, 8, 3, max_width=16), SaganDiscriminator((16, 16), 1, 8, 3, max_width=16)
    labels = torch.tensor([0, 1])
    with torch.no_grad():
        for _ in range(100):
            D(G(torch.randn(2, 10), labels), labels)
    G.eval(), D.eval()
    layers = [m for network in (G, D) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [torch.linalg.matrix_norm(m.weight.detach().flatten(1), ord=2).item() for m in layers]
    assert norms == pytest.approx([1.0] * len(norms), abs=0.01)


def test_with_the_wider_d_of_biggan_it_is_the_baseline_of_that_paper(monkeypatch):
    """Brock et al. (2019), table 1: 81.5 million parameters in both networks at 128x128, ch 64, 1000 classes."""
    for family in ("sagan", "biggan"):  # a norm of weights that have no values, only shapes
        monkeypatch.setattr(f"ganvas.networks.{family}.normalise_spectrally", lambda *_: None)
    with torch.device("meta"):
        G = SaganGenerator((128, 128), 3, z_dim=128, width=64, classes=1000)
        D = BigganDiscriminator((128, 128), 3, width=64, classes=1000, max_width=1024)
    total = sum(p.numel() for network in (G, D) for p in network.parameters())
    assert round(total / 1e6, 1) == 81.5


def test_an_average_of_g_draws_what_g_draws():
    """Of one G, many times over, while its norms go on settling: the average must not be another network."""
    torch.manual_seed(0)
    G, average = (SaganGenerator((16, 16), 1, 10, 8, max_width=16) for _ in range(2))
    z = torch.randn(16, 10)
    with torch.no_grad():
        for _ in range(100):
            G(z)
            ema_update(average, G, 0.9)
        torch.testing.assert_close(average.eval()(z), G.eval()(z), rtol=0, atol=0.03)
