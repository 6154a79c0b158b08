"""DINOv2 and CLIP through transformers: tiny networks with random weights, saved as the Hub has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

transformers = pytest.importorskip("transformers")

import huggingface_hub.constants  # noqa: E402

from ganvas.errors import GanvasError  # noqa: E402
from ganvas.evaluation.backbones import clip as clip_module  # noqa: E402
from ganvas.evaluation.backbones.clip import clip, of_pictures  # noqa: E402
from ganvas.evaluation.backbones.contract import Backbone  # noqa: E402
from ganvas.evaluation.backbones.dinov2 import MEAN, STD, dinov2, fit_positions  # noqa: E402
from ganvas.evaluation.backbones.pretrained import in_folder, published  # noqa: E402
from ganvas.evaluation.backbones.table import find_backbone  # noqa: E402
from ganvas.evaluation.backbones.weights import HUB  # noqa: E402

CPU = torch.device("cpu")
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def _no_bars() -> Iterator[None]:
    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.enable_progress_bar()


@pytest.fixture
def dinov2_folder(tmp_path: Path) -> Path:
    """A DINOv2 made for 224 pixels: a grid of 16x16, so that its positions need no fitting."""
    torch.manual_seed(0)
    transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=224, patch_size=14)).save_pretrained(
        tmp_path / "small-dino"
    )
    return tmp_path / "small-dino"


def save_clip(folder: Path) -> Path:
    """Both halves of a CLIP for 32 pixels; its config is that of the whole, as the published one is."""
    torch.manual_seed(0)
    vision = transformers.CLIPVisionConfig(**SMALL, intermediate_size=32, image_size=32, patch_size=8, projection_dim=6)
    text = transformers.CLIPTextConfig(**SMALL, intermediate_size=32, vocab_size=9, projection_dim=6)
    config = transformers.CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=6)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


def pictures(height: int, width: int) -> np.ndarray:
    """[2, 3, height, width] uint8."""
    return np.random.default_rng(0).integers(0, 256, (2, 3, height, width), np.uint8)


def by_pillow(images: np.ndarray, width: int, height: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    """[n, 3, ...] in [0, 1], resized by Pillow and cropped."""
    made = [
        np.asarray(
            Image.fromarray(image.transpose(1, 2, 0)).resize((width, height), Image.Resampling.BICUBIC).crop(box)
        )
        for image in images
    ]
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).float() / 255


def test_dinov2_features_are_the_class_token_for_pictures_of_224(dinov2_folder):
    backbone = dinov2(in_folder(dinov2_folder, "dinov2"), CPU)
    x = by_pillow(pictures(40, 30), 224, 224, (0, 0, 224, 224))
    x = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.inference_mode():
        net = transformers.Dinov2Model.from_pretrained(dinov2_folder).eval()
        expected = net(pixel_values=x).pooler_output
    torch.testing.assert_close(backbone.extract(pictures(40, 30)), expected)
    assert isinstance(backbone, Backbone)
    assert (backbone.name, backbone.features) == ("dinov2 from small-dino", 16)
    assert backbone.hash == hashlib.sha256((dinov2_folder / "model.safetensors").read_bytes()).hexdigest()[:12]
    assert backbone.resize.endswith("to 224x224")


def test_clip_features_are_the_projected_embedding_of_the_middle_square(tmp_path):
    folder = save_clip(tmp_path / "small-clip")
    backbone = find_backbone(f"clip:{folder}")
    x = by_pillow(pictures(40, 60), 48, 32, (8, 0, 40, 32))
    x = (x - torch.tensor(clip_module.MEAN).view(3, 1, 1)) / torch.tensor(clip_module.STD).view(3, 1, 1)
    with torch.inference_mode():
        whole = transformers.CLIPModel.from_pretrained(folder).eval()
        expected = whole.visual_projection(whole.vision_model(pixel_values=x).pooler_output)
    torch.testing.assert_close(backbone.extract(pictures(40, 60)), expected)
    assert (backbone.name, backbone.features) == ("clip from small-clip", 6)


def cubic(distance: float) -> float:
    """The weight of a pixel in bicubic interpolation as PyTorch has it, with the sharpness -0.75 (Keys, 1981)."""
    d, a = abs(distance), -0.75
    return (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a


def test_positions_are_resampled_by_the_step_of_the_published_code():
    columns = np.random.default_rng(0).normal(size=37)  # what lies in each column of the grid, the same in all rows
    grid = torch.from_numpy(np.tile(columns, 37)).float().view(1, 37 * 37, 1)
    fitted = fit_positions(torch.cat([torch.full((1, 1, 1), 99.0), grid], 1), 16)
    assert fitted.shape == (1, 257, 1)
    assert fitted[0, 0] == 99  # the class token's stays
    places = (np.arange(16) + 0.5) * 37 / 16.1 - 0.5  # not / 16
    for column in (2, 9, 13):
        first = int(places[column]) - 1
        expected = sum(columns[i] * cubic(places[column] - i) for i in range(first, first + 4))
        assert fitted[0, 1:].view(16, 16)[5, column].item() == pytest.approx(expected, abs=1e-5)
    assert fit_positions(fitted, 16) is fitted


def test_a_dinov2_of_another_size_is_fitted_to_224(tmp_path):
    torch.manual_seed(0)
    net = transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=28, patch_size=14))
    net.save_pretrained(tmp_path / "a")
    backbone = dinov2(in_folder(tmp_path / "a", "dinov2"), CPU)
    net.embeddings.position_embeddings = torch.nn.Parameter(fit_positions(net.embeddings.position_embeddings, 16))
    with torch.inference_mode():
        expected = net.eval()(pixel_values=backbone.prepare(torch.from_numpy(pictures(9, 9)))).last_hidden_state[:, 0]
    torch.testing.assert_close(backbone.extract(pictures(9, 9)), expected)
    transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=30, patch_size=15)).save_pretrained(
        tmp_path / "b"
    )
    with pytest.raises(GanvasError, match="patches of 15 pixels, which do not fill 224"):
        dinov2(in_folder(tmp_path / "b", "dinov2"), CPU)


def test_a_folder_that_lacks_something_is_refused(dinov2_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    with pytest.raises(GanvasError, match=r"nowhere has no config\.json: give a folder with config\.json and"):
        find_backbone(f"dinov2:{tmp_path / 'nowhere'}")
    weights = load_file(dinov2_folder / "model.safetensors")
    del weights["layernorm.bias"]
    save_file(weights, dinov2_folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GanvasError, match=r"model\.safetensors lacks layernorm\.bias of Dinov2Model"):
        find_backbone(f"dinov2:{dinov2_folder}")
    (dinov2_folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(GanvasError, match="cannot be loaded as Dinov2Model"):
        find_backbone(f"dinov2:{dinov2_folder}")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANVAS_OFFLINE", "1")
    return tmp_path / "hub"


def snapshot(hub: Path, key: str) -> Path:
    """Where the files of a row lie in the cache of huggingface_hub."""
    row = HUB[key]
    return hub / f"models--{row.repository.replace('/', '--')}" / "snapshots" / row.revision


def test_dinov2_comes_from_the_hub_s_cache_offline_and_is_checked(hub, dinov2_folder, monkeypatch):
    target = snapshot(hub, "dinov2-base")
    target.parent.mkdir(parents=True)
    dinov2_folder.rename(target)
    with pytest.raises(GanvasError, match="is not the published file of dinov2-vit-b-14"):
        find_backbone("dinov2-base")
    found = hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()
    monkeypatch.setitem(HUB, "dinov2-base", replace(HUB["dinov2-base"], sha256=found))
    backbone = find_backbone("dinov2-base")
    assert (backbone.name, backbone.hash) == ("dinov2-vit-b-14", found[:12])
    assert find_backbone(f"dinov2:{target}").name == "dinov2-vit-b-14"  # the same file by another way


def test_clip_s_file_of_torch_save_is_read_inertly_and_kept_as_safetensors(hub, tmp_path, monkeypatch):
    folder = save_clip(tmp_path / "small-clip")
    target = snapshot(hub, "clip")
    target.mkdir(parents=True)
    (folder / "config.json").rename(target / "config.json")
    weights = transformers.CLIPModel(transformers.CLIPConfig(**json.loads((target / "config.json").read_text())))
    state = {**weights.state_dict(), "vision_model.embeddings.position_ids": torch.arange(17)[None]}
    torch.save(state, target / "pytorch_model.bin")
    found = hashlib.sha256((target / "pytorch_model.bin").read_bytes()).hexdigest()
    monkeypatch.setitem(HUB, "clip", replace(HUB["clip"], sha256=found))
    monkeypatch.setattr(torch, "load", lambda *given, **more: pytest.fail("a file of torch.save was unpickled"))
    backbone = find_backbone("clip")
    assert (backbone.name, backbone.hash, backbone.features) == ("clip-vit-b-32", found[:12], 6)
    with torch.inference_mode():
        x = backbone.prepare(torch.from_numpy(pictures(40, 40)))
        expected = weights.eval().visual_projection(weights.vision_model(pixel_values=x).pooler_output)
    torch.testing.assert_close(backbone.extract(pictures(40, 40)), expected)
    (target / "pytorch_model.bin").unlink()  # is needed no more
    kept = published(HUB["clip"], of_pictures)
    assert kept.folder == tmp_path / "cache" / "backbones" / f"clip-vit-b-32-{found[:12]}"
    assert clip(kept, CPU).name == "clip-vit-b-32"


def test_offline_without_files_it_is_said_which_ones_and_what_there_is_instead(hub):
    with pytest.raises(GanvasError) as error:
        find_backbone("dinov2")
    message = str(error.value)
    assert "\n" not in message
    for part in ("model.safetensors", "facebook/dinov2-large", "47b73eefe95e", "GANVAS_OFFLINE", "own features (own)"):
        assert part in message
