"""Runs that are held to the features of a network that the user names."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluation.backbones import vgg19
from ganvas.games import perceivers
from ganvas.games.perceivers import find_perceiver
from ganvas.settings import build_settings
from ganvas.training.checkpoint import list_checkpoints, load_newest_checkpoint

TINY = {
    "width": 4, "d_width": 4, "batch": 4, "resolution": 16, "images": 24, "checkpoint_every": 12, "judge_samples": 16,
    "quiet": True,
}  # fmt: skip
EYES = """
import torch
from torch import nn

def maps():
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3))

def other_weights():
    network = maps()
    nn.init.constant_(network[0].bias, WEIGHT)
    return network

def number():
    return 7

def blind():
    return nn.Conv2d(5, 4, 3)

def total():
    return nn.Sequential(nn.Flatten(0))
"""


@pytest.fixture(scope="module", autouse=True)
def eyes(tmp_path_factory):
    """A module of the user's."""
    folder = tmp_path_factory.mktemp("eyes")
    (folder / "users_eyes.py").write_text(EYES)
    sys.path.insert(0, str(folder))
    import users_eyes

    users_eyes.WEIGHT = 0.0
    yield users_eyes
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(24):
        blocks = np.random.default_rng(i).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(blocks.repeat(4, 0).repeat(4, 1)).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def first_stage(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    return ganvas.train(photos, task="restore", degrade="lowres:2", network_options=("blocks=1",), out=out, **TINY)


@pytest.fixture
def untrained_vgg(monkeypatch):
    """VGG-19 with weights that were drawn instead of fetched."""

    def drawn():
        generator = torch.Generator().manual_seed(0)
        return {
            name: 0.05 * torch.randn(tensor.shape, generator=generator)
            for name, tensor in vgg19.Vgg19().state_dict().items()
        }

    monkeypatch.setattr(perceivers, "vgg19_weights", lambda file: drawn())


def test_a_run_by_a_network_of_the_user_s_resumes_exactly_and_says_which_it_was(photos, first_stage, tmp_path):
    words = {"recipe": "esrgan", "init_from": str(first_stage.path), "perceptual": "users_eyes:maps", **TINY}
    straight = ganvas.train(photos, out=tmp_path / "straight", **words)
    ganvas.train(photos, out=tmp_path / "parts", **words)
    newest = list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    resumed = ganvas.train(photos, out=tmp_path / "parts", resume=True, quiet=True)
    found, expected = (load_newest_checkpoint(run.path / "checkpoints")[0].tensors for run in (resumed, straight))
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert "perceptual: users_eyes:maps" in (straight.path / "settings.yaml").read_text()
    facts = json.loads((straight.path / "run.json").read_text())
    assert facts["perceptual"]["name"] == "users_eyes:maps"
    assert len(facts["perceptual"]["sha256"]) == 64


def test_a_run_does_not_go_on_with_other_weights_of_the_same_name(photos, first_stage, tmp_path, eyes, monkeypatch):
    words = {"recipe": "esrgan", "init_from": str(first_stage.path), "perceptual": "users_eyes:other_weights", **TINY}
    run = ganvas.train(photos, out=tmp_path / "run", **words)
    before = (run.path / "run.json").read_bytes()
    monkeypatch.setattr(eyes, "WEIGHT", 1.0)
    with pytest.raises(
        GanvasError, match="--perceptual users_eyes:other_weights gives other weights than when the run"
    ):
        ganvas.train(photos, out=tmp_path / "run", resume=True, images=48, quiet=True)
    assert (run.path / "run.json").read_bytes() == before


def test_pairs_too_can_be_held_to_features(photos, tmp_path):
    (tmp_path / "pairs").mkdir()
    for path in photos.iterdir():
        picture = np.asarray(Image.open(path))
        Image.fromarray(np.concatenate([255 - picture, picture], axis=1)).save(tmp_path / "pairs" / path.name)
    words = {"task": "translate", "perceptual_weight": 2.0, **TINY}
    run = ganvas.train(tmp_path / "pairs", out=tmp_path / "run", **words)
    assert any("perceptual" in event for event in run.stats)
    assert "perceptual" not in json.loads((run.path / "run.json").read_text())  # learned from the data


def test_vgg19_compares_what_its_layers_give_before_relu(untrained_vgg):
    a, b = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    net = vgg19.load_vgg19(perceivers.vgg19_weights(None), "it", ("conv1_2", "conv5_4"))
    (early_a, late_a), (early_b, late_b) = net(a), net(b)
    one, many = find_perceiver("vgg19", (3, 16, 16)), find_perceiver("vgg19-multi", (3, 16, 16))
    torch.testing.assert_close(one(a, b), (late_a - late_b).abs().mean((1, 2, 3)))
    assert (many(a, b) > one(a, b) + 0.1 * (early_a - early_b).abs().mean((1, 2, 3))).all()
    assert one(a, a).tolist() == many(a, a).tolist() == [0, 0]
    a.requires_grad_(True)
    b.requires_grad_(True)
    one(a, b).sum().backward()
    assert a.grad.abs().sum() > 0
    assert b.grad is None
    assert all(p.grad is None for p in one.parameters())


def test_vgg19_is_tried_before_it_is_fetched(photos, first_stage, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    words = ["--recipe", "esrgan", "--init-from", str(first_stage.path), "--perceptual", "vgg19", "--resolution", "16"]
    assert main(["train", str(photos), *words, "--images", "8", "--batch", "2", "--threads", "1", "--dry-run"]) == 0
    assert "--perceptual vgg19" in capsys.readouterr().out
    with pytest.raises(GanvasError, match=r"vgg19 is not here and cannot be downloaded .*or use --perceptual own"):
        ganvas.train(
            photos, recipe="esrgan", init_from=str(first_stage.path), perceptual="vgg19", out=tmp_path / "run", **TINY
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"perceptual": "vgg16"}, "--perceptual 'vgg16': did you mean vgg19"),
        ({"perceptual": "vgg19:"}, "there are own, vgg19, vgg19-multi, vgg19:FILE and package.module:function"),
        ({"perceptual": "own:file"}, "there are own"),
        ({"perceptual": "vgg19", "perceptual_weight": 0}, "is of no use without --perceptual-weight"),
        ({"game": "cycle", "task": "unpaired", "degrade": None}, "--perceptual-weight needs targets"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_once(cells, message):
    fitting = {"task": "restore", "game": "paired", "network": "srresnet", "degrade": "noise", "perceptual_weight": 1}
    with pytest.raises(UsageError, match=message):
        build_settings({**fitting, **cells})


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("vgg19", (3, 8, 64), "from 16 pixels a side on, not 8x64 with 3 channels"),
        ("vgg19-multi", (2, 32, 32), "not 32x32 with 2 channels"),
        ("users_eyes:number", (3, 16, 16), "returned int, expected an nn.Module"),
        ("users_eyes:nothing", (3, 16, 16), "has no function 'nothing'"),
        ("users_eyes:blind", (3, 16, 16), r"cannot take pictures \[2, 3, 16, 16\]"),
        ("users_eyes:total", (3, 16, 16), r"gave \[1536\] for 2 pictures, expected maps"),
        ("no_such_module:maps", (3, 16, 16), "cannot be imported"),
    ],
)
def test_networks_that_cannot_compare_these_pictures_are_refused_in_one_line(name, shape, message):
    with pytest.raises(UsageError, match=message) as error:
        find_perceiver(name, shape)
    assert "\n" not in str(error.value)
