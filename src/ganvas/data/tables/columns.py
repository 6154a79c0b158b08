"""Which column of a table holds the pictures and which the labels: told by types, names and what `datasets` wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganvas.data.decode import read_header
from ganvas.data.tables.arrow_types import ImageKind, damage, image_kind, is_text, require_pyarrow, unwrapped
from ganvas.data.tables.rows import Rows
from ganvas.errors import GanvasError, UsageError

IMAGE_NAMES = ("image", "img", "picture", "pixel_values", "jpg", "png")
LABEL_NAMES = ("label", "labels", "class", "fine_label", "category", "target", "y")


def features_of(schema: Any) -> dict[str, Any]:
    """The features that `datasets` describes in the metadata of a schema; none if it does not."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def class_names_of(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list) and len(feature) == 1:  # how lists were once written
        feature = feature[0]
    if isinstance(feature, dict) and "feature" in feature:
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) and names else None


@dataclass(frozen=True)
class Part:
    """One table: how messages name it, its split, and the folder that paths in it are relative to (None: any)."""

    name: str
    split: str
    rows: Rows
    folder: Path | None


def _listed_columns(schema: Any) -> str:
    return ", ".join(f"{field.name} ({str(field.type)[:60]})" for field in schema)


def choose_image(name: str, parts: Sequence[Part], features: Mapping[str, Any], wanted: str | None) -> tuple[str, str]:
    """The column of pictures, and a note when there are several."""
    schema = parts[0].rows.schema
    kinds = {field.name: image_kind(field.type) for field in schema}
    if wanted is not None:
        if wanted not in kinds:
            raise UsageError(f"{name} has no column {wanted}: choose image-column among {', '.join(kinds)}")
        if not kinds[wanted]:
            raise UsageError(
                f"column {wanted} of {name} is {schema.field(wanted).type}: expected the bytes or paths of picture "
                "files, or whole numbers as pixels"
            )
        return wanted, ""
    declared = [
        column
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "Image" and kinds.get(column)
    ]
    if declared:
        several = f"columns {', '.join(declared)} hold pictures: {declared[0]} is used (choose with image-column)"
        return declared[0], several if len(declared) > 1 else ""
    lower = {column.casefold(): column for column in reversed(schema.names)}
    for candidate in IMAGE_NAMES:
        if candidate in lower and kinds[lower[candidate]]:
            return lower[candidate], ""
    seen = [column for column, kind in kinds.items() if kind == "encoded" and _begins_with_picture(parts[0], column)]
    if len(seen) == 1:
        return seen[0], ""
    several = "several columns of pictures" if seen else "no column that is known to hold pictures"
    raise GanvasError(
        f"{name} has {several}; its columns are {_listed_columns(schema)}: name one with the bytes or paths of "
        "picture files, or with pixels as whole numbers, with image-column"
    )


def _begins_with_picture(part: Part, column: str) -> bool:
    try:
        for value in part.rows.batch(0, column):
            encoded = value.as_py()
            if encoded is not None:
                encoded = encoded.get("bytes") if isinstance(encoded, dict) else encoded
                read_header(io.BytesIO(encoded or b""), column)
                return True
    except damage():  # a PictureError among them: not a picture
        pass
    return False


def check_parts(parts: Sequence[Part], column: str) -> ImageKind:
    """How all tables hold their pictures, which must be the same way."""
    kinds: list[ImageKind] = []
    for part in parts:
        schema = part.rows.schema
        if column not in schema.names:
            raise GanvasError(
                f"{part.name} has no column {column}, which {parts[0].name} has (its columns are "
                f"{_listed_columns(schema)}): give tables of one kind"
            )
        kinds.append(image_kind(schema.field(column).type))
        if not kinds[-1] or (kinds[-1] == "pixels") != (kinds[0] == "pixels"):
            first = parts[0].rows.schema.field(column).type
            raise GanvasError(
                f"column {column} is {schema.field(column).type} in {part.name} but {first} in {parts[0].name}: "
                "give tables of one kind"
            )
    return kinds[0]


def choose_label(name: str, schema: Any, features: Mapping[str, Any], wanted: str | None, image: str) -> str | None:
    """The column of labels, if there is one."""
    if wanted is not None:
        if wanted not in schema.names:
            raise UsageError(f"{name} has no column {wanted}: choose label-column among {', '.join(schema.names)}")
        if not _may_label(schema.field(wanted).type):
            raise UsageError(
                f"column {wanted} of {name} is {schema.field(wanted).type}: expected one whole number or name per "
                "picture; choose another label-column"
            )
        return wanted
    usable = [column for column in schema.names if column != image and _may_label(schema.field(column).type)]
    lower = {column.casefold(): column for column in reversed(usable)}
    named = next((lower[candidate] for candidate in LABEL_NAMES if candidate in lower), None)
    declared = [column for column in usable if class_names_of(features.get(column))]
    return named or (declared[0] if len(declared) == 1 else None)


def _may_label(kind: Any) -> bool:
    types = require_pyarrow().types
    return is_text(kind) or types.is_integer(unwrapped(kind)) or types.is_boolean(unwrapped(kind))
