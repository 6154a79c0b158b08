"""A probe compares short runs from one start and changes only what it may; the run and its resume keep the choice."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
import yaml

import ganvas
from ganvas.errors import UsageError
from ganvas.evaluation.features import learn_features
from ganvas.games.engine import Engine
from ganvas.recipes import RECIPES
from ganvas.settings import build_settings
from ganvas.suggest import Suggestion
from ganvas.training import probe as probing
from ganvas.training.probe import Probe, Schedule, TimeIsUp, gamma_cells, probe_seconds, rate_cells, refuse_probe
from ganvas.training.settle import settle
from ganvas.training.trial import Trial, TrialGround

TINY = {"width": 8, "z_dim": 8, "batch": 8, "quiet": True, "judge_samples": 64, "recipe": "fast"}


class Table:
    """Trials without training: distances at 100 and 200 images by R1's gamma; "sick" for what is none."""

    def __init__(self, distances):
        settings = build_settings(dict(RECIPES["fast"].cells))
        self.plan, self.distances, self.played = SimpleNamespace(settings=settings), distances, []

    def settings(self, cells):
        return self.plan.settings.model_copy(update=cells)

    def play(self, trial, until, of, tell):
        gamma = self.settings(trial.cells).r1_gamma
        self.played.append((gamma, until))
        found = self.distances[gamma][until // 100 - 1]
        trial.sick, trial.distances[until] = ("collapse", math.inf) if found == "sick" else ("", found)


def winner(distances, **more):
    """The gamma that wins against the recipe's own, 0.3, and what was played."""
    table = Table(distances)
    going = Probe(table, Schedule(100, 8), lambda row: None, lambda *_: None, **more)
    cells = [{"r1_gamma": gamma} for gamma in distances if gamma != 0.3]
    return table.settings(going.challenge(Trial({}), cells).cells).r1_gamma, table.played


def test_the_best_challenger_alone_goes_on_and_wins_if_it_is_clearly_nearer():
    gamma, played = winner({0.3: (50, 40), 0.1: (60, None), 1.0: (45, 20)})
    assert gamma == 1.0
    assert played == [(0.3, 100), (0.1, 100), (1.0, 100), (0.3, 200), (1.0, 200)]


def test_what_is_in_place_stays_unless_clearly_beaten():
    nearly = 40 * (1 - 0.9 * probing.CLEARLY)
    assert winner({0.3: (50, 40), 0.1: (30, nearly)})[0] == 0.3
    assert winner({0.3: (50, 40), 0.1: (30, math.inf)})[0] == 0.3


def test_a_sick_trial_loses_whatever_its_distance():
    assert winner({0.3: (50, 40), 0.1: ("sick", "sick"), 1.0: (49, 20)})[0] == 1.0
    assert winner({0.3: ("sick", "sick"), 0.1: (90, 80)})[0] == 0.1
    assert winner({0.3: ("sick", "sick"), 0.1: ("sick", "sick")})[0] == 0.3


def test_a_probe_that_is_late_stops_before_the_next_trial():
    with pytest.raises(TimeIsUp):
        winner({0.3: (50, 40), 0.1: (30, 20)}, deadline=0.0)


def test_gammas_lie_around_the_suggestion_and_r2_goes_along():
    settings = build_settings(dict(RECIPES["fast"].cells))
    assert gamma_cells(settings, Suggestion(0.3, "")) == [{"r1_gamma": 0.075}, {"r1_gamma": 1.2}]
    far = gamma_cells(settings, Suggestion(12.0, ""))
    assert far == [{"r1_gamma": 3.0}, {"r1_gamma": 12.0}, {"r1_gamma": 48.0}]
    both = build_settings({**RECIPES["r3gan"].cells, "r1_gamma": 1.0, "r2_gamma": 0.5})
    assert gamma_cells(both, Suggestion(1.0, "")) == [
        {"r1_gamma": 0.25, "r2_gamma": 0.125},
        {"r1_gamma": 4.0, "r2_gamma": 2.0},
    ]
    assert gamma_cells(settings, None) == []


def test_a_learning_rate_that_the_user_gave_is_left_alone():
    settings = build_settings({"g_lr": 1e-3, "d_lr": 2e-3})
    assert rate_cells(settings, set()) == [{"g_lr": 5e-4, "d_lr": 1e-3}, {"g_lr": 2e-3, "d_lr": 4e-3}]
    assert rate_cells(settings, {"g_lr"}) == [{"d_lr": 1e-3}, {"d_lr": 4e-3}]
    assert rate_cells(settings, {"g_lr", "d_lr"}) == []


@pytest.mark.parametrize(("cells", "seconds"), [
    ({"minutes": 30}, 180), ({"minutes": 10}, 60), ({"minutes": 3}, 36), ({"minutes": 600}, 300),
    ({"images": 10_000}, None), ({"minutes": 30, "probe": True, "probe_minutes": 6}, 360),
])  # fmt: skip
def test_a_probe_takes_a_tenth_of_the_run_from_one_minute_to_five_and_never_above_a_fifth(cells, seconds):
    assert probe_seconds(build_settings(cells)) == (None if seconds is None else pytest.approx(seconds))


def test_what_cannot_be_probed_is_refused_before_anything_is_read():
    with pytest.raises(UsageError, match="this is one of 2"):
        refuse_probe({"probe": True}, Engine(torch.device("cpu"), 0, 2), None)
    with pytest.raises(UsageError, match="this one has begun"):
        refuse_probe({"probe": True}, Engine(torch.device("cpu")), build_settings({}))
    refuse_probe({"probe": True}, Engine(torch.device("cpu")), build_settings({"probe": True}))
    with pytest.raises(UsageError, match="give --probe too"):
        build_settings({"probe_minutes": 1})
    with pytest.raises(UsageError, match="a fifth is the most"):
        probe_seconds(build_settings({"probe": True, "probe_minutes": 2, "minutes": 5}))


def test_a_probe_too_short_to_tell_or_with_nothing_to_choose_is_refused(bars_npz, tmp_path):
    with pytest.raises(UsageError, match=r"give 160000 or more"):
        ganvas.train(bars_npz, out=tmp_path / "run", images=10_000, probe=True, **TINY)
    with pytest.raises(UsageError, match="nothing to choose"):
        ganvas.train(
            bars_npz, out=tmp_path / "run", images=10_000, probe=True, g_lr=1e-3, d_lr=1e-3, r1_gamma=1, **TINY
        )
    assert not (tmp_path / "run").exists()


def test_trials_fill_the_time_of_a_probe_in_whole_batches_or_are_refused():
    settings = build_settings({**RECIPES["fast"].cells, "batch": 10})
    ground = SimpleNamespace(plan=SimpleNamespace(settings=settings), seconds=lambda: (0.01, 1.0))
    assert Schedule.by_time(ground, 240.0, 8) == Schedule(2_900, 8, 240.0)  # 30 s each: 1 s of score, 29 s of steps
    with pytest.raises(UsageError, match=r"a probe of 0\.5 minutes is too short here .* give --probe-minutes"):
        Schedule.by_time(ground, 30.0, 8)


def test_a_trial_in_two_parts_equals_one_in_one_go(bars_npz):
    settled = settle(
        bars_npz, "fast", {"images": 400, "width": 8, "z_dim": 8, "batch": 8}, Engine(torch.device("cpu")),
        store=None, saved=None, quiet=True,
    )  # fmt: skip
    judge = learn_features(settled.store, pictures=64)
    ground = TrialGround(settled.plan, settled.store, Engine(torch.device("cpu")), judge, None)
    parts, whole, other = Trial({}), Trial({}), Trial({"r1_gamma": 3.0})
    for trial, until in ((parts, 80), (other, 80), (parts, 160), (whole, 160)):
        ground.play(trial, until, 160)
    assert parts.distances[160] == whole.distances[160] != parts.distances[80]
    assert parts.distances[80] != other.distances[80]


def test_a_run_keeps_what_its_probe_chose_and_its_resume_does_not_probe_again(bars_npz, tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "LEAST_STEPS", 2)
    monkeypatch.setattr(probing, "CLEARLY", -math.inf)  # the challenger always wins
    out = tmp_path / "run"
    ganvas.train(bars_npz, out=out, images=1_280, probe=True, d_lr=1e-3, **TINY)
    found = json.loads((out / "probe.json").read_text())
    settings = yaml.safe_load((out / "settings.yaml").read_text())
    assert found["chosen"] == {name: settings[name] for name in ("r1_gamma", "g_lr", "d_lr")}
    assert found["chosen"]["d_lr"] == 1e-3, "given, so left alone"
    assert found["chosen"]["r1_gamma"] != RECIPES["fast"].cells["r1_gamma"]
    assert found["chosen"]["g_lr"] != RECIPES["fast"].cells["g_lr"]
    assert found["trials"][0]["settings"] == {"r1_gamma": 0.3, "g_lr": 1.5e-3, "d_lr": 1e-3}
    assert [d["images"] for d in found["trials"][0]["distances"]] == [16, 32]

    monkeypatch.setattr("ganvas.training.settle.probe", lambda *_, **__: pytest.fail("probed again"))
    ganvas.train(bars_npz, out=out, resume=True, images=1_360, quiet=True)
    assert yaml.safe_load((out / "settings.yaml").read_text())["g_lr"] == found["chosen"]["g_lr"]
    assert json.loads((out / "probe.json").read_text()) == found
    ganvas.train(bars_npz, out=out, overwrite=True, images=16, **TINY)
    assert not (out / "probe.json").exists()


def test_ctrl_c_within_a_probe_leaves_nothing_behind(bars_npz, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrialGround, "play", interrupted)
    monkeypatch.setattr(probing, "LEAST_STEPS", 2)
    with pytest.raises(KeyboardInterrupt):
        ganvas.train(bars_npz, out=tmp_path / "run", images=1_280, probe=True, **TINY)
    assert not (tmp_path / "run").exists()
