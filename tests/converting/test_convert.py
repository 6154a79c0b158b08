"""Weights of others become model folders that paint what the published networks paint."""

import json
import pickle

import numpy as np
import published_networks as published
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError, UsageError
from ganvas.hashing import sha256_of
from ganvas.networks.painter_table import build_painter

UNIT, TANH = "colours in [0, 1]", "colours in [-1, 1]"


def rrdb(**more):
    return published.drawn(published.RrdbNet(**more), spread=0.5)


def resnet(**more):
    return published.by_picture(published.drawn(published.ResnetGenerator(**more)))


def unet(*depth, **more):
    return published.by_picture(published.drawn(published.UnetGenerator(*depth, **more)))


# name -> the published network, its state dict as files have it, what its colours are, height and width of a picture
CASES = {
    "RRDBNet x4": (rrdb(), None, UNIT, (11, 9)),
    "RRDBNet x4, ESRGAN's first names": (rrdb(), lambda s: published.old_names(s, 2, 2), UNIT, (9, 11)),
    "RRDBNet x4, ESRGAN's second names": (rrdb(), published.middle_names, UNIT, (8, 8)),
    "RRDBNet x2, folded": (rrdb(unshuffle=2), None, UNIT, (10, 14)),
    "RRDBNet x1, folded": (rrdb(unshuffle=4), None, UNIT, (12, 16)),
    "RRDBNet x2, ESRGAN's first names": (rrdb(ups=1), lambda s: published.old_names(s, 2, 1), UNIT, (7, 7)),
    "RRDBNet x1, ESRGAN's first names": (rrdb(ups=0), lambda s: published.old_names(s, 2, 0), UNIT, (7, 7)),
    "RRDBNet x8, grey": (rrdb(ups=3, channels=1, blocks=1), None, UNIT, (5, 6)),
    "MSRResNet x4": (published.drawn(published.MsrResNet(), spread=0.7), None, UNIT, (9, 7)),
    "MSRResNet x3": (published.drawn(published.MsrResNet(scale=3), spread=0.7), None, UNIT, (9, 7)),
    "SRVGGNetCompact x4": (published.drawn(published.SrvggNetCompact()), None, UNIT, (9, 7)),
    "resnet_6blocks": (resnet(), None, TANH, (32, 24)),
    "resnet_9blocks, running statistics": (resnet(blocks=9, norm="instance-running"), None, TANH, (32, 32)),
    "resnet_6blocks, BatchNorm, dropout": (resnet(norm="batch", dropout=True), None, TANH, (32, 32)),
    "resnet_6blocks, grey to RGB": (resnet(channels=(1, 3), dropout=True), None, TANH, (32, 32)),
    "CUT": (resnet(blocks=9, antialias=True), None, TANH, (32, 40)),
    "unet_128, BatchNorm": (unet(7), None, TANH, (128, 128)),
    "unet_256, BatchNorm": (unet(8, width=2), None, TANH, (256, 256)),
    "unet_128, InstanceNorm": (unet(7, norm="instance"), None, TANH, (128, 256)),
}


def saved(network, renamed, path):
    """The file as others would have written it."""
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.save((renamed or dict)(state), path)
    return path


@pytest.mark.parametrize("name", CASES)
def test_a_converted_model_paints_what_the_published_network_paints(name, tmp_path):
    network, renamed, colours, size = CASES[name]
    converted = ganvas.convert(saved(network, renamed, tmp_path / "net.pth"), tmp_path / "model")
    model = ganvas.load(tmp_path / "model", "cpu")
    channels = model.config.in_channels
    picture = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        expected = 2 * network((picture + 1) / 2) - 1 if colours == UNIT else network(picture)
    found = model.paint(picture)
    assert found.shape == expected.shape
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert model.config.scale == expected.shape[2] // size[0]
    assert name.split(",")[0].split()[0].lower() in converted.words.lower()
    assert ("BatchNorm" in converted.note) == ("BatchNorm" in name)


@pytest.fixture
def small(tmp_path):
    """A small ESRGAN at scale 2 as a file."""
    return saved(rrdb(ups=1, blocks=1), None, tmp_path / "small.pth")


def test_wrapped_prefixed_and_half_precise_weights_are_found_the_averaged_ones_first(small, tmp_path):
    state = torch.load(small, weights_only=True)
    other = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    torch.save({"params": other, "params_ema": state, "iter": 5}, tmp_path / "wrapped.pth")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "parallel.pt")
    save_file({name: tensor.half() for name, tensor in state.items()}, tmp_path / "half.safetensors")
    expected = ganvas.convert(small, tmp_path / "plain").model
    picture = torch.linspace(-1, 1, 3 * 8 * 8).view(1, 3, 8, 8)
    for file, tolerance in (("wrapped.pth", 0.0), ("parallel.pt", 0.0), ("half.safetensors", 5e-3)):
        model = ganvas.convert(tmp_path / file, tmp_path / file.split(".")[0]).model
        torch.testing.assert_close(model.paint(picture), expected.paint(picture), atol=tolerance, rtol=0)


def test_the_folder_says_where_its_weights_are_from(small, tmp_path):
    assert main(["convert", str(small), "--to", str(tmp_path / "model")]) == 0
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["origin"] == {"file": "small.pth", "sha256": sha256_of(small), "architecture": "rrdbnet"}
    assert (config["task"], config["degradation"], config["scale"]) == ("restore", "lowres:2", 2)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_apply_enlarges_files_with_it_whole_and_in_tiles_alike(tmp_path):
    small = saved(rrdb(unshuffle=2, blocks=1), None, tmp_path / "small.pth")
    assert main(["convert", str(small), "--to", str(tmp_path / "model"), "--json"]) == 0
    picture = np.random.default_rng(0).integers(0, 256, (215, 97, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "noise.png")
    found = []
    for tile in ("none", "192"):
        arguments = [str(tmp_path / "model"), str(tmp_path / "noise.png"), "--out", str(tmp_path / tile)]
        assert main(["apply", *arguments, "--tile", tile]) == 0
        found.append(np.asarray(Image.open(tmp_path / tile / "noise.png")).astype(int))
    assert found[0].shape == (430, 194, 3)
    assert abs(found[0] - found[1]).max() <= 1


def test_a_converted_model_is_evaluated_and_begun_from(small, tmp_path, monkeypatch):
    monkeypatch.setattr("ganvas.evaluating_pictures.judge_effort", lambda minutes: 0.01)
    (tmp_path / "photos").mkdir()
    for i in range(16):
        picture = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8).repeat(2, 0).repeat(2, 1)
        Image.fromarray(picture).save(tmp_path / "photos" / f"{i}.png")
    ganvas.convert(small, tmp_path / "model")
    verdict = ganvas.evaluate(tmp_path / "model", data=tmp_path / "photos")
    assert next(metric for metric in verdict.metrics if metric.metric == "psnr").value < 30
    tiny = {
        "images": 8,
        "minutes": None,
        "batch": 4,
        "quiet": True,
        "judge_samples": 16,
        "d_width": 4,
        "resolution": 16,
    }
    run = ganvas.train(
        tmp_path / "photos", recipe="esrgan", init_from=str(tmp_path / "model"), out=tmp_path / "run", **tiny
    )
    assert (run.model.config.network, run.model.config.network_options[0]) == ("rrdb", "plain=true")
    before = ganvas.load(tmp_path / "model", "cpu").G.first.weight
    assert 0 < (run.model.G.first.weight - before).abs().max() < 0.02


def test_what_it_repairs_can_be_said(small, tmp_path):
    assert ganvas.convert(small, tmp_path / "blind", degrade="blind:2").model.config.degradation == "blind:2"
    same_size = saved(rrdb(ups=0, blocks=1), None, tmp_path / "same.pth")
    assert ganvas.convert(same_size, tmp_path / "same").model.config.degradation == ""
    with pytest.raises(UsageError, match="--degrade lowres:4: this network enlarges by 2"):
        ganvas.convert(small, tmp_path / "other", degrade="lowres:4")


def test_a_model_of_ganvas_is_copied(small, tmp_path, capsys):
    first = ganvas.convert(small, tmp_path / "first").model
    for number, given in enumerate((tmp_path / "first", tmp_path / "first" / "model.safetensors")):
        assert main(["convert", str(given), "--to", str(tmp_path / f"copy{number}")]) == 0
        assert "a model of Ganvas already, copied as it is" in capsys.readouterr().out
        assert ganvas.load(tmp_path / f"copy{number}", "cpu").hash == first.hash
    with pytest.raises(UsageError, match="is a model of Ganvas already: leave out --as"):
        ganvas.convert(tmp_path / "first", tmp_path / "other", architecture="rrdbnet")


class Runs:
    """Asks the reader of its pickle to run something."""

    def __reduce__(self):
        return print, ("this was run",)


def without(state, name):
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (lambda s: {"a": torch.zeros(2), "b.c": torch.zeros(1)}, {},
         r"no architecture known here \(rrdbnet, msrresnet, .*\): its tensors are a, b.c"),
        (lambda s: {"weights": s, "epoch": 3}, {}, "holds no tensors by name but weights, epoch"),
        (lambda s: [1, 2], {}, "holds no tensors by name but list"),
        (lambda s: {"net": Runs()}, {}, r"holds more than tensors: loading it would run code \(.*print\)"),
        (lambda s: without(s, "conv_hr.bias"), {}, "does not fit rrdbnet: as RRDBNet it would have a tensor conv_hr.b"),
        (lambda s: {**s, "conv_more.weight": torch.zeros(1)}, {}, "RRDBNet has no conv_more.weight"),
        (lambda s: {**s, "conv_body.weight": torch.zeros(8, 9, 3, 3)}, {}, "does not fit the network RRDBNet x2"),
        (lambda s: {**s, "conv_body.bias": torch.full((8,), torch.nan)}, {}, "values that are not finite"),
        (lambda s: s, {"architecture": "unet"}, "does not fit unet: as a U-Net it would have"),
        (lambda s: s, {"architecture": "srgan"}, "--as srgan: did you mean .*esrgan"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    small, tmp_path, content, words, message, capsys
):
    torch.save(content(torch.load(small, weights_only=True)), tmp_path / "given.pth")
    with pytest.raises(GanvasError, match=message) as refused:
        ganvas.convert(tmp_path / "given.pth", tmp_path / "model", **words)
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.pth", "small.pth"]
    assert "this was run" not in capsys.readouterr().out


def test_files_that_are_none_and_folders_that_are_there_are_refused(small, tmp_path):
    with pytest.raises(UsageError, match="there is no file"):
        ganvas.convert(tmp_path / "missing.pth", tmp_path / "model")
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"weights are read from \.safetensors and"):
        ganvas.convert(tmp_path / "net.onnx", tmp_path / "model")
    for content in (b"", b"PK\x03\x04", pickle.dumps([1.0]), small.read_bytes()[:2000]):
        (tmp_path / "bad.pth").write_bytes(content)
        with pytest.raises(GanvasError, match=r"bad\.pth (cannot be read|holds no tensors)") as refused:
            ganvas.convert(tmp_path / "bad.pth", tmp_path / "model")
        assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="is there already"):
        ganvas.convert(small, tmp_path)


def test_variants_that_do_not_fit_say_why(tmp_path):
    blurred = resnet(antialias=True).state_dict()
    blurred["model.7.filt"] = torch.full_like(blurred["model.7.filt"], 1 / 9)
    bare = {
        name: t for name, t in resnet(norm="batch").state_dict().items() if t.ndim == 4 or name.startswith("model.23")
    }
    for state, message in ((blurred, r"model\.7\.filt is another blur"), (bare, "trained without normalisation")):
        torch.save(state, tmp_path / "net.pth")
        with pytest.raises(GanvasError, match=message):
            ganvas.convert(tmp_path / "net.pth", tmp_path / "model")


def test_what_is_added_to_the_networks_is_off_by_default():
    for name in ("rrdb", "resnet", "unet"):
        torch.manual_seed(0)
        network = build_painter(name, resolution=(16, 16), in_channels=3, out_channels=3, width=4)
        off = {"rrdb": ("plain=no", "unshuffle=1"), "resnet": ("antialias=no", "affine=no"), "unet": ("bias=no",)}[name]
        again = build_painter(name, resolution=(16, 16), in_channels=3, out_channels=3, width=4, options=off)
        assert network.state_dict().keys() == again.state_dict().keys()
