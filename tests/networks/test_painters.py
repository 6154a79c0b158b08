"""Painters: published parameter counts, sizes, where each starts, what it sees, labels and gradients."""

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError, UsageError
from ganvas.games.noise import Draws, Rows
from ganvas.networks.contract import Encoding
from ganvas.networks.enlarging import SubPixel, bicubic, initialise_icnr
from ganvas.networks.padding import mirrored, reflected_in_order, with_edges
from ganvas.networks.painter_table import PAINTERS, build_painter

SMALL = {
    "unet": (4, ()),
    "resnet": (4, ("blocks=2",)),
    "pix2pixhd": (4, ("blocks=1",)),
    "srresnet": (4, ("blocks=2",)),
    "rrdb": (4, ("blocks=1",)),
    "fourier": (4, ("blocks=1",)),
    "restore_unet": (4, ("blocks=1",)),
}
FROM_INPUT = [name for name, family in PAINTERS.items() if family.starts_from_input]
CHANNELS = [(1, 1), (3, 3), (4, 4), (1, 3), (7, 3)]  # grey, RGB, RGBA, colouring, one-hot


def painter(name, side=32, channels=(3, 3), **changes):
    family = PAINTERS[name]
    width, options = SMALL[name]
    in_channels = channels[1] + 1 if family.masked else channels[0]
    arguments = {
        "resolution": (side, side),
        "width": width,
        "options": options,
        "max_width": 16 if family.capped else None,
    }
    return build_painter(name, in_channels=in_channels, out_channels=channels[1], **{**arguments, **changes})


def pictures(network, n=2, height=32, width=32):
    images = torch.rand(n, network.in_channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
    if network.in_channels == network.out_channels + 1:
        mask = torch.zeros(n, 1, height, width)
        mask[:, :, height // 4 : height // 2, 3:-5] = 1
        images = torch.cat([images[:, :-1] * (1 - mask), mask], dim=1)
    return images


def trained_for_a_moment(network):
    """Its last layer away from zero, as after some steps."""
    torch.manual_seed(1)
    for parameter in network.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, 0, 0.05)
    return network.eval()


def parameters(name, side, channels, **changes):
    with torch.device("meta"):
        network = build_painter(
            name,
            resolution=(side, side),
            in_channels=channels[0],
            out_channels=channels[1],
            width=PAINTERS[name].width,
            **changes,
        )
    return sum(p.numel() for p in network.parameters())


def test_the_networks_have_the_published_numbers_of_parameters():
    # pix2pix as its own code reports it: 54.414 M for RGB; 54.408 M and 29.238 M for grey at 256 and 64 pixels
    assert parameters("unet", 256, (3, 3)) == 54_413_955
    assert parameters("unet", 256, (1, 1)) == 54_407_809
    assert parameters("unet", 64, (1, 1)) == 29_237_889
    assert parameters("resnet", 256, (3, 3)) == 11_378_179  # 11.378 M; nine blocks
    # EDSR's baseline without its mean shifts of 24 numbers: 262,043 with one block at scale 2 is what others count
    assert parameters("srresnet", 48, (3, 3), scale=2, options=("blocks=1",)) == 262_043 - 24
    assert parameters("srresnet", 48, (3, 3), scale=4) == 1_517_571  # 1.5 M
    assert parameters("rrdb", 32, (3, 3), scale=4) == 16_697_987  # 16.7 M
    assert parameters("fourier", 256, (4, 3)) == 27_048_451  # 27 M
    assert parameters("fourier", 256, (4, 3), options=("blocks=18",)) == 50_975_491  # 51 M


def test_pix2pixhd_has_the_layers_of_its_paper():
    with torch.device("meta"):
        network = build_painter("pix2pixhd", resolution=(512, 1024), in_channels=36, out_channels=3, width=64)
    convolutions = [m for m in network.core.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [m.out_channels for m in convolutions] == [64, 128, 256, 512, 1024, *[1024] * 18, 512, 256, 128, 64]
    assert network.picture.convolution.weight.shape == (3, 64, 7, 7)


@pytest.mark.parametrize("name", PAINTERS)
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (8, 20), (9, 9)])
def test_any_size_comes_out_exactly(name, size):
    network = painter(name).eval()
    images = pictures(network, 1, *size)
    assert network(images).shape == (1, 3, size[0] * network.scale, size[1] * network.scale)


@pytest.mark.parametrize(
    ("name", "side"), [(n, s) for n, family in PAINTERS.items() for s in (8, 19, 28, 64, 72) if s >= family.smallest]
)
def test_any_side_can_be_trained_on(name, side):
    network = painter(name, side)
    painted = network(pictures(network, 2, side, side))
    painted.square().mean().backward()
    assert painted.shape[2:] == (side * network.scale,) * 2
    assert torch.isfinite(painted).all()


@pytest.mark.parametrize("name", PAINTERS)
@pytest.mark.parametrize("channels", CHANNELS)
def test_any_channels_go_in_and_out(name, channels):
    network = painter(name, channels=channels)
    assert network(pictures(network)).shape[1] == channels[1] == network.out_channels


@pytest.mark.parametrize("name", [name for name in PAINTERS if name not in FROM_INPUT])
def test_painters_of_new_pictures_start_small_and_varied(name):
    torch.manual_seed(0)
    network = painter(name, side=64, width=16)
    painted = network(pictures(network, 4, 64, 64))
    assert painted.abs().max() <= 1
    if name == "fourier":
        painted = painted[:, :, 16:32, 3:-5]  # the hole
    assert 0.001 < painted.std() < 0.7
    assert painted.mean().abs() < 0.2


@pytest.mark.parametrize("name", FROM_INPUT)
def test_restorers_start_as_their_input_exactly(name):
    network = painter(name, channels=(3, 3))
    images = pictures(network)
    assert torch.equal(network(images), bicubic(images, network.scale))
    grey = painter(name, channels=(1, 3))
    images = pictures(grey)
    assert torch.equal(grey(images), bicubic(images.expand(-1, 3, -1, -1), grey.scale))


@pytest.mark.parametrize("name", ["srresnet", "rrdb"])
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_super_resolution_starts_from_the_bicubic_picture_at_every_scale(name, scale):
    network = painter(name, scale=scale)
    images = pictures(network, 1, 9, 11)
    assert network(images).shape == (1, 3, 9 * scale, 11 * scale)
    assert torch.equal(network(images), bicubic(images, scale))


def test_a_sub_pixel_convolution_starts_without_a_checkerboard():
    layer = SubPixel(3, 5, 3)
    initialise_icnr(layer)
    x = torch.randn(1, 3, 6, 6)
    enlarged = layer(x)
    assert enlarged.shape == (1, 5, 18, 18)
    blocks = enlarged.unflatten(3, (6, 3)).unflatten(2, (6, 3))  # [1, 5, 6, 3, 6, 3]
    torch.testing.assert_close(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))
    assert enlarged.std() > 0.5


@pytest.mark.parametrize("name", PAINTERS)
def test_after_a_step_every_parameter_is_reached(name):
    torch.manual_seed(0)
    network = painter(name, side=64).train()
    images = pictures(network, 2, 64, 64)
    for _ in range(2):  # a layer behind which there are zeros is reached from the second step on
        network.zero_grad()
        network(images).square().sum().backward()
        missed = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        with torch.no_grad():
            for p in network.parameters():
                p -= 1e-3 * torch.zeros_like(p) if p.grad is None else 1e-3 * p.grad.sign()
    assert missed == []


@pytest.mark.parametrize("name", PAINTERS)
def test_a_picture_is_painted_alike_in_any_batch(name):
    network = trained_for_a_moment(painter(name))
    images = pictures(network, 3)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", PAINTERS)
def test_a_label_changes_the_picture_and_is_asked_for(name):
    network = painter(name, classes=3)
    trained_for_a_moment(network)
    images = pictures(network, 1).repeat(2, 1, 1, 1)
    painted = network(images, torch.tensor([0, 2]))
    assert not torch.allclose(painted[0], painted[1])
    with pytest.raises(ValueError, match="this painter is conditional: give one of 3 labels"):
        network(images)


@pytest.mark.parametrize("name", [name for name in PAINTERS if name in ("srresnet", "rrdb", "restore_unet")])
def test_nothing_beyond_the_reach_changes_a_pixel_and_the_reach_is_not_far_too_large(name):
    network = trained_for_a_moment(painter(name, channels=(1, 1))).double()
    side, least = 8 * (network.reach // 8 + 2), 0
    side = 2 * side
    images = torch.randn(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    painted = network(images)
    for row in range(side // 2, side // 2 + network.multiple):
        at = row * network.scale
        (seen,) = torch.autograd.grad(painted[0, 0, at, at], images, retain_graph=True)
        rows = seen[0, 0].abs().sum(1).nonzero()[:, 0]
        least = max(least, row - int(rows.min()), int(rows.max()) - row)
    assert least <= network.reach
    assert least >= 0.6 * network.reach


def test_one_convolution_more_reaches_one_pixel_further():
    reaches = [painter("srresnet", options=(f"blocks={n}",)).reach for n in (1, 2, 3)]
    assert reaches[1] - reaches[0] == reaches[2] - reaches[1] == 2


def test_the_u_net_halves_down_to_a_pixel_or_two():
    depths = {side: painter("unet", side).depth for side in (8, 16, 28, 64, 256, 1000)}
    assert depths == {8: 3, 16: 4, 28: 4, 64: 6, 256: 8, 1000: 8}


def test_dropout_of_the_u_net_depends_on_the_counters_and_not_on_the_other_pictures():
    network = painter("unet", 64).train()
    images = pictures(network, 4, 64, 64)
    once, again = (network(images, None, Draws("cpu", (3, 1))) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.allclose(once, network(images, None, Draws("cpu", (3, 2))))
    part = network(images[2:], None, Draws("cpu", (3, 1), Rows(4, 2)))
    torch.testing.assert_close(part, once[2:], atol=1e-5, rtol=1e-4)
    network.eval()
    assert torch.equal(network(images, None, Draws("cpu", (3, 1))), network(images))


def test_the_residual_painter_gives_the_maps_that_cut_compares():
    network = painter("resnet", options=("blocks=6",))
    assert isinstance(network, Encoding)
    images = pictures(network)
    maps = network.encode(images)
    assert [tuple(one.shape[1:]) for one in maps] == [(3, 32, 32), (8, 16, 16), (16, 8, 8), (16, 8, 8), (16, 8, 8)]
    assert torch.equal(maps[0], images)
    assert not isinstance(painter("unet"), Encoding)


def test_smooth_doublings_have_as_many_parameters_and_leave_no_grid_in_an_even_map():
    options = ("blocks=1",), ("blocks=1", "bilinear=true")
    transposed, smooth = (painter("resnet", options=one) for one in options)
    assert sum(p.numel() for p in smooth.parameters()) == sum(p.numel() for p in transposed.parameters())
    even = torch.ones(1, 16, 4, 4)
    assert transposed.up[0].convolution(even).var(dim=(2, 3)).min() > 0
    torch.testing.assert_close(smooth.up[0](even), torch.zeros(1, 8, 8, 8), atol=1e-4, rtol=0)
    assert smooth(pictures(smooth, 1, 30, 34)).shape == (1, 3, 30, 34)


@pytest.mark.parametrize("enhancers", [0, 1, 2])
def test_enhancers_work_around_the_global_generator(enhancers):
    network = painter("pix2pixhd", 64, options=("blocks=1", f"enhancers={enhancers}"), width=8)
    assert network.multiple == 16 * 2**enhancers
    assert len(network.enhancers) == enhancers
    assert network(pictures(network, 1, 64, 70)).shape == (1, 3, 64, 70)


def test_only_the_hole_is_painted_and_it_knows_of_the_far_corner():
    network = painter("fourier", 64).eval()
    images = pictures(network, 1, 64, 64)
    painted, mask = network(images), images[:, -1:].bool()
    assert torch.equal(painted[~mask.expand_as(painted)], images[:, :-1][~mask.expand_as(painted)])
    assert (painted[mask.expand_as(painted)] != 0).all()
    moved = images.clone()
    moved[:, 0, -1, -1] += 1
    assert not torch.equal(network(moved)[:, :, 16, 3], painted[:, :, 16, 3])


def test_the_spectrum_stays_in_float32_under_autocast():
    network = painter("fourier", 32).eval()
    images = pictures(network)
    exact = network(images)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(images)
    assert torch.isfinite(rounded).all()
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.1)


@pytest.mark.parametrize("name", PAINTERS)
def test_half_precision_gives_nearly_the_same_picture(name):
    network = trained_for_a_moment(painter(name))
    images = pictures(network)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(images)
    torch.testing.assert_close(rounded.float(), network(images), atol=0.15, rtol=0.2)


def test_pictures_are_mirrored_at_their_lower_right_edge():
    image = torch.arange(6.0).view(1, 1, 2, 3)
    assert mirrored(image, 4)[0, 0].tolist() == [[0, 1, 2, 1], [3, 4, 5, 4], [0, 1, 2, 1], [0, 1, 2, 1]]
    assert mirrored(image, 1) is image


@pytest.mark.parametrize("edges", [(3, 3, 3, 3), (0, 2, 0, 1), (1, 0, 4, 0)])
def test_the_exact_mirror_for_gpus_is_the_fast_one(edges):
    x = torch.randn(2, 3, 5, 6, requires_grad=True)
    fast, exact = nn.functional.pad(x, edges, mode="reflect"), reflected_in_order(x, *edges)
    assert torch.equal(fast, exact)
    weights = torch.randn_like(fast)
    gradients = [torch.autograd.grad((one * weights).sum(), x)[0] for one in (fast, exact)]
    torch.testing.assert_close(*gradients)


def test_a_map_smaller_than_its_edge_is_repeated():
    assert with_edges(torch.tensor([[[[7.0]]]]), 1).flatten().tolist() == [7.0] * 9


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("unet", {"resolution": (7, 64)}, "cannot paint from pictures of 7x64: every side must lie in 8 to 4096"),
        ("unet", {"scale": 2}, "cannot enlarge by 2: it can do 1, or use another network: srresnet, rrdb"),
        ("rrdb", {"scale": 3}, "cannot enlarge by 3: it can do 1, 2, 4, 8, or use another network: srresnet"),
        ("srresnet", {"scale": 5}, "cannot enlarge by 5: it can do 1, 2, 3, 4, 8$"),
        ("fourier", {"in_channels": 3}, "its input must be the picture and a mask, 4 channels, not 3"),
        ("restore_unet", {"in_channels": 2}, "adds to its input: 2 channels cannot become 3"),
    ],
)
def test_what_a_family_cannot_do_is_refused_with_what_it_can(name, changes, message):
    arguments = {"resolution": (32, 32), "in_channels": 3, "out_channels": 3, "width": 4}
    with pytest.raises(GanvasError, match=message):
        build_painter(name, **{**arguments, **changes})


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="'unet' has no such option; its own are none"):
        painter("unet", options=("blocks=3",))
    with pytest.raises(UsageError, match="enhancers=3: a width of 4 cannot be halved for 3 enhancers"):
        painter("pix2pixhd", options=("enhancers=3",))
    with pytest.raises(UsageError, match="--width 6: a width of 6 has no three quarters"):
        painter("fourier", width=6, options=())
    with pytest.raises(UsageError, match="--max-width: the network 'unet' has none"):
        painter("unet", max_width=64)
