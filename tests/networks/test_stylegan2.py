"""Styles: what modulation computes, which layers a style reaches, what noise and truncation do; published counts."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.games.noise import Draws, Rows
from ganvas.networks.equalized import EqualizedConv2d, EqualizedLinear
from ganvas.networks.stylegan2 import (
    ModulatedConv2d,
    StyledLayer,
    Stylegan2Discriminator,
    Stylegan2Generator,
)
from ganvas.objectives.path_length import path_lengths
from ganvas.objectives.penalties import r1_penalty


def generator(resolution=(16, 16), channels=3, classes=0, mixing=0.0, noise=0.0, width=4, max_width=8):
    torch.manual_seed(0)
    G = Stylegan2Generator(
        resolution, channels, 6, width, classes, max_width=max_width, mapping_layers=2, mixing=mixing
    )
    for layer in G.modules():
        if isinstance(layer, StyledLayer):
            nn.init.constant_(layer.noise_strength, noise)
    return G


def discriminator(resolution=(16, 16), channels=3, classes=0, **settings):
    torch.manual_seed(1)
    return Stylegan2Discriminator(resolution, channels, 4, classes, max_width=8, **settings)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_at_1024_pixels_the_networks_are_those_of_config_f():
    G = Stylegan2Generator((1024, 1024), 3, z_dim=512, width=32, max_width=512, mapping_layers=8)
    assert parameters(G.mapping) == 8 * (512 * 512 + 512)
    assert parameters(G) == 30_370_060  # published as 30.37 M
    assert G.layers == 18
    assert parameters(Stylegan2Discriminator((1024, 1024), 3, width=32, max_width=512)) == 29_012_513  # 29.01 M


def test_at_256_and_32_pixels_the_networks_are_those_of_the_paper_on_limited_data():
    G = Stylegan2Generator((256, 256), 3, z_dim=512, width=64, max_width=512, mapping_layers=8)
    assert parameters(G) == 24_767_458  # published as 24.77 M
    assert parameters(Stylegan2Discriminator((256, 256), 3, width=64, max_width=512)) == 24_001_089  # 24.00 M
    G = Stylegan2Generator((32, 32), 3, z_dim=512, width=512, max_width=512, mapping_layers=2, mixing=0)
    D = Stylegan2Discriminator((32, 32), 3, width=512, max_width=512, residual=False, deviation_group=32)
    assert [round(parameters(n) / 1e6, 1) for n in (G, D)] == [19.9, 20.7]


@pytest.mark.parametrize("up", [False, True])
def test_scaling_inputs_and_outputs_is_the_convolution_with_styled_weights(up):
    torch.manual_seed(0)
    layer = ModulatedConv2d(5, 7, 3, w_dim=4, up=up)
    x, w = torch.randn(3, 5, 6, 6), torch.randn(3, 4)
    style = layer.affine(w)  # [3, 5]
    weights = layer.weight * style[:, None, :, None, None]  # a weight per picture: equations 1 and 3
    weights = weights / weights.square().sum(dim=(2, 3, 4), keepdim=True).sqrt()
    if up:
        expected = [F.conv_transpose2d(i[None], k.transpose(0, 1), stride=2) for i, k in zip(x, weights, strict=True)]
        expected = [F.conv2d(y, layer.blur.expand(7, 1, 4, 4), padding=1, groups=7) for y in expected]
    else:
        expected = [F.conv2d(i[None], k, padding=1) for i, k in zip(x, weights, strict=True)]
    torch.testing.assert_close(layer(x, w), torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_demodulated_outputs_have_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    layer = ModulatedConv2d(16, 32, 3, w_dim=4)
    x = torch.randn(16, 16, 32, 32)
    for size in (0.1, 1.0, 30.0):
        out = layer(x, size * torch.randn(16, 4))[..., 1:-1, 1:-1]
        deviations = out.std(dim=(2, 3))  # [N, 32]
        torch.testing.assert_close(deviations, torch.ones(16, 32), rtol=0, atol=0.15)


def test_a_flat_map_stays_flat_when_it_is_doubled():
    layer = ModulatedConv2d(1, 1, 3, w_dim=2, up=True, demodulate=False)
    nn.init.zeros_(layer.weight)
    layer.weight.data[0, 0, 1, 1] = 3.0  # 1 by the scale of nine inputs
    nn.init.zeros_(layer.affine.weight)
    out = layer(torch.ones(1, 1, 8, 8), torch.zeros(1, 2))
    assert out.shape == (1, 1, 16, 16)
    # A lone middle tap leaves every other row and column empty: the filter spreads its value of 1 over four pixels.
    torch.testing.assert_close(out[..., 2:-2, 2:-2], torch.ones(1, 1, 12, 12))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("resolution", [(4, 4), (8, 8), (16, 16), (9, 11), (24, 40), (33, 50)])
def test_any_size_comes_out_exactly(resolution, channels):
    G, D = generator(resolution, channels, classes=2), discriminator(resolution, channels, classes=2)
    labels = torch.tensor([0, 1])
    images = G(torch.randn(2, 6), labels, Draws("cpu", (0,)))
    assert images.shape == (2, channels, *resolution)
    details = D.details(images, labels)
    assert details["logits"].shape == (2,)
    assert details["features"].shape == (2, D.logit.weight.shape[1])


def test_without_random_or_in_eval_mode_a_picture_depends_on_its_own_z_and_label_alone():
    G = generator(classes=3, mixing=0.9, noise=1.0)
    z, labels = torch.randn(3, 6), torch.tensor([0, 1, 2])
    together = G(z, labels)
    torch.testing.assert_close(together[1:2], G(z[1:2], labels[1:2]))
    assert not torch.allclose(G(z[:1], torch.tensor([1])), together[:1])
    G.eval()
    torch.testing.assert_close(G(z, labels, Draws("cpu", (0,))), together)
    assert not G.w_average.any()


def test_noise_comes_from_random_in_training_and_stands_still_without():
    G = generator(noise=1.0)
    z = torch.randn(2, 6)
    drawn = [G(z, None, Draws("cpu", (step,))) for step in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert torch.equal(G(z), G(z))
    assert torch.equal(generator(noise=0.0)(z, None, Draws("cpu", (0,))), generator(noise=0.0)(z))


def test_a_batch_that_is_shared_out_is_the_whole_one():
    G = generator(mixing=0.9, noise=1.0)
    z = torch.randn(6, 6)
    whole = G(z, None, Draws("cpu", (0,), Rows(6)))
    parts = [G(z[s : s + 3], None, Draws("cpu", (0,), Rows(6, s))) for s in (0, 3)]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_mixing_takes_the_later_layers_from_another_style():
    G = generator((64, 64), mixing=0.9)
    z = torch.randn(4000, 6)
    ws, own = G.styles(z, None, Draws("cpu", (0,))), G.mapping(z, None)
    assert ws.shape == (4000, G.layers, 6)
    other = (ws != own[:, None]).any(dim=2)  # [N, layers]
    assert not other[:, 0].any()
    assert other[:, 1:].logical_or(~other[:, :-1]).all()  # once changed, changed to the end
    assert other[:, -1].float().mean().item() == pytest.approx(0.9, abs=0.02)
    starts = other[other[:, -1]].float().argmax(dim=1).bincount(minlength=G.layers)
    assert starts[0] == 0
    assert starts[1:].float().div(starts.sum()).sub(1 / (G.layers - 1)).abs().max() < 0.02  # all equally likely
    assert not (G.styles(z) != own[:, None]).any()


def test_a_later_style_changes_later_layers_alone():
    G = generator((16, 16))  # layers 0, 1 | 2, 3 | 4, then the last picture's
    seen = []
    for layer in (m for m in G.modules() if isinstance(m, StyledLayer)):
        layer.register_forward_hook(lambda m, i, out: seen.append(out))
    ws = G.styles(torch.randn(2, 6)).clone()
    G.synthesis(ws)
    ws[:, 3:] = torch.randn(2, 3, 6)
    G.synthesis(ws)
    same = [torch.equal(before, after) for before, after in zip(seen[:5], seen[5:], strict=True)]
    assert same == [True, True, True, False, False]


def test_truncation_moves_styles_towards_the_average():
    G = generator()
    for step in range(2000):
        G.styles(torch.randn(16, 6), None, Draws("cpu", (step,)))
    with torch.no_grad():
        mean = G.mapping(torch.randn(20_000, 6), None).mean(dim=0)
    assert (G.w_average - mean).norm() < 0.2 * G.mapping(torch.randn(100, 6), None).norm(dim=1).mean()
    ws = G.styles(torch.randn(3, 6))
    torch.testing.assert_close(G.truncate(ws, 1.0), ws)
    half = G.truncate(ws, 0.5)
    torch.testing.assert_close((half - G.w_average).norm(dim=2), 0.5 * (ws - G.w_average).norm(dim=2))
    pictures = G.synthesis(G.truncate(ws, 0.0))
    torch.testing.assert_close(pictures[1], pictures[0])


def test_a_label_changes_the_logit_and_a_missing_one_is_named():
    G, D = generator(classes=3), discriminator(classes=3)
    nn.init.normal_(D.projection.embedding.weight)
    image = torch.randn(1, 3, 16, 16)
    assert D(image, torch.tensor([0])) != D(image, torch.tensor([2]))
    with pytest.raises(ValueError, match="conditional"):
        G(torch.randn(1, 6))
    with pytest.raises(ValueError, match="conditional"):
        D(image)


@pytest.mark.parametrize("residual", [True, False])
def test_gradients_reach_every_parameter(residual):
    G, D = generator(classes=2, mixing=0.9), discriminator(classes=2, residual=residual)
    labels = torch.tensor([0, 1, 0, 1])
    D(G(torch.randn(4, 6), labels, Draws("cpu", (0,))), labels).square().sum().backward()
    still = [name for n in (G, D) for name, p in n.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still


def test_at_the_start_signals_and_gradients_neither_vanish_nor_explode():
    G = generator((64, 64), width=16, max_width=64)
    D = Stylegan2Discriminator((64, 64), 3, 16, max_width=64)
    layers, dense = [], []
    for module in [*G.modules(), *D.modules()]:
        if isinstance(module, StyledLayer | EqualizedConv2d):
            module.register_forward_hook(lambda m, i, out: layers.append(out.std().item()))
        elif isinstance(module, EqualizedLinear):
            module.register_forward_hook(lambda m, i, out: dense.append(out.std().item()))
    images = G(torch.randn(16, 6))
    D(images).sum().backward()
    assert len(layers) > 20
    assert min(layers) > 0.2
    assert max(layers) < 5
    assert min(dense) > 0.1
    assert max(dense) < 5
    sizes = [p.grad.std().item() for n in (G, D) for p in n.parameters() if p.dim() == 4 and p.shape[0] > 1]
    assert max(sizes) / min(sizes) < 1e3


def test_a_penalty_on_the_gradient_teaches_every_convolution_of_d():
    D = discriminator()
    real = torch.randn(4, 3, 16, 16, requires_grad=True)
    r1_penalty(real, D(real)).mean().backward()
    assert all(p.grad.abs().max() > 0 for p in D.parameters() if p.dim() == 4)


def test_r1_agrees_with_finite_differences():
    D = discriminator((8, 8), channels=1).double()
    real = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    penalty = r1_penalty(real, D(real))
    moves = 1e-6 * torch.eye(64, dtype=torch.float64).view(64, 1, 1, 8, 8)
    slopes = [(D(real.detach() + move) - D(real.detach() - move)).item() / 2e-6 for move in moves]
    # One picture has no deviation within its group, in float32 or in float64.
    assert penalty.item() == pytest.approx(sum(s**2 for s in slopes), rel=1e-3)


def test_path_lengths_teach_the_synthesis_and_the_mapping():
    G = generator(mixing=0.9, noise=0.1)
    random = Draws("cpu", (0,))
    ws = G.styles(torch.randn(4, 6), None, random)
    lengths = path_lengths(G.synthesis(ws, random), ws, random.normal(4, 3, 16, 16))
    assert lengths.shape == (4,)
    lengths.square().mean().backward()
    taught = {name for name, p in G.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {name for name, _ in G.named_parameters() if name.endswith("weight")} <= taught


def test_path_lengths_agree_with_finite_differences():
    G = generator((8, 8), channels=1)
    ws = G.styles(torch.randn(1, 6)).detach().requires_grad_(True)
    noise = torch.randn(1, 1, 8, 8)
    length = path_lengths(G.synthesis(ws), ws, noise)
    squares = torch.zeros(G.layers)
    with torch.no_grad():
        for layer in range(G.layers):
            for i in range(6):
                move = torch.zeros_like(ws)
                move[0, layer, i] = 1e-2
                slope = ((G.synthesis(ws + move) - G.synthesis(ws - move)) * noise).sum() / 2e-2 / 8
                squares[layer] += slope.square()
    assert length.item() == pytest.approx(squares.mean().sqrt().item(), rel=0.01)


def test_the_average_of_pictures_that_differ_tells_d_of_their_variety():
    D = discriminator()
    image = torch.randn(1, 3, 16, 16)
    alone = D(image)
    same = D(image.expand(4, -1, -1, -1))
    torch.testing.assert_close(same, alone.expand(4), rtol=1e-3, atol=1e-4)
    varied = D(torch.cat([image, 10 * torch.randn(3, 3, 16, 16)]))
    assert (varied[0] - alone).abs() > 10 * (same[0] - alone).abs() + 1e-3


def test_under_autocast_the_pictures_are_nearly_the_same():
    G, D = generator(mixing=0.9, noise=0.1), discriminator()
    z = torch.randn(4, 6)
    images = G(z, None, Draws("cpu", (0,)))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = G(z, None, Draws("cpu", (0,)))
        logits = D(rounded)
        logits.sum().backward()
    assert (rounded - images).abs().mean() < 0.05
    assert (logits - D(images)).abs().max() < 0.1
