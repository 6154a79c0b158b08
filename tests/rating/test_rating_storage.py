"""A study on disk: one row a judgement, nothing lost by a kill, nothing counted twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from made_up_studies import pictures, study, study_file

from ganvas.errors import GanvasError, UsageError
from ganvas.rating.storage import FILE, MOST_RATERS, Judgement, StudyFile, create_study, holds_study
from ganvas.rating.study import Shown


def judgement(position: int, answer: str = "left", rater: int = 1) -> Judgement:
    return Judgement(rater, position, "pair", position, "left", answer, 1234, 256)


def test_a_study_comes_back_as_it_was_written(tmp_path):
    asked = study(10)
    file = study_file(tmp_path, asked)
    again = StudyFile(tmp_path)
    assert again.study == asked
    assert again.token == file.token
    assert len(again.ids) == 30
    assert again.picture(again.ids[Shown("B", 3)]) == next(
        p.png for p in pictures(asked) if (p.role, p.number) == ("B", 3)
    )
    assert again.origins()[Shown("B", 3)] == "B 3"


def test_names_of_pictures_tell_nothing(tmp_path):
    ids = study_file(tmp_path).ids
    assert len(set(ids.values())) == len(ids)
    assert all(len(key) == 16 and set(key) <= set("0123456789abcdef") for key in ids.values())
    other = study_file(tmp_path / "again").ids
    assert not set(ids.values()) & set(other.values())  # not a function of the place either


def test_answers_are_kept_in_order_and_no_place_is_answered_twice(tmp_path):
    file = study_file(tmp_path)
    rater = file.join("Ann")
    assert file.add(judgement(0))
    assert not file.add(judgement(0, "right"))
    assert not file.add(judgement(2))
    assert file.add(judgement(1, "right"))
    kept = file.judgements()
    assert [(j.position, j.answer, j.matches) for j in kept] == [(0, "left", True), (1, "right", False)]
    assert kept[0].at.endswith("+00:00")
    assert file.answered(rater.number) == 2


def test_the_last_answer_can_be_taken_back_one_at_a_time(tmp_path):
    file = study_file(tmp_path)
    file.join(None)
    for position in range(3):
        file.add(judgement(position))
    assert file.undo(1)
    assert file.answered(1) == 2
    assert file.undo(1)
    assert file.undo(1)
    assert not file.undo(1)
    assert file.judgements() == []


def test_raters_are_numbered_named_and_known_by_their_key(tmp_path):
    file = study_file(tmp_path)
    ann, nobody = file.join("  Ann \n Lee "), file.join("   ")
    assert (ann.number, ann.name) == (1, "Ann Lee")
    assert (nobody.number, nobody.name) == (2, None)
    assert file.rater(ann.key) == ann
    assert file.rater("made up") is None
    with pytest.raises(UsageError, match="ann lee is taken"):
        file.join("ann lee")
    with pytest.raises(UsageError, match="40 letters"):
        file.join("x" * 41)
    with pytest.raises(UsageError, match="40 letters"):
        file.join("a\x00b")


def test_there_is_an_end_to_raters(tmp_path):
    file = study_file(tmp_path)
    with sqlite3.connect(file.path) as db:
        rows = [(i, None, f"key{i}", "") for i in range(1, MOST_RATERS + 1)]
        db.executemany("INSERT INTO rater VALUES (?, ?, ?, ?)", rows)
    with pytest.raises(UsageError, match="takes no more"):
        file.join(None)


def test_many_at_once_lose_and_double_nothing(tmp_path):
    file = study_file(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        raters = list(pool.map(lambda _: file.join(None), range(8)))
        assert sorted(r.number for r in raters) == list(range(1, 9))
        places = [(r, p) for p in range(4) for r in range(1, 9)] * 2  # everything twice
        kept = sum(pool.map(lambda place: file.add(judgement(place[1], rater=place[0])), places))
    rows = file.judgements()
    assert kept == len(rows) == len({(j.rater, j.position) for j in rows})
    for rater in range(1, 9):
        assert [j.position for j in rows if j.rater == rater] == list(range(file.answered(rater)))


def test_a_second_study_in_the_folder_is_refused_and_the_first_stays(tmp_path):
    file = study_file(tmp_path)
    file.join("Ann")
    with pytest.raises(UsageError, match="already holds a study"):
        study_file(tmp_path)
    assert [r.name for r in StudyFile(tmp_path).raters()] == ["Ann"]


def test_a_folder_without_a_study_and_a_file_that_is_none_are_one_clear_line(tmp_path):
    with pytest.raises(GanvasError, match="holds no study"):
        StudyFile(tmp_path)
    (tmp_path / FILE).write_bytes(b"not a data base, but long enough to look like something" * 40)
    with pytest.raises(GanvasError, match="cannot be used"):
        _ = StudyFile(tmp_path).study


def test_a_making_that_was_cut_off_is_no_study_and_is_made_again(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert not holds_study(tmp_path)
    create_study(tmp_path, study(), pictures(study()))
    assert holds_study(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from ganvas.rating.storage import Judgement, StudyFile
file = StudyFile(Path(sys.argv[1]))
for position in range(10_000):
    assert file.add(Judgement(1, position, "pair", position, "left", "left", 1, 1))
    print(position, flush=True)
"""


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path):
    file = study_file(tmp_path)
    file.join(None)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    acknowledged = [int(process.stdout.readline()) for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    assert process.wait(30) == -signal.SIGKILL
    positions = [j.position for j in StudyFile(tmp_path).judgements()]
    assert positions[: len(acknowledged)] == acknowledged
    assert len(positions) <= len(acknowledged) + 1
    assert file.add(judgement(len(positions)))  # and it goes on
