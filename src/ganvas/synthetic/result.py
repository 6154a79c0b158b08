"""What a synthetic set is and what it brings: as numbers, for programs and for the words about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ganvas.errors import GanvasError
from ganvas.synthetic.filling import BELOW_BAR, COPY, KEPT, NOT_NEEDED, OTHER_CLASS, REPEAT, Filled
from ganvas.synthetic.gain import Gain

SCHEMA = 1


@dataclass(frozen=True)
class ClassFilled:
    """One class: real training pictures, generated ones wanted and kept, and what became of the others drawn."""

    name: str
    real: int
    wanted: int
    kept: int
    drawn: int
    other_class: int  # the classifier sees another one, or where none was asked for, is not sure
    below_bar: int  # D finds them less real than the share that is kept
    copies: int
    repeats: int  # equal to one that was kept
    not_needed: int


@dataclass(frozen=True)
class Origin:
    """What the set was made of. discriminator: images it had seen; None where it was not asked."""

    run: str
    recipe: str
    model_sha256: str
    images_seen: int
    conditional: bool
    discriminator: int | None
    data: str
    data_fingerprint: str
    trained_on_data: bool  # whether it is known that the generator was trained on these very pictures
    classifier: str  # which filters by class, in words
    classifier_accuracy: float | None  # share of pictures kept from it that it gets right; None if none were
    copy_scale: str  # how many real pictures are as near to a training picture as what is dropped, in words
    rule: str  # how many were wanted
    keep: float
    trunc: float
    tries: int


@dataclass(frozen=True)
class Augmented:
    """A synthetic set in the folder `path`. gain: what it brings, or why that was not measured."""

    path: Path
    origin: Origin
    classes: tuple[ClassFilled, ...]
    gain: Gain | str
    versions: Mapping[str, str]

    @property
    def pictures(self) -> int:
        """How many were kept."""
        return sum(row.kept for row in self.classes)

    @property
    def words(self) -> str:
        """What a reader should know, in plain sentences."""
        from ganvas.synthetic.words import sentences

        return " ".join(sentences(self))

    def to_json(self) -> dict[str, Any]:
        """{"schema": 1, "pictures", "origin", "classes", "gain", "words", "versions"}."""
        own = {key: value for key, value in asdict(self).items() if key != "path"}
        return {"schema": SCHEMA, "pictures": self.pictures, **own, "words": self.words}

    @classmethod
    def from_json(cls, path: Path, document: Mapping[str, Any]) -> Augmented:
        """Undo `to_json`; raises GanvasError if it is not such a document."""
        try:
            return TypeAdapter(cls).validate_python({**document, "path": path})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise GanvasError(f"{path} holds a damaged manifest.json ({where}: {first['msg'].lower()})") from None


def class_rows(filled: Filled) -> tuple[ClassFilled, ...]:
    """What filling has left, class by class."""
    need, rows = filled.need, []
    for i, (name, counts) in enumerate(zip(need.names, filled.counts, strict=True)):
        rows.append(
            ClassFilled(
                name=name,
                real=need.real[i],
                wanted=need.wanted[i],
                kept=counts[KEPT],
                drawn=sum(counts.values()),
                other_class=counts[OTHER_CLASS],
                below_bar=counts[BELOW_BAR],
                copies=counts[COPY],
                repeats=counts[REPEAT],
                not_needed=counts[NOT_NEEDED],
            )
        )
    return tuple(rows)
