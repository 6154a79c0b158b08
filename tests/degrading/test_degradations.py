"""Each degradation by what is known of it: closed forms, Pillow, shares, and the same numbers for the same picture."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from ganvas.degrading.blur import blurred, disc_kernels, gaussian_kernels, motion_kernels
from ganvas.degrading.chain import parse
from ganvas.degrading.holes import boxes, strokes
from ganvas.degrading.jpeg import through_jpeg
from ganvas.degrading.lowres import reduced
from ganvas.degrading.noise import poisson
from ganvas.errors import UsageError
from ganvas.games.noise import Draws, Rows
from ganvas.images import to_float, to_integers

EVERY = (
    "lowres:2",
    "blind:2",
    "blur",
    "motion:7",
    "defocus:5",
    "noise",
    "poisson",
    "jpeg",
    "gray",
    "holes",
    "boxes",
    "strokes",
)
CHAIN = "blur:3-5,lowres:2,noise:3-9,jpeg:40-80"


def pictures(n=2, channels=3, height=24, width=32, seed=0):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def draws(*counters, rows=None):
    return Draws("cpu", counters or (0, 1), rows)


def photo(side=120):
    """A real photograph: [side, side, 3] uint8."""
    return np.ascontiguousarray(data.astronaut()[80 : 80 + side, 140 : 140 + side])


@pytest.mark.parametrize("words", [*EVERY, CHAIN])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_inputs_have_the_promised_channels_size_and_range(words, channels):
    degradation = parse(words)
    if degradation.channels and channels not in degradation.channels:
        with pytest.raises(ValueError, match=f"cannot be done to {channels} channels"):
            degradation(pictures(channels=channels), draws())
        return
    images = pictures(channels=channels)
    inputs, masks = degradation(images, draws())
    scale = degradation.scale
    assert inputs.shape == (2, degradation.in_channels(channels), 24 // scale, 32 // scale)
    assert inputs.dtype == torch.float32
    assert inputs.abs().max() <= 1
    assert (masks is not None) == degradation.masked
    assert not torch.equal(inputs[:, :channels], images)


@pytest.mark.parametrize("words", [*EVERY, CHAIN])
def test_what_happens_to_a_picture_depends_on_its_own_numbers_alone(words):
    degradation, images = parse(words), pictures(4)
    whole, _ = degradation(images, draws())
    assert torch.equal(whole, degradation(images, draws())[0])
    part, _ = degradation(images[2:], draws(rows=Rows(4, 2)))
    torch.testing.assert_close(part, whole[2:], atol=1e-5, rtol=0)
    if "gray" not in words and words != "lowres:2" and words != "defocus:5":
        assert not torch.equal(whole, degradation(images, draws(0, 2))[0])


@pytest.mark.parametrize("words", ["blur", "noise", "poisson", "jpeg", "gray"])
def test_alpha_is_kept_bit_for_bit(words):
    images = pictures(channels=4)
    assert torch.equal(parse(words)(images, draws())[0][:, 3], images[:, 3])


@pytest.mark.parametrize("words", ["blur", "noise", "poisson", "jpeg", "gray", "holes"])
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (17, 3)])
def test_odd_and_tiny_sizes_stay_as_they_are(words, size):
    assert parse(words)(pictures(2, 3, *size), draws())[0].shape[2:] == size


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_reduction_is_that_of_pillow(factor):
    whole = photo()
    image = to_float(torch.from_numpy(whole)).permute(2, 0, 1)[None]
    small = reduced(image, factor)
    size = (120 // factor, 120 // factor)
    exact = [
        np.asarray(Image.fromarray(image[0, c].numpy(), "F").resize(size, Image.Resampling.BICUBIC)) for c in range(3)
    ]
    torch.testing.assert_close(small[0], torch.from_numpy(np.stack(exact)).clamp(-1, 1), atol=2e-6, rtol=0)
    for levels in (whole, whole // 2 + 64):
        rounded = np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)).astype(int)
        image = to_float(torch.from_numpy(levels)).permute(2, 0, 1)[None]
        ours = to_integers(reduced(image, factor))[0].permute(1, 2, 0).numpy().astype(int)
        assert (np.abs(ours - rounded) <= 1).mean() > 0.99, "Pillow rounds and cuts twice, once for each axis"
        assert (ours != rounded).mean() < 0.2
    assert np.abs(ours - rounded).max() <= 1, "without overshoot there is nothing to cut"


def test_a_small_pixel_has_the_weights_of_the_kernel():
    # by 2, a = -0.5: its middle lies between two pixels, so they are 0.25, 0.75, 1.25, 1.75 small pixels away
    near, far = (lambda d: 1.5 * d**3 - 2.5 * d**2 + 1), (lambda d: -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2)
    side = [far(1.75), far(1.25), near(0.75), near(0.25)]
    weights = torch.tensor([*side, *side[::-1]]) / (2 * sum(side))
    lit = torch.zeros(8, 1, 2, 32)
    for i in range(8):
        lit[i, :, :, 13 + i] = 1.0  # pixels 13 to 20 around the small pixel 8
    torch.testing.assert_close(reduced(lit, 2)[:, 0, 0, 8], weights)


def test_pictures_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="'lowres:4' makes pictures 4 times smaller: 24x30 pixels"):
        parse("lowres:4")(pictures(width=30), draws())


def test_a_motion_to_the_right_is_a_row_of_equal_weights():
    (kernel,) = motion_kernels(torch.tensor([5.0]), torch.tensor([0.0]), 7)
    assert kernel.sum().item() == pytest.approx(1)
    assert kernel[3].sum().item() == pytest.approx(1)
    assert kernel[3, 1:6].tolist() == pytest.approx([0.14, 0.24, 0.24, 0.24, 0.14], abs=0.02)
    (turned,) = motion_kernels(torch.tensor([5.0]), torch.tensor([math.pi / 2]), 7)
    torch.testing.assert_close(turned, kernel.T, atol=1e-6, rtol=0)


def test_no_motion_and_a_disc_of_a_pixel_change_nothing():
    images = pictures()
    for kernels in (motion_kernels(torch.ones(2), torch.rand(2), 5), disc_kernels(torch.ones(2), 5)):
        torch.testing.assert_close(blurred(images, kernels), images, atol=1e-5, rtol=0)


def test_a_disc_has_the_second_moment_of_a_disc():
    # the mean of x^2 over a disc is r^2 / 4
    (kernel,) = disc_kernels(torch.tensor([20.0]), 23)
    x = torch.arange(23.0) - 11
    assert (kernel.sum(0) * x**2).sum().item() == pytest.approx(100 / 4, rel=0.02)


def test_a_gaussian_has_the_moments_of_its_sigmas():
    (kernel,) = gaussian_kernels(torch.tensor([3.0]), torch.tensor([0.5]), torch.tensor([0.0]), 31)
    at = torch.arange(31.0) - 15
    assert (kernel.sum(0) * at**2).sum().item() == pytest.approx(9, rel=0.01)
    assert (kernel.sum(1) * at**2).sum().item() == pytest.approx(2.25, rel=0.01)


def test_each_picture_is_blurred_by_its_own_kernel_and_a_plain_one_stays():
    images = pictures()
    kernels = torch.zeros(2, 3, 3)
    kernels[0, 1, 1] = kernels[1, 1, 2] = 1
    moved = blurred(images, kernels)
    torch.testing.assert_close(moved[0], images[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1, :, :, :-1], images[1, :, :, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1, :, :, -1], images[1, :, :, -1], atol=1e-5, rtol=0)
    plain = torch.full((2, 3, 9, 9), 0.4)
    torch.testing.assert_close(parse("blur:8")(plain, draws())[0], plain)


def test_noise_has_its_standard_deviation_in_levels():
    grey = torch.zeros(2, 1, 200, 200)
    noisy, _ = parse("noise:25")(grey, draws())
    assert (noisy * 127.5).std().item() == pytest.approx(25, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0, abs=0.005)
    spreads = (parse("noise:10-50")(torch.zeros(64, 1, 40, 40), draws())[0] * 127.5).std(dim=(1, 2, 3))
    assert spreads.min() > 9
    assert spreads.max() < 51
    assert spreads.mean().item() == pytest.approx(30, abs=5)


@pytest.mark.parametrize("mean", [0.05, 0.5, 3.0, 4.9, 5.1, 10.0, 40.0, 1000.0])
def test_photons_are_as_many_and_as_uneven_as_poisson_says(mean):
    normal = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    counted = poisson(torch.full((200_000,), mean), normal)
    assert torch.equal(counted, counted.round())
    assert counted.min() >= 0
    assert counted.mean().item() == pytest.approx(mean, rel=0.02)
    assert counted.var().item() == pytest.approx(mean, rel=0.02)
    skewness = ((counted - counted.mean()) ** 3).mean() / counted.var() ** 1.5
    assert skewness.item() == pytest.approx(mean**-0.5, rel=0.06, abs=0.02)
    if mean < 5:
        assert (counted == 0).float().mean().item() == pytest.approx(math.exp(-mean), rel=0.02, abs=1e-3)


def test_shadows_are_counted_with_less_noise_than_lights():
    dark, bright = torch.full((1, 1, 100, 100), -0.9), torch.full((1, 1, 100, 100), 0.0)
    spread = [(parse("poisson:100")(x, draws())[0] * 50).std().item() ** 2 for x in (dark, bright)]
    assert spread == pytest.approx([5, 50], rel=0.1)


def test_a_jpeg_is_that_of_pillow_at_its_own_quality(tmp_path):
    whole = photo(64)
    images = to_float(torch.from_numpy(whole)).permute(2, 0, 1)[None].repeat(2, 1, 1, 1)
    back = through_jpeg(images, torch.tensor([20, 90]))
    for one, quality in zip(back, (20, 90), strict=True):
        path = tmp_path / f"{quality}.jpg"
        Image.fromarray(whole).save(path, quality=quality)
        assert np.array_equal(to_integers(one).permute(1, 2, 0).numpy(), np.asarray(Image.open(path)))
    errors = (back - images).square().mean(dim=(1, 2, 3))
    assert errors[0] > 3 * errors[1] > 0


def test_gray_is_the_brightness_of_pillow_three_times():
    whole = photo(32)
    images = to_float(torch.from_numpy(whole)).permute(2, 0, 1)[None]
    grey, _ = parse("gray")(images, draws())
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    ours = to_integers(grey)[0, 0].numpy().astype(int)
    assert np.abs(ours - np.asarray(Image.fromarray(whole).convert("L")).astype(int)).max() <= 1


@pytest.mark.parametrize("words", ["holes:0.3", "boxes:0.1", "boxes:0.5", "strokes:0.2", "strokes:0.05"])
def test_holes_have_the_share_that_was_asked_for_and_nothing_else_changes(words):
    share = float(words.split(":")[1])
    images = pictures(16, 3, 48, 64)
    inputs, masks = parse(words)(images, draws())
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(inputs[:, 3:], masks)
    hole = masks.bool().expand(-1, 3, -1, -1)
    assert (inputs[:, :3][hole] == 0).all()
    assert torch.equal(inputs[:, :3][~hole], images[~hole])
    shares = masks.mean(dim=(1, 2, 3))
    assert (shares - share).abs().max() < (64 / (48 * 64) if "strokes" not in words else 0.01)


def test_shares_of_a_range_fill_it():
    _, masks = parse("strokes:0.1-0.4")(pictures(64, 1, 40, 40), draws())
    shares = masks.mean(dim=(1, 2, 3))
    assert 0.09 < shares.min() < 0.15
    assert 0.35 < shares.max() < 0.41


def test_boxes_have_straight_sides_and_strokes_bend():
    shares = torch.full((8,), 0.15)
    straight, bent = (make(shares, draws(), 64, 64)[:, 0] for make in (boxes, strokes))

    def corners(masks):
        """2x2 windows with one or three pixels of hole: 4 for a box and, of a union of 4, few."""
        sums = torch.nn.functional.avg_pool2d(masks[:, None], 2, 1) * 4
        return ((sums == 1) | (sums == 3)).float().sum(dim=(1, 2, 3))

    assert corners(straight).max() <= 20
    assert corners(bent).min() > 20


def test_own_masks_come_from_a_folder(tmp_path: Path):
    left, dot = np.zeros((10, 10), np.uint8), np.zeros((30, 20), np.uint8)
    left[:, :5] = 255
    dot[:3, :2] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    Image.fromarray(dot).save(tmp_path / "dot.png")
    degradation = parse(f"masks:{tmp_path}")
    assert degradation.masked
    inputs, masks = degradation(pictures(24, 3, 40, 40), draws())
    assert inputs.shape == (24, 4, 40, 40)
    shares = masks.mean(dim=(1, 2, 3))
    assert sorted(set(shares.tolist())) == pytest.approx([0.01, 0.5])
    halves = masks[shares > 0.3]
    assert {bool(m[0, 0, 0]) for m in halves} == {True, False}, "mirrored by chance"


def test_masks_that_cannot_be_used_are_named(tmp_path: Path):
    with pytest.raises(UsageError, match="there is no such folder"):
        parse(f"masks:{tmp_path / 'none'}")
    with pytest.raises(UsageError, match="no pictures in it; white is the hole"):
        parse(f"masks:{tmp_path}")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(UsageError, match=r"black\.png is black everywhere: there is no hole"):
        parse(f"masks:{tmp_path}")
    (tmp_path / "black.png").write_bytes(b"not a picture")
    with pytest.raises(UsageError, match=r"black\.png: not a picture"):
        parse(f"masks:{tmp_path}")


def test_a_blind_chain_is_worse_than_the_reduction_alone():
    whole = to_float(torch.from_numpy(photo(96))).permute(2, 0, 1)[None].repeat(16, 1, 1, 1)
    clean = reduced(whole, 4)
    spoiled, _ = parse("blind:4")(whole, draws())
    assert spoiled.shape == clean.shape
    errors = (spoiled - clean).square().mean(dim=(1, 2, 3)).sqrt() * 127.5
    assert (errors > 1).all()
    assert (errors < 60).all()
    assert errors.max() > 1.5 * errors.min(), "each picture has its own strengths"
