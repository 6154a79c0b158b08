"""The page as a browser lays it out: every picture loads, and nothing makes the page wider than the window."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import ganvas

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

# The page stands in a frame of the width that is asked about; the frame's parent reads what became of it.
FRAME = """<!doctype html><iframe style="width:{width}px;height:800px;border:0" srcdoc="{page}"></iframe>
<p id="said"></p>
<script>
addEventListener("load", () => {{
  const inside = document.querySelector("iframe").contentDocument;
  const root = inside.documentElement;
  const broken = [...inside.images].filter(image => !image.complete || image.naturalWidth === 0).length;
  document.getElementById("said").textContent =
    [root.clientWidth, root.scrollWidth, inside.images.length, broken, inside.querySelectorAll("svg").length].join(" ");
}});
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: the page was not laid out")
@pytest.mark.parametrize("width", [390, 1200])
def test_every_picture_loads_and_the_page_is_no_wider_than_the_window(trained, tmp_path, width):
    run = Path(shutil.copytree(trained("fast", "digits"), tmp_path / "run"))
    page = ganvas.explain(run, samples=40, quiet=True).page
    for path in (page, run / "report.html"):
        framed = tmp_path / f"{path.stem}.framed.html"
        framed.write_text(FRAME.format(width=width, page=html.escape(path.read_text(encoding="utf-8"))))
        options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
        printed = subprocess.run(
            [str(BROWSER), *options, "--virtual-time-budget=5000", "--dump-dom", framed.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout  # fmt: skip
        said = re.search(r'<p id="said">([\d ]+)</p>', printed)
        assert said is not None, "the page was not laid out"
        shown, wide, pictures, broken, charts = map(int, said[1].split())
        assert width - 20 < shown <= width, "but for a scroll bar"
        assert wide <= shown, path.name
        assert pictures > 8
        assert broken == 0
        assert charts >= 2
