"""A study's results with all that is needed to read them: who was compared, how, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ganvas.rating.intervals import ENOUGH_RATERS, Share
from ganvas.rating.results import ATTENTION_RULE, Results, words_of
from ganvas.rating.storage import Judgement
from ganvas.rating.study import WORDS, Compared, Shown
from ganvas.version import __version__

SCHEMA = 1
INTERVAL = (
    "95 %: Wilson's at the effective number of answers, which allows for answers on the same picture being alike, and "
    f"from {ENOUGH_RATERS} raters on for those of the same rater too"
)


def passport(results: Results) -> dict[str, Any]:
    """The number, its interval, and what it must not be separated from. Plain JSON values."""
    study = results.study
    pairwise = study.mode == "pairwise"
    return {
        "metric": "win_rate" if pairwise else "human_error_rate",
        "meaning": "share of pairs in which A was chosen"
        if pairwise
        else "share of wrong answers on real and generated pictures without a time limit, as HYPE-infinity "
        "(Zhou et al., 2019); 0.5 is guessing",
        "value": None if results.share is None else results.share.value,
        "interval": None if results.share is None else [results.share.low, results.share.high],
        "interval_method": INTERVAL,
        "question": WORDS[study.question],
        "mode": study.mode,
        "a": _compared(study.a),
        "b": _compared(study.b),
        "real": _compared(study.real),
        "pictures": {
            "items": study.n,
            "generated": study.generated if not pairwise else None,
            "examples_shown_before": study.examples,
            "study_seed": study.seed,
        },
        "shown": {
            "height": study.height,
            "width": study.width,
            "upscaling": study.upscaling,
            "width_on_screens": None if results.widths is None else list(results.widths),
        },
        "raters": {"joined": len(results.raters), "counted": results.counted, "left_out": len(results.left_out)},
        "judgements": results.judgements,
        "attention": {
            "rule": ATTENTION_RULE,
            "checks_for_each_rater": study.checks,
            "made_from": "real pictures" if study.real is not None else "pictures of A and B",
            "guessing_passes": results.guessing_passes,
        },
        "versions": {"ganvas": __version__, "study_made_with": study.version},
    }


def to_json(results: Results, judgements: Sequence[Judgement], origins: Mapping[Shown, str]) -> dict[str, Any]:
    """The whole study as one JSON document: passport, results, and every judgement with what was shown."""
    pairwise = results.study.mode == "pairwise"
    return {
        "schema": SCHEMA,
        "passport": passport(results),
        "words": words_of(results),
        "results": {
            "win_rate_of_a" if pairwise else "error_rate": _share(results.share),
            "error_rate_on_generated": _share(results.on_generated),
            "error_rate_on_real": _share(results.on_real),
            "agreement": None if results.agreement is None else asdict(results.agreement),
            "seconds_per_judgement": results.seconds,
            "raters": [{**asdict(rater), "share": _share(rater.share)} for rater in results.raters],
        },
        "study": results.study.model_dump(mode="json"),
        "pictures": [
            {"role": shown.role, "number": shown.number, "origin": origin} for shown, origin in origins.items()
        ],
        "judgements": [asdict(judgement) for judgement in judgements],
    }


def _compared(about: Compared | None) -> dict[str, Any] | None:
    if about is None:
        return None
    return about.model_dump(mode="json") | ({"truncation": 1.0} if about.kind == "model" else {})


def _share(share: Share | None) -> dict[str, float] | None:
    return None if share is None else asdict(share)
