"""A synthetic set from a trained generator, sized by what the classes lack, and what it brings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganvas.data.store import Store
from ganvas.draw import provenance
from ganvas.errors import GanvasError, UsageError
from ganvas.evaluating import data_of_model, effort_of
from ganvas.evaluation.features import learn_features
from ganvas.images import Integers
from ganvas.model import Model, load_generator
from ganvas.networks.contract import Discriminator
from ganvas.progress import bar
from ganvas.synthetic.copies import CopyFilter
from ganvas.synthetic.filling import KEPT, Filled, Round, Show, fill
from ganvas.synthetic.filters import Filters
from ganvas.synthetic.gain import Gain, Right, measure_gain
from ganvas.synthetic.need import Need, need_of
from ganvas.synthetic.real_pictures import real_pictures
from ganvas.synthetic.result import Augmented, Origin, class_rows
from ganvas.synthetic.set_folder import KIND, SetInWork, check_out, key_of, set_in_work
from ganvas.synthetic.words import card
from ganvas.training.run_discriminator import load_discriminator
from ganvas.training.run_folder import RunFolder, is_run
from ganvas.versions import versions

VERSION = 1  # of how sets are made: one begun by another is not gone on with
MOST_SEEDS = 100


@dataclass(frozen=True)
class Wish:
    """keep: best share of each class by D. tries: candidates for each wanted picture. seeds: classifiers trained for
    each number; 0 measures no gain. real_share: of the real pictures in a second comparison; 1 makes none.
    """

    keep: float = 0.8
    trunc: float = 1.0
    tries: int = 20
    seeds: int = 5
    real_share: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("keep", self.keep), ("real-share", self.real_share)):
            if not 0 < value <= 1:
                raise UsageError(f"--{name} {value:g}: give a share above 0 and up to 1")
        if self.tries < 1:
            raise UsageError(f"--tries {self.tries}: give at least 1 candidate for each wanted picture")
        if self.seeds not in (0, *range(2, MOST_SEEDS + 1)):
            raise UsageError(
                f"--seeds {self.seeds}: give 2 to {MOST_SEEDS} classifiers, of which the interval is, or 0 for no gain"
            )


def augment(
    run: str | Path,
    *,
    out: str | Path,
    data: str | Path | None = None,
    per_class: int | None = None,
    ratio: float | None = None,
    keep: float = 0.8,
    trunc: float = 1.0,
    tries: int = 20,
    seeds: int = 5,
    real_share: float = 1.0,
    device: str = "auto",
    quiet: bool = True,
) -> Augmented:
    """Write a synthetic set of the generator of `run` to the folder `out`, and measure what it brings.

    `data`: the real pictures (default: the run's own). Wanted are so many of each class that all have as many as the
    largest, or `per_class` of each, or `ratio` times the real ones. `keep`, `tries`, `seeds`, `real_share`: see `Wish`;
    `trunc`: as for `sample`. An interrupted call is gone on with when it is given again. Raises GanvasError
    (UsageError for arguments) in one line.
    """
    wish = Wish(keep, trunc, tries, seeds, real_share)
    run, out = Path(run), Path(out).expanduser().absolute()
    model = load_generator(run, device)
    D, d_images = _discriminator(run, model) if keep < 1 else (None, None)
    store = data_of_model(run, model, data)
    labels = _labels_of(store, model, run)
    _check_not_within(out, store)
    need = need_of(labels, store.class_names, per_class=per_class, ratio=ratio)
    with bar(quiet=quiet) as show:
        show("learning the classes", 0, 0)
        features = learn_features(store, device=model.device, effort=effort_of(run))
        show("learning the classes", 1, 1)
        filters = Filters(features, D, CopyFilter(store, features))
        origin = Origin(
            run=str(run),
            recipe=model.config.recipe,
            model_sha256=model.hash,
            images_seen=model.config.images_seen,
            conditional=model.config.classes > 0,
            discriminator=d_images,
            data=store.source_name,
            data_fingerprint=store.fingerprint,
            trained_on_data=_was_trained_on(run, store),
            classifier=features.name,
            classifier_accuracy=features.accuracy,
            copy_scale=filters.copies.scale,
            rule=need.rule,
            keep=keep,
            trunc=trunc,
            tries=tries,
        )
        return make_set(out, model, filters, store, need, wish, origin, show)


def make_set(
    out: Path,
    model: Model,
    filters: Filters,
    store: Store,
    need: Need,
    wish: Wish,
    origin: Origin,
    show: Show,
) -> Augmented:
    """Fill the classes, measure the gain, write the folder: what `augment` does once everything is loaded."""
    made_of = {
        "version": VERSION,
        "wanted": need.wanted,
        "classes": need.names,
        "features": filters.features.hash,
        "model": origin.model_sha256,
        "discriminator": origin.discriminator,
        "data": origin.data_fingerprint,
    }
    key = key_of({**made_of, **wish.__dict__})
    held = check_out(out, key)
    if held is not None:
        return Augmented.from_json(out, held)
    with set_in_work(out, key, need.names) as work:
        if work.is_finished:
            work.rename(out)
            return Augmented.from_json(out, check_out(out, key) or {})
        filled = Filled(need, tries=wish.tries, conditional=origin.conditional)
        for done in work.rounds():
            filled.add(done)

        def save(done: Round, pictures: Sequence[Integers]) -> None:
            work.save(done, pictures, _metadata(done, model, wish, origin, need.names))

        fill(model, filters, filled, keep=wish.keep, trunc=wish.trunc, save=save, show=show)
        if not filled.pictures:
            found = Augmented(out, origin, class_rows(filled), "no picture was kept", versions())
            work.forget()
            raise GanvasError(f"no picture was kept, so there is no set. {found.words}")
        gain = _gain(work, filled, store, wish, model, show)
        found = Augmented(out, origin, class_rows(filled), gain, versions())
        manifest = {"kind": KIND, "key": key, **found.to_json()}
        work.finish(out, filled.pictures, need.names, json.dumps(manifest, indent=1, ensure_ascii=False), card(found))
        return found


def _labels_of(store: Store, model: Model, run: Path) -> NDArray[np.int64]:
    """Of the training pictures. Raises GanvasError where classes cannot be told, or are others than the model's."""
    labels, config = store.train.labels, model.config
    if labels is None or len(store.class_names) < 2:
        raise GanvasError(
            f"{store.source_name} has no classes ({store.labels_note}), so none can be short and no gain be measured: "
            "give --data with labelled pictures, such as a folder for each class"
        )
    if config.classes and config.class_names != store.class_names:
        raise GanvasError(
            f"{run} draws the classes {_listed(config.class_names)}, but {store.source_name} has "
            f"{_listed(store.class_names)}: give --data with the classes that the run was trained on"
        )
    if config.bits == 16 and config.channels > 1:
        raise GanvasError("colour pictures of 16 bits cannot be written as PNG without loss: train with 8 bits")
    if config.bits != store.bits:
        raise GanvasError(
            f"{run} draws pictures of {config.bits} bits, those of {store.source_name} have {store.bits}: give --data "
            "as the run was trained on"
        )
    return labels


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _check_not_within(out: Path, store: Store) -> None:
    """Generated pictures among the real ones would be taken for real the next time."""
    source = Path(store.source_name).expanduser().absolute()
    if source.is_dir() and out.is_relative_to(source):
        raise UsageError(f"--out {out} lies among the real pictures of {store.source_name}: give a folder elsewhere")


def _discriminator(run: Path, model: Model) -> tuple[Discriminator, int]:
    try:
        D, images, _ = load_discriminator(run, model.config, model.device)
    except GanvasError as error:
        raise GanvasError(f"{error}: --keep 1 does without the filter by D") from None
    return D, images


def _was_trained_on(run: Path, store: Store) -> bool:
    """Whether it is known that the generator learned from these very pictures."""
    return is_run(run) and RunFolder(run).read_facts().get("fingerprint") == store.fingerprint


def _metadata(done: Round, model: Model, wish: Wish, origin: Origin, names: Sequence[str]) -> list[Mapping[str, str]]:
    """What each kept picture of a round tells of itself."""
    by = "asked of the generator" if origin.conditional else f"seen by a {origin.classifier}"
    common = provenance(model, wish.trunc, None)
    return [
        {"seed": str(done.first_seed + i), **common, "class": names[done.classes[i]], "class_by": by}
        for i, outcome in enumerate(done.outcomes)
        if outcome == KEPT
    ]


def _gain(work: SetInWork, filled: Filled, store: Store, wish: Wish, model: Model, show: Show) -> Gain | str:
    """What the pictures bring as they lie in the folder; classifiers that an earlier call has trained are not again."""
    if not wish.seeds:
        return "it was not asked for (--seeds 0)"
    generated = work.read(filled.pictures, store.images)
    trained: dict[tuple[str, int], Right] = {}
    for line in work.lines:
        if "trained" in line:
            bits = np.frombuffer(bytes.fromhex(line["right"]), np.uint8)
            trained[line["trained"], line["seed"]] = np.unpackbits(bits, count=line["count"]).astype(np.bool_)

    def on_trained(what: str, seed: int, right: Right) -> None:
        bits = np.packbits(right).tobytes().hex()
        work.note({"trained": what, "seed": seed, "count": len(right), "right": bits})

    return measure_gain(
        real_pictures(store),
        generated,
        filled.need.names,
        filled.need.short,
        seeds=wish.seeds,
        real_share=wish.real_share,
        trained=trained,
        on_trained=on_trained,
        show=show,
        device=model.device,
    )
