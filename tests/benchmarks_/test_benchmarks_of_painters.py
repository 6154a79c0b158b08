"""What the benchmarks of pictures from pictures measure with, on small pictures whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import textbook_pix2pix
import training_runs
from ganvas.degrading.blur import blurred, disc_kernels, odd_side
from ganvas.games.noise import Draws, Rows
from ganvas.recipes import find_recipe
from ganvas.settings import build_settings
from ganvas.tasks.table import TASKS
from ganvas.training.plan import write_settings
from ganvas.training.state import TrainState
from photographs import batched, centre, fine_detail, save_sheet
from restoring import degraded
from rival_restorers import DEFOCUS, Bad, missing, unsharp, wiener
from rival_restorers import Rival as Way
from super_resolution import as_the_original
from training_runs import Training, ensure


def waves(side: int, period: float) -> np.ndarray:
    """Grey stripes as RGB: [side, side, 3] uint8."""
    row = 127.5 + 100 * np.cos(2 * np.pi * np.arange(side) / period)
    return np.broadcast_to(row.round()[None, :, None], (side, side, 3)).astype(np.uint8)


def finished_run(path: Path, **cells: object) -> None:
    """What a run that is over leaves, as far as a benchmark reads it."""
    path.mkdir(parents=True)
    settings = build_settings({**find_recipe("srresnet").cells, "degrade": "lowres:4", "seed": 0, **cells})
    write_settings(path / "settings.yaml", "srresnet", settings)
    facts = {"ended": "done", "pictures": {"height": 64, "width": 64}, "images_seen": 8}
    (path / "run.json").write_text(json.dumps(dict.fromkeys(training_runs.KEPT) | facts))
    metric = {"metric": "psnr", "value": 29.0, "input_value": 28.0, "real_value": None}
    (path / "verdict.json").write_text(json.dumps({"words": "It is.", "metrics": [metric]}))


def wanted(minutes: int) -> Training:
    words = ("--task", "restore", "--degrade", "lowres:4", "--minutes", str(minutes), "--seed", "0")
    return Training("enlarge", Path("/data/photos.zip"), words)


def test_a_finished_run_is_used_and_its_command_noted_without_paths(tmp_path):
    finished_run(tmp_path / "enlarge", minutes=5)
    run = ensure(wanted(5), tmp_path)
    assert run.metrics["psnr"] == {"value": 29.0, "input_value": 28.0, "real_value": None}
    assert run.row["command"] == (
        "ganvas train photos.zip --task restore --degrade lowres:4 --minutes 5 --seed 0 --out enlarge"
    )


def test_a_degradation_may_be_typed_in_short(tmp_path):
    finished_run(tmp_path / "fill", degrade="holes:0.1-0.4")
    assert ensure(Training("fill", Path("photos.zip"), ("--degrade", "holes")), tmp_path).path == tmp_path / "fill"


def test_a_run_of_other_settings_in_its_place_is_refused(tmp_path):
    finished_run(tmp_path / "enlarge", minutes=5)
    with pytest.raises(SystemExit, match=r"minutes=5\.0, not 30\.0"):
        ensure(wanted(30), tmp_path)


def test_a_training_that_fails_ends_the_benchmark(tmp_path, capfd):
    missing_source = Training("none", tmp_path / "none.zip", ("--task", "restore", "--degrade", "noise"))
    with pytest.raises(SystemExit, match="none could not be trained"):
        ensure(missing_source, tmp_path)


def test_fine_detail_is_what_lies_above_an_eighth_of_a_cycle_a_pixel():
    coarse, fine = waves(64, 16.0), waves(64, 4.0)
    both = (coarse.astype(int) + fine).clip(0, 510) // 2
    assert fine_detail(fine, fine) == 1
    assert fine_detail(coarse, fine) < 1e-3
    # Half of the amplitude is a quarter of the power.
    assert fine_detail(both.astype(np.uint8), fine) == pytest.approx(0.25, abs=0.01)


def test_a_model_of_colours_is_measured_in_grey_where_the_original_is_grey():
    grey = np.full((4, 4, 1), 90, np.uint8)
    assert np.array_equal(as_the_original(grey.repeat(3, axis=2), grey), grey)


def test_the_middle_of_a_picture_and_of_its_hole_are_the_same_place():
    picture = np.arange(36, dtype=np.uint8).reshape(6, 6, 1)
    assert centre(picture, 2)[:, :, 0].tolist() == [[14, 15], [20, 21]]
    assert centre(picture[:, :, 0] > 14, 2).tolist() == [[False, True], [True, True]]


def test_wiener_undoes_a_blur_that_it_knows_and_unsharp_only_some_of_it():
    blocks = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    sharp = np.kron(blocks, np.ones((12, 12, 1))).astype(np.uint8)  # [96, 96, 3]
    kernels = disc_kernels(torch.tensor([DEFOCUS]), odd_side(DEFOCUS))
    soft = blurred(torch.from_numpy(batched(sharp)).float() / 127.5 - 1, kernels)
    bad = Bad(((soft[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy(), None)

    def error(picture: np.ndarray) -> float:
        return float(np.square(centre(picture, 64).astype(float) - centre(sharp, 64)).mean())

    assert error(wiener(bad, 1e-2)) < error(unsharp(bad, (2.0, 100))) < error(bad.picture)
    assert error(wiener(bad, 1e-2)) < 0.2 * error(bad.picture)


def test_a_rival_that_is_not_installed_says_what_to_install():
    assert missing(Way("x", unsharp, (), "no-such-package", "no_such_package")) == (
        "no-such-package is not installed: pip install no-such-package"
    )
    assert missing(Way("x", unsharp, ())) == ""


def test_a_sheet_has_a_column_for_each_way(tmp_path):
    from PIL import Image

    save_sheet({"a": [waves(8, 4.0)] * 2, "b": [waves(8, 4.0)[:, :, :1]] * 2}, tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (2 * 12, 18 + 2 * 12)


def test_our_step_of_pix2pix_is_that_of_the_textbook():
    """The ratio of their speeds would mean nothing if they learned differently."""
    settings, config = TASKS["translate"].example(find_recipe("pix2pix"), (16, 16), batch=2, width=4, images=100)
    mine, theirs = (TrainState.create(settings, config, torch.device("cpu")) for _ in range(2))
    players = theirs.game.players
    book = textbook_pix2pix.TextbookPix2pix(players["G"], players["D"], settings.g_lr, settings.d_lr)
    pairs = torch.rand(2, 6, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mine.game.step([(pairs, None)], Draws("cpu", (0, 0), Rows(2)), 0.0)
    book.step(pairs[:, :3], pairs[:, 3:])
    for name in ("G", "D"):
        both = zip(mine.game.players[name].parameters(), players[name].parameters(), strict=True)
        for ours, of_the_book in both:
            torch.testing.assert_close(ours.grad, of_the_book.grad, rtol=1e-3, atol=1e-5)


def test_degraded_pictures_have_their_own_channels_and_are_the_same_each_time():
    photos = [waves(32, 8.0)]
    (one,), (again,) = (degraded(photos, "holes", 7) for _ in range(2))
    assert one.picture.shape == (32, 32, 3)
    assert np.array_equal(one.picture, again.picture)
    assert one.hole is not None
    assert one.hole.shape == (32, 32)
    assert np.array_equal(one.picture[~one.hole], photos[0][~one.hole])
