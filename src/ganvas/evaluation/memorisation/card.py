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
From when on it is a copy is set by real pictures that were left out: half of their median closeness, or three \
standard deviations below it, whichever is less."""

LIMITS = """\
What is not found: copies that are cropped, turned or distorted beyond what the features forgive; pictures put \
together from parts of several; copies so rare that none is among the samples looked at; and, of plain pictures, all. \
Finding none is evidence, not proof, and no promise of privacy in the sense of the law or of differential privacy."""


def memorisation_card(found: Memorisation, what: str = "samples") -> str:
    """Markdown: the verdict, the figures behind it, how they were made, and what they do not show."""
    parts = ["# Memorisation", found.words(what), "## Copies", _views(found), "## Nearest pairs", _pairs(found)]
    if found.groups is not None:
        parts += ["## Groups (patients, videos)", _groups(found)]
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
    head = ("compared by", "copies", "left-out real", "median closeness", "copy from", "training pictures")
    return _table(head, rows)


def _pairs(found: Memorisation) -> str:
    rows = [
        (
            str(pair.sample),
            f"{pair.train} ({pair.how})",
            f"{pair.closeness:.2f}",
            f"{pair.train_by_features} ({pair.how_by_features})",
            f"{pair.closeness_by_features:.2f}",
            "copy" if pair.copy else "",
        )
        for pair in found.pairs
    ]
    return _table(("sample", "nearest by pixels", "closeness", "nearest by features", "closeness", ""), rows)


def _groups(found: Memorisation) -> str:
    assert found.groups is not None, "asked for only where there are groups"
    verdict = found.groups
    text = found.group_words()
    if verdict.worst:
        rows = [(str(one.group), str(one.copies), f"{one.closeness:.2f}") for one in verdict.worst]
        text += "\n\n" + _table(("group", "samples that copy it", "least closeness"), rows)
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
    return f"At least {percent(found.power)} of exact copies would be found."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
