"""What `benchmarks/points.py` counts, on points whose answer is known."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.games.noise import Draws
from ganvas.objectives.adversarial import OBJECTIVES
from ganvas.settings import build_settings


@pytest.fixture(scope="module")
def points() -> Any:
    path = Path(__file__).parents[1] / "benchmarks" / "points.py"
    spec = importlib.util.spec_from_file_location("points_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_sample_is_good_within_three_sigma_of_its_nearest_mode(points: Any) -> None:
    ring = points.MIXTURES["ring"]
    inside, outside = torch.tensor([1 + 2.9 * 0.01, 0.0]), torch.tensor([0.0, 1 + 3.1 * 0.01])
    found = points.measure(torch.stack([inside, inside, inside, outside]), ring)
    assert (found["modes"], found["good"]) == (1, 0.75)
    assert found["unevenness"] == pytest.approx(math.log(8), abs=1e-3)


def test_of_real_points_all_modes_are_found_and_98_9_percent_are_good(points: Any) -> None:
    for mixture in points.MIXTURES.values():
        found = points.measure(mixture.draw(20_000, Draws("cpu", (5,))), mixture)
        assert found["modes"] == len(mixture.means)
        assert found["good"] == pytest.approx(1 - math.exp(-4.5), abs=0.004)
        assert found["spread"] == pytest.approx(1, abs=0.02)
        assert found["unevenness"] < 0.01


def test_modes_that_have_shrunk_to_points_are_good_but_have_no_spread(points: Any) -> None:
    grid = points.MIXTURES["grid"]
    assert points.measure(grid.means, grid) == {"modes": 25, "good": 1.0, "spread": 0.0, "unevenness": 0.0}


def test_points_that_are_not_numbers_find_nothing(points: Any) -> None:
    found = points.measure(torch.full((4, 2), float("nan")), points.MIXTURES["ring"])
    assert (found["modes"], found["good"]) == (0, 0.0)


def test_every_objective_has_a_row_whose_settings_stand(points: Any) -> None:
    rows = [build_settings({**points.COMMON, **cells}) for cells in points.ROWS.values()]
    # That one is of ESRGAN's, where a batch has one mean; here batches come in parts.
    assert {row.objective for row in rows} == set(OBJECTIVES) - {"relativistic_average"}


def test_the_same_seed_plays_the_same_game(points: Any) -> None:
    cells = {**points.COMMON, "batch": 16, "images": 64, "width": 8}
    first, again = (points.play(cells, "ring", 0) for _ in range(2))
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert points.unpacked(first["shown"]).shape == (points.SHOWN, 2)


def test_a_second_call_keeps_what_is_there_but_for_rows_of_other_settings(points: Any, tmp_path: Path) -> None:
    document, path = points.opened(None), tmp_path / "points.json"
    document["rows"]["hinge"]["runs"]["ring, seed 0"] = {"seconds": 1.0}
    document["rows"]["minimax"] = {"settings": {"objective": "hinge"}, "runs": {"ring, seed 0": {"seconds": 1.0}}}
    path.write_text(json.dumps(document))
    rows = points.opened(path)["rows"]
    assert rows["hinge"]["runs"] == {"ring, seed 0": {"seconds": 1.0}}
    assert rows["minimax"]["runs"] == {}
    path.write_text(json.dumps({**document, "common": {**points.COMMON, "batch": 8}}))
    with pytest.raises(GanvasError, match="other common"):
        points.opened(path)
