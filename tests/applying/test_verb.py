"""`ganvas apply` from the command line: what is typed reaches the work, and what is wrong is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.applying import loading
from ganvas.cli import main
from ganvas.commands.applying import parse_memory, parse_tile
from ganvas.errors import UsageError
from ganvas.model import Model, ModelConfig
from ganvas.networks.table import build_generator
from stand_in_models import Config, StandIn, filling, identity, nearest, negative

MODELS = {"negative": negative(), "nearest2": nearest(2), "identity": identity(), "filling": filling()}


@pytest.fixture
def named_models(monkeypatch):
    """Stand-ins by name, in place of folders."""
    monkeypatch.setattr("ganvas.model.load", lambda path, device: MODELS[str(path)])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 30, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_a_folder_and_files_through_two_models(named_models, pictures, tmp_path, capsys):
    words = ["apply", "negative", str(pictures / "0.png"), str(pictures / "1.png"), "--then", "nearest2"]
    assert main([*words, "--then", "nearest2", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"2 files written to {tmp_path / 'out'}\n"
    with Image.open(tmp_path / "out" / "1.png") as image:
        assert image.size == (120, 80)
        found = np.asarray(image)
    np.testing.assert_array_equal(found[::4, ::4], 255 - np.asarray(Image.open(pictures / "1.png")))
    assert main([*words, "--then", "nearest2", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"0 files written to {tmp_path / 'out'}, 2 there already\n"


def test_what_failed_is_told_and_makes_the_exit_code_1(named_models, pictures, tmp_path, capsys):
    (pictures / "0.png").write_bytes(b"no picture")
    assert main(["apply", "negative", str(pictures), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert told.out == f"1 file written to {tmp_path / 'out'}, 1 failed\n"
    assert told.err == f"ganvas: {pictures / '0.png'}: not a picture\n"


def test_json_is_one_document(named_models, pictures, tmp_path, capsys):
    (pictures / "0.png").write_bytes(b"no picture")
    assert main(["apply", "negative", str(pictures), "--out", str(tmp_path / "out"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == [str(tmp_path / "out" / "1.png")]
    assert told["failed"] == [{"input": str(pictures / "0.png"), "reason": "not a picture"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["negative", "--out", "x"], "no pictures were given"),
        (["negative", "a.png", "--out", "x", "--tile", "big"], "--tile 'big': expected auto, none or a number"),
        (["negative", "a.png", "--out", "x", "--memory", "2"], "--memory '2': expected a size like 2GB or 800MB"),
        (["negative", "a.png", "--out", "x", "--direction", "BtoA"], "--direction BtoA: negative has no direction"),
        (["filling", "a.png", "--out", "x"], "this model fills holes: give --mask"),
        (["negative", "a.png", "--out", "x"], "there is no file a.png"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(named_models, words, message, capsys):
    assert main(["apply", *words]) == 2
    assert capsys.readouterr().err.startswith(f"ganvas: {message}")


def test_a_model_that_draws_from_noise_is_sent_to_sample(tmp_path, capsys):
    shape = {"resolution": (16, 16), "channels": 3, "z_dim": 16, "width": 8}
    torch.manual_seed(0)
    folder = Model(build_generator("dcgan", **shape, classes=0), ModelConfig(network="dcgan", **shape)).save(
        tmp_path / "model"
    )
    assert main(["apply", str(folder), "a.png", "--out", str(tmp_path / "out")]) == 2
    assert "draws pictures from noise: use `ganvas sample" in capsys.readouterr().err


def test_a_direction_is_asked_of_models_that_hold_both():
    class Both(StandIn):
        def towards(self, direction: str) -> StandIn:
            return StandIn(Config(direction=direction), lambda x: x)

    both = Both(Config(direction="AtoB"), lambda x: x)
    assert loading.as_painter(both, "m", None) is both
    assert loading.as_painter(both, "m", "AtoB") is both
    assert loading.as_painter(both, "m", "BtoA").config.direction == "BtoA"
    with pytest.raises(UsageError, match="--direction BtoA: m paints AtoB only"):
        loading.as_painter(StandIn(Config(direction="AtoB"), lambda x: x), "m", "BtoA")


def test_sizes_of_tiles_and_memory_are_read():
    assert [parse_tile(text) for text in ("auto", "none", "256")] == ["auto", "none", 256]
    assert [parse_memory(text) for text in ("2GB", "800mb", "1.5 GB")] == [2 * 10**9, 8 * 10**8, 15 * 10**8]
    with pytest.raises(UsageError, match="at least 100MB"):
        parse_memory("1MB")
