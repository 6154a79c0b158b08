"""A synthetic set in plain sentences, and as the card that lies beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from ganvas.synthetic.gain import Comparison, Gain, Tested
from ganvas.synthetic.result import Augmented, ClassFilled, Origin

NAMES_SHOWN = 8
WEAK = 0.9  # of a classifier that gets less right it is said what it does to real pictures


def sentences(found: Augmented) -> list[str]:
    """What was kept and dropped, what could not be filled and why, and what it brings."""
    origin = found.origin
    said = [filled_words(found.classes, origin)]
    said += [short_words(row, origin) for row in found.classes if row.kept < row.wanted]
    if not origin.conditional:
        said.append(
            "The generator knows no classes: each picture has the class that the classifier is over 90 % sure of "
            f"({origin.classifier})."
        )
    elif origin.classifier_accuracy is None:
        said.append("How often the classifier that looks at them is right is not known: the real pictures are too few.")
    elif origin.classifier_accuracy < WEAK:
        said.append(
            f"The classifier that looks at them takes {percent(1 - origin.classifier_accuracy)} of real pictures for "
            "another class, too: there are good pictures among those that it drops."
        )
    return said + gain_words(found.gain, origin)


def filled_words(classes: Sequence[ClassFilled], origin: Origin) -> str:
    """How many were drawn, and what became of them."""
    drawn, kept, extra = (sum(getattr(row, name) for row in classes) for name in ("drawn", "kept", "not_needed"))
    beside = f", {extra} good ones more than were wanted" if extra else ""
    return f"Kept: {kept} of {drawn} drawn pictures; dropped: {dropped_words(classes, origin)}{beside}."


def dropped_words(classes: Sequence[ClassFilled], origin: Origin) -> str:
    """What each filter has dropped."""
    other, below, copies, repeats = (
        sum(getattr(row, name) for row in classes) for name in ("other_class", "below_bar", "copies", "repeats")
    )
    by_class = "taken for another class" if origin.conditional else "of no sure class"
    by_d = "" if origin.discriminator is None else f"{below} not among the best {100 * origin.keep:g} % by D, "
    return f"{other} {by_class}, {by_d}{copies} too near to a training picture, {repeats} repeats"


def short_words(row: ClassFilled, origin: Origin) -> str:
    """Why a class is not full."""
    dropped = dropped_words([row], origin)
    why = f"{row.drawn} candidates were tried ({dropped})"
    if not origin.conditional:
        why = f"the generator, which knows no classes, gave {row.drawn} that look like it ({dropped})"
    return (
        f"Class {row.name} could not be filled: {row.kept} of {row.wanted}, {why}; the limit is --tries {origin.tries}."
    )


def gain_words(gain: Gain | str, origin: Origin) -> list[str]:
    """What the set brings, and on which pictures that was measured."""
    if isinstance(gain, str):
        return [f"The gain was not measured: {gain}."]
    said = []
    for comparison in gain.comparisons:
        said.append(comparison_words(comparison))
        if comparison.short is not None:
            said.append(short_classes_words(comparison.short))
    if gain.alone is not None:
        real = gain.comparisons[0].all.as_they_are.mean
        said.append(
            f"From the generated pictures alone {percent(gain.alone.mean)} are recognised (classification accuracy "
            f"score), from all real ones alone {percent(real)}."
        )
    said.append(test_words(gain, origin))
    if len(gain.comparisons) > 1:
        said.append(
            "The generator and the filters were not trained anew on fewer pictures: what is added to a part of the "
            "real ones carries what was learned from all of them."
        )
    return said


def comparison_words(found: Comparison) -> str:
    """A gain, a loss or neither, with so many real pictures."""
    part = "" if found.real_share == 1 else f" ({100 * found.real_share:g} % of each class)"
    amount = f"{'' if part else 'all '}{found.real_pictures} real pictures{part}"
    return f"With {amount}: {effect_words(found.all)}."


def short_classes_words(found: Tested) -> str:
    """The same for the short classes together."""
    names = ", ".join(found.classes[:NAMES_SHOWN]) + (", ..." if len(found.classes) > NAMES_SHOWN else "")
    return f"Of the short classes ({names}; {found.difference.test_pictures} test pictures): {effect_words(found)}."


def effect_words(found: Tested) -> str:
    """One of three."""
    change = found.difference
    both = f"{percent(found.with_generated.mean)} recognised with the generated ones, {without_words(found)}"
    if change.effect == "none":
        return (
            f"no gain: {both}; the difference of {100 * change.mean:+.1f} points lies within the noise of "
            f"{100 * change.noise:.1f}"
        )
    return f"a {change.effect} of {100 * abs(change.mean):.1f} points (± {100 * change.noise:.1f}): {both}"


def without_words(found: Tested) -> str:
    """What is reached without generated pictures, by the better of two ways where there are two."""
    best = f"{percent(found.without.mean)} without them"
    if found.repeated is None:
        return best
    if found.without is found.repeated:
        other = f"{percent(found.as_they_are.mean)} from the real ones as they are"
        return f"{best} when real ones of the short classes are repeated as often ({other})"
    other = f"{percent(found.repeated.mean)} when those of the short classes are repeated as often"
    return f"{best} from the real ones as they are ({other})"


def test_words(gain: Gain, origin: Origin) -> str:
    """Whether the test is fair."""
    if not origin.trained_on_data:
        return (
            f"Tested on {gain.test_pictures} pictures; whether the generator has seen them in training is not known "
            "(the fingerprint of its own data is another one, or not told)."
        )
    if gain.set_aside:
        return (
            f"This flatters: no pictures are held out, so the test is {gain.test_pictures} training pictures, every "
            "tenth of a class, kept from these classifiers but not from the generator and the filters."
        )
    return f"Tested on {gain.test_pictures} held-out pictures that the generator and the filters have not learned from."


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def card(found: Augmented) -> str:
    """CARD.md."""
    origin = found.origin
    labelled_by = "asked of the generator and seen" if origin.conditional else "said"
    by_d = "D was not asked"
    if origin.discriminator is not None:
        best = f"the {100 * origin.keep:g} % of each class that it finds most real"
        by_d = f"by D of the run ({origin.discriminator} images seen) {best}"
    return "\n".join(
        [
            f"# {found.pictures} generated pictures",
            "",
            "Every picture here was drawn by a neural network. None is a photograph or a scan of anything.",
            "",
            f"- Generator: {origin.recipe or 'no recipe'}, {origin.images_seen} images seen, weights "
            f"`{origin.model_sha256[:16]}`, truncation {origin.trunc:g}, of `{origin.run}`",
            f"- Real pictures: `{origin.data}`, fingerprint `{origin.data_fingerprint[:16]}`",
            f"- Wanted: {origin.rule}; at most {origin.tries} tries for each",
            f"- Classes: {labelled_by} by a {origin.classifier}",
            f"- Kept: {by_d}; no copies, which are nearer to one training picture than real pictures come "
            f"({origin.copy_scale}); no two equal ones",
            f"- Made by ganvas {found.versions.get('ganvas', '')}; seed, class and weights are in each file and in "
            "`metadata.jsonl`, all numbers in `manifest.json`",
            "",
            "| class | real | wanted | kept | drawn | other class | below D's bar | copies | repeats | not needed |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(_table_row(row) for row in found.classes if row.drawn or row.wanted),
            "",
            "## What it brings",
            "",
            *(f"- {sentence}" for sentence in gain_words(found.gain, origin)),
            *_gain_table(found.gain),
            "",
            "## Cautions",
            "",
            "- For training only: whoever tests or publishes numbers on these pictures measures the generator.",
            "- What the real pictures lack or show too often is lacking or too frequent here as well.",
            "- The search for copies compares pixels with up to 60 000 training pictures. It finds near copies, and is "
            "no proof that nothing private was kept.",
            "- The gain is that of one small network; measure it again with your own.",
            "",
        ]
    )


def _table_row(row: ClassFilled) -> str:
    name = row.name.replace("|", "\\|")
    numbers = (row.real, row.wanted, row.kept, row.drawn, row.other_class, row.below_bar, row.copies, row.repeats)
    return f"| {name} | " + " | ".join(map(str, (*numbers, row.not_needed))) + " |"


def _gain_table(gain: Gain | str) -> list[str]:
    """Every comparison, and every short class in it."""
    if isinstance(gain, str):
        return []
    head = [
        "",
        f"{gain.seeds} classifiers each, of {gain.steps} steps. The difference is from the better of the two without "
        "generated pictures; ± is half of a 95 % interval over seeds and test pictures.",
        "",
        "| tested on | real pictures | as they are | short classes repeated | with generated | difference |",
        "|---|---|---|---|---|---|",
    ]
    rows = []
    for found in gain.comparisons:
        rows.append(_gain_row("all", found.real_pictures, found.all))
        rows += [_gain_row(f"class {one.classes[0]}", found.real_pictures, one) for one in found.each]
    return head + rows


def _gain_row(what: str, real: int, found: Tested) -> str:
    what = f"{what} ({found.difference.test_pictures})".replace("|", "\\|")
    change = f"{100 * found.difference.mean:+.1f} ± {100 * found.difference.noise:.1f} points"
    scores = [found.as_they_are, found.repeated, found.with_generated]
    shares = " | ".join("same" if score is None else percent(score.mean) for score in scores)
    return f"| {what} | {real} | {shares} | {change} |"
