"""Tiles: where the network sees no further than the margin they change nothing; else the seam is below the noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.applying import painting
from ganvas.applying.chain import Chain
from ganvas.applying.painting import TooSmall, gathered, painted_pictures, painted_rows
from ganvas.applying.seam import Seam, noise_of, seam_of
from ganvas.applying.tiling import SMALLEST, Tiling, spans, tiling_for, window
from ganvas.errors import UsageError
from stand_in_models import Config, StandIn, convolutions, normalised


def photo(height: int = 512, width: int = 512) -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return data.astronaut()[:height, :width]


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)


def painted(model: StandIn, picture: np.ndarray, tiling: Tiling | None, **more: object) -> np.ndarray:
    return gathered(painted_rows(model, picture, tiling, **more), picture.shape[0] * model.config.scale)


@pytest.mark.parametrize("length", [33, 64, 100, 257, 1000])
@pytest.mark.parametrize("tiling", [Tiling(32, 0, 0, 1), Tiling(32, 8, 0, 4), Tiling(32, 4, 4, 1), Tiling(64, 8, 8, 8)])
def test_tiles_cover_a_side_once_and_their_weights_add_up_to_one(length, tiling):
    length = -(-length // tiling.align) * tiling.align
    total = torch.zeros(length)
    found = spans(length, tiling)
    for span in found:
        assert span.start % tiling.align == 0
        assert span.start == 0 or span.begin - span.start >= tiling.margin
        assert span.stop == length or span.stop - span.end >= tiling.margin
        total[span.begin : span.end] += window(span.end - span.begin, span.rise, span.fall)
    torch.testing.assert_close(total, torch.ones(length))
    assert found[-1].stop == length
    assert all(span.stop - span.start == min(tiling.tile, length) for span in found)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("scale", "stride"), [(1, 1), (2, 1), (1, 2), (4, 2)])
@pytest.mark.parametrize("tile", [32, 44, 100])
def test_tiles_with_a_margin_of_the_networks_reach_give_exactly_the_whole_picture(scale, stride, tile, batch):
    model = convolutions(3, scale=scale, stride=stride)
    tiling = tiling_for(tile, model.config)
    assert tiling.is_exact
    picture = photo(101, 135)
    tiled, whole = painted(model, picture, tiling, batch=batch, bits=16), painted(model, picture, None, bits=16)
    # Sums in another order may round the last of 16 bits the other way; a wrong pixel would be hundreds of levels off.
    assert seam_of(tiled, whole).largest <= 1
    assert seam_of(painted(model, picture, tiling), painted(model, picture, None)).largest <= 1
    assert whole.shape == (101 * scale, 135 * scale, 3)
    assert max(size[2] for size in model.sizes[:-1]) <= 102


def test_tiles_of_a_network_that_looks_at_the_whole_picture_have_256_pixels_at_least():
    assert tiling_for(64, Config(reach=-1)).tile == 256
    assert tiling_for(64, Config(reach=-1, multiple=96)).tile == 288
    assert tiling_for(64, Config(reach=3)).tile == 64
    with pytest.raises(UsageError, match="--tile 128: this model needs tiles of at least 256 pixels"):
        Chain([StandIn(Config(reach=-1), lambda x: x)], tile=128)


def test_a_margin_smaller_than_the_reach_is_seen():
    model = convolutions(6)
    picture = photo(124, 124)  # two tiles with an overlap of 4
    bad = Tiling(64, 2, 0, 1)
    assert seam_of(painted(model, picture, bad), painted(model, picture, None)).step > 1


def test_where_the_network_sees_further_than_a_quarter_of_the_tile_the_seam_is_below_the_noise():
    model = convolutions(20)
    picture = photo(256, 256)
    tiling = tiling_for(64, model.config)
    assert not tiling.is_exact
    whole = painted(model, picture, None)
    seam = seam_of(painted(model, picture, tiling), whole)
    assert seam.step < noise_of(picture)
    hard = seam_of(painted(model, picture, Tiling(64, 0, 0, 1)), whole)
    assert seam.step < hard.step / 3  # the blending is what did it


def test_instance_normalisation_takes_its_statistics_once_for_all_tiles(monkeypatch):
    model = normalised()
    picture = photo(384, 384)
    whole, tiling = painted(model, picture, None), tiling_for(192, model.config)
    shared = seam_of(painted(model, picture, tiling), whole)
    taken = painting._statistics(model, picture, None, tiling, None)
    monkeypatch.setattr(painting, "_statistics", lambda *_: taken)
    one, other = (painted(model, picture, tiling_for(tile, model.config)) for tile in (192, 128))
    assert seam_of(one, other).largest <= 1  # with the same statistics, tiles of any size agree
    monkeypatch.setattr(painting, "_statistics", lambda *_: None)
    each_its_own = seam_of(painted(model, picture, tiling), whole)
    hard = seam_of(painted(model, picture, Tiling(192, 0, 0, 1)), whole)
    assert shared.step < noise_of(whole) / 3
    assert shared.step < each_its_own.step < hard.step / 10
    assert shared.rms < each_its_own.rms


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (9, 16), (63, 41)])
def test_a_picture_of_any_size_is_mirrored_to_what_the_network_needs_and_cut_off_again(size):
    seen = StandIn(Config(multiple=8), lambda x: x)
    picture = noise(*size)
    np.testing.assert_array_equal(painted(seen, picture, None), picture)
    assert all(side % 8 == 0 for side in seen.sizes[0][2:])
    if min(size) > 4:
        np.testing.assert_array_equal(painted_pictures(seen, picture[None])[0], picture)


@pytest.mark.parametrize("size", [(257, 300), (511, 257), (257, 65)])
def test_tiles_hold_where_the_last_one_is_mostly_mirror_image(size):
    seen = StandIn(Config(multiple=256, reach=-1), lambda x: x)
    picture = noise(max(size[0], 129), max(size[1], 129))
    np.testing.assert_array_equal(painted(seen, picture, tiling_for(256, seen.config)), picture)


def test_a_picture_too_small_for_the_network_is_refused_in_words():
    with pytest.raises(
        TooSmall, match=r"100x40 pixels, but this network works on multiples of 256: .* at least 129x129"
    ):
        painted(StandIn(Config(multiple=256), lambda x: x), noise(40, 100), None)
    reflecting = torch.nn.ReflectionPad2d(20)
    model = StandIn(Config(), lambda x: reflecting(x)[:, :, 20:-20, 20:-20])
    with pytest.raises(TooSmall, match="10x10 pixels: this network cannot take them"):
        painted(model, noise(10, 10), None)


def test_grey_is_repeated_for_a_network_of_colours():
    picture = noise(20, 30, 1)
    result = painted(StandIn(Config(), lambda x: x), picture, None)
    np.testing.assert_array_equal(result, picture.repeat(3, axis=2))


def test_sixteen_bits_pass_unchanged():
    picture = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    model = StandIn(Config(), lambda x: x)
    np.testing.assert_array_equal(painted(model, picture, Tiling(SMALLEST, 4, 4, 1), bits=16), picture)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        painted(StandIn(Config(), lambda x: x / 0), noise(8, 8), None)


def test_the_seam_and_the_noise_of_known_pictures():
    flat = np.full((64, 64, 1), 100.0)
    stepped = flat.copy()
    stepped[:, 32:] += 5
    assert seam_of(stepped, flat) == Seam(largest=5, rms=pytest.approx(np.sqrt(12.5)), step=5)
    noisy = flat + np.random.default_rng(0).normal(0, 7, (64, 64, 1))
    assert noise_of(noisy) == pytest.approx(7, rel=0.1)
    assert noise_of(np.linspace(0, 255, 64)[:, None, None].repeat(64, axis=1)) == pytest.approx(0, abs=1e-9)
