"""What commands print, and how they complain."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganvas.comparing import Comparison
    from ganvas.evaluation.verdict import Metric, Verdict
    from ganvas.rating.results import Results


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


def print_verdict(verdict: Verdict) -> None:
    """A line for each number; beside it what doing nothing gets, where there is such a thing, and real pictures."""
    beside = {"inputs as they are": "input_value", "real pictures": "real_value"}
    columns = {name: key for name, key in beside.items() if any(getattr(m, key) is not None for m in verdict.metrics)}
    rows = [("", "".join(f"  {name:>18}" for name in ("result", *columns)))]
    for metric in verdict.metrics:
        values = [getattr(metric, key) for key in columns.values()]
        cells = [figure_of(metric), *("" if value is None else f"{value:.4g}" for value in values)]
        rows.append((metric.metric, "".join(f"  {cell:>18}" for cell in cells).rstrip()))
    print_table(rows)
    print(f"\n{verdict.words}\n")
    print(verdict.metrics[0].passport.short())


def print_ratings(results: Results) -> None:
    from ganvas.rating.results import table_of, words_of

    print_table(table_of(results))
    print(f"\n{words_of(results)}")


def complain(message: str, code: int) -> int:
    """One line on stderr; returns the exit code."""
    print(f"ganvas: {message}", file=sys.stderr)
    return code
