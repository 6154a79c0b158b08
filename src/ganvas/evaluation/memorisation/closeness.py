"""How much nearer than usual the nearest training picture is, and from when on that is a copy.

A distance alone says little: a blurred picture is near to everything, a plain one to many. What gives a copy away is
that one training picture is much nearer than the next ones: its closeness, the distance of the nearest over the mean
distance of the other near ones, is far below 1 (the idea of Carlini et al., 2023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganvas.evaluation.memorisation.descriptors import GREY_LEVEL

SIGMAS = 3.0
QUARTILE_SIGMAS = 0.6745  # from the median of a bell shape down to its lower quartile
HALF = 0.5
MOST_ALIKE = 0.03  # of left-out real pictures that may count as copies
STRICTER = (1.0, 0.7, 0.5, 0.35)  # below this, copies with noise or other colours would be missed


def closeness(nearest: Tensor, others: Tensor, usual_others: float) -> Tensor:
    """[N]: nearest distance over that of the others, near 0 for a copy; 1 where there is nothing to compare with.

    others: NaN where all candidates are kin of the nearest; `usual_others` stands in then (NaN: for nobody).
    """
    others = torch.where(others.isnan(), usual_others, others)
    # A grey level is added to both, so that what differs by rounding alone is no nearer than anything else.
    ratio = torch.hypot(nearest, torch.tensor(GREY_LEVEL)) / torch.hypot(others, torch.tensor(GREY_LEVEL))
    return torch.where(nearest.isfinite() & others.isfinite(), ratio, 1.0)


def copy_threshold(real_closeness: Tensor) -> float:
    """The closeness from which down a picture counts as a copy: [N] of left-out real pictures -> float.

    Half of what is typical for them; less where real pictures vary much: three standard deviations of a bell shape
    that has the median and the lower quartile of their logarithms. Of the lowest quarter nothing else is used: many
    data sets hold some pictures twice, and those must not make the threshold 0.
    """
    median = float(real_closeness.median())
    quartile = float(torch.quantile(real_closeness, 0.25))
    if quartile <= 0:
        return 0.0
    return min(HALF * median, median * math.pow(quartile / median, SIGMAS / QUARTILE_SIGMAS))


def stricter(real_suspicion: Tensor) -> float:
    """By how much thresholds are lowered where the data hold many pictures that are alike: a factor of STRICTER.

    real_suspicion: [N] closeness over threshold of left-out real pictures, in the view that suspects most.
    """
    shares = [(factor, float((real_suspicion <= factor).double().mean())) for factor in STRICTER]
    return next((factor for factor, share in shares if share <= MOST_ALIKE), STRICTER[-1])
