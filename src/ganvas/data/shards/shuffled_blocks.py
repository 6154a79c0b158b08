"""The blocks of one process in a stream: gathered from several shards in turn, and shuffled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from ganvas.data.options import SourceOptions
from ganvas.data.shards.order import BLOCK_BYTES, BLOCKS_STREAM, Order, Position, shard_order, shuffle, start_of
from ganvas.data.shards.shard import Sample, read_shard

PROBLEMS_KEPT = 100


@dataclass(frozen=True)
class Block:
    """Samples in the order in which they are given, and how the block ends."""

    samples: list[Sample]
    end: End


@dataclass(frozen=True)
class End:
    """How many samples a block of an epoch has, and where the next block begins."""

    epoch: int
    count: int
    after: Position


class Problems:
    """What was left out of shards, told by the thread that reads."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()

    def add(self, name: str, reason: str) -> None:
        """Keep one more, unless it is known or there are many."""
        with self._lock:
            if len(self._seen) < PROBLEMS_KEPT:
                self._seen[name, reason] = None

    def seen(self) -> list[tuple[str, str]]:
        """Names and reasons so far, each once."""
        with self._lock:
            return list(self._seen)


class BlockReader:
    """Reads the blocks of one process, one after the other."""

    def __init__(
        self,
        shards: tuple[str, ...],
        order: Order,
        options: SourceOptions,
        problems: Problems,
        stop: threading.Event,
    ) -> None:
        self._shards, self._order, self._options = shards, order, options
        self._problems, self._stop = problems, stop

    def blocks(self, position: Position) -> Generator[Block, None, None]:
        """All blocks from the one on which `position` lies, for ever."""
        while True:
            lanes = self._lanes(position)
            try:
                while True:
                    samples = self._gather(lanes, position.block)
                    now = replace(position, taken=0)
                    ended = all(lane.ended for lane in lanes)
                    if ended:
                        after = start_of(self._order, epoch=position.epoch + 1, used_in=-1)
                    else:
                        after = replace(now, block=now.block + 1, lanes=tuple(lane.where for lane in lanes))
                    yield Block(self._shuffled(samples, position), End(position.epoch, len(samples), after))
                    del samples  # not kept while the next ones are gathered
                    position = after
                    if ended:
                        break
            finally:
                for lane in lanes:
                    lane.close()

    def _lanes(self, position: Position) -> list[_Lane]:
        order = self._order
        shuffled = shard_order(order.shards, order.seed, position.epoch).tolist()
        if order.shards >= order.world:
            dealt = [(number, 0) for number in shuffled[order.rank :: order.world]]
            step = 1
        else:  # the first sample is another process's in each shard and epoch, or short shards would leave some none
            turn = order.rank - position.epoch
            dealt = [(number, (turn - i) % order.world) for i, number in enumerate(shuffled)]
            step = order.world
        return [_Lane(dealt[lane :: order.lanes], step, where, self._read) for lane, where in enumerate(position.lanes)]

    def _read(self, number: int, start: int, step: int) -> Generator[Sample, None, None]:
        return read_shard(
            self._shards[number],
            start,
            self._options,
            step=step,
            shard=number,
            problems=self._problems.add,
            sleep=self._pause,
        )

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped

    def _gather(self, lanes: list[_Lane], number: int) -> list[Sample]:
        """Up to a block of samples, from each lane in turn; each block begins with another lane."""
        first = number % len(lanes)
        turn = deque(lanes[first:] + lanes[:first])
        samples: list[Sample] = []
        size = 0
        while turn and len(samples) < self._order.block and size < BLOCK_BYTES:
            if self._stop.is_set():
                raise _Stopped
            lane = turn.popleft()
            sample = lane.next()
            if sample is not None:
                samples.append(sample)
                size += len(sample.picture)
                turn.append(lane)
        return samples

    def _shuffled(self, samples: list[Sample], position: Position) -> list[Sample]:
        order = self._order
        key = (order.seed, BLOCKS_STREAM, position.epoch, order.rank, position.block)
        return [samples[i] for i in shuffle(len(samples), key)]


class _Lane:
    """Some shards, read one after the other. dealt: the number of each, and which sample is the first to take."""

    def __init__(
        self,
        dealt: list[tuple[int, int]],
        step: int,
        where: tuple[int, int],
        read: Callable[[int, int, int], Generator[Sample, None, None]],
    ) -> None:
        self._dealt, self._step, self._read = dealt, step, read
        self._place, self._taken = where
        self._open: Generator[Sample, None, None] | None = None

    @property
    def where(self) -> tuple[int, int]:
        """The number of its shard among its own, and how far that one was read."""
        return self._place, self._taken

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._place >= len(self._dealt)

    def next(self) -> Sample | None:
        """The next sample, None after the last one of the last shard."""
        while not self.ended:
            if self._open is None:
                number, first = self._dealt[self._place]
                self._open = self._read(number, first + self._taken * self._step, self._step)
            sample = next(self._open, None)
            if sample is not None:
                # By its place, not by counting: samples that are left out have places too.
                self._taken = (sample.place - self._dealt[self._place][1]) // self._step + 1
                return sample
            self._open = None
            self._place, self._taken = self._place + 1, 0
        return None

    def close(self) -> None:
        """Let go of the open shard."""
        if self._open is not None:
            self._open.close()
            self._open = None


class _Stopped(Exception):
    """The stream is being closed."""
