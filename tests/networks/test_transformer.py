"""The transformer generator: who attends to whom, how z enters, and that it works as a generator should."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganvas.games.noise import Draws
from ganvas.networks.transformer import (
    Doubling,
    ModulatedNorm,
    TransformerDiscriminator,
    TransformerGenerator,
    WindowAttention,
)
from ganvas.objectives.penalties import r1_penalty

SIZES = [(8, 8), (9, 13), (16, 16), (28, 28), (24, 40), (33, 50)]


def generator(resolution=(16, 16), channels=1, width=8, classes=0, **more):
    return TransformerGenerator(resolution, channels, z_dim=6, width=width, classes=classes, max_width=16, **more)


def discriminator(resolution=(16, 16), channels=1, width=4, classes=0):
    return TransformerDiscriminator(resolution, channels, width=width, classes=classes, max_width=8)


def reach_of(attention, size, row, column):
    """Which tokens change when one does: [H, W] bool."""
    x = torch.randn(1, *size, 8)
    changed = x.clone()
    changed[0, row, column] += 1
    return (attention(x) - attention(changed))[0].abs().amax(dim=-1) > 1e-7


def test_a_window_attends_within_itself():
    reached = reach_of(WindowAttention(8, (8, 12), (4, 6), across=False), (8, 12), 1, 7)
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[:4, 6:] = True
    assert torch.equal(reached, expected)


def test_across_windows_tokens_at_the_same_place_attend_to_each_other():
    reached = reach_of(WindowAttention(8, (8, 12), (4, 6), across=True), (8, 12), 1, 7)
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[1::4, 1::6] = True
    assert torch.equal(reached, expected)


def test_one_after_the_other_they_reach_every_token():
    both = nn.Sequential(*[WindowAttention(8, (8, 12), (4, 6), across) for across in (False, True)])
    assert reach_of(both, (8, 12), 1, 7).all()


def test_with_one_window_it_is_the_attention_of_every_textbook():
    torch.manual_seed(0)
    attention = WindowAttention(64, (4, 6), (4, 6), across=False)
    textbook = nn.MultiheadAttention(64, attention.heads, batch_first=True)
    with torch.no_grad():
        textbook.in_proj_weight.copy_(attention.qkv.weight)
        textbook.in_proj_bias.zero_()
        textbook.out_proj.weight.copy_(attention.out.weight)
        textbook.out_proj.bias.copy_(attention.out.bias)
    x = torch.randn(2, 4, 6, 64)
    tokens = x.flatten(1, 2)
    torch.testing.assert_close(attention(x).flatten(1, 2), textbook(tokens, tokens, tokens)[0])
    assert attention.heads == 2


@pytest.mark.parametrize(("width", "heads"), [(8, 1), (32, 1), (64, 2), (100, 1), (96, 3), (512, 16)])
def test_heads_are_32_wide_where_the_width_allows(width, heads):
    attention = WindowAttention(width, (2, 2), (2, 2), across=False)
    assert attention.heads == heads
    assert attention(torch.randn(1, 2, 2, width)).shape == (1, 2, 2, width)


def test_a_norm_without_modulation_is_layer_norm_and_w_scales_and_shifts_it():
    x, w = torch.randn(2, 3, 3, 8), torch.randn(2, 128)
    norm = ModulatedNorm(8)
    nn.init.zeros_(norm.modulation.weight)
    nn.init.zeros_(norm.modulation.bias)
    torch.testing.assert_close(norm(x, w), F.layer_norm(x, (8,)))
    with torch.no_grad():
        norm.modulation.bias.copy_(torch.tensor([1.0] * 8 + [5.0] * 8))
    torch.testing.assert_close(norm(x, w), 2 * F.layer_norm(x, (8,)) + 5)


def doubling_of(smooth, sharp):
    doubling = Doubling(4, 1)
    nn.init.zeros_(doubling.smooth.bias)
    with torch.no_grad():
        doubling.smooth.weight.copy_(torch.tensor([smooth]))
        doubling.sharp.weight.copy_(2 * torch.tensor(sharp))  # SHARP halves it
    return doubling


def test_a_doubling_goes_over_from_token_to_token_where_it_is_smooth():
    doubling = doubling_of([1.0, 0, 0, 0], torch.zeros(4, 4).tolist())
    x = torch.zeros(1, 1, 2, 4)
    x[0, 0, 1] = torch.tensor([4.0, 9, 9, 9])
    assert doubling(x)[0, :, :, 0].tolist() == [[0, 1, 3, 4], [0, 1, 3, 4]]


def test_a_doubling_puts_the_four_children_of_a_token_where_it_was_where_it_is_sharp():
    doubling = doubling_of([0.0, 0, 0, 0], torch.eye(4).tolist())
    x = torch.zeros(1, 2, 2, 4)
    x[0, 1, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert doubling(x)[0, :, :, 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]]


@pytest.mark.parametrize("resolution", SIZES)
@pytest.mark.parametrize("classes", [0, 3])
def test_any_size_comes_out_exactly(resolution, classes):
    for channels in (1, 2, 3, 4):
        G, D = generator(resolution, channels, classes=classes), discriminator(resolution, channels, classes=classes)
        labels = torch.tensor([0, 2]) if classes else None
        images = G(torch.randn(2, 6), labels)
        assert images.shape == (2, channels, *resolution)
        assert images.abs().max() <= 1
        assert D(images, labels).shape == (2,)
        assert D.details(images, labels)["features"].shape == (2, 8)


def test_stages_start_at_8_pixels_and_double_up_to_the_picture():
    G = TransformerGenerator((64, 48), 3, z_dim=6, width=8, max_width=32)
    assert [tuple(s.rows.shape[::2]) for s in G.stages] == [(8, 32), (16, 32), (32, 16), (64, 8)]
    assert [s.columns.shape[1] for s in G.stages] == [6, 12, 24, 48]


def test_maps_larger_than_asked_for_have_no_attention():
    G = generator((64, 64), attend_up_to=16)
    attends = [[block.attention is not None for block in stage.blocks] for stage in G.stages]
    assert attends == [[True, True], [True, True], [False], [False]]


def test_pictures_are_deterministic_and_independent_of_their_batch():
    G, z, labels = generator((28, 28), 3, classes=3), torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    together = G(z, labels, Draws("cpu", (0,)))
    torch.testing.assert_close(together, G.eval()(z, labels))
    alone = torch.cat([G(z[i : i + 1], labels[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)  # products of other shapes round otherwise


def test_a_label_changes_the_picture_and_the_logit():
    G, D = generator(classes=3), discriminator(classes=3)
    nn.init.normal_(D.projection.embedding.weight)
    z = torch.randn(1, 6).repeat(2, 1)
    images = G(z, torch.tensor([0, 2]))
    assert not torch.allclose(images[0], images[1])
    logits = D(images[:1].repeat(2, 1, 1, 1), torch.tensor([0, 2]))
    assert logits[0] != logits[1]


def test_without_a_label_a_conditional_network_says_so():
    with pytest.raises(ValueError, match="conditional"):
        generator(classes=3)(torch.randn(1, 6))
    with pytest.raises(ValueError, match="conditional"):
        discriminator(classes=3)(torch.randn(1, 1, 16, 16))


@pytest.mark.parametrize("resolution", [(8, 8), (32, 32)])
def test_gradients_reach_every_parameter(resolution):
    torch.manual_seed(0)
    G, D = generator(resolution, 3, classes=2), discriminator(resolution, 3, classes=2)
    labels = torch.tensor([0, 1, 0, 1])
    D(G(torch.randn(4, 6), labels), labels).sum().backward()
    for network in (G, D):
        assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_every_pixel_depends_on_every_place_of_the_first_map():
    G = generator((32, 32)).eval()
    w = torch.randn(1, 128)
    start = torch.randn(1, 8, 8, 16, requires_grad=True)
    x = G.stages[0](start, w)
    for doubling, stage in zip(G.doublings, G.stages[1:], strict=True):
        x = stage(doubling(x), w)
    (gradient,) = torch.autograd.grad(x[0, 31, 0].sum(), start)
    assert (gradient[0].abs().amax(dim=-1) > 0).all()


def test_the_signal_keeps_its_size_through_both_networks_at_the_start():
    torch.manual_seed(0)
    G = TransformerGenerator((64, 64), 3, z_dim=64, width=16)
    D = TransformerDiscriminator((64, 64), 3, width=16)
    spreads = []
    for layer in [*G.stages, *list(D.maps)[:-1]]:
        layer.register_forward_hook(lambda m, i, o: spreads.append(o.std().item()))
    images = G(torch.randn(8, 64))
    assert 0.1 < images.std() < 0.9
    logits = D(images)
    assert len(spreads) == 9
    assert all(0.1 < spread < 4 for spread in spreads), spreads
    assert 0.05 < logits.std() < 5
    (gradient,) = torch.autograd.grad(logits.sum(), images)
    assert 0.02 < gradient.flatten(1).norm(dim=1).mean() < 20


def test_the_discriminator_can_be_penalised_per_picture():
    torch.manual_seed(0)
    D, labels = discriminator(classes=2), torch.tensor([0, 1, 0])
    real = torch.randn(3, 1, 16, 16, requires_grad=True)
    together = r1_penalty(real, D(real, labels))
    alone = real[1:2].detach().requires_grad_(True)
    torch.testing.assert_close(together[1:2], r1_penalty(alone, D(alone, labels[1:2])))
    together.sum().backward()
    assert D.maps[0].weight.grad.abs().max() > 0


def test_the_generator_has_second_derivatives():
    """A penalty on how pictures move with w (path length) differentiates G twice."""
    torch.manual_seed(0)
    G = generator()
    z = torch.randn(2, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(G(z).square().sum(), z, create_graph=True)
    gradient.square().sum().backward()
    assert G.stages[0].blocks[0].attention.qkv.weight.grad.abs().max() > 0


def test_the_discriminator_has_no_norm_and_no_sigmoid():
    assert not any(isinstance(m, nn.BatchNorm2d | nn.LayerNorm | nn.Sigmoid) for m in discriminator().modules())


def test_both_run_in_half_precision():
    G, D = generator((16, 16), 3), discriminator((16, 16), 3)
    with torch.autocast("cpu", torch.bfloat16):
        images = G(torch.randn(4, 6))
        logits = D(images)
    logits.float().sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in G.parameters())


def test_pictures_are_channels_last_in_memory():
    images = generator((16, 16), 3)(torch.randn(2, 6))
    assert images.is_contiguous(memory_format=torch.channels_last)
