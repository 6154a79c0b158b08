"""The sentences of a diagnosis, for someone who meets it for the first time: what is seen, and what usually helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Evidence = Mapping[str, float]


def say(sign: str, evidence: Evidence, *, since: int, classes: int = 0, pictures: int | None = None) -> str:
    """Two or three sentences: what is seen, since when, what usually helps. `sign`: a name of the table below."""
    seen, helps = WORDS[sign]
    what = seen(evidence, _Facts(classes, pictures))
    return f"{what} (since {since:,} images). {helps}"


class _Facts:
    def __init__(self, classes: int, pictures: int | None) -> None:
        self.alike = "the pictures of each class are" if classes else "all pictures are"
        self.of = f" of the {pictures:,} training pictures" if pictures else " of the training pictures"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _variety(evidence: Evidence) -> str:
    values = [evidence[name] for name in ("spread", "spread_within") if name in evidence]
    return f"{_percent(min(values))} of the variety of the real ones" if values else "little variety"


def _not_finite(evidence: Evidence, facts: _Facts) -> str:
    return "The game diverged: numbers of the networks are not finite any more"


def _explosion(evidence: Evidence, facts: _Facts) -> str:
    names = {"logit_size": "D's answers", "g_grad": "G's gradients", "d_grad": "D's gradients"}
    sizes = ", ".join(f"{names[name]} reach {value:.2g}" for name, value in evidence.items())
    return f"The game is running away: {sizes}"


def _full_collapse(evidence: Evidence, facts: _Facts) -> str:
    return f"G has collapsed: {facts.alike} the same whatever the noise ({_variety(evidence)})"


def _partial_collapse(evidence: Evidence, facts: _Facts) -> str:
    twins = evidence.get("twin_share", 0.0)
    also = f", and {_percent(twins)} of pairs are nearly the same picture" if twins > 0.01 else ""
    if evidence.get("class_coverage", 1.0) < 1:
        also += f", only {_percent(evidence['class_coverage'])} of the classes are among them"
    return f"G repeats itself: its pictures have {_variety(evidence)}{also}, and nothing improves"


def _d_wins(evidence: Evidence, facts: _Facts) -> str:
    right = _percent(evidence["d_right"])
    return f"D always wins: it rates {right} of reals above fakes, and G no longer comes nearer to the reals"


def _d_loses(evidence: Evidence, facts: _Facts) -> str:
    right = _percent(evidence["d_right"])
    return (
        f"D is too weak to teach G: it rates only {right} of reals above fakes, though the pictures are plainly unlike"
    )


def _oscillation(evidence: Evidence, facts: _Facts) -> str:
    names = {"far": "the distance to the reals", "distance": "the judged distance", "raw_spread": "the variety"}
    what = " and ".join(names[name] for name in evidence)
    return f"G and D chase each other in circles: {what} swings up and down by more than twofold"


def _d_overfits(evidence: Evidence, facts: _Facts) -> str:
    if evidence.get("held_gap", 0.0) >= 1:
        how = "it rates held-out pictures no higher than fakes"
    elif "held_gap" in evidence:
        how = (
            f"held-out pictures lie {_percent(evidence['held_gap'])} of the way from training pictures to fakes for it"
        )
    else:
        how = f"it calls {_percent((1 + evidence['real_sign']) / 2)}{facts.of} real and no fake"
    return f"D begins to know the training pictures by heart: {how}"


def _memorises(evidence: Evidence, facts: _Facts) -> str:
    share = _percent(evidence.get("nearest_copy_share", evidence.get("copy_share", 0.0)))
    return f"G copies: {share} of its pictures are unusually near to one{facts.of}"


_MILDER = "a smaller --g-lr and --d-lr"
_LIPSCHITZ = "--r1-gamma 1 or more (with --d-norm none or spectral)"

WORDS: dict[str, tuple[Callable[[Evidence, _Facts], str], str]] = {
    "not_finite": (_not_finite, f"This does not mend. Go back to a checkpoint from before, with {_MILDER}."),
    "explosion": (_explosion, f"What usually helps: {_MILDER}, or {_LIPSCHITZ}."),
    "full_collapse": (
        _full_collapse,
        f"This seldom mends. Go back to a checkpoint from before, with {_MILDER}, or with {_LIPSCHITZ}.",
    ),
    "partial_collapse": (
        _partial_collapse,
        f"What usually helps: {_LIPSCHITZ}, --objective relativistic, a larger --batch, or a smaller --g-lr.",
    ),
    "d_wins": (_d_wins, f"What usually helps: a smaller --d-lr, a smaller --n-critic, or {_LIPSCHITZ}."),
    "d_loses": (_d_loses, "What usually helps: a larger --d-lr, a smaller --g-lr, --n-critic 2, or a larger --width."),
    "oscillation": (
        _oscillation,
        f"What usually helps: {_MILDER}, {_LIPSCHITZ}, --lr-decay-from 0.5, or a larger --ema-half-life.",
    ),
    "d_overfits": (
        _d_overfits,
        "From here on more training helps little. What does: more pictures, --augment colour,translation,cutout, "
        "--mirror where it fits the pictures, or a larger --r1-gamma.",
    ),
    "memorises": (
        _memorises,
        "What usually helps: more pictures, --augment colour,translation,cutout, or a checkpoint from before.",
    ),
}

OVER: dict[str, str] = {
    "not_finite": "The numbers are finite again.",
    "explosion": "D's answers and the gradients are of a usual size again.",
    "full_collapse": "G's pictures differ from each other again.",
    "partial_collapse": "G repeats itself no longer.",
    "d_wins": "G learns again.",
    "d_loses": "D keeps up again.",
    "oscillation": "The swings have calmed down.",
    "d_overfits": "D no longer treats held-out pictures worse than the training pictures.",
    "memorises": "G's pictures are no longer unusually near to training pictures.",
}
