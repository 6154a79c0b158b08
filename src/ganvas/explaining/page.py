"""An explanation as one self-contained page and a folder of pictures: nothing fetched, no script, names escaped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from ganvas.curves import chart
from ganvas.draw import provenance
from ganvas.errors import GanvasError
from ganvas.explaining.missing import Group
from ganvas.explaining.pictures import Tiles, data_uri, data_uris, rows, tiles
from ganvas.explaining.probe import Probe
from ganvas.images import enlarge, save_png
from ganvas.report import count, unbroken
from ganvas.training.run_folder import RunFolder

if TYPE_CHECKING:
    from ganvas.explaining.drift import Drift
    from ganvas.explaining.explanation import Findings
    from ganvas.explaining.extremes import Ranking

IN_A_GROUP = 6  # pictures of each sort
SMOOTH_FROM = 64  # pixels a side: larger pictures are scaled smoothly, smaller ones show their pixels
LONGEST_NAME = 12
TITLES = {
    "looks": "Where D looks",
    "extremes": "Best and worst",
    "missing": "What is missing",
    "spectra": "Spectra",
    "drift": "Fixed seeds",
    "probe": "What D has learnt",
}

Sheets = dict[str, tuple[Tiles, dict[str, str]]]


def write_page(found: Findings, folder: RunFolder) -> None:
    """Write the pictures into RUN/explain/ and the page beside it; an older page is replaced at once.

    Raises GanvasError if something cannot be written.
    """
    made = sheets(found)
    partial = folder.explain_page.with_name(f".{folder.explain_page.name}.tmp")
    try:
        for old in folder.explain.glob("*.png"):
            old.unlink()
        for name, (sheet, metadata) in made.items():
            save_png(folder.explain / f"{name}.png", enlarge(sheet), metadata)
        partial.write_text(render(found, made, folder.path.resolve().name), encoding="utf-8", errors="replace")
        os.replace(partial, folder.explain_page)
    except OSError as error:
        raise GanvasError(
            f"{error.filename or folder.explain} cannot be written ({error.strerror}): free or unlock the folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # already renamed, or never there
            partial.unlink()


def sheets(found: Findings) -> Sheets:
    """The pictures of RUN/explain/ by name: [H, W, C] each, and what is written into its metadata."""
    origin = provenance(found.subject.model, 1.0, None)
    samples, reals = found.samples, found.reals

    def drawn(chosen: Sequence[int]) -> dict[str, str]:
        return {"seeds": ",".join(str(samples.numbers[i]) for i in chosen), **origin}

    made: Sheets = {
        "looks_real": (found.looks.sheet(found.looks.real), {"software": origin["software"]}),
        "looks_fake": (found.looks.sheet(found.looks.fake), drawn(range(len(found.looks.fake.shown)))),
    }
    for ranking in found.extremes.rankings:
        for end, chosen in (("best", ranking.best), ("worst", ranking.worst)):
            strips = [tiles(samples.images[list(chosen)])]
            if ranking.beside is not None:
                strips.append(tiles(found.subject.store.images[ranking.beside[list(chosen)]]))
            made[f"{ranking.measure.name}_{end}"] = (rows(*strips), drawn(chosen))
    if found.missing.lonely:
        strip = tiles(reals.images[list(found.missing.lonely)])
        made["missing"] = (rows(strip), {"software": origin["software"]})
    if found.drift.moments:
        made["drift"] = (drift_sheet(found.drift), {"software": origin["software"], "synthetic": "true"})
    return made


def drift_sheet(drift: Drift) -> Tiles:
    """A row for each seed, a column for each moment."""
    chosen = drift.shown_seeds
    by_moment = np.stack([tiles(moment.pictures[chosen].transpose(0, 3, 1, 2)) for moment in drift.shown])
    return rows(*by_moment.transpose(1, 0, 2, 3, 4))


def render(found: Findings, made: Sheets, run: str) -> str:
    """The page as a string of HTML. made: what `sheets` gives; run: the name of its folder."""
    template = resources.files("ganvas.explaining").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=count, unbroken=unbroken)
    subject, store = found.subject, found.subject.store
    return environment.from_string(template).render(
        name=store.source_name,
        run=run,
        words=found.words,
        titles=TITLES,
        keys=keys(found),
        smooth=max(store.height, store.width) > SMOOTH_FROM,
        looks_real=data_uri(made["looks_real"][0]),
        looks_fake=data_uri(made["looks_fake"][0]),
        looks_seeds=found.looks.fake.shown.numbers.tolist(),
        rankings=[_ranking(found, ranking) for ranking in found.extremes.rankings],
        classes=found.samples.labels is not None,
        kind=found.missing.kind,
        lonely=_named(found, found.missing.lonely),
        groups=[_group(found, group) for group in found.missing.listed],
        more_groups=len(found.missing.groups) - len(found.missing.listed),
        spectrum=chart(found.spectra.lines, "cycles per pixel", smooth=False),
        drift=data_uri(made["drift"][0]) if "drift" in made else None,
        moments=[moment.images for moment in found.drift.shown] if found.drift.moments else [],
        drift_chart=chart(found.drift.lines, "images seen", smooth=False) if found.drift.changes else Markup(""),
        probe=_bars(found.probe),
        notes=[*subject.notes, *found.drift.notes],
        facts=facts(found),
    )


def keys(found: Findings) -> list[tuple[str, str]]:
    """The numbers at the top of the page: what each is, and the number."""
    missing, what = found.missing, "classes" if found.missing.kind == "class" else "kinds"
    told = [
        ("real pictures without a sample near", f"{100 * missing.uncovered / missing.reals:.0f} %"),
        (f"{what} missing", f"{len(missing.named('missing'))} of {len(missing.groups)}"),
        ("samples near no real picture", f"{100 * found.extremes.outside:.0f} %"),
        ("pairs D tells apart", f"{100 * found.extremes.told_apart:.0f} %"),
        (
            f"between the spectra (halves of the reals: {found.spectra.halves_differ:.2f})",
            f"{found.spectra.differ:.1f} dB",
        ),
    ]
    if found.probe.trained is not None:
        told.append(("classes read from D", f"{100 * found.probe.trained.share:.0f} %"))
    return told


def facts(found: Findings) -> list[tuple[str, str]]:
    """How the page was made."""
    subject, seeds = found.subject, found.samples.numbers
    return [
        ("samples", f"{len(found.samples)}, seeds {seeds[0]}-{seeds[-1]}"),
        ("real pictures", f"{len(found.reals)} training pictures, spread over the set"),
        ("generator", f"averaged, after {count(subject.model.config.images_seen)} images"),
        ("discriminator", f"after {count(subject.images)} images"),
        ("features", subject.features.name),
        ("model hash", subject.model.hash[:12]),
        ("data", subject.store.fingerprint[:12]),
    ]


def _ranking(found: Findings, ranking: Ranking) -> dict[str, Any]:
    samples, in_words = found.samples, ranking.measure.form.format

    def end(chosen: tuple[int, ...]) -> list[dict[str, Any]]:
        shown = data_uris(tiles(samples.images[list(chosen)]))
        beside: Sequence[Markup | None] = [None] * len(chosen)
        if ranking.beside is not None:
            beside = data_uris(tiles(found.subject.store.images[ranking.beside[list(chosen)]]))
        return [
            {"src": src, "seed": int(samples.numbers[i]), "value": in_words(float(ranking.values[i])), "beside": other,
             "class": _class(found, i)}
            for i, src, other in zip(chosen, shown, beside, strict=True)
        ]  # fmt: skip

    measure = ranking.measure
    return {
        "measure": measure,
        "usual": ranking.usual and " to ".join(map(in_words, ranking.usual)),
        "ends": [
            {"words": measure.best, "tiles": end(ranking.best)},
            {"words": measure.worst, "tiles": end(ranking.worst)},
        ],
    }


def _class(found: Findings, i: int) -> str:
    """What a sample was drawn as, and what it is taken for where that is another class."""
    names, samples = found.subject.store.class_names, found.samples
    drawn = "" if samples.labels is None else names[int(samples.labels[i])]
    seen = "" if samples.probabilities is None else names[int(samples.probabilities[i].argmax())]
    return drawn if drawn == seen else " → ".join(filter(None, (drawn, seen)))


def _named(found: Findings, chosen: Sequence[int]) -> list[dict[str, Any]]:
    """Real pictures with the names that they have in the source."""
    if not chosen:
        return []
    names = [str(found.subject.store.names[row]) for row in found.reals.numbers[list(chosen)]]
    shown = data_uris(tiles(found.reals.images[list(chosen)]))
    return [{"src": src, "name": name, "short": _short(name)} for src, name in zip(shown, names, strict=True)]


def _short(name: str) -> str:
    last = PurePosixPath(name).stem or name
    return last if len(last) <= LONGEST_NAME else f"{last[: LONGEST_NAME - 1]}…"


def _group(found: Findings, group: Group) -> dict[str, Any]:
    def strip(images: NDArray[Any], chosen: tuple[int, ...]) -> Markup | None:
        return data_uri(rows(_filled(tiles(images[list(chosen[:IN_A_GROUP])])))) if chosen else None

    return {
        "group": group,
        "strips": [
            ("real", strip(found.reals.images, group.typical_reals)),
            ("drawn", strip(found.samples.images, group.typical_samples)),
            ("real, and nothing near", strip(found.reals.images, group.lonely)),
        ],
    }


def _filled(pictures: Tiles) -> Tiles:
    """White in the places that are left, so that every strip is equally wide."""
    white = np.full((IN_A_GROUP - len(pictures), *pictures.shape[1:]), 255, np.uint8)
    found: Tiles = np.concatenate([pictures, white])
    return found


def _bars(probe: Probe) -> list[dict[str, Any]]:
    if probe.trained is None or probe.untrained is None or probe.pixels is None:
        return []
    accuracies = (("D as trained", probe.trained), ("D untrained", probe.untrained), ("pixels", probe.pixels))
    bars = [
        {"name": name, "share": 100 * a.share, "low": 100 * a.interval[0], "high": 100 * a.interval[1]}
        for name, a in accuracies
    ]
    return [*bars, {"name": "always the commonest class", "share": 100 * probe.chance, "low": None, "high": None}]
