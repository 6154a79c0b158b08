"""Runs on pictures of other kinds: streamed, medical, with alpha, one side of pairs; and what the checkup leaves."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image
from test_train import TINY, equal, tensors_of

import ganvas
from example_pictures import bars
from ganvas.errors import UsageError
from ganvas.training.checkpoint import list_checkpoints
from medical_examples import make_dicom_series, make_nifti


@pytest.fixture
def shards(tmp_path):
    """Three tars of 20, 30 and 14 labelled pictures, one of them broken."""
    images, labels = bars(64)
    place = 0
    for number, count in enumerate((20, 30, 14)):
        with tarfile.open(tmp_path / f"bars-{number}.tar", "w") as archive:
            for i in range(place, place + count):
                picture = io.BytesIO()
                Image.fromarray(images[i]).save(picture, "PNG")
                data = b"broken" if i == 33 else picture.getvalue()
                for extension, content in (("png", data), ("cls", str(labels[i]).encode())):
                    member = tarfile.TarInfo(f"{i:04d}.{extension}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
            place += count
    return f"{tmp_path}/bars-{{0..2}}.tar"


@pytest.mark.parametrize("more", [{}, {"mirror": True}, {"n_critic": 2, "turns": "alternating"}])
def test_a_streamed_run_resumes_exactly(shards, tmp_path, more):
    settings = {"recipe": "fast", "seed": 1, "stream": True, "checkpoint_every": 96, **more, **TINY}
    straight = ganvas.train(shards, out=tmp_path / "straight", images=224, **settings)
    shutil.copytree(straight.path, tmp_path / "parts")
    shutil.rmtree(list_checkpoints(tmp_path / "parts" / "checkpoints")[-1])
    resumed = ganvas.train(shards, out=tmp_path / "parts", resume=True, quiet=True)
    assert [e["images"] for e in resumed.stats if e["event"] == "resumed"] == [192]
    assert equal(tensors_of(straight), tensors_of(resumed))
    other = ganvas.train(shards, out=tmp_path / "other", images=224, **{**settings, "seed": 2})
    assert not equal(tensors_of(straight), tensors_of(other))


def test_a_streamed_run_knows_its_classes_and_its_reference(shards, tmp_path):
    run = ganvas.train(shards, out=tmp_path / "run", images=32, stream=True, recipe="fast", **TINY)
    facts = json.loads((run.path / "run.json").read_text())
    assert facts["pictures"]["classes"] == ["0", "1"]
    assert any("streamed from 3 shards" in note for note in facts["pictures"]["notes"])
    assert facts["pictures"]["skipped"] == [["1/13/0033", "not a picture"]]


def test_what_is_no_shard_is_not_streamed(bars_folder, tmp_path):
    with pytest.raises(UsageError, match="only shards"):
        ganvas.train(str(bars_folder / "000.png"), out=tmp_path / "run", stream=True, images=8, **TINY)


def test_alpha_is_trained_as_a_channel_when_asked(tmp_path):
    folder = tmp_path / "discs"
    folder.mkdir()
    for i, image in enumerate(bars(24)[0]):
        Image.fromarray(np.stack([image, image, image, 255 - image], axis=2)).save(folder / f"{i}.png")
    run = ganvas.train(folder, out=tmp_path / "run", images=16, channels=4, recipe="fast", **TINY)
    pictures = run.model.sample(seeds=range(2))
    assert pictures.shape == (2, 12, 12, 4)
    with Image.open(run.path / "samples" / "final.png") as sheet:
        assert sheet.mode == "RGBA"
    plain = ganvas.train(folder, out=tmp_path / "plain", images=16, recipe="fast", **TINY)
    assert plain.model.sample(seeds=range(2)).shape[3] in (1, 3)


def test_pairs_are_refused_without_a_side_and_trained_with_one(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for i, image in enumerate(bars(24)[0]):
        Image.fromarray(np.concatenate([image, 255 - image], axis=1)).save(folder / f"{i}.png")
    with pytest.raises(UsageError, match="add --side A or --side B"):
        ganvas.train(folder, out=tmp_path / "none", images=16, pairs="side-by-side", recipe="fast", **TINY)
    run = ganvas.train(folder, out=tmp_path / "b", images=16, pairs="side-by-side", side="B", recipe="fast", **TINY)
    assert run.model.config.resolution == (12, 12)
    store = ganvas.prepare(folder, tmp_path / "store", pairs="side-by-side", quiet=True)
    assert (store.channels, store.sides) == (2, (1, 1))
    np.testing.assert_array_equal(store.images[:, 1], 255 - store.images[:, 0])
    again = ganvas.train(tmp_path / "store", out=tmp_path / "s", images=16, side="B", recipe="fast", **TINY)
    assert equal(tensors_of(run), tensors_of(again))


def test_a_prepared_folder_is_trained_on_as_it_is(bars_npz, tmp_path):
    store = ganvas.prepare(bars_npz, tmp_path / "store", quiet=True)
    run = ganvas.train(tmp_path / "store", out=tmp_path / "run", images=16, recipe="fast", **TINY)
    facts = json.loads((run.path / "run.json").read_text())
    assert facts["fingerprint"] == store.fingerprint
    assert facts["store"] == str(tmp_path / "store")


def test_an_array_in_memory_is_a_source(tmp_path):
    run = ganvas.train(bars(24)[0], out=tmp_path / "run", images=16, recipe="fast", **TINY)
    assert run.model.config.resolution == (12, 12)


def test_every_run_leaves_its_checkup_and_says_the_worst_of_it(bars_folder, tmp_path, capsys):
    (bars_folder / "copy.png").write_bytes((bars_folder / "001.png").read_bytes())
    (bars_folder / "broken.png").write_bytes(b"no picture")
    run = ganvas.train(bars_folder, out=tmp_path / "run", images=16, recipe="fast", **{**TINY, "quiet": False})
    found = json.loads((run.path / "checkup.json").read_text())
    assert {"unreadable", "duplicates"} <= {finding["kind"] for finding in found["findings"]}
    assert "broken.png" in (run.path / "checkup.html").read_text()
    said = capsys.readouterr().out
    assert "problem: 1 picture of 42 cannot be read (not a picture); training skips" in said


@pytest.mark.parametrize("kind", ["dicom", "nifti"])
def test_medical_volumes_train_and_come_back_out_as_pictures_of_16_bits(kind, tmp_path):
    pytest.importorskip("pydicom")
    pytest.importorskip("nibabel")
    source = make_dicom_series(tmp_path / "ct") if kind == "dicom" else make_nifti(tmp_path / "volume.nii.gz")
    run = ganvas.train(source, out=tmp_path / "run", images=64, recipe="fast", slices="all", **TINY)
    assert run.model.config.bits == 16
    pictures = run.model.sample(seeds=range(4))
    assert pictures.dtype == np.uint16
    assert (pictures % 257 != 0).any()  # more than 8 bits in disguise
    from ganvas.draw import draw_folder

    folder = draw_folder(run.model, tmp_path / "out", [0, 1])
    with Image.open(sorted(folder.glob("*.png"))[0]) as picture:
        assert picture.mode.startswith("I")
        np.testing.assert_array_equal(np.asarray(picture, np.uint16), pictures[0, ..., 0])
