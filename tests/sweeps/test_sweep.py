"""Studies of small made-up runs: what is trained, what is stopped, how a study goes on, and many processes on one."""

import inspect
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from made_up_runs import FakeRun, distance_of, fake_train, searched

import ganvas
from ganvas.errors import GanvasError, UsageError
from ganvas.sweeps.results import best_of
from ganvas.sweeps.sweep import sweep


def test_a_study_finds_the_best_settings_and_the_command_that_trains_them_again(tmp_path):
    said = []
    result = searched(tmp_path, 8, said=said)
    assert result.ended == "done"
    assert [trial.number for trial in result.trials] == list(range(8))
    best = result.best
    assert best == min((t for t in result.trials if t.state == "done"), key=lambda t: t.distance)
    assert best.distance == pytest.approx(distance_of(best.settings))
    assert best.run == tmp_path / f"trial-{best.number:05d}"
    words = shlex.split(result.command)
    assert words[:7] == ["ganvas", "train", "bars.npz", "--recipe", "fast", "--images", "500"]
    assert float(words[words.index("--g-lr") + 1]) == best.settings["g_lr"]
    assert words[-2:] == ["--out", str(tmp_path / "best")]
    assert result.command in said[-1]


def test_the_recipe_itself_is_the_first_trial(tmp_path):
    (first,) = searched(tmp_path, 1).trials
    assert first.settings == {"g_lr": 1.5e-3, "batch": 32}


def test_the_same_seed_draws_the_same_trials_and_another_seed_others(tmp_path):
    drawn = [
        [trial.settings for trial in searched(tmp_path / name, 2, fixed={"images": 500, "seed": seed}).trials]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0][1:] != drawn[2][1:]


def test_a_trial_worse_than_the_median_is_stopped_and_kept_out_of_the_best(tmp_path):
    rates = iter([1e-3, 1e-3, 1e-3, 1e-3, 1e-2])
    worst = []

    def train(source, *, g_lr, **more):
        worst.append(next(rates))
        return fake_train(source, g_lr=worst[-1], **more)

    last = searched(tmp_path, 5, train=train).trials[-1]
    assert (last.state, last.distance) == ("stopped", pytest.approx(0.1 + 1 + 3))
    assert last.reason == "distance 4.1 after 200 images, worse than the median of the others"


def test_a_sick_run_is_stopped_where_another_one_came_to_its_end(tmp_path):
    answers = []

    def train(source, *, watch, **more):
        answers.append(watch(50, None, "G draws one picture only"))
        return fake_train(source, watch=watch, **more)

    first, second = searched(tmp_path, 2, train=train).trials
    assert answers == [False, True]
    assert (first.state, second.state) == ("done", "stopped")
    assert first.reason == second.reason == "sick after 50 images: G draws one picture only"
    assert best_of((first, second)) == first


def test_a_run_that_ends_itself_as_sick_is_not_the_best(tmp_path):
    def train(source, *, out, **more):
        return FakeRun(fake_train(source, out=out, **more).path, "sick")

    (trial,) = searched(tmp_path, 1, train=train).trials
    assert (trial.state, trial.reason) == ("stopped", "the run called itself sick")
    assert best_of((trial,)) is None


def test_settings_that_do_not_fit_together_are_passed_over_with_the_reason(tmp_path):
    space = {"objective": "hinge,wasserstein"}  # the recipe fast plays simultaneous turns, which neither can
    result = searched(tmp_path, 2, space=space, train=pytest.fail)
    assert {trial.state for trial in result.trials} == {"stopped"}
    assert "refused: --turns simultaneous is exact only where" in result.trials[0].reason
    assert (result.best, result.command) == (None, None)
    assert "no trial came to its end yet" in str(result)


def test_a_run_that_diverges_is_one_bad_trial(tmp_path):
    def train(source, *, g_lr, watch, **more):
        if g_lr == 1.5e-3:
            watch(100, None, None)
            raise GanvasError("the run diverged at 100 images")
        return fake_train(source, g_lr=g_lr, watch=watch, **more)

    result = searched(tmp_path, 2, train=train)
    assert [trial.state for trial in result.trials] == ["stopped", "done"]
    assert result.trials[0].reason == "failed: the run diverged at 100 images"


def test_trials_that_never_begin_end_the_sweep_with_their_error(tmp_path):
    def train(source, **more):
        raise GanvasError("bars.npz is not there")

    with pytest.raises(GanvasError, match=r"3 trials in a row could not begin.*bars.npz is not there"):
        searched(tmp_path, 20, train=train)


def test_a_study_goes_on_to_the_number_of_trials_that_is_wanted_in_all(tmp_path):
    searched(tmp_path, 2)
    trained = []

    def train(source, **more):
        trained.append(more["out"].name)
        return fake_train(source, **more)

    assert len(searched(tmp_path, 3, train=train, space=None).trials) == 3  # with the space that it has
    assert trained == ["trial-00002"]
    assert len(searched(tmp_path, 3, train=train).trials) == 3
    assert trained == ["trial-00002"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"space": {"g_lr": "1e-5..1e-2:log"}}, "is about another space"),
        ({"fixed": {"images": 600}}, r"is about another settings \(images=500, not images=600\): give another --study"),
        ({"trials": 0}, "--trials 0: at least 1 is needed"),
        ({"fixed": {"images": 500, "g_lr": 0.1}, "study": "b"}, "--g-lr is given and searched over: drop --g-lr"),
        ({"storage": "nonsense"}, r"--storage this storage cannot be used \(Could not parse"),
        ({"study": "b"}, "trial-00000 is there already and of another study: give another --out"),
    ],
)
def test_words_that_do_not_fit_a_study_are_refused(tmp_path, words, message):
    searched(tmp_path, 1)
    with pytest.raises(UsageError, match=message):
        searched(tmp_path, **{"trials": 2, **words})


def test_a_storage_that_is_no_data_base_is_refused_without_its_password(tmp_path):
    (tmp_path / "notes.txt").write_text("not a data base" * 100)
    with pytest.raises(UsageError, match=r"notes.txt cannot be used \(.*not a database"):
        searched(tmp_path / "out", 1, storage=f"sqlite:///{tmp_path}/notes.txt")
    with pytest.raises(UsageError, match=r"--storage mssql://me:\*\*\*@host/x cannot be used"):
        searched(tmp_path / "out", 1, storage="mssql://me:secret@host/x")


def test_a_stopped_run_ends_the_sweep_with_what_is_known_and_does_not_count(tmp_path):
    def train(source, *, out, **more):
        if out.name == "trial-00002":
            out.mkdir()
            return FakeRun(out, "interrupted", signal=2)
        return fake_train(source, out=out, **more)

    result = searched(tmp_path, 9, train=train)
    assert (result.ended, result.signal) == ("interrupted", 2)
    assert [(trial.state, trial.reason) for trial in result.trials][2:] == [("failed", "interrupted")]
    assert result.best is not None
    assert len(searched(tmp_path, 3).trials) == 4


def test_ctrl_c_between_runs_also_ends_with_what_is_known(tmp_path):
    def train(source, *, out, **more):
        if out.name == "trial-00001":
            raise KeyboardInterrupt
        return fake_train(source, out=out, **more)

    result = searched(tmp_path, 9, train=train)
    assert (result.ended, result.best.number) == ("interrupted", 0)


def test_two_processes_share_one_study_and_begin_no_trial_too_many(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); from made_up_runs import searched\nsearched(sys.argv[2], 8)"
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, complaints = process.communicate(timeout=60)
        assert process.returncode == 0, complaints
    trials = [trial for trial in searched(tmp_path, 8).trials if trial.state != "failed"]
    assert len(trials) == 8
    assert len({trial.settings["g_lr"] for trial in trials}) == 8
    assert len(list(tmp_path.glob("trial-*"))) == 8


def test_a_sweep_asks_how_long_a_trial_is():
    with pytest.raises(UsageError, match=r"how long is one trial\? Give --images N"):
        sweep("digits", trials=2)


@pytest.mark.skipif("watch" not in inspect.signature(ganvas.train).parameters, reason="train has no watch yet")
def test_a_real_sweep_of_two_tiny_runs(bars_npz, tmp_path):
    words = {"width": 8, "z_dim": 8, "judge_samples": 64, "threads": 1, "images": 64, "recipe": "mlp"}
    result = sweep(bars_npz, trials=2, out=tmp_path / "s", space={"batch": "8,16"}, quiet=True, **words)
    assert [trial.reason for trial in result.trials] == ["", ""]
    assert result.best.distance == min(trial.distance for trial in result.trials)
    assert (result.best.run / "report.html").is_file()
