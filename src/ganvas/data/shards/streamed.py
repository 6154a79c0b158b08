"""Training straight from shards: a sample of them as the reference, and what makes their pictures training ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ganvas.data import labels as labelling
from ganvas.data.contract import EncodedPictures
from ganvas.data.decode import Pixels
from ganvas.data.decoders import Decoders, Failed
from ganvas.data.fit import Target, fit_encoded
from ganvas.data.options import SourceOptions
from ganvas.data.shards.remote import redacted
from ganvas.data.shards.shard import Sample
from ganvas.data.shards.stream import first_samples
from ganvas.errors import GanvasError, UsageError

REFERENCE = 10_000  # pictures, of which no more than so many bytes:
REFERENCE_BYTES = 512 << 20


class StreamedSource(EncodedPictures):
    """The first pictures of shards, evenly spread: what size, classes and judge are settled on.

    shards: the addresses of all of them. Raises GanvasError if there is none or none has a picture.
    """

    def __init__(self, name: str, options: SourceOptions, shards: Sequence[str]) -> None:
        if options.pairs or options.side:
            raise UsageError("pairs cannot be streamed: prepare them first with `ganvas data prepare`")
        self.name = redacted(name)
        self.options = options
        self.shards = shards
        few = first_samples(self.shards, 64, options)
        if not few:
            raise GanvasError(f"{name} holds no pictures: expected tars with members such as 0001.jpg, or Parquet")
        mean_bytes = sum(len(sample.picture) for sample in few) / len(few)
        count = min(REFERENCE, max(64, int(REFERENCE_BYTES / max(1, mean_bytes))))
        self._samples = first_samples(self.shards, count, options)
        self.names: Sequence[str] = [f"{s.shard}/{s.place}/{s.key}" for s in self._samples]
        digest = hashlib.sha256(b"streamed")
        for address in self.shards:
            digest.update(redacted(address).encode() + b"\0")  # a renewed signature is the same shard
        for sample in self._samples:
            digest.update(hashlib.sha256(sample.picture).digest())
        self.fingerprint = digest.hexdigest()
        found = _labels(self._samples)
        self.labels: NDArray[np.int64] | None = found.labels
        self.class_names: tuple[str, ...] = found.class_names
        self.labels_note = found.note
        self.held_out: NDArray[np.bool_] = np.zeros(len(self.names), np.bool_)
        self.notes = (
            f"streamed from {len(self.shards)} shards: {len(self.names)} pictures of them are the reference for size, "
            "classes and verdict, all are trained on",
        )

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture."""
        return self._samples[index].picture


def decoding(
    decoders: Decoders, target: Target, class_names: Sequence[str] | None
) -> Callable[[list[Sample]], list[Pixels | Failed]]:
    """What a SampleStream calls: samples -> [C, H, W] pictures that fit the store, or why not.

    class_names: the classes that are trained on; a picture of no other class can be used.
    """
    known = None if class_names is None else set(class_names)

    def decode(samples: list[Sample]) -> list[Pixels | Failed]:
        items = (((sample.picture,), sample.key) for sample in samples)
        results: list[Pixels | Failed] = []
        for sample, result in zip(samples, decoders.map(fit_encoded, items, target), strict=True):
            if isinstance(result, Failed):
                results.append(result)
            elif known is not None and str(sample.label) not in known:
                results.append(Failed(sample.key, f"its class {sample.label} is not among those seen first"))
            else:
                results.append(result.pictures[0])
        return results

    return decode


def _labels(samples: Sequence[Sample]) -> labelling.Labelling:
    values = [sample.label for sample in samples]
    without = sum(value is None for value in values)
    if without == len(values):
        return labelling.unlabelled("the shards hold no .cls members and no label fields")
    if without:
        return labelling.unlabelled(f"{without} of {len(values)} pictures looked at have no class")
    if all(isinstance(value, int) for value in values):
        return labelling.labels_from_values(np.array(values, np.int64), None, "the shards")
    return labelling.labels_from_values(np.array([str(value) for value in values]), None, "the shards")
