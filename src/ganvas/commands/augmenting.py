"""augment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ganvas.commands.printing import print_json

if TYPE_CHECKING:
    from ganvas.synthetic.result import Augmented


def augment(
    run: Path,
    /,
    *,
    out: Path,
    data: str | None = None,
    per_class: int | None = None,
    ratio: float | None = None,
    keep: float = 0.8,
    trunc: float = 1.0,
    tries: int = 20,
    seeds: int = 5,
    real_share: float = 1.0,
    device: str = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Make pictures for the classes that are short, filter them, and measure whether they help a classifier.

    By default every class is filled up to the largest one. A picture is kept if a classifier of the data sees its
    class, if it is among those that D finds most real, and if it is no nearer to a training picture than real ones
    come. The gain is measured on held-out pictures, against real ones alone, also repeated, and said plainly where
    there is none. The folder holds class folders with seed, class and weights in each file, metadata.jsonl,
    manifest.json and CARD.md. Given again after a kill, the same command goes on.

    Examples: ganvas augment runs/cells --out more-cells; ganvas augment runs/digits --per-class 500 --out digits-made

    Parameters
    ----------
    run
        A run folder; with --keep 1 also a model folder.
    out
        The folder to write; new or empty.
    data
        The real pictures, with classes [default: the run's own].
    per_class
        Generate so many of each class.
    ratio
        Generate so many times the real pictures of each class: 0.5 is one for every two.
    keep
        Of each class, the share that D finds most real is kept; 1 keeps all.
    trunc
        Pull the noise towards its mean: 1 as trained, 0.7 safer and less varied.
    tries
        At most so many candidates for each picture that is wanted (and 256 of a class in any case).
    seeds
        Classifiers trained for each number, some ten seconds each: 2 or more; 0 does not measure the gain.
    real_share
        Below 1, compare also with only this share of the real pictures of each class, as 0.1.
    device
        auto, cpu, cuda or mps.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.augmenting import augment as augment_library

    found = augment_library(
        run,
        out=out,
        data=data,
        per_class=per_class,
        ratio=ratio,
        keep=keep,
        trunc=trunc,
        tries=tries,
        seeds=seeds,
        real_share=real_share,
        device=device,
        quiet=as_json,
    )
    if as_json:
        print_json({**found.to_json(), "folder": str(found.path)})
    else:
        print_augmented(found)
    return 0


def print_augmented(found: Augmented) -> None:
    """A line for each class that was drawn for; then what there is to say."""
    from ganvas.synthetic.words import sentences

    head = ("class", "real", "wanted", "kept", "drawn")
    rows = [(r.name, *map(str, (r.real, r.wanted, r.kept, r.drawn))) for r in found.classes if r.wanted]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
    print("", *sentences(found), "", f"folder: {found.path}", sep="\n")
