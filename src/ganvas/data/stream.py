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

import hashlib
import json
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganvas.data.decode import Pixels
from ganvas.data.decoders import Failed
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions
from ganvas.data.shards import Sample, read_shard, redacted
from ganvas.errors import GanvasError, UsageError

BLOCK_BYTES = 512 << 20  # of encoded pictures, after which a block ends even if it is not full
DECODED_AT_ONCE = 128  # samples that `decode` gets in one call
DECODED_AHEAD = 2  # such calls whose results wait to be taken
NAMES_KEPT = 20
PROBLEMS_KEPT = 100
REASONS_KEPT = 100
_SHARDS, _BLOCKS = 2, 3  # random streams of a seed, beside the two of `batches`
_CLOSING_S = 5.0  # how long a thread that waits for the network is waited for

Decode = Callable[[list[Sample]], Sequence[Pixels | Failed]]
Lanes = tuple[tuple[int, int], ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Decoded:
    """One picture as `decode` made it, and what its shard says of it."""

    name: str
    pixels: Pixels
    label: int | str | None
    columns: dict[str, object]


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
        order = Order(len(shards), _digest(shards, options), seed, rank, world, block, lanes)
        if position is not None:
            _check(position, order)
        self.skipped: Counter[str] = Counter()
        self.skipped_names: list[str] = []
        self._position = position or _start(order, epoch=0, used_in=-1)
        self._names = [redacted(shard) for shard in shards]
        self._problems = _Problems()
        self._parts: deque[Decoded | Failed] = deque()  # of the block at hand, decoded and not yet taken
        self._end: _End | None = None
        stop = threading.Event()
        reader = _Reader(tuple(shards), order, options, self._problems, stop)
        blocks = _Ahead(reader.blocks(self._position), 1, "ganvas-shards-read")
        parts = _decoded(blocks, self._position.taken, decode, self._names)
        self._ahead = _Ahead(parts, DECODED_AHEAD, "ganvas-shards-decode")
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


@dataclass(frozen=True)
class _Block:
    """Samples in the order in which they are given, and how the block ends."""

    samples: list[Sample]
    end: _End


@dataclass(frozen=True)
class _End:
    """How many samples a block of an epoch has, and where the next block begins."""

    epoch: int
    count: int
    after: Position


class _Problems:
    """What was left out of shards, told by the thread that reads."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()

    def add(self, name: str, reason: str) -> None:
        with self._lock:
            if len(self._seen) < PROBLEMS_KEPT:
                self._seen[name, reason] = None

    def seen(self) -> list[tuple[str, str]]:
        with self._lock:
            return list(self._seen)


class _Reader:
    """Reads the blocks of one process, one after the other."""

    def __init__(
        self,
        shards: tuple[str, ...],
        order: Order,
        options: SourceOptions,
        problems: _Problems,
        stop: threading.Event,
    ) -> None:
        self._shards, self._order, self._options = shards, order, options
        self._problems, self._stop = problems, stop

    def blocks(self, position: Position) -> Generator[_Block, None, None]:
        """All blocks from the one on which `position` lies, for ever."""
        while True:
            lanes = self._lanes(position)
            try:
                while True:
                    samples = self._gather(lanes, position.block)
                    now = replace(position, taken=0)
                    ended = all(lane.ended for lane in lanes)
                    if ended:
                        after = _start(self._order, epoch=position.epoch + 1, used_in=-1)
                    else:
                        after = replace(now, block=now.block + 1, lanes=tuple(lane.where for lane in lanes))
                    yield _Block(self._shuffled(samples, position), _End(position.epoch, len(samples), after))
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
        key = (order.seed, _BLOCKS, position.epoch, order.rank, position.block)
        return [samples[i] for i in _shuffle(len(samples), key)]


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


class _Ahead(Generic[T]):
    """What an iterator gives, made by a thread before it is asked for: at most `most` of it wait."""

    def __init__(self, items: Generator[T, None, None], most: int, name: str) -> None:
        self._items, self._most = items, most
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = self._done = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)
        self._thread.start()

    def __iter__(self) -> _Ahead[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._done or self._closed)
            if self._ready and not self._closed:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None and not self._closed:
            raise self._error
        raise StopIteration

    def _run(self) -> None:
        try:
            while True:
                with self._changed:  # first the room, then the item: none is held beyond `most`
                    self._changed.wait_for(lambda: len(self._ready) < self._most or self._closed)
                    if self._closed:
                        return
                item = next(self._items, None)
                if item is None:
                    return
                with self._changed:
                    self._ready.append(item)
                    self._changed.notify_all()
                del item
        except BaseException as error:  # surfaces where the items are taken
            self._error = error
        finally:
            self._items.close()
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def close(self) -> None:
        """Have the thread end with what it does now."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(seconds)


def _close(stop: threading.Event, *threads: _Ahead[Any]) -> None:
    stop.set()
    for thread in threads:
        thread.close()
    until = time.monotonic() + _CLOSING_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _decoded(
    blocks: Iterator[_Block], taken: int, decode: Decode, names: Sequence[str]
) -> Generator[tuple[_End, list[Decoded | Failed]], None, None]:
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


def shard_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of `count` shards in an epoch."""
    return _shuffle(count, (seed, _SHARDS, epoch))


def _shuffle(count: int, key: tuple[int, ...]) -> NDArray[np.int64]:
    """A shuffle of 0 to count - 1. Sorting raw Philox words gives the same one in every version of numpy."""
    words = np.random.Philox(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)


def _start(order: Order, *, epoch: int, used_in: int) -> Position:
    return Position(order, epoch, 0, ((0, 0),) * order.lanes, 0, used_in)


def _digest(shards: Sequence[str], options: SourceOptions) -> str:
    """Of addresses without passwords and queries, which may change while the shards stay the same."""
    digest = hashlib.sha256(repr((BLOCK_BYTES, options.image_column, options.label_column)).encode())
    for shard in shards:
        digest.update(redacted(shard).encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _check(position: Position, order: Order) -> None:
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
