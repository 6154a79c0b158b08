"""Does each metric find what it should? Honest pictures, and sets made worse on purpose, before the same judge.

    python benchmarks/planted.py --data mnist.npz --out benchmarks/results/planted_mnist.json

Pictures of one source are dealt out by the seed: to train on, to hold out, and two sets of honest "samples". From the
first of these the planted sets are made. A cell of the matrix has a `*` where a set is worse than both honest ones by
more than they differ, and by more than half of the interval where there is one; a `!` where EXPECTED says it should be,
and it is not. Features are those of the judge, learned from the training part.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ganvas.comparing import distance_from_best
from ganvas.data.sources import open_source
from ganvas.data.store import Store, StoreOptions, open_store
from ganvas.evaluation.features import learn_features
from ganvas.evaluation.judge import judge
from ganvas.evaluation.rows import spread
from ganvas.evaluation.verdict import Metric
from ganvas.versions import versions

Pictures = NDArray[Any]  # [N, C, H, W] uint8

NETWORK = ("frechet_distance", "kernel_distance")
EXPECTED: dict[str, tuple[str, ...]] = {
    "noise": (*NETWORK, "sliced_wasserstein", "spectrum_distance"),
    "blur": (*NETWORK, "spectrum_distance"),
    "checkerboard": ("spectrum_distance", "sliced_wasserstein"),
    "faded": (*NETWORK, "spectrum_distance"),  # patches are compared at one contrast
    "half of the classes": (*NETWORK, "recall", "coverage", "class_coverage", "class_divergence"),
    "twenty pictures": (*NETWORK, "recall", "coverage", "ms_ssim", "feature_diversity"),
    "copies": ("nearest_copy_share",),
    "a third copies": ("nearest_copy_share",),
    "classes swapped": ("class_agreement", "intra_class_distance"),
}


def dealt(store: Store, count: int, seed: int, folder: Path) -> tuple[Store, list[tuple[Pictures, Any]]]:
    """A store of `3 count` training and `count` held-out pictures, and two sets of `count` honest samples."""
    rows = np.random.default_rng(seed).permutation(store.train_count)[: 6 * count]
    if len(rows) < 6 * count:
        raise SystemExit(f"{store.train_count} pictures, {6 * count} are needed: give a smaller --count")
    first, second, kept = rows[:count], rows[count : 2 * count], rows[2 * count :]
    images: Any = np.ascontiguousarray(store.images[kept])
    labels = None if store.labels is None else store.labels[kept]
    fingerprint = hashlib.sha256(images.tobytes()).hexdigest()
    part = replace(
        store, path=folder, fingerprint=fingerprint, images=images, labels=labels, train_count=3 * count, groups=None
    )
    return part, [
        (np.ascontiguousarray(store.images[some]), None if store.labels is None else store.labels[some])
        for some in (first, second)
    ]


def planted(images: Pictures, labels: Any, store: Store, seed: int) -> dict[str, tuple[Pictures, Any]]:
    """The sets that are worse on purpose, by name."""
    random = np.random.default_rng(seed + 1)
    named: Any = store.labels
    copied = spread(store.train_count, len(images))
    copies = np.ascontiguousarray(store.images[copied])
    classes: Any = None if named is None else named[copied]
    third, third_classes = images.copy(), None if labels is None else labels.copy()
    third[::3] = copies[::3]
    if third_classes is not None:
        third_classes[::3] = classes[::3]
    twenty = np.resize(np.arange(20), len(images))
    rows, columns = np.indices(images.shape[2:])
    board = 8 * (-1.0) ** (rows + columns)
    sets: dict[str, tuple[Pictures, Any]] = {
        "noise": (clipped(images + random.normal(0, 25, images.shape)), labels),
        "blur": (blurred(images), labels),
        "checkerboard": (clipped(images + board), labels),
        "faded": (clipped(128 + 0.7 * (images.astype(float) - 128)), labels),
        "twenty pictures": (images[twenty], None if labels is None else labels[twenty]),
        "copies": (copies, classes),
        "a third copies": (third, third_classes),
    }
    if labels is not None:
        some = labels < (labels.max() + 1) // 2
        sets["half of the classes"] = images[some], labels[some]
        sets["classes swapped"] = images, (labels + 1) % (labels.max() + 1)
    return sets


def clipped(x: NDArray[np.float64]) -> Pictures:
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def blurred(images: Pictures) -> Pictures:
    """Each channel by a Gaussian of one pixel."""
    out = np.empty_like(images)
    for i, picture in enumerate(images):
        for c, channel in enumerate(picture):
            out[i, c] = np.asarray(Image.fromarray(channel).filter(ImageFilter.GaussianBlur(1)))
    return out


def found(metric: Metric, honest: list[Metric]) -> bool:
    """Whether it is worse than both honest numbers by more than chance."""
    far, near = distance_from_best(metric), [distance_from_best(m) for m in honest]
    halves = [(m.interval[1] - m.interval[0]) / 2 for m in (*honest, metric) if m.interval is not None]
    return far - max(near) > max(abs(near[0] - near[1]), *halves, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a source of six times --count pictures or more")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    source = open_store(open_source(arguments.data), StoreOptions())
    with tempfile.TemporaryDirectory() as folder:
        store, honest = dealt(source, arguments.count, arguments.seed, Path(folder))
        own = learn_features(store)
        extras = ["sliced_wasserstein", "spectrum_distance", "ms_ssim", "feature_diversity", "intra_class_distance"]
        sets = {"real": honest[0], "real again": honest[1], **planted(*honest[0], store, arguments.seed)}
        verdicts: dict[str, dict[str, Metric]] = {}
        for name, (pictures, labels) in sets.items():
            asked = extras if labels is not None else extras[:-1]
            judged = judge(pictures, labels, store, own, own=own, extras=asked, skip_impossible=True)
            verdicts[name] = {m.metric: m for m in judged.metrics}
            print(name, flush=True)
    rows, missed = matrix(verdicts)
    print("\n".join("| " + " | ".join(row) + " |" for row in rows))
    print(f"\nmissed: {missed or 'nothing that was expected'}")
    document = {
        "command": f"python benchmarks/planted.py --data {Path(arguments.data).name} --count {arguments.count} "
        f"--seed {arguments.seed} --out {arguments.out.name}",
        "cpu_count": os.cpu_count(),
        "versions": versions(),
        "features": own.name,
        "missed": missed,
        "values": {name: {m: v.value for m, v in row.items()} for name, row in verdicts.items()},
        "found": {
            name: [
                m for m in row if found(row[m], [verdicts[h][m] for h in ("real", "real again") if m in verdicts[h]])
            ]
            for name, row in verdicts.items()
            if not name.startswith("real")
        },
    }
    arguments.out.write_text(json.dumps(document, indent=1) + "\n")


def matrix(verdicts: dict[str, dict[str, Metric]]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, a metric each, and what EXPECTED wanted and did not get."""
    metrics = list(verdicts["real"])
    rows, missed = [["metric", *verdicts], ["---"] * (len(verdicts) + 1)], []
    for metric in metrics:
        honest = [verdicts[name][metric] for name in ("real", "real again")]
        row = [f"`{metric}`"]
        for name, numbers in verdicts.items():
            if metric not in numbers:
                row.append("")
                continue
            cell = f"{numbers[metric].value:.3g}"
            if not name.startswith("real"):
                there, wanted = found(numbers[metric], honest), metric in EXPECTED[name]
                cell += " *" if there else " !" if wanted else ""
                if wanted and not there:
                    missed.append(f"{name}: {metric}")
            row.append(cell)
        rows.append(row)
    return rows, missed


if __name__ == "__main__":
    main()
