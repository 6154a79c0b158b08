"""Pictures in tables: Parquet and Arrow files, folders of them, and datasets of the `datasets` library.

| column of pictures                                   | is read as                                            |
|------------------------------------------------------|-------------------------------------------------------|
| struct of bytes and path (the Image of Hugging Face) | the bytes of a picture file; without them, the path   |
| binary, large_binary, binary_view                    | the bytes of a picture file                           |
| string                                               | a path relative to the folder that the table lies in  |
| lists of lists of whole numbers, fixed-shape tensors | pixels: [H, W], [H, W, C] or [C, H, W]; 8 or 16 bits  |

Opening reads schemas and the small columns (labels, captions, numbers, tags). Pictures are read in batches of
about 16 MiB of which few are kept: from memory maps for Arrow, page by page for Parquet. Only a compressed Arrow
file is unpacked by the batch that its writer chose. Nothing but pyarrow reads these files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from threading import Lock
from typing import Any, Literal, TypeGuard, overload

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import Column, EncodedPictures, Source, SourceDefaults
from ganvas.data.decode import SUFFIXES, Header, PictureError, Pixels, read_header
from ganvas.data.labels import HELD_OUT_FOLDERS, TRAINING_FOLDERS, Labelling
from ganvas.data.options import SourceOptions
from ganvas.errors import GanvasError, UsageError

TABLE_SUFFIXES = frozenset((".parquet", ".arrow", ".feather"))
BATCH_BYTES = 1 << 24  # of a Parquet row group: what is unpacked at a time
MOST_BATCH_ROWS = 256  # a dictionary page can make many large rows of few bytes
KEPT_BATCHES = 4
KEPT_OPEN = 4  # files
MOST_TEXT_ROWS = 2_000_000
MOST_CLASSES = 10_000
LARGEST_FILE = 1 << 30  # bytes of a picture that a path names
IMAGE_NAMES = ("image", "img", "picture", "pixel_values", "jpg", "png")
LABEL_NAMES = ("label", "labels", "class", "fine_label", "category", "target", "y")
SIDECAR = "metadata.parquet"  # says something about the picture files beside it

_Kind = Literal["encoded", "path", "pixels", ""]


def is_table_folder(folder: Path) -> bool:
    """Whether a folder holds tables: a saved `datasets` folder, or Parquet or Arrow files and no pictures above them.

    Looks three folders deep, and no deeper than the first pictures.
    """
    if _is_saved_dict(folder) or _is_saved(folder):
        return True
    level = [folder]
    for _ in range(3):
        below, pictures = [], False
        for place in level:
            try:
                with os.scandir(place) as entries:
                    for entry in entries:
                        if _is_table_file(entry.name) and entry.is_file():
                            return True
                        pictures = pictures or os.path.splitext(entry.name)[1].lower() in SUFFIXES
                        if not pictures and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                            below.append(Path(entry.path))
            except OSError:
                continue
        if pictures:
            return False
        level = below
    return False


def split_word(name: str) -> str | None:
    """The split that the name of one file or folder tells ("partial-train" -> "train"), or None."""
    words = re.findall("[a-z]+", name.casefold())
    return next((word for word in words if word in HELD_OUT_FOLDERS or word in TRAINING_FOLDERS), None)


def split_of(path: str) -> str:
    """The split that a file belongs to by its own name, or else by its folders; "train" if none says another."""
    return next(filter(None, map(split_word, reversed(PurePosixPath(path).parts))), "train")


def open_table(name: str, path: Path, options: SourceOptions) -> Source:
    """A .parquet, .arrow or .feather file, a folder of them, or a folder saved by `datasets`.

    Files named or lying in folders named val, validation or test are held out. Raises GanvasError if a file is
    damaged or the pictures cannot be found, UsageError if `options` name a column that is not there.
    """
    if path.is_file():
        return open_files(name, path.parent, [(path, split_of(path.name))], options)
    if _is_saved_dict(path):
        content = _json(path / "dataset_dict.json")
        splits = content.get("splits") if isinstance(content, dict) else None
        if not isinstance(splits, list) or not all(_is_plain(split) for split in splits):
            raise GanvasError(
                f'{name}/dataset_dict.json is not as expected ({{"splits": ["train", ...]}}): save it again'
            )
        files = [(file, split_of(split)) for split in splits for file in _saved_files(f"{name}/{split}", path / split)]
    elif _is_saved(path):
        files = [(file, split_of(str(_json(path / "state.json").get("_split")))) for file in _saved_files(name, path)]
    else:
        found = [
            Path(folder, file).relative_to(path)
            for folder, folders, names in os.walk(path)
            if not folders.sort()
            for file in names
            if _is_table_file(file)
        ]
        relative = labelling.natural_sorted(file.as_posix() for file in found)
        files = [(path / file, split_of(file)) for file in relative]
    if not files:
        raise GanvasError(f"{name} holds no tables: expected .parquet, .arrow or .feather files with rows")
    return open_files(name, path, files, options)


def open_files(
    name: str, root: Path, files: Sequence[tuple[Path, str]], options: SourceOptions, notes: Sequence[str] = ()
) -> Source:
    """The table files below `root`, each with its split, as one source with those `notes` first.

    Raises as `open_table` does.
    """
    digest = hashlib.sha256(b"table")
    parts: list[_Part] = []
    features: dict[str, Any] = {}
    for file, split in sorted(files, key=lambda entry: (entry[1] in HELD_OUT_FOLDERS, entry[1])):  # keeps the order
        relative = file.relative_to(root).as_posix()
        where = name if len(files) == 1 else f"{name}/{relative}"
        rows = _open_rows(where, file)
        state = file.stat()
        digest.update(b"%s\0%d\0%d\0" % (os.fsencode(relative), state.st_size, state.st_mtime_ns))
        features = features or _features(rows.schema) or _features_beside(file)
        parts.append(_Part(where, split, rows, file.parent))
    digest.update(json.dumps(features, sort_keys=True).encode())
    return _open_parts(name, parts, features, options, digest, notes)


def open_dataset(dataset: Any, options: SourceOptions) -> Source:
    """A `Dataset` or `DatasetDict` of the `datasets` library, read from its Arrow table: its formats do not apply.

    Selected and shuffled rows stay so. Paths in it may be absolute, as its own program put them there. Raises
    GanvasError for other objects, also for streamed datasets.
    """
    kind = type(dataset)
    if kind.__module__.split(".")[0] != "datasets" or kind.__name__.startswith("Iterable"):
        what = "a streamed dataset: load it without streaming=True" if "Iterable" in kind.__name__ else kind.__name__
        raise GanvasError(f"expected a Dataset or DatasetDict of the datasets library, not {what}")
    splits = dict(dataset) if isinstance(dataset, dict) else {str(dataset.split or "train"): dataset}
    digest = hashlib.sha256(b"dataset")
    parts: list[_Part] = []
    features: dict[str, Any] = {}
    for split, each in sorted(splits.items(), key=lambda item: (split_of(item[0]) in HELD_OUT_FOLDERS, item[0])):
        indices = each._indices
        chosen = None if indices is None else indices.column(0).to_numpy().astype(np.int64)
        features = features or _features(each.features.arrow_schema)
        parts.append(_Part(f"split {split}", split_of(split), _MemoryRows(each.data.table, chosen), None))
        digest.update(f"{split}\0{each._fingerprint}\0{len(each)}\0".encode())
    return _open_parts("the dataset", parts, features, options, digest, ())


def _is_saved_dict(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file()


def _is_saved(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def _is_table_file(name: str) -> bool:
    """Hidden files, what Spark writes beside its parts and what `datasets` caches beside its own are no tables."""
    return (
        os.path.splitext(name)[1].lower() in TABLE_SUFFIXES
        and not name.startswith((".", "_", "cache-"))
        and name.lower() != SIDECAR
    )


def _is_plain(name: object) -> TypeGuard[str]:
    """Whether `name` is that of something in the same folder, on every system."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise GanvasError(f"{path.name} in {path.parent} cannot be read ({error}): save the dataset again") from error


def _saved_files(name: str, folder: Path) -> list[Path]:
    """The data files of a folder that `Dataset.save_to_disk` wrote, in their order."""
    state = _json(folder / "state.json")
    entries = state.get("_data_files") if isinstance(state, dict) else None
    given = [entry.get("filename") for entry in entries or () if isinstance(entry, dict)]
    names = [file for file in given if _is_plain(file)]
    if not isinstance(entries, list) or len(names) != len(entries):
        raise GanvasError(f"state.json of {name} does not name the files beside it: save the dataset again")
    if state.get("_indices_data_files"):
        raise GanvasError(f"{name} was saved with selected rows by an old version of datasets: flatten_indices() first")
    for file in names:
        if not (folder / file).is_file():
            raise GanvasError(f"{name} lacks {file}, which its state.json names: copy the folder again")
    return [folder / file for file in names]


# --- The rows of one table, a batch at a time -------------------------------------------------------------------


class _Rows:
    """The rows of one table in batches. Errors of pyarrow pass through; `_Reader` and `_open_rows` name them."""

    schema: Any
    starts: NDArray[np.int64]  # [batches + 1]: the row at which each batch begins; the last is the count of rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self.starts[-1])

    def locate(self, row: int) -> tuple[int, int]:
        """The batch that holds a row, and its place there."""
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        return number, row - int(self.starts[number])

    def batch(self, number: int, column: str) -> Any:
        """One column of one batch, [rows of the batch]."""
        raise NotImplementedError

    def whole(self, column: str) -> Any:
        """All rows of a small column: a pyarrow.ChunkedArray."""
        raise NotImplementedError

    def close(self) -> None:
        """Forget open files; the next call opens them again."""


class _Forward:
    """What an iterator gives, by number; going back begins again. After damage the rest is not tried again."""

    def __init__(self, begin: Callable[[], Iterator[Any]]) -> None:
        self._begin, self._next = begin, 0
        self._items: Iterator[Any] | None = None
        self._broken: tuple[int, Exception] | None = None

    def get(self, number: int) -> Any:
        """The item with that number."""
        if self._broken is not None and number >= self._broken[0]:
            raise self._broken[1]
        item: Any = None
        try:
            if self._items is None or number < self._next:
                self._items, self._next = self._begin(), 0
            while self._next <= number:
                item = next(self._items)
                self._next += 1
        except StopIteration as error:
            raise OSError("fewer rows than declared") from error
        except Exception as error:
            self._broken = (self._next, error)
            self._items = None
            raise
        return item


class _ParquetRows(_Rows):
    """Row groups are cut into batches and read forward, so that a group of any size takes little memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._forward: tuple[tuple[int, str], _Forward] | None = None
        metadata = self._opened().metadata
        self.schema = self._opened().schema_arrow
        if metadata.num_rows > path.stat().st_size:
            raise OSError(f"declares {metadata.num_rows} rows in {path.stat().st_size} bytes")
        lengths: list[NDArray[np.int64]] = []
        self._steps, first = [], [0]
        for i in range(metadata.num_row_groups):
            group = metadata.row_group(i)
            fit = BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)
            step = min(max(1, fit), MOST_BATCH_ROWS)
            self._steps.append(step)
            lengths.append(np.diff(np.append(np.arange(0, group.num_rows, step), group.num_rows)))
            first.append(first[-1] + len(lengths[-1]))
        self._first = np.array(first, np.int64)  # [groups + 1]: the batch at which each row group begins
        self.starts = np.cumsum(np.concatenate(([0], *lengths)), dtype=np.int64)
        if self.count != metadata.num_rows:
            raise OSError(f"declares {metadata.num_rows} rows, its row groups {self.count}")
        self.close()

    def _opened(self) -> Any:
        if self._file is None:
            # Without pre_buffer, or a whole row group would be read at once.
            self._file = _pyarrow().parquet.ParquetFile(self._path, memory_map=True, pre_buffer=False)
        return self._file

    def batch(self, number: int, column: str) -> Any:
        """One column of one batch."""
        group = int(np.searchsorted(self._first, number, "right")) - 1
        if self._forward is None or self._forward[0] != (group, column):

            def begin() -> Iterator[Any]:
                batches: Iterator[Any] = self._opened().iter_batches(
                    batch_size=self._steps[group], row_groups=[group], columns=[column], use_threads=False
                )
                return batches

            self._forward = ((group, column), _Forward(begin))
        values = self._forward[1].get(number - int(self._first[group])).column(column)
        expected = int(self.starts[number + 1] - self.starts[number])
        if len(values) != expected:
            raise OSError(f"a batch of {len(values)} rows instead of {expected}")
        return values

    def whole(self, column: str) -> Any:
        """All rows of a small column."""
        return self._opened().read(columns=[column], use_threads=False).column(column)

    def close(self) -> None:
        """Forget the open file."""
        self._file = self._forward = None


class _ArrowRows(_Rows):
    """An Arrow file or stream from a memory map. A batch is what its writer made one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            magic = file.read(6)
        if magic[:4] == b"FEA1":
            raise OSError("the first version of Feather is not read: write it again with a newer pyarrow or pandas")
        self._is_file = magic == b"ARROW1"
        self._map: Any = None
        self._readers: dict[str, Any] = {}
        self.schema = self._reader(None).schema
        self._has_dictionaries = any(_has_dictionary(field.type) for field in self.schema)
        self._offsets: list[int] = []  # of the batches
        counts = self._count()
        if min(counts, default=0) < 0 or sum(counts) > path.stat().st_size:
            raise OSError(f"declares {sum(counts)} rows in {path.stat().st_size} bytes")
        self.starts = np.cumsum([0, *counts], dtype=np.int64)
        if self._is_file and len(counts) != self._reader(None).num_record_batches:
            raise OSError(f"{len(counts)} batches, its end declares another number")
        self.close()

    def _count(self) -> list[int]:
        """Rows of each batch. Only what lies before the batches is read, so that nothing is unpacked."""
        ipc, file = _pyarrow().ipc, self._mapped()
        file.seek(8 if self._is_file else 0)  # a file is a stream between two signatures
        counts: list[int] = []
        while True:
            place = file.tell()
            try:
                message = ipc.read_message(file)
            except EOFError:
                return counts
            if message.type == "record batch":
                self._offsets.append(place)
                counts.append(_rows_of(message.metadata.to_pybytes()))

    def _mapped(self) -> Any:
        if self._map is None:
            self._map = _pyarrow().memory_map(str(self._path))
        return self._map

    def _reader(self, column: str | None) -> Any:
        ipc = _pyarrow().ipc
        fields = [] if column is None else [self.schema.get_field_index(column)]
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        self._mapped().seek(0)
        return (ipc.open_file if self._is_file else ipc.open_stream)(self._mapped(), options=options)

    def _batches(self, column: str) -> Iterator[Any]:
        reader = self._reader(column)
        if self._is_file:
            yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            yield from reader

    def batch(self, number: int, column: str) -> Any:
        """One column of one batch, checked: offsets that a damaged file holds would lead anywhere."""
        if self._is_file:
            if column not in self._readers:
                self._readers[column] = self._reader(column)
            values = self._readers[column].get_batch(number).column(column)
        elif self._has_dictionaries:  # they lie between the batches, so that these must be read in order
            if column not in self._readers:
                self._readers[column] = _Forward(lambda: self._batches(column))
            values = self._readers[column].get(number).column(column)
        else:
            ipc = _pyarrow().ipc
            self._mapped().seek(self._offsets[number])
            values = ipc.read_record_batch(ipc.read_message(self._mapped()), self.schema).column(column)
        values.validate(full=True)
        expected = int(self.starts[number + 1] - self.starts[number])
        if len(values) != expected:
            raise OSError(f"a batch of {len(values)} rows instead of {expected}")
        return values

    def whole(self, column: str) -> Any:
        """All rows of a small column."""
        return _pyarrow().chunked_array([batch.column(column) for batch in self._batches(column)])

    def close(self) -> None:
        """Forget the memory map."""
        self._readers, self._map = {}, None


def _rows_of(message: bytes) -> int:
    """The length of a record batch from its message, a flatbuffer: Message.header, then RecordBatch.length."""

    def field(table: int, number: int) -> int | None:
        slots = table - struct.unpack_from("<i", message, table)[0]
        size, slot = struct.unpack_from("<H", message, slots)[0], 4 + 2 * number
        offset: int = struct.unpack_from("<H", message, slots + slot)[0] if slot < size else 0
        return table + offset if offset else None  # what is not there is 0

    header = field(struct.unpack_from("<I", message, 0)[0], 2)
    length = None if header is None else field(header + struct.unpack_from("<I", message, header)[0], 0)
    return 0 if length is None else int(struct.unpack_from("<q", message, length)[0])


class _MemoryRows(_Rows):
    """An Arrow table in memory, or mapped there; `indices` [rows] chooses and orders its rows."""

    def __init__(self, table: Any, indices: NDArray[np.int64] | None) -> None:
        self.schema, self._table, self._indices = table.schema, table, indices
        self.starts = np.array([0, table.num_rows if indices is None else len(indices)], np.int64)

    def locate(self, row: int) -> tuple[int, int]:
        """All rows are one batch."""
        return 0, row if self._indices is None else int(self._indices[row])

    def batch(self, number: int, column: str) -> Any:
        """The whole column, which is not copied."""
        return self._table.column(column)

    def whole(self, column: str) -> Any:
        """All rows of a small column."""
        values = self._table.column(column)
        return values if self._indices is None else values.take(self._indices)


class _Reader:
    """The values of one column in several tables: few files open and few batches kept at a time."""

    def __init__(self, tables: Sequence[_Rows], column: str) -> None:
        self._tables, self._column = tables, column
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._open: OrderedDict[int, None] = OrderedDict()
        self._lock = Lock()

    def value(self, table: int, row: int) -> Any:
        """A pyarrow scalar. Raises what pyarrow raises."""
        number, place = self._tables[table].locate(row)
        key = (table, number)
        with self._lock:
            if key not in self._kept:
                self._open[table] = None
                self._open.move_to_end(table)
                if len(self._open) > KEPT_OPEN:
                    self._tables[self._open.popitem(last=False)[0]].close()
                self._kept[key] = self._tables[table].batch(number, self._column)
                if len(self._kept) > KEPT_BATCHES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key][place]


def _open_rows(where: str, path: Path) -> _Rows:
    parquet = path.suffix.lower() == ".parquet"
    try:
        rows: _Rows = _ParquetRows(path) if parquet else _ArrowRows(path)
        names = rows.schema.names
        for each in rows.schema.types:
            _image_kind(each)  # fails, as the names do, where one in a struct is damaged
    except _damage() as error:
        kind = "Parquet" if parquet else "Arrow"
        raise GanvasError(
            f"{where} is not a readable {kind} file ({_first_line(error)}): copy or make it again"
        ) from error
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise GanvasError(f"{where} has several columns named {twice[0]}: rename all but one")
    return rows


def _pyarrow() -> Any:
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.compute  # type: ignore[import-untyped]
        import pyarrow.ipc  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise GanvasError('a table needs pyarrow, which is not installed: pip install "ganvas[data]"') from error
    return pyarrow


def _damage() -> tuple[type[Exception], ...]:
    """What pyarrow was seen to raise on damaged files."""
    built_in = (OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError, struct.error)
    return (_pyarrow().ArrowException, *built_in)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


# --- What the columns hold --------------------------------------------------------------------------------------


def _unwrapped(kind: Any) -> Any:
    """The type of the values: dictionaries, runs and extensions are only ways to store them."""
    pa = _pyarrow()
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _has_dictionary(kind: Any) -> bool:
    pa = _pyarrow()
    if isinstance(kind, pa.BaseExtensionType):
        return _has_dictionary(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return True
    return any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))


def _is_list(kind: Any) -> bool:
    types = _pyarrow().types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _is_binary(kind: Any) -> bool:
    types, kind = _pyarrow().types, _unwrapped(kind)
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_text(kind: Any) -> bool:
    types, kind = _pyarrow().types, _unwrapped(kind)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _image_kind(kind: Any) -> _Kind:
    """How pictures could lie in a column of that type."""
    pa = _pyarrow()
    if isinstance(kind, pa.FixedShapeTensorType):
        return "pixels" if len(kind.shape) in (2, 3) and pa.types.is_integer(kind.value_type) else ""
    kind = _unwrapped(kind)
    if _is_binary(kind):
        return "encoded"
    if _is_text(kind):
        return "path"
    if pa.types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        has_bytes = "bytes" in fields and _is_binary(fields["bytes"])
        return "encoded" if has_bytes or ("path" in fields and _is_text(fields["path"])) else ""
    depth = 0
    while _is_list(kind):
        kind, depth = _unwrapped(kind.value_type), depth + 1
    return "pixels" if depth in (2, 3) and pa.types.is_integer(kind) else ""


def _column_kind(kind: Any, class_names: Sequence[str] | None) -> Literal["text", "number", "tags", ""]:
    """What a column that holds no pictures is kept as."""
    pa = _pyarrow()
    kind = _unwrapped(kind)
    if _is_text(kind):
        return "text"
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return "number"
    if _is_list(kind) and (_is_text(kind.value_type) or (class_names and pa.types.is_integer(kind.value_type))):
        return "tags"
    return ""


def _features(schema: Any) -> dict[str, Any]:
    """The features that `datasets` describes in the metadata of a schema; none if it does not."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _features_beside(file: Path) -> dict[str, Any]:
    """The features in a dataset_info.json beside a table; none if there is no such file."""
    path = file.with_name("dataset_info.json")
    content = _json(path) if path.is_file() else {}
    found = content.get("features") if isinstance(content, dict) else {}
    return found if isinstance(found, dict) else {}


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list) and len(feature) == 1:  # how lists were once written
        feature = feature[0]
    if isinstance(feature, dict) and "feature" in feature:
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) and names else None


@dataclass(frozen=True)
class _Part:
    """One table: how messages name it, its split, and the folder that paths in it are relative to (None: any)."""

    name: str
    split: str
    rows: _Rows
    folder: Path | None


def _listed_columns(schema: Any) -> str:
    return ", ".join(f"{field.name} ({str(field.type)[:60]})" for field in schema)


def _choose_image(
    name: str, parts: Sequence[_Part], features: Mapping[str, Any], wanted: str | None
) -> tuple[str, str]:
    """The column of pictures, and a note when there are several."""
    schema = parts[0].rows.schema
    kinds = {field.name: _image_kind(field.type) for field in schema}
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


def _begins_with_picture(part: _Part, column: str) -> bool:
    try:
        for value in part.rows.batch(0, column):
            encoded = value.as_py()
            if encoded is not None:
                encoded = encoded.get("bytes") if isinstance(encoded, dict) else encoded
                read_header(io.BytesIO(encoded or b""), column)
                return True
    except _damage():  # a PictureError among them: not a picture
        pass
    return False


def _check_parts(parts: Sequence[_Part], column: str) -> _Kind:
    """How all tables hold their pictures, which must be the same way."""
    kinds: list[_Kind] = []
    for part in parts:
        schema = part.rows.schema
        if column not in schema.names:
            raise GanvasError(
                f"{part.name} has no column {column}, which {parts[0].name} has (its columns are "
                f"{_listed_columns(schema)}): give tables of one kind"
            )
        kinds.append(_image_kind(schema.field(column).type))
        if not kinds[-1] or (kinds[-1] == "pixels") != (kinds[0] == "pixels"):
            first = parts[0].rows.schema.field(column).type
            raise GanvasError(
                f"column {column} is {schema.field(column).type} in {part.name} but {first} in {parts[0].name}: "
                "give tables of one kind"
            )
    return kinds[0]


# --- Labels and other small columns -----------------------------------------------------------------------------


class _Texts(Sequence[str]):
    """The texts of an Arrow column, "" where missing; they become Python objects only when asked for."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._column[index].as_py() or ""


def _whole(parts: Sequence[_Part], column: str, kind: Any) -> Any:
    """A small column of all tables as `kind`, a pyarrow type; null where a table lacks it. Raises as pyarrow does."""
    pa = _pyarrow()
    chunks = []
    for part in parts:
        if column not in part.rows.schema.names:
            chunks.append(pa.nulls(part.rows.count, kind))
            continue
        values = part.rows.whole(column)
        values.validate(full=True)  # a damaged file holds what must not be followed
        if len(values) != part.rows.count:
            raise OSError(f"{len(values)} values in {part.rows.count} rows")
        chunks += [_plain(chunk).cast(kind, safe=pa.types.is_integer(kind)) for chunk in values.chunks]
        part.rows.close()
    return pa.chunked_array(chunks, kind)


def _plain(values: Any) -> Any:
    """An Arrow array without dictionaries, runs and extensions."""
    pa = _pyarrow()
    while True:
        if isinstance(values.type, pa.BaseExtensionType):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_run_end_encoded(values.type):
            values = pa.compute.run_end_decode(values)
        else:
            return values


def _choose_label(name: str, schema: Any, features: Mapping[str, Any], wanted: str | None, image: str) -> str | None:
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
    declared = [column for column in usable if _class_names(features.get(column))]
    return named or (declared[0] if len(declared) == 1 else None)


def _may_label(kind: Any) -> bool:
    types = _pyarrow().types
    return _is_text(kind) or types.is_integer(_unwrapped(kind)) or types.is_boolean(_unwrapped(kind))


def _label_codes(
    name: str, column: str, parts: Sequence[_Part], names: list[str] | None
) -> tuple[NDArray[np.int64], list[str], NDArray[np.bool_]]:
    """Places in the returned class names, [rows], and where there is none, [rows] bool."""
    pa = _pyarrow()
    schemas = [part.rows.schema for part in parts if column in part.rows.schema.names]
    texts = {_is_text(schema.field(column).type) for schema in schemas}
    if len(texts) > 1:
        raise GanvasError(
            f"column {column} of {name} is text in some tables and numbers in others: give tables of one kind"
        )
    (text,) = texts
    try:
        values = _whole(parts, column, pa.large_string() if text else pa.int64())
    except _damage() as error:
        kind = "text" if text else "whole numbers"
        raise GanvasError(f"column {column} of {name} cannot be read as {kind} ({_first_line(error)})") from error
    if names is not None and not text:
        codes = pa.compute.fill_null(values, -1).to_numpy()
        return codes, names, codes == -1  # what `datasets` writes for a hidden label
    encoded = values.dictionary_encode().combine_chunks()
    found = [str(value) for value in encoded.dictionary.to_pylist()]
    order = labelling.natural_sorted(found) if text else sorted(found, key=int)
    rank = {value: i for i, value in enumerate(order)}
    places = np.array([rank[value] for value in found] or [0], np.int64)
    missing = np.asarray(encoded.indices.is_null().to_numpy(zero_copy_only=False))
    return places[pa.compute.fill_null(encoded.indices, 0).to_numpy()], order, missing


def _kept_column(parts: Sequence[_Part], name: str, kind: str, names: list[str] | None) -> Column:
    pa = _pyarrow()
    if kind == "tags":
        value = pa.int64() if names else pa.large_string()
        lists = _whole(parts, name, pa.list_(value))
        tags = [tuple(_tag(tag, names) for tag in each.as_py() or () if tag is not None) for each in lists]
        return Column("tags", tags)
    if kind == "text":
        return Column("text", _Texts(_whole(parts, name, pa.large_string())))
    if names:
        numbers = _whole(parts, name, pa.int64())
        return Column("text", [_tag(each.as_py(), names) if each.is_valid else "" for each in numbers])
    return Column("number", pa.compute.fill_null(_whole(parts, name, pa.float64()), float("nan")).to_numpy().tolist())


def _tag(value: int | str, names: Sequence[str] | None) -> str:
    return names[value] if names and isinstance(value, int) and 0 <= value < len(names) else str(value)


# --- The source -------------------------------------------------------------------------------------------------


class _Places(Sequence[str]):
    """ "train[0]", "train[1]", ..., "test[0]", ...: made when asked for."""

    def __init__(self, splits: Sequence[str], counts: Sequence[int]) -> None:
        self._splits = splits
        self._starts = np.cumsum([0, *counts])
        seen: dict[str, int] = {}
        self._first = [seen.get(split, 0) for split in splits]
        for i, (split, count) in enumerate(zip(splits, counts, strict=True)):
            self._first[i] = seen.get(split, 0)
            seen[split] = self._first[i] + count

    def __len__(self) -> int:
        return int(self._starts[-1])

    def find(self, index: int) -> tuple[int, int]:
        """The table of a picture, and its row there."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        table = int(np.searchsorted(self._starts, index, "right")) - 1
        return table, index - int(self._starts[table])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        table, row = self.find(index + len(self) if index < 0 else index)
        return f"{self._splits[table]}[{self._first[table] + row}]"


@dataclass(frozen=True)
class _Content:
    """What a source tells of its rows."""

    parts: Sequence[_Part]
    image: str
    labels: Labelling
    held_out: NDArray[np.bool_]
    columns: Mapping[str, Column]
    notes: tuple[str, ...]


class _Table:
    """What tables of encoded pictures and of pixels share."""

    def __init__(self, name: str, content: _Content, fingerprint: str) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.labels: NDArray[np.int64] | None = content.labels.labels
        self.class_names: tuple[str, ...] = content.labels.class_names
        self.labels_note = content.labels.note
        self.held_out: NDArray[np.bool_] = content.held_out
        self.columns: Mapping[str, Column] = content.columns
        self.notes: tuple[str, ...] = content.notes
        # Batches of Arrow files that are packed come in order or are unpacked again and again, as those of Parquet.
        self.in_order = any(not isinstance(part.rows, _MemoryRows) for part in content.parts)
        parts = content.parts
        self._places = _Places([part.split for part in parts], [part.rows.count for part in parts])
        self.names: Sequence[str] = self._places
        self._parts = parts
        self._reader = _Reader([part.rows for part in parts], content.image)

    def _value(self, index: int) -> Any:
        """The cell of a picture as a pyarrow scalar that is not null."""
        try:
            value = self._reader.value(*self._places.find(index))
        except IndexError as error:
            if not 0 <= index < len(self._places):
                raise
            raise PictureError(self.names[index], f"cannot be read ({_first_line(error)})") from error
        except _damage() as error:
            raise PictureError(self.names[index], f"cannot be read ({_first_line(error)})") from error
        if not value.is_valid:
            raise PictureError(self.names[index], "no picture in this row")
        return value


class EncodedTable(_Table, EncodedPictures):
    """Rows that hold or name picture files. See `ganvas.data.contract.Source`."""

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture. Raises PictureError if its bytes cannot be had."""
        found = self._bytes_or_path(index)
        if isinstance(found, bytes):
            return found
        try:
            return found.read_bytes()
        except OSError as error:
            raise PictureError(self.names[index], f"cannot be read ({error.strerror})") from error

    def size(self, index: int) -> int:
        """Bytes of the file; of a path, without reading it."""
        found = self._bytes_or_path(index)
        return len(found) if isinstance(found, bytes) else found.stat().st_size

    def _bytes_or_path(self, index: int) -> bytes | Path:
        name = self.names[index]
        try:
            value = self._value(index).as_py()
        except PictureError:
            raise
        except _damage() as error:  # such as text that is none
            raise PictureError(name, f"cannot be read ({_first_line(error)})") from error
        if isinstance(value, dict):
            value = value.get("path") if value.get("bytes") is None else value["bytes"]
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str) or not value:
            raise PictureError(name, "no picture in this row")
        return self._path(name, value, self._parts[self._places.find(index)[0]].folder)

    def _path(self, name: str, value: str, folder: Path | None) -> Path:
        """Where a path leads; from a file, only to what lies beside or below it."""
        if "://" in value or "\0" in value:
            raise PictureError(name, f"names {value[:80]!r}, which is no path of a file here")
        if folder is None:
            path = Path(value)
        else:
            relative = PurePosixPath(value.replace("\\", "/"))
            if relative.is_absolute() or PureWindowsPath(value).drive or ".." in relative.parts:
                raise PictureError(name, f"names {value[:80]!r}: only paths below the table's own folder are followed")
            path = folder / relative
        try:
            if not path.is_file():
                raise PictureError(name, f"names {value[:80]!r}, which is not there")
            size = path.stat().st_size
        except (OSError, ValueError) as error:
            if isinstance(error, PictureError):
                raise
            raise PictureError(name, f"names {value[:80]!r}, which cannot be read ({_first_line(error)})") from error
        if size > LARGEST_FILE:
            raise PictureError(name, f"a file of {size} bytes, more than the limit of {LARGEST_FILE}")
        return path


class PixelTable(_Table, SourceDefaults):
    """Rows that hold pixels as numbers. See `ganvas.data.contract.Source`."""

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8, or uint16 where the column is. Raises PictureError."""
        name, value = self.names[index], self._value(index)
        try:
            pixels = _nested(name, value)
        except PictureError:
            raise
        except _damage() as error:
            raise PictureError(name, f"cannot be read ({_first_line(error)})") from error
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.shape[2] not in (1, 2, 3, 4) and pixels.shape[0] in (1, 3, 4):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.shape[2] not in (1, 2, 3, 4) or 0 in pixels.shape:
            raise PictureError(name, f"pixels of shape {list(pixels.shape)}: expected [H, W], [H, W, C] or [C, H, W]")
        if pixels.dtype not in (np.uint8, np.uint16):
            if pixels.min() < 0 or pixels.max() > 255:
                raise PictureError(name, f"values from {pixels.min()} to {pixels.max()}: expected 0 to 255")
            pixels = pixels.astype(np.uint8)
        return pixels

    def header(self, index: int) -> Header:
        """Size, channels and bits of a picture. Raises PictureError."""
        height, width, channels = (pixels := self.read(index)).shape
        return Header(width, height, channels, pixels.dtype.itemsize * 8)


def _nested(name: str, value: Any) -> NDArray[Any]:
    """The numbers of a tensor or of nested lists, [...], without making Python objects of them."""
    pa = _pyarrow()
    if isinstance(value.type, pa.FixedShapeTensorType):
        return np.asarray(value.to_numpy())
    while isinstance(value.type, pa.BaseExtensionType) or pa.types.is_dictionary(value.type):
        value = value.value
    values = value.values
    shape = [len(values)]
    while _is_list(_unwrapped(values.type)):
        values = _plain(values)
        if values.null_count:
            raise PictureError(name, "rows of pixels are missing")
        lengths = pa.compute.list_value_length(values).to_numpy(zero_copy_only=False)
        if len(lengths) == 0 or (lengths != lengths[0]).any():
            raise PictureError(name, "rows of pixels of unlike length")
        shape.append(int(lengths[0]))
        values = values.flatten()
    values = _plain(values)
    if values.null_count:
        raise PictureError(name, "pixels are missing")
    return np.asarray(values.to_numpy(zero_copy_only=False)).reshape(shape)


def _open_parts(
    name: str,
    parts: Sequence[_Part],
    features: Mapping[str, Any],
    options: SourceOptions,
    digest: Any,
    first_notes: Sequence[str],
) -> Source:
    """Choose the columns, read the small ones, and make a source of them."""
    parts = [part for part in parts if part.rows.count]
    if not parts:
        raise GanvasError(f"{name} holds no rows: expected at least one picture")
    notes = list(first_notes)
    held_splits = {part.split for part in parts} & HELD_OUT_FOLDERS
    if held_splits == {part.split for part in parts}:
        notes.append(f"all pictures lie in {', '.join(sorted(held_splits))}: they are used for training")
        held_splits = set()
    image, note = _choose_image(name, parts, features, options.image_column)
    notes += [note] if note else []
    kind = _check_parts(parts, image)

    schema = parts[0].rows.schema
    label = _choose_label(name, schema, features, options.label_column, image)
    found = labelling.unlabelled("no column of labels")
    if label is not None:
        found, kept = _labels(name, label, parts, held_splits, features, options)
        if len(kept) < len(parts):
            gone = sorted({part.split for part in parts if part not in kept})
            notes.append(
                f"the {' and '.join(gone)} pictures are left out: they have no labels, the training pictures have"
            )
        parts = kept

    columns: dict[str, Column] = {}
    ignored = []
    many = sum(part.rows.count for part in parts) > MOST_TEXT_ROWS
    for column in schema.names:
        if column == image or (column == label and found.labels is not None):
            continue
        names = _class_names(features.get(column))
        holds = _column_kind(schema.field(column).type, names)
        if holds and not (holds == "text" and many):
            try:
                columns[column] = _kept_column(parts, column, holds, names)
                continue
            except _damage() as error:  # a caption is no reason to lose the pictures
                ignored.append(f"{column} ({_first_line(error)[:80]})")
        else:
            ignored.append(f"{column} ({str(schema.field(column).type)[:40]})")
    if ignored:
        notes.append(f"left out: the columns {', '.join(ignored)}")
    tags = [column for column in columns if columns[column].kind == "tags" and column.casefold() in LABEL_NAMES]
    if label is None and tags:
        found = labelling.unlabelled(f"column {tags[0]} holds several names a picture, kept as tags")
    digest.update(json.dumps([options.image_column, options.label_column]).encode())
    held_out = np.repeat([part.split in held_splits for part in parts], [part.rows.count for part in parts])
    content = _Content(parts, image, found, held_out, columns, tuple(notes))
    return (PixelTable if kind == "pixels" else EncodedTable)(name, content, digest.hexdigest())


def _labels(
    name: str,
    column: str,
    parts: Sequence[_Part],
    held_splits: set[str],
    features: Mapping[str, Any],
    options: SourceOptions,
) -> tuple[Labelling, list[_Part]]:
    """Labels, and the tables without those that are held out and, unlike the training tables, have none."""
    codes, class_names, missing = _label_codes(name, column, parts, _class_names(features.get(column)))
    ends = np.cumsum([part.rows.count for part in parts])[:-1]
    empty = [bool(each.all()) for each in np.split(missing, ends)]
    keep = [not (gone and part.split in held_splits) for gone, part in zip(empty, parts, strict=True)]
    if all(gone for gone, kept in zip(empty, keep, strict=True) if kept):
        keep = [True] * len(parts)  # nothing has labels
    rows = np.repeat(keep, [part.rows.count for part in parts])
    codes, missing = codes[rows], missing[rows]
    kept_parts = [part for part, kept in zip(parts, keep, strict=True) if kept]
    if missing.any():
        found = labelling.unlabelled(f"column {column} is empty in {missing.sum()} of {len(missing)} rows")
    elif len(class_names) <= MOST_CLASSES:
        found = labelling.labels_from_values(codes, class_names, f"column {column}")
    elif options.label_column is None:
        found = labelling.unlabelled(f"column {column} has {len(class_names)} different values")
    else:
        raise UsageError(
            f"column {column} of {name} has {len(class_names)} different values, more than {MOST_CLASSES}: "
            "choose another label-column"
        )
    return found, kept_parts
