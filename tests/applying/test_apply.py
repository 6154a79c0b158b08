"""From files to files: what is kept, what is refused, what a second call does, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from ganvas.applying import writing
from ganvas.applying.apply import Applied, apply_to_files
from ganvas.applying.chain import Chain
from ganvas.applying.png import write_png
from ganvas.applying.reading import Facts, read
from ganvas.errors import GanvasError, UsageError
from stand_in_models import Config, StandIn, convolutions, filling, grey_to_colour, identity, nearest, negative


def picture(height: int = 20, width: int = 30, channels: int = 3, bits: int = 8, seed: int = 0) -> np.ndarray:
    dtype = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**bits, (height, width, channels)).astype(dtype)


def save(pixels: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_png(file, iter([pixels]), *pixels.shape, 8 * pixels.dtype.itemsize, Facts(), {})
    return path


def loaded(path: Path) -> np.ndarray:
    found = read(path, path.name)
    return found.colour if found.alpha is None else np.concatenate([found.colour, found.alpha[..., None]], axis=2)


def apply(models: StandIn | list[StandIn], inputs: list[Path], out: Path, **more: object) -> Applied:
    of_chain = {key: more.pop(key) for key in ("class_name", "tile", "memory", "batch") if key in more}
    chain = Chain(models if isinstance(models, list) else [models], **of_chain)
    return apply_to_files(chain, inputs, out, quiet=True, **more)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_network_that_changes_nothing_gives_back_every_bit(tmp_path, channels, bits):
    pixels = picture(channels=channels, bits=bits)
    source = save(pixels, tmp_path / "in" / "a.png")
    model = identity(1 if channels < 3 else 3)
    done = apply(model, [source], tmp_path / "out")
    assert done.written == [tmp_path / "out" / "a.png"]
    np.testing.assert_array_equal(loaded(done.written[0]), pixels)


def test_a_result_says_what_made_it(tmp_path):
    source = save(picture(), tmp_path / "a.png")
    (path,) = apply(negative(), [source], tmp_path / "out").written
    with Image.open(path) as image:
        assert image.text["model_sha256"] == "hash of negative 3"
        assert image.text["synthetic"] == "true"


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_is_enlarged_along_with_what_is_painted(tmp_path, bits):
    pixels = picture(channels=4, bits=bits)
    pixels[..., 3] = np.linspace(0, 2**bits - 1, 30).astype(pixels.dtype)
    source = save(pixels, tmp_path / "a.png")
    (path,) = apply(nearest(4), [source], tmp_path / "out").written
    result = loaded(path)
    np.testing.assert_array_equal(result[..., :3], pixels[..., :3].repeat(4, 0).repeat(4, 1))
    alpha = Image.fromarray(pixels[..., 3].astype(np.float32)).resize((120, 80), Image.Resampling.BICUBIC)
    wanted = np.asarray(alpha).clip(0, 2**bits - 1)
    assert np.abs(result[..., 3] - wanted).max() <= 0.51


def test_rows_of_alpha_are_those_of_the_whole_channel():
    alpha = picture(50, 40, 1)[..., 0]
    whole = Image.fromarray(alpha.astype(np.float32)).resize((160, 200), Image.Resampling.BICUBIC)
    rows = (np.zeros((n, 160, 3), np.uint8) for n in (64, 64, 5, 67))
    found = np.concatenate(list(writing.with_alpha(rows, alpha, 4)))[..., 3]
    np.testing.assert_array_equal(found, np.rint(np.asarray(whole).clip(0, 255)))


def test_a_network_of_four_channels_gets_alpha_itself(tmp_path):
    pixels = picture(channels=4)
    (path,) = apply(negative(4), [save(pixels, tmp_path / "a.png")], tmp_path / "out").written
    np.testing.assert_array_equal(loaded(path), 255 - pixels)
    (path,) = apply(identity(4), [save(pixels[..., :3], tmp_path / "b.png")], tmp_path / "out").written
    assert (loaded(path)[..., 3] == 255).all()


def test_channels_are_made_fit_where_nothing_is_lost(tmp_path):
    grey, colour = picture(channels=1), picture(channels=3)
    (path,) = apply(identity(3), [save(grey, tmp_path / "grey.png")], tmp_path / "out").written
    np.testing.assert_array_equal(loaded(path), grey.repeat(3, axis=2))
    (path,) = apply(grey_to_colour(), [save(grey.repeat(3, axis=2), tmp_path / "same.png")], tmp_path / "out").written
    np.testing.assert_array_equal(loaded(path)[..., 0], grey[..., 0])
    done = apply(grey_to_colour(), [save(colour, tmp_path / "colour.png")], tmp_path / "out")
    assert done.failed == [
        (str(tmp_path / "colour.png"), "is an RGB picture, this model takes grey ones: convert it first")
    ]


def test_only_the_hole_is_changed(tmp_path):
    pixels, mask = picture(70, 90, bits=16), np.zeros((70, 90, 1), np.uint8)
    mask[30:40, 35:70] = 255
    source, hole = save(pixels, tmp_path / "a.png"), save(mask, tmp_path / "m.png")
    for tile in ("none", 32):
        (path,) = apply(filling(), [source], tmp_path / f"out{tile}", mask=hole, tile=tile).written
        result = loaded(path)
        np.testing.assert_array_equal(result[mask[..., 0] == 0], pixels[mask[..., 0] == 0])
        assert (result[mask[..., 0] == 255] == 65535).all()


def test_tiles_without_a_hole_are_not_painted(tmp_path):
    pixels, mask = picture(32 * 8, 32 * 8), np.zeros((256, 256, 1), np.uint8)
    mask[5:8, 5:8] = 255
    model = filling()
    apply(model, [save(pixels, tmp_path / "a.png")], tmp_path / "o", mask=save(mask, tmp_path / "m.png"), tile=32)
    assert len(model.sizes) == 1


def test_masks_are_found_by_their_stem_and_checked(tmp_path):
    for name in ("a", "b", "sub/c"):
        save(picture(), tmp_path / "in" / f"{name}.png")
    mask = np.zeros((20, 30, 1), np.uint8)
    mask[3:5] = 255
    save(mask, tmp_path / "masks" / "a.png")
    save(mask[:, :7], tmp_path / "masks" / "b.png")
    with pytest.raises(UsageError, match="holds no mask named sub/c"):
        apply(filling(), [tmp_path / "in"], tmp_path / "out", mask=tmp_path / "masks")
    save(mask * 0, tmp_path / "masks" / "sub" / "c.png")
    done = apply(filling(), [tmp_path / "in"], tmp_path / "out", mask=tmp_path / "masks")
    assert [path.name for path in done.written] == ["a.png"]
    reasons = dict(done.failed)
    assert "is 30x20 pixels, its mask" in reasons[str(tmp_path / "in" / "b.png")]
    assert "7x20: make them one size" in reasons[str(tmp_path / "in" / "b.png")]
    assert "is empty: paint the hole white" in reasons[str(tmp_path / "in" / "sub" / "c.png")]


@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        ([filling()], {}, "this model fills holes: give --mask"),
        ([identity()], {"mask": Path("m.png")}, "this model fills no holes"),
        ([identity(1), identity(4)], {}, "model 2 takes RGBA pictures, model 1 before it paints grey ones"),
        ([StandIn(Config(in_channels=12), lambda x: x)], {}, "takes 12 channels, as of label maps"),
        ([identity()], {"class_name": "cat"}, "trained without classes"),
        ([StandIn(Config(class_names=("cat", "dog")), lambda x: x)], {}, "paints 2 classes: give --class NAME"),
        (
            [StandIn(Config(class_names=("cat", "dog")), lambda x: x)],
            {"class_name": "cow"},
            "knows 2 classes: cat, dog",
        ),
        ([identity()], {"tile": 8}, "--tile 8: this model needs tiles of at least 32 pixels"),
        ([identity()], {"batch": 0}, "--batch 0: give at least 1"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, models, more, message):
    source = save(picture(), tmp_path / "a.png")
    with pytest.raises(UsageError, match=message):
        apply(models, [source], tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_inputs_that_cannot_be_are_refused(tmp_path):
    a = save(picture(), tmp_path / "in" / "a.png")
    b = save(picture(), tmp_path / "other" / "A.png")
    with pytest.raises(UsageError, match="would both be written as A"):
        apply(identity(), [a, b], tmp_path / "out")
    with pytest.raises(UsageError, match=r"lies in .* whose pictures are read"):
        apply(identity(), [tmp_path / "in"], tmp_path / "in" / "out")
    with pytest.raises(UsageError, match="is read and would be written"):
        apply(identity(), [a], tmp_path / "in")
    with pytest.raises(UsageError, match=r"is read and would be written"):
        apply(identity(), [a], tmp_path / "in", overwrite=True)
    with pytest.raises(UsageError, match="there is no file"):
        apply(identity(), [tmp_path / "nothing.png"], tmp_path / "out")
    with pytest.raises(UsageError, match="no file matches"):
        apply(identity(), [tmp_path / "*.gif"], tmp_path / "out")
    with pytest.raises(UsageError, match="is one file, but there are 2 pictures"):
        apply(identity(), [a, save(picture(), tmp_path / "b.png")], tmp_path / "x.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GanvasError, match="holds no pictures"):
        apply(identity(), [tmp_path / "empty"], tmp_path / "out")


def test_folders_keep_their_sub_folders_and_patterns_are_unfolded(tmp_path):
    for name in ("2.png", "10.png", "x/2.png", ".hidden.png", "notes.txt"):
        save(picture(), tmp_path / "in" / name)
    done = apply(identity(), [tmp_path / "in"], tmp_path / "out")
    names = [path.relative_to(tmp_path / "out").as_posix() for path in done.written]
    assert names == ["2.png", "10.png", "x/2.png"]
    done = apply(identity(), [tmp_path / "in" / "*.png"], tmp_path / "out2")
    assert [path.name for path in done.written] == ["2.png", "10.png"]


def test_one_broken_picture_is_named_and_the_others_go_on(tmp_path):
    for name in ("a", "c"):
        save(picture(), tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "b.png").write_bytes((tmp_path / "in" / "a.png").read_bytes()[:300])
    done = apply(identity(), [tmp_path / "in"], tmp_path / "out")
    assert [path.name for path in done.written] == ["a.png", "c.png"]
    assert [(Path(name).name, reason) for name, reason in done.failed] == [("b.png", "truncated")]
    assert not (tmp_path / "out" / "b.png").exists()


def test_the_second_call_does_only_what_is_not_done(tmp_path):
    sources = [save(picture(seed=i), tmp_path / "in" / f"{i}.png") for i in range(3)]
    out = tmp_path / "out"
    assert len(apply(negative(), sources[:2], out).written) == 2
    model = negative()
    done = apply(model, sources, out)
    assert (len(done.written), done.there_already, len(model.sizes)) == (1, 2, 1)
    assert apply(negative(), sources, out, overwrite=True).there_already == 3


@pytest.mark.parametrize("change", ["model", "input", "output", "class", "foreign"])
def test_what_was_made_of_something_else_is_not_overwritten_unless_so_asked(tmp_path, change):
    source = save(picture(), tmp_path / "a.png")
    out, model, more = tmp_path / "out", negative(), {}
    if change == "class":
        model = StandIn(Config(class_names=("cat", "dog")), lambda x, labels: x, "classes")
        more = {"class_name": "cat"}
    if change == "foreign":
        save(picture(seed=5), out / "a.png")
    else:
        apply(model, [source], out, **more)
    if change == "model":
        model = identity()
    if change == "input":
        save(picture(seed=1), source)
    if change == "output":
        (out / "a.png").write_bytes((out / "a.png").read_bytes() + b"x")
    if change == "class":
        more = {"class_name": "dog"}
    before = (out / "a.png").read_bytes()
    with pytest.raises(UsageError, match=r"a\.png would be overwritten"):
        apply(model, [source], out, **more)
    assert (out / "a.png").read_bytes() == before
    assert len(apply(model, [source], out, overwrite=True, **more).written) == 1
    assert apply(model, [source], out, **more).there_already == 1


def test_a_cut_off_line_in_the_record_costs_only_itself(tmp_path):
    sources = [save(picture(seed=i), tmp_path / f"{i}.png") for i in range(2)]
    out = tmp_path / "out"
    apply(negative(), sources, out)
    record = out / "apply.jsonl"
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(lines[0] + lines[1][:40])
    with pytest.raises(UsageError, match=r"1\.png would be overwritten"):
        apply(negative(), sources, out)
    assert apply(negative(), sources, out, overwrite=True).there_already == 1
    assert apply(negative(), sources, out).there_already == 2


def test_one_file_may_be_named_as_the_result(tmp_path):
    source = save(picture(), tmp_path / "a.png")
    assert apply(identity(), [source], tmp_path / "new" / "b.png").written == [tmp_path / "new" / "b.png"]
    pytest.importorskip("tifffile")
    (path,) = apply(identity(), [source], tmp_path / "b.tif").written
    np.testing.assert_array_equal(loaded(path), loaded(source))
    with pytest.raises(UsageError, match="would be overwritten"):
        apply(identity(), [source], tmp_path / "b.tif")
    with pytest.raises(UsageError, match="is read and would be written"):
        apply(identity(), [source], source, overwrite=True)


def test_results_longer_than_a_png_should_be_are_tiled_tiff(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(writing, "LONGEST_PNG", 100)
    pixels = picture(20, 51)
    (path,) = apply(nearest(2), [save(pixels, tmp_path / "a.png")], tmp_path / "out").written
    assert path.name == "a.tif"
    np.testing.assert_array_equal(tifffile.imread(path), pixels.repeat(2, 0).repeat(2, 1))
    (path,) = apply(nearest(2), [save(pixels[:, :50], tmp_path / "b.png")], tmp_path / "out").written
    assert path.name == "b.png"


def test_models_in_a_row_multiply_their_scales_and_lose_no_bits_between(tmp_path):
    pixels = picture(40, 36)
    source = save(pixels, tmp_path / "a.png")
    halved = StandIn(Config(), lambda x: (x + 1) / 64 - 1, "darker")  # into a 64th of the range and back
    doubled = StandIn(Config(), lambda x: (x + 1) * 64 - 1, "brighter")
    (path,) = apply([halved, nearest(2), doubled, nearest(2)], [source], tmp_path / "out", tile=32).written
    np.testing.assert_array_equal(loaded(path), pixels.repeat(4, 0).repeat(4, 1))


def test_a_batch_gives_what_single_pictures_give(tmp_path):
    sizes = [(20, 30)] * 5 + [(30, 20)] * 2 + [(20, 30)]
    for i, size in enumerate(sizes):
        save(picture(*size, seed=i), tmp_path / "in" / f"{i}.png")
    together, alone = convolutions(2, scale=2), convolutions(2, scale=2)
    for model, batch in ((together, 4), (alone, 1)):
        done = apply(model, [tmp_path / "in"], tmp_path / f"out{batch}", batch=batch)
        assert len(done.written) == 8
    assert [size[0] for size in together.sizes] == [4, 1, 2, 1]
    for i in range(8):
        one, other = (loaded(tmp_path / f"out{batch}" / f"{i}.png").astype(int) for batch in (1, 4))
        assert np.abs(one - other).max() <= 1


def test_a_class_is_painted_by_its_number(tmp_path):
    model = StandIn(
        Config(class_names=("black", "white")), lambda x, labels: x * 0 + (2.0 * labels - 1)[:, None, None, None]
    )
    source = save(picture(), tmp_path / "a.png")
    for name, level in (("white", 255), ("0", 0)):
        (path,) = apply(model, [source], tmp_path / name, class_name=name).written
        assert (loaded(path) == level).all()


def test_two_calls_do_not_write_to_one_folder_at_once(tmp_path):
    from ganvas.applying.apply import _alone

    source = save(picture(), tmp_path / "a.png")
    with _alone(tmp_path / "out"), pytest.raises(GanvasError, match="another `ganvas apply` is writing"):
        apply(identity(), [source], tmp_path / "out")
    assert FileLock  # the lock is the operating system's: it goes with the process


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from stand_in_models import Config, StandIn
from ganvas.applying.apply import apply_to_files
from ganvas.applying.chain import Chain

def paint(x):
    time.sleep(0.02)
    return -x

model = StandIn(Config(), paint, "slow")
apply_to_files(Chain([model], tile=32), [Path({source!r})], Path({out!r}), quiet=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_leaves_no_half_picture_and_the_next_call_goes_on(tmp_path):
    for i in range(6):
        save(picture(100, 100, seed=i), tmp_path / "in" / f"{i}.png")
    out = tmp_path / "out"
    script = SLOW.format(tests=str(Path(__file__).parents[1]), source=str(tmp_path / "in"), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script], env=dict(os.environ))
    try:
        ends = time.monotonic() + 300
        # Killed in the middle of a picture: two are whole, and a third is being written.
        while len(list(out.glob("*.png"))) < 2 or not list(out.glob("*.tmp-*")):
            assert time.monotonic() < ends, "nothing was written"
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.wait()
    whole = sorted(out.glob("*.png"))
    assert 2 <= len(whole) < 6
    for path in whole:
        np.testing.assert_array_equal(loaded(path), 255 - loaded(tmp_path / "in" / path.name))
    assert list(out.glob("*.tmp-*"))
    model = StandIn(Config(), lambda x: -x, "slow")
    done = apply(model, [tmp_path / "in"], out, tile=32)
    assert (done.there_already, len(done.written)) == (len(whole), 6 - len(whole))
    assert sorted(path.name for path in out.iterdir()) == [*(f"{i}.png" for i in range(6)), "apply.jsonl"]


def test_the_record_tells_of_what_a_file_was_made(tmp_path):
    source = save(picture(), tmp_path / "a.png")
    apply([negative(), identity()], [source], tmp_path / "out")
    (line,) = (tmp_path / "out" / "apply.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["file"] == "a.png"
    assert entry["models"] == ["hash of negative 3", "hash of identity 3"]
    assert len(entry["input"]) == len(entry["sha256"]) == 64


def test_memory_that_is_not_enough_is_said(tmp_path):
    source = save(picture(300, 300), tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"the smallest tile of 32 pixels needs about .* give a larger --memory"):
        apply(convolutions(2), [source], tmp_path / "out", memory=1000)
    assert not list((tmp_path / "out").glob("*.png"))


def test_large_pictures_are_divided_by_what_the_memory_allows():
    from ganvas.applying.memory import Need, fitting

    model, need = convolutions(2), Need(per_pixel=1000)
    assert fitting(model, need, 500, 500, left=1e9) is None
    few, many = (fitting(model, need, 5000, 5000, left=left) for left in (5e8, 1.2e9))
    assert few is not None
    assert many is not None
    assert 32 <= few.tile < many.tile <= 1024
    assert need.bytes(model, few.tile, few.tile, 5000) <= 5e8


def test_what_a_tile_takes_is_found_by_trying():
    from ganvas.applying.memory import measure

    def hungry(x: torch.Tensor) -> torch.Tensor:
        held = x.repeat(1, 64, 1, 1) + 1  # 3 * 64 * 4 bytes for each pixel, touched
        time.sleep(0.05)
        return held[:, :3] - 1

    found = measure(StandIn(Config(), hungry), None)
    assert 700 < found.per_pixel < 2500
