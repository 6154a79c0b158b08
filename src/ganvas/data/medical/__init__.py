"""DICOM and NIfTI."""
