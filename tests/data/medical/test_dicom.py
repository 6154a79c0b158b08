from __future__ import annotations

import json
import random
import re
import sys
import traceback
import tracemalloc
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
)

from ganvas.data.decode import PictureError
from ganvas.data.medical import dicom_headers
from ganvas.data.medical.dicom import open_dicom
from ganvas.data.medical.dicom_files import is_dicom
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError
from medical_examples import WHO, ball, dicom_object, make_dicom_series, save_dicom

ALL = SourceOptions(slices="all")
STEPS = np.array([[0, 100], [200, 300]], np.uint16)  # of which percentiles are told by hand: 1.5 and 298.5


def opened(path: Path, **options: str):
    return open_dicom(path.name, path, replace(ALL, **options))


def numbers(source, name: str) -> list[float]:
    return list(source.columns[name].values)


def test_a_series_is_ordered_by_position_and_not_by_instance_number_or_file_name(tmp_path):
    source = opened(make_dicom_series(tmp_path / "ct", slices=8, side=16), window="0/65536")
    units = ball(8, 16, 0).astype(int)
    for i in range(8):  # from -32768.0 to 32767.0: one grey level a Hounsfield unit
        assert (source.read(i)[..., 0].astype(int) - 32768 == units[i]).all()
    assert numbers(source, "slice_position_mm") == [2.5 * i - 100 for i in range(8)]
    assert source.names[0] == "patient-001/series-01/slice-0001"
    assert source.names[7] == "patient-001/series-01/slice-0008"


def test_opposite_rows_turn_the_normal_and_so_the_order(tmp_path):
    for z in (0, 1, 2):
        save_dicom(
            tmp_path / f"{z}.dcm",
            np.full((2, 2), z, np.uint16),
            ImagePositionPatient=[0, 0, z],
            ImageOrientationPatient=[1, 0, 0, 0, -1, 0],
        )
    source = opened(tmp_path, window="32768/65536")
    assert numbers(source, "slice_position_mm") == [-2, -1, 0]
    assert [int(source.read(i)[0, 0, 0]) for i in range(3)] == [2, 1, 0]


def test_without_positions_the_instance_number_orders_and_then_the_name(tmp_path):
    for name, instance, value in (("a", 2, 20), ("b", 1, 10), ("c", None, 30)):
        tags = {} if instance is None else {"InstanceNumber": instance}
        save_dicom(tmp_path / name, np.full((2, 2), value, np.uint16), **tags)
    source = opened(tmp_path, window="32768/65536")
    assert [int(source.read(i)[0, 0, 0]) for i in range(3)] == [10, 20, 30]
    assert np.isnan(numbers(source, "slice_position_mm")).all()


def test_a_window_of_40_and_400_goes_from_minus_160_to_239(tmp_path):
    # PS3.3 C.11.2.1.2.1: low end 40 - 0.5 - 399 / 2 = -160, high end 40 - 0.5 + 399 / 2 = 239
    save_dicom(tmp_path / "a", np.array([[0, 864], [1063, 1263]], np.uint16), RescaleIntercept=-1024, RescaleSlope=1)
    source = opened(tmp_path, window="40/400")
    # -1024 -> 0, -160 -> 0, 39 -> 199 / 399 * 65535 = 32685.4, 239 -> 65535
    assert source.read(0)[..., 0].tolist() == [[0, 0], [32685, 65535]]
    assert (numbers(source, "low"), numbers(source, "high")) == ([-160], [239])
    assert source.read(0).dtype == np.uint16
    assert source.header(0).bits == 16


def test_the_columns_low_and_high_undo_the_window(tmp_path):
    save_dicom(tmp_path / "a", STEPS)
    save_dicom(tmp_path / "b", STEPS, PhotometricInterpretation="MONOCHROME1", SeriesInstanceUID="1.9")
    source = opened(tmp_path)
    for i in range(2):
        low, high = numbers(source, "low")[i], numbers(source, "high")[i]
        values = low + source.read(i)[..., 0] / 65535 * (high - low)
        assert np.allclose(values, [[1.5, 100], [200, 298.5]], atol=0.01)


def test_percentiles_are_of_the_series_and_leave_padding_out(tmp_path):
    padded = np.array([[-2000, 0, 100], [-2000, 200, 300]], np.int16)
    save_dicom(tmp_path / "a", padded, PixelPaddingValue=-2000)
    save_dicom(tmp_path / "b", STEPS * np.uint16(10), SeriesInstanceUID="1.9")
    source = opened(tmp_path)
    assert sorted(zip(numbers(source, "low"), numbers(source, "high"), strict=True)) == [(1.5, 298.5), (15, 2985)]
    assert any("each from its 0.5 to its 99.5 percentile" in note for note in source.notes)


def test_ct_keeps_one_scale_for_all_series(tmp_path):
    for i in range(2):
        save_dicom(tmp_path / f"{i}", STEPS * np.uint16(i + 1), Modality="CT", SeriesInstanceUID=f"1.{i}")
    source = opened(tmp_path)
    values = np.concatenate([STEPS.ravel(), 2 * STEPS.ravel()])
    expected = np.percentile(values, (0.5, 99.5)).tolist()
    assert numbers(source, "low") == [expected[0]] * 2
    assert numbers(source, "high") == [expected[1]] * 2
    assert any("HU become 0 to 65535, from the 0.5 to the 99.5 percentile of all CT" in note for note in source.notes)


def test_ct_takes_the_window_that_all_files_share(tmp_path):
    for i in range(2):
        save_dicom(
            tmp_path / f"{i}",
            STEPS,
            Modality="CT",
            SeriesInstanceUID=f"1.{i}",
            WindowCenter=[101, 7],  # several: the first counts
            WindowWidth=[202, 9],
        )
    source = opened(tmp_path)
    assert (numbers(source, "low"), numbers(source, "high")) == ([0, 0], [201, 201])
    assert "CT: 0 to 201 HU become 0 to 65535, the window that all CT files share" in source.notes


def test_the_files_own_window_counts_when_asked_for_and_percentiles_stand_in(tmp_path):
    save_dicom(tmp_path / "a", STEPS, WindowCenter=100, WindowWidth=200, VOILUTFunction="LINEAR_EXACT")
    save_dicom(tmp_path / "b", STEPS, SeriesInstanceUID="1.9")
    source = opened(tmp_path, window="file")
    assert sorted(zip(numbers(source, "low"), numbers(source, "high"), strict=True)) == [(0, 200), (1.5, 298.5)]
    assert any(note.startswith("1 series without a window in the file") for note in source.notes)


def test_a_sigmoid_window_is_taken_as_a_linear_one_and_that_is_told(tmp_path):
    save_dicom(tmp_path / "a", STEPS, WindowCenter=100, WindowWidth=200, VOILUTFunction="SIGMOID")
    source = opened(tmp_path, window="file")
    assert (numbers(source, "low"), numbers(source, "high")) == ([0], [200])
    assert "sigmoid windows are taken as linear ones of the same centre and width" in source.notes


def table(first: int, levels: list[int], bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(levels), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = levels
    item["LUTData"].VR = "US"
    return Sequence([item])


def test_a_modality_lut_is_applied_before_the_window(tmp_path):
    pixels = np.array([[4, 5], [6, 9]], np.uint16)
    save_dicom(tmp_path / "a", pixels, ModalityLUTSequence=table(5, [0, 300, 1000], 16))
    # 4 is before the table and 9 behind it: they take its ends
    assert opened(tmp_path, window="32768/65536").read(0)[..., 0].tolist() == [[0, 0], [300, 1000]]


def test_a_voi_lut_maps_its_highest_level_to_white_also_when_it_is_long_and_of_8_bits(tmp_path):
    levels = [i * 255 // 999 for i in range(1000)]
    save_dicom(tmp_path / "a", np.array([[0, 500], [999, 5000]], np.uint16), VOILUTSequence=table(0, levels, 8))
    source = opened(tmp_path, window="file")
    assert source.read(0)[..., 0].tolist() == [[0, 127 * 257], [65535, 65535]]
    assert np.isnan(numbers(source, "low")).all()  # a table cannot be undone by two numbers


def test_monochrome1_is_inverted_after_the_window_so_that_white_is_high_and_that_is_told(tmp_path):
    save_dicom(tmp_path / "a", np.array([[0, 65535]], np.uint16), PhotometricInterpretation="MONOCHROME1")
    source = opened(tmp_path, window="32768/65536")
    assert source.read(0)[..., 0].tolist() == [[65535, 0]]
    assert any("MONOCHROME1" in note for note in source.notes)


def test_bits_that_are_not_stored_do_not_count_and_signs_do(tmp_path):
    # 12 of 16 bits: 0xF001 is 1 with an overlay in its upper bits; signed 0x0FFF is -1
    save_dicom(tmp_path / "a", np.array([[0xF001, 5]], np.uint16), BitsStored=12, HighBit=11)
    assert opened(tmp_path, window="32768/65536").read(0)[..., 0].tolist() == [[1, 5]]
    save_dicom(tmp_path / "a", np.array([[0x0FFF, 5]], np.int16), BitsStored=12, HighBit=11)
    assert opened(tmp_path, window="0/65536").read(0)[..., 0].tolist() == [[32767, 32773]]


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_transfer_syntaxes_give_the_same_pixels(tmp_path, syntax):
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    one = dicom_object(pixels)
    if syntax == RLELossless:
        one.compress(RLELossless, pixels, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        one.PixelData = pixels.astype(">u2").tobytes()
    one.file_meta.TransferSyntaxUID = syntax
    one.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert (opened(tmp_path, window="32768/65536").read(0)[..., 0] == pixels).all()


def test_a_file_that_begins_without_preamble_is_read_if_it_is_named_dcm(tmp_path):
    one = dicom_object(STEPS)
    del one.file_meta
    one.save_as(tmp_path / "a.dcm", implicit_vr=True, little_endian=True)
    assert opened(tmp_path, window="32768/65536").read(0)[..., 0].tolist() == STEPS.tolist()


def test_what_needs_another_package_says_so_and_stops_nothing(tmp_path):
    one = dicom_object(STEPS)
    one.PixelData = encapsulate([b"\xff\xd8\xff\xd9"])
    one["PixelData"].VR = "OB"
    one.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    one.save_as(tmp_path / "a", enforce_file_format=True)
    save_dicom(tmp_path / "b", STEPS, SeriesInstanceUID="1.9")
    source = open_dicom("set", tmp_path, SourceOptions())
    refused = []
    for i in range(2):
        try:
            source.read(i)
        except PictureError as error:
            refused.append(str(error))
    assert len(refused) == 1
    assert re.search(r"slice-0001: compressed as JPEG Lossless.* needs pylibjpeg: pip install pylibjpeg", refused[0])


def test_colours_come_as_rgb(tmp_path):
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    save_dicom(tmp_path / "a", rgb)
    source = opened(tmp_path)
    assert source.read(0).tolist() == rgb.tolist()
    assert (source.header(0).channels, source.header(0).bits) == (3, 8)
    assert np.isnan(numbers(source, "high")).all()


def test_palettes_become_their_colours(tmp_path):
    ramp = np.arange(256, dtype=np.uint16) * 257
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, levels in (("Red", ramp), ("Green", ramp[::-1]), ("Blue", 0 * ramp)):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = levels.tobytes()
    save_dicom(tmp_path / "a", np.array([[0, 10], [200, 255]], np.uint8), **tags)
    expected = [[[0, 255, 0], [10, 245, 0]], [[200, 55, 0], [255, 0, 0]]]
    assert opened(tmp_path).read(0).tolist() == expected


def enhanced(frames: int = 4) -> Dataset:
    """Frames of 0, 1, ... that lie at -0, -1, ... mm, scaled by ten each of its own."""
    per_frame = []
    for i in range(frames):
        group, position, value, window = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, -i]
        value.RescaleSlope, value.RescaleIntercept = 10, i
        window.WindowCenter, window.WindowWidth = 32768, 65536
        group.PlanePositionSequence = Sequence([position])
        group.PixelValueTransformationSequence = Sequence([value])
        group.FrameVOILUTSequence = Sequence([window])
        per_frame.append(group)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing = [0.5, 0.25]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([orientation]), Sequence([measures])
    pixels = np.arange(frames, dtype=np.uint16)[:, None, None] * np.ones((3, 5), np.uint16)
    return dicom_object(
        pixels,
        Modality="CT",
        PerFrameFunctionalGroupsSequence=Sequence(per_frame),
        SharedFunctionalGroupsSequence=Sequence([shared]),
    )


@pytest.mark.parametrize("packed", [False, True])
def test_frames_of_an_enhanced_object_have_places_windows_and_scales_of_their_own(tmp_path, packed):
    enhanced().save_as(tmp_path / "a.dcm", enforce_file_format=True)
    path = tmp_path / "a.dcm"
    if packed:
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "x/a.dcm")
        path = tmp_path / "a.zip"
    source = opened(path)
    assert numbers(source, "slice_position_mm") == [-3, -2, -1, 0]
    assert [int(source.read(i)[2, 4, 0]) for i in range(4)] == [33, 22, 11, 0]  # 10 i + i
    assert numbers(source, "row_spacing_mm") == [0.5] * 4
    assert numbers(source, "column_spacing_mm") == [0.25] * 4
    assert any("the pixels of 4 slices are not square" in note for note in source.notes)
    assert source.read(0).shape == (3, 5, 1)


def test_names_notes_columns_and_errors_hold_nothing_that_identifies(tmp_path):
    folder = make_dicom_series(tmp_path / "ct", slices=6, side=8, patients=3)
    files = sorted(folder.rglob("*.dcm"))
    files[0].write_bytes(files[0].read_bytes()[:-20])
    (folder / f"{WHO}.dcm").write_bytes(b"\0" * 128 + b"DICM" + WHO.encode() * 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom would quote tags
        source = open_dicom("set", folder, SourceOptions())
    said = [*source.names, *source.notes, source.labels_note, *source.class_names, source.fingerprint]
    said += [json.dumps({name: list(column.values) for name, column in source.columns.items()})]
    for i in range(len(source.names)):
        try:
            source.read(i)
        except PictureError as error:
            said += [str(error), error.name, "".join(traceback.format_exception(error))]
    assert any("damaged or cut off" in text for text in said)
    for text in said:
        assert not re.search("DOE|JANE|1951|200102", text, re.IGNORECASE), text
    with pytest.raises(GanvasError) as refused:
        open_dicom("set", folder / f"{WHO}.dcm", SourceOptions())
    assert WHO not in str(refused.value)


def test_patients_are_groups_numbered_alike_on_every_run_and_a_tenth_is_held_out(tmp_path):
    for patient in range(20):
        for i in range(2):
            save_dicom(tmp_path / f"{patient}-{i}", STEPS, PatientID=f"p{patient}", SeriesInstanceUID=f"1.{patient}")
    source, again = opened(tmp_path), opened(tmp_path)
    assert source.groups.tolist() == [1 + i // 2 for i in range(40)] == again.groups.tolist()
    assert len(set(source.groups[source.held_out])) == 2
    assert source.held_out.sum() == 4  # both slices of both
    assert any("20 patients, told apart by the hash of their PatientID: 18 for training" in n for n in source.notes)


def test_nine_patients_are_too_few_to_hold_one_out(tmp_path):
    for patient in range(9):
        save_dicom(tmp_path / f"{patient}", STEPS, PatientID=f"p{patient}", SeriesInstanceUID=f"1.{patient}")
    source = opened(tmp_path)
    assert not source.held_out.any()
    assert any("9 patients, " in note and "none held out" in note for note in source.notes)


def test_split_and_class_folders_count_but_the_folders_of_patients_are_no_classes(tmp_path):
    for split in ("train", "test"):
        for kind in ("healthy", "ill"):
            for i in range(6):
                save_dicom(tmp_path / "a" / split / kind / f"{i}", STEPS, PatientID=f"{split}{kind}{i // 3}")
    source = opened(tmp_path / "a")
    assert source.class_names == ("healthy", "ill")
    assert sorted(source.labels.tolist()) == [0] * 12 + [1] * 12
    assert source.held_out.sum() == 12
    assert any("4 for training and 4 held out, as the folders say" in note for note in source.notes)
    for who in ("JANE", "JOHN"):
        for i in range(6):
            save_dicom(tmp_path / "b" / who / f"{i}", STEPS, PatientID=who)
    source = opened(tmp_path / "b")
    assert source.labels is None
    assert (
        source.labels_note == "unlabelled: there are folders with one patient only, so they are not taken for classes"
    )


def test_a_patient_on_both_sides_of_a_split_is_told(tmp_path):
    for split in ("train", "val"):
        save_dicom(tmp_path / split / "a", STEPS, PatientID="one")
        save_dicom(tmp_path / split / "b", STEPS, PatientID=split)
    source = opened(tmp_path)
    assert source.held_out.sum() == 2
    assert any("1 of them in both, so held-out pictures are not those of strangers" in note for note in source.notes)


def test_slices_are_chosen_by_place_or_by_what_is_in_them(tmp_path):
    for i, bright in enumerate((0, 4, 5, 100, 100, 0, 0, 0)):  # of 100 pixels
        pixels = np.zeros(100, np.uint16)
        pixels[:bright] = 600  # of a window from 0 to 9999: 6 %
        save_dicom(tmp_path / f"{i}", pixels.reshape(10, 10), InstanceNumber=i)

    def places(rule: str) -> list[int]:
        return [int(name[-4:]) for name in opened(tmp_path, slices=rule, window="5000/10000").names]

    assert places("all") == [1, 2, 3, 4, 5, 6, 7, 8]
    assert places("middle") == [5]
    assert places("every:3") == [1, 4, 7]
    assert places("filled") == [3, 4, 5]
    told: list[tuple[str, int, int]] = []
    source = open_dicom("set", tmp_path, SourceOptions(window="5000/10000"), lambda *step: told.append(step))
    assert told[-1] == ("reading slices", 8, 8)
    assert source.notes[0] == "1 series (1 MR), 3 of 8 slices used"
    with pytest.raises(GanvasError, match=r"no slice of .* is filled .*: use --slices all"):
        open_dicom("set", tmp_path, SourceOptions(window="50000/10000"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": "every:0"}, "slices is 'every:0': expected all, middle, every:N with N of 1 or more, or filled"),
        ({"slices": "some"}, "slices is 'some': expected all"),
        ({"window": "40"}, "window is '40': expected auto, file, percentile or CENTRE/WIDTH"),
        ({"window": "40/0"}, "with a width above 0"),
        ({"window": "1e999/5"}, "window is '1e999/5'"),
        ({"window": "1/0.5"}, "window 1/0.5 has a width below 1"),
        ({"plane": "coronal"}, "plane is 'coronal': DICOM slices are taken as they are stored"),
    ],
)
def test_other_options_are_refused(tmp_path, options, message):
    save_dicom(tmp_path / "a", STEPS)
    with pytest.raises(UsageError, match=re.escape(message)):
        opened(tmp_path, **options)


def test_what_is_no_picture_is_left_out_and_told(tmp_path):
    save_dicom(tmp_path / "a", STEPS)
    save_dicom(tmp_path / "b", STEPS, Modality="SEG")
    save_dicom(tmp_path / "c", STEPS, Rows=20_000, Columns=20_000)
    save_dicom(tmp_path / "d", STEPS, NumberOfFrames=2_000_000)
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "a").read_bytes())
    (tmp_path / "notes.txt").write_text("hello")
    source = opened(tmp_path)
    assert len(source.names) == 1
    (note,) = (note for note in source.notes if "left out" in note)
    assert note.startswith("3 DICOM files left out: ")
    assert "1 without pictures (SEG)" in note
    assert "1 larger than 100 megapixels a slice" in note
    assert "1 of more than 100000 frames" in note


def test_a_folder_without_dicom_is_refused(tmp_path):
    with pytest.raises(GanvasError, match="holds no DICOM pictures: give a folder, a file or a ZIP"):
        opened(tmp_path)


def test_a_deflated_object_that_grows_without_end_is_not_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom_headers, "LARGEST_INFLATED", 10_000)
    one = dicom_object(np.zeros((200, 200), np.uint8), TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    one.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert (tmp_path / "a.dcm").stat().st_size < 1_000
    with pytest.raises(GanvasError, match="of more than 1 GiB once inflated"):
        opened(tmp_path)


def test_dicom_is_known_by_its_names_or_first_bytes(tmp_path):
    save_dicom(tmp_path / "bare" / "IM" / "1.2.840.1", STEPS)
    save_dicom(tmp_path / "named" / "a.dcm", STEPS)
    (tmp_path / "pictures").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "pictures" / "a.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "named" / "a.dcm", "a")
    (tmp_path / "other").write_text("hello")
    assert [is_dicom(tmp_path / name) for name in ("bare", "bare/IM/1.2.840.1", "named", "named/a.dcm", "a.zip")] == [
        True
    ] * 5
    assert [is_dicom(tmp_path / name) for name in ("pictures", "other", "pictures/a.png")] == [False] * 3


def test_a_zip_gives_the_same_pictures_as_its_folder(tmp_path):
    folder = make_dicom_series(tmp_path / "ct", slices=5, side=8)
    with zipfile.ZipFile(tmp_path / "ct.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*.dcm"):
            archive.write(file, file.relative_to(folder).as_posix())
    one, other = opened(folder), opened(tmp_path / "ct.zip")
    assert list(one.names) == list(other.names)
    assert all((one.read(i) == other.read(i)).all() for i in range(5))


def test_the_fingerprint_changes_with_files_and_with_options_that_change_the_pictures(tmp_path):
    save_dicom(tmp_path / "a", STEPS)
    before = opened(tmp_path).fingerprint
    assert opened(tmp_path).fingerprint == before
    assert opened(tmp_path, window="40/400").fingerprint != before
    save_dicom(tmp_path / "b", STEPS)
    assert opened(tmp_path).fingerprint != before


def test_the_memory_that_reading_takes_does_not_grow_with_the_series(tmp_path):
    def peak(slices: int) -> int:
        for i in range(slices):
            save_dicom(tmp_path / f"{slices}" / f"{i}", np.full((128, 128), 100, np.uint16), InstanceNumber=i)
        tracemalloc.start()
        source = open_dicom("set", tmp_path / f"{slices}", SourceOptions(window="100/200"))
        for i in range(len(source.names)):
            source.read(i)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(2)  # what is imported on the way
    assert peak(20) < peak(5) + 5 * 128 * 128 * 2  # a third of the slices more


def test_a_length_that_is_not_so_takes_no_memory(tmp_path):
    one = save_dicom(tmp_path / "a.dcm", STEPS)
    data = one.read_bytes()
    place = data.index(b"\x10\0\x20\0LO") + 4  # of PatientID
    one.write_bytes(data[:place] + b"OB\0\0\xf0\xff\xff\xff" + data[place + 4 :])  # almost 4 GiB
    tracemalloc.start()
    with pytest.raises(GanvasError):
        opened(tmp_path).read(0)
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert highest < 50_000_000


def test_without_pydicom_it_is_told_what_to_install(tmp_path, monkeypatch):
    save_dicom(tmp_path / "a.dcm", STEPS)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert is_dicom(tmp_path)
    with pytest.raises(
        GanvasError, match=re.escape('needs pydicom, which is not installed: pip install "ganvas[medical]"')
    ):
        opened(tmp_path)


@pytest.mark.parametrize("seed", [0, 1])
def test_mutants_are_refused_or_reported_and_never_break_anything(tmp_path, seed):
    original = bytearray(save_dicom(tmp_path / "a.dcm", np.arange(64, dtype=np.uint16).reshape(8, 8)).read_bytes())
    dice = random.Random(seed)
    kept = 0
    for _ in range(150):
        mutant = bytearray(original)
        for _ in range(dice.choice((1, 4, 16))):
            mutant[dice.randrange(132, len(mutant))] = dice.randrange(256)
        if dice.random() < 0.3:
            del mutant[dice.randrange(len(mutant)) :]
        (tmp_path / "a.dcm").write_bytes(mutant)
        try:
            source = open_dicom("set", tmp_path / "a.dcm", SourceOptions())
            picture = source.read(0)
        except GanvasError:
            continue
        kept += 1
        assert picture.shape == (source.header(0).height, source.header(0).width, source.header(0).channels)
    assert 0 < kept < 150
