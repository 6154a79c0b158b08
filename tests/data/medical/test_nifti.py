from __future__ import annotations

import gzip
import random
import re
import sys
import traceback
import tracemalloc
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from ganvas.data.decode import PictureError
from ganvas.data.medical.nifti import is_nifti, open_nifti
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError
from medical_examples import WHO, ball, make_nifti

WHOLE = SourceOptions(slices="all", window="32768/65536")  # one grey level a unit


def opened(path: Path, **options: str):
    return open_nifti(path.name, path, replace(WHOLE, **options))


def save(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None, **header: float) -> Path:
    image = nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def numbers(source, name: str) -> list[float]:
    return list(source.columns[name].values)


# Voxels that tell where they are: 100 for right, 10 for anterior, 1 for superior. Axes run right, anterior, superior.
PLACES = (100 * np.arange(2)[:, None, None] + 10 * np.arange(3)[:, None] + np.arange(4)).astype(np.int16)


@pytest.mark.parametrize(
    ("plane", "count", "first"),
    [
        ("axial", 4, [[120, 20], [110, 10], [100, 0]]),  # anterior up; the patient's right on the left
        ("coronal", 3, [[103, 3], [102, 2], [101, 1], [100, 0]]),  # superior up; the patient's right on the left
        ("sagittal", 2, [[23, 13, 3], [22, 12, 2], [21, 11, 1], [20, 10, 0]]),  # superior up; anterior on the left
    ],
)
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize(
    "stored",
    ["RAS", "LPS", "AIL", "SRP", "IPR"],
)
def test_slices_lie_as_on_a_radiologists_screen_however_they_are_stored(tmp_path, plane, count, first, suffix, stored):
    image = nibabel.Nifti1Image(PLACES, np.eye(4))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(stored)
    )
    nibabel.save(image.as_reoriented(turn), tmp_path / f"a.{suffix}")
    source = opened(tmp_path / f"a.{suffix}", plane=plane)
    assert source.read(0)[..., 0].tolist() == first
    assert len(source.names) == count
    assert numbers(source, "slice_position_mm") == list(range(count))
    assert (source.header(0).height, source.header(0).width) == source.read(0).shape[:2]


def test_a_turned_volume_is_brought_to_the_closest_axes(tmp_path):
    path = make_nifti(tmp_path / "a.nii.gz", shape=(16, 20, 8))
    source = opened(path, window="0/65536")  # one grey level a unit, from -32768
    canonical = np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)
    for k in range(8):
        assert (source.read(k)[..., 0].astype(int) - 32768 == canonical[::-1, ::-1, k].T).all()
    assert np.allclose(numbers(source, "slice_position_mm"), [2.5 * k - 30 for k in range(8)])
    assert np.allclose(numbers(source, "row_spacing_mm"), 1)


def test_spacing_follows_the_plane_and_uneven_pixels_are_told(tmp_path):
    path = save(tmp_path / "a.nii", PLACES, np.diag([1.0, 2.0, 3.0, 1.0]))
    for plane, rows, columns in (("axial", 2, 1), ("coronal", 3, 1), ("sagittal", 3, 2)):
        source = opened(path, plane=plane)
        assert set(numbers(source, "row_spacing_mm")) == {rows}
        assert set(numbers(source, "column_spacing_mm")) == {columns}
        assert any("are not square" in note for note in source.notes)


def test_every_volume_of_four_dimensions_is_used(tmp_path):
    four = np.stack([PLACES, PLACES + 1000], axis=3)
    for suffix in ("nii", "nii.gz"):
        source = opened(save(tmp_path / f"a.{suffix}", four))
        assert len(source.names) == 8
        assert source.names[0] == "patient-001/volume-01/time-0001/slice-0001"
        assert source.names[7] == "patient-001/volume-01/time-0002/slice-0004"
        assert source.read(7)[0, 0, 0] == 1123
        assert source.read(0)[0, 0, 0] == 120  # and back
        assert source.in_order == (suffix == "nii.gz")
    assert [name[-20:] for name in opened(tmp_path / "a.nii", slices="middle").names] == [
        "time-0001/slice-0003",
        "time-0002/slice-0003",
    ]


def test_five_dimensions_colours_and_complex_numbers_are_refused(tmp_path):
    colours = np.zeros((2, 2, 2), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    for voxels, reason in (
        (np.zeros((2, 2, 2, 1, 3), np.int16), "1 of 5 dimensions"),
        (colours, "1 of colours or complex numbers"),
        (np.zeros((2, 2, 2), np.complex64), "1 of colours or complex numbers"),
    ):
        with pytest.raises(GanvasError, match=rf"holds no NIfTI volume that can be used \(left out: {reason}\)"):
            opened(save(tmp_path / "a.nii", voxels))
    save(tmp_path / "b.nii", PLACES)
    source = opened(tmp_path)
    assert "1 NIfTI file left out: 1 of colours or complex numbers" in source.notes


def test_slope_and_intercept_are_applied_before_the_window(tmp_path):
    path = save(tmp_path / "a.nii", PLACES)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([2, 5], "<f4").tobytes()  # scl_slope and scl_inter
    path.write_bytes(bytes(raw))
    assert opened(path).read(0)[..., 0].tolist() == [[245, 45], [225, 25], [205, 5]]


def test_fractions_take_the_exact_window_and_whole_numbers_the_one_of_dicom(tmp_path):
    fractions = np.array([0.0, 0.25, 0.5, 1.0], np.float32).reshape(2, 2, 1)
    source = opened(save(tmp_path / "a.nii", fractions), window="0.5/1")
    assert sorted(source.read(0).ravel().tolist()) == [0, 16384, 32768, 65535]
    source = opened(save(tmp_path / "b.nii", PLACES), window="40/400")
    assert (set(numbers(source, "low")), set(numbers(source, "high"))) == ({-160}, {239})


def test_percentiles_are_of_the_whole_file_and_cal_min_and_max_count_when_asked_for(tmp_path):
    path = save(tmp_path / "a.nii", np.arange(201, dtype=np.int16).reshape(3, 67, 1), cal_min=10, cal_max=90)
    for window in ("auto", "percentile"):
        source = opened(path, window=window)
        assert (numbers(source, "low"), numbers(source, "high")) == ([1], [199])
    source = opened(path, window="file")
    assert (numbers(source, "low"), numbers(source, "high")) == ([10], [90])
    assert "files are shown from their cal_min to their cal_max" in source.notes
    source = opened(save(tmp_path / "b.nii", np.arange(201, dtype=np.int16).reshape(3, 67, 1)), window="file")
    assert numbers(source, "high") == [199]


def test_values_that_are_not_numbers_are_the_lowest_and_told(tmp_path):
    voxels = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 2, 2)
    voxels[0, 0, 0], voxels[1, 1, 0] = np.nan, np.inf
    source = opened(save(tmp_path / "a.nii", voxels), window="auto")
    assert source.read(0)[..., 0].tolist()[0][0] == 0
    assert source.read(0)[..., 0].tolist()[1][1] == 0
    assert "1 file with values that are infinite or no numbers: shown as the lowest" in source.notes
    assert np.isfinite(numbers(source, "high")).all()


def test_filled_slices_are_found_in_one_pass_that_is_told(tmp_path):
    voxels = np.zeros((10, 10, 4), np.int16)
    voxels.reshape(100, 4)[:4, 1] = 600  # 4 % of the pixels, at 6 % of the window
    voxels.reshape(100, 4)[:5, 2] = 600
    voxels.reshape(100, 4)[:, 3] = 400
    told: list[tuple[str, int, int]] = []
    path = save(tmp_path / "a.nii.gz", voxels)
    options = SourceOptions(window="5000/10000")
    source = open_nifti("set", path, options, lambda *step: told.append(step))
    assert list(source.names) == ["patient-001/volume-01/slice-0003"]
    assert told[-1] == ("reading slices", 4, 4)
    assert source.notes[0] == "1 file, 1 of 4 axial slices used"


@pytest.mark.parametrize(
    ("files", "groups", "told_apart"),
    [
        (["sub-01/ses-1/sub-01_T1w", "sub-01/ses-2/sub-01_T1w", "sub-02/ses-1/sub-02_T1w"], 2, "sub- in their paths"),
        (["ann/t1", "ann/t2", "bob/t1", "bob/t2"], 2, "their folders"),
        (["1", "2", "3"], 3, "their files"),
        (["train/1", "train/2", "test/3"], 3, "their files"),
        ([f"{kind}/{kind[0]}{i}" for kind in ("ill", "well") for i in range(5)], 10, "their files"),
        ([f"{who}/{who}_{i}" for who in ("ill", "well") for i in range(5)], 2, "their folders"),
        ([f"{who}/{i}" for who in ("ill", "well") for i in range(5)], 2, "their folders"),
    ],
)
def test_patients_are_told_by_bids_or_folders_or_files(tmp_path, files, groups, told_apart):
    for file in files:
        save(tmp_path / f"{file}.nii", PLACES)
    source = opened(tmp_path)
    assert len(set(source.groups.tolist())) == groups
    assert any(f"told apart by {told_apart}" in note for note in source.notes)


def test_class_folders_of_many_patients_are_classes_and_one_of_ten_patients_is_held_out(tmp_path):
    for i in range(6):
        save(tmp_path / "ill" / f"a{i}.nii", PLACES)
        save(tmp_path / "well" / f"b{i}.nii", PLACES)
    source = opened(tmp_path)
    assert source.class_names == ("ill", "well")
    assert source.labels_note == "2 classes from class folders"
    assert len(set(source.groups[source.held_out])) == 1
    assert source.held_out.sum() == 4


def test_file_names_are_never_shown(tmp_path):
    for i in range(5):
        make_nifti(tmp_path / f"{WHO} {i}" / f"{WHO}.nii", shape=(8, 8, 4), seed=i)
    cut = tmp_path / f"{WHO} 0" / f"{WHO}.nii"
    packed = tmp_path / f"{WHO} 1" / f"{WHO}2.nii.gz"
    whole = make_nifti(tmp_path / f"{WHO}.nii").read_bytes()
    packed.write_bytes(gzip.compress(whole)[:-200])
    cut.write_bytes(cut.read_bytes()[:-1])
    source = open_nifti("set", tmp_path, SourceOptions(slices="all"))
    said = [*source.names, *source.notes, source.labels_note, *source.class_names]
    for i in range(len(source.names)):
        try:
            source.read(i)
        except PictureError as error:
            said += [str(error), "".join(traceback.format_exception(error))]
    assert any("1 cut off" in text for text in said)
    assert any("damaged or cut off" in text for text in said)
    for text in said:
        assert not re.search("DOE|JANE", text), text


def test_bad_options_are_refused(tmp_path):
    path = save(tmp_path / "a.nii", PLACES)
    with pytest.raises(UsageError, match="slices is 'every:x': expected all, middle, every:N"):
        opened(path, slices="every:x")
    with pytest.raises(UsageError, match="window is 'bone': expected auto"):
        opened(path, window="bone")
    with pytest.raises(UsageError, match=r"window 1/0\.5 has a width below 1: these values need 1 or more"):
        opened(path, window="1/0.5")


def test_nifti_is_known_by_its_name(tmp_path):
    save(tmp_path / "set" / "deep" / "a.NII.GZ", PLACES)
    assert is_nifti(tmp_path / "set")
    assert is_nifti(tmp_path / "set" / "deep" / "a.NII.GZ")
    (tmp_path / "other").mkdir()
    assert not is_nifti(tmp_path / "other")
    assert not is_nifti(tmp_path / "a.png")


def test_the_fingerprint_changes_with_the_plane(tmp_path):
    path = save(tmp_path / "a.nii", PLACES)
    assert opened(path).fingerprint == opened(path).fingerprint
    assert opened(path).fingerprint != opened(path, plane="coronal").fingerprint


def test_only_a_slice_of_a_plain_file_is_in_memory(tmp_path):
    path = save(tmp_path / "a.nii", np.ones((64, 64, 200), np.int16) * 9)  # 1.6 MB
    opened(path).read(0)
    tracemalloc.start()
    source = opened(path, slices="filled", window="5/10")
    for i in range(200):
        source.read(i)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_the_example_volume_has_bone_in_soft_tissue_in_air(tmp_path):
    source = open_nifti("set", make_nifti(tmp_path / "a.nii"), SourceOptions(window="40/400"))
    middle = source.read(len(source.names) // 2)
    assert middle.shape == (32, 32, 1)
    assert (middle[0, 0, 0], middle.max()) == (0, 65535)
    assert len(source.names) < 24  # only air at the ends
    assert ball(24, 32, 0).min() == -1000


def test_without_nibabel_it_is_told_what_to_install(tmp_path, monkeypatch):
    path = save(tmp_path / "a.nii", PLACES)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(
        GanvasError, match=re.escape('needs nibabel, which is not installed: pip install "ganvas[medical]"')
    ):
        opened(path)


@pytest.mark.parametrize("seed", [0, 1])
def test_mutants_are_refused_or_reported_and_never_break_anything(tmp_path, seed):
    plain = save(tmp_path / "a.nii", PLACES).read_bytes()
    dice = random.Random(seed)
    kept = 0
    for turn in range(150):
        mutant = bytearray(plain)
        for _ in range(dice.choice((1, 4, 16))):
            mutant[dice.randrange(len(mutant) if turn % 2 else 348)] = dice.randrange(256)
        if dice.random() < 0.2:
            del mutant[dice.randrange(len(mutant)) :]
        path = tmp_path / ("b.nii.gz" if turn % 3 == 0 else "b.nii")
        data = gzip.compress(bytes(mutant), 1) if turn % 3 == 0 else bytes(mutant)
        if turn % 9 == 0:
            data = data[: dice.randrange(len(data))]
        path.write_bytes(data)
        try:
            source = open_nifti("set", path, SourceOptions())
            picture = source.read(len(source.names) - 1)
        except GanvasError:
            continue
        kept += 1
        assert picture.shape == (source.header(0).height, source.header(0).width, 1)
    assert 0 < kept < 150
