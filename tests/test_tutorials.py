"""Every command of every tutorial runs as it stands there, on small data and for moments instead of minutes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.cli import main

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
SHORT = ["--images", "16", "--batch", "4", "--width", "4", "--judge-samples", "16", "--threads", "1"]
BUDGET = re.compile(r" --(minutes|resolution|width|batch) \S+")


def commands_of(page: Path) -> list[str]:
    """The lines of its sh blocks, those that end in a backslash joined with the next."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def disc(random: np.random.Generator, side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side, 3), 255, np.uint8)
    cy, cx = random.integers(8, side - 8, 2)
    picture[(y - cy) ** 2 + (x - cx) ** 2 < 36] = random.integers(0, 200, 3)
    return picture


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tutorials say a reader has: one place for all, so that it is prepared and looked at once."""
    random, tmp_path = np.random.default_rng(0), tmp_path_factory.mktemp("reader")
    points = ["file,name,x,y,width,height"]
    for i in range(36):
        picture = disc(random, 32)
        split = "test" if i >= 24 else "train"
        shown = {
            f"photos/{split}": picture,
            f"pairs/{split}": np.concatenate([255 - picture, picture], axis=1),
            f"kinds/{split}{'AB'[i % 2]}": picture if i % 2 else 255 - picture,
        }
        points += [f"{split}/{i:03d}.png,{name},{random.integers(32)},{random.integers(32)},32,32" for name in "ab"]
        if i < 2:
            small = {"small": picture[:16, :16], "old": picture, "new": picture, "maps": 255 - picture}
            shown |= small
        for folder, image in shown.items():
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / folder / f"{i:03d}.png")
    (tmp_path / "points.csv").write_text("\n".join(points))
    (tmp_path / "new-points.csv").write_text("\n".join([points[0], *points[-4:]]))
    Image.fromarray(disc(random, 80)).save(tmp_path / "painting.png")
    hole = np.zeros((32, 32), np.uint8)
    hole[10:20, 10:20] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    return tmp_path


@pytest.fixture
def folders(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_begins_with_what_the_reader_has_and_its_commands_run(page, folders):
    paragraphs = [text for text in page.read_text(encoding="utf-8").split("\n\n") if not text.startswith("#")]
    assert paragraphs[0].startswith("You have a folder of ")
    commands = commands_of(page)
    assert any(" train " in line for line in commands)
    assert any(" apply " in line for line in commands)
    for line in commands:
        words = shlex.split(line, comments=True)
        assert words[0] == "ganvas", line
        if words[1] == "train":
            words = [*shlex.split(BUDGET.sub("", line), comments=True), *SHORT, "--resolution", "32"]
        assert main(words[1:]) == 0, line
        if "--out" in words:
            assert Path(words[words.index("--out") + 1]).exists(), line
    for run in Path().glob("runs/*/verdict.json"):
        assert json.loads(run.read_text())["metrics"]
