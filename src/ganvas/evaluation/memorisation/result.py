"""What a check for memorisation hands back: rates with intervals, the worst pairs, and what it means in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ganvas.evaluation.figures import percent, spaced
from ganvas.evaluation.memorisation.groups import GroupVerdict
from ganvas.evaluation.memorisation.membership import LEAKS, LEAKS_MUCH, Membership
from ganvas.evaluation.memorisation.rates import Rate

MANY = 0.02  # of real pictures: the data hold some of them twice
WEAK = 0.5  # share of exact copies found, below which finding none says nothing

Finding = Literal["copies", "none", "unknown"]


@dataclass(frozen=True)
class ViewResult:
    """One way of looking, in numbers. Medians are over all pictures."""

    view: str
    copies: int
    real_copies: int
    threshold: float  # the closeness from which down a picture counts as a copy
    median_closeness: float
    real_median_closeness: float
    searched: int  # training pictures


@dataclass(frozen=True)
class Pair:
    """One sample and its nearest training pictures: row numbers, how near, and how it matches, if as a copy does."""

    sample: int
    train: int  # by pixels
    closeness: float
    train_by_features: int
    closeness_by_features: float
    match: str  # such as "mirrored, moved by 1 pixel"; "" for a sample that does not count as a copy


@dataclass(frozen=True)
class Memorisation:
    """Whether samples copy training pictures, beside what real pictures that were left out do."""

    copies: Rate
    real_copies: Rate
    left_out: str  # which real pictures those were
    power: float  # share of exact copies that would be found
    views: tuple[ViewResult, ...]  # pixels; pixels, colours aside; features
    copied_samples: tuple[int, ...]  # row numbers of those that count as copies, in order
    pairs: tuple[Pair, ...]  # most suspicious first
    membership: Membership
    groups: GroupVerdict | None

    @property
    def finding(self) -> Finding:
        """Copies, where more samples than real pictures are by more than chance; unknown, where none would be found."""
        if self.copies.exceeds(self.real_copies):
            return "copies"
        return "unknown" if self.power < WEAK else "none"

    def words(self, what: str = "samples") -> str:
        """Two or three plain sentences: copies, groups if there are any, membership."""
        sentences = [self.copy_words(what), self.group_words(what), self.membership_words(what)]
        return " ".join(sentence for sentence in sentences if sentence)

    def short_words(self, what: str = "samples") -> str:
        """The sentences that a verdict needs: membership only where something is given away."""
        leak = self.membership.worst
        leaks = leak is not None and leak.low > LEAKS
        return self.words(what) if leaks else f"{self.copy_words(what)} {self.group_words(what)}".rstrip()

    def copy_words(self, what: str = "samples") -> str:
        """Whether the samples hold copies, in one sentence."""
        ours, real = self.copies, self.real_copies
        figures = (
            f"{percent(ours.share)} of {spaced(ours.total)} {what} ({_range(ours)}) are as near to one training "
            f"picture as copies are; of real pictures that were left out {percent(real.share)} ({_range(real)})"
        )
        if self.finding == "copies":
            return f"Beware of copies: {figures}."
        if self.finding == "unknown":
            return (
                "Whether there are copies cannot be told: the training pictures are so alike that only "
                f"{percent(self.power)} of exact copies would stand out; {figures}."
            )
        hidden = ", so that fewer copies than that would not stand out" if real.share > MANY else ""
        return f"No sign of copying: {figures}{hidden}."

    def group_words(self, what: str = "samples") -> str:
        """Whose pictures, in one sentence; nothing where there are no groups."""
        verdict = self.groups
        if verdict is None:
            return ""
        copied = verdict.copied
        if copied.hits == 0:
            return f"Of {copied.total} groups (patients, videos) none has a picture that the {what} come so near to."
        worst = verdict.worst[0]
        return (
            f"The {spaced(self.copies.total)} {what} come so near to pictures of {copied.hits} of {copied.total} "
            f"groups (patients, videos), most often to those of group {worst.group}, {worst.copies} of them; "
            f"{spaced(self.real_copies.total)} left-out pictures to those of {verdict.real_copied}."
        )

    def membership_words(self, what: str = "samples") -> str:
        """What an attacker could learn, in one sentence."""
        leak = self.membership.worst
        if leak is None:
            return f"Whether the {what} give away what was trained on could not be measured: {self.membership.missing}."
        figures = (
            f"area {leak.area:.2f}, {leak.low:.2f} to {leak.high:.2f}, where 0.5 is guessing; {spaced(leak.training)} "
            f"training and {spaced(leak.held_out)} held-out {leak.unit}, by {leak.space}"
        )
        if leak.low <= LEAKS:
            return f"Training {leak.unit} are no nearer to the {what} than held-out ones ({figures})."
        if leak.area < LEAKS_MUCH:
            return f"Training {leak.unit} are a little nearer to the {what} than held-out ones ({figures})."
        return f"Beware: training {leak.unit} give themselves away by being nearer to the {what} ({figures})."

    def to_json(self) -> dict[str, Any]:
        """All of it, with the finding and the words."""
        return {**asdict(self), "finding": self.finding, "words": self.words()}


def _range(rate: Rate) -> str:
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"
