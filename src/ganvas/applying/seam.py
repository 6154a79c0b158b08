"""How far a picture painted in tiles is from the one painted whole, beside the noise that the picture has anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

NEIGHBOURS = 8  # on each side


@dataclass(frozen=True)
class Seam:
    """Differences in grey levels. largest and rms: over all pixels.

    step: what an eye sees as a line: how much more the difference changes from one column (row) to the next than across
    the median of the 16 columns (rows) around, in the mean over the column, where that is most. What the difference is
    like everywhere makes no line. Tiles do not meet in the outermost 8, which are left out.
    """

    largest: float
    rms: float
    step: float


def seam_of(tiled: NDArray[np.generic], whole: NDArray[np.generic]) -> Seam:
    """[H, W, C] each, integers or floats."""
    if tiled.shape != whole.shape:
        raise ValueError(f"a seam is measured between pictures of one shape, not {tiled.shape} and {whole.shape}")
    difference = tiled.astype(np.float64) - whole.astype(np.float64)
    steps = [np.abs(np.diff(difference, axis=axis)).mean(axis=(1 - axis, 2)) for axis in (0, 1)]
    step = max(float((lines - _around(lines))[NEIGHBOURS:-NEIGHBOURS].max(initial=0.0)) for lines in steps)
    return Seam(float(np.abs(difference).max()), float(np.sqrt((difference**2).mean())), step)


def _around(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each number and its neighbours: [n] -> [n]."""
    padded = np.pad(lines, NEIGHBOURS, mode="reflect" if len(lines) > NEIGHBOURS else "edge")
    medians: NDArray[np.float64] = np.median(sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)
    return medians


def noise_of(picture: NDArray[np.generic]) -> float:
    """Standard deviation of a picture's noise in grey levels: [H, W, C] -> one number.

    The Laplacian difference of Immerkær (1996) removes what is smooth; the median instead of the mean leaves out edges
    and texture (Donoho and Johnstone, 1994), so the estimate is rather too small than too large.
    """
    p = picture.astype(np.float64)
    across = p[:, :-2] - 2 * p[:, 1:-1] + p[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    return float(np.median(np.abs(both)) / 6 / 0.6745)
