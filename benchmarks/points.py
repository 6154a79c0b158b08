"""Does each objective find all modes of two mixtures of Gaussians in the plane?

    python benchmarks/points.py --out benchmarks/results/points.json --sheet benchmarks/results/points.png

Protocol (Lin et al., 2018, PacGAN, section 4.1, by their published configuration): a ring of 8 Gaussians, radius 1,
sigma 0.01; a grid of 25 at {-4, -2, 0, 2, 4}^2, sigma 0.05; 100 000 training points, 2-D normal noise. Of 2 500 samples
one is good within 3 sigma of its nearest mode; a mode is found if a good sample is nearest to it. Of real points 98.9 %
are good (1 - exp(-4.5)): a larger share means modes narrower than the real ones, so the spread stands beside it (the
root mean square distance of good samples from their modes, against that of good reals: 1 is right, 0 is points).
`unevenness` is the KL divergence of the good samples' modes from equal shares, in nats: 0 is even.

The game is `GenerationGame` itself, on points as pictures [2, 1, 1]; the grid is divided by 4, so that both lie about
[-1, 1]. Every row has the networks, the points shown to D and the rates of the others: a row with five D turns per G
turn has a fifth of the G turns. Networks and common numbers were chosen on seed 100, so seeds 0 to 4 only check them.
Not covered: PacGAN's own networks, its 40 million points a run and its packing; more than two dimensions; terms that
need real pictures (DRAGAN's noise and consistency would compare a point's two coordinates), labels or a mapping.

Each run is written down as soon as it is there; a second call plays what is missing, and what was not run says so.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import math
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from ganvas.devices import device_words
from ganvas.errors import GanvasError
from ganvas.evaluation.metrics.gaussian_modes import gaussian_modes
from ganvas.games.generation import GenerationGame
from ganvas.games.noise import Draws
from ganvas.networks.contract import Chance, Discriminator, Generator
from ganvas.settings import build_settings
from ganvas.training.ema import ema_beta, ema_update
from ganvas.training.run_folder import write_text_atomically
from ganvas.versions import versions

TRAINING_POINTS, SAMPLES = 100_000, 2_500
HIDDEN, MAGNIFIED = 3, 8.0
ORDER, POINTS, NOISE = 9, 10, 11  # what is drawn from a seed besides what the game draws itself
SHOWN, SHOWN_SEED = 700, 0  # samples in a panel of the sheet, and whose

COMMON: dict[str, Any] = {
    "network": "mlp",
    "d_norm": "none",
    "z_dim": 2,
    "width": 128,
    "batch": 256,
    "images": 640_000,  # real points shown to D: 2 500 D turns
    "g_lr": 1e-3,
    "d_lr": 1e-3,
    "beta1": 0.0,
    "beta2": 0.99,
    "lr_decay_from": 0.5,
    "lr_final": 0.02,
    "ema_half_life": 50_000,
}
_R1 = {"r1_gamma": 1e-3, "penalty_every": 4}
_FAST = {"turns": "simultaneous", **_R1}  # the game of the recipe fast
LONG = "the same, ten times as long"
ROWS: dict[str, dict[str, Any]] = {
    "non-saturating, R1, simultaneous": _FAST,
    LONG: {**_FAST, "images": 6_400_000},
    "non-saturating, R1": _R1,
    "non-saturating": {},
    "minimax, R1": {"objective": "minimax", **_R1},
    "minimax": {"objective": "minimax"},
    "least squares, R1": {"objective": "least_squares", **_R1},
    "least squares": {"objective": "least_squares"},
    "hinge, R1": {"objective": "hinge", **_R1},
    "hinge": {"objective": "hinge"},
    "wasserstein, gp": {"objective": "wasserstein", "gp_weight": 0.1},
    "wasserstein, gp, 5 D turns": {"objective": "wasserstein", "gp_weight": 0.1, "n_critic": 5},
    "relativistic, R1, R2": {"objective": "relativistic", "r2_gamma": 1e-3, **_R1},
    "relativistic": {"objective": "relativistic"},
    "non-saturating, LeCam": {"lecam_weight": 0.1},
    "non-saturating, R1, top-k": {"top_k": 0.5, **_R1},
}


class Mixture(NamedTuple):
    """Equal Gaussians: means [K, 2] about [-1, 1], and their sigma."""

    means: Tensor
    sigma: float

    def draw(self, n: int, random: Draws) -> Tensor:
        """[n, 2]."""
        return self.means[random.integers(len(self.means), n)] + self.sigma * random.normal(n, 2)


_ANGLES = torch.arange(8) * (math.tau / 8)
_LINE = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
MIXTURES = {
    "ring": Mixture(torch.stack([_ANGLES.cos(), _ANGLES.sin()], dim=1), 0.01),
    "grid": Mixture(torch.cartesian_prod(_LINE, _LINE), 0.05 / 4),
}


class PointGenerator(Generator):
    """Dense layers with BatchNorm, and no squashing at the end: z [N, z_dim] -> points [N, 2, 1, 1]."""

    def __init__(self, z_dim: int, width: int) -> None:
        super().__init__()
        self.classes = 0
        layers: list[nn.Module] = []
        for size in (z_dim, *[width] * (HIDDEN - 1)):
            layers += [nn.Linear(size, width), nn.BatchNorm1d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 2), nn.Unflatten(1, (2, 1, 1)))

    def forward(self, z: Tensor, labels: Tensor | None = None, random: Chance | None = None) -> Tensor:
        points: Tensor = self.layers(z)
        return points


class PointDiscriminator(Discriminator):
    """Dense layers: points [N, 2, 1, 1] -> logits [N]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in (2, *[width] * (HIDDEN - 1)):
            layers += [nn.Linear(size, width), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.logit = nn.Linear(width, 1)

    def details(self, images: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        # Magnified, or the first layer would take most of the run to see something as narrow as a mode.
        features = self.features(MAGNIFIED * images.flatten(1))
        return {"logits": self.logit(features)[:, 0], "features": features}


def measure(points: Tensor, mixture: Mixture) -> dict[str, float]:
    """Modes found, share of good points, spread and unevenness of [N, 2] points."""
    found = gaussian_modes(points, mixture.means, mixture.sigma)
    return {
        "modes": found.modes,
        "good": round(found.good, 4),
        "spread": round(found.spread, 3),
        "unevenness": round(found.unevenness, 4) if found.modes else found.unevenness,
    }


def play(cells: Mapping[str, Any], data: str, seed: int) -> dict[str, Any]:
    """One run as JSON keeps it: both generators judged on the same noise, raw and averaged."""
    settings, mixture = build_settings({**cells, "seed": seed}), MIXTURES[data]
    total = settings.images
    assert total is not None, "the common settings say how many"
    torch.manual_seed(seed)
    G = PointGenerator(settings.z_dim, settings.width)
    G_ema = copy.deepcopy(G).requires_grad_(False).eval()
    game = GenerationGame(G, PointDiscriminator(settings.width), settings)
    points = mixture.draw(TRAINING_POINTS, Draws("cpu", (seed, POINTS)))[:, :, None, None]
    began, shown, batch = time.monotonic(), 0, settings.batch * settings.n_critic
    while shown < total:
        random = Draws("cpu", (seed, shown // batch))
        chosen = random.at(ORDER).integers(TRAINING_POINTS, batch)
        reals = [(points[some], None) for some in chosen.view(settings.n_critic, -1)]
        game.step(reals, random, shown / total)
        shown += batch
        ema_update(G_ema, G, ema_beta(shown, batch, settings.ema_half_life))
    z = Draws("cpu", (seed, NOISE)).normal(SAMPLES, settings.z_dim)
    with torch.no_grad():
        raw, averaged = G.eval()(z).flatten(1), G_ema(z).flatten(1)
    run = {"seconds": round(time.monotonic() - began, 1), "raw": measure(raw, mixture)}
    run["averaged"] = measure(averaged, mixture)
    if seed == SHOWN_SEED:
        run["shown"] = packed(averaged[:SHOWN])
    return run


def packed(points: Tensor) -> str:
    """[N, 2] -> text: thousandths as 16-bit integers in base64."""
    whole = (points * 1000).nan_to_num().round().clamp(-32_000, 32_000)
    return base64.b64encode(whole.to(torch.int16).numpy().astype("<i2").tobytes()).decode()


def unpacked(text: str) -> Tensor:
    """Undo `packed`."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 2).astype(np.float32)) / 1000


def opened(path: Path | None) -> dict[str, Any]:
    """The results so far, without rows of other settings. Raises GanvasError if they do not compare."""
    head: dict[str, Any] = {
        "device": device_words(torch.device("cpu")),
        "versions": versions(),
        "players": {"hidden": HIDDEN, "magnified": MAGNIFIED},
        "common": COMMON,
    }
    old = json.loads(path.read_text()) if path is not None and path.is_file() else {**head, "rows": {}}
    if other := [name for name, now in head.items() if old[name] != now]:
        raise GanvasError(f"{path} holds results by other {' and '.join(other)}: give another --out, or remove it")
    rows = {}
    for row, cells in ROWS.items():
        known = old["rows"].get(row, {})
        rows[row] = {"settings": cells, "runs": known["runs"] if known.get("settings") == cells else {}}
    commands = [*old.get("commands", []), "python benchmarks/points.py " + " ".join(sys.argv[1:])]
    protocol = " ".join((__doc__ or "").split("Protocol")[1].split("Each run")[0].split())
    real = {data: real_points(mixture) for data, mixture in MIXTURES.items()}
    return {"commands": list(dict.fromkeys(commands)), "protocol": protocol, **head, "real": real, "rows": rows}


def real_points(mixture: Mixture) -> dict[str, float]:
    """What the measures say of as many real points: the mean of five draws."""
    draws = [measure(mixture.draw(SAMPLES, Draws("cpu", (seed, POINTS))), mixture) for seed in range(5)]
    return {name: round(statistics.mean(draw[name] for draw in draws), 4) for name in draws[0]}


def played(document: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Play what is not there yet, all rows of one seed before the next seed."""
    for seed in arguments.seeds:
        for row in arguments.rows or [row for row in ROWS if row != LONG]:
            for data in MIXTURES:
                kept, key = document["rows"][row], f"{data}, seed {seed}"
                if key in kept["runs"]:
                    continue
                kept["runs"][key] = play({**COMMON, **kept["settings"]}, data, seed)
                brief = {name: value for name, value in kept["runs"][key].items() if name != "shown"}
                print(f"{row}, {key}: {json.dumps(brief)}", flush=True)
                if arguments.out:
                    write_text_atomically(arguments.out, json.dumps(document, indent=1) + "\n")


def summary(runs: list[dict[str, float]]) -> str:
    """Modes: mean (least); good share: mean (least); spread and unevenness: means."""
    mean = {name: statistics.mean(run[name] for run in runs) for name in runs[0]}
    least = {name: min(run[name] for run in runs) for name in runs[0]}
    return (
        f"{mean['modes']:6.1f} ({least['modes']:2.0f}) {mean['good']:7.1%} ({least['good']:6.1%})"
        f" {mean['spread']:7.2f} {mean['unevenness']:7.3f}"
    )


def table(document: dict[str, Any]) -> str:
    """What was measured, a line per row and mixture."""
    head = f"{'modes (min)':>11} {'good (min)':>16} {'spread':>7} {'uneven':>7}"
    lines = [f"{'':38}  runs  {'raw':44}  averaged", f"{'':38}        {head}  {head}"]
    for data in MIXTURES:
        lines.append(f"{data:4} {'real points':33} {'':5}  {summary([document['real'][data]])}")
        for row in ROWS:
            runs = [run for key, run in document["rows"][row]["runs"].items() if key.startswith(data)]
            raw, averaged = ([run[which] for run in runs] for which in ("raw", "averaged"))
            words = f"{summary(raw)}  {summary(averaged)}" if runs else "not run"
            lines.append(f"{data:4} {row:33} {len(runs):5}  {words}")
    return "\n".join(lines)


PANEL, GAP, TITLE, PAIRS = 176, 6, 36, 4
HALF = 1.25  # of the plane that a panel shows


def panel(run: dict[str, Any] | None, mixture: Mixture) -> Image.Image:
    """Real points light, samples of the averaged generator dark."""
    picture = Image.new("RGB", (2 * PANEL, 2 * PANEL), "white")
    draw = ImageDraw.Draw(picture)

    def dots(points: Tensor, size: float, colour: str) -> None:
        for x, y in ((points * torch.tensor([1.0, -1.0]) / HALF + 1) * PANEL).tolist():
            draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)

    dots(mixture.draw(SHOWN, Draws("cpu", (SHOWN_SEED, POINTS))), 6, "#ffb84d")
    if run is not None:
        dots(unpacked(run["shown"]), 1.5, "#10307a")
    return picture.resize((PANEL, PANEL), Image.Resampling.LANCZOS)


def sheet(document: dict[str, Any]) -> Image.Image:
    """Ring and grid of each row side by side: the averaged generator of seed 0."""
    width, height = 2 * PANEL + 3 * GAP, PANEL + TITLE + GAP
    whole = Image.new("RGB", (PAIRS * width, -(-len(ROWS) // PAIRS) * height), "#d8d8d8")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(13)
    for number, row in enumerate(ROWS):
        left, top = number % PAIRS * width + GAP, number // PAIRS * height
        draw.text((left, top + 2), row, fill="black", font=font)
        for place, (data, mixture) in enumerate(MIXTURES.items()):
            run = document["rows"][row]["runs"].get(f"{data}, seed {SHOWN_SEED}")
            x, found = left + place * (PANEL + GAP), run["averaged"] if run else None
            words = f"{found['modes']} of {len(mixture.means)}, {found['good']:.1%} good" if found else "not run"
            draw.text((x, top + 18), words, fill="#404040", font=font)
            whole.paste(panel(run, mixture), (x, top + TITLE))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4], help="none: only table and sheet")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, metavar="ROW", help=f"only these [default: all but '{LONG}']"
    )
    parser.add_argument("--out", type=Path, help="JSON of the results, which a second call goes on with")
    parser.add_argument("--sheet", type=Path, help="PNG with a panel per row")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        document = opened(arguments.out)
    except GanvasError as error:
        parser.exit(1, f"{error}\n")
    played(document, arguments)
    print(table(document))
    if arguments.sheet:
        sheet(document).save(arguments.sheet)


if __name__ == "__main__":
    main()
