"""InfoGAN: codes in z, and a head of D that reads them back."""

import math

import pytest
import torch
from torch import nn

from ganvas.networks.infogan import InfoganDiscriminator, InfoganGenerator
from ganvas.objectives.auxiliary import category_loss, gaussian_code_loss
from ganvas.objectives.penalties import r1_penalty

CODES = {"categorical": 4, "continuous": 2}


def pair(resolution=(16, 16), channels=1, norm="none", seed=0, **shape):
    torch.manual_seed(seed)
    shape = {"width": 8, "max_width": 16, **CODES, **shape}
    G = InfoganGenerator(resolution, channels, z_dim=10, **shape)
    return G, InfoganDiscriminator(resolution, channels, norm=norm, **shape)


def information_loss(D, G, z):
    details = D.details(G(z))
    category, codes = G.codes(z)
    return category_loss(details["category"], category) + gaussian_code_loss(
        details["code_mean"], details["code_log_std"], codes
    )


@pytest.mark.parametrize("resolution", [(8, 8), (9, 11), (16, 16), (25, 25), (28, 28), (24, 40), (33, 50), (64, 64)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_channels_come_out_exactly(resolution, channels):
    G, D = pair(resolution, channels)
    images = G(torch.randn(2, 10))
    assert images.shape == (2, channels, *resolution)
    assert images.abs().max() <= 1
    shapes = {name: tuple(value.shape) for name, value in D.details(images).items()}
    assert shapes == {
        "logits": (2,),
        "features": (2, 64),
        "category": (2, 4),
        "code_mean": (2, 2),
        "code_log_std": (2, 2),
    }
    assert D(images).shape == (2,)


def test_the_codes_are_read_off_z():
    G, _ = pair()
    z = torch.tensor([[0.1, -2.0, 0.7, 0.2, 1.5, -0.5, 9.0, 9.0, 9.0, 9.0]])
    category, continuous = G.codes(z)
    assert category.tolist() == [2]
    assert continuous.tolist() == [[1.5, -0.5]]


def test_categories_are_equally_likely_and_codes_standard_normal():
    G, _ = pair()
    torch.manual_seed(0)
    category, continuous = G.codes(torch.randn(40_000, 10))
    shares = torch.bincount(category, minlength=4) / 40_000
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.01, rtol=0)
    assert continuous.mean().abs() < 0.02
    assert continuous.std() == pytest.approx(1, abs=0.02)


def test_g_sees_the_category_and_never_the_numbers_behind_it():
    G, _ = pair()
    G.eval()
    z = torch.randn(1, 10)
    z[0, :4] = torch.tensor([0.5, 0.1, -1.0, 0.2])
    same, other = z.clone(), z.clone()
    same[0, :4] = torch.tensor([3.0, -0.7, 0.9, 2.9])  # the first is still the largest
    other[0, 3] = 0.6
    assert torch.equal(G(same), G(z))
    assert not torch.allclose(G(other), G(z))


@pytest.mark.parametrize("place", range(4, 10))
def test_every_other_number_moves_the_picture(place):
    G, _ = pair()
    G.eval()
    z = torch.randn(1, 10)
    moved = z.clone()
    moved[0, place] += 1
    assert not torch.allclose(G(moved), G(z))


def test_a_fresh_q_scores_the_entropy_of_the_codes():
    G, D = pair()
    loss = information_loss(D, G, torch.randn(4000, 10)).mean().item()
    entropy = math.log(4) + 2 * 0.5 * (1 + math.log(2 * math.pi))
    assert loss == pytest.approx(entropy, abs=0.1)


def test_g_and_q_learn_to_tell_each_other_the_code():
    G, D = pair((8, 8))
    optimizer = torch.optim.Adam([*G.parameters(), *D.parameters()], lr=0.01)
    for _ in range(150):
        loss = information_loss(D, G, torch.randn(64, 10)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    z = torch.randn(200, 10)
    details, (category, codes) = D.details(G(z)), G.codes(z)
    assert (details["category"].argmax(dim=1) == category).float().mean() > 0.9
    assert (details["code_mean"] - codes).square().mean() < 0.3  # of a variance of 1
    assert loss < 2  # of 4.22


def test_q_is_never_surer_than_its_limit():
    _, D = pair()
    nn.init.constant_(D.Q[-1].bias, -1000.0)
    log_std = D.details(torch.randn(2, 1, 16, 16))["code_log_std"]
    torch.testing.assert_close(log_std, torch.full((2, 2), -3.0))


def test_labels_are_refused_with_what_to_do():
    for build in (
        lambda: InfoganGenerator((16, 16), 1, z_dim=20, width=8, classes=10),
        lambda: InfoganDiscriminator((16, 16), 1, width=8, classes=10),
    ):
        with pytest.raises(ValueError, match="no use for 10 labels: train without labels"):
            build()
    G, D = pair()
    labels = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(ValueError, match="takes no labels"):
        G(torch.randn(1, 10), labels)
    with pytest.raises(ValueError, match="takes no labels"):
        D(torch.randn(1, 1, 16, 16), labels)


def test_codes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="give a z_dim above 12"):
        InfoganGenerator((16, 16), 1, z_dim=12, width=8)
    with pytest.raises(ValueError, match="two categories or more"):
        InfoganDiscriminator((16, 16), 1, width=8, categorical=1)


def test_there_may_be_no_continuous_code():
    G, D = pair(continuous=0)
    details = D.details(G(torch.randn(2, 10)))
    assert details["code_mean"].shape == details["code_log_std"].shape == (2, 0)
    assert information_loss(D, G, torch.randn(2, 10)).shape == (2,)


def test_both_losses_reach_every_parameter_of_g_and_d():
    G, D = pair()
    z = torch.randn(16, 10)
    (D(G(z)).square().mean() + information_loss(D, G, z).mean()).backward()
    for network in (G, D):
        assert all(p.grad.abs().max() > 0 for p in network.parameters())


def test_the_head_of_the_codes_does_not_move_the_logit():
    _, D = pair()
    images = torch.randn(2, 1, 16, 16)
    before = D(images)
    for p in D.Q.parameters():
        nn.init.normal_(p)
    assert torch.equal(D(images), before)


def test_activations_at_the_start_neither_vanish_nor_explode():
    G, D = pair((64, 64), 3, width=16, max_width=64, norm="spectral")
    seen = []
    for network in (G, D):
        for layer in network.modules():
            if isinstance(layer, nn.ReLU | nn.LeakyReLU):
                layer.register_forward_hook(lambda _, inputs, output: seen.append(output.std().item()))
    images = G(torch.randn(8, 10))
    assert 0.05 < images.std() < 0.7
    D.details(images)
    assert len(seen) == 10
    assert 1e-4 < min(seen) < max(seen) < 2


def test_in_eval_mode_a_picture_depends_on_its_own_z_alone():
    G, D = pair(norm="spectral")
    G(torch.randn(8, 10))  # statistics
    G.eval(), D.eval()
    z = torch.randn(4, 10)
    images = G(z)
    for i in range(4):
        torch.testing.assert_close(G(z[i : i + 1])[0], images[i], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(D(images[i : i + 1])[0], D(images)[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_r1_teaches_every_layer_before_the_logit(norm):
    _, D = pair((9, 12), norm=norm)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())
    real = torch.randn(2, 1, 9, 12, requires_grad=True)
    r1_penalty(real, D(real)).sum().backward()
    weights = [p for name, p in D.named_parameters() if "bias" not in name and not name.startswith("Q")]
    assert len(weights) == 4
    assert all(w.grad.abs().max() > 0 for w in weights)


def test_bfloat16_gives_about_the_same():
    G, D = pair()
    G.eval()
    z = torch.randn(4, 10)
    exact = D.details(G(z))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = D.details(G(z))
    for name, value in exact.items():
        torch.testing.assert_close(rounded[name].float(), value, rtol=0.1, atol=0.02)
