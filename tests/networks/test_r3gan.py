"""R3GAN: the published parameter counts, the start that fix-up promises, and gradients of gradients."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.networks.r3gan import (
    GAIN,
    Block,
    PenalisedConv2d,
    R3ganDiscriminator,
    R3ganGenerator,
    downsample,
    groups_of,
    stage_widths,
    upsample,
)
from ganvas.objectives.penalties import r1_penalty

IMAGENET = {"width": 1536, "max_width": 1536, "group_width": 32, "classes": 1000}
PUBLISHED = [  # millions of parameters of G and of D
    pytest.param((32, 32), {"width": 768, "classes": 10}, 20.78, 21.28, id="cifar-10"),
    pytest.param((64, 64), {"width": 384}, 22.43, 22.38, id="ffhq-64"),
    pytest.param((256, 256), {"width": 96}, 23.06, 23.01, id="ffhq-256"),
    pytest.param((32, 32), IMAGENET, 82.9, 86.6, id="imagenet-32"),
    pytest.param((64, 64), IMAGENET, 103.6, 107.2, id="imagenet-64"),
]


def pair(resolution=(16, 16), channels=1, classes=0, seed=0, **shape):
    torch.manual_seed(seed)
    shape = {"width": 8, "max_width": 16, **shape}
    G = R3ganGenerator(resolution, channels, z_dim=6, classes=classes, **shape)
    return G, R3ganDiscriminator(resolution, channels, classes=classes, **shape)


def after_some_training(network, seed=0):
    """As a network is once its blocks have left zero."""
    torch.manual_seed(seed)
    for block in network.modules():
        if isinstance(block, Block):
            nn.init.normal_(block.narrow.weight, std=block.narrow.in_channels**-0.5)
            nn.init.normal_(block.widen.bias, std=0.1)
            nn.init.normal_(block.spread.bias, std=0.1)
    return network


def root_mean_square(x):
    return x.detach().square().mean().sqrt().item()


@pytest.mark.parametrize(("resolution", "shape", "g_millions", "d_millions"), PUBLISHED)
def test_the_published_networks_have_the_published_parameters(resolution, shape, g_millions, d_millions):
    with torch.device("meta"):
        G = R3ganGenerator(resolution, 3, z_dim=64, **shape)
        D = R3ganDiscriminator(resolution, 3, **shape)
    for network, millions in ((G, g_millions), (D, d_millions)):
        count = sum(p.numel() for p in network.parameters()) / 1e6
        # Half a last digit; and a little, because D at ImageNet-32 has 86.549 million, which the paper gives as 86.6.
        assert abs(count - millions) <= (0.005 if millions < 50 else 0.052)


def test_the_parameters_of_one_block_by_hand():
    block = Block(768, group_width=16, blocks=8, Convolution=nn.Conv2d)
    assert block.spread.groups == 96
    assert sum(p.numel() for p in block.parameters()) == 2 * 768 * 1536 + 1536 * 16 * 9 + 2 * 1536


def test_stages_double_their_width_as_the_size_halves_up_to_the_widest():
    assert stage_widths(7, 96, 768) == [96, 192, 384, 768, 768, 768, 768]
    G, D = pair((64, 64), width=8, max_width=32)
    assert [stage[0].narrow.out_channels for stage in G.stages] == [32, 32, 32, 16, 8]
    assert [stage[0].narrow.out_channels for stage in D.stages] == [8, 16, 32, 32, 32]
    assert G.sizes == D.sizes[::-1] == [(4, 4), (8, 8), (16, 16), (32, 32), (64, 64)]


@pytest.mark.parametrize(
    ("channels", "group_width", "groups"),
    [(1536, 16, 96), (3072, 32, 96), (192, 16, 12), (64, 16, 4), (64, 8, 8), (16, 16, 1), (8, 16, 1), (20, 16, 1)],
)
def test_groups_scale_with_the_channels_and_divide_them(channels, group_width, groups):
    assert groups_of(channels, group_width) == groups
    assert channels % groups_of(channels, group_width) == 0


@pytest.mark.parametrize("resolution", [(8, 8), (9, 11), (16, 16), (25, 25), (28, 28), (24, 40), (33, 50), (8, 64)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_channels_come_out_exactly(resolution, channels):
    for classes in (0, 3):
        G, D = pair(resolution, channels, classes)
        labels = torch.tensor([0, 2]) if classes else None
        images = G(torch.randn(2, 6), labels)
        assert images.shape == (2, channels, *resolution)
        details = D.details(images, labels)
        assert details["logits"].shape == D(images, labels).shape == (2,)
        assert details["features"].shape == (2, D.basis.shape[1])


def test_no_layer_normalises_or_squeezes():
    for network in pair():
        kinds = {type(m).__name__ for m in network.modules()}
        assert not [kind for kind in kinds if "Norm" in kind or kind in ("Sigmoid", "Tanh", "Dropout")]


def test_resampling_is_bilinear_interpolation():
    x = torch.tensor([[0.0, 4.0]]).view(1, 1, 1, 2)
    assert upsample(x, (1, 4)).flatten().tolist() == [0, 1, 3, 4]
    assert upsample(x, (2, 3)).shape == (1, 1, 2, 3)
    assert downsample(upsample(x, (2, 4))).flatten().tolist() == [0.5, 3.5]
    even = torch.randn(2, 3, 6, 8)
    torch.testing.assert_close(downsample(even), F.interpolate(even, scale_factor=0.5, mode="bilinear"))
    odd = torch.arange(5.0).view(1, 1, 1, 5)
    assert downsample(odd).flatten().tolist() == [0.5, 2.5, 4]  # the last pixel stands alone


def test_a_fresh_network_is_the_straight_path_of_its_resamplings():
    G, D = pair((16, 16), width=8, max_width=8)  # one width: no 1x1 convolution between stages
    z, images = torch.randn(3, 6), torch.randn(3, 1, 16, 16)
    start = G.basis * G.modulation(z)[:, :, None, None]
    expected = G.picture(upsample(upsample(start, (8, 8)), (16, 16)))
    torch.testing.assert_close(G(z), expected)
    small = downsample(downsample(D.colours(images)))
    torch.testing.assert_close(D(images), D.dense((small * D.basis).sum(dim=(2, 3)))[:, 0])


def test_a_block_starts_as_the_identity_with_the_spread_of_fix_up_within():
    torch.manual_seed(0)
    blocks = 16
    block = Block(64, group_width=16, blocks=blocks, Convolution=nn.Conv2d)
    x = torch.randn(16, 64, 12, 12)
    assert torch.equal(block(x), x)
    within = F.leaky_relu(block.widen(x), 0.2)
    assert root_mean_square(within) == pytest.approx(blocks**-0.25, rel=0.05)  # 1/2
    # The border sees zeros outside; inside it each layer scales the mean square by L^(-1/2).
    within = F.leaky_relu(block.spread(within), 0.2)[:, :, 1:-1, 1:-1]
    assert root_mean_square(within) == pytest.approx(blocks**-0.5, rel=0.05)  # 1/4


def test_the_gain_undoes_what_a_leaky_relu_takes():
    x = torch.linspace(-3, 3, 10_001)
    assert root_mean_square(GAIN * F.leaky_relu(x, 0.2)) == pytest.approx(root_mean_square(x), rel=1e-4)


def test_fresh_pictures_have_the_variance_of_interpolated_noise():
    """Basis and modulation give every pixel of the 4x4 map a mean square of 1, independently; each 1x1 convolution
    keeps it; interpolation along one axis takes a pixel's to the sum of its squared weights."""
    torch.manual_seed(0)
    pictures = []
    for seed in range(4):
        G, _ = pair((16, 16), channels=4, width=32, max_width=128, blocks=1, seed=seed)
        pictures.append(G(torch.randn(100, 6)))
    weights = F.interpolate(
        F.interpolate(torch.eye(4)[None], scale_factor=2.0, mode="linear"), scale_factor=2.0, mode="linear"
    )
    share = weights[0].square().sum(dim=0).mean()  # 0.67, of either axis
    assert root_mean_square(torch.cat(pictures)) == pytest.approx(share.item(), rel=0.15)
    assert share == pytest.approx(0.67, abs=0.01)


@pytest.mark.parametrize("classes", [0, 5])
def test_fresh_logits_of_a_flat_picture_have_variance_one(classes):
    logits = []
    for seed in range(60):
        _, D = pair((8, 8), channels=3, classes=classes, width=16, max_width=32, blocks=1, seed=seed)
        labels = torch.zeros(1, dtype=torch.int64) if classes else None
        logits.append(D(torch.ones(1, 3, 8, 8), labels).detach())
    assert root_mean_square(torch.stack(logits)) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("classes", [0, 3])
def test_at_first_the_last_layer_of_each_block_learns_and_then_everything(classes):
    G, D = pair(classes=classes)
    z, labels = torch.randn(16, 6), torch.arange(16) % 3 if classes else None
    D(G(z, labels), labels).square().sum().backward()
    asleep = {n for net in (G, D) for n, p in net.named_parameters() if not p.grad.abs().max() > 0}
    assert asleep
    assert all("widen" in name or "spread" in name for name in asleep)
    for network in (after_some_training(G), after_some_training(D)):
        network.zero_grad()
    D(G(z, labels), labels).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for network in (G, D) for p in network.parameters())


def test_gradients_neither_vanish_nor_explode_through_seven_stages():
    G, D = pair((256, 256), channels=3, width=4, max_width=16)
    z = torch.randn(2, 6, requires_grad=True)
    images = G(z)
    D(images).sum().backward()
    assert 0.2 < root_mean_square(images) < 1.5
    assert 0.01 < root_mean_square(z.grad) < 10
    for network in (G, D):
        for name, p in network.named_parameters():
            if "narrow" in name:
                assert 1e-4 < root_mean_square(p.grad) < 10, name


def test_a_label_changes_the_picture_and_the_logit():
    G, D = pair(classes=3)
    labels, z = torch.tensor([0, 2]), torch.randn(1, 6).repeat(2, 1)
    images = G(z, labels)
    assert not torch.allclose(images[0], images[1])
    logits = D(images[:1].repeat(2, 1, 1, 1), labels)
    assert logits[0] != logits[1]


def test_with_classes_the_logit_is_the_projection_alone():
    _, D = pair(classes=3)
    images, labels = torch.randn(2, 1, 16, 16), torch.tensor([1, 2])
    details = D.details(images, labels)
    expected = (D.projection.embedding.weight[labels] * details["features"]).sum(dim=1)
    torch.testing.assert_close(details["logits"], expected)


def test_without_a_label_a_conditional_network_says_so():
    G, D = pair(classes=3)
    with pytest.raises(ValueError, match="conditional"):
        G(torch.randn(1, 6))
    with pytest.raises(ValueError, match="conditional"):
        D(torch.randn(1, 1, 16, 16))


def test_a_picture_does_not_depend_on_its_neighbours():
    for classes in (0, 3):
        G, D = (after_some_training(network) for network in pair(classes=classes))
        z, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 0]) if classes else None
        images = G(z, labels)
        logits = D(images, labels)
        for i in range(4):
            label = None if labels is None else labels[i : i + 1]
            torch.testing.assert_close(G(z[i : i + 1], label)[0], images[i], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(D(images[i : i + 1], label)[0], logits[i], rtol=1e-4, atol=1e-5)


def test_maps_stay_channels_last():
    G, D = (after_some_training(network.to(memory_format=torch.channels_last)) for network in pair((24, 16), 3))
    seen = []
    for network in (G, D):
        for block in network.modules():
            if isinstance(block, Block):
                block.register_forward_hook(lambda _, inputs, output: seen.append(output))
    D(G(torch.randn(2, 6)))
    assert len(seen) == 2 * 2 * 3
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_convolution_of_d_agrees_with_finite_differences_twice(groups):
    torch.manual_seed(0)
    layer = PenalisedConv2d(2, 4, 3, padding=1, groups=groups).double()
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)

    def convolve(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, x)

    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=1, groups=groups))
    assert torch.autograd.gradcheck(convolve, (x, layer.weight, layer.bias))
    assert torch.autograd.gradgradcheck(convolve, (x, layer.weight, layer.bias))


@pytest.mark.parametrize("classes", [0, 3])
def test_r1_has_the_gradient_that_plain_convolutions_give(classes):
    _, D = pair((9, 12), channels=3, classes=classes)
    after_some_training(D)
    plain = copy.deepcopy(D)
    for module in plain.modules():
        if isinstance(module, PenalisedConv2d):
            module.__class__ = nn.Conv2d
    labels = torch.tensor([0, 1, 2]) if classes else None
    pictures = torch.randn(3, 3, 9, 12)
    gradients = []
    for network in (D, plain):
        real = pictures.clone().requires_grad_(True)
        logits = network(real, labels)
        (logits.sum() + r1_penalty(real, logits).sum()).backward()
        gradients.append([p.grad for p in network.parameters()])
    assert all(g.abs().max() > 0 for g in gradients[0])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_bfloat16_gives_about_the_same_pictures_logits_and_gradients():
    G, D = (after_some_training(network) for network in pair(classes=3, width=16, max_width=32))
    z, labels = torch.randn(8, 6), torch.arange(8) % 3
    found = []
    for narrow in (False, True):
        D.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            images = G(z, labels)
            logits = D(images, labels)
        logits.float().square().sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in D.parameters()])
        assert gradient.dtype == torch.float32
        found.append((images.detach().float(), logits.detach().float(), gradient))
    for exact, rounded in zip(*found, strict=True):
        assert (exact - rounded).norm() < 0.1 * exact.norm()


def test_the_embedding_of_a_label_weighs_as_much_as_z():
    G, _ = pair(classes=500)
    assert G.label.weight.shape == (500, 6)
    assert G.label.weight.std().item() == pytest.approx(1, abs=0.05)
    assert G.modulation.weight.std().item() == pytest.approx(1 / math.sqrt(2 * 6), rel=0.15)
