"""`ganvas augment` as a user types it, with the discriminator of a real run; and the one line for what cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from made_up_generators import Known
from PIL import Image

import ganvas
from example_pictures import bars
from ganvas import augmenting
from ganvas.cli import main
from ganvas.games.engine import Engine
from ganvas.model import Model, ModelConfig
from ganvas.settings import build_settings
from ganvas.training.checkpoint import save_checkpoint
from ganvas.training.looked_through import unlearned_maps
from ganvas.training.plan import write_settings
from ganvas.training.run_discriminator import load_discriminator
from ganvas.training.run_folder import RunFolder
from ganvas.training.state import TrainState

SETTINGS = {"width": 8, "z_dim": 8, "batch": 8, "judge_samples": 64, "images": 32, "quiet": True}


def standing_or_lying(label, rng):
    """[1, 12, 12] uint8: as the pictures of `bars_npz`."""
    images, labels = bars(2, seed=int(rng.integers(1 << 30)))
    return images[labels == label]


@pytest.fixture
def run(bars_npz, tmp_path):
    """A run of a few steps on 48 pictures of each of two classes, apart from its generator."""
    return ganvas.train(bars_npz, out=tmp_path / "run", **SETTINGS).path


@pytest.fixture
def able(monkeypatch):
    """The generators of runs draw fresh real pictures, as if they had been trained for long."""

    def load(path, device):
        return Model(Known(standing_or_lying, classes=2), ganvas.load(path, device).config)

    monkeypatch.setattr(augmenting, "load_generator", load)


@pytest.fixture
def uneven(tmp_path):
    """12 lying and 30 standing bars in class folders, as many of each class as it says."""
    images, labels = bars(60, seed=3)
    for label, count in ((0, 12), (1, 30)):
        folder = tmp_path / "uneven" / str(label)
        folder.mkdir(parents=True)
        for i, image in enumerate(images[labels == label][:count]):
            Image.fromarray(image).save(folder / f"{i}.png")
    return tmp_path / "uneven"


def refused(capsys, *words):
    code = main([str(w) for w in words])
    said = capsys.readouterr()
    assert said.err.count("\n") == 1, said.err
    return code, said.err


def test_a_set_of_the_runs_own_data(run, able, tmp_path, capsys):
    out = tmp_path / "set"
    capsys.readouterr()
    assert main(["augment", str(run), "--out", str(out), "--per-class", "20", "--seeds", "0", "--json"]) == 0
    said = capsys.readouterr().out
    document = json.loads(said)
    assert (document["schema"], document["pictures"], document["folder"]) == (1, 40, str(out))
    assert [row["kept"] for row in document["classes"]] == [20, 20]
    assert document["origin"]["discriminator"] == 32
    assert document["origin"]["trained_on_data"] is True
    assert document["gain"] == "it was not asked for (--seeds 0)"
    assert len(list(out.glob("*/*.png"))) == 40
    assert main(["augment", str(run), "--out", str(out), "--per-class", "20", "--seeds", "0"]) == 0  # it is there
    said = capsys.readouterr().out
    assert said.splitlines()[0].split() == ["class", "real", "wanted", "kept", "drawn"]
    assert "Kept: 40 of" in said
    assert "The gain was not measured: it was not asked for" in said
    again = ganvas.augment(run, out=out, per_class=20, seeds=0)
    assert json.loads(json.dumps(again.to_json())) == {k: v for k, v in document.items() if k != "folder"}


def test_other_data_with_a_short_class(run, able, uneven, tmp_path, monkeypatch):
    monkeypatch.setattr("ganvas.synthetic.gain.default_pictures", lambda _net, _count: 128)
    monkeypatch.setattr("ganvas.synthetic.gain.FEWEST_TESTED", 4)
    found = ganvas.augment(run, data=uneven, out=tmp_path / "set", seeds=2, keep=1, tries=100)
    assert [(row.name, row.real, row.wanted) for row in found.classes] == [("0", 12, 18), ("1", 30, 0)]
    assert found.classes[0].kept == 18
    assert found.origin.discriminator is None
    assert (found.gain.set_aside, found.gain.test_pictures) == (True, 4)
    assert "whether the generator has seen them in training is not known" in found.words
    assert "Of the short classes (0; 1 test pictures): no gain" in found.words
    assert "How often the classifier that looks at them is right is not known" in found.words
    weak = replace(found, origin=replace(found.origin, classifier_accuracy=0.486))
    assert "takes 51.4 % of real pictures for another class, too" in weak.words


def test_what_cannot_be_is_one_line(run, able, bars_npz, bars_folder, uneven, tmp_path, capsys, monkeypatch):
    capsys.readouterr()
    out = tmp_path / "set"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    (uneven / "0").rename(uneven / "none")
    for words, code, message in (
        ([run, "--out", out], 2, "no class is short, each of the 2 has 48 real pictures: say how many are wanted"),
        ([run, "--out", out, "--per-class", "5", "--ratio", "1"], 2, "give one of them"),
        ([run, "--out", out, "--keep", "0"], 2, "--keep 0: give a share above 0 and up to 1"),
        ([run, "--out", out, "--seeds", "1"], 2, "--seeds 1: give 2 to 100 classifiers"),
        ([run, "--out", out, "--tries", "0"], 2, "--tries 0"),
        ([run, "--out", out, "--real-share", "1.5"], 2, "--real-share 1.5"),
        ([run, "--per-class", "5"], 2, "--out"),
        ([run, "--out", tmp_path / "mine", "--per-class", "5"], 2, "already holds other files"),
        ([run / "model", "--out", out, "--per-class", "5"], 1, "--keep 1"),
        ([tmp_path / "nowhere", "--out", out], 1, "there is no folder"),
        ([run, "--data", bars_folder, "--out", out], 1, "(unlabelled: no class folders)"),
        ([run, "--data", uneven, "--out", out], 1, "draws the classes 0, 1, but"),
        ([run, "--data", bars_npz, "--out", tmp_path / "f" / "x", "--ratio", "0"], 2, "--ratio 0"),
    ):
        found = refused(capsys, "augment", *words)
        assert (found[0], message in found[1]) == (code, True), (words, found)
    assert not out.exists()


def test_a_generator_and_data_without_classes_are_refused(bars_folder, tmp_path, capsys):
    run = ganvas.train(bars_folder, out=tmp_path / "run", **SETTINGS).path
    code, said = refused(capsys, "augment", run, "--out", tmp_path / "set")
    assert code == 1
    assert "has no classes (unlabelled: no class folders), so none can be short and no gain be measured" in said
    assert "give --data with labelled pictures" in said


def test_a_run_without_checkpoints_needs_to_do_without_d(run, tmp_path, capsys):
    shutil.rmtree(run / "checkpoints")
    code, said = refused(capsys, "augment", run, "--out", tmp_path / "set", "--per-class", "5")
    assert code == 1
    assert "holds no checkpoint that loads, so no discriminator: --keep 1 does without the filter" in said


def test_generated_pictures_are_not_put_among_the_real_ones(run, able, uneven, capsys):
    code, said = refused(capsys, "augment", run, "--data", uneven, "--out", uneven / "more")
    assert code == 2
    assert "lies among the real pictures" in said


@pytest.mark.parametrize("network", ["fast", "dcgan", "projected", "progressive"])
def test_the_discriminator_of_a_run_is_the_one_that_was_trained(network, tmp_path):
    words = {"network": network, "width": 8, "z_dim": 8, "batch": 8, "resolution": (16, 16), "channels": 1}
    norms = {"fast": "none", "dcgan": "batch", "projected": "spectral", "progressive": "none"}
    settings = build_settings({**words, "d_norm": norms[network]})
    names = {"class_names": ("a", "b"), "class_shares": (0.5, 0.5)}
    config = ModelConfig(network=network, resolution=(16, 16), channels=1, z_dim=8, width=8, **names)
    features = unlearned_maps(network, 1, (16, 16))
    if features is not None:
        for parameter in features.parameters():
            parameter.data.mul_(1.5)  # as if it had learned
    state = TrainState.create(settings, config, Engine(torch.device("cpu")), features=features)
    state.images = 640
    folder = RunFolder(tmp_path)
    save_checkpoint(folder.checkpoints, state.to_checkpoint(), best=True)
    write_settings(folder.settings, "fast", settings)
    folder.write_facts({})
    D, images, _ = load_discriminator(tmp_path, config, torch.device("cpu"))
    assert images == 640
    assert not D.training
    pictures, labels = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        torch.testing.assert_close(D(pictures, labels), state.game.D.eval()(pictures, labels))


def test_help_does_not_wait_for_torch():
    check = "import sys, ganvas.cli as c; code = c.main(['augment', '--help']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for word in ("--per-class", "--keep", "--real-share", "--seeds", "CARD.md"):
        assert word in done.stdout
