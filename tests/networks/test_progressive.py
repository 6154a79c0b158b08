"""Growing: what each stage paints and sees, when it comes, and that nothing jumps."""

import copy
import io

import pytest
import torch
from torch import nn

from ganvas.networks.equalized import EqualizedConv2d, EqualizedLinear
from ganvas.networks.progressive import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    enlarged,
    growth,
    halved,
)
from ganvas.objectives.penalties import r1_penalty


def players(resolution=(16, 16), channels=3, classes=0, width=4, max_width=8):
    torch.manual_seed(0)
    G = ProgressiveGenerator(resolution, channels, z_dim=6, width=width, classes=classes, max_width=max_width)
    D = ProgressiveDiscriminator(resolution, channels, width=width, classes=classes, max_width=max_width)
    return G, D


def stand(network, stage, fade):
    """Put a network at a stage, by the progress at which a run stands there."""
    halves = 2 * stage - 1 + fade if stage else 0.0
    network.grow(halves / (2 * network.last) * network.grown_by)
    assert int(network.stage) == stage
    assert network.fade.item() == pytest.approx(fade, abs=1e-5)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_at_1024_pixels_the_networks_have_the_parameters_of_the_paper():
    G = ProgressiveGenerator((1024, 1024), 3, z_dim=512, width=16, max_width=512)
    D = ProgressiveDiscriminator((1024, 1024), 3, width=16, max_width=512)
    # Table 2: 23.1 M each, from 512 channels up to 32 pixels down to 16 at 1024.
    assert [stage[-1].weight.shape[0] for stage in G.stages] == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert parameters(G) == 23_079_115
    assert parameters(D) == 23_087_249


def test_a_run_stands_as_long_as_it_fades_and_is_grown_when_told():
    # Four stages, grown by 0.6 of the run: six halves of 0.1 each.
    places = [growth(p, last=3, grown_by=0.6) for p in (0, 0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.6, 1.0)]
    stages, fades = zip(*places, strict=True)
    assert stages == (0, 0, 1, 1, 2, 2, 3, 3, 3)
    assert fades == pytest.approx((1, 1, 0.5, 1, 0.5, 1, 0.5, 1, 1))
    assert growth(0.3, last=0, grown_by=0.6) == (0, 1.0)
    with pytest.raises(ValueError, match="from 0 to 1"):
        growth(1.2, last=3, grown_by=0.6)


def test_a_fresh_network_is_full_grown():
    G, D = players()
    z = torch.randn(2, 6)
    pictures, logits = G(z), D(torch.ones(2, 3, 16, 16))
    G.grow(1.0), D.grow(1.0)
    assert torch.equal(G(z), pictures)
    assert torch.equal(D(torch.ones(2, 3, 16, 16)), logits)


@pytest.mark.parametrize("resolution", [(16, 16), (25, 38)])
@pytest.mark.parametrize("stage", [1, 2])
def test_a_stage_that_begins_to_fade_in_changes_nothing_and_one_that_is_in_stands_alone(resolution, stage):
    G, D = players(resolution)
    z, images = torch.randn(4, 6), torch.randn(4, 3, *resolution)
    seen = {}
    for place in [(stage - 1, 1.0), (stage, 0.0), (stage, 0.5), (stage, 1.0)]:
        stand(G, *place), stand(D, *place)
        seen[place] = G(z), D(images)
    before, start, middle, end = seen.values()
    torch.testing.assert_close(start, before)  # enlarged by nearest pixels, and averaged down again
    assert not torch.allclose(end[0], before[0])
    assert not torch.allclose(end[1], before[1])
    torch.testing.assert_close(middle[0], (start[0] + end[0]) / 2)


def test_a_picture_of_an_early_stage_is_made_of_blocks():
    G, _ = players((16, 16))
    stand(G, 0, 1.0)
    picture = G(torch.randn(1, 6))
    assert picture.shape == (1, 3, 16, 16)
    blocks = picture.unfold(2, 4, 4).unfold(3, 4, 4)
    assert (blocks == blocks[..., :1, :1]).all()


def test_an_early_discriminator_sees_the_means_of_blocks_alone():
    _, D = players((16, 16))
    stand(D, 0, 1.0)
    images = torch.randn(2, 3, 16, 16)
    blocky = nn.functional.avg_pool2d(images, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(D(images), D(blocky))


@pytest.mark.parametrize("size", [(8, 8), (7, 8), (9, 13)])
def test_averaging_undoes_enlarging_at_odd_sizes_too(size):
    small = torch.randn(2, 3, (size[0] + 1) // 2, (size[1] + 1) // 2)
    torch.testing.assert_close(halved(enlarged(small, size)), small)


def test_reals_have_the_detail_that_has_grown():
    _, D = players((16, 16))
    real = torch.randn(2, 3, 16, 16)
    assert D.as_far_as_grown(real) is real
    stand(D, 1, 1.0)
    small = halved(real)
    torch.testing.assert_close(D.as_far_as_grown(real), enlarged(small, (16, 16)))
    stand(D, 1, 0.25)
    mixed = torch.lerp(enlarged(halved(small), (8, 8)), small, 0.25)
    torch.testing.assert_close(D.as_far_as_grown(real), enlarged(mixed, (16, 16)))


def test_how_far_it_has_grown_survives_a_checkpoint_and_a_copy():
    G, D = players()
    z, images = torch.randn(2, 6), torch.randn(2, 3, 16, 16)
    for network, given in ((G, z), (D, images)):
        stand(network, 1, 0.5)
        expected = network(given)
        assert torch.equal(copy.deepcopy(network)(given), expected)
        file = io.BytesIO()
        torch.save(network.state_dict(), file)
        file.seek(0)
        network.grow(1.0)
        assert not torch.allclose(network(given), expected)
        network.load_state_dict(torch.load(file))
        assert torch.equal(network(given), expected)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("resolution", [(4, 4), (8, 8), (16, 16), (9, 11), (24, 40), (33, 50)])
def test_any_size_comes_out_exactly_at_any_stage(resolution, channels):
    G, D = players(resolution, channels, classes=2)
    labels = torch.tensor([0, 1])
    for progress in (0.0, 0.35, 1.0):
        G.grow(progress), D.grow(progress)
        images = G(torch.randn(2, 6), labels)
        assert images.shape == (2, channels, *resolution)
        details = D.details(images, labels)
        assert details["logits"].shape == (2,)
        assert details["features"].shape == (2, D.logit.weight.shape[1])


def test_a_picture_depends_on_its_own_z_and_label_alone():
    G, _ = players(classes=3)
    z, labels = torch.randn(3, 6), torch.tensor([0, 1, 2])
    together = G(z, labels)
    torch.testing.assert_close(together[1:2], G(z[1:2], labels[1:2]))
    assert not torch.allclose(G(z[:1], torch.tensor([1])), together[:1])


def test_a_label_changes_the_logit_and_a_missing_one_is_named():
    G, D = players(classes=3)
    nn.init.normal_(D.projection.embedding.weight)
    image = torch.randn(1, 3, 16, 16)
    assert D(image, torch.tensor([0])) != D(image, torch.tensor([2]))
    with pytest.raises(ValueError, match="conditional"):
        G(torch.randn(1, 6))
    with pytest.raises(ValueError, match="conditional"):
        D(image)


def test_gradients_reach_every_parameter_of_the_stages_at_work_and_over_a_run_all():
    G, D = players((16, 16), classes=2)
    reached = set()
    for progress in torch.linspace(0, 1, 13).tolist():
        G.grow(progress), D.grow(progress)
        for network in (G, D):
            network.zero_grad(set_to_none=True)
        D(G(torch.randn(4, 6), torch.tensor([0, 1, 0, 1])), torch.tensor([0, 1, 0, 1])).square().sum().backward()
        for network in (G, D):
            for name, p in network.named_parameters():
                if p.grad is not None and p.grad.abs().max() > 0:
                    reached.add((type(network), name))
    wanted = {(type(n), name) for n in (G, D) for name, _ in n.named_parameters()}
    assert reached == wanted


def test_at_the_start_signals_and_gradients_neither_vanish_nor_explode():
    G, D = players((64, 64), width=16, max_width=64)
    seen = []
    for network in (G, D):
        for module in network.modules():
            if isinstance(module, EqualizedConv2d | EqualizedLinear):
                module.register_forward_hook(lambda m, i, out: seen.append(out.std().item()))
    images = G(torch.randn(16, 6))
    D(images).sum().backward()
    assert len(seen) >= 20
    assert min(seen) > 0.1
    assert max(seen) < 5
    sizes = [p.grad.std().item() for n in (G, D) for p in n.parameters() if p.grad is not None and p.dim() == 4]
    assert max(sizes) / min(sizes) < 1e4


def test_a_penalty_on_the_gradient_teaches_d_while_a_stage_fades_in():
    _, D = players()
    stand(D, 1, 0.5)
    real = torch.randn(4, 3, 16, 16, requires_grad=True)
    r1_penalty(real, D(real)).mean().backward()
    taught = [p.grad for stage in D.stages[:1] for p in stage.parameters() if p.dim() == 4]
    assert all(g.abs().max() > 0 for g in taught)


def test_under_autocast_the_pictures_are_nearly_the_same():
    G, D = players()
    z = torch.randn(4, 6)
    images = G(z)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = G(z)
        logits = D(rounded)
    assert (rounded - images).abs().mean() < 0.05
    assert (logits - D(images)).abs().max() < 0.1
