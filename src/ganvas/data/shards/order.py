"""What the order of streamed pictures depends on, and positions in it; `ganvas.data.shards.stream` tells the rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.options import SourceOptions
from ganvas.data.shards.remote import redacted
from ganvas.errors import GanvasError

BLOCK_BYTES = 512 << 20  # of encoded pictures, after which a block ends even if it is not full
SHARDS_STREAM, BLOCKS_STREAM = 2, 3  # random streams of a seed, beside the two of `batches`
Lanes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Order:
    """Everything that the order of pictures depends on. shards: how many; digest: SHA-256 of their addresses."""

    shards: int
    digest: str
    seed: int
    rank: int
    world: int
    block: int
    lanes: int


@dataclass(frozen=True)
class Position:
    """A place in a stream: `taken` samples into the shuffled block number `block` of an epoch.

    lanes: where the block begins, for each lane the number of its shard and the samples already read of that one.
    used_in: the last epoch so far with a picture that could be used, or -1.
    """

    order: Order
    epoch: int
    block: int
    lanes: Lanes
    taken: int
    used_in: int

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and dictionaries."""
        return {**asdict(self), "lanes": [list(lane) for lane in self.lanes]}

    @staticmethod
    def from_json(content: object) -> Position:
        """What `to_json` gave. Raises GanvasError for anything else."""
        try:
            if not isinstance(content, dict):
                raise TypeError("not an object")
            order = Order(**content["order"])
            lanes = tuple((_count(place), _count(taken)) for place, taken in content["lanes"])
            numbers = {name: _count(content[name]) for name in ("epoch", "block", "taken")}
            for name in ("shards", "seed", "rank", "world", "block", "lanes"):
                _count(getattr(order, name))
            return Position(order, lanes=lanes, used_in=_count(content["used_in"] + 1) - 1, **numbers)
        except (KeyError, TypeError, ValueError) as error:
            given = json.dumps(content, default=str)[:80]
            raise GanvasError(f"{given} is not a position in a stream of shards: give what to_json made") from error


def shard_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of `count` shards in an epoch."""
    return shuffle(count, (seed, SHARDS_STREAM, epoch))


def shuffle(count: int, key: tuple[int, ...]) -> NDArray[np.int64]:
    """A shuffle of 0 to count - 1. Sorting raw Philox words gives the same one in every version of numpy."""
    words = np.random.Philox(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)


def start_of(order: Order, *, epoch: int, used_in: int) -> Position:
    """The beginning of an epoch."""
    return Position(order, epoch, 0, ((0, 0),) * order.lanes, 0, used_in)


def digest_of(shards: Sequence[str], options: SourceOptions) -> str:
    """SHA-256 of addresses without passwords and queries, which may change while the shards stay the same."""
    digest = hashlib.sha256(repr((BLOCK_BYTES, options.image_column, options.label_column)).encode())
    for shard in shards:
        digest.update(redacted(shard).encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def check_position(position: Position, order: Order) -> None:
    """Raises GanvasError if a position belongs to another order."""
    said = {"digest": "addresses of shards (or columns)", "shards": "number of shards", "world": "number of processes"}
    before, now = asdict(position.order), asdict(order)
    differ = [said.get(name, name) for name in now if before[name] != now[name]]
    if differ:
        counts = [name for name in now if name != "digest" and before[name] != now[name]]
        details = ", ".join(f"{name} {before[name]} then, {now[name]} now" for name in counts)
        raise GanvasError(
            f"this stream cannot go on where another one was: {' and '.join(differ)} differ"
            f"{f' ({details})' if details else ''}: use the same "
            "shards, seed, processes, block and lanes, or begin anew"
        )
    if len(position.lanes) != order.lanes:
        raise GanvasError(f"a position of {len(position.lanes)} lanes does not fit a stream of {order.lanes}")


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(f"{value!r} is not a count")
    return value
