"""Volumes in .npz, .npy and HDF5 files: which arrays are volumes, how they are cut, and what their slices keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganvas.data.arrays import volumes as cutting
from ganvas.data.arrays.hdf5 import open_hdf5
from ganvas.data.arrays.numpy_files import open_array, open_npy, open_npz
from ganvas.data.arrays.volumes import are_volumes
from ganvas.data.decode import PictureError
from ganvas.data.options import SourceOptions
from ganvas.data.sources import open_source
from ganvas.errors import GanvasError, UsageError

ALL = SourceOptions(slices="all")
# Two volumes of 5 x 6 x 7 in which every value says where it lies: 100 * place down, then row, then column.
PLACES = np.fromfunction(lambda n, d, h, w: 1000 * n + 100 * d + 10 * h + w, (2, 5, 6, 7)).astype(np.uint16) + 2


def saved(tmp_path: Path, options: SourceOptions = ALL, **arrays: object):
    np.savez_compressed(tmp_path / "set.npz", **arrays)
    return open_npz("set.npz", tmp_path / "set.npz", options)


def with_filled(*shares: float) -> np.ndarray:
    """[1, D, 10, 10] uint8: slice d has that share of its pixels at 200."""
    volume = np.zeros((1, len(shares), 100), np.uint8)
    for place, share in enumerate(shares):
        volume[0, place, : round(100 * share)] = 200
    return volume.reshape(1, len(shares), 10, 10)


@pytest.mark.parametrize(
    ("shape", "are"),
    [
        ((9, 32, 32, 32), True),
        ((9, 2, 32, 32), True),
        ((9, 32, 32, 32, 3), True),
        ((9, 32, 32), False),
        ((9, 32, 32, 3), False),
        ((9, 3, 32, 32), False),
        ((9, 32, 32, 32, 5), False),
        ((9,), False),
    ],
)
def test_rows_with_three_sides_of_which_none_can_be_channels_are_volumes(shape, are):
    assert are_volumes(shape) == are


@pytest.mark.parametrize(
    ("plane", "count", "size", "third"),
    [
        ("axial", 5, (6, 7), PLACES[1, 3]),
        ("coronal", 6, (5, 7), PLACES[1, :, 3]),
        ("sagittal", 7, (5, 6), PLACES[1, :, :, 3]),
    ],
)
@pytest.mark.parametrize("kind", ["npz", "npy", "h5"])
def test_a_plane_says_along_which_axis_volumes_are_cut(tmp_path, kind, plane, count, size, third):
    options = SourceOptions(slices="all", plane=plane)
    path = tmp_path / f"set.{kind}"
    if kind == "npz":
        np.savez_compressed(path, voxels=PLACES)
    elif kind == "npy":
        np.save(path, PLACES)
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["voxels"] = PLACES
    source = open_source(path, options=options)
    assert len(source.names) == 2 * count
    np.testing.assert_array_equal(source.read(count + 3)[..., 0], third)
    assert source.names[count + 3] == "train[1]/slice-003"
    header = source.header(0)
    assert (header.height, header.width, header.channels, header.bits) == (*size, 1, 16)
    assert source.groups.tolist() == [0] * count + [1] * count
    told = f"volumes of 5x6x7 cut into slices (--slices, --plane): {2 * count} of {2 * count} {plane} slices"
    assert told in source.notes
    assert [np.array_equal(source.read(i)[..., 0], third) for i in (0, count + 3)] == [False, True]  # in any order


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_volumes_with_channels_give_pictures_with_channels(tmp_path, channels):
    colours = np.stack([PLACES + 1000 * c for c in range(channels)], axis=-1)
    source = saved(tmp_path, SourceOptions(slices="all", plane="coronal"), colors=colours)
    np.testing.assert_array_equal(source.read(4), colours[0, :, 4])
    assert source.header(0).channels == channels


def test_slices_keep_the_label_and_the_columns_of_their_volume(tmp_path):
    source = saved(
        tmp_path,
        SourceOptions(slices="every:2"),
        voxels=PLACES,
        labels=[1, 0],
        class_names=["cat", "dog"],
        names=["tom", "rex"],
        age=[3, 4],
    )
    assert list(source.names[:4]) == [f"train[0]/slice-00{d}" for d in (0, 2, 4)] + ["train[1]/slice-000"]
    assert source.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert source.class_names == ("cat", "dog")
    assert source.columns["names"].values == ["tom"] * 3 + ["rex"] * 3
    assert source.columns["age"].values == [3, 3, 3, 4, 4, 4]


def test_held_out_volumes_are_groups_of_their_own(tmp_path):
    source = saved(
        tmp_path, SourceOptions(slices="middle"), train_images=PLACES, test_images=PLACES[:1], train_name=["a", "b"]
    )
    assert list(source.names) == ["train[0]/slice-002", "train[1]/slice-002", "test[0]/slice-002"]
    assert source.held_out.tolist() == [False, False, True]
    assert source.groups.tolist() == [0, 1, 2]
    assert source.columns["name"].values == ["a", "b", ""]


def test_test_volumes_without_labels_are_left_out_with_their_columns(tmp_path):
    source = saved(tmp_path, train_x=PLACES, train_y=[0, 1], test_x=PLACES, test_name=["a", "b"])
    assert len(source.names) == len(source.groups) == len(source.columns["name"].values) == 10
    assert source.notes[-1].startswith("the test pictures are left out")


def test_filled_slices_have_a_twentieth_of_their_pixels_above_the_low_end(tmp_path):
    told = []
    np.savez(tmp_path / "set.npz", x=np.concatenate([with_filled(0, 0.04, 0.05, 1, 0), with_filled(0, 0, 0, 0, 0.01)]))
    source = open_npz("set.npz", tmp_path / "set.npz", SourceOptions(), progress=lambda *given: told.append(given))
    assert list(source.names) == ["train[0]/slice-002", "train[0]/slice-003"]
    assert told == [("reading volumes", 1, 2), ("reading volumes", 2, 2)]
    assert source.notes[0].endswith("2 of 10 axial slices, those that are filled; 1 of the volumes have none")


def test_volumes_of_hdf5_tell_how_far_the_search_for_filled_slices_is(tmp_path):
    told = []
    with pytest.importorskip("h5py").File(tmp_path / "set.h5", "w") as file:
        file["voxels"] = np.concatenate([with_filled(0, 1, 0, 0, 0), with_filled(0, 0, 1, 1, 0)])
    source = open_source(tmp_path / "set.h5", progress=lambda *given: told.append(given))
    assert list(source.names) == ["train[0]/slice-001", "train[1]/slice-002", "train[1]/slice-003"]
    assert told == [("reading volumes", 1, 2), ("reading volumes", 2, 2)]


def test_volumes_in_memory_are_cut_as_those_of_a_file(tmp_path):
    np.save(tmp_path / "set.npy", PLACES)
    options = SourceOptions(slices="every:2", plane="coronal")
    of_file = open_source(tmp_path / "set.npy", options=options)
    for given in (PLACES, list(PLACES)):
        source = open_source(given, options=options)
        assert (
            list(source.names) == list(of_file.names) == [f"train[{n}]/slice-00{d}" for n in (0, 1) for d in (0, 2, 4)]
        )
        assert source.groups.tolist() == [0, 0, 0, 1, 1, 1]
        np.testing.assert_array_equal(source.read(4)[..., 0], PLACES[1, :, 2])
    told = []
    filled = open_source(with_filled(0, 1, 0, 0, 0), progress=lambda *given: told.append(given))
    assert (list(filled.names), told) == (["train[0]/slice-001"], [("reading volumes", 1, 1)])
    assert open_array(PLACES, labels=["b", "a"], options=options).labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert open_array(PLACES, options=options).fingerprint != open_array(PLACES, options=ALL).fingerprint


def test_the_range_that_counts_is_that_of_the_volume(tmp_path):
    dim = with_filled(0, 0.5).astype(np.uint16) + np.uint16(1000)  # 1000 to 1200 of 65535
    assert list(saved(tmp_path, SourceOptions(), x=dim).names) == ["train[0]/slice-001"]


def test_what_is_transparent_does_not_fill_a_slice(tmp_path):
    colours = np.full((1, 5, 6, 7, 4), 255, np.uint8)
    colours[0, :4, ..., 3] = 0
    assert list(saved(tmp_path, SourceOptions(), x=colours).names) == ["train[0]/slice-004"]


def test_slices_that_cannot_be_used_count_as_filled_so_that_they_are_told(tmp_path):
    volume = np.zeros((1, 5, 6, 7))
    volume[0, 1] = 0.3
    volume[0, 2, 0, 0] = np.nan
    volume[0, 3, :4] = 1
    broken = np.zeros((1, 5, 6, 7)) + np.nan
    source = saved(tmp_path, SourceOptions(), x=np.concatenate([volume, broken, volume]))
    assert [name[-3:] for name in source.names if "[0]" in name] == ["001", "002", "003"]
    assert sum("[1]" in name for name in source.names) == 5
    assert source.read(0).max() == 19660  # 0.3 of 65535
    with pytest.raises(PictureError, match=r"train\[0\]/slice-002: holds values that are not finite"):
        source.read(1)


def test_nothing_filled_is_refused(tmp_path):
    with pytest.raises(GanvasError, match=r"no axial slice of the train volumes of set.npz is filled .*: use --slices"):
        saved(tmp_path, SourceOptions(), x=with_filled(0, 0, 0.01, 0, 0))


def test_voxels_of_0_and_1_become_black_and_white_and_a_2_is_its_own_trouble(tmp_path, monkeypatch):
    voxels = np.zeros((3, 5, 6, 7), np.uint8)
    voxels[:, 2] = 1
    voxels[2, 3, 0, 0] = 2
    monkeypatch.setattr(cutting, "CHEAP_BYTES", 2 * 210)  # of a stream, two volumes are looked at
    source = saved(tmp_path, SourceOptions(), x=voxels)
    assert list(source.names) == [
        "train[0]/slice-002",
        "train[1]/slice-002",
        "train[2]/slice-002",
        "train[2]/slice-003",
    ]
    assert np.unique(source.read(0)).tolist() == [255]
    assert "0 and 1, the only values, made 0 and 255" in source.notes
    with pytest.raises(PictureError, match=r"train\[2\]/slice-003: holds values from 0 to 2, outside 0 to 1"):
        source.read(3)


def test_bool_volumes_are_black_and_white(tmp_path):
    source = saved(tmp_path, SourceOptions(), x=with_filled(0, 0.5) > 0)
    assert np.unique(source.read(0)).tolist() == [0, 255]


def test_voxels_are_taken_before_colors_unless_these_are_asked_for(tmp_path):
    arrays = {"colors": np.stack([PLACES] * 3, axis=-1), "voxels": PLACES}
    assert saved(tmp_path, **arrays).header(0).channels == 1
    assert "pictures from voxels; colors could be pictures too (--image-column)" in saved(tmp_path, **arrays).notes
    assert saved(tmp_path, SourceOptions(image_column="colors", slices="all"), **arrays).header(0).channels == 3


def test_the_fingerprint_knows_how_volumes_are_cut(tmp_path):
    chosen = [ALL, SourceOptions(slices="middle"), SourceOptions(slices="all", plane="coronal")]
    for kind, opener in (("npz", open_npz), ("npy", open_npy)):
        path = tmp_path / f"set.{kind}"
        if kind == "npz":
            np.savez(path, x=PLACES)
        else:
            np.save(path, PLACES)
        assert len({opener("set", path, options).fingerprint for options in chosen}) == 3
        assert opener("set", path, ALL).fingerprint == opener("set", path, ALL).fingerprint


def test_volumes_of_an_npz_are_read_forward_and_those_of_an_npy_are_mapped(tmp_path):
    assert saved(tmp_path, x=PLACES).in_order
    np.save(tmp_path / "set.npy", PLACES)
    np.save(tmp_path / "labels.npy", [1, 0])
    source = open_npy("set", tmp_path / "set.npy", ALL)
    assert not source.in_order
    assert source.labels.tolist() == [1] * 5 + [0] * 5
    assert np.shares_memory(source.read(0), source._parts[0].volumes)


@pytest.mark.parametrize(
    ("options", "arrays", "error", "message"),
    [
        (SourceOptions(slices="some"), {"x": PLACES}, UsageError, "slices is 'some': expected all, middle, every:N"),
        (ALL, {"x": PLACES, "labels": [1, 2, 3]}, GanvasError, "2 train volumes but 3 labels .* one label per volume"),
        (ALL, {"train_x": PLACES, "test_x": PLACES[0]}, GanvasError, r"test volumes .* have the shape \[5, 6, 7\]"),
        (ALL, {"images": PLACES[:, :0]}, GanvasError, r"have the shape \[2, 0, 6, 7\]"),
        (ALL, {"x": PLACES.astype(complex), "y": PLACES}, None, ""),
        (ALL, {"images": PLACES.astype(complex)}, GanvasError, "are complex128: expected uint8 or uint16"),
    ],
)
def test_other_volumes_and_options_are_refused(tmp_path, options, arrays, error, message):
    if error is None:
        assert saved(tmp_path, options, **arrays).notes[1] == "pictures from y"
        return
    with pytest.raises(error, match=message):
        saved(tmp_path, options, **arrays)


def test_too_many_slices_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "MOST_PICTURES", 9)  # there are ten
    with pytest.raises(GanvasError, match="at most 9 slices of at most 100 megapixels can be read"):
        saved(tmp_path, x=PLACES)


def test_volumes_too_large_to_be_read_at_once_must_be_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "LARGEST_READ", 419)  # one has 420 bytes
    with pytest.raises(GanvasError, match=r"save them as an \.npy file, of which only the slices are read"):
        saved(tmp_path, x=PLACES)
    np.save(tmp_path / "set.npy", PLACES)
    assert len(open_npy("set", tmp_path / "set.npy", ALL).names) == 10


def test_volumes_of_hdf5_keep_labels_and_columns(tmp_path):
    path = tmp_path / "set.h5"
    with pytest.importorskip("h5py").File(path, "w") as file:
        file["voxels"], file["y"], file["age"] = PLACES, [7, 9], [1.5, 2.5]
        file["colors"] = np.stack([PLACES] * 3, axis=-1)
    source = open_hdf5("set.h5", path, SourceOptions(slices="middle"))
    assert (source.class_names, source.labels.tolist()) == (("7", "9"), [0, 1])
    assert source.columns["age"].values == [1.5, 2.5]
    np.testing.assert_array_equal(source.read(1)[..., 0], PLACES[1, 2])
    colours = open_hdf5("set.h5", path, SourceOptions(image_column="colors"))
    assert colours.header(0).channels == 3
    assert colours.columns["age"].values == [1.5] * 5 + [2.5] * 5
    assert (
        colours.fingerprint != open_hdf5("set.h5", path, SourceOptions(image_column="colors", slices="all")).fingerprint
    )


def test_garbled_volumes_end_in_words(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", voxels=PLACES, names=["a", "b"], labels=[0, 1])
    whole = (tmp_path / "set.npz").read_bytes()
    random = np.random.default_rng(0)
    outcomes = set()
    for attempt in range(200):
        data = bytearray(whole if attempt % 4 else whole[: random.integers(0, len(whole))])
        for place in random.integers(0, max(1, len(data)), 3 if data else 0):
            data[place] = random.integers(0, 256)
        (tmp_path / "set.npz").write_bytes(data)
        try:
            source = open_npz("set.npz", tmp_path / "set.npz", SourceOptions())
            for i in range(len(source.names)):
                source.read(i)
            outcomes.add("read")
        except GanvasError as error:
            outcomes.add(type(error).__name__)
    assert {"read", "GanvasError"} <= outcomes
