"""BigGAN: published parameters, noise at every depth, truncation, standing statistics."""

import copy
import math

import pytest
import torch
from torch import nn

from ganvas.networks.biggan import BigganDiscriminator, BigganGenerator, standing_statistics, truncated


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def small(classes=0, **more):
    torch.manual_seed(0)
    return BigganGenerator((16, 16), 1, z_dim=12, width=8, classes=classes, max_width=16, shared_dim=6, **more)


def test_at_128_pixels_both_networks_have_the_published_parameters(monkeypatch):
    """Brock et al. (2019), table 4, ch 96; of weights that have shapes but no values, and so no norms."""
    monkeypatch.setattr("ganvas.networks.biggan.normalise_spectrally", lambda *_: None)
    with torch.device("meta"):
        G = BigganGenerator((128, 128), 3, z_dim=120, width=96, classes=1000)
        D = BigganDiscriminator((128, 128), 3, width=96, classes=1000)
    assert parameters(G) == 70_433_988
    assert parameters(D) == 87_982_370
    assert G.chunks == [20] * 6


def test_each_part_of_z_enters_at_its_own_depth():
    """The last chunk reaches the last block alone: what lies before it does not change."""
    G = small(classes=2).eval()
    seen = []
    G.blocks[0].register_forward_hook(lambda m, _, out: seen.append(out))
    z = torch.randn(1, 12)
    other = z.clone()
    other[:, -4:] += 1
    labels = torch.tensor([0])
    first, second = G(z, labels), G(other, labels)
    assert G.chunks == [4, 4, 4]
    assert torch.equal(seen[0], seen[1])
    assert (first - second).abs().max() > 0.001


def test_a_z_that_cannot_be_shared_out_evenly_gives_the_rest_to_the_start():
    assert BigganGenerator((16, 16), 1, z_dim=14, width=4).chunks == [6, 4, 4]
    with pytest.raises(ValueError, match="give 3 or more"):
        BigganGenerator((16, 16), 1, z_dim=2, width=4)


def test_every_batch_norm_hears_the_one_embedding_of_the_label():
    G = small(classes=5)
    assert sum(isinstance(m, nn.Embedding) for m in G.modules()) == 1
    assert {block.norm1.gain.in_features for block in G.blocks} == {6 + 4}
    assert {block.norm1.gain.in_features for block in small().blocks} == {4}


def test_gains_are_one_plus_a_linear_map_of_the_condition():
    G = small(classes=2)
    norm = G.blocks[0].norm1.eval()
    x, condition = torch.randn(3, 16, 4, 4), torch.randn(3, 10)
    plain = norm.norm(x)
    gain, bias = 1 + condition @ norm.gain.weight.t(), condition @ norm.bias.weight.t()
    torch.testing.assert_close(norm(x, condition), plain * gain[:, :, None, None] + bias[:, :, None, None])


def test_weights_start_orthogonal():
    G = small()
    weight = G.blocks[0].convolution2.parametrizations.weight.original
    torch.testing.assert_close(torch.linalg.svdvals(weight.flatten(1)), torch.ones(16))


def test_truncated_noise_is_the_normal_law_between_two_bounds():
    torch.manual_seed(0)
    z = torch.randn(200_000)
    narrow = truncated(z, 1.0)
    assert narrow.abs().max() <= 1
    # The variance of N(0, 1) between -t and t is 1 - 2 t phi(t) / erf(t / sqrt 2).
    variance = 1 - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) / math.erf(1 / math.sqrt(2))
    assert narrow.var().item() == pytest.approx(variance, rel=0.02)
    assert torch.equal(narrow.sort().indices[:100], z.sort().indices[:100]) or (narrow * z >= 0).all()


def test_a_far_threshold_leaves_the_noise_as_it_is_and_a_near_one_leaves_nothing():
    z = torch.tensor([-2.0, -0.5, 0.0, 0.7, 3.0])
    torch.testing.assert_close(truncated(z, 9.0), z)
    assert truncated(z, 1e-3).abs().max() <= 1e-3
    with pytest.raises(ValueError, match="above 0"):
        truncated(z, 0.0)


def test_extreme_noise_stays_finite():
    assert truncated(torch.tensor([-40.0, 40.0]), 0.5).tolist() == pytest.approx([-0.5, 0.5])


@pytest.mark.parametrize("narrow", [lambda z: 0.3 * z, lambda z: truncated(z, 0.5)])
def test_truncation_narrows_the_spread_of_pictures(narrow):
    G = small()
    z = torch.randn(64, 12)
    with torch.no_grad():
        for _ in range(20):
            G(z)
        G.eval()
        assert G(narrow(z)).std(dim=0).mean() < 0.7 * G(z).std(dim=0).mean()


def test_standing_statistics_are_the_mean_over_all_batches():
    G = small(classes=2)
    batches = [(torch.randn(8, 12), torch.arange(8) % 2) for _ in range(5)]
    means = []
    G.norm.register_forward_hook(lambda m, inputs, _: means.append(inputs[0].mean(dim=(0, 2, 3))))
    G.train()
    before = copy.deepcopy(G.state_dict())
    standing_statistics(G, lambda number: batches[number], batches=5)
    assert len(means) == 5
    torch.testing.assert_close(G.norm.running_mean, torch.stack(means).mean(dim=0))
    after = G.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in changed)
    assert all(module.training for module in G.modules())
    assert G.norm.momentum == 0.1


def test_after_standing_statistics_evaluation_paints_what_training_painted():
    G = small()
    with torch.no_grad():
        for parameter in G.parameters():  # weights that BatchNorm has never followed
            parameter.mul_(1.5)
    z = torch.randn(256, 12)
    standing_statistics(G, lambda number: (z, None), batches=1)
    with torch.no_grad():
        in_evaluation = G.eval()(z)
        standing = copy.deepcopy(G)
        for module in standing.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train()
        torch.testing.assert_close(in_evaluation, standing(z), rtol=0, atol=0.01)


def test_standing_statistics_need_a_batch():
    with pytest.raises(ValueError, match="at least 1"):
        standing_statistics(small(), lambda number: (torch.randn(2, 12), None), batches=0)
