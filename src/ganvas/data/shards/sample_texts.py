"""What the texts of a sample say: its class, captions and fields, from .cls, .txt and .json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

CAPTIONS = frozenset(("txt", "text", "caption"))
TEXTS = CAPTIONS | {"cls", "json"}
LABEL_FIELDS = ("label", "class", "class_name", "category", "target", "y")
LONGEST_CLASS = 200  # characters; a longer .cls is no name of a class


def read_texts(
    contents: Mapping[str, bytes], label_field: str | None
) -> tuple[int | str | None, dict[str, object], str | None]:
    """Class, captions and fields of a sample from its .cls, .txt and .json; and what is wrong with them, or None.

    label_field: the field of the .json that is the class, before any .cls. Columns are "caption" and the fields
    with a number, a text, true or false, or a list of texts. Nothing raises: a damaged text says nothing.
    """
    label: int | str | None = None
    columns: dict[str, object] = {}
    fault = None
    if "json" in contents:
        try:
            fields = json.loads(contents["json"])
            if not isinstance(fields, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            fields, fault = {}, 'its .json is not an object such as {"label": 3}'
        columns = {key: value for key, value in fields.items() if _is_column(value)}
        names = LABEL_FIELDS if label_field is None else (label_field,)
        used = next((name for name in names if as_class(columns.get(name)) is not None), None)
        if used is not None:
            label = as_class(columns[used])
            if label_field is not None or "cls" not in contents:
                del columns[used]
    if "cls" in contents and label_field is None:
        label = as_class(contents["cls"].decode("utf-8", "replace").strip())
        if label is None:
            fault = f"its .cls is not a whole number or a name of at most {LONGEST_CLASS} characters"
    for extension in sorted(CAPTIONS & contents.keys()):
        columns["caption"] = contents[extension].decode("utf-8", "replace").strip()
    return label, columns, fault


def as_class(value: object) -> int | str | None:
    """A class as a whole number if it is one (also as text), else as a name; None for what cannot be a class."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return value
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_CLASS else None


def _is_column(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    if isinstance(value, int):
        return abs(value) < 1 << 63  # a larger one need not fit into a float
    return isinstance(value, str | float)
