"""Curves in other programs: told once each, over any number of resumes, and never in the way of a training."""

import importlib.util
import json
import sqlite3
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganvas.errors import UsageError
from ganvas.training.trackers import open_trackers, opening, places, read_names, worker
from ganvas.training.trackers.contract import scalars

SETTINGS = {"batch": 8, "g_lr": 1e-4, "augment": None}
FACTS = {"recipe": "fast", "pictures": {"train": 96, "classes": ["0", "1"]}}


def installed(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@pytest.fixture(autouse=True)
def _nothing_from_the_environment(monkeypatch, tmp_path):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "sheet.png"
    Image.fromarray(np.arange(96, dtype=np.uint8).reshape(8, 12)).save(path)
    return path


class Remembered:
    """A tracker that keeps what it is told."""

    settles_s = 0.0

    def __init__(self, opening):
        self.opening, self.identity, self.told, self.ended = opening, opening.identity or "one", [], None

    def log(self, images, numbers):
        self.told.append((images, dict(numbers)))

    def picture(self, name, path, images):
        self.told.append((images, name))

    def go_back(self, images):
        return False

    def finish(self, ended):
        self.ended = ended


@pytest.fixture
def fakes(monkeypatch):
    """Two trackers by the names of real ones: `trackio` keeps all, `wandb` is what a test puts in its place."""
    made = []

    def opener(kind):
        def open_one(opened):
            made.append(kind(opened))
            return made[-1]

        return open_one

    def use(**kinds):
        known = {name: opening._Kind((), lambda kind=kind: opener(kind)) for name, kind in kinds.items()}
        monkeypatch.setattr(opening, "_KINDS", known)
        return made

    return use


def tracked(names, run, *, resume=None, on_problem=pytest.fail):
    return open_trackers(names, run, settings=SETTINGS, facts=FACTS, resume_images=resume, on_problem=on_problem)


def train_part(names, run, images, resume=None, sheet=None):
    """What a run tells: a loss of images / 8 at each of `images`, and a sheet at the last."""
    with tracked(names, run, resume=resume) as trackers:
        for seen in images:
            trackers.log(seen, {"d_loss": seen / 8})
        if sheet is not None:
            trackers.picture("samples", sheet, images[-1])


# names


def test_names_are_read_once_each_and_none_is_no_tracker():
    assert read_names(["none"]) == read_names([]) == ()
    assert read_names(["TensorBoard ", "tensorboard"]) == ("tensorboard",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tensorbord"], r"--report-to tensorbord: there is no such tracker. did you mean 'tensorboard'\? Known are"),
        (["none", "wandb"], "--report-to none,wandb: give none, or names, not both"),
    ],
)
def test_bad_names_are_refused(names, message):
    with pytest.raises(UsageError, match=message):
        read_names(names)


def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setitem(opening._KINDS, "wandb", opening._Kind(("no_such_package",), pytest.fail))
    with pytest.raises(UsageError, match=r"--report-to wandb needs the package no_such_package.*ganvas\[track\]"):
        read_names(["wandb"])


def test_no_tracker_is_imported_unless_it_is_named(tmp_path):
    code = (
        "import sys; from pathlib import Path; from ganvas.training.trackers import open_trackers\n"
        f"with open_trackers(['none'], Path({str(tmp_path)!r}), settings={{}}, facts={{}}, resume_images=None,"
        " on_problem=print) as t: t.log(8, {'a': 1.0})\n"
        "print(sorted({'wandb', 'mlflow', 'trackio', 'tensorboardX', 'tensorflow', 'torch'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@installed("tensorboardX")
def test_no_environment_variable_is_set_beside_the_main_thread(tmp_path):
    # Where one is set while another thread reads one, the C library crashes now and then.
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from ganvas.training.trackers import open_trackers; set_by = []\n"
        "sys.addaudithook(lambda e, a: e == 'os.putenv' and set_by.append(threading.current_thread().name))\n"
        f"with open_trackers(['tensorboard'], Path({str(tmp_path)!r}), settings={{}}, facts={{}}, resume_images=None,"
        " on_problem=print) as t: t.log(8, {'a': 1.0})\n"
        "print(sorted(set(set_by)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['MainThread']"


def test_a_tracker_whose_package_cannot_be_imported_is_told_of_once(monkeypatch, tmp_path):
    def load():
        raise ImportError("no libcurl")

    monkeypatch.setattr(opening, "_KINDS", {"wandb": opening._Kind((), load)})
    said = []
    with tracked(["wandb"], tmp_path, on_problem=said.append) as trackers:
        trackers.log(8, {"d_loss": 1.0})
    assert said == ["wandb: cannot be opened: ImportError: no libcurl. Training goes on; its curves may have gaps"]


def test_nested_facts_become_one_table():
    assert scalars({"a": {"b": 1, "c": ["x", "y"]}, "d": None, "e": "f"}) == {"a.b": 1, "a.c": "x, y", "e": "f"}


# one story over several resumes


def test_points_reach_every_tracker_in_order_with_its_identity_kept(fakes, tmp_path, sheet):
    made = fakes(wandb=Remembered, trackio=Remembered)
    train_part(["wandb", "trackio"], tmp_path, [8, 16], sheet=sheet)
    assert [tracker.told for tracker in made] == [[(8, {"d_loss": 1.0}), (16, {"d_loss": 2.0}), (16, "samples")]] * 2
    assert [tracker.ended for tracker in made] == ["done", "done"]
    kept = json.loads((tmp_path / "tracker.json").read_text())
    assert kept["wandb"] == {"identity": "one", "written": {"d_loss": 16, "samples": 16}}


def test_a_resumed_run_tells_nothing_twice_and_leaves_nothing_out(fakes, tmp_path):
    made = fakes(wandb=Remembered)
    train_part(["wandb"], tmp_path, [8, 16, 24, 32])
    train_part(["wandb"], tmp_path, [24, 32, 40], resume=16)  # killed at 32, the checkpoint was of 16
    assert [images for tracker in made for images, _ in tracker.told] == [8, 16, 24, 32, 40]
    assert made[1].opening.identity == "one"


def test_what_a_kill_may_have_taken_is_told_again(fakes, tmp_path, monkeypatch):
    class Buffers(Remembered):
        settles_s = 2.0

    made, clock = fakes(wandb=Buffers), [0.0]
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    trackers = tracked(["wandb"], tmp_path)
    for images in (8, 16, 24):  # at 24, the point of 8 was followed 1.5 s ago
        clock[0] += 1.5
        tell_and_wait(trackers, images)
    assert json.loads((tmp_path / "tracker.json").read_text())["wandb"]["written"] == {}
    clock[0] += 1.5
    tell_and_wait(trackers, 32)  # now 3 s ago; and here the run is killed, without a finish
    assert json.loads((tmp_path / "tracker.json").read_text())["wandb"]["written"] == {"d_loss": 8}
    train_part(["wandb"], tmp_path, [16, 24, 32], resume=8)
    assert [images for images, _ in made[1].told] == [16, 24, 32]


def tell_and_wait(trackers, images):
    trackers.log(images, {"d_loss": 1.0})
    (only,) = trackers._workers
    deadline = time.monotonic() + 5
    while (only._waiting.qsize() or only._busy is not None) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_what_the_journal_has_and_a_tracker_has_not_is_told_on_resume(fakes, tmp_path):
    made = fakes(wandb=Remembered, trackio=Remembered)
    train_part(["wandb"], tmp_path, [8])  # killed before the points of 16 came through; trackio is new
    lines = [{"event": "stats", "images": n, "step": n // 8, "seconds": 0.1, "d_loss": n / 8} for n in (8, 16, 24)]
    lines += [{"event": "score", "images": 16, "distance": 3.0}, {"event": "resumed", "images": 16}]
    (tmp_path / "stats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    train_part(["wandb", "trackio"], tmp_path, [24], resume=16)
    told = {tuple(images for images, _ in tracker.told) for tracker in made[1:]}
    assert told == {(16, 24), (8, 16, 24)}
    assert made[1].told[0] in [(16, {"d_loss": 2.0}), (8, {"d_loss": 1.0})]


def test_a_number_told_twice_at_one_moment_is_one_point(fakes, tmp_path):
    class Buffers(Remembered):
        settles_s = 2.0

    made = fakes(trackio=Buffers)
    with tracked(["trackio"], tmp_path) as trackers:
        trackers.log(8, {"d_loss": 1.0})
        trackers.log(8, {"d_loss": 1.0, "coverage": 0.5})
    assert made[0].told == [(8, {"d_loss": 1.0}), (8, {"coverage": 0.5})]


def test_a_verdict_at_the_images_of_a_last_loss_is_still_new(fakes, tmp_path):
    made = fakes(wandb=Remembered)
    train_part(["wandb"], tmp_path, [8])
    with tracked(["wandb"], tmp_path, resume=8) as trackers:
        trackers.log(8, {"d_loss": 1.0, "distance": 0.5})
    assert made[1].told == [(8, {"distance": 0.5})]


def test_a_new_run_in_the_place_of_an_old_one_begins_new_curves(fakes, tmp_path):
    made = fakes(wandb=Remembered)
    train_part(["wandb"], tmp_path, [8])
    train_part(["wandb"], tmp_path, [8])
    assert made[1].opening.identity is None
    assert made[1].told == made[0].told


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"wandb": 3}', '{"wandb": {"identity": "x", "written": 4}}'])
def test_a_damaged_record_only_begins_new_curves(fakes, tmp_path, damage):
    made = fakes(wandb=Remembered)
    (tmp_path / "tracker.json").write_text(damage)
    train_part(["wandb"], tmp_path, [24], resume=16)
    assert (made[0].opening.identity, made[0].told) == (None, [(24, {"d_loss": 3.0})])


def test_after_a_rollback_curves_go_on_where_the_sick_part_ends(fakes, tmp_path):
    made = fakes(wandb=Remembered)
    with tracked(["wandb"], tmp_path) as trackers:
        for images in (8, 16, 24):
            trackers.log(images, {"d_loss": 1.0})
        trackers.go_back(8)
        for images in (16, 24, 32):
            trackers.log(images, {"d_loss": 2.0})
    assert made[0].told == [(8, {"d_loss": 1.0}), (16, {"d_loss": 1.0}), (24, {"d_loss": 1.0}), (32, {"d_loss": 2.0})]


# what goes wrong


class Broken(Remembered):
    def log(self, images, numbers):
        if images < 24:
            raise ConnectionError("no route\nto http://me:secret@host")
        super().log(images, numbers)


def test_a_tracker_that_raises_is_told_of_once_and_given_later_points(fakes, tmp_path):
    made, said = fakes(wandb=Broken, trackio=Remembered), []
    with tracked(["wandb", "trackio"], tmp_path, on_problem=said.append) as trackers:
        for images in (8, 16, 24):
            trackers.log(images, {"d_loss": 1.0})
    assert said == ["wandb: ConnectionError: no route to http://***@host. Training goes on; its curves may have gaps"]
    told = {type(tracker).__name__: [images for images, _ in tracker.told] for tracker in made}
    assert told == {"Broken": [24], "Remembered": [8, 16, 24]}


def test_a_tracker_that_cannot_be_opened_is_told_of_once(fakes, tmp_path):
    def refuses(opened):
        raise SystemExit("log in first")

    fakes(wandb=refuses)
    said = []
    with tracked(["wandb"], tmp_path, on_problem=said.append) as trackers:
        trackers.log(8, {"d_loss": 1.0})
    assert said == ["wandb: cannot be opened: SystemExit: log in first. Training goes on; its curves may have gaps"]


def test_a_tracker_that_hangs_holds_nobody_up(fakes, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE_S", 0.1)
    monkeypatch.setattr(worker, "MOST_WAITING", 3)
    release = threading.Event()

    class Hangs(Remembered):
        def log(self, images, numbers):
            release.wait(20)

    fakes(wandb=Hangs)
    said = []
    trackers = tracked(["wandb"], tmp_path, on_problem=said.append)
    began = time.monotonic()
    for images in range(8, 800, 8):
        trackers.log(images, {"d_loss": 1.0})
    time.sleep(0.15)
    trackers.finish("done")
    assert time.monotonic() - began < 1
    assert len(said) == 1
    assert "wandb: " in said[0]
    release.set()


# where things are


def test_nothing_leaves_the_machine_unless_the_environment_says_so(tmp_path, monkeypatch):
    assert places.wandb_mode() == "offline"
    assert places.mlflow_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert (places.wandb_mode(), places.mlflow_uri(tmp_path)) == ("online", "http://127.0.0.1:5000")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert places.wandb_mode() == "offline"


def test_a_new_run_forgets_the_old_trackers_files_and_nobody_elses(tmp_path):
    (tmp_path / "tb").mkdir()
    for name in ("tb/events.out.tfevents.1.old", "tb/notes.txt", "mlflow.db", "tracker.json"):
        (tmp_path / name).write_text("old")
    tracked([], tmp_path).finish("done")
    assert {path.name for path in tmp_path.rglob("*")} == {"tb", "notes.txt"}


# the real ones, without a network

EVERY = list(range(8, 65, 8))  # what an unbroken run tells


def killed_and_resumed(name, run, sheet):
    train_part([name], run, [8, 16, 24, 32, 40], sheet=sheet)  # as if killed at 40 ...
    train_part([name], run, [32, 40, 48, 56, 64], resume=24, sheet=sheet)  # ... and resumed from 24


@installed("tensorboardX")
@installed("tensorboard")
def test_tensorboard_shows_each_point_once_and_the_png_byte_by_byte(tmp_path, sheet):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    killed_and_resumed("tensorboard", tmp_path / "run", sheet)
    seen = EventAccumulator(str(tmp_path / "run" / "tb")).Reload()
    assert [(point.step, point.value) for point in seen.Scalars("d_loss")] == [(n, n / 8) for n in EVERY]
    assert [(picture.step, picture.width, picture.height) for picture in seen.Images("samples")] == [(64, 12, 8)]
    assert seen.Images("samples")[0].encoded_image_string == sheet.read_bytes()
    assert "| batch | 8 |" in seen.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()


@installed("tensorboardX")
@installed("tensorboard")
@pytest.mark.parametrize(("back_to", "kept"), [(8, [1.0, 2.0, 2.0]), (0, [2.0, 2.0])])
def test_tensorboard_drops_what_a_rollback_took_back(tmp_path, back_to, kept):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tracked(["tensorboard"], tmp_path) as trackers:
        for images in (8, 16, 24):
            trackers.log(images, {"d_loss": 1.0})
        trackers.go_back(back_to)
        for images in (16, 24):
            trackers.log(images, {"d_loss": 2.0})
    seen = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [point.value for point in seen.Scalars("d_loss")] == kept


@installed("tensorboardX")
def test_tensorboard_begins_anew_where_no_checkpoint_was_there(tmp_path):
    train_part(["tensorboard"], tmp_path, [0, 8, 16])
    train_part(["tensorboard"], tmp_path, [0, 8], resume=0)
    assert len(list((tmp_path / "tb").iterdir())) == 1
    assert json.loads((tmp_path / "tracker.json").read_text())["tensorboard"]["written"] == {"d_loss": 8}


@installed("wandb")
def test_wandb_offline_keeps_one_id_and_each_point_once(tmp_path, sheet):
    killed_and_resumed("wandb", tmp_path / "run", sheet)
    kept = json.loads((tmp_path / "run" / "tracker.json").read_text())["wandb"]["identity"]
    parts = sorted((tmp_path / "run" / "wandb").glob(f"offline-run-*/run-{kept}.wandb"))
    assert len(parts) == len(list((tmp_path / "run" / "wandb").glob("offline-run-*")))
    wanted, deadline = (
        [(n, n, n / 8) for n in EVERY],
        time.monotonic() + 30,
    )  # it may write on for a while after its end
    while (told := told_to_wandb(parts)) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told == wanted
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*/files/media/images/*.png"))) == 2


def told_to_wandb(parts):
    rows = [row for part in parts for row in wandb_history(part) if "d_loss" in row]
    return sorted((row["images"], row["_step"], row["d_loss"]) for row in rows)


def wandb_history(path):
    """The rows of a .wandb file: after 7 bytes, blocks of 32 KiB of records with 7 bytes of head, each a protobuf."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a full record, or the last part of one
            items = Record.FromString(whole).history.item
            whole = b""
            if items:
                yield {(item.key or ".".join(item.nested_key)): json.loads(item.value_json) for item in items}


@installed("mlflow")
@installed("sqlalchemy")
def test_mlflow_goes_on_with_its_run_and_has_each_point_once(tmp_path, sheet):
    killed_and_resumed("mlflow", tmp_path / "run", sheet)
    with sqlite3.connect(tmp_path / "run" / "mlflow.db") as database:
        points = database.execute("SELECT step, value FROM metrics WHERE key = 'd_loss' ORDER BY step").fetchall()
        runs = database.execute("SELECT name, status FROM runs").fetchall()
        params = dict(database.execute("SELECT key, value FROM params"))
        tags = dict(database.execute("SELECT key, value FROM tags"))
    assert points == [(n, n / 8) for n in EVERY]
    assert runs == [("run", "FINISHED")]
    assert params["batch"] == "8"
    assert (tags["recipe"], tags["ended"]) == ("fast", "done")
    assert len(list((tmp_path / "run" / "mlartifacts").rglob("samples*.png"))) == 2


@installed("trackio")
def test_trackio_goes_on_with_its_run_and_has_each_point_once(tmp_path, sheet):
    # In a process of its own: the package decides where it writes when it is imported.
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from test_trackers import killed_and_resumed\n"
        "killed_and_resumed('trackio', Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    here = str(__file__).rsplit("/", 1)[0]
    subprocess.run([sys.executable, "-c", code, here, str(tmp_path / "run"), str(sheet)], check=True)
    (database,) = (tmp_path / "trackio").glob("ganvas*.db")
    with sqlite3.connect(database) as rows:
        told = [(step, json.loads(text)) for step, text in rows.execute("SELECT step, metrics FROM metrics")]
    assert sorted((step, row["d_loss"]) for step, row in told if "d_loss" in row) == [(n, n / 8) for n in EVERY]
