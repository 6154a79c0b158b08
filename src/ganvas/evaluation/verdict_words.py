"""A verdict in two to five plain sentences: near or far, diverse or not, which classes are missing,
copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganvas.evaluation.figures import number, percent, spaced
from ganvas.evaluation.metrics.modes import SURE
from ganvas.evaluation.verdict import Metric

ENOUGH_SAMPLES = 10_000
NAMES_SHOWN = 8

NEARNESS = (  # distance over the distance of real pictures, up to which the words fit
    (1.5, "as near to the {reference} as other real pictures are"),
    (4.0, "near to the {reference}"),
    (15.0, "similar to the {reference}, but can be told apart from them"),
    (60.0, "clearly different from the {reference}"),
    (float("inf"), "far from the {reference}"),
)
DIVERSITY = (  # coverage over the coverage of real pictures, from which the words fit
    (0.9, "They are about as diverse as real pictures"),
    (0.6, "They are somewhat less diverse than real pictures"),
    (0.3, "They are clearly less diverse than real pictures"),
    (0.0, "They leave out most of what real pictures show, which is how a collapsed generator looks"),
)


def describe(metrics: Mapping[str, Metric], missing: Sequence[str], feature_count: int, what: str, copies: str) -> str:
    """The sentences, joined by blanks. `missing`: names of classes hardly there; `copies`: what is said of them."""
    sentences = [
        nearness(metrics["frechet_distance"], feature_count, what),
        _diversity(metrics.get("coverage")),
        _classes(metrics, missing, what),
        copies,
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def nearness(distance: Metric, feature_count: int, what: str) -> str:
    """How far a set of pictures is from the reference, in a sentence with the Fréchet distance."""
    floor = distance.real_value
    figures = f"Fréchet distance {number(distance.value)}"
    if floor is None or floor <= 0:
        verdict = f"The {what} were compared with the {distance.reference}"
    else:
        ratio = distance.value / floor
        words = next(text for limit, text in NEARNESS if ratio <= limit)
        verdict = f"The {what} are {words.format(reference=distance.reference)}"
        figures += f", where real pictures get {number(floor)}"
    return f"{verdict} ({figures}{_caution(distance, feature_count, what)})."


def _caution(distance: Metric, feature_count: int, what: str) -> str:
    fewest = min(distance.samples, distance.reference_samples)
    if fewest <= feature_count:
        return f"; with {fewest} pictures for {feature_count} features it is a rough guess"
    if distance.samples < ENOUGH_SAMPLES:
        return f"; from {spaced(distance.samples)} {what}, and under {spaced(ENOUGH_SAMPLES)} it comes out too high"
    return ""


def _diversity(coverage: Metric | None) -> str:
    if coverage is None:
        return ""
    relative = coverage.value / coverage.real_value if coverage.real_value else coverage.value
    words = next(text for limit, text in DIVERSITY if relative >= limit)
    beside = "" if coverage.real_value is None else f", {percent(coverage.real_value)} for real pictures"
    return f"{words} (coverage {percent(coverage.value)}{beside})."


def _classes(metrics: Mapping[str, Metric], missing: Sequence[str], what: str) -> str:
    if "sure_share" not in metrics:
        return ""
    if missing:
        more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
        first = f"Missing or hardly there: {', '.join(missing[:NAMES_SHOWN])}{more}"
    else:
        first = "No class is missing"
    sure = metrics["sure_share"]
    second = f"{percent(sure.value)} of the {what} are surely (over {percent(SURE)}) one class"
    if sure.real_value is not None:
        second += f" ({percent(sure.real_value)} of real pictures)"
    agreement = metrics.get("class_agreement")
    third = "" if agreement is None else f", {percent(agreement.value)} are taken for the class that was asked for"
    return f"{first}; {second}{third}."
