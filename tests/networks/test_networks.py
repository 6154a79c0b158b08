"""Every family at every size it claims, with and without labels; the published parameter counts."""

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.networks.sizes import doublings, halvings
from ganvas.networks.table import NETWORKS, build_discriminator, build_generator

FIRST = ("mlp", "dcgan", "dcgan5", "fast")  # the families after these have a file of tests each


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def build(network, resolution=(16, 16), channels=1, width=8, classes=0, norm=None):
    shape = {"resolution": resolution, "channels": channels, "width": width, "classes": classes}
    G = build_generator(network, z_dim=10, **shape)
    return G, build_discriminator(network, norm=norm or NETWORKS[network].d_norms[0], **shape)


def test_dcgan_at_64_pixels_has_the_parameters_of_the_tutorials():
    shape = {"resolution": (64, 64), "channels": 3, "width": 64, "classes": 0}
    assert parameters(build_generator("dcgan", z_dim=100, **shape)) == 3_576_704
    assert parameters(build_discriminator("dcgan", norm="batch", **shape)) == 2_765_568


def test_the_mlp_has_the_layers_it_names():
    G, D = build("mlp", (28, 28), width=256)
    assert [m.out_features for m in G.modules() if isinstance(m, nn.Linear)] == [256, 512, 1024, 784]
    assert [m.out_features for m in D.modules() if isinstance(m, nn.Linear)] == [512, 256, 1]


def test_dcgan5_starts_dense_and_halves_its_width_at_each_doubling():
    G, D = build("dcgan5", (32, 32), width=64)
    assert G.dense.out_features == 4 * 4 * 512
    assert [m.out_channels for m in G.modules() if isinstance(m, nn.ConvTranspose2d)] == [256, 128, 1]
    assert [m.out_channels for m in D.modules() if isinstance(m, nn.Conv2d)] == [64, 128, 256]
    assert {m.kernel_size for m in [*G.modules(), *D.modules()] if isinstance(m, nn.Conv2d)} == {(5, 5)}


@pytest.mark.parametrize("network", FIRST)
@pytest.mark.parametrize("resolution", [(8, 8), (9, 11), (16, 16), (25, 25), (28, 28), (24, 40), (33, 50), (64, 64)])
def test_any_size_comes_out_exactly(network, resolution):
    for channels in (1, 3):
        G, D = build(network, resolution, channels)
        images = G(torch.randn(2, 10))
        assert images.shape == (2, channels, *resolution)
        assert images.abs().max() <= 1
        assert D(images).shape == (2,)


@pytest.mark.parametrize("network", FIRST)
def test_logits_are_not_squeezed_by_a_sigmoid(network):
    _, D = build(network)
    assert not any(isinstance(m, nn.Sigmoid) for m in D.modules())


@pytest.mark.parametrize("network", FIRST)
def test_a_label_changes_the_picture_and_the_logit(network):
    torch.manual_seed(0)
    G, D = build(network, classes=3)
    G.eval(), D.eval()
    nn.init.normal_(D.projection.embedding.weight)
    z = torch.randn(1, 10).repeat(2, 1)
    images = G(z, torch.tensor([0, 2]))
    assert not torch.allclose(images[0], images[1])
    logits = D(images[:1].repeat(2, 1, 1, 1), torch.tensor([0, 2]))
    assert logits[0] != logits[1]


@pytest.mark.parametrize("network", FIRST)
def test_a_conditional_network_without_a_label_says_so(network):
    G, D = build(network, classes=3)
    with pytest.raises(ValueError, match="conditional"):
        G(torch.randn(1, 10))
    with pytest.raises(ValueError, match="conditional"):
        D(torch.randn(1, 1, 16, 16))


@pytest.mark.parametrize("network", FIRST)
def test_at_the_start_pictures_and_logits_are_small_and_varied(network):
    torch.manual_seed(0)
    G, D = build(network, (32, 32), 3, width=32)
    images = G(torch.randn(32, 10))
    assert 0.001 < images.std() < 0.7
    logits = D(images)
    assert torch.isfinite(logits).all()
    assert logits.abs().max() < 10
    logits.sum().backward()
    gradients = [p.grad.abs().max() for p in G.parameters()]
    assert all(g > 0 for g in gradients), "every parameter of G is reached"


@pytest.mark.parametrize("network", ["dcgan", "dcgan5"])
def test_the_norm_of_d_is_a_setting(network):
    counts = {}
    for norm in ("batch", "none", "spectral"):
        _, D = build(network, norm=norm)
        norms = sum(isinstance(m, nn.BatchNorm2d) for m in D.modules())
        spectral = sum(hasattr(m, "parametrizations") for m in D.modules())
        counts[norm] = (norms > 0, spectral > 0)
    assert counts == {"batch": (True, False), "none": (False, False), "spectral": (False, True)}


@pytest.mark.parametrize("network", ["dcgan", "dcgan5"])
def test_spectral_norms_are_one_after_some_steps(network):
    torch.manual_seed(0)
    _, D = build(network, (16, 16), norm="spectral")
    for _ in range(50):
        D(torch.randn(2, 1, 16, 16))
    D.eval()
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [torch.linalg.matrix_norm(m.weight.detach().flatten(1), ord=2).item() for m in layers]
    assert len(norms) >= 3
    assert norms == pytest.approx([1.0] * len(norms), rel=0.02)


@pytest.mark.parametrize(("network", "resolution"), [("dcgan", (7, 64)), ("fast", (200, 200)), ("mlp", (64, 65))])
def test_a_size_that_cannot_be_done_is_refused_with_those_that_can(network, resolution):
    with pytest.raises(GanvasError, match=rf"{NETWORKS[network].smallest} to {NETWORKS[network].largest} pixels"):
        build(network, resolution)


def test_a_norm_that_a_family_does_not_have_is_refused():
    with pytest.raises(GanvasError, match="--d-norm none"):
        build("fast", norm="spectral")


def test_doublings_reach_any_size_and_halvings_undo_them():
    assert doublings((28, 28), start=4) == [(4, 4), (7, 7), (14, 14), (28, 28)]
    assert doublings((64, 48), start=4) == [(4, 3), (8, 6), (16, 12), (32, 24), (64, 48)]
    assert doublings((4, 4), start=4) == [(4, 4)]
    assert halvings((28, 28), kernel=4, padding=1, stages=2) == (7, 7)
    assert halvings((25, 25), kernel=5, padding=2, stages=3) == (4, 4)
