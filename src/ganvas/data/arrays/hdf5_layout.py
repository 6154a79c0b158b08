"""What lies in an HDF5 file and which of it are the pictures: data sets found without leaving the file.

HDF5 can point elsewhere: links into other files, data sets whose values lie in other files or are put together
from others, filters that are programs on this machine. None of these is followed.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ganvas.errors import GanvasError

MOST_OBJECTS = 10_000
LARGEST_CHUNK = 1 << 30  # bytes that must be unpacked to see one value
HELD_OUT = ("test", "val", "valid", "validation")
_SPLITS = ("train", *HELD_OUT)
IMAGES = ("images", "image", "imgs", "pictures", "x", "data", "pixels", "voxels", "volumes")
_BEFORE = re.compile(rf"({'|'.join(_SPLITS)})(?:_set)?_(.+)", re.IGNORECASE)  # train_images, train_set_x
_AFTER = re.compile(rf"(.+)_({'|'.join(_SPLITS)})", re.IGNORECASE)  # x_train
# Those that HDF5 and h5py hold themselves: deflate, shuffle, fletcher32, szip, nbit, scale-offset, lzf.
_KNOWN_FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))


@dataclass(frozen=True)
class Found:
    """A data set: its path, and what it is called once the split is taken off ("train/x", "x_train": "x")."""

    path: str
    split: str  # "", or one of train, test, val, valid, validation
    base: str
    dataset: Any  # h5py.Dataset

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.base.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The groups it lies in, split groups left out."""
        return self.base.rpartition("/")[0]

    @property
    def described(self) -> str:
        """Path, shape and type."""
        return f"{self.path} {list(self.dataset.shape or ())} {self.dataset.dtype}"


@dataclass
class Contents:
    """The data sets of a file by path, their other names, and paths that are not followed, with the reason."""

    found: dict[str, Found] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    complete: bool = True

    def get(self, path: str, name: str) -> Found:
        """The data set that the user names. Raises GanvasError if it is refused or not there."""
        path = path.strip("/")
        path = self.aliases.get(path, path)
        if path in self.refused:
            raise GanvasError(
                f"{path} of {name} {self.refused[path]}: it is not followed; copy its values into the file"
            )
        if path not in self.found:
            raise GanvasError(f"{name} has no data set {path}: it holds {self.listed()}")
        return self.found[path]

    def listed(self) -> str:
        """What there is, for messages."""
        shown = [entry.described for entry in list(self.found.values())[:12]]
        shown += [f"{path} ({why})" for path, why in list(self.refused.items())[:3]]
        more = len(self.found) + len(self.refused) - len(shown)
        return (", ".join(shown) or "no data sets") + (f" and {more} more" if more > 0 else "")


def contents(file: Any) -> Contents:
    """The data sets of an open h5py.File, each looked at once however often it is linked, nearest to the root first."""
    import h5py  # type: ignore[import-untyped]

    result = Contents()
    soft: dict[str, str] = {}
    seen = {_address(file)}
    waiting: deque[tuple[str, Any]] = deque([("", file)])
    objects = 0
    while waiting:
        prefix, group = waiting.popleft()
        for key in group:
            objects += 1
            if objects > MOST_OBJECTS:
                result.complete = False
                return result
            path = f"{prefix}{key}"
            try:
                link = group.get(key, getlink=True)
                if isinstance(link, h5py.SoftLink):
                    soft[path] = posixpath.normpath(posixpath.join("/", prefix, link.path)).strip("/")
                    continue
                if not isinstance(link, h5py.HardLink):
                    result.refused[path] = "is a link to another file"
                    continue
                entry = group[key]
                if _address(entry) in seen:
                    continue
                seen.add(_address(entry))
                if isinstance(entry, h5py.Group):
                    waiting.append((f"{path}/", entry))
                elif isinstance(entry, h5py.Dataset):
                    why = _why_not(entry)
                    if why:
                        result.refused[path] = why
                    else:
                        result.found[path] = _named(path, entry)
            except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
                result.refused[path] = f"cannot be read ({error})"
    for path, target in soft.items():
        if target in result.found:
            result.aliases[path] = target
        else:
            result.refused[path] = f"is a link to {target}, which is no data set that lies in the file itself"
    return result


def pictures_among(name: str, found: Contents, wanted: str | None) -> list[Found]:
    """The data sets with the pictures, training one first: the one `wanted`, known by name, or the only one.

    Raises GanvasError, listing what there is, if nothing says which.
    """
    if wanted is not None:
        base = next((e.base for e in found.found.values() if e.base == wanted.strip("/")), None)
        base = found.get(wanted, name).base if base is None else base
    else:
        base = _base_of_pictures(name, found)
    members = [entry for entry in found.found.values() if entry.base == base]
    splits = {entry.split for entry in members}
    if "train" in splits:  # images beside train_images: the whole before it was split
        members = [entry for entry in members if entry.split]
    members = sorted(members, key=lambda entry: ("", *_SPLITS).index(entry.split))
    return [entry for entry in members if is_encoded(entry) == is_encoded(members[0])]


def is_encoded(entry: Found) -> bool:
    """Whether every value of a data set is the bytes of a picture file."""
    import h5py

    item = h5py.check_vlen_dtype(entry.dataset.dtype)
    return item is not None and item == "uint8" and entry.dataset.ndim == 1


def _base_of_pictures(name: str, found: Contents) -> str:
    bases: dict[str, Found] = {}
    for entry in found.found.values():
        shape = entry.dataset.shape
        if is_encoded(entry) or (
            entry.dataset.dtype.kind in "biuf" and (len(shape) in (3, 4) or (len(shape) == 5 and shape[4] <= 4))
        ):
            bases.setdefault(entry.base, entry)
    aliases: dict[str, list[str]] = {base: [] for base in bases}
    for alias, target in found.aliases.items():
        aliases.get(found.found[target].base, []).append(alias.rpartition("/")[2].casefold())
    for known in IMAGES:
        refused = [path for path in found.refused if path.rpartition("/")[2].casefold() == known]
        matching = [base for base, entry in bases.items() if known in (entry.leaf.casefold(), *aliases[base])]
        if len(matching) == 1:
            return matching[0]
        if not matching and refused and not any(entry.leaf.casefold() in IMAGES for entry in bases.values()):
            found.get(refused[0], name)  # says why it is refused
        if matching:
            break
    if len(bases) == 1:
        return next(iter(bases))
    why = "several data sets may be the pictures" if bases else "no data set looks like pictures"
    limit = "" if found.complete else f" (only the first {MOST_OBJECTS:,} objects were looked at)"
    raise GanvasError(
        f"{name}: {why}{limit}; it holds {found.listed()}. Give the name of one of [N, H, W], [N, H, W, C], "
        "[N, C, H, W] or, for volumes, [N, D, H, W] or [N, D, H, W, C] as the image column"
    )


def split_and_base(name: str) -> tuple[str, str]:
    """What a name says of the split, and the rest: ("train", "x") for train_x, train_set_x and x_train, or ("", name).

    Splits are train, test, val, valid and validation.
    """
    before, after = _BEFORE.fullmatch(name), _AFTER.fullmatch(name)
    if before:
        return before[1].casefold(), before[2]
    return (after[2].casefold(), after[1]) if after else ("", name)


def _named(path: str, dataset: Any) -> Found:
    parts = path.split("/")
    if len(parts) > 1 and parts[0].casefold() in _SPLITS:
        return Found(path, parts[0].casefold(), "/".join(parts[1:]), dataset)
    split, base = split_and_base(parts[-1])
    return Found(path, split, "/".join((*parts[:-1], base)), dataset)


def _why_not(dataset: Any) -> str:
    """Why a data set is not to be read, or ""."""
    import h5py

    if dataset.external:
        return "keeps its values in another file"
    if dataset.is_virtual:
        return "is put together from other data sets (virtual)"
    layout = dataset.id.get_create_plist()
    filters = [layout.get_filter(number) for number in range(layout.get_nfilters())]
    unknown = [code for code, *_ in filters if code not in _KNOWN_FILTERS]
    if unknown:
        return f"is packed with filter {unknown[0]}, a program that does not come with HDF5"
    dtype = dataset.dtype
    if dtype.kind == "O" and h5py.check_string_dtype(dtype) is None and h5py.check_vlen_dtype(dtype) != "uint8":
        return "holds references or objects"
    if dtype.kind not in "biufSO" or dataset.shape is None:
        return f"holds no numbers and no text ({dtype})"
    if dataset.chunks is not None and math.prod(dataset.chunks) * dtype.itemsize > LARGEST_CHUNK:
        return "is stored in chunks of more than 1 GiB"
    return ""


def _address(entry: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(entry.id).addr)
