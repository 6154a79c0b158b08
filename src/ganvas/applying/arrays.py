"""Arrays of pictures through a network: what `model.apply` does."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ganvas.applying.chain import Chain, Tile
from ganvas.applying.contract import KINDS, Paints, check_mask, picture_channels
from ganvas.applying.painting import gathered
from ganvas.errors import UsageError
from ganvas.images import Integers


def apply_array(
    model: Paints,
    pictures: Integers,
    *,
    mask: NDArray[np.bool_] | None = None,
    class_name: str | None = None,
    tile: Tile = "auto",
    memory: int | None = None,
) -> Integers:
    """[H, W, C] or [N, H, W, C] uint8 or uint16 -> the same with what the model paints: its scale, its channels.

    mask: [H, W], or [N, H, W], True in the hole. tile, memory (bytes): as `Chain` has them. Raises UsageError for
    arrays that the model does not take, and GanvasError for pictures that are too small.
    """
    given, wanted = np.asarray(pictures), picture_channels(model.config)
    if given.dtype not in (np.uint8, np.uint16):
        raise UsageError(f"pictures must be uint8 or uint16, not {given.dtype}: scale them to 0-255 or 0-65535 first")
    if given.ndim not in (3, 4) or given.shape[-1] not in (wanted, 1 if wanted == 3 else wanted):
        shape = f"[H, W, {wanted}] or [N, H, W, {wanted}]"
        raise UsageError(f"pictures of shape {list(given.shape)}: this model takes {KINDS.get(wanted, '')} {shape}")
    check_mask([model], mask is not None)
    if mask is not None and mask.shape != given.shape[:-1]:
        raise UsageError(f"a mask of shape {list(mask.shape)}: expected {list(given.shape[:-1])}, as the pictures have")
    chain, bits = Chain([model], class_name, tile, memory), 8 * given.dtype.itemsize
    if given.ndim == 3:
        return _painted(chain, cast(Integers, given), mask, bits)
    if not len(given):
        raise UsageError("no pictures were given: the array is empty")
    each: list[Any] = [
        _painted(chain, cast(Integers, one), None if mask is None else mask[i], bits) for i, one in enumerate(given)
    ]
    return cast(Integers, np.stack(each))


def _painted(chain: Chain, picture: Integers, mask: NDArray[np.bool_] | None, bits: int) -> Integers:
    return gathered(chain.rows(picture, bits, mask), picture.shape[0] * chain.scale)
