"""A discriminator that looks through a fixed network: nothing of what it looks through ever moves."""

import copy

import pytest
import torch
from torch import nn

from ganvas.evaluation.feature_net import FeatureNet
from ganvas.games.noise import Draws
from ganvas.networks.fastgan import FastganGenerator
from ganvas.networks.projected import ProjectedDiscriminator, ProjectedGenerator, SequentialMaps, fixed
from ganvas.objectives.penalties import r1_penalty

SIZES = [(8, 8), (9, 13), (16, 16), (28, 28), (24, 40), (33, 50)]


class Pyramid(nn.Module):
    """A network of a user's own, with a norm and dropout that would betray a change of mode."""

    def __init__(self, channels=1, scale=1.0):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.scale = scale

    def feature_maps(self, images):
        x = self.drop(self.norm(self.first(images)).relu())
        return [self.scale * x, self.scale * self.second(x)]


def layers(channels=1):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def discriminator(resolution=(16, 16), channels=1, classes=0, features=None):
    features = Pyramid(channels) if features is None else features
    return ProjectedDiscriminator(resolution, channels, width=4, classes=classes, max_width=8, features=features)


def test_without_a_network_to_look_through_it_is_refused_in_words():
    with pytest.raises(ValueError, match="features="):
        ProjectedDiscriminator((16, 16), 1, width=4)


def test_a_network_that_does_not_say_where_its_features_are_is_refused():
    with pytest.raises(ValueError, match=r"Conv2d does not say .* feature_maps\(images\)"):
        discriminator(features=nn.Conv2d(1, 4, 3))


def test_a_network_for_other_pictures_is_refused():
    with pytest.raises(ValueError, match="cannot look at 3 channels of 16x16 pixels"):
        discriminator(channels=3, features=Pyramid(channels=1))


def test_maps_that_do_not_fall_in_size_are_refused():
    class Upside(Pyramid):
        def feature_maps(self, images):
            return super().feature_maps(images)[::-1]

    with pytest.raises(ValueError, match="finest first"):
        discriminator(features=Upside())


def test_the_generator_is_that_of_fastgan():
    assert ProjectedGenerator is FastganGenerator


@pytest.mark.parametrize("resolution", SIZES)
@pytest.mark.parametrize("classes", [0, 3])
def test_any_size_channels_and_classes(resolution, classes):
    for channels in (1, 2, 3, 4):
        D = discriminator(resolution, channels, classes)
        labels = torch.tensor([0, 2]) if classes else None
        seen = D.details(torch.randn(2, channels, *resolution), labels)
        assert seen["logits"].ndim == 2
        assert seen["logits"].shape == D(torch.randn(2, channels, *resolution), labels).shape
        assert seen["features"].shape == (2, sum(head.width for head in D.heads))


def test_every_size_of_features_gives_one_logit_or_from_256_pixels_on_a_map_of_one_size():
    D = discriminator((32, 32))  # maps of 16x16 and 8x8
    assert D.mixed.halvings == [2, 1]
    assert [tuple(x.shape) for x in D.mixed(torch.randn(1, 1, 32, 32))] == [(1, 4, 16, 16), (1, 8, 8, 8)]
    assert D(torch.randn(1, 1, 32, 32)).shape == (1, 2)
    D = discriminator((256, 256))  # maps of 128x128 and 64x64
    assert D.mixed.halvings == [5, 4]
    assert D(torch.randn(1, 1, 256, 256)).shape == (1, 2 * 4 * 4)


def test_of_a_chain_of_layers_the_last_map_of_each_size_is_taken():
    chain = layers()
    chain(torch.zeros(1, 1, 16, 16))
    images = torch.randn(2, 1, 16, 16)
    maps = SequentialMaps(chain).feature_maps(images)
    assert [tuple(x.shape[1:]) for x in maps] == [(4, 16, 16), (6, 8, 8), (6, 4, 4)]
    torch.testing.assert_close(maps[0], chain[:2](images))
    torch.testing.assert_close(maps[2], chain[:5](images))
    assert discriminator(features=chain)(images).shape == (2, 3)


def test_what_a_chain_was_trained_on_it_is_shown():
    chain = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    nn.init.ones_(chain[0].weight)
    seen = SequentialMaps(chain, (4, 4), torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 2.0))
    (map_of_halves,) = seen.feature_maps(torch.full((1, 1, 16, 16), 0.7))
    torch.testing.assert_close(map_of_halves, torch.full((1, 1, 4, 4), 0.1))
    assert seen.feature_maps(torch.zeros(1, 1, 2, 2))[0].shape == (1, 1, 4, 4)


def test_the_network_that_a_judge_trained_on_the_data_can_be_looked_through():
    net = FeatureNet(3, 80, 64, 10, torch.Generator().manual_seed(0))
    net.mean.fill_(0.25)
    maps = SequentialMaps.of_feature_net(net).feature_maps(images := torch.randn(2, 3, 80, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 32, 26), (64, 16, 13), (64, 8, 7)]
    with torch.no_grad():
        embedded = torch.relu(net.features(net.trunk[-1](maps[-1])))
    torch.testing.assert_close(embedded, net(images).detach())
    D = discriminator((80, 64), 3, features=SequentialMaps.of_feature_net(net))
    assert D(images).shape == (2, 3)


def test_what_it_looks_through_gets_no_gradient_and_does_not_move_while_it_learns():
    torch.manual_seed(0)
    features = Pyramid()
    features.norm.running_mean.fill_(0.3)
    D = discriminator(features=features)
    before = copy.deepcopy(D.mixed.state_dict())
    assert not list(D.mixed.parameters())
    optimizer = torch.optim.AdamW(D.parameters(), lr=0.1, weight_decay=0.1)
    D.train()
    for _ in range(3):
        images = torch.randn(4, 1, 16, 16, requires_grad=True)
        optimizer.zero_grad()
        D(images).sum().backward()
        optimizer.step()
        assert images.grad.abs().max() > 0, "gradients pass through it"
    after = D.mixed.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.requires_grad for p in features.parameters()), "the user's own network is left as it was"


def test_it_looks_the_same_way_in_training_and_in_evaluation():
    D, images = discriminator(), torch.randn(2, 1, 16, 16)
    for a, b in zip(D.train().mixed(images), D.eval().mixed(images), strict=True):
        assert torch.equal(a, b)
    assert not any(m.training for m in D.train().mixed.modules())
    assert D.heads.training


def test_a_checkpoint_holds_all_that_it_looks_through():
    torch.manual_seed(0)
    D = discriminator().eval()
    torch.manual_seed(1)
    other = discriminator(features=Pyramid()).eval()
    images = torch.randn(2, 1, 16, 16)
    assert not torch.allclose(D(images), other(images))
    other.load_state_dict(D.state_dict())
    assert torch.equal(D(images), other(images))


def test_fixing_keeps_what_a_network_computes():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3), nn.Linear(3, 3))
    x = torch.randn(2, 1, 4, 4)
    still = fixed(net)
    torch.testing.assert_close(still(x), net(x))
    assert still.state_dict().keys() == net.state_dict().keys()
    assert not list(still.parameters())


def test_features_of_any_scale_begin_alike():
    def spread(scale):
        torch.manual_seed(0)
        return discriminator(features=Pyramid(scale=scale)).eval()(images)

    images = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(spread(1.0), spread(1000.0))


def test_mixing_keeps_the_size_of_what_it_mixes():
    torch.manual_seed(0)
    net = FeatureNet(3, 64, 64, 10, torch.Generator().manual_seed(0))
    D = ProjectedDiscriminator((64, 64), 3, 32, features=SequentialMaps.of_feature_net(net))
    noise = nn.functional.interpolate(2 * torch.rand(8, 3, 4, 4) - 1, (64, 64), mode="bilinear").requires_grad_(True)
    mixed = D.mixed(noise)
    sizes = [x.square().mean().sqrt().item() for x in mixed]
    assert all(0.5 < size < 2 for size in sizes), sizes
    logits = D(noise)
    assert 0.02 < logits.std() < 3
    (gradient,) = torch.autograd.grad(logits.mean(dim=1).sum(), noise)
    assert 1e-3 < gradient.flatten(1).norm(dim=1).mean() < 10


def test_every_map_reaches_the_finest_one_but_not_the_other_way():
    D, images = discriminator((16, 16)), torch.randn(1, 1, 16, 16)
    maps = D.mixed.features.feature_maps(images)
    for touched, reached in [(0, [True, False]), (1, [True, True])]:
        changed = [x + (i == touched) for i, x in enumerate(maps)]
        D.mixed.features.feature_maps = lambda _, maps=maps: maps
        before = D.mixed(images)
        D.mixed.features.feature_maps = lambda _, maps=changed: maps
        assert [not torch.allclose(a, b) for a, b in zip(before, D.mixed(images), strict=True)] == reached


def test_a_label_changes_the_logits_and_a_conditional_discriminator_asks_for_it():
    D = discriminator(classes=3).eval()
    nn.init.normal_(D.projection.embedding.weight)
    image = torch.randn(1, 1, 16, 16).repeat(2, 1, 1, 1)
    logits = D(image, torch.tensor([0, 2]))
    assert not torch.allclose(logits[0], logits[1])
    with pytest.raises(ValueError, match="conditional"):
        D(image)


def test_gradients_reach_every_parameter_of_both_players():
    torch.manual_seed(0)
    G = ProjectedGenerator((16, 16), 3, z_dim=6, width=4, classes=2)
    D = discriminator((16, 16), 3, classes=2)
    labels = torch.tensor([0, 1, 0, 1])
    D(G(torch.randn(4, 6), labels, Draws("cpu", (0,))), labels).sum().backward()
    for network in (G, D):
        assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_it_can_be_penalised_per_picture():
    torch.manual_seed(0)
    D = discriminator().eval()
    real = torch.randn(3, 1, 16, 16, requires_grad=True)
    together = r1_penalty(real, D(real).mean(dim=1))
    alone = real[1:2].detach().requires_grad_(True)
    torch.testing.assert_close(together[1:2], r1_penalty(alone, D(alone).mean(dim=1)))
    together.sum().backward()
    assert all(p.grad is not None for name, p in D.named_parameters() if name.endswith("original"))


def test_it_runs_in_half_precision():
    D = discriminator(channels=3)
    images = torch.randn(2, 3, 16, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        logits = D(images)
    logits.float().sum().backward()
    assert torch.isfinite(logits).all()
    assert torch.isfinite(images.grad).all()


def test_it_learns_to_tell_bars_apart():
    torch.manual_seed(0)
    D = discriminator((16, 16))
    upright, lying = torch.full((2, 8, 1, 16, 16), -1.0)
    for i in range(8):
        upright[i, :, :, 2 * i], lying[i, :, 2 * i] = 1, 1
    optimizer = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.0, 0.99))
    for _ in range(60):
        loss = (1 - D(upright)).relu().mean() + (1 + D(lying)).relu().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert D(upright).mean(dim=1).min() > D(lying).mean(dim=1).max()
