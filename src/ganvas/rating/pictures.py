"""The pictures of a study: drawn or read, ruined for the checks, and made alike in all but what they show."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganvas.data.decode import PictureError, Pixels
from ganvas.data.fit import Target, fit
from ganvas.errors import GanvasError
from ganvas.rating.study import Compared, Role, Study, Upscaling, shuffled

if TYPE_CHECKING:
    from ganvas.data.contract import Source
    from ganvas.data.store import Store
    from ganvas.model import Model

FIRST_SEED = 2_000_000  # far from the seeds of sheets and verdicts, which people may have looked at
SEEDS_A_STUDY = 100_000  # so that two seeds of studies share no picture
SHOWN_SIDES = (256, 512)  # pixels of the longer side without --size: at least, at most
WHITE = (255, 255, 255)
NOISE_CELLS, BLUR_CELLS = 32, 3  # a side, in ruined pictures: coarse enough to be seen at any size
NOISE_SHARE = 0.85

Bytes = NDArray[np.uint8]
Ruin = Literal["noise", "blur"]


@dataclass(frozen=True)
class PictureSet:
    """Pictures of one origin at their own size, [H, W, C] uint8 with C of 1 or 3, and what each of them was."""

    about: Compared
    pictures: Sequence[Bytes]
    origins: Sequence[str]  # a seed, or the name in the source

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Picture:
    """One picture as it is sent. origin: for the researcher; raters are never told."""

    role: Role
    number: int
    origin: str
    png: bytes


def draw_from_model(given: str, model: Model, count: int, seed: int) -> PictureSet:
    """The pictures of `count` seeds that belong to the study's seed. Equal seeds draw equal classes in any model."""
    config = model.config
    first = FIRST_SEED + seed * SEEDS_A_STUDY
    seeds = tuple(range(first, first + count))
    height, width = config.resolution
    about = Compared(
        given=given,
        kind="model",
        sha256=model.hash,
        height=height,
        width=width,
        channels=config.channels,
        recipe=config.recipe,
        weights=config.weights,
        images_seen=config.images_seen,
        seeds=seeds,
    )
    return PictureSet(about, [_fitted(one, about) for one in model.sample(seeds)], [f"seed {seed}" for seed in seeds])


def read_from_source(
    given: str, source: Source, count: int, seed: int, size: tuple[int, int, int], *, real: bool = False
) -> PictureSet:
    """At most `count` pictures of a source, chosen by the seed and brought to (height, width, channels).

    real: held-out pictures if there are enough, because a generator cannot have learned them by heart. What cannot
    be decoded is passed over. Raises GanvasError if none can be used.
    """
    held_out = np.flatnonzero(source.held_out) if real else np.empty(0, np.int64)
    from_held_out = len(held_out) >= count
    rows = held_out if from_held_out else np.arange(len(source.names))
    height, width, channels = size
    split = ("held-out" if from_held_out else "all") if real else ""
    about = Compared(
        given=given,
        kind="source",
        sha256=source.fingerprint,
        height=height,
        width=width,
        channels=channels,
        split=split,
    )
    pictures: list[Bytes] = []
    origins: list[str] = []
    for place in shuffled(len(rows), seed, "pictures"):
        if len(pictures) == count:
            break
        index = int(rows[place])
        try:
            pictures.append(_fitted(source.read(index), about))
            origins.append(source.names[index])
        except PictureError:
            continue
    if not pictures:
        raise GanvasError(f"{given} has no picture that can be used: look at it with `ganvas data check {given}`")
    return PictureSet(about, pictures, origins)


def take_from_store(store: Store, count: int, seed: int) -> PictureSet:
    """At most `count` real pictures of prepared data, held-out ones if there are enough."""
    split = store.held_out if store.held_out is not None and store.held_out_count >= count else store.train
    about = Compared(
        given=store.source_name,
        kind="source",
        sha256=store.fingerprint,
        height=store.height,
        width=store.width,
        channels=min(store.channels, 4),
        split="held-out" if split.offset else "training",
    )
    chosen = shuffled(len(split), seed, "pictures")[:count]
    pictures = [_fitted(split.images[row].transpose(1, 2, 0), about) for row in chosen]
    return PictureSet(about, pictures, [store.names[split.offset + row] for row in chosen])


def ruin(picture: Bytes, how: Ruin, seed: int) -> Bytes:
    """A picture that nobody takes for real who looks: [H, W, C] uint8 -> the same shape, nearly all noise or blur."""
    height, width, channels = picture.shape
    if how == "noise":
        cells = (min(height, NOISE_CELLS), min(width, NOISE_CELLS), channels)
        noise = _resized(np.random.default_rng(seed).integers(0, 256, cells, np.uint8), height, width, "nearest")
        mixed: Bytes = np.rint((1 - NOISE_SHARE) * picture + NOISE_SHARE * noise).astype(np.uint8)
        return mixed
    small = _to_pillow(picture).resize((min(width, BLUR_CELLS), min(height, BLUR_CELLS)), Image.Resampling.BOX)
    return _resized(_from_pillow(small), height, width, "lanczos")


def shown_size(height: int, width: int, longest: int | None, upscaling: Upscaling) -> tuple[int, int]:
    """(height, width) that pictures of height x width are shown at; with "nearest" a whole multiple of them.

    longest: of the two sides; None: the pictures' own, brought between 256 and 512.
    """
    own = max(height, width)
    wanted = longest or min(max(own, SHOWN_SIDES[0]), SHOWN_SIDES[1])
    scale = max(1, wanted // own) if upscaling == "nearest" and wanted >= own else wanted / own
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_png(picture: Bytes, height: int, width: int, upscaling: Upscaling) -> bytes:
    """[H, W, C] uint8 -> PNG of exactly height x width pixels, always RGB and without any metadata.

    Another aspect is cut to the middle. Shrinking is always by Lanczos.
    """
    rgb = picture.repeat(3, axis=2) if picture.shape[2] == 1 else picture
    buffer = io.BytesIO()
    Image.fromarray(_resized(rgb, height, width, upscaling)).save(buffer, format="PNG")
    return buffer.getvalue()


def as_role(role: Role, pictures: Iterable[tuple[Bytes, str]], study: Study) -> list[Picture]:
    """Pictures with what they were -> numbered, and as the study sends them."""
    return [
        Picture(role, number, origin, to_png(picture, study.height, study.width, study.upscaling))
        for number, (picture, origin) in enumerate(pictures)
    ]


def _fitted(picture: Pixels, about: Compared) -> Bytes:
    """[H, W, C] integers -> [about.height, about.width, 1 or 3] uint8; transparent pixels are laid on white."""
    target = Target(about.height, about.width, 1 if about.channels == 1 else 3, 8, WHITE)
    fitted: Bytes = np.ascontiguousarray(fit(picture, target, Counter())[0].transpose(1, 2, 0), np.uint8)
    return fitted


def _resized(picture: Bytes, height: int, width: int, upscaling: Upscaling) -> Bytes:
    """The largest middle part of the wanted aspect, scaled -> [height, width, C]."""
    rows, columns = picture.shape[:2]
    scale = max(height / rows, width / columns)
    kept_rows, kept_columns = height / scale, width / scale
    top, left = (rows - kept_rows) / 2, (columns - kept_columns) / 2
    by = Image.Resampling.NEAREST if upscaling == "nearest" and scale >= 1 else Image.Resampling.LANCZOS
    box = (left, top, left + kept_columns, top + kept_rows)
    return _from_pillow(_to_pillow(picture).resize((width, height), by, box=box))


def _to_pillow(picture: Bytes) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def _from_pillow(image: Image.Image) -> Bytes:
    pixels: Bytes = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels
