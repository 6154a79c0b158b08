"""A store as a source: what `data prepare` wrote can be trained on, checked, or prepared again at another size."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganvas.data.contract import SourceDefaults
from ganvas.data.decode import Header, Pixels
from ganvas.data.options import DEFAULT_OPTIONS, SourceOptions, StoreOptions
from ganvas.data.store import Store, read_store
from ganvas.errors import UsageError


class StoreSource(SourceDefaults):
    """The pictures of a store, or of one side of its pairs. See `ganvas.data.contract.Source`.

    sides: ("A", "B") if it gives pairs; reading then gives A, or B where A is heat maps.
    """

    def __init__(self, name: str, path: Path, options: SourceOptions = DEFAULT_OPTIONS) -> None:
        self.store = store = read_store(path, name)
        if options.side and not store.sides:
            raise UsageError(f"{name} holds no pairs: leave out --side")
        if options.side == "A" and store.keypoints is not None:
            raise UsageError(f"--side A: that of {name} is points, not pictures. Give --side B")
        if options.keypoints is not None:
            raise UsageError(f"{name} is prepared already: leave out --keypoints, or give it to ganvas data prepare")
        self.sides = ("A", "B") if store.sides and not options.side else ()
        self.keypoints = store.keypoints if self.sides else None
        read = options.side or ("A" if store.keypoints is None else "B")
        middle = store.sides[0] if store.sides else store.channels
        self._channels = slice(0, middle) if read == "A" else slice(middle, store.channels)
        self._whole = not options.side
        self.name, self.names = name, store.names
        side = options.side or ""
        self.fingerprint = hashlib.sha256(f"{store.fingerprint} {side}".encode()).hexdigest()
        self.labels: NDArray[np.int64] | None = store.labels
        self.class_names = store.class_names
        self.labels_note = store.labels_note
        self.notes = (*store.notes, *((f"side {side} of the pairs",) if side else ()))
        self.columns, self.groups = store.columns, store.groups
        self.held_out: NDArray[np.bool_] = np.arange(len(store.images)) >= store.train_count
        self.default_resolution = store.height, store.width

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8 or uint16."""
        picture: Pixels = np.asarray(self.store.images[index])[self._channels].transpose(1, 2, 0)
        return picture

    def header(self, index: int) -> Header:
        """The same for all pictures."""
        store = self.store
        return Header(store.width, store.height, self._channels.stop - self._channels.start, store.bits)

    def as_it_is(self, options: StoreOptions) -> Store | None:
        """The store itself, if it is what `options` ask for."""
        store = self.store
        fits = (
            options.resolution in (None, (store.height, store.width))
            and options.channels in (None, store.channels)
            and (options.labels is None or options.labels == (store.labels is not None))
            and self._whole
        )
        if self.sides and not fits:
            raise UsageError(
                f"{self.name} holds pairs of {store.width}x{store.height} pixels as they were prepared: leave out "
                "other sizes, channels and --no-labels, or prepare the pictures again"
            )
        return store if fits else None
