"""The sentences of a diagnosis, for someone who meets it for the first time: what is seen, and what usually helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Evidence = Mapping[str, float]


@dataclass(frozen=True)
class Facts:
    """What the words depend on besides numbers: classes of the game, pictures to train on, painted from pictures?"""

    classes: int = 0
    pictures: int | None = None
    paints: bool = False

    @property
    def alike(self) -> str:
        if self.paints:
            return "all pictures are the same whatever the input"
        return f"{'the pictures of each class' if self.classes else 'all pictures'} are the same whatever the noise"

    @property
    def of(self) -> str:
        return f" of the {self.pictures:,} training pictures" if self.pictures else " of the training pictures"


def say(sign: str, evidence: Evidence, *, since: int, facts: Facts) -> str:
    """Two or three sentences: what is seen, since when, what usually helps. `sign`: a name of the tables below."""
    seen, helps = WORDS[sign]
    helps = HELPS_PAINTERS.get(sign, helps) if facts.paints else helps
    return f"{seen(evidence, facts)} (since {since:,} images). {helps}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _variety(evidence: Evidence) -> str:
    values = [evidence[name] for name in ("spread", "spread_within") if name in evidence]
    return f"{_percent(min(values))} of the variety of the real ones" if values else "little variety"


def _not_finite(evidence: Evidence, facts: Facts) -> str:
    return "The game diverged: numbers of the networks are not finite any more"


def _explosion(evidence: Evidence, facts: Facts) -> str:
    names = {"logit_size": "D's answers", "g_grad": "G's gradients", "d_grad": "D's gradients"}
    sizes = ", ".join(f"{names[name]} reach {value:.2g}" for name, value in evidence.items())
    return f"The game is running away: {sizes}"


def _full_collapse(evidence: Evidence, facts: Facts) -> str:
    return f"G has collapsed: {facts.alike} ({_variety(evidence)})"


def _partial_collapse(evidence: Evidence, facts: Facts) -> str:
    twins = evidence.get("twin_share", 0.0)
    also = f", and {_percent(twins)} of pairs are nearly the same picture" if twins > 0.01 else ""
    if evidence.get("class_coverage", 1.0) < 1:
        also += f", only {_percent(evidence['class_coverage'])} of the classes are among them"
    return f"G repeats itself: its pictures have {_variety(evidence)}{also}, and nothing improves"


def _d_wins(evidence: Evidence, facts: Facts) -> str:
    right = _percent(evidence["d_right"])
    return f"D always wins: it rates {right} of reals above fakes, and G no longer comes nearer to the reals"


def _d_loses(evidence: Evidence, facts: Facts) -> str:
    right = _percent(evidence["d_right"])
    return (
        f"D is too weak to teach G: it rates only {right} of reals above fakes, though the pictures are plainly unlike"
    )


def _oscillation(evidence: Evidence, facts: Facts) -> str:
    names = {"far": "the distance to the reals", "distance": "the judged distance", "raw_spread": "the variety"}
    what = " and ".join(names[name] for name in evidence)
    return f"G and D chase each other in circles: {what} swings up and down by more than twofold"


def _d_overfits(evidence: Evidence, facts: Facts) -> str:
    if evidence.get("held_gap", 0.0) >= 1:
        how = "it rates held-out pictures no higher than fakes"
    elif "held_gap" in evidence:
        how = (
            f"held-out pictures lie {_percent(evidence['held_gap'])} of the way from training pictures to fakes for it"
        )
    else:
        how = f"it calls {_percent((1 + evidence['real_sign']) / 2)}{facts.of} real and no fake"
    return f"D begins to know the training pictures by heart: {how}"


def _memorises(evidence: Evidence, facts: Facts) -> str:
    share = _percent(evidence.get("nearest_copy_share", evidence.get("copy_share", 0.0)))
    return f"G copies: {share} of its pictures are unusually near to one{facts.of}"


def _identity(evidence: Evidence, facts: Facts) -> str:
    what = "G returns its input unchanged"
    if "d_right" in evidence:
        what += f", though D tells it from the wanted kind {_percent(evidence['d_right'])} of the time"
    return f"{what}, and nothing improves"


def _harm(evidence: Evidence, facts: Facts) -> str:
    times = f"{evidence['beside_input']:.3g}"
    return f"G does harm: what it paints differs {times} times as much from the target as its input does"


def _contrast_lost(evidence: Evidence, facts: Facts) -> str:
    share = _percent(evidence["contrast_of_chance"])
    return f"Patches of what is painted do not show where they come from: at {share} of the loss of guessing"


_MILDER = "a smaller --g-lr and --d-lr"
_LIPSCHITZ = "--r1-gamma 1 or more (with --d-norm none or spectral)"

WORDS: dict[str, tuple[Callable[[Evidence, Facts], str], str]] = {
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
    "identity": (
        _identity,
        "What usually helps: a larger --g-lr, a smaller --identity-weight or --cycle-weight where the recipe has one, "
        "or more images: the first steps change little.",
    ),
    "harm": (_harm, "What usually helps: a smaller --g-lr, a larger --batch, or more images."),
    "contrast_lost": (
        _contrast_lost,
        "What is shown where may get lost. What usually helps: a larger --contrast-weight, or a smaller --d-lr.",
    ),
}

# Where what helps pictures from noise is no setting of painters, or does not help them.
HELPS_PAINTERS: dict[str, str] = {
    "full_collapse": (
        f"This seldom mends. Go back to a checkpoint from before, with {_MILDER}; look at samples/reals.png whether "
        "inputs and targets are what they should be."
    ),
    "partial_collapse": (
        f"What usually helps: {_MILDER}, a larger --l1-weight where there are targets, or {_LIPSCHITZ}. Look at "
        "samples/reals.png whether the targets follow from the inputs."
    ),
    "d_wins": f"What usually helps: a smaller --d-lr, a larger --g-lr, or {_LIPSCHITZ}.",
    "d_loses": "What usually helps: a larger --d-lr, a smaller --g-lr, or a larger --d-width.",
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
    "identity": "G changes its input now.",
    "harm": "What is painted is nearer to the target than its input again.",
    "contrast_lost": "Patches show where they come from.",
}
