"""PatchGAN: its published size, what a logit sees, scales, norms, labels."""

import pytest
import torch

from ganvas.errors import UsageError
from ganvas.games.noise import Draws, Rows
from ganvas.networks.contract import Layered
from ganvas.networks.painter_table import build_patch_discriminator
from ganvas.networks.patch_discriminator import PatchDiscriminator, maps_of, strided_layers
from ganvas.networks.patch_heads import PatchHeads, drawn_places
from ganvas.objectives.penalties import r1_penalty


def discriminator(side=64, channels=3, **changes):
    return build_patch_discriminator(resolution=(side, side), channels=channels, **{"width": 4, **changes})


def test_it_has_the_published_number_of_parameters():
    def count(side, channels):
        return sum(p.numel() for p in discriminator(side, channels, width=64).parameters())

    assert count(256, 6) == 2_768_705  # 2.769 M for a pair of RGB pictures
    assert count(256, 3) - count(256, 3) % 1000 == 2_765_000  # 2.765 M
    assert count(32, 2) == 662_337  # 0.662 M with two strided layers, for a pair of grey pictures


@pytest.mark.parametrize(
    ("side", "strided", "sees"), [(128, 3, 70), (64, 3, 70), (32, 2, 34), (16, 1, 16), (28, 1, 16)]
)
def test_a_logit_sees_the_published_patch(side, strided, sees):
    assert strided_layers(side) == strided
    large = 192
    D = discriminator(side, 1, norm="none")
    image = torch.randn(1, 1, large, large, requires_grad=True)
    logits = D.networks[0](image, None)[0]
    (gradient,) = torch.autograd.grad(logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2], image)
    rows = gradient[0, 0].abs().sum(1).nonzero()[:, 0]
    assert int(rows.max() - rows.min()) + 1 == sees


@pytest.mark.parametrize(("side", "patches"), [(256, 30), (128, 14), (64, 6), (32, 6), (16, 6)])
def test_some_patches_are_judged_at_every_size(side, patches):
    D = discriminator(side)
    assert D(torch.randn(2, 3, side, side)).shape == (2, patches**2)


def test_each_scale_has_logits_and_maps_of_its_own():
    D = discriminator(64, scales=3)
    assert isinstance(D, Layered)
    details = D.details(torch.randn(2, 3, 64, 50))
    counts = [details[f"logits{scale}"].shape[1] for scale in range(3)]
    assert details["logits"].shape == (2, sum(counts))
    assert all(counts)
    assert torch.equal(details["logits"][:, : counts[0]], details["logits0"])
    assert [name for name in details if name.startswith("map0")] == ["map0.0", "map0.1", "map0.2", "map0.3"]
    assert len(maps_of(details)) == 4 + 3 + 2
    assert details["features"].shape == (2, 32)


def test_the_coarser_scale_sees_the_average():
    torch.manual_seed(0)
    D = discriminator(32, 1, scales=2)
    flat = torch.full((1, 1, 32, 32), 0.3)
    again = D.networks[1](torch.full((1, 1, 16, 16), 0.3), None)[0].flatten(1)
    torch.testing.assert_close(D.details(flat)["logits1"], again)


def test_too_many_scales_are_refused():
    with pytest.raises(UsageError, match=r"--d-scales 3: .* 32x32 at 8 pixels and needs 16: give --d-scales 2 or less, "
                                         "or --resolution 64 or more"):  # fmt: skip
        discriminator(32, scales=3)
    with pytest.raises(UsageError, match=r"pictures of 8x8 are too small .*: give --resolution 16 or more"):
        discriminator(8)
    with pytest.raises(ValueError, match="the coarsest of 2 scales sees 8 pixels of 16x16, and a PatchGAN needs 16"):
        PatchDiscriminator((16, 16), 3, scales=2)
    with pytest.raises(UsageError, match="--d-norm batch: a PatchGAN has no such norm: give instance, spectral, none"):
        discriminator(norm="batch")


@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
def test_logits_of_a_picture_do_not_depend_on_its_batch_and_r1_goes_through(norm):
    torch.manual_seed(0)
    D = discriminator(32, norm=norm)
    images = torch.randn(3, 3, 32, 32, requires_grad=True)
    D.eval()
    torch.testing.assert_close(D(images)[:1], D(images[:1]), atol=1e-5, rtol=1e-4)
    r1_penalty(images, D(images).mean(dim=1)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for n, p in D.named_parameters() if "bias" not in n)


def test_a_label_moves_the_logits_of_all_places_once_it_is_learned():
    D = discriminator(32, classes=3).eval()
    images = torch.randn(1, 3, 32, 32).repeat(2, 1, 1, 1)
    labels = torch.tensor([0, 2])
    assert torch.equal(D(images, labels)[0], D(images, labels)[1]), "as an unconditional one"
    torch.nn.init.normal_(D.networks[0].embedding.weight)
    assert (D(images, labels)[0] != D(images, labels)[1]).all()
    with pytest.raises(ValueError, match="this discriminator is conditional: give one of 3 labels"):
        D(images)


def test_heads_give_unit_vectors_of_the_places_that_were_drawn():
    maps = [torch.randn(4, 3, 20, 20), torch.randn(4, 8, 5, 5)]
    places = drawn_places(maps, Draws("cpu", (0, 7)))
    assert [p.shape for p in places] == [(4, 256), (4, 25)]
    assert all(len(set(row.tolist())) == len(row) for p in places for row in p)
    part = drawn_places([m[1:] for m in maps], Draws("cpu", (0, 7), Rows(4, 1)))
    assert all(torch.equal(a[1:], b) for a, b in zip(places, part, strict=True))
    heads = PatchHeads([3, 8])
    vectors = heads(maps, places)
    assert [v.shape for v in vectors] == [(4, 256, 256), (4, 25, 256)]
    torch.testing.assert_close(vectors[0].norm(dim=2), torch.ones(4, 256))
    alone = heads.heads[1](maps[1][2, :, 0, 3])
    at = places[1][2].tolist().index(3)
    torch.testing.assert_close(vectors[1][2, at], alone / alone.norm())
