"""Videos: every frame is exactly the one its name says, in any order; what is damaged, hidden or no video is told."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ganvas.data.decode import PictureError
from ganvas.data.options import SourceOptions
from ganvas.data.video import container
from ganvas.data.video.source import VideoSource, is_video, open_video
from ganvas.errors import GanvasError, UsageError

av = pytest.importorskip("av")

ALL = SourceOptions(frames_every=1)
LEVEL = 8  # frame i of a test video is grey of level 8 * i


def write(
    path: Path,
    codec: str,
    count: int = 30,
    *,
    pixels: str = "yuv420p",
    size: tuple[int, int] = (32, 16),
    fps: int = 30,
    b_frames: int = 0,
    rotation: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: str | None = None,
    array_format: str = "rgb24",
    frames: list[np.ndarray] | None = None,
) -> Path:
    """A video whose key frames come every 10 frames. size is (width, height)."""
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV cannot write {codec}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if frames is None:
        frames = [np.full((size[1], size[0], 3), LEVEL * i, np.uint8) for i in range(count)]
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, pixels, 10
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.options = options or {}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for i, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format=array_format)
            frame.pts, frame.time_base = i, Fraction(1, fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def scene(count: int) -> list[np.ndarray]:
    """[48, 64, 3] each, moving, so that each frame builds on the one before."""
    field = np.random.default_rng(0).integers(0, 256, (25, 16, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    return [field[i : i + 48] for i in range(count)]


def opened(path: Path, options: SourceOptions = ALL) -> VideoSource:
    return open_video(path.name, path, options)


def number_in(source: VideoSource, index: int) -> int:
    """Which frame of a test video it is, from its level."""
    return round(float(source.read(index).mean()) / LEVEL)


OPEN_GOP = {"x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
X264 = {"x264-params": "b-adapt=0"}


@pytest.mark.parametrize(
    ("file", "codec", "more"),
    [
        ("b_frames.mp4", "libx264", {"b_frames": 3, "options": X264}),
        ("b_frames.mkv", "libx264", {"b_frames": 3, "options": X264}),
        ("open_gop.mkv", "libx264", {"b_frames": 3, "options": OPEN_GOP}),
        ("no_times.avi", "libx264", {"b_frames": 3, "options": X264}),
        ("transport.mpg", "libx264", {"b_frames": 3, "options": X264, "container": "mpegts"}),
        ("program.mpg", "mpeg2video", {"b_frames": 2, "options": {"qmin": "1", "qmax": "1"}}),
        ("b_frames.avi", "mpeg4", {"b_frames": 2, "options": {"qmin": "1", "qmax": "1"}}),
        ("plain.mov", "mjpeg", {"pixels": "yuvj420p"}),
        ("hidden_frames.webm", "libvpx-vp9", {"options": {"lag-in-frames": "16", "auto-alt-ref": "1"}}),
        ("lossless.mkv", "ffv1", {"pixels": "bgr0"}),
    ],
)
def test_every_frame_is_the_one_its_name_says_forward_backward_and_in_any_order(tmp_path, file, codec, more):
    source = opened(write(tmp_path / file, codec, **more))
    assert list(source.names) == [f"{file}[{i:06d}]" for i in range(30)]
    orders = [list(range(30)), list(range(30))[::-1], random.Random(1).sample(range(30), 30), [7, 7]]
    for order in orders:
        assert [number_in(source, i) for i in order] == order
    assert source.in_order


def test_about_two_frames_a_second_are_taken_unless_said_otherwise(tmp_path):
    path = write(tmp_path / "clip.mp4", "mpeg4", 24, fps=8, options={"qmin": "1", "qmax": "1"})
    source = opened(path, SourceOptions())
    assert list(source.names) == [f"clip.mp4[{i:06d}]" for i in (0, 4, 8, 12, 16, 20)]
    assert [number_in(source, i) for i in range(6)] == [0, 4, 8, 12, 16, 20]
    assert source.notes == ("1 frame in 4 is used, about 2 a second (frames-every chooses another number): 6 of 24",)
    assert opened(path).notes == ("every frame is used: 24 of 24",)
    tenth = opened(path, SourceOptions(frames_every=10))
    assert list(tenth.names) == ["clip.mp4[000000]", "clip.mp4[000010]", "clip.mp4[000020]"]
    assert len({source.fingerprint, tenth.fingerprint, opened(path).fingerprint}) == 3
    with pytest.raises(UsageError, match="frames-every 0 cannot be"):
        opened(path, SourceOptions(frames_every=0))


def test_the_fingerprint_follows_the_file(tmp_path):
    path = write(tmp_path / "clip.mp4", "mpeg4", 3)
    before = opened(path).fingerprint
    assert opened(path).fingerprint == before
    os.utime(path, ns=(0, 1))
    assert opened(path).fingerprint != before


def test_colours_come_as_they_were_put_in(tmp_path):
    red = np.zeros((16, 32, 3), np.uint8)
    red[:, :16] = (200, 30, 40)
    source = opened(write(tmp_path / "clip.mkv", "ffv1", pixels="bgr0", frames=[red]))
    np.testing.assert_array_equal(source.read(0), red)


def test_pictures_are_turned_as_players_turn_them(tmp_path):
    corner = np.zeros((16, 32, 3), np.uint8)
    corner[:4, :8] = 255  # white at the top left
    for rotation, place in ((90, "bottom left"), (180, "bottom right"), (-90, "top right")):
        path = write(tmp_path / f"{rotation}.mp4", "libx264", rotation=rotation, frames=[corner], options={"crf": "1"})
        source = opened(path)
        picture, header = source.read(0), source.header(0)
        assert picture.shape == ((16, 32, 3) if rotation == 180 else (32, 16, 3))
        assert (header.height, header.width) == picture.shape[:2]
        corners = {
            "top left": picture[0, 0, 0],
            "top right": picture[0, -1, 0],
            "bottom left": picture[-1, 0, 0],
            "bottom right": picture[-1, -1, 0],
        }
        assert [name for name, level in corners.items() if level > 128] == [place]


def test_odd_sizes_stay_odd(tmp_path):
    source = opened(write(tmp_path / "clip.mkv", "ffv1", 2, size=(31, 17)))
    assert source.read(1).shape == (17, 31, 3)
    assert (source.header(1).height, source.header(1).width) == (17, 31)


def test_grey_stays_grey_and_sixteen_bits_stay_sixteen(tmp_path):
    grey = np.arange(512, dtype=np.uint8).reshape(16, 32)
    source = opened(write(tmp_path / "8.mkv", "ffv1", pixels="gray", array_format="gray", frames=[grey]))
    np.testing.assert_array_equal(source.read(0), grey[..., None])
    assert (source.header(0).channels, source.header(0).bits) == (1, 8)
    deep = np.arange(512, dtype=np.uint16).reshape(16, 32) * np.uint16(128)
    source = opened(write(tmp_path / "16.mkv", "ffv1", pixels="gray16le", array_format="gray16le", frames=[deep]))
    np.testing.assert_array_equal(source.read(0), deep[..., None])
    assert (source.header(0).channels, source.header(0).bits) == (1, 16)
    colour = np.stack([deep, deep // 2, deep // 4], axis=2)
    source = opened(write(tmp_path / "48.mkv", "ffv1", pixels="gbrp16le", array_format="rgb48le", frames=[colour]))
    np.testing.assert_array_equal(source.read(0), colour)


def test_what_is_changed_or_left_is_told(tmp_path):
    source = opened(write(tmp_path / "deep.mkv", "ffv1", 2, pixels="yuv420p10le"))
    assert source.read(0).dtype == np.uint8
    assert source.notes[1:] == ("deep.mkv: colours of more than 8 bits are read as 8",)
    source = opened(write(tmp_path / "wide.mp4", "mpeg4", 2, aspect=Fraction(4, 3)))
    assert source.read(0).shape == (16, 32, 3)
    assert source.notes[1:] == ("wide.mp4: pixels are 4:3, not square: kept as they are",)


def test_a_folder_gives_classes_splits_and_one_group_for_each_video(tmp_path):
    for name in ("train/cat/1.mp4", "train/cat/2.mp4", "train/dog/1.mp4", "test/dog/2.mp4"):
        write(tmp_path / "set" / name, "mpeg4", 5)
    (tmp_path / "set" / "notes.txt").write_text("no video")
    (tmp_path / "set" / ".hidden.mp4").write_bytes(b"")
    source = opened(tmp_path / "set")
    assert list(source.names[::5]) == [
        "test/dog/2.mp4[000000]",
        "train/cat/1.mp4[000000]",
        "train/cat/2.mp4[000000]",
        "train/dog/1.mp4[000000]",
    ]
    assert source.class_names == ("cat", "dog")
    assert source.labels.tolist() == [1] * 5 + [0] * 10 + [1] * 5
    assert source.held_out.tolist() == [True] * 5 + [False] * 15
    assert source.groups.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    assert [number_in(source, i) for i in (0, 19, 3)] == [0, 4, 3]


def test_files_of_a_folder_that_are_no_videos_are_left_out_and_named(tmp_path):
    write(tmp_path / "set" / "good.mp4", "mpeg4", 3)
    (tmp_path / "set" / "empty.mp4").write_bytes(b"")
    (tmp_path / "set" / "text.mkv").write_bytes(b"no video at all")
    source = opened(tmp_path / "set")
    assert len(source.names) == 3
    assert source.notes[1].startswith("left out: empty.mp4 is empty")
    assert source.notes[1].endswith("and 1 more")
    (tmp_path / "set" / "good.mp4").unlink()
    with pytest.raises(GanvasError, match=r"set: none of its 2 videos can be used \(empty\.mp4 is empty"):
        opened(tmp_path / "set")
    (tmp_path / "none").mkdir()
    with pytest.raises(GanvasError, match=r"none: it holds no videos: give a folder with \.avi, \.m4v"):
        opened(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nhttp://example.invalid/1.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>',
    ],
)
def test_a_playlist_or_script_named_as_a_video_is_not_followed(tmp_path, text):
    clip = write(tmp_path / "clip.mp4", "mpeg4", 3)
    (tmp_path / "trap.mp4").write_text(text.format(clip=clip))
    with pytest.raises(GanvasError, match=r"trap\.mp4 does not begin as MP4, QuickTime, Matroska"):
        opened(tmp_path / "trap.mp4")


def test_sound_without_pictures_is_refused(tmp_path):
    with av.open(str(tmp_path / "song.mkv"), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        output.mux(stream.encode(sound))
        output.mux(stream.encode(None))
    with pytest.raises(GanvasError, match=r"song\.mkv holds no video, only sound"):
        opened(tmp_path / "song.mkv")


def test_frames_beyond_the_limit_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = write(tmp_path / "clip.mp4", "mpeg4", 2)
    monkeypatch.setattr(container, "LARGEST_PIXELS", 511)  # one less than 32 x 16
    with pytest.raises(GanvasError, match="limit"):
        opened(path)
    path = write(tmp_path / "clip.mkv", "libx264", 2)
    with pytest.raises(GanvasError, match="declares frames of 32x16 pixels, more than the"):
        opened(path)


def test_a_video_that_is_cut_off_gives_the_frames_it_has(tmp_path):
    path = write(tmp_path / "clip.avi", "mjpeg", frames=scene(20), size=(64, 48), pixels="yuvj420p")
    whole = opened(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = opened(path)
    assert 0 < len(source.names) < 20
    assert f"clip.avi: 20 frames are declared but {len(source.names)} are there: is it cut off?" in source.notes
    path.write_bytes(data)
    last = len(source.names) - 2  # the very last one may be half there
    np.testing.assert_array_equal(source.read(last), whole.read(last))


def test_pictures_that_end_long_before_the_video_are_told_of(tmp_path):
    path = write(tmp_path / "clip.mkv", "mjpeg", frames=scene(40), size=(64, 48), pixels="yuvj420p", fps=4)
    assert opened(path).notes == ("every frame is used: 40 of 40",)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = opened(path)
    assert 15 <= len(source.names) <= 25
    assert source.notes[1].startswith("clip.mkv: lasts 10 s, its pictures only ")


def test_damage_costs_its_frames_and_those_that_build_on_them_but_no_others(tmp_path):
    options = {"x264-params": "bframes=0:scenecut=0"}
    path = write(tmp_path / "clip.mkv", "libx264", frames=scene(30), size=(64, 48), options=options)
    whole = opened(path)
    wanted = [whole.read(i) for i in range(30)]
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    start, size = places[13]
    data[start + 8 : start + size] = b"\xff" * (size - 8)
    path.write_bytes(data)
    source, lost = opened(path), []
    for i in [*range(30), *range(29, -1, -1)]:
        try:
            picture = source.read(i)
        except PictureError:
            lost.append(i)
            continue
        np.testing.assert_array_equal(picture, wanted[i])
    assert sorted(set(lost)) == list(range(13, 20))  # up to the next key frame


def test_no_damage_ends_in_anything_but_a_message(tmp_path):
    path = write(tmp_path / "clip.mp4", "mpeg4", 12, b_frames=1)
    data = path.read_bytes()
    chance = random.Random(5)
    for trial in range(60):
        damaged = bytearray(data)
        if trial % 2:
            del damaged[chance.randrange(len(data)) :]
        else:
            for _ in range(10):
                damaged[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            source = opened(path)
            for i in range(len(source.names)):
                with contextlib.suppress(PictureError):
                    assert source.read(i).ndim == 3
        except GanvasError:
            pass


def test_a_file_that_goes_away_costs_its_frames_only(tmp_path):
    path = write(tmp_path / "clip.mp4", "mpeg4", 3)
    source = opened(path)
    path.unlink()
    with pytest.raises(PictureError, match=r"clip\.mp4\[000001\]: the video .*No such file"):
        source.read(1)


def test_without_pyav_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GanvasError, match=r'reading videos needs av, .* pip install "ganvas\[data\]"'):
        opened(tmp_path / "clip.mp4")


def test_progress_ends_at_the_size_of_the_file(tmp_path):
    path = write(tmp_path / "clip.mp4", "mpeg4", 3)
    calls: list[tuple[str, int, int]] = []
    open_video("clip", path, ALL, lambda *call: calls.append(call))
    assert calls[-1] == ("clip.mp4", path.stat().st_size, path.stat().st_size)


def test_videos_are_known_by_their_suffix():
    assert is_video(Path("a/b.MP4"))
    assert is_video(Path("b.webm"))
    assert not is_video(Path("b.gif"))
    assert not is_video(Path("mp4"))
