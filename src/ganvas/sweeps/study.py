"""The data base that all processes of a sweep share, and the study in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.exceptions import OptunaError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ganvas.errors import UsageError
from ganvas.recipes import find_recipe
from ganvas.settings import build_settings
from ganvas.sweeps.results import State, Trial
from ganvas.sweeps.space import Space, default_space, read_space

HEARTBEAT_S, DEAD_AFTER_S = 30, 120  # a trial whose process was killed is given up after so long
# Settings that may differ between the machines of a study.
PLACE = ("device", "threads", "micro_batch", "report_to", "sheet_every", "checkpoint_every", "keep", "keep_every")
FIRST_WHOLE = 4  # trials that are never stopped for their distance


@dataclass(frozen=True)
class Study:
    """An open study."""

    optuna: optuna.Study
    space: Space
    shown: str  # the data base without its password


@contextmanager
def opened_study(
    name: str,
    storage: str | None,
    out: Path,
    *,
    source: str,
    recipe: str,
    fixed: Mapping[str, Any],
    searches: Mapping[str, str] | None,
) -> Iterator[Study]:
    """The study of that name in `storage` (None: sweep.db in `out`), made where there is none.

    Raises UsageError if the data base cannot be used, or the study in it is about something else.
    """
    url = storage or f"sqlite:///{(out.resolve() / 'sweep.db').as_posix()}"
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # what it would say is said per trial
    shown, engine = "this storage", None
    try:
        parsed = make_url(url)
        shown = parsed.render_as_string(hide_password=True)
        is_file = parsed.get_backend_name() == "sqlite"
        waiting = {"connect_args": {"timeout": 100}} if is_file else {"pool_pre_ping": True}  # s, for other writers
        # Two processes that make the tables of one file in the same moment would stumble over each other.
        with FileLock(f"{parsed.database}.lock") if is_file and parsed.database else nullcontext():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the heartbeat
                engine = optuna.storages.RDBStorage(
                    url, engine_kwargs=waiting, heartbeat_interval=HEARTBEAT_S, grace_period=DEAD_AFTER_S
                )
            if is_file:
                event.listen(engine.engine, "connect", _write_ahead)
                engine.engine.dispose()  # so that all connections are made that way
            study = optuna.create_study(
                storage=engine,
                study_name=name,
                direction="minimize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=FIRST_WHOLE, n_warmup_steps=1, n_min_trials=3),
            )
            space = _settle(study, source=source, recipe=recipe, fixed=fixed, searches=searches)
        yield Study(study, space, shown)
    except (SQLAlchemyError, OptunaError, ImportError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"--storage {shown} cannot be used ({first_line}): give a URL such as sqlite:///sweep.db or "
            "postgresql://USER@HOST/NAME, with its driver installed"
        ) from None
    finally:
        if engine is not None:
            engine.remove_session()
            engine.engine.dispose()


def _write_ahead(connection: Any, record: object) -> None:
    """SQLite's mode for several writers; without it each of some ten writes a trial waits for the disk."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _settle(
    study: optuna.Study,
    *,
    source: str,
    recipe: str,
    fixed: Mapping[str, Any],
    searches: Mapping[str, str] | None,
) -> Space:
    """What is searched over; a new study also learns what it is about, and that the recipe itself comes first."""
    cells, kept = find_recipe(recipe).cells, study.user_attrs
    if searches is not None:
        space = read_space(searches)
    elif "space" in kept:
        space = read_space(kept["space"])
    else:
        space = default_space(cells, fixed)
    both = sorted(set(space) & set(fixed))
    if both:
        flag = both[0].replace("_", "-")
        raise UsageError(f"--{flag} is given and searched over: drop --{flag} or --search {flag}=...")
    about = {
        "source": source,
        "recipe": recipe,
        "settings": {key: str(value) for key, value in sorted(fixed.items()) if key not in PLACE},
        "space": {key: str(domain) for key, domain in space.items()},
    }
    for key, value in about.items():
        if key in kept and kept[key] != value:
            raise UsageError(
                f"the study {study.study_name} is about another {key} ({_plain(kept[key])}, not {_plain(value)}): "
                "give another --study, or the same words to go on with it"
            )
    if "space" not in kept:
        for key, value in about.items():
            study.set_user_attr(key, value)
        centre = build_settings({**cells, **fixed}).model_dump()
        known = {key: centre[key] for key, domain in space.items() if centre[key] in domain}
        if known:  # the recipe's own values are the first trial: what is to be beaten
            study.enqueue_trial(known, skip_if_exists=True)
    return space


def sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """TPE; `constant_liar` counts trials that other processes have under way as bad, so that they look elsewhere."""
    mixed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=mixed, multivariate=False, constant_liar=True)


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that are done, stopped or under way; not those that failed or wait. Those of killed processes fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return study.get_trials(deepcopy=False, states=states)


def trials_of(study: optuna.Study) -> tuple[Trial, ...]:
    """All trials of the study that were begun, in the order of their numbers."""
    return tuple(trial_of(one) for one in study.get_trials(deepcopy=False) if one.state != TrialState.WAITING)


_STATES: dict[str, State] = {
    "COMPLETE": "done",
    "PRUNED": "stopped",
    "FAIL": "failed",
    "RUNNING": "running",
}


def trial_of(one: FrozenTrial) -> Trial:
    """A trial in this package's words."""
    attrs = one.user_attrs
    state = _STATES[one.state.name]
    reason = str(attrs.get("reason", "its process was killed, or it raised an error" if state == "failed" else ""))
    run = Path(attrs["run"]) if "run" in attrs else None
    return Trial(one.number, state, dict(one.params), attrs.get("distance"), reason, run)


def _plain(value: object) -> str:
    return " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
