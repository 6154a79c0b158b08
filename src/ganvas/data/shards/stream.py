"""Pictures streamed from shards: endless, shuffled, shared by processes, and resumed at any picture exactly.

The order is a pure function of the list of shards and of seed, rank, world, block and lanes:

1. every epoch shuffles the shards by (seed, epoch) and deals them to the processes: number i goes to rank i % world.
   With fewer shards than processes, every process reads all of them and takes one sample in `world`;
2. a process deals its shards to `lanes`, each of which reads its own one after the other, and takes a sample from each
   lane in turn, so that neighbours come from several shards;
3. what comes is gathered into blocks, and each block is shuffled by (seed, epoch, rank, number of the block).

So where a block begins (a shard and a place in it for each lane) and how much of it was taken is all that is needed
to go on. Threads read and decode ahead; how fast they are changes nothing.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from types import TracebackType
from typing import Any

import numpy as np

from ganvas.data.decode import Pixels
from ganvas.data.decoders import Failed
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.shards.ahead import Ahead
from ganvas.data.shards.order import Order, Position, check_position, digest_of, start_of
from ganvas.data.shards.remote import redacted
from ganvas.data.shards.shard import Sample, read_shard
from ganvas.data.shards.shuffled_blocks import Block, BlockReader, End, Problems
from ganvas.errors import GanvasError, UsageError

DECODED_AT_ONCE = 128  # samples that `decode` gets in one call
DECODED_AHEAD = 2  # such calls whose results wait to be taken
NAMES_KEPT = 20
REASONS_KEPT = 100
_CLOSING_S = 5.0  # how long a thread that waits for the network is waited for

Decode = Callable[[list[Sample]], Sequence[Pixels | Failed]]


@dataclass(frozen=True)
class Decoded:
    """One picture as `decode` made it, and what its shard says of it."""

    name: str
    pixels: Pixels
    label: int | str | None
    columns: dict[str, object]


class SampleStream:
    """An endless stream of pictures from shards; see the module for its order. Close it, or use `with`.

    decode: pixels, or Failed with a reason, for each of some samples; called in a thread. block: samples shuffled
    together (two blocks of encoded pictures are in memory at most). position: where to go on; it must come from a
    stream of the same shards and numbers. Raises GanvasError, or UsageError, for what cannot be.
    """

    def __init__(
        self,
        shards: Sequence[str],
        *,
        seed: int,
        decode: Decode,
        rank: int = 0,
        world: int = 1,
        block: int = 4096,
        lanes: int = 4,
        position: Position | None = None,
        options: SourceOptions = DEFAULT_OPTIONS,
    ) -> None:
        if not shards:
            raise UsageError("there are no shards to stream: give at least one")
        if seed < 0 or not 0 <= rank < world or block < 1 or not 1 <= lanes <= 256:
            raise UsageError(
                f"seed {seed}, rank {rank} of {world}, block {block} and lanes {lanes} cannot be: seed is at least 0, "
                "rank from 0 to world - 1, block at least 1, lanes 1 to 256"
            )
        order = Order(len(shards), digest_of(shards, options), seed, rank, world, block, lanes)
        if position is not None:
            check_position(position, order)
        self.skipped: Counter[str] = Counter()
        self.skipped_names: list[str] = []
        self._position = position or start_of(order, epoch=0, used_in=-1)
        self._names = [redacted(shard) for shard in shards]
        self._problems = Problems()
        self._parts: deque[Decoded | Failed] = deque()  # of the block at hand, decoded and not yet taken
        self._end: End | None = None
        stop = threading.Event()
        reader = BlockReader(tuple(shards), order, options, self._problems, stop)
        blocks = Ahead(reader.blocks(self._position), 1, "ganvas-shards-read")
        parts = _decoded(blocks, self._position.taken, decode, self._names)
        self._ahead = Ahead(parts, DECODED_AHEAD, "ganvas-shards-decode")
        # Also when the stream is forgotten, and before the interpreter ends.
        self._finish = weakref.finalize(self, _close, stop, self._ahead, blocks)

    def __enter__(self) -> SampleStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. `position` still answers, `take` does not."""
        self._finish()

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What was left out of shards so far, as read ahead: names and reasons, each once, the first hundred."""
        return self._problems.seen()

    def position(self) -> Position:
        """Where the stream is: a stream that begins there gives what this one gives next."""
        return self._position

    def take(self, count: int) -> list[Decoded]:
        """The next `count` pictures. Those that cannot be used are counted in `skipped` by their reasons.

        Raises GanvasError if a whole epoch has no usable picture, ShardError if a shard cannot be had.
        """
        taken: list[Decoded] = []
        while len(taken) < count:
            if not self._parts:
                self._next_part()
                continue
            result = self._parts.popleft()
            used_in = self._position.used_in
            if isinstance(result, Failed):
                self._skip(result)
            else:
                taken.append(result)
                used_in = self._position.epoch
            self._position = replace(self._position, taken=self._position.taken + 1, used_in=used_in)
            if not self._parts:
                self._end_block()
        return taken

    def _next_part(self) -> None:
        try:
            self._end, results = next(self._ahead)
        except StopIteration:
            raise GanvasError("this stream of shards is closed: make a new one from its position") from None
        self._parts.extend(results)
        if not results:
            self._end_block()

    def _end_block(self) -> None:
        """Go to the beginning of the next block, if this one is all taken."""
        end = self._end
        assert end is not None, "results come from a block"
        if self._position.taken < end.count:
            return
        after = replace(end.after, used_in=self._position.used_in)
        dry, order = after.epoch - 1 - after.used_in, after.order
        self._position = after
        if after.epoch > end.epoch and dry >= order.world:  # together, as many samples as an epoch has
            reasons = [*self.skipped, *(f"{name}: {reason}" for name, reason in self.problems)]
            why = f" ({'; '.join(reasons[:3])})" if reasons else ""
            raise GanvasError(
                f"the shards hold no picture that can be used by process {order.rank} of {order.world}{why}: "
                "expected tars with members such as 0001.jpg, or Parquet with a column of pictures"
            )

    def _skip(self, failed: Failed) -> None:
        known = failed.reason in self.skipped or len(self.skipped) < REASONS_KEPT
        self.skipped[failed.reason if known else "other reasons"] += 1
        if len(self.skipped_names) < NAMES_KEPT:
            self.skipped_names.append(failed.name)


def first_samples(
    shards: Sequence[str], count: int, options: SourceOptions = DEFAULT_OPTIONS, most_shards: int = 64
) -> list[Sample]:
    """The first samples of up to 64 shards, evenly spread over the list: `count` in all, fewer if there are not more.

    The same for the same shards. Raises ShardError, GanvasError.
    """
    spread = np.linspace(0, len(shards) - 1, min(len(shards), most_shards)).round().astype(int).tolist()
    chosen = list(dict.fromkeys(spread))
    found: dict[int, list[Sample]] = {number: [] for number in chosen}
    total = 0
    while total < count and chosen:  # more than once only where some shards are short
        missing, left = count - total, []
        for i, number in enumerate(chosen):
            wanted = missing * (i + 1) // len(chosen) - missing * i // len(chosen)
            start = found[number][-1].place + 1 if found[number] else 0
            with closing(read_shard(shards[number], start, options, shard=number)) as samples:
                more = list(islice(samples, wanted))
            found[number] += more
            total += len(more)
            if len(more) == wanted:
                left.append(number)
        chosen = left
    return [sample for samples in found.values() for sample in samples]


def _close(stop: threading.Event, *threads: Ahead[Any]) -> None:
    stop.set()
    for thread in threads:
        thread.close()
    until = time.monotonic() + _CLOSING_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _decoded(
    blocks: Iterator[Block], taken: int, decode: Decode, names: Sequence[str]
) -> Generator[tuple[End, list[Decoded | Failed]], None, None]:
    """Decoded samples, some at a time, with the end of their block; `taken` of the first block are left out."""
    for block in blocks:
        if taken >= len(block.samples):
            yield block.end, []
        for start in range(taken, len(block.samples), DECODED_AT_ONCE):
            some = block.samples[start : start + DECODED_AT_ONCE]
            results = decode(some)
            if len(results) != len(some):
                raise RuntimeError(f"decode gave {len(results)} results for {len(some)} samples")
            yield block.end, [_named(sample, result, names) for sample, result in zip(some, results, strict=True)]
        taken = 0


def _named(sample: Sample, result: Pixels | Failed, names: Sequence[str]) -> Decoded | Failed:
    name = f"{names[sample.shard]}/{sample.key}"
    if isinstance(result, Failed):
        return Failed(name, result.reason)
    return Decoded(name, result, sample.label, dict(sample.columns))
