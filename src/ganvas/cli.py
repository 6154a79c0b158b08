"""The command line: each verb parses, calls one library function and formats the answer. Imports no torch by itself."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from ganvas.errors import GanvasError, UsageError
from ganvas.settings import explain
from ganvas.version import __version__
from ganvas.words import DataWords, TrainWords, parse_seeds, translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganvas.comparing import Comparison
    from ganvas.evaluation.verdict import Metric, Verdict
    from ganvas.synthetic.result import Augmented

STARTED = time.monotonic()

app = App(
    name="ganvas",
    version=__version__,
    help="Train, judge and use generative adversarial networks on your own pictures.",
    help_epilogue=(
        "Begin with: ganvas train ./photos --minutes 10\n\n"
        "Flags may be written with - or _. Flags of StyleGAN and diffusers (--outdir, --cfg, --kimg, --cond, --gamma, "
        "--output_dir, --train_batch_size, --mixed_precision, ...) are understood where they mean the same."
    ),
    result_action="return_value",
)
data_app = App(name="data", help="Check and prepare pictures; the built-in data sets; the store of prepared ones.")
app.command(data_app)


@app.command
def train(
    source: str,
    /,
    *,
    recipe: str | None = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    resume: Annotated[bool, Parameter(negative=())] = False,
    accept_changes: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    store: Path | None = None,
    settings: Annotated[TrainWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Train a GAN on pictures: a folder, a ZIP, an .npz, idx files, or a built-in name such as digits.

    The run ends with an averaged model, sample sheets, a verdict and report.html in its folder, also after Ctrl-C.
    Settings that are not given come from the recipe: see `ganvas recipes NAME`.

    Parameters
    ----------
    source
        Where the pictures are. `ganvas data list` shows the built-in names.
    recipe
        A name from `ganvas recipes` [default: chosen by size, count and device, and said why].
    out
        The run's folder [default: numbered below runs/].
    overwrite
        Replace the run that --out holds.
    resume
        Go on with the run that --out holds, from its newest good checkpoint.
    accept_changes
        With --resume: go on with other settings than the run was started with; each is shown.
    dry_run
        Show data, recipe, parameters, memory and time, and train nothing.
    store
        Keep the prepared pictures in this folder instead of the cache.
    """
    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    if dry_run:
        from ganvas.training.forecast import forecast

        print(forecast(source, recipe=recipe, **words))
        return 0
    from ganvas.training.loop import train as train_library

    run = train_library(
        source,
        recipe=recipe,
        out=out,
        overwrite=overwrite,
        resume=resume,
        accept_changes=accept_changes,
        store=store,
        started=STARTED,
        **words,
    )
    if run.ended == "sick":
        return complain(f"the run ended sick: {run.cause}", 1)
    return 0 if run.signal is None else 128 + run.signal


@app.command
def sweep(
    source: str,
    /,
    *,
    trials: int,
    search: list[str] | None = None,
    recipe: str | None = None,
    out: Path | None = None,
    study: str | None = None,
    storage: str | None = None,
    settings: Annotated[TrainWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Try settings: many short runs, each watched and pruned, and the best named with its command (Optuna).

    Example: ganvas sweep digits --trials 20 --images 20000 --search g-lr=1e-4..1e-2:log --search batch=16,32,64

    Parameters
    ----------
    source
        Where the pictures are.
    trials
        Runs in all, those of an earlier call that goes on included.
    search
        NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C; may be given several times [default: learning rates, R1,
        beta1 and batch around the recipe].
    recipe
        A name from `ganvas recipes` [default: chosen as `train` does].
    out
        Folder of the trials [default: numbered below runs/].
    study
        Name of the study, to share a storage among several.
    storage
        Database that many machines may share [default: sweep.db in the folder].
    """
    from ganvas.sweeps.space import read_searches
    from ganvas.sweeps.sweep import sweep as sweep_library

    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    space = read_searches(search) if search else None
    result = sweep_library(
        source, trials=trials, out=out, study=study, storage=storage, recipe=recipe, space=space, **words
    )
    return 0 if result.signal is None else 128 + result.signal


@app.command
def sample(
    model: Path,
    /,
    *,
    seeds: str = "0-31",
    out: str | None = None,
    class_name: Annotated[str | None, Parameter(name="--class")] = None,
    trunc: float = 1.0,
    batch: int = 64,
    weights: Literal["best", "last", "raw"] = "best",
    device: str = "auto",
) -> int:
    """Draw pictures: one sheet, or with --out FOLDER/ one PNG per seed.

    Parameters
    ----------
    model
        A run folder or a model folder.
    seeds
        Numbers and ranges: 0-31,57. A seed's picture is always the same.
    out
        sheet.png, or folder/ for one PNG per seed [default: sheet.png here].
    class_name
        Draw only this class, by name or number.
    trunc
        Pull the noise towards its mean: 1 as trained, 0.7 safer and less varied.
    batch
        Pictures drawn at once.
    weights
        Of a run: the model of the best moment, the average as it is last, or G itself, not averaged.
    device
        auto, cpu, cuda or mps.
    """
    numbers = parse_seeds(seeds)
    target = out or "sheet.png"
    as_folder = target.endswith(("/", "\\")) or Path(target).is_dir() or not Path(target).suffix
    if not as_folder and Path(target).suffix.lower() != ".png":
        raise UsageError(f"--out {target}: sheets are written as .png; give FOLDER/ for one PNG per seed")
    from ganvas.draw import draw_folder, draw_sheet
    from ganvas.training.run_model import load_from_run

    draw = draw_folder if as_folder else draw_sheet
    written = draw(
        load_from_run(model, weights, device), Path(target), numbers, class_name=class_name, trunc=trunc, batch=batch
    )
    print(f"{len(numbers)} {'picture' if len(numbers) == 1 else 'pictures'} in {written}")
    return 0


@app.command
def evaluate(
    what: Path,
    /,
    *,
    data: str | None = None,
    samples: int | None = None,
    trunc: float = 1.0,
    weights: Literal["best", "last", "raw"] = "best",
    device: str = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Judge a run, a model or a source of pictures against real ones.

    Distances are measured in the features of a small network that is trained on the reference pictures themselves.
    They are never FID and compare only with numbers of the same features, reference and sample count.

    Parameters
    ----------
    what
        A run folder, a model folder, or a source of pictures.
    data
        The source to compare with [default: the run's own data, its held-out pictures where there are enough].
    samples
        How many pictures to draw [default: 10000].
    trunc
        Below 1, z is drawn nearer to its mean: the numbers are then those of the truncated generator.
    weights
        Of a run: the averaged generator of the best moment, or of the last one, or the last one without averaging.
    device
        auto, cpu, cuda or mps.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.evaluating import evaluate as evaluate_library

    verdict = evaluate_library(what, data=data, samples=samples, trunc=trunc, weights=weights, device=device)
    if as_json:
        print_json(verdict.to_json())
    else:
        print_verdict(verdict)
    return 0


@app.command
def compare(
    *runs: Path,
    data: str | None = None,
    samples: int | None = None,
    device: str = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Put runs in one table and rank them, where their numbers may be compared and chance does not decide.

    By default the verdicts that the runs ended with are compared. With --samples or --data all are judged anew, alike.
    Numbers with unlike passports are not ranked; the field that differs is named.

    Parameters
    ----------
    runs
        Two run folders or more.
    data
        Judge all anew against this source.
    samples
        Judge all anew with so many pictures each [default: 10000 with --data, else no new judging].
    device
        auto, cpu, cuda or mps.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.comparing import compare as compare_library
    from ganvas.evaluating import evaluate as evaluate_library

    def judge(path: Path) -> Sequence[Metric]:
        return evaluate_library(path, data=data, samples=samples, device=device).metrics

    found = compare_library(runs, judge=judge if data is not None or samples is not None else None)
    if as_json:
        print_json(found.to_json())
    else:
        print_comparison(found)
    return 0


@app.command
def augment(
    run: Path,
    /,
    *,
    out: Path,
    data: str | None = None,
    per_class: int | None = None,
    ratio: float | None = None,
    keep: float = 0.8,
    trunc: float = 1.0,
    tries: int = 20,
    seeds: int = 5,
    real_share: float = 0.1,
    device: str = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Make pictures for the classes that are short, filter them, and measure whether they help a classifier.

    By default every class is filled up to the largest one. A picture is kept if a classifier of the data sees its
    class, if it is among those that D finds most real, and if it is no nearer to a training picture than real ones
    come. The gain is measured on held-out pictures, and said plainly where there is none. The folder holds class
    folders with seed, class and weights in each file, metadata.jsonl, manifest.json and CARD.md. Given again after a
    kill, the same command goes on.

    Parameters
    ----------
    run
        A run folder; with --keep 1 also a model folder.
    out
        The folder to write; new or empty.
    data
        The real pictures, with classes [default: the run's own].
    per_class
        Generate so many of each class.
    ratio
        Generate so many times the real pictures of each class: 0.5 is one for every two.
    keep
        Of each class, the share that D finds most real is kept; 1 keeps all.
    trunc
        Pull the noise towards its mean: 1 as trained, 0.7 safer and less varied.
    tries
        At most so many candidates for each picture that is wanted.
    seeds
        Classifiers trained for each number, 2 or more; 0 does not measure the gain.
    real_share
        Compare also with only this share of the real pictures; 1 leaves that out.
    device
        auto, cpu, cuda or mps.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.augmenting import augment as augment_library

    found = augment_library(
        run,
        out=out,
        data=data,
        per_class=per_class,
        ratio=ratio,
        keep=keep,
        trunc=trunc,
        tries=tries,
        seeds=seeds,
        real_share=real_share,
        device=device,
        quiet=as_json,
    )
    if as_json:
        print_json({**found.to_json(), "folder": str(found.path)})
    else:
        print_augmented(found)
    return 0


@app.command
def report(run: Path, /) -> int:
    """Write report.html of a run again: one page that opens offline.

    Parameters
    ----------
    run
        A run folder.
    """
    from ganvas.report import write_report

    print(write_report(run))
    return 0


@app.command
def recipes(
    name: str | None = None, /, *, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False
) -> int:
    """List the recipes, or explain one.

    Parameters
    ----------
    name
        The recipe to explain.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.recipes import RECIPES, find_recipe

    chosen = list(RECIPES.values()) if name is None else [find_recipe(name)]
    if as_json:
        rows = [
            {
                "name": r.name,
                "summary": r.summary,
                "paper": r.paper,
                "when": r.when,
                "settings": dict(r.cells),
            }
            for r in chosen
        ]
        print_json({"schema": 1, "recipes": rows})
    elif name is None:
        print_table([(r.name, r.summary) for r in chosen])
    else:
        from ganvas.recipe_card import recipe_card, typed_cells

        print_table(recipe_card(chosen[0]))
        print_table(typed_cells(chosen[0]))
    return 0


@data_app.command(name="list")
def data_list(*, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> int:
    """Show the built-in data sets with size, licence and source.

    Parameters
    ----------
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.data.builtin import builtin_table

    rows = [
        {
            "name": row.name,
            "pictures": row.pictures,
            "size": "various" if row.size is None else "x".join(map(str, row.size)),
            "classes": len(row.class_names),
            "licence": row.licence,
            "source": row.origin,
            "download": ", ".join(file.file for file in row.files) or "none: comes with a package",
        }
        for row in builtin_table()
    ]
    if as_json:
        print_json({"schema": 1, "data": rows})
        return 0
    for row in rows:
        print_table([(key, str(value)) for key, value in row.items()])
        print()
    return 0


@data_app.command(name="check")
def data_check(
    source: str,
    /,
    *,
    full: Annotated[bool, Parameter(negative=())] = False,
    strict: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    html: Path | None = None,
    settings: Annotated[DataWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Look at pictures before training: broken files, sizes, classes, duplicates, leaks, and what will be done.

    SOURCE is a folder, a .zip or .tar, .npz, .npy, idx, CIFAR, HDF5, Parquet or Arrow files, a saved or hf:// data
    set, videos, DICOM or NIfTI, webdataset shards, a list of paths, a store, or a built-in name.

    Parameters
    ----------
    source
        Where the pictures are.
    full
        Look at every picture [default: at 2000, evenly spread, if there are more].
    strict
        Exit with 1 if there is a problem: unreadable files, leaks between training and held-out pictures, too few.
    as_json
        Print one JSON document and nothing else.
    html
        Also write the checkup as a page with pictures.
    """
    from ganvas.data.checkup.checkup import has_problems
    from ganvas.data.prepare import check_source

    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    checkup = check_source(source, full=True if full else None, quiet=as_json, **words)
    if html is not None:
        checkup.write_page(html)
    if as_json:
        print_json(checkup.to_json())
    else:
        print("\n".join(checkup.words()))
        if html is not None:
            print(f"page: {html}")
    return 1 if strict and has_problems(checkup) else 0


@data_app.command(name="prepare")
def data_prepare(
    source: str,
    dest: Path,
    /,
    *,
    processes: int | None = None,
    settings: Annotated[DataWords | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> int:
    """Decode pictures once, bring them to one size and keep them in a folder that `ganvas train` takes.

    An interrupted run goes on where it stopped when the same command is given again. The folder's manifest.json
    says what is in it, from what and how it was made, with the SHA-256 of each part.

    Parameters
    ----------
    source
        Where the pictures are: whatever `ganvas data check` understands.
    dest
        The folder to write; new, empty, or begun by the same command.
    processes
        How many decode at once [default: one a core].
    """
    from ganvas.data.prepare import prepare

    words: dict[str, Any] = {} if settings is None else settings.model_dump(exclude_none=True)
    store = prepare(source, dest, processes=processes, **words)
    held = f", {store.held_out_count} held out" if store.held_out_count else ""
    size = f"{store.height}x{store.width}, {store.channels} channels, {store.bits} bits"
    rows = [("pictures", f"{store.train_count} to train on{held}"), ("size", size), ("labels", store.labels_note)]
    rows += [("note", note) for note in store.notes]
    rows += [("skipped", f"{name}: {reason}") for name, reason in store.skipped[:10]]
    if len(store.skipped) > 10:
        rows.append(("", f"and {len(store.skipped) - 10} more, listed in {store.path / 'manifest.json'}"))
    print_table([*rows, ("folder", str(store.path))])
    return 0


@data_app.command(name="clear")
def data_clear() -> int:
    """Remove all prepared pictures from the cache; they are made again when needed."""
    from ganvas.data.store import clear_stores

    count, size = clear_stores()
    print(f"{count} stores removed, {size / 1e6:.1f} MB")
    return 0


@app.command
def doctor(*, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> int:
    """Say what this machine can do: versions, devices, speed, cache, optional packages.

    Parameters
    ----------
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.doctor import examine

    found = examine()
    if as_json:
        print_json({"schema": 1, **found})
    else:
        print_table([(key.replace("_", " "), str(value)) for key, value in found.items()])
    return 0


def print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=1))


def print_table(rows: list[tuple[str, str]]) -> None:
    width = max((len(key) for key, _ in rows), default=0)
    for key, value in rows:
        print(f"{key:<{width}}  {value}")


def print_comparison(comparison: Comparison) -> None:
    """A column for each run; its rank behind every number that could be ranked."""
    head = ["", *comparison.runs, ""]
    rows = [head]
    for line in comparison.lines:
        cells = []
        for metric, rank in zip(line.numbers, line.ranks, strict=True):
            cells.append(figure_of(metric) + ("" if rank is None else f" #{rank}"))
        rows.append([line.metric, *cells, line.why and f"not ranked: {line.why}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n{comparison.words}")


def figure_of(metric: Metric | None) -> str:
    """A number with half of its interval: "2.31 ±0.04"; "-" where there is none."""
    if metric is None:
        return "-"
    half = "" if metric.interval is None else f" ±{(metric.interval[1] - metric.interval[0]) / 2:.2g}"
    return f"{metric.value:.4g}{half}"


def print_augmented(found: Augmented) -> None:
    """A line for each class that was drawn for; then what there is to say."""
    head = ("class", "real", "kept", "of wanted", "drawn")
    rows = [(r.name, *map(str, (r.real, r.kept, r.wanted, r.drawn))) for r in found.classes if r.wanted]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
    print(f"\n{found.words}\n\nfolder: {found.path}")


def print_verdict(verdict: Verdict) -> None:
    rows = [
        (
            m.metric,
            f"{m.value:10.4g}   {'' if m.real_value is None else f'(real pictures: {m.real_value:.4g})'}",
        )
        for m in verdict.metrics
    ]
    print_table(rows)
    print(f"\n{verdict.words}\n")
    print(verdict.metrics[0].passport.short())


def main(tokens: list[str] | None = None) -> int:
    """Run one command; errors become one line on stderr and an exit code: 1, or 2 for wrong usage."""
    try:
        words = translate(sys.argv[1:] if tokens is None else tokens)
        answer = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except BrokenPipeError:  # whoever read has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except CycloptsError as error:
        cause = error.__cause__
        return complain(explain(cause) if isinstance(cause, ValidationError) else " ".join(str(error).split()), 2)
    except GanvasError as error:
        return complain(str(error), error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return complain(f"{where}{error.strerror or error}", 1)
    except KeyboardInterrupt:
        return complain("interrupted", 130)


def complain(message: str, code: int) -> int:
    print(f"ganvas: {message}", file=sys.stderr)
    return code


def run() -> NoReturn:
    """The console script."""
    sys.exit(main())
