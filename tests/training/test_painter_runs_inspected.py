"""Runs that paint are inspected: nothing of the state changes, and what is wrong is told, kept and reported."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.cli import main
from ganvas.data.facts import DataFacts
from ganvas.data.store import open_store
from ganvas.settings import build_settings
from ganvas.tasks import painting
from ganvas.tasks.table import find_task
from ganvas.training.measurement import MEANINGS
from ganvas.training.plan import make_plan, store_options
from ganvas.training.play import train_step
from ganvas.training.state import TrainState

CPU = torch.device("cpu")
ONE = {"network_options": ("blocks=1",)}
KINDS = {
    "pix2pix": ("pairs", {"task": "translate"}),
    "cyclegan": ("unpaired", {"task": "unpaired", **ONE}),
    "cut": ("unpaired", {"task": "unpaired", "direction": "BtoA", **ONE}),
    "srresnet": ("plain", {"task": "restore", "degrade": "lowres:2", **ONE}),
    "inpaint": ("plain", {"task": "restore", "degrade": "holes", **ONE}),
    "unet-restore": ("plain", {"task": "restore", "degrade": "gray"}),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pairs, two kinds and plain pictures of 16 pixels, some held out; and pairs whose inputs are all alike."""
    root, random = tmp_path_factory.mktemp("inspected"), np.random.default_rng(0)
    for i in range(48):
        small = random.integers(0, 256, (4, 4, 3), np.uint8)
        picture, split = small.repeat(4, 0).repeat(4, 1), "test" if i >= 28 else "train"
        for folder, shown in (
            (f"pairs/{split}", np.concatenate([picture, 255 - picture], axis=1)),
            (f"blank/{split}", np.concatenate([np.full_like(picture, 128), picture], axis=1)),
            (f"unpaired/{split}{'AB'[i % 2]}", picture // 2 + 127 * (i % 2)),
            (f"plain/{split}", picture),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown).save(root / folder / f"{i:03d}.png")
    return root


@pytest.mark.parametrize("recipe", KINDS)
def test_an_inspection_changes_nothing_and_all_its_numbers_have_a_meaning(data, tmp_path, recipe):
    folder, cells = KINDS[recipe]
    task = find_task(recipe, cells["task"])
    words = task.prepared({**cells, "width": 4, "batch": 4, "images": 800}, CPU)
    source = task.opened(data / folder, words)
    store = open_store(source, store_options(words, CPU), location=tmp_path / "store")
    plan = make_plan(DataFacts.of_store(store), source.name, recipe, words, CPU)
    state = TrainState.create(plan.settings, plan.config, CPU)
    stats = train_step(state, task.batches(store, plan.settings, CPU), 0.0)
    before = {name: tensor.clone() for name, tensor in state.to_checkpoint().tensors.items()}
    random = torch.random.get_rng_state()
    monitor = task.monitor(store, plan.config, plan.settings, CPU)
    given = {name: float(value) for name, value in stats.items()}
    numbers = monitor.inspect(state, given).numbers
    assert numbers == monitor.inspect(state, given).numbers
    after = state.to_checkpoint().tensors
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert set(numbers) - set(given) <= set(MEANINGS)
    assert numbers["not_finite"] == 0
    assert ("d_right" in numbers, "held_gap" in numbers) == (state.game.D is not None,) * 2
    assert ("error" in numbers) == (cells["task"] != "unpaired")
    assert ("contrast_of_chance" in numbers) == (recipe == "cut")
    if cells["task"] == "restore":  # which begins with the input, or its holes filled
        assert 0 < numbers["beside_input"] < 1.1


def test_a_run_whose_inputs_are_all_alike_is_told_so_and_its_verdict_shows_what_the_inputs_get(
    data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(painting, "LEAST_BETWEEN_LOOKS", 100)
    run = ganvas.train(
        data / "blank", task="translate", images=800, width=4, batch=4, judge_samples=16, out=tmp_path / "run",
        on_sick="report", judge_every=800, threads=1,
    )  # fmt: skip
    looks = [e for e in run.stats if e["event"] == "health"]
    assert [e["images"] for e in looks] == [200, 400, 600, 800]
    (told,) = [e for e in run.stats if e["event"] == "diagnosis"]
    assert (told["kind"], told["images"], told["since"]) == ("full_collapse", 600, 200)
    assert "all pictures are the same whatever the input" in told["text"]
    assert "fatal: G has collapsed" in capsys.readouterr().out
    assert "whatever the input" in (run.path / "report.html").read_text()
    assert main(["evaluate", str(run.path)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert [name.strip() for name in head.split("  ") if name] == ["result", "inputs as they are", "real pictures"]
    kept = {m["metric"]: m for m in json.loads((run.path / "verdict.json").read_text())["metrics"]}
    for name, last in (("l1", "input_value"), ("frechet_distance", "real_value")):
        row = next(row for row in rows if row.startswith(name))
        assert float(row.split()[-1]) == pytest.approx(kept[name][last], rel=1e-3)


def test_under_minutes_inspections_come_with_the_length_that_a_run_will_come_to():
    task = find_task("pix2pix", None)
    settings = build_settings({"task": "translate", "game": "paired", "minutes": 5.0, "batch": 4})
    assert task.looks_every(settings) == task.looks_every(settings, 20_000) == 400
    assert task.looks_every(settings, 100_000) == 1_500
    assert task.looks_every(settings.model_copy(update={"batch": 64}), 20_000) == 25 * 64
