"""The order of a stream: complete, disjoint between processes, the same everywhere, resumed exactly; its threads."""

from __future__ import annotations

import gc
import io
import json
import random
import tarfile
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.decoders import Failed
from ganvas.data.shards import shuffled_blocks
from ganvas.data.shards import stream as streams
from ganvas.data.shards.order import Position
from ganvas.data.shards.remote import ShardError
from ganvas.data.shards.shard import Sample
from ganvas.data.shards.stream import Decoded, SampleStream, first_samples
from ganvas.errors import GanvasError, UsageError


def make_shards(folder: Path, counts: list[int]) -> list[str]:
    """Shards of so many samples; sample number n over all of them has the key n and the picture n."""
    shards, first = [], 0
    for i, count in enumerate(counts):
        with tarfile.open(folder / f"{i}.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            for number in range(first, first + count):
                for ending, data in (("jpg", b"%d" % number), ("cls", b"%d" % (number % 3))):
                    info = tarfile.TarInfo(f"{number:06d}.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        shards.append(str(folder / f"{i}.tar"))
        first += count
    return shards


def decode(samples: list[Sample]) -> list[np.ndarray | Failed]:
    """[1, 1, 1] uint16: the number of the sample; every tenth cannot be used."""
    numbers = [int(sample.picture) for sample in samples]
    return [Failed("x", "ends in 9") if n % 10 == 9 else np.full((1, 1, 1), n, np.uint16) for n in numbers]


def decode_all(samples: list[Sample]) -> list[np.ndarray]:
    return [np.full((1, 1, 1), int(sample.picture), np.uint16) for sample in samples]


def numbers(taken: list[Decoded]) -> list[int]:
    return [int(one.pixels[0, 0, 0]) for one in taken]


def test_a_taken_picture_has_pixels_name_class_and_columns(tmp_path):
    (shard,) = make_shards(tmp_path, [1])
    with SampleStream([shard], seed=0, decode=decode) as stream:
        (one,) = stream.take(1)
    assert (one.name, one.label, one.columns) == (f"{shard}/000000", 0, {})
    assert one.pixels.tolist() == [[[0]]]


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("counts", [[7], [5, 1, 0, 8], [4] * 11])
def test_an_epoch_holds_every_sample_once_over_all_processes(tmp_path, counts, world):
    shards = make_shards(tmp_path, counts)
    for epoch in range(2):
        seen: list[int] = []
        for rank in range(world):
            with SampleStream(shards, seed=3, rank=rank, world=world, block=4, lanes=2, decode=decode_all) as stream:
                while stream.position().epoch <= epoch:
                    taken = numbers(stream.take(1))
                    seen += taken if stream.position().used_in == epoch else []
        assert sorted(seen) == list(range(sum(counts)))


def test_samples_of_short_shards_do_not_all_go_to_one_process(tmp_path):
    shards = make_shards(tmp_path, [1, 1, 1])
    counts = []
    for rank in range(4):
        with SampleStream(shards, seed=3, rank=rank, world=4, decode=decode_all) as stream:
            stream.take(1)
            counts.append(int(stream.position().used_in == 0))
            assert stream.position().epoch > 0  # it had no second one
    assert sorted(counts) == [0, 1, 1, 1]


def test_epochs_are_shuffled_each_in_its_own_way_by_the_seed_alone(tmp_path):
    shards = make_shards(tmp_path, [25] * 4)

    def two_epochs(seed: int, lanes: int = 4) -> tuple[list[int], list[int]]:
        with SampleStream(shards, seed=seed, block=50, lanes=lanes, decode=decode_all) as stream:
            return numbers(stream.take(100)), numbers(stream.take(100))

    first, second = two_epochs(1)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert two_epochs(1) == (first, second)
    assert two_epochs(2)[0] != first
    assert two_epochs(1, lanes=3)[0] != first
    # Lanes: the first block holds half of each of the four shards, not all of two of them.
    assert sorted(Counter(n // 25 for n in first[:50]).values()) == [12, 12, 13, 13]


def test_the_order_is_this_one_on_any_machine(tmp_path):
    shards = make_shards(tmp_path, [4, 4, 4])
    with SampleStream(shards, seed=5, block=6, lanes=2, decode=decode_all) as stream:
        assert numbers(stream.take(14)) == [2, 9, 0, 8, 10, 1, 4, 11, 6, 7, 5, 3, 4, 5]


@pytest.mark.parametrize(("rank", "world"), [(0, 1), (1, 2), (3, 9)])
def test_a_stream_goes_on_exactly_from_any_position(tmp_path, rank, world):
    shards = make_shards(tmp_path, [10, 3, 17, 0, 8, 21, 1])
    damaged = Path(shards[4])
    damaged.write_bytes(damaged.read_bytes()[:5000])  # of eight samples two are left

    def opened(position: Position | None = None) -> SampleStream:
        return SampleStream(shards, seed=5, rank=rank, world=world, block=7, lanes=3, decode=decode, position=position)

    with opened() as stream:
        whole = numbers(stream.take(150))  # more than two epochs
    dice = random.Random(rank)
    resumed: list[int] = []
    position = None
    while len(resumed) < 150:
        with opened(position) as stream:
            for _ in range(dice.randint(1, 3)):
                resumed += numbers(stream.take(dice.randint(0, 13)))
            position = Position.from_json(json.loads(json.dumps(stream.position().to_json())))
    assert resumed[:150] == whole


def test_samples_of_every_kind_are_left_out_and_counted(tmp_path):
    shards = make_shards(tmp_path, [10, 20])
    Path(shards[0]).write_bytes(b"no tar")
    with SampleStream(shards, seed=0, block=64, decode=decode) as stream:
        assert sorted(numbers(stream.take(18))) == [n for n in range(10, 30) if n % 10 != 9]
        stream.take(1)
        assert stream.skipped == {"ends in 9": stream.skipped.total()}
        assert f"{shards[1]}/000019" in stream.skipped_names
        assert stream.problems == [(shards[0], "cut off after 0 samples: the rest is left out")]


def test_an_epoch_without_a_usable_picture_ends_the_stream(tmp_path):
    shards = make_shards(tmp_path, [5])

    def useless(samples: list[Sample]) -> list[Failed]:
        return [Failed(sample.key, "blank") for sample in samples]

    with (
        SampleStream(shards, seed=0, block=2, decode=useless) as stream,
        pytest.raises(GanvasError, match=r"hold no picture that can be used by process 0 of 1 \(blank\): expected"),
    ):
        stream.take(1)
    assert stream.position().epoch == 1
    Path(shards[0]).write_bytes(b"no tar")
    with (
        SampleStream(shards, seed=0, decode=decode) as stream,
        pytest.raises(GanvasError, match=r"process 0 of 1 \(.*0.tar: cut off after 0 samples"),
    ):
        stream.take(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, r"seed differ \(seed 1 then, 2 now\)"),
        ({"world": 2}, r"number of processes differ \(world 1 then, 2 now\)"),
        (
            {"block": 8, "lanes": 5},
            r"block and lanes differ \(block 4 then, 8 now, lanes 4 then, 5 now\): use the same",
        ),
        ({"shards": ["other.tar"]}, r"number of shards and addresses of shards \(or columns\) differ"),
    ],
)
def test_positions_of_other_streams_are_refused(tmp_path, change, message):
    shards = make_shards(tmp_path, [3, 3])
    first = {"shards": shards, "seed": 1, "world": 1, "block": 4, "lanes": 4, "decode": decode}
    with SampleStream(**first) as stream:
        stream.take(2)
        position = stream.position()
    with pytest.raises(GanvasError, match=message):
        SampleStream(**{**first, **change}, position=position)


def test_queries_of_addresses_may_change_between_runs():
    """Signed addresses expire."""
    streams_of = [SampleStream([f"memory://nothing/a.tar?signature={i}"], seed=0, decode=decode) for i in range(2)]
    for stream in streams_of:
        stream.close()
    assert streams_of[0].position() == streams_of[1].position()


def test_what_is_no_position_is_refused():
    position = {"order": {}, "epoch": 0, "block": 0, "lanes": [], "taken": 0, "used_in": -1}
    order = {"shards": 1, "digest": "", "seed": 0, "rank": 0, "world": 1, "block": 1, "lanes": 1}
    for content in (None, [], {}, position, {**position, "order": order, "epoch": -1}, {**position, "order": 3}):
        with pytest.raises(GanvasError, match="is not a position in a stream of shards: give what to_json made"):
            Position.from_json(content)
    assert Position.from_json({**position, "order": order}).to_json() == {**position, "order": order}


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"rank": 1}, {"block": 0}, {"lanes": 0}, {"world": 0}])
def test_numbers_that_cannot_be_are_refused(arguments):
    with pytest.raises(UsageError, match="cannot be: seed is at least 0"):
        SampleStream(["a.tar"], **{"seed": 0, "decode": decode, **arguments})
    with pytest.raises(UsageError, match="no shards to stream"):
        SampleStream([], seed=0, decode=decode)


def test_errors_of_the_threads_surface_where_pictures_are_taken(tmp_path):
    with SampleStream([str(tmp_path / "a.tar")], seed=0, decode=decode) as stream:
        for _ in range(2):
            with pytest.raises(ShardError, match=r"a.tar cannot be read"):
                stream.take(1)

    def broken(samples: list[Sample]) -> list[np.ndarray]:
        raise ZeroDivisionError("in decode")

    with (
        SampleStream(make_shards(tmp_path, [3]), seed=0, decode=broken) as stream,
        pytest.raises(ZeroDivisionError, match="in decode"),
    ):
        stream.take(1)
    with (
        SampleStream(make_shards(tmp_path, [3]), seed=0, decode=lambda samples: []) as stream,
        pytest.raises(RuntimeError, match="decode gave 0 results for 3 samples"),
    ):
        stream.take(1)


def running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ganvas-shards")]


def test_threads_end_when_the_stream_is_closed_or_forgotten(tmp_path):
    shards = make_shards(tmp_path, [50])
    stream = SampleStream(shards, seed=0, block=4, decode=decode)
    stream.take(3)
    assert len(running()) == 2
    position = stream.position()
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 1
    assert running() == []
    assert stream.position() == position
    with pytest.raises(GanvasError, match="this stream of shards is closed: make a new one from its position"):
        stream.take(100)
    stream = SampleStream(shards, seed=0, block=4, decode=decode)
    stream.take(3)
    del stream
    gc.collect()
    assert running() == []


def test_closing_does_not_wait_for_the_pause_before_another_try(tmp_path, monkeypatch):
    waiting = threading.Event()

    def never(address, start, options, *, step, shard, problems, sleep):
        waiting.set()
        sleep(60)
        yield from ()

    monkeypatch.setattr(shuffled_blocks, "read_shard", never)
    stream = SampleStream(["a.tar"], seed=0, decode=decode)
    assert waiting.wait(5)
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 1
    assert running() == []


def test_one_block_is_read_ahead_and_no_more(tmp_path, monkeypatch):
    """Of blocks of 10: one is decoded and waits, one is being decoded, one is read."""
    read: list[int] = []
    original = shuffled_blocks.read_shard

    def counted(*arguments, **settings):
        for sample in original(*arguments, **settings):
            read.append(sample.place)
            yield sample

    monkeypatch.setattr(shuffled_blocks, "read_shard", counted)
    monkeypatch.setattr(streams, "DECODED_AHEAD", 1)
    with SampleStream(make_shards(tmp_path, [200]), seed=0, block=10, decode=decode_all) as stream:
        stream.take(1)
        time.sleep(0.2)
        assert len(read) == 30


def test_a_block_ends_at_its_limit_of_bytes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(shuffled_blocks, "BLOCK_BYTES", 6)
    shards = make_shards(tmp_path, [9])  # pictures of one byte
    with SampleStream(shards, seed=0, decode=decode_all) as stream:
        assert sorted(numbers(stream.take(6))) == [0, 1, 2, 3, 4, 5]
        assert (stream.position().epoch, stream.position().block) == (0, 1)


def test_memory_stays_flat_over_many_samples(tmp_path):
    shards = make_shards(tmp_path, [400]) * 40  # the same shard again and again

    def tiny(samples: list[Sample]) -> list[np.ndarray]:
        return [np.zeros((1, 1, 1), np.uint8)] * len(samples)

    with SampleStream(shards, seed=0, block=256, decode=tiny) as stream:
        stream.take(2000)
        tracemalloc.start()
        try:
            peaks = []
            for _ in range(3):
                tracemalloc.reset_peak()
                for _ in range(16):
                    stream.take(64)
                peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert max(peaks) < 3_000_000
    assert peaks[2] < 1.5 * peaks[1]


def test_first_samples_come_from_shards_all_over_the_list(tmp_path):
    shards = make_shards(tmp_path, [10] * 9)
    assert [int(s.picture) for s in first_samples(shards, 6, most_shards=3)] == [0, 1, 40, 41, 80, 81]
    assert [s.shard for s in first_samples(shards, 3, most_shards=3)] == [0, 4, 8]
    assert len(first_samples(shards, 1000)) == 90
    assert first_samples(shards, 0) == []


def test_first_samples_make_up_for_short_shards(tmp_path):
    shards = make_shards(tmp_path, [20, 0, 1, 20])
    found = first_samples(shards, 30)
    assert len({s.picture for s in found}) == 30
    assert Counter(s.shard for s in found) == {0: 14, 2: 1, 3: 15}
