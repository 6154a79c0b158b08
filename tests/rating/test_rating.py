"""`ganvas rate` from end to end but the browser: studies made, gone on with, refused; results and export."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_studies import study, study_file
from PIL import Image

from example_pictures import bars
from ganvas.cli import main
from ganvas.errors import GanvasError, UsageError
from ganvas.model import Model, ModelConfig
from ganvas.networks.table import build_generator
from ganvas.rating.rating import open_study
from ganvas.rating.storage import Judgement, StudyFile
from ganvas.rating.study import Shown, Wishes, schedule


def folder_of_pictures(path: Path, count: int = 40, side: int = 12, seed: int = 0) -> Path:
    path.mkdir()
    for i, image in enumerate(bars(count, side, seed)[0]):
        Image.fromarray(image).save(path / f"{i:03d}.png")
    return path


def model_folder(path: Path, side: int = 12, source: str = "") -> Path:
    """An untrained model."""
    import torch

    torch.manual_seed(len(path.name))
    G = build_generator("mlp", resolution=(side, side), channels=1, z_dim=8, width=8, classes=0)
    config = ModelConfig(network="mlp", resolution=(side, side), channels=1, z_dim=8, width=8, source=source)
    return Model(G, config).save(path)


def test_two_folders_make_a_study_whose_checks_come_from_both(tmp_path):
    a, b = folder_of_pictures(tmp_path / "a", 20), folder_of_pictures(tmp_path / "b", 20, seed=1)
    file = open_study(str(a), str(b), Wishes(n=10), tmp_path / "out")
    of = file.study
    assert (of.n, of.checks, of.question, of.mode, (of.height, of.width)) == (10, 5, "real", "pairwise", (256, 256))
    assert of.real is None
    roles = [shown.role for shown in file.ids]
    assert {role: roles.count(role) for role in set(roles)} == {"A": 10, "B": 10, "intact": 5, "ruined": 5}
    assert file.origins()[Shown("ruined", 0)].startswith("noise of ")
    assert file.origins()[Shown("ruined", 1)].startswith("blur of ")


def test_two_models_draw_the_same_seeds_and_keep_their_hashes(tmp_path):
    a, b = model_folder(tmp_path / "a"), model_folder(tmp_path / "other")
    file = open_study(str(a), str(b), Wishes(n=4, seed=3), tmp_path / "out")
    config = json.loads((a / "config.json").read_text())
    assert file.study.a.sha256 == config["weights_sha256"]
    assert file.study.a.seeds == file.study.b.seeds == tuple(range(2_300_000, 2_300_009))
    assert file.origins()[Shown("A", 0)] == "seed 2300000"


def test_pictures_beside_a_model_are_brought_to_its_size(tmp_path):
    a, b = model_folder(tmp_path / "a"), folder_of_pictures(tmp_path / "b", side=30)
    for sides in ((a, b), (b, a)):
        file = open_study(str(sides[0]), str(sides[1]), Wishes(n=4), tmp_path / f"out-{sides[0].name}")
        assert [(c.height, c.width) for c in (file.study.a, file.study.b)] == [(12, 12), (12, 12)]


def test_a_model_alone_is_judged_against_what_it_was_trained_on(tmp_path):
    data = folder_of_pictures(tmp_path / "data")
    file = open_study(str(model_folder(tmp_path / "a", source=str(data))), None, Wishes(n=10), tmp_path / "out")
    roles = [shown.role for shown in file.ids]
    assert {role: roles.count(role) for role in set(roles)} == {"A": 5, "real": 5, "example": 12, "ruined": 5}
    assert file.study.question == "real or generated"
    origins = file.origins()
    shown = [origins[s] for s in origins if s.role in ("real", "example")]
    assert len(set(shown)) == 17  # no example is judged


def test_a_source_alone_needs_real_pictures(tmp_path):
    a = folder_of_pictures(tmp_path / "a")
    with pytest.raises(UsageError, match="--data"):
        open_study(str(a), None, Wishes(n=10), tmp_path / "out")
    with pytest.raises(UsageError, match="same source"):
        open_study(str(a), None, Wishes(n=10, data=str(a)), tmp_path / "out")
    real = folder_of_pictures(tmp_path / "real", seed=2)
    assert open_study(str(a), None, Wishes(n=10, data=str(real)), tmp_path / "out").study.real.given == str(real)


def test_too_few_pictures_and_equal_sides_are_refused(tmp_path):
    a, b = folder_of_pictures(tmp_path / "a", 20), folder_of_pictures(tmp_path / "b", 9, seed=1)
    with pytest.raises(GanvasError, match="has 9 pictures that can be used, but --n 10 needs 10"):
        open_study(str(a), str(b), Wishes(n=10), tmp_path / "out")
    with pytest.raises(
        GanvasError, match="20 pictures that can be used, but --n 20 needs 10 real ones and 12 examples"
    ):
        open_study(str(b), None, Wishes(n=20, data=str(a)), tmp_path / "out")
    with pytest.raises(UsageError, match="are the same source"):
        open_study(str(a), str(a), Wishes(n=10), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"n": 1}, "--n 1"),
        ({"size": 8}, "--size 8"),
        ({"seed": -1}, "--seed -1"),
        ({"question": "prefer"}, "--question prefer is for two sides"),
    ],
)
def test_wishes_that_cannot_be_are_refused(tmp_path, wishes, message):
    with pytest.raises(UsageError, match=message):
        open_study("digits", None, Wishes(**wishes), tmp_path / "out")


def test_the_same_command_goes_on_and_another_one_is_refused(tmp_path):
    a, b, c = (folder_of_pictures(tmp_path / name, 20, seed=i) for i, name in enumerate("abc"))
    out, wishes = tmp_path / "out", Wishes(n=10, upscaling="nearest", size=100)
    first = open_study(str(a), str(b), wishes, out)
    first.join("Ann")
    again = open_study(str(a), str(b), wishes, out)
    assert (again.study, again.token) == (first.study, first.token)
    assert [r.name for r in again.raters()] == ["Ann"]
    assert open_study(str(a), str(b), Wishes(), out).study == first.study
    for wrong, message in ((Wishes(n=12), "--n 10, not 12"), (Wishes(size=200), "shown at 96x96")):
        with pytest.raises(UsageError, match=message):
            open_study(str(a), str(b), wrong, out)
    with pytest.raises(UsageError, match=r"whose B is .*b with hash"):
        open_study(str(a), str(c), wishes, out)
    with pytest.raises(UsageError, match="holds a study of two sides"):
        open_study(str(a), None, Wishes(), out)
    with pytest.raises(UsageError, match="--data none"):
        open_study(str(a), str(b), Wishes(data=str(c)), out)


def test_a_study_goes_on_by_its_folder_when_the_pictures_are_gone(tmp_path):
    a, b = folder_of_pictures(tmp_path / "a", 20), folder_of_pictures(tmp_path / "b", 20, seed=1)
    first = open_study(str(a), str(b), Wishes(n=10), tmp_path / "out")
    shutil.rmtree(a)
    shutil.rmtree(b)
    again = open_study(str(tmp_path / "out"))
    assert again.picture(again.ids[Shown("A", 0)]) == first.picture(first.ids[Shown("A", 0)])


def rated(folder: Path, raters: int = 1, of=None) -> StudyFile:
    """A study in which A is always chosen and no check is missed."""
    file = study_file(folder, of)
    for number in range(1, raters + 1):
        file.join(f"name {number}")
        for position, s in enumerate(schedule(file.study, number)):
            file.add(Judgement(number, position, s.kind, s.item, s.truth, s.truth, 2000, 256))
    return file


def test_results_are_printed_without_serving(tmp_path, capsys):
    rated(tmp_path / "out")
    assert main(["rate", str(tmp_path / "out"), "--results"]) == 0
    said = capsys.readouterr().out
    assert "A chosen  100% (95 % interval 72% to 100%), 10 answers" in said
    assert "name 1" in said
    assert "A wins." in said


def test_export_writes_passport_results_and_every_judgement(tmp_path, capsys):
    rated(tmp_path / "out", raters=2)
    target = tmp_path / "rating.json"
    assert main(["rate", "anything", "--out", str(tmp_path / "out"), "--export", str(target)]) == 0
    document = json.loads(target.read_text())
    assert document["schema"] == 1
    assert document["passport"]["metric"] == "win_rate"
    assert document["passport"]["value"] == 1
    assert len(document["judgements"]) == 30
    assert {"role": "A", "number": 0, "origin": "A 0"} in document["pictures"]
    assert "key" not in json.dumps(document["results"]["raters"])  # what a browser is known by stays here


def test_going_on_and_reading_results_wait_for_no_torch(tmp_path):
    rated(tmp_path / "out")
    check = (
        "import sys; from ganvas.cli import main; from ganvas.rating.rating import open_study; "
        "assert main(['rate', '--help']) == 0; open_study(sys.argv[1]); "
        "code = main(['rate', sys.argv[1], '--results']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    words = [sys.executable, "-c", check, str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_results_without_a_study_are_one_clear_line(tmp_path, capsys):
    assert main(["rate", str(tmp_path / "a"), str(tmp_path / "b"), "--results"]) == 1
    assert "holds no study" in capsys.readouterr().err


def test_a_missing_package_is_one_clear_line(tmp_path, capsys, monkeypatch):
    study_file(tmp_path / "out")
    for name in [name for name in sys.modules if name.startswith("ganvas.rating.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["rate", str(tmp_path / "out")]) == 2
    assert "pip install 'ganvas[serve]'" in capsys.readouterr().err


def started(folder: Path, *words: str) -> tuple[subprocess.Popen[str], str]:
    """`ganvas rate` in a process of its own, and the link that it printed."""
    command = [sys.executable, "-m", "ganvas", "rate", str(folder), "--port", "0", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        found = re.match(r"rate at +(http://\S+)", line)
        if found:
            return process, found[1]
    raise AssertionError(process.stderr.read())


def test_a_killed_server_loses_nothing_and_the_same_command_goes_on_with_the_same_link(tmp_path):
    httpx = pytest.importorskip("httpx2")
    pytest.importorskip("granian")
    file = study_file(tmp_path, study(10))
    process, link = started(tmp_path)
    client = httpx.Client(follow_redirects=True)
    assert client.get(link).status_code == 200
    base = link.partition("/?")[0]
    assert client.post(f"{base}/api/join", json={"name": "Ann"}).status_code == 200
    for position in range(4):
        body = {"position": position, "answer": "left", "milliseconds": 1, "width": 1}
        assert client.post(f"{base}/api/answer", json=body).status_code == 200
    process.kill()
    process.wait(30)
    assert file.answered(1) == 4

    process, link_again = started(tmp_path)
    assert link_again.partition("token=")[2] == link.partition("token=")[2]
    state = client.get(link_again.partition("/?")[0] + "/api/state").json()
    assert (state["name"], state["position"]) == ("Ann", 4)
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=30)
    assert (process.returncode, complained) == (0, "")
    assert "4 of 10" in said or "3 of 10" in said  # one of the four was a check


def test_numpy_pictures_are_a_side_too(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=bars(20)[0])
    b = folder_of_pictures(tmp_path / "b", 20, seed=1)
    assert open_study(str(path), str(b), Wishes(n=4), tmp_path / "out").study.a.height == 12
