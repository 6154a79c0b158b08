"""pyarrow, which alone reads tables, and what types of its columns can hold: pictures, text, numbers, tags."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Literal

from ganvas.errors import GanvasError

ImageKind = Literal["encoded", "path", "pixels", ""]


def require_pyarrow() -> Any:
    """The module, with the parts of it that tables need. Raises GanvasError if it is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.compute  # type: ignore[import-untyped]
        import pyarrow.ipc  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise GanvasError('a table needs pyarrow, which is not installed: pip install "ganvas[data]"') from error
    return pyarrow


def damage() -> tuple[type[Exception], ...]:
    """What pyarrow was seen to raise on damaged files."""
    built_in = (OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError, struct.error)
    return (require_pyarrow().ArrowException, *built_in)


def first_line(error: Exception) -> str:
    """What an error says, without the pages that some add."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def unwrapped(kind: Any) -> Any:
    """The type of the values: dictionaries, runs and extensions are only ways to store them."""
    pa = require_pyarrow()
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def has_dictionary(kind: Any) -> bool:
    """Whether values of that type, or within them, are places in a dictionary."""
    pa = require_pyarrow()
    if isinstance(kind, pa.BaseExtensionType):
        return has_dictionary(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return True
    return any(has_dictionary(kind.field(i).type) for i in range(kind.num_fields))


def is_list(kind: Any) -> bool:
    """Whether a type, already `unwrapped`, is a list of any kind."""
    types = require_pyarrow().types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def is_binary(kind: Any) -> bool:
    """Whether values of that type are bytes."""
    types, kind = require_pyarrow().types, unwrapped(kind)
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def is_text(kind: Any) -> bool:
    """Whether values of that type are text."""
    types, kind = require_pyarrow().types, unwrapped(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def image_kind(kind: Any) -> ImageKind:
    """How pictures could lie in a column of that type."""
    pa = require_pyarrow()
    if isinstance(kind, pa.FixedShapeTensorType):
        return "pixels" if len(kind.shape) in (2, 3) and pa.types.is_integer(kind.value_type) else ""
    kind = unwrapped(kind)
    if is_binary(kind):
        return "encoded"
    if is_text(kind):
        return "path"
    if pa.types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        has_bytes = "bytes" in fields and is_binary(fields["bytes"])
        return "encoded" if has_bytes or ("path" in fields and is_text(fields["path"])) else ""
    depth = 0
    while is_list(kind):
        kind, depth = unwrapped(kind.value_type), depth + 1
    return "pixels" if depth in (2, 3) and pa.types.is_integer(kind) else ""


def column_kind(kind: Any, class_names: Sequence[str] | None) -> Literal["text", "number", "tags", ""]:
    """What a column that holds no pictures is kept as."""
    pa = require_pyarrow()
    kind = unwrapped(kind)
    if is_text(kind):
        return "text"
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return "number"
    if is_list(kind) and (is_text(kind.value_type) or (class_names and pa.types.is_integer(kind.value_type))):
        return "tags"
    return ""


def plain(values: Any) -> Any:
    """An Arrow array without dictionaries, runs and extensions."""
    pa = require_pyarrow()
    while True:
        if isinstance(values.type, pa.BaseExtensionType):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_run_end_encoded(values.type):
            values = pa.compute.run_end_decode(values)
        else:
            return values
