"""What a survey shows, in words: each finding with its numbers, how bad it is, and what is done about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ganvas.data.checkup.survey import Survey
from ganvas.data.fit import aspect_differs
from ganvas.data.plan import MIN_PICTURES, StorePlan

Severity = Literal["note", "warning", "problem"]
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "note")

TINY_SET = 500
LOW_QUALITY = 75
IMBALANCE = 10  # the largest class against the smallest
SMALL_CLASS = 20
MANY = 0.10  # share of pictures from which something shapes what is learned
FEW_BOXED = 0.01  # share of pictures; up to it they may just be of tall or wide things
FEW_COPIES = 0.01  # share of copies, and of held-out pictures that only look like a training picture, that does no harm


@dataclass(frozen=True)
class Finding:
    """kind: stable name such as "near-duplicates". text: one sentence with its numbers. action: what training does
    about it, or what the user should do. examples: at most five names of pictures, out of `count`.
    """

    kind: str
    severity: Severity
    text: str
    action: str
    examples: tuple[str, ...] = ()
    count: int = 0


def find(survey: Survey, plan: StorePlan | None) -> tuple[Finding, ...]:
    """All findings, the worst first. plan: the store that training would use, None if no picture can be used."""
    patches = plan.train_count if plan is not None and plan.fit == "patch" else 0
    found = [*_use(survey, patches), *_split(survey), *_copies(survey), *_classes(survey), *_quality(survey)]
    if plan is not None and survey.usable:
        found += [*_shape(survey, plan), *_conversions(survey, plan)]
    found += _privacy_and_extent(survey)
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def _use(survey: Survey, patches: int = 0) -> Iterator[Finding]:
    """Whether there are pictures, and enough of them. patches: to train on, where pictures are cut into some."""
    small = set(survey.too_small)
    damaged = [name for name, _ in survey.skipped if name not in small]
    count = survey.skipped_count - len(survey.too_small)
    if count:
        reasons = [reason.partition(" (")[0].partition(",")[0] for name, reason in survey.skipped if name not in small]
        kinds = [reason for reason, _ in Counter(reasons).most_common()]
        why = ", ".join(kinds[:3]) + (", ..." if len(kinds) > 3 else "")
        yield Finding(
            "unreadable",
            "problem",
            f"{pictures(count)} of {survey.looked_at} cannot be read ({why})",
            "training skips them; mend or remove them to have them counted right",
            tuple(damaged[:5]),
            count,
        )
    if survey.too_small:
        yield Finding(
            "too-small",
            "warning",
            f"{pictures(len(survey.too_small))} of {survey.looked_at} have less than 4 pixels on a side",
            "training skips them",
            survey.too_small[:5],
            len(survey.too_small),
        )
    if not survey.usable:
        text = "none of the pictures can be used"
        yield Finding("no-pictures", "problem", text, "give another source, or mend the files named below")
    elif survey.complete and max(patches, survey.usable_train) < MIN_PICTURES:
        text = f"only {pictures(survey.usable_train)} to train on: {MIN_PICTURES} are the least"
        yield Finding("too-few", "problem", text, "training refuses to start; add pictures", count=survey.usable_train)
    elif (train := max(patches, survey.usable_train if survey.complete else survey.train)) < TINY_SET:
        text = f"only {pictures(train)} to train on: a GAN soon knows so few by heart"
        yield Finding("tiny-set", "warning", text, "add pictures, or train with --augment", count=train)


def _split(survey: Survey) -> Iterator[Finding]:
    """Whether held-out pictures are really kept from training."""
    looked_at = "" if survey.complete else " among those looked at"
    if survey.leaks.count:
        yield Finding(
            "leakage",
            "problem",
            f"{pictures(survey.leaks.count)} held out {are(survey.leaks.count)} also among the training "
            f"pictures{looked_at}: scores would flatter",
            "nothing is moved for you; remove them on one side",
            _flat(survey.leaks.names),
            survey.leaks.count,
        )
    if survey.near_leaks.count:
        share = survey.near_leaks.count / max(1, round(survey.held_out * survey.looked_at / survey.pictures))
        yield Finding(
            "near-leakage",
            "problem" if share > FEW_COPIES else "warning",
            f"{pictures(survey.near_leaks.count)} held out {looks(survey.near_leaks.count)} like a training "
            f"picture{looked_at} (saved anew, resized or slightly changed)",
            "nothing is moved for you; compare the examples and keep copies on one side",
            _flat(survey.near_leaks.names),
            survey.near_leaks.count,
        )
    if survey.split_groups:
        yield Finding(
            "split-groups",
            "problem",
            f"{survey.split_groups} groups (patients, videos) have pictures both in training and held out",
            "split by group: all pictures of a patient on one side",
            count=survey.split_groups,
        )


def _copies(survey: Survey) -> Iterator[Finding]:
    same, near = survey.same_pixels, survey.near
    if same.extra:
        files = "" if not survey.same_files.extra else f", {survey.same_files.extra} of them the same file"
        if survey.same_files.extra == same.extra:
            files = ", the same file again"
        yield Finding(
            "duplicates",
            "warning" if same.extra > FEW_COPIES * survey.usable else "note",
            f"{pictures(same.extra)} {are(same.extra)} an exact copy of another{files} ({same.count} groups)",
            "training uses them all, so it sees these more often; remove the copies to have each count once",
            _flat(same.names),
            same.extra,
        )
    if near.extra:
        yield Finding(
            "near-duplicates",
            "warning" if near.extra > FEW_COPIES * survey.usable else "note",
            f"{pictures(near.extra)} {looks(near.extra)} like another ({near.count} groups: saved anew, resized or "
            "slightly changed)",
            "training uses them all; look at the examples and remove what is too much",
            _flat(near.names),
            near.extra,
        )


def _classes(survey: Survey) -> Iterator[Finding]:
    if len(survey.classes) < 2:
        return
    ordered = sorted(survey.classes, key=lambda item: item[1])
    (rare, least), (common, most) = ordered[0], ordered[-1]
    if most > IMBALANCE * least or least < SMALL_CLASS:
        yield Finding(
            "imbalance",
            "warning",
            f"classes differ in size: {common} has {pictures(most)}, {rare} has {least}",
            "each class is shown as often as it has pictures, so small ones are learned badly; add to them or leave "
            "them out",
            count=sum(count < SMALL_CLASS or most > IMBALANCE * count for _, count in ordered),
        )


def _quality(survey: Survey) -> Iterator[Finding]:
    if survey.quality is not None and survey.quality[1] < LOW_QUALITY:
        low, middle, high = survey.quality
        text = f"the JPEG files are strongly compressed: quality {middle} in the middle, {low} to {high}"
        yield Finding("low-quality", "warning", text, "blocks and ringing will be learned too; use the originals")
    yield from _counted(
        survey,
        "blank",
        "warning",
        "{} of {} {are} blank: one even colour",
        "training uses them; remove them unless they are meant",
    )
    yield from _counted(
        survey,
        "letterbox",
        "warning" if survey.counted["letterbox"] > FEW_BOXED * survey.usable else "note",
        "{} of {} {have} even bars at two sides (letterbox)",
        "training keeps the bars, and will draw them; cut them off first",
    )


def _shape(survey: Survey, plan: StorePlan) -> Iterator[Finding]:
    """What fitting the pictures to one size does to them."""
    if plan.sides:
        return  # of pairs, the size is that of two
    enlarged = cropped = 0
    for (height, width), count in survey.height_width.items():
        enlarged += count if height < plan.height or width < plan.width else 0
        cropped += count if aspect_differs(height, width, plan.height, plan.width) else 0
    size = f"{plan.width}x{plan.height}"
    if enlarged:
        yield Finding(
            "upscaling",
            "warning" if enlarged > MANY * survey.usable and not plan.wished else "note",
            f"{pictures(enlarged)} of {survey.usable} {are(enlarged)} smaller than {size}",
            "they are enlarged, which adds no detail; choose a smaller --resolution",
            count=enlarged,
        )
    if len(survey.height_width) > 1:
        what = {
            "crop": "the middle is cut out and scaled",
            "pad": "scaled whole, with bars of the matte",
            "squash": "stretched",
            "patch": "patches of that size are cut from them",
        }[plan.fit]
        yield Finding(
            "mixed-sizes",
            "warning" if cropped > MANY * survey.usable else "note",
            f"the pictures have {len(survey.height_width)} sizes, {cropped} of {survey.usable} another aspect than "
            f"{size}",
            f"all are made {size}: {what}",
            count=cropped,
        )


def _conversions(survey: Survey, plan: StorePlan) -> Iterator[Finding]:
    """What is converted on the way, without harm."""
    matte = "white" if plan.matte == (255, 255, 255) else f"the matte {plan.matte}"
    rows = (
        ("transparent", "{} of {} {have} transparent pixels", f"they are laid on {matte} (--matte)"),
        ("turned", "{} of {} {lie} on {their} side, as EXIF says", "they are turned upright"),
        ("frames", "{} of {} {have} several frames", "the first frame is used"),
        ("suffix", "{} of {} {are} named as another format than {they} {have}", "they are read by their content"),
        ("cmyk", "{} of {} {are} in CMYK, the colours of printing", "they are converted to RGB"),
    )
    for kind, text, action in rows:
        yield from _counted(survey, kind, "note", text, action)
    if survey.counted["grey-in-colour"]:
        action = "nothing is done about it"
        if survey.counted["grey-in-colour"] == survey.usable:
            action = "--channels 1 would store a third of the bytes and lose nothing"
        text = "{} of {} {are} grey but stored in colour"
        yield from _counted(survey, "grey-in-colour", "note", text, action)
    if 0 < survey.counted["grey"] < survey.usable and plan.channels == 3:
        text = "{} of {} {are} grey, the others in colour"
        yield from _counted(survey, "grey", "note", text, "grey is repeated in red, green and blue")
    if survey.counted["deep"] and plan.bits == 8:
        text = "{} of {} {have} 16 bits a channel, the others 8"
        yield from _counted(survey, "deep", "note", text, "all are stored with 8 bits")


def _privacy_and_extent(survey: Survey) -> Iterator[Finding]:
    yield from _counted(
        survey,
        "place",
        "note",
        "{} of {} {tell} in EXIF where {they} {were} taken",
        "only pixels are stored, so models never see it; think of it before you share the files",
    )
    if not survey.complete:
        yield Finding(
            "sample",
            "note",
            f"{survey.looked_at} of {survey.pictures} pictures were looked at, evenly spread: copies among the others "
            "were not looked for",
            "use --full to look at all",
            count=survey.looked_at,
        )


def _counted(survey: Survey, kind: str, severity: Severity, text: str, action: str) -> Iterator[Finding]:
    """A finding of single pictures, if there are any."""
    count = survey.counted[kind]
    if count:
        words = _SINGULAR if count == 1 else _PLURAL
        sentence = text.format(pictures(count), survey.usable, **words)
        yield Finding(kind, severity, sentence, action, survey.examples[kind], count)


_SINGULAR = {"are": "is", "have": "has", "lie": "lies", "tell": "tells", "were": "was", "they": "it", "their": "its"}
_PLURAL = {word: word for word in _SINGULAR}


def pictures(count: int) -> str:
    """ "1 picture", "2 pictures"."""
    return f"{count} picture{'' if count == 1 else 's'}"


def are(count: int) -> str:
    """ "is" or "are"."""
    return "is" if count == 1 else "are"


def looks(count: int) -> str:
    """ "looks" or "look"."""
    return "looks" if count == 1 else "look"


def _flat(groups: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Names of the first groups, whole pairs, at most five."""
    names: list[str] = []
    for group in groups:
        if len(names) + 2 > 5:
            break
        names.extend(group[: 5 - len(names)] if not names else group[:2])
    return tuple(names)
