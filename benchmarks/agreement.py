"""Do our metrics give the numbers that others' give?

    python benchmarks/agreement.py [--references FOLDER] [--out benchmarks/results/agreement.json]

Every row compares one metric with one reference, on made-up features and pictures of several sizes: the worst relative
error over all its cases, |ours - theirs| / |theirs|. scipy, scikit-learn and scikit-image come with the extra `demo`
and the tests; the others are looked for on the path and in FOLDER, such as one filled by

    pip install --no-deps --target FOLDER torch-fidelity==0.4.0 clean-fid==0.1.35 piq pytorch-msssim lpips prdc

They import torchvision at their start, which nothing that is compared here uses: where it is missing an empty one
stands in. A reference that cannot be imported makes a row "not checked" with the reason. The cases are in
`agreement_features.py` and `agreement_pictures.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import io
import json
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ganvas.versions import versions

Pairs = list[tuple[float, float]]  # ours, theirs

DISTRIBUTIONS = {
    "scipy": "scipy",
    "numpy": "numpy",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "torch_fidelity": "torch-fidelity",
    "cleanfid": "clean-fid",
    "piq": "piq",
    "pytorch_msssim": "pytorch-msssim",
    "lpips": "lpips",
    "prdc": "prdc",
}
UNREFERENCED = {
    "classification accuracy score": "no package has it: it is defined by the classifier that is trained",
    "bootstrap interval": "others draw other samples: its tests check how often it holds the true value",
}


class Check(NamedTuple):
    """One metric against one reference: `compare` is given the modules of that name."""

    metric: str
    reference: str
    modules: tuple[str, ...]
    compare: Callable[..., Pairs]
    note: str = ""


class StandIn(types.ModuleType):
    """A module that has every name, so that another one can import it: classes by capitals, modules else."""

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {}) if name[0].isupper() else stand_in(f"{self.__name__}.{name}")


def stand_in(name: str) -> types.ModuleType:
    return sys.modules.setdefault(name, StandIn(name))


def need_torchvision() -> str:
    """Make `import torchvision` work, and say by what."""
    try:
        return f"torchvision {importlib.import_module('torchvision').__version__}"
    except (ImportError, RuntimeError):
        for name in ("", ".datasets", ".models", ".transforms", ".transforms.functional"):
            stand_in(f"torchvision{name}")
        return "an empty stand-in"


def row(check: Check) -> dict[str, Any]:
    """What JSON keeps of one check."""
    facts: dict[str, Any] = {"metric": check.metric, "reference": check.reference}
    try:
        modules = [importlib.import_module(name) for name in check.modules]
    except Exception as error:  # whatever a foreign package raises at its import
        return {**facts, "worst_relative_error": "not checked", "reason": f"{type(error).__name__}: {error}"}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):  # of the references
        pairs = check.compare(*modules)
    errors = [abs(ours - theirs) / (abs(theirs) or 1.0) for ours, theirs in pairs]
    package = DISTRIBUTIONS[check.modules[0].split(".")[0]]
    facts |= {"version": importlib.metadata.version(package), "worst_relative_error": max(errors), "cases": len(pairs)}
    return {**facts, "note": check.note} if check.note else facts


def checked(checks: Sequence[Check]) -> list[dict[str, Any]]:
    rows = []
    for check in checks:
        rows.append(row(check))
        print(line(rows[-1]), flush=True)
    for metric, reason in UNREFERENCED.items():
        rows.append({"metric": metric, "reference": "", "worst_relative_error": "not checked", "reason": reason})
        print(line(rows[-1]))
    return rows


def line(row: dict[str, Any]) -> str:
    error = row["worst_relative_error"]
    figure = f"{error:.1e}, {row['cases']} cases" if isinstance(error, float) else f"{error}: {row['reason']}"
    return f"{row['metric']:45} {row['reference']:36} {figure}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=Path, metavar="FOLDER", help="where more packages are to be found")
    parser.add_argument("--out", type=Path, help="JSON of the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.references:
        sys.path.append(str(arguments.references))
    torchvision = need_torchvision()

    import agreement_features
    import agreement_pictures

    rows = checked([*agreement_features.CHECKS, *agreement_pictures.CHECKS])
    if arguments.out:
        given = " --references FOLDER" if arguments.references else ""
        command = f"python benchmarks/agreement.py{given} --out benchmarks/results/{arguments.out.name}"
        facts = {"schema": 1, "command": command, "torchvision": torchvision, "versions": versions(), "rows": rows}
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
