"""The result of a check as a page of Markdown: for a model card, a run folder, or an ethics board."""

from __future__ import annotations

from collections.abc import Sequence

from ganvas.evaluation.figures import percent, spaced
from ganvas.evaluation.memorisation.membership import Leak
from ganvas.evaluation.memorisation.result import Memorisation

HOW = """\
Each sample is looked up among the training pictures in three ways: pixel by pixel; pixel by pixel with colours, \
brightness and contrast set aside; and by learned features. Both mirrored and moved by up to two pixels (of a picture \
of 64) it still counts as the same. Its closeness is the distance of the nearest training picture over the mean \
distance of the next ones, other groups' where there are groups: a copy is near 0, a picture like any other near 1. \
From when on it is as near as copies are is set by real pictures that were left out: half of their median closeness, \
or three standard deviations below it, whichever is less; and down to a third of that, where more than 3 % of them \
would count, as happens in sets that hold many pictures alike. Copies are spoken of where more of the samples than of \
those real pictures are so near, by more than chance brings about one time in a hundred."""

PAIRS = """\
The most suspicious samples first, in the order of `nearest.png`, each there beside its nearest by pixels and by \
features. Numbers are rows: of the samples, and of the training pictures as they are stored. Names of files are not \
given here, as a name may say whom a picture shows."""

LIMITS = """\
What is not found: copies that are cropped, turned or distorted beyond what the features forgive; pictures put \
together from parts of several; copies so rare that none is among the samples looked at; and, of plain pictures, all. \
Finding none is evidence, not proof, and no promise of privacy in the sense of the law or of differential privacy."""


def memorisation_card(found: Memorisation, what: str = "samples") -> str:
    """Markdown: the verdict, the figures behind it, how they were made, and what they do not show."""
    parts = ["# Memorisation", found.words(what), "## Copies", _views(found), "## Nearest pairs", _pairs(found)]
    if found.groups is not None:
        parts += ["## Groups (patients, videos)", _groups(found, what)]
    if found.membership.leaks:
        parts += ["## What the samples give away", _leaks(found.membership.leaks)]
    parts += ["## How it was measured", f"{HOW} Here these were {found.left_out}. {_power(found)}", LIMITS]
    return "\n\n".join(parts) + "\n"


def _views(found: Memorisation) -> str:
    rows = [
        (
            view.view,
            f"{view.copies} of {spaced(found.copies.total)}",
            f"{view.real_copies} of {spaced(found.real_copies.total)}",
            f"{view.median_closeness:.2f} / {view.real_median_closeness:.2f}",
            f"{view.threshold:.2f}",
            spaced(view.searched),
        )
        for view in found.views
    ]
    head = (
        "compared by",
        "samples as near as copies",
        "left-out real pictures",
        "median closeness, samples / real",
        "as near as copies: up to",
        "training pictures searched",
    )
    return _table(head, rows)


def _pairs(found: Memorisation) -> str:
    rows = [
        (
            str(pair.sample),
            str(pair.train),
            f"{pair.closeness:.2f}",
            str(pair.train_by_features),
            f"{pair.closeness_by_features:.2f}",
            pair.match or "-",
        )
        for pair in found.pairs
    ]
    head = ("sample", "nearest by pixels", "closeness", "nearest by features", "closeness", "as near as copies are")
    return f"{PAIRS}\n\n{_table(head, rows)}"


def _groups(found: Memorisation, what: str) -> str:
    assert found.groups is not None, "asked for only where there are groups"
    verdict = found.groups
    text = found.group_words(what)
    if verdict.worst:
        rows = [(str(one.group), str(one.copies), f"{one.closeness:.2f}") for one in verdict.worst]
        text += "\n\n" + _table(("group", "samples that come so near", "least closeness"), rows)
    if verdict.split:
        text += (
            f"\n\n{verdict.split} groups have pictures both in training and held out: their held-out pictures were "
            "not used to set the scale."
        )
    return text


def _leaks(leaks: tuple[Leak, ...]) -> str:
    rows = [
        (
            leak.space,
            leak.unit,
            f"{leak.area:.3f} ({leak.low:.3f} to {leak.high:.3f})",
            f"{spaced(leak.training)} / {spaced(leak.held_out)}",
        )
        for leak in leaks
    ]
    return (
        "Chance that of one training and one held-out picture the training picture is nearer to its nearest sample. "
        "0.5: nothing is given away.\n\n" + _table(("by", "of", "area under the curve", "training / held-out"), rows)
    )


def _power(found: Memorisation) -> str:
    return f"Of exact copies {percent(found.power)} would be found."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
