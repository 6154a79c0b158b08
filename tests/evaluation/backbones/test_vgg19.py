"""VGG-19: its layers are those of the published one, its weights come from the published file alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.evaluation.backbones import weights
from ganvas.evaluation.backbones.vgg19 import LAYERS, Vgg19, from_torchvision, load_vgg19
from ganvas.evaluation.backbones.weights import VGG19, vgg19_weights


def published() -> nn.Sequential:
    """The convolutional part of configuration E, layer by layer, under torchvision's numbers."""
    layers: list[nn.Module] = []
    before = 3
    for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def reference() -> nn.Sequential:
    torch.manual_seed(0)
    return published()


@pytest.fixture(scope="module")
def tensors(reference: nn.Sequential) -> dict[str, torch.Tensor]:
    return {f"features.{name}": tensor for name, tensor in reference.state_dict().items()}


@pytest.fixture
def file(tensors: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the form of the published one, with layers behind the convolutions."""
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save({**tensors, "classifier.6.bias": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    return path


def row_of(path: Path) -> weights.PublishedFile:
    """The table's row, as if that file were the published one."""
    content = path.read_bytes()
    download = replace(
        VGG19.download, urls=(path.as_uri(),), size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    return replace(VGG19, download=download)


def test_its_maps_are_those_of_the_published_layers_before_relu(reference, tensors):
    layers = ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4")
    net = load_vgg19(from_torchvision(tensors, "it"), "it", layers)
    images = torch.rand(2, 3, 37, 32) * 2 - 1
    x = (images / 2 + 0.5 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    maps, expected = net(images), {}
    for place, layer in enumerate(reference):
        x = layer(x)
        expected[place] = x
    assert [tuple(one.shape[1:]) for one in maps] == [
        (64, 37, 32),
        (128, 18, 16),
        (256, 9, 8),
        (512, 4, 4),
        (512, 2, 2),
    ]
    for one, place in zip(maps, (2, 7, 16, 25, 34), strict=True):
        torch.testing.assert_close(one, expected[place], atol=1e-5, rtol=1e-4)
    assert len(LAYERS) == 16


def test_grey_is_repeated_and_alpha_is_not_seen(tensors):
    net = load_vgg19(from_torchvision(tensors, "it"), "it", ("conv2_1",))
    grey, rgba = torch.rand(1, 1, 16, 16), torch.rand(1, 4, 16, 16)
    assert torch.equal(net(grey)[0], net(grey.repeat(1, 3, 1, 1))[0])
    assert torch.equal(net(rgba)[0], net(rgba[:, :3])[0])
    assert set(net.state_dict()) == {
        f"convolutions.conv{n}.{p}" for n in ("1_1", "1_2", "2_1") for p in ("weight", "bias")
    }


def test_the_published_file_is_kept_as_safetensors_without_the_layers_behind(file, tmp_path, monkeypatch):
    found = vgg19_weights(file, row_of(file))
    assert len(found) == 32
    kept = list((tmp_path / "cache" / "backbones").iterdir())
    assert [path.name[:6] for path in kept] == ["vgg19-"]
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    row = row_of(file)
    file.unlink()
    assert torch.equal(vgg19_weights(row=row)["convolutions.conv5_4.bias"], found["convolutions.conv5_4.bias"])


def test_it_is_fetched_where_it_is_not(file):
    assert len(vgg19_weights(row=row_of(file))) == 32


def test_other_files_are_refused_in_one_line(file, tensors, tmp_path, monkeypatch):
    with pytest.raises(
        GanvasError, match=r"is not the published file of vgg19: its SHA-256 is .* expected dcbb9e9dad56"
    ):
        vgg19_weights(file)
    other = tmp_path / "other.pth"
    torch.save({name: tensor for name, tensor in tensors.items() if name != "features.28.bias"}, other)
    with pytest.raises(GanvasError, match=r"lacks 'features\.28\.bias': these are not the weights of VGG-19$"):
        vgg19_weights(other, row_of(other))
    ours = from_torchvision(tensors, "it")
    with pytest.raises(
        GanvasError, match=r"it has convolutions\.conv1_1\.weight of shape \[1\], expected \[64, 3, 3, 3\]"
    ):
        load_vgg19({**ours, "convolutions.conv1_1.weight": torch.zeros(1)}, "it", LAYERS)
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    with pytest.raises(
        GanvasError, match=r"vgg19-dcbb9e9d\.pth \(from https://download\.pytorch\.org/.*perceptual own"
    ) as error:
        vgg19_weights()
    assert "\n" not in str(error.value)


def test_the_table_says_what_the_file_s_name_promises():
    assert VGG19.sha256.startswith("dcbb9e9d")
    assert len(VGG19.sha256) == 64
    assert VGG19.download.urls[0].endswith("vgg19-dcbb9e9d.pth")


def test_layers_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match="not conv6_1"):
        Vgg19(("conv6_1",))
