"""Bands and grids as in the paper's figure 4, filters that keep what a band can carry, and pictures that move."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from ganvas.games.noise import Draws, Rows
from ganvas.networks.equalized import LEAKY_GAIN
from ganvas.networks.stylegan2 import Stylegan2Discriminator, Stylegan2Generator
from ganvas.networks.stylegan3 import (
    Band,
    FilteredLayer,
    FourierInput,
    Magnitude,
    Stylegan3Generator,
    bands,
    usual_layers,
)


def generator(resolution=(16, 16), channels=3, classes=0, width=4, max_width=8, layers=5, margin=4):
    torch.manual_seed(0)
    return Stylegan3Generator(resolution, channels, 6, width, classes, max_width, filtered_layers=layers, margin=margin)


def test_at_1024_pixels_the_generator_has_the_layers_and_parameters_of_the_paper():
    G = Stylegan3Generator((1024, 1024), 3, z_dim=512, width=32, max_width=512)
    widths = [layer.convolution.weight.shape[0] for layer in G.filtered]
    assert widths == [512] * 7 + [323, 203, 128, 81, 51, 32, 32]
    assert sum(p.numel() for p in G.parameters()) == 22_313_167  # published as 22.3 M
    assert G.layers == 16


def test_bands_and_rates_are_those_of_the_paper_at_1024_pixels():
    steps = bands((1024, 1024), layers=14, margin=10)
    rates = [16, 16, 32, 32, 64, 128, 128, 256, 256, 512, 1024, 1024, 1024, 1024]  # figure 4c
    assert [s.rate for s in steps] == rates
    assert [s.canvas[0] for s in steps] == [r + 20 for r in rates[:-1]] + [1024]
    cutoffs = [s.cutoff for s in steps]
    assert cutoffs[0] == 2
    assert cutoffs[-2:] == [512, 512]  # critically sampled: all that pixels can carry
    growth = [b / a for a, b in pairwise(cutoffs[:13])]
    assert growth == pytest.approx([256 ** (1 / 12)] * 12)
    assert [s.stopband for s in steps][::13] == pytest.approx([2**2.1, 512 * 2**0.3])
    assert all(s.half_width > 0 for s in steps)


@pytest.mark.parametrize(
    ("resolution", "layers", "margin"),
    [((1024, 1024), 14, 10), ((256, 400), 14, 10), ((128, 128), 10, 4), ((32, 48), 6, 4), ((16, 16), 5, 4)],
)
def test_a_small_picture_gets_fewer_layers_and_a_narrower_margin_than_the_paper_gives_large_ones(
    resolution, layers, margin
):
    assert usual_layers(resolution) == (layers, margin)
    with torch.device("meta"):
        G = Stylegan3Generator(resolution, 3, z_dim=8, width=4, max_width=8)
    assert len(G.filtered) == layers
    assert G.layers == layers + 2


@pytest.mark.parametrize(
    ("resolution", "sizes"),
    [
        ((24, 40), [(12, 20), (24, 40), (24, 40), (24, 40)]),
        ((28, 28), [(14, 14), (28, 28), (28, 28), (28, 28)]),
        ((33, 50), [(33, 50)] * 4),
    ],
)
def test_rates_halve_as_often_as_both_sides_do(resolution, sizes):
    assert [s.size for s in bands(resolution, layers=4, margin=2)] == sizes


def sines(band, shift=0.0):
    """[1, 16, *canvas]: the same continuous picture on the grid of a band, moved to the right."""
    torch.manual_seed(3)
    slow = Band(cutoff=2.0, stopband=4.0, rate=band.rate, size=band.size, margin=band.margin)
    waves = FourierInput(w_dim=2, features=16, band=slow)
    nn.init.eye_(waves.weight)
    with torch.no_grad():
        return 4 * waves(torch.zeros(1, 2), torch.tensor([[shift, 0.0]]))


def test_the_input_holds_nothing_above_its_cutoff_and_moves_as_it_is_told():
    band = Band(cutoff=2.0, stopband=4.0, rate=16, size=(16, 16), margin=2)
    torch.manual_seed(0)
    waves = FourierInput(w_dim=2, features=2000, band=band)
    lengths = waves.frequencies.norm(dim=1)
    assert lengths.max() <= 2
    assert (lengths < 1).float().mean().item() == pytest.approx(0.25, abs=0.03)  # uniform over the disc
    still, moved = sines(band), sines(band, shift=3 / 16)
    assert still.shape == (1, 16, 20, 20)
    torch.testing.assert_close(moved[..., 3:], still[..., :-3], rtol=0, atol=1e-4)


def test_w_moves_and_turns_the_input():
    band = Band(cutoff=2.0, stopband=4.0, rate=16, size=(16, 16), margin=0)
    torch.manual_seed(0)
    waves = FourierInput(w_dim=2, features=8, band=band)
    w = torch.randn(1, 2)
    still = waves(w, None)
    with torch.no_grad():
        waves.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 2 / 16]))  # down by two samples
    torch.testing.assert_close(waves(w, None)[:, :, 2:], still[:, :, :-2], rtol=0, atol=1e-4)
    with torch.no_grad():
        waves.affine.bias.copy_(torch.tensor([0.0, 5.0, 0.0, 0.0]))  # a quarter turn, of any length
    turned = [torch.rot90(still, k, dims=(2, 3)) for k in (1, 3)]
    assert min((waves(w, None) - t).abs().max() for t in turned) < 1e-4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Band(4.0, 7.0, 16, (16, 16), 10), Band(6.0, 8.0, 16, (16, 16), 10)),
        (Band(4.0, 7.0, 16, (16, 16), 10), Band(8.0, 14.0, 32, (32, 32), 10)),
        (Band(4.0, 7.0, 16, (16, 24), 10), Band(8.0, 14.0, 16, (16, 24), 0)),
    ],
)
def test_a_sine_goes_through_a_layer_as_the_same_sine_in_the_same_place(before, after):
    layer = FilteredLayer(16, 16, w_dim=2, before=before, after=after)
    nn.init.zeros_(layer.convolution.weight)
    layer.convolution.weight.data[:, :, 1, 1] = torch.eye(16)  # demodulation makes it one again
    nn.init.constant_(layer.bias, 20.0)  # so bright that the leaky ReLU is a straight line
    out = layer(sines(before), torch.zeros(1, 2), learn=False) / LEAKY_GAIN - 20
    expected = sines(after)
    assert out.shape == expected.shape
    if after.margin:
        out, expected = out[..., 10:-10, 10:-10], expected[..., 10:-10, 10:-10]
    # So few taps also weaken what they should keep, but one sine's samples all alike. Half a sample's offset of the
    # dense grid would leave a fifth of the picture over.
    strength = (out * expected).sum(dim=(2, 3), keepdim=True) / expected.square().sum(dim=(2, 3), keepdim=True)
    assert strength.min() > 0.7
    assert strength.max() < 1.1
    torch.testing.assert_close(out, strength * expected, rtol=0, atol=0.02)


def moved_in_decibels(paint, side):
    """EQ-T: how far a picture whose input moved by some pixels is the picture moved, in its middle (equation 3)."""
    with torch.no_grad():
        still = paint(0.0)
        scale = 0.5 / still.std()  # pictures that fill [-1, 1], where the peak is 2
        errors = []
        for pixels in (1, 2, 3):
            difference = scale * (paint(pixels / side)[..., pixels:] - still[..., :-pixels])
            errors.append(difference[..., 12:-12, 12:-12].square().mean().item())
    return 10 * math.log10(4 / (sum(errors) / len(errors)))


def test_moving_the_input_by_parts_of_a_sample_moves_the_picture_far_better_than_in_stylegan2():
    G = generator((64, 64), width=8, max_width=16, layers=6, margin=10)
    z = torch.randn(2, 6)
    G(z, None, Draws("cpu", (0,)))  # lets the magnitudes see pictures once
    ws = G.styles(z)
    assert [layer.up for layer in G.filtered] == [2, 2, 4, 4, 2, 2]  # from 16 samples to 64
    free = moved_in_decibels(lambda s: G.synthesis(ws, shift=torch.tensor([[s, 0.0]]).expand(2, 2)), side=64)

    # The same sines, as smooth, on 8x8 samples through three stages of StyleGAN2, with as much again on every side.
    torch.manual_seed(0)
    other = Stylegan2Generator((192, 192), 3, 6, width=8, max_width=16, mapping_layers=2)
    waves = FourierInput(6, 16, Band(cutoff=2.0, stopband=4.0, rate=8, size=(8, 8), margin=8))
    w = other.styles(z)[:, :3]

    def paint(shift):
        x, picture = waves(w[:, 0], torch.tensor([[shift, 0.0]]).expand(2, 2)), None
        for stage in other.stages[-3:]:
            x, picture = stage(x, picture, w, None)
        return picture[..., 64:-64, 64:-64]

    bound = moved_in_decibels(paint, side=64)
    assert free > 60
    assert bound < free - 20


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("resolution", [(8, 8), (16, 16), (9, 11), (24, 40), (33, 50)])
def test_any_size_comes_out_exactly(resolution, channels):
    G = generator(resolution, channels, classes=2)
    D = Stylegan2Discriminator(resolution, channels, 4, classes=2, max_width=8)
    labels = torch.tensor([0, 1])
    images = G(torch.randn(2, 6), labels)
    assert images.shape == (2, channels, *resolution)
    assert D(images, labels).shape == (2,)


def test_a_picture_depends_on_its_own_z_and_label_alone():
    G = generator(classes=3)
    z, labels = torch.randn(3, 6), torch.tensor([0, 1, 2])
    together = G(z, labels)
    torch.testing.assert_close(together[1:2], G(z[1:2], labels[1:2]))
    assert not torch.allclose(G(z[:1], torch.tensor([1])), together[:1])
    with pytest.raises(ValueError, match="conditional"):
        G(z)


def test_magnitudes_and_the_average_style_follow_training_pictures_alone():
    G = generator()
    z = torch.randn(4, 6)
    start = {name: b.clone() for name, b in G.named_buffers()}
    G(z)
    G.eval()(z, None, Draws("cpu", (0,)))
    assert all(torch.equal(b, start[name]) for name, b in G.named_buffers())
    G.train()(z, None, Draws("cpu", (0,)))
    learned = {name for name, b in G.named_buffers() if not torch.equal(b, start[name])}
    assert learned == {"w_average"} | {n for n in start if n.endswith("mean_square")}


def test_a_magnitude_arrives_at_the_root_mean_square():
    magnitude = Magnitude()
    for _ in range(10_000):
        magnitude(torch.tensor([3.0, 4.0]), learn=True)
    assert magnitude(torch.zeros(2), learn=False).item() == pytest.approx(12.5**0.5, rel=1e-3)


def test_averaged_over_processes_the_magnitudes_are_those_of_the_whole_batch():
    z = torch.randn(4, 6)
    learned = []
    for rows in ([slice(0, 4)], [slice(0, 2), slice(2, 4)]):
        parts = []
        for part in rows:
            G = generator()
            G(z[part], None, Draws("cpu", (0,), Rows(4, part.start)))
            parts.append(torch.stack([m.mean_square for m in G.modules() if isinstance(m, Magnitude)]))
        learned.append(torch.stack(parts).mean(dim=0))
    torch.testing.assert_close(learned[0], learned[1])


def test_truncation_moves_styles_towards_the_average():
    G = generator()
    G(torch.randn(64, 6), None, Draws("cpu", (0,)))
    ws = G.styles(torch.randn(3, 6))
    torch.testing.assert_close(G.truncate(ws, 1.0), ws)
    pictures = G.synthesis(G.truncate(ws, 0.0))
    torch.testing.assert_close(pictures[1], pictures[0])


def test_gradients_reach_every_parameter():
    G = generator(classes=2)
    G(torch.randn(4, 6), torch.tensor([0, 1, 0, 1]), Draws("cpu", (0,))).square().sum().backward()
    assert not [name for name, p in G.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]


def test_at_the_start_signals_and_gradients_neither_vanish_nor_explode():
    G = generator((32, 32), width=16, max_width=32, layers=10)
    seen = []
    for layer in G.filtered:
        layer.register_forward_hook(lambda m, i, out: seen.append(out.std().item()))
    images = G(torch.randn(8, 6))
    assert len(seen) == 10
    assert min(seen) > 0.2
    assert max(seen) < 3
    assert 0.03 < images.std() < 1
    images.square().sum().backward()
    sizes = [p.grad.std().item() for p in G.parameters() if p.dim() == 4]
    assert max(sizes) / min(sizes) < 1e3


def test_too_few_layers_are_refused():
    with pytest.raises(ValueError, match="3 or more"):
        generator(layers=2)


def test_under_autocast_the_pictures_are_nearly_the_same():
    G = generator()
    z = torch.randn(4, 6)
    images = G(z)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = G(z, None, Draws("cpu", (0,)))
        rounded.sum().backward()
    assert (rounded - images).abs().mean() < 0.02
