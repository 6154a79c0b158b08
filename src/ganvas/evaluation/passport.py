"""What must be known of a number before it may stand beside another one.

The same network reads 2.32, 8.20 or 9.26 by three protocols. So every number carries how it came about, and two numbers
are compared only where everything that makes the protocol is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ganvas.errors import UsageError

UNKNOWN = "unknown"  # of a number that was written down without it


@dataclass(frozen=True)
class Drawn:
    """Where the judged pictures come from. The defaults are those of pictures that no model drew here."""

    seeds: str = ""  # "1000000-1009999"
    trunc: float | None = None
    weights: str = ""  # "average", or which others drew
    what: str = ""  # hash of the model, or fingerprint of the pictures


@dataclass(frozen=True)
class Passport:
    """How a number came about. Fields of PROTOCOL decide whether it may be compared with another."""

    metric: str
    features: str  # in words
    features_hash: str  # of the weights that looked; "" where pixels are compared
    resize: str  # what is done to a picture before it is looked at
    value_range: str
    reference: str  # which split
    reference_fingerprint: str
    reference_samples: int
    samples: int
    drawn: Drawn = Drawn()
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One level, so that it can stand beside the value: seeds, trunc, weights and what are of the samples."""
        return {**{k: v for k, v in asdict(self).items() if k != "drawn"}, **asdict(self.drawn)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Passport:
        """Undo `to_json`; what is not there is unknown, and unlike anything that is known."""
        drawn = Drawn(**{f.name: row[f.name] for f in fields(Drawn) if f.name in row})
        counts = {"samples", "reference_samples"}
        plain = {
            f.name: row.get(f.name, -1 if f.name in counts else UNKNOWN)
            for f in fields(cls)
            if f.name not in ("drawn", "versions")
        }
        return cls(**plain, drawn=drawn, versions=dict(row.get("versions", {})))

    def short(self) -> str:
        """One line for people."""
        looked = self.features + (f" {self.features_hash}" if self.features_hash else "")
        origin = f", seeds {self.drawn.seeds}" if self.drawn.seeds else ""
        cut = f", trunc {self.drawn.trunc:g}" if self.drawn.trunc not in (None, 1.0) else ""
        whose = f", {self.drawn.weights} weights" if self.drawn.weights else ""
        against = f"{self.reference_samples} {self.reference} ({self.reference_fingerprint[:12]})"
        return f"{self.metric}: {self.samples} against {against}, in {looked}{origin}{cut}{whose}"


# Not the seeds, the weights or the versions: those are what runs that are compared may differ in.
PROTOCOL = (
    *("metric", "features_hash", "features", "resize", "value_range"),
    *("reference", "reference_fingerprint", "reference_samples", "samples", "trunc"),
)


def differences(a: Passport, b: Passport) -> list[tuple[str, Any, Any]]:
    """The fields of the protocol in which two passports differ, in the order of PROTOCOL; [] if they compare."""
    rows = a.to_json(), b.to_json()
    # Pictures that no model drew were not truncated.
    for row in rows:
        row["trunc"] = 1.0 if row["trunc"] is None else row["trunc"]
    pairs = [(name, rows[0][name], rows[1][name]) for name in PROTOCOL]
    found = [(name, mine, theirs) for name, mine, theirs in pairs if mine != theirs or UNKNOWN in (mine, theirs)]
    same_weights = a.features_hash == b.features_hash != ""
    return [difference for difference in found if difference[0] != "features" or not same_weights]


def check_comparable(named: Sequence[tuple[str, Passport]]) -> None:
    """Raises UsageError with the first field that differs, and whose number it is."""
    first_name, first = named[0]
    for name, other in named[1:]:
        found = differences(first, other)
        if found:
            which, mine, theirs = found[0]
            more = f" (and {len(found) - 1} fields more)" if len(found) > 1 else ""
            raise UsageError(
                f"{first.metric} of {first_name} and of {name} cannot be compared: {which.replace('_', ' ')} is "
                f"{_shown(mine)} for the first and {_shown(theirs)} for the second{more}. Judge both alike"
            )


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
