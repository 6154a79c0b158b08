"""What `ganvas rate` does: find or make the study, serve it, read its results."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from ganvas.errors import GanvasError, UsageError
from ganvas.rating.passport import to_json
from ganvas.rating.pictures import shown_size
from ganvas.rating.results import Results, results_of
from ganvas.rating.storage import StudyFile, create_study, holds_study
from ganvas.rating.study import Study, Wishes
from ganvas.training.run_folder import is_run, write_text_atomically


def open_study(a: str, b: str | None = None, wishes: Wishes | None = None, out: Path | None = None) -> StudyFile:
    """The study of A against B, or of A against real pictures: gone on with if the folder holds it, else made.

    a: also the folder of a study, whose pictures need not be there any more. Raises UsageError if the folder holds a
    study of something else, GanvasError if the pictures cannot be had.
    """
    wishes = wishes or Wishes()
    folder = find_folder(a, b, out)
    if not holds_study(folder):
        from ganvas.rating.creating import create  # needs torch, which going on does without

        return create_study(folder, *create(a, b, wishes))
    file = StudyFile(folder)
    if folder != Path(a):
        _check_same_pictures(folder, file.study, a, b)
    _check_same_wishes(folder, file.study, wishes)
    return file


def find_folder(a: str, b: str | None, out: Path | None) -> Path:
    """Where the study is, or would be: --out; A, if that is a study; in the run A; else here."""
    if out is not None:
        return out
    if b is None and holds_study(Path(a)):
        return Path(a)
    names = [_slug(given) for given in (a, b) if given is not None]
    if is_run(Path(a)):
        return Path(a, "-".join(["rating", *names[1:]]))
    return Path("-".join(["rating", *names]))


def read_results(folder: Path) -> Results:
    """What the raters said up to now. Raises GanvasError if the folder holds no study."""
    file = StudyFile(folder)
    return results_of(file.study, file.raters(), file.judgements())


def export(folder: Path, path: Path) -> None:
    """Write passport, results and every judgement as one JSON file; an older one is replaced at once."""
    file = StudyFile(folder)
    judgements = file.judgements()
    document = to_json(results_of(file.study, file.raters(), judgements), judgements, file.origins())
    try:
        write_text_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise GanvasError(
            f"--export {path} cannot be written ({error.strerror}): name a file in a folder that can"
        ) from error


def serve(file: StudyFile, host: str, port: int, announce: Callable[[list[str]], None]) -> int:
    """Serve the study until Ctrl-C or SIGTERM; the number of the signal. `announce` is given the links.

    Raises UsageError if the packages of the `serve` extra are missing, GanvasError if the address cannot be had.
    """
    try:
        from ganvas.rating.server import links, serving
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("fastapi", "granian", "starlette"):
            raise
        raise UsageError(f"ganvas rate serves a page and needs {error.name}: pip install 'ganvas[serve]'") from None
    ended = threading.Event()
    caught: list[int] = []

    def end(number: int, _frame: object) -> None:
        caught.append(number)
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with serving(file, host, port) as taken:
            announce(links(host, taken, file.token))
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return caught[0]


def _check_same_pictures(folder: Path, study: Study, a: str, b: str | None) -> None:
    if (b is None) != (study.b is None):
        asks = "one side against real pictures" if study.b is None else "two sides"
        raise UsageError(f"{folder} holds a study of {asks}: give another --out")
    from ganvas.rating.creating import identity_of

    for name, given, about in (("A", a, study.a), ("B", b, study.b)):
        if given is None or about is None:
            continue
        found = identity_of(given)
        if found != about.sha256:
            raise UsageError(
                f"{folder} holds a study whose {name} is {about.given} with hash {about.sha256[:12]}, but {given} has "
                f"{found[:12]}: give another --out, or `ganvas rate {folder}` to go on with the pictures it has"
            )


def _check_same_wishes(folder: Path, study: Study, wishes: Wishes) -> None:
    has = {
        "n": study.n,
        "question": study.question,
        "seed": study.seed,
        "upscaling": study.upscaling,
    }
    for name, value in has.items():
        wished = getattr(wishes, name)
        if wished is not None and wished != value:
            raise UsageError(
                f"{folder} holds a study with --{name} {value}, not {wished}: leave it out to go on, or give another "
                "--out"
            )
    shown = study.height, study.width
    if wishes.size and shown_size(study.a.height, study.a.width, wishes.size, study.upscaling) != shown:
        raise UsageError(
            f"{folder} holds a study of pictures shown at {shown[1]}x{shown[0]}, not at --size {wishes.size}: leave it "
            "out to go on, or give another --out"
        )
    if wishes.data is not None:
        from ganvas.rating.creating import identity_of

        if study.real is not None and identity_of(wishes.data) == study.real.sha256:
            return
        had = "none" if study.real is None else study.real.given
        raise UsageError(f"{folder} holds a study with --data {had}: leave it out to go on, or give another --out")


def _slug(given: str) -> str:
    name = Path(given).stem if Path(given).suffix else Path(given).name
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-")[:40] or "pictures"
