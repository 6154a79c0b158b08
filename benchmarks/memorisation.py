"""Are planted copies found, and honest pictures left alone? And what is said of runs that finished?

    python benchmarks/memorisation.py --sets digits cats64.zip emoji128.zip --runs runs/* --out FILE

Of each set, dealt out by the seed, a half is trained on (by the judge's features; nothing is generated), a quarter is
held out, and the rest are honest "samples". Among those, copies of training pictures are planted, one kind and one
share at a time. Pictures below 16 pixels a side are enlarged to 16, or a shift of two would leave little of them. A
run is judged as at its end: `--judge-samples` pictures of its best moment, against what it was trained on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganvas.data.sources import open_source
from ganvas.data.store import Store, StoreOptions, open_store
from ganvas.evaluating import data_of_model
from ganvas.evaluation.features import learn_features
from ganvas.evaluation.memorisation.check import check_memorisation
from ganvas.evaluation.memorisation.reals import Reals
from ganvas.evaluation.memorisation.result import Memorisation
from ganvas.training.finish import draw_for_judging
from ganvas.training.run_model import load_from_run
from ganvas.versions import versions
from planted_copies import COPYISTS, copies

SHARES = (0.05, 0.2)
MOST = 2_000  # pictures of a set
MOST_SAMPLES = 400
SMALLEST = 16
JUDGED = 5_000  # samples of a run


def dealt(name: str, seed: int, folder: Path) -> tuple[Store, NDArray[Any]]:
    """A store with a half and a quarter of up to 2000 pictures, and honest samples from the last quarter."""
    store = open_store(open_source(name), StoreOptions())
    if min(store.height, store.width) < SMALLEST:
        store = open_store(open_source(name), StoreOptions(resolution=(SMALLEST, SMALLEST)))
    rows = np.random.default_rng(seed).permutation(len(store.images))[:MOST]
    half, quarter = len(rows) // 2, len(rows) // 4
    kept = rows[: half + quarter]
    labels = None if store.labels is None else store.labels[kept]
    images: Any = np.ascontiguousarray(store.images[kept])
    fingerprint = f"{store.fingerprint} {seed} {len(rows)}"
    part = replace(
        store, path=folder, fingerprint=fingerprint, images=images, labels=labels, train_count=half, groups=None
    )
    return part, np.ascontiguousarray(store.images[rows[half + quarter :][:MOST_SAMPLES]])


def try_set(name: str, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """A row for the honest samples, then one for each kind of copy and share."""
    store, honest = dealt(name, seed, folder)
    features, reals = learn_features(store), Reals.of(store)
    train = store.images[: store.train_count]
    common = {"set": Path(name).stem, "size": f"{store.height}x{store.width}", "training": store.train_count}
    yield {**common, "planted": "nothing", "share": 0.0, **outcome(check_memorisation(honest, reals, features))}
    for kind in COPYISTS:
        for share in SHARES:
            count = round(share * len(honest))
            mixed = np.concatenate([honest[count:], copies(train, kind, count, seed)[0]])
            found = check_memorisation(mixed, reals, features)
            yield {**common, "planted": kind, "share": share, **outcome(found, count)}


def outcome(found: Memorisation, planted: int = 0) -> dict[str, Any]:
    """What a row needs. planted: so many copies are the last samples."""
    first = found.copies.total - planted
    caught = sum(sample >= first for sample in found.copied_samples)
    leak = found.membership.worst
    return {
        "finding": found.finding,
        "samples": found.copies.total,
        "copies_planted": planted,
        "copies_found": caught,
        "false_alarms": found.copies.hits - caught,
        "left_out": found.real_copies.total,
        "left_out_as_near": found.real_copies.hits,
        "membership": None if leak is None else [round(x, 3) for x in (leak.area, leak.low, leak.high)],
    }


def try_run(path: Path) -> dict[str, Any]:
    """What is said of the samples of a run."""
    model = load_from_run(path, "best", "cpu")
    store = data_of_model(path, model, None)
    features = learn_features(store)
    pictures = draw_for_judging(model, JUDGED)[0]
    began = time.process_time()
    found = check_memorisation(pictures, Reals.of(store), features)
    cpu_s = time.process_time() - began
    row = outcome(found)
    return {
        "run": path.name,
        "recipe": model.config.recipe,
        "size": f"{store.height}x{store.width}",
        "training": store.train_count,
        **{key: row[key] for key in ("finding", "samples", "left_out", "left_out_as_near", "membership")},
        "copies": found.copies.hits,
        "cpu_s": round(cpu_s, 1),
        "words": found.words(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=["digits"], help="sources of some hundred pictures or more")
    parser.add_argument("--runs", nargs="*", default=[], type=Path, help="run folders whose data can be had")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    planted, runs = [], []
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as folder:
            for row in try_set(name, arguments.seed, Path(folder)):
                planted.append(row)
                print(json.dumps(row), flush=True)
    for path in arguments.runs:
        runs.append(try_run(path))
        print(json.dumps(runs[-1]), flush=True)
    honest = [row for row in planted if not row["copies_planted"]]
    document = {
        "command": f"python benchmarks/memorisation.py --sets {' '.join(Path(name).name for name in arguments.sets)} "
        f"--runs {' '.join(path.name for path in arguments.runs)} --seed {arguments.seed} --out {arguments.out.name}",
        "cpu_count": os.cpu_count(),
        "versions": versions(),
        "accused": sum(row["finding"] == "copies" for row in (*honest, *runs)),
        "not_accused": sum(row["finding"] != "copies" for row in (*honest, *runs)),
        "planted": planted,
        "runs": runs,
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
