"""sample, report, recipes and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ganvas.commands.printing import print_json, print_table
from ganvas.errors import UsageError
from ganvas.words import parse_seeds


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
                "task": r.task,
                "summary": r.summary,
                "paper": r.paper,
                "when": r.when,
                "settings": dict(r.cells),
            }
            for r in chosen
        ]
        print_json({"schema": 1, "recipes": rows})
    elif name is None:
        for task in dict.fromkeys(r.task for r in chosen):
            print(f"{'' if task == chosen[0].task else chr(10)}--task {task}")
            print_table([(r.name, r.summary) for r in chosen if r.task == task])
    else:
        from ganvas.recipe_card import recipe_card, typed_cells

        print_table(recipe_card(chosen[0]))
        print_table(typed_cells(chosen[0]))
    return 0


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
