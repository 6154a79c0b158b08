"""AC-GAN: G is told the label, D guesses it."""

import pytest
import torch
from torch import nn

from ganvas.networks.acgan import AcganDiscriminator, AcganGenerator
from ganvas.objectives.auxiliary import class_loss
from ganvas.objectives.penalties import r1_penalty


def pair(resolution=(16, 16), channels=1, classes=3, norm="none", seed=0, **shape):
    torch.manual_seed(seed)
    shape = {"width": 8, "max_width": 16, **shape}
    G = AcganGenerator(resolution, channels, z_dim=6, classes=classes, **shape)
    return G, AcganDiscriminator(resolution, channels, classes=classes, norm=norm, **shape)


@pytest.mark.parametrize("resolution", [(8, 8), (9, 11), (16, 16), (25, 25), (28, 28), (24, 40), (33, 50), (64, 64)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_channels_come_out_exactly(resolution, channels):
    G, D = pair(resolution, channels)
    images = G(torch.randn(2, 6), torch.tensor([0, 2]))
    assert images.shape == (2, channels, *resolution)
    assert images.abs().max() <= 1
    details = D.details(images)
    assert {name: len(value.shape) for name, value in details.items()} == {"logits": 1, "features": 2, "classes": 2}
    assert details["classes"].shape == (2, 3)
    assert D(images).shape == (2,)


def test_at_64_pixels_the_bodies_are_those_of_dcgan():
    G, D = pair((64, 64), 3, classes=10, width=64, max_width=512)
    assert [m.out_channels for m in G.modules() if isinstance(m, nn.ConvTranspose2d)] == [256, 128, 64, 3]
    assert [m.out_channels for m in D.modules() if isinstance(m, nn.Conv2d)] == [64, 128, 256, 512]
    # DCGAN's D without its BatchNorm, a bias for every layer, and a classifier on the 4x4 map of 512 channels.
    body = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 128 + 256 + 512
    assert sum(p.numel() for p in D.parameters()) == body + (512 * 16 + 1) + 10 * (512 * 16 + 1)


@pytest.mark.parametrize("classes", [0, 1])
def test_without_two_classes_it_is_refused_with_what_to_do(classes):
    for build in (
        lambda: AcganGenerator((16, 16), 1, z_dim=6, width=8, classes=classes),
        lambda: AcganDiscriminator((16, 16), 1, width=8, classes=classes),
    ):
        with pytest.raises(ValueError, match=rf"two classes or more and this data has {classes}: give pictures with"):
            build()


def test_the_label_changes_the_picture_and_is_needed():
    G, _ = pair()
    G.eval()
    z = torch.randn(1, 6).repeat(2, 1)
    images = G(z, torch.tensor([0, 2]))
    assert not torch.allclose(images[0], images[1])
    with pytest.raises(ValueError, match="conditional"):
        G(z)


def test_d_is_not_told_the_label():
    _, D = pair()
    images = torch.randn(2, 1, 16, 16)
    told, untold = D.details(images, torch.tensor([0, 1])), D.details(images)
    assert all(torch.equal(told[name], untold[name]) for name in untold)


def test_logit_and_classifier_read_the_same_features():
    _, D = pair()
    details = D.details(torch.randn(2, 1, 16, 16))
    torch.testing.assert_close(D.logit(details["features"])[:, 0], details["logits"])
    torch.testing.assert_close(D.classifier(details["features"]), details["classes"])


def test_a_fresh_classifier_knows_nothing():
    _, D = pair(classes=10)
    loss = class_loss(D.details(torch.randn(16, 1, 16, 16))["classes"], torch.arange(16) % 10)
    torch.testing.assert_close(loss, torch.full((16,), 10.0).log(), atol=0.02, rtol=0)


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_the_classifier_learns_which_side_is_bright(norm):
    _, D = pair(classes=2, norm=norm)
    images = torch.full((16, 1, 16, 16), -1.0)
    images[:8, :, :, :8] = 1
    images[8:, :, :, 8:] = 1
    labels = torch.arange(16) // 8
    optimizer = torch.optim.Adam(D.parameters(), lr=0.01)
    for _ in range(30):
        loss = class_loss(D.details(images + 0.1 * torch.randn_like(images))["classes"], labels).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_both_losses_reach_every_parameter_of_g_and_d():
    G, D = pair()
    labels = torch.arange(6) % 3
    details = D.details(G(torch.randn(6, 6), labels))
    (details["logits"].square().mean() + class_loss(details["classes"], labels).mean()).backward()
    for network in (G, D):
        assert all(p.grad.abs().max() > 0 for p in network.parameters())


def test_activations_at_the_start_neither_vanish_nor_explode():
    G, D = pair((64, 64), 3, width=16, max_width=64, norm="spectral")
    seen = []
    for network in (G, D):
        for layer in network.modules():
            if isinstance(layer, nn.ReLU | nn.LeakyReLU):
                layer.register_forward_hook(lambda _, inputs, output: seen.append(output.std().item()))
    images = G(torch.randn(8, 6), torch.arange(8) % 3)
    assert 0.05 < images.std() < 0.7
    D(images)
    assert len(seen) == 8
    assert 0.001 < min(seen) < max(seen) < 2


def test_in_eval_mode_a_picture_depends_on_its_own_z_and_label_alone():
    G, D = pair(norm="spectral")
    G(torch.randn(8, 6), torch.arange(8) % 3)  # statistics
    D(torch.randn(8, 1, 16, 16))
    G.eval(), D.eval()
    z, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    images = G(z, labels)
    for i in range(4):
        torch.testing.assert_close(G(z[i : i + 1], labels[i : i + 1])[0], images[i], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(D(images[i : i + 1])[0], D(images)[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_r1_teaches_every_layer_of_the_body(norm):
    _, D = pair((9, 12), norm=norm)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())
    real = torch.randn(2, 1, 9, 12, requires_grad=True)
    r1_penalty(real, D(real)).sum().backward()
    weights = [p for name, p in D.named_parameters() if "bias" not in name and "classifier" not in name]
    assert len(weights) == 3
    assert all(w.grad.abs().max() > 0 for w in weights)


def test_the_spectral_norm_of_the_body_is_one_and_the_classifier_stays_free():
    _, D = pair(norm="spectral")
    for _ in range(50):
        D(torch.randn(2, 1, 16, 16))
    D.eval()
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d)] + [D.logit]
    norms = [torch.linalg.matrix_norm(m.weight.detach().flatten(1), ord=2).item() for m in layers]
    assert norms == pytest.approx([1.0] * 3, rel=0.02)
    assert not hasattr(D.classifier, "parametrizations")


def test_bfloat16_gives_about_the_same():
    G, D = pair()
    G.eval()
    z, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    exact = D.details(G(z, labels))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = D.details(G(z, labels))
    for name, value in exact.items():
        torch.testing.assert_close(rounded[name].float(), value, rtol=0.1, atol=0.01)
