"""A new study: both sides opened, their pictures drawn or read, the checks made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ganvas.data.options import StoreOptions
from ganvas.data.plan import plan_store
from ganvas.data.sources import Source, open_source
from ganvas.data.store import Store, read_store
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluating import data_of_model, is_model
from ganvas.model import Model, find_model_folder, load_generator, read_config
from ganvas.rating.pictures import (
    SHOWN_SIDES,
    Picture,
    PictureSet,
    as_role,
    draw_from_model,
    read_from_source,
    ruin,
    shown_size,
    take_from_store,
)
from ganvas.rating.study import EXAMPLES, Study, Wishes, check_count
from ganvas.training.run_folder import RunFolder, is_run
from ganvas.version import __version__

if TYPE_CHECKING:
    from ganvas.rating.pictures import Bytes, Ruin

Size = tuple[int, int, int]  # height, width, channels
DEFAULT_N = 50


@dataclass(frozen=True)
class _Sides:
    """The pictures that are compared. b: None where A is judged by itself. real: also for the checks."""

    a: PictureSet
    b: PictureSet | None
    real: PictureSet | None


def create(a: str, b: str | None, wishes: Wishes) -> tuple[Study, list[Picture]]:
    """The study of A against B, or of A against real pictures, and all its pictures.

    Raises UsageError for wishes that do not fit together, GanvasError for pictures that cannot be had or are too few.
    """
    _check(b, wishes)
    n, seed, upscaling = wishes.n or DEFAULT_N, wishes.seed or 0, wishes.upscaling or "lanczos"
    sides = _one_side(a, n, seed, wishes.data) if b is None else _two_sides(a, b, n, seed, wishes.data)
    height, width = shown_size(sides.a.about.height, sides.a.about.width, wishes.size, upscaling)
    study = Study(
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        question="real or generated" if b is None else wishes.question or "real",
        n=n,
        checks=check_count(n),
        seed=seed,
        height=height,
        width=width,
        upscaling=upscaling,
        a=sides.a.about,
        b=None if sides.b is None else sides.b.about,
        real=None if sides.real is None else sides.real.about,
    )
    return study, _pairs(study, sides.a, sides.b, sides.real) if sides.b else _singles(study, sides.a, sides.real)


def identity_of(given: str) -> str:
    """What tells whether a name still means the pictures it meant: the hash of its weights, or its fingerprint."""
    if is_model(Path(given)):
        return read_config(find_model_folder(Path(given))).weights_sha256
    return open_source(given).fingerprint


def _check(b: str | None, wishes: Wishes) -> None:
    if wishes.n is not None and not 2 <= wishes.n <= 10_000:
        raise UsageError(f"--n {wishes.n}: give 2 to 10000; 50 take a rater about five minutes")
    if wishes.size is not None and not 16 <= wishes.size <= 2048:
        raise UsageError(f"--size {wishes.size}: give the longer side in pixels, 16 to 2048")
    if wishes.seed is not None and not 0 <= wishes.seed < 2**31:
        raise UsageError(f"--seed {wishes.seed}: give 0 to 2147483647")
    if b is None and wishes.question is not None:
        raise UsageError(
            f"--question {wishes.question} is for two sides: give B too; one alone is asked real or generated"
        )


def _open(given: str) -> Model | Source:
    return load_generator(given) if is_model(Path(given)) else open_source(given)


def _two_sides(a: str, b: str, n: int, seed: int, data: str | None) -> _Sides:
    opened = _open(a), _open(b)
    sizes = _size_of(opened[0], opened[1]), _size_of(opened[1], opened[0])
    checks = check_count(n)
    first = _pictures_of(a, opened[0], n + checks, seed, sizes[0])
    second = _pictures_of(b, opened[1], n + checks, seed, sizes[1])
    if first.about.sha256 == second.about.sha256:
        raise UsageError(f"{a} and {b} are the same {first.about.kind}: give two that can differ")
    for side in (first, second):
        _demand(side, n, f"--n {n} needs {n}")
    return _Sides(first, second, _real_for_checks((a, b), 2 * checks, seed, sizes[0], data))


def _one_side(a: str, n: int, seed: int, data: str | None) -> _Sides:
    """What passes for generated, and the real ones: first those to judge, then the examples, then those to ruin."""
    opened = _open(a)
    size = _size_of(opened)
    wanted = n // 2 + EXAMPLES + check_count(n)
    if data is not None:
        real = read_from_source(data, open_source(data), wanted, seed, size, real=True)
    elif isinstance(opened, Model):
        real = take_from_store(data_of_model(Path(a), opened, None), wanted, seed)
    else:
        raise UsageError(f"{a} is a source of pictures: give real ones with --data, or another side to compare it with")
    generated = _pictures_of(a, opened, n - n // 2, seed, size)
    if generated.about.sha256 == real.about.sha256:
        raise UsageError(f"{a} and --data {data} are the same source: give two that can differ")
    _demand(real, n // 2 + EXAMPLES, f"--n {n} needs {n // 2} real ones and {EXAMPLES} examples")
    _demand(generated, n - n // 2, f"--n {n} needs {n - n // 2}")
    return _Sides(generated, None, real)


def _size_of(opened: Model | Source, beside: Model | Source | None = None) -> Size:
    """The size a side is prepared at: a model's own; that of the model beside it; what most of a source has."""
    for one in (opened, beside):
        if isinstance(one, Model):
            return (*one.config.resolution, one.config.channels)
    assert not isinstance(opened, Model), "a model has a size"
    plan = plan_store(opened, StoreOptions(largest=SHOWN_SIDES[1]))
    return plan.height, plan.width, plan.channels


def _pictures_of(given: str, opened: Model | Source, count: int, seed: int, size: Size) -> PictureSet:
    if isinstance(opened, Model):
        return draw_from_model(given, opened, count, seed)
    return read_from_source(given, opened, count, seed, size)


def _real_for_checks(sides: tuple[str, str], count: int, seed: int, size: Size, data: str | None) -> PictureSet | None:
    """Real pictures if there are some at hand: those of --data, or those that a run was trained on."""
    if data is not None:
        return read_from_source(data, open_source(data), count, seed, size, real=True)
    stores = (_kept_store(Path(side)) for side in sides)
    return next((take_from_store(store, count, seed) for store in stores if store is not None), None)


def _kept_store(path: Path) -> Store | None:
    """The prepared pictures of a run, if they are still in the cache: checks are not worth a download."""
    try:
        return read_store(Path(str(RunFolder(path).read_facts().get("store", "")))) if is_run(path) else None
    except GanvasError:
        return None


def _demand(pictures: PictureSet, count: int, why: str) -> None:
    if len(pictures) < count:
        raise GanvasError(f"{pictures.about.given} has {len(pictures)} pictures that can be used, but {why}: lower --n")


def _pairs(study: Study, a: PictureSet, b: PictureSet, real: PictureSet | None) -> list[Picture]:
    n, checks = study.n, range(study.checks)
    if real is not None:
        intact = [_from(real, 2 * i) for i in checks]
        base = [_from(real, 2 * i + 1) for i in checks]
    else:  # one of each, in turns: neither side gains by being the intact one
        intact = [_from((a, b)[i % 2], n + i) for i in checks]
        base = [_from((b, a)[i % 2], n + i) for i in checks]
    return [
        *as_role("A", [_from(a, i) for i in range(n)], study),
        *as_role("B", [_from(b, i) for i in range(n)], study),
        *as_role("intact", intact, study),
        *as_role("ruined", _ruined(base, study), study),
    ]


def _singles(study: Study, a: PictureSet, real: PictureSet | None) -> list[Picture]:
    assert real is not None, "a study of one side has real pictures"
    reals, examples = study.n // 2, study.examples
    return [
        *as_role("A", [_from(a, i) for i in range(study.generated)], study),
        *as_role("real", [_from(real, i) for i in range(reals)], study),
        *as_role("example", [_from(real, reals + i) for i in range(examples)], study),
        *as_role("ruined", _ruined([_from(real, reals + examples + i) for i in range(study.checks)], study), study),
    ]


def _from(pictures: PictureSet, i: int) -> tuple[Bytes, str]:
    """Picture i and what it was; where there are too few for the checks, from the beginning again."""
    i %= len(pictures)
    return pictures.pictures[i], pictures.origins[i]


def _ruined(base: Sequence[tuple[Bytes, str]], study: Study) -> list[tuple[Bytes, str]]:
    ways: tuple[Ruin, Ruin] = ("noise", "blur")
    ruined = []
    for i, (picture, origin) in enumerate(base):
        how = ways[i % 2]
        ruined.append((ruin(picture, how, study.seed + i), f"{how} of {origin}"))
    return ruined
