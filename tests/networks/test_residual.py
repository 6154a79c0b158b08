"""What SNGAN, SAGAN and BigGAN share: residual blocks, and all that a family must keep."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.games.noise import Draws
from ganvas.networks.biggan import BigganDiscriminator, BigganGenerator
from ganvas.networks.residual import (
    DownBlock,
    UpBlock,
    doubled_convolution,
    halved_convolution,
    halvings_of_residual,
    initialise_orthogonal,
)
from ganvas.networks.sagan import SaganDiscriminator, SaganGenerator
from ganvas.networks.sngan import SnganDiscriminator, SnganGenerator
from ganvas.objectives.penalties import r1_penalty

FAMILIES = {
    "sngan": (SnganGenerator, SnganDiscriminator),
    "sagan": (SaganGenerator, SaganDiscriminator),
    "biggan": (BigganGenerator, BigganDiscriminator),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def build(family, resolution=(16, 16), channels=1, classes=0, width=8):
    torch.manual_seed(0)
    Generator, Discriminator = FAMILIES[family]
    shape = {"resolution": resolution, "channels": channels, "width": width, "classes": classes, "max_width": 2 * width}
    return Generator(z_dim=10, **shape), Discriminator(**shape)


def wake(network):
    """Attention and class gains start at zero, where they pass no gradient on."""
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
        elif not parameter.any():
            nn.init.normal_(parameter, 0.0, 0.5)


def test_a_doubling_and_a_convolution_are_one_transposed_convolution():
    torch.manual_seed(0)
    convolution, x = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 5, 6)
    expected = convolution(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    torch.testing.assert_close(doubled_convolution(x, convolution), expected)


@pytest.mark.parametrize("size", [(6, 8), (7, 9)])
def test_a_convolution_and_means_are_one_strided_convolution(size):
    torch.manual_seed(0)
    convolution, x = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, *size)
    torch.testing.assert_close(halved_convolution(x, convolution), F.avg_pool2d(convolution(x), 2))


def test_an_up_block_is_batch_norm_relu_doubling_convolution_twice_and_a_shortcut():
    torch.manual_seed(0)
    G, _ = build("sngan", (9, 11), width=4)
    block, x = G.blocks[-1].eval(), torch.randn(2, 8, 5, 6)
    up = nn.Upsample(scale_factor=2)
    y = block.convolution1(up(F.relu(block.norm1.norm(x))))[:, :, :9, :11]
    y = block.convolution2(F.relu(block.norm2.norm(y)))
    expected = y + block.shortcut(up(x))[:, :, :9, :11]
    assert isinstance(block, UpBlock)
    torch.testing.assert_close(block(x, None), expected)


@pytest.mark.parametrize("first", [True, False])
def test_a_down_block_is_relu_convolution_twice_means_and_a_shortcut(first):
    torch.manual_seed(0)
    block, x = DownBlock(3, 6, 4, halving=True, first=first), torch.randn(2, 3, 8, 8)
    y = block.convolution2(F.relu(block.convolution1(x if first else F.relu(x))))
    torch.testing.assert_close(block(x), F.avg_pool2d(y + block.shortcut(x), 2))


def test_a_block_that_changes_nothing_adds_its_input_itself():
    block = DownBlock(4, 4, 4, halving=False)
    nn.init.zeros_(block.convolution2.weight), nn.init.zeros_(block.convolution2.bias)
    x = torch.randn(2, 4, 5, 5)
    assert block.shortcut is None
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("side", "halvings", "flat"), [(8, 2, 2), (32, 2, 2), (48, 4, 1), (64, 4, 1), (128, 5, 1), (256, 6, 1)]
)
def test_d_halves_as_in_the_published_tables(side, halvings, flat):
    assert halvings_of_residual((side, 2 * side)) == (halvings, flat)


def test_orthogonal_weights_have_singular_values_of_one():
    layer = nn.Sequential(nn.Conv2d(4, 8, 3))
    initialise_orthogonal(layer)
    torch.testing.assert_close(torch.linalg.svdvals(layer[0].weight.flatten(1)), torch.ones(8))


@every_family
@pytest.mark.parametrize("resolution", [(8, 8), (9, 11), (16, 16), (25, 25), (24, 40), (33, 50), (64, 64)])
def test_any_size_comes_out_exactly(family, resolution):
    G, D = build(family, resolution, width=4)
    images = G(torch.randn(2, 10))
    assert images.shape == (2, 1, *resolution)
    assert images.abs().max() <= 1
    assert D(images).shape == (2,)


@every_family
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_pictures_of_any_number_of_channels(family, channels):
    G, D = build(family, (8, 8), channels, classes=2)
    labels = torch.tensor([0, 1])
    assert D(G(torch.randn(2, 10), labels), labels).shape == (2,)


@every_family
def test_details_hold_the_logits_and_what_they_are_made_of(family):
    _, D = build(family)
    images = torch.randn(3, 1, 16, 16)
    details = D.eval().details(images)
    assert details["features"].shape == (3, 16)
    torch.testing.assert_close(details["logits"], D.logit(details["features"])[:, 0])
    assert torch.equal(details["logits"], D(images))


@every_family
@pytest.mark.parametrize("classes", [0, 3])
def test_in_evaluation_a_picture_depends_on_its_own_noise_and_label_alone(family, classes):
    G, _ = build(family, classes=classes)
    z, labels = torch.randn(4, 10), torch.tensor([0, 1, 2, 0]) if classes else None
    G(z, labels)  # statistics of one batch
    G.eval(), wake(G)
    together = G(z, labels)
    assert torch.equal(G(z, labels), together)
    assert torch.equal(G(z, labels, Draws("cpu", (0,))), together)
    for i in range(4):
        alone = G(z[i : i + 1], labels[i : i + 1] if classes else None)
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-5)
    assert (together[0] - together[3]).abs().max() > 0.01


@every_family
def test_a_label_changes_the_picture_and_the_logit(family):
    G, D = build(family, classes=3)
    G.eval(), wake(G), D.eval()
    z = torch.randn(1, 10).repeat(2, 1)
    images = G(z, torch.tensor([0, 2]))
    assert (images[0] - images[1]).abs().max() > 0.01
    logits = D(images[:1].repeat(2, 1, 1, 1), torch.tensor([0, 2]))
    assert (logits[0] - logits[1]).abs() > 1e-3


@every_family
def test_a_conditional_network_without_a_label_says_so(family):
    G, D = build(family, classes=3)
    with pytest.raises(ValueError, match="conditional"):
        G(torch.randn(1, 10))
    with pytest.raises(ValueError, match="conditional"):
        D(torch.randn(1, 1, 16, 16))


@every_family
@pytest.mark.parametrize("classes", [0, 3])
def test_a_gradient_reaches_every_parameter(family, classes):
    G, D = build(family, classes=classes)
    wake(G), wake(D)
    labels = torch.tensor([0, 1, 2, 0]) if classes else None
    (D(G(torch.randn(4, 10), labels), labels) * torch.tensor([1.0, -2.0, 3.0, -4.0])).sum().backward()
    for network in (G, D):
        dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        # BatchNorm takes away whatever is the same at every place of every picture, such as these biases.
        assert [name for name in dead if not name.endswith("bias")] == []


@every_family
def test_at_the_start_no_layer_is_faint_or_loud(family):
    G, D = build(family, (32, 32), 3, classes=3, width=32)
    labels, spreads = torch.arange(16) % 3, {}
    blocks = [m for network in (G, D) for m in network.blocks]
    for number, block in enumerate(blocks):
        block.register_forward_hook(lambda m, _, out, n=number: spreads.__setitem__(n, out.detach().std().item()))
    images = G(torch.randn(16, 10), labels)
    logits = D(images, labels)
    (gradient,) = torch.autograd.grad(logits.sum(), images)
    assert all(0.3 < spreads[n] < 3 for n in range(len(G.blocks)))
    assert all(0.01 < spreads[n] < 1 for n in range(len(G.blocks), len(blocks)))  # what a norm of 1 leaves
    assert 0.2 < images.std() < 0.8
    assert logits.abs().max() < 30  # sums over 64 places
    assert 0.01 < gradient.flatten(1).norm(dim=1).mean() < 3


@every_family
def test_the_gradient_of_d_has_a_gradient(family):
    _, D = build(family, classes=2)
    wake(D)
    real, labels = torch.randn(2, 1, 16, 16, requires_grad=True), torch.tensor([0, 1])
    r1_penalty(real, D(real, labels)).sum().backward()
    gradients = [p.grad for name, p in D.named_parameters() if name.endswith("original")]
    assert all(torch.isfinite(g).all() and g.any() for g in gradients)


@every_family
def test_the_networks_run_in_half_precision(family):
    G, D = build(family, classes=2)
    wake(G), wake(D)
    z, labels = torch.randn(4, 10), torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        exact = D(G(z, labels), labels)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = D(G(z, labels), labels)
    torch.testing.assert_close(rounded.float(), exact, rtol=0.2, atol=0.2)


@every_family
def test_feature_maps_stay_channels_last(family):
    G, D = (network.to(memory_format=torch.channels_last) for network in build(family, channels=3))
    images = G(torch.randn(2, 10))
    assert images.is_contiguous(memory_format=torch.channels_last)
    seen = []
    D.blocks[-1].register_forward_hook(lambda m, _, out: seen.append(out))
    D(images)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
