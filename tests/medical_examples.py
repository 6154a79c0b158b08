"""Small medical data, made by hand: a CT series of a ball in air, and a volume of a ball that lies turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

WHO = "DOE^JANE"  # in everything that identifies; to be found nowhere


def dicom_object(pixels: np.ndarray, **tags: Any) -> Dataset:
    """An object with [H, W] or [F, H, W] of whole numbers, or [H, W, 3] uint8; `tags` replace or add tags."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = tags.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid(entropy_srcs=[str(tags)])
    colour = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    one.SamplesPerPixel, one.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        one.PlanarConfiguration = 0
    elif pixels.ndim == 3:
        one.NumberOfFrames = len(pixels)
    one.Rows, one.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    one.BitsAllocated = one.BitsStored = 8 * pixels.dtype.itemsize
    one.HighBit = one.BitsStored - 1
    one.PixelRepresentation = int(pixels.dtype.kind == "i")
    one.Modality, one.PatientID = "MR", "1"
    one.StudyInstanceUID, one.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    one.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(one, name, value)
    one["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    return one


def save_dicom(path: Path, pixels: np.ndarray, **tags: Any) -> Path:
    """`dicom_object` in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dicom_object(pixels, **tags).save_as(path, enforce_file_format=True)
    return path


def ball(slices: int, side: int, seed: int) -> np.ndarray:
    """[slices, side, side] int16 in Hounsfield units: air of -1000, a ball of 40 with noise of 20, a bone of 700."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, count) for count in (slices, side, side)), indexing="ij")
    centre = random.uniform(-0.15, 0.15, 3)
    distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
    units = np.full(z.shape, -1000.0)
    units[distance < 0.75] = 40
    units[distance < 0.75] += random.normal(0, 20, (distance < 0.75).sum())
    units[distance < 0.2] = 700
    return units.round().astype(np.int16)


def make_dicom_series(folder: Path, slices: int = 24, side: int = 32, patients: int = 1, seed: int = 0) -> Path:
    """A CT series of `slices` files for each patient, stored with an intercept of -1024 and named out of order.

    Instance numbers and file names are shuffled: only the positions, 2.5 mm apart, tell the order. Every tag that
    identifies a patient, and every file name, holds `WHO`.
    """
    random = np.random.default_rng(seed)
    for patient in range(patients):
        units = ball(slices, side, seed + patient)
        shuffled = random.permutation(slices)
        for place in range(slices):
            save_dicom(
                folder / f"{WHO} {patient}" / f"{WHO}-{shuffled[place]:03d}.dcm",
                (units[place] + 1024).astype(np.uint16),
                Modality="CT",
                PatientID=f"{WHO}-{patient}",
                PatientName=WHO,
                PatientBirthDate="19510203",
                StudyDate="20010203",
                InstitutionName=WHO,
                ReferringPhysicianName=WHO,
                AccessionNumber=WHO,
                StudyDescription=WHO,
                SeriesInstanceUID=f"1.2.{seed}.{patient}",
                SeriesNumber=1,
                InstanceNumber=int(shuffled[place]) + 1,
                ImagePositionPatient=[-16, -16, 2.5 * place - 100],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelSpacing=[1, 1],
                RescaleSlope=1,
                RescaleIntercept=-1024,
                RescaleType="HU",
            )
    return folder


def make_nifti(path: Path, shape: tuple[int, int, int] = (32, 32, 24), seed: int = 0) -> Path:
    """A ball of `ball` in a .nii or .nii.gz, whose axes run left, anterior, superior, turned by ten degrees."""
    units = ball(shape[2], shape[1], seed)[:, :, : shape[0]].transpose(2, 1, 0)
    angle = np.deg2rad(10)
    affine = np.array(
        [
            [-np.cos(angle), -np.sin(angle), 0, 10],
            [-np.sin(angle), np.cos(angle), 0, -20],
            [0, 0, 2.5, -30],
            [0, 0, 0, 1],
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(units), affine), path)
    return path
