"""PSNR and SSIM of known errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganvas.evaluation.metrics import pictures
from ganvas.evaluation.metrics.restoration import inside, luma, psnr, restoration, ssim


def texture(n: int = 2, channels: int = 3, side: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_error_of_a_tenth_everywhere_is_20_decibels():
    a = texture() * 0.9
    torch.testing.assert_close(psnr(a, a + 0.1), torch.full((2,), 20.0, dtype=torch.float64))


def test_equal_pictures_have_infinite_psnr_and_ssim_one():
    assert psnr(texture(), texture()).tolist() == [math.inf] * 2
    torch.testing.assert_close(ssim(texture(), texture()), torch.ones(2, dtype=torch.float64))


def test_plain_pictures_differ_in_luminance_alone():
    black, white = torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    assert ssim(black, white).item() == pytest.approx(0.01**2 / (1 + 0.01**2))


def test_an_inverted_picture_has_negative_structure():
    a = texture()
    assert (ssim(a, 1 - a) < 0).all()


def test_luma_is_sixteen_for_black_and_235_for_white():
    ends = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)])
    assert (luma(ends) * 255).flatten().tolist() == pytest.approx([16, 235], abs=1e-4)
    assert luma(texture(channels=1)).shape == (2, 1, 24, 24)
    with pytest.raises(ValueError, match="the pictures have 4 channels, the luma is of 3"):
        luma(texture(channels=4))


def test_a_grey_error_is_smaller_on_the_luma_by_its_range():
    a = texture() * 0.5
    expected = -20 * math.log10(0.1 * 219 / 255)
    assert psnr(luma(a), luma(a + 0.1)).tolist() == pytest.approx([expected] * 2)


def test_what_lies_in_the_border_is_not_seen():
    a = texture()
    b = a.clone()
    b[:, :, :4] = 0
    assert psnr(inside(a, 4), inside(b, 4)).tolist() == [math.inf] * 2
    with pytest.raises(ValueError, match="a border of 12 leaves nothing of 24x24 pixels"):
        inside(a, 12)


def test_integers_of_both_depths_give_the_same_numbers(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 3, 20, 20), dtype=np.uint8)
    found = restoration(a, b, border=2, on_luma=True)
    deep = restoration(a.astype(np.uint16) * 257, b.astype(np.uint16) * 257, border=2, on_luma=True)
    assert deep.psnr_of_each == pytest.approx(found.psnr_of_each)
    assert found.psnr == pytest.approx(np.mean(found.psnr_of_each))
    monkeypatch.setattr(pictures, "PIECE", 2)
    assert restoration(a, b, border=2, on_luma=True).ssim_of_each == pytest.approx(found.ssim_of_each, rel=1e-12)


def test_what_cannot_be_compared_is_refused():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (5, 3, 20, 20), dtype=np.uint8)
    with pytest.raises(ValueError, match="4 pictures for 5 originals"):
        restoration(a[:4], a)
    with pytest.raises(ValueError, match="bring both sets to one size"):
        restoration(a[..., :18], a)
    with pytest.raises(ValueError, match="12x12 pixels"):
        inside(texture(side=12), 6)
    with pytest.raises(ValueError, match="the pictures are 10x10 pixels, SSIM needs 11 a side"):
        ssim(texture(side=10), texture(side=10))
    with pytest.raises(ValueError, match="divide integers by 255"):
        psnr(texture() * 255, texture())
    with pytest.raises(ValueError, match="no numbers from 0 to 1"):
        psnr(torch.full((1, 1, 12, 12), math.nan), texture(1, 1, 12))
