"""A study on disk: one SQLite file with what is shown, who rates and every judgement, safe against kills.

An answer is on the disk before it is acknowledged (write-ahead log, synchronous=FULL), one row each.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from ganvas.errors import GanvasError, UsageError
from ganvas.rating.pictures import Picture
from ganvas.rating.study import Answer, Kind, Shown, Study

FILE = "study.sqlite"
WAIT_S = 20.0  # for another process that writes
MOST_RATERS = 1000  # whoever holds the link can join; a script must not fill the disk
LONGEST_NAME = 40  # letters

_TABLES = """
CREATE TABLE study (json TEXT NOT NULL, token TEXT NOT NULL);
CREATE TABLE picture (
    id TEXT PRIMARY KEY, role TEXT NOT NULL, number INTEGER NOT NULL, origin TEXT NOT NULL, png BLOB NOT NULL,
    UNIQUE (role, number)
);
CREATE TABLE rater (
    number INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, key TEXT NOT NULL UNIQUE, joined TEXT NOT NULL
);
CREATE TABLE judgement (
    rater INTEGER NOT NULL REFERENCES rater (number), position INTEGER NOT NULL, kind TEXT NOT NULL,
    item INTEGER NOT NULL, truth TEXT NOT NULL, answer TEXT NOT NULL, milliseconds INTEGER NOT NULL,
    width INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (rater, position)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Rater:
    """Who rates. number: from 1, in the order of joining. name: None if anonymous. key: what the browser keeps."""

    number: int
    name: str | None
    key: str


@dataclass(frozen=True)
class Judgement:
    """One answer. position: the place in the rater's own order. milliseconds: looked at the pictures, without pauses.

    truth: of a pair the side of A; of a single picture what it is; of a check the right answer. width: CSS pixels
    that a picture had on the rater's screen.
    """

    rater: int
    position: int
    kind: Kind
    item: int
    truth: Answer
    answer: Answer
    milliseconds: int
    width: int
    at: str = ""  # when it was kept: ISO 8601, UTC

    @property
    def matches(self) -> bool:
        """Of a pair: A was chosen. Else: the answer is right."""
        return self.answer == self.truth


class StudyFile:
    """An existing study. Every method is one transaction, so any number of threads and processes may call."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        if not self.path.is_file():
            raise GanvasError(f"{folder} holds no study: `ganvas rate A B` makes one")

    @cached_property
    def _row(self) -> tuple[str, str]:
        with self._connected() as db:
            rows = db.execute("SELECT json, token FROM study").fetchall()
        if len(rows) != 1:
            raise GanvasError(f"{self.path} is no study, or one whose making was cut off: remove it")
        return str(rows[0][0]), str(rows[0][1])

    @cached_property
    def study(self) -> Study:
        """What is asked and shown."""
        try:
            return Study.model_validate_json(self._row[0])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its description"
            raise GanvasError(
                f"{self.path} is damaged or of another version: {where}: {first['msg'].lower()}"
            ) from None

    @property
    def token(self) -> str:
        """What the link must carry; the study keeps it, so that a link stays good when the server starts again."""
        return self._row[1]

    @cached_property
    def ids(self) -> dict[Shown, str]:
        """The name under which each picture is sent: random, so that it tells nothing."""
        with self._connected() as db:
            return {
                Shown(role, number): key for key, role, number in db.execute("SELECT id, role, number FROM picture")
            }

    def picture(self, key: str) -> bytes | None:
        """The PNG of that name, or None."""
        with self._connected() as db:
            row = db.execute("SELECT png FROM picture WHERE id = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def origins(self) -> dict[Shown, str]:
        """What each picture was: a seed, or a name in its source."""
        with self._connected() as db:
            rows = db.execute("SELECT role, number, origin FROM picture ORDER BY role, number")
            return {Shown(role, number): origin for role, number, origin in rows}

    def join(self, name: str | None) -> Rater:
        """A new rater. Raises UsageError if the name is taken or too long, or there are too many raters."""
        name = " ".join((name or "").split()) or None
        if name is not None and (len(name) > LONGEST_NAME or not name.isprintable()):
            raise UsageError(f"a name has at most {LONGEST_NAME} letters: shorten it, or leave it out")
        with self._connected() as db:
            db.execute("BEGIN IMMEDIATE")
            number = int(db.execute("SELECT count(*) FROM rater").fetchone()[0]) + 1
            if number > MOST_RATERS:
                raise UsageError(f"this study has {MOST_RATERS} raters, and takes no more")
            rater = Rater(number, name, secrets.token_urlsafe(24))
            try:
                db.execute("INSERT INTO rater VALUES (?, ?, ?, ?)", (number, name, rater.key, _now()))
            except sqlite3.IntegrityError:
                raise UsageError(
                    f"the name {name} is taken: add a letter, or go on in the browser it began in"
                ) from None
        return rater

    def rater(self, key: str) -> Rater | None:
        """Who holds this key."""
        with self._connected() as db:
            row = db.execute("SELECT number, name, key FROM rater WHERE key = ?", (key,)).fetchone()
        return None if row is None else Rater(*row)

    def raters(self) -> list[Rater]:
        """All, in the order of joining."""
        with self._connected() as db:
            return [Rater(*row) for row in db.execute("SELECT number, name, key FROM rater ORDER BY number")]

    def add(self, judgement: Judgement) -> bool:
        """Keep an answer; False if its place is answered already, or is not the rater's next one."""
        j = judgement
        with self._connected() as db:
            db.execute("BEGIN IMMEDIATE")
            if _answered(db, j.rater) != j.position:
                return False
            row = (j.rater, j.position, j.kind, j.item, j.truth, j.answer, j.milliseconds, j.width, _now())
            db.execute("INSERT INTO judgement VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def undo(self, rater: int) -> bool:
        """Take the rater's last answer back; False if there is none."""
        with self._connected() as db:
            db.execute("BEGIN IMMEDIATE")
            last = _answered(db, rater) - 1
            db.execute("DELETE FROM judgement WHERE rater = ? AND position = ?", (rater, last))
        return last >= 0

    def answered(self, rater: int) -> int:
        """How many screens the rater has answered; also the place of the next one."""
        with self._connected() as db:
            return _answered(db, rater)

    def judgements(self) -> list[Judgement]:
        """All, by rater and place."""
        with self._connected() as db:
            return [Judgement(*row) for row in db.execute("SELECT * FROM judgement ORDER BY rater, position")]

    def judgement(self, rater: int, position: int) -> Judgement | None:
        """What that rater answered there."""
        with self._connected() as db:
            row = db.execute("SELECT * FROM judgement WHERE rater = ? AND position = ?", (rater, position)).fetchone()
        return None if row is None else Judgement(*row)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with _opened(self.path) as db:
            yield db


def create_study(folder: Path, study: Study, pictures: Sequence[Picture]) -> StudyFile:
    """Write a new study into the folder: whole or not at all. Raises UsageError if there is one already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    with _opened(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise UsageError(f"{folder} already holds a study: go on with it, or give another --out")
        for table in _TABLES.split(";")[:-1]:
            db.execute(table)
        rows = [(secrets.token_hex(8), p.role, p.number, p.origin, p.png) for p in pictures]
        secrets.SystemRandom().shuffle(rows)  # so that not even the order in the file follows the sides
        db.executemany("INSERT INTO picture VALUES (?, ?, ?, ?, ?)", rows)
        db.execute("INSERT INTO study VALUES (?, ?)", (study.model_dump_json(), secrets.token_urlsafe(24)))
    return StudyFile(folder)


def holds_study(folder: Path) -> bool:
    """Whether there is a whole study in the folder. A making that was cut off left an empty file: that is none."""
    path = folder / FILE
    if not path.is_file():
        return False
    with _opened(path) as db:
        return bool(db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'judgement'").fetchone()[0])


def _answered(db: sqlite3.Connection, rater: int) -> int:
    return int(db.execute("SELECT count(*) FROM judgement WHERE rater = ?", (rater,)).fetchone()[0])


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one transaction: kept if the block ends, rolled back if it raises."""
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            if db.in_transaction:
                db.execute("COMMIT")
    except sqlite3.Error as error:
        raise GanvasError(f"{path} cannot be used ({error}): make room or unlock it, or give another --out") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
