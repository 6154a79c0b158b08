"""Videos frame by frame: sound, times and colours stay; flicker is measured; a kill leaves no half file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ganvas.applying import video
from ganvas.applying.apply import apply_to_files
from ganvas.applying.chain import Chain
from stand_in_models import Config, StandIn, filling, identity, nearest

av = pytest.importorskip("av")

COUNT = 24


def frames(count: int = COUNT, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A coloured ramp that moves by two pixels a frame."""
    across = np.linspace(0, 255, width + 2 * count)
    return [
        np.stack(
            [
                np.broadcast_to(across[2 * i : 2 * i + width], (height, width)),
                np.broadcast_to(np.linspace(255, 0, height)[:, None], (height, width)),
                np.full((height, width), 60 + 3 * i),
            ],
            axis=2,
        ).astype(np.uint8)
        for i in range(count)
    ]


def film(
    path: Path,
    pictures: list[np.ndarray],
    *,
    sound: str | None = "aac",
    rate: Fraction = Fraction(24),
    times: list[int] | None = None,
    base: Fraction | None = None,
    colorspace: int | None = None,
) -> Path:
    """H.264 with a tone of one pitch for its length."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this build of PyAV cannot write H.264")
    path.parent.mkdir(parents=True, exist_ok=True)
    base = base or 1 / rate
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], "yuv420p"
        stream.codec_context.time_base = base
        if colorspace:
            stream.codec_context.colorspace = colorspace
        tone = out.add_stream(sound, rate=48000) if sound else None
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=colorspace or 5, dst_color_range="MPEG")
            frame.pts, frame.time_base = (times[i] if times else i), base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if tone is not None:
            wave = np.sin(np.arange(48000 * len(pictures) // 24) * 2 * np.pi * 440 / 48000).astype(np.float32)
            fifo = av.AudioFifo()
            samples = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 48000, 0
            resampler = av.AudioResampler(format=tone.codec_context.format.name, layout="stereo", rate=48000)
            for part in resampler.resample(samples):
                fifo.write(part)
            for part in fifo.read_many(1024, partial=True):
                out.mux(tone.encode(part))
            out.mux(tone.encode(None))
    return path


def decoded(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    with av.open(str(path)) as container:
        found = list(container.decode(video=0))
        pictures = [frame.to_ndarray(format="rgb24", dst_color_range="JPEG") for frame in found]
        return pictures, [frame.pts * frame.time_base for frame in found]


def sound_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(audio=0) if p.size]


def apply(model: StandIn, source: Path, out: Path, **more: object):
    tile = more.pop("tile", "auto")
    return apply_to_files(Chain([model], tile=tile), [source], out, quiet=True, **more)


def test_sound_times_and_colours_stay_as_they_were(tmp_path):
    source = film(tmp_path / "a.mp4", frames())
    done = apply(identity(), source, tmp_path / "out")
    assert done.written == [tmp_path / "out" / "a.mp4"]
    assert not done.failed
    (before, times), (after, new_times) = decoded(source), decoded(done.written[0])
    assert new_times == times
    assert np.abs(np.stack(after).astype(int) - np.stack(before)).mean() < 2
    assert sound_packets(done.written[0]) == sound_packets(source)
    with av.open(str(source)) as old, av.open(str(done.written[0])) as new:
        assert new.streams.video[0].time_base == old.streams.video[0].time_base
        assert new.streams.video[0].average_rate == old.streams.video[0].average_rate == 24
        assert new.streams.video[0].codec_context.name == "h264"


def test_frames_of_uneven_times_keep_them(tmp_path):
    times = list(np.cumsum([1, 5, 2, 9, 1, 1, 7, 3, 4, 2]) * 37)
    source = film(tmp_path / "a.mp4", frames(10), sound=None, times=times, base=Fraction(1, 1000))
    done = apply(identity(), source, tmp_path / "out")
    assert decoded(done.written[0])[1] == decoded(source)[1]
    assert next(iter(done.filmed.values())).sound == ""


@pytest.mark.parametrize("colorspace", [1, 6])
def test_the_matrix_of_colours_is_kept(tmp_path, colorspace):
    source = film(tmp_path / "a.mp4", frames(6), colorspace=colorspace)
    (path,) = apply(identity(), source, tmp_path / "out").written
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.colorspace == colorspace
    assert np.abs(np.stack(decoded(path)[0]).astype(int) - np.stack(decoded(source)[0])).mean() < 2


def test_a_video_is_enlarged(tmp_path):
    source = film(tmp_path / "a.mp4", frames(6))
    (path,) = apply(nearest(2), source, tmp_path / "out", tile=32).written
    before, after = decoded(source)[0], decoded(path)[0]
    assert after[0].shape == (96, 128, 3)
    assert np.abs(after[3][::2, ::2].astype(int) - before[3]).mean() < 4


def test_odd_sides_are_made_even_and_that_is_said(tmp_path):
    if "ffv1" not in av.codecs_available:
        pytest.skip("no codec with odd sides here")
    odd = tmp_path / "c.mkv"
    with av.open(str(odd), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 41, 31, "bgr0"
        for picture in frames(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:31, :41]), format="rgb24")))
        out.mux(stream.encode(None))
    done = apply(identity(), odd, tmp_path / "out")
    assert decoded(done.written[0])[0][0].shape == (32, 42, 3)
    assert "its last row or column is repeated" in done.notes[0]


def test_flicker_is_what_changes_more_between_frames_than_before(tmp_path):
    still = [np.full((48, 64, 3), 100, np.uint8)] * 10
    source = film(tmp_path / "a.mp4", still, sound=None)
    count = iter(range(100))
    flickering = StandIn(Config(), lambda x: x + (next(count) % 2) * 20 / 127.5, "flickering")
    done = apply(flickering, source, tmp_path / "out", tile="none")
    (filmed,) = done.filmed.values()
    assert filmed.change_before == pytest.approx(0, abs=0.3)
    assert filmed.flicker == pytest.approx(20, abs=0.5)
    assert "10 frames, libx264, no sound; " in filmed.words()
    assert "flicker +20.0" in filmed.words()
    (line,) = (tmp_path / "out" / "apply.jsonl").read_text().splitlines()
    assert json.loads(line)["flicker"] == pytest.approx(20, abs=0.5)


def test_sound_that_mp4_does_not_take_is_kept_in_matroska(tmp_path):
    source = film(tmp_path / "a.mkv", frames(6), sound="pcm_s16le")
    ((_, reason),) = apply(identity(), source, tmp_path / "x.mp4").failed
    assert reason == "its sound cannot be kept in .mp4: give --out with .mkv, or a folder"
    (path,) = apply(identity(), source, tmp_path / "out").written
    assert path.name == "a.mkv"
    assert [data for _, data in sound_packets(path)] == [data for _, data in sound_packets(source)]


def test_where_h264_cannot_be_written_mpeg4_is(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_ENCODERS", video._ENCODERS[1:])
    source = film(tmp_path / "a.mp4", frames(6))
    done = apply(identity(), source, tmp_path / "out")
    (filmed,) = done.filmed.values()
    assert filmed.codec == "mpeg4"
    assert len(decoded(done.written[0])[0]) == 6
    assert [float(t) for t in decoded(done.written[0])[1]] == pytest.approx([i / 24 for i in range(6)])


def test_holes_of_a_video_are_filled_in_every_frame(tmp_path):
    source = film(tmp_path / "a.mp4", frames(5))
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:40] = 255
    from PIL import Image

    Image.fromarray(mask).save(tmp_path / "m.png")
    (path,) = apply(filling(), source, tmp_path / "out", mask=tmp_path / "m.png").written
    for before, after in zip(decoded(source)[0], decoded(path)[0], strict=True):
        assert after[12:28, 22:38].min() > 245
        assert np.abs(after[32:].astype(int) - before[32:]).mean() < 3


def test_a_video_that_is_cut_off_is_named_and_nothing_is_written(tmp_path):
    source = film(tmp_path / "a.mp4", frames())
    source.write_bytes(source.read_bytes()[:3000])
    done = apply(identity(), source, tmp_path / "out")
    ((name, reason),) = done.failed
    assert (name, "damaged" in reason) == (str(source), True)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from stand_in_models import Config, StandIn
from ganvas.applying.apply import apply_to_files
from ganvas.applying.chain import Chain

def paint(x):
    time.sleep(0.05)
    return x

apply_to_files(Chain([StandIn(Config(), paint, "slow")], tile="none"), [Path({source!r})], Path({out!r}), quiet=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_leaves_no_half_video(tmp_path):
    source, out = film(tmp_path / "a.mp4", frames(60)), tmp_path / "out"
    script = SLOW.format(tests=str(Path(__file__).parents[1]), source=str(source), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script], env=dict(os.environ))
    try:
        ends = time.monotonic() + 300
        while not list(out.glob("a.mp4.tmp-*")):
            assert time.monotonic() < ends, "nothing was begun"
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    finally:
        process.wait()
    assert [path.name.split(".tmp-")[0] for path in out.iterdir()] == ["a.mp4"]
    assert not (out / "a.mp4").exists()
    done = apply(identity(), source, out)
    assert len(decoded(done.written[0])[0]) == 60
    assert sorted(path.name for path in out.iterdir()) == ["a.mp4", "apply.jsonl"]
