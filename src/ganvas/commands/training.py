"""train and sweep."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ganvas.commands.printing import complain
from ganvas.words import TrainWords

STARTED = time.monotonic()  # of the process, nearly: before torch is loaded


def train(
    source: str,
    /,
    *,
    recipe: str | None = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    resume: Annotated[bool, Parameter(negative=())] = False,
    accept_changes: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    store: Path | None = None,
    settings: Annotated[TrainWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Train a GAN on pictures: a folder, a ZIP, an .npz, idx files, or a built-in name such as digits.

    The run ends with an averaged model, sample sheets, a verdict and report.html in its folder, also after Ctrl-C.
    Settings that are not given come from the recipe: see `ganvas recipes NAME`.

    Parameters
    ----------
    source
        Where the pictures are. `ganvas data list` shows the built-in names.
    recipe
        A name from `ganvas recipes` [default: chosen by size, count and device, and said why].
    out
        The run's folder [default: numbered below runs/].
    overwrite
        Replace the run that --out holds.
    resume
        Go on with the run that --out holds, from its newest good checkpoint.
    accept_changes
        With --resume: go on with other settings than the run was started with; each is shown.
    dry_run
        Show data, recipe, parameters, memory and time, and train nothing.
    store
        Keep the prepared pictures in this folder instead of the cache.
    """
    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    if dry_run:
        from ganvas.training.forecast import forecast

        print(forecast(source, recipe=recipe, **words))
        return 0
    from ganvas.training.loop import train as train_library

    run = train_library(
        source,
        recipe=recipe,
        out=out,
        overwrite=overwrite,
        resume=resume,
        accept_changes=accept_changes,
        store=store,
        started=STARTED,
        **words,
    )
    if run.ended == "sick":
        return complain(f"the run ended sick: {run.cause}", 1)
    return 0 if run.signal is None else 128 + run.signal


def sweep(
    source: str,
    /,
    *,
    trials: int,
    search: list[str] | None = None,
    recipe: str | None = None,
    out: Path | None = None,
    study: str | None = None,
    storage: str | None = None,
    settings: Annotated[TrainWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Try settings: many short runs, each watched and pruned, and the best named with its command (Optuna).

    Example: ganvas sweep digits --trials 20 --images 20000 --search g-lr=1e-4..1e-2:log --search batch=16,32,64

    Parameters
    ----------
    source
        Where the pictures are.
    trials
        Runs in all, those of an earlier call that goes on included.
    search
        NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C; may be given several times [default: learning rates, R1,
        beta1 and batch around the recipe].
    recipe
        A name from `ganvas recipes` [default: chosen as `train` does].
    out
        Folder of the trials [default: numbered below runs/].
    study
        Name of the study, to share a storage among several.
    storage
        Database that many machines may share [default: sweep.db in the folder].
    """
    from ganvas.sweeps.space import read_searches
    from ganvas.sweeps.sweep import sweep as sweep_library

    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    space = read_searches(search) if search else None
    result = sweep_library(
        source, trials=trials, out=out, study=study, storage=storage, recipe=recipe, space=space, **words
    )
    return 0 if result.signal is None else 128 + result.signal
