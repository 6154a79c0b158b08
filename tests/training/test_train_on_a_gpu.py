"""The same path on a CUDA device; skipped, and shown as skipped, where there is none."""

import pytest
import torch

import ganvas
from ganvas.training.checkpoint import load_newest_checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

TINY = {"width": 8, "z_dim": 8, "batch": 8, "quiet": True, "judge_samples": 64, "device": "cuda"}


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("recipe", ["fast", "dcgan", "wgan-gp", "hinge-sn"])
def test_a_recipe_trains_and_its_model_loads_on_the_cpu(recipe, precision, bars_npz, tmp_path):
    run = ganvas.train(bars_npz, out=tmp_path / "run", recipe=recipe, images=400, precision=precision, **TINY)
    assert [e["message"] for e in run.stats if e["event"] == "warning"] == []
    on_gpu = ganvas.load(run.path, device="cuda").sample(range(4)).astype(int)
    on_cpu = ganvas.load(run.path, device="cpu").sample(range(4)).astype(int)
    assert abs(on_gpu - on_cpu).max() <= 2


def test_a_run_resumes_on_a_gpu(bars_npz, tmp_path):
    ganvas.train(bars_npz, out=tmp_path / "run", images=64, **TINY)
    run = ganvas.train(bars_npz, out=tmp_path / "run", images=128, resume=True, quiet=True, device="cuda")
    checkpoint, _ = load_newest_checkpoint(run.path / "checkpoints")
    assert checkpoint.counters["images"] == 128
