"""What the raters said: who counts, the shares with their intervals, agreement, and words. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ganvas.rating.intervals import ENOUGH_RATERS, Agreement, Outcome, Share, agreement, share_of
from ganvas.rating.storage import Judgement, Rater
from ganvas.rating.study import WORDS, Study

MOST_MISSED = 0.2  # a larger share of missed checks leaves a rater out
CHANCE = 0.5
FEWEST_FOR_ONE_ANSWER = 10  # single pictures, from which on always the same answer is worth a word

ATTENTION_RULE = (
    f"a rater who misses more than {MOST_MISSED:.0%} of the attention checks met so far (an intact picture beside one "
    "ruined by noise or blur; of single pictures a ruined one), or has met none yet, is left out"
)


@dataclass(frozen=True)
class RaterResult:
    """One rater. share: as of `Results.share`. left_out: why the answers do not count, or ""."""

    number: int
    name: str | None
    share: Share | None
    judgements: int
    checks: int
    missed: int
    seconds: float | None
    left_out: str
    one_answer: str  # the answer given to every single picture, if there is only one

    @property
    def who(self) -> str:
        return self.name or f"rater {self.number}"


@dataclass(frozen=True)
class Results:
    """Of a whole study. share: how often A was chosen, or of single pictures how often the answer was wrong.

    on_generated, on_real: the wrong answers among each kind of single pictures. judgements: that count, checks apart.
    seconds: of the middle judgement. guessing_passes: how likely the checks are passed by a coin.
    """

    study: Study
    raters: tuple[RaterResult, ...]
    share: Share | None
    on_generated: Share | None
    on_real: Share | None
    agreement: Agreement | None
    judgements: int
    seconds: float | None
    widths: tuple[int, int] | None
    guessing_passes: float

    @property
    def counted(self) -> int:
        """Raters whose answers count."""
        return sum(not rater.left_out and rater.judgements > 0 for rater in self.raters)

    @property
    def left_out(self) -> tuple[RaterResult, ...]:
        """Raters who answered, but whose answers do not count."""
        return tuple(rater for rater in self.raters if rater.left_out and rater.judgements + rater.checks > 0)


def results_of(study: Study, raters: Sequence[Rater], judgements: Sequence[Judgement]) -> Results:
    """All that is computed from the answers."""
    by_rater: dict[int, list[Judgement]] = {rater.number: [] for rater in raters}
    for judgement in judgements:
        by_rater[judgement.rater].append(judgement)
    each = tuple(_rater_result(study, rater, by_rater[rater.number]) for rater in raters)
    counting = {rater.number for rater in each if not rater.left_out}
    kept = [j for j in judgements if j.rater in counting and j.kind != "check"]
    on_real = [j for j in kept if j.kind == "single" and j.truth == "real"]
    on_generated = [j for j in kept if j.kind == "single" and j.truth == "generated"]
    widths = [j.width for j in kept]
    return Results(
        study=study,
        raters=each,
        share=_share(study, kept),
        on_generated=_share(study, on_generated),
        on_real=_share(study, on_real),
        agreement=agreement((j.item, j.matches if j.kind == "pair" else j.answer) for j in kept),
        judgements=len(kept),
        seconds=_seconds(kept),
        widths=(min(widths), max(widths)) if widths else None,
        guessing_passes=guessing_passes(study.checks),
    )


def guessing_passes(checks: int) -> float:
    """How likely a rater who tosses a coin misses no more checks than the rule allows."""
    allowed = math.floor(MOST_MISSED * checks + 1e-9)
    return sum(math.comb(checks, missed) for missed in range(allowed + 1)) / 2.0**checks


def _share(study: Study, judgements: Sequence[Judgement]) -> Share | None:
    pairwise = study.mode == "pairwise"
    return share_of([Outcome(j.rater, j.item, j.matches if pairwise else not j.matches) for j in judgements])


def _rater_result(study: Study, rater: Rater, judgements: Sequence[Judgement]) -> RaterResult:
    checks = [j for j in judgements if j.kind == "check"]
    others = [j for j in judgements if j.kind != "check"]
    missed = sum(not j.matches for j in checks)
    left_out = ""
    if not checks:
        left_out = "has met no attention check yet"
    elif missed > MOST_MISSED * len(checks):
        left_out = f"missed {missed} of {len(checks)} attention checks"
    answers = {j.answer for j in others if j.kind == "single"}
    same = len(answers) == 1 and len(others) >= FEWEST_FOR_ONE_ANSWER
    return RaterResult(
        number=rater.number,
        name=rater.name,
        share=_share(study, others),
        judgements=len(others),
        checks=len(checks),
        missed=missed,
        seconds=_seconds(others),
        left_out=left_out,
        one_answer=next(iter(answers)) if same else "",
    )


def _seconds(judgements: Sequence[Judgement]) -> float | None:
    return median(j.milliseconds for j in judgements) / 1000 if judgements else None


def table_of(results: Results) -> list[tuple[str, str]]:
    """The numbers in short, for a terminal."""
    study, pairwise = results.study, results.study.mode == "pairwise"
    what = "A chosen" if pairwise else "wrong"
    rows = [("A", study.a.given)]
    rows += [(name, about.given) for name, about in (("B", study.b), ("real", study.real)) if about is not None]
    rows += [("question", WORDS[study.question])]
    shares = [(what, results.share), ("of generated", results.on_generated), ("of real", results.on_real)]
    rows += [(name, f"{_percent(share)}, {share.answers} answers") for name, share in shares if share is not None]
    if results.seconds is not None:
        rows.append(("seconds", f"{results.seconds:.1f} for the middle judgement"))
    if results.agreement is not None:
        a = results.agreement
        alpha = "" if a.alpha is None else f", Krippendorff's alpha {a.alpha:.2f}"
        rows.append(("agreement", f"{a.share:.0%} of the pairs of raters on {a.items} items{alpha}"))
    rows.append(("checks", f"{study.checks} each; guessing passes {results.guessing_passes:.1%} of the time"))
    for rater in results.raters:
        share = "no answers yet" if rater.share is None else f"{what} {_percent(rater.share)}"
        done = f"{rater.judgements} of {study.n}"
        missed = f"{rater.missed} of {rater.checks} checks missed"
        rows.append((rater.who, ", ".join([share, done, missed, *(["left out"] if rater in results.left_out else [])])))
    return rows


def words_of(results: Results) -> str:
    """The result in sentences: what was found, how sure it is, for whom it speaks, who was left out."""
    sentences = [_pairwise_words(results) if results.study.mode == "pairwise" else _single_words(results)]
    counted = results.counted
    if results.share is not None and counted < ENOUGH_RATERS:
        these = "one rater" if counted == 1 else f"{counted} raters"
        sentences.append(
            f"The interval covers other pictures, not other people: {these} spoke, and from {ENOUGH_RATERS} on it "
            "covers both."
        )
    if results.left_out:
        who = "; ".join(f"{rater.who} {rater.left_out}" for rater in results.left_out)
        sentences.append(f"Left out: {who}.")
    same = [rater for rater in results.raters if rater.one_answer and not rater.left_out]
    if same:
        who = ", ".join(f"{rater.who} ({rater.one_answer})" for rater in same)
        sentences.append(f"Always the same answer: {who}. That makes half of them wrong whatever the pictures are.")
    return " ".join(sentences)


def _pairwise_words(results: Results) -> str:
    share = results.share
    if share is None:
        return "Nobody's answers count yet."
    what = "taken for the more real one" if results.study.question == "real" else "preferred"
    first = f"A was {what} in {_percent(share)} of {_many(results)}"
    if share.low > CHANCE:
        return f"{first}: more often than chance. A wins."
    if share.high < CHANCE:
        return f"{first}: less often than chance. B wins."
    return f"{first}: within the noise, for the interval holds 50 %. Neither is shown to be better."


def _single_words(results: Results) -> str:
    share, fooled, doubted = results.share, results.on_generated, results.on_real
    if share is None:
        return "Nobody's answers count yet."
    first = f"{_percent(share)} of {_many(results)} were wrong"
    if fooled is not None and doubted is not None:
        first += f" ({fooled.value:.0%} of those on generated pictures, {doubted.value:.0%} of those on real ones)"
    if share.high < CHANCE:
        return f"{first}: fewer than by guessing. People can tell the generated pictures from real ones."
    if share.low > CHANCE:
        return f"{first}: more than by guessing. The generated pictures pass for real more than the real ones do."
    return f"{first}: within the noise of guessing (50 %). That they can be told apart is not shown."


def _percent(share: Share) -> str:
    return f"{share.value:.0%} (95 % interval {share.low:.0%} to {share.high:.0%})"


def _many(results: Results) -> str:
    raters = "1 rater" if results.counted == 1 else f"{results.counted} raters"
    return f"{results.judgements} {'judgement' if results.judgements == 1 else 'judgements'} by {raters}"
