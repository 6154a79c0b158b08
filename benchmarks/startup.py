"""Seconds until the first words: `import ganvas`, `ganvas --help`, `ganvas train --help`, each in a fresh process.

python benchmarks/startup.py --out benchmarks/results/startup.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ganvas.version import __version__

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import ganvas": ["-c", "import ganvas"],
    "ganvas --help": ["-m", "ganvas", "--help"],
    "ganvas train --help": ["-m", "ganvas", "train", "--help"],
}


def seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for name, words in COMMANDS.items():
        seconds(words)
        times = [seconds(words) for _ in range(arguments.rounds)]
        rows.append({"command": name, "median_s": round(statistics.median(times), 3), "min_s": round(min(times), 3)})
        print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        facts = {"schema": 1, "ganvas": __version__, "python": sys.version.split()[0], "rows": rows}
        arguments.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
