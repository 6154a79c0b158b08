"""Crops of photos and of a style: where they lie, that they are always the same, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from ganvas.data import styled
from ganvas.data.sources import open_source
from ganvas.data.styled import open_styled
from ganvas.errors import GanvasError, UsageError


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(styled, "CROPS", 30)
    monkeypatch.setattr(styled, "HELD_OUT_CROPS", 6)


def save(path, height, width, seed=0):
    """A picture whose red is the row and whose green is the column of each pixel."""
    rows, columns = np.mgrid[:height, :width]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([rows, columns, np.full_like(rows, seed)], axis=2).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    for i in range(10):
        save(tmp_path / f"photos/{i}.png", 40, 60, i)
    return open_source(tmp_path / "photos")


def crops_of(source, kind):
    return [source.read(i) for i in np.flatnonzero(source.labels == kind)]


def test_crops_lie_anywhere_in_the_picture_and_are_of_any_size_from_the_wanted_to_the_largest(photos, tmp_path):
    source = open_styled(photos, str(save(tmp_path / "style.png", 80, 100)), (16, 16))
    crops = crops_of(source, 1)
    assert len(crops) == 30
    sides = [crop.shape[0] for crop in crops]
    assert all(crop.shape[:2] == (side, side) for crop, side in zip(crops, sides, strict=True))
    assert 16 <= min(sides) < 20
    assert 60 < max(sides) <= 80
    assert 30 < np.median(sides) < 45  # the square root of 16 * 80 is 36
    for crop in crops:  # one piece of the picture, unscaled
        assert (np.diff(crop[:, 0, 0].astype(int)) == 1).all()
        assert (np.diff(crop[0, :, 1].astype(int)) == 1).all()
    corners = {(int(crop[0, 0, 0]), int(crop[0, 0, 1])) for crop in crops}
    assert len(corners) > 20


def test_crops_have_the_aspect_of_what_is_trained_on(photos, tmp_path):
    source = open_styled(photos, str(save(tmp_path / "style.png", 80, 100)), (16, 32))
    for index in range(len(source.names)):
        header = source.header(index)
        assert source.read(index).shape[:2] == (header.height, header.width)
        assert abs(header.width - 2 * header.height) <= 1
        assert header.height >= 16


def test_the_same_pictures_give_the_same_crops_and_another_size_or_style_another_set(photos, tmp_path):
    style = str(save(tmp_path / "style.png", 40, 40))
    first, again = (open_styled(photos, style, (16, 16)) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    for index in range(len(first.names)):
        assert np.array_equal(first.read(index), again.read(index))
    assert len(set(first.names)) == len(first.names)
    assert open_styled(photos, style, (8, 8)).fingerprint != first.fingerprint
    other = str(save(tmp_path / "other.png", 41, 40))
    assert open_styled(photos, other, (16, 16)).fingerprint != first.fingerprint


def test_held_out_crops_are_of_photos_that_are_not_trained_on(photos, tmp_path):
    source = open_styled(photos, str(save(tmp_path / "style.png", 40, 40)), (16, 16))
    photo = np.array([source.read(i)[0, 0, 2] for i in range(len(source.names))])
    assert set(photo[(source.labels == 0) & ~source.held_out]) == set(range(9))
    assert set(photo[source.held_out]) == {9}
    assert not source.held_out[source.labels == 1].any()
    assert source.held_out.sum() == 6


def test_a_folder_of_styles_gives_as_many_crops_of_each(photos, tmp_path):
    for i in range(3):
        save(tmp_path / f"styles/{i}.png", 30, 30, 100 + i)
    source = open_styled(photos, str(tmp_path / "styles"), (16, 16))
    found = [int(crop[0, 0, 2]) for crop in crops_of(source, 1)]
    assert [found.count(100 + i) for i in range(3)] == [10, 10, 10]
    assert "3 style pictures" in source.notes[-1]


def test_of_one_photo_nothing_is_held_out_and_a_small_one_is_taken_whole(tmp_path):
    save(tmp_path / "photos/one.png", 12, 20)
    style = str(save(tmp_path / "style.png", 40, 40))
    source = open_styled(open_source(tmp_path / "photos"), style, (16, 16))
    assert not source.held_out.any()
    assert all(crop.shape[:2] == (12, 12) for crop in crops_of(source, 0))


@pytest.mark.parametrize(
    ("style", "error", "message"),
    [
        ("small.png", GanvasError, "--style: small.png is 20x15 pixels, smaller than the 16x16 that are trained on"),
        ("gone.png", GanvasError, "--style: .*gone.png is not there"),
        ("empty", GanvasError, "--style: .*empty holds no pictures, it is empty"),
        ("text.txt", GanvasError, "--style: .*text.txt"),
    ],
)
def test_a_style_that_cannot_be_used_is_named_with_what_to_do(photos, tmp_path, style, error, message):
    save(tmp_path / "small.png", 15, 20)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("")
    with pytest.raises(error, match=message) as refused:
        open_styled(photos, str(tmp_path / style), (16, 16))
    assert "\n" not in str(refused.value)


def test_photos_of_several_kinds_are_refused(tmp_path):
    for kind in ("cats", "dogs"):
        for i in range(5):
            save(tmp_path / f"photos/{kind}/{i}.png", 30, 30)
    style = str(save(tmp_path / "style.png", 40, 40))
    with pytest.raises(UsageError, match=r"2 kinds of pictures of its own \(cats, dogs\): with --style give photos"):
        open_styled(open_source(tmp_path / "photos"), style, (16, 16))
