"""FastGAN: its published widths, what excites what, and a discriminator that remembers what it saw."""

import pytest
import torch
from torch import nn

from ganvas.games.noise import Draws, Rows
from ganvas.networks.fastgan import FastganDiscriminator, FastganGenerator, SkipLayerExcitation, quarter_of
from ganvas.objectives.penalties import r1_penalty
from ganvas.objectives.reconstruction import reconstruction_loss

SIZES = [(8, 8), (9, 13), (16, 16), (28, 28), (24, 40), (33, 50)]


def generator(resolution=(16, 16), channels=1, width=4, classes=0):
    return FastganGenerator(resolution, channels, z_dim=6, width=width, classes=classes, max_width=16)


def discriminator(resolution=(16, 16), channels=1, width=4, classes=0, norm="spectral"):
    return FastganDiscriminator(resolution, channels, width=width, classes=classes, max_width=16, norm=norm)


def random_labels(classes, n):
    return torch.arange(n) % classes if classes else None


def widths_of(stages):
    return [stage.convolution.out_channels // 2 for stage in stages]


def test_the_generator_has_the_published_widths():
    with torch.device("meta"):
        at_256 = FastganGenerator((256, 256), 3, z_dim=256, width=32)
        at_1024 = FastganGenerator((1024, 1024), 3, z_dim=256, width=8)
    assert at_256.dense.weight.shape == (2 * 1024 * 4 * 4, 256)
    assert widths_of(at_256.stages) == [512, 256, 128, 128, 64, 32]
    assert widths_of(at_1024.stages) == [512, 256, 128, 128, 64, 32, 16, 8]


def test_the_generator_at_256_pixels_has_the_parameters_of_its_layers():
    with torch.device("meta"):
        G = FastganGenerator((256, 256), 3, z_dim=256, width=32)
    dense = 256 * 2 * 1024 * 16 + 2 * 2 * 1024
    once = sum(
        9 * a * 2 * b + 2 * 2 * b for a, b in [(1024, 512), (512, 256), (256, 128), (128, 128), (128, 64), (64, 32)]
    )
    twice = sum(9 * a * 2 * a + 2 * 2 * a + 2 for a in (512, 128, 64))
    excitations = sum(16 * a * b + b * b for a, b in [(1024, 128), (512, 64), (256, 32)])
    picture = 9 * 32 * 3 + 3
    assert sum(p.numel() for p in G.parameters()) == dense + once + twice + excitations + picture == 29_127_657


@pytest.mark.parametrize(
    ("side", "spans"),
    [(16, [(4, 16)]), (32, [(4, 32)]), (64, [(4, 64)]), (256, [(4, 64), (8, 128), (16, 256)])],
)
def test_excitation_spans_four_doublings_or_all_of_a_small_picture(side, spans):
    with torch.device("meta"):
        G = FastganGenerator((side, side), 3, z_dim=8, width=2)
    pairs = [(G.sizes[i][0], G.sizes[i + G.reach][0]) for i in range(len(G.excitations))]
    assert pairs == spans


def test_an_excitation_of_zero_weights_halves_every_channel():
    excitation = SkipLayerExcitation(3, 5)
    for weight in excitation.parameters():
        nn.init.zeros_(weight)
    high = torch.randn(2, 5, 16, 16)
    torch.testing.assert_close(excitation(torch.randn(2, 3, 4, 4), high), high / 2)


def test_an_excitation_weighs_whole_channels_of_one_picture():
    high = torch.ones(2, 5, 8, 8)
    low = torch.randn(2, 3, 4, 4)
    excited = SkipLayerExcitation(3, 5)(low, high)
    torch.testing.assert_close(excited, excited[:, :, :1, :1].expand_as(excited))
    assert not torch.allclose(excited[0], excited[1])


@pytest.mark.parametrize("resolution", SIZES)
@pytest.mark.parametrize("classes", [0, 3])
def test_any_size_comes_out_exactly(resolution, classes):
    for channels in (1, 2, 3, 4):
        G, D = generator(resolution, channels, classes=classes), discriminator(resolution, channels, classes=classes)
        labels = random_labels(classes, 2)
        images = G(torch.randn(2, 6), labels)
        assert images.shape == (2, channels, *resolution)
        assert images.abs().max() <= 1
        logits = D(images, labels)
        assert logits.shape[0] == 2


def test_below_256_pixels_a_logit_knows_where_in_the_picture_things_are():
    eyes = torch.full((2, 1, 32, 32), -1.0)
    eyes[0, 0, 8:12, 8:12] = 1
    eyes[1, 0, 20:24, 12:16] = 1  # the same, 12 pixels down and 4 across: three and one cells of an 8x8 map
    differences = []
    for seed in range(8):
        torch.manual_seed(seed)
        with torch.no_grad():
            here, there = discriminator((32, 32), width=8).eval()(eyes)
        differences.append(abs(here.item() - there.item()))
    assert sum(differences) / 8 > 0.08  # the mean of 25 patches of an 8x8 map: 0.04


@pytest.mark.parametrize(("side", "patches"), [(512, (25,)), (256, (25,)), (255, ()), (64, ()), (28, ()), (8, ())])
def test_there_is_one_logit_for_each_patch_of_the_last_map(side, patches):
    D = discriminator((side, side))
    seen = D.details(torch.randn(1, 1, side, side))
    assert seen["logits"].shape == (1, *patches)
    assert seen["features"].ndim == 2


def test_pictures_are_deterministic_and_independent_of_their_batch_outside_training():
    G, z = generator((24, 40), 3, classes=3), torch.randn(4, 6)
    labels = torch.tensor([0, 1, 2, 0])
    for step in range(3):
        G(torch.randn(8, 6), torch.arange(8) % 3, Draws("cpu", (step,)))
    G.eval()
    together = G(z, labels, Draws("cpu", (0,)))
    torch.testing.assert_close(together, G(z, labels))
    torch.testing.assert_close(together, torch.cat([G(z[i : i + 1], labels[i : i + 1]) for i in range(4)]))


def test_noise_is_learned_from_none_and_belongs_to_each_picture():
    G = generator((16, 16))
    z = torch.randn(4, 6)
    torch.testing.assert_close(G(z, random=Draws("cpu", (0,))), G(z))  # its strength begins at 0
    for stage in G.stages:
        if hasattr(stage, "noise"):
            nn.init.ones_(stage.noise)
    assert not torch.allclose(G(z, random=Draws("cpu", (0,))), G(z))
    torch.testing.assert_close(G(z, random=Draws("cpu", (0,))), G(z, random=Draws("cpu", (0,))))
    stage, x = G.stages[0], torch.randn(4, 8, 8, 8)
    whole = stage.noisy(x, 0, Draws("cpu", (0,)))
    torch.testing.assert_close(stage.noisy(x[2:], 0, Draws("cpu", (0,), Rows(4, 2))), whole[2:])


def test_a_label_changes_the_picture_and_the_logits():
    G, D = generator(classes=3).eval(), discriminator(classes=3).eval()
    nn.init.normal_(D.projection.embedding.weight)
    z = torch.randn(1, 6).repeat(2, 1)
    images = G(z, torch.tensor([0, 2]))
    assert not torch.allclose(images[0], images[1])
    logits = D(images[:1].repeat(2, 1, 1, 1), torch.tensor([0, 2]))
    assert not torch.allclose(logits[0], logits[1])


def test_without_a_label_a_conditional_network_says_so():
    with pytest.raises(ValueError, match="conditional"):
        generator(classes=3)(torch.randn(1, 6))
    with pytest.raises(ValueError, match="conditional"):
        discriminator(classes=3)(torch.randn(1, 1, 16, 16))


@pytest.mark.parametrize("resolution", [(8, 8), (32, 32)])
def test_gradients_reach_every_parameter(resolution):
    torch.manual_seed(0)
    G, D = generator(resolution, 3, classes=2), discriminator(resolution, 3, classes=2)
    images = G(torch.randn(4, 6), random_labels(2, 4), Draws("cpu", (0,)))
    pairs = D.reconstruct(images.detach(), torch.arange(4))
    (D(images, random_labels(2, 4)).sum() + reconstruction_loss(pairs).sum()).backward()
    for network in (G, D):
        unreached = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
        assert unreached == []


@pytest.mark.parametrize("norm", ["spectral", "none"])
@pytest.mark.parametrize("side", [32, 256])
def test_the_signal_keeps_its_size_through_the_discriminator_at_the_start(norm, side):
    torch.manual_seed(0)
    D = FastganDiscriminator((side, side), 3, width=8, max_width=64, norm=norm)
    x = nn.functional.interpolate(2 * torch.rand(4, 3, 8, 8) - 1, (side, side), mode="bilinear").requires_grad_(True)
    spreads, maps = [], x
    for layer in [*D.early, D.late, D.features]:
        maps = layer(maps)
        spreads.append(maps.std().item())
    assert min(spreads) > 0.1, spreads
    assert max(spreads) < 1, spreads
    logits = D(x)
    assert 0.03 < logits.std() < 1
    (gradient,) = torch.autograd.grad(logits.view(4, -1).mean(dim=1).sum(), x)
    assert 0.01 < gradient.flatten(1).norm(dim=1).mean() < 1


def test_pictures_vary_and_are_not_saturated_at_the_start():
    torch.manual_seed(0)
    images = generator((32, 32), 3, width=16)(torch.randn(32, 6))
    assert 0.003 < images.std() < 0.7


@pytest.mark.parametrize("norm", ["spectral", "none"])
def test_the_discriminator_can_be_penalised_per_picture(norm):
    torch.manual_seed(0)
    D = discriminator((16, 16), classes=2, norm=norm)
    D.eval()
    labels = torch.tensor([0, 1, 0])
    real = torch.randn(3, 1, 16, 16, requires_grad=True)
    together = r1_penalty(real, D(real, labels))
    alone = real[1:2].detach().requires_grad_(True)
    torch.testing.assert_close(together[1:2], r1_penalty(alone, D(alone, labels[1:2])))
    together.sum().backward()
    reached = [name for name, p in D.named_parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert any(name.startswith("early.0") for name in reached)
    assert any(name.startswith("late.main") for name in reached)


def test_spectral_norms_are_one_and_no_batch_norm_is_in_the_discriminator():
    torch.manual_seed(0)
    D = discriminator((16, 16))
    for _ in range(50):
        D(torch.randn(2, 1, 16, 16))
    D.eval()
    norms = [
        torch.linalg.matrix_norm(m.weight.detach().flatten(1), ord=2).item()
        for name, m in D.named_modules()
        if isinstance(m, nn.Conv2d) and "decode" not in name
    ]
    assert norms == pytest.approx([1.0] * 9, rel=0.02)
    assert not any(isinstance(m, nn.BatchNorm2d | nn.Sigmoid) for m in D.modules())
    assert not any("parametrizations" in name for name, _ in discriminator(norm="none").named_parameters())


def test_quarters_are_the_corners_in_reading_order():
    maps = torch.arange(16.0).view(1, 1, 4, 4).expand(4, 1, 4, 4)
    corners = quarter_of(maps, torch.arange(4))
    assert corners[:, 0, 0, 0].tolist() == [0, 2, 8, 10]
    assert corners[:, 0, 1, 1].tolist() == [5, 7, 13, 15]
    odd = quarter_of(torch.arange(15.0).view(1, 1, 3, 5), torch.tensor([3]))
    assert odd[0, 0].tolist() == [[13.0, 14.0]]


@pytest.mark.parametrize(("side", "whole", "part"), [(16, 8, 8), (64, 32, 32), (256, 128, 128), (1024, 128, 128)])
def test_decoded_pictures_are_at_most_128_pixels_and_no_larger_than_half_the_picture(side, whole, part):
    D = FastganDiscriminator((side, side), 1, width=2, max_width=8)
    pairs = D.reconstruct(torch.rand(1, 1, side, side), torch.tensor([1]))
    assert [decoded.shape[2:] for decoded, _ in pairs] == [(whole, whole), (part, part)]
    assert all(decoded.shape == target.shape for decoded, target in pairs)


@pytest.mark.parametrize("resolution", SIZES)
def test_any_size_is_reconstructed_with_targets_cut_and_averaged_from_the_picture(resolution):
    D = discriminator(resolution, 3)
    images = torch.rand(2, 3, *resolution)
    (whole, target), (part, quarter) = D.reconstruct(images, torch.tensor([0, 3]))
    assert whole.shape == target.shape
    assert part.shape == quarter.shape
    torch.testing.assert_close(target, nn.functional.interpolate(images, target.shape[2:], mode="area"))
    corner = images[1:, :, -(resolution[0] // 2) :, -(resolution[1] // 2) :]
    torch.testing.assert_close(quarter[1:], nn.functional.interpolate(corner, quarter.shape[2:], mode="area"))


def test_what_was_already_seen_need_not_be_looked_at_again():
    D = discriminator().eval()
    images, quarters = torch.randn(2, 1, 16, 16), torch.tensor([1, 2])
    again = D.reconstruct(images, quarters)
    spared = D.reconstruct(images, quarters, D.details(images))
    for (a, _), (b, _) in zip(again, spared, strict=True):
        torch.testing.assert_close(a, b)


def test_the_decoders_learn_to_draw_what_the_discriminator_saw():
    torch.manual_seed(0)
    D = discriminator((16, 16), width=8)
    bars = torch.full((16, 1, 16, 16), -1.0)
    for i in range(16):
        bars[i, 0, :, i] = 1
    blur = nn.functional.avg_pool2d(bars, 5, stride=1, padding=2) * 3 + 2
    constant = (blur - blur.mean(dim=0)).abs().mean()
    optimizer = torch.optim.Adam(D.parameters(), lr=3e-3)
    for step in range(120):
        loss = reconstruction_loss(D.reconstruct(blur, Draws("cpu", (step,)).integers(4, 16))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss / 2 < 0.5 * constant, "twice as near as the mean of all pictures"


@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_it_runs_in_half_precision(dtype):
    G, D = generator((16, 16), 3), discriminator((16, 16), 3)
    with torch.autocast("cpu", dtype):
        images = G(torch.randn(4, 6), random=Draws("cpu", (0,)))
        logits = D(images)
    logits.float().sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in G.parameters())


def test_maps_stay_channels_last():
    G = generator((32, 32), 3).to(memory_format=torch.channels_last)
    seen = []
    for stage in G.stages:
        stage.register_forward_hook(lambda m, i, o: seen.append(o.is_contiguous(memory_format=torch.channels_last)))
    G(torch.randn(2, 6))
    assert seen == [True, True, True]
