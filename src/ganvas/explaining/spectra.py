"""Spectra of real pictures and samples side by side: missing detail, and the lattice that upsampling leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.curves import Line
from ganvas.evaluation.metrics.pictures import levels, row_pieces
from ganvas.evaluation.metrics.spectrum import FLOOR, Spectrum, spectrum, spectrum_distance
from ganvas.images import Integers

BANDS = (  # cycles per pixel, and what such waves look like
    ("coarse", 0.0, 1 / 6, "shapes of more than 6 pixels"),
    ("middle", 1 / 6, 1 / 3, "parts of 3 to 6 pixels"),
    ("fine", 1 / 3, 1.0, "detail of less than 3 pixels"),
)
NOTABLE = 1.0  # decibels: a quarter more power
MARKED = 3.0  # decibels that a lattice stands out by: twice the power
PERIODS = (2, 4)  # pixels, of the last two doublings of a generator


@dataclass(frozen=True)
class Spectra:
    """Two mean spectra, and how far those of two halves of the real pictures differ.

    lattices: period in pixels -> decibels by which it stands out among real pictures, and among samples.
    """

    real: Spectrum
    fake: Spectrum
    halves_differ: float
    lattices: dict[int, tuple[float, float]]

    @property
    def differ(self) -> float:
        """Root mean square difference over all frequencies, in decibels."""
        return spectrum_distance(self.real, self.fake)

    def band(self, low: float, high: float) -> float | None:
        """Mean difference of the samples in a band of frequencies, in decibels; None where there is no frequency."""
        within = (self.real.frequencies >= low) & (self.real.frequencies < high)
        return float((self.fake.mean - self.real.mean)[within].mean()) if bool(within.any()) else None

    @property
    def lines(self) -> list[Line]:
        """For a chart: decibels over cycles per pixel."""
        x = self.real.frequencies.tolist()
        return [Line("real pictures", x, self.real.mean.tolist()), Line("samples", x, self.fake.mean.tolist())]

    @property
    def words(self) -> list[str]:
        said = [
            f"The spectra lie {self.differ:.1f} dB apart; those of two halves of the real pictures "
            f"{self.halves_differ:.2f} dB."
        ]
        deviating = 0
        for name, low, high, looks_like in BANDS:
            more = self.band(low, high)
            if more is not None and abs(more) > max(NOTABLE, 2 * self.halves_differ):
                deviating += 1
                less = "more" if more > 0 else "less"
                said.append(
                    f"Samples have {abs(more):.1f} dB {less} power at {name} frequencies ({looks_like}), "
                    f"{10 ** (more / 10):.2g} times that of real pictures."
                )
        for period in self._marked:
            real, fake = self.lattices[period]
            deviating += 1
            said.append(
                f"A lattice of {period} pixels stands out by {fake:.1f} dB (in real pictures {real:.1f} dB): the "
                "checkerboard that upsampling can leave."
            )
        if not deviating:
            said.append("No part of the spectrum deviates notably, and no lattice stands out.")
        return said

    @property
    def _marked(self) -> list[int]:
        return [period for period, (real, fake) in self.lattices.items() if fake - max(real, 0.0) > MARKED]

    def to_json(self) -> dict[str, Any]:
        return {
            "frequencies": self.real.frequencies.tolist(),
            "real_decibels": self.real.mean.tolist(),
            "fake_decibels": self.fake.mean.tolist(),
            "difference": self.differ,
            "difference_of_real_halves": self.halves_differ,
            "bands": {name: self.band(low, high) for name, low, high, _ in BANDS},
            "lattices": {str(period): {"real": real, "fake": fake} for period, (real, fake) in self.lattices.items()},
        }


def compare_spectra(real: Integers, fake: Integers) -> Spectra:
    """Of pictures [N, C, H, W] of one size. Raises ValueError as `spectrum`, and below two real pictures."""
    halves = spectrum_distance(spectrum(real[0::2]), spectrum(real[1::2]))
    powers = mean_power(real), mean_power(fake)
    lattices = {}
    for period in PERIODS:
        found = lattice(powers[0], period), lattice(powers[1], period)
        if found[0] is not None and found[1] is not None:
            lattices[period] = found[0], found[1]
    return Spectra(spectrum(real), spectrum(fake), halves, lattices)


def mean_power(images: Integers) -> Tensor:
    """Mean power of the Fourier transform, over pictures and channels: [N, C, H, W] -> [H, W] float64."""
    total = torch.zeros(images.shape[2:], dtype=torch.float64)
    for rows in row_pieces(np.arange(len(images))):
        total += torch.fft.fft2(levels(images, rows)).abs().square().mean(1).sum(0)
    return total / (len(images) * total.numel()) + FLOOR


def lattice(power: Tensor, period: int) -> float | None:
    """How far a lattice of that many pixels stands out of a mean power [H, W], in decibels; about 0: not at all.

    The largest ratio of the power at one of its frequencies to the mean of the eight places around (Odena et al., 2016,
    show where such lattices come from). None for sides that hold no whole number of periods, or fewer than two.
    """
    height, width = power.shape
    if height % period or width % period or min(height, width) < 2 * period:
        return None
    around = sum(
        power.roll((down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)
    )
    ratios = 8 * power / around
    own = [
        (i * height // period, j * width // period)
        for i in range(period)
        for j in range(period)
        if i % 2 or j % 2  # the others are of a lattice half as wide
    ]
    return max(float(10 * ratios[place].log10()) for place in own)
